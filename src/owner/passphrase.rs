//! The owner's passphrase: what only the owner may do asks for it where it is set.
//!
//! What tells it lies in `owner.json`; which one that is, and which policy was put into force with it, is sealed beside
//! the key. So a program that can write bursar's files and not read its key can take neither back unnoticed.

use super::Owner;
use super::nothing;
use crate::answer::Refusal;
use crate::config::{Guarded, Home, OwnerFile};
use crate::limits;
use crate::parts::wallet_reason;
use crate::seal::{self, mark_of, policy_replaced, replaced};
use crate::wallet::{Anchor, Verifier, Wallet};

/// Whoever has what a passphrase closes can try as many as they like.
pub(super) fn is_long_enough(passphrase: &str) -> Result<(), Refusal> {
    if passphrase.chars().count() >= limits::PASSPHRASE_CHARS {
        return Ok(());
    }
    let message = format!("a passphrase has at least {} characters", limits::PASSPHRASE_CHARS);
    Err(Refusal::of("passphrase_too_short", message, "choose a longer one; a few words will do"))
}

impl Owner {
    /// Whether an owner's passphrase is set.
    pub fn has_passphrase(&self) -> Result<bool, Refusal> {
        Ok(self.guarded()?.is_some())
    }

    /// Sets the passphrase, or changes it; `old` is the one there is. The policy in force stays in force.
    pub async fn set_passphrase(&self, old: Option<&str>, new: &str) -> Result<(), Refusal> {
        is_long_enough(new)?;
        let before = self.owners().await?;
        self.prove(old).await?;
        self.nothing_is_smuggled(before.as_ref()).await?;
        let (policy, assets) = match &before {
            Some(guarded) => (guarded.policy.clone(), guarded.assets.clone()),
            None => {
                let rules = &self.parts.rules;
                (rules.text().map_err(|cause| invalid(&cause))?, rules.assets().map_err(|cause| invalid(&cause))?)
            }
        };
        let new = new.to_owned();
        let verifier = slowly(move || Verifier::of(&new)).await?;
        let verifier = serde_json::to_value(verifier).map_err(|cause| unwritten(&cause))?;
        let guarded = Guarded::new(verifier, policy, assets);
        seal::change_owner(&self.parts, before.as_ref(), Some(&guarded)).await?;
        Ok(self.parts.ledger.note_owner(Some(mark_of(&guarded).verifier), self.parts.now()).await?)
    }

    /// From then on `policy.toml` is in force as it stands.
    pub async fn remove_passphrase(&self, old: &str) -> Result<(), Refusal> {
        let before = self.owners().await?.ok_or_else(|| nothing("no passphrase is set"))?;
        self.prove(Some(old)).await?;
        seal::change_owner(&self.parts, Some(&before), None).await?;
        Ok(self.parts.ledger.note_owner(None, self.parts.now()).await?)
    }

    /// Goes on for the owner only: where a passphrase is set, this has to be it. Which one was set stands in the ledger
    /// too, so that moving its file away for a moment is not enough; and the key need not be at hand to know.
    pub async fn prove(&self, passphrase: Option<&str>) -> Result<(), Refusal> {
        let mut guarded = self.guarded()?;
        if self.parts.ledger.noted_owner().await?.is_some_and(|noted| noted != verifier_of(guarded.as_ref())) {
            // The seal is the last word: where it was set and could not be noted, it is noted now.
            guarded = self.owners().await?;
            self.parts.ledger.note_owner(verifier_of(guarded.as_ref()), self.parts.now()).await?;
        }
        fits(guarded, passphrase).await
    }

    pub(super) fn guarded(&self) -> Result<Option<Guarded>, Refusal> {
        self.parts.owner_file.read().map_err(|cause| invalid(&cause))
    }

    /// The passphrase's file, which is the one that was sealed: a program may have put its own in its place. A change of
    /// it that was cut off is finished first.
    pub(super) async fn owners(&self) -> Result<Option<Guarded>, Refusal> {
        let Some(sealed) = seal::sealed_owner(&self.parts).await? else { return self.guarded() };
        let mut found = self.guarded()?;
        if found.as_ref().map(mark_of) != sealed {
            seal::finish_change(&self.parts).await?;
            found = self.guarded()?;
        }
        match sealed.map(|mark| mark.verifier) == verifier_of(found.as_ref()) {
            true => Ok(found),
            false => Err(not_as_it_was()),
        }
    }

    /// A policy that somebody smuggled in is not sealed along with what its owner changes.
    pub(super) async fn nothing_is_smuggled(&self, found: Option<&Guarded>) -> Result<(), Refusal> {
        let Some(sealed) = seal::sealed_owner(&self.parts).await? else { return Ok(()) };
        match sealed == found.map(mark_of) {
            true => Ok(()),
            false => Err(Refusal { reasons: vec![policy_replaced()], next: "nothing was changed".to_owned() }),
        }
    }
}

/// The same for the owner of a key whose ledger cannot be read, by the seal beside the key alone.
pub async fn is_the_owner_by_seal(home: &Home, wallet: &Wallet, passphrase: Option<&str>) -> Result<(), Refusal> {
    let guarded = OwnerFile::new(home).read().map_err(|cause| invalid(&cause))?;
    let kept = wallet.anchor().await.map_err(|cause| Refusal::of(cause.code(), cause, "nothing was changed"))?;
    let is_sealed = |kept: Anchor| kept.owner.map(|mark| mark.verifier) == verifier_of(guarded.as_ref());
    match kept.is_none_or(is_sealed) {
        true => fits(guarded, passphrase).await,
        false => Err(not_as_it_was()),
    }
}

/// Where a passphrase is set, this is it.
async fn fits(guarded: Option<Guarded>, passphrase: Option<&str>) -> Result<(), Refusal> {
    let Some(guarded) = guarded else { return Ok(()) };
    let Some(passphrase) = passphrase.map(str::to_owned) else {
        return Err(not_the_owner("passphrase_needed", "this asks for the owner's passphrase"));
    };
    let verifier = serde_json::from_value::<Verifier>(guarded.verifier)
        .map_err(|cause| Refusal::of("verifier_damaged", cause, "bring owner.json back from a copy"))?;
    match slowly(move || verifier.fits(&passphrase)).await? {
        true => Ok(()),
        false => Err(not_the_owner("wrong_passphrase", "that is not the owner's passphrase")),
    }
}

fn verifier_of(guarded: Option<&Guarded>) -> Option<String> {
    guarded.map(|guarded| mark_of(guarded).verifier)
}

fn not_as_it_was() -> Refusal {
    Refusal { reasons: vec![replaced()], next: "bring owner.json back from a copy".to_owned() }
}

/// Argon2 takes its time, and nobody else's.
async fn slowly<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, crate::wallet::WalletError> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|cause| Refusal::of("internal_fault", cause, "try again"))?;
    done.map_err(|cause| Refusal { reasons: vec![wallet_reason(&cause)], next: "nothing was changed".to_owned() })
}

fn not_the_owner(code: &str, message: &str) -> Refusal {
    Refusal::of(code, message, "nothing was changed")
}

pub(super) fn invalid(cause: &crate::config::ConfigError) -> Refusal {
    Refusal::of("policy_invalid", cause.in_one_line(), "correct it; nothing was changed")
}

pub(super) fn unwritten(cause: &dyn std::fmt::Display) -> Refusal {
    Refusal::of("not_written", format!("it could not be written: {cause}"), "nothing was changed")
}

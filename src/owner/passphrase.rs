//! The owner's passphrase: what only the owner may do asks for it where it is set.
//!
//! What tells it lies in `owner.json`; which one that is, and which policy was put into force with it, is sealed beside
//! the key. So a program that can write bursar's files and not read its key can take neither back unnoticed.

use super::Owner;
use super::nothing;
use crate::answer::Refusal;
use crate::config::Guarded;
use crate::limits;
use crate::parts::wallet_reason;
use crate::seal::{self, mark_of, replaced};
use crate::wallet::Verifier;

impl Owner {
    /// Whether an owner's passphrase is set.
    pub fn has_passphrase(&self) -> Result<bool, Refusal> {
        Ok(self.guarded()?.is_some())
    }

    /// Sets the passphrase, or changes it; `old` is the one there is. The policy in force stays in force.
    pub async fn set_passphrase(&self, old: Option<&str>, new: &str) -> Result<(), Refusal> {
        if new.chars().count() < limits::PASSPHRASE_CHARS {
            let message = format!("a passphrase has at least {} characters", limits::PASSPHRASE_CHARS);
            return Err(Refusal::of("passphrase_too_short", message, "choose a longer one; a few words will do"));
        }
        let before = self.guarded()?;
        self.is_the_owners(before.as_ref()).await?;
        self.prove(old).await?;
        let policy = self.parts.rules.in_force().map_err(|cause| invalid(&cause))?;
        let new = new.to_owned();
        let verifier = slowly(move || Verifier::of(&new)).await?;
        let verifier = serde_json::to_value(verifier).map_err(|cause| unwritten(&cause))?;
        let guarded = Guarded::new(verifier, policy);
        self.guard_with(before, Some(guarded.clone())).await?;
        Ok(self.parts.ledger.note_owner(Some(mark_of(&guarded).verifier), self.parts.now()).await?)
    }

    /// From then on `policy.toml` is in force as it stands.
    pub async fn remove_passphrase(&self, old: &str) -> Result<(), Refusal> {
        let before = self.guarded()?.ok_or_else(|| nothing("no passphrase is set"))?;
        self.is_the_owners(Some(&before)).await?;
        self.prove(Some(old)).await?;
        self.guard_with(Some(before), None).await?;
        Ok(self.parts.ledger.note_owner(None, self.parts.now()).await?)
    }

    /// Goes on for the owner only: where a passphrase is set, this has to be it. Which one was set stands in the ledger
    /// too, so that moving its file away for a moment is not enough; and the key need not be at hand to know.
    pub(super) async fn prove(&self, passphrase: Option<&str>) -> Result<(), Refusal> {
        let guarded = self.guarded()?;
        let verifier = guarded.as_ref().map(|guarded| mark_of(guarded).verifier);
        if self.parts.ledger.noted_owner().await?.is_some_and(|noted| noted != verifier) {
            // The seal is the last word: where it was set and could not be noted, it is noted now.
            self.is_the_owners(guarded.as_ref()).await?;
            self.parts.ledger.note_owner(verifier, self.parts.now()).await?;
        }
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

    pub(super) fn guarded(&self) -> Result<Option<Guarded>, Refusal> {
        self.parts.owner_file.read().map_err(|cause| invalid(&cause))
    }

    /// Writes the file and seals it. Where it cannot be sealed, what was there comes back.
    pub(super) async fn guard_with(&self, before: Option<Guarded>, after: Option<Guarded>) -> Result<(), Refusal> {
        self.put(after.as_ref())?;
        match seal::put_owner(&self.parts, after.as_ref().map(mark_of)).await {
            Ok(()) => Ok(()),
            Err(refusal) => self.put(before.as_ref()).and(Err(refusal)),
        }
    }

    fn put(&self, guarded: Option<&Guarded>) -> Result<(), Refusal> {
        let written = match guarded {
            Some(guarded) => self.parts.owner_file.write(guarded),
            None => self.parts.owner_file.remove(),
        };
        written.map_err(|cause| unwritten(&cause))
    }

    /// The passphrase's file is the one that was sealed: a program may have put its own in its place.
    pub(super) async fn is_the_owners(&self, guarded: Option<&Guarded>) -> Result<(), Refusal> {
        let sealed = seal::sealed_owner(&self.parts).await?;
        match sealed.is_none_or(|sealed| sealed.map(|mark| mark.verifier) == guarded.map(|g| mark_of(g).verifier)) {
            true => Ok(()),
            false => Err(not_as_it_was()),
        }
    }
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

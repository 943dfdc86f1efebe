//! The owner's passphrase: what only the owner may do asks for it where it is set.
//!
//! What tells it lies in `owner.json`; which one that is, and which policy was put into force with it, is sealed beside
//! the key. So a program that can write bursar's files and not read its key can take neither back unnoticed.

use tokio::sync::Semaphore;

use super::Owner;
use super::nothing;
use crate::answer::Refusal;
use crate::config::{Guarded, Home, OwnerFile};
use crate::limits;
use crate::parts::wallet_reason;
use crate::seal::{self, mark_of, policy_replaced, replaced};
use crate::wallet::{Anchor, CodeSecret, SecondFactor, Verifier, Wallet};

/// Whoever has what a passphrase closes can try as many as they like.
pub(super) fn is_long_enough(passphrase: &str) -> Result<(), Refusal> {
    if passphrase.chars().count() >= limits::PASSPHRASE_CHARS {
        return Ok(());
    }
    let message = format!("a passphrase has at least {} characters", limits::PASSPHRASE_CHARS);
    Err(Refusal::of("passphrase_too_short", message, "choose a longer one; a few words will do"))
}

/// Why somebody who comes from elsewhere is not let in.
#[derive(Debug)]
pub enum Afar {
    /// By this passphrase and code.
    Wrong,
    /// The code let somebody in already.
    Used,
    /// Nobody is, at the moment.
    NotNow(Refusal),
}

impl From<Refusal> for Afar {
    fn from(refusal: Refusal) -> Afar {
        Afar::NotNow(refusal)
    }
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
        let secret = match (&before, old) {
            (Some(before), Some(old)) => self.code_secret(before, old).await?,
            _ => None,
        };
        let new = new.to_owned();
        let make = move || {
            let locked = secret.map(|secret| SecondFactor::lock(&secret, &new)).transpose()?;
            Ok((Verifier::of(&new)?, locked))
        };
        let (verifier, locked) = slowly(make).await?;
        let verifier = serde_json::to_value(verifier).map_err(|cause| unwritten(&cause))?;
        let second_factor = locked.map(serde_json::to_value).transpose().map_err(|cause| unwritten(&cause))?;
        let guarded = Guarded::new(verifier, policy, assets).with_second_factor(second_factor);
        self.change_proof(before.as_ref(), &guarded).await
    }

    /// From then on the owner may come from elsewhere, with a code of this one. Shown once, it is known to work.
    pub async fn set_code(&self, passphrase: &str, secret: CodeSecret, code: &str) -> Result<(), Refusal> {
        let before = self.proven(passphrase).await?;
        if secret.step_of(code, self.parts.now()).is_none() {
            let next = "look at the app and at this computer's clock; nothing was changed";
            return Err(Refusal::of("wrong_code", "that is not the code of now", next));
        }
        let passphrase = passphrase.to_owned();
        let locked = slowly(move || SecondFactor::lock(&secret, &passphrase)).await?;
        let second_factor = Some(serde_json::to_value(locked).map_err(|cause| unwritten(&cause))?);
        self.change_proof(Some(&before), &before.with_second_factor(second_factor)).await
    }

    /// From then on nobody comes from elsewhere.
    pub async fn remove_code(&self, passphrase: &str) -> Result<(), Refusal> {
        let before = self.proven(passphrase).await?;
        if before.second_factor.is_none() {
            return Err(nothing("there is no code"));
        }
        self.change_proof(Some(&before), &before.with_second_factor(None)).await
    }

    /// Whether the owner may come from elsewhere: with a passphrase and a code.
    pub fn has_code(&self) -> Result<bool, Refusal> {
        Ok(self.guarded()?.is_some_and(|guarded| guarded.second_factor.is_some()))
    }

    /// The fingerprint of passphrase and codes: another one whenever either changes.
    pub fn proof_mark(&self) -> Result<Option<String>, Refusal> {
        Ok(verifier_of(self.guarded()?.as_ref()))
    }

    /// Goes on for an owner who comes from elsewhere, and gives [`Owner::proof_mark`]. Which of the two was wrong is neither
    /// said nor told by the time it takes: the codes open by the passphrase alone. A code is good once. The key is not
    /// read for it, because a stranger may be asking: as with [`Owner::prove`], what is noted in the ledger has to do.
    pub async fn prove_from_afar(&self, passphrase: &str, code: &str) -> Result<String, Afar> {
        let guarded = self.guarded()?.filter(|guarded| guarded.second_factor.is_some());
        let guarded = guarded.ok_or_else(|| nothing("there is no code: `bursar owner code` makes one"))?;
        let mark = mark_of(&guarded).verifier;
        if self.parts.ledger.noted_owner().await.map_err(Refusal::from)? != Some(Some(mark.clone())) {
            return Err(not_as_it_was().into());
        }
        let secret = self.code_secret(&guarded, passphrase).await?.ok_or(Afar::Wrong)?;
        let step = secret.step_of(code, self.parts.now()).ok_or(Afar::Wrong)?;
        let file = self.parts.owner_file.clone();
        let used = tokio::task::spawn_blocking(move || file.use_step(step)).await;
        match used.map_err(|cause| unwritten(&cause))?.map_err(|cause| unwritten(&cause))? {
            true => Ok(mark),
            false => Err(Afar::Used),
        }
    }

    async fn passphrase_is_set(&self) -> Result<Guarded, Refusal> {
        self.owners().await?.ok_or_else(|| nothing("no passphrase is set: `bursar owner set` sets one"))
    }

    /// The owner's file, for an owner who has the passphrase and is about to change how that is proven.
    async fn proven(&self, passphrase: &str) -> Result<Guarded, Refusal> {
        let before = self.passphrase_is_set().await?;
        self.prove(Some(passphrase)).await?;
        self.nothing_is_smuggled(Some(&before)).await?;
        Ok(before)
    }

    /// What makes the codes, if there are any and this is the passphrase.
    async fn code_secret(&self, guarded: &Guarded, passphrase: &str) -> Result<Option<CodeSecret>, Refusal> {
        let Some(locked) = &guarded.second_factor else { return Ok(None) };
        let locked = serde_json::from_value::<SecondFactor>(locked.clone())
            .map_err(|cause| Refusal::of("verifier_damaged", cause, "bring owner.json back from a copy"))?;
        let passphrase = passphrase.to_owned();
        slowly(move || locked.open(&passphrase)).await
    }

    /// What proves the owner is noted in the ledger too.
    async fn change_proof(&self, before: Option<&Guarded>, after: &Guarded) -> Result<(), Refusal> {
        seal::change_owner(&self.parts, before, Some(after)).await?;
        Ok(self.parts.ledger.note_owner(Some(mark_of(after).verifier), self.parts.now()).await?)
    }

    /// From then on `policy.toml` is in force as it stands.
    pub async fn remove_passphrase(&self, old: &str) -> Result<(), Refusal> {
        let before = self.passphrase_is_set().await?;
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

/// Argon2 takes its time and its memory, once, and nobody else's time.
async fn slowly<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, crate::wallet::WalletError> + Send + 'static,
) -> Result<T, Refusal> {
    static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);
    let _turn = ONE_AT_A_TIME.acquire().await;
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

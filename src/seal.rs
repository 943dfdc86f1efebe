//! Ledger, policy and the owner's passphrase, held against what is kept beside the key.
//!
//! A ledger that is missing, replaced or rolled back signs nothing, nor does a policy that the owner's passphrase did
//! not put into force.

mod change;

pub(crate) use change::{change_owner, finish_change};

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::answer::Refusal;
use crate::config::Guarded;
use crate::ledger;
use crate::money::Asset;
use crate::parts::{Parts, wallet_reason};
use crate::policy::Policy;
use crate::reason::{Reason, Who};
use crate::wallet::{Anchor, OwnerMark, Wallet, WalletError};

/// Whether this ledger is the one the key has been spending from, and the policy in force the owner's: a ledger that
/// is missing, replaced or shorter signs nothing, nor does a policy that the owner's passphrase did not put there.
pub(crate) async fn check(house: &Parts, wallet: &Wallet) -> Result<(), Reason> {
    let mut owner = owner_mark(house)?;
    let mut sealed = house.sealed.lock().await;
    if sealed.as_ref() == Some(&owner) {
        return Ok(());
    }
    // In this order: the ledger may come further while the key is read, and what is kept beside that never does by itself.
    let kept = wallet.anchor().await.map_err(|cause| wallet_reason(&cause))?;
    let ours = house.ledger.seal().await?;
    match kept {
        Some(kept) => {
            broken_seal(&kept, &ours).map_or(Ok(()), Err)?;
            if kept.owner != owner {
                owner = after_a_change_cut_off(house).await?;
            }
            tampered(kept.owner.as_ref(), owner.as_ref()).map_or(Ok(()), Err)?;
        }
        None => {
            let ours = Anchor { owner: owner.clone(), ..anchor_of(ours) };
            wallet.write_anchor(ours).await.map_err(|cause| wallet_reason(&cause))?;
        }
    }
    // The table is read when a program starts, and stays: held against a seal once, it need not be again.
    if owner.as_ref().is_some_and(|mark| !mark.has_assets(text_of(house.assets.own()).as_deref())) {
        return Err(assets_changed());
    }
    *sealed = Some(owner);
    Ok(())
}

async fn after_a_change_cut_off(house: &Parts) -> Result<Option<OwnerMark>, Reason> {
    if let Err(refusal) = finish_change(house).await {
        tracing::warn!("a change of owner.json that was cut off could not be finished: {refusal}");
    }
    owner_mark(house)
}

/// The policy a payment is decided by is the one that was sealed: for the moment in which it was read there may have
/// been another.
pub(crate) async fn check_policy(house: &Parts, policy: &Policy) -> Result<(), Reason> {
    match &*house.sealed.lock().await {
        Some(Some(mark)) if !mark.is_of(&policy.text_hash, || Policy::built_in().text_hash) => Err(policy_replaced()),
        _ => Ok(()),
    }
}

/// The owner's passphrase and policy as they lie on the disk now.
fn owner_mark(house: &Parts) -> Result<Option<OwnerMark>, Reason> {
    let guarded = house
        .owner_file
        .read()
        .map_err(|cause| Reason::new("owner_unreadable", "owner.json", cause.in_one_line(), Who::Owner))?;
    Ok(guarded.as_ref().map(mark_of))
}

/// The ones that were sealed beside the key. None: there is no key, or it has never been used.
pub(crate) async fn sealed_owner(house: &Parts) -> Result<Option<Option<OwnerMark>>, Refusal> {
    let Some(wallet) = &house.wallet else { return Ok(None) };
    Ok(wallet.anchor().await.map_err(|cause| unsealed(&cause))?.map(|kept| kept.owner))
}

/// The same as far as it can be read while the key rests: enough to show, and not enough to put anything into force.
pub(crate) async fn noted_owner(house: &Parts) -> Option<Option<OwnerMark>> {
    Some(house.wallet.as_ref()?.noted().await.ok()??.owner)
}

async fn put_owner(house: &Parts, owner: Option<OwnerMark>) -> Result<(), Refusal> {
    let Some(wallet) = &house.wallet else { return Ok(()) };
    let anchor = Anchor { owner, ..anchor_of(house.ledger.kept_seal().await?) };
    wallet.mark_owner(anchor).await.map_err(|cause| unsealed(&cause))
}

/// Notes beside the key how far the ledger has come: soon, and never on the path of a payment.
pub(crate) fn note_anchor(house: &Arc<Parts>) {
    const SOON: Duration = Duration::from_secs(2);
    if house.anchor_due.swap(true, Ordering::AcqRel) {
        return;
    }
    let house = house.clone();
    tokio::spawn(async move {
        tokio::time::sleep(SOON).await;
        write_anchor(&house).await;
    });
}

pub(crate) async fn write_anchor(house: &Parts) {
    if !house.anchor_due.swap(false, Ordering::AcqRel) {
        return;
    }
    let Some(wallet) = &house.wallet else { return };
    if let Ok(seal) = house.ledger.kept_seal().await
        && let Err(cause) = wallet.write_anchor(anchor_of(seal)).await
    {
        tracing::warn!("how far the ledger has come could not be noted beside the key: {cause}");
    }
}

/// What is sealed of the file.
pub(crate) fn mark_of(guarded: &Guarded) -> OwnerMark {
    let assets = text_of(&guarded.assets);
    let mut proof = guarded.verifier.to_string();
    proof.extend(guarded.second_factor.as_ref().map(serde_json::Value::to_string));
    OwnerMark::of(&proof, guarded.policy.as_deref(), assets.as_deref())
}

/// One text for one table of assets; none for an empty one.
pub(crate) fn text_of(assets: &[Asset]) -> Option<String> {
    (!assets.is_empty()).then(|| serde_json::json!(assets).to_string())
}

/// The table is read when a program starts: the one it began with must be the one that was sealed.
fn assets_changed() -> Reason {
    let message = "the table of assets was put into force anew since this program started, so nothing is signed: start \
                   it again";
    Reason::new("assets_changed", "config.toml", message, Who::Owner)
}

/// What differs from what was sealed, if anything does.
pub(crate) fn tampered(sealed: Option<&OwnerMark>, found: Option<&OwnerMark>) -> Option<Reason> {
    match (sealed, found) {
        (sealed, found) if sealed == found => None,
        (Some(sealed), Some(found)) if sealed.verifier == found.verifier => Some(policy_replaced()),
        _ => Some(replaced()),
    }
}

pub(crate) fn policy_replaced() -> Reason {
    let message = "the policy or the table of assets in force is not the one its owner put into force, so nothing is \
                   signed: `bursar policy apply` puts one into force";
    Reason::new("policy_replaced", "owner.json", message, Who::Owner)
}

pub(crate) fn replaced() -> Reason {
    let message = "the owner's passphrase was set, removed or replaced by somebody else than the owner, so nothing is \
                   signed until owner.json is as it was";
    Reason::new("owner_replaced", "owner.json", message, Who::Owner)
}

pub(crate) fn anchor_of(seal: ledger::Seal) -> Anchor {
    Anchor { ledger_id: seal.ledger_id, authorizations: seal.authorizations, owner: None }
}

/// What is wrong with a ledger that is not the one noted beside the key.
pub(crate) enum Foreign {
    /// It is another one, or a new one.
    Replaced,
    /// It is an older copy: it holds fewer authorizations than were made.
    RolledBack,
    /// It came out of a backup: payments may have been made since.
    Restored,
}

/// Holds a ledger against what is noted beside the key.
pub(crate) fn foreign(kept: &Anchor, ours: &ledger::Seal) -> Option<Foreign> {
    match kept.ledger_id == ours.ledger_id {
        false if kept.is_restored() => Some(Foreign::Restored),
        false => Some(Foreign::Replaced),
        true if kept.authorizations > ours.authorizations => Some(Foreign::RolledBack),
        true => None,
    }
}

/// Why nothing is signed beside a ledger that is not the one noted beside the key.
fn broken_seal(kept: &Anchor, ours: &ledger::Seal) -> Option<Reason> {
    let (code, what) = match foreign(kept, ours)? {
        Foreign::Replaced => {
            let what = "the ledger is not the one this wallet has been spending from: it is missing or was replaced";
            ("ledger_replaced", what.to_owned())
        }
        Foreign::Restored => {
            let what = "the ledger came out of a backup: payments that were made after it are not in it";
            ("ledger_restored", what.to_owned())
        }
        Foreign::RolledBack => {
            let (held, made) = (ours.authorizations, kept.authorizations);
            let what = format!(
                "the ledger holds {held} authorizations, and this wallet has made at least {made}: it was rolled back"
            );
            ("ledger_rolled_back", what)
        }
    };
    let message = format!("{what}. Nothing is signed until its owner restores or adopts it");
    Some(Reason::new(code, "ledger", message, Who::Owner))
}

fn unsealed(cause: &WalletError) -> Refusal {
    Refusal { reasons: vec![wallet_reason(cause)], next: "nothing was changed: make the wallet reachable".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_ledger_is_the_own_one_of_a_key_that_came_out_of_a_backup() {
        for authorizations in [0, 7, 8] {
            let ours = ledger::Seal { ledger_id: "le_1".to_owned(), authorizations };
            let kept = Anchor::restored(7, None);
            assert!(matches!(foreign(&kept, &ours), Some(Foreign::Restored)));
            assert_eq!(broken_seal(&kept, &ours).unwrap().code, "ledger_restored");
            assert!(foreign(&anchor_of(ours.clone()), &ours).is_none());
        }
    }
}

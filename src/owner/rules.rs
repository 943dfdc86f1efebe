//! Putting a changed policy into force.

use sha2::{Digest, Sha256};

use super::Owner;
use super::nothing;
use super::passphrase::{invalid, unwritten};
use crate::answer::{PolicyChange, Refusal};
use crate::config::{Guarded, PolicyFile};
use crate::money::Asset;
use crate::seal::mark_of;
use crate::wallet::OwnerMark;
use crate::{crash, policy, seal};

/// What an owner may have changed.
#[derive(PartialEq)]
struct Written {
    text: Option<String>,
    assets: Vec<Asset>,
}

impl Written {
    /// The hash of the policy, and that of the assets where there are own ones.
    fn named(&self, hash: String) -> String {
        seal::text_of(&self.assets).map_or(hash.clone(), |text| format!("{hash}+{:x}", Sha256::digest(text)))
    }
}

impl Owner {
    /// What `policy.toml` and the asset table say otherwise than what is in force. None: they are in force.
    pub async fn policy_change(&self) -> Result<Option<PolicyChange>, Refusal> {
        let Some(guarded) = self.guarded()? else { return Ok(None) };
        let sealed = seal::noted_owner(&self.parts).await;
        change(&guarded, sealed.as_ref(), &self.written()?)
    }

    /// The files as they lie there now.
    fn written(&self) -> Result<Written, Refusal> {
        let (text, assets) = (self.parts.rules.text(), self.parts.rules.assets());
        Ok(Written { text: text.map_err(|cause| invalid(&cause))?, assets: assets.map_err(|cause| invalid(&cause))? })
    }

    /// Puts `policy.toml` into force, as it was shown.
    pub async fn apply_policy(&self, shown: &PolicyChange, passphrase: Option<&str>) -> Result<(), Refusal> {
        let Some(guarded) = self.owners().await? else {
            return Err(nothing("no passphrase is set, so a changed policy.toml counts at once"));
        };
        self.prove(passphrase).await?;
        // Read once: what is held against what was shown is what is put into force.
        let (written, sealed) = (self.written()?, seal::sealed_owner(&self.parts).await?);
        if change(&guarded, sealed.as_ref(), &written)?.as_ref() != Some(shown) {
            return Err(changed_meanwhile());
        }
        let applied = guarded.with_rules(written.text, written.assets);
        seal::change_owner(&self.parts, Some(&guarded), Some(&applied)).await
    }

    /// Writes `policy.toml` and puts it into force. `shown` is the text it had when the owner looked.
    pub async fn write_policy(
        &self,
        shown: Option<&str>,
        text: String,
        passphrase: Option<&str>,
    ) -> Result<(), Refusal> {
        let guarded = self.owners().await?;
        self.prove(passphrase).await?;
        self.nothing_is_smuggled(guarded.as_ref()).await?;
        if self.parts.rules.text().map_err(|cause| invalid(&cause))?.as_deref() != shown {
            return Err(changed_meanwhile());
        }
        if !self.parts.rules.is_applied().map_err(|cause| invalid(&cause))? {
            let message = "policy.toml has other changes, which are not in force";
            return Err(Refusal::of("policy_not_applied", message, "look at them first: `bursar policy apply`"));
        }
        self.parts.rules.write(&text).map_err(|cause| unwritten(&cause))?;
        crash::point("policy_written");
        let Some(guarded) = guarded else { return Ok(()) };
        let applied = guarded.with_rules(Some(text), guarded.assets.clone());
        seal::change_owner(&self.parts, Some(&guarded), Some(&applied)).await
    }
}

/// What was written, held against what is in force. What nobody sealed is no measure: beside it, everything is shown.
fn change(
    guarded: &Guarded,
    sealed: Option<&Option<OwnerMark>>,
    written: &Written,
) -> Result<Option<PolicyChange>, Refusal> {
    let is_whole = sealed.is_some_and(|mark| *mark != Some(mark_of(guarded)));
    let in_force = match is_whole {
        true => Written { text: None, assets: Vec::new() },
        false => Written { text: guarded.policy.clone(), assets: guarded.assets.clone() },
    };
    if in_force == *written && !is_whole {
        return Ok(None);
    }
    let [before, after] = [&in_force, written].map(|rules| PolicyFile::parsed(rules.text.as_deref()));
    let (before, after) = (before.map_err(|cause| invalid(&cause))?, after.map_err(|cause| invalid(&cause))?);
    let mut changes = policy::changes(&before, &after);
    changes.extend(policy::asset_changes(&in_force.assets, &written.assets));
    changes.sort_by_key(|change| change.effect);
    let [from, to] = [(before.hash, &in_force), (after.hash, written)].map(|(hash, rules)| rules.named(hash));
    Ok(Some(PolicyChange { from, to, changes, is_whole }))
}

fn changed_meanwhile() -> Refusal {
    Refusal::of("policy_changed", "policy.toml was changed meanwhile", "look at it again; nothing was put into force")
}

//! Putting a changed policy into force.

use super::Owner;
use super::nothing;
use super::passphrase::{invalid, unwritten};
use crate::answer::{PolicyChange, Refusal};
use crate::config::{Guarded, PolicyFile};
use crate::{crash, policy, seal};

impl Owner {
    /// What `policy.toml` says otherwise than the policy in force. None: it is in force.
    pub fn policy_change(&self) -> Result<Option<PolicyChange>, Refusal> {
        let text = self.parts.rules.text().map_err(|cause| invalid(&cause))?;
        let in_force = self.parts.rules.in_force().map_err(|cause| invalid(&cause))?;
        if text == in_force {
            return Ok(None);
        }
        let [before, after] = [&in_force, &text].map(|text| PolicyFile::parsed(text.as_deref()));
        let (before, after) = (before.map_err(|cause| invalid(&cause))?, after.map_err(|cause| invalid(&cause))?);
        let changes = policy::changes(&before, &after);
        Ok(Some(PolicyChange { from: before.hash, to: after.hash, changes }))
    }

    /// Puts `policy.toml` into force, as it was shown.
    pub async fn apply_policy(&self, shown: &PolicyChange, passphrase: Option<&str>) -> Result<(), Refusal> {
        let Some(guarded) = self.owners().await? else {
            return Err(nothing("no passphrase is set, so a changed policy.toml counts at once"));
        };
        self.prove(passphrase).await?;
        let text = self.parts.rules.text().map_err(|cause| invalid(&cause))?;
        if self.policy_change()?.as_ref() != Some(shown) {
            return Err(changed_meanwhile());
        }
        let applied = Guarded::new(guarded.verifier.clone(), text);
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
        let applied = Guarded::new(guarded.verifier.clone(), Some(text));
        seal::change_owner(&self.parts, Some(&guarded), Some(&applied)).await
    }
}

fn changed_meanwhile() -> Refusal {
    Refusal::of("policy_changed", "policy.toml was changed meanwhile", "look at it again; nothing was put into force")
}

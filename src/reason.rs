//! Why something was not bought, in words an agent and its owner can act on.

use serde::{Deserialize, Serialize};

use crate::money::Usd;

/// One cause. A decision carries all of them, not the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Reason {
    /// Stable, for programs: `over_domain_day`.
    pub code: String,
    /// The rule that spoke, as it stands in the policy: `domain *.example.com per_day`.
    pub rule: String,
    /// One sentence for a person.
    pub message: String,
    /// The limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub limit_usd: Option<Usd>,
    /// What counts already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub used_usd: Option<Usd>,
    /// Who can do something about it.
    pub who_can_fix: Who,
}

/// Who can change the answer: the human, waiting, or the caller itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Who {
    /// The owner.
    Owner,
    /// Nobody: it passes with time.
    Time,
    /// The agent.
    Agent,
}

impl Reason {
    /// Makes one.
    pub fn new(code: &str, rule: impl Into<String>, message: impl Into<String>, who_can_fix: Who) -> Reason {
        let (rule, message) = (rule.into(), message.into());
        Reason { code: code.to_owned(), rule, message, limit_usd: None, used_usd: None, who_can_fix }
    }

    /// The numbers behind it: what the cap is, and what already counts against it.
    pub fn with_numbers(self, limit: Usd, used: Usd) -> Reason {
        Reason { limit_usd: Some(limit), used_usd: Some(used), ..self }
    }
}

//! What an agent may ask of the house. It is the only handle that `mcp` is given: nothing here approves, thaws, releases,
//! applies or exports, so no tool can. None of these compiles:
//!
//! ```compile_fail
//! # async fn door(agent: bursar::agent::Agent, shown: bursar::answer::Pending) {
//! let _ = agent.approve(&shown, None).await;
//! # }
//! ```
//! ```compile_fail
//! # async fn door(agent: bursar::agent::Agent) {
//! let _ = agent.thaw(None).await;
//! # }
//! ```
//! ```compile_fail
//! # async fn door(agent: bursar::agent::Agent) {
//! let _ = agent.release("pu_1", None).await;
//! # }
//! ```
//! ```compile_fail
//! # async fn door(agent: bursar::agent::Agent, shown: bursar::answer::PolicyChange) {
//! let _ = agent.apply_policy(&shown, None).await;
//! # }
//! ```
//! ```compile_fail
//! # async fn door(agent: bursar::agent::Agent) {
//! let _ = agent.parts.wallet;
//! # }
//! ```
//! ```compile_fail
//! # async fn door(agent: bursar::agent::Agent) {
//! let _ = agent.export().await;
//! # }
//! ```
//!
//! The owner's handle has them, so it is not their names that are wrong:
//!
//! ```
//! # async fn door(owner: bursar::owner::Owner, shown: bursar::answer::Pending, change: bursar::answer::PolicyChange) {
//! let _ = owner.approve(&shown, None).await;
//! let _ = owner.thaw(None).await;
//! let _ = owner.release("pu_1", None).await;
//! let _ = owner.apply_policy(&change, None).await;
//! # }
//! ```

use std::sync::Arc;

use crate::account;
use crate::answer::{
    Answer, Balances, Budget, Budgets, FindQuery, Found, PaidTools, Pending, Purchase, Quote, Refusal, ServerMet,
    Spend, SpendQuery,
};
use crate::find;
use crate::limits;
use crate::money::Usd;
use crate::parts::Parts;
use crate::ports::{Caller, Inquiry};
use crate::tools;
use crate::wish::{Call, ToolCall, Wish};

/// One agent's handle on the house. It sees its own purchases only.
#[derive(Clone)]
pub struct Agent {
    parts: Arc<Parts>,
    name: Arc<str>,
    ceiling: Option<Usd>,
}

impl Agent {
    pub(crate) fn new(parts: Arc<Parts>, name: &str) -> Agent {
        Agent { parts, name: name.into(), ceiling: None }
    }

    /// The same agent, which pays at most this at a time: beside the policy, and never in its place.
    pub fn at_most(self, ceiling: Option<Usd>) -> Agent {
        Agent { ceiling, ..self }
    }

    /// Whose purchases these are.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gets a URL, paying for it if the owner's rules allow. `client` is what the host says of itself.
    pub async fn fetch_paid(&self, client: Option<&str>, call: Call, caller: &dyn Caller) -> Answer {
        let wish = Wish::parse(&self.name, &self.under_its_ceiling(call));
        self.parts.buy(client, wish, caller).await
    }

    /// Calls a tool of an MCP server, paying for it if the owner's rules allow.
    pub async fn call_paid_tool(&self, client: Option<&str>, call: ToolCall, caller: &dyn Caller) -> Answer {
        let wish = Wish::of_tool(&self.name, &ToolCall { host_ceiling: self.ceiling, ..call });
        self.parts.buy(client, wish, caller).await
    }

    /// The same, and the result is whole: it goes on to whoever called the tool as if it were there.
    pub async fn call_through(&self, client: Option<&str>, call: ToolCall, caller: &dyn Caller) -> Answer {
        let wish = Wish::of_tool(&self.name, &ToolCall { host_ceiling: self.ceiling, ..call });
        let whole = |wish| Wish { max_chars: limits::RELAYED_CHARS, ..wish };
        self.parts.buy(client, wish.map(whole), caller).await
    }

    /// What an MCP server says of itself.
    pub async fn meet(&self, server: &str) -> Result<ServerMet, Refusal> {
        tools::meet(&self.parts, server).await
    }

    /// What it answers to anything but a call of a tool, with what it lists bounded and cleaned.
    pub async fn relayed(&self, server: &str, inquiry: Inquiry) -> Result<serde_json::Value, Refusal> {
        tools::relayed(&self.parts, server, &inquiry).await
    }

    /// The tools of an MCP server. No tool is called.
    pub async fn paid_tools(&self, server: &str) -> Result<PaidTools, Refusal> {
        tools::listed(&self.parts, server).await
    }

    /// Sends the request unpaid and says what would come of paying.
    pub async fn quote(&self, call: Call) -> Quote {
        self.parts.quote(&self.name, self.under_its_ceiling(call)).await
    }

    /// What directories list that fits, and what the policy would say of it. Never pays.
    pub async fn find(&self, query: FindQuery) -> Result<Found, Refusal> {
        find::find(&self.parts, &self.name, self.ceiling, query).await
    }

    /// What the wallet holds, and how much of it the budgets let be spent now.
    pub async fn balances(&self, network: Option<&str>) -> Result<Balances, Refusal> {
        account::balances(&self.parts, &self.name, network).await
    }

    /// Every cap that applies, at a URL or in general.
    pub async fn budgets(&self, url: Option<&str>) -> Result<Budgets, Refusal> {
        let mut budgets = account::budgets(&self.parts, &self.name, url).await?;
        budgets.budgets.extend(self.ceiling.map(|most| Budget::of_one_payment("host", most)));
        Ok(budgets)
    }

    /// This agent's own log.
    pub async fn spend(&self, query: SpendQuery) -> Result<Spend, Refusal> {
        account::spend(&self.parts, &self.name, query).await
    }

    /// One purchase of this agent, with a page of its stored body.
    pub async fn purchase(
        &self,
        purchase_id: &str,
        offset: u64,
        max_chars: Option<usize>,
    ) -> Result<Purchase, Refusal> {
        account::purchase(&self.parts, &self.name, purchase_id, offset, max_chars).await
    }

    fn under_its_ceiling(&self, call: Call) -> Call {
        Call { host_ceiling: self.ceiling, ..call }
    }

    /// The question that stands under an id of this agent.
    pub(crate) async fn question(&self, id: &str) -> Option<Pending> {
        self.parts.question(&self.name, id).await
    }

    /// A person's answer inside the host: weaker than the owner's, and never in its place.
    pub(crate) async fn host_answers(&self, question: &Pending, yes: bool) -> Result<(), Refusal> {
        self.parts.host_answers(question, yes).await
    }

    /// Ends when a question waits for nobody any more.
    pub(crate) async fn answered(&self, question: &Pending) {
        self.parts.answered(question).await;
    }
}

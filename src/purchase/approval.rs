//! Between the question and the answer: who is asked where, and how long the call waits for it.
//!
//! Every door writes its answer into the ledger, and the first one counts. The call itself only watches the row, so it
//! does not matter which door it was: the host, the review page, a terminal in another process.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::answer::{Answer, Outcome};
use crate::answer::{Pending, Refusal};
use crate::ledger::{LedgerError, QuestionState};
use crate::limits;
use crate::parts::Parts;
use crate::policy::rules::SAID_NO;
use crate::policy::{ApprovedBy, TermsText};
use crate::ports::{Asked, Caller, Shut, Ways};
use crate::questions;
use crate::reason::{Reason, Who};

impl Parts {
    /// What became of a question, if it was worth waiting for: a yes, or a no.
    pub(super) async fn await_owner(
        self: &Arc<Parts>,
        agent: &str,
        answer: &Answer,
        caller: &dyn Caller,
        until: Instant,
    ) -> Option<bool> {
        if answer.outcome != Outcome::NeedsApproval {
            return None;
        }
        let question = self.question(agent, answer.purchase_id.as_deref()?).await?;
        let shut = self.open_a_door(&question, caller).await?;
        let until = until.min(Instant::now() + limits::OWNER_WAIT);
        caller.step("waiting for the owner");
        tokio::pin!(shut);
        let mut is_shut = false;
        loop {
            // Looked at once more after the door was shut: whoever shut it may have answered just before.
            match self.state_of(&question).await {
                Ok(QuestionState::Waits) => {}
                Ok(QuestionState::Said(yes)) => return Some(yes),
                Ok(QuestionState::Gone) | Err(_) => return None,
            }
            if is_shut || !caller.is_heard() || self.is_leaving() || Instant::now() >= until {
                return None;
            }
            is_shut = timeout_at(until.min(Instant::now() + LOOK_AGAIN), &mut shut).await.is_ok();
        }
    }

    async fn state_of(&self, question: &Pending) -> Result<QuestionState, LedgerError> {
        let Pending { agent, purchase_id, terms, .. } = question;
        self.ledger.question_state(agent.clone(), purchase_id.clone(), TermsText(terms.clone()), self.now()).await
    }

    /// Shows the question where it can be answered now. What it gives ends when nobody can answer there any more; none:
    /// there is nothing to wait for.
    async fn open_a_door(self: &Arc<Parts>, question: &Pending, caller: &dyn Caller) -> Option<Shut> {
        let ways = self.ways(question)?;
        if !self.ledger.show(question.agent.clone(), question.purchase_id.clone(), self.now()).await.unwrap_or(false) {
            return None;
        }
        if let Some(screen) = self.screen() {
            screen.tell(question);
        }
        match caller.ask(question, &ways) {
            Asked::Here(shut) => Some(shut),
            Asked::InTheAnswer => None,
            Asked::Nowhere => {
                let is_open = self.screen().is_some_and(|screen| screen.ask(question));
                is_open.then(|| Box::pin(std::future::pending()) as Shut)
            }
        }
    }

    /// How the host may ask. Above the owner's line a yes given there would count for nothing.
    fn ways(&self, question: &Pending) -> Option<Ways> {
        let most = self.policy().ok()?.approval.host_up_to;
        let form = most.is_none_or(|most| question.amount_usd <= most);
        Some(Ways { form, page: self.screen().and_then(|screen| screen.address(question)) })
    }

    /// A person's answer inside the host: weaker than the owner's, and never in its place.
    pub(crate) async fn host_answers(&self, question: &Pending, yes: bool) -> Result<(), Refusal> {
        let counts = self.ways(question).is_some_and(|ways| ways.form);
        if yes && !counts {
            return Err(Refusal::of("host_may_not", "a yes given inside the host does not count up to here", ""));
        }
        questions::answer(self, question, yes, ApprovedBy::Host).await.map(drop)
    }

    /// The question that stands under an id of this agent.
    pub(crate) async fn question(&self, agent: &str, id: &str) -> Option<Pending> {
        let standing = questions::pending(self).await.ok()?;
        standing.into_iter().find(|question| question.agent == agent && question.purchase_id == id)
    }

    /// Ends when a question waits for nobody any more.
    pub(crate) async fn answered(&self, question: &Pending) {
        while let Ok(QuestionState::Waits) = self.state_of(question).await {
            sleep(LOOK_AGAIN).await;
        }
    }
}

/// Another process may have answered.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The owner, or a person at the host, said no while the call waited.
pub(super) fn denied(answer: Answer) -> Answer {
    let reasons = vec![Reason::new("denied_by_owner", "bursar deny", SAID_NO, Who::Owner)];
    let next = super::refuse::next_step(&reasons);
    super::refuse::without_money(Outcome::Refused, answer.purchase_id, reasons, next)
}

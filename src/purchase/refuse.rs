//! Saying no, not yet, or something went wrong: each says whether money may have moved, and what to do next.

use super::{Purchase, Rules, Stop, challenge};
use crate::answer::{Answer, Charged, Outcome};
use crate::ledger::{LedgerError, NewQuestion, Unpaid};
use crate::offer::Offer;
use crate::policy::Terms;
use crate::reason::{Reason, Who};

impl Purchase {
    /// A refusal, in the log and for the agent.
    pub(super) async fn refuse(&self, mut reasons: Vec<Reason>, rules: Option<&Rules<'_>>) -> Stop {
        reasons.extend(rules.and_then(|_| self.house.not_applied()));
        self.refuse_as(self.unpaid(reasons, rules), rules).await
    }

    /// The same, as the row has it.
    pub(super) async fn refuse_as(&self, unpaid: Unpaid, rules: Option<&Rules<'_>>) -> Stop {
        let reasons = unpaid.reasons.clone();
        let listed = self.house.ledger.record_refusal(unpaid).await;
        let id = match listed {
            Ok(true) => Some(self.id.clone()),
            Ok(false) => None,
            Err(cause) => {
                tracing::warn!("a refusal could not be logged: {cause}");
                None
            }
        };
        let next = next_step(&reasons);
        let budget_left_usd = match rules {
            Some(rules) => self.left(&rules.considered.policy, &rules.considered.reply.request.url).await,
            None => None,
        };
        Box::new(Answer { budget_left_usd, ..without_money(Outcome::Refused, id, reasons, next) })
    }

    /// The owner has to say yes: the question stands, and nothing is held for it meanwhile.
    pub(super) async fn put_question(&self, offer: Offer, mut reasons: Vec<Reason>, rules: &Rules<'_>) -> Stop {
        let considered = &rules.considered;
        let policy = &considered.policy;
        let asked = NewQuestion {
            terms: Terms::of(&considered.question(&self.wish), &offer, &reasons, &considered.snapshot),
            pending_for: policy.approval.pending_for,
            challenge: Some(challenge::kept(considered)),
        };
        reasons.extend(self.house.not_applied());
        let unpaid = self.unpaid(reasons.clone(), Some(rules));
        let usd = offer.usd;
        tracing::debug!("asking the owner about {}", asked.terms.canonical().0);
        match self.house.ledger.record_question(unpaid, offer, asked).await {
            Ok(id) => {
                let next = format!(
                    "no money moved: the owner must approve this ${usd} in bursar. Tell them, do not try to approve it \
                     yourself, and call again with purchase_id {id} once they have"
                );
                Box::new(without_money(Outcome::NeedsApproval, Some(id), reasons, next))
            }
            Err(LedgerError::NotNow(message)) => {
                let full = Reason::new("too_many_questions", "approval", message, Who::Owner);
                self.refuse(vec![full], Some(rules)).await
            }
            Err(cause) => self.stop(cause),
        }
    }

    /// Something of ours went wrong beside a purchase that has money in it: whether that moved is in the ledger, and not
    /// in this answer.
    pub(super) fn doubt(&self, cause: impl Into<Reason>, id: &str) -> Stop {
        let next = format!(
            "this says nothing about whether money moved; call again with purchase_id {id}: that never pays twice"
        );
        let answer = without_money(Outcome::Failed, Some(id.to_owned()), vec![cause.into()], next);
        Box::new(Answer { charged: Charged::Unknown, ..answer })
    }

    /// Something of ours went wrong before any money was promised.
    pub(super) fn stop(&self, cause: impl Into<Reason>) -> Stop {
        Box::new(failed(vec![cause.into()], Some(self.id.clone())))
    }
}

pub(super) fn not_understood(reasons: Vec<Reason>) -> Answer {
    let next = "correct the arguments and call again: nothing was asked and no money moved".to_owned();
    without_money(Outcome::Refused, None, reasons, next)
}

pub(super) fn unlogged(reasons: Vec<Reason>) -> Answer {
    let next = next_step(&reasons);
    without_money(Outcome::Refused, None, reasons, next)
}

pub(super) fn failed(reasons: Vec<Reason>, id: Option<String>) -> Answer {
    let next = next_step(&reasons);
    without_money(Outcome::Failed, id, reasons, next)
}

pub(super) fn leaving() -> Answer {
    failed(vec![shutting_down()], None)
}

/// What may have come of this purchase before is not looked up any more.
pub(super) fn leaving_it(id: &str) -> Answer {
    let next = format!("this says nothing about whether money moved; call again with purchase_id {id} after a restart");
    let answer = without_money(Outcome::Failed, Some(id.to_owned()), vec![shutting_down()], next);
    Answer { charged: Charged::Unknown, ..answer }
}

fn shutting_down() -> Reason {
    Reason::new("shutting_down", "bursar", "bursar is shutting down and takes no new calls", Who::Time)
}

/// Unfinished work goes on. Nobody knows yet whether it will have cost anything.
pub(super) fn pending(id: String) -> Answer {
    let next = format!("this is still under way: call again with purchase_id {id} to hear what came of it");
    Answer { charged: Charged::Unknown, ..without_money(Outcome::Pending, Some(id), Vec::new(), next) }
}

/// A fault inside bursar. The ledger knows whether money may have moved; this answer does not.
pub(super) fn fault(id: String) -> Answer {
    let message = "a fault inside bursar interrupted this purchase; what it had recorded is kept";
    let reasons = vec![Reason::new("internal_fault", "bursar", message, Who::Time)];
    let next = format!("call again with purchase_id {id}: it resumes what was recorded and never pays twice");
    Answer { charged: Charged::Unknown, ..without_money(Outcome::Failed, Some(id), reasons, next) }
}

pub(super) fn no_wallet() -> Reason {
    let message = "this bursar has no wallet yet, so it can fetch what is free and pay for nothing";
    Reason::new("no_wallet", "wallet", message, Who::Owner)
}

pub(super) fn no_randomness() -> Reason {
    Reason::new("no_randomness", "bursar", "the system gave no randomness", Who::Time)
}

pub(super) fn without_money(outcome: Outcome, id: Option<String>, reasons: Vec<Reason>, next: String) -> Answer {
    Answer {
        outcome,
        charged: Charged::No,
        purchase_id: id,
        http: None,
        body: None,
        served_from_store: false,
        age_s: 0,
        payment: None,
        budget_left_usd: None,
        reasons,
        next,
    }
}

/// What an agent can do about a refusal. Never: ask for more.
pub(crate) fn next_step(reasons: &[Reason]) -> String {
    let by = |who| reasons.iter().any(|reason| reason.who_can_fix == who);
    let step = if by(Who::Owner) {
        "only the owner can change this: tell them, and do not try again meanwhile"
    } else if by(Who::Agent) {
        "correct the call, or do without it"
    } else {
        "wait and try later, or do without it"
    };
    format!("no money moved; {step}")
}

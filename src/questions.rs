//! Questions before the owner: which stand, how they are shown, and an answer to one.

use crate::answer::{Pending, Refusal};
use crate::ledger::{self, OpenQuestion};
use crate::money::Amount;
use crate::parts::Parts;
use crate::policy::{ApprovedBy, TermsText};
use crate::reason::{Reason, Who};
use crate::wish;

/// Questions that stand, oldest first.
pub(crate) async fn pending(house: &Parts) -> Result<Vec<Pending>, Refusal> {
    expire(house).await;
    Ok(house.ledger.pending(house.now()).await?.iter().map(|question| as_shown(house, question)).collect())
}

/// Whoever looks at questions marks what is over. What that comes to is no reason not to look.
pub(crate) async fn expire(house: &Parts) {
    if let Err(cause) = house.ledger.expire_questions(house.now()).await {
        tracing::debug!("questions that are over were not marked: {cause}");
    }
}

/// Answers the question that was shown, if it stands.
pub(crate) async fn answer(house: &Parts, shown: &Pending, yes: bool, by: ApprovedBy) -> Result<Pending, Refusal> {
    let is_shown = |question: &OpenQuestion| {
        question.entry.purchase_id == shown.purchase_id && question.entry.agent == shown.agent
    };
    expire(house).await;
    let question = house.ledger.pending(house.now()).await?.into_iter().find(is_shown);
    let question =
        question.ok_or_else(|| none_stands("no question stands under that id: it was answered, or expired"))?;
    let valid_for = house.policy().map_err(|reason| Refusal::of("policy_invalid", reason.message, "correct it"))?;
    let valid_for = valid_for.approval.valid_for;
    let (row, terms) = (question.entry.row, TermsText(shown.terms.clone()));
    house.ledger.answer(row, terms, yes, by, valid_for, house.now()).await?;
    let mut answered = as_shown(house, &question);
    answered.approved_until = yes.then(|| house.now().plus(valid_for));
    Ok(answered)
}

/// An amount as a person reads it; atomic where the asset is not known any more.
fn whole_units(house: &Parts, terms: &ledger::PaymentTerms) -> String {
    let known = terms.asset_account().zip(Amount::parse(&terms.amount));
    let shown = known.and_then(|(asset, amount)| Some(house.assets.known(&asset)?.units(amount)));
    shown.unwrap_or_else(|| terms.amount.clone())
}

fn as_shown(house: &Parts, question: &OpenQuestion) -> Pending {
    let entry = &question.entry;
    let terms = entry.terms.as_ref();
    let text = |read: fn(&ledger::PaymentTerms) -> &String| terms.map(read).cloned().unwrap_or_default();
    Pending {
        purchase_id: entry.purchase_id.clone(),
        agent: entry.agent.clone(),
        asked_at: question.asked_at,
        expires_at: question.expires_at,
        method: entry.method.clone(),
        url: wish::whole(entry.final_url.as_ref().unwrap_or(&entry.url)),
        led_from: entry.final_url.as_ref().map(|_| wish::whole(&entry.url)),
        domain: entry.domain.clone(),
        amount_usd: terms.map(|terms| terms.usd).unwrap_or_default(),
        amount: terms.map(|terms| whole_units(house, terms)).unwrap_or_default(),
        asset: text(|terms| &terms.asset),
        network: text(|terms| &terms.network),
        payee: text(|terms| &terms.payee),
        reasons: entry.reasons.clone(),
        approved_until: question.approved_until,
        terms: question.terms.0.clone(),
    }
}

fn none_stands(message: &str) -> Refusal {
    let reason = Reason::new("not_possible", "bursar", message, Who::Owner);
    Refusal { reasons: vec![reason], next: "`bursar log` and `bursar pending` show what there is".to_owned() }
}

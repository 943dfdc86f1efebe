//! What the owner can do here: each is a form, and each says on the next page what came of it.

use http::StatusCode;

use super::door::{Flash, Visitor};
use super::reply::{self, PageReply};
use super::request::FormFields;
use super::route::{ReviewSite, words_of};
use super::words;
use crate::answer::{Pending, PolicyChange, Refusal};

/// Does what a form asks for. Whoever calls this has made sure that the visitor sent it.
pub async fn act(window: &ReviewSite, visitor: &Visitor, action: &str, form: &FormFields) -> PageReply {
    let passphrase = form.get("passphrase");
    let (done, next) = match action {
        "approve" => (approve(window, form, passphrase).await, "pending"),
        "deny" => (deny(window, form).await, "pending"),
        "freeze" => (freeze(window, form).await, "stop"),
        "thaw" => (thaw(window, passphrase).await, "stop"),
        "apply" => (apply(window, form, passphrase).await, "policy"),
        "leave" => {
            window.door.leave(visitor);
            return reply::see("/");
        }
        _ => return reply::text(StatusCode::NOT_FOUND, "There is no such form.\n"),
    };
    if let Err(refusal) = &done
        && refusal.reasons.iter().any(|reason| reason.code == "wrong_passphrase")
    {
        window.door.note_wrong_passphrase(visitor);
    }
    let said = match done {
        Ok(text) => Flash { is_done: true, text },
        Err(refusal) => Flash { is_done: false, text: words_of(&refusal) },
    };
    window.door.say(visitor, said);
    reply::see(next)
}

async fn approve(window: &ReviewSite, form: &FormFields, passphrase: Option<&str>) -> Result<String, Refusal> {
    let approved = window.bursar.approve(&shown(window, form).await?, passphrase).await?;
    let until = approved.approved_until.map(|until| words::when(until, window.bursar.now())).unwrap_or_default();
    let (price, domain) = (approved.amount_usd, &approved.domain);
    Ok(format!("Approved: ${price} to {domain}. The agent's next try goes through; the yes ends {until}."))
}

async fn deny(window: &ReviewSite, form: &FormFields) -> Result<String, Refusal> {
    let denied = window.bursar.deny(&shown(window, form).await?).await?;
    Ok(format!("Denied: ${} to {} is not paid.", denied.amount_usd, denied.domain))
}

/// The question as the form showed it: its terms are the form's, so an answer to other terms finds nothing.
async fn shown(window: &ReviewSite, form: &FormFields) -> Result<Pending, Refusal> {
    let is_meant = |question: &Pending| {
        form.get("agent") == Some(&question.agent) && form.get("id") == Some(&question.purchase_id)
    };
    let question = window.bursar.pending().await?.into_iter().find(is_meant);
    let Some(question) = question else {
        let why = "this question does not stand any more: it was answered, or it expired";
        return Err(Refusal::of("not_possible", why, "nothing was changed"));
    };
    Ok(Pending { terms: form.get("terms").unwrap_or_default().to_owned(), ..question })
}

async fn freeze(window: &ReviewSite, form: &FormFields) -> Result<String, Refusal> {
    window.bursar.freeze(form.get("why").unwrap_or("stopped on the review page")).await?;
    Ok("Frozen. Nothing is signed until you thaw.".to_owned())
}

async fn thaw(window: &ReviewSite, passphrase: Option<&str>) -> Result<String, Refusal> {
    window.bursar.thaw(passphrase).await?;
    Ok("Thawed. Spending goes on within your limits.".to_owned())
}

/// The change as the form showed it: if the file has changed since, nothing is put into force.
async fn apply(window: &ReviewSite, form: &FormFields, passphrase: Option<&str>) -> Result<String, Refusal> {
    let change = window.bursar.policy_change().await?;
    let is_shown = |change: &PolicyChange| form.get("from") == Some(&change.from) && form.get("to") == Some(&change.to);
    let Some(change) = change.filter(is_shown) else {
        return Err(Refusal::of("policy_changed", "the policy file was changed meanwhile", "look at it again"));
    };
    window.bursar.apply_policy(&change, passphrase).await?;
    Ok("In force from the next purchase on.".to_owned())
}

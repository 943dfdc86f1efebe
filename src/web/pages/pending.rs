//! The questions before the owner, each with its exact terms, and a yes and a no.

use super::PageView;
use super::frame::{Tab, csrf, framed, passphrase};
use crate::answer::{Pending, Refusal};
use crate::limits;
use crate::reason::Reason;
use crate::text;
use crate::web::html::{Html, html};
use crate::web::words;

pub async fn pending(view: &PageView<'_>) -> Result<Html, Refusal> {
    let questions = view.bursar.pending().await?;
    let cards: Vec<Html> = questions.iter().map(|question| card(view, question)).collect();
    let none = questions.is_empty().then(|| {
        html!("<section class=\"card\"><p>Nothing waits for you.</p><p class=\"dim\">When a purchase needs your yes, its exact terms stand here.</p></section>")
    });
    let content = html!("<h1>Waiting for you</h1><div data-live=\"pending\">{}{}</div>", none, cards);
    framed(view, Tab::Pending, "Waiting for you", content).await
}

/// One question. What a yes is for is all of what stands here, and nothing else.
pub fn card(view: &PageView<'_>, question: &Pending) -> Html {
    let reasons: Vec<Html> = question.reasons.iter().map(reason).collect();
    html!(
        "<section class=\"card ask\" id=\"{}\" aria-label=\"{}\"><div class=\"pair\"><p class=\"price\">{}</p>{}</div>\
         <p class=\"url\">{} {}</p>{}<dl class=\"terms\">\
         <dt>Paid as</dt><dd>{} {} on {}</dd><dt>Paid to</dt><dd class=\"mono\">{}</dd>\
         <dt>Asked by</dt><dd>{}, {}</dd><dt>Because</dt><dd><ul>{}</ul></dd></dl>{}</section>",
        question.purchase_id,
        format!("${} to {}", question.amount_usd, question.domain),
        question.amount_usd,
        standing(view, question),
        question.method,
        text::quoted(&question.url, limits::URL_CHARS),
        question
            .led_from
            .as_ref()
            .map(|from| html!("<p class=\"dim\">where {} led</p>", text::quoted(from, limits::URL_CHARS))),
        question.amount,
        words::line(&question.asset),
        words::network(&question.network),
        words::line(&question.payee),
        words::line(&question.agent),
        words::time(question.asked_at, view.now),
        reasons,
        answers(view, question)
    )
}

fn standing(view: &PageView<'_>, question: &Pending) -> Html {
    let lasting = |at| words::lasting(crate::time::Time::since(at, view.now));
    match question.approved_until {
        Some(until) => html!("<span class=\"pill good\">Approved, for {} more</span>", lasting(until)),
        None => html!("<span class=\"dim\">stands for {} more</span>", lasting(question.expires_at)),
    }
}

fn answers(view: &PageView<'_>, question: &Pending) -> Html {
    let yes = format!("Approve ${}", question.amount_usd);
    let approve = question.approved_until.is_none().then(|| form(view, question, "approve", "strong", &yes));
    html!("<div class=\"answers\">{}{}</div>", approve, form(view, question, "deny", "plain", "Deny"))
}

fn form(view: &PageView<'_>, question: &Pending, action: &str, class: &str, button: &str) -> Html {
    html!(
        "<form method=\"post\" action=\"{}\">{}<input type=\"hidden\" name=\"agent\" value=\"{}\">\
         <input type=\"hidden\" name=\"id\" value=\"{}\"><input type=\"hidden\" name=\"terms\" value=\"{}\">{}\
         <button class=\"{}\">{}</button></form>",
        action,
        csrf(view),
        question.agent,
        question.purchase_id,
        question.terms,
        (action == "approve").then(|| passphrase(view, button)).flatten(),
        class,
        button
    )
}

/// One cause, and the rule it comes from.
pub fn reason(reason: &Reason) -> Html {
    html!("<li>{} <span class=\"dim\">{}</span></li>", words::line(&reason.message), words::line(&reason.rule))
}

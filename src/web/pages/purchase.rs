//! The whole story of one purchase, and what was bought, as text that does nothing.

use serde_json::Value;

use super::PageView;
use super::frame::{Tab, framed};
use super::pending;
use crate::answer::{Body, Encoding, Event};
use crate::answer::{Pending, Refusal, Story};
use crate::limits;
use crate::offer::Attested;
use crate::text;
use crate::time::Time;
use crate::web::html::{Html, html};
use crate::web::request::FormFields;
use crate::web::words;

pub async fn purchase(view: &PageView<'_>, query: &FormFields) -> Result<Html, Refusal> {
    let story = view.bursar.why(query.get("id").unwrap_or_default()).await?;
    let question = view.bursar.pending().await?.into_iter().find(|question| is_about(question, &story));
    let offset = query.get("offset").and_then(|offset| offset.parse().ok()).unwrap_or(0);
    let goods = view.bursar.goods(&story.row.agent, &story.row.purchase_id, offset).await?;
    let content = html!(
        "<p class=\"dim\"><a href=\"purchases\">Purchases</a></p><div data-live=\"purchase\">{}{}{}{}{}{}</div>{}",
        heading(&story, view.now),
        question.map(|question| pending::card(view, &question)),
        offers(&story.offers),
        rules(&story),
        events(&story.events, view.now),
        proof(&story, view.now),
        goods.map(|(body, next)| stored(&story, &body, offset, next))
    );
    framed(view, Tab::Purchases, &words::short(&story.row.purchase_id), content).await
}

fn is_about(question: &Pending, story: &Story) -> bool {
    question.agent == story.row.agent && question.purchase_id == story.row.purchase_id
}

fn heading(story: &Story, now: Time) -> Html {
    let row = &story.row;
    let reasons: Vec<Html> = row.reasons.iter().map(pending::reason).collect();
    let client = story.client.as_ref().map(|client| format!(" ({})", words::line(client)));
    let price = row.amount_usd.map_or_else(|| "No price".to_owned(), |usd| format!("${usd}"));
    let goods = row.goods.as_ref().map(|word| format!(", goods: {}", word.replace('_', " "))).unwrap_or_default();
    let answered = match (row.http_status, row.delivered) {
        (Some(status), true) => format!("answered {status}, delivered{goods}"),
        (Some(status), false) => format!("answered {status}, not delivered"),
        (None, _) => "no answer of the seller".to_owned(),
    };
    html!(
        "<h1>{} {}</h1><section class=\"card\"><p class=\"url\">{} {}{}</p><dl class=\"terms\">\
         <dt>Asked by</dt><dd>{}{}{}</dd><dt>When</dt><dd>{}</dd><dt>The seller</dt><dd>{}</dd>\
         <dt>ID</dt><dd class=\"mono\">{}</dd></dl>{}{}</section>",
        price,
        words::state(&row.state),
        row.method,
        text::quoted(&story.url, limits::URL_CHARS),
        story.server.as_ref().map(|server| format!(" at {}", text::quoted(server, limits::URL_CHARS))),
        words::line(&row.who()),
        client,
        row.session.as_ref().map(|session| format!(", session {session}")),
        words::time(row.at, now),
        answered,
        row.purchase_id,
        story.complaint.as_ref().map(|complaint| html!("<p class=\"said bad\">{}</p>", complaint)),
        (!reasons.is_empty()).then(|| html!("<ul>{}</ul>", reasons))
    )
}

fn offers(offers: &Value) -> Html {
    let rows: Vec<Html> = entries(offers).iter().map(offer).collect();
    table(
        "Offers",
        &rows,
        html!(
            "<th scope=\"col\" class=\"num\">Amount</th><th scope=\"col\">Asset</th><th scope=\"col\">Network</th>\
             <th scope=\"col\">Payee</th><th scope=\"col\">Dialect</th><th scope=\"col\">Verdict</th>"
        ),
        Html::none(),
    )
}

fn offer(offer: &Value) -> Html {
    let amount = match field(offer, "amount_usd") {
        usd if usd.is_empty() => field(offer, "amount_atomic"),
        usd => format!("${usd}"),
    };
    html!(
        "<tr><td class=\"num\">{}</td><td>{}</td><td>{}</td><td class=\"mono\">{}</td><td>{} {}</td><td>{} {}</td></tr>",
        amount,
        field(offer, "asset"),
        words::network(&field(offer, "network")),
        field(offer, "payee"),
        field(offer, "dialect"),
        field(offer, "scheme"),
        verdict(&field(offer, "verdict")),
        signed("offer", offer).unwrap_or_else(|| field(&offer["unpayable"], "message"))
    )
}

/// Rules that had numbers or an objection at length; those that merely passed are many, and stand folded.
fn rules(story: &Story) -> Html {
    let policy = story.policy_hash.as_deref().map(words::short).unwrap_or_default();
    let (telling, silent): (Vec<&Value>, Vec<&Value>) = entries(&story.rules)
        .iter()
        .partition(|rule| field(rule, "said") != "pass" || !field(rule, "limit_usd").is_empty());
    let rows: Vec<Html> = telling.into_iter().map(rule).collect();
    let names: Vec<String> = silent.iter().map(|rule| field(rule, "rule")).collect();
    let folded = (!names.is_empty()).then(|| {
        html!("<details><summary>{} more that passed</summary><p>{}</p></details>", names.len(), names.join(", "))
    });
    table(
        &format!("What every rule said (policy {policy})"),
        &rows,
        html!(
            "<th scope=\"col\">Said</th><th scope=\"col\">Rule</th><th scope=\"col\" class=\"num\">Used</th>\
             <th scope=\"col\" class=\"num\">Limit</th><th scope=\"col\">Why</th>"
        ),
        folded.unwrap_or_default(),
    )
}

fn rule(rule: &Value) -> Html {
    let usd = |name| Some(field(rule, name)).filter(|usd| !usd.is_empty()).map(|usd| format!("${usd}"));
    html!(
        "<tr><td>{}</td><td>{}</td><td class=\"num\">{}</td><td class=\"num\">{}</td><td>{}</td></tr>",
        verdict(&field(rule, "said")),
        field(rule, "rule"),
        usd("used_usd"),
        usd("limit_usd"),
        field(rule, "message")
    )
}

fn verdict(said: &str) -> Html {
    if said.is_empty() {
        return Html::none();
    }
    html!("<span class=\"verdict {}\">{}</span>", said, said)
}

/// A table with a title; nothing where it has no rows.
fn table(title: &str, rows: &Vec<Html>, heads: Html, below: Html) -> Html {
    if rows.is_empty() {
        return Html::none();
    }
    html!(
        "<section class=\"card\"><h2>{}</h2><div class=\"scroll\" tabindex=\"0\"><table><thead><tr>{}</tr></thead>\
         <tbody>{}</tbody></table></div>{}</section>",
        title,
        heads,
        rows,
        below
    )
}

fn events(events: &[Event], now: Time) -> Html {
    let items: Vec<Html> = events.iter().map(|event| happened(event, now)).collect();
    html!("<section class=\"card\"><h2>What happened</h2><ol class=\"events\">{}</ol></section>", items)
}

fn happened(event: &Event, now: Time) -> Html {
    html!(
        "<li class=\"{}\"><strong>{}</strong> {}<div class=\"dim small\">{}</div></li>",
        event.kind,
        event.kind.replace('_', " "),
        words::time(event.at, now),
        pairs(&event.detail)
    )
}

/// What the seller said beside what the chain says.
fn proof(story: &Story, now: Time) -> Html {
    let row = &story.row;
    let Some(proof) = &row.proof else { return Html::none() };
    let says = match (proof.as_str(), row.state.as_str()) {
        ("seen", _) => "the money moved, as nodes have seen; it is not final yet",
        ("chain", "lapsed") => "never used, and never usable again",
        ("chain", _) => "the money moved",
        (_, "held") => "not heard yet: nobody knows whether the money moved",
        _ => "not heard yet",
    };
    let receipt = story.receipt.as_ref().map(pairs).unwrap_or_else(|| "no receipt".to_owned());
    let evidence = (!story.evidence.is_null()).then(|| html!("<dt>Evidence</dt><dd>{}</dd>", pairs(&story.evidence)));
    let signed = story.receipt.as_ref().and_then(|receipt| signed("receipt", receipt));
    html!(
        "<section class=\"card\"><h2>Proof</h2><dl class=\"terms\"><dt>The seller says</dt><dd>{}</dd>{}\
         <dt>The chain says</dt><dd>{}</dd>{}{}{}{}</dl></section>",
        receipt,
        signed.map(|signed| html!("<dt>The seller signed</dt><dd>{}</dd>", signed)),
        says,
        row.payee.as_ref().map(|payee| html!("<dt>Paid to</dt><dd class=\"mono\">{}</dd>", payee)),
        row.chain_tx.as_ref().map(|tx| html!("<dt>Chain transaction</dt><dd class=\"mono\">{}</dd>", words::line(tx))),
        story.window_ends.map(|at| html!("<dt>Window ends</dt><dd>{}</dd>", words::time(at, now))),
        evidence
    )
}

/// What was bought: never rendered, linked or run.
fn stored(story: &Story, body: &Body, offset: u64, next: Option<u64>) -> Html {
    let id = format!("{}/{}", story.row.agent, story.row.purchase_id);
    let link = |offset: &str| words::query("purchase", &[("id", &id), ("offset", offset)]);
    let text = match body.body_encoding {
        Encoding::Text => html!("<pre class=\"goods\" tabindex=\"0\">{}</pre>", body.body),
        Encoding::Base64 => {
            html!("<p class=\"dim\">Not text; as base64:</p><pre class=\"goods\" tabindex=\"0\">{}</pre>", body.body)
        }
        Encoding::None => html!("<p class=\"dim\">Nothing to show.</p>"),
    };
    html!(
        "<section class=\"card\" id=\"goods\"><h2>What was delivered</h2><p class=\"dim\">{} bytes from {}, shown as they came; \
         nothing in them is followed.</p>{}<p class=\"turning\">{}{}</p></section>",
        body.body_bytes,
        words::line(&body.body_source),
        text,
        (offset > 0).then(|| html!("<a class=\"button\" href=\"{}#goods\">From the beginning</a>", link(""))),
        next.map(|next| html!("<a class=\"button\" href=\"{}#goods\">Read on</a>", link(&next.to_string())))
    )
}

/// What was found of a document that the seller signed, in a sentence.
fn signed(what: &str, beside: &Value) -> Option<String> {
    let attested: Attested = serde_json::from_value(beside.get("signed")?.clone()).ok()?;
    Some(words::line(&attested.sentence(what)))
}

fn entries(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn field(value: &Value, name: &str) -> String {
    match value.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => words::line(text),
        Some(other) => words::line(&other.to_string()),
    }
}

/// `network eip155:8453, success true` instead of braces. What is empty, for programs, or said elsewhere on the page is
/// left out.
fn pairs(value: &Value) -> String {
    const ELSEWHERE: [&str; 9] =
        ["ends", "handle", "nonce", "policy", "reasons", "receipt", "signed", "standing", "valid_before"];
    let Value::Object(fields) = value else { return words::line(&value.to_string()) };
    let told = fields.iter().filter(|(name, value)| !value.is_null() && !ELSEWHERE.contains(&name.as_str()));
    let told: Vec<String> = told
        .map(|(name, _)| format!("{} {}", name.replace('_', " "), text::receipt_field(name, field(value, name))))
        .collect();
    text::quoted(&told.join(", "), 4 * limits::QUOTED_CHARS)
}

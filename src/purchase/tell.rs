//! Putting what happened into an answer: from a reply just heard, or from a row of the ledger.

use base64::{Engine, engine::general_purpose::STANDARD};
use url::Url;

use super::closing::Judged;
use super::{Purchase, Stop, refuse};
use crate::answer::{Answer, Body, BudgetLeft, Charged, Encoding, Http, Outcome, Payment};
use crate::goods::Goods;
use crate::ledger::{Entry, View};
use crate::limits;
use crate::offer::Dialect;
use crate::policy::{self, Policy, Remaining};
use crate::ports::Reply;
use crate::reason::{Reason, Who};
use crate::settlement::{Proof, Standing, State};
use crate::text::{media_type, source};
use crate::wish::masked;

/// Why an answer comes from a row and not from a seller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// It was bought before, and heard before: nothing is paid for hearing it again.
    Repeat,
    /// It was bought while nobody listened: this call is the first to hear of it, or hears how it stands.
    Outcome,
    /// It was bought by a call that ran beside this one.
    Beside,
}

impl Purchase {
    /// The answer to a purchase that was just presented.
    pub(super) async fn answer(&self, entry: Option<Entry>, judged: Judged) -> Stop {
        let Some(entry) = entry else { return Box::new(unclosed(&self.id, &judged)) };
        let body = judged.reply.as_ref().filter(|_| judged.judgement.answered);
        let body = body.map(|reply| body_of(reply, self.wish.max_chars));
        let mut answer = self.told_by_row(&entry, body).await;
        answer.reasons.splice(0..0, judged.reasons);
        Box::new(answer)
    }

    /// The answer to a purchase that is already in the ledger.
    pub(super) async fn tell(&self, entry: &Entry, how: How) -> (Stop, Option<i64>) {
        let body = self.stored_body(entry).await;
        let is_lost = body.is_none() && entry.body_bytes.is_some_and(|bytes| bytes > 0);
        let mut answer = self.told_by_row(entry, body).await;
        if is_lost {
            let message = "what the seller sent is not in the store: it could not be kept there, or has gone since";
            answer.reasons.push(reason("body_lost", message, Who::Agent));
            answer.next = format!("call with buy_again {} only if it is worth paying once more", entry.purchase_id);
        }
        if let Some(at) = entry.answered_at.filter(|_| how != How::Beside) {
            answer.served_from_store = true;
            answer.age_s = self.house.now().since(at).as_secs();
        }
        if how == How::Repeat && entry.handed && entry.delivered && answer.charged == Charged::Yes {
            answer.charged = Charged::No;
        }
        (Box::new(answer), entry.money.as_ref().filter(|_| !entry.handed).map(|_| entry.row))
    }

    async fn told_by_row(&self, entry: &Entry, body: Option<Body>) -> Answer {
        let (outcome, charged, reason) = read_row(entry);
        let complaint = entry.goods.as_ref().and_then(Goods::reason);
        let next = next_of(entry, outcome, body.as_ref(), self.may_ask_for_goods(entry).await);
        let next = warned(next, complaint.as_ref());
        Answer {
            outcome,
            charged,
            purchase_id: Some(entry.purchase_id.clone()),
            http: http_of_row(entry),
            body,
            served_from_store: false,
            age_s: 0,
            payment: payment_of(entry),
            budget_left_usd: match self.left {
                Some(left) => Some(shown(left)),
                None => self.left_after(entry).await,
            },
            reasons: reason.into_iter().chain(complaint).collect(),
            next,
        }
    }

    /// Paid for, not arrived, and the same bytes may bring it.
    async fn may_ask_for_goods(&self, entry: &Entry) -> bool {
        let is_settled = entry.money.as_ref().is_some_and(|money| money.standing.state == State::Settled);
        // In doubt no: the next call would say so, and a second payment is never called for.
        entry.open && is_settled && self.house.ledger.may_ask_for_goods(entry.row).await.unwrap_or(false)
    }

    async fn stored_body(&self, entry: &Entry) -> Option<Body> {
        let most = (self.wish.max_chars as u64).saturating_mul(4).saturating_add(4);
        let bytes = self.house.stored_bytes(entry, 0, most).await?;
        let total = entry.body_bytes.unwrap_or_default();
        let stored = StoredBody { total, content_type: entry.content_type.as_deref() };
        Some(page(&bytes, &stored, 0, self.wish.max_chars / 2, &source(&entry.domain), Binary::Link).0)
    }

    async fn left_after(&self, entry: &Entry) -> Option<BudgetLeft> {
        let policy = self.house.policy().ok()?;
        let url = Url::parse(entry.final_url.as_deref().unwrap_or(&entry.url)).ok()?;
        self.left(&policy, &url).await
    }

    pub(super) async fn left(&self, policy: &std::sync::Arc<Policy>, url: &Url) -> Option<BudgetLeft> {
        let view = View {
            agent: self.wish.agent.clone(),
            identity: None,
            led_from: None,
            policy: policy.clone(),
            url: Some(url.clone()),
            payees: Vec::new(),
            now: self.house.now(),
        };
        let snapshot = self.house.ledger.snapshot(view).await.ok()?;
        Some(shown(policy::budget_left(policy, url, &snapshot)))
    }
}

fn shown(left: Remaining) -> BudgetLeft {
    BudgetLeft { session: left.session, domain: left.domain, day: left.day }
}

/// What a row means to an agent.
fn read_row(entry: &Entry) -> (Outcome, Charged, Option<Reason>) {
    let Some(money) = &entry.money else { return read_unpaid(entry) };
    let answered = entry.answered_at.is_some();
    match money.standing.state {
        State::Settled if answered => (Outcome::Answered, Charged::Yes, None),
        State::Settled => (
            Outcome::Failed,
            Charged::Yes,
            Some(reason("charged_not_delivered", "the seller took the money, and its goods never arrived", Who::Agent)),
        ),
        State::Held if answered => (Outcome::Answered, Charged::Unknown, None),
        State::Held => (
            Outcome::Held,
            Charged::Unknown,
            Some(reason(
                "outcome_unknown",
                "the payment was presented and nobody knows yet whether it was taken",
                Who::Time,
            )),
        ),
        State::Authorized if money.presents == 0 => (
            Outcome::Failed,
            Charged::No,
            Some(reason("not_presented", "a payment was signed and has not left this machine", Who::Time)),
        ),
        State::Authorized => (
            Outcome::Held,
            Charged::Unknown,
            Some(reason("outcome_unknown", "a payment was signed and may have been presented", Who::Time)),
        ),
        State::Lapsed if money.standing.proof == Proof::Chain => (
            if entry.delivered { Outcome::Answered } else { Outcome::Failed },
            Charged::No,
            Some(reason("lapsed", "the payment was never taken and can never be: the budget has it back", Who::Agent)),
        ),
        State::Lapsed => (
            Outcome::Failed,
            Charged::Unknown,
            Some(reason("released", "the owner gave its budget back by hand; the chain has not spoken", Who::Agent)),
        ),
    }
}

fn read_unpaid(entry: &Entry) -> (Outcome, Charged, Option<Reason>) {
    match entry.state.as_str() {
        "free" => (Outcome::Answered, Charged::No, None),
        "needs_approval" => (Outcome::NeedsApproval, Charged::No, None),
        _ => (Outcome::Refused, Charged::No, None),
    }
}

fn next_of(entry: &Entry, outcome: Outcome, body: Option<&Body>, may_ask: bool) -> String {
    let id = &entry.purchase_id;
    if let Some(next) = body.and_then(|body| read_on(body, id)) {
        return next;
    }
    let standing = entry.money.as_ref().map(|money| money.standing);
    let is_released = standing == Some(Standing::RELEASED);
    match (outcome, standing.map(|standing| standing.state)) {
        (_, Some(State::Lapsed)) if is_released => format!(
            "its owner gave the budget back by hand, and whether money moved is not known: ask them before you buy it \
             anew. purchase_id {id} says how it stands"
        ),
        (_, Some(State::Lapsed)) => {
            format!("no money moved; leave out purchase_id, or call with buy_again {id}, to buy it anew")
        }
        (Outcome::Answered, Some(State::Settled)) if entry.delivered => {
            "bought and delivered; the same call within its repeat window costs nothing".to_owned()
        }
        (Outcome::Answered, Some(State::Settled)) if may_ask && is_cut(entry) => format!(
            "the seller took the money, and its answer was cut off; call again with purchase_id {id}: that asks for it \
             once more with the same payment, and pays nothing"
        ),
        (Outcome::Answered, Some(State::Settled)) if is_cut(entry) => format!(
            "the seller took the money, and its answer was cut off each time; call with buy_again {id} only if it is \
             worth paying once more"
        ),
        (Outcome::Answered, Some(State::Settled)) => format!(
            "the seller took the money and answered with an error; call with buy_again {id} only if it is worth paying \
             once more"
        ),
        (Outcome::Answered, Some(_)) if entry.delivered => {
            "delivered; whether the seller took the money is being found out, and it counts as spent until then"
                .to_owned()
        }
        (_, Some(State::Held | State::Authorized)) if !entry.open => format!(
            "its window has passed unused and it counts as spent until the chain proves that for good; leave out \
             purchase_id to buy anew, if it is worth it. purchase_id {id} says how this one stands"
        ),
        (Outcome::Answered, Some(_)) => format!(
            "the seller answered with an error and may still take the money; the same call with purchase_id {id} \
             presents the same payment, never a second one"
        ),
        (_, Some(State::Settled)) if may_ask => format!(
            "money moved and the goods have not arrived; call again with purchase_id {id}: that asks for them with the \
             same payment, and pays nothing"
        ),
        (_, Some(State::Settled)) => format!(
            "money moved and nothing was delivered; call with buy_again {id} only if it is worth paying once more"
        ),
        (_, Some(State::Held | State::Authorized)) => format!(
            "call again with purchase_id {id}: that resumes this very payment and never makes a second one; until it \
             is settled either way it counts as spent"
        ),
        (_, None) => refuse::next_step(&entry.reasons),
    }
}

/// Whoever paid for nothing is not to pay for nothing once more.
fn warned(next: String, complaint: Option<&Reason>) -> String {
    match complaint {
        Some(_) => format!("{next}; do not buy this again before you know why it came as it did"),
        None => next,
    }
}

/// It began as it should, and was not whole.
fn is_cut(entry: &Entry) -> bool {
    entry.http_status.is_some_and(|status| (200..300).contains(&status))
}

/// The row could not be written: say what was seen, and that the ledger will catch up.
fn unclosed(id: &str, judged: &Judged) -> Answer {
    let outcome = match judged.judgement.answered {
        true => Outcome::Answered,
        false => Outcome::Held,
    };
    let next = format!(
        "the ledger could not note the outcome and will find out by itself; call again with purchase_id {id}, which \
         never pays twice"
    );
    let complaint = judged.goods.as_ref().and_then(Goods::reason);
    let next = warned(next, complaint.as_ref());
    let reasons = judged.reasons.iter().cloned().chain(complaint).collect();
    let mut answer = refuse::without_money(outcome, Some(id.to_owned()), reasons, next);
    answer.charged = judged.judgement.charged;
    answer.http = judged.reply.as_ref().map(http_of);
    answer.body = judged.reply.as_ref().map(|reply| body_of(reply, limits::ANSWER_CHARS));
    answer
}

pub(super) fn http_of(reply: &Reply) -> Http {
    let content_type = reply.headers.get("content-type").and_then(|value| value.to_str().ok());
    Http {
        status: reply.status,
        content_type: content_type.and_then(media_type),
        final_url: masked(&reply.request.url),
    }
}

fn http_of_row(entry: &Entry) -> Option<Http> {
    let url = entry.final_url.as_deref().unwrap_or(&entry.url);
    Some(Http {
        status: entry.http_status?,
        // Rows of earlier versions hold whatever was sent.
        content_type: entry.content_type.as_deref().and_then(media_type),
        final_url: Url::parse(url).map(|url| masked(&url)).unwrap_or_default(),
    })
}

pub(super) fn body_of(reply: &Reply, max_chars: usize) -> Body {
    let content_type = http_of(reply).content_type;
    let stored = StoredBody { total: reply.body_len(), content_type: content_type.as_deref() };
    let source = source(reply.request.url.host_str().unwrap_or_default());
    page(&reply.body, &stored, 0, max_chars / 2, &source, Binary::Link).0
}

/// How to get what did not fit.
pub(super) fn read_on(body: &Body, id: &str) -> Option<String> {
    match (body.truncated, body.body_encoding) {
        (true, Encoding::Text) => {
            let offset = body.body.len();
            Some(format!("the rest is stored: get_purchase with purchase_id {id} and offset {offset} reads on, free"))
        }
        (_, Encoding::None) if body.body_bytes > 0 => {
            Some(format!("the body is not text; get_purchase with purchase_id {id} reads it as base64, free"))
        }
        _ => None,
    }
}

/// What is known of a whole body, of which a part is at hand.
pub struct StoredBody<'a> {
    /// All of it.
    pub total: u64,
    /// What the seller says the body is.
    pub content_type: Option<&'a str>,
}

/// What to do with a body that is not text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// Say that it is there.
    Link,
    /// In Base64.
    Base64,
}

/// One page of a body from `offset` on, and where the next one begins. `bytes` begins at `offset`.
pub fn page(
    bytes: &[u8],
    stored: &StoredBody<'_>,
    offset: u64,
    chars: usize,
    source: &str,
    binary: Binary,
) -> (Body, Option<u64>) {
    let (body, body_encoding, consumed) = match text_in(bytes, stored.content_type, offset) {
        Some(text) => {
            let page: String = text.chars().take(chars).collect();
            let consumed = page.len() as u64;
            (page, Encoding::Text, consumed)
        }
        None if binary == Binary::Link => (String::new(), Encoding::None, 0),
        None => {
            // Whole groups of three bytes, so that pages put together are one base64 text.
            let most = (chars / 4 * 3).max(3).min(bytes.len());
            (STANDARD.encode(&bytes[..most]), Encoding::Base64, most as u64)
        }
    };
    let end = offset + consumed;
    let truncated = end < stored.total;
    let next = (truncated && consumed > 0).then_some(end);
    (Body { body, body_source: source.to_owned(), body_encoding, body_bytes: stored.total, truncated }, next)
}

/// The text that begins here, if this is text; a character cut in two at the end is left for the next page.
fn text_in<'a>(bytes: &'a [u8], content_type: Option<&str>, offset: u64) -> Option<&'a str> {
    let says_binary = content_type.is_some_and(|kind| {
        ["image/", "audio/", "video/", "font/", "application/octet-stream", "application/pdf", "application/zip"]
            .iter()
            .any(|binary| kind.to_ascii_lowercase().starts_with(binary))
    });
    if says_binary || (offset == 0 && bytes.contains(&0)) {
        return None;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(cut) if cut.error_len().is_none() => std::str::from_utf8(&bytes[..cut.valid_up_to()]).ok(),
        Err(_) => None,
    }
}

fn payment_of(entry: &Entry) -> Option<Payment> {
    let (terms, money) = (entry.terms.as_ref()?, entry.money.as_ref()?);
    Some(Payment {
        amount_usd: terms.usd,
        amount_atomic: terms.moves().to_owned(),
        asset: terms.asset.clone(),
        network: terms.network.clone(),
        payee: terms.payee.clone(),
        dialect: Dialect::named(&terms.dialect),
        scheme: terms.scheme.clone(),
        state: money.standing.state.to_string(),
        chain_tx: money.chain_tx.clone(),
        proof: money.standing.proof.to_string(),
    })
}

fn reason(code: &str, message: &str, who: Who) -> Reason {
    Reason::new(code, "settlement", message, who)
}

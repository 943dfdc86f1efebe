//! After presenting: what the reply means, and the row that says so.

use std::time::Duration;

use serde_json::{Value, json};

use super::Purchase;
use super::ask::seller_reason;
use crate::authorization::Facts;
use crate::crash;
use crate::goods::{self, Delivery, Goods};
use crate::ledger::{Closing, Entry, Recorded, Worth};
use crate::limits;
use crate::offer::{self, Attested, Paying, Receipt};
use crate::ports::{Cut, Presented, Reply};
use crate::reason::{Reason, Who};
use crate::settlement::{self, Judgement, Presentation, Standing};
use crate::time::Time;

/// A presented payment, judged.
pub(super) struct Judged {
    pub judgement: Judgement,
    pub presented: bool,
    pub reply: Option<Reply>,
    pub receipt: Option<Receipt>,
    /// The receipt that the seller put its name to, checked.
    pub attested: Option<Attested>,
    /// What the receipt says of this payment that is not so.
    pub contradicted: Vec<&'static str>,
    /// What came, if anything was delivered.
    pub goods: Option<Goods>,
    /// Why there is no reply, or what the seller said against it.
    pub reasons: Vec<Reason>,
}

pub(super) fn judge(recorded: &Recorded, presented: Presented, now: Time) -> Judged {
    let (heard, reply, reasons): (_, _, Vec<Reason>) = match presented {
        Presented::NeverConnected(cause) if recorded.was_presented() => {
            (Presentation::Lost, None, vec![seller_reason(&cause)])
        }
        Presented::NeverConnected(cause) => (Presentation::Nothing, None, vec![seller_reason(&cause)]),
        Presented::Lost(cause) => (Presentation::Lost, None, vec![seller_reason(&cause)]),
        Presented::Answered(reply) => {
            let receipt = receipt_of(recorded, &reply).map(|receipt| receipt.says_taken());
            let asks_again = offer::asks_again(&reply.said());
            // Whatever its status, it means what every challenge means.
            let status = if asks_again.is_some() { 402 } else { reply.status };
            let (_, payment) = recorded.payment_header();
            let first = offer::takes_first(payment).then(money_went_first);
            let reasons = reply.cut.map(cut_off).into_iter().chain(asks_again).chain(first).collect();
            (Presentation::Reply { status, receipt }, Some(reply), reasons)
        }
    };
    let receipt = reply.as_ref().and_then(|reply| receipt_of(recorded, reply));
    let attested = reply.as_ref().zip(receipt.as_ref());
    let attested = attested.and_then(|(reply, receipt)| attested_receipt(recorded, reply, receipt, now));
    let reasons = reasons.into_iter().chain(attested.as_ref().and_then(Attested::complaint)).collect();
    let presented = heard != Presentation::Nothing;
    let mut judgement = settlement::judge(heard);
    // What did not come to its end was not delivered: the same bytes may bring it whole.
    judgement.delivered &= reply.as_ref().is_none_or(|reply| reply.cut != Some(Cut::TooSlow));
    let contradicted = receipt.as_ref().map(|receipt| contradicted(recorded, receipt)).unwrap_or_default();
    let goods = reply.as_ref().filter(|_| judgement.delivered).map(|reply| goods_in(recorded, reply));
    Judged { judgement, presented, reply, receipt, attested, contradicted, goods, reasons }
}

fn money_went_first() -> Reason {
    let message = "this seller takes the money before it does the work: whatever came back, the money is likely gone";
    Reason::new("paid_upfront", "seller", message, Who::Agent)
}

fn cut_off(cut: Cut) -> Reason {
    let message = match cut {
        Cut::TooLong => {
            format!("what was bought is longer than {} MiB; the rest was not read", limits::STORED_BODY_BYTES >> 20)
        }
        Cut::TooSlow => format!(
            "what was bought had not ended after {} minutes; what came until then is kept",
            limits::PAID_BODY.as_secs() / 60
        ),
    };
    Reason::new("body_cut", "seller", message, Who::Agent)
}

/// A receipt that names another payer, amount or network than ours is no receipt for this payment.
fn contradicted(recorded: &Recorded, receipt: &Receipt) -> Vec<&'static str> {
    let Facts { from, most, is_ceiling, .. } = recorded.authorization().facts();
    if receipt.says_taken() { receipt.contradicts(&from, most, is_ceiling) } else { Vec::new() }
}

fn goods_in(recorded: &Recorded, reply: &Reply) -> Goods {
    let delivery = Delivery {
        request: recorded.request(),
        status: reply.status,
        headers: &reply.headers,
        body: &reply.body,
        is_whole: reply.cut.is_none(),
    };
    goods::judge(&delivery, recorded.named_type())
}

fn receipt_of(recorded: &Recorded, reply: &Reply) -> Option<Receipt> {
    offer::receipt(recorded.dialect(), &reply.said())
}

/// What lies beside a receipt that can be read.
fn attested_receipt(recorded: &Recorded, reply: &Reply, receipt: &Receipt, now: Time) -> Option<Attested> {
    let Facts { from, to, .. } = recorded.authorization().facts();
    let (_, payment) = recorded.payment_header();
    let named = offer::resource_of_payment(payment);
    let paying = Paying {
        payee: &to,
        payer: &from,
        asked: &recorded.request().url,
        named: named.as_deref(),
        since: recorded.authorized_at(),
        now,
        claimed_tx: receipt.chain_tx.as_deref(),
    };
    offer::signed_receipt(recorded.dialect(), &reply.said(), &paying)
}

impl Judged {
    /// What the seller said of the payment is not so.
    fn is_lie(&self) -> bool {
        !self.contradicted.is_empty() || self.attested.as_ref().is_some_and(Attested::is_false)
    }

    /// The seller's words, with those it signed beside them.
    fn receipt_in_full(&self) -> Option<Value> {
        let mut receipt = json!(self.receipt.as_ref()?);
        if let Some(attested) = &self.attested {
            receipt["signed"] = json!(attested);
        }
        Some(receipt)
    }
}

impl Purchase {
    /// Writes what is known into the row. If that fails the row stays as it was, and reconciling finds it.
    pub(super) async fn close(&self, recorded: &Recorded, judged: &Judged) -> Option<Entry> {
        let answered = match judged.reply.as_ref().filter(|_| judged.judgement.answered) {
            Some(reply) => Some(self.keep(reply, Worth::Paid).await),
            None => None,
        };
        crash::point("kept");
        if !judged.judgement.answered && judged.reply.is_some() {
            // Asked once more: what was known of the chain may not be so any more.
            self.house.ground.forget();
        }
        let closing = Closing {
            standing: judged.judgement.standing,
            presented: judged.presented,
            delivered: judged.judgement.delivered,
            goods: judged.goods.clone(),
            lied: judged.is_lie(),
            answered,
            chain_tx: judged.receipt.as_ref().and_then(|receipt| receipt.chain_tx.clone()),
            receipt: judged.receipt_in_full(),
            detail: detail(judged),
            now: self.house.now(),
        };
        let closed = self.house.ledger.close(recorded.row(), closing.clone()).await;
        if judged.judgement.standing != Standing::SETTLED_BY_CHAIN {
            self.house.doubt.notify_one();
        }
        self.compare(recorded, judged).await;
        match closed {
            Ok(entry) => Some(entry),
            Err(cause) => {
                tracing::error!("purchase {} could not be closed: {cause}", recorded.purchase_id());
                self.close_later(recorded, closing).await;
                None
            }
        }
    }
}

impl Purchase {
    /// The owner hears of a receipt that is not for this payment.
    async fn compare(&self, recorded: &Recorded, judged: &Judged) {
        let unsigned = (!judged.contradicted.is_empty()).then(|| {
            format!(
                "the seller's receipt names another {} than this payment has: look at what it says, and at the chain",
                judged.contradicted.join(" and another ")
            )
        });
        let signed = judged.attested.as_ref().and_then(Attested::complaint).map(|reason| reason.message);
        for message in unsigned.into_iter().chain(signed) {
            self.tell_owner(recorded, message).await;
        }
    }

    async fn tell_owner(&self, recorded: &Recorded, message: String) {
        if let Err(cause) = self.house.ledger.alarm(Some(recorded.row()), message, self.house.now()).await {
            tracing::warn!("a receipt that does not fit could not be noted: {cause}");
        }
    }

    /// What is known is only in memory now, and the lease says so: it is kept while this goes on trying, so that whoever
    /// joins hears what came of it. At last it is let go, and the chain is asked.
    async fn close_later(&self, recorded: &Recorded, closing: Closing) {
        const TRIES: u32 = 12;
        const LONGEST: Duration = Duration::from_secs(60);
        let (house, row) = (self.house.clone(), recorded.row());
        let handle = recorded.authorization().facts().handle;
        let stay = self.stay.clone();
        tokio::spawn(async move {
            for nth in 0..TRIES {
                tokio::time::sleep(Duration::from_secs(1 << nth.min(6)).min(LONGEST)).await;
                if house.ledger.close(row, closing.clone()).await.is_ok() {
                    return drop(stay);
                }
            }
            house.ledger.let_go(handle);
        });
    }
}

fn detail(judged: &Judged) -> Value {
    json!({
        "http_status": judged.reply.as_ref().map(|reply| reply.status),
        "delivered": judged.judgement.delivered,
        "goods": judged.goods.as_ref().map(Goods::word),
        "presented": judged.presented,
        "receipt": judged.receipt_in_full(),
        "reasons": judged.reasons,
    })
}

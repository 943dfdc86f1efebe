//! After presenting: what the reply means, and the row that says so.

use serde_json::{Value, json};

use super::Purchase;
use super::ask::seller_reason;
use crate::crash;
use crate::ledger::{Closing, Entry, Recorded, Worth};
use crate::offer::{self, Dialect, Receipt};
use crate::reason::Reason;
use crate::seller::{Presented, Reply};
use crate::settlement::{self, Heard, Judgement, Standing};

/// A presented payment, judged.
pub(super) struct Judged {
    pub judgement: Judgement,
    pub presented: bool,
    pub reply: Option<Reply>,
    pub receipt: Option<Receipt>,
    /// Why there is no reply, or what the seller said against it.
    pub reasons: Vec<Reason>,
}

pub(super) fn judge(recorded: &Recorded, presented: Presented) -> Judged {
    let (heard, reply, reasons) = match presented {
        Presented::NeverConnected(cause) if recorded.was_presented() => {
            (Heard::Lost, None, vec![seller_reason(&cause)])
        }
        Presented::NeverConnected(cause) => (Heard::Nothing, None, vec![seller_reason(&cause)]),
        Presented::Lost(cause) => (Heard::Lost, None, vec![seller_reason(&cause)]),
        Presented::Answered(reply) => {
            let receipt = receipt_of(recorded, &reply).map(|receipt| receipt.success);
            (Heard::Reply { status: reply.status, receipt }, Some(reply), Vec::new())
        }
    };
    let receipt = reply.as_ref().and_then(|reply| receipt_of(recorded, reply));
    let presented = heard != Heard::Nothing;
    Judged { judgement: settlement::judge(heard), presented, reply, receipt, reasons }
}

fn receipt_of(recorded: &Recorded, reply: &Reply) -> Option<Receipt> {
    let dialect = match recorded.payment_header().0 {
        "X-PAYMENT" => Dialect::X402V1,
        _ => Dialect::X402V2,
    };
    offer::receipt(dialect, &reply.headers)
}

impl Purchase {
    /// Writes what is known into the row. If that fails the row stays as it was, and reconciling finds it.
    pub(super) async fn close(&self, recorded: &Recorded, judged: &Judged) -> Option<Entry> {
        let answered = match judged.reply.as_ref().filter(|_| judged.judgement.answered) {
            Some(reply) => Some(self.keep(reply, Worth::Paid).await),
            None => None,
        };
        crash::point("kept");
        let closing = Closing {
            standing: judged.judgement.standing,
            presented: judged.presented,
            delivered: judged.judgement.delivered,
            answered,
            chain_tx: judged.receipt.as_ref().and_then(|receipt| receipt.chain_tx).map(|tx| tx.to_string()),
            receipt: judged.receipt.as_ref().map(|receipt| json!(receipt)),
            detail: detail(judged),
            now: self.house.now(),
        };
        let closed = self.house.ledger.close(recorded.row(), closing).await;
        if judged.judgement.standing != Standing::SETTLED_BY_CHAIN {
            self.house.doubt.notify_one();
        }
        match closed {
            Ok(entry) => Some(entry),
            Err(cause) => {
                tracing::error!("purchase {} could not be closed: {cause}", recorded.purchase_id());
                None
            }
        }
    }
}

fn detail(judged: &Judged) -> Value {
    json!({
        "http_status": judged.reply.as_ref().map(|reply| reply.status),
        "delivered": judged.judgement.delivered,
        "presented": judged.presented,
        "receipt": judged.receipt,
        "reasons": judged.reasons,
    })
}

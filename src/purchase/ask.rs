//! The unpaid leg: what does the seller say when nobody pays?

use std::time::Duration;

use serde_json::Value;

use super::consider::Considered;
use super::{Purchase, Stop, refuse, tell};
use crate::answer::{Answer, Charged, Outcome};
use crate::ground;
use crate::ledger::{Answered, Unpaid, Worth};
use crate::limits;
use crate::policy::Policy;
use crate::ports::{Cut, Egress, Reply, Rest, SellerError};
use crate::reason::{Reason, Who};
use crate::time::{self, Time};

pub(super) enum FirstReply {
    /// No money was wanted: the seller's answer.
    Free(Stop),
    Priced(Box<Reply>),
}

impl Purchase {
    pub(super) async fn ask(&self, policy: &Policy) -> Result<FirstReply, Stop> {
        let egress = Egress { allow: &policy.egress };
        ground::keep_young(&self.house, policy);
        let asking = self.house.seller.ask(&self.wish.request, egress, &self.progress);
        let (reply, ()) = tokio::join!(asking, self.house.first_look_at_funds());
        match reply {
            Ok(reply) if reply.status == 402 => Ok(FirstReply::Priced(Box::new(reply))),
            Ok(reply) => Ok(FirstReply::Free(self.free(reply).await)),
            Err(cause @ SellerError::Forbidden(_)) => Err(self.refuse(vec![seller_reason(&cause)], None).await),
            Err(cause) => Err(Box::new(refuse::failed(vec![seller_reason(&cause)], Some(self.id.clone())))),
        }
    }

    /// A clock that is off would sign windows that are not what they say. It is held against what tells the time: the
    /// seller's `Date` when the terms arrived and every node's newest block, of which one may be wrong and moves nothing;
    /// and against itself since then.
    pub(super) fn check_clock(&self, now: Time, considered: &Considered) -> Result<(), Reason> {
        let sellers = date(&considered.reply).map(|theirs| theirs.secs().saturating_sub(considered.heard_at.secs()));
        let last = self.house.funds.last();
        let was_set = last.look.is_none_or(|look| look.set_by(now) > limits::CLOCK_SKEW);
        let nodes = if was_set { Vec::new() } else { last.clocks };
        // A chain may be idle: that we are ahead of it counts only where the seller says so too, or says nothing.
        let says_ahead = sellers.is_none_or(|apart| apart < 0);
        let nodes = nodes.into_iter().filter(|apart| *apart >= 0 || says_ahead);
        let off = time::median_apart(nodes.chain(sellers).collect());
        // A seller that lives in another time would take a window for over, or for not begun: it stops itself alone.
        let sellers = Duration::from_secs(sellers.map_or(0, i64::unsigned_abs));
        let apart = [
            ("the seller's clock and this machine's are", sellers),
            ("what tells the time and this machine's clock are", off),
            ("this machine's clock was set meanwhile: before and after are", considered.look.set_by(now)),
        ];
        match apart.into_iter().max_by_key(|(_, by)| *by) {
            Some((what, by)) if by > limits::CLOCK_SKEW => {
                let message = format!("{what} {} s apart, so a payment would not mean what it says", by.as_secs());
                Err(Reason::new("clock_skew", "clock", message, Who::Owner))
            }
            _ => Ok(()),
        }
    }

    async fn free(&self, reply: Reply) -> Stop {
        let is_listed = self.list_free(&reply).await;
        let body = tell::body_of(&reply, self.wish.max_chars);
        let next = match (tell::read_on(&body, &self.id), is_listed) {
            (None, _) => "this was free: nothing was paid".to_owned(),
            (Some(read_on), true) => read_on,
            (Some(_), false) => {
                "this was free, and is not stored because others were in this minute: call again later to read all of it"
                    .to_owned()
            }
        };
        Box::new(Answer {
            outcome: Outcome::Answered,
            charged: Charged::No,
            purchase_id: is_listed.then(|| self.id.clone()),
            http: Some(tell::http_of(&reply)),
            body: Some(body),
            served_from_store: false,
            age_s: 0,
            payment: None,
            budget_left_usd: None,
            reasons: Vec::new(),
            next,
        })
    }

    /// Logs a free answer and keeps its body: the first ones of a minute. What comes after them is counted, so that an
    /// agent in a loop fills neither the log nor the disk.
    async fn list_free(&self, reply: &Reply) -> bool {
        let ledger = &self.house.ledger;
        let may_list = ledger.may_list_free(self.wish.agent.clone(), self.house.now()).await.unwrap_or(true);
        let answered = if may_list { Some(self.keep(reply, Worth::Free).await) } else { None };
        let unpaid = Unpaid { request: reply.request.clone(), ..self.unpaid(Vec::new(), None) };
        let listed = ledger.record_free(unpaid, answered).await;
        listed.unwrap_or_else(|cause| {
            tracing::warn!("a free answer could not be logged: {cause}");
            may_list
        })
    }

    /// Puts a reply's body into the store. A body that cannot be kept is still answered with.
    pub(super) async fn keep(&self, reply: &Reply, worth: Worth) -> Answered {
        let is_small = worth == Worth::Paid && reply.body_len() <= limits::SMALL_BODY_BYTES as u64;
        let small = is_small.then(|| reply.body.clone());
        let kept = if is_small { true } else { self.keep_in_a_file(reply, worth).await };
        let http = tell::http_of(reply);
        Answered {
            status: reply.status,
            content_type: http.content_type,
            final_url: reply.request.url.to_string(),
            body_bytes: reply.body_len(),
            kept,
            small,
            is_whole: reply.cut != Some(Cut::TooSlow),
        }
    }

    async fn keep_in_a_file(&self, reply: &Reply, worth: Worth) -> bool {
        let (bodies, agent, id) = (self.house.bodies.clone(), self.wish.agent.clone(), self.id.clone());
        let (body, rest) = (reply.body.clone(), reply.rest.clone());
        let keep = move || match rest {
            Rest::None => bodies.keep(&agent, &id, worth, &body),
            Rest::Filed(file) => bodies.keep_file(&agent, &id, worth, &file),
            Rest::Lost(_) => Err(std::io::Error::other("it could not be written as it came")),
        };
        let kept = tokio::task::spawn_blocking(keep).await;
        let kept = kept.map_err(|cause| cause.to_string()).and_then(|kept| kept.map_err(|cause| cause.to_string()));
        if let Err(cause) = &kept {
            tracing::warn!("a body could not be stored: {cause}");
        }
        kept.is_ok()
    }

    /// This purchase as a row without money.
    pub(super) fn unpaid(&self, reasons: Vec<Reason>, rules: Option<&super::Rules<'_>>) -> Unpaid {
        Unpaid {
            purchase_id: self.id.clone(),
            agent: self.wish.agent.clone(),
            client: self.client.clone(),
            identity: self.wish.identity(),
            headers: self.wish.headers_fingerprint(),
            parent: self.parent,
            asked: self.wish.request.clone(),
            request: rules.map_or(&self.wish.request, |rules| &rules.considered.reply.request).clone(),
            policy_hash: rules.map(|rules| rules.considered.policy.hash.clone()),
            reasons,
            offer: rules.and_then(|rules| rules.nearest.cloned()),
            offers: rules.map_or(Value::Null, |rules| rules.considered.offers.clone()),
            rules: rules.map_or(Value::Null, |rules| rules.rules.clone()),
            now: self.house.now(),
        }
    }
}

pub(crate) fn seller_reason(cause: &SellerError) -> Reason {
    let (code, who) = match cause {
        SellerError::Forbidden(_) => ("egress_forbidden", Who::Owner),
        SellerError::NoSuchHost { .. } => ("no_such_host", Who::Agent),
        SellerError::Unreachable { .. } => ("seller_unreachable", Who::Time),
        SellerError::TooSlow { .. } => ("seller_too_slow", Who::Time),
        SellerError::Broken { .. } => ("seller_broke_off", Who::Time),
        SellerError::TooManyRedirects { .. } => ("too_many_redirects", Who::Agent),
        SellerError::Misbehaved { .. } => ("seller_misbehaved", Who::Agent),
    };
    Reason::new(code, "seller", crate::text::quoted(&cause.to_string(), limits::QUOTED_CHARS), who)
}

fn date(reply: &Reply) -> Option<Time> {
    let text = reply.headers.get("date")?.to_str().ok()?;
    let at = httpdate::parse_http_date(text).ok()?.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?;
    Some(Time::from_secs(i64::try_from(at.as_secs()).ok()?))
}

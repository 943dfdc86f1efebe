//! A challenge that is kept while its question waits, so that after the yes the very offer that was shown is paid.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::consider::Considered;
use super::{Purchase, Stop};
use crate::ledger::Challenge;
use crate::limits;
use crate::offer;
use crate::parts::Look;
use crate::ports::{Reply, Rest};
use crate::time::Time;

/// A challenge, when it arrived, and the clock when this call began with it.
pub(super) struct Heard {
    pub reply: Reply,
    pub at: Time,
    pub look: Look,
}

impl Purchase {
    /// The challenge that was said yes to, while it is young enough for its seller to remember.
    pub(super) async fn approved_challenge(&self) -> Result<Option<Heard>, Stop> {
        if !self.was_asked {
            return Ok(None);
        }
        let (identity, headers) = (self.wish.identity(), self.wish.headers_fingerprint());
        let look = Look::at(&*self.house.clock);
        let kept = self.house.ledger.approved_challenge(identity, headers, look.said).await;
        let kept = kept.map_err(|cause| self.stop(cause))?;
        let is_young = |at: Time| at <= look.said && look.said.since(at) <= limits::CHALLENGE_KEPT;
        let kept = kept.filter(|kept| is_young(kept.at)).map(|kept| heard(kept, look));
        Ok(kept.filter(|kept| offer::is_current(&kept.reply.said(), look.said)))
    }
}

/// What is worth keeping of a 402: what it was the answer to, its headers as far as they are text, its body.
pub(super) fn kept(considered: &Considered) -> Challenge {
    let text = |(name, value): (&HeaderName, &HeaderValue)| Some((name.to_string(), value.to_str().ok()?.to_owned()));
    let reply = &considered.reply;
    Challenge {
        at: considered.heard_at,
        request: reply.request.clone(),
        headers: reply.headers.iter().filter_map(text).collect(),
        body: reply.body.clone(),
        meta: reply.meta.clone(),
    }
}

fn heard(kept: Challenge, look: Look) -> Heard {
    let mut headers = HeaderMap::new();
    for (name, value) in kept.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
    let Challenge { at, request, body, meta, .. } = kept;
    let reply = Reply { status: 402, headers, body, rest: Rest::None, cut: None, request, meta };
    Heard { reply, at, look }
}

//! THE FLOW. One purchase, from a wish to an answer.
//!
//! ```text
//! ask        the seller for the URL, unpaid                  a free answer ends here
//! re-enter   what was paid for before, by signing in         only where the owner allows it
//! parse      the challenge into offers
//! decide     policy over purchase, offers and what is spent  advisory here
//! sign       in memory
//! authorize  ONE durable commit                              below this line nothing may be lost
//! present    those stored bytes to the origin that asked
//! judge      the reply
//! close      the row
//! answer     the agent
//! ```
//!
//! Above the line every step may refuse. Below it there is no `?` and no early return, and nobody can cancel: the whole
//! purchase runs as a task of its own, and an agent that stops listening finds the outcome in the ledger.

mod approval;
mod ask;
mod challenge;
mod closing;
mod consider;
mod quote;
mod re_enter;
mod refuse;
mod resume;
mod tell;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alloy_primitives::hex;
use futures_util::FutureExt;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedRwLockReadGuard, watch};
use tokio::time::Instant;

use crate::answer::{Answer, Charged, Outcome};
use crate::authorization::{Authorization, Signatures};
use crate::crash;
use crate::ledger::{Authorized, Draft, LedgerError, Recorded};
use crate::limits;
use crate::offer::{Listed, Offer};
use crate::parts::{Look, Parts, wallet_reason};
use crate::policy::{self, Decision, Policy, Remaining};
use crate::ports::{Caller, Egress, Progress};
use crate::random;
use crate::reason::Reason;
use crate::seal;
use crate::time::Time;
use crate::wish::Wish;
use ask::FirstReply;
pub(crate) use ask::seller_reason;
use challenge::Heard as HeardChallenge;
use consider::Considered;
pub(crate) use refuse::next_step;
use resume::Next;
pub use tell::{Binary, StoredBody, page};

/// One purchase on its way through the flow.
struct Purchase {
    house: Arc<Parts>,
    wish: Wish,
    client: Option<String>,
    /// Given by the agent, found in the ledger, or fresh.
    id: String,
    /// `buy_again`: the row of the purchase this one buys once more.
    parent: Option<i64>,
    /// How far the history had come when it was looked up in the ledger.
    looked: i64,
    /// A question about this wish is in the ledger: the owner may have said yes to an offer.
    was_asked: bool,
    /// What its authorization left of the budgets.
    left: Option<Remaining>,
    /// When its call is answered, whatever has come of it by then.
    until: Instant,
    /// What whoever waits knows it by: a call may turn out to be about a purchase that was there before.
    called: Arc<Mutex<String>>,
    /// What its seller says of how far it is.
    progress: Progress,
    /// As long as somebody has it, bursar does not leave.
    stay: Arc<OwnedRwLockReadGuard<()>>,
}

/// What was signed, by which policy, and by which look at the clock.
struct InMemory {
    authorization: Authorization,
    signatures: Signatures,
    policy: Arc<Policy>,
    now: Time,
}

/// Signed, and not yet in force.
struct Signed {
    offer: Offer,
    draft: Box<Draft>,
}

/// An answer that ends the purchase above the line.
type Stop = Box<Answer>;

impl Parts {
    /// Gets what an agent wishes for, paying for it if its owner's rules allow. Answers within [`limits::ANSWER_WITHIN`];
    /// unfinished work goes on, and the next call with the same id is told what came of it. Where the owner has to say
    /// yes first, it waits for that while there is a door to say it at. `client` is what the host says of itself:
    /// recorded, never trusted.
    pub(crate) async fn buy(
        self: &Arc<Parts>,
        client: Option<&str>,
        wish: Result<Wish, Vec<Reason>>,
        caller: &dyn Caller,
    ) -> Answer {
        let until = Instant::now() + limits::ANSWER_WITHIN;
        let wish = match wish {
            Ok(wish) => wish,
            Err(reasons) => return refuse::not_understood(reasons),
        };
        let agent = wish.agent.clone();
        let answer = self.attempt(wish.clone(), client, caller, until).await;
        let answer = match self.was_bought_beside(&wish, &answer).await {
            Some(purchase_id) => {
                let wish = Wish { purchase_id: Some(purchase_id), ..wish.clone() };
                self.attempt(wish, client, caller, until).await
            }
            None => answer,
        };
        match self.await_owner(&agent, &answer, caller, until).await {
            Some(true) => {
                // Identical questions are one: it may stand under another id than this call's own.
                let purchase_id = answer.purchase_id.or(wish.purchase_id.clone());
                self.attempt(Wish { purchase_id, ..wish }, client, caller, until).await
            }
            Some(false) => approval::denied(answer),
            None => answer,
        }
    }

    /// A call under the same id may have bought since this one came to nothing: looked at when the answer is given.
    async fn was_bought_beside(&self, wish: &Wish, answer: &Answer) -> Option<String> {
        let came_to_nothing =
            answer.outcome != Outcome::Answered && answer.charged == Charged::No && answer.payment.is_none();
        let id = answer.purchase_id.as_ref().or(wish.purchase_id.as_ref()).filter(|_| came_to_nothing)?;
        let entry = self.ledger.entry_of(wish.agent.clone(), id.clone()).await.ok()??;
        (entry.money.is_some() && entry.identity == wish.identity()).then(|| id.clone())
    }

    async fn attempt(
        self: &Arc<Parts>,
        wish: Wish,
        client: Option<&str>,
        caller: &dyn Caller,
        until: Instant,
    ) -> Answer {
        let Some(stay) = self.stay().await.map(Arc::new) else {
            return wish.purchase_id.as_deref().map_or_else(refuse::leaving, refuse::leaving_it);
        };
        let id = match wish.purchase_id.clone().map_or_else(random_id, Ok) {
            Ok(id) => id,
            Err(reason) => return refuse::failed(vec![reason], None),
        };
        let (house, client) = (self.clone(), client.map(str::to_owned));
        let known_as = Arc::new(Mutex::new(id.clone()));
        let called_as = known_as.clone();
        let (progress, hears) = Progress::new();
        let purchase = Purchase {
            house,
            wish,
            client,
            id,
            parent: None,
            looked: 0,
            was_asked: false,
            left: None,
            until,
            called: called_as,
            progress,
            stay,
        };
        let work = tokio::spawn(purchase.run_to_the_end());
        let (answer, row) = match listen(work, hears, caller, until).await {
            Heard::Answer(answer, row) => (answer, row),
            Heard::NotYet => return refuse::pending(called(&known_as).clone()),
        };
        if let Some(row) = row
            && caller.is_heard()
        {
            // Whoever asks next is told that it was charged already.
            self.ledger.hand_over(row);
        }
        *answer
    }
}

impl Purchase {
    /// Runs as a task of its own.
    async fn run_to_the_end(self) -> (Stop, Option<i64>) {
        let known_as = self.called.clone();
        let ran = AssertUnwindSafe(self.run()).catch_unwind().await;
        ran.unwrap_or_else(|_| (Box::new(refuse::fault(called(&known_as).clone())), None))
    }

    /// The answer, and the row it is about if money is.
    async fn run(mut self) -> (Stop, Option<i64>) {
        match self.recall().await {
            Ok(Next::Tell(entry, how)) => self.tell(&entry, how).await,
            Ok(Next::Resume(entry)) => self.resume(*entry).await,
            Ok(Next::Fresh) => self.buy().await,
            Err(stop) => (stop, None),
        }
    }

    async fn buy(self) -> (Stop, Option<i64>) {
        let (house, was_asked) = (self.house.clone(), self.was_asked);
        let told = self.buy_once().await;
        if was_asked {
            // What was kept for the question may have been erased just now.
            let _ = tokio::time::timeout(limits::HAND_OVER, house.ledger.wipe()).await;
        }
        told
    }

    async fn buy_once(self) -> (Stop, Option<i64>) {
        match self.fresh().await {
            Ok(Authorized::Recorded(recorded, left)) => {
                Purchase { left: Some(left), ..self }.settle_up(*recorded).await
            }
            Ok(Authorized::Taken(row)) => self.join(row).await,
            Ok(Authorized::Refused { reasons, .. }) => (self.refuse(reasons, None).await, None),
            Err(stop) => self.unless_bought_beside(stop).await,
        }
    }

    /// Where a call under the same id was faster, its outcome is the answer, and not that this one came to nothing.
    async fn unless_bought_beside(&self, stop: Stop) -> (Stop, Option<i64>) {
        match self.house.ledger.entry_of(self.wish.agent.clone(), self.id.clone()).await {
            Ok(Some(entry)) if entry.money.is_some() && entry.identity == self.wish.identity() => {
                self.join(entry.row).await
            }
            _ => (stop, None),
        }
    }

    /// Above the line: each step may stop the purchase, and nothing has been promised to anybody.
    async fn fresh(&self) -> Result<Authorized, Stop> {
        let policy = self.policy()?;
        let heard = match self.approved_challenge().await? {
            Some(heard) => heard,
            None => match self.ask(&policy).await? {
                FirstReply::Free(answer) => return Err(answer),
                FirstReply::Priced(reply) => {
                    let look = Look::at(&*self.house.clock);
                    self.re_enter(HeardChallenge { reply: *reply, at: look.said, look }).await?
                }
            },
        };
        crash::point("asked");
        let considered = self.house.consider(heard, policy, &self.wish).await;
        let mut considered = considered.map_err(|reason| self.stop(reason))?;
        let offer = self.decide(&mut considered).await?;
        crash::point("decided");
        let signed = self.sign(offer, &considered).await?;
        crash::point("signed");
        self.authorize(signed, &considered).await
    }

    /// Advice: which offer, and whether it would be allowed now. The commit asks again.
    async fn decide(&self, considered: &mut Considered) -> Result<Offer, Stop> {
        let decided = considered.decide(&self.wish);
        let Considered { policy, listed, snapshot, .. } = &*considered;
        let question = considered.question(&self.wish);
        let nearest = |listed: &[Listed]| decided.nearest.and_then(|nearest| listed[nearest].offer().cloned());
        let explained = |offer| policy::for_the_record(policy::explain(policy, &question, &offer, snapshot));
        let is_allowed = matches!(decided.decision, Decision::Allow(_));
        // The commit writes down what its own rules say.
        let rules = nearest(listed).filter(|_| !is_allowed).map(explained);
        considered.offers = quote::for_the_record(considered, &decided.verdicts);
        let nearest = nearest(&considered.listed);
        let considered = Rules { considered, nearest: nearest.as_ref(), rules: rules.unwrap_or_default() };
        match decided.decision {
            Decision::Allow(offer) => Ok(offer),
            Decision::Ask(offer, reasons) => Err(self.put_question(offer, reasons, &considered).await),
            Decision::Refuse(reasons) => Err(self.refuse(reasons, Some(&considered)).await),
        }
    }

    /// Signs exactly this offer, in memory.
    async fn sign(&self, offer: Offer, considered: &Considered) -> Result<Signed, Stop> {
        if self.house.is_leaving() {
            return Err(Box::new(refuse::leaving()));
        }
        match self.signed(&offer, considered).await {
            Ok(signed) => Ok(Signed { offer: offer.clone(), draft: Box::new(self.draft(offer, signed, considered)) }),
            Err(reason) => Err(self.refuse(vec![reason], None).await),
        }
    }

    /// Unlocks the key, makes sure that the ledger is the one it has been spending from, and signs. The clock is looked
    /// at once: what it was held against is what the window is made of, and what the commit counts by.
    async fn signed(&self, offer: &Offer, considered: &Considered) -> Result<InMemory, Reason> {
        let wallet = self.house.wallet.as_ref().ok_or_else(refuse::no_wallet)?;
        let key = wallet.unlock().await.map_err(|cause| wallet_reason(&cause))?;
        seal::check(&self.house, wallet).await?;
        // Read again: the owner may have changed it since the offer was decided on.
        let policy = self.house.policy()?;
        seal::check_policy(&self.house, &policy).await?;
        let random = random::bytes().map_err(|_| refuse::no_randomness())?;
        let now = self.house.now();
        self.check_clock(now, considered)?;
        let authorization =
            Authorization::draft(offer, &wallet.account(offer.network()), now, random, &considered.ground_of(offer))?;
        let signatures = key.sign(&authorization).map_err(|cause| wallet_reason(&cause))?;
        Ok(InMemory { authorization, signatures, policy, now })
    }

    fn draft(&self, offer: Offer, signed: InMemory, considered: &Considered) -> Draft {
        let InMemory { authorization, signatures, policy, now } = signed;
        let id = self.payment_identifier();
        Draft {
            purchase_id: self.id.clone(),
            agent: self.wish.agent.clone(),
            client: self.client.clone(),
            identity: self.wish.identity(),
            headers: self.wish.headers_fingerprint(),
            parent: self.parent,
            looked: self.looked,
            asked: self.wish.request.clone(),
            request: considered.reply.request.clone(),
            max_price: self.wish.max_price,
            policy,
            funds: considered.funds.clone(),
            payment_header: authorization.payment_header(&offer, &signatures, Some(&id)),
            offer,
            authorization,
            signatures,
            offers: considered.offers.clone(),
            now,
        }
    }

    /// The one durable commit. What it refuses is dropped unseen.
    async fn authorize(&self, signed: Signed, considered: &Considered) -> Result<Authorized, Stop> {
        let Signed { offer, draft } = signed;
        match self.house.ledger.authorize(*draft).await {
            Ok(Authorized::Refused { reasons, ask, rules }) => {
                let considered = Rules { considered, nearest: Some(&offer.clone()), rules };
                Err(match ask {
                    true => self.put_question(offer, reasons, &considered).await,
                    false => self.refuse(reasons, Some(&considered)).await,
                })
            }
            Ok(authorized) => Ok(authorized),
            // A refusal is logged in the ledger; one that is busy would only make the agent wait once more.
            Err(cause @ LedgerError::Busy) => Err(Box::new(refuse::unlogged(vec![cause.into()]))),
            Err(cause) => Err(self.refuse(vec![cause.into()], None).await),
        }
    }

    // From here on the authorization may settle.

    /// Presents the stored bytes, judges the reply, closes the row, and answers. It cannot fail: whatever happens, the
    /// row says what is known. A panic loses the lease, so that the next call can pick the purchase up.
    async fn settle_up(mut self, recorded: Recorded) -> (Stop, Option<i64>) {
        // The row may have been there under another id, which is the purchase's: its goods are kept under that.
        let id = recorded.purchase_id().to_owned();
        self.id = id.clone();
        *called(&self.called) = id.clone();
        let (house, handle) = (self.house.clone(), recorded.authorization().facts().handle);
        match AssertUnwindSafe(self.present(recorded)).catch_unwind().await {
            Ok(told) => told,
            Err(_) => {
                // Whoever asks next must not wait for a presenter that is no more.
                let _ = tokio::time::timeout(limits::HAND_OVER, house.ledger.let_go(handle)).await;
                (Box::new(refuse::fault(id)), None)
            }
        }
    }

    async fn present(self, recorded: Recorded) -> (Stop, Option<i64>) {
        seal::note_anchor(&self.house);
        let row = recorded.row();
        let egress = self.house.policy().map(|policy| policy.egress.clone()).unwrap_or_default();
        crash::point("loaded");
        let presented = self.house.seller.present(&recorded, Egress { allow: &egress }, &self.progress).await;
        crash::point("answered");
        let judged = closing::judge(&recorded, presented, self.house.now());
        let entry = self.close(&recorded, &judged).await;
        crash::point("closed");
        let answer = self.answer(entry, judged).await;
        crash::point("told");
        (answer, Some(row))
    }

    fn policy(&self) -> Result<Arc<Policy>, Stop> {
        self.house.policy().map_err(|reason| self.stop(reason))
    }

    /// For sellers that know purchases by an id: one for each, the same at every presenting.
    fn payment_identifier(&self) -> String {
        let mut hash = Sha256::new();
        hash.update((self.wish.agent.len() as u64).to_be_bytes());
        hash.update(&self.wish.agent);
        hash.update(&self.id);
        format!("pay_{}", hex::encode(&hash.finalize()[..16]))
    }
}

/// What was considered, with what every rule said of the best offer.
struct Rules<'a> {
    considered: &'a Considered,
    nearest: Option<&'a Offer>,
    rules: Value,
}

fn called(name: &Mutex<String>) -> std::sync::MutexGuard<'_, String> {
    name.lock().unwrap_or_else(PoisonError::into_inner)
}

enum Heard {
    Answer(Stop, Option<i64>),
    NotYet,
}

/// Waits for the purchase, telling whoever waits that it goes on. Dropping this does not stop the purchase.
async fn listen(
    mut work: tokio::task::JoinHandle<(Stop, Option<i64>)>,
    mut progress: watch::Receiver<String>,
    caller: &dyn Caller,
    until: Instant,
) -> Heard {
    const EVERY: Duration = Duration::from_secs(5);
    loop {
        let tick = (Instant::now() + EVERY).min(until);
        tokio::select! {
            biased;
            done = &mut work => return match done {
                Ok((answer, row)) => Heard::Answer(answer, row),
                Err(_) => Heard::NotYet,
            },
            Ok(()) = progress.changed() => {
                let words = progress.borrow_and_update().clone();
                caller.step(&words);
            }
            () = tokio::time::sleep_until(tick) => match tick == until {
                true => return Heard::NotYet,
                false => caller.step("waiting for the seller"),
            },
        }
    }
}

fn random_id() -> Result<String, Reason> {
    let bytes: [u8; 10] = random::bytes().map_err(|_| refuse::no_randomness())?;
    Ok(format!("pu_{}", hex::encode(bytes)))
}

//! What was paid for once and may be had again: where its owner lets the wallet sign in, that comes before paying anew.
//!
//! A sign-in tells a seller which wallet asks. So it goes only to the origin that asked for it, after a challenge of that
//! origin, and only where this very wish was paid for before; or to a page that wants nothing else, where the owner has a
//! rule for its host. It is signed once in a call, recorded before it leaves, and never presented again.

use alloy_primitives::Address;

use super::challenge::Heard;
use super::{Purchase, Stop, ask, refuse, tell};
use crate::answer::{Answer, Charged, Outcome};
use crate::crash;
use crate::ledger::{RecordedSignIn, SignInDraft, SignedIn, Unpaid, Worth};
use crate::money::Rail;
use crate::offer::{self, SignInAsked};
use crate::parts::{Look, wallet_reason};
use crate::policy::{self, Policy, SigningIn};
use crate::ports::{Egress, Reply};
use crate::reason::{Reason, Who};
use crate::seal;
use crate::sign_in::{NotSound, SignIn, SignInWanted};
use crate::wallet::{Wallet, WalletError};
use crate::wish;

/// A seller's wish for a sign-in that goes on, and what it would bring again.
struct Entry<'a> {
    wallet: &'a Wallet,
    address: Address,
    wanted: SignInWanted,
    bought: Option<String>,
}

impl Purchase {
    /// Signs in where that brings again what was paid for, and asks once more, unpaid. Whoever still wants money is heard:
    /// the newer challenge is the one that is decided on.
    pub(super) async fn re_enter(&self, heard: Heard) -> Result<Heard, Stop> {
        // Over MCP nobody asks for one.
        let asked = self.wish.request.tool().is_none().then(|| offer::sign_in_asked(&heard.reply.said())).flatten();
        let Some(asked) = asked else { return Ok(heard) };
        let entry = match self.may_enter(&asked, &heard).await? {
            Ok(entry) => entry,
            // What is for sale can be bought, signed in to or not.
            Err(_) if !asked.is_all => return Ok(heard),
            Err(reason) => return Err(self.refuse_entry(reason, &heard).await),
        };
        let bought = entry.bought.clone();
        let recorded = match self.sign_in(entry, &heard).await? {
            Ok(recorded) => recorded,
            Err(reason) if asked.is_all => return Err(self.refuse_entry(reason, &heard).await),
            Err(reason) if reason.code == "too_many_sign_ins" => return Err(self.refuse_entry(reason, &heard).await),
            Err(_) => return Ok(heard),
        };
        let reply = self.enter(&recorded).await?;
        match reply.status {
            402 if asked.is_all => Err(self.refuse_entry(not_let_in(), &heard).await),
            402 => {
                let look = Look::at(&*self.house.clock);
                Ok(Heard { reply, at: look.said, look })
            }
            _ => Err(self.entered(reply, bought.as_deref()).await),
        }
    }

    /// Whether the seller's wish is a sound one, whether it would bring anything, and whether the owner allows it.
    async fn may_enter(&self, asked: &SignInAsked, heard: &Heard) -> Result<Result<Entry<'_>, Reason>, Stop> {
        let Some(wallet) = self.house.wallet.as_ref() else { return Ok(Err(refuse::no_wallet())) };
        if self.wish.buy_again.is_some() {
            return Ok(Err(bought_anew()));
        }
        let (request, identity) = (&heard.reply.request, self.wish.identity());
        let Some(address) = wallet.evm_address() else {
            return Ok(Err(wallet_reason(&WalletError::NoKeyFor { rail: Rail::Evm })));
        };
        let bought = self.house.ledger.bought_before(identity, request.url.clone(), address).await;
        let bought = bought.map_err(|cause| self.stop(cause))?;
        if bought.is_none() && !asked.is_all {
            return Ok(Err(never_bought()));
        }
        let is_frozen = self.house.ledger.frozen().await.map_err(|cause| self.stop(cause))?.is_some();
        let signing_in = SigningIn { request, was_bought: bought.is_some(), is_frozen };
        if let Err(reason) = policy::may_sign_in(&*self.policy()?, &signing_in) {
            return Ok(Err(reason));
        }
        Ok(SignInWanted::read(&asked.extension)
            .map(|wanted| Entry { wallet, address, wanted, bought })
            .map_err(not_sound))
    }

    /// Signs in memory, and records it: one durable commit, in which the owner's rule is asked again.
    async fn sign_in(&self, entry: Entry<'_>, heard: &Heard) -> Result<Result<RecordedSignIn, Reason>, Stop> {
        if self.house.is_leaving() {
            return Err(Box::new(refuse::leaving()));
        }
        let draft = match self.signed_in(&entry, heard).await {
            Ok(Ok(draft)) => draft,
            Ok(Err(not)) => return Ok(Err(not_sound(not))),
            Err(reason) => return Err(self.refuse(vec![reason], None).await),
        };
        crash::point("sign_in_signed");
        match self.house.ledger.record_sign_in(draft).await {
            Ok(SignedIn::Recorded(recorded)) => Ok(Ok(*recorded)),
            Ok(SignedIn::Refused(reason)) => Ok(Err(reason)),
            Err(cause) => Err(self.refuse(vec![cause.into()], None).await),
        }
    }

    /// With the key that pays, by the policy that is sealed, over the ledger it belongs to: as everything that is signed.
    async fn signed_in(&self, entry: &Entry<'_>, heard: &Heard) -> Result<Result<SignInDraft, NotSound>, Reason> {
        let key = entry.wallet.unlock().await.map_err(|cause| wallet_reason(&cause))?;
        seal::check(&self.house, entry.wallet).await?;
        let policy = self.house.policy()?;
        seal::check_policy(&self.house, &policy).await?;
        let (url, now) = (&heard.reply.request.url, self.house.now());
        let sign_in = match SignIn::draft(&entry.wanted, entry.address, url, &policy.networks, now) {
            Ok(sign_in) => sign_in,
            Err(not) => return Ok(Err(not)),
        };
        let signature = key.sign_in(&sign_in).map_err(|cause| wallet_reason(&cause))?;
        let unpaid = self.unpaid_there(vec![answer_unknown()], heard, Some(&policy));
        Ok(Ok(SignInDraft { unpaid, sign_in, signature, policy }))
    }

    /// From here on somebody may have been told who the wallet is, and no money can have moved.
    async fn enter(&self, recorded: &RecordedSignIn) -> Result<Reply, Stop> {
        let policy = self.policy()?;
        let entered = self.house.seller.enter(recorded, Egress { allow: &policy.egress }).await;
        crash::point("sign_in_answered");
        entered.map_err(|cause| Box::new(refuse::failed(vec![ask::seller_reason(&cause)], Some(self.id.clone()))))
    }

    /// The answer to whoever was let in.
    async fn entered(&self, reply: Reply, bought: Option<&str>) -> Stop {
        let answered = self.keep(&reply, Worth::Free).await;
        let unpaid = Unpaid { request: reply.request.clone(), ..self.unpaid(Vec::new(), None) };
        if let Err(cause) = self.house.ledger.record_entered(unpaid, answered).await {
            tracing::warn!("an answer to a sign-in could not be logged: {cause}");
        }
        let body = tell::body_of(&reply, self.wish.max_chars);
        let next = next_of(&reply, bought, tell::read_on(&body, &self.id));
        let http = Some(tell::http_of(&reply));
        let answer = refuse::without_money(Outcome::Answered, Some(self.id.clone()), Vec::new(), next);
        Box::new(Answer { charged: Charged::No, http, body: Some(body), ..answer })
    }

    /// In the log under the seller that asked, where redirects led.
    async fn refuse_entry(&self, reason: Reason, heard: &Heard) -> Stop {
        let policy = self.house.policy().ok();
        let unpaid = self.unpaid_there(vec![reason], heard, policy.as_deref());
        self.refuse_as(unpaid, None).await
    }

    fn unpaid_there(&self, reasons: Vec<Reason>, heard: &Heard, policy: Option<&Policy>) -> Unpaid {
        let policy_hash = policy.map(|policy| policy.hash.clone());
        Unpaid { request: heard.reply.request.clone(), policy_hash, ..self.unpaid(reasons, None) }
    }
}

fn next_of(reply: &Reply, bought: Option<&str>, read_on: Option<String>) -> String {
    let origin = wish::origin(&reply.request.url);
    let is_in = (200..300).contains(&reply.status);
    let said = match (bought, is_in) {
        (Some(id), true) => {
            format!("re-entered at no charge: the wallet signed in to {origin}, where purchase {id} had paid for this")
        }
        (None, true) => format!("entered at no charge: {origin} wanted the wallet to sign in, and no money"),
        (Some(id), false) => format!(
            "no money moved: the wallet signed in to {origin}, where purchase {id} had paid for this, and was answered \
             with an error; buy_again {id} pays for it anew without signing in, if it is worth that"
        ),
        (None, false) => format!("no money moved: the wallet signed in to {origin} and was answered with an error"),
    };
    read_on.map_or(said.clone(), |read_on| format!("{said}; {read_on}"))
}

fn not_sound(not: NotSound) -> Reason {
    tracing::warn!("a sign-in was not signed: {not}");
    not.into()
}

/// None of these is told where there is something to buy.
fn never_bought() -> Reason {
    Reason::new(
        "sign_in_refused",
        "sign_in",
        "this was never paid for here, so there is nothing to get again",
        Who::Agent,
    )
}

fn bought_anew() -> Reason {
    let message = "`buy_again` pays once more, and here is nothing to pay for: the seller wants a sign-in";
    Reason::new("sign_in_refused", "buy_again", message, Who::Agent)
}

fn not_let_in() -> Reason {
    let message = "the wallet signed in, and the seller did not let it in; no money moved";
    Reason::new("sign_in_not_accepted", "seller", message, Who::Agent)
}

/// What the row says should nothing be known after it.
fn answer_unknown() -> Reason {
    let message = "the wallet signed in to get this unpaid, and what came of that is not known; no money moved by it";
    Reason::new("sign_in_unanswered", "seller", message, Who::Time)
}

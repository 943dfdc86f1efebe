//! Picking a purchase up again: what the ledger already has, what the chain says, the same bytes once more.

use std::time::Duration;

use tokio::time::Instant;

use super::tell::How;
use super::{Purchase, Stop, refuse};
use crate::answer::{Answer, Charged, Outcome};
use crate::conclude::{self, Concluded};
use crate::funds;
use crate::ledger::{Again, Entry, LedgerError, Money, TakenUp};
use crate::limits;
use crate::money::{Amount, Network};
use crate::parts::Parts;
use crate::policy::Funds;
use crate::reason::{Reason, Who};
use crate::settlement::{Proof, Standing, State};
use crate::time::Time;

/// What to do with a wish, after a look into the ledger.
pub(super) enum Next {
    /// It is there already.
    Tell(Box<Entry>, How),
    /// It is open: join whoever presents it, or take it up.
    Resume(Box<Entry>),
    Fresh,
}

impl Purchase {
    /// Looks for this wish in the ledger, and settles which purchase this call is about.
    pub(super) async fn recall(&mut self) -> Result<Next, Stop> {
        let (agent, identity) = (self.wish.agent.clone(), self.wish.identity());
        let (given, again) = (self.wish.purchase_id.clone(), self.wish.buy_again.clone());
        let headers = self.wish.headers_fingerprint();
        let found = self.house.ledger.find(agent, identity, headers, given, again.clone()).await;
        // It may have been paid before: what the ledger has of it is not known now.
        let found = found.map_err(|cause| self.doubt(cause, &self.id))?;
        self.looked = found.looked;
        self.was_asked = found.asked.is_some();
        if let Some(entry) = found.by_id {
            if entry.identity != identity {
                return Err(self.conflict());
            }
            if entry.money.is_some() {
                return self.known(entry);
            }
        }
        if again.is_some() {
            return self.buy_again(found.parent, found.child).await;
        }
        if let Some(open) = found.open {
            self.is_ours(&open)?;
            return Ok(Next::Resume(Box::new(open)));
        }
        if let Some(delivered) = found.delivered.filter(|entry| self.may_repeat(entry)) {
            return Ok(Next::Tell(Box::new(delivered), How::Repeat));
        }
        if let Some(asked) = found.asked {
            self.id = asked.purchase_id;
        }
        Ok(Next::Fresh)
    }

    /// A purchase with money in it is never begun again under the same id.
    fn known(&self, entry: Entry) -> Result<Next, Stop> {
        self.is_ours(&entry)?;
        Ok(match entry.open {
            true => Next::Resume(Box::new(entry)),
            false => Next::Tell(Box::new(entry), How::Repeat),
        })
    }

    /// Once more what another purchase bought: when that one is done with, and through one child only.
    async fn buy_again(&mut self, parent: Option<Entry>, child: Option<Entry>) -> Result<Next, Stop> {
        let no = |code, message| {
            let reasons = vec![Reason::new(code, "buy_again", message, Who::Agent)];
            let next = refuse::next_step(&reasons);
            Box::new(refuse::without_money(Outcome::Refused, None, reasons, next))
        };
        let Some(parent) = parent else {
            return Err(no("no_such_purchase", "`buy_again` names no purchase of this agent"));
        };
        if parent.identity != self.wish.identity() {
            return Err(no("purchase_id_conflict", "`buy_again` names a purchase of something else"));
        }
        if !self.is_done_with(&parent).await {
            return Err(no(
                "not_done",
                "the purchase `buy_again` names is not settled for good, delivered or lapsed yet",
            ));
        }
        self.parent = Some(parent.row);
        Ok(match child {
            Some(child) if child.money.is_some() => self.known(child)?,
            Some(child) => {
                self.id = child.purchase_id;
                Next::Fresh
            }
            None => Next::Fresh,
        })
    }

    /// Whether no second payment can stand beside a live one by mistake: what nodes have merely seen may not be so.
    async fn is_done_with(&self, parent: &Entry) -> bool {
        let Some(money) = &parent.money else { return false };
        if parent.delivered {
            return true;
        }
        match (money.standing.state, money.standing.proof) {
            (State::Settled, Proof::Seen) => self.is_final_now(parent, money.standing).await,
            (State::Settled | State::Lapsed, _) => true,
            (State::Authorized | State::Held, _) => false,
        }
    }

    /// Looked at once more: by now it may be final.
    async fn is_final_now(&self, parent: &Entry, standing: Standing) -> bool {
        let evidence = conclude::evidence(&self.house, parent.row).await;
        let _ = conclude::follow(&self.house, parent.row, standing, &evidence).await;
        let now = self.house.ledger.entry(parent.row).await.ok().flatten().and_then(|entry| entry.money);
        now.is_some_and(|money| matches!(money.standing, Standing::SETTLED_BY_CHAIN | Standing::LAPSED))
    }

    /// Within its repeat window; or whenever it was, if nobody has heard of it yet. Also if its goods could not be kept:
    /// whether they are worth paying for once more is not ours to say.
    fn may_repeat(&self, entry: &Entry) -> bool {
        let Some(at) = entry.answered_at else { return false };
        let age = self.house.now().since(at);
        let window = self.house.policy().map(|policy| policy.repeat_window(&self.wish.request.url)).unwrap_or_default();
        age < window || (!entry.handed && age < limits::OPEN_AFTER_SETTLED)
    }

    /// Takes an open purchase up: by what the chain says, with the same bytes or none.
    pub(super) async fn resume(mut self, entry: Entry) -> (Stop, Option<i64>) {
        let Some(money) = &entry.money else { return self.tell(&entry, How::Outcome).await };
        if money.lease.as_deref().is_some_and(|lease| self.house.ledger.is_alive(lease)) {
            return self.join(entry.row).await;
        }
        self.id = entry.purchase_id.clone();
        if money.standing.state == State::Settled && self.is_long_settled(&entry).await {
            return self.end_settled(entry).await;
        }
        if money.standing == Standing::SETTLED_BY_CHAIN {
            return self.present_again(entry).await;
        }
        let evidence = conclude::evidence(&self.house, entry.row).await;
        match conclude::follow(&self.house, entry.row, money.standing, &evidence).await {
            Ok(Concluded::Anew) => self.anew(entry).await,
            Ok(Concluded::Moved { .. } | Concluded::StillOpen) => self.go_on(entry.row).await,
            Err(cause) => (self.doubt(cause, &entry.purchase_id), None),
        }
    }

    /// By where the row stands now: what can still be taken, or was taken and brought nothing, is presented once more.
    async fn go_on(self, row: i64) -> (Stop, Option<i64>) {
        let entry = match self.house.ledger.entry(row).await {
            Ok(Some(entry)) => entry,
            Ok(None) => return (Box::new(refuse::fault(self.id.clone())), None),
            Err(cause) => return (self.doubt(cause, &self.id), None),
        };
        let Some(money) = entry.money.as_ref().filter(|_| entry.open) else {
            return self.tell(&entry, How::Outcome).await;
        };
        let is_over = money.ends <= self.house.now().secs();
        match money.standing.state {
            State::Settled => self.present_again(entry).await,
            State::Authorized | State::Held if !is_over => self.present_again(entry).await,
            State::Authorized | State::Held | State::Lapsed => self.tell(&entry, How::Outcome).await,
        }
    }

    /// Settled a day ago, without goods: the wish may be bought anew.
    async fn end_settled(self, entry: Entry) -> (Stop, Option<i64>) {
        let ended = self.house.ledger.end_open(entry.row, "settled a day ago", self.house.now()).await;
        match ended {
            Ok(()) => self.anew(entry).await,
            Err(cause) => (self.doubt(cause, &entry.purchase_id), None),
        }
    }

    /// A day ago by this machine's clock and by the chain's: ours may have been set since.
    async fn is_long_settled(&self, entry: &Entry) -> bool {
        let (Some(money), Some(terms)) = (&entry.money, &entry.terms) else { return false };
        let since = money.settled_at.unwrap_or(entry.at);
        let is_long_ago = |now: Time| now.since(since) >= limits::OPEN_AFTER_SETTLED;
        if !is_long_ago(self.house.now()) {
            return false;
        }
        let heads = self.house.chains.heads(&Network::new(&terms.network)).await;
        // One node may be ahead by mistake: the one furthest behind decides.
        let earliest = heads.into_iter().flatten().map(|head| head.time_secs).min();
        earliest.is_some_and(|secs| is_long_ago(Time::from_secs(i64::try_from(secs).unwrap_or_default())))
    }

    /// The old authorization is done with (or counts on beside it). Under its own id it stays what it was.
    async fn anew(mut self, entry: Entry) -> (Stop, Option<i64>) {
        if self.wish.purchase_id.as_deref() == Some(entry.purchase_id.as_str()) || self.wish.buy_again.is_some() {
            return self.tell_row(entry.row).await;
        }
        match super::random_id() {
            Ok(id) => self.id = self.wish.purchase_id.clone().unwrap_or(id),
            Err(reason) => return (self.stop(reason), None),
        }
        self.buy().await
    }

    /// Frozen means that no money leaves, not even what was signed before.
    async fn keep_back(&self, row: i64) -> (Stop, Option<i64>) {
        let (mut answer, row) = self.tell_row(row).await;
        if answer.charged == Charged::Yes {
            return (answer, row);
        }
        let message = "the wallet is frozen, so this payment is not presented until its owner thaws it";
        answer.reasons.insert(0, Reason::new("frozen", "bursar freeze", message, Who::Owner));
        answer.next = "only the owner can thaw the wallet: tell them, and do not try again meanwhile".to_owned();
        (answer, row)
    }

    /// The same bytes, to the same origin: they cannot pay twice. What never left is decided on again first.
    async fn present_again(self, entry: Entry) -> (Stop, Option<i64>) {
        let is_proven = entry.money.as_ref().is_some_and(|money| money.standing == Standing::SETTLED_BY_CHAIN);
        match self.house.ledger.frozen().await {
            Ok(Some(_)) if !is_proven => return self.keep_back(entry.row).await,
            Ok(_) => {}
            Err(cause) => return (self.doubt(cause, &entry.purchase_id), None),
        }
        let policy = match self.house.policy() {
            Ok(policy) => policy,
            Err(reason) => return self.refuse_unsent(entry.row, vec![reason]).await,
        };
        let funds = self.funds_without(&entry).await;
        let again = Again { policy, max_price: self.wish.max_price, funds, assets: self.house.assets.clone() };
        match self.house.ledger.take_over(entry.row, again, self.house.now()).await {
            Ok(TakenUp::Recorded(recorded)) => self.settle_up(*recorded).await,
            Ok(TakenUp::Refused(reasons)) => self.refuse_unsent(entry.row, reasons).await,
            Err(LedgerError::NotNow(_)) => self.join(entry.row).await,
            Err(cause) => (self.doubt(cause, &entry.purchase_id), None),
        }
    }

    /// What the wallet is known to hold, were this payment not there.
    async fn funds_without(&self, entry: &Entry) -> Funds {
        let mut funds = funds::known(&self.house).await;
        let is_in_doubt = |money: &Money| matches!(money.standing.state, State::Authorized | State::Held);
        let Some(terms) = entry.terms.as_ref().filter(|_| entry.money.as_ref().is_some_and(is_in_doubt)) else {
            return funds;
        };
        if let Some((asset, amount)) = terms.asset_account().zip(Amount::parse(&terms.amount))
            && let Some(held) = funds.known.get_mut(&asset)
        {
            held.0 = held.0.saturating_add(amount.0);
        }
        funds
    }

    /// The rules of today do not let it go. It stays signed, and counts until its window has passed.
    async fn refuse_unsent(&self, row: i64, reasons: Vec<Reason>) -> (Stop, Option<i64>) {
        let (answer, row) = self.tell_row(row).await;
        if !matches!(answer.outcome, Outcome::Failed | Outcome::Held) {
            return (answer, row);
        }
        let next = match answer.charged {
            Charged::No => {
                "no money moved: a payment was signed earlier, has not left, and does not leave now. It counts \
                            until its window has passed"
                    .to_owned()
            }
            Charged::Yes | Charged::Unknown => answer.next.clone(),
        };
        let outcome = if answer.charged == Charged::No { Outcome::Refused } else { answer.outcome };
        (Box::new(Answer { outcome, reasons, next, ..*answer }), row)
    }

    /// Goods are for the headers they were bought with: a part of a page, or what one account may see.
    fn is_ours(&self, entry: &Entry) -> Result<(), Stop> {
        if entry.headers == self.wish.headers_fingerprint() {
            return Ok(());
        }
        let message = "the same thing was bought by a call with other headers, and its goods are for that call only";
        let reasons = vec![Reason::new("other_headers", "headers", message, Who::Agent)];
        let next = format!(
            "nothing was paid for this call. Call again with the headers that purchase {} was made with, or with yours \
             once it is done",
            entry.purchase_id
        );
        Err(Box::new(refuse::without_money(Outcome::Refused, Some(entry.purchase_id.clone()), reasons, next)))
    }

    /// Waits for whoever presents this purchase, in this process or another, and tells its outcome as ours. A presenter
    /// may be stopped without being dead: it is waited for as long as there is somebody to tell, and not while leaving.
    pub(super) async fn join(&self, row: i64) -> (Stop, Option<i64>) {
        const FIRST: Duration = Duration::from_millis(5);
        const LONGEST: Duration = Duration::from_millis(200);
        let mut pause = FIRST;
        loop {
            match self.house.ledger.entry(row).await {
                Ok(Some(entry)) => match self.is_ours(&entry) {
                    Err(stop) => return (stop, None),
                    Ok(()) if is_under_way(&self.house, &entry) => {
                        *super::called(&self.called) = entry.purchase_id.clone();
                        if self.waits_no_more(&entry) {
                            return (Box::new(refuse::pending(entry.purchase_id)), None);
                        }
                    }
                    Ok(()) => return self.tell(&entry, How::Beside).await,
                },
                Ok(None) => return (Box::new(refuse::fault(self.id.clone())), None),
                Err(cause) => return (self.doubt(cause, &self.id), None),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// What this process presents itself comes to an end by itself.
    fn waits_no_more(&self, entry: &Entry) -> bool {
        let lease = entry.money.as_ref().and_then(|money| money.lease.as_deref());
        let is_elsewhere = lease.is_some_and(|lease| !self.house.ledger.is_own(lease));
        Instant::now() >= self.until || (is_elsewhere && self.house.is_leaving())
    }

    async fn tell_row(&self, row: i64) -> (Stop, Option<i64>) {
        match self.house.ledger.entry(row).await {
            Ok(Some(entry)) => self.tell(&entry, How::Outcome).await,
            Ok(None) => (Box::new(refuse::fault(self.id.clone())), None),
            Err(cause) => (self.doubt(cause, &self.id), None),
        }
    }

    fn conflict(&self) -> Stop {
        let message = "this purchase_id already belongs to a purchase of something else";
        let reasons = vec![Reason::new("purchase_id_conflict", "purchase_id", message, Who::Agent)];
        let next = "leave out purchase_id to buy something new; no money moved".to_owned();
        Box::new(Answer { charged: Charged::No, ..refuse::without_money(Outcome::Refused, None, reasons, next) })
    }
}

fn is_under_way(house: &Parts, entry: &Entry) -> bool {
    let lease = entry.money.as_ref().and_then(|money| money.lease.as_deref());
    lease.is_some_and(|lease| house.ledger.is_alive(lease))
}

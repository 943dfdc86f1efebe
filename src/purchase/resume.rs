//! Picking a purchase up again: what the ledger already has, what the chain says, the same bytes once more.

use std::time::Duration;

use super::tell::How;
use super::{Purchase, Stop, refuse};
use crate::answer::{Answer, Charged, Outcome};
use crate::conclude::{self, Concluded};
use crate::ledger::{Entry, LedgerError, Money};
use crate::limits;
use crate::money::Network;
use crate::parts::Parts;
use crate::reason::{Reason, Who};
use crate::settlement::{Proof, State};
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
                return Ok(self.known(entry));
            }
        }
        if again.is_some() {
            return self.buy_again(found.parent, found.child);
        }
        if let Some(open) = found.open {
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
    fn known(&self, entry: Entry) -> Next {
        match entry.open {
            true => Next::Resume(Box::new(entry)),
            false => Next::Tell(Box::new(entry), How::Repeat),
        }
    }

    /// Once more what another purchase bought: when that one is done with, and through one child only.
    fn buy_again(&mut self, parent: Option<Entry>, child: Option<Entry>) -> Result<Next, Stop> {
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
        if !parent.delivered && !parent.money.as_ref().is_some_and(|money| self.is_done_with(money)) {
            return Err(no("not_done", "the purchase `buy_again` names is not settled, delivered or lapsed yet"));
        }
        self.parent = Some(parent.row);
        Ok(match child {
            Some(child) if child.money.is_some() => self.known(child),
            Some(child) => {
                self.id = child.purchase_id;
                Next::Fresh
            }
            None => Next::Fresh,
        })
    }

    /// Whether no second payment can stand beside a live one by mistake: what nodes have merely seen may not be so, and
    /// until its window ends the payment could be taken after all.
    fn is_done_with(&self, money: &Money) -> bool {
        match (money.standing.state, money.standing.proof) {
            (State::Settled, Proof::Seen) => money.valid_before < self.house.now().secs(),
            (State::Settled | State::Lapsed, _) => true,
            (State::Authorized | State::Held, _) => false,
        }
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
        if money.standing.state == State::Settled {
            return self.resume_settled(entry).await;
        }
        let evidence = conclude::evidence(&self.house, entry.row).await;
        match conclude::follow(&self.house, entry.row, money.standing, &evidence).await {
            Ok(Concluded::Anew) => self.anew(entry).await,
            Ok(Concluded::Moved) => self.tell_row(entry.row).await,
            Ok(Concluded::StillOpen) if money.valid_before <= self.house.now().secs() => self.tell_row(entry.row).await,
            Ok(Concluded::StillOpen) => match self.house.ledger.frozen().await {
                Ok(None) => self.present_again(entry).await,
                Ok(Some(_)) => self.keep_back(entry.row).await,
                Err(cause) => (self.doubt(cause, &entry.purchase_id), None),
            },
            Err(cause) => (self.doubt(cause, &entry.purchase_id), None),
        }
    }

    /// Settled without goods: told as it is, for a day. After that the wish may be bought anew.
    async fn resume_settled(self, entry: Entry) -> (Stop, Option<i64>) {
        if !self.is_long_settled(&entry).await {
            return self.tell(&entry, How::Outcome).await;
        }
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
        match super::fresh_id() {
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

    /// The same bytes, to the same origin: they cannot pay twice.
    async fn present_again(self, entry: Entry) -> (Stop, Option<i64>) {
        match self.house.ledger.take_over(entry.row, self.house.now()).await {
            Ok(recorded) => self.settle_up(recorded).await,
            Err(LedgerError::NotNow(_)) => self.join(entry.row).await,
            Err(cause) => (self.doubt(cause, &entry.purchase_id), None),
        }
    }

    /// Waits for whoever presents this purchase, in this process or another, and tells its outcome as ours.
    pub(super) async fn join(&self, row: i64) -> (Stop, Option<i64>) {
        const FIRST: Duration = Duration::from_millis(5);
        const LONGEST: Duration = Duration::from_millis(200);
        let mut pause = FIRST;
        loop {
            match self.house.ledger.entry(row).await {
                Ok(Some(entry)) if is_under_way(&self.house, &entry) => {
                    *super::called(&self.called) = entry.purchase_id;
                }
                Ok(Some(entry)) => return self.tell(&entry, How::Beside).await,
                Ok(None) => return (Box::new(refuse::fault(self.id.clone())), None),
                Err(cause) => return (self.doubt(cause, &self.id), None),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
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

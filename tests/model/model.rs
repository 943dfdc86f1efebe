//! What the ledger promises, as simply as it can be said: a list of payments, and sums over it.

use std::time::Duration;

use bursar::settlement::{Standing, State};
use bursar::time::Time;

#[derive(Clone, Debug)]
pub struct Payment {
    pub wish: u64,
    pub agent: usize,
    pub domain: usize,
    pub payee: usize,
    pub micros: u64,
    pub at: Time,
    pub session: usize,
    pub standing: Standing,
    pub open: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Caps {
    pub hour: u64,
    pub day: u64,
    pub month: u64,
    pub session: u64,
    pub domain_session: u64,
    pub domain_day: u64,
    pub payee_day: u64,
    pub per_minute: u32,
}

#[derive(Debug, Default)]
pub struct Model {
    pub payments: Vec<Payment>,
    pub frozen: bool,
    /// The latest moment anything happened: the ledger's time is never behind it.
    pub newest: Time,
    sessions: usize,
    /// Each agent's running session, and its latest authorization.
    running: Vec<Option<(usize, Time)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    Recorded,
    Refused,
    Taken(usize),
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
pub const IDLE: Duration = Duration::from_secs(30 * 60);

impl Model {
    pub fn new(agents: usize, newest: Time) -> Model {
        Model { newest, running: vec![None; agents], ..Model::default() }
    }

    pub fn now(&self, clock: Time) -> Time {
        clock.max(self.newest)
    }

    pub fn authorize(&mut self, caps: &Caps, clock: Time, wanted: Payment) -> Expected {
        let now = self.now(clock);
        if let Some(open) =
            self.payments.iter().position(|p| p.open && p.wish == wanted.wish && p.agent == wanted.agent)
        {
            return Expected::Taken(open);
        }
        let session = self.session(wanted.agent, now);
        let fits = |used: u64, cap: u64| used + wanted.micros <= cap;
        let in_session = |domain: Option<usize>| session.map_or(0, |s| self.in_session(s, domain));
        let allowed = !self.frozen
            && fits(self.since(now, HOUR, 60, |_| true), caps.hour)
            && fits(self.since(now, DAY, 900, |_| true), caps.day)
            && fits(self.since(now, MONTH, 21_600, |_| true), caps.month)
            && fits(in_session(None), caps.session)
            && fits(in_session(Some(wanted.domain)), caps.domain_session)
            && fits(self.since(now, DAY, 900, |p| p.domain == wanted.domain), caps.domain_day)
            && fits(self.since(now, DAY, 900, |p| p.payee == wanted.payee), caps.payee_day)
            && self.begun_since(now, MINUTE) < caps.per_minute;
        if !allowed {
            return Expected::Refused;
        }
        let session = session.unwrap_or_else(|| {
            self.sessions += 1;
            self.sessions
        });
        self.running[wanted.agent] = Some((session, now));
        self.newest = now;
        self.payments.push(Payment { at: now, session, standing: Standing::AUTHORIZED, open: true, ..wanted });
        Expected::Recorded
    }

    /// Where it cannot go it stays.
    pub fn move_to(&mut self, payment: usize, to: Standing) -> bool {
        let payment = &mut self.payments[payment];
        let may = Standing::MOVES.contains(&(payment.standing, to));
        if may {
            payment.standing = to;
            payment.open &= to.state != State::Lapsed;
        }
        may
    }

    pub fn session(&self, agent: usize, now: Time) -> Option<usize> {
        self.running[agent].filter(|(_, at)| now.since(*at) <= IDLE).map(|(session, _)| session)
    }

    /// Everything that counts in a window. Payments are counted in stretches of `width` seconds, and a stretch counts
    /// until its end has left the window.
    pub fn since(&self, now: Time, window: Duration, width: i64, of: impl Fn(&Payment) -> bool) -> u64 {
        let counts = |p: &&Payment| p.standing.state.counts() && of(p) && is_within(p.at, now, window, width);
        self.payments.iter().filter(counts).map(|p| p.micros).sum()
    }

    pub fn held_today(&self, now: Time) -> u64 {
        let is_held = |p: &Payment| matches!(p.standing.state, State::Authorized | State::Held);
        self.since(now, DAY, 900, is_held)
    }

    pub fn wallet_day(&self, now: Time) -> u64 {
        self.since(now, DAY, 900, |_| true)
    }

    pub fn in_session(&self, session: usize, domain: Option<usize>) -> u64 {
        let of = |p: &&Payment| {
            p.session == session && p.standing.state.counts() && domain.is_none_or(|domain| p.domain == domain)
        };
        self.payments.iter().filter(of).map(|p| p.micros).sum()
    }

    fn begun_since(&self, now: Time, window: Duration) -> u32 {
        self.payments.iter().filter(|p| is_within(p.at, now, window, 1)).count() as u32
    }
}

fn is_within(at: Time, now: Time, window: Duration, width: i64) -> bool {
    let end = (at.secs().div_euclid(width) + 1) * width;
    Time::from_secs(end).plus(window) > now
}

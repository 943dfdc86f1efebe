//! Pure: what payments count in, which caps apply, and what is left of them.

use std::time::Duration;

use serde::Serialize;
use url::Url;

use super::rules::{self, Site};
use super::{Cap, Meter, Policy, Scope, Snapshot, Used, Window};
use crate::limits;
use crate::money::Usd;

/// What an answer says is left. `None`: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Remaining {
    /// Of the session's cap.
    pub session: Option<Usd>,
    /// The tighter of the domain's day and its share of the session.
    pub domain: Option<Usd>,
    /// Of the whole wallet's day.
    pub day: Option<Usd>,
}

/// Everything one payment counts in, whichever caps are set today: a cap that is set tomorrow finds its past.
pub fn meters(domain_key: &str, payee: &str) -> Vec<Meter> {
    let domain = || Scope::Domain(domain_key.to_owned());
    let meter = |scope, window| Meter { scope, window };
    vec![
        meter(Scope::Wallet, Window::Hour),
        meter(Scope::Wallet, Window::Day),
        meter(Scope::Wallet, Window::Month),
        meter(Scope::Session, Window::Session),
        meter(domain(), Window::Session),
        meter(domain(), Window::Day),
        meter(Scope::Payee(payee.to_owned()), Window::Day),
    ]
}

/// Every cap that applies at a URL and to a payee, or without them, to the wallet and the session.
pub fn caps(policy: &Policy, url: Option<&Url>, payee: Option<&str>) -> Vec<Cap> {
    let place = url.map(|url| policy.place(url));
    let site = Site { policy, place: place.as_ref(), payee };
    rules::ALL.iter().filter_map(|rule| rule.cap(&site)).collect()
}

/// What the caps leave at a place.
pub fn budget_left(policy: &Policy, url: &Url, snapshot: &Snapshot) -> Remaining {
    let caps = caps(policy, Some(url), None);
    let least = |wanted: &dyn Fn(&Meter) -> bool| {
        caps.iter().filter(|cap| wanted(&cap.meter)).map(|cap| cap.left(snapshot)).min()
    };
    Remaining {
        session: least(&|meter| meter.scope == Scope::Session),
        domain: least(&|meter| matches!(meter.scope, Scope::Domain(_)) && meter.window != Window::Payment),
        day: least(&|meter| meter.scope == Scope::Wallet && meter.window == Window::Day),
    }
}

impl Cap {
    /// What counts against it now. Nothing does against the cap of one payment. After a restored ledger was adopted
    /// nobody knows what was spent, so a window that reaches back before that is full.
    pub fn used(&self, snapshot: &Snapshot) -> Used {
        if self.meter.window == Window::Payment {
            return Used::default();
        }
        let used = snapshot.used.get(&self.meter).copied().unwrap_or_default();
        match snapshot.full_until(self.meter.window) {
            Some(until) => Used { counted: used.counted.max(self.limit), frees_at: Some(until), ..used },
            None => used,
        }
    }

    /// What the cap still lets through.
    pub fn left(&self, snapshot: &Snapshot) -> Usd {
        self.limit.saturating_sub(self.used(snapshot).counted)
    }

    /// Whether this much more takes it past the part that its owner is told of.
    pub fn is_passed_by(&self, before: &Snapshot, price: Usd) -> bool {
        let mark = u128::from(self.limit.as_micros()) * u128::from(limits::NOTICE_PERCENT);
        let before = u128::from(self.used(before).counted.as_micros());
        self.meter.window != Window::Payment
            && before * 100 < mark
            && (before + u128::from(price.as_micros())) * 100 >= mark
    }

    /// Whether this much more would go beyond it. In 128 bits: a sum must not come out smaller than its parts.
    pub fn would_break(&self, snapshot: &Snapshot, price: Usd) -> bool {
        u128::from(self.used(snapshot).counted.as_micros()) + u128::from(price.as_micros())
            > u128::from(self.limit.as_micros())
    }
}

impl Snapshot {
    /// When a window stops counting as full, if it does now.
    pub fn full_until(&self, window: Window) -> Option<crate::time::Time> {
        self.full_until.get(&window).copied().filter(|until| *until > self.now)
    }
}

impl Window {
    /// How far back it looks; `None` for the ones that are not a span of time.
    pub const fn span(self) -> Option<Duration> {
        const HOUR: u64 = 3600;
        match self {
            Window::Hour => Some(Duration::from_secs(HOUR)),
            Window::Day => Some(Duration::from_secs(24 * HOUR)),
            Window::Month => Some(Duration::from_secs(30 * 24 * HOUR)),
            Window::Payment | Window::Session | Window::Review => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::scene::*;
    use super::*;

    const EVERY_CAP: &str = "[wallet]\nper_hour = \"1\"\n[approval]\nabove = \"none\"\n";

    #[test]
    fn every_cap_counts_on_a_meter_that_payments_are_counted_in() {
        let scene = scene().policy(EVERY_CAP);
        let counted: BTreeSet<_> = meters(&scene.policy.domain_key(&scene.request.url), PAYEE).into_iter().collect();
        let caps = caps(&scene.policy, Some(&scene.request.url), Some(PAYEE));
        assert_eq!(caps.len(), 9);
        for cap in caps.iter().filter(|cap| cap.meter.window != Window::Payment) {
            assert!(counted.contains(&cap.meter), "{}", cap.rule);
        }
    }

    #[test]
    fn without_a_url_only_the_wallet_and_the_session_have_caps() {
        let codes: Vec<_> = caps(&Policy::built_in(), None, None).iter().map(|cap| cap.code).collect();
        assert_eq!(codes, ["over_payment", "over_session", "over_hour", "over_day", "over_month"]);
    }

    #[test]
    fn a_limit_of_none_is_no_cap() {
        let none = "[wallet]\nper_payment = \"none\"\nper_hour = \"none\"\nper_day = \"none\"\nper_month = \"none\"\n\
                    [session]\ntotal = \"none\"\n";
        assert_eq!(caps(&scene().policy(none).policy, None, None), []);
    }

    #[test]
    fn what_is_left_is_the_limit_less_what_counts() {
        let scene = scene()
            .spent(Scope::Session, Window::Session, "0.01")
            .spent(Scope::Domain("example.com".into()), Window::Session, "0.01")
            .spent(Scope::Domain("example.com".into()), Window::Day, "0.70")
            .spent(Scope::Wallet, Window::Day, "2.50");
        let left = budget_left(&scene.policy, &scene.request.url, &scene.snapshot);
        assert_eq!(left.session, Some(usd("0.99")));
        assert_eq!(left.domain, Some(usd("0.30")));
        assert_eq!(left.day, Some(usd("0")));
    }

    #[test]
    fn after_a_restored_ledger_was_adopted_a_window_is_full_until_it_has_rolled() {
        let until = NOW.plus(Duration::from_secs(60));
        let adopted = |until| scene().seen(|s| _ = s.full_until.insert(Window::Day, until));
        assert_eq!(adopted(until).says(), "refuse over_domain_day over_payee_day over_day");
        assert_eq!(adopted(NOW).says(), "allow");
    }

    #[test]
    fn a_budget_is_passed_by_the_payment_that_spends_four_fifths_of_it_and_by_no_other() {
        let day = |spent: &str, price: &str| {
            let scene = scene().spent(Scope::Wallet, Window::Day, spent);
            let caps = caps(&scene.policy, None, None);
            let cap = caps.iter().find(|cap| cap.code == "over_day").unwrap().clone();
            cap.is_passed_by(&scene.snapshot, usd(price))
        };
        assert!(!day("1.50", "0.09"));
        assert!(day("1.50", "0.10"));
        assert!(!day("1.60", "0.10"));
        let one = &caps(&Policy::built_in(), None, None)[0];
        assert!(!one.is_passed_by(&scene().snapshot, usd("1.00")), "what one payment may cost is not spent by it");
    }

    #[test]
    fn a_sum_beyond_all_numbers_is_still_over() {
        let mut scene = scene().policy("[wallet]\nper_hour = \"9000000000000\"\n");
        let used = Used { counted: Usd::micros(u64::MAX), ..Used::default() };
        scene.snapshot.used.insert(Meter { scope: Scope::Wallet, window: Window::Hour }, used);
        assert_eq!(scene.says(), "refuse over_hour");
    }
}

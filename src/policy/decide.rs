//! Pure: the decision. Every rule is asked about every offer; then the best of what is allowed is chosen.

use serde::Serialize;
use serde_json::{Value, json};

use super::rules::{self, Case, Said};
use super::{ApprovedBy, Decided, Decision, Policy, Question, Snapshot, Terms, Verdict};
use crate::money::Usd;
use crate::offer::{Listed, Offer};
use crate::reason::{Reason, Who};

/// What one rule said of one offer, for people who ask why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleReport {
    /// Stable, for programs.
    pub code: String,
    /// As it stands in the policy: `domain *.example.com per_day`.
    pub rule: String,
    /// The rule, in words.
    pub sentence: &'static str,
    /// What it says.
    pub said: Ruling,
    /// The limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_usd: Option<Usd>,
    /// What counts already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_usd: Option<Usd>,
    /// What happened, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Who can do something about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who_can_fix: Option<Who>,
}

/// What one rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ruling {
    /// Nothing against it.
    Pass,
    /// Asks the owner first.
    Ask,
    /// Refuses.
    Refuse,
}

/// The policy's answer to a wish. Pure: the same values give the same answer, in advice and inside the commit.
pub fn decide(policy: &Policy, question: &Question<'_>, offers: &[Listed], snapshot: &Snapshot) -> Decided {
    let verdicts: Vec<Verdict> = offers.iter().map(|listed| verdict(policy, question, listed, snapshot)).collect();
    let mut order: Vec<usize> = (0..offers.len()).collect();
    order.sort_by_key(|&i| rank(policy, &offers[i], &verdicts[i]));
    let best = order.first().and_then(|&i| Some((i, payable(&offers[i])?)));
    let nearest = best.map(|(i, _)| i);
    let (decision, chosen) = match best.map(|(i, offer)| (i, offer, &verdicts[i])) {
        Some((i, offer, Verdict::Allow)) => (Decision::Allow(offer.clone()), Some(i)),
        Some((i, offer, Verdict::Ask(reasons))) => (Decision::Ask(offer.clone(), reasons.clone()), Some(i)),
        _ => (Decision::Refuse(merged(&order, &verdicts)), None),
    };
    Decided { decision, verdicts, chosen, nearest }
}

/// What every rule says of one offer, in the order of the rules.
pub fn explain(policy: &Policy, question: &Question<'_>, offer: &Offer, snapshot: &Snapshot) -> Vec<RuleReport> {
    Case::new(policy, question, offer, snapshot).findings().map(report).collect()
}

/// What every rule said, as it is written down: a rule that passed and has no numbers is its code, and what a rule wants
/// in words is known without it.
pub fn for_the_record(reports: Vec<RuleReport>) -> Value {
    let short = |report: RuleReport| match (report.said, report.limit_usd, report.used_usd) {
        (Ruling::Pass, None, None) => Value::String(report.code),
        (Ruling::Pass, ..) => {
            let mut written = json!(report);
            written.as_object_mut().map(|fields| fields.remove("sentence"));
            written
        }
        _ => json!(report),
    };
    reports.into_iter().map(short).collect()
}

/// The same at length, as people and programs read it. What earlier versions wrote is at length already.
pub fn from_the_record(record: Value) -> Value {
    let Value::Array(written) = record else { return record };
    let of = |code: &str| rules::ALL.iter().find(|rule| rule.code == code);
    let long = |written: Value| match written {
        Value::String(code) => {
            let (rule, sentence) = of(&code).map_or(("", ""), |rule| (rule.key, rule.sentence));
            json!({ "code": code, "rule": rule, "said": Ruling::Pass, "sentence": sentence })
        }
        mut written => {
            let sentence = written["code"].as_str().and_then(of).map(|rule| rule.sentence);
            if let (Some(fields), Some(sentence)) = (written.as_object_mut(), sentence) {
                fields.entry("sentence").or_insert_with(|| sentence.into());
            }
            written
        }
    };
    written.into_iter().map(long).collect()
}

fn verdict(policy: &Policy, question: &Question<'_>, listed: &Listed, snapshot: &Snapshot) -> Verdict {
    match listed {
        Listed::Unpayable(unpayable) => Verdict::Unpayable(vec![unpayable.reason.clone()]),
        Listed::Payable(offer) => judge(&Case::new(policy, question, offer, snapshot)),
    }
}

/// All objections together. An approval answers the rules that ask, and none that refuses.
fn judge(case: &Case<'_>) -> Verdict {
    let (mut refusals, mut questions) = (Vec::new(), Vec::new());
    for finding in case.findings() {
        match finding.said {
            Said::Pass => {}
            Said::Ask(reason) => questions.push(reason),
            Said::Refuse(reason) => refusals.push(reason),
        }
    }
    match (refusals.is_empty(), questions.is_empty()) {
        (false, _) => Verdict::Refuse(refusals),
        (true, true) => Verdict::Allow,
        (true, false) if is_approved(case, &questions) => Verdict::Allow,
        (true, false) => Verdict::Ask(questions),
    }
}

fn is_approved(case: &Case<'_>, questions: &[Reason]) -> bool {
    if case.snapshot.approvals.is_empty() {
        return false;
    }
    let shown = Terms::of(case.question, case.offer, questions, case.snapshot).canonical();
    let counts = |by| match by {
        ApprovedBy::Owner => true,
        ApprovedBy::Host => case.policy.approval.host_up_to.is_none_or(|most| case.offer.usd <= most),
    };
    case.snapshot.approvals.iter().any(|approval| approval.terms == shown && counts(approval.by))
}

/// Lowest first: what the policy allows before what it asks about, then what only lacks funds, then what it refuses;
/// within that the cheapest, on the network the owner likes best, in the dialect bursar likes best, as listed.
fn rank(policy: &Policy, listed: &Listed, verdict: &Verdict) -> (u8, Usd, usize, u8) {
    let standing = match verdict {
        Verdict::Allow => 0,
        Verdict::Ask(_) => 1,
        Verdict::Refuse(reasons) if reasons.iter().all(|reason| reason.code == rules::INSUFFICIENT_FUNDS) => 2,
        Verdict::Refuse(_) => 3,
        Verdict::Unpayable(_) => 4,
    };
    let Some(offer) = payable(listed) else {
        return (standing, Usd::MAX, usize::MAX, u8::MAX);
    };
    let preference = policy.networks.iter().position(|network| network == offer.network()).unwrap_or(usize::MAX);
    (standing, offer.usd, preference, offer.preference())
}

fn payable(listed: &Listed) -> Option<&Offer> {
    match listed {
        Listed::Payable(offer) => Some(offer),
        Listed::Unpayable(_) => None,
    }
}

/// Every reason against every offer, the best offer's first, each once.
fn merged(order: &[usize], verdicts: &[Verdict]) -> Vec<Reason> {
    let mut all: Vec<Reason> = Vec::new();
    for &i in order {
        let (Verdict::Refuse(reasons) | Verdict::Unpayable(reasons)) = &verdicts[i] else { continue };
        for reason in reasons {
            if !all.iter().any(|known| is_same(known, reason)) {
                all.push(reason.clone());
            }
        }
    }
    if all.is_empty() {
        all.push(Reason::new(
            "no_offers",
            "offers",
            "The seller asks for payment and names no way to pay.",
            Who::Agent,
        ));
    }
    all
}

/// One cap broken by offers of different prices is one reason, told with the best offer's numbers.
fn is_same(known: &Reason, other: &Reason) -> bool {
    let same_rule = known.code == other.code && known.rule == other.rule;
    same_rule && (known.limit_usd.is_some() || known.message == other.message)
}

fn report(finding: rules::Finding) -> RuleReport {
    let (said, reason) = match finding.said {
        Said::Pass => (Ruling::Pass, None),
        Said::Ask(reason) => (Ruling::Ask, Some(reason)),
        Said::Refuse(reason) => (Ruling::Refuse, Some(reason)),
    };
    let (limit, used) = match &finding.cap {
        Some((cap, used)) => (Some(cap.limit), Some(used.counted)),
        None => reason.as_ref().map_or((None, None), |reason| (reason.limit_usd, reason.used_usd)),
    };
    let of_pass = finding.cap.map_or(finding.rule.key.to_owned(), |(cap, _)| cap.rule);
    RuleReport {
        code: reason.as_ref().map_or(finding.rule.code.to_owned(), |reason| reason.code.clone()),
        rule: reason.as_ref().map_or(of_pass, |reason| reason.rule.clone()),
        sentence: finding.rule.sentence,
        said,
        limit_usd: limit,
        used_usd: used,
        who_can_fix: reason.as_ref().map(|reason| reason.who_can_fix),
        message: reason.map(|reason| reason.message),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::scene::*;
    use super::super::*;
    use super::*;
    use crate::offer::{Dialect, Echo};
    use crate::time::Time;

    #[test]
    fn nothing_matched_is_deny() {
        assert_eq!(scene().offers(vec![]).says(), "refuse no_offers");
        let closed =
            scene().policy("[each_domain]\naccess = \"refuse\"\n[networks]\nallow = []\n[schemes]\nallow = []\n");
        assert_eq!(closed.says(), "refuse domain_refused network_not_allowed scheme_not_allowed");
    }

    #[test]
    fn a_cent_on_a_first_day_is_allowed() {
        let decided = scene().decide();
        assert!(matches!(decided.decision, Decision::Allow(ref offer) if offer.usd == usd("0.01")));
        assert_eq!((decided.chosen, decided.verdicts), (Some(0), vec![Verdict::Allow]));
    }

    #[test]
    fn every_reason_is_given_and_not_the_first() {
        let scene = scene().price("3").at("https://api.example.com/").seen(|s| s.frozen = true);
        assert_eq!(
            scene.says(),
            "refuse frozen over_payment over_domain_payment over_session over_domain_session over_hour over_domain_day \
             over_payee_day over_day"
        );
    }

    #[test]
    fn the_first_offer_is_not_chosen_for_being_first() {
        let offers = vec![listed(offer("0.05")), unpayable("dialect_unknown"), listed(offer("0.02"))];
        let decided = scene().offers(offers).decide();
        assert_eq!(decided.chosen, Some(2));
        assert!(matches!(decided.verdicts[1], Verdict::Unpayable(_)));
    }

    #[test]
    fn what_needs_no_asking_comes_before_what_is_cheaper_and_does() {
        let base = "[networks]\nallow = [\"eip155:8453\", \"eip155:137\"]\n";
        let changed = Offer { payee: at(OTHER_PAYEE), ..offer("0.01") };
        let offers = vec![listed(changed), listed(offer_on(137, "0.05"))];
        let scene = scene().policy(base).offers(offers).seen(|s| s.payees_before.push([PAYEE.to_owned()].into()));
        assert_eq!(scene.decide().chosen, Some(1));
    }

    #[test]
    fn an_offer_the_wallet_cannot_fund_gives_way_to_one_it_can() {
        let base = "[networks]\nallow = [\"eip155:8453\", \"eip155:137\"]\n";
        let mut scene = scene().policy(base).offers(vec![listed(offer("0.01")), listed(offer_on(137, "0.05"))]);
        let usdc = offer("0.01").asset;
        scene.funds.known.insert(usdc.account, Amount::default());
        assert_eq!(scene.decide().chosen, Some(1));
        scene.offers.pop();
        assert_eq!(scene.says(), "refuse insufficient_funds");
    }

    #[test]
    fn at_the_same_price_the_owners_network_order_decides_then_the_newer_dialect_then_the_list() {
        let base = "[networks]\nallow = [\"eip155:137\", \"eip155:8453\"]\n";
        let old = || listed(Offer { echo: Echo::imagined(Dialect::X402V1).unwrap(), ..offer_on(137, "0.01") });
        let new = || listed(offer_on(137, "0.01"));
        let chosen = |offers| scene().policy(base).offers(offers).decide().chosen;
        assert_eq!(chosen(vec![listed(offer("0.01")), old()]), Some(1));
        assert_eq!(chosen(vec![old(), new(), new()]), Some(1));
    }

    #[test]
    fn a_refusal_names_the_best_offers_reasons_first_and_none_twice() {
        let far = listed(offer_on(84532, "0.60"));
        let offers = vec![unpayable("permit2"), far, listed(offer("0.55")), listed(offer("0.60"))];
        let decided = scene().offers(offers).decide();
        let Decision::Refuse(reasons) = decided.decision else { panic!("{decided:?}") };
        let codes: Vec<_> = reasons.iter().map(|reason| reason.code.as_str()).collect();
        assert_eq!(codes, ["over_domain_payment", "over_domain_session", "network_not_allowed", "permit2"]);
        assert!(reasons[0].message.starts_with("This costs $0.55"));
        assert_eq!((decided.chosen, decided.nearest), (None, Some(2)));
    }

    #[test]
    fn a_yes_is_for_exactly_its_terms() {
        let asked = || scene().price("0.20");
        assert_eq!(asked().says(), "ask above_approval");
        assert_eq!(asked().approved(ApprovedBy::Owner).says(), "allow");
        assert_eq!(asked().approved(ApprovedBy::Owner).price("0.200001").says(), "ask above_approval");
        let other = Offer { payee: at(OTHER_PAYEE), ..offer("0.20") };
        assert_eq!(asked().approved(ApprovedBy::Owner).offer(other).says(), "ask above_approval");
        let elsewhere = asked().approved(ApprovedBy::Owner).at("https://api.example.com/v1/other");
        assert_eq!(elsewhere.says(), "ask above_approval");
    }

    #[test]
    fn a_yes_for_one_reason_is_none_for_another() {
        let known = |s: &mut Snapshot| s.payees_before.push([OTHER_PAYEE.to_owned()].into());
        let scene = scene().price("0.20").approved(ApprovedBy::Owner).seen(known);
        assert_eq!(scene.says(), "ask payee_changed above_approval");
        assert_eq!(scene.approved(ApprovedBy::Owner).says(), "allow");
    }

    #[test]
    fn a_yes_inside_the_host_counts_only_up_to_its_line() {
        assert_eq!(scene().price("0.25").approved(ApprovedBy::Host).says(), "allow");
        assert_eq!(scene().price("0.250001").approved(ApprovedBy::Host).says(), "ask above_approval");
    }

    #[test]
    fn a_yes_never_lifts_a_cap() {
        let scene = scene().price("0.20").spent(Scope::Wallet, Window::Day, "1.90").approved(ApprovedBy::Owner);
        assert_eq!(scene.says(), "refuse over_day");
    }

    #[test]
    fn a_refusal_says_when_room_comes_back() {
        let meter = Meter { scope: Scope::Domain("example.com".into()), window: Window::Day };
        let used = Used { counted: usd("0.98"), held: usd("0.10"), frees_at: Some(Time::from_secs(1_800_000_000)) };
        let reason = scene().price("0.05").seen(|s| _ = s.used.insert(meter, used)).reason();
        assert_eq!(
            reason.message,
            "This costs $0.05. The limit for example.com is $1.00 in 24 hours, and $0.98 of it is spent ($0.10 of that is \
             held: nobody knows yet whether it moved). There is room again from 2027-01-15T08:00:00Z on."
        );
        assert_eq!(
            (reason.limit_usd, reason.used_usd, reason.who_can_fix),
            (Some(usd("1")), Some(usd("0.98")), Who::Time)
        );
    }

    #[test]
    fn explaining_lists_every_rule_with_what_it_said() {
        let reports = scene().price("0.60").explain();
        assert_eq!(reports.len(), rules::ALL.len());
        let shown: Vec<_> = reports.iter().filter(|r| r.said != Ruling::Pass).map(|r| r.rule.as_str()).collect();
        assert_eq!(
            shown,
            ["each_domain per_payment (example.com)", "each_domain per_session (example.com)", "approval above"]
        );
        let day = reports.iter().find(|report| report.code == "over_day").unwrap();
        assert_eq!((day.limit_usd, day.used_usd), (Some(usd("2")), Some(usd("0"))));
    }

    #[test]
    fn no_message_invites_a_higher_limit() {
        let mut scene = scene().price("3").seen(|s| s.frozen = true);
        scene.max_price = Some(usd("0.01"));
        let Decision::Refuse(reasons) = scene.decide().decision else { panic!() };
        for reason in reasons {
            let message = reason.message.to_lowercase();
            assert!(message.len() < 400, "{message}");
            for word in ["raise", "increase", "higher", "try again", "retry"] {
                assert!(!message.contains(word), "{message}");
            }
        }
    }

    /// Amounts around the limits, where mistakes are.
    fn cents() -> impl Strategy<Value = Usd> {
        prop_oneof![(0u64..3_000_000).prop_map(Usd::micros), (0u64..300).prop_map(|c| Usd::micros(c * 10_000))]
    }

    fn any_offer() -> impl Strategy<Value = Offer> {
        (cents(), prop_oneof![Just(8453u64), Just(137), Just(84532)], any::<bool>(), any::<bool>()).prop_map(
            |(price, chain, old, other)| Offer {
                echo: Echo::imagined(if old { Dialect::X402V1 } else { Dialect::X402V2 }).unwrap(),
                payee: at(if other { OTHER_PAYEE } else { PAYEE }),
                ..offer_on(chain, &price.to_string())
            },
        )
    }

    fn any_scene() -> impl Strategy<Value = Scene> {
        let limits = proptest::collection::vec(proptest::option::of(cents()), 9);
        let used = proptest::collection::vec(cents(), 9);
        let offers = proptest::collection::vec(any_offer(), 1..6);
        let rest =
            (any::<bool>(), proptest::option::of(cents()), 0u32..40, any::<bool>(), proptest::option::of(cents()));
        (limits, used, offers, rest).prop_map(|(limits, used, offers, (frozen, max_price, rate, approved, balance))| {
            let mut scene = scene().policy("[networks]\nallow = [\"eip155:8453\", \"eip155:137\"]\n");
            let policy = &mut scene.policy;
            (policy.wallet.per_payment, policy.wallet.per_hour, policy.wallet.per_day) =
                (limits[0], limits[1], limits[2]);
            (policy.wallet.per_month, policy.session.total, policy.payee.per_day) = (limits[3], limits[4], limits[5]);
            let domain = &mut policy.each_domain;
            (domain.per_payment, domain.per_session, domain.per_day) = (limits[6], limits[7], limits[8]);
            let meters = meters("example.com", PAYEE).into_iter().chain(meters("example.com", OTHER_PAYEE));
            for (meter, counted) in meters.zip(used.into_iter().cycle()) {
                scene.snapshot.used.insert(meter, Used { counted, ..Used::default() });
            }
            (scene.snapshot.frozen, scene.max_price, scene.snapshot.payments_last_minute) =
                (frozen && rate > 30, max_price, rate);
            if let (Some(balance), asset) = (balance, offer("0").asset) {
                let amount = Amount(alloy_primitives::U256::from(balance.as_micros()));
                scene.funds.known.insert(asset.account, amount);
            }
            let scene = scene.offers(offers.into_iter().map(listed).collect());
            if approved { scene.approved(ApprovedBy::Owner) } else { scene }
        })
    }

    fn is_funded(scene: &Scene, offer: &Offer) -> bool {
        let known = scene.funds.known.get(&offer.asset.account);
        known.is_none_or(|held| *held >= offer.amount)
    }

    /// The caps, compared here by hand and not by the code that is tested.
    fn breaks_a_cap(scene: &Scene, offer: &Offer) -> bool {
        let (policy, used) = (&scene.policy, |scope, window| {
            scene.snapshot.used.get(&Meter { scope, window }).map_or(0, |used| used.counted.as_micros())
        });
        let domain = || Scope::Domain("example.com".into());
        let rows = [
            (policy.wallet.per_payment, 0),
            (policy.each_domain.per_payment, 0),
            (policy.wallet.per_hour, used(Scope::Wallet, Window::Hour)),
            (policy.wallet.per_day, used(Scope::Wallet, Window::Day)),
            (policy.wallet.per_month, used(Scope::Wallet, Window::Month)),
            (policy.session.total, used(Scope::Session, Window::Session)),
            (policy.each_domain.per_session, used(domain(), Window::Session)),
            (policy.each_domain.per_day, used(domain(), Window::Day)),
            (policy.payee.per_day, used(Scope::Payee(offer.payee.to_string()), Window::Day)),
            (scene.max_price, 0),
        ];
        rows.iter().any(|(limit, used)| limit.is_some_and(|limit| used + offer.usd.as_micros() > limit.as_micros()))
    }

    impl std::fmt::Debug for Scene {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{:#?}\n{:#?}\n{:#?}\n{:#?}", self.policy, self.snapshot, self.offers, self.funds)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

        // A failure prints the scene, smallest first, and the seed is kept in `proptest-regressions/`.
        #[test]
        fn nothing_beyond_a_cap_is_ever_allowed(scene in any_scene()) {
            let decided = scene.decide();
            prop_assert_eq!(decided.verdicts.len(), scene.offers.len());
            if let Decision::Allow(offer) | Decision::Ask(offer, _) = &decided.decision {
                prop_assert!(!breaks_a_cap(&scene, offer) && is_funded(&scene, offer));
                prop_assert!(!scene.snapshot.frozen && scene.snapshot.payments_last_minute < 30);
                prop_assert!(scene.policy.networks.contains(offer.network()));
            }
        }

        #[test]
        fn the_chosen_offer_is_never_dearer_than_another_that_was_allowed(scene in any_scene()) {
            let decided = scene.decide();
            let allowed = |(i, listed): (usize, &Listed)| (decided.verdicts[i] == Verdict::Allow).then(|| payable(listed).unwrap().usd);
            let cheapest = scene.offers.iter().enumerate().filter_map(allowed).min();
            match &decided.decision {
                Decision::Allow(offer) => prop_assert_eq!(Some(offer.usd), cheapest),
                _ => prop_assert_eq!(None, cheapest),
            }
        }
    }
}

//! What is known of sellers, against what it would be if every payment were read.

use std::collections::BTreeMap;

use super::log::{BEFORE_GOODS, Dice, every_entry};
use super::plans::{plan, walks};
use super::*;
use crate::goods::Goods;
use crate::policy::registrable;

const HOSTS: [&str; 4] = ["shop.example", "api.shop.example", "notshop.example", "127.0.0.1"];

fn page() -> Goods {
    Goods::ErrorPage { named: None }
}

fn other() -> Goods {
    Goods::OtherType { named: "application/json".into(), came: "text/csv".into() }
}

/// Four days of payments that came to all sorts of things.
async fn history(dice: &mut Dice) -> Kit {
    let mut kit = kit();
    for _ in 0..60 {
        kit.now = kit.now.plus(Duration::from_secs(dice.below(3 * 3600)));
        let url = format!("https://{}/{}", dice.pick(&HOSTS), dice.below(1 << 30));
        let row = kit.pay(kit.draft_for(&url, 1 + dice.below(90_000))).await.row();
        let standing = *dice.pick(&[Standing::HELD, Standing::SETTLED_BY_WORD, Standing::AUTHORIZED]);
        let status = *dice.pick(&[Some(200), Some(200), Some(500), None]);
        let goods = [None, Some(Goods::Fine), Some(Goods::Empty), Some(page()), Some(other())];
        let goods = status.filter(|status| *status == 200).and_then(|_| dice.pick(&goods).clone());
        if standing != Standing::AUTHORIZED {
            let lied = dice.below(5) == 0;
            kit.ledger.close(row, Closing { goods, lied, ..kit.closing(standing, status) }).await.unwrap();
        }
        if dice.below(4) == 0 {
            kit.move_to(row, Standing::LAPSED).await;
        }
    }
    kit
}

/// By reading everything, and the rows' own words for who lied.
fn derived(kit: &Kit, entries: &[Entry], since: Option<Time>) -> BTreeMap<String, SellerCounts> {
    let conn = kit.by_hand();
    let lied = |row: i64| -> u64 {
        conn.query_row("SELECT lied FROM purchase WHERE row = ?1", [row], |row| row.get::<_, i64>(0)).unwrap() as u64
    };
    let mut sellers: BTreeMap<String, SellerCounts> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| since.is_none_or(|since| entry.at >= since)) {
        let site = registrable(&entry.domain).to_owned();
        let counts = sellers.entry(site.clone()).or_insert_with(|| SellerCounts {
            site,
            first: entry.at,
            last: entry.at,
            ..SellerCounts::default()
        });
        (counts.first, counts.last) = (counts.first.min(entry.at), counts.last.max(entry.at));
        counts.lied += lied(entry.row);
        if !["held", "settled"].contains(&entry.state.as_str()) {
            continue;
        }
        let usd = entry.terms.as_ref().unwrap().usd;
        counts.paid += 1;
        counts.usd = counts.usd.saturating_add(usd);
        if entry.state == "held" {
            counts.held = counts.held.saturating_add(usd);
        }
        counts.delivered += u64::from(entry.delivered);
        match &entry.goods {
            Some(Goods::Empty) => counts.empty += 1,
            Some(Goods::ErrorPage { .. }) => counts.error_page += 1,
            // Its types are not in these rows, so it does not read as what it is.
            Some(Goods::OtherType { .. } | Goods::Fine) | None => {}
        }
    }
    sellers
}

#[tokio::test]
async fn what_is_known_of_sellers_is_what_reading_every_payment_would_give() {
    for seed in 0..4 {
        let mut dice = Dice(seed);
        let kit = history(&mut dice).await;
        if !kit.lies_in_a_file() {
            return;
        }
        let entries = every_entry(&kit).await;
        assert_eq!(entries.len(), 60, "seed {seed}");
        for since in [None, Some(START.plus(Duration::from_secs(dice.below(200_000))))] {
            let filter = SellerFilter { since, site: None };
            let known = kit.ledger.sellers(filter.clone()).await.unwrap();
            let wanted = derived(&kit, &entries, since);
            let without_other: Vec<SellerCounts> =
                known.iter().map(|counts| SellerCounts { other_type: 0, ..counts.clone() }).collect();
            assert_eq!(without_other, wanted.into_values().collect::<Vec<_>>(), "seed {seed}, since {since:?}");
            for counts in known {
                let site = Some(counts.site.clone());
                let alone = kit.ledger.sellers(SellerFilter { site, ..filter.clone() }).await.unwrap();
                assert_eq!(alone, [counts], "seed {seed}");
            }
        }
        assert_eq!(kit.violations().await, Vec::<String>::new(), "seed {seed}");
    }
}

#[tokio::test]
async fn goods_are_counted_by_their_kind_and_lies_with_whoever_told_them() {
    let kit = kit();
    for (host, goods) in [
        ("a.shop.example", Goods::Fine),
        ("b.shop.example", Goods::Empty),
        ("b.shop.example", page()),
        ("other.example", other()),
    ] {
        let nth = kit.drafts.load(Ordering::Relaxed);
        let row = kit.pay(kit.draft_for(&format!("https://{host}/{nth}"), 10_000)).await.row();
        let closing = Closing { goods: Some(goods), ..kit.closing(Standing::SETTLED_BY_WORD, Some(200)) };
        kit.ledger.close(row, closing).await.unwrap();
    }
    let claims = kit.pay(kit.draft_for("https://liar.example/", 10_000)).await.row();
    kit.close(claims, Standing::SETTLED_BY_WORD, Some(200)).await;
    kit.move_to(claims, Standing::LAPSED).await;
    let honest = kit.pay(kit.draft_for("https://other.example/late", 10_000)).await.row();
    kit.close(honest, Standing::HELD, None).await;
    kit.move_to(honest, Standing::LAPSED).await;
    let sellers = kit.ledger.sellers(SellerFilter::default()).await.unwrap();
    let told: Vec<_> = sellers
        .iter()
        .map(|of| (of.site.as_str(), of.paid, of.delivered, [of.empty, of.error_page, of.other_type], of.lied))
        .collect();
    assert_eq!(
        told,
        [
            ("liar.example", 0, 0, [0, 0, 0], 1),
            ("other.example", 1, 1, [0, 0, 1], 0),
            ("shop.example", 3, 3, [1, 1, 0], 0),
        ]
    );
}

#[tokio::test]
async fn what_the_offer_named_is_in_the_row_and_the_judgement_beside_it() {
    let kit = kit();
    let mut draft = kit.draft();
    let resource = Some(r#"{"url":"https://shop.example","mimeType":"application/json"}"#.to_owned());
    draft.offer.echo = Echo::X402V2 { accepted: "{}".into(), resource, extensions: None };
    let recorded = kit.pay(draft).await;
    assert_eq!(recorded.named_type(), Some("application/json"));
    let mut closing = Closing { goods: Some(other()), ..kit.closing(Standing::HELD, Some(200)) };
    closing.answered.as_mut().unwrap().content_type = Some("text/csv; charset=utf-8".into());
    assert_eq!(kit.ledger.close(recorded.row(), closing).await.unwrap().goods, Some(other()));
    let plain = kit.pay(kit.draft()).await;
    assert_eq!((plain.named_type(), kit.entry(plain.row()).await.goods), (None, None));
}

#[tokio::test]
async fn goods_that_were_empty_or_an_error_speak_against_a_domain_like_none_at_all() {
    let after = async |goods: [Goods; 2]| {
        let kit = Kit { policy: capped("undelivered = 2"), ..kit() };
        for goods in goods {
            let row = kit.pay(kit.draft()).await.row();
            let closing = Closing { goods: Some(goods), ..kit.closing(Standing::SETTLED_BY_WORD, Some(200)) };
            kit.ledger.close(row, closing).await.unwrap();
        }
        kit.says(kit.draft()).await
    };
    assert_eq!(after([Goods::Empty, page()]).await, "ask undelivered");
    assert_eq!(after([Goods::Empty, Goods::Fine]).await, "recorded");
    assert_eq!(after([Goods::Empty, other()]).await, "recorded");
}

#[tokio::test]
async fn a_ledger_of_before_judges_nothing_and_remembers_who_lied() {
    let kit = kit();
    if !kit.lies_in_a_file() {
        return;
    }
    let paid = async |host: &str, receipt: serde_json::Value| {
        let row = kit.pay(kit.draft_for(&format!("https://{host}/"), 10_000)).await.row();
        let closing = Closing { receipt: Some(receipt), ..kit.closing(Standing::SETTLED_BY_WORD, Some(200)) };
        kit.ledger.close(row, closing).await.unwrap();
        row
    };
    let settled = || json!({ "success": true });
    let alarmed = async |row, message: &str| kit.ledger.alarm(Some(row), message.to_owned(), kit.now).await.unwrap();
    let another = "the seller's receipt names another network than this payment has: look at what it says";
    let never = "the seller or a node said that the money was taken, and it never was: its window ended";
    alarmed(paid("another.example", settled()).await, another).await;
    alarmed(paid("never.example", settled()).await, never).await;
    alarmed(paid("denied.example", json!({ "success": false })).await, never).await;
    alarmed(paid("chain.example", settled()).await, "the logs show another transfer").await;
    paid("honest.example", settled()).await;
    let spent = kit.snapshot().await.used;
    kit.by_hand().execute_batch(BEFORE_GOODS).unwrap();
    let ledger = opened(&kit.dir, 9, limits::LEDGER_WAIT);
    let sellers = ledger.sellers(SellerFilter::default()).await.unwrap();
    let lied: Vec<&str> = sellers.iter().filter(|of| of.lied > 0).map(|of| of.site.as_str()).collect();
    assert_eq!(lied, ["another.example", "never.example"]);
    assert_eq!((sellers.len(), sellers.iter().map(SellerCounts::bad).sum::<u64>()), (5, 0));
    let words: i64 = kit
        .by_hand()
        .query_row("SELECT count(*) FROM purchase WHERE goods = 'not_judged' AND delivered = 1", [], |row| row.get(0))
        .unwrap();
    assert_eq!((words, kit.snapshot().await.used), (5, spent));
    assert_eq!(ledger.audit().await.unwrap().violations, Vec::<String>::new());
}

#[tokio::test]
async fn one_seller_is_found_and_all_of_them_are_read_from_their_index_alone() {
    let kit = kit();
    if !kit.lies_in_a_file() {
        return;
    }
    let conn = kit.by_hand();
    for since in [None, Some(START)] {
        let all = SellerFilter { since, site: None }.counts().0;
        let steps = walks(&conn, &all);
        assert!(steps.len() == 1 && steps[0].contains("USING COVERING INDEX by_site"), "{steps:?}");
        let one = SellerFilter { since, site: Some("shop.example".into()) }.counts().0;
        let steps = plan(&conn, &one);
        assert!(steps.len() == 1 && steps[0].contains("COVERING INDEX by_site (site=? AND at>?)"), "{steps:?}");
    }
}

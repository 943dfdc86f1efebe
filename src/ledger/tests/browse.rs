//! Pages of the log in every order, against sorting every row.

use super::log::{Dice, every_entry, history, lets_through, random_filter};
use super::plans::{sorts, walks};
use super::*;

const ORDERS: [Order; 3] = [Order::Newest, Order::Oldest, Order::Dearest];

fn usd(entry: &Entry) -> Option<Usd> {
    entry.terms.as_ref().map(|terms| terms.usd)
}

/// What should be on the pages, by looking at everything.
fn expected(all: &[Entry], wanted: &Browse) -> Vec<i64> {
    let has_text = |entry: &&Entry| wanted.text.as_ref().is_none_or(|text| entry.url.contains(text.as_str()));
    let mut entries: Vec<&Entry> =
        all.iter().filter(|entry| lets_through(&wanted.filter, entry)).filter(has_text).collect();
    match wanted.order {
        Order::Newest => entries.sort_by_key(|entry| std::cmp::Reverse((entry.at, entry.row))),
        Order::Oldest => entries.sort_by_key(|entry| (entry.at, entry.row)),
        Order::Dearest => {
            entries.retain(|entry| usd(entry).is_some());
            entries.sort_by_key(|entry| std::cmp::Reverse((usd(entry), entry.row)));
        }
    }
    entries.into_iter().map(|entry| entry.row).collect()
}

#[tokio::test]
async fn the_pages_in_every_order_put_together_are_what_is_wanted_and_nothing_twice() {
    for seed in 0..4 {
        let mut dice = Dice(seed);
        let kit = history(&mut dice).await;
        let all = every_entry(&kit).await;
        for _ in 0..60 {
            let text = (dice.below(2) == 0).then(|| format!("/{}", dice.below(10)));
            let filter = Filter { session: None, limit: 4, ..random_filter(&mut dice) };
            let wanted = Browse { filter, text, order: *dice.pick(&ORDERS), after: None };
            assert_eq!(paged(&kit, wanted.clone()).await, expected(&all, &wanted), "seed {seed}: {wanted:?}");
        }
    }
}

/// Page after page: each is full, unless its stretch or the log ended.
async fn paged(kit: &Kit, mut wanted: Browse) -> Vec<i64> {
    let mut rows = Vec::new();
    loop {
        let page = kit.ledger.browse(wanted.clone()).await.unwrap();
        assert!(page.is_cut || page.next.is_none() || page.entries.len() == 4, "a page is not full: {wanted:?}");
        rows.extend(page.entries.iter().map(|entry| entry.row));
        wanted.after = page.next;
        if wanted.after.is_none() {
            return rows;
        }
    }
}

#[tokio::test]
async fn no_page_in_any_order_walks_or_sorts_the_log() {
    let kit = kit();
    if !kit.lies_in_a_file() {
        return;
    }
    let conn = kit.by_hand();
    for order in ORDERS {
        for text in [None, Some("x".to_owned())] {
            let wanted = Browse { text, order, after: "5.5".parse().ok(), ..Browse::default() };
            let end = Some("1.1".parse().unwrap());
            for (sql, _) in [wanted.stretch(), wanted.page(end, 50)] {
                assert_eq!(walks(&conn, &sql), Vec::<String>::new(), "{sql}");
                assert!(!sorts(&conn, &sql), "all of it is sorted before the first row: {sql}");
            }
        }
    }
}

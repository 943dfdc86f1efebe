//! What the owner hears of: each thing once.

use super::*;

async fn noticed(kit: &Kit) -> Vec<String> {
    let news = kit.ledger.news(None, 100).await.unwrap();
    let message = |event: &StoredEvent| {
        let detail: serde_json::Value = serde_json::from_str(&event.detail).unwrap();
        detail["message"].as_str().unwrap().to_owned()
    };
    news.iter().rev().map(message).collect()
}

#[tokio::test]
async fn a_budget_past_four_fifths_is_noticed_once_in_its_window() {
    let mut kit = Kit { policy: capped("per_day = \"0.10\""), ..kit() };
    for _ in 0..7 {
        kit.pay(kit.draft()).await;
    }
    assert_eq!(noticed(&kit).await, Vec::<String>::new());
    kit.pay(kit.draft()).await;
    assert_eq!(noticed(&kit).await, ["$0.08 of the $0.10 of wallet per_day are spent"]);
    let row = kit.pay(kit.draft()).await.row();
    kit.close(row, Standing::HELD, None).await;
    kit.move_to(row, Standing::LAPSED).await;
    kit.pay(kit.draft()).await;
    assert_eq!(noticed(&kit).await.len(), 1, "back and forth over the mark is one notice");
    kit.now = kit.now.plus(Duration::from_secs(25 * 3600));
    for _ in 0..8 {
        kit.pay(kit.draft()).await;
    }
    assert_eq!(noticed(&kit).await.len(), 2, "another day is another notice");
}

#[tokio::test]
async fn what_one_payment_spends_of_what_one_may_cost_is_not_worth_a_notice() {
    let kit = Kit { policy: capped("per_payment = \"0.01\""), ..kit() };
    kit.pay(kit.draft()).await;
    assert_eq!(noticed(&kit).await, Vec::<String>::new());
}

#[tokio::test]
async fn money_in_doubt_beyond_its_window_is_noticed_once() {
    let mut kit = kit();
    let held = kit.pay(kit.draft()).await.row();
    kit.close(held, Standing::HELD, None).await;
    let settled = kit.pay(kit.draft()).await.row();
    kit.close(settled, Standing::SETTLED_BY_WORD, Some(200)).await;
    kit.ledger.notice_overdue(kit.now).await.unwrap();
    assert_eq!(noticed(&kit).await, Vec::<String>::new());
    kit.now = kit.now.plus(Duration::from_secs(3600));
    for _ in 0..2 {
        kit.ledger.notice_overdue(kit.now).await.unwrap();
    }
    let news = kit.ledger.news(None, 9).await.unwrap();
    assert_eq!(news.iter().map(|event| event.purchase).collect::<Vec<_>>(), [Some(held)]);
}

#[tokio::test]
async fn money_in_doubt_is_noticed_though_it_took_a_budget_past_its_mark_too() {
    let mut kit = Kit { policy: capped("per_day = \"0.01\""), ..kit() };
    let held = kit.pay(kit.draft()).await.row();
    kit.close(held, Standing::HELD, None).await;
    kit.now = kit.now.plus(Duration::from_secs(3600));
    kit.ledger.notice_overdue(kit.now).await.unwrap();
    assert_eq!(noticed(&kit).await.len(), 2);
}

#[tokio::test]
async fn news_is_given_to_one_who_tells_it_however_many_ask() {
    let kit = kit();
    let other = opened(&kit.dir, 8, limits::LEDGER_WAIT);
    kit.ledger.alarm(None, "money left".into(), kit.now).await.unwrap();
    let (ours, theirs) = tokio::join!(kit.ledger.untold(), other.untold());
    assert_eq!(ours.unwrap().len() + theirs.unwrap().len(), 1);
    kit.ledger.alarm(None, "more left".into(), kit.now).await.unwrap();
    assert_eq!(other.untold().await.unwrap().len(), 1);
    assert_eq!(kit.ledger.untold().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_glance_sees_what_is_there_and_waits_for_nobody() {
    let kit = kit();
    let path = kit.dir.path().join("ledger.db");
    let held = kit.pay(kit.draft()).await.row();
    kit.close(held, Standing::HELD, None).await;
    kit.ledger.alarm(None, "money left".into(), kit.now).await.unwrap();
    let writing = kit.by_hand();
    writing.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = std::time::Instant::now();
    let seen = glance(&path, kit.now).unwrap();
    assert!(began.elapsed() < Duration::from_secs(2));
    let wanted = LedgerGlance { spent: Usd::micros(10_000), held: 1, alarms: 1, ..LedgerGlance::default() };
    assert_eq!(seen, wanted);
    assert!(glance(&kit.dir.path().join("none.db"), kit.now).is_err());
    assert!(!kit.dir.path().join("none.db").exists());
}

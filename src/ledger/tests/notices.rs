//! What the owner hears of: each thing once.

use super::*;
use crate::request::Request;

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
    if !kit.lies_in_a_file() {
        return;
    }
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

fn listed(tool: &str, words: u8) -> ListedTool {
    let server = url::Url::parse("https://shop.example/mcp").unwrap();
    let place = Request::of_tool(&server, tool, Vec::new()).url;
    let (name, description) = (tool.to_owned(), format!("words {words}"));
    ListedTool { place, what: "tool", name, words: [words; 32], description }
}

#[tokio::test]
async fn a_tool_with_other_words_is_noticed_once_a_day_and_is_known_again_when_it_has_its_own() {
    let mut kit = kit();
    let list =
        async |kit: &Kit, words: u8| kit.ledger.note_tools(vec![listed("search", words)], kit.now).await.unwrap();
    for _ in 0..2 {
        assert!(list(&kit, 1).await.is_empty());
    }
    let before = kit.now;
    for _ in 0..2 {
        assert_eq!(list(&kit, 2).await.into_values().collect::<Vec<_>>(), [before]);
        kit.now = kit.now.plus(Duration::from_secs(60));
    }
    assert_eq!(
        noticed(&kit).await,
        [format!(
            "the tool “search” of shop.example says something else of itself than on {START}: it said “words 1”, and says \
             “words 2”"
        )]
    );
    assert!(list(&kit, 1).await.is_empty());
    assert_eq!(list(&kit, 3).await.len(), 1);
    assert_eq!(noticed(&kit).await.len(), 1);
    kit.now = kit.now.plus(Duration::from_secs(25 * 3600));
    assert_eq!(list(&kit, 4).await.len(), 1);
    assert_eq!(noticed(&kit).await.len(), 2);
}

#[tokio::test]
async fn a_change_is_seen_by_the_rules_until_the_tool_is_paid_for() {
    let kit = kit();
    let place = listed("search", 1).place;
    let view = || View { url: Some(place.clone()), ..kit.draft_for("https://shop.example/mcp", 1).view(kit.now) };
    let change = async || kit.ledger.snapshot(view()).await.unwrap().tool_change;
    kit.ledger.note_tools(vec![listed("search", 1), listed("other", 1)], kit.now).await.unwrap();
    assert_eq!(change().await, None);
    kit.ledger.note_tools(vec![listed("search", 2), listed("other", 1)], kit.now).await.unwrap();
    assert_eq!(change().await.map(|change| change.words), Some([2; 32]));
    let draft = kit.draft_for("https://shop.example/mcp", 10_000);
    let of_tool = |url: &str| Request::of_tool(&url::Url::parse(url).unwrap(), "search", Vec::new());
    let request = of_tool("https://shop.example/mcp");
    let refused = Draft { asked: request.clone(), request: request.clone(), ..draft };
    assert_eq!(kit.says(refused).await, "ask tool_changed");
    let allowing = Kit { policy: policy("above = \"none\"\n[tools]\non_change = \"allow\"\n"), ..kit };
    let draft = allowing.draft_for("https://shop.example/mcp", 10_000);
    assert_eq!(allowing.says(Draft { asked: request.clone(), request, ..draft }).await, "recorded");
    let view = View { url: Some(place), ..allowing.draft_for("https://shop.example/mcp", 1).view(allowing.now) };
    assert_eq!(allowing.ledger.snapshot(view).await.unwrap().tool_change, None);
}

#[tokio::test]
async fn a_server_that_lists_tools_without_end_fills_no_disk() {
    let kit = kit();
    let many = (0..limits::TOOLS_KNOWN + 50).map(|nth| listed(&format!("tool{nth}"), 1)).collect();
    kit.ledger.note_tools(many, kit.now).await.unwrap();
    let known = kit.told("SELECT count(*) FROM tool_seen");
    assert_eq!(known, limits::TOOLS_KNOWN.to_string());
}

//! What waits to be entered in the log hides nothing, however little is entered with each purchase.

use super::*;

impl Kit {
    fn count(&self, sql: &str) -> i64 {
        self.told(sql).parse().unwrap()
    }

    fn waiting(&self) -> i64 {
        self.count("SELECT count(*) FROM unlisted")
    }

    async fn page(&self) -> LogPage {
        self.ledger.page(Filter { limit: 100, ..Filter::default() }).await.unwrap()
    }
}

fn of_state(state: &str) -> Filter {
    Filter { state: Some(state.into()), limit: 100, ..Filter::default() }
}

#[tokio::test]
async fn what_waits_to_be_entered_is_in_whatever_is_asked_of_the_log() {
    let kit = kit();
    let row = kit.pay(kit.draft()).await.row();
    kit.pay(kit.draft()).await;
    assert_eq!((kit.waiting(), kit.count("SELECT count(*) FROM listed")), (2, 0));
    assert_eq!(kit.ledger.unproven().await.unwrap().len(), 2, "they are looked for on the chain");
    let page = kit.page().await;
    assert_eq!((page.entries.len(), page.totals.held), (2, Usd::micros(20_000)));
    assert_eq!(kit.waiting(), 0);
    // Now it was entered, and what it was entered as is over.
    kit.close(row, Standing::SETTLED_BY_WORD, Some(200)).await;
    assert_eq!((kit.waiting(), kit.ledger.audit().await.unwrap().violations), (1, Vec::new()));
    assert_eq!(kit.ledger.page(of_state("authorized")).await.unwrap().entries.len(), 1);
    assert_eq!(kit.ledger.page(of_state("settled")).await.unwrap().totals.settled, Usd::micros(10_000));
    kit.close(row + 1, Standing::SETTLED_BY_WORD, Some(200)).await;
    kit.move_to(row, Standing::SETTLED_BY_CHAIN).await;
    assert_eq!(kit.ledger.unproven().await.unwrap(), [row + 1], "what was entered as unproven is proven");
    let sellers = kit.ledger.sellers(SellerFilter::default()).await.unwrap();
    assert_eq!((sellers[0].paid, sellers[0].delivered), (2, 2));
}

#[tokio::test]
async fn few_wait_however_many_are_bought() {
    let kit = kit();
    for _ in 0..150 {
        kit.pay(kit.draft()).await;
        assert!(kit.waiting() <= 65, "{} wait", kit.waiting());
    }
    assert!(kit.count("SELECT count(*) FROM listed") >= 85);
}

#[tokio::test]
async fn on_a_full_disk_the_log_is_read_whole_and_nothing_is_written() {
    let kit = kit();
    if !kit.lies_in_a_file() {
        return;
    }
    for _ in 0..40 {
        kit.pay(kit.draft()).await;
    }
    let full = |conn: &dyn Conn| {
        let pages: i64 = conn.read("PRAGMA page_count", &[], |row| row.get(0))?;
        conn.has(&format!("PRAGMA max_page_count = {pages}"), &[]).map(drop)
    };
    kit.ledger.writer.write(Sync::Lazy, full).await.unwrap();
    let page = kit.page().await;
    assert_eq!((page.entries.len(), page.totals.held), (40, Usd::micros(400_000)));
    assert_eq!((kit.waiting(), kit.count("SELECT count(*) FROM listed")), (40, 0));
}

#[tokio::test]
async fn the_audit_finds_what_is_not_entered_as_it_stands() {
    for tampered in
        ["UPDATE listed SET state = 'settled' WHERE row = 1", "UPDATE listed SET is_proven = 1", "DELETE FROM listed"]
    {
        let kit = kit();
        kit.pay(kit.draft()).await;
        kit.page().await;
        assert_eq!(kit.violations().await, Vec::<String>::new());
        kit.sql(tampered).unwrap();
        let found = kit.violations().await;
        assert!(found.iter().any(|found| found == "the log does not list purchase pu_0 as it stands"), "{found:?}");
    }
}

/// The constraint that an index was made of is gone from the table, and what it said is not.
#[tokio::test]
async fn a_purchase_has_one_child_and_the_file_is_as_sqlite_has_it() {
    let kit = kit();
    if !kit.lies_in_a_file() {
        return;
    }
    let parent = kit.pay(kit.draft()).await.row();
    kit.close(parent, Standing::SETTLED_BY_WORD, Some(200)).await;
    kit.pay(Draft { parent: Some(parent), ..kit.draft() }).await;
    kit.pay(kit.draft()).await;
    let second = kit.sql(&format!("UPDATE purchase SET parent = {parent} WHERE row = {}", parent + 2));
    assert!(second.unwrap_err().contains("UNIQUE"));
    assert_eq!(kit.count("SELECT count(*) FROM purchase WHERE parent = 1"), 1);
    let found: Vec<String> = plans::plan(&kit.by_hand(), "SELECT * FROM purchase WHERE parent = ?1");
    assert!(found[0].contains("one_child"), "{found:?}");
    let told: String = kit.by_hand().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(told, "ok");
    for (name, columns) in
        [("sqlite_autoindex_purchase_1", "handle"), ("sqlite_autoindex_purchase_2", "agent,purchase_id")]
    {
        let sql = format!("SELECT group_concat(name) FROM pragma_index_info('{name}')");
        let of: String = kit.by_hand().query_row(&sql, [], |row| row.get(0)).unwrap();
        assert_eq!(of, columns);
    }
}

//! The log against what it would say if it read every row.

use super::*;

const HOUR: u64 = 3600;

/// The same numbers from the same seed.
pub(super) struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
}

const AGENTS: [&str; 3] = ["a", "b", "c"];
const HOSTS: [&str; 5] = ["shop.example", "api.shop.example", "v1.api.shop.example", "notshop.example", "127.0.0.1"];
const STATES: [&str; 5] = ["authorized", "settled", "held", "lapsed", "refused"];

pub(super) fn unpaid(draft: &Draft, now: Time) -> Unpaid {
    Unpaid {
        purchase_id: draft.purchase_id.clone(),
        agent: draft.agent.clone(),
        client: None,
        identity: draft.identity,
        headers: draft.headers,
        parent: None,
        asked: draft.asked.clone(),
        request: draft.request.clone(),
        policy_hash: None,
        reasons: vec![],
        offer: Some(draft.offer.clone()),
        offers: json!([]),
        rules: json!([]),
        now,
    }
}

/// Four days of purchases in every state.
pub(super) async fn history(dice: &mut Dice) -> Kit {
    let mut kit = kit();
    for _ in 0..60 {
        kit.now = kit.now.plus(Duration::from_secs(dice.below(3 * HOUR)));
        let url = format!("https://{}/{}", dice.pick(&HOSTS), dice.below(1 << 30));
        let agent = (*dice.pick(&AGENTS)).to_owned();
        let draft = Draft { agent, ..kit.draft_for(&url, 1 + dice.below(90_000)) };
        match *dice.pick(&STATES) {
            "refused" => _ = kit.ledger.record_refusal(unpaid(&draft, kit.now)).await.unwrap(),
            state => {
                let row = kit.pay(draft).await.row();
                let standing = match state {
                    "settled" => Standing::SETTLED_BY_WORD,
                    "held" => Standing::HELD,
                    "lapsed" => Standing::LAPSED,
                    _ => continue,
                };
                kit.close(row, Standing::HELD, None).await;
                kit.move_to(row, standing).await;
            }
        }
    }
    kit
}

pub(super) fn random_filter(dice: &mut Dice) -> Filter {
    let mut maybe = |sides: u64| (dice.below(2) == 0).then(|| dice.below(sides));
    let moment = |hours: u64| START.plus(Duration::from_secs(hours * HOUR / 2));
    let (agent, state, domain) = (maybe(3), maybe(5), maybe(5));
    let (since, until, session) = (maybe(200), maybe(200), maybe(30));
    Filter {
        agent: agent.map(|nth| AGENTS[nth as usize].to_owned()),
        state: state.map(|nth| STATES[nth as usize].to_owned()),
        domain: domain.map(|nth| HOSTS[nth as usize].to_owned()),
        since: since.map(moment),
        until: until.map(moment),
        session: session.filter(|nth| nth % 4 == 0).map(|nth| nth as i64),
        oldest_first: maybe(2) == Some(0),
        limit: 7,
        ..Filter::default()
    }
}

pub(super) fn lets_through(filter: &Filter, entry: &Entry) -> bool {
    let is_of = |domain: &String| entry.domain == *domain || entry.domain.ends_with(&format!(".{domain}"));
    filter.agent.as_ref().is_none_or(|agent| *agent == entry.agent)
        && filter.state.as_ref().is_none_or(|state| *state == entry.state)
        && filter.domain.as_ref().is_none_or(is_of)
        && filter.session.is_none_or(|session| Some(session) == entry.session)
        && filter.since.is_none_or(|since| entry.at >= since)
        && filter.until.is_none_or(|until| entry.at < until)
}

fn added_up<'a>(entries: impl Iterator<Item = &'a Entry>) -> LogTotals {
    let mut sum = LogTotals::default();
    for entry in entries {
        sum.count += 1;
        let usd = entry.terms.as_ref().map(|terms| terms.usd).unwrap_or_default();
        match entry.state.as_str() {
            "settled" => sum.settled = sum.settled.saturating_add(usd),
            "held" | "authorized" => sum.held = sum.held.saturating_add(usd),
            _ => {}
        }
    }
    sum
}

pub(super) async fn every_entry(kit: &Kit) -> Vec<Entry> {
    let all = Filter { limit: 1_000, ..Filter::default() };
    kit.ledger.page(all).await.unwrap().entries
}

/// Page after page, and the totals of the first.
async fn paged(kit: &Kit, filter: &Filter) -> (Vec<i64>, LogTotals) {
    let (mut rows, mut after, mut totals) = (vec![], None, None);
    loop {
        let page = kit.ledger.page(Filter { after, ..filter.clone() }).await.unwrap();
        rows.extend(page.entries.iter().map(|entry| entry.row));
        totals = totals.or(Some(page.totals));
        after = page.next;
        if after.is_none() {
            return (rows, totals.unwrap());
        }
    }
}

#[tokio::test]
async fn pages_and_totals_are_what_reading_every_row_would_give() {
    for seed in 0..4 {
        let mut dice = Dice(seed);
        let kit = history(&mut dice).await;
        let all = every_entry(&kit).await;
        assert!(all.len() > 40, "seed {seed}");
        for nth in 0..60 {
            let filter = random_filter(&mut dice);
            let mut wanted: Vec<&Entry> = all.iter().filter(|entry| lets_through(&filter, entry)).collect();
            if filter.oldest_first {
                wanted.reverse();
            }
            let (rows, totals) = paged(&kit, &filter).await;
            assert_eq!(
                rows,
                wanted.iter().map(|entry| entry.row).collect::<Vec<_>>(),
                "seed {seed}, {nth}: {filter:?}"
            );
            assert_eq!(totals, added_up(wanted.into_iter()), "seed {seed}, {nth}: {filter:?}");
        }
        assert_eq!(kit.violations().await, Vec::<String>::new(), "seed {seed}");
    }
}

#[tokio::test]
async fn groups_add_up_to_the_totals_whatever_they_are_by() {
    let mut dice = Dice(7);
    let kit = history(&mut dice).await;
    let since = Some(START.plus(Duration::from_secs(5 * HOUR)));
    let until = Some(START.plus(Duration::from_secs(60 * HOUR)));
    for filter in [
        Filter::default(),
        Filter { agent: Some("a".into()), ..Filter::default() },
        Filter { since, until, ..Filter::default() },
        Filter { since, until, state: Some("held".into()), ..Filter::default() },
        Filter { since, domain: Some("shop.example".into()), ..Filter::default() },
    ] {
        let whole = kit.ledger.page(Filter { limit: 1, ..filter.clone() }).await.unwrap().totals;
        for by in [By::Day, By::Domain, By::Agent, By::Session] {
            let groups = kit.ledger.groups(filter.clone(), by).await.unwrap();
            let sum = |read: fn(&LogTotals) -> u64| groups.iter().map(|group| read(&group.totals)).sum::<u64>();
            assert_eq!(sum(|totals| totals.settled.as_micros()), whole.settled.as_micros(), "{by:?}");
            assert_eq!(sum(|totals| totals.held.as_micros()), whole.held.as_micros(), "{by:?}");
            if by != By::Session {
                assert_eq!(sum(|totals| totals.count), whole.count, "{by:?}");
            }
        }
    }
    let domains = kit.ledger.groups(Filter::default(), By::Domain).await.unwrap();
    let mut names: Vec<&str> = domains.iter().map(|group| group.key.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["127.0.0.1", "notshop.example", "shop.example"]);
}

#[tokio::test]
async fn a_purchase_that_is_paid_later_stands_where_it_was_paid() {
    let mut kit = kit();
    let early = kit.draft();
    kit.ledger.record_refusal(unpaid(&early, kit.now)).await.unwrap();
    kit.now = kit.now.plus(Duration::from_secs(HOUR));
    let between = kit.pay(kit.draft()).await.row();
    kit.now = kit.now.plus(Duration::from_secs(HOUR));
    let paid = kit.pay(Draft { now: kit.now, ..early }).await.row();
    assert!(paid < between);
    assert_eq!(paged(&kit, &Filter { limit: 1, ..Filter::default() }).await.0, [paid, between]);
}

#[tokio::test]
async fn changes_are_told_once_each_as_the_purchase_stands_now() {
    let kit = kit();
    let before = kit.ledger.newest_event().await.unwrap();
    let version = kit.ledger.version().await.unwrap();
    let row = kit.pay(kit.draft()).await.row();
    kit.close(row, Standing::SETTLED_BY_WORD, Some(200)).await;
    kit.ledger.alarm(None, "money left".into(), kit.now).await.unwrap();
    assert_ne!(kit.ledger.version().await.unwrap(), version);
    let told = kit.ledger.changes(Filter::default(), before).await.unwrap();
    assert_eq!(told.entries.iter().map(|entry| entry.state.as_str()).collect::<Vec<_>>(), ["settled"]);
    assert_eq!(told.news.len(), 1);
    let nothing = kit.ledger.changes(Filter::default(), told.event).await.unwrap();
    assert!(nothing.entries.is_empty() && nothing.news.is_empty());
    let others = Filter { agent: Some("b".into()), ..Filter::default() };
    assert!(kit.ledger.changes(others, before).await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn an_id_is_found_by_its_beginning_its_whole_or_its_agent() {
    let kit = kit();
    for (agent, id) in [("a", "pu_12"), ("a", "pu_123"), ("b", "pu_123"), ("x/y", "z/1")] {
        let draft = Draft { agent: agent.into(), purchase_id: id.into(), ..kit.draft() };
        kit.pay(draft).await;
    }
    let found = async |id: &str| {
        let entries = kit.ledger.matching(id.into()).await.unwrap();
        entries.iter().map(|entry| format!("{} {}", entry.agent, entry.purchase_id)).collect::<Vec<_>>()
    };
    assert_eq!(found("pu_12").await[0], "a pu_12");
    assert_eq!(found("12").await.len(), 2);
    assert_eq!(found("pu_123").await, ["b pu_123", "a pu_123"]);
    assert_eq!(found("b/pu_1").await, ["b pu_123"]);
    assert_eq!(found("x/y/z/1").await, ["x/y z/1"]);
    assert_eq!(found("z").await, ["x/y z/1"]);
    assert_eq!(found("pu_9").await, Vec::<String>::new());
    assert_eq!(found("%").await, Vec::<String>::new());
}

/// Back to the tables of the eighth step.
pub(super) const BEFORE_GOODS: &str = "
    ALTER TABLE purchase DROP COLUMN machine;
    INSERT INTO listed SELECT row, at, agent, state, site, domain, session, usd, handle IS NOT NULL, proof = 'chain',
        delivered, goods, lied, identity FROM purchase WHERE row NOT IN (SELECT row FROM listed);
    DROP VIEW unproven; DROP TRIGGER a_purchase_begins; DROP TRIGGER a_purchase_changes; DROP TRIGGER money_is_new;
    DROP TABLE tool_seen; DROP TABLE listed; DROP TABLE unlisted; DROP INDEX one_child;
    CREATE UNIQUE INDEX every_parent ON purchase (parent);
    PRAGMA writable_schema = ON;
    UPDATE sqlite_schema SET sql = replace(sql, 'parent        INTEGER REFERENCES', 'parent        INTEGER UNIQUE REFERENCES')
     WHERE type = 'table' AND name = 'purchase';
    UPDATE sqlite_schema SET name = 'sqlite_autoindex_purchase_3' WHERE name = 'sqlite_autoindex_purchase_2';
    UPDATE sqlite_schema SET name = 'sqlite_autoindex_purchase_2' WHERE name = 'sqlite_autoindex_purchase_1';
    UPDATE sqlite_schema SET name = 'sqlite_autoindex_purchase_1', sql = NULL WHERE name = 'every_parent';
    PRAGMA writable_schema = RESET;
    CREATE INDEX by_agent ON purchase (agent, at); CREATE INDEX by_state ON purchase (state, at);
    CREATE INDEX by_session ON purchase (session, at) WHERE session IS NOT NULL;
    CREATE INDEX by_price ON purchase (usd) WHERE usd IS NOT NULL; CREATE INDEX by_at ON purchase (at);
    CREATE INDEX by_site ON purchase (site, at); CREATE INDEX bought ON purchase (identity, row);
    CREATE INDEX unproven ON purchase (row) WHERE handle IS NOT NULL AND proof <> 'chain';
    CREATE TRIGGER tally_begins AFTER INSERT ON purchase BEGIN SELECT 1; END;
    CREATE TRIGGER tally_follows AFTER UPDATE ON purchase BEGIN SELECT 1; END;
    ALTER TABLE signed ADD COLUMN request TEXT; ALTER TABLE detail ADD COLUMN receipt TEXT;
    UPDATE signed SET request = (SELECT request FROM purchase WHERE row = purchase);
    UPDATE detail SET receipt = (SELECT receipt FROM purchase WHERE row = purchase);
    ALTER TABLE purchase DROP COLUMN request; ALTER TABLE purchase DROP COLUMN receipt;
    DROP TABLE body; DROP INDEX news; DROP INDEX by_at; DROP INDEX by_site;
    CREATE INDEX kept ON purchase (answered_at) WHERE body_kept = 1; CREATE INDEX running ON session (newest);
    CREATE INDEX by_purchase_id ON purchase (purchase_id); CREATE INDEX event_by_kind ON event (kind, id);
    CREATE INDEX by_agent_state ON purchase (agent, state, at);
    CREATE INDEX by_at ON purchase (at, agent, state, usd);
    CREATE INDEX by_site ON purchase (site, at, domain, agent, state, usd);
    DROP INDEX bought; DROP TABLE sign_in; DROP INDEX undelivered;
    ALTER TABLE purchase DROP COLUMN named_type; ALTER TABLE purchase DROP COLUMN goods;
    ALTER TABLE purchase DROP COLUMN lied;
    CREATE INDEX undelivered ON purchase (budget_domain, counted_at) WHERE delivered = 0 AND state IN ('held', 'settled');
    PRAGMA user_version = 8;";

/// Back to the tables of the seventh step, from those of the eighth.
const BEFORE_ANY_SCHEME: &str = "
    DROP TRIGGER terms_are_fixed; DROP TRIGGER what_was_taken_is_proven; DROP TRIGGER what_was_signed_is_fixed;
    ALTER TABLE purchase DROP COLUMN taken; ALTER TABLE purchase DROP COLUMN given_back;
    ALTER TABLE purchase RENAME COLUMN handle TO nonce; ALTER TABLE purchase RENAME COLUMN ends TO valid_before;
    UPDATE signed SET authorization = json_remove(authorization, '$.scheme');
    CREATE TRIGGER terms_are_fixed BEFORE UPDATE ON purchase WHEN OLD.nonce IS NOT NULL AND NEW.nonce IS NOT OLD.nonce
    BEGIN SELECT RAISE(ABORT, 'the terms of an authorization are fixed'); END;
    CREATE TRIGGER what_was_signed_is_fixed BEFORE UPDATE ON signed WHEN OLD.authorization IS NOT NEW.authorization
    BEGIN SELECT RAISE(ABORT, 'what was signed is fixed'); END;
    UPDATE bucket SET scope = lower(scope) WHERE scope LIKE 'payee %';
    DROP TABLE searched; CREATE TABLE searched (network TEXT NOT NULL, asset TEXT NOT NULL, block INTEGER NOT NULL,
        PRIMARY KEY (network, asset)) STRICT, WITHOUT ROWID;
    INSERT INTO searched VALUES ('eip155:84532', '0x036CbD53842c5426634e7929541eC2318f3dCF7e', 77);
    PRAGMA user_version = 7;";

/// Back to the tables of the fifth step, from those of the seventh.
const BEFORE_LONG_HISTORIES: &str = "
    DROP INDEX waiting; DROP INDEX goods; DROP INDEX question_approved; DROP INDEX question_denied;
    DROP INDEX question_shown; DROP INDEX question_keeping; ALTER TABLE question DROP COLUMN identity;
    ALTER TABLE question DROP COLUMN scheme; ALTER TABLE question DROP COLUMN network;
    ALTER TABLE question DROP COLUMN asset; ALTER TABLE question DROP COLUMN amount; DROP TABLE free_answers;
    ALTER TABLE seller_payee RENAME COLUMN site TO origin; CREATE INDEX by_identity ON purchase (identity, row);
    PRAGMA user_version = 5;";

#[tokio::test]
async fn a_yes_of_an_earlier_version_fits_nothing_and_its_payees_are_known_by_domain() {
    let kit = Kit { policy: policy("above = \"0.10\"\n"), ..kit() };
    if !kit.lies_in_a_file() {
        return;
    }
    let draft = kit.draft_for("https://api.shop.example:8443/0", 200_000);
    let day = Duration::from_secs(86_400);
    kit.ledger.record_question(unpaid(&draft, kit.now), draft.offer.clone(), asked(&draft, day)).await.unwrap();
    let shown = kit.ledger.pending(kit.now).await.unwrap().remove(0);
    kit.ledger.answer(shown.entry.row, shown.terms, true, ApprovedBy::Owner, day, kit.now).await.unwrap();
    let old = "UPDATE question SET terms = 'exact: 200000 of 0x01 on eip155:84532 to 0x02';
        INSERT INTO seller_payee VALUES ('https://api.shop.example:8443', '0x2020202020202020202020202020202020202020', 1),
            ('http://www.shop.example', '0x2020202020202020202020202020202020202020', 2);";
    kit.by_hand().execute_batch(&format!("{BEFORE_GOODS}{BEFORE_ANY_SCHEME}{BEFORE_LONG_HISTORIES}{old}")).unwrap();
    let ledger = opened(&kit.dir, 9, limits::LEDGER_WAIT);
    assert_eq!(said(ledger.authorize(draft).await), "ask above_approval");
    assert!(kit.snapshot().await.payees_before[0].contains(kit.payee().address()));
    let known: i64 = kit.by_hand().query_row("SELECT count(*) FROM seller_payee", [], |row| row.get(0)).unwrap();
    assert_eq!((known, ledger.audit().await.unwrap().violations), (1, Vec::<String>::new()));
}

#[tokio::test]
async fn a_ledger_of_the_first_version_becomes_one_that_adds_up() {
    let kit = kit();
    if !kit.lies_in_a_file() {
        return;
    }
    kit.pay(kit.draft_for("https://api.shop.example/x", 10_000)).await;
    // Back to the tables of the first step, with the row in them.
    let undo =
        "DROP TRIGGER tally_begins; DROP TRIGGER tally_follows; DROP TRIGGER its_time_is_fixed; DROP TABLE tally;
        DROP INDEX by_at; DROP INDEX by_agent; DROP INDEX by_state; DROP INDEX by_agent_state; DROP INDEX by_site;
        DROP INDEX by_session; DROP INDEX by_purchase_id; DROP INDEX event_by_kind; DROP INDEX question_by_expiry;
        DROP INDEX by_price; DROP INDEX running;
        ALTER TABLE purchase DROP COLUMN site; ALTER TABLE ledger DROP COLUMN reviewed_to;
        ALTER TABLE ledger DROP COLUMN told; CREATE INDEX by_agent ON purchase (agent, row);
        CREATE INDEX by_state ON purchase (state, row); DROP INDEX undelivered;
        ALTER TABLE refusals RENAME TO unlisted; DROP INDEX challenge_by_age; ALTER TABLE question DROP COLUMN challenge;
        ALTER TABLE question DROP COLUMN heard_at; ALTER TABLE question DROP COLUMN shown_at; PRAGMA user_version = 1;";
    kit.by_hand().execute_batch(&format!("{BEFORE_GOODS}{BEFORE_ANY_SCHEME}{BEFORE_LONG_HISTORIES}{undo}")).unwrap();
    let ledger = opened(&kit.dir, 9, limits::LEDGER_WAIT);
    let of_domain = Filter { domain: Some("shop.example".into()), limit: 9, ..Filter::default() };
    let page = ledger.page(of_domain).await.unwrap();
    assert_eq!((page.entries.len(), page.totals.held), (1, Usd::micros(10_000)));
    assert_eq!(ledger.audit().await.unwrap().violations, Vec::<String>::new());
}

#[tokio::test]
async fn a_ledger_of_one_scheme_becomes_one_of_any() {
    let kit = kit();
    if !kit.lies_in_a_file() {
        return;
    }
    let row = kit.pay(kit.draft()).await.row();
    kit.close(row, Standing::SETTLED_BY_WORD, Some(200)).await;
    let (before, spent) = (kit.ledger.authorization(row).await.unwrap(), kit.snapshot().await.used);
    kit.by_hand().execute_batch(&format!("{BEFORE_GOODS}{BEFORE_ANY_SCHEME}")).unwrap();
    let ledger = opened(&kit.dir, 9, limits::LEDGER_WAIT);
    assert_eq!(ledger.authorization(row).await.unwrap(), before);
    assert_eq!(kit.snapshot().await.used, spent, "what a payee was paid counts under its address");
    let searched = ledger.searched_to(kit.asset.account.clone()).await.unwrap();
    assert_eq!(searched, [(String::new(), 77)].into(), "every node was read as far as that");
    assert_eq!(ledger.audit().await.unwrap().violations, Vec::<String>::new());
    let fixed = kit.sql("UPDATE purchase SET usd = usd - 1");
    assert!(fixed.unwrap_err().contains("terms of an authorization are fixed"));
    let fixed = kit.sql("UPDATE signed SET authorization = json_remove(authorization, '$.scheme')");
    assert!(fixed.unwrap_err().contains("what was signed is fixed"));
}

#[tokio::test]
async fn what_was_spent_unseen_is_capped_until_the_owner_has_reviewed_it() {
    let mut kit = Kit { policy: reviewed_each("0.02"), ..kit() };
    let refused = kit.pay(kit.draft()).await.row();
    kit.pay(kit.draft()).await;
    assert_eq!(kit.says(kit.draft()).await, "refused over_since_review");
    kit.close(refused, Standing::HELD, None).await;
    kit.move_to(refused, Standing::LAPSED).await;
    assert_eq!(kit.says(kit.draft()).await, "recorded", "what never moved is not spent");
    assert_eq!(kit.says(kit.draft()).await, "refused over_since_review");
    kit.ledger.review(None, kit.now).await.unwrap();
    assert_eq!(kit.says(kit.draft()).await, "recorded");
    kit.ledger.adopt(0, kit.now.plus(Duration::from_secs(1))).await.unwrap();
    kit.now = kit.now.plus(Duration::from_secs(90 * 24 * HOUR));
    assert_eq!(kit.says(kit.draft()).await, "refused over_since_review", "what an adopted ledger saw is not known");
    kit.ledger.review(None, kit.now).await.unwrap();
    assert_eq!(kit.says(kit.draft()).await, "recorded");
}

/// What was entered in the log as held has lapsed since, and what was paid since is not entered yet.
#[tokio::test]
async fn the_cap_since_review_goes_by_what_is_so_and_not_by_what_was_entered() {
    let kit = Kit { policy: reviewed_each("0.03"), ..kit() };
    let lapsed = kit.pay(kit.draft()).await.row();
    kit.pay(kit.draft()).await;
    kit.ledger.page(Filter { limit: 9, ..Filter::default() }).await.unwrap();
    kit.close(lapsed, Standing::HELD, None).await;
    kit.move_to(lapsed, Standing::LAPSED).await;
    assert_eq!(kit.says(kit.draft()).await, "recorded");
    assert_eq!(kit.says(kit.draft()).await, "recorded");
    assert_eq!(kit.says(kit.draft()).await, "refused over_since_review");
}

#[tokio::test]
async fn drafts_that_share_a_commit_do_not_pass_the_cap_since_review_together() {
    let kit = Kit { policy: reviewed_each("0.03"), ..kit() };
    let drafts: Vec<Draft> = (0..8).map(|_| kit.draft()).collect();
    let said = kit.together(join_all(drafts.into_iter().map(|draft| kit.says(draft)))).await;
    assert_eq!(said.iter().filter(|word| *word == "recorded").count(), 3, "{said:?}");
}

#[tokio::test]
async fn what_is_bought_in_the_moment_of_a_review_is_not_reviewed() {
    let kit = kit();
    kit.pay(kit.draft()).await;
    kit.ledger.review(None, kit.now).await.unwrap();
    let next = kit.pay(kit.draft()).await.row();
    let since = Some(kit.ledger.unreviewed_since().await.unwrap());
    let page = kit.ledger.page(Filter { since, limit: 9, ..Filter::default() }).await.unwrap();
    assert_eq!(page.entries.iter().map(|entry| entry.row).collect::<Vec<_>>(), [next]);
}

fn reviewed_each(dollars: &str) -> Arc<Policy> {
    let open = OPEN.replacen("[wallet]", &format!("[wallet]\nsince_review = \"{dollars}\""), 1);
    Arc::new(Policy::parse("policy.toml", &format!("{open}above = \"none\"\n")).unwrap())
}

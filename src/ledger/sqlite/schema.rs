//! The tables, and how an empty file becomes a ledger.
//!
//! What must never happen is refused by the tables themselves: a second open purchase for one identity, an illegal move,
//! a change of terms after signing, a changed or deleted event.

use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, params};
use url::Url;

use super::super::LedgerError;
use crate::money::address_in_any_case;
use crate::policy::{registrable, site};
use crate::settlement::Standing;

/// Marks the file as ours: "BURS".
const APPLICATION_ID: i32 = 0x4255_5253;
/// From an empty file to the tables of today; a file's version says how many of these steps it has taken. A step that
/// was once on main is never changed: what comes next is another one.
const STEPS: [&str; 14] = [
    TABLES,
    LOG,
    BREAKERS,
    QUESTIONS_KEEP_THEIR_CHALLENGE,
    WINDOW,
    SEEN,
    WISHES_WITH_A_LONG_HISTORY,
    ANY_SCHEME,
    GOODS_ARE_JUDGED,
    SIGN_INS,
    LITTLE_TO_WRITE,
    LISTED_SOON,
    TOOLS_SEEN,
    MACHINES,
];
/// Of the tables of today.
pub const VERSION: i32 = STEPS.len() as i32;

const TABLES: &str = "
CREATE TABLE ledger (
    one            INTEGER PRIMARY KEY CHECK (one = 1),
    id             TEXT    NOT NULL,
    newest         INTEGER NOT NULL,           -- the ledger's time, ms: never goes back
    authorizations INTEGER NOT NULL DEFAULT 0, -- how many were ever recorded
    frozen_why     TEXT,
    adopted_at     INTEGER
) STRICT;

CREATE TABLE session (
    id     INTEGER PRIMARY KEY,
    agent  TEXT    NOT NULL,
    began  INTEGER NOT NULL,
    newest INTEGER NOT NULL                    -- its latest authorization
) STRICT;
CREATE INDEX session_by_agent ON session (agent, id);

CREATE TABLE purchase (
    row           INTEGER PRIMARY KEY,
    purchase_id   TEXT    NOT NULL,
    agent         TEXT    NOT NULL,
    identity      BLOB    NOT NULL,
    headers       BLOB    NOT NULL,            -- a fingerprint: repeats want the same ones
    parent        INTEGER UNIQUE REFERENCES purchase (row),
    at            INTEGER NOT NULL,
    method        TEXT    NOT NULL,
    url           TEXT    NOT NULL,
    domain        TEXT    NOT NULL,
    place         TEXT    NOT NULL,            -- origin and path, where prices are compared
    state         TEXT    NOT NULL CHECK (state IN ('free', 'needs_approval', 'denied', 'expired', 'refused',
                                                    'authorized', 'held', 'settled', 'lapsed')),
    proof         TEXT    NOT NULL DEFAULT 'none' CHECK (proof IN ('none', 'seller', 'chain')),
    open          INTEGER NOT NULL DEFAULT 0 CHECK (open IN (0, 1)),
    delivered     INTEGER NOT NULL DEFAULT 0 CHECK (delivered IN (0, 1)),
    handed        INTEGER NOT NULL DEFAULT 0 CHECK (handed IN (0, 1)),
    reasons       TEXT    NOT NULL DEFAULT '[]',
    policy        TEXT,
    -- the answer
    http_status   INTEGER,
    content_type  TEXT,
    final_url     TEXT,
    body_bytes    INTEGER,
    body_kept     INTEGER NOT NULL DEFAULT 0 CHECK (body_kept IN (0, 1)),
    answered_at   INTEGER,
    -- the money
    session       INTEGER REFERENCES session (id),
    budget_domain TEXT,
    counted_at    INTEGER,
    usd           INTEGER CHECK (usd >= 0),
    amount        TEXT,
    asset         TEXT,
    asset_address TEXT,
    network       TEXT,
    payee         TEXT,
    dialect       TEXT,
    scheme        TEXT,
    nonce         BLOB    UNIQUE,
    valid_before  INTEGER,
    settled_at    INTEGER,
    chain_tx      TEXT,
    -- presenting
    lease         TEXT,
    presents      INTEGER NOT NULL DEFAULT 0,
    UNIQUE (agent, purchase_id),
    CHECK ((state IN ('authorized', 'held', 'settled', 'lapsed')) = (nonce IS NOT NULL)),
    CHECK (open = 0 OR (nonce IS NOT NULL AND delivered = 0 AND state <> 'lapsed'))
) STRICT;
CREATE UNIQUE INDEX one_open ON purchase (identity) WHERE open = 1;
CREATE INDEX by_identity ON purchase (identity, row);
CREATE INDEX by_agent ON purchase (agent, row);
CREATE INDEX by_state ON purchase (state, row);
CREATE INDEX unproven ON purchase (row) WHERE nonce IS NOT NULL AND proof <> 'chain';
CREATE INDEX kept ON purchase (answered_at) WHERE body_kept = 1;

-- What was signed and may be presented. The request is erased when nothing can be resumed any more.
CREATE TABLE signed (
    purchase      INTEGER PRIMARY KEY REFERENCES purchase (row),
    authorization TEXT    NOT NULL,
    signature     TEXT    NOT NULL,
    header_name   TEXT    NOT NULL,
    header_value  TEXT    NOT NULL,
    request       TEXT
) STRICT;

-- What a person may ask about later.
CREATE TABLE detail (
    purchase INTEGER PRIMARY KEY REFERENCES purchase (row),
    client   TEXT,
    offers   TEXT,
    rules    TEXT,
    receipt  TEXT,
    evidence TEXT
) STRICT;

-- A question before the owner, with the exact terms a yes or no is for.
CREATE TABLE question (
    purchase    INTEGER NOT NULL REFERENCES purchase (row),
    terms       TEXT    NOT NULL,
    asked_at    INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    answer      TEXT CHECK (answer IN ('approved', 'denied')),
    answered_by TEXT CHECK (answered_by IN ('owner', 'host')),
    answered_at INTEGER,
    valid_until INTEGER,
    used        INTEGER NOT NULL DEFAULT 0 CHECK (used IN (0, 1)),
    PRIMARY KEY (purchase, terms)              -- a no stays beside what is asked later
) STRICT;

-- A cache that an audit derives anew: what counts, by scope and stretch of time.
CREATE TABLE bucket (
    scope    TEXT    NOT NULL,
    window   TEXT    NOT NULL,
    start    INTEGER NOT NULL,
    counted  INTEGER NOT NULL CHECK (counted >= 0),
    held     INTEGER NOT NULL CHECK (held BETWEEN 0 AND counted),
    payments INTEGER NOT NULL CHECK (payments >= 0),
    PRIMARY KEY (scope, window, start)
) STRICT, WITHOUT ROWID;

CREATE TABLE seller_payee (
    origin TEXT    NOT NULL,
    payee  TEXT    NOT NULL,
    since  INTEGER NOT NULL,
    PRIMARY KEY (origin, payee)
) STRICT, WITHOUT ROWID;

CREATE TABLE price (
    place  TEXT    NOT NULL,
    day    INTEGER NOT NULL,
    lowest INTEGER NOT NULL,
    PRIMARY KEY (place, day)
) STRICT, WITHOUT ROWID;

-- Refusals past the listed ones, counted by agent and minute.
CREATE TABLE unlisted (
    agent    TEXT    NOT NULL,
    minute   INTEGER NOT NULL,
    refusals INTEGER NOT NULL,
    PRIMARY KEY (agent, minute)
) STRICT, WITHOUT ROWID;

-- How far the chains were searched for payments that no row explains.
CREATE TABLE searched (
    network TEXT    NOT NULL,
    asset   TEXT    NOT NULL,
    block   INTEGER NOT NULL,
    PRIMARY KEY (network, asset)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    id       INTEGER PRIMARY KEY,
    purchase INTEGER REFERENCES purchase (row),
    at       INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    detail   TEXT    NOT NULL,
    hash     BLOB    NOT NULL                  -- over the one before it and this one's fields
) STRICT;
CREATE INDEX event_by_purchase ON event (purchase, id);
CREATE TRIGGER events_stay BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_remain BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

CREATE TRIGGER purchases_remain BEFORE DELETE ON purchase
BEGIN SELECT RAISE(ABORT, 'purchases are never deleted'); END;

CREATE TRIGGER terms_are_fixed BEFORE UPDATE ON purchase
WHEN OLD.nonce IS NOT NULL AND
     (OLD.purchase_id, OLD.agent, OLD.identity, OLD.usd, OLD.amount, OLD.asset_address, OLD.network, OLD.payee,
      OLD.nonce, OLD.valid_before, OLD.counted_at, OLD.session, OLD.budget_domain)
  IS NOT
     (NEW.purchase_id, NEW.agent, NEW.identity, NEW.usd, NEW.amount, NEW.asset_address, NEW.network, NEW.payee,
      NEW.nonce, NEW.valid_before, NEW.counted_at, NEW.session, NEW.budget_domain)
BEGIN SELECT RAISE(ABORT, 'the terms of an authorization are fixed'); END;

CREATE TRIGGER what_was_signed_is_fixed BEFORE UPDATE ON signed
WHEN (OLD.authorization, OLD.signature, OLD.header_name, OLD.header_value)
  IS NOT (NEW.authorization, NEW.signature, NEW.header_name, NEW.header_value)
BEGIN SELECT RAISE(ABORT, 'what was signed is fixed'); END;
CREATE TRIGGER what_was_signed_remains BEFORE DELETE ON signed
BEGIN SELECT RAISE(ABORT, 'what was signed is fixed'); END;

CREATE TABLE legal_move (
    state TEXT NOT NULL, proof TEXT NOT NULL, next_state TEXT NOT NULL, next_proof TEXT NOT NULL,
    PRIMARY KEY (state, proof, next_state, next_proof)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER legal_moves_only BEFORE UPDATE OF state, proof ON purchase
WHEN OLD.nonce IS NOT NULL AND (OLD.state, OLD.proof) IS NOT (NEW.state, NEW.proof)
 AND NOT EXISTS (SELECT 1 FROM legal_move
                  WHERE (state, proof, next_state, next_proof) = (OLD.state, OLD.proof, NEW.state, NEW.proof))
BEGIN SELECT RAISE(ABORT, 'a purchase does not move that way'); END;
CREATE TRIGGER money_begins_authorized BEFORE UPDATE OF nonce ON purchase
WHEN OLD.nonce IS NULL AND NEW.nonce IS NOT NULL AND NEW.state <> 'authorized'
BEGIN SELECT RAISE(ABORT, 'money begins as an authorization'); END;
";

/// The log in the order of time, whatever it is filtered by, and added up; how far the owner has read it.
const LOG: &str = "
ALTER TABLE purchase ADD COLUMN site TEXT NOT NULL DEFAULT '';  -- the registrable domain of its host
ALTER TABLE ledger ADD COLUMN reviewed_to INTEGER NOT NULL DEFAULT 0; -- purchases up to here were seen by the owner
ALTER TABLE ledger ADD COLUMN told INTEGER NOT NULL DEFAULT 0;  -- news up to this event was shown on the desktop

DROP INDEX by_agent;
DROP INDEX by_state;
CREATE INDEX by_at ON purchase (at, agent, state, usd);
CREATE INDEX by_agent ON purchase (agent, at);
CREATE INDEX by_state ON purchase (state, at);
CREATE INDEX by_agent_state ON purchase (agent, state, at);
CREATE INDEX by_site ON purchase (site, at, domain, agent, state, usd);
CREATE INDEX by_session ON purchase (session, at) WHERE session IS NOT NULL;
CREATE INDEX by_purchase_id ON purchase (purchase_id);
CREATE INDEX event_by_kind ON event (kind, id);
CREATE INDEX question_by_expiry ON question (expires_at);

CREATE TRIGGER its_time_is_fixed BEFORE UPDATE OF at ON purchase WHEN OLD.nonce IS NOT NULL AND NEW.at IS NOT OLD.at
BEGIN SELECT RAISE(ABORT, 'the time of an authorization is fixed'); END;

-- A cache that an audit derives anew: purchases by day, agent and state. Only money has dollars: what a seller merely
-- asked for adds up to nothing.
CREATE TABLE tally (
    day       INTEGER NOT NULL,
    agent     TEXT    NOT NULL,
    state     TEXT    NOT NULL,
    purchases INTEGER NOT NULL CHECK (purchases >= 0),
    usd       INTEGER NOT NULL CHECK (usd >= 0),
    PRIMARY KEY (day, agent, state)
) STRICT, WITHOUT ROWID;
INSERT INTO tally SELECT at / 86400000, agent, state, count(*), coalesce(sum(usd) FILTER (WHERE nonce IS NOT NULL), 0)
  FROM purchase GROUP BY 1, 2, 3;
CREATE TRIGGER tally_begins AFTER INSERT ON purchase BEGIN
    INSERT INTO tally
    VALUES (NEW.at / 86400000, NEW.agent, NEW.state, 1, CASE WHEN NEW.nonce IS NULL THEN 0 ELSE NEW.usd END)
    ON CONFLICT DO UPDATE SET purchases = purchases + 1, usd = usd + excluded.usd;
END;
CREATE TRIGGER tally_follows AFTER UPDATE OF at, agent, state, usd, nonce ON purchase BEGIN
    UPDATE tally SET purchases = purchases - 1, usd = usd - CASE WHEN OLD.nonce IS NULL THEN 0 ELSE OLD.usd END
     WHERE (day, agent, state) = (OLD.at / 86400000, OLD.agent, OLD.state);
    INSERT INTO tally
    VALUES (NEW.at / 86400000, NEW.agent, NEW.state, 1, CASE WHEN NEW.nonce IS NULL THEN 0 ELSE NEW.usd END)
    ON CONFLICT DO UPDATE SET purchases = purchases + 1, usd = usd + excluded.usd;
END;
";

/// What the rules that stop what goes wrong look at.
const BREAKERS: &str = "
ALTER TABLE unlisted RENAME TO refusals;       -- all of an agent's, by the minute; the first ones are listed too
CREATE INDEX undelivered ON purchase (budget_domain, counted_at) WHERE delivered = 0 AND state IN ('held', 'settled');
";

/// What a question is about, and whether somebody has seen it.
const QUESTIONS_KEEP_THEIR_CHALLENGE: &str = "
ALTER TABLE question ADD COLUMN challenge TEXT;    -- what is paid after a yes; erased when that cannot be any more
ALTER TABLE question ADD COLUMN heard_at INTEGER;  -- when the challenge arrived
ALTER TABLE question ADD COLUMN shown_at INTEGER;  -- when a person was last shown it
CREATE INDEX challenge_by_age ON question (heard_at) WHERE challenge IS NOT NULL;
";

/// For the owner's window: by price, and whose session is running.
const WINDOW: &str = "
CREATE INDEX by_price ON purchase (usd) WHERE usd IS NOT NULL;
CREATE INDEX running ON session (newest);
";

/// What nodes have seen is a proof of its own. A check is changed where it is written, as SQLite's documentation has it:
/// what is in the rows stays, and every old row fits the wider check.
const SEEN: &str = "
PRAGMA writable_schema = ON;
UPDATE sqlite_schema
   SET sql = replace(sql, 'proof IN (''none'', ''seller'', ''chain'')', 'proof IN (''none'', ''seller'', ''seen'', ''chain'')')
 WHERE type = 'table' AND name = 'purchase';
PRAGMA writable_schema = RESET;
";

/// What is asked of a wish is found without walking what became of it before. A question knows its wish and what a no
/// to it stands for, a payee is remembered by the registrable domain it was paid at, and free answers are counted.
const WISHES_WITH_A_LONG_HISTORY: &str = "
DROP INDEX by_identity;
CREATE INDEX waiting ON purchase (identity, row) WHERE state = 'needs_approval';
CREATE INDEX goods ON purchase (identity, headers, answered_at, row) WHERE delivered = 1 AND nonce IS NOT NULL;

ALTER TABLE question ADD COLUMN identity BLOB;
ALTER TABLE question ADD COLUMN scheme TEXT;
ALTER TABLE question ADD COLUMN network TEXT;
ALTER TABLE question ADD COLUMN asset TEXT;
ALTER TABLE question ADD COLUMN amount TEXT;
UPDATE question SET identity = (SELECT identity FROM purchase WHERE row = purchase);
CREATE INDEX question_approved ON question (identity, valid_until) WHERE answer = 'approved' AND used = 0;
CREATE INDEX question_denied ON question (identity, answered_at) WHERE answer = 'denied';
CREATE INDEX question_shown ON question (identity, shown_at) WHERE shown_at IS NOT NULL;
CREATE INDEX question_keeping ON question (purchase) WHERE challenge IS NOT NULL;

ALTER TABLE seller_payee RENAME COLUMN origin TO site;

CREATE TABLE free_answers (
    agent   TEXT    NOT NULL,
    minute  INTEGER NOT NULL,
    answers INTEGER NOT NULL,
    PRIMARY KEY (agent, minute)
) STRICT, WITHOUT ROWID;
";

/// An authorization of whatever scheme: it has a handle and an end, and may take less than the most. What was signed is
/// a document that names its scheme. Each node is searched for unexplained money as far as it goes.
const ANY_SCHEME: &str = "
ALTER TABLE purchase RENAME COLUMN nonce TO handle;
ALTER TABLE purchase RENAME COLUMN valid_before TO ends;
ALTER TABLE purchase ADD COLUMN taken TEXT;        -- what the chain proved was taken, where that is less than the amount
ALTER TABLE purchase ADD COLUMN given_back INTEGER NOT NULL DEFAULT 0 CHECK (given_back >= 0); -- by as much less it counts

DROP TRIGGER terms_are_fixed;
CREATE TRIGGER terms_are_fixed BEFORE UPDATE ON purchase
WHEN OLD.handle IS NOT NULL AND
     (OLD.purchase_id, OLD.agent, OLD.identity, OLD.usd + OLD.given_back, OLD.amount, OLD.asset_address, OLD.network,
      OLD.payee, OLD.dialect, OLD.scheme, OLD.handle, OLD.ends, OLD.counted_at, OLD.session, OLD.budget_domain)
  IS NOT
     (NEW.purchase_id, NEW.agent, NEW.identity, NEW.usd + NEW.given_back, NEW.amount, NEW.asset_address, NEW.network,
      NEW.payee, NEW.dialect, NEW.scheme, NEW.handle, NEW.ends, NEW.counted_at, NEW.session, NEW.budget_domain)
BEGIN SELECT RAISE(ABORT, 'the terms of an authorization are fixed'); END;
CREATE TRIGGER what_was_taken_is_proven BEFORE UPDATE OF taken, given_back ON purchase
WHEN (OLD.taken, OLD.given_back) IS NOT (NEW.taken, NEW.given_back)
 AND (OLD.taken IS NOT NULL OR (NEW.state, NEW.proof) <> ('settled', 'chain'))
BEGIN SELECT RAISE(ABORT, 'what was taken is what final blocks say'); END;

DROP TRIGGER what_was_signed_is_fixed;
UPDATE signed SET authorization = json_insert(authorization, '$.scheme', 'eip3009');
CREATE TRIGGER what_was_signed_is_fixed BEFORE UPDATE ON signed
WHEN (OLD.authorization, OLD.signature, OLD.header_name, OLD.header_value)
  IS NOT (NEW.authorization, NEW.signature, NEW.header_name, NEW.header_value)
BEGIN SELECT RAISE(ABORT, 'what was signed is fixed'); END;

ALTER TABLE searched RENAME TO searched_by_all;
CREATE TABLE searched (
    network TEXT    NOT NULL,
    asset   TEXT    NOT NULL,
    node    TEXT    NOT NULL,                  -- its host; of before nodes were told apart, nothing
    block   INTEGER NOT NULL,
    PRIMARY KEY (network, asset, node)
) STRICT, WITHOUT ROWID;
INSERT INTO searched SELECT network, asset, '', block FROM searched_by_all;
DROP TABLE searched_by_all;
";

/// What came for the money, and what is known of each seller. What came before there was a judgement was not judged; a
/// receipt that an alarm was raised about lied then as it does now.
const GOODS_ARE_JUDGED: &str = "
ALTER TABLE purchase ADD COLUMN named_type TEXT;   -- the media type that the offer named
ALTER TABLE purchase ADD COLUMN goods TEXT NOT NULL DEFAULT 'not_judged'
    CHECK (goods IN ('not_judged', 'fine', 'empty', 'error_page', 'other_type'));
ALTER TABLE purchase ADD COLUMN lied INTEGER NOT NULL DEFAULT 0 CHECK (lied IN (0, 1)); -- the seller's receipt is not true
UPDATE purchase SET lied = 1 WHERE row IN (
    SELECT e.purchase FROM event e JOIN detail d ON d.purchase = e.purchase
     WHERE e.kind = 'alarm' AND d.receipt ->> 'success'
       AND (e.detail ->> 'message' GLOB 'the seller''s receipt names another *'
            OR e.detail ->> 'message' GLOB 'the seller or a node said that the money was taken, and it never was*'));

-- Goods that were empty or an error are as good as none.
DROP INDEX undelivered;
CREATE INDEX undelivered ON purchase (budget_domain, counted_at)
 WHERE (delivered = 0 OR goods IN ('empty', 'error_page')) AND state IN ('held', 'settled');
CREATE INDEX by_seller ON purchase (site, at, state, delivered, goods, lied, usd)
 WHERE state IN ('authorized', 'held', 'settled', 'lapsed');
";

/// Who the wallet said it was, and to whom. What was paid for and may be had again is found by its wish.
const SIGN_INS: &str = "
CREATE TABLE sign_in (
    id        INTEGER PRIMARY KEY,
    purchase  INTEGER NOT NULL REFERENCES purchase (row), -- of the call that it was made for
    agent     TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    origin    TEXT    NOT NULL,
    message   TEXT    NOT NULL,                           -- what was signed, byte for byte
    signature TEXT    NOT NULL
) STRICT;
CREATE INDEX sign_in_by_agent ON sign_in (agent, at);
CREATE TRIGGER sign_ins_stay BEFORE UPDATE ON sign_in BEGIN SELECT RAISE(ABORT, 'sign-ins are append-only'); END;
CREATE TRIGGER sign_ins_remain BEFORE DELETE ON sign_in BEGIN SELECT RAISE(ABORT, 'sign-ins are append-only'); END;

CREATE INDEX bought ON purchase (identity, row) WHERE state = 'settled';
";

/// A purchase touches few pages: what closing changes stands in its row, a small body lies beside it, and an index is
/// there for a question that is asked often or would walk all there is. What is asked of one agent's purchases in one
/// state goes by the state, and of an id by the agents there are; of events only news is asked by kind.
const LITTLE_TO_WRITE: &str = "
CREATE TABLE body (
    purchase INTEGER PRIMARY KEY REFERENCES purchase (row),
    bytes    BLOB    NOT NULL
) STRICT;

ALTER TABLE purchase ADD COLUMN request TEXT;      -- for presenting once more; erased when that cannot be any more
ALTER TABLE purchase ADD COLUMN receipt TEXT;      -- what the seller says of the payment
UPDATE purchase SET request = (SELECT request FROM signed WHERE purchase = row)
 WHERE row IN (SELECT purchase FROM signed WHERE request IS NOT NULL);
UPDATE purchase SET receipt = (SELECT receipt FROM detail WHERE purchase = row)
 WHERE row IN (SELECT purchase FROM detail WHERE receipt IS NOT NULL);
ALTER TABLE signed DROP COLUMN request;
ALTER TABLE detail DROP COLUMN receipt;

DROP INDEX kept;
DROP INDEX running;
DROP INDEX by_purchase_id;
DROP INDEX by_agent_state;
DROP INDEX by_at;
CREATE INDEX by_at ON purchase (at);
DROP INDEX by_seller;
DROP INDEX by_site;
CREATE INDEX by_site ON purchase (site, at, domain, agent, state, usd, delivered, goods, lied);
DROP INDEX event_by_kind;
CREATE INDEX news ON event (kind, id)
 WHERE kind = 'alarm' OR kind = 'breaker' OR kind = 'notice' OR kind = 'owner' OR kind = 'signed_in';
";

/// The log's indexes and sums are kept over a table of their own that follows the purchases some at a time: a purchase
/// on its way notes only that it is to be entered anew. What is asked of the purchases that are not proven yet, and of
/// what was bought, takes those that wait to be entered along.
const LISTED_SOON: &str = "
CREATE TABLE unlisted (
    row INTEGER PRIMARY KEY                    -- of a purchase that changed since it was entered, or never was
) STRICT;
CREATE TABLE listed (
    row       INTEGER PRIMARY KEY REFERENCES purchase (row),
    at        INTEGER NOT NULL,
    agent     TEXT    NOT NULL,
    state     TEXT    NOT NULL,
    site      TEXT    NOT NULL,
    domain    TEXT    NOT NULL,
    session   INTEGER,
    usd       INTEGER,
    is_money  INTEGER NOT NULL,                -- there is an authorization
    is_proven INTEGER NOT NULL,                -- by the chain
    delivered INTEGER NOT NULL,
    goods     TEXT    NOT NULL,
    lied      INTEGER NOT NULL,
    identity  BLOB    NOT NULL
) STRICT;

DROP INDEX by_at;
DROP INDEX by_agent;
DROP INDEX by_state;
DROP INDEX by_site;
DROP INDEX by_session;
DROP INDEX by_price;
DROP INDEX bought;
DROP INDEX unproven;
DROP TRIGGER tally_begins;
DROP TRIGGER tally_follows;
INSERT INTO listed SELECT row, at, agent, state, site, domain, session, usd, handle IS NOT NULL, proof = 'chain',
    delivered, goods, lied, identity FROM purchase;
DELETE FROM tally;
INSERT INTO tally SELECT at / 86400000, agent, state, count(*), coalesce(sum(usd * is_money), 0) FROM listed
 GROUP BY 1, 2, 3;

CREATE INDEX by_at ON listed (at);
CREATE INDEX by_agent ON listed (agent, at);
CREATE INDEX by_state ON listed (state, at);
CREATE INDEX by_site ON listed (site, at, domain, agent, state, usd, delivered, goods, lied);
CREATE INDEX by_session ON listed (session, at) WHERE session IS NOT NULL;
CREATE INDEX by_price ON listed (usd) WHERE usd IS NOT NULL;
CREATE INDEX bought ON listed (identity, row) WHERE state = 'settled';
CREATE INDEX doubtful ON listed (row) WHERE is_money = 1 AND is_proven = 0;

CREATE TRIGGER tally_begins AFTER INSERT ON listed BEGIN
    INSERT INTO tally VALUES (NEW.at / 86400000, NEW.agent, NEW.state, 1, coalesce(NEW.usd * NEW.is_money, 0))
    ON CONFLICT DO UPDATE SET purchases = purchases + 1, usd = usd + excluded.usd;
END;
CREATE TRIGGER tally_follows AFTER UPDATE OF at, agent, state, usd, is_money ON listed BEGIN
    UPDATE tally SET purchases = purchases - 1, usd = usd - coalesce(OLD.usd * OLD.is_money, 0)
     WHERE (day, agent, state) = (OLD.at / 86400000, OLD.agent, OLD.state);
    INSERT INTO tally VALUES (NEW.at / 86400000, NEW.agent, NEW.state, 1, coalesce(NEW.usd * NEW.is_money, 0))
    ON CONFLICT DO UPDATE SET purchases = purchases + 1, usd = usd + excluded.usd;
END;
CREATE TRIGGER a_purchase_begins AFTER INSERT ON purchase BEGIN
    INSERT INTO unlisted VALUES (NEW.row) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER a_purchase_changes
AFTER UPDATE OF at, agent, state, proof, site, domain, session, usd, handle, delivered, goods, lied ON purchase BEGIN
    INSERT INTO unlisted VALUES (NEW.row) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER money_is_new BEFORE INSERT ON purchase WHEN NEW.handle IS NOT NULL AND NEW.state <> 'authorized'
BEGIN SELECT RAISE(ABORT, 'money begins as an authorization'); END;

-- Few purchases buy another one again, and those that do not need no place in its index. As with a check, what belongs to
-- a constraint is changed where it is written: the index that was the constraint's becomes one that can be dropped.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'parent        INTEGER UNIQUE REFERENCES', 'parent        INTEGER REFERENCES')
 WHERE type = 'table' AND name = 'purchase';
UPDATE sqlite_schema SET name = 'every_parent', sql = 'CREATE UNIQUE INDEX every_parent ON purchase (parent)'
 WHERE name = 'sqlite_autoindex_purchase_1';
UPDATE sqlite_schema SET name = 'sqlite_autoindex_purchase_1' WHERE name = 'sqlite_autoindex_purchase_2';
UPDATE sqlite_schema SET name = 'sqlite_autoindex_purchase_2' WHERE name = 'sqlite_autoindex_purchase_3';
PRAGMA writable_schema = RESET;
DROP INDEX every_parent;
CREATE UNIQUE INDEX one_child ON purchase (parent) WHERE parent IS NOT NULL;

-- What the chain has not proven yet, as it stands now.
CREATE VIEW unproven AS
SELECT purchase.* FROM (SELECT row AS candidate FROM listed
                         WHERE is_money = 1 AND is_proven = 0 AND row NOT IN (SELECT row FROM unlisted)
                        UNION ALL SELECT row FROM unlisted)
  CROSS JOIN purchase ON row = candidate WHERE handle IS NOT NULL AND proof <> 'chain';
";

const TOOLS_SEEN: &str = "
-- What tools of MCP servers say of themselves: as they were first listed, or as they were when one was last paid for; and
-- what they say now, where that is something else.
CREATE TABLE tool_seen (
    place       TEXT    NOT NULL PRIMARY KEY,  -- its server, and its name
    server      TEXT    NOT NULL,
    words       BLOB    NOT NULL,              -- a fingerprint of all it says
    description TEXT    NOT NULL,              -- for people who ask what it was
    since       INTEGER NOT NULL,
    other_words       BLOB,
    other_description TEXT,
    changed_at        INTEGER,
    CHECK ((other_words IS NULL) = (changed_at IS NULL) AND (other_words IS NULL) = (other_description IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX tools_of_server ON tool_seen (server);
";

/// Which machine made a purchase: nothing where the ledger is of one machine, as it is in a file that was never moved.
const MACHINES: &str = "ALTER TABLE purchase ADD COLUMN machine TEXT NOT NULL DEFAULT '';";

/// How long somebody else may be in the way, before it is said that they are.
pub const BUSY: Duration = Duration::from_millis(250);

/// Brings a connection into the shape every connection of ours has.
pub fn configure(conn: &Connection) -> Result<(), LedgerError> {
    conn.busy_timeout(BUSY)?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "fullfsync", true)?;
    conn.pragma_update(None, "checkpoint_fullfsync", true)?;
    // Whoever writes folds the journal in, and hears of it when that fails.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    // What is erased is overwritten, not only let go of.
    conn.pragma_update(None, "secure_delete", true)?;
    // What a savepoint may have to undo is kept in memory: not in a file in a folder of everybody's, page by page.
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    // Plans do not depend on what is bound: else those that could use an index of some rows are prepared anew each time.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // A cached statement costs microseconds; preparing the same dozen anew for each purchase does not.
    conn.set_prepared_statement_cache_capacity(128);
    Ok(())
}

/// Whether a file has the tables of today, and nothing newer has changed them.
pub fn check(conn: &Connection) -> Result<(), LedgerError> {
    match version(conn)? {
        VERSION => Ok(()),
        _ => Err(LedgerError::Damaged("the file does not have the tables of today".to_owned())),
    }
}

/// The version of a ledger's tables, where this program can read them.
pub fn version(conn: &Connection) -> Result<i32, LedgerError> {
    match marks(conn)? {
        (found, APPLICATION_ID) if found > VERSION => Err(LedgerError::Newer { found, known: VERSION }),
        (version @ 1.., APPLICATION_ID) => Ok(version),
        _ => Err(LedgerError::Damaged("the file is not a ledger of bursar's".to_owned())),
    }
}

/// What a file says of its tables: their version, and whose they are. It is asked in each write.
fn marks(conn: &Connection) -> Result<(i32, i32), LedgerError> {
    let mark = |sql| conn.prepare_cached(sql)?.query_row([], |row| row.get(0));
    Ok((mark("PRAGMA user_version")?, mark("PRAGMA application_id")?))
}

/// Makes the tables in an empty file, or checks that the file is a ledger this program can read.
pub fn prepare(conn: &mut Connection, new_id: &str, now_millis: i64) -> Result<(), LedgerError> {
    conn.pragma_update(None, "journal_mode", "WAL")?;
    let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let marks = marks(&tx)?;
    let tables: i64 = tx.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match marks {
        (VERSION, APPLICATION_ID) => {}
        (0, 0) if tables == 0 => begin(&tx, new_id, now_millis)?,
        (taken, APPLICATION_ID) if (1..VERSION).contains(&taken) => migrate(&tx, taken as usize)?,
        (found, APPLICATION_ID) if found > VERSION => return Err(LedgerError::Newer { found, known: VERSION }),
        _ => return Err(LedgerError::Damaged("the file is a database, but not a ledger of bursar's".to_owned())),
    }
    tx.commit()?;
    Ok(())
}

fn begin(conn: &Connection, id: &str, now_millis: i64) -> Result<(), LedgerError> {
    migrate(conn, 0)?;
    conn.execute("INSERT INTO ledger (one, id, newest) VALUES (1, ?1, ?2)", params![id, now_millis])?;
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    Ok(())
}

/// Takes the steps a file has not taken yet.
fn migrate(conn: &Connection, taken: usize) -> Result<(), LedgerError> {
    for step in &STEPS[taken..] {
        conn.execute_batch(step)?;
    }
    for (from, to) in Standing::MOVES {
        conn.execute(
            "INSERT OR IGNORE INTO legal_move VALUES (?1, ?2, ?3, ?4)",
            params![from.state.as_str(), from.proof.as_str(), to.state.as_str(), to.proof.as_str()],
        )?;
    }
    name_sites(conn)?;
    name_payees_sites(conn)?;
    spell_payees(conn)?;
    conn.pragma_update(None, "user_version", VERSION)?;
    Ok(())
}

/// Rows of before there was a column for it: what is registrable, no SQL knows.
fn name_sites(conn: &Connection) -> Result<(), LedgerError> {
    let mut query = conn.prepare("SELECT DISTINCT domain FROM purchase WHERE site = ''")?;
    let domains = query.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    for domain in domains {
        let site = registrable(domain.trim_end_matches('.'));
        conn.execute("UPDATE purchase SET site = ?2 WHERE domain = ?1 AND site = ''", params![domain, site])?;
    }
    Ok(())
}

/// Budgets of payees stand under their address as its rail spells it.
fn spell_payees(conn: &Connection) -> Result<(), LedgerError> {
    let mut query = conn.prepare("SELECT DISTINCT scope FROM bucket WHERE scope LIKE 'payee 0x%'")?;
    let scopes = query.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    for scope in scopes {
        if let Some(address) = scope.strip_prefix("payee ").and_then(address_in_any_case) {
            let params = params![scope, format!("payee {address}")];
            conn.execute("UPDATE bucket SET scope = ?2 WHERE scope = ?1", params)?;
        }
    }
    Ok(())
}

/// Payees that were remembered by origin: their registrable domain takes its place.
fn name_payees_sites(conn: &Connection) -> Result<(), LedgerError> {
    let mut query = conn.prepare("SELECT site, payee, since FROM seller_payee WHERE site LIKE '%://%'")?;
    let remembered = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    for (origin, payee, since) in remembered.collect::<Result<Vec<(String, String, i64)>, _>>()? {
        let url = Url::parse(&origin).map_err(super::super::damaged)?;
        conn.execute(
            "INSERT OR IGNORE INTO seller_payee (site, payee, since) VALUES (?1, ?2, ?3)",
            params![site(&url), payee, since],
        )?;
    }
    conn.execute("DELETE FROM seller_payee WHERE site LIKE '%://%'", [])?;
    Ok(())
}

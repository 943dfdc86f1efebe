-- The tables of a wallet in PostgreSQL (14 or newer): one wallet is one schema, and this makes it, in one transaction
-- whose search_path is that schema. It is never named here.
--
-- They have the shape of the SQLite ledger, table by table, so that the same statements run on both. Numbers and flags
-- are BIGINT, because statements say `open = 1`; texts are compared byte by byte, as SQLite does.
--
-- What must never happen is refused by the tables themselves, with BU001: a second open purchase for one identity, an
-- illegal move, a change of terms after signing, a changed or deleted event. Who may do what is in roles.sql.
--
-- A condition of a trigger is read anew for each statement, and a long one costs more than a function that is compiled
-- once: conditions are short, and what compares many columns is a function. Each function finds the tables of its own
-- schema, whatever whoever calls it has put in the way: temporary tables, which come first elsewhere, come last.

SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- What SQLite calls otherwise. Nothing is known of what is compared with nothing.

CREATE FUNCTION max(a BIGINT, b BIGINT) RETURNS BIGINT LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN a IS NOT NULL AND b IS NOT NULL THEN greatest(a, b) END;

CREATE FUNCTION min(a BIGINT, b BIGINT) RETURNS BIGINT LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN a IS NOT NULL AND b IS NOT NULL THEN least(a, b) END;

CREATE FUNCTION instr(hay TEXT, needle TEXT) RETURNS BIGINT LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN strpos(hay, needle)::BIGINT;

CREATE FUNCTION iif(is_so BOOLEAN, then_this anycompatible, else_this anycompatible) RETURNS anycompatible
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT CASE WHEN $1 THEN $2 ELSE $3 END $$;

-- Always a text, where SQLite answers with a number for a number.
CREATE FUNCTION json_text(document TEXT, name TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN document::json ->> name;
CREATE OPERATOR ->> (LEFTARG = TEXT, RIGHTARG = TEXT, FUNCTION = json_text);

-- The database's own clock, in ms. What now() says is when the transaction began, before it waited for its turn.
CREATE FUNCTION clock_ms() RETURNS BIGINT LANGUAGE sql VOLATILE
RETURN floor(date_part('epoch', clock_timestamp()) * 1000)::BIGINT;

-- The beginning of the stretch that a moment lies in, also before 1970.
CREATE FUNCTION floor_to(moment BIGINT, width BIGINT) RETURNS BIGINT LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN moment - ((moment % width) + width) % width;

-- Says no, with the words of the trigger that asked.
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'BU001';
END $$;

-- The one row that says which ledger this is. Whoever writes changes it first, and so holds it: one at a time. It has its
-- page to itself, so that all of its changes stay there.
CREATE TABLE ledger (
    one            BIGINT PRIMARY KEY CHECK (one = 1),
    id             TEXT   COLLATE "C" NOT NULL,
    newest         BIGINT NOT NULL,            -- the ledger's time, ms: never goes back
    authorizations BIGINT NOT NULL DEFAULT 0,  -- how many were ever recorded
    frozen_why     TEXT   COLLATE "C",
    adopted_at     BIGINT,
    reviewed_to    BIGINT NOT NULL DEFAULT 0,  -- purchases up to here were seen by the owner
    told           BIGINT NOT NULL DEFAULT 0,  -- news up to this event was shown on the desktop
    seq            BIGINT NOT NULL DEFAULT 0,  -- how many transactions have written
    version        BIGINT NOT NULL DEFAULT 1,  -- of these tables
    moved_to       TEXT   COLLATE "C"          -- where it is now: nothing is written here any more
) WITH (fillfactor = 50);
CREATE TRIGGER a_moved_ledger_is_over BEFORE UPDATE OF seq ON ledger FOR EACH ROW WHEN (OLD.moved_to IS NOT NULL)
EXECUTE FUNCTION refuse('this ledger was moved');
CREATE TRIGGER ledgers_go_forward BEFORE UPDATE OF newest, authorizations, seq ON ledger FOR EACH ROW
WHEN (NEW.newest < OLD.newest OR NEW.authorizations < OLD.authorizations OR NEW.seq < OLD.seq)
EXECUTE FUNCTION refuse('a ledger only goes forward');

-- Processes that live. A COMMIT whose answer was lost is settled by the mark: it stands here if that batch does.
CREATE TABLE holder (
    name    TEXT   COLLATE "C" PRIMARY KEY,
    machine TEXT   COLLATE "C" NOT NULL,
    mark    TEXT   COLLATE "C",                -- the last batch that it committed
    beats   BIGINT NOT NULL                    -- one more now and then, while it lives
) WITH (fillfactor = 50);

-- What the owner says to all machines: the policy in force, and what proves the owner.
CREATE TABLE owner_word (
    name  TEXT   COLLATE "C" PRIMARY KEY,
    value TEXT   COLLATE "C" NOT NULL,
    at    BIGINT NOT NULL
);

CREATE TABLE session (
    id     BIGINT PRIMARY KEY,                 -- one more than the last one's
    agent  TEXT   COLLATE "C" NOT NULL,
    began  BIGINT NOT NULL,
    newest BIGINT NOT NULL                     -- its latest authorization
) WITH (fillfactor = 80);
CREATE INDEX session_by_agent ON session (agent, id);

-- Every purchase there was, whatever it came to.
CREATE TABLE purchase (
    "row"         BIGINT PRIMARY KEY,          -- one more than the last one's
    purchase_id   TEXT   COLLATE "C" NOT NULL,
    agent         TEXT   COLLATE "C" NOT NULL,
    identity      BYTEA  NOT NULL,
    headers       BYTEA  NOT NULL,             -- a fingerprint: repeats want the same ones
    parent        BIGINT REFERENCES purchase ("row"),
    at            BIGINT NOT NULL,
    method        TEXT   COLLATE "C" NOT NULL,
    url           TEXT   COLLATE "C" NOT NULL,
    domain        TEXT   COLLATE "C" NOT NULL,
    place         TEXT   COLLATE "C" NOT NULL, -- origin and path, where prices are compared
    state         TEXT   COLLATE "C" NOT NULL,
    proof         TEXT   COLLATE "C" NOT NULL DEFAULT 'none' CHECK (proof IN ('none', 'seller', 'seen', 'chain')),
    open          BIGINT NOT NULL DEFAULT 0,
    delivered     BIGINT NOT NULL DEFAULT 0,
    handed        BIGINT NOT NULL DEFAULT 0,
    reasons       TEXT   COLLATE "C" NOT NULL DEFAULT '[]',
    policy        TEXT   COLLATE "C",
    -- the answer
    http_status   BIGINT,
    content_type  TEXT   COLLATE "C",
    final_url     TEXT   COLLATE "C",
    body_bytes    BIGINT,
    body_kept     BIGINT NOT NULL DEFAULT 0,
    answered_at   BIGINT,
    -- the money
    session       BIGINT REFERENCES session (id),
    budget_domain TEXT   COLLATE "C",
    counted_at    BIGINT,
    usd           BIGINT CHECK (usd >= 0),
    amount        TEXT   COLLATE "C",
    asset         TEXT   COLLATE "C",
    asset_address TEXT   COLLATE "C",
    network       TEXT   COLLATE "C",
    payee         TEXT   COLLATE "C",
    dialect       TEXT   COLLATE "C",
    scheme        TEXT   COLLATE "C",
    handle        BYTEA  UNIQUE,
    ends          BIGINT,
    settled_at    BIGINT,
    chain_tx      TEXT   COLLATE "C",
    -- presenting
    lease         TEXT   COLLATE "C",
    presents      BIGINT NOT NULL DEFAULT 0,
    site          TEXT   COLLATE "C" NOT NULL DEFAULT '', -- the registrable domain of its host
    taken         TEXT   COLLATE "C",          -- what the chain proved was taken, where that is less than the amount
    given_back    BIGINT NOT NULL DEFAULT 0 CHECK (given_back >= 0), -- by as much less it counts
    named_type    TEXT   COLLATE "C",          -- the media type that the offer named
    goods         TEXT   COLLATE "C" NOT NULL DEFAULT 'not_judged'
                  CHECK (goods IN ('not_judged', 'fine', 'empty', 'error_page', 'other_type')),
    lied          BIGINT NOT NULL DEFAULT 0, -- the seller's receipt is not true
    request       TEXT   COLLATE "C",          -- for presenting once more; erased when that cannot be any more
    receipt       TEXT   COLLATE "C",          -- what the seller says of the payment
    machine       TEXT   COLLATE "C" NOT NULL DEFAULT session_user, -- which one made it
    UNIQUE (agent, purchase_id),
    -- Each condition is read anew for each statement, so what can be asked at once is: flags are 0 or 1, and there are
    -- states of money and others.
    CHECK ((open | delivered | handed | body_kept | lied) IN (0, 1)),
    CHECK (CASE WHEN handle IS NULL THEN state IN ('free', 'needs_approval', 'denied', 'expired', 'refused')
                ELSE state IN ('authorized', 'held', 'settled', 'lapsed') END),
    CHECK (open = 0 OR (handle IS NOT NULL AND delivered = 0 AND state <> 'lapsed'))
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX one_open ON purchase (identity) WHERE open = 1;
CREATE UNIQUE INDEX one_child ON purchase (parent) WHERE parent IS NOT NULL;
CREATE INDEX waiting ON purchase (identity, "row") WHERE state = 'needs_approval';
CREATE INDEX goods ON purchase (identity, headers, answered_at, "row") WHERE delivered = 1 AND handle IS NOT NULL;
CREATE INDEX undelivered ON purchase (budget_domain, counted_at)
 WHERE (delivered = 0 OR goods IN ('empty', 'error_page')) AND state IN ('held', 'settled');

CREATE TRIGGER purchases_remain BEFORE DELETE ON purchase FOR EACH ROW
EXECUTE FUNCTION refuse('purchases are never deleted');
CREATE TRIGGER purchases_are_not_emptied BEFORE TRUNCATE ON purchase
EXECUTE FUNCTION refuse('purchases are never deleted');

CREATE TRIGGER money_is_new BEFORE INSERT ON purchase FOR EACH ROW
WHEN (NEW.handle IS NOT NULL AND NEW.state <> 'authorized')
EXECUTE FUNCTION refuse('money begins as an authorization');
CREATE TRIGGER money_begins_authorized BEFORE UPDATE OF handle ON purchase FOR EACH ROW
WHEN (OLD.handle IS NULL AND NEW.handle IS NOT NULL AND NEW.state <> 'authorized')
EXECUTE FUNCTION refuse('money begins as an authorization');

CREATE FUNCTION terms_are_fixed() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF OLD.handle IS NOT NULL AND
       (OLD.purchase_id, OLD.agent, OLD.identity, OLD.usd + OLD.given_back, OLD.amount, OLD.asset_address, OLD.network,
        OLD.payee, OLD.dialect, OLD.scheme, OLD.handle, OLD.ends, OLD.counted_at, OLD.session, OLD.budget_domain,
        OLD.machine)
    IS DISTINCT FROM
       (NEW.purchase_id, NEW.agent, NEW.identity, NEW.usd + NEW.given_back, NEW.amount, NEW.asset_address, NEW.network,
        NEW.payee, NEW.dialect, NEW.scheme, NEW.handle, NEW.ends, NEW.counted_at, NEW.session, NEW.budget_domain,
        NEW.machine)
    THEN
        RAISE EXCEPTION 'the terms of an authorization are fixed' USING ERRCODE = 'BU001';
    END IF;
    RETURN NEW;
END $$;
-- Most of what changes a purchase names none of these.
CREATE TRIGGER terms_are_fixed
BEFORE UPDATE OF purchase_id, agent, identity, usd, given_back, amount, asset_address, network, payee, dialect, scheme,
                 handle, ends, counted_at, session, budget_domain, machine ON purchase
FOR EACH ROW EXECUTE FUNCTION terms_are_fixed();
CREATE TRIGGER its_time_is_fixed BEFORE UPDATE OF at ON purchase FOR EACH ROW
WHEN (OLD.handle IS NOT NULL AND NEW.at IS DISTINCT FROM OLD.at)
EXECUTE FUNCTION refuse('the time of an authorization is fixed');
CREATE TRIGGER what_was_taken_is_proven BEFORE UPDATE OF taken, given_back ON purchase FOR EACH ROW
WHEN ((OLD.taken, OLD.given_back) IS DISTINCT FROM (NEW.taken, NEW.given_back)
      AND (OLD.taken IS NOT NULL OR NEW.state <> 'settled' OR NEW.proof <> 'chain'))
EXECUTE FUNCTION refuse('what was taken is what final blocks say');

-- Every move that a purchase may make. The program writes them, once.
CREATE TABLE legal_move (
    state      TEXT COLLATE "C" NOT NULL,
    proof      TEXT COLLATE "C" NOT NULL,
    next_state TEXT COLLATE "C" NOT NULL,
    next_proof TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (state, proof, next_state, next_proof)
);
CREATE FUNCTION legal_moves_only() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF OLD.handle IS NOT NULL AND (OLD.state <> NEW.state OR OLD.proof <> NEW.proof)
       AND NOT EXISTS (SELECT 1 FROM legal_move WHERE state = OLD.state AND proof = OLD.proof
                                                  AND next_state = NEW.state AND next_proof = NEW.proof)
    THEN
        RAISE EXCEPTION 'a purchase does not move that way' USING ERRCODE = 'BU001';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER legal_moves_only BEFORE UPDATE OF state, proof ON purchase FOR EACH ROW
EXECUTE FUNCTION legal_moves_only();

-- A cache that an audit derives anew: what counts, by scope and stretch of time. Purchases keep it themselves: nobody
-- can buy without being counted.
CREATE TABLE bucket (
    scope    TEXT   COLLATE "C" NOT NULL,
    "window" TEXT   COLLATE "C" NOT NULL,
    start    BIGINT NOT NULL,
    counted  BIGINT NOT NULL CHECK (counted >= 0),
    held     BIGINT NOT NULL CHECK (held BETWEEN 0 AND counted),
    payments BIGINT NOT NULL CHECK (payments >= 0),
    PRIMARY KEY (scope, "window", start)
) WITH (fillfactor = 50);

-- Everything that a payment counts in, always in this order: two writers cannot wait for each other. Scopes, windows and
-- widths are those of the program, letter by letter.
CREATE FUNCTION buckets_of(counted_at BIGINT, session BIGINT, domain TEXT, payee TEXT)
RETURNS TABLE (scope TEXT, "window" TEXT, start BIGINT) LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT rtrim(one.scope), one."window", one.start
      FROM (VALUES ('wallet', 'minute', floor_to(counted_at, 1000)),
                   ('wallet', 'hour', floor_to(counted_at, 60000)),
                   ('wallet', 'day', floor_to(counted_at, 900000)),
                   ('wallet', 'month', floor_to(counted_at, 21600000)),
                   ('session ' || session::TEXT, 'session', 0),
                   ('session ' || session::TEXT || ' domain ' || domain, 'session', 0),
                   ('domain ' || domain, 'day', floor_to(counted_at, 900000)),
                   ('payee ' || payee, 'day', floor_to(counted_at, 900000))) AS one (scope, "window", start);
END;

-- A new authorization counts everywhere. Its outcome is not known yet, so all of it is held.
CREATE FUNCTION budgets_count() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO bucket (scope, "window", start, counted, held, payments)
    SELECT b.scope, b."window", b.start, NEW.usd, NEW.usd, 1
      FROM buckets_of(NEW.counted_at, NEW.session, NEW.budget_domain, NEW.payee) AS b
    ON CONFLICT (scope, "window", start) DO UPDATE
       SET counted = bucket.counted + excluded.counted, held = bucket.held + excluded.held,
           payments = bucket.payments + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER budgets_count_what_is_new AFTER INSERT ON purchase FOR EACH ROW WHEN (NEW.handle IS NOT NULL)
EXECUTE FUNCTION budgets_count();
CREATE TRIGGER budgets_count_what_begins AFTER UPDATE OF handle ON purchase FOR EACH ROW
WHEN (OLD.handle IS NULL AND NEW.handle IS NOT NULL) EXECUTE FUNCTION budgets_count();

-- What was held is settled or given back, or less was taken than was counted. A bucket that is gone has left every
-- window: nothing to correct. Each is found by its key, however the tables have grown since this was planned.
CREATE FUNCTION budgets_follow() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    counted_by BIGINT := CASE WHEN NEW.state = 'lapsed' THEN 0 ELSE NEW.usd END
                       - CASE WHEN OLD.state = 'lapsed' THEN 0 ELSE OLD.usd END;
    held_by    BIGINT := CASE WHEN NEW.state IN ('authorized', 'held') THEN NEW.usd ELSE 0 END
                       - CASE WHEN OLD.state IN ('authorized', 'held') THEN OLD.usd ELSE 0 END;
BEGIN
    IF counted_by <> 0 OR held_by <> 0 THEN
        UPDATE bucket SET counted = bucket.counted + counted_by, held = bucket.held + held_by
          FROM buckets_of(NEW.counted_at, NEW.session, NEW.budget_domain, NEW.payee) AS b
         WHERE bucket.scope = b.scope AND bucket."window" = b."window" AND bucket.start = b.start;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER budgets_follow AFTER UPDATE OF state, usd ON purchase FOR EACH ROW
WHEN (OLD.handle IS NOT NULL AND (OLD.state <> NEW.state OR OLD.usd <> NEW.usd)) EXECUTE FUNCTION budgets_follow();

-- What was signed and may be presented.
CREATE TABLE signed (
    purchase        BIGINT PRIMARY KEY REFERENCES purchase ("row"),
    "authorization" TEXT COLLATE "C" NOT NULL,
    signature       TEXT COLLATE "C" NOT NULL,
    header_name     TEXT COLLATE "C" NOT NULL,
    header_value    TEXT COLLATE "C" NOT NULL
);
CREATE TRIGGER what_was_signed_is_fixed BEFORE UPDATE ON signed FOR EACH ROW
WHEN ((OLD."authorization", OLD.signature, OLD.header_name, OLD.header_value)
      IS DISTINCT FROM (NEW."authorization", NEW.signature, NEW.header_name, NEW.header_value))
EXECUTE FUNCTION refuse('what was signed is fixed');
CREATE TRIGGER what_was_signed_remains BEFORE DELETE ON signed FOR EACH ROW
EXECUTE FUNCTION refuse('what was signed is fixed');
CREATE TRIGGER what_was_signed_is_not_emptied BEFORE TRUNCATE ON signed
EXECUTE FUNCTION refuse('what was signed is fixed');

-- What a person may ask about later.
CREATE TABLE detail (
    purchase BIGINT PRIMARY KEY REFERENCES purchase ("row"),
    client   TEXT COLLATE "C",
    offers   TEXT COLLATE "C",
    rules    TEXT COLLATE "C",
    evidence TEXT COLLATE "C"
) WITH (fillfactor = 90);

-- A small body, beside its purchase.
CREATE TABLE body (
    purchase BIGINT PRIMARY KEY REFERENCES purchase ("row"),
    bytes    BYTEA  NOT NULL
);

-- A question before the owner, with the exact terms a yes or no is for.
CREATE TABLE question (
    purchase    BIGINT NOT NULL REFERENCES purchase ("row"),
    terms       TEXT   COLLATE "C" NOT NULL,
    asked_at    BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    answer      TEXT   COLLATE "C" CHECK (answer IN ('approved', 'denied')),
    answered_by TEXT   COLLATE "C" CHECK (answered_by IN ('owner', 'host')),
    answered_at BIGINT,
    valid_until BIGINT,
    used        BIGINT NOT NULL DEFAULT 0 CHECK (used IN (0, 1)),
    challenge   TEXT   COLLATE "C",            -- what is paid after a yes; erased when that cannot be any more
    heard_at    BIGINT,                        -- when the challenge arrived
    shown_at    BIGINT,                        -- when a person was last shown it
    identity    BYTEA,
    scheme      TEXT   COLLATE "C",
    network     TEXT   COLLATE "C",
    asset       TEXT   COLLATE "C",
    amount      TEXT   COLLATE "C",
    PRIMARY KEY (purchase, terms)              -- a no stays beside what is asked later
) WITH (fillfactor = 80);
CREATE INDEX challenge_by_age ON question (heard_at) WHERE challenge IS NOT NULL;
CREATE INDEX question_approved ON question (identity, valid_until) WHERE answer = 'approved' AND used = 0;
CREATE INDEX question_by_expiry ON question (expires_at);
CREATE INDEX question_denied ON question (identity, answered_at) WHERE answer = 'denied';
CREATE INDEX question_keeping ON question (purchase) WHERE challenge IS NOT NULL;
CREATE INDEX question_shown ON question (identity, shown_at) WHERE shown_at IS NOT NULL;

-- Whom a site was paid at.
CREATE TABLE seller_payee (
    site  TEXT   COLLATE "C" NOT NULL,
    payee TEXT   COLLATE "C" NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (site, payee)
);

-- The lowest price of a day at a place.
CREATE TABLE price (
    place  TEXT   COLLATE "C" NOT NULL,
    day    BIGINT NOT NULL,
    lowest BIGINT NOT NULL,
    PRIMARY KEY (place, day)
);

-- An agent's refusals by the minute; the first ones are listed too.
CREATE TABLE refusals (
    agent    TEXT   COLLATE "C" NOT NULL,
    minute   BIGINT NOT NULL,
    refusals BIGINT NOT NULL,
    PRIMARY KEY (agent, minute)
) WITH (fillfactor = 80);

-- The same of what it got for nothing.
CREATE TABLE free_answers (
    agent   TEXT   COLLATE "C" NOT NULL,
    minute  BIGINT NOT NULL,
    answers BIGINT NOT NULL,
    PRIMARY KEY (agent, minute)
) WITH (fillfactor = 80);

-- How far each node was searched for payments that no row explains.
CREATE TABLE searched (
    network TEXT   COLLATE "C" NOT NULL,
    asset   TEXT   COLLATE "C" NOT NULL,
    node    TEXT   COLLATE "C" NOT NULL,       -- its host; of before nodes were told apart, nothing
    block   BIGINT NOT NULL,
    PRIMARY KEY (network, asset, node)
) WITH (fillfactor = 80);

-- What tools of MCP servers say of themselves: as they were first listed, or as they were when one was last paid for; and
-- what they say now, where that is something else.
CREATE TABLE tool_seen (
    place             TEXT   COLLATE "C" NOT NULL PRIMARY KEY, -- its server, and its name
    server            TEXT   COLLATE "C" NOT NULL,
    words             BYTEA  NOT NULL,         -- a fingerprint of all it says
    description       TEXT   COLLATE "C" NOT NULL, -- for people who ask what it was
    since             BIGINT NOT NULL,
    other_words       BYTEA,
    other_description TEXT   COLLATE "C",
    changed_at        BIGINT,
    CHECK ((other_words IS NULL) = (changed_at IS NULL) AND (other_words IS NULL) = (other_description IS NULL))
);
CREATE INDEX tools_of_server ON tool_seen (server);

-- What happened, each event sealed to the one before it. Numbers are given in turn, to whoever holds the ledger's row; one
-- that was undone leaves a gap.
CREATE TABLE event (
    id       BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    purchase BIGINT REFERENCES purchase ("row"),
    at       BIGINT NOT NULL,
    kind     TEXT   COLLATE "C" NOT NULL,
    detail   TEXT   COLLATE "C" NOT NULL,
    hash     BYTEA  NOT NULL                   -- over the one before it and this one's fields
);
CREATE INDEX event_by_purchase ON event (purchase, id);
CREATE INDEX news ON event (kind, id)
 WHERE kind = 'alarm' OR kind = 'breaker' OR kind = 'notice' OR kind = 'owner' OR kind = 'signed_in';
CREATE TRIGGER events_stay BEFORE UPDATE ON event FOR EACH ROW EXECUTE FUNCTION refuse('events are append-only');
CREATE TRIGGER events_remain BEFORE DELETE ON event FOR EACH ROW EXECUTE FUNCTION refuse('events are append-only');
CREATE TRIGGER events_are_not_emptied BEFORE TRUNCATE ON event EXECUTE FUNCTION refuse('events are append-only');

-- What other machines should look at soon is called out under the schema's name. A channel's name is no longer than this.
CREATE FUNCTION call_out() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM pg_notify(left('bursar_' || TG_TABLE_SCHEMA, 63), '');
    RETURN NULL;
END $$;
CREATE TRIGGER news_is_called_out AFTER INSERT ON event FOR EACH ROW
WHEN (NEW.kind IN ('frozen', 'thawed', 'approved', 'denied', 'policy', 'owner', 'alarm'))
EXECUTE FUNCTION call_out();
CREATE TRIGGER the_owner_is_heard AFTER INSERT OR UPDATE OR DELETE ON owner_word FOR EACH ROW
EXECUTE FUNCTION call_out();

-- Who the wallet said it was, and to whom.
CREATE TABLE sign_in (
    id        BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    purchase  BIGINT NOT NULL REFERENCES purchase ("row"), -- of the call that it was made for
    agent     TEXT   COLLATE "C" NOT NULL,
    at        BIGINT NOT NULL,
    origin    TEXT   COLLATE "C" NOT NULL,
    message   TEXT   COLLATE "C" NOT NULL,     -- what was signed, byte for byte
    signature TEXT   COLLATE "C" NOT NULL
);
CREATE INDEX sign_in_by_agent ON sign_in (agent, at);
CREATE TRIGGER sign_ins_stay BEFORE UPDATE ON sign_in FOR EACH ROW EXECUTE FUNCTION refuse('sign-ins are append-only');
CREATE TRIGGER sign_ins_remain BEFORE DELETE ON sign_in FOR EACH ROW
EXECUTE FUNCTION refuse('sign-ins are append-only');
CREATE TRIGGER sign_ins_are_not_emptied BEFORE TRUNCATE ON sign_in
EXECUTE FUNCTION refuse('sign-ins are append-only');

-- The log's indexes and sums are kept over a table of their own that follows the purchases some at a time: a purchase
-- on its way notes only that it is to be entered anew.
CREATE TABLE unlisted (
    "row" BIGINT PRIMARY KEY                   -- of a purchase that changed since it was entered, or never was
);
CREATE FUNCTION is_to_be_entered() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO unlisted VALUES (NEW."row") ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER a_purchase_begins AFTER INSERT ON purchase FOR EACH ROW EXECUTE FUNCTION is_to_be_entered();
CREATE TRIGGER a_purchase_changes
AFTER UPDATE OF at, agent, state, proof, site, domain, session, usd, handle, delivered, goods, lied ON purchase
FOR EACH ROW EXECUTE FUNCTION is_to_be_entered();

CREATE TABLE listed (
    "row"     BIGINT PRIMARY KEY REFERENCES purchase ("row"),
    at        BIGINT NOT NULL,
    agent     TEXT   COLLATE "C" NOT NULL,
    state     TEXT   COLLATE "C" NOT NULL,
    site      TEXT   COLLATE "C" NOT NULL,
    domain    TEXT   COLLATE "C" NOT NULL,
    session   BIGINT,
    usd       BIGINT,
    is_money  BIGINT NOT NULL,                 -- there is an authorization
    is_proven BIGINT NOT NULL,                 -- by the chain
    delivered BIGINT NOT NULL,
    goods     TEXT   COLLATE "C" NOT NULL,
    lied      BIGINT NOT NULL,
    identity  BYTEA  NOT NULL
);
CREATE INDEX by_at ON listed (at);
CREATE INDEX by_agent ON listed (agent, at);
CREATE INDEX by_state ON listed (state, at);
CREATE INDEX by_site ON listed (site, at, domain, agent, state, usd, delivered, goods, lied);
CREATE INDEX by_session ON listed (session, at) WHERE session IS NOT NULL;
CREATE INDEX by_price ON listed (usd) WHERE usd IS NOT NULL;
CREATE INDEX bought ON listed (identity, "row") WHERE state = 'settled';
CREATE INDEX doubtful ON listed ("row") WHERE is_money = 1 AND is_proven = 0;

-- A cache that an audit derives anew: purchases by day, agent and state. Only money has dollars: what a seller merely
-- asked for adds up to nothing.
CREATE TABLE tally (
    day       BIGINT NOT NULL,
    agent     TEXT   COLLATE "C" NOT NULL,
    state     TEXT   COLLATE "C" NOT NULL,
    purchases BIGINT NOT NULL CHECK (purchases >= 0),
    usd       BIGINT NOT NULL CHECK (usd >= 0),
    PRIMARY KEY (day, agent, state)
) WITH (fillfactor = 50);
CREATE FUNCTION tally_follows() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        UPDATE tally SET purchases = purchases - 1, usd = usd - coalesce(OLD.usd * OLD.is_money, 0)
         WHERE day = OLD.at / 86400000 AND agent = OLD.agent AND state = OLD.state;
    END IF;
    INSERT INTO tally VALUES (NEW.at / 86400000, NEW.agent, NEW.state, 1, coalesce(NEW.usd * NEW.is_money, 0))
    ON CONFLICT (day, agent, state) DO UPDATE
       SET purchases = tally.purchases + 1, usd = tally.usd + excluded.usd;
    RETURN NULL;
END $$;
CREATE TRIGGER tally_begins AFTER INSERT ON listed FOR EACH ROW EXECUTE FUNCTION tally_follows();
CREATE TRIGGER tally_follows AFTER UPDATE OF at, agent, state, usd, is_money ON listed FOR EACH ROW
WHEN (OLD.state <> NEW.state OR OLD.at <> NEW.at OR OLD.agent <> NEW.agent OR OLD.usd IS DISTINCT FROM NEW.usd
      OR OLD.is_money <> NEW.is_money)
EXECUTE FUNCTION tally_follows();

-- Enters every purchase that waits for it, as it stands now. By whoever writes: nobody else may change one meanwhile.
-- Only this writes the log, so that it cannot be made to say anything else than the purchases do.
CREATE FUNCTION enter() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM 1 FROM ledger FOR UPDATE;
    WITH due AS (DELETE FROM unlisted RETURNING "row")
    INSERT INTO listed ("row", at, agent, state, site, domain, session, usd, is_money, is_proven, delivered, goods, lied,
                        identity)
    SELECT p."row", p.at, p.agent, p.state, p.site, p.domain, p.session, p.usd, (p.handle IS NOT NULL)::INT,
           (p.proof = 'chain')::INT, p.delivered, p.goods, p.lied, p.identity
      FROM due JOIN purchase AS p USING ("row")
    ON CONFLICT ("row") DO UPDATE
       SET at = excluded.at, agent = excluded.agent, state = excluded.state, site = excluded.site,
           domain = excluded.domain, session = excluded.session, usd = excluded.usd, is_money = excluded.is_money,
           is_proven = excluded.is_proven, delivered = excluded.delivered, goods = excluded.goods, lied = excluded.lied;
END $$;

-- What the chain has not proven yet, as it stands now.
CREATE VIEW unproven AS
SELECT purchase.*
  FROM (SELECT "row" AS candidate FROM listed
         WHERE is_money = 1 AND is_proven = 0
           AND NOT EXISTS (SELECT 1 FROM unlisted WHERE unlisted."row" = listed."row")
        UNION ALL SELECT "row" FROM unlisted) AS candidates
  JOIN purchase ON purchase."row" = candidate
 WHERE handle IS NOT NULL AND proof <> 'chain';

-- Who may do what in a wallet's schema: run by an administrator after schema.sql, in one transaction, and again whenever
-- the tables or the roles change. {agents} and {owner} are the two group roles, and {schema} is the schema.
--
-- A machine that agents run on has a login role of its own, a member of {agents}. Whoever has taken such a machine, with
-- everything in it, can buy, ask and stop all spending, and cannot be its owner: not answer for the owner, not let
-- spending go on, not make the past or the budgets say something else. A member of {owner} can do everything the program
-- does. Neither can change what has happened: that is for the tables to refuse, and they do.
--
-- What a whole column or table decides is a grant. What depends on the row is a trigger, and is refused with BU002. Who
-- asks is whoever logged in: inside a function with its owner's rights, and after SET ROLE, the session's user is still
-- the machine. Superusers, whoever may act as the administrator, and whoever is in both groups count as the owner. In
-- doubt, nobody does.

SELECT set_config('search_path', '{schema}, pg_temp', true);

-- Nothing but what is granted here; functions are everybody's otherwise, those with their owner's rights too.
REVOKE ALL ON SCHEMA {schema} FROM PUBLIC, {agents}, {owner};
REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC, {agents}, {owner};
REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM PUBLIC, {agents}, {owner};
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {schema} FROM PUBLIC, {agents}, {owner};
GRANT USAGE ON SCHEMA {schema} TO {agents}, {owner};
GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {agents}, {owner};

-- Whether whoever logged in is the owner, or could switch all of this off. The roles' names are put in once: nothing is
-- looked up by a name that somebody else could take.
DO $do$
BEGIN
    EXECUTE format($function$
        CREATE OR REPLACE FUNCTION is_the_owner() RETURNS BOOLEAN LANGUAGE sql STABLE
        RETURN pg_has_role(session_user, %L::name, 'MEMBER') OR pg_has_role(session_user, %L::name, 'MEMBER');
    $function$, pg_get_userbyid($role${owner}$role$::regrole), (SELECT tableowner FROM pg_tables
                  WHERE schemaname = current_schema() AND tablename = 'ledger'));
END $do$;

-- Says no to everybody but the owner.
CREATE OR REPLACE FUNCTION refuse_agents() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT is_the_owner() THEN
        RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'BU002';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;

-- The ledger's own row. A time that runs ahead would empty every budget, so agents take it no further than clocks are
-- apart, in ms. Their alarm stops all spending, and only the owner lets it go on.
GRANT UPDATE (newest, authorizations, frozen_why, told, seq) ON ledger TO {agents};
GRANT UPDATE (newest, authorizations, frozen_why, told, seq, reviewed_to, adopted_at, moved_to) ON ledger TO {owner};
CREATE OR REPLACE FUNCTION agents_and_the_ledger() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE
    apart CONSTANT BIGINT := 60000;
BEGIN
    IF is_the_owner() THEN
        RETURN NEW;
    END IF;
    IF OLD.frozen_why IS NOT NULL AND NEW.frozen_why IS DISTINCT FROM OLD.frozen_why THEN
        RAISE EXCEPTION 'only the owner lets spending go on' USING ERRCODE = 'BU002';
    END IF;
    IF NEW.newest <> OLD.newest AND NEW.newest > clock_ms() + apart THEN
        RAISE EXCEPTION 'the ledger''s time is not ahead of the database''s' USING ERRCODE = 'BU002';
    END IF;
    IF NEW.authorizations > OLD.authorizations + 1 THEN
        RAISE EXCEPTION 'authorizations are counted one by one' USING ERRCODE = 'BU002';
    END IF;
    IF NEW.told <> OLD.told AND (NEW.told < OLD.told OR NOT EXISTS (SELECT 1 FROM event WHERE id = NEW.told)) THEN
        RAISE EXCEPTION 'news is told once it is there' USING ERRCODE = 'BU002';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER agents_and_the_ledger BEFORE UPDATE ON ledger FOR EACH ROW
EXECUTE FUNCTION agents_and_the_ledger();

-- The owner's word.
GRANT INSERT, UPDATE, DELETE ON owner_word TO {owner};

-- Processes: each machine its own. Those that a machine left behind are swept by itself, or by the owner.
ALTER TABLE holder ALTER machine SET DEFAULT session_user;
GRANT INSERT (name, machine, mark, beats), UPDATE (mark, beats), DELETE ON holder TO {agents}, {owner};
CREATE OR REPLACE FUNCTION agents_and_holders() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    whose TEXT := CASE WHEN TG_OP = 'INSERT' THEN NEW.machine ELSE OLD.machine END;
BEGIN
    IF whose <> session_user AND NOT is_the_owner() THEN
        RAISE EXCEPTION 'a process is of the machine it runs on' USING ERRCODE = 'BU002';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE OR REPLACE TRIGGER agents_and_holders BEFORE INSERT OR UPDATE OR DELETE ON holder FOR EACH ROW
EXECUTE FUNCTION agents_and_holders();

-- Sessions and purchases are numbered as they come: a number far ahead would be the last there is.
GRANT INSERT (id, agent, began, newest), UPDATE (newest) ON session TO {agents}, {owner};
CREATE OR REPLACE FUNCTION agents_and_sessions() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.id > (SELECT coalesce(max(id), 0) + 1 FROM session) AND NOT is_the_owner() THEN
        RAISE EXCEPTION 'sessions are numbered as they come' USING ERRCODE = 'BU002';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER agents_and_sessions BEFORE INSERT ON session FOR EACH ROW
EXECUTE FUNCTION agents_and_sessions();

-- Purchases. Each is of the machine that wrote it, or that paid for what another one had only asked about. It counts from
-- when it is made: as a payment of long ago it would count in no budget.
ALTER TABLE purchase ALTER machine SET DEFAULT session_user;
GRANT INSERT ("row", purchase_id, agent, identity, headers, parent, at, method, url, domain, place, site, state, policy,
              session, budget_domain, counted_at, usd, amount, asset, asset_address, network, payee, dialect, scheme,
              handle, ends, named_type, request, lease, presents, open, machine),
      UPDATE (headers, parent, at, domain, place, site, state, proof, open, delivered, handed, reasons, policy,
              http_status, content_type, final_url, body_bytes, body_kept, answered_at, session, budget_domain,
              counted_at, usd, amount, asset, asset_address, network, payee, dialect, scheme, handle, ends, settled_at,
              chain_tx, lease, presents, taken, given_back, named_type, goods, lied, request, receipt, machine)
   ON purchase TO {agents}, {owner};
CREATE OR REPLACE FUNCTION agents_buy() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    apart CONSTANT BIGINT := 60000;
    place RECORD;
BEGIN
    IF is_the_owner() THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.machine = OLD.machine THEN
        NEW.machine := session_user;
    END IF;
    IF NEW.machine <> session_user THEN
        RAISE EXCEPTION 'a purchase is of the machine that makes it' USING ERRCODE = 'BU002';
    END IF;
    IF TG_OP = 'INSERT' AND NEW."row" > (SELECT coalesce(max("row"), 0) + 1 FROM purchase) THEN
        RAISE EXCEPTION 'purchases are numbered as they come' USING ERRCODE = 'BU002';
    END IF;
    IF NEW.handle IS NOT NULL THEN
        SELECT newest, moved_to INTO place FROM ledger;
        IF place.moved_to IS NOT NULL THEN
            RAISE EXCEPTION 'this ledger was moved' USING ERRCODE = 'BU001';
        END IF;
        IF NEW.counted_at IS NULL OR NEW.counted_at < place.newest
           OR NEW.counted_at > greatest(place.newest, clock_ms() + apart)
        THEN
            RAISE EXCEPTION 'a payment counts from when it is made' USING ERRCODE = 'BU002';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER agents_buy BEFORE INSERT ON purchase FOR EACH ROW EXECUTE FUNCTION agents_buy();
CREATE OR REPLACE TRIGGER agents_buy_what_was_asked BEFORE UPDATE OF handle ON purchase FOR EACH ROW
WHEN (OLD.handle IS NULL AND NEW.handle IS NOT NULL) EXECUTE FUNCTION agents_buy();
CREATE OR REPLACE TRIGGER purchases_keep_their_machine BEFORE UPDATE OF machine ON purchase FOR EACH ROW
WHEN (NEW.machine <> OLD.machine AND NEW.machine <> session_user)
EXECUTE FUNCTION refuse_agents('a purchase is of the machine that makes it');

-- Budget is given back by the owner's word, or where nothing can be taken any more: by the database's clock a minute past
-- its end, which for a chain that ends things by height is about when that is. What came to nothing before that counts
-- until then. Less than the amount is taken only where a scheme lets sellers take less.
CREATE OR REPLACE FUNCTION agents_give_back() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    past CONSTANT BIGINT := 60;
BEGIN
    IF OLD.handle IS NULL OR is_the_owner() THEN
        RETURN NEW;
    END IF;
    IF NEW.state = 'lapsed' AND (OLD.state, OLD.proof) <> (NEW.state, NEW.proof) THEN
        IF NEW.proof <> 'chain' THEN
            RAISE EXCEPTION 'only the owner releases a payment' USING ERRCODE = 'BU002';
        END IF;
        IF OLD.ends IS NULL OR OLD.ends > clock_ms() / 1000 - past THEN
            RAISE EXCEPTION 'this payment can still be taken' USING ERRCODE = 'BU002';
        END IF;
    END IF;
    IF NEW.given_back <> OLD.given_back AND (NEW.given_back < OLD.given_back OR NEW.taken IS NULL
                                             OR OLD.scheme IS NULL OR OLD.scheme NOT IN ('upto', 'tempo'))
    THEN
        RAISE EXCEPTION 'this payment takes all of its amount' USING ERRCODE = 'BU002';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER agents_give_back BEFORE UPDATE OF state, proof, given_back ON purchase FOR EACH ROW
EXECUTE FUNCTION agents_give_back();

GRANT INSERT ON signed TO {agents}, {owner};
GRANT INSERT (purchase, agent, at, origin, message, signature) ON sign_in TO {agents}, {owner};
GRANT INSERT, UPDATE (bytes), DELETE ON body TO {agents}, {owner};

-- What a payment was decided on stays as it was written with it.
GRANT INSERT, UPDATE (client, offers, rules, evidence) ON detail TO {agents}, {owner};
CREATE OR REPLACE FUNCTION agents_and_details() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF (OLD.client, OLD.offers, OLD.rules) IS DISTINCT FROM (NEW.client, NEW.offers, NEW.rules) AND NOT is_the_owner()
       AND EXISTS (SELECT 1 FROM event WHERE purchase = OLD.purchase AND kind = 'authorized')
    THEN
        RAISE EXCEPTION 'what a payment was decided on is fixed' USING ERRCODE = 'BU002';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER agents_and_details BEFORE UPDATE OF client, offers, rules ON detail FOR EACH ROW
EXECUTE FUNCTION agents_and_details();

-- Questions. An agent's machine puts them, anew in an old one's place too, and uses a yes up. It passes a host's answer on
-- where none stands: never the owner's. An answer is of the terms that were asked, for the time that was said, once.
GRANT INSERT (purchase, terms, identity, scheme, network, asset, amount, asked_at, expires_at, challenge, heard_at,
              shown_at),
      UPDATE (identity, scheme, network, asset, amount, asked_at, expires_at, answer, answered_by, answered_at,
              valid_until, used, challenge, heard_at, shown_at),
      DELETE
   ON question TO {agents}, {owner};
CREATE OR REPLACE FUNCTION agents_and_questions() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE
    moment    BIGINT;
    is_same   BOOLEAN := (OLD.identity, OLD.scheme, OLD.network, OLD.asset, OLD.amount, OLD.asked_at, OLD.expires_at)
        IS NOT DISTINCT FROM (NEW.identity, NEW.scheme, NEW.network, NEW.asset, NEW.amount, NEW.asked_at, NEW.expires_at);
    is_answer BOOLEAN := (OLD.answer, OLD.answered_by, OLD.answered_at, OLD.valid_until)
        IS DISTINCT FROM (NEW.answer, NEW.answered_by, NEW.answered_at, NEW.valid_until);
BEGIN
    IF (is_same AND NOT is_answer AND NEW.used = OLD.used) OR is_the_owner() THEN
        RETURN NEW;
    END IF;
    -- Put anew: nobody has answered this one.
    IF NEW.answer IS NULL AND NEW.answered_by IS NULL AND NEW.answered_at IS NULL AND NEW.valid_until IS NULL
       AND NEW.used = 0
    THEN
        RETURN NEW;
    END IF;
    -- Used up.
    IF is_same AND NOT is_answer AND OLD.used = 0 AND NEW.used = 1 AND OLD.answer = 'approved' THEN
        RETURN NEW;
    END IF;
    -- Answered by a host.
    SELECT greatest(newest, clock_ms()) INTO moment FROM ledger;
    IF is_same AND NEW.answered_by = 'host' AND NEW.answer IS NOT NULL AND OLD.used = 0 AND NEW.used = 0
       AND OLD.expires_at > moment - 60000
       AND (OLD.answer IS NULL OR (OLD.answer = 'approved' AND OLD.valid_until <= moment))
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'only the owner answers so' USING ERRCODE = 'BU002';
END $$;
CREATE OR REPLACE TRIGGER agents_and_questions
BEFORE UPDATE OF identity, scheme, network, asset, amount, asked_at, expires_at, answer, answered_by, answered_at,
                 valid_until, used ON question
FOR EACH ROW EXECUTE FUNCTION agents_and_questions();
CREATE OR REPLACE TRIGGER answers_remain BEFORE DELETE ON question FOR EACH ROW
WHEN (OLD.used = 1 OR OLD.answer = 'denied') EXECUTE FUNCTION refuse_agents('an answer that was given remains');

-- History. What an agent's machine may say has happened is in this list; everything else is the owner's to say.
GRANT INSERT (purchase, at, kind, detail, hash) ON event TO {agents}, {owner};
CREATE OR REPLACE FUNCTION agents_and_events() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.kind IN ('authorized', 'resumed', 'closed', 'left_open', 'settled', 'held', 'lapsed', 'asked', 'expired',
                    'refused', 'free', 'entered', 'signed_in', 'breaker', 'notice', 'alarm', 'frozen')
       OR (NEW.kind IN ('approved', 'denied') AND NEW.detail = '{"by":"host"}')
       OR is_the_owner()
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'only the owner can say so' USING ERRCODE = 'BU002';
END $$;
CREATE OR REPLACE TRIGGER agents_and_events BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION agents_and_events();

-- What is known of sellers and tools.
GRANT INSERT ON seller_payee TO {agents}, {owner};
GRANT INSERT, UPDATE (words, description, since, other_words, other_description, changed_at) ON tool_seen
   TO {agents}, {owner};
GRANT INSERT, UPDATE (block) ON searched TO {agents}, {owner};
CREATE OR REPLACE TRIGGER searches_go_on BEFORE UPDATE OF block ON searched FOR EACH ROW WHEN (NEW.block < OLD.block)
EXECUTE FUNCTION refuse_agents('what was searched was searched');

-- Counts and sums that forget. Each may be dropped once no rule can see it, by the database's clock: the program itself
-- keeps it for some time more.
GRANT INSERT, UPDATE (lowest), DELETE ON price TO {agents}, {owner};
CREATE OR REPLACE TRIGGER prices_fall BEFORE UPDATE OF lowest ON price FOR EACH ROW WHEN (NEW.lowest > OLD.lowest)
EXECUTE FUNCTION refuse_agents('the lowest price of a day only falls');
CREATE OR REPLACE TRIGGER prices_remain BEFORE DELETE ON price FOR EACH ROW
WHEN (OLD.day >= clock_ms() / 86400000 - 30) EXECUTE FUNCTION refuse_agents('this price is still compared with');

GRANT INSERT, UPDATE (refusals), DELETE ON refusals TO {agents}, {owner};
CREATE OR REPLACE TRIGGER refusals_add_up BEFORE UPDATE OF refusals ON refusals FOR EACH ROW
WHEN (NEW.refusals < OLD.refusals) EXECUTE FUNCTION refuse_agents('refusals only add up');
CREATE OR REPLACE TRIGGER refusals_remain BEFORE DELETE ON refusals FOR EACH ROW
WHEN (OLD.minute >= clock_ms() / 60000 - 60) EXECUTE FUNCTION refuse_agents('these refusals still count');

GRANT INSERT, UPDATE (answers), DELETE ON free_answers TO {agents}, {owner};
CREATE OR REPLACE TRIGGER free_answers_add_up BEFORE UPDATE OF answers ON free_answers FOR EACH ROW
WHEN (NEW.answers < OLD.answers) EXECUTE FUNCTION refuse_agents('free answers only add up');
CREATE OR REPLACE TRIGGER free_answers_remain BEFORE DELETE ON free_answers FOR EACH ROW
WHEN (OLD.minute >= clock_ms() / 60000 - 60) EXECUTE FUNCTION refuse_agents('these free answers still count');

-- Budgets: kept by the purchases, and swept. The widest bucket ends six hours after it begins; those of sessions stay.
GRANT DELETE ON bucket TO {agents}, {owner};
CREATE OR REPLACE FUNCTION agents_sweep() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    span   BIGINT := CASE OLD."window" WHEN 'minute' THEN 60000 WHEN 'hour' THEN 3600000 WHEN 'day' THEN 86400000
                                       WHEN 'month' THEN 2592000000 END;
    margin CONSTANT BIGINT := 43200000;
BEGIN
    IF (span IS NULL OR OLD.start >= clock_ms() - span - margin) AND NOT is_the_owner() THEN
        RAISE EXCEPTION 'this still counts' USING ERRCODE = 'BU002';
    END IF;
    RETURN OLD;
END $$;
CREATE OR REPLACE TRIGGER agents_sweep BEFORE DELETE ON bucket FOR EACH ROW EXECUTE FUNCTION agents_sweep();

-- How many standbys that are waited for have the log up to here: they are told to few. A role of its own that nobody can
-- log in as asks for everybody, where the administrator may let it; where not, there are none as far as anybody knows.
CREATE OR REPLACE FUNCTION ledger_standbys(lsn pg_lsn) RETURNS INT LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
RETURN (SELECT count(*)::INT FROM pg_catalog.pg_stat_replication
         WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum') AND flush_lsn >= lsn);
REVOKE ALL ON FUNCTION ledger_standbys(pg_lsn) FROM PUBLIC;
DO $do$
DECLARE
    cause TEXT;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'bursar_standbys') THEN
        CREATE ROLE bursar_standbys NOLOGIN;
    END IF;
    IF NOT pg_has_role('bursar_standbys', 'pg_read_all_stats', 'MEMBER') THEN
        GRANT pg_read_all_stats TO bursar_standbys;
    END IF;
    IF NOT pg_has_role('bursar_standbys', 'MEMBER') THEN
        GRANT bursar_standbys TO CURRENT_USER;
    END IF;
    GRANT CREATE ON SCHEMA {schema} TO bursar_standbys;
    ALTER FUNCTION ledger_standbys(pg_lsn) OWNER TO bursar_standbys;
    REVOKE CREATE ON SCHEMA {schema} FROM bursar_standbys;
EXCEPTION WHEN insufficient_privilege THEN
    GET STACKED DIAGNOSTICS cause = MESSAGE_TEXT;
    RAISE NOTICE 'ledger_standbys() knows of no standbys: %', cause;
END $do$;

-- Functions that statements call. Those of triggers need no grant, and whoever could call one could make a table of their
-- own with it.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {schema} FROM PUBLIC;
GRANT EXECUTE ON FUNCTION max(BIGINT, BIGINT), min(BIGINT, BIGINT), instr(TEXT, TEXT),
                          iif(BOOLEAN, anycompatible, anycompatible), json_text(TEXT, TEXT), clock_ms(),
                          floor_to(BIGINT, BIGINT), enter(), is_the_owner(), ledger_standbys(pg_lsn)
   TO {agents}, {owner};

-- What whoever has taken an agent's machine tries at the ledger, and what has to go on working.
--
-- Run with search_path set to the wallet's schema, after schema.sql, the legal moves and roles.sql. What stands under
-- `set-up` is the administrator's, once, in a schema without purchases. After it each statement is in a transaction of
-- its own, which is rolled back, by a login role that is a member of the group its section names. It begins after a line
-- `-- must fail: what it tries [SQLSTATE]` or `-- must work: what it does`, and ends with the next line that is a comment.

-- set-up

INSERT INTO ledger (one, id, newest, authorizations) VALUES (1, 'le_test', clock_ms() - 1000, 3) ON CONFLICT DO NOTHING;
INSERT INTO session (id, agent, began, newest) VALUES (1, 'claude', clock_ms() - 1000, clock_ms() - 1000);
-- Rows 1 and 2: money that can still be taken, and money that cannot. 3: a seller may take less. 4 to 8: questions, in all
-- states. 9: refused.
INSERT INTO purchase ("row", purchase_id, agent, identity, headers, at, method, url, domain, place, site, state,
        machine)
SELECT n, 'pu_' || n, 'claude', int8send(n), '\x00', clock_ms() - 1000, 'GET', 'https://api.example.com/' || n,
       'api.example.com', 'https://api.example.com/' || n, 'example.com',
       CASE WHEN n = 9 THEN 'refused' ELSE 'needs_approval' END, 'another'
  FROM generate_series(1::BIGINT, 9) AS n;
UPDATE purchase SET state = 'authorized', session = 1, budget_domain = 'example.com', counted_at = at, usd = 10000,
       amount = '10000', asset = 'USDC', asset_address = '0xA', network = 'eip155:84532', payee = '0xB',
       dialect = 'x402v2',
       scheme = CASE WHEN "row" = 3 THEN 'upto' ELSE 'exact' END, handle = identity,
       ends = clock_ms() / 1000 + CASE WHEN "row" = 2 THEN -300 ELSE 300 END, lease = 'another-1', presents = 1,
       open = 1
 WHERE "row" <= 3;
UPDATE purchase SET state = 'settled', proof = 'chain', open = 0 WHERE "row" = 3;
INSERT INTO signed VALUES (1, '{"scheme":"exact"}', '0xS', 'X-PAYMENT', 'H');
INSERT INTO detail (purchase, client, offers, rules) VALUES (1, 'host', '[]', '[]'), (9, 'host', '[]', '[]');
INSERT INTO event (purchase, at, kind, detail, hash)
VALUES (1, 1, 'authorized', '{}', '\x01'), (2, 1, 'authorized', '{}', '\x02'), (3, 1, 'authorized', '{}', '\x03');
INSERT INTO question (purchase, terms, identity, scheme, network, asset, amount, asked_at, expires_at, answer,
        answered_by,
                      answered_at, valid_until, used)
SELECT n, 'terms', int8send(n), 'exact', 'eip155:84532', '0xA', '10000', clock_ms() - 5000, clock_ms() + 600000,
       CASE n WHEN 4 THEN NULL WHEN 7 THEN 'denied' ELSE 'approved' END,
       CASE n WHEN 4 THEN NULL WHEN 8 THEN 'host' ELSE 'owner' END,
       CASE n WHEN 4 THEN NULL ELSE clock_ms() - 4000 END,
       CASE WHEN n IN (4, 7) THEN NULL WHEN n = 8 THEN clock_ms() - 2000 ELSE clock_ms() + 600000 END,
       CASE n WHEN 6 THEN 1 ELSE 0 END
  FROM generate_series(4::BIGINT, 8) AS n;
INSERT INTO holder VALUES ('another-1', 'another', NULL, 1);
INSERT INTO owner_word VALUES ('policy', '[wallet]', 1);
INSERT INTO sign_in (purchase, agent, at, origin, message, signature) VALUES (9, 'claude', 1, 'https://a', 'm', 's');
INSERT INTO body VALUES (3, '\x01');
INSERT INTO price VALUES ('https://api.example.com/1', clock_ms() / 86400000, 10), ('https://old.example.com', 1, 10);
INSERT INTO refusals VALUES ('claude', clock_ms() / 60000, 9), ('claude', 1, 9);
INSERT INTO free_answers VALUES ('claude', clock_ms() / 60000, 9), ('claude', 1, 9);
INSERT INTO searched VALUES ('eip155:84532', '0xA', 'node', 100);
INSERT INTO tool_seen (place, server, words, description, since) VALUES ('mcp:one', 'mcp:', '\x01', 'one', 1);
INSERT INTO bucket VALUES ('wallet', 'hour', 60000, 1, 0, 1), ('session 77', 'session', 0, 1, 0, 1);

-- by: agents

-- must work: it takes its turn
UPDATE ledger SET seq = seq + 1, newest = greatest(newest, clock_ms()) WHERE one = 1 RETURNING seq, newest;

-- must work: it buys
INSERT INTO purchase ("row", purchase_id, agent, identity, headers, at, method, url, domain, place, site, state,
        counted_at,
                      session, budget_domain, usd, amount, asset_address, network, payee, scheme, handle, ends, open)
VALUES ((SELECT max("row") + 1 FROM purchase), 'pu_new', 'claude', '\x77', '\x00', clock_ms(), 'GET', 'https://a/',
        'a', 'https://a/', 'a', 'authorized',
        clock_ms(), 1, 'a', 5, '5', '0xA', 'eip155:84532', '0xB', 'exact', '\x7777', clock_ms() / 1000 + 60, 1)
RETURNING "row", machine;

-- must work: it buys what another machine had asked about
INSERT INTO purchase ("row", purchase_id, agent, identity, headers, at, method, url, domain, place, site, state,
        counted_at,
                      session, budget_domain, usd, amount, asset_address, network, payee, scheme, handle, ends, open)
SELECT "row", purchase_id, agent, identity, headers, clock_ms(), method, url, domain, place, site, 'authorized',
        clock_ms(),
       1, 'example.com', 5, '5', '0xA', 'eip155:84532', '0xB', 'exact', '\x7777', clock_ms() / 1000 + 60, 1
  FROM purchase WHERE "row" = 5
ON CONFLICT ("row") DO UPDATE
   SET at = excluded.at, counted_at = excluded.counted_at, session = excluded.session, usd = excluded.usd,
       budget_domain = excluded.budget_domain, amount = excluded.amount, payee = excluded.payee,
       handle = excluded.handle,
       ends = excluded.ends, open = excluded.open, state = excluded.state
 WHERE purchase.handle IS NULL
RETURNING "row", machine;

-- must work: it counts the authorization, and writes it into the history
WITH counted AS (UPDATE ledger SET newest = greatest(newest, clock_ms()), authorizations = authorizations + 1)
INSERT INTO event (purchase, at, kind, detail, hash) VALUES (1, 1, 'authorized', '{}', '\x04');

-- must work: it closes
UPDATE purchase SET state = 'settled', proof = 'seller', delivered = 1, open = 0, http_status = 200, receipt = '{}',
       request = NULL, lease = NULL WHERE "row" = 1 AND state = 'authorized' AND proof = 'none';

-- must work: it proves that a payment settled
UPDATE purchase SET state = 'settled', proof = 'chain', chain_tx = '0xC' WHERE "row" = 1;

-- must work: it proves that a payment lapsed, past its end
UPDATE purchase SET state = 'lapsed', proof = 'chain', open = 0 WHERE "row" = 2;

-- must work: it proves that less was taken
UPDATE purchase SET taken = '4000', usd = usd - 6000, given_back = 6000 WHERE "row" = 3;

-- must work: it asks
INSERT INTO question (purchase, identity, terms, scheme, network, asset, amount, asked_at, expires_at, shown_at)
SELECT "row", identity, 'terms', 'exact', 'n', 'a', '1', clock_ms(), clock_ms() + 1, NULL FROM purchase WHERE "row" = 9;

-- must work: it asks once more in the place of a yes that was used
INSERT INTO question (purchase, identity, terms, scheme, network, asset, amount, asked_at, expires_at)
SELECT "row", identity, 'terms', 'exact', 'n', 'a', '1', clock_ms(), clock_ms() + 1 FROM purchase WHERE "row" = 6
ON CONFLICT (purchase, terms) DO UPDATE
   SET asked_at = excluded.asked_at, expires_at = excluded.expires_at, answer = NULL, answered_by = NULL,
       answered_at = NULL, valid_until = NULL, used = 0, challenge = NULL, heard_at = NULL,
       shown_at = excluded.shown_at;

-- must work: it takes back a question for other terms
DELETE FROM question WHERE purchase IN (4, 5) AND used = 0 AND answer IS DISTINCT FROM 'denied';

-- must work: it passes a host's yes on
UPDATE question SET answer = 'approved', answered_by = 'host', answered_at = clock_ms(),
        valid_until = clock_ms() + 60000
 WHERE purchase = 4;

-- must work: a host says yes again once its first yes is over
UPDATE question SET answered_at = clock_ms(), valid_until = clock_ms() + 60000 WHERE purchase = 8;

-- must work: it passes a host's no on
WITH said AS (UPDATE question SET answer = 'denied', answered_by = 'host', answered_at = clock_ms(), challenge = NULL
               WHERE purchase = 4)
INSERT INTO event (purchase, at, kind, detail, hash) VALUES (4, 1, 'denied', '{"by":"host"}', '\x04');

-- must work: it uses a yes up
UPDATE question SET used = 1, challenge = NULL WHERE purchase = 5 AND answer = 'approved' AND used = 0;

-- must work: it shows a question and keeps its challenge
UPDATE question SET shown_at = clock_ms(), challenge = '{}', heard_at = clock_ms() WHERE purchase = 5;

-- must work: it stops all spending in alarm
UPDATE ledger SET frozen_why = 'money left';

-- must work: it tells news
UPDATE ledger SET told = (SELECT max(id) FROM event);

-- must work: it lives
INSERT INTO holder (name, mark, beats) VALUES ('mine', 'm',
        1) ON CONFLICT (name) DO UPDATE SET beats = holder.beats + 1;

-- must work: it has purchases entered, and reads the log
SELECT enter(), (SELECT count(*) FROM listed), (SELECT count(*) FROM unproven), (SELECT count(*) FROM tally);

-- must work: it sweeps what no rule can see
WITH swept AS (DELETE FROM bucket WHERE "window" = 'hour' AND start < 1000000),
        prices AS (DELETE FROM price WHERE day < 2),
     counts AS (DELETE FROM refusals WHERE minute < 2)
DELETE FROM free_answers WHERE minute < 2;

-- must work: it writes down what it knows of sellers
INSERT INTO price (place, day, lowest) VALUES ('https://api.example.com/1', clock_ms() / 86400000, 5)
ON CONFLICT (place, day) DO UPDATE SET lowest = excluded.lowest WHERE excluded.lowest < price.lowest;

-- must work: it counts a refusal
INSERT INTO refusals VALUES ('claude', clock_ms() / 60000, 1)
ON CONFLICT (agent, minute) DO UPDATE SET refusals = refusals.refusals + 1;

-- must work: it files the evidence and keeps a body
WITH filed AS (UPDATE detail SET evidence = '{}' WHERE purchase = 1)
INSERT INTO body (purchase, bytes) VALUES (3, '\x02') ON CONFLICT (purchase) DO UPDATE SET bytes = excluded.bytes;

-- must work: it asks for the standbys
SELECT ledger_standbys('0/0');

-- The owner's word on questions.

-- must fail: it answers as the owner [BU002]
UPDATE question SET answer = 'approved', answered_by = 'owner', answered_at = 1,
        valid_until = clock_ms() + 1 WHERE purchase = 4;

-- must fail: it answers as nobody [BU002]
UPDATE question SET answer = 'approved', valid_until = clock_ms() + 1 WHERE purchase = 4;

-- must fail: it puts a question that is answered already [42501]
INSERT INTO question (purchase, terms, identity, asked_at, expires_at, answer, answered_by, valid_until)
VALUES (9, 'terms', '\x09', 1, clock_ms() + 1, 'approved', 'owner', clock_ms() + 600000);

-- must fail: it puts one over another with an answer in it [BU002]
INSERT INTO question (purchase, terms, identity, asked_at, expires_at) VALUES (4, 'terms', '\x04', 1, clock_ms() + 1)
ON CONFLICT (purchase, terms) DO UPDATE SET answer = 'approved', answered_by = 'owner',
        valid_until = clock_ms() + 600000;

-- must fail: it merges an answer in [BU002]
MERGE INTO question q USING (SELECT 4 AS p) s ON q.purchase = s.p
 WHEN MATCHED THEN UPDATE SET answer = 'approved', answered_by = 'owner', valid_until = clock_ms() + 600000;

-- must fail: it un-uses a yes [BU002]
UPDATE question SET used = 0 WHERE purchase = 6;

-- must fail: it lengthens a yes [BU002]
UPDATE question SET valid_until = valid_until + 86400000 WHERE purchase = 5;

-- must fail: it lengthens a host's yes that is over without answering anew [BU002]
UPDATE question SET valid_until = clock_ms() + 86400000, answered_by = 'owner' WHERE purchase = 8;

-- must fail: it makes the owner's yes a host's longer one [BU002]
UPDATE question SET answered_by = 'host', valid_until = valid_until + 86400000 WHERE purchase = 5;

-- must fail: it changes the terms of a yes [42501]
UPDATE question SET terms = 'other' WHERE purchase = 5;

-- must fail: it takes a yes to another purchase [42501]
UPDATE question SET purchase = 9 WHERE purchase = 5;

-- must fail: it takes a yes to another wish [BU002]
UPDATE question SET identity = '\x09' WHERE purchase = 5;

-- must fail: it changes the amount of a yes [BU002]
UPDATE question SET amount = '99999999' WHERE purchase = 5;

-- must fail: it makes a no a yes [BU002]
UPDATE question SET answer = 'approved', answered_by = 'host', valid_until = clock_ms() + 60000 WHERE purchase = 7;

-- must fail: it answers for the host over the owner's yes [BU002]
UPDATE question SET answer = 'denied', answered_by = 'host', valid_until = NULL WHERE purchase = 5;

-- must fail: it deletes a no [BU002]
DELETE FROM question WHERE purchase = 7;

-- must fail: it deletes a yes that was used [BU002]
DELETE FROM question WHERE purchase = 6;

-- The ledger's row, and the owner's word.

-- must fail: it thaws [BU002]
DO $$ BEGIN UPDATE ledger SET frozen_why = 'money left'; UPDATE ledger SET frozen_why = NULL; END $$;

-- must fail: it says something else of why all is stopped [BU002]
DO $$ BEGIN UPDATE ledger SET frozen_why = 'money left'; UPDATE ledger SET frozen_why = ''; END $$;

-- must fail: it says that the ledger was adopted [42501]
UPDATE ledger SET adopted_at = 1;

-- must fail: it says that its owner has reviewed everything [42501]
UPDATE ledger SET reviewed_to = 9999999999999;

-- must fail: it moves the ledger away [42501]
UPDATE ledger SET moved_to = 'elsewhere';

-- must fail: it changes which ledger this is [42501]
UPDATE ledger SET id = 'le_other';

-- must fail: it changes the version of the tables [42501]
UPDATE ledger SET version = 2;

-- must fail: it takes the time back [BU001]
UPDATE ledger SET newest = newest - 1;

-- must fail: it takes the time ahead, so that budgets are empty [BU002]
UPDATE ledger SET newest = clock_ms() + 86400000;

-- must fail: it lowers the count of authorizations [BU001]
UPDATE ledger SET authorizations = authorizations - 1;

-- must fail: it raises the count of authorizations by many [BU002]
UPDATE ledger SET authorizations = authorizations + 1000000;

-- must fail: it lowers seq [BU001]
UPDATE ledger SET seq = seq - 1;

-- must fail: it keeps news that is not there yet from being told [BU002]
UPDATE ledger SET told = 9999999;

-- must fail: it begins another ledger [42501]
INSERT INTO ledger (one, id, newest) VALUES (2, 'le_two', 1);

-- must fail: it deletes the ledger's row [42501]
DELETE FROM ledger;

-- must fail: it puts its own policy into force [42501]
UPDATE owner_word SET value = '[wallet]\nper_day = "none"' WHERE name = 'policy';

-- must fail: it adds a word of the owner's [42501]
INSERT INTO owner_word VALUES ('passphrase', 'x', 1);

-- must fail: it deletes the owner's word [42501]
DELETE FROM owner_word;

-- Money.

-- must fail: it releases a payment [BU002]
UPDATE purchase SET state = 'lapsed', proof = 'none', open = 0 WHERE "row" = 1;

-- must fail: it releases a payment past its end [BU002]
UPDATE purchase SET state = 'lapsed', open = 0 WHERE "row" = 2;

-- must fail: it lapses a payment that can still be taken [BU002]
UPDATE purchase SET state = 'lapsed', proof = 'chain', open = 0 WHERE "row" = 1;

-- must fail: it makes a payment end earlier, and lapses it [BU002]
UPDATE purchase SET state = 'lapsed', proof = 'chain', open = 0, ends = 1 WHERE "row" = 1;

-- must fail: it gives budget back of a payment that takes all of its amount [BU002]
DO $$ BEGIN
    UPDATE purchase SET state = 'settled', proof = 'chain' WHERE "row" = 1;
    UPDATE purchase SET taken = '0', usd = 0, given_back = usd WHERE "row" = 1;
END $$;

-- must fail: it gives budget back and says nothing of what was taken [BU002]
UPDATE purchase SET usd = usd - 1, given_back = 1 WHERE "row" = 3;

-- must fail: it makes a payment cheaper [BU001]
UPDATE purchase SET usd = 0 WHERE "row" = 1;

-- must fail: it makes a payment one of a scheme that takes less [BU001]
UPDATE purchase SET scheme = 'upto' WHERE "row" = 1;

-- must fail: it makes a payment count earlier [BU001]
UPDATE purchase SET counted_at = 0 WHERE "row" = 1;

-- must fail: it makes a payment count for another domain [BU001]
UPDATE purchase SET budget_domain = 'other.example' WHERE "row" = 1;

-- must fail: it changes the payee [BU001]
UPDATE purchase SET payee = '0xEvil' WHERE "row" = 1;

-- must fail: it moves the time of a payment [BU001]
UPDATE purchase SET at = 0 WHERE "row" = 1;

-- must fail: it takes the money off a purchase [BU001]
UPDATE purchase SET state = 'refused', handle = NULL, open = 0 WHERE "row" = 1;

-- must fail: it takes back what the chain proved [BU001]
UPDATE purchase SET state = 'held', proof = 'none' WHERE "row" = 3;

-- must fail: it buys with money that begins as settled [BU001]
INSERT INTO purchase ("row", purchase_id, agent, identity, headers, at, method, url, domain, place, state, counted_at,
        session,
                      budget_domain, usd, payee, handle, ends)
VALUES ((SELECT max("row") + 1 FROM purchase), 'pu_x', 'claude', '\x77', '\x00', 1, 'GET', 'u', 'a', 'u', 'settled',
        clock_ms(), 1, 'a', 5, '0xB', '\x7777', 1);

-- must fail: it buys long ago, where no budget counts it [BU002]
INSERT INTO purchase ("row", purchase_id, agent, identity, headers, at, method, url, domain, place, state, counted_at,
        session,
                      budget_domain, usd, payee, handle, ends)
VALUES ((SELECT max("row") + 1 FROM purchase), 'pu_x', 'claude', '\x77', '\x00', 1, 'GET', 'u', 'a', 'u',
        'authorized', 1, 1, 'a', 5, '0xB', '\x7777', 1);

-- must fail: it buys in times to come [BU002]
INSERT INTO purchase ("row", purchase_id, agent, identity, headers, at, method, url, domain, place, state, counted_at,
        session,
                      budget_domain, usd, payee, handle, ends)
VALUES ((SELECT max("row") + 1 FROM purchase), 'pu_x', 'claude', '\x77', '\x00', 1, 'GET', 'u', 'a', 'u',
        'authorized', clock_ms() + 86400000, 1, 'a', 5, '0xB',
        '\x7777', 1);

-- must fail: it buys without a price [23502]
INSERT INTO purchase ("row", purchase_id, agent, identity, headers, at, method, url, domain, place, state, counted_at,
        session,
                      budget_domain, payee, handle, ends)
VALUES ((SELECT max("row") + 1 FROM purchase), 'pu_x', 'claude', '\x77', '\x00', 1, 'GET', 'u', 'a', 'u',
        'authorized', clock_ms(), 1, 'a', '0xB', '\x7777', 1);

-- must fail: it buys with budget given back already [42501]
INSERT INTO purchase ("row", purchase_id, agent, identity, headers, at, method, url, domain, place, state, counted_at,
        session,
                      budget_domain, usd, payee, handle, ends, given_back)
VALUES ((SELECT max("row") + 1 FROM purchase), 'pu_x', 'claude', '\x77', '\x00', 1, 'GET', 'u', 'a', 'u',
        'authorized', clock_ms(), 1, 'a', 5, '0xB', '\x7777', 1, 5);

-- must fail: it buys a second time for a wish that is open [23505]
INSERT INTO purchase ("row", purchase_id, agent, identity, headers, at, method, url, domain, place, state, counted_at,
        session,
                      budget_domain, usd, payee, handle, ends, open)
SELECT (SELECT max("row") + 1 FROM purchase), 'pu_x', agent, identity, headers, at, method, url, domain, place,
        'authorized', clock_ms(), 1, 'a', 5, '0xB', '\x7777',
       1, 1 FROM purchase WHERE "row" = 1;

-- must fail: it buys in another machine's name [BU002]
INSERT INTO purchase ("row", purchase_id, agent, identity, headers, at, method, url, domain, place, state, machine)
VALUES ((SELECT max("row") + 1 FROM purchase), 'pu_x', 'claude', '\x77', '\x00', 1, 'GET', 'u', 'a', 'u', 'refused',
        'another');

-- must fail: it gives a purchase to a third machine [BU002]
UPDATE purchase SET machine = 'third' WHERE "row" = 9;

-- must fail: it takes a payment as its own [BU001]
UPDATE purchase SET machine = session_user WHERE "row" = 1;

-- must fail: it numbers a purchase as it likes [BU002]
INSERT INTO purchase ("row", purchase_id, agent, identity, headers, at, method, url, domain, place, state)
VALUES (9000000000000000000, 'pu_x', 'claude', '\x77', '\x00', 1, 'GET', 'u', 'a', 'u', 'refused');

-- must fail: it numbers a session as it likes [BU002]
INSERT INTO session (id, agent, began, newest) VALUES (9000000000000000000, 'claude', 1, 1);

-- must work: it begins a session
INSERT INTO session (id, agent, began, newest) SELECT coalesce(max(id), 0) + 1, 'other', 1, 1 FROM session;

-- must fail: it changes whose purchase it is [42501]
UPDATE purchase SET agent = 'other' WHERE "row" = 9;

-- must fail: it deletes a purchase [42501]
DELETE FROM purchase WHERE "row" = 9;

-- must fail: it changes what was signed [42501]
UPDATE signed SET signature = '0x0' WHERE purchase = 1;

-- must fail: it changes what a payment was decided on [BU002]
UPDATE detail SET rules = '[{"said":"allow"}]' WHERE purchase = 1;

-- must fail: it deletes what a payment was decided on [42501]
DELETE FROM detail WHERE purchase = 1;

-- Budgets and the log.

-- must fail: it empties a budget [42501]
UPDATE bucket SET counted = 0, held = 0;

-- must fail: it adds to a budget below nothing [42501]
INSERT INTO bucket VALUES ('wallet', 'day', 0, 0, 0, 0);

-- must fail: it sweeps what still counts [BU002]
DELETE FROM bucket WHERE scope = 'wallet' AND "window" = 'day' AND start > 1000000;

-- must fail: it sweeps what a session has spent [BU002]
DELETE FROM bucket WHERE scope = 'session 77';

-- must fail: it makes the tally smaller [42501]
UPDATE tally SET usd = 0;

-- must fail: it keeps a purchase out of the log [42501]
DELETE FROM unlisted;

-- must fail: it makes the log say something else [42501]
UPDATE listed SET usd = 0;

-- must fail: it writes into the log [42501]
INSERT INTO unlisted VALUES (1);

-- must fail: it makes a move legal [42501]
INSERT INTO legal_move VALUES ('settled', 'chain', 'lapsed', 'none');

-- must fail: it forgets refusals of a moment ago [BU002]
DELETE FROM refusals WHERE minute > 1;

-- must fail: it counts refusals back [BU002]
UPDATE refusals SET refusals = 0;

-- must fail: it forgets free answers of a moment ago [BU002]
DELETE FROM free_answers;

-- must fail: it forgets a price [BU002]
DELETE FROM price WHERE day > 1;

-- must fail: it raises the lowest price [BU002]
UPDATE price SET lowest = 1000000 WHERE day > 1;

-- must fail: it forgets whom a site was paid at [42501]
DELETE FROM seller_payee;

-- must fail: it has chains searched no further back [BU002]
UPDATE searched SET block = 1;

-- History.

-- must fail: it changes an event [42501]
UPDATE event SET detail = '{"x":1}';

-- must fail: it deletes an event [42501]
DELETE FROM event;

-- must fail: it numbers an event as it likes [42501]
INSERT INTO event (id, at, kind, detail, hash) VALUES (9000000000000000000, 1, 'notice', '{}', '\x01');

-- must fail: it writes that the owner thawed [BU002]
INSERT INTO event (at, kind, detail, hash) VALUES (1, 'thawed', '{"why":null}', '\x01');

-- must fail: it writes that the owner said yes [BU002]
INSERT INTO event (purchase, at, kind, detail, hash) VALUES (4, 1, 'approved', '{"by":"owner"}', '\x01');

-- must fail: it writes that both said yes [BU002]
INSERT INTO event (purchase, at, kind, detail, hash) VALUES (4, 1, 'approved', '{"by":"host","by":"owner"}', '\x01');

-- must fail: it writes that the owner released [BU002]
INSERT INTO event (purchase, at, kind, detail, hash) VALUES (1, 1, 'released', '{"by":"owner"}', '\x01');

-- must fail: it writes who the owner is [BU002]
INSERT INTO event (at, kind, detail, hash) VALUES (1, 'owner', '{"verifier":"mine"}', '\x01');

-- must fail: it writes that the ledger was adopted [BU002]
INSERT INTO event (at, kind, detail, hash) VALUES (1, 'adopted', '{}', '\x01');

-- must fail: it writes that the owner reviewed [BU002]
INSERT INTO event (at, kind, detail, hash) VALUES (1, 'reviewed', '{}', '\x01');

-- must fail: it writes of a policy [BU002]
INSERT INTO event (at, kind, detail, hash) VALUES (1, 'policy', '{}', '\x01');

-- must fail: it writes of an approval that was sent [BU002]
INSERT INTO event (at, kind, detail, hash) VALUES (1, 'approval_sent', '{}', '\x01');

-- must fail: it copies an event of the owner's in [BU002]
WITH mine AS (SELECT 1 AS at, 'thawed' AS kind, '{}' AS detail, '\x01'::BYTEA AS hash)
INSERT INTO event (at, kind, detail, hash) SELECT * FROM mine;

-- must fail: it changes a sign-in [42501]
UPDATE sign_in SET message = 'x';

-- must fail: it deletes a sign-in [42501]
DELETE FROM sign_in;

-- must fail: it empties the history [42501]
TRUNCATE event;

-- must fail: it empties everything [42501]
TRUNCATE purchase CASCADE;

-- must fail: it empties the bodies [42501]
TRUNCATE body;

-- Other machines.

-- must fail: it beats for another machine's process [BU002]
UPDATE holder SET beats = beats + 1 WHERE name = 'another-1';

-- must fail: it marks another machine's batch as committed [BU002]
UPDATE holder SET mark = 'x' WHERE name = 'another-1';

-- must fail: it declares another machine's process dead [BU002]
DELETE FROM holder WHERE name = 'another-1';

-- must fail: it takes over another machine's process [42501]
UPDATE holder SET machine = session_user WHERE name = 'another-1';

-- must fail: it registers a process of another machine's [BU002]
INSERT INTO holder (name, machine, beats) VALUES ('another-2', 'another', 1);

-- must fail: it writes over another machine's process [BU002]
INSERT INTO holder (name, beats) VALUES ('another-1', 1) ON CONFLICT (name) DO UPDATE SET mark = 'x';

-- Ways around.

-- must fail: it puts a table of its own before the ledger's row [BU001]
DO $$ BEGIN
    CREATE TEMP TABLE ledger AS SELECT 0::BIGINT AS newest, 'x'::TEXT AS moved_to;
    CREATE TEMP TABLE legal_move AS SELECT 'settled' AS state, 'chain' AS proof, 'held' AS next_state,
    'none' AS next_proof;
    GRANT ALL ON pg_temp.ledger, pg_temp.legal_move TO PUBLIC;
    UPDATE purchase SET state = 'held', proof = 'none' WHERE "row" = 3;
END $$;

-- must fail: it puts a table of its own before the ledger's row to buy long ago [BU002]
DO $$ BEGIN
    CREATE TEMP TABLE ledger AS SELECT 0::BIGINT AS newest, NULL::TEXT AS moved_to;
    GRANT ALL ON pg_temp.ledger TO PUBLIC;
    INSERT INTO purchase ("row", purchase_id, agent, identity, headers, at, method, url, domain, place, state,
    counted_at, session,
                          budget_domain, usd, payee, handle, ends)
    VALUES ((SELECT max("row") + 1 FROM purchase), 'pu_x', 'claude', '\x77', '\x00', 1, 'GET', 'u', 'a', 'u',
    'authorized', 1, 1, 'a', 5, '0xB', '\x7777', 1);
END $$;

-- must fail: it puts a table of its own before the buckets, and sweeps [BU002]
DO $$ BEGIN
    CREATE TEMP TABLE unlisted ("row" BIGINT PRIMARY KEY);
    CREATE TEMP TABLE bucket (scope TEXT, "window" TEXT, start BIGINT, counted BIGINT, held BIGINT, payments BIGINT);
    GRANT ALL ON pg_temp.bucket, pg_temp.unlisted TO PUBLIC;
    PERFORM set_config('search_path', current_setting('search_path') || ', pg_temp', true);
    DELETE FROM bucket WHERE "window" = 'day';
END $$;

-- must fail: it counts with a table of its own [42501]
DO $$ BEGIN
    CREATE TEMP TABLE mine AS SELECT * FROM purchase WHERE "row" = 1;
    CREATE TRIGGER x AFTER UPDATE ON mine FOR EACH ROW EXECUTE FUNCTION budgets_follow();
    UPDATE mine SET state = 'lapsed';
END $$;

-- must fail: it calls what writes the tally [42501]
DO $$ BEGIN
    CREATE TEMP TABLE mine AS SELECT * FROM listed;
    CREATE TRIGGER x AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION tally_follows();
END $$;

-- must fail: it brings its own idea of who the owner is [42501]
DO $$ BEGIN
    EXECUTE format('CREATE OR REPLACE FUNCTION %I.is_the_owner() RETURNS BOOLEAN LANGUAGE sql AS ''SELECT true''',
                   current_schema());
END $$;

-- must fail: it brings an operator of its own [BU002]
DO $$ BEGIN
    CREATE FUNCTION pg_temp.never(BIGINT, BIGINT) RETURNS BOOLEAN LANGUAGE sql AS 'SELECT false';
    CREATE OPERATOR pg_temp.> (LEFTARG = BIGINT, RIGHTARG = BIGINT, FUNCTION = pg_temp.never);
    PERFORM set_config('search_path', 'pg_temp, ' || current_schema() || ', pg_catalog', true);
    UPDATE purchase SET state = 'lapsed', proof = 'chain', open = 0 WHERE "row" = 1;
END $$;

-- must fail: it switches triggers off for itself [42501]
SET LOCAL session_replication_role = replica;

-- must fail: it switches a table's triggers off [42501]
ALTER TABLE purchase DISABLE TRIGGER ALL;

-- must fail: it drops a trigger [42501]
DROP TRIGGER events_stay ON event;

-- must fail: it drops a table [42501]
DROP TABLE bucket CASCADE;

-- must fail: it becomes the owner of the tables [42501]
ALTER TABLE ledger OWNER TO CURRENT_USER;

-- must fail: it grants itself more [42501]
DO $$ BEGIN
    EXECUTE format('GRANT CREATE ON SCHEMA %I TO PUBLIC', current_schema());
    CREATE TABLE mine (a BIGINT);
END $$;

-- must fail: it makes a trigger on a table of the ledger's [42501]
CREATE TRIGGER mine BEFORE UPDATE ON ledger FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();

-- must fail: it winds the numbers on [42501]
SELECT setval('event_id_seq', 9000000000000000000);

-- must fail: it uses the numbers up [42501]
SELECT nextval('event_id_seq');

-- must fail: it becomes whoever owns the tables [42501]
DO $$ BEGIN
    EXECUTE format('SET LOCAL ROLE %I', (SELECT tableowner FROM pg_tables WHERE tablename = 'ledger'
                                                                          AND schemaname = current_schema()));
END $$;

-- must fail: it becomes the role that asks for the standbys [42501]
SET LOCAL ROLE bursar_standbys;

-- by: owner

-- must work: the owner says yes
UPDATE question SET answer = 'approved', answered_by = 'owner', answered_at = clock_ms(),
        valid_until = clock_ms() + 60000
 WHERE purchase = 4;

-- must work: the owner says no after all
UPDATE question SET answer = 'denied', answered_by = 'owner', answered_at = clock_ms(), valid_until = NULL
 WHERE purchase = 5;

-- must work: the owner thaws
DO $$ BEGIN
    UPDATE ledger SET frozen_why = 'stop';
    UPDATE ledger SET frozen_why = NULL;
    INSERT INTO event (at, kind, detail, hash) VALUES (1, 'thawed', '{"why":null}', '\x01');
END $$;

-- must work: the owner adopts a ledger
UPDATE ledger SET adopted_at = clock_ms(), newest = greatest(newest, clock_ms()), authorizations = max(authorizations,
        100);

-- must work: the owner has reviewed
UPDATE ledger SET reviewed_to = clock_ms(), newest = max(newest, clock_ms() + 1);

-- must work: the owner seals the ledger
UPDATE ledger SET moved_to = 'elsewhere';

-- must work: the owner releases a payment
WITH told AS (INSERT INTO event (purchase, at, kind, detail, hash) VALUES (1, 1, 'released', '{"by":"owner"}', '\x01'))
UPDATE purchase SET state = 'lapsed', proof = 'none', open = 0 WHERE "row" = 1;

-- must work: the owner puts a policy into force
INSERT INTO owner_word VALUES ('policy', 'x', 2) ON CONFLICT (name) DO UPDATE SET value = excluded.value,
        at = excluded.at;

-- must work: the owner sweeps a dead machine's process
DELETE FROM holder WHERE name = 'another-1';

-- must work: the owner buys
INSERT INTO purchase ("row", purchase_id, agent, identity, headers, at, method, url, domain, place, state, counted_at,
        session,
                      budget_domain, usd, payee, handle, ends)
VALUES ((SELECT max("row") + 1 FROM purchase), 'pu_x', 'claude', '\x77', '\x00', 1, 'GET', 'u', 'a', 'u',
        'authorized', clock_ms(), 1, 'a', 5, '0xB', '\x7777', 1);

-- must fail: the owner writes to a ledger that was moved [BU001]
DO $$ BEGIN UPDATE ledger SET moved_to = 'elsewhere'; UPDATE ledger SET seq = seq + 1; END $$;

-- must fail: the owner changes an event [42501]
UPDATE event SET detail = '{}';

-- must fail: the owner deletes a purchase [42501]
DELETE FROM purchase;

-- must fail: the owner changes what was agreed [BU001]
UPDATE purchase SET payee = '0xEvil' WHERE "row" = 1;

-- must fail: the owner takes back what the chain proved [BU001]
UPDATE purchase SET state = 'lapsed', proof = 'none' WHERE "row" = 3;

-- must fail: the owner makes a move legal [42501]
INSERT INTO legal_move VALUES ('settled', 'chain', 'lapsed', 'none');

-- must fail: the owner empties a budget [42501]
UPDATE bucket SET counted = 0, held = 0;

-- must fail: the owner takes the time back [BU001]
UPDATE ledger SET newest = 0;

-- must fail: the owner becomes an agent's machine that is not theirs [42501]
SET LOCAL ROLE bursar_standbys;

-- by: administrator

-- must fail: whoever owns the tables changes an event [BU001]
UPDATE event SET detail = '{}';

-- must fail: whoever owns the tables deletes an event [BU001]
DELETE FROM event;

-- must fail: whoever owns the tables empties the history [BU001]
TRUNCATE event;

-- must fail: whoever owns the tables deletes a purchase [BU001]
DELETE FROM purchase WHERE "row" = 9;

-- must fail: whoever owns the tables empties everything [BU001]
TRUNCATE purchase CASCADE;

-- must fail: whoever owns the tables changes what was signed [BU001]
UPDATE signed SET signature = '0x0';

-- must fail: whoever owns the tables deletes what was signed [BU001]
DELETE FROM signed;

-- must fail: whoever owns the tables empties what was signed [BU001]
TRUNCATE signed;

-- must fail: whoever owns the tables changes a sign-in [BU001]
UPDATE sign_in SET message = 'x';

-- must fail: whoever owns the tables deletes a sign-in [BU001]
DELETE FROM sign_in;

-- must fail: whoever owns the tables empties the sign-ins [BU001]
TRUNCATE sign_in;

// What stands between bursar and its database: a pooler, a certificate, a password; and a server that does not keep what it
// is given. Each is refused with its reason, and nothing is signed.

import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { check, equal } from "../lib/report.mjs";
import { bySocket, byTcp, makeMachines } from "./fleet.mjs";
import { pooler, startServer } from "./server.mjs";
import { openShop } from "./shop.mjs";

const SERVED_WITHIN_S = 45; // of one call
const SLOW_S = 10;
// As `bursar ledger init-roles` makes it.
const STANDBYS = `CREATE OR REPLACE FUNCTION kept.ledger_standbys(lsn pg_lsn) RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
  AS $$ SELECT count(*)::int FROM pg_stat_replication WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum') AND flush_lsn >= lsn $$`;
const NOTHING = /nothing was (signed|paid)|no money moved|charged: no/i;

export async function isLetIn(world) {
  const { onStop } = world;
  const password = randomBytes(18).toString("base64url");
  const server = await startServer({
    settings: { listen_addresses: "127.0.0.1,127.0.0.2", password_encryption: "scram-sha-256" },
    hba: ["local all all trust", "hostssl all all 127.0.0.0/8 scram-sha-256"],
  });
  onStop(() => server.remove());
  await server.psql(`CREATE ROLE payer LOGIN PASSWORD '${password}'; GRANT CREATE ON DATABASE postgres TO payer`);
  const there = await visitor(world, (dir) => {
    const file = join(dir, "password"), other = join(dir, "other");
    writeFileSync(file, `${password}\n`, { mode: 0o600 });
    writeFileSync(other, `not-${password.slice(4)}\n`, { mode: 0o600 });
    const by = (more) => byTcp(server, "doors", { role: "payer", sslmode: "verify-full", ca: server.ca, password_file: file, ...more });
    return { by, file, other };
  });
  const { by, other } = there.made;

  await there.buys("tls: with its authority named, a server is trusted", by());
  await there.buys("tls: and by its other name", by({ host: "localhost" }));
  await there.isRefused("tls: not with an authority that has not signed", by({ ca: world.server.ca }), /certificate|UnknownIssuer/i);
  await there.isRefused("tls: not where nobody has named its authority", by({ ca: undefined }), /certificate|UnknownIssuer/i);
  await there.isRefused("tls: not by a name that is not in its certificate", by({ host: "127.0.0.2" }), /not valid for name|certificate/i);
  await there.isRefused("tls: not without it, where the server wants it", by({ sslmode: "disable", ca: undefined }), /no encryption|pg_hba/);
  await there.isRefused("password: not with a wrong one", by({ password_file: other }), /password/);
  await there.isRefused("password: not with a file that is not there", by({ password_file: "/nowhere/password" }), /password/);
  await there.isRefused("password: not without one", by({ password_file: undefined }), /password/);
  there.at(by());
  const serving = await there.machine.serve(["--agent", "let-in"]);
  equal("password: a server that runs has read it", (await serving.call("fetch_paid", { url: there.fresh() })).charged, "yes");
  const shown = Object.entries(await there.machine.everything(serving));
  // The wrong one has this in it as well.
  const leaks = shown.filter(([, text]) => text.includes(password.slice(4)));
  equal("password: neither it nor the wrong one is in an answer, file, argument or environment", leaks.map(([where]) => where), []);
  await serving.close();
}

export async function isPooled(world) {
  const there = await visitor(world);
  const plain = await pooler(world.server);
  const quiet = await pooler(world.server, { ignores: "options" });
  world.onStop(() => { plain.stop(); quiet.stop(); });
  await there.isRefused("pooler: one that shares connections is refused", byTcp(plain, "pooled"), /options|pooler/);
  await there.isRefused("pooler: also one that says nothing of it", byTcp(quiet, "pooled"), /pooler that shares connections/);
  await there.buys("pooler: the server itself is not", byTcp(world.server, "pooled"));
}

/** A server of its own, which is told to be careless. */
export async function isKept(world) {
  const { onStop } = world;
  const server = await startServer();
  onStop(() => server.remove());
  const set = async (name, value) => {
    await server.psql(value === undefined ? `ALTER SYSTEM RESET ${name}` : `ALTER SYSTEM SET ${name} = '${value}'`);
    await server.psql("SELECT pg_reload_conf()");
    await untilSet(server, name, value);
  };
  const there = await visitor(world);
  const ledger = bySocket(server, "kept");
  await there.buys("durability: a server that keeps everything is written to", ledger);
  for (const name of ["fsync", "full_page_writes", "synchronous_commit"]) {
    await set(name, "off");
    await there.isRefused(`durability: not one with ${name} off`, ledger, new RegExp(name));
    await set(name);
  }
  await isNoticed(there, server, set, ledger);
  const required = bySocket(server, "kept", { standby: "required" });
  await there.isRefused("durability: not one that cannot tell of standbys, where one is required", required, /standby/);
  await server.psql(STANDBYS);
  await there.isRefused("durability: not one without a standby, where one is required", required, /standby/);
  await there.buys("durability: afterwards it is written to again", ledger);
}

/** Also by a process that runs, as soon as it has to connect anew. */
async function isNoticed(there, server, set, ledger) {
  there.at(ledger);
  const serving = await there.machine.serve(["--agent", "runs"]);
  const buys = () => serving.call("fetch_paid", { url: there.fresh() });
  equal("durability: a process runs", (await buys()).outcome, "answered");
  await set("fsync", "off");
  await server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bursar'");
  const before = there.shop.seen.length;
  const refused = await buys();
  check("durability: connected anew, it notices", refused.charged !== "yes" && JSON.stringify(refused.reasons).includes("fsync"), refused);
  equal("durability: and presents nothing", there.shop.seen.length, before);
  await set("fsync");
  const again = await buys();
  equal("durability: put right, it goes on by itself", [again.outcome, again.charged], ["answered", "yes"]);
  await serving.close();
}

async function untilSet(server, name, value) {
  // A reload reaches each backend on its own time; a new one has it once the postmaster does.
  for (let tries = 0; tries < 200; tries += 1) {
    const now = await server.psql(`SHOW ${name}`);
    if ((value === "off") === (now === "off")) return;
  }
  throw new Error(`${name} is not ${value}`);
}

/** Somebody with one home, who tries one `[ledger]` after the other. */
async function visitor(world, make = () => undefined) {
  const shop = await openShop(world.onStop);
  const [machine] = await makeMachines(world.onStop, { chain: world.chain, shop, ledgers: [""] });
  return new Visitor(shop, machine, make(machine.dir));
}

class Visitor {
  #nth = 0;
  #ledger = "";

  constructor(shop, machine, made) {
    Object.assign(this, { shop, machine, made });
  }

  fresh() { return `${this.shop.url}/${(this.#nth += 1)}`; }

  at(ledger) {
    this.machine.changeConfig(this.#ledger, ledger);
    this.#ledger = ledger;
  }

  async #tries(ledger) {
    this.at(ledger);
    const url = this.fresh();
    const ended = await this.machine.run(["fetch", url], { timeoutS: 100 });
    return { ...ended, presented: this.shop.seen.filter((seen) => url.endsWith(seen.url)).length };
  }

  async buys(sentence, ledger) {
    const { code, presented, stderr, stdout } = await this.#tries(ledger);
    check(sentence, code === 0 && presented === 1, { code, presented, stderr, stdout });
  }

  async isRefused(sentence, ledger, why) {
    const { code, presented, stderr, stdout, seconds } = await this.#tries(ledger);
    const said = `${stdout}${stderr}`;
    const isSaid = code !== 0 && why.test(said) && NOTHING.test(said);
    check(`${sentence}; nothing is signed, and it says why`, isSaid && presented === 0 && seconds < SERVED_WITHIN_S, { code, said, presented, seconds });
    if (seconds > SLOW_S) console.log(`      ${sentence}: after ${seconds.toFixed(1)} s`);
  }
}

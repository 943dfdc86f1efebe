// What one machine does is heard by the others: a freeze, a thaw, a yes. And what one does not do, because it stands still
// with the wallet's row in its hands, keeps nobody for long.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { binary } from "../lib/bursar.mjs";
import { check, equal } from "../lib/report.mjs";
import { bySocket, byTcp, makeMachines, recordedIn } from "./fleet.mjs";
import { startProxy } from "./proxy.mjs";
import { openShop } from "./shop.mjs";
import { bin, plainEnv, until } from "./system.mjs";

const ROUNDS = 3;
const WITHIN_MS = 1_000;
const HELD_S = 14; // longer than a lock is waited for
const LOCK_S = 10;
const LOCKS = /UPDATE ledger SET seq/;

export async function areHeard({ onStop, chain, server, witness }) {
  const schema = "heard";
  const shop = await openShop(onStop, { chain, witness: recordedIn(witness, schema) });
  const rules = "[approval]\nabove = \"0.0005\"\n";
  const [agent, owner] = await makeMachines(onStop, { chain, shop, ledgers: Array(2).fill(bySocket(server, schema)), rules });
  const serving = await agent.serve(["--agent", "hears"]);
  const asked = await serving.call("fetch_paid", { url: `${shop.url}/yes` });
  equal("heard: above the line somebody is asked", asked.outcome, "needs_approval");

  const isFrozen = async () => (await serving.call("get_budget", {})).frozen === true;
  const took = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const written = (so) => until("it is written", async () => (await witness.ask(`SELECT frozen_why IS NOT NULL FROM ${schema}.ledger`)) === so, { everyMs: 5 });
    const measure = async (so, is) => {
      await written(so);
      const began = Date.now();
      await until("it is heard", async () => (await isFrozen()) === is, { everyMs: 10 });
      took.push(Date.now() - began);
    };
    await Promise.all([owner.must(["freeze", "--why", "a test"]), measure("t", true)]);
    const refused = await serving.call("fetch_paid", { url: `${shop.url}/frozen/${round}` });
    check("heard: frozen by one machine, the other pays nothing", refused.outcome === "refused" && refused.reasons.some(({ code }) => code === "frozen"), refused);
    await Promise.all([atTerminal(onStop, owner, "thaw", /type (\S+)/i), measure("f", false)]);
  }
  console.log(`      heard: freezes and thaws after ${took.join(", ")} ms`);
  check("heard: a freeze and a thaw are heard within a second, most of them", median(took) < WITHIN_MS, took);

  await atTerminal(onStop, owner, `approve ${asked.purchase_id}`, /type (\S+)/i);
  const began = Date.now();
  const bought = await until("the yes is heard", async () => {
    const answer = await serving.call("fetch_paid", { url: `${shop.url}/yes`, purchase_id: asked.purchase_id });
    return answer.outcome !== "needs_approval" && answer;
  }, { everyMs: 50 });
  check("heard: a yes given on one machine buys on the other", bought.outcome === "answered" && bought.charged === "yes", bought);
  check("heard: within a second, and a purchase", Date.now() - began < 2 * WITHIN_MS, { ms: Date.now() - began });
  equal("heard: one payment was presented, from the ledger", [shop.seen.length, shop.unrecorded.length], [1, 0]);
  await serving.close();
}

/** A command that wants its owner at a terminal, and to have something typed. */
async function atTerminal(onStop, { env, dir }, words, asks) {
  const child = spawn("script", ["-qfec", `${binary()} ${words}`, "/dev/null"], { env, cwd: dir });
  onStop(() => child.kill("SIGKILL"));
  let shown = "", typed;
  child.stdout.on("data", (data) => {
    shown += data;
    const [, wanted] = typed ? [] : shown.match(asks) ?? [];
    if (wanted) child.stdin.write(`${(typed = wanted.replace(/[:"',.]+$/, ""))}\n`);
  });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`bursar ${words} ended with ${code}:\n${shown}`);
}

/** Somebody holds the wallet's row: psql, and then one of ours that is stopped in the middle of a purchase. */
export async function isKeptByNobody({ onStop, chain, server, witness }) {
  const schema = "busy";
  const shop = await openShop(onStop, { chain, witness: recordedIn(witness, schema) });
  const proxy = await startProxy(server);
  onStop(() => proxy.stop());
  const ledgers = [byTcp(proxy, schema), bySocket(server, schema)];
  const [stopped, other] = await makeMachines(onStop, { chain, shop, ledgers });
  const [a, b] = [await stopped.serve(["--agent", "a"]), await other.serve(["--agent", "b"])];
  const buys = (serving, path) => timed(serving.call("fetch_paid", { url: `${shop.url}/${path}` }));
  const persists = async (serving, path) => {
    let calls = 0;
    const bought = async () => {
      const { answer } = await buys(serving, path);
      calls += 1;
      return answer.reasons?.[0]?.code === "ledger_busy" ? undefined : answer;
    };
    return { ...await timed(until("the row is free", bought, { timeoutS: 30, everyMs: 10 })), calls };
  };
  for (const serving of [a, b]) equal("busy: both machines buy", (await buys(serving, "first")).answer.outcome, "answered");
  shop.forget();

  const holding = spawn(join(bin, "psql"), ["-X", "-q", "-d", server.url()], { env: plainEnv, cwd: "/" });
  onStop(() => holding.kill("SIGKILL"));
  holding.stderr.resume();
  holding.stdin.on("error", () => {});
  holding.stdin.write(`SET idle_in_transaction_session_timeout = '${HELD_S}s'; BEGIN; UPDATE ${schema}.ledger SET seq = seq; SELECT 'holds';\n`);
  await once(holding.stdout, "data");
  const refused = await Promise.all([buys(a, "held"), buys(b, "held-too")]);
  for (const { answer, seconds } of refused) {
    check("busy: whoever waits for the row longer than it may is told that the ledger is busy", answer.reasons?.[0]?.code === "ledger_busy" && answer.charged === "no", answer);
    check(`busy: after ${LOCK_S} s`, seconds >= LOCK_S - 1 && seconds < LOCK_S + 4, { seconds });
  }
  equal("busy: nothing was presented", shop.seen.length, 0);
  const after = await Promise.all([persists(a, "held"), persists(b, "held-too")]);
  check("busy: once the server has thrown the client out, both go on", after.every(({ answer }) => answer.charged === "yes"), after);
  const told = (asked) => asked.map(({ seconds }) => seconds.toFixed(1)).join(" and ");
  console.log(`      busy: told after ${told(refused)} s, bought after ${told(after)} s more and ${after.map(({ calls }) => calls).join(" and ")} calls`);

  proxy.arm();
  let isStopped;
  const stops = new Promise((resolve) => (isStopped = resolve));
  proxy.options.onSeen = ({ text }) => {
    if (!LOCKS.test(text ?? "")) return;
    proxy.options.onSeen = undefined;
    a.child.kill("SIGSTOP");
    isStopped();
  };
  const call = buys(a, "stopped");
  await stops;
  // The lock is taken when the server has it; the stopped one does not hear of that.
  await until("it holds the row", async () => (await witness.ask(`SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE '%UPDATE ledger SET seq%'`)) !== "0", { everyMs: 10 });
  const meanwhile = await buys(b, "meanwhile");
  check("busy: one that is stopped with the row in its hands keeps the others a few seconds", meanwhile.answer.charged === "yes" && meanwhile.seconds < LOCK_S, meanwhile);
  a.child.kill("SIGCONT");
  const { answer } = await call;
  const again = answer.charged === "yes" ? answer : (await buys(a, "stopped")).answer;
  equal("busy: and goes on itself when it may", again.outcome, "answered");
  console.log(`      busy: beside one that is stopped after ${meanwhile.seconds.toFixed(1)} s; itself: ${answer.outcome} at once, ${again.charged} in the end`);
  equal("busy: each thing was paid for once, from the ledger", [...[...shop.paidFor().values()].map(({ size }) => size), shop.unrecorded.length], [1, 1, 1, 1, 0]);
  const audit = await other.run(["audit"]);
  equal("busy: the audit agrees", audit.code, 0);
  await Promise.all([a.close(), b.close()]);
}

/** A figure, not a check: what a purchase takes on PostgreSQL beside SQLite, in turns. */
export async function isMeasured({ onStop, chain, server }) {
  const PURCHASES = 50, WARM = 5;
  const shop = await openShop(onStop);
  const took = { postgres: [], sqlite: [] }, serving = {};
  for (const [engine, ledger] of [["postgres", bySocket(server, "measured")], ["sqlite", ""]]) {
    const [machine] = await makeMachines(onStop, { chain, shop, ledgers: [ledger] });
    serving[engine] = await machine.serve(["--agent", "measured"]);
  }
  for (let n = 0; n < PURCHASES + WARM; n += 1) {
    for (const engine of Object.keys(took)) {
      const { seconds, answer } = await timed(serving[engine].call("fetch_paid", { url: `${shop.url}/${engine}/${n}` }));
      if (answer.charged !== "yes") throw new Error(`not bought on ${engine}: ${JSON.stringify(answer)}`);
      if (n >= WARM) took[engine].push(seconds * 1000);
    }
  }
  const [postgres, sqlite] = [median(took.postgres), median(took.sqlite)];
  console.log(`      figure: p50 of ${PURCHASES} purchases each, in turns: ${postgres.toFixed(1)} ms on PostgreSQL, ${sqlite.toFixed(1)} ms on SQLite: ${(postgres - sqlite).toFixed(1)} ms more`);
  await Promise.all(Object.values(serving).map((server) => server.close()));
}

async function timed(asked) {
  const began = performance.now();
  const answer = await asked;
  return { answer, seconds: (performance.now() - began) / 1000 };
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

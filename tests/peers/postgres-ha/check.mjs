// Eight bursars buy on one ledger in three PostgreSQL under Patroni, and the one that leads is killed, cut off, and frozen:
// no authorization is lost, nothing is paid twice, the cap is exact, and service comes back. `node check.mjs killed frozen`
// does some of it, and BURSAR_ROUNDS=20 each of them 20 times. Needs root.

import { fileURLToPath } from "node:url";
import { check, equal, runPart } from "../lib/report.mjs";
import { startCluster } from "../postgres/cluster.mjs";
import { PRICE } from "../postgres/fleet.mjs";
import { isRoot, until } from "../postgres/system.mjs";
import { openFleet } from "./fleet.mjs";

const BURSARS = 8;
const SCHEMA = "fleet";
const ROUNDS = Number(process.env.BURSAR_ROUNDS ?? 1);
const patroni = fileURLToPath(new URL("../.cache/patroni", import.meta.url));

// A frozen server still takes connections, and answers none: that costs whoever asks it some seconds more.
const HARMS = {
  killed: { atMostS: 30, harm: (cluster, n) => cluster.kill(n), mend: (cluster, n) => cluster.heal(n) },
  cut: { atMostS: 30, harm: (cluster, n) => cluster.cut(n), mend: (cluster, n) => cluster.mend(n) },
  frozen: { atMostS: 40, harm: (cluster, n) => cluster.freeze(n), mend: (cluster, n) => cluster.thaw(n) },
};
const ASYNC = "async";
const wanted = process.argv.length > 2 ? process.argv.slice(2) : [ASYNC, ...Object.keys(HARMS)];
const harms = wanted.filter((how) => how in HARMS);
const WISHES = 240; // of one round at the most, so that the cap is not reached before the end
const FEW = 40; // payments, before a harm and after it
const CAP = WISHES * ROUNDS * harms.length + 100;
const SLOW_MS = 2_000; // between two wishes of a caller, while a server comes back
const LONGEST_S = 120; // for whatever should take seconds
const ANSWER_S = 45; // what a call may take, as bursar promises

runPart("postgres-ha", async (onStop) => {
  if (!isRoot) throw new Error("this part makes network namespaces, and needs root");
  if (wanted.includes(ASYNC)) await isRefusedWithoutStandby(onStop);
  if (harms.length) await losesItsLeader(onStop);
});

/** Where a failover may forget what was acknowledged, nothing is signed. */
async function isRefusedWithoutStandby(onStop) {
  const cluster = await startCluster({ mode: "async", patroni });
  onStop(() => cluster.stop());
  const fleet = await openFleet(onStop, cluster, { schema: SCHEMA, count: 1, perDay: "1.00" });
  const began = Date.now();
  const answer = await fleet.ask("call", { tool: "fetch_paid", path: "/cent/async" });
  const why = answer.reasons?.map(({ code, message }) => `${code}: ${message}`).join("; ");
  console.log(`      asynchronous: refused after ${seconds(began)} s: ${why}`);
  equal("with asynchronous standbys a purchase is refused, and costs nothing", [answer.outcome, answer.charged], ["refused", "no"]);
  check("it is told that the standby is missing", /standby/.test(why), answer);
  const { leader } = await cluster.waitForSync();
  equal("nothing is in the ledger that was signed", (await recorded(cluster, leader)).size, 0);
  equal("the seller has seen no payment", await fleet.ask("seen"), []);
  await fleet.close();
  cluster.stop();
}

async function losesItsLeader(onStop) {
  const cluster = await startCluster({ mode: "strict", patroni });
  onStop(() => cluster.stop());
  const fleet = await openFleet(onStop, cluster, { schema: SCHEMA, count: BURSARS, perDay: dollars(CAP) });
  await fleet.ask("warmUp");
  await fleet.ask("buy");
  const figures = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const how of harms) figures.push(await loses(cluster, fleet, how, ROUNDS > 1 ? `${how}, ${round}` : how));
  }
  tells(figures);
  await reachesTheCap(cluster, fleet);
  await fleet.close();
}

async function loses(cluster, fleet, how, name) {
  const { atMostS, harm, mend } = HARMS[how];
  const { leader } = await cluster.waitForSync();
  await fleet.ask("pace", { tickets: WISHES - BURSARS, pauseMs: 0 });
  await hears(fleet, "payments", Date.now(), FEW);

  const harmed = Date.now();
  harm(cluster, leader);
  const promoted = another(cluster, leader).then(() => seconds(harmed), () => `over ${LONGEST_S}`);
  await fleet.ask("probe");
  const [first] = await hears(fleet, `a payment with the leader ${name}`, harmed, 1);
  const backS = (first.at - harmed) / 1000;
  console.log(`      leader ${name}: another one after ${await promoted} s, the first authorization begun since after ${backS.toFixed(1)} s`);
  check(`${name}: service is back within ${atMostS} s`, backS <= atMostS, { backS });
  const next = await cluster.leader();
  check(`${name}: another one leads`, next !== leader, { leader, next });
  await hears(fleet, "more payments", harmed, FEW);
  await isWhole(cluster, fleet, next, name);

  await fleet.ask("pace", { pauseMs: SLOW_MS });
  mend(cluster, leader);
  await until(`the one that was ${name} follows`, () => cluster.is(leader, "replica"), { timeoutS: LONGEST_S, everyMs: 200 });
  const { leader: last } = await cluster.waitForSync();
  await isClean(fleet, 0, `${name} and back`); // while others buy
  equal(`${name} and back: no purchase is left open`, await fleet.ask("drain", { timeoutS: LONGEST_S }), []);
  await isWhole(cluster, fleet, last, `${name} and back`);
  return { how, backS };
}

/** Waits until a server leads that did not. */
function another(cluster, before) {
  const others = cluster.hosts.map((_, nth) => nth + 1).filter((n) => n !== before);
  const leads = async () => (await Promise.all(others.map((n) => cluster.is(n, "primary")))).includes(true);
  return until("another leader", leads, { timeoutS: LONGEST_S, everyMs: 250 });
}

/** Waits for so many payments whose wishes were begun after that. */
async function hears(fleet, what, since, count) {
  try {
    return await until(what, async () => {
      const seen = await fleet.ask("seen", { since });
      return seen.length >= count && seen.sort((a, b) => a.at - b.at);
    }, { timeoutS: LONGEST_S, everyMs: 50 });
  } catch (error) {
    const open = (await fleet.ask("open")).slice(0, 3);
    throw new Error(`${error.message}; what is under way: ${JSON.stringify(open)}`);
  }
}

/** What the seller has been shown is in the ledger as this server has it, each thing is paid for once, and the cap holds. */
async function isWhole(cluster, fleet, leader, name) {
  const seen = await fleet.ask("seen");
  const rows = await recorded(cluster, leader);
  const lost = seen.filter(({ nonce }) => !rows.has(nonce));
  equal(`${name}: of ${new Set(seen.map(({ nonce }) => nonce)).size} authorizations that the seller has seen none is lost`, lost, []);
  const twice = [...byUrl([...seen, ...[...rows].map(([nonce, { url }]) => ({ nonce, url }))])].filter(([, nonces]) => nonces.size > 1);
  equal(`${name}: nothing is paid for twice`, twice.map(([url, nonces]) => [url, ...nonces]), []);
  check(`${name}: the cap holds`, counted(rows) <= CAP, { counted: counted(rows), CAP });
}

async function isClean(fleet, machine, name) {
  const { code, stdout, stderr } = await fleet.ask("run", { args: ["audit"], machine });
  check(`${name}: the audit is clean`, code === 0, `${stdout}${stderr}`);
}

/** All authorizations that are in the ledger as one server has it, by their handles. */
async function recorded(cluster, n) {
  const sql = `SELECT encode(handle, 'hex'), state, amount, url FROM ${SCHEMA}.purchase WHERE handle IS NOT NULL`;
  const { code, stdout, stderr } = await cluster.psql(n, sql);
  if (code !== 0) throw new Error(`psql ended with ${code}: ${stderr}`);
  const rows = stdout.split("\n").filter(Boolean).map((line) => line.split("|"));
  return new Map(rows.map(([handle, state, amount, url]) => [handle, { state, amount: Number(amount), url: new URL(url).pathname }]));
}

function byUrl(payments) {
  const paid = new Map();
  for (const { url, nonce } of payments) paid.set(url, (paid.get(url) ?? new Set()).add(nonce));
  return paid;
}

/** How many prices the budgets count. What has lapsed, proven by the chain, they have back. */
function counted(rows) {
  const standing = [...rows.values()].filter(({ state }) => state !== "lapsed");
  return standing.reduce((sum, { amount }) => sum + amount, 0) / (Number(PRICE) * 1e6);
}

async function reachesTheCap(cluster, fleet) {
  const before = (await fleet.ask("seen")).length;
  const began = Date.now();
  equal("up to the cap none is left open", await fleet.ask("exhaust", { timeoutS: 2 * LONGEST_S }), []);
  const seen = await fleet.ask("seen");
  console.log(`      then ${seen.length - before} more in ${seconds(began)} s`);
  const { leader } = await cluster.waitForSync();
  await isWhole(cluster, fleet, leader, "in the end");
  const rows = await recorded(cluster, leader);
  equal("the cap is reached exactly", counted(rows), CAP);
  equal("and what was paid is what the ledger counts", byUrl(seen).size, CAP);
  await isClean(fleet, BURSARS - 1, "in the end");
  const { told, longestS, servers } = await fleet.ask("answers");
  equal("every bursar still runs", servers, servers.map(() => "runs"));
  check(`no call took longer than ${ANSWER_S} s`, longestS <= ANSWER_S + 1, { longestS, told });
  console.log(`      answers: ${Object.entries(told).map(([kind, count]) => `${count} ${kind}`).join(", ")}`);
  console.log(`      the longest took ${longestS.toFixed(1)} s; ${seen.length} payments shown for ${CAP} things`);
}

/** The figures of all rounds. */
function tells(figures) {
  for (const how of harms) {
    const took = figures.filter((one) => one.how === how).map(({ backS }) => backS).sort((a, b) => a - b);
    const at = (part) => took[Math.floor(part * (took.length - 1))].toFixed(1);
    console.log(`      ${how} ${took.length} times: service back after ${at(0)} s to ${at(1)} s, half of them within ${at(0.5)} s`);
  }
}

const dollars = (count) => ((count * Number(PRICE) * 1e6) / 1e6).toFixed(3);
const seconds = (began) => ((Date.now() - began) / 1000).toFixed(1);

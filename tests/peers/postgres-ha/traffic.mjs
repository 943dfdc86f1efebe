// Where the client is: a chain, a seller, and the bursars of one wallet, who buy as they are told over stdin. A JSON line
// each for what is asked and what is answered.

import { appendFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { startChain } from "../lib/chain.mjs";
import { PAYER } from "../lib/bursar.mjs";
import { byTcp, makeMachines } from "../postgres/fleet.mjs";
import { openShop } from "../postgres/shop.mjs";
import { until } from "../postgres/system.mjs";

const LOG = process.env.TRAFFIC_LOG; // a file for whatever is answered that is no purchase
const CALLERS = 2; // of each bursar
const AGAIN_MS = 200;
const IDLE_MS = 20;
const FUNDS = 10n ** 12n;

const started = [];
const onStop = (end) => started.push(end);
const leave = () => { started.splice(0).reverse().forEach((end) => end()); process.exit(0); };

let shop;
let machines;
let servers;
const wishes = new Map(); // by path: when it was begun, and what came of it
const seenAt = new Map(); // by nonce
const told = {}; // how often which answer was given
let longestS = 0;
let tickets = 0; // fresh wishes that may still be begun
let pauseMs = 0;
let last = 0;

const does = {
  async prepare({ hosts, schema, count, perDay }) {
    const chain = await startChain(onStop);
    await chain.mint(PAYER, FUNDS);
    shop = await openShop(onStop, { chain, witness: (nonce) => seenAt.has(nonce) || Boolean(seenAt.set(nonce, Date.now())) });
    const ledger = byTcp({ port: 5432 }, schema, { host: hosts.join(","), standby: "required" });
    machines = await makeMachines(onStop, { chain, shop, ledgers: Array(count).fill(ledger), perDay });
    return machines[0].run(["ledger", "init-roles", `postgresql://postgres@${hosts.join(",")}:5432/postgres`]);
  },

  async serve() { servers = await Promise.all(machines.map((machine) => machine.serve())); },

  /** Each buys once, one after the other: to open the key takes a processor for seconds. */
  async warmUp() { for (const server of servers) await wish(server); },

  /** From here on fresh wishes are begun by all callers, with a pause after each. */
  async buy() {
    for (const server of servers) for (let caller = 0; caller < CALLERS; caller += 1) buysOn(server);
  },

  async pace(to) { ({ tickets = tickets, pauseMs = pauseMs } = to); },

  /** A fresh wish at each bursar, at once. */
  async probe() { servers.forEach((server) => wish(server)); },

  /** One call, and its answer. */
  call: ({ tool, args, path }) => servers[0].call(tool, path ? { ...args, url: `${shop.url}${path}` } : args),

  /** Each payment that the seller has seen, of wishes that were begun after that. */
  async seen({ since = 0 }) {
    const all = shop.seen.map(({ url, nonce }) => ({ url, nonce, at: seenAt.get(nonce), began: wishes.get(url)?.began ?? Infinity }));
    return all.filter(({ began }) => began > since);
  },

  async answers() { return { told, longestS, servers: await states() }; },

  /** Until no wish is under way. Gives those that are, if there still are any. */
  async drain({ timeoutS }) {
    tickets = 0;
    await until("an end of every wish", () => !underWay().length, { timeoutS, everyMs: 50 }).catch(() => {});
    return underWay();
  },

  async open() { return underWay(); },

  /** Until nothing may be bought any more. */
  async exhaust({ timeoutS }) {
    tickets = Infinity;
    pauseMs = 0;
    await until("the cap", () => Object.keys(told).some(isCap), { timeoutS, everyMs: 50 });
    return does.drain({ timeoutS });
  },

  run: ({ machine = 0, args }) => machines[machine].run(args),
};

async function buysOn(server) {
  for (;;) {
    while (tickets <= 0) await pause(IDLE_MS);
    tickets -= 1;
    await wish(server);
    await pause(pauseMs);
  }
}

/** One thing that is wanted, until there is an end of it. */
async function wish(server) {
  const path = `/cent/${(last += 1)}`;
  const one = { began: Date.now(), tries: 0 };
  wishes.set(path, one);
  while (!one.end) {
    const called = Date.now();
    one.tries += 1;
    one.answer = await server.call("fetch_paid", { url: `${shop.url}${path}` }).catch((error) => ({ outcome: "no answer", reasons: [{ code: error.message.slice(0, 300) }] }));
    longestS = Math.max(longestS, (Date.now() - called) / 1000);
    const { outcome, charged, reasons = [] } = one.answer;
    const kind = [outcome, charged, ...reasons.map(({ code }) => code)].join(" ");
    told[kind] = (told[kind] ?? 0) + 1;
    if (LOG && kind !== "answered yes") appendFileSync(LOG, `${JSON.stringify({ at: new Date(), path, tries: one.tries, ms: Date.now() - called, answer: one.answer })}\n`);
    one.end = (outcome === "answered" && charged === "yes") || isCap(kind);
    if (!one.end) await pause(AGAIN_MS);
  }
}

const underWay = () => [...wishes].filter(([, { end }]) => !end).map(([path, { tries, answer }]) => ({ path, tries, answer }));

const isCap = (kind) => /^refused no over_day$/.test(kind);

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function states() {
  return Promise.all(servers.map(({ ended }) => Promise.race([ended, pause(0).then(() => "runs")])));
}

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, leave);
createInterface({ input: process.stdin }).on("line", async (line) => {
  const { id, what, args } = JSON.parse(line);
  const said = await does[what](args ?? {}).then((value) => ({ value }), (error) => ({ error: error.stack ?? `${error}` }));
  process.stdout.write(`${JSON.stringify({ id, ...said })}\n`);
}).on("close", leave);

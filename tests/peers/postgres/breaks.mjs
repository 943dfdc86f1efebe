// The wire to the database breaks at each message once, in each way, while something is bought: what was signed is in the
// ledger before a seller sees it, each thing is paid for once, and the cap holds to the last purchase.

import { check, equal } from "../lib/report.mjs";
import { byTcp, makeMachines, PRICE, recordedIn } from "./fleet.mjs";
import { startProxy } from "./proxy.mjs";
import { openShop } from "./shop.mjs";
import { until } from "./system.mjs";

const CUTS = ["cut-before", "cut-after", "cut-after-unheard", "reset"];
const OF_A_COMMIT = ["error-40001", "warn-01000"];
const STALL = "stall-15";
const CALLS = 8;
const HIT_WITHIN_S = 3; // what goes on beside the calls comes every 0.4 s
const DRY = 4;

/** Each way has a machine, a ledger and a proxy of its own, and they are broken side by side. */
export async function losesNothing(world) {
  const dry = await startRig(world, "dry");
  const { cold, warm } = await dry.listen();
  await dry.close();
  console.log(`      breaks: ${cold.length} messages of a purchase over new connections, ${warm.length} over old ones`);
  const all = [...CUTS, ...OF_A_COMMIT, STALL].map((how) => ({ how, cases: casesOf(how, { cold, warm }, world.everything) }));
  const ended = await Promise.all(all.map((way) => breaksInOneWay(world, way)));
  const total = ended.reduce((sum, count) => sum + count, 0);
  check(`breaks: ${total} messages were broken`, total > 0);
}

/** The wire breaks while a ledger is begun in an empty schema: whoever comes next finds one, whole, or begins it. */
export async function beginsAnyhow({ onStop, chain, server, everything }) {
  const proxy = await startProxy(server);
  onStop(() => proxy.stop());
  const shop = await openShop(onStop);
  const [machine] = await makeMachines(onStop, { chain, shop, ledgers: [""] });
  let ledger = "", nth = 0;
  const begins = async (plan) => {
    const before = ledger;
    ledger = byTcp(proxy, `begins_${(nth += 1)}`);
    machine.changeConfig(before, ledger);
    proxy.arm(plan);
    return machine.run(["audit"]);
  };
  const dry = await begins();
  equal("begins: an empty schema becomes a ledger", dry.code, 0);
  const all = proxy.seen.map((message, n) => ({ ...message, n: n + 1 })).filter(({ kind }) => kind !== "Terminate");
  const makes = all.findIndex(({ text }) => /CREATE SCHEMA/.test(text ?? ""));
  const few = [all[makes], all.slice(makes).find(({ commit }) => commit)];
  const wrong = [];
  let broken = 0;
  for (const how of [...CUTS, ...OF_A_COMMIT]) {
    const cases = (everything ? all : few).filter(({ commit }) => commit || CUTS.includes(how));
    for (const { n, kind, text } of cases) {
      const first = await begins({ how, at: n });
      broken += proxy.broke ? 1 : 0;
      proxy.arm();
      const next = await machine.run(["audit"]);
      if (next.code !== 0) wrong.push({ how, n, kind, text: text?.slice(0, 80), first: first.stderr, next: next.stderr });
    }
  }
  equal(`begins: also where the wire broke (${broken} times)`, wrong, []);
  check("begins: it did break", broken > 0);
}

async function breaksInOneWay(world, { how, cases }) {
  const began = Date.now();
  const rig = await startRig(world, how.replaceAll("-", "_"), { purchases: cases.length + DRY });
  for (let n = 0; n < DRY; n += 1) await rig.buys(`first-${n}`);
  const missed = [], wrong = [];
  let again = 0;
  for (const [n, broken] of cases.entries()) {
    const ended = await rig.breaks(broken, how, `case-${n}`);
    again += ended.calls > 1 ? 1 : 0;
    if (!ended.isHit) missed.push(broken);
    if (ended.wrong.length) wrong.push({ ...broken, ...ended });
  }
  equal(`breaks, ${how}: each of ${cases.length} purchases came through, paid for once, from the ledger`, wrong, []);
  check(`breaks, ${how}: nearly all that was to be broken was`, missed.length <= cases.length / 10, missed);
  await rig.isWhole(how);
  const s = ((Date.now() - began) / 1000).toFixed(0);
  console.log(`      breaks, ${how}: ${cases.length - missed.length} broken, ${again} asked again, in ${s} s`);
  await rig.close();
  return cases.length - missed.length;
}

/** Everything, or every COMMIT and the first message of its kind; of what takes long, little. */
function casesOf(how, { cold, warm }, everything) {
  const all = [...cold.map((message) => ({ ...message, isCold: true })), ...warm];
  const commits = all.filter(({ commit }) => commit);
  if (OF_A_COMMIT.includes(how)) return commits;
  if (how === STALL) return everything ? firsts(all.filter(({ kind }) => ["Query", "Startup"].includes(kind)), ({ key }) => key) : [warm.find(isOfThePurchase)];
  return everything ? all : [...new Set([...commits, ...firsts(all, ({ kind, isCold }) => `${kind} ${isCold}`), ...all.filter(locks)])];
}

const locks = ({ kind, key }) => kind === "Query" && /UPDATE ledger SET seq/.test(key);
const isOfThePurchase = ({ commit, key }) => commit && /COMMIT/.test(key);

function inEach([first, ...others]) {
  return first.filter(({ key, nth }) => others.every((other) => other.some((message) => message.key === key && message.nth === nth)));
}

function firsts(messages, of) {
  const seen = new Set();
  return messages.filter((message) => !seen.has(of(message)) && seen.add(of(message)));
}

async function startRig({ onStop, chain, server, witness }, name, { purchases } = {}) {
  const schema = `breaks_${name}`;
  const proxy = await startProxy(server);
  onStop(() => proxy.stop());
  const shop = await openShop(onStop, { chain, witness: recordedIn(witness, schema) });
  const ledgers = [byTcp(proxy, schema), byTcp(server, schema)];
  const perDay = purchases === undefined ? "none" : (purchases * Number(PRICE)).toFixed(3);
  const [machine, owner] = await makeMachines(onStop, { chain, shop, ledgers, perDay });
  const rig = new Rig({ proxy, shop, machine, owner, witness, schema });
  rig.server = await machine.serve(["--agent", "broken"]);
  return rig;
}

class Rig {
  constructor(parts) { Object.assign(this, parts); }

  /** What a purchase says to the database, over new connections and over old ones; what is said beside it not each time. */
  async listen() {
    for (let n = 0; n < DRY; n += 1) await this.buys(`first-${n}`);
    const heard = { warm: [], cold: [] };
    for (let n = 0; n < DRY; n += 1) {
      for (const way of ["warm", "cold"]) {
        if (way === "cold") this.proxy.resetAll();
        heard[way].push(await this.#heard(`${way}-${n}`));
      }
    }
    return { warm: inEach(heard.warm), cold: inEach(heard.cold) };
  }

  async #heard(path) {
    this.proxy.arm();
    await this.buys(path);
    const name = namer();
    return this.proxy.seen.filter(({ kind }) => kind !== "Terminate").map((message) => ({ ...name(message), kind: message.kind, commit: message.commit }));
  }

  async buys(path) {
    const answer = await this.server.call("fetch_paid", { url: `${this.shop.url}/${path}` });
    if (!isBought(answer)) throw new Error(`${path} is not bought: ${JSON.stringify(answer)}`);
  }

  /** Breaks one message while a thing is bought, and asks for it until it is there. */
  async breaks({ key, nth, isCold }, how, path) {
    if (isCold) this.proxy.resetAll();
    const name = namer();
    this.proxy.arm({ how, at: (message) => { const is = name(message); return is.key === key && is.nth === nth; } });
    const answers = [];
    while (answers.length < CALLS && !isBought(answers.at(-1))) {
      answers.push(await this.server.call("fetch_paid", { url: `${this.shop.url}/${path}` }).catch((error) => ({ outcome: error.message })));
    }
    const isHit = await until("it is broken", () => this.proxy.broke?.done, { timeoutS: HIT_WITHIN_S, everyMs: 20 }).catch(() => false);
    const stalls = this.proxy.broke && !this.proxy.broke.done; // its end is still to come
    if (stalls) await until("the stall is over", () => this.proxy.broke.done, { timeoutS: 30 });
    this.proxy.arm();
    return { isHit: Boolean(isHit || stalls), calls: answers.length, wrong: this.#wrong(answers, `/${path}`) };
  }

  #wrong(answers, url) {
    const wrong = [];
    const seen = this.shop.seen.filter((payment) => payment.url === url);
    const payments = new Set(seen.map(({ nonce }) => nonce));
    if (!isBought(answers.at(-1))) wrong.push("it is not bought in the end");
    if (payments.size !== 1) wrong.push(`it was paid for ${payments.size} times`);
    if (seen.some(({ isRecorded }) => !isRecorded)) wrong.push("a payment was presented before its row");
    if (answers.slice(0, -1).some((answer) => !saysToAskAgain(answer))) wrong.push("it was not told to ask again");
    return wrong.length ? [...wrong, ...answers.map(inShort)] : [];
  }

  /** Nothing is lost, nothing counted twice: the cap was made for just these purchases, and for no other. */
  async isWhole(how) {
    const more = await this.server.call("fetch_paid", { url: `${this.shop.url}/one-too-many` });
    equal(`breaks, ${how}: the cap is used up to the last purchase`, [more.outcome, more.reasons?.[0]?.code], ["refused", "over_day"]);
    const paid = this.shop.nonces.size;
    const audit = JSON.parse((await this.owner.run(["audit", "--json"])).stdout);
    equal(`breaks, ${how}: the audit agrees, and has what the seller saw`, [audit.violations, audit.authorizations], [[], paid]);
    const rows = await this.witness.ask(`SELECT count(*) FROM ${this.schema}.purchase WHERE encode(handle, 'hex') = ANY('{${[...this.shop.nonces]}}')`);
    equal(`breaks, ${how}: each payment that was seen has its row`, rows, `${paid}`);
  }

  async close() {
    await this.server.close();
    this.proxy.stop();
  }
}

/**
 * Names each message by its kind and its statement, and how many of that name came before: what goes on beside a purchase
 * moves no other message to another number.
 */
function namer() {
  const last = new Map(), counts = new Map();
  return ({ connection, kind, text }) => {
    if (text !== undefined) last.set(connection, text);
    const key = `${kind} ${plain(text ?? last.get(connection) ?? "")}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    return { key, nth: counts.get(key) };
  };
}

const inShort = ({ outcome, charged, next, reasons = [] }) => [outcome, charged, next, ...reasons.map(({ code, message }) => `${code}: ${message}`)].join(" | ");
const plain = (text) => text.replaceAll(/breaks_\w+/g, "s").replaceAll(/\b[0-9a-f]{32}\b|\d+/g, "#");
const isBought = (answer) => answer?.outcome === "answered" && Boolean(answer.body?.includes("goods"));
/** Refused for want of a ledger, or held: neither says that it is over. */
const saysToAskAgain = ({ outcome, next = "" }) => ["refused", "held", "failed", "pending"].includes(outcome) && /again|later|minute/.test(next);

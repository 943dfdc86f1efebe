// Many processes, one ledger, one cap: exactly what it affords. And one wish from many is one purchase.

import { check, equal } from "../lib/report.mjs";
import { bySocket, makeMachines, PRICE, recordedIn } from "./fleet.mjs";
import { openShop } from "./shop.mjs";

const PROCESSES = 8;
const WHOLE = { wishes: 400, afforded: 1_000 };
const SMALL = { wishes: 100, afforded: 250 };
const ATOMIC = 1_000n;
const AT_ONCE = 4;
const TRIES = 60;
const OUTCOMES_A_KILL = 25;
const MACHINES_OF_ONE = 4;
const CALLS = 16;

/** Three rounds of each where everything is asked for; otherwise one, and a smaller one with kills. */
export async function keepsTheCap(world) {
  const rounds = world.everything ? 3 : 1;
  for (let round = 1; round <= rounds; round += 1) {
    await spendsTheCap(world, `caps_${round}`, `round ${round}`, WHOLE);
    await spendsTheCap(world, `kills_${round}`, `round ${round}, killed`, { ...(world.everything ? WHOLE : SMALL), isKilled: true });
  }
}

async function spendsTheCap({ onStop, chain, server, witness }, schema, name, { wishes, afforded, isKilled = false }) {
  const began = Date.now();
  const shop = await openShop(onStop, { chain, witness: recordedIn(witness, schema) });
  const ledgers = Array(PROCESSES).fill(bySocket(server, schema));
  const machines = await makeMachines(onStop, { chain, shop, ledgers, perDay: (afforded * Number(PRICE)).toFixed(3) });
  const [{ wallet }] = machines;
  const before = await chain.balance(wallet);
  const agents = machines.map((machine, n) => new Agent(machine, `a${n}`));
  const killer = isKilled ? new Killer(agents) : undefined;
  const outcomes = (await Promise.all(agents.map((agent) => agent.wants(shop, wishes, () => killer?.oneMore())))).flat();
  await Promise.all(agents.map((agent) => agent.leave()));

  const wished = PROCESSES * wishes;
  equal(`caps, ${name}: ${wished} wishes of ${PROCESSES} processes get exactly what the cap affords`, counted(outcomes),
    { bought: afforded, refused: wished - afforded });
  if (killer) check(`caps, ${name}: processes were killed`, killer.kills > PROCESSES, { kills: killer.kills });
  equal(`caps, ${name}: the sellers saw as many payments`, [shop.nonces.size, shop.settled], [afforded, afforded]);
  equal(`caps, ${name}: none for a thing that was paid for already`, [...shop.paidFor().values()].filter(({ size }) => size > 1).length, 0);
  equal(`caps, ${name}: none before it was in the ledger`, shop.unrecorded.length, 0);
  const [owner] = machines;
  const audit = JSON.parse((await owner.run(["audit", "--json"])).stdout);
  equal(`caps, ${name}: the ledger's audit agrees`, [audit.violations, audit.authorizations], [[], afforded]);
  await chain.finalize();
  const reconciled = await owner.run(["reconcile"], { timeoutS: 300 });
  equal(`caps, ${name}: reconcile succeeds`, reconciled.code, 0);
  equal(`caps, ${name}: the chain has taken as much`, [before - (await chain.balance(wallet)), await states(witness, schema)],
    [ATOMIC * BigInt(afforded), `settled chain ${afforded}`]);
  const kills = killer ? `, ${killer.kills} kills` : "";
  const odd = agents.flatMap(({ odd }) => odd);
  console.log(`      caps, ${name}: ${wished} wishes in ${((Date.now() - began) / 1000).toFixed(0)} s${kills}${odd.length ? `, asked again: ${JSON.stringify(counted(odd))}` : ""}`);
}

/** An agent that wants its own things, some at a time, until each is bought or refused for good. */
class Agent {
  odd = [];
  #server;

  constructor(machine, name) {
    Object.assign(this, { machine, name });
  }

  async wants(shop, count, onOutcome) {
    const wishes = Array.from({ length: count }, (_, n) => ({ url: `${shop.url}/${this.name}/${n}`, purchase_id: `w-${n}` }));
    const outcomes = [];
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      for (let wish; (wish = wishes.pop()); ) {
        outcomes.push(await this.#wantsOne(wish));
        onOutcome();
      }
    }));
    return outcomes;
  }

  async #wantsOne(wish) {
    let said;
    for (let tries = 0; tries < TRIES; tries += 1) {
      const server = await this.#alive();
      try {
        const answer = await server.call("fetch_paid", wish);
        said = inShort(answer);
        if (["bought", "refused"].includes(said)) return said;
        this.odd.push(said);
      } catch (error) {
        said = error.message;
        if (this.#server === server.opening) this.#server = undefined;
      }
    }
    return said;
  }

  /** The process there is, or a new one. */
  #alive() {
    this.#server ??= this.machine.serve(["--agent", this.name]).then((server) => {
      server.child.stdin.on("error", () => {}); // it may be killed while it is spoken to
      server.opening = opening;
      return (this.running = server);
    }, (error) => { this.#server = undefined; throw error; });
    const opening = this.#server;
    return opening;
  }

  kill() {
    this.running?.child.kill("SIGKILL");
  }

  async leave() {
    await (await this.#server)?.close();
  }
}

/** Kills somebody, it may be anybody, whenever so much has been bought or refused. */
class Killer {
  kills = 0;
  #outcomes = 0;

  constructor(agents) {
    this.agents = agents;
  }

  oneMore() {
    this.#outcomes += 1;
    if (this.#outcomes % OUTCOMES_A_KILL !== 0) return;
    this.agents[Math.floor(Math.random() * this.agents.length)].kill();
    this.kills += 1;
  }
}

/** One wish from several machines of one agent, many times at once. */
export async function buysOnce({ onStop, chain, server, witness }) {
  const schema = "identical";
  const shop = await openShop(onStop, { chain, witness: recordedIn(witness, schema) });
  const machines = await makeMachines(onStop, { chain, shop, ledgers: Array(MACHINES_OF_ONE).fill(bySocket(server, schema)) });
  const servers = await Promise.all(machines.map((machine) => machine.serve(["--agent", "same"])));
  const wish = { url: `${shop.url}/same` };
  const began = Date.now();
  const calls = Array.from({ length: MACHINES_OF_ONE * CALLS }, (_, n) => servers[n % MACHINES_OF_ONE].call("fetch_paid", wish));
  const answers = await Promise.all(calls);
  console.log(`      identical: ${answers.length} calls in ${Date.now() - began} ms`);
  const ids = new Set(answers.map(({ purchase_id }) => purchase_id));
  const said = new Set(answers.map(({ outcome, body, payment }) => `${outcome} ${body} ${payment?.state}`));
  equal("identical: 64 calls of 4 processes get answers that agree", [answers.length, ids.size, [...said]], [64, 1, [`answered {"goods":"/same"} settled`]]);
  check("identical: somebody is told that it was charged", answers.some(({ charged }) => charged === "yes"), counted(answers.map(({ charged }) => charged)));
  equal("identical: the seller saw one payment, once", [shop.seen.length, shop.nonces.size, shop.unrecorded.length], [1, 1, 0]);
  const audit = JSON.parse(await machines[0].must(["audit", "--json"]));
  equal("identical: the ledger has one authorization", [audit.violations, audit.authorizations], [[], 1]);
  await Promise.all(servers.map((server) => server.close()));
}

/** What has become of all that was authorized, in a word each. */
const states = (witness, schema) =>
  witness.ask(`SELECT coalesce(string_agg(s, ', '), '') FROM (SELECT state || ' ' || proof || ' ' || count(*) AS s FROM ${schema}.purchase WHERE handle IS NOT NULL GROUP BY state, proof ORDER BY 1) AS all_of_them`);

function inShort({ outcome, charged, reasons = [] }) {
  // The money may have moved while a process died: that is known now, and was afforded.
  if (outcome === "answered" || (outcome === "failed" && charged === "yes")) return "bought";
  if (outcome === "refused" && reasons.some(({ code }) => code === "over_day")) return "refused";
  return `${outcome}, charged ${charged}: ${reasons.map(({ code }) => code).join(", ")}`;
}

function counted(words) {
  const counts = {};
  for (const word of [...words].sort()) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

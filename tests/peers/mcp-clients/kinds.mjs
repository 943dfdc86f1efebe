// Every kind of answer there is. The clients refuse an answer that is not of the shape its tool declares, so what is
// checked beside that is whether it is the kind it should be, and that the text says the same.

import http from "node:http";
import { moved } from "../lib/pays.mjs";
import { check, equal } from "../lib/report.mjs";
import { connect } from "./clients.mjs";

const PICTURE = Buffer.from("89504e470d0a1a0a0000000d49484452", "hex");
const LONG = "many words ".repeat(4_000);
const ERRORS = ["refused", "held", "failed"];

/** A seller with pages the reference sellers do not have; nobody listens at the second of its hosts. */
export async function startOddSeller(onStop) {
  const pages = {
    "/picture": [200, { "content-type": "image/png" }, PICTURE],
    "/long": [200, { "content-type": "text/plain" }, LONG],
    "/gone": [404, { "content-type": "text/plain" }, "nothing here"],
    "/lightning": [402, { "www-authenticate": 'L402 macaroon="AGIAJEem", invoice="lnbc10n1pj"' }, ""],
    "/garbled": [402, { "payment-required": "%%%" }, "{ no json"],
  };
  const server = http.createServer((request, response) => {
    const [status, headers, body] = pages[request.url] ?? pages["/gone"];
    response.writeHead(status, headers).end(body);
  });
  onStop(() => { server.closeAllConnections(); server.close(); });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${server.address().port}`;
  return { url: `http://${host}`, hosts: [host, "127.0.0.1:9"], nobody: "http://127.0.0.1:9/" };
}

export async function answersInEveryWay(onStop, scene, kind) {
  const agent = `every-kind-${kind.name.replace(/\W+/g, "-")}`;
  const { client, call } = await connect(onStop, scene.bursar, kind, agent);
  const told = new Teller(kind.name, call);
  const ids = await fetches(told, scene, agent);
  await quotes(told, scene);
  await looksBack(told, ids);
  await client.close();
}

async function fetches(told, { chain, url, wire, odd }, agent) {
  const page = (path, more = "") => `${url}${path}?by=${agent}${more}`;
  const fetch = (name, args, outcome, charged) => told.fetch(name, args, outcome, charged);
  const picture = await fetch("a free picture", { url: `${odd.url}/picture` }, "answered", "no");
  await fetch("a long free page, in part", { url: `${odd.url}/long`, max_chars: 500 }, "answered", "no");
  await fetch("a free page that is not there", { url: `${odd.url}/gone` }, "answered", "no");
  const paid = await fetch("a paid page", { url: page("/cent") }, "answered", "yes");
  await fetch("a paid page from the store", { url: page("/cent") }, "answered", "no");
  const broken = await fetch("a paid page that fails", { url: page("/broken") }, "answered", "unknown");
  const refused = await fetch("a page dearer than asked for", { url: page("/cent", "&dear"), max_price: "0.001" }, "refused", "no");
  const yacht = await fetch("a page no budget has room for", { url: page("/yacht") }, "refused", "no");
  const dear = await fetch("a page its owner is asked about", { url: page("/dear") }, "needs_approval", "no");
  await fetch("a page paid in what bursar does not have", { url: `${odd.url}/lightning` }, "refused", "no");
  await fetch("terms nobody can read", { url: `${odd.url}/garbled` }, "refused", "no");
  await fetch("a host the owner did not open", { url: "http://127.0.0.1:10/" }, "refused", "no");
  await fetch("a seller that is not there", { url: odd.nobody }, "failed", "no");
  await fetch("words that are no URL", { url: "cheap goods" }, "refused", "no");
  await fetch("arguments that do not exist", { url: page("/cent"), colour: "red" }, "refused", "no");
  const before = await moved(chain);
  wire.loseNextPaidReply();
  const held = await fetch("a page whose reply is lost", { url: page("/cent", "&reply=lost") }, "held", "unknown");
  await fetch("that page, once the chain was asked", { url: page("/cent", "&reply=lost") }, "failed", "yes");
  equal(`${told.name}: it was paid once`, (await moved(chain)).paid - before.paid, 10_000n);
  await fetch("an id that stands for something else", { url: page("/echo"), purchase_id: paid.purchase_id }, "refused", "no");
  return { picture, paid, broken, refused, yacht, dear, held };
}

async function quotes(told, { url, odd }) {
  await told.quote("a free page", { url: `${odd.url}/long` }, false);
  await told.quote("a page worth a cent", { url: `${url}/cent` }, true);
  await told.quote("a page no budget has room for", { url: `${url}/yacht` }, false);
  await told.quote("a page its owner is asked about", { url: `${url}/dear` }, false);
  await told.quote("a page paid in what bursar does not have", { url: `${odd.url}/lightning` }, false);
  await told.quote("terms nobody can read", { url: `${odd.url}/garbled` }, false);
  await told.quote("a seller that is not there", { url: odd.nobody }, false, true);
  await told.quote("nonsense", { url: 7 }, false, true);
}

async function looksBack(told, ids) {
  const states = {};
  for (const [name, { purchase_id }] of Object.entries(ids)) {
    if (purchase_id) states[name] = (await told.ok("get_purchase", name, { purchase_id })).state;
  }
  const expected = { picture: "free", paid: "settled", broken: "held", refused: "refused", yacht: "refused", dear: "needs_approval", held: "settled" };
  equal(`${told.name}: get_purchase tells each state`, states, expected);
  const picture = await told.ok("get_purchase", "the picture's bytes", { purchase_id: ids.picture.purchase_id });
  equal(`${told.name}: get_purchase has the picture`, [picture.body_encoding, picture.body], ["base64", PICTURE.toString("base64")]);
  const first = await told.ok("list_spend", "a page of two", { limit: 2 });
  const second = await told.ok("list_spend", "the page after it", { limit: 2, cursor: first.next_cursor });
  const listed = [...first.purchases, ...second.purchases].map(({ purchase_id }) => purchase_id);
  equal(`${told.name}: list_spend turns its pages`, new Set(listed).size, 4);
  await told.ok("list_spend", "everything", { limit: 100 });
  await told.ok("get_budget", "for one place", { url: "https://api.example.com/x" });
  await told.ok("get_balance", "on one network", { network: "eip155:84532" });
  await told.trouble("get_purchase", "an unknown id", { purchase_id: "pu_unknown" });
  await told.trouble("get_purchase", "no id", {});
  await told.trouble("list_spend", "a time that is none", { since: "yesterdayish" });
  await told.trouble("list_spend", "a cursor that is none", { cursor: "%" });
  await told.trouble("get_budget", "a place that is none", { url: "::" });
  await told.trouble("get_balance", "a network that is none", { network: "moon" });
}

/** Calls one tool after the other and holds what they tell to what it should be. */
class Teller {
  constructor(name, call) {
    Object.assign(this, { name, call });
  }

  async fetch(what, args, outcome, charged) {
    const { result, answer, opening } = await this.ask("fetch_paid", what, args);
    const is = [answer.outcome, answer.charged, result.isError ?? false, opening.includes(`${outcome}; charged: ${charged}`)];
    check(`${this.name}: fetch_paid: ${what}`, is.join() === [outcome, charged, ERRORS.includes(outcome), true].join(), result);
    return answer;
  }

  async quote(what, args, payable, isError = false) {
    const { result, answer } = await this.ask("quote", what, args);
    check(`${this.name}: quote: ${what}`, answer.payable === payable && (result.isError ?? false) === isError, result);
  }

  async ok(tool, what, args) {
    const { result, answer, opening } = await this.ask(tool, what, args);
    check(`${this.name}: ${tool}: ${what}`, !result.isError && opening.length > 0, result);
    return answer;
  }

  async trouble(tool, what, args) {
    const { result, answer, opening } = await this.ask(tool, what, args);
    const says = answer.reasons?.length > 0 && opening.startsWith(`${answer.outcome}; charged: no`);
    check(`${this.name}: ${tool}: ${what}`, result.isError === true && says, result);
  }

  /** A client throws what is not of the declared shape. */
  async ask(tool, what, args) {
    try {
      const result = await this.call(tool, args);
      const [opening] = result.content.map(({ text }) => text ?? "").join("\n").split("\n");
      return { result, answer: result.structuredContent ?? {}, opening };
    } catch (error) {
      check(`${this.name}: ${tool}: ${what}: is an answer of the declared shape`, false, `${error}`);
      return { result: {}, answer: {}, opening: "" };
    }
  }
}

/** A seller that takes its time: a client gives up after a minute, so it is told before, and told again when it asks. */
export async function answersWhatIsUnderWay(onStop, { chain, url, wire, bursar }, kinds) {
  const calls = await Promise.all(kinds.map(async (kind) => (await connect(onStop, bursar, kind, "waits")).call));
  const before = await moved(chain);
  const release = wire.holdNextPaidReply();
  const wish = { url: `${url}/cent?by=waits` };
  const began = Date.now();
  const steps = kinds.map(() => 0);
  const waiting = calls.map((call, index) => call("fetch_paid", wish, { onprogress: () => (steps[index] += 1) }));
  const pending = (await Promise.all(waiting)).map((result) => result.structuredContent);
  const names = kinds.map(({ name }) => name).join(" and ");
  equal(`${names}: a slow seller's page is pending`, pending.map(({ outcome, charged }) => [outcome, charged]), kinds.map(() => ["pending", "unknown"]));
  check(`${names}: it is told within 50 s`, Date.now() - began < 50_000, `${Date.now() - began} ms`);
  check(`${names}: they were told that it goes on`, steps.every((count) => count > 0), steps);
  release();
  const again = await Promise.all(calls.map((call, index) => call("fetch_paid", { ...wish, purchase_id: pending[index].purchase_id })));
  const answers = again.map(({ structuredContent }) => structuredContent);
  check(`${names}: called again, they have it`, answers.every(({ outcome, body }) => outcome === "answered" && body?.length > 0), answers);
  equal(`${names}: it is one purchase, paid once`, [new Set(answers.map(({ purchase_id }) => purchase_id)).size, (await moved(chain)).paid - before.paid], [1, 10_000n]);
}

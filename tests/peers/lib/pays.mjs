// One story for every seller: look, buy, ask again, buy more, and have the chain prove it.

import { FACILITATOR_KEY, NETWORK, PAYEE, startChain } from "./chain.mjs";
import { PAYER, PAYER_KEY, makeHome } from "./bursar.mjs";
import { start } from "./process.mjs";
import { check, equal } from "./report.mjs";

const CENT = 10_000n;
export const FUNDS = 5_000_000n;
const WINDOW_S = 300; // no authorization of bursar's is good for longer
const CLOCKS_S = 60; // anvil's clock and ours differ by whole seconds

/** A chain, a seller that answers at `url`, and a bursar with five dollars that may pay it (and go to `alsoTo`). */
export async function makeScene(onStop, { command, args = [], prepareChain, env = {}, through = (url) => url, alsoTo = [] }) {
  const chain = await startChain(onStop);
  await prepareChain?.(chain);
  const seller = await start(onStop, command, args, { env: { RPC: chain.url, FACILITATOR_KEY, PAY_TO: PAYEE, ...env } });
  const url = await through(seller.ready.url);
  const bursar = makeHome(onStop, { chainUrl: chain.url, sellers: [new URL(url).host, ...alsoTo] });
  equal("the imported key has the address everybody knows", await bursar.importKey(), PAYER);
  await chain.mint(PAYER, FUNDS);
  return { chain, seller, url, bursar };
}

/** What has moved since the start, as the chain tells it. */
export async function moved(chain) {
  return { paid: FUNDS - (await chain.balance(PAYER)), received: await chain.balance(PAYEE) };
}

export const cents = (count) => ({ paid: CENT * count, received: CENT * count });

/** The whole story at one seller whose pages lie under `at`, and that may take the money before it makes a page. */
export async function paysSeller({ chain, url, bursar }, { dialect, at = "", soldBefore = 0n, takesFirst = false, by = {} }) {
  const way = { dialect, network: NETWORK, asset: "USDC", scheme: "exact", ...by };
  const server = await bursar.serve();
  const wish = { url: `${url}${at}/cent` };
  const total = (count) => cents(soldBefore + count);

  await looks(server, chain, wish, { way, untouched: total(0n) });
  const first = await buys(server, chain, wish, { way, after: total(1n) });
  await asksAgain(server, chain, wish, first, { after: total(1n) });
  await postsAndBuysAgain(server, chain, { url, at, first }, total);
  const broken = { url: `${url}${at}/broken` };
  if (takesFirst) await isToldNothingCame(server, chain, broken, { after: total(4n) });
  else await isToldNoGoods(server, chain, broken, { after: total(3n) });
  await keepsItsKey(bursar, server);
  equal("bursar leaves when its host does", await server.close(), 0);
  await proves(bursar, chain, first);
}

async function looks(server, chain, wish, { way, untouched }) {
  const free = await server.call("fetch_paid", { url: new URL("/free", wish.url).href });
  equal("a free page is fetched at no charge", [free.outcome, free.charged, free.http?.status], ["answered", "no", 200]);
  const quote = await server.call("quote", wish);
  const offer = quote.offers?.[quote.chosen];
  const seen = [quote.payable, offer?.dialect, offer?.network, offer?.amount_atomic, offer?.verdict];
  const said = [true, way.dialect, way.network, `${CENT}`, "allow"];
  check("a quote tells the terms", JSON.stringify(seen) === JSON.stringify(said), quote);
  equal("a quote moves no money", await moved(chain), untouched);
}

async function buys(server, chain, wish, { way, after }) {
  const bought = await server.call("fetch_paid", wish);
  const { payment = {} } = bought;
  const is = [bought.outcome, bought.charged, bought.http?.status, payment.state, bought.served_from_store];
  check("fetch_paid buys the page", JSON.stringify(is) === JSON.stringify(["answered", "yes", 200, "settled", false]), bought);
  equal("the goods are in the answer", parsed(bought).goods, "a page worth a cent");
  const terms = [payment.amount_usd, payment.amount_atomic, payment.asset, payment.network, payment.dialect, payment.scheme];
  equal("the answer tells what was paid", terms, ["0.01", `${CENT}`, way.asset, way.network, way.dialect, way.scheme]);
  equal("the answer tells who was paid", payment.payee?.toLowerCase(), PAYEE.toLowerCase());
  equal("payer's and payee's balances changed by exactly the price", await moved(chain), after);
  const receipt = payment.chain_tx && (await chain.receipt(payment.chain_tx));
  const transfers = receipt?.logs.filter((log) => chain.isTransfer(log)).length;
  check("the chain transaction it names is on the chain", receipt?.status === "0x1" && transfers === 1, { payment, receipt });
  return bought;
}

async function asksAgain(server, chain, wish, first, { after }) {
  const again = await server.call("fetch_paid", wish);
  const is = [again.outcome, again.served_from_store, again.purchase_id, again.body];
  const was = ["answered", true, first.purchase_id, first.body];
  check("asked again, it is served from the store", JSON.stringify(is) === JSON.stringify(was), again);
  equal("asked again, no money moves", await moved(chain), after);
}

async function postsAndBuysAgain(server, chain, { url, at, first }, total) {
  const json = { count: 3, question: "what is it worth?" };
  const echo = await server.call("fetch_paid", { url: `${url}${at}/echo`, method: "POST", json });
  equal("a POST is paid", [echo.outcome, echo.charged], ["answered", "yes"]);
  equal("a POST reaches the seller with its body", parsed(echo).body, json);
  equal("a POST moves exactly the price", await moved(chain), total(2n));
  const wish = { url: `${url}${at}/cent`, buy_again: first.purchase_id };
  const more = await server.call("fetch_paid", wish);
  check("buy_again buys one more", more.charged === "yes" && parsed(more).copy === parsed(first).copy + 1, more);
  await server.call("fetch_paid", wish);
  equal("buy_again, repeated, buys no third one", await moved(chain), total(3n));
}

/** The reference sellers do not settle when the page fails; bursar cannot know that and must not say so. */
async function isToldNoGoods(server, chain, wish, { after }) {
  const failed = await server.call("fetch_paid", wish);
  const is = [failed.outcome, failed.charged, failed.http?.status, failed.payment?.state];
  check("a page that fails after it was paid is held, not forgotten", JSON.stringify(is) === JSON.stringify(["answered", "unknown", 500, "held"]), failed);
  await server.call("fetch_paid", wish);
  equal("a page that fails is never paid", await moved(chain), after);
}

/** A seller that takes the money first has it, whatever becomes of the page, and need not say so. */
async function isToldNothingCame(server, chain, wish, { after }) {
  const failed = await server.call("fetch_paid", wish);
  check("a page that fails after it was paid is not called unpaid", failed.http?.status === 500 && failed.charged !== "no", failed);
  await server.call("fetch_paid", wish);
  equal("a page that fails is paid once", await moved(chain), after);
}

async function keepsItsKey(bursar, server) {
  const key = PAYER_KEY.toLowerCase();
  const raw = Buffer.from(key, "hex");
  const forms = [key, raw.toString("latin1"), raw.toString("base64").replace(/=+$/, "")];
  const shown = Object.entries(await bursar.everything(server));
  const leaks = shown.filter(([, text]) => forms.some((form) => text.includes(form) || text.toLowerCase().includes(key)));
  equal("the key is in no answer, file, argument or environment", leaks.map(([where]) => where), []);
}

async function proves(bursar, chain, first) {
  const row = (await bursar.log()).find(({ purchase_id }) => purchase_id === first.purchase_id);
  const is = [row?.state, row?.delivered, row?.amount_atomic, row?.chain_tx];
  equal("the log has the purchase", is, ["settled", true, `${CENT}`, first.payment?.chain_tx]);
  await chain.finalize();
  const reconciled = await bursar.run(["reconcile"]);
  equal("reconcile succeeds", reconciled.code, 0);
  const proven = (await bursar.log()).filter(({ state }) => state === "settled");
  check("the chain proves every purchase", proven.length > 0 && proven.every(({ proof }) => proof === "chain"), proven);
  equal("the ledger's own audit agrees", (await bursar.run(["audit"])).code, 0);
}

/** The story's end, once nothing more is to be bought: what was never taken lapses, and the budgets have it back. */
export async function lapses({ chain, bursar }) {
  const held = (await bursar.log()).filter(({ state }) => state === "held").map(({ purchase_id }) => purchase_id);
  const before = await moved(chain);
  await chain.pass(WINDOW_S + CLOCKS_S);
  equal("reconcile succeeds past every window", (await bursar.run(["reconcile"])).code, 0);
  const lapsed = (await bursar.log()).filter(({ state, proof }) => state === "lapsed" && proof === "chain");
  equal("what no seller took has lapsed, proven by the chain", [held.length > 0, lapsed.map(({ purchase_id }) => purchase_id)], [true, held]);
  const server = await bursar.serve();
  const { totals } = await server.call("list_spend", {});
  const used = await usedToday(server);
  equal("the budgets have it back", [totals.held_usd, used?.held_usd, used?.used_usd], ["0.00", "0.00", usd(before.paid)]);
  await server.close();
  equal("the ledger's own audit still agrees", (await bursar.run(["audit"])).code, 0);
}

/** What the day's budget of the wallet counts. */
export async function usedToday(server) {
  const { budgets } = await server.call("get_budget", {});
  return budgets.find(({ scope, window }) => scope === "wallet" && window === "day");
}

/** As bursar writes dollars. */
export const usd = (atomic) => `${atomic / 1_000_000n}.${`${atomic % 1_000_000n}`.padStart(6, "0").replace(/0{1,4}$/, "")}`;

function parsed({ body }) {
  try { return JSON.parse(body); } catch { return {}; }
}

// Every way to pay x402 that is not EIP-3009 after the work, at the reference seller and facilitator: by Permit2, up to
// a ceiling, and before the work.

import { fileURLToPath } from "node:url";
import { PAYER } from "../lib/bursar.mjs";
import { isKilled, losesPayment, losesReply } from "../lib/loses.mjs";
import { lapses, makeScene, moved, paysSeller, usd, usedToday } from "../lib/pays.mjs";
import { PERMIT2, allow, allowed, placePermit2 } from "../lib/permit2.mjs";
import { check, equal, runPart } from "../lib/report.mjs";
import { Wire } from "../lib/wire.mjs";

const CENT = 10_000n;
const WINDOW_S = 300; // no authorization of bursar's is good for longer
const CLOCKS_S = 60; // anvil's clock and ours differ by whole seconds
const seller = { command: process.execPath, args: [fileURLToPath(new URL("../v2-express/ways.mjs", import.meta.url))] };

const allowing = async (chain) => {
  await placePermit2(chain);
  await allow(chain, 50n * CENT);
};

runPart("permit2", async (onStop) => {
  const plain = await makeScene(onStop, { ...seller, prepareChain: allowing });
  await paysSeller(plain, { dialect: "x402v2", at: "/permit2" });
  equal("Permit2 may move less by exactly what it moved", await allowed(plain.chain), 47n * CENT);
  await lapses(plain);

  await buysEveryWay(onStop);

  const wire = new Wire(onStop);
  const broken = await makeScene(onStop, { ...seller, prepareChain: allowing, through: (url) => wire.to(url) });
  const byPermit2 = { ...broken, url: `${broken.url}/permit2` };
  await losesReply(byPermit2, wire);
  await isKilled(byPermit2, wire);
  await losesPayment(byPermit2, wire);
});

async function buysEveryWay(onStop) {
  const wire = new Wire(onStop);
  const scene = await makeScene(onStop, { ...seller, prepareChain: placePermit2, through: (url) => wire.to(url) });
  const shop = new Shop(scene, wire);
  await shop.opens();
  await findsNoAllowance(shop);
  await isSponsored(shop);
  await asksThePolicy(shop);
  scene.bursar.addRules('[schemes]\nallow = ["exact", "upto", "upfront"]\n');
  await paysUpTo(shop);
  await paysFirst(shop);
  await leavesWhatNobodyTook(shop);
  await shop.server.close();
}

/** A buyer that knows what has moved so far, and what should have. */
class Shop {
  paid = 0n;

  constructor(scene, wire) {
    Object.assign(this, { ...scene, wire });
  }

  async opens() {
    await this.server?.close();
    this.server = await this.bursar.serve();
  }

  /** The owner allows Permit2 so much from now on. Of nothing, a bursar that runs may not know for a minute. */
  async allows(atomic) {
    await allow(this.chain, atomic);
    if (atomic === 0n) await this.opens();
  }

  fetch(path) {
    return this.server.call("fetch_paid", { url: `${this.url}${path}` });
  }

  /** Buys a page; of its price so much is taken, and the chain has to prove it. */
  async buys(way, path, { taken = CENT, scheme = "exact", reasons = [] } = {}) {
    const bought = await this.fetch(path);
    const { payment = {} } = bought;
    const is = [bought.outcome, bought.charged, bought.http?.status, payment.state, payment.scheme, payment.amount_atomic, codes(bought)];
    check(`${way}: the page is bought`, same(is, ["answered", "yes", 200, "settled", scheme, `${CENT}`, reasons]), bought);
    await this.movesOnly(way, taken);
    await this.proves(way, bought, taken);
    return bought;
  }

  async refuses(way, path, code) {
    const presented = this.wire.payments.length;
    const refused = await this.fetch(path);
    check(`${way}: it is refused`, same([refused.outcome, refused.charged, codes(refused)], ["refused", "no", [code]]), refused);
    equal(`${way}: nothing was signed`, [refused.payment, this.wire.payments.length], [undefined, presented]);
    await this.movesOnly(way, 0n);
  }

  async movesOnly(way, taken) {
    this.paid += taken;
    equal(`${way}: payer's and payee's balances changed by exactly that`, await moved(this.chain), { paid: this.paid, received: this.paid });
  }

  async proves(way, { purchase_id, payment }, taken) {
    await this.chain.finalize();
    const { code, found } = await this.reconciles();
    equal(`${way}: reconcile finds nothing unexplained`, [code, found.alarms], [0, []]);
    const row = (await this.bursar.log()).find((row) => row.purchase_id === purchase_id);
    const is = [row?.state, row?.proof, row?.amount_atomic, row?.amount_usd, row?.chain_tx];
    equal(`${way}: the chain proves the purchase`, is, ["settled", "chain", `${taken}`, usd(taken), payment?.chain_tx]);
    const { receipt, evidence } = await this.bursar.why(purchase_id);
    check(`${way}: seller and chain name one transaction`, receipt?.success && receipt.chain_tx === payment?.chain_tx, { receipt, evidence });
    equal(`${way}: the budget counts what moved`, (await usedToday(this.server)).used_usd, usd(this.paid));
  }

  async reconciles() {
    const { code, stdout } = await this.bursar.run(["reconcile", "--json"]);
    return { code, found: JSON.parse(stdout) };
  }

  /** The last payment that went over the wire. */
  last() {
    return JSON.parse(Buffer.from(this.wire.payments.at(-1), "base64"));
  }
}

async function findsNoAllowance(shop) {
  await shop.refuses("without an allowance", "/permit2/cent", "permit2_allowance_required");
  const { payload } = (await shop.buys("without an allowance, of two offers", "/either/cent"), shop.last());
  equal("without an allowance, of two offers: the other one is paid", Object.keys(payload).sort(), ["authorization", "signature"]);
}

async function isSponsored(shop) {
  const { chain } = shop;
  for (const time of ["first", "second"]) {
    const way = `sponsored by a permit, the ${time} time`;
    await shop.buys(way, `/permits/cent?${time}`);
    const { info } = shop.last().extensions.eip2612GasSponsoring;
    equal(`${way}: the permit is for Permit2 and the price`, [info.spender, info.amount], [PERMIT2, `${CENT}`]);
    equal(`${way}: no allowance is left over`, await allowed(chain), 0n);
  }
  for (const time of ["first", "second"]) {
    const way = `sponsored by an approval, the ${time} time`;
    const sent = await sentBy(chain, PAYER);
    await shop.buys(way, `/approvals/cent?${time}`);
    const { info } = shop.last().extensions.erc20ApprovalGasSponsoring;
    equal(`${way}: the approval is for Permit2 and the price`, [info.spender, info.amount], [PERMIT2, `${CENT}`]);
    equal(`${way}: the payer sent one chain transaction`, await sentBy(chain, PAYER), sent + 1);
    equal(`${way}: no allowance is left over`, await allowed(chain), 0n);
  }
  await shop.allows(40n * CENT);
  await shop.buys("allowed by the owner meanwhile", "/permit2/cent");
  await shop.buys("allowed already, at a seller that would sponsor it", "/permits/cent?allowed");
  equal("allowed already: nothing but the payment is signed", shop.last().extensions.eip2612GasSponsoring.info.signature, undefined);
}

async function asksThePolicy(shop) {
  await shop.refuses("up to a ceiling, where the policy does not say so", "/upto/cent?take=1", "scheme_not_allowed");
  await shop.refuses("before the work, where the policy does not say so", "/upfront/cent", "scheme_not_allowed");
  await shop.refuses("before the work and by Permit2, likewise", "/upfront-permit2/cent", "scheme_not_allowed");
}

async function paysUpTo(shop) {
  const { chain } = shop;
  const bought = await shop.fetch("/upto/cent?take=4321");
  const { payment = {} } = bought;
  const is = [bought.outcome, bought.charged, payment.state, payment.scheme, payment.amount_atomic];
  check("up to a ceiling: the page is bought", same(is, ["answered", "yes", "settled", "upto", `${CENT}`]), bought);
  equal("up to a ceiling: the ceiling counts until the chain is final", (await usedToday(shop.server)).used_usd, usd(shop.paid + CENT));
  await shop.movesOnly("up to a ceiling", 4_321n);
  await shop.proves("up to a ceiling", bought, 4_321n);

  await shop.buys("up to a ceiling, all of it", "/upto/cent?take=10000", { scheme: "upto" });
  await shop.allows(0n);
  await shop.buys("up to a ceiling, sponsored by a permit", "/upto-permits/cent?take=1", { taken: 1n, scheme: "upto" });
  equal("up to a ceiling, sponsored by a permit: Permit2 may still move what was not taken", await allowed(chain), CENT - 1n);
  await shop.allows(0n);
  await shop.buys("up to a ceiling, sponsored by an approval", "/upto-approvals/cent?take=2", { taken: 2n, scheme: "upto" });
  await shop.allows(40n * CENT);
}

async function paysFirst(shop) {
  await shop.buys("before the work", "/upfront/cent", { reasons: ["paid_upfront"] });
  await shop.buys("before the work, by Permit2", "/upfront-permit2/cent", { reasons: ["paid_upfront"] });
  const failed = await shop.fetch("/upfront/broken");
  const is = [failed.outcome, failed.charged, failed.http?.status, failed.payment?.state];
  check("before work that fails: it is told as paid", same(is, ["answered", "yes", 500, "settled"]), failed);
  check("before work that fails: the answer says why", codes(failed).includes("paid_upfront"), failed);
  await shop.movesOnly("before work that fails", CENT);
  await shop.proves("before work that fails", failed, CENT);
  const row = (await shop.bursar.log()).find(({ purchase_id }) => purchase_id === failed.purchase_id);
  equal("before work that fails: the log has it as not delivered", row?.delivered, false);
}

async function leavesWhatNobodyTook(shop) {
  const { bursar, chain, server } = shop;
  const free = await shop.fetch("/upto/cent?take=0");
  check("of a ceiling, nothing: the answer is here", same([free.outcome, free.charged, free.http?.status], ["answered", "unknown", 200]), free);
  await shop.movesOnly("of a ceiling, nothing", 0n);
  const dear = await shop.fetch("/upto/cent?take=10001");
  check("of a ceiling, more: nothing is said to be known", same([dear.outcome, dear.charged], ["held", "unknown"]), dear);
  await shop.movesOnly("of a ceiling, more", 0n);
  const both = [free.purchase_id, dear.purchase_id].sort();
  const used = await usedToday(server);
  equal("what is not taken counts as held", [used.held_usd, used.used_usd], [usd(2n * CENT), usd(shop.paid + 2n * CENT)]);
  await chain.pass(WINDOW_S + CLOCKS_S);
  const { code, found } = await shop.reconciles();
  equal("past the window, reconcile finds nothing unexplained", [code, found.alarms], [0, []]);
  const lapsed = (await bursar.log()).filter(({ state, proof }) => state === "lapsed" && proof === "chain");
  equal("past the window, it has lapsed", lapsed.map(({ purchase_id }) => purchase_id).sort(), both);
  const left = await usedToday(server);
  equal("past the window, the budgets have it back", [left.held_usd, left.used_usd], ["0.00", usd(shop.paid)]);
  equal("the ledger's own audit agrees", (await bursar.run(["audit"])).code, 0);
}

const codes = ({ reasons }) => reasons.map(({ code }) => code);
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const sentBy = async (chain, account) => Number(await chain.rpc("eth_getTransactionCount", [account, "latest"]));

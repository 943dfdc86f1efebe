// The Machine Payments Protocol on Tempo (tempo/charge): the reference seller (mppx), on a chain of Tempo's kind. Where
// the seller pays the chain's fee, what moves is the price; where it does not, the fee is spent and counted.

import { fileURLToPath } from "node:url";
import { PAYER, makeHome } from "../lib/bursar.mjs";
import { FACILITATOR_KEY, PAYEE } from "../lib/chain.mjs";
import { isKilled, losesPayment, losesReply } from "../lib/loses.mjs";
import { FUNDS, cents, lapses, moved, paysSeller, usd, usedToday } from "../lib/pays.mjs";
import { runToEnd, start } from "../lib/process.mjs";
import { check, equal, runPart } from "../lib/report.mjs";
import { PATH_USD, TEMPO, startTempo } from "../lib/tempo.mjs";
import { Wire } from "../lib/wire.mjs";

const CENT = 10_000n;
const FEE_AT_MOST = 30_000n;
const OTHER_PAYEE = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"; // has none of the asset, which makes it dearer
const seller = fileURLToPath(new URL("../mpp/tempo.mjs", import.meta.url));
const tools = fileURLToPath(new URL("../mpp/tools.mjs", import.meta.url));
const cosigns = fileURLToPath(new URL("../mpp/cosigns.mjs", import.meta.url));
const PAYEE_KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
const VIRTUAL_PAYEE = "0x12345678fdfdfdfdfdfdfdfdfdfd000000000001"; // of a kind that the chain knows, and nobody has
const by = { network: TEMPO, asset: "pathUSD", scheme: "tempo" };

const CONFIG = `[[asset]]
network = "${TEMPO}"
address = "${PATH_USD}"
symbol = "pathUSD"
decimals = 6
transfer = "tip20"
usd = "1"
`;

runPart("tempo", async (onStop) => {
  const closed = await makeScene(onStop);
  await needsTheWord(closed);

  const sponsored = await makeScene(onStop, { allow: true });
  await paysSeller(sponsored, { dialect: "mpp", at: "/sponsored", takesFirst: true, by });
  equal("the payer paid no fee", await sponsored.chain.feesOf(PAYER), 0n);

  const own = await makeScene(onStop, { allow: true });
  const fee = await paysItsFee(own);
  await paysOneOfSeveral(own);
  await isToldWhy(own);

  await paysANewcomer(await makeScene(onStop, { allow: true }), fee);

  const broken = await makeScene(onStop, { allow: true });
  const bySeller = { ...broken, url: `${broken.url}/sponsored` };
  await losesReply(bySeller, broken.wire);
  await isKilled(bySeller, broken.wire);
  await losesPayment(bySeller, broken.wire);

  await paysForATool(await makeScene(onStop, { allow: true, sells: tools }));
  await paysForAFailure(await makeScene(onStop, { allow: true }));
  await isCosignedTwice(await makeScene(onStop, { allow: true }));
  const unused = await makeScene(onStop, { allow: true });
  await leavesOneUnused(unused);
  await lapses(unused);
});

async function makeScene(onStop, { allow = false, sells = seller } = {}) {
  const chain = await startTempo(onStop);
  const env = { RPC: chain.url, FACILITATOR_KEY, PAY_TO: PAYEE, OTHER_PAYEE, VIRTUAL_PAYEE };
  const { ready } = await start(onStop, process.execPath, [sells], { env });
  const wire = new Wire(onStop);
  const url = await wire.to(ready.url);
  const bursar = makeHome(onStop, { chainUrl: chain.url, sellers: [new URL(url).host], network: TEMPO });
  bursar.addConfig(CONFIG);
  if (allow) bursar.addRules('[schemes]\nallow = ["exact", "tempo"]\n');
  equal("the imported key has the address everybody knows", await bursar.importKey(), PAYER);
  return { chain, url, bursar, wire };
}

/** By mppx's own transport for MCP. */
async function paysForATool({ chain, url, bursar }) {
  const server = await bursar.serve();
  const wish = (city) => ({ server: `${url}/mcp`, tool: "weather", arguments: { city } });
  const bought = await server.call("call_paid_tool", wish("Bern"));
  const { payment = {} } = bought;
  const is = [bought.outcome, bought.charged, payment.state, payment.dialect, payment.scheme, payment.amount_atomic];
  check("a tool is bought over MCP", is.join() === `answered,yes,settled,mpp,tempo,${CENT}` && bought.body.includes("Bern"), bought);
  const again = await server.call("call_paid_tool", wish("Bern"));
  equal("asked again, it comes from the store", [again.served_from_store, again.body], [true, bought.body]);
  await server.call("call_paid_tool", wish("Chur"));
  equal("two prices moved and no fee", [await moved(chain), await chain.feesOf(PAYER)], [cents(2n), 0n]);
  await server.close();
  await chain.finalize();
  equal("reconcile finds nothing unexplained", await reconciled(bursar), [0, []]);
}

async function needsTheWord({ chain, url, bursar }) {
  const server = await bursar.serve();
  const refused = await server.call("fetch_paid", { url: `${url}/sponsored/cent` });
  check("a policy that does not say `tempo` pays nothing on it", refused.outcome === "refused" && codes(refused).includes("scheme_not_allowed"), refused);
  equal("and no money moves", await moved(chain), cents(0n));
  await server.close();
}

/** The fee can be as much as three cents, so the budgets count that, until the chain says what it was. */
async function paysItsFee({ chain, url, bursar }) {
  const server = await bursar.serve();
  const tooDear = await server.call("fetch_paid", { url: `${url}/own/cent`, max_price: "0.03" });
  check("the most a fee can be is part of the price", codes(tooDear).includes("over_max_price"), tooDear);
  const bought = await server.call("fetch_paid", { url: `${url}/own/cent` });
  const { payment = {} } = bought;
  const is = [bought.outcome, bought.charged, payment.state, payment.scheme, payment.amount_atomic];
  check("a page is bought where the fee is the payer's", is.join() === `answered,yes,settled,tempo,${CENT + FEE_AT_MOST}`, bought);
  equal("the budgets count the most until the chain has said", (await usedToday(server))?.used_usd, usd(CENT + FEE_AT_MOST));
  const fee = await paidFee(chain, CENT);
  await chain.finalize();
  equal("reconcile finds nothing unexplained", await reconciled(bursar), [0, []]);
  const rows = (await bursar.log()).filter(({ state }) => state === "settled");
  check("the chain proves it", rows.length === 1 && rows[0].proof === "chain", rows);
  equal("and the budgets count what it took, to the last unit", (await usedToday(server))?.used_usd, usd(CENT + fee));
  await server.close();
  return fee;
}

async function paysANewcomer({ chain, url, bursar }, fee) {
  const server = await bursar.serve();
  const bought = await server.call("fetch_paid", { url: `${url}/fresh/cent` });
  equal("whoever has none of the asset yet can be paid", [bought.outcome, bought.charged], ["answered", "yes"]);
  const larger = await paidFee(chain, CENT);
  check("that fee is larger", larger > 2n * fee, { fee, larger });
  await server.close();
}

/** What left the payer is the price and a fee, to the last unit; gives the fee. */
async function paidFee(chain, price) {
  const fee = await chain.feesOf(PAYER);
  const paid = FUNDS - (await chain.balance(PAYER));
  check("what is gone is the price and a fee within its bound", paid === price + fee && fee > 0n && fee <= FEE_AT_MOST, { paid, price, fee });
  return fee;
}

async function paysOneOfSeveral({ chain, url, bursar }) {
  const server = await bursar.serve();
  const before = (await chain.transfersFrom(PAYER)).length;
  const bought = await server.call("fetch_paid", { url: `${url}/three/cent` });
  const is = [bought.outcome, bought.charged, bought.payment?.scheme, bought.payment?.network];
  check("of three offers in one 402, the one on this chain is paid", is.join() === `answered,yes,tempo,${TEMPO}`, bought);
  equal("and one payment is on the chain", (await chain.transfersFrom(PAYER)).length, before + 1);
  await server.close();
}

async function isToldWhy({ chain, url, bursar }) {
  const server = await bursar.serve();
  const before = FUNDS - (await chain.balance(PAYER));
  for (const [page, code] of [["/pushed/cent", "transfer_method_not_supported"], ["/proof/cent", "amount_zero"]]) {
    const refused = await server.call("fetch_paid", { url: `${url}${page}` });
    check(`${page} is refused with its reason`, refused.outcome === "refused" && codes(refused).includes(code), refused);
  }
  equal("for what is refused nothing moves", FUNDS - (await chain.balance(PAYER)), before);
  await server.close();
}

/** One that the chain turns down moves nothing and costs its fee all the same: that is spent, and nothing to stop for. */
async function paysForAFailure({ chain, url, bursar, wire }) {
  const signed = await neverArrives({ bursar, wire }, `${url}/virtual/cent`);
  const receipt = await chain.receipt(await chain.rpc("eth_sendRawTransaction", [signed]));
  const fee = await chain.feesOf(PAYER);
  equal("a payment that the chain turns down costs its fee", [receipt?.status, FUNDS - (await chain.balance(PAYER)), fee > 0n], ["0x0", fee, true]);
  await chain.finalize();
  equal("a failed one is explained", await reconciled(bursar), [0, []]);
  const [row] = await bursar.log();
  equal("and is what its fee was", [row.state, row.proof, row.amount_atomic], ["settled", "chain", `${fee}`]);
}

/** Whoever pays the fee may sign for it as often as it likes: what the wallet signed is good once. */
async function isCosignedTwice({ chain, url, bursar, wire }) {
  const signed = await neverArrives({ bursar, wire }, `${url}/sponsored/cent`);
  const { code, stdout, stderr } = await runToEnd(process.execPath, [cosigns], {
    env: { PATH: process.env.PATH, RPC: chain.url, SIGNED: signed, KEYS: `${FACILITATOR_KEY} ${PAYEE_KEY}` },
  });
  equal("of one payment with two fees signed for, the chain takes one", [code, stdout.trim() || stderr], [0, '["0x1","nothing"]']);
  equal("and one price has moved", await moved(chain), cents(1n));
  await chain.finalize();
  equal("a payment that the seller brought to the chain in silence is found", await reconciled(bursar), [0, []]);
  const [row] = await bursar.log();
  equal("and is proven", [row.state, row.proof, row.amount_atomic], ["settled", "chain", `${CENT}`]);
}

/** Signed, presented and lost on its way: gives what was signed. */
async function neverArrives({ bursar, wire }, url) {
  wire.payments.length = 0;
  const server = await bursar.serve();
  const lost = wire.loseNextPaidRequest();
  const first = await server.call("fetch_paid", { url });
  await lost;
  equal("a payment lost on its way is held", [first.outcome, first.charged, first.payment?.state], ["held", "unknown", "held"]);
  await server.close();
  const credential = JSON.parse(Buffer.from(wire.payments[0].replace(/^Payment /i, ""), "base64url"));
  return credential.payload.signature;
}

async function leavesOneUnused({ chain, url, bursar, wire }) {
  await neverArrives({ bursar, wire }, `${url}/own/cent`);
  const server = await bursar.serve();
  equal("what may be taken counts with the most its fee can be", (await usedToday(server))?.held_usd, usd(CENT + FEE_AT_MOST));
  equal("nothing has moved", await moved(chain), cents(0n));
  await server.close();
}

async function reconciled(bursar) {
  const { code, stdout } = await bursar.run(["reconcile", "--json"]);
  return [code, JSON.parse(stdout).alarms];
}

const codes = ({ reasons = [] }) => reasons.map(({ code }) => code);

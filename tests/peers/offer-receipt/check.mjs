// The reference extension for signed offers and receipts (`offer-receipt`), in both of its forms: what is the payee's word
// is told as that, another's key is named, and a receipt that is not true is told and counted. None of it moves money.

import { fileURLToPath } from "node:url";
import { FACILITATOR } from "../lib/chain.mjs";
import { cents, makeScene, moved } from "../lib/pays.mjs";
import { check, equal, runPart } from "../lib/report.mjs";

// Anvil's second account, which is the one that is paid.
const PAYEE_KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
const seller = { command: process.execPath, args: [fileURLToPath(new URL("seller.mjs", import.meta.url))], env: { PAYEE_KEY } };

runPart("offer-receipt", async (onStop) => {
  const scene = await makeScene(onStop, seller);
  const server = await scene.bursar.serve();
  const bought = {};
  const buy = async (way, says) => (bought[way] = await buys(scene, server, way, says, Object.keys(bought).length));

  await buy("eip712/cent", { offer: "by_payee", receipt: "by_payee" });
  await buy("eip712/quiet", { offer: "by_payee", receipt: "by_payee" });
  // Often enough that both halves of s were seen.
  for (const page of ["cent", "quiet", "cent?a=1", "cent?a=2", "cent?a=3", "quiet?a=4"]) {
    await buy(`jws/${page}`, { offer: "by_payee", receipt: "by_payee" });
  }
  await buy("jws-web/cent", { offer: "cannot_verify", receipt: "cannot_verify" });
  equal("a key on a web site is told as one that cannot be looked up", bought["jws-web/cent"].signed.why, "it is signed by a key that bursar cannot look up: “did:web:127.0.0.1”");
  await buy("jws-eddsa/cent", { offer: "by_another_key", receipt: "by_another_key" });
  await buy("eip712-stranger/cent", { offer: "by_another_key", receipt: "by_another_key" });
  await buy("jws-stranger/cent", { offer: "by_another_key", receipt: "by_another_key" });
  const named = ["eip712-stranger/cent", "jws-stranger/cent"].map((way) => bought[way].signed.signer);
  equal("a stranger's key is named by its account", named, [FACILITATOR, FACILITATOR]);

  const lies = { "lies-of-payer/cent": ["payer"], "lies-of-resource/cent": ["resource"], "lies-of-transaction/cent": ["transaction"] };
  for (const [way, differs] of Object.entries(lies)) {
    await buy(way, { offer: "by_payee", receipt: "differs", reasons: ["receipt_differs"] });
    equal(`${way}: what it names wrongly is told`, bought[way].signed.differs, differs);
  }
  await isNotPaid(scene, server, Object.keys(bought).length);
  await server.close();
  await proves(scene, bought, Object.keys(lies));
});

async function buys({ chain, url, bursar }, server, way, { offer, receipt, reasons = [] }, before) {
  const wish = { url: `${url}/${way}` };
  const quote = await server.call("quote", wish);
  equal(`${way}: a quote tells whose word the offer is`, [quote.payable, quote.offers?.[0]?.signed?.verdict], [true, offer]);
  const answer = await server.call("fetch_paid", wish);
  const codes = answer.reasons?.map(({ code }) => code);
  const is = [answer.outcome, answer.charged, answer.payment?.state, codes];
  check(`${way}: it is bought`, JSON.stringify(is) === JSON.stringify(["answered", "yes", "settled", reasons]), answer);
  equal(`${way}: exactly its price moved`, await moved(chain), cents(BigInt(before + 1)));
  const purchase = await server.call("get_purchase", { purchase_id: answer.purchase_id });
  const { signed } = purchase.receipt ?? {};
  check(`${way}: the receipt is told as what it is`, signed?.verdict === receipt, purchase.receipt);
  const why = await bursar.why(answer.purchase_id);
  equal(`${way}: \`why\` has offer and receipt as they were written`, [
    why.offers[0].signed?.verdict, why.receipt?.signed?.verdict, formOf(why.offers[0].signed), formOf(why.receipt?.signed),
  ], [offer, receipt, format(way), format(way)]);
  return { id: answer.purchase_id, signed };
}

const formOf = (signed) => JSON.parse(signed?.document ?? "{}").format;
const format = (way) => (way.startsWith("jws") || way.startsWith("lies-of-resource") ? "jws" : "eip712");

/** Whoever changes the price on the way cannot sign for it. */
async function isNotPaid({ chain, url }, server, before) {
  const answer = await server.call("fetch_paid", { url: `${url}/changed/cent` });
  equal("a price other than the one that was signed is not paid", [answer.outcome, answer.charged, answer.reasons?.[0]?.code], ["refused", "no", "signed_offer_differs"]);
  equal("and no money moved", await moved(chain), cents(BigInt(before)));
}

async function proves({ chain, bursar }, bought, lies) {
  await chain.finalize();
  equal("reconcile succeeds", (await bursar.run(["reconcile"])).code, 0);
  const paid = (await bursar.log()).filter(({ state }) => state === "settled");
  check("the chain proves every purchase", paid.length === Object.keys(bought).length && paid.every(({ proof }) => proof === "chain"), paid);
  const alarms = [];
  for (const [way, { id }] of Object.entries(bought)) {
    const { events } = await bursar.why(id);
    if (events.some(({ kind }) => kind === "alarm")) alarms.push(way);
  }
  equal("the owner heard of the receipts that are not true, and of no other", alarms, lies);
  const [{ lied }] = (await bursar.must(["sellers", "--json"])).split("\n").filter(Boolean).map((line) => JSON.parse(line));
  equal("the seller's record has them", lied, lies.length);
  const told = await bursar.must(["why", bought["eip712/cent"].id]);
  check("a person is told of offer and receipt", /the offer is signed by the payee/.test(told) && /the receipt is signed by the payee/.test(told), told);
  equal("the ledger's own audit agrees", (await bursar.run(["audit"])).code, 0);
}

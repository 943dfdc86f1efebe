// What a wallet is worth when the wire breaks: a reply lost after the seller has settled, bursar killed right then, and
// a payment lost before the seller has heard of it.

import { PAYER } from "./bursar.mjs";
import { cents, moved } from "./pays.mjs";
import { check, equal } from "./report.mjs";

export async function losesReply({ chain, url, bursar }, wire) {
  const server = await bursar.serve();
  const wish = { url: `${url}/cent?reply=lost` };
  const lost = wire.loseNextPaidReply();
  const first = await server.call("fetch_paid", wish);
  await lost;
  check("a lost reply is not called unpaid", first.charged !== "no" && first.outcome !== "answered", first);

  const again = await server.call("fetch_paid", wish);
  check("asked again, it knows that money moved", again.charged === "yes" && again.purchase_id === first.purchase_id, again);
  equal("asked again, one settlement is on the chain", await settlements(chain), 1);
  equal("the seller saw one authorization", new Set(wire.payments).size, 1);

  // What nodes have seen may be taken back; what is final may be bought again.
  await chain.finalize();
  const more = await server.call("fetch_paid", { ...wish, buy_again: first.purchase_id });
  check("what was paid and not delivered can be bought again on purpose", more.outcome === "answered" && more.charged === "yes", more);
  equal("payer's and payee's balances changed by two prices", await moved(chain), cents(2n));
  await server.close();
}

export async function isKilled({ chain, url, bursar }, wire) {
  const paidBefore = await settlements(chain);
  wire.payments.length = 0;
  const wish = { url: `${url}/cent?bursar=killed` };
  const victim = await bursar.serve();
  const killed = wire.loseNextPaidReply(() => victim.child.kill("SIGKILL"));
  const call = victim.call("fetch_paid", wish).catch(() => "killed");
  await killed;
  equal("bursar is killed while the seller settles", [await call, await victim.ended], ["killed", "SIGKILL"]);

  const server = await bursar.serve();
  const again = await server.call("fetch_paid", wish);
  check("started again, it knows that money moved", again.charged === "yes", again);
  equal("started again, one more settlement is on the chain", await settlements(chain), paidBefore + 1);
  equal("the seller saw one authorization from before and after the kill", new Set(wire.payments).size, 1);
  const row = (await bursar.log()).find(({ purchase_id }) => purchase_id === again.purchase_id);
  equal("the log has what the seller saw", row?.state, "settled");
  await server.close();
}

export async function losesPayment({ chain, url, bursar }, wire) {
  const paidBefore = await settlements(chain);
  wire.payments.length = 0;
  const server = await bursar.serve();
  const wish = { url: `${url}/cent?payment=lost` };
  const lost = wire.loseNextPaidRequest();
  const first = await server.call("fetch_paid", wish);
  await lost;
  equal("a payment lost on its way is held", [first.outcome, first.charged], ["held", "unknown"]);
  const again = await server.call("fetch_paid", wish);
  const is = [again.outcome, again.charged, again.purchase_id, again.payment?.state];
  check("asked again, the same payment buys the page", is.join() === ["answered", "yes", first.purchase_id, "settled"].join(), again);
  equal("it was presented twice, and it was the same", [wire.payments.length, new Set(wire.payments).size], [2, 1]);
  equal("for it one more settlement is on the chain", await settlements(chain), paidBefore + 1);
  await server.close();
}

const settlements = async (chain) => (await chain.transfersFrom(PAYER)).length;

// What a wallet is worth when the chain, the wire or its nodes let it down.

import { check, equal } from "../lib/report.mjs";
import { less } from "./wallet.mjs";

/** A page whose payment meets what `next` says: `drop`, `hold` or `fail`. Nobody says that it is paid. */
async function isHeld(wallet, what, copy) {
  const before = await wallet.balances();
  // Whoever sends it again meets the same.
  await wallet.chain.hook("next", { what, count: 100 });
  const held = await wallet.fetch(`${wallet.sellers.v2}/plain/cent?copy=${copy}`);
  await wallet.chain.hook("next", { what, count: 0 });
  const is = [held.outcome, held.charged, held.payment?.state];
  check(`a payment that meets "${what}" is held`, is.join() === "held,unknown,held", held);
  return { id: held.purchase_id, before };
}

export async function losesASend(wallet) {
  const { chain } = wallet;
  const { id, before } = await isHeld(wallet, "drop", "dropped");
  const young = await wallet.becomes(id);
  equal("while it could still land, it stays held", [young.code, young.state], [0, "held"]);
  await chain.outlive();
  const old = await wallet.becomes(id);
  equal("past its bound and final, it has lapsed by the chain's word", [old.code, old.state, old.proof], [0, "lapsed", "chain"]);
  equal("and nothing moved", await wallet.balances(), before);
}

export async function landsLate(wallet) {
  const { chain } = wallet;
  const { id, before } = await isHeld(wallet, "hold", "late");
  await chain.hook("release");
  await chain.hook("advance", { blocks: 1 });
  equal("what was held back lands", await wallet.balances(), less(before));
  await chain.finalize();
  const found = await wallet.becomes(id);
  equal("reconcile finds it, though nobody named it", [found.code, found.state, found.proof], [0, "settled", "chain"]);
}

export async function failsOnChain(wallet) {
  const { chain } = wallet;
  const { id, before } = await isHeld(wallet, "fail", "failed");
  await chain.outlive();
  const found = await wallet.becomes(id);
  equal("what the chain took and failed has lapsed", [found.code, found.state, found.proof], [0, "lapsed", "chain"]);
  const [ours, payees] = await wallet.balances();
  equal("and nothing of ours moved", [ours, payees], before.slice(0, 2));
}

/** That a payment was never taken, two nodes have to say that have seen all of its time. */
export async function asksBlindNodes(wallet) {
  const { chain } = wallet;
  const { id, before } = await isHeld(wallet, "drop", "unseen");
  const waits = async (name, changes, healed) => {
    await chain.hook("node", { name, ...changes });
    const { state } = await wallet.becomes(id);
    equal(`with ${JSON.stringify(changes)} at one node, it stays held`, state, "held");
    await chain.hook("node", { name, ...healed });
  };
  await chain.hook("advance", { blocks: 100 });
  await chain.hook("node", { name: "b", history: "pruned" });
  await chain.outlive();
  equal("a node that has forgotten its first blocks is no witness", (await wallet.becomes(id)).state, "held");
  for (const name of ["a", "b"]) {
    await chain.hook("node", { name: "a", history: "all" });
    await chain.hook("node", { name: "b", history: "all" });
    await waits(name, { history: "off" }, { history: "all" });
    await waits(name, { lag: 300 }, { lag: 0 });
    await waits(name, { silent: "down" }, { silent: false });
  }
  await waits("b", { genesis: "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY" }, { genesis: await chain.rpc("getGenesisHash") });
  await waits("b", { silent: "hangs" }, { silent: false });
  const found = await wallet.becomes(id);
  equal("with both of them whole, it has lapsed", [found.state, found.proof], ["lapsed", "chain"]);
  equal("and nothing moved", await wallet.balances(), before);
}

/** `wire` lies between bursar and the seller. */
export async function losesReply(wallet, url, wire) {
  const { bursar, chain } = wallet;
  const before = await wallet.balances();
  const server = await bursar.serve();
  const wish = { url: `${url}/plain/cent?reply=lost` };
  const lost = wire.loseNextPaidReply();
  const first = await server.call("fetch_paid", wish);
  await lost;
  check("a lost reply is not called unpaid", first.charged !== "no" && first.outcome !== "answered", first);
  const again = await server.call("fetch_paid", wish);
  check("asked again, it is the same purchase", again.charged !== "no" && again.purchase_id === first.purchase_id, again);
  equal("the seller saw one payment", new Set(wire.payments).size, 1);
  equal("one price moved", await wallet.balances(), less(before));
  await chain.finalize();
  const found = await wallet.becomes(first.purchase_id);
  equal("the chain says that it was paid", [found.code, found.state, found.proof], [0, "settled", "chain"]);
  await server.close();
}

export async function isKilled(wallet, url, wire) {
  const { bursar, chain } = wallet;
  const before = await wallet.balances();
  wire.payments.length = 0;
  const wish = { url: `${url}/plain/cent?bursar=killed` };
  const victim = await bursar.serve();
  const killed = wire.loseNextPaidReply(() => victim.child.kill("SIGKILL"));
  const call = victim.call("fetch_paid", wish).catch(() => "killed");
  await killed;
  equal("bursar is killed while the seller settles", [await call, await victim.ended], ["killed", "SIGKILL"]);
  const server = await bursar.serve();
  const again = await server.call("fetch_paid", wish);
  check("started again, it does not call it unpaid", again.charged !== "no", again);
  equal("the seller saw one payment from before and after the kill", new Set(wire.payments).size, 1);
  equal("one price moved", await wallet.balances(), less(before));
  await chain.finalize();
  const found = await wallet.becomes(again.purchase_id);
  equal("the chain says that it was paid", [found.code, found.state, found.proof], [0, "settled", "chain"]);
  await server.close();
}

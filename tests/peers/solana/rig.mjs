// The chain of ours behaves like one: a rig that is too kind would let everything pass.

import { check, equal } from "../lib/report.mjs";
import { LIFE } from "./chain.mjs";
import { memo, transfers } from "./token.mjs";
import { addressOf, make, newKey, signerOf } from "./transaction.mjs";

const AT = { processed: { commitment: "processed" }, confirmed: { commitment: "confirmed" }, finalized: { commitment: "finalized" } };
const BASE64 = { encoding: "base64" };
const WHOLE = { ...BASE64, maxSupportedTransactionVersion: 0 };

export async function behaves({ chain }) {
  await chain.hook("tick", { ms: 0 }); // what happens here, happens when it is said
  const payer = await makePayer(chain);
  await hasHeights(chain);
  await landsAndIsFinal(chain, payer);
  await takesNothingTwice(chain, payer);
  await ends(chain, payer);
  await losesWhatItIsTold(chain, payer);
  await hasBadNodes(chain, payer);
  await chain.hook("tick", { ms: 400 });
}

async function makePayer(chain) {
  const [me, feePayer] = await Promise.all([signerOf(newKey()), signerOf(newKey())]);
  await chain.hook("sol", { address: feePayer.address, lamports: "1000000000" });
  const { account: from } = await chain.fund(me.address, 1000);
  const { account: to } = await chain.fund(addressOf(newKey()), 0);
  const token = { ...chain.tokens.USDC, decimals: 6 };
  const pays = async (text, { amount = 1n, blockhash } = {}) =>
    make({
      feePayer,
      blockhash: blockhash ?? (await chain.rpc("getLatestBlockhash", [AT.confirmed])).value.blockhash,
      instructions: [transfers({ authority: me, from, to, amount, token }), memo(text)],
    });
  return { me, from, pays, has: () => chain.balance(me.address) };
}

const send = (chain, transaction) => chain.rpc("sendTransaction", [transaction, { ...BASE64, skipPreflight: true }]);
const advance = (chain, blocks) => chain.hook("advance", { blocks });
const failsWith = (promise) => promise.then(() => "nothing", ({ code }) => code);

async function hasHeights(chain) {
  const [tip, confirmed, final] = await Promise.all(Object.values(AT).map((at) => chain.rpc("getEpochInfo", [at])));
  equal("commitments are blocks apart", [tip.blockHeight - confirmed.blockHeight, tip.blockHeight - final.blockHeight], [1, 32]);
  check("slots are more than blocks", tip.absoluteSlot - final.absoluteSlot > 32, { tip, final });
  const slots = await chain.rpc("getBlocks", [final.absoluteSlot - 20, final.absoluteSlot]);
  const skipped = Array.from({ length: 20 }, (_, back) => final.absoluteSlot - back).filter((slot) => !slots.includes(slot));
  equal("a slot without a block says so", await failsWith(chain.rpc("getBlock", [skipped[0], { transactionDetails: "none" }])), -32007);
  equal("a block has its height", (await chain.rpc("getBlock", [final.absoluteSlot, { transactionDetails: "none" }])).blockHeight, final.blockHeight);
  equal("a slot that is not there yet says so", await failsWith(chain.rpc("getBlockTime", [tip.absoluteSlot + 1])), -32004);
  const ahead = chain.rpc("getSlot", [{ ...AT.finalized, minContextSlot: final.absoluteSlot + 1 }]);
  equal("a node that is behind says so", await failsWith(ahead), -32016);
}

async function landsAndIsFinal(chain, { from, pays, has }) {
  const transaction = await pays("lands");
  const signature = await send(chain, transaction);
  const seen = async (at) => (await chain.rpc("getSignaturesForAddress", [from, at])).some((row) => row.signature === signature);
  await advance(chain, 1);
  equal("what is in a block has moved", await has(), 999n);
  const held = (at) => chain.rpc("getTokenAccountBalance", [from, at]).then(({ value }) => value.amount, () => "none");
  equal("each commitment has its own balance", [await held(AT.processed), await held(AT.confirmed)], ["999", "1000"]);
  equal("in the newest block it is not confirmed", await seen(AT.confirmed), false);
  await advance(chain, 1);
  equal("in the one before it is, and not final", [await seen(AT.confirmed), await seen(AT.finalized)], [true, false]);
  equal("nor is it to be had", await chain.rpc("getTransaction", [signature, WHOLE]), null);
  await advance(chain, 31);
  const { transaction: [bytes], meta, version } = await chain.rpc("getTransaction", [signature, WHOLE]);
  equal("then it is, byte for byte", [bytes, meta.err, version], [transaction, null, 0]);
  const amounts = (rows) => rows.map(({ uiTokenAmount }) => uiTokenAmount.amount);
  equal("with what was there before and after", [amounts(meta.preTokenBalances).sort(), amounts(meta.postTokenBalances).sort()], [["0", "1000"], ["1", "999"]]);
  equal("a client that knows no versions is told so", await failsWith(chain.rpc("getTransaction", [signature, BASE64])), -32015);
  const [{ memo: text }] = await chain.rpc("getSignaturesForAddress", [from, { limit: 1 }]);
  equal("the list has the memo", text, "[5] lands");
}

async function takesNothingTwice(chain, { pays, has }) {
  const transaction = await pays("once");
  const before = await has();
  for (let sent = 0; sent < 2; sent += 1) await send(chain, transaction);
  await advance(chain, 1);
  await send(chain, transaction);
  await advance(chain, 3);
  equal("what is sent three times lands once", before - (await has()), 1n);
  const { value } = await chain.rpc("simulateTransaction", [transaction, { ...BASE64, ...AT.processed }]);
  equal("and a simulation knows it", value.err, "AlreadyProcessed");
}

async function ends(chain, { pays, has }) {
  const { value } = await chain.rpc("getLatestBlockhash", [AT.processed]);
  equal("a hash is good for so many blocks", value.lastValidBlockHeight - (await chain.hook("tip")).height, LIFE);
  const before = await has();
  const [first, second, third] = await Promise.all(["first", "second", "third"].map((text) => pays(text, value)));
  await send(chain, first);
  await advance(chain, LIFE);
  await send(chain, second); // for the block after the last height that the hash is good at
  await advance(chain, 1);
  equal("the last block that may take it takes it", before - (await has()), 2n);
  await send(chain, third);
  await advance(chain, 1);
  equal("the next one does not", before - (await has()), 2n);
  const { err } = (await chain.rpc("simulateTransaction", [third, { ...BASE64, ...AT.processed }])).value;
  equal("and a simulation says why", err, "BlockhashNotFound");
}

async function losesWhatItIsTold(chain, { from, pays, has }) {
  const before = await has();
  await chain.hook("next", { what: "drop" });
  await send(chain, await pays("dropped"));
  await advance(chain, 2);
  equal("what is dropped is nowhere", await has(), before);
  await chain.hook("next", { what: "hold" });
  await send(chain, await pays("held"));
  await advance(chain, 2);
  equal("what is held waits", await has(), before);
  await chain.hook("release");
  await advance(chain, 1);
  equal("and lands when it is let go", await has(), before - 1n);
  await chain.hook("next", { what: "fail" });
  await send(chain, await pays("failed"));
  await advance(chain, 2);
  const [{ err, memo: text }] = await chain.rpc("getSignaturesForAddress", [from, { ...AT.confirmed, limit: 1 }]);
  equal("what has to fail is on the chain and moved nothing", [text, err, await has()], ["[6] failed", { InstructionError: [0, { Custom: 1 }] }, before - 1n]);
}

async function hasBadNodes(chain, { from }) {
  const set = (changes) => chain.hook("node", { name: "bad", ...changes });
  const ask = (method, params) => chain.rpc(method, params, "bad");
  await advance(chain, 40);
  const { slot: tip } = await chain.hook("tip");
  const all = (await ask("getSignaturesForAddress", [from])).length;
  await set({ history: "off" });
  equal("a node can be without history", [all > 4, await failsWith(ask("getSignaturesForAddress", [from]))], [true, -32011]);
  await set({ history: "pruned" });
  equal("or have forgotten it", [await ask("getSignaturesForAddress", [from]), (await ask("getFirstAvailableBlock")) >= tip], [[], true]);
  await set({ history: "all", lag: 10 });
  equal("or be behind", tip - (await ask("getSlot", [AT.processed])) >= 10, true);
  await set({ lag: 0, silent: "down" });
  equal("or be down", await ask("getHealth").catch(() => "down"), "down");
  const body = JSON.stringify([{ jsonrpc: "2.0", id: 1, method: "getSlot" }, { jsonrpc: "2.0", id: 2, method: "getNothing" }]);
  const batch = await (await fetch(`${chain.url}/t`, { method: "POST", body })).json();
  equal("several questions get several answers", [batch.map(({ id }) => id), batch[1].error?.code], [[1, 2], -32601]);
  equal("and all of them are counted", (await chain.hook("calls")).t.slice(-2).map(({ method }) => method), ["getSlot", "getNothing"]);
}

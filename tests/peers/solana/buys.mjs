// Bursar buys at every page, and the chain says who got what.

import { check, equal } from "../lib/report.mjs";
import { MEMO, SELLERS } from "./routes.mjs";
import { CENT, asked, less } from "./wallet.mjs";

/** Each page by `bursar fetch`, and each page again. */
export async function buysEverywhere(wallet, routes) {
  for (const route of routes) {
    const { pathname, search } = new URL(route.url);
    const at = pathname + search;
    if (route.settles === false) await isToldNoGoods(wallet, route, at);
    else if (route.takesFirst) await isToldNothingCame(wallet, route, at);
    else await buys(wallet, route, at);
  }
  equal("the payer never had any of the chain's own coin", await wallet.chain.lamports(wallet.address), 0n);
}

async function buys(wallet, { url, method, token = "USDC", memo, v1 }, at) {
  const { chain, sellers } = wallet;
  const asset = chain.tokens[token];
  const before = await wallet.balances(asset);
  const bought = await wallet.fetch(url, { method });
  const { payment = {} } = bought;
  const is = [bought.code, bought.outcome, bought.charged, bought.http?.status, payment.state];
  check(`${at} is bought`, is.join() === "0,answered,yes,200,settled", bought);
  const terms = [payment.amount_atomic, payment.asset, payment.network, payment.dialect, payment.payee];
  equal(`${at}: the answer tells the terms`, terms, [`${CENT}`, token, chain.network, v1 ? "x402v1" : "x402v2", sellers.payee]);
  equal(`${at}: payer, payee and fee payer are exact to the unit`, await wallet.balances(asset), less(before));
  const landed = (await chain.hook("transactions")).find(({ signature }) => signature === payment.chain_tx);
  equal(`${at}: the transaction it names is on the chain, signed by both`, landed?.signers, [sellers.feePayer, wallet.address]);
  const isMemo = memo ? landed?.memos.join() === memo : landed?.memos.length === 1 && landed.memos[0].length >= 16;
  check(`${at}: the memo is ${memo ? "the seller's" : "a nonce"}`, isMemo, landed);

  const again = await wallet.fetch(url, { method });
  const was = [again.outcome, again.served_from_store, again.purchase_id, again.body];
  check(`${at}: asked again, it comes from the store`, JSON.stringify(was) === JSON.stringify(["answered", true, bought.purchase_id, bought.body]), again);
  equal(`${at}: asked again, no money moves`, await wallet.balances(asset), less(before));
}

/** The reference sellers do not settle when the page fails; bursar cannot know that and must not say so. */
async function isToldNoGoods(wallet, { url }, at) {
  const before = await wallet.balances();
  const failed = await wallet.fetch(url);
  const is = [failed.outcome, failed.charged, failed.http?.status, failed.payment?.state];
  check(`${at}: a page that fails after it was paid is held, not forgotten`, is.join() === "answered,unknown,500,held", failed);
  await wallet.fetch(url);
  equal(`${at}: a page that fails is never paid`, await wallet.balances(), before);
}

async function isToldNothingCame(wallet, { url }, at) {
  const before = await wallet.balances();
  const failed = await wallet.fetch(url);
  check(`${at}: a page that fails after it was paid is not called unpaid`, failed.http?.status === 500 && failed.charged !== "no", failed);
  await wallet.fetch(url);
  equal(`${at}: a page that fails is paid once`, await wallet.balances(), less(before));
}

/** Two payments that differ in nothing a seller or a payer sees are still two. */
export async function buysTwiceAtOnce(wallet) {
  const { chain, sellers, bursar } = wallet;
  const before = await wallet.balances();
  const server = await bursar.serve();
  const both = [];
  for (const copy of [1, 2]) both.push(await server.call("fetch_paid", { url: `${sellers.v2}/memo/cent?copy=${copy}` }));
  equal("two payments in a row with one memo are both served", both.map(({ outcome, charged }) => [outcome, charged].join()), ["answered,yes", "answered,yes"]);
  equal("and both move the price", await wallet.balances(), less(before, 2n));
  const named = both.map(({ payment }) => payment?.chain_tx);
  const landed = (await chain.hook("transactions")).filter(({ signature }) => named.includes(signature));
  equal("they are two transactions with the same memo", [landed.length, landed.map(({ memos }) => memos.join())], [2, [MEMO, MEMO]]);

  const atOnce = await Promise.all([3, 4].map((copy) => server.call("fetch_paid", { url: `${sellers.v2}/memo/cent?copy=${copy}` })));
  equal("two at the same time are both served too", atOnce.map(({ outcome, charged }) => [outcome, charged].join()), ["answered,yes", "answered,yes"]);
  equal("and the balances say so", await wallet.balances(), less(before, 4n));
  await server.close();
}

/** While the block it builds on is fresh, a payment waits for no node. */
export async function asksNobodyOnTheWay(wallet) {
  const { chain, sellers, bursar } = wallet;
  const server = await bursar.serve();
  const page = (copy) => `/plain/cent?warm=${copy}`;
  const buy = (copy) => server.call("fetch_paid", { url: sellers.v2 + page(copy) });
  await buy(1);
  const before = await wallet.balances();
  const second = await buy(2);
  check("a second page is bought by the same process", second.outcome === "answered" && second.charged === "yes", second);
  equal("its price moves", await wallet.balances(), less(before));
  const seen = (await (await fetch(`${sellers.v2}/seen`)).json()).filter(({ path }) => path === page(2));
  equal("the seller saw it asked for and then paid", seen.map(({ paid }) => paid), [false, true]);
  equal("and from the one to the other's answer no node was asked anything", await asked(chain, seen[0]?.from, seen[1]?.until), []);
  await server.close();
}

/** Every memo that is not the seller's is another one. */
export async function neverRepeatsANonce(wallet) {
  const memos = (await wallet.transfers()).map((row) => row.memos.join()).filter((memo) => !SELLERS.includes(memo));
  equal("no two payments share a nonce", [memos.length > 2, new Set(memos).size], [true, memos.length]);
}

/** The receipts were the seller's word; once it is final, it is the chain's. */
export async function isProven(wallet) {
  const { chain, bursar } = wallet;
  const newest = await wallet.fetch(`${wallet.sellers.v2}/plain/cent?copy=newest`);
  const early = await wallet.becomes(newest.purchase_id);
  check("before it is final, the chain is no proof", early.state === "settled" && early.proof !== "chain", early);
  await chain.finalize();
  equal("reconcile finds nothing unexplained", (await wallet.reconcile()).code, 0);
  const settled = (await bursar.log()).filter(({ state }) => state === "settled");
  check("then the chain proves every purchase", settled.length > 0 && settled.every(({ proof }) => proof === "chain"), settled);
  const paid = (await wallet.transfers()).map(({ signature }) => signature).sort();
  equal("each by the transaction that is there", settled.map(({ chain_tx }) => chain_tx).sort(), paid);
  const held = (await bursar.log()).filter(({ state }) => state === "held").map(({ purchase_id }) => purchase_id);
  await chain.outlive();
  equal("past every bound, reconcile finds nothing unexplained", (await wallet.reconcile()).code, 0);
  const lapsed = (await bursar.log()).filter(({ state, proof }) => state === "lapsed" && proof === "chain");
  equal("what no seller took has lapsed, proven by the chain", lapsed.map(({ purchase_id }) => purchase_id), held);
  equal("the ledger's own audit agrees", (await bursar.run(["audit"])).code, 0);
}

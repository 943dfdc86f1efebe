// The reference client (@x402/fetch with @x402/svm) pays at every page first: what fails here is the rig's fault.

import { wrapFetchWithPayment, x402Client } from "@x402/fetch";
import { decodePaymentResponseHeader } from "@x402/core/http";
import { ExactSvmScheme } from "@x402/svm/exact/client";
import { ExactSvmSchemeV1 } from "@x402/svm/v1";
import { check, equal } from "../lib/report.mjs";
import { addressOf, newKey, signerOf } from "./transaction.mjs";

const FUNDS = 5_000_000n;
const CENT = 10_000n;
const FEE = 10_001n; // of a transaction with two signatures, in lamports

export async function paysByReference(...clusters) {
  for (const { chain, sellers, routes } of clusters) await paysEverywhere(chain, sellers, routes(sellers));
}

async function paysEverywhere(chain, sellers, routes) {
  const key = newKey();
  const payer = addressOf(key);
  const signer = await signerOf(key);
  const config = { rpcUrl: `${chain.url}/client` };
  const client = new x402Client().register("solana:*", new ExactSvmScheme(signer, config));
  for (const network of ["solana", "solana-devnet"]) client.registerV1(network, new ExactSvmSchemeV1(signer, config));
  const pay = wrapFetchWithPayment(fetch, client);
  for (const token of Object.values(chain.tokens)) await chain.fund(payer, FUNDS, token);

  for (const { url, token = "USDC", method = "GET", settles = true, v1, memo, hints = false } of routes) {
    const asset = chain.tokens[token];
    const balances = () => Promise.all([chain.balance(payer, asset), chain.balance(sellers.payee, asset), chain.lamports(sellers.feePayer)]);
    const before = await balances();
    await chain.hook("reset-calls");
    const reply = await pay(url, { method, headers: { "content-type": "application/json" }, ...(method === "POST" && { body: "{}" }) });
    const text = await reply.text();
    const header = reply.headers.get(v1 ? "x-payment-response" : "payment-response");
    const receipt = header && decodePaymentResponseHeader(header);
    const after = await balances();
    const asksForABlock = (await chain.hook("calls")).client?.some((call) => call.method === "getLatestBlockhash") ?? false;
    const price = settles ? CENT : 0n;
    const { pathname, search } = new URL(url);
    const path = pathname + search;
    const detail = { status: reply.status, text, receipt, logs: sellers.logs().slice(-2000) };
    check(`the reference client is served at ${path}`, reply.status === (path.includes("broken") ? 500 : 200), detail);
    equal(`at ${path} the balances are exact`, after, [before[0] - price, before[1] + price, before[2] - (settles ? FEE : 0n)]);
    equal(`at ${path} the block is ${hints ? "the seller's" : "asked for"}`, asksForABlock, !hints);
    if (!settles || !receipt) continue;
    const { memos, signers } = (await chain.hook("transactions")).find(({ signature }) => signature === receipt.transaction) ?? {};
    equal(`at ${path} it is signed for by both`, signers, [sellers.feePayer, payer]);
    check(`at ${path} the memo is as it has to be`, memo ? memos?.[0] === memo : /^[0-9a-f]{32}$/.test(memos?.[0]), memos);
  }
}

// The reference v2 seller (@x402/express) and the reference facilitator, on two ports of one process: a folder of pages
// for each way to be paid on Solana.
// Reads RPC, FACILITATOR_KEY, PAY_TO and CLUSTER; prints one JSON line with its address once both ports listen.

import express from "express";
import { HTTPFacilitatorClient } from "@x402/core/server";
import { ExactSvmScheme } from "@x402/svm/exact/server";
import { paymentMiddleware, x402ResourceServer } from "@x402/express";
import { CLUSTER, NETWORK, facilitator, listen } from "./facilitator.mjs";
import { pages } from "./pages.mjs";
import { MEMO } from "./routes.mjs";

const { RPC, FACILITATOR_KEY, PAY_TO } = process.env;
const exact = (extra, price = "$0.01") => ({ scheme: "exact", network: NETWORK, payTo: PAY_TO, price, extra });

const WAYS = {
  plain: exact(),
  memo: exact({ memo: MEMO }),
  upfront: exact({ paymentFlow: "upfront" }),
  ...(CLUSTER.tokens.PYUSD && { pyusd: exact({}, { amount: "10000", asset: CLUSTER.tokens.PYUSD.mint }) }),
};
const HINTING = { hint: exact(), "hint-memo": exact({ memo: MEMO }) };

function charges(ways, facilitatorUrl, scheme) {
  const resources = new x402ResourceServer(new HTTPFacilitatorClient({ url: facilitatorUrl })).register(NETWORK, scheme);
  const page = (accepts) => ({ accepts: [accepts], description: "A page worth a cent" });
  const routes = Object.entries(ways).flatMap(([way, accepts]) =>
    [`GET /${way}/cent`, `POST /${way}/echo`, `GET /${way}/broken`].map((route) => [route, page(accepts)]));
  return paymentMiddleware(Object.fromEntries(routes), resources);
}

const at = await listen(await facilitator({ rpc: `${RPC}/f`, key: FACILITATOR_KEY }));
const app = pages((app) => {
  app.use(charges(WAYS, at, new ExactSvmScheme()));
  // This one says in its 402 which block to build on, and asks a node for it each time.
  app.use(charges(HINTING, at, new ExactSvmScheme({ rpcUrl: `${RPC}/s` })));
});
console.log(JSON.stringify({ url: await listen(app) }));

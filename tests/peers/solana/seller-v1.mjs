// The legacy v1 seller (x402-express 1.2.0, out of the part `v1-express`), with the reference facilitator's v1 half.
// Reads RPC, FACILITATOR_KEY, PAY_TO and CLUSTER; prints one JSON line with its address once both ports listen.

import { createRequire } from "node:module";
import { CLUSTER, facilitator, listen } from "./facilitator.mjs";
import { pages } from "./pages.mjs";

const { paymentMiddleware } = createRequire(new URL("../v1-express/package.json", import.meta.url))("x402-express");
const { RPC, FACILITATOR_KEY, PAY_TO } = process.env;
const network = CLUSTER.tokens.PYUSD ? "solana" : "solana-devnet";

const page = (price) => ({ price, network, config: { description: "A page worth a cent" } });
const cent = page("$0.01");
const routes = { "GET /v1/cent": cent, "POST /v1/echo": cent, "GET /v1/broken": cent };
if (CLUSTER.tokens.PYUSD) {
  routes["GET /v1-pyusd/cent"] = page({ amount: "10000", asset: { address: CLUSTER.tokens.PYUSD.mint, decimals: 6 } });
}

const url = await listen(await facilitator({ rpc: `${RPC}/f`, key: FACILITATOR_KEY }));
console.log(JSON.stringify({ url: await listen(pages((app) => app.use(paymentMiddleware(PAY_TO, routes, { url })))) }));

// The legacy v1 seller (x402-express) and a facilitator of its own generation, on two ports of one process.
// Reads RPC, FACILITATOR_KEY and PAY_TO; prints one JSON line with its address once both ports listen.

import express from "express";
import { createWalletClient, http, publicActions } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { baseSepolia } from "viem/chains";
import { settle, verify } from "x402/facilitator";
import { paymentMiddleware } from "x402-express";

const { RPC, FACILITATOR_KEY, PAY_TO } = process.env;
const NETWORK = "base-sepolia";

const listen = (app) =>
  new Promise((resolve) => {
    const server = app.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${server.address().port}`));
  });

function facilitator() {
  const account = privateKeyToAccount(FACILITATOR_KEY);
  const wallet = createWalletClient({ account, chain: baseSepolia, transport: http(RPC), pollingInterval: 100 });
  const signer = wallet.extend(publicActions);
  const app = express().use(express.json());
  app.get("/supported", (_, res) => res.json({ kinds: [{ x402Version: 1, scheme: "exact", network: NETWORK }] }));
  for (const [path, step] of [["/verify", verify], ["/settle", settle]]) {
    app.post(path, async ({ body }, res) => res.json(await step(signer, body.paymentPayload, body.paymentRequirements)));
  }
  return app;
}

function seller(facilitatorUrl) {
  const cent = { price: "$0.01", network: NETWORK, config: { description: "A page worth a cent" } };
  const app = express().use(express.json());
  const routes = { "GET /cent": cent, "POST /echo": cent, "GET /broken": cent };
  app.use(paymentMiddleware(PAY_TO, routes, { url: facilitatorUrl }));
  let sold = 0;
  app.get("/free", (_, res) => res.json({ goods: "free" }));
  app.get("/cent", (_, res) => res.json({ goods: "a page worth a cent", copy: (sold += 1) }));
  app.post("/echo", ({ body }, res) => res.json({ goods: "an echo", body }));
  app.get("/broken", (_, res) => res.status(500).json({ error: "out of goods" }));
  return app;
}

console.log(JSON.stringify({ url: await listen(seller(await listen(facilitator()))) }));

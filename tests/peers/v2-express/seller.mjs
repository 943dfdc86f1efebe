// The reference v2 seller (@x402/express) and the reference facilitator, on two ports of one process.
// Reads RPC, FACILITATOR_KEY and PAY_TO; prints one JSON line with its address once both ports listen.

import express from "express";
import { createWalletClient, http, publicActions } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { baseSepolia } from "viem/chains";
import { x402Facilitator } from "@x402/core/facilitator";
import { HTTPFacilitatorClient } from "@x402/core/server";
import { toFacilitatorEvmSigner } from "@x402/evm";
import { registerExactEvmScheme } from "@x402/evm/exact/facilitator";
import { ExactEvmScheme } from "@x402/evm/exact/server";
import { paymentMiddleware, x402ResourceServer } from "@x402/express";

const { RPC, FACILITATOR_KEY, PAY_TO } = process.env;
const NETWORK = "eip155:84532";

const listen = (app) =>
  new Promise((resolve) => {
    const server = app.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${server.address().port}`));
  });

function facilitator() {
  const account = privateKeyToAccount(FACILITATOR_KEY);
  const wallet = createWalletClient({ account, chain: baseSepolia, transport: http(RPC), pollingInterval: 100 });
  const signer = toFacilitatorEvmSigner({ ...wallet.extend(publicActions), address: account.address });
  const scheme = registerExactEvmScheme(new x402Facilitator(), { signer, networks: NETWORK });
  const app = express().use(express.json());
  app.get("/supported", (_, res) => res.json(scheme.getSupported()));
  for (const step of ["verify", "settle"]) {
    app.post(`/${step}`, async ({ body }, res) => {
      res.json(await scheme[step](body.paymentPayload, body.paymentRequirements));
    });
  }
  return app;
}

function seller(facilitatorUrl) {
  const resources = new x402ResourceServer(new HTTPFacilitatorClient({ url: facilitatorUrl }));
  resources.register(NETWORK, new ExactEvmScheme());
  const priced = (price) => ({ scheme: "exact", network: NETWORK, payTo: PAY_TO, price });
  // An extension nobody knows: the server refuses a payment that brings it back changed.
  const extensions = { "bursar-peer": { info: { asks: "for its echo" }, schema: { type: "object" } } };
  const route = { accepts: [priced("$0.01")], description: "A page worth a cent", mimeType: "application/json", extensions };
  const dear = { accepts: [priced("$0.20")], description: "A page its buyer asks a human about" };
  const yacht = { accepts: [priced("$50")], description: "A page no budget has room for" };
  const app = express().use(express.json());
  const routes = { "GET /cent": route, "POST /echo": route, "GET /broken": route, "GET /dear": dear, "GET /yacht": yacht };
  app.use(paymentMiddleware(routes, resources));
  let sold = 0;
  app.get("/free", (_, res) => res.json({ goods: "free" }));
  app.get("/cent", (_, res) => res.json({ goods: "a page worth a cent", copy: (sold += 1) }));
  app.get("/dear", (_, res) => res.json({ goods: "a dear page" }));
  app.post("/echo", ({ body }, res) => res.json({ goods: "an echo", body }));
  app.get("/broken", (_, res) => res.status(500).json({ error: "out of goods" }));
  return app;
}

console.log(JSON.stringify({ url: await listen(seller(await listen(facilitator()))) }));

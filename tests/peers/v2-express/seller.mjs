// The reference v2 seller (@x402/express) and the reference facilitator, on two ports of one process.
// Reads RPC, FACILITATOR_KEY and PAY_TO; prints one JSON line with its address once both ports listen.

import express from "express";
import { HTTPFacilitatorClient } from "@x402/core/server";
import { ExactEvmScheme } from "@x402/evm/exact/server";
import { paymentMiddleware, x402ResourceServer } from "@x402/express";
import { NETWORK, facilitator, listen } from "./facilitator.mjs";

const { RPC, FACILITATOR_KEY, PAY_TO } = process.env;

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

console.log(JSON.stringify({ url: await listen(seller(await listen(facilitator({ rpc: RPC, key: FACILITATOR_KEY })))) }));

// The reference seller that lets whoever has paid in again (`sign-in-with-x` of @x402/extensions, with its storage and
// its hooks), and has a page for which nothing but a sign-in is wanted.
// Reads RPC, FACILITATOR_KEY and PAY_TO; prints one JSON line with its address. GET /events tells what it has seen.

import express from "express";
import { HTTPFacilitatorClient } from "@x402/core/server";
import { ExactEvmScheme } from "@x402/evm/exact/server";
import { paymentMiddleware, x402ResourceServer } from "@x402/express";
import {
  InMemorySIWxStorage,
  createSIWxResourceServerExtension,
  declareSIWxExtension,
} from "@x402/extensions/sign-in-with-x";
import { NETWORK, facilitator, listen } from "./facilitator.mjs";

const { RPC, FACILITATOR_KEY, PAY_TO } = process.env;

/** The reference's own, which also knows what was said before. */
class Storage extends InMemorySIWxStorage {
  used = new Set();
  hasUsedNonce = (nonce) => this.used.has(nonce);
  recordNonce = (nonce) => void this.used.add(nonce);
}

const app = express();
const url = await listen(app);
const events = [];
const resources = new x402ResourceServer(
  new HTTPFacilitatorClient({ url: await listen(facilitator({ rpc: RPC, key: FACILITATOR_KEY })) }),
);
resources.register(NETWORK, new ExactEvmScheme());
const onEvent = (event) => events.push(event);
resources.registerExtension(createSIWxResourceServerExtension({ storage: new Storage(), origin: url, onEvent }));
const page = {
  accepts: [{ scheme: "exact", network: NETWORK, payTo: PAY_TO, price: "$0.01" }],
  description: "A page that is paid for once",
  mimeType: "application/json",
  extensions: declareSIWxExtension({ statement: "Sign in to read again what you have paid for", expirationSeconds: 300 }),
};
const endless = { ...page, extensions: declareSIWxExtension() };
const members = { accepts: [], extensions: declareSIWxExtension({ network: NETWORK, statement: "Members only" }) };
const routes = { "GET /page": page, "GET /endless": endless, "GET /members": members };
let copies = 0;
app.get("/events", (_, res) => res.json(events));
app.use(paymentMiddleware(routes, resources));
for (const path of ["/page", "/endless", "/members"]) {
  app.get(path, (_, res) => res.json({ goods: `of ${path}`, copy: (copies += 1) }));
}

console.log(JSON.stringify({ url }));

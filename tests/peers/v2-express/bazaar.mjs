// The reference facilitator with its discovery extension: it lists whatever a verified payment brings back of a seller's
// own description. Beside it the reference seller, with a page that describes itself.
// Reads RPC, FACILITATOR_KEY and PAY_TO; prints one JSON line with its addresses.

import express from "express";
import { HTTPFacilitatorClient } from "@x402/core/server";
import { ExactEvmScheme } from "@x402/evm/exact/server";
import { paymentMiddleware, x402ResourceServer } from "@x402/express";
import { bazaarResourceServerExtension, declareDiscoveryExtension, extractDiscoveryInfo } from "@x402/extensions/bazaar";
import { NETWORK, facilitator, listen } from "./facilitator.mjs";

const { RPC, FACILITATOR_KEY, PAY_TO } = process.env;

/** As the reference has it: listed by what is described and where, found by words. */
function withCatalogue(inner) {
  const listed = new Map();
  const app = express().use(express.json());
  app.post("/verify", ({ body }, res, next) => {
    const json = res.json.bind(res);
    res.json = (answer) => {
      const found = answer.isValid && extractDiscoveryInfo(body.paymentPayload, body.paymentRequirements);
      if (found) listed.set(`${found.resourceUrl} ${found.toolName ?? ""}`, item(found, body));
      return json(answer);
    };
    next();
  });
  app.get("/discovery/resources", (_, res) => {
    const items = [...listed.values()];
    res.json({ x402Version: 2, items, pagination: { limit: 100, offset: 0, total: items.length } });
  });
  app.get("/discovery/search", ({ query }, res) => {
    const words = `${query.query}`.toLowerCase().split(" ");
    const fits = (one) => words.some((word) => `${one.resource} ${one.description}`.toLowerCase().includes(word));
    res.json({ x402Version: 2, resources: [...listed.values()].filter(fits), partialResults: false, pagination: null });
  });
  return app.use(inner);
}

const item = (found, { paymentPayload, paymentRequirements }) => ({
  resource: found.resourceUrl,
  type: found.toolName ? "mcp" : "http",
  x402Version: 2,
  accepts: [paymentRequirements],
  lastUpdated: new Date().toISOString(),
  description: found.description,
  mimeType: found.mimeType,
  extensions: { bazaar: paymentPayload.extensions.bazaar },
});

function seller(facilitatorUrl) {
  const resources = new x402ResourceServer(new HTTPFacilitatorClient({ url: facilitatorUrl }));
  resources.register(NETWORK, new ExactEvmScheme());
  resources.registerExtension(bazaarResourceServerExtension);
  const input = { city: "Bern" };
  const inputSchema = { properties: { city: { type: "string" } } };
  const extensions = declareDiscoveryExtension({ input, inputSchema, output: { example: { rain: true } } });
  const accepts = [{ scheme: "exact", network: NETWORK, payTo: PAY_TO, price: "$0.01" }];
  const app = express();
  app.use(paymentMiddleware({ "GET /rain": { accepts, description: "Tells whether it will rain", mimeType: "application/json", extensions } }, resources));
  app.get("/rain", (_, res) => res.json({ rain: true }));
  return app;
}

const catalogue = await listen(withCatalogue(facilitator({ rpc: RPC, key: FACILITATOR_KEY })));
console.log(JSON.stringify({ url: await listen(seller(catalogue)), facilitator: catalogue }));

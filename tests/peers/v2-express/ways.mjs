// The reference seller with every way to be paid that its 402 can ask for: each has a folder of pages.
// Reads RPC, FACILITATOR_KEY and PAY_TO, and as ASSET the terms of one more token; prints one JSON line with its address.

import express from "express";
import { HTTPFacilitatorClient } from "@x402/core/server";
import { ExactEvmScheme } from "@x402/evm/exact/server";
import { UptoEvmScheme } from "@x402/evm/upto/server";
import { paymentMiddleware, setSettlementOverrides, x402ResourceServer } from "@x402/express";
import { declareEip2612GasSponsoringExtension, declareErc20ApprovalGasSponsoringExtension } from "@x402/extensions";
import { NETWORK, facilitator, listen } from "./facilitator.mjs";

const { RPC, FACILITATOR_KEY, PAY_TO, ASSET } = process.env;
const CENT = "$0.01";
const exact = (extra, price = CENT) => ({ scheme: "exact", network: NETWORK, payTo: PAY_TO, price, extra });
const upto = { ...exact(), scheme: "upto" };
const permit2 = { assetTransferMethod: "permit2" };
const upfront = { paymentFlow: "upfront" };
const permits = declareEip2612GasSponsoringExtension();
const approvals = declareErc20ApprovalGasSponsoringExtension();

const WAYS = {
  permit2: { accepts: [exact(permit2)] },
  permits: { accepts: [exact(permit2)], extensions: permits },
  approvals: { accepts: [exact(permit2)], extensions: approvals },
  either: { accepts: [exact(permit2), exact()] },
  upto: { accepts: [upto] },
  "upto-permits": { accepts: [upto], extensions: permits },
  "upto-approvals": { accepts: [upto], extensions: approvals },
  upfront: { accepts: [exact(upfront)] },
  "upfront-permit2": { accepts: [exact({ ...permit2, ...upfront })] },
  ...(ASSET ? inAsset(JSON.parse(ASSET)) : {}),
};

function inAsset(price) {
  const byPermit2 = { ...price, extra: { ...price.extra, ...permit2 } };
  return { asset: { accepts: [exact({}, price)] }, "asset-permits": { accepts: [exact({}, byPermit2)], extensions: permits } };
}

function seller(facilitatorUrl) {
  const resources = new x402ResourceServer(new HTTPFacilitatorClient({ url: facilitatorUrl }));
  resources.register(NETWORK, new ExactEvmScheme()).register(NETWORK, new UptoEvmScheme());
  const pages = ["GET /:way/cent", "POST /:way/echo", "GET /:way/broken"];
  const routes = Object.entries(WAYS).flatMap(([way, terms]) => pages.map((page) => [page.replace(":way", way), terms]));
  const app = express().use(express.json());
  app.use(paymentMiddleware(Object.fromEntries(routes), resources));
  let sold = 0;
  app.get("/free", (_, res) => res.json({ goods: "free" }));
  app.get("/:way/cent", ({ query }, res) => {
    // Of a ceiling, the seller takes what the buyer says here.
    if (query.take) setSettlementOverrides(res, { amount: query.take });
    res.json({ goods: "a page worth a cent", copy: (sold += 1) });
  });
  app.post("/:way/echo", ({ body }, res) => res.json({ goods: "an echo", body }));
  app.get("/:way/broken", (_, res) => res.status(500).json({ error: "out of goods" }));
  return app;
}

console.log(JSON.stringify({ url: await listen(seller(await listen(facilitator({ rpc: RPC, key: FACILITATOR_KEY })))) }));

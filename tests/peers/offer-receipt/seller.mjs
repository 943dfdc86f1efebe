// The reference v2 seller with the reference `offer-receipt` extension, in each form and with each kind of key: a folder
// of pages each. One of them signs truthfully and is changed on the way out, as a proxy in front of it could do.
// Reads RPC, FACILITATOR_KEY, PAYEE_KEY and PAY_TO; prints one JSON line with its address.

import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import express from "express";
import { HTTPFacilitatorClient } from "@x402/core/server";
import { ExactEvmScheme } from "@x402/evm/exact/server";
import { paymentMiddleware, x402ResourceServer } from "@x402/express";
import {
  createEIP712OfferReceiptIssuer,
  createJWSOfferReceiptIssuer,
  createOfferReceiptExtension,
  declareOfferReceiptExtension,
} from "@x402/extensions";
import { privateKeyToAccount } from "viem/accounts";
import { NETWORK, facilitator, listen } from "../v2-express/facilitator.mjs";

const { RPC, FACILITATOR_KEY, PAYEE_KEY, PAY_TO } = process.env;
const payee = privateKeyToAccount(PAYEE_KEY);
const stranger = privateKeyToAccount(FACILITATOR_KEY);

const url64 = (bytes) => Buffer.from(bytes).toString("base64url");
const didOf = ({ kty, crv, x, y }) => `did:jwk:${url64(JSON.stringify({ kty, crv, x, y }))}#0`;

/** A key of the payee's account, as JWS has it. Half of its signatures have the s that chains refuse. */
function es256k(secret, account, name) {
  const [x, y] = [account.publicKey.slice(4, 68), account.publicKey.slice(68)].map((hex) => url64(Buffer.from(hex, "hex")));
  const jwk = { kty: "EC", crv: "secp256k1", x, y, d: url64(Buffer.from(secret.slice(2), "hex")) };
  const key = createPrivateKey({ key: jwk, format: "jwk" });
  const signer = async (bytes) => url64(sign("sha256", bytes, { key, dsaEncoding: "ieee-p1363" }));
  return jws(name ?? didOf(jwk), "ES256K", signer);
}

function eddsa() {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return jws(didOf(publicKey.export({ format: "jwk" })), "EdDSA", async (bytes) => url64(sign(null, bytes, privateKey)));
}

function jws(kid, algorithm, signer) {
  return createJWSOfferReceiptIssuer(kid, { kid, format: "jws", algorithm, sign: signer });
}

const eip712 = (account) =>
  createEIP712OfferReceiptIssuer(`did:pkh:eip155:1:${account.address}`, (typed) => account.signTypedData(typed));

/** Its receipts are for something else than what was paid. */
const lying = (issuer, change) => ({
  ...issuer,
  issueReceipt: (resource, payer, network, transaction) => issuer.issueReceipt(...change({ resource, payer, network, transaction })),
});
const another = `0x${"5c".repeat(32)}`;

const ISSUERS = {
  eip712: eip712(payee),
  jws: es256k(PAYEE_KEY, payee),
  "jws-web": es256k(PAYEE_KEY, payee, "did:web:127.0.0.1#key-1"),
  "jws-eddsa": eddsa(),
  "eip712-stranger": eip712(stranger),
  "jws-stranger": es256k(FACILITATOR_KEY, stranger),
  "lies-of-payer": lying(eip712(payee), (r) => [r.resource, PAY_TO, r.network, r.transaction]),
  "lies-of-resource": lying(es256k(PAYEE_KEY, payee), (r) => ["https://elsewhere.example/cent", r.payer, r.network, r.transaction]),
  "lies-of-transaction": lying(eip712(payee), (r) => [r.resource, r.payer, r.network, another]),
  changed: eip712(payee),
};

/** What stands between a seller and its buyers may change its price, and cannot sign for it. */
function dearer(response) {
  const { setHeader } = response;
  response.setHeader = function (name, value) {
    if (name.toLowerCase() !== "payment-required") return setHeader.call(this, name, value);
    const challenge = JSON.parse(Buffer.from(value, "base64"));
    challenge.accepts.forEach((entry) => (entry.amount = "20000"));
    return setHeader.call(this, name, Buffer.from(JSON.stringify(challenge)).toString("base64"));
  };
}

function seller(facilitatorUrl) {
  const app = express().use(express.json());
  let sold = 0;
  for (const [way, issuer] of Object.entries(ISSUERS)) {
    const resources = new x402ResourceServer(new HTTPFacilitatorClient({ url: facilitatorUrl }));
    resources.register(NETWORK, new ExactEvmScheme());
    resources.registerExtension(createOfferReceiptExtension(issuer));
    const accepts = [{ scheme: "exact", network: NETWORK, payTo: PAY_TO, price: "$0.01" }];
    // Half of the time a receipt names no chain transaction, which is what the package does unless told to.
    const signs = (includeTxHash) => ({ accepts, extensions: declareOfferReceiptExtension({ includeTxHash }) });
    if (way === "changed") app.use("/changed", (_, response, next) => (dearer(response), next()));
    app.use(paymentMiddleware({ [`GET /${way}/cent`]: signs(true), [`GET /${way}/quiet`]: signs(false) }, resources));
  }
  app.get("/:way/:page", (_, response) => response.json({ goods: "a page worth a cent", copy: (sold += 1) }));
  return app;
}

console.log(JSON.stringify({ url: await listen(seller(await listen(facilitator({ rpc: RPC, key: FACILITATOR_KEY })))) }));

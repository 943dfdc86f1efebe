// The reference facilitator for both versions of x402, which completes transactions with the key it is given and pays for
// them.

import express from "express";
import { x402Facilitator } from "@x402/core/facilitator";
import { toFacilitatorSvmSigner } from "@x402/svm";
import { registerExactSvmScheme } from "@x402/svm/exact/facilitator";
import { signerOf } from "./transaction.mjs";
import { CLUSTERS, networkOf } from "./token.mjs";

export const CLUSTER = CLUSTERS[process.env.CLUSTER ?? "devnet"];
export const NETWORK = networkOf(CLUSTER);
// The reference waits half a minute for a transaction, and its seller then asks it to wait once more.
const PATIENCE_MS = Number(process.env.PATIENCE_MS ?? 30_000);

/** Listens on a free port of this machine, and gives the address. */
export const listen = (app) =>
  new Promise((resolve) => {
    const server = app.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${server.address().port}`));
  });

export async function facilitator({ rpc, key }) {
  const signer = toFacilitatorSvmSigner(await signerOf(JSON.parse(key)), { defaultRpcUrl: rpc });
  const confirmTransaction = (...args) => Promise.race([signer.confirmTransaction(...args), tooLate()]);
  const schemes = registerExactSvmScheme(new x402Facilitator(), { signer: { ...signer, confirmTransaction }, networks: NETWORK });
  const app = express().use(express.json());
  app.get("/supported", (_, res) => res.json(schemes.getSupported()));
  for (const step of ["verify", "settle"]) {
    app.post(`/${step}`, async ({ body }, res) => res.json(await schemes[step](body.paymentPayload, body.paymentRequirements)));
  }
  return app;
}

const tooLate = () =>
  new Promise((_, reject) => setTimeout(() => reject(new Error("Transaction confirmation timeout")), PATIENCE_MS));

// The reference facilitator, for both schemes and every way that the reference has to get Permit2 its allowance.

import express from "express";
import { createWalletClient, http, publicActions } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { baseSepolia } from "viem/chains";
import { x402Facilitator } from "@x402/core/facilitator";
import { toFacilitatorEvmSigner } from "@x402/evm";
import { registerExactEvmScheme } from "@x402/evm/exact/facilitator";
import { UptoEvmScheme } from "@x402/evm/upto/facilitator";
import { EIP2612_GAS_SPONSORING, createErc20ApprovalGasSponsoringExtension } from "@x402/extensions";

export const NETWORK = "eip155:84532";

/** Listens on a free port of this machine, and gives the address. */
export const listen = (app) =>
  new Promise((resolve) => {
    const server = app.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${server.address().port}`));
  });

/** The facilitator as an app, which pays gas with the key it is given. */
export function facilitator({ rpc, key }) {
  const account = privateKeyToAccount(key);
  const client = createWalletClient({ account, chain: baseSepolia, transport: http(rpc), pollingInterval: 100 });
  const wallet = client.extend(publicActions);
  const signer = toFacilitatorEvmSigner({ ...wallet, address: account.address });
  const scheme = registerExactEvmScheme(new x402Facilitator(), { signer, networks: NETWORK });
  scheme.register(NETWORK, new UptoEvmScheme(signer));
  scheme.registerExtension(EIP2612_GAS_SPONSORING);
  const sendTransactions = (transactions) => oneByOne(wallet, transactions);
  scheme.registerExtension(createErc20ApprovalGasSponsoringExtension({ ...signer, sendTransactions }));

  const app = express().use(express.json());
  app.get("/supported", (_, res) => res.json(scheme.getSupported()));
  for (const step of ["verify", "settle"]) {
    app.post(`/${step}`, async ({ body }, res) => {
      res.json(await scheme[step](body.paymentPayload, body.paymentRequirements));
    });
  }
  return app;
}

/** What the payer has signed goes out as it is; what is ours to send is sent after it. */
async function oneByOne(wallet, transactions) {
  const hashes = [];
  for (const transaction of transactions) {
    const hash =
      typeof transaction === "string"
        ? await wallet.sendRawTransaction({ serializedTransaction: transaction })
        : await wallet.sendTransaction(transaction);
    await wallet.waitForTransactionReceipt({ hash });
    hashes.push(hash);
  }
  return hashes;
}

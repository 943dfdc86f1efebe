// The reference client for TypeScript, as its README sets it up.
import { ExactEvmScheme } from "@x402/evm";
import { wrapFetchWithPaymentFromConfig } from "@x402/fetch";
import { privateKeyToAccount } from "viem/accounts";

export function paying() {
  const client = new ExactEvmScheme(privateKeyToAccount(`0x${process.env.RIVAL_KEY}`));
  return wrapFetchWithPaymentFromConfig(fetch, { schemes: [{ network: "eip155:*", client }] });
}

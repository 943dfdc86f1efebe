// The reference client of `sign-in-with-x`, with a key of its own.

import { decodePaymentRequiredHeader } from "@x402/core/http";
import { createSIWxPayload, encodeSIWxHeader } from "@x402/extensions/sign-in-with-x";
import { privateKeyToAccount } from "viem/accounts";

/** What a page answers to whoever signs in with this key: its status. */
export async function signsIn(url, key) {
  const asked = await fetch(url);
  const { extensions } = decodePaymentRequiredHeader(asked.headers.get("PAYMENT-REQUIRED"));
  const { info, supportedChains } = extensions["sign-in-with-x"];
  const payload = await createSIWxPayload({ ...info, ...supportedChains[0] }, privateKeyToAccount(key), url);
  const answer = await fetch(url, { headers: { "SIGN-IN-WITH-X": encodeSIWxHeader(payload) } });
  await answer.arrayBuffer();
  return answer.status;
}

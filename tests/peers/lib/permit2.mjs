// Permit2 and the two spenders that x402 names to it, at their addresses on a chain of ours.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { PAYER } from "./bursar.mjs";
import { USDC, word } from "./chain.mjs";

export const PERMIT2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3";
const EXACT_PROXY = "0x402085c248EeA27D92E8b30b2C58ed07f9E20001";
const UPTO_PROXY = "0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
// The real code of Permit2, which `run` fetches. No registry has that of the two spenders: ours have the same ABI, and
// PEERS_PROXIES names a folder with others (PlayExactProxy.hex, PlayUptoProxy.hex).
const PERMIT2_CODE = here("../.cache/permit2/permit2.json");
const PROXIES = process.env.PEERS_PROXIES ?? here("../../../crates/sandbox/contracts");

export async function placePermit2(chain) {
  const ours = (name) => readFileSync(`${PROXIES}/${name}.hex`, "utf8").trim();
  await chain.place(PERMIT2, JSON.parse(readFileSync(PERMIT2_CODE, "utf8")).bytecode);
  await chain.place(EXACT_PROXY, ours("PlayExactProxy"));
  await chain.place(UPTO_PROXY, ours("PlayUptoProxy"));
}

/** The payer allows Permit2 so much of the test dollar, and pays the gas for saying so. */
export async function allow(chain, atomic, asset = USDC) {
  const data = `0x095ea7b3${word(PERMIT2)}${word(`0x${atomic.toString(16)}`)}`;
  await chain.send({ from: PAYER, to: asset, data });
}

/** How much of the test dollar Permit2 may still move for the payer. */
export async function allowed(chain, asset = USDC) {
  return BigInt(await chain.rpc("eth_call", [{ to: asset, data: `0xdd62ed3e${word(PAYER)}${word(PERMIT2)}` }, "latest"]));
}

import { fileURLToPath } from "node:url";
import { lapses, makeScene, paysSeller } from "../lib/pays.mjs";
import { runPart } from "../lib/report.mjs";

const command = fileURLToPath(new URL("../.cache/x402-rs/debug/x402-rs-peer", import.meta.url));

// The facilitator will not start unless code stands at these addresses (the signature validator, Permit2 and its
// proxy). None of them has a part in what we pay with, so any code does.
const ASKED_FOR = [
  "0xdAcD51A54883eb67D95FAEb2BBfdC4a9a6BD2a3B",
  "0x000000000022D473030F116dDEE9F6B43aC78BA3",
  "0x402085c248EeA27D92E8b30b2C58ed07f9E20001",
];

runPart("x402-rs", async (onStop) => {
  const prepareChain = async (chain) => {
    for (const address of ASKED_FOR) await chain.rpc("anvil_setCode", [address, "0xfe"]);
  };
  const scene = await makeScene(onStop, { command, prepareChain });
  await paysSeller(scene, { dialect: "x402v2", at: "/v2" });
  await paysSeller(scene, { dialect: "x402v1", at: "/v1", soldBefore: 3n });
  await lapses(scene);
});

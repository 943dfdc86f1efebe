// OpenZeppelin's ERC-20 with EIP-3009, compiled here and put on a chain of ours.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { FACILITATOR } from "../lib/chain.mjs";

const solc = createRequire(import.meta.url)("solc");
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Deploys the token; gives its address. */
export async function deploy(chain) {
  return (await chain.send({ from: FACILITATOR, data: `0x${compiled()}`, gas: "0x1000000" })).contractAddress;
}

function compiled() {
  const settings = { evmVersion: "cancun", outputSelection: { "*": { "*": ["evm.bytecode.object"] } } };
  const sources = { "Authorized.sol": { content: readFileSync(here("Authorized.sol"), "utf8") } };
  const found = (path) => ({ contents: readFileSync(here(`node_modules/${path}`), "utf8") });
  const output = JSON.parse(solc.compile(JSON.stringify({ language: "Solidity", sources, settings }), { import: found }));
  const errors = (output.errors ?? []).filter(({ severity }) => severity === "error");
  if (errors.length) throw new Error(errors.map(({ formattedMessage }) => formattedMessage).join("\n"));
  return output.contracts["Authorized.sol"].Authorized.evm.bytecode.object;
}

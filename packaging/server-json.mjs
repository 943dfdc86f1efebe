#!/usr/bin/env node
// Prints the `server.json` by which the MCP registry lists bursar: the npm package and the bundle of this version, the
// bundle with its hash.
//
//   packaging/server-json.mjs BUNDLE > server.json
//
// `mcp-publisher publish` sends it, once both are where it says.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { version } from "./lib.mjs";

const [bundle] = process.argv.slice(2);
if (!bundle) {
  console.error("usage: packaging/server-json.mjs BUNDLE");
  process.exit(2);
}
const REPOSITORY = "https://github.com/bursar/bursar";
const transport = { type: "stdio" };
const AGENT = {
  type: "named",
  name: "--agent",
  description: "The name this agent goes by: letters, digits and any of - _ .",
  default: "default",
};
const CEILING = {
  type: "named",
  name: "--max-per-payment",
  description: "Lowers what one payment may be, in US dollars; it raises nothing, and none leaves it to the policy",
  default: "none",
};

console.log(JSON.stringify({
  $schema: "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
  name: "io.github.bursar/bursar",
  title: "Bursar",
  description: "A wallet with budgets for AI agents: pays HTTP 402 inside limits you set",
  repository: { url: REPOSITORY, source: "github" },
  websiteUrl: `${REPOSITORY}#readme`,
  version,
  packages: [
    {
      registryType: "npm",
      identifier: "@bursar/bursar",
      version,
      runtimeHint: "npx",
      packageArguments: [{ type: "positional", value: "serve" }, AGENT, CEILING],
      transport,
    },
    {
      registryType: "mcpb",
      identifier: `${REPOSITORY}/releases/download/v${version}/${basename(bundle)}`,
      version,
      fileSha256: createHash("sha256").update(readFileSync(bundle)).digest("hex"),
      transport,
    },
  ],
}, null, 2));

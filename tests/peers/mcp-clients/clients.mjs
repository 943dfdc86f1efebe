// The reference clients, each in each of its eras, made alike.

import { Client as Client2 } from "@modelcontextprotocol/client";
import { StdioClientTransport as Stdio2 } from "@modelcontextprotocol/client/stdio";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as Stdio1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { binary } from "../lib/bursar.mjs";

const INFO = { name: "bursar-peers", version: "0" };

const sdk1 = { Stdio: Stdio1, make: () => new Client1(INFO), callTool: (client, params, options) => client.callTool(params, undefined, options) };
const client2 = (mode) => ({
  Stdio: Stdio2,
  make: () => new Client2(INFO, { versionNegotiation: { mode } }),
  callTool: (client, params, options) => client.callTool(params, options),
});

export const CLIENTS = [
  { name: "sdk 1.29", ...sdk1 },
  { name: "client 2, older era", version: /^2025-/, ...client2("legacy") },
  { name: "client 2, newer era", version: /^2026-07-28$/, ...client2({ pin: "2026-07-28" }) },
  { name: "client 2, left to choose", version: /^2026-07-28$/, ...client2("auto") },
];

/** A client with its own `bursar serve` behind it. Once it has listed the tools, it checks what they answer. */
export async function connect(onStop, bursar, { make, Stdio, callTool }, agent) {
  const client = make();
  const transport = new Stdio({ command: binary(), args: ["serve", "--agent", agent], env: bursar.env, stderr: "ignore" });
  onStop(() => transport.close());
  await client.connect(transport);
  const { tools } = await client.listTools();
  const call = (name, args, options) => callTool(client, { name, arguments: args }, options);
  return { client, tools, call };
}

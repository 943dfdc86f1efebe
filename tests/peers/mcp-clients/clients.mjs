// The reference clients, each in each of its eras, made alike.

import { Client as Client2 } from "@modelcontextprotocol/client";
import { StdioClientTransport as Stdio2 } from "@modelcontextprotocol/client/stdio";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as Stdio1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { binary } from "../lib/bursar.mjs";

const INFO = { name: "bursar-peers", version: "0" };

const sdk1 = {
  Stdio: Stdio1,
  make: (options) => new Client1(INFO, options),
  onAsked: (client, person) => client.setRequestHandler(ElicitRequestSchema, person),
  callTool: (client, params, options) => client.callTool(params, undefined, options),
};
const client2 = (mode) => ({
  Stdio: Stdio2,
  make: (options) => new Client2(INFO, { versionNegotiation: { mode }, ...options }),
  onAsked: (client, person) => client.setRequestHandler("elicitation/create", person),
  callTool: (client, params, options) => client.callTool(params, options),
});

export const CLIENTS = [
  { name: "sdk 1.29", ...sdk1 },
  { name: "client 2, older era", version: /^2025-/, ...client2("legacy") },
  { name: "client 2, newer era", version: /^2026-07-28$/, ...client2({ pin: "2026-07-28" }) },
  { name: "client 2, left to choose", version: /^2026-07-28$/, ...client2("auto") },
];

/**
 * A client with its own `bursar serve` behind it. Once it has listed the tools, it checks what they answer. With a
 * `person` it can ask somebody: what the person gives for a question is the answer.
 */
export async function connect(onStop, bursar, { make, Stdio, callTool, onAsked }, agent, person) {
  // What lacks of a form its host would fill in with defaults, if there were any.
  const client = make(person && { capabilities: { elicitation: { form: { applyDefaults: true } } } });
  if (person) onAsked(client, person);
  const transport = new Stdio({ command: binary(), args: ["serve", "--agent", agent], env: bursar.env, stderr: "ignore" });
  onStop(() => transport.close());
  await client.connect(transport);
  const { tools } = await client.listTools();
  const call = (name, args, options) => callTool(client, { name, arguments: args }, options);
  return { client, tools, call };
}

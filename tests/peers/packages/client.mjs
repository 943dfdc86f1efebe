// The reference MCP client with `bursar serve` behind it, started in whatever way.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

/** Connects, lists the tools, and gives what there is to know; `log` is what the server said beside. */
export async function connect(onStop, { command, args, env }) {
  const transport = new StdioClientTransport({ command, args, env, stderr: "pipe" });
  const log = [];
  transport.stderr.on("data", (data) => log.push(`${data}`));
  onStop(() => transport.close());
  const client = new Client({ name: "bursar-peers", version: "0" });
  await client.connect(transport);
  const tools = (await client.listTools()).tools.map(({ name }) => name).sort();
  const call = async (name, args = {}) => (await client.callTool({ name, arguments: args })).structuredContent;
  return { tools, call, instructions: client.getInstructions(), log: () => log.join(""), pid: transport.pid, close: () => client.close() };
}

/** The rows of a budget, by what they are about. */
export const limit = ({ budgets }, scope, window) => budgets.find((row) => row.scope === scope && row.window === window)?.limit_usd;

// What most people build: the MCP SDK for TypeScript around `@x402/fetch`, with one tool.
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { z } from "zod";
import { paying } from "./paying.mjs";

const fetchPaid = paying();
const server = new McpServer({ name: "rival", version: "1.0.0" });
const about = { description: "Gets a URL, paying if it asks for money", inputSchema: { url: z.string() } };
server.registerTool("fetch_paid", about, async ({ url }) => {
  const reply = await fetchPaid(url);
  return { content: [{ type: "text", text: `${reply.status} ${await reply.text()}` }] };
});
await server.connect(new StdioServerTransport());

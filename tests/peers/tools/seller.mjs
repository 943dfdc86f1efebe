// An MCP server of the newest era, by the reference library for it, whose tools are paid by x402: in the form that is made
// for MCP where a client asks for that, in the older one elsewhere. The payments are checked by the reference facilitator.
//
// Reads FACILITATOR and PAY_TO; prints one JSON line with its address. With DESCRIBED its tools say what a Bazaar may list.

import http from "node:http";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { CLIENT_CAPABILITIES_META_KEY, McpServer, createMcpHandler, fromJsonSchema } from "@modelcontextprotocol/server";

const { FACILITATOR, PAY_TO } = process.env;
const CENT = {
  scheme: "exact",
  network: "eip155:84532",
  asset: "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
  amount: "10000",
  payTo: PAY_TO,
  maxTimeoutSeconds: 60,
  extra: { name: "USDC", version: "2" },
};
let sold = 0;

const ask = async (step, paymentPayload) => {
  const body = JSON.stringify({ x402Version: 2, paymentPayload, paymentRequirements: CENT });
  const answer = await fetch(`${FACILITATOR}/${step}`, { method: "POST", headers: { "content-type": "application/json" }, body });
  return answer.json();
};

const text = (value) => [{ type: "text", text: JSON.stringify(value) }];

/** As a Bazaar lists it: by the server's own address, which a tool's name alone does not say. */
function described(tool) {
  if (!process.env.DESCRIBED) return { resource: { url: `mcp://tool/${tool}`, mimeType: "application/json" } };
  const input = { type: "mcp", toolName: tool, description: "Weather in a city", transport: "streamable-http", inputSchema: { type: "object" } };
  const schema = { $schema: "https://json-schema.org/draft/2020-12/schema", type: "object" };
  const resource = { url: url(), description: "Weather in a city", mimeType: "application/json" };
  return { resource, extensions: { bazaar: { info: { input, output: { type: "json" } }, schema } } };
}

function wants(tool, error, byExtension) {
  const required = { x402Version: 2, error, accepts: [CENT], ...described(tool) };
  if (byExtension) return { resultType: "payment_required", paymentRequired: required };
  return { content: text(required), structuredContent: required, isError: true };
}

/** `routed` wants one of its arguments in a header too, and the library refuses a call without it. */
const TOOLS = {
  weather: { type: "object" },
  "naïve tool": { type: "object" },
  routed: { type: "object", properties: { city: { type: "string", "x-mcp-header": "City" }, days: { type: "integer", "x-mcp-header": "Days" } } },
};

function make() {
  const made = new McpServer({ name: "newest", version: "1.0.0" }, { capabilities: { tools: {} } });
  for (const [name, schema] of Object.entries(TOOLS)) {
    made.registerTool(name, { description: "Weather in a city", inputSchema: fromJsonSchema(schema) }, () => ({ content: [] }));
  }
  // A challenge is a result of another kind than the library gives a tool.
  const { server } = made;
  server.setRequestHandler("tools/call", async ({ params }, context) => {
    const { _meta: meta = {}, envelope = {} } = context.mcpReq;
    const capabilities = envelope[CLIENT_CAPABILITIES_META_KEY] ?? {};
    const byExtension = Boolean(capabilities.extensions?.["org.x402/payment"]);
    const payment = meta["x402/payment"];
    if (!payment) return wants(params.name, "Payment required", byExtension);
    const verified = await ask("verify", payment);
    if (!verified.isValid) return wants(params.name, verified.invalidReason, byExtension);
    const goods = { city: params.arguments?.city, copy: ++sold, by: byExtension ? "extension" : "result" };
    const settled = await ask("settle", payment);
    if (!settled.success) return wants(params.name, settled.errorReason, byExtension);
    return { content: text(goods), _meta: { "x402/payment-response": settled } };
  });
  return made;
}

const listener = http.createServer(toNodeHandler(createMcpHandler(make)));
const url = () => `http://127.0.0.1:${listener.address().port}/mcp`;
listener.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ url: url() })));

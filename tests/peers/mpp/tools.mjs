// An MCP server whose tools are paid on Tempo, by the reference library of MPP (mppx) with its transport for MCP, which
// pays the chain's fee. Reads RPC, FACILITATOR_KEY and PAY_TO; prints one JSON line with its address.

import http from "node:http";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { Mppx, Transport, tempo } from "mppx/server";
import { createClient, http as rpc } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { tempo as tempoChain } from "viem/tempo/chains";

const { RPC, FACILITATOR_KEY, PAY_TO } = process.env;
const CHAIN = 31337;
const PATH_USD = "0x20c0000000000000000000000000000000000000";

const client = createClient({ chain: { ...tempoChain, id: CHAIN }, transport: rpc(RPC), pollingInterval: 100 });
const feePayer = privateKeyToAccount(FACILITATOR_KEY);
const charge = tempo.charge({ getClient: () => client, chainId: CHAIN, currency: PATH_USD, recipient: PAY_TO, feePayer });
const shop = Mppx.create({
  secretKey: "a secret of at least thirty-two bytes",
  realm: "127.0.0.1",
  methods: [charge],
  transport: Transport.mcpSdk(),
});
let sold = 0;

function make() {
  const server = new Server({ name: "mppx", version: "1.0.0" }, { capabilities: { tools: {} } });
  const tools = [{ name: "weather", description: "Weather in a city", inputSchema: { type: "object" } }];
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const held = await shop.tempo.charge({ amount: "0.01" })(extra);
    if (held.status === 402) throw held.challenge;
    const goods = { city: params.arguments?.city, copy: ++sold };
    return held.withReceipt({ content: [{ type: "text", text: JSON.stringify(goods) }] });
  });
  return server;
}

const listener = http.createServer(async (request, response) => {
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
  await make().connect(transport);
  await transport.handleRequest(request, response);
});
listener.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ url: `http://127.0.0.1:${listener.address().port}/mcp` })));

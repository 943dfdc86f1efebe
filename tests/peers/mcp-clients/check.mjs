// The reference MCP clients against `bursar serve`, in both eras. They check every structured answer against the
// schema the tool declares, so an answer that came through is an answer of the declared shape.

import { fileURLToPath } from "node:url";
import { Client as Client2 } from "@modelcontextprotocol/client";
import { StdioClientTransport as Stdio2 } from "@modelcontextprotocol/client/stdio";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as Stdio1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { binary } from "../lib/bursar.mjs";
import { cents, makeScene, moved } from "../lib/pays.mjs";
import { check, equal, runPart } from "../lib/report.mjs";

const TOOLS = ["fetch_paid", "get_balance", "get_budget", "get_purchase", "list_spend", "quote"];
const INFO = { name: "bursar-peers", version: "0" };
const seller = { command: process.execPath, args: [fileURLToPath(new URL("../v2-express/seller.mjs", import.meta.url))] };

const negotiating = (mode) => () => new Client2(INFO, { versionNegotiation: { mode } });
const CLIENTS = [
  { name: "sdk 1.29", client: () => new Client1(INFO), Stdio: Stdio1 },
  { name: "client 2, older era", client: negotiating("legacy"), Stdio: Stdio2, version: /^2025-/ },
  { name: "client 2, newer era", client: negotiating({ pin: "2026-07-28" }), Stdio: Stdio2, version: /^2026-07-28$/ },
  { name: "client 2, left to choose", client: negotiating("auto"), Stdio: Stdio2, version: /^2026-07-28$/ },
];

runPart("mcp-clients", async (onStop) => {
  const scene = await makeScene(onStop, seller);
  for (const [index, kind] of CLIENTS.entries()) await speaks(onStop, scene, kind, BigInt(index + 1));
});

async function speaks(onStop, { chain, url, bursar }, { name, client: make, Stdio, version }, paidSoFar) {
  const agent = name.replace(/\W+/g, "-");
  const client = make();
  const transport = new Stdio({ command: binary(), args: ["serve", "--agent", agent], env: bursar.env, stderr: "ignore" });
  onStop(() => transport.close());
  await client.connect(transport);
  if (version) check(`${name}: speaks its era`, version.test(client.getNegotiatedProtocolVersion()), client.getNegotiatedProtocolVersion());

  const { tools } = await client.listTools();
  equal(`${name}: lists the six tools`, tools.map((tool) => tool.name).sort(), TOOLS);
  check(`${name}: every tool declares its answer`, tools.every((tool) => tool.outputSchema?.type === "object"), tools);
  check(`${name}: the server tells what it is for`, client.getInstructions()?.length > 0);

  const call = async (tool, args) => (await client.callTool({ name: tool, arguments: args })).structuredContent;
  const wish = { url: `${url}/cent?client=${agent}` };
  const quote = await call("quote", wish);
  check(`${name}: quote`, quote?.payable === true, quote);
  const bought = await call("fetch_paid", wish);
  check(`${name}: fetch_paid pays`, bought?.charged === "yes" && bought?.payment?.state === "settled", bought);
  equal(`${name}: the balances moved by exactly the price`, await moved(chain), cents(paidSoFar));
  const balance = await call("get_balance", {});
  check(`${name}: get_balance`, balance?.balances?.some(({ asset }) => asset === "USDC"), balance);
  const budget = await call("get_budget", {});
  check(`${name}: get_budget`, budget?.budgets?.length > 0 && budget.frozen === false, budget);
  const spend = await call("list_spend", {});
  equal(`${name}: list_spend has the agent's own purchases only`, spend?.purchases?.filter(({ state }) => state === "settled").map(({ purchase_id }) => purchase_id), [bought?.purchase_id]);
  const purchase = await call("get_purchase", { purchase_id: bought?.purchase_id });
  check(`${name}: get_purchase has the goods`, purchase?.body === bought?.body && purchase?.state === "settled", purchase);
  const nonsense = await client.callTool({ name: "fetch_paid", arguments: { url: 7 } }).catch((error) => error);
  check(`${name}: nonsense is answered, as the tool's error`, nonsense?.isError === true, nonsense);
  await client.close();
}

// The reference MCP clients against `bursar serve`, in both eras. They check every structured answer against the
// schema the tool declares, so an answer that came through is an answer of the declared shape.

import { fileURLToPath } from "node:url";
import { cents, makeScene, moved } from "../lib/pays.mjs";
import { check, equal, runPart } from "../lib/report.mjs";
import { Wire } from "../lib/wire.mjs";
import { asksItsPerson } from "./asking.mjs";
import { CLIENTS, connect } from "./clients.mjs";
import { answersInEveryWay, answersWhatIsUnderWay, startOddSeller } from "./kinds.mjs";

const TOOLS = ["call_paid_tool", "fetch_paid", "find_paid", "get_balance", "get_budget", "get_purchase", "list_paid_tools", "list_spend", "quote"];
const seller = { command: process.execPath, args: [fileURLToPath(new URL("../v2-express/seller.mjs", import.meta.url))] };

runPart("mcp-clients", async (onStop) => {
  const wire = new Wire(onStop);
  const odd = await startOddSeller(onStop);
  const scene = await makeScene(onStop, { ...seller, through: (url) => wire.to(url), alsoTo: odd.hosts });
  for (const [index, kind] of CLIENTS.entries()) await speaks(onStop, scene, kind, BigInt(index + 1));
  const [oldest, , newest] = CLIENTS;
  for (const kind of [oldest, newest]) await answersInEveryWay(onStop, { ...scene, wire, odd }, kind);
  for (const kind of CLIENTS) await asksItsPerson(onStop, scene, kind);
  await answersWhatIsUnderWay(onStop, { ...scene, wire }, [oldest, newest]);
});

async function speaks(onStop, { chain, url, bursar }, kind, paidSoFar) {
  const { name, version } = kind;
  const agent = name.replace(/\W+/g, "-");
  const { client, tools, call: callTool } = await connect(onStop, bursar, kind, agent);
  if (version) check(`${name}: speaks its era`, version.test(client.getNegotiatedProtocolVersion()), client.getNegotiatedProtocolVersion());
  equal(`${name}: lists the nine tools`, tools.map((tool) => tool.name).sort(), TOOLS);
  check(`${name}: every tool declares its answer`, tools.every((tool) => tool.outputSchema?.type === "object"), tools);
  check(`${name}: the server tells what it is for`, client.getInstructions()?.length > 0);

  const call = async (tool, args) => (await callTool(tool, args)).structuredContent;
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
  const nonsense = await callTool("fetch_paid", { url: 7 }).catch((error) => error);
  check(`${name}: nonsense is answered, as the tool's error`, nonsense?.isError === true, nonsense);
  await client.close();
}

// A Bazaar that runs here: what is bought once is listed by what bursar brings back of its seller's own description, and
// an agent that knows nothing but a word finds it there and buys it.

import { fileURLToPath } from "node:url";
import { PAYEE } from "../lib/chain.mjs";
import { cents, makeScene, moved } from "../lib/pays.mjs";
import { start } from "../lib/process.mjs";
import { check, equal, runPart } from "../lib/report.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

runPart("bazaar", async (onStop) => {
  const scene = await makeScene(onStop, { command: process.execPath, args: [here("../v2-express/bazaar.mjs")] });
  const { chain, url, bursar } = scene;
  const { facilitator } = scene.seller.ready;
  const env = { FACILITATOR: facilitator, PAY_TO: PAYEE, DESCRIBED: "1" };
  const tools = await start(onStop, process.execPath, [here("../tools/seller.mjs")], { env });
  const hosts = [url, tools.ready.url].map((at) => new URL(at).host);
  bursar.changeRules(`allow = ["${hosts[0]}"]`, `allow = ${JSON.stringify(hosts)}`);
  bursar.addConfig(`[find]\nbazaar = ["${facilitator}"]\nmpp = []\nindex402 = []\nopenapi = []\n`);

  const first = await bursar.serve(["--agent", "first"]);
  const nothing = await first.call("find_paid", { query: "rain" });
  equal("nothing is listed before anybody has bought it", [nothing.results, nothing.directories.map(({ ok }) => ok)], [[], [true]]);
  const page = await first.call("fetch_paid", { url: `${url}/rain` });
  const tool = await first.call("call_paid_tool", { server: tools.ready.url, tool: "weather", arguments: { city: "Bern" } });
  equal("a page and a tool are bought", [page.charged, tool.charged], ["yes", "yes"]);
  await first.close();

  const other = await bursar.serve(["--agent", "other"]);
  const found = await other.call("find_paid", { query: "rain" });
  const [rain] = found.results;
  const is = [found.results.length, rain?.kind, rain?.price_usd, rain?.payable, rain?.verdict];
  check("the page is found by a word of its description", is.join() === "1,http,0.01,true,allow", found);
  equal("and this wallet knows that it has paid there", [rain.last_paid_usd, rain.known?.paid], ["0.01", 2]);
  const bought = await other.call("fetch_paid", { url: rain.url, method: rain.method });
  check("and bought by whoever knew nothing else", bought.outcome === "answered" && bought.charged === "yes", bought);

  const { results } = await other.call("find_paid", { query: "weather", kind: "tool" });
  check("the tool is found with its server", results[0]?.server === tools.ready.url && results[0]?.tool === "weather" && results[0]?.verdict === "allow", results);
  const called = await other.call("call_paid_tool", { server: results[0].server, tool: results[0].tool, arguments: { city: "Chur" } });
  check("and called by whoever knew nothing else", called.charged === "yes" && called.body.includes("Chur"), called);
  equal("four prices moved and no more", await moved(chain), cents(4n));
  await other.close();

  const shown = JSON.parse(await bursar.must(["find", "rain", "--json"]));
  equal("its owner finds the same in a terminal", [shown.results.length, shown.results[0]?.url], [1, rain.url]);
  await chain.finalize();
  const { code, stdout } = await bursar.run(["reconcile", "--json"]);
  equal("reconcile finds nothing unexplained", [code, JSON.parse(stdout).alarms], [0, []]);
});

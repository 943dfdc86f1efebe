// Tools of MCP servers that ask to be paid: the reference sellers of x402 and MPP for Python over every transport, and a
// server of the newest era. Bought through `call_paid_tool`.

import { fileURLToPath } from "node:url";
import { PAYER } from "../lib/bursar.mjs";
import { PAYEE } from "../lib/chain.mjs";
import { cents, makeScene, moved } from "../lib/pays.mjs";
import { start } from "../lib/process.mjs";
import { check, equal, runPart } from "../lib/report.mjs";
import { Wire } from "../lib/wire.mjs";
import { isAProxy } from "./proxy.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const python = here("../.cache/tools/bin/python");
const seller = here("seller.py");

runPart("tools", async (onStop) => {
  const wire = new Wire(onStop);
  const scene = await makeScene(onStop, { command: python, args: [seller, "http"] });
  const { chain, bursar } = scene;
  const { x402, x402_json, x402_old, mpp, facilitator } = scene.seller.ready;
  const newest = await start(onStop, process.execPath, [here("seller.mjs")], { env: { FACILITATOR: facilitator, PAY_TO: PAYEE } });
  const lossy = (await wire.to(new URL(x402_json).origin)) + "/mcp";
  const http = [x402, x402_json, x402_old, mpp, newest.ready.url, lossy];
  bursar.changeRules(`allow = ["${new URL(facilitator).host}"]`, `allow = ${JSON.stringify(http.map((url) => new URL(url).host))}`);
  bursar.changeRules("[wallet]", "[wallet]\npayments_per_minute = 100");
  const env = [`FACILITATOR=${facilitator}`, `PAY_TO=${PAYEE}`];
  for (const kind of ["x402", "mpp"]) {
    const args = JSON.stringify([...env, python, seller, kind]);
    bursar.addConfig(`[[tools]]\nname = "${kind}-program"\ncommand = "/usr/bin/env"\nargs = ${args}\n`);
  }

  const server = await bursar.serve();
  let bought = 0n;
  const buys = async (name, at, dialect) => {
    const before = bought;
    const free = at === newest.ready.url ? null : await server.call("call_paid_tool", { server: at, tool: "hello" });
    if (free) check(`${name}: a free tool is called at no charge`, free.outcome === "answered" && free.charged === "no" && free.body.includes("hello"), free);
    const listed = await server.call("list_paid_tools", { server: at });
    check(`${name}: its tools are listed`, listed.tools?.some(({ name }) => name === "weather"), listed);
    const first = await server.call("call_paid_tool", { server: at, tool: "weather", arguments: { city: "Bern" } });
    bought += 1n;
    const { payment = {} } = first;
    const is = [first.outcome, first.charged, payment.state, payment.dialect, payment.amount_atomic];
    check(`${name}: a tool is paid for and its result handed over`, is.join() === ["answered", "yes", "settled", dialect, "10000"].join() && first.body.includes("Bern"), first);
    equal(`${name}: payer's and payee's balances changed by exactly the price`, await moved(chain), cents(before + 1n));
    const again = await server.call("call_paid_tool", { server: at, tool: "weather", arguments: { city: "Bern" } });
    equal(`${name}: asked again, it comes from the store`, [again.served_from_store, again.body], [true, first.body]);
    const cities = ["Basel", "Genf", "Chur"];
    const three = await Promise.all(cities.map((city) => server.call("call_paid_tool", { server: at, tool: "weather", arguments: { city } })));
    bought += 3n;
    check(`${name}: three at once are each paid for once`, three.every(({ outcome, charged }) => outcome === "answered" && charged === "yes"), three);
    equal(`${name}: and the balances say so`, await moved(chain), cents(before + 4n));
  };
  const breaks = async (name, at, { charges }) => {
    const failed = await server.call("call_paid_tool", { server: at, tool: "broken" });
    bought += charges ? 1n : 0n;
    equal(`${name}: a handler that fails is an answer that may charge`, [failed.outcome, failed.charged], ["answered", charges ? "yes" : "unknown"]);
    await server.call("call_paid_tool", { server: at, tool: "broken" });
    equal(`${name}: and is paid once at most`, await moved(chain), cents(bought));
  };

  await buys("x402", x402, "x402v2");
  await buys("x402, stateless JSON", x402_json, "x402v2");
  await buys("x402, the older transport", x402_old, "x402v2");
  await buys("x402, a program", "x402-program", "x402v2");
  await buys("x402, the newest era", newest.ready.url, "x402v2");
  await buys("MPP", mpp, "mpp");
  await buys("MPP, a program", "mpp-program", "mpp");
  await breaks("x402", x402, { charges: false });
  await breaks("MPP", mpp, { charges: true });

  const named = await server.call("call_paid_tool", { server: newest.ready.url, tool: "naïve tool", arguments: { city: "Zug" } });
  bought += 1n;
  check("a tool is called by whatever name it has", named.charged === "yes" && named.body.includes("extension"), named);
  for (const city of ["Bern", "Zürich "]) {
    const routed = await server.call("call_paid_tool", { server: newest.ready.url, tool: "routed", arguments: { city, days: 2 } });
    bought += 1n;
    check(`what a server wants in headers stands in them: ${JSON.stringify(city)}`, routed.charged === "yes" && routed.body.includes(city), routed);
  }
  equal("and each was paid for once", await moved(chain), cents(bought));
  const dear = await server.call("call_paid_tool", { server: x402, tool: "dear" });
  equal("a dear one is refused", [dear.outcome, dear.charged, dear.reasons?.some(({ code }) => code === "over_payment")], ["refused", "no", true]);
  const unknown = await server.call("call_paid_tool", { server: x402, tool: "nothing" });
  equal("one that is not there costs nothing", [unknown.charged, await moved(chain)], ["no", cents(bought)]);

  wire.payments.length = 0;
  const wish = (city) => ({ server: lossy, tool: "weather", arguments: { city } });
  const lost = wire.loseNextPaidReply();
  const first = await server.call("call_paid_tool", wish("lost"));
  await lost;
  bought += 1n;
  equal("a lost reply is held", [first.outcome, first.charged], ["held", "unknown"]);
  const again = await server.call("call_paid_tool", wish("lost"));
  check("asked again, it knows that money moved", again.charged === "yes" && again.purchase_id === first.purchase_id, again);
  equal("one authorization was shown, and one price moved", [new Set(wire.payments).size, await moved(chain)], [1, cents(bought)]);

  wire.payments.length = 0;
  const gone = wire.loseNextPaidRequest();
  const unheard = await server.call("call_paid_tool", wish("unheard"));
  await gone;
  equal("a payment lost on its way is held", [unheard.outcome, unheard.charged], ["held", "unknown"]);
  const heard = await server.call("call_paid_tool", wish("unheard"));
  bought += 1n;
  check("asked again, the same payment buys", heard.charged === "yes" && heard.outcome === "answered", heard);
  equal("it was shown twice, and it was the same", [wire.payments.length, new Set(wire.payments).size], [2, 1]);
  await server.close();

  wire.payments.length = 0;
  const victim = await bursar.serve();
  const killed = wire.loseNextPaidReply(() => victim.child.kill("SIGKILL"));
  const call = victim.call("call_paid_tool", wish("killed")).catch(() => "killed");
  await killed;
  bought += 1n;
  equal("bursar is killed while the seller settles", [await call, await victim.ended], ["killed", "SIGKILL"]);
  const next = await bursar.serve();
  const after = await next.call("call_paid_tool", wish("killed"));
  check("started again, it knows that money moved", after.charged === "yes", after);
  equal("one authorization from before and after the kill", [new Set(wire.payments).size, await moved(chain)], [1, cents(bought)]);
  await next.close();

  bought += await isAProxy(onStop, scene, { x402, mpp, before: bought });

  equal("the chain has one settlement for each", (await chain.transfersFrom(PAYER)).length, Number(bought));
  await chain.pass(360);
  const { code, stdout } = await bursar.run(["reconcile", "--json"]);
  equal("past every window reconcile finds nothing unexplained", [code, JSON.parse(stdout).alarms], [0, []]);
  const rows = await bursar.log();
  const settled = rows.filter(({ state }) => state === "settled");
  check("the chain proves every purchase", settled.length === Number(bought) && settled.every(({ proof }) => proof === "chain"), settled);
  check("the log shows tools as places", rows.filter(({ method }) => method === "CALL").every(({ url }) => url.startsWith("mcp://")), rows.slice(0, 3));
  const held = rows.filter(({ state }) => state === "held" || state === "authorized");
  const lapsed = rows.filter(({ state, proof }) => state === "lapsed" && proof === "chain");
  equal("what no seller took has lapsed, and nothing is left in doubt", [held.length, lapsed.length], [0, 1]);
  equal("the ledger's own audit agrees", (await bursar.run(["audit"])).code, 0);
});

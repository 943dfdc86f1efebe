// `bursar proxy` before a server whose tools cost money, with the reference clients of both eras: they call as if it were
// free, and know nothing of payments.

import { Client as Client2 } from "@modelcontextprotocol/client";
import { StdioClientTransport as Stdio2 } from "@modelcontextprotocol/client/stdio";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as Stdio1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { binary } from "../lib/bursar.mjs";
import { cents, moved } from "../lib/pays.mjs";
import { check, equal } from "../lib/report.mjs";

const INFO = { name: "bursar-peers", version: "0" };
const client2 = (mode) => () => [new Client2(INFO, { versionNegotiation: { mode } }), Stdio2];
const CLIENTS = {
  "sdk 1.29": () => [new Client1(INFO), Stdio1],
  "client 2, older era": client2("legacy"),
  "client 2, newer era": client2({ pin: "2026-07-28" }),
};

/** How many cents were paid through it. */
export async function isAProxy(onStop, { chain, bursar }, { x402, mpp, before }) {
  let bought = 0n;
  const connect = async (make, server, agent) => {
    const [client, Stdio] = make();
    const args = ["proxy", server, "--agent", agent];
    const transport = new Stdio({ command: binary(), args, env: bursar.env, stderr: "ignore" });
    onStop(() => transport.close());
    await client.connect(transport);
    return client;
  };
  for (const [name, make] of Object.entries(CLIENTS)) {
    for (const [kind, server] of Object.entries({ x402, mpp, program: "x402-program" })) {
      const who = `proxy of ${kind}, ${name}`;
      const client = await connect(make, server, `proxy-${kind}`);
      const { tools } = await client.listTools();
      const weather = tools.find((tool) => tool.name === "weather");
      check(`${who}: it shows the server's own tools`, weather?.description === "Weather in a city." && weather.inputSchema.properties.city, tools);
      check(`${who}: none says that it changes nothing`, tools.every(({ annotations }) => annotations.readOnlyHint === false), tools);
      const free = await client.callTool({ name: "hello", arguments: {} });
      check(`${who}: a free tool is called`, free.content[0].text === "hello" && !free.isError, free);
      const city = `${name} ${kind}`;
      const paid = await client.callTool({ name: "weather", arguments: { city } });
      bought += 1n;
      check(`${who}: a paid tool answers with its own result`, !paid.isError && JSON.parse(paid.content[0].text).city === city, paid);
      equal(`${who}: and what it cost stands beside it`, paid._meta?.["bursar/purchase"]?.amount_usd, "0.01");
      const again = await client.callTool({ name: "weather", arguments: { city } });
      equal(`${who}: the same call again is not paid again`, [again.content[0].text, await moved(chain)], [paid.content[0].text, cents(before + bought)]);
      if (kind === "x402") await isSaidWhatIsNotPaid(who, client);
      await client.close();
    }
  }
  equal("the proxies paid for what was called and nothing else", await moved(chain), cents(before + bought));
  return bought;
}

async function isSaidWhatIsNotPaid(who, client) {
  const dear = await client.callTool({ name: "dear", arguments: {} });
  check(`${who}: what is too dear comes back as a refusal`, dear.isError && /^refused; charged: no/.test(dear.content[0].text), dear);
  const wrong = await client.callTool({ name: "nothing", arguments: {} });
  check(`${who}: what the server does not have is its error`, wrong.isError, wrong);
  const asked = await client.callTool({ name: "asked", arguments: {} });
  check(`${who}: what the owner is asked about says so`, /needs_approval; charged: no/.test(asked.content[0].text), asked);
  const { resources } = await client.listResources();
  const read = await client.readResource({ uri: resources[0].uri });
  equal(`${who}: its resources are read`, [resources[0].uri, read.contents[0].text], ["rig://about", "a rig"]);
  const { prompts } = await client.listPrompts();
  const got = await client.getPrompt({ name: prompts[0].name, arguments: { city: "Bern" } });
  equal(`${who}: its prompts are given`, got.messages[0].content.text, "What is the weather in Bern?");
}

// That each seller works: its own reference client pays it, and the chain says so.

import { FACILITATOR_KEY, PAYEE, startChain } from "../lib/chain.mjs";
import { runToEnd, start } from "../lib/process.mjs";
import { equal } from "../lib/report.mjs";

// Anvil's fourth account: bursar must see nothing leave its own that no purchase explains.
const STRANGER_KEY = "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6";
const STRANGER = "0x90F79bf6EB2c4f870365E785982E1f101E93b906";
const CENT = 10_000n;

export async function isPaidByItsOwn(onStop, name, seller, client, ways) {
  const chain = await startChain(onStop);
  await chain.mint(STRANGER, 100n * CENT);
  const { ready } = await start(onStop, seller.command, seller.args, { env: { RPC: chain.url, FACILITATOR_KEY, PAY_TO: PAYEE } });
  let paid = 0n;
  for (const way of ways) {
    for (const [page, sent] of [["/cent", {}], ["/echo", { METHOD: "POST", BODY: '{"count":3}' }]]) {
      const what = `${name}: its own client pays ${way}${page}`;
      const env = { PATH: process.env.PATH, URL: `${ready.url}${way}${page}`, PAYER_KEY: STRANGER_KEY, ...sent };
      const { code, stdout, stderr } = await runToEnd(client.command, client.args, { env });
      const { status, body, receipt } = code === 0 ? JSON.parse(stdout) : { body: stderr };
      paid += CENT;
      equal(what, [code, status, typeof body?.goods, receipt?.status], [0, 200, "string", "success"]);
      equal(`${what}: exactly the price reaches the payee`, await chain.balance(PAYEE), paid);
      const settled = receipt && (await chain.receipt(receipt.reference));
      equal(`${what}: its receipt names the chain transaction`, settled?.status, "0x1");
    }
  }
}

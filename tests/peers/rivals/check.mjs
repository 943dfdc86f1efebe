// What the README says of the reference client beside bursar: the same wire, the same seller, the same wish.

import { fileURLToPath } from "node:url";
import { PAYER, PAYER_KEY } from "../lib/bursar.mjs";
import { cents, makeScene, moved } from "../lib/pays.mjs";
import { check, equal, runPart } from "../lib/report.mjs";
import { Wire } from "../lib/wire.mjs";

const seller = { command: process.execPath, args: [fileURLToPath(new URL("../v2-express/seller.mjs", import.meta.url))] };

runPart("rivals", async (onStop) => {
  process.env.RIVAL_KEY = PAYER_KEY;
  const { paying } = await import("../../../benches/rivals/paying.mjs");
  const fetchPaid = paying();
  const wire = new Wire(onStop);
  const { chain, url } = await makeScene(onStop, { ...seller, through: (url) => wire.to(url) });

  const wish = `${url}/cent?reply=lost`;
  const lost = wire.loseNextPaidReply();
  const failed = await fetchPaid(wish).then(() => false, () => true);
  await lost;
  check("@x402/fetch: a lost reply is an error", failed);
  equal("@x402/fetch: asked again, it gets the page", (await fetchPaid(wish)).status, 200);
  equal("@x402/fetch: and has paid twice", [(await chain.transfersFrom(PAYER)).length, await moved(chain)], [2, cents(2n)]);
  equal("@x402/fetch: with two payments, which nobody has written down", new Set(wire.payments).size, 2);

  for (let n = 0; n < 6; n += 1) equal(`@x402/fetch: payment ${n + 1} of 20 cents goes through`, (await fetchPaid(`${url}/dear?n=${n}`)).status, 200);
  equal("@x402/fetch: it has a ceiling of a dollar for each payment, and none for all", await moved(chain), cents(122n));
});

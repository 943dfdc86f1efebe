import { fileURLToPath } from "node:url";
import { isKilled, losesPayment, losesReply } from "../lib/loses.mjs";
import { lapses, makeScene, paysSeller } from "../lib/pays.mjs";
import { equal, runPart } from "../lib/report.mjs";
import { Wire } from "../lib/wire.mjs";

const seller = { command: process.execPath, args: [fileURLToPath(new URL("seller.mjs", import.meta.url))] };

runPart("v2-express", async (onStop) => {
  const plain = await makeScene(onStop, seller);
  await paysSeller(plain, { dialect: "x402v2" });
  await lapses(plain);

  const wire = new Wire(onStop);
  const scene = await makeScene(onStop, { ...seller, through: (url) => wire.to(url) });
  await losesReply(scene, wire);
  const { extensions } = JSON.parse(Buffer.from(wire.payments[0], "base64"));
  equal("the payment brings back the extension it does not know", extensions?.["bursar-peer"]?.info, { asks: "for its echo" });
  await isKilled(scene, wire);
  await losesPayment(scene, wire);
});

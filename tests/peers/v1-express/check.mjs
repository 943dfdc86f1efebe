import { fileURLToPath } from "node:url";
import { lapses, makeScene, paysSeller } from "../lib/pays.mjs";
import { runPart } from "../lib/report.mjs";

const seller = fileURLToPath(new URL("seller.mjs", import.meta.url));

runPart("v1-express", async (onStop) => {
  const scene = await makeScene(onStop, { command: process.execPath, args: [seller] });
  await paysSeller(scene, { dialect: "x402v1" });
  await lapses(scene);
});

import { fileURLToPath } from "node:url";
import { lapses, makeScene, paysSeller } from "../lib/pays.mjs";
import { runPart } from "../lib/report.mjs";

const seller = fileURLToPath(new URL("seller.py", import.meta.url));
const python = fileURLToPath(new URL("../.cache/python/bin/python", import.meta.url));

runPart("python", async (onStop) => {
  const scene = await makeScene(onStop, { command: python, args: [seller] });
  await paysSeller(scene, { dialect: "x402v2" });
  await lapses(scene);
});

import { fileURLToPath } from "node:url";
import { makeScene, paysSeller } from "../lib/pays.mjs";
import { runPart } from "../lib/report.mjs";

const file = (name) => fileURLToPath(new URL(name, import.meta.url));

// They want the nonce in two forms, and take the money before they make the page.
runPart("mpp", async (onStop) => {
  for (const [command, seller] of [[process.execPath, "seller.mjs"], [file("../.cache/mpp/bin/python"), "seller.py"]]) {
    const scene = await makeScene(onStop, { command, args: [file(seller)] });
    await paysSeller(scene, { dialect: "mpp", settlesLast: false });
  }
});

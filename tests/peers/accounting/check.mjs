// Programs that keep books read what `bursar log` writes for them, and JSON Schema says of policies what bursar says.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeScene } from "../lib/pays.mjs";
import { runToEnd } from "../lib/process.mjs";
import { check, equal, runPart } from "../lib/report.mjs";
import { Wire } from "../lib/wire.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const seller = { command: process.execPath, args: [here("../v2-express/seller.mjs")] };
const python = (name) => here(`../.cache/accounting/bin/${name}`);

runPart("accounting", async (onStop) => {
  const wire = new Wire(onStop);
  const scene = await makeScene(onStop, { ...seller, through: (url) => wire.to(url) });
  await spends(scene, wire);
  await isReadByBeancount(scene.bursar);
  await isReadByHledger(scene.bursar);
  await agreesOnPolicies();
});

/** Two cents that settled, one that is held, a question and a free page. */
async function spends({ bursar, url }, wire) {
  const server = await bursar.serve(["--agent", "book-keeper"]);
  const fetch = (path) => server.call("fetch_paid", { url: `${url}${path}` });
  equal("a page is bought", (await fetch("/cent?plain")).charged, "yes");
  equal("a page is bought whose address journals could trip over", (await fetch(`/cent?q=";|,\\'%0A2020-01-01 open Assets:Mine`)).charged, "yes");
  await fetch("/free");
  const lost = wire.loseNextPaidRequest();
  const held = await fetch("/cent?held");
  await lost;
  equal("a payment is held", held.outcome, "held");
  await server.close();
}

async function isReadByBeancount(bursar) {
  const file = await written(bursar, "--beancount");
  const checked = await runToEnd(python("bean-check"), [file]);
  equal("bean-check accepts the journal", [checked.code, checked.stdout + checked.stderr], [0, ""]);
  const read = await runToEnd(python("python"), [here("journal.py"), file]);
  equal("beancount reads two cleared entries and a pending one", JSON.parse(read.stdout), {
    flags: { "!": 1, "*": 2 },
    balances: { "Assets:Bursar:Eip155-84532:USDC": "-0.03 USDC", "Expenses:Bursar:127-0-0-1": "0.03 USD" },
  });
}

async function isReadByHledger(bursar) {
  const file = await written(bursar, "--hledger");
  const hledger = (...args) => runToEnd("hledger", ["-f", file, ...args], { env: { ...process.env, LANG: "C.UTF-8" } });
  const checked = await hledger("check", "--strict", "ordereddates");
  equal("hledger check --strict accepts the journal, oldest first", [checked.code, checked.stdout + checked.stderr], [0, ""]);
  const expenses = async (status) => (await hledger("balance", "Expenses", "-N", status)).stdout.trim().split(/\s+/)[0];
  equal("hledger finds the held cent pending, and the others cleared", [await expenses("--pending"), await expenses("--cleared")], ["0.010000", "0.020000"]);
}

async function written(bursar, form) {
  const file = join(bursar.dir, `journal${form}`);
  writeFileSync(file, await bursar.must(["log", form, "--unmasked"]));
  return file;
}

/** The shipped policies are right to both, and what bursar refuses the schema refuses. */
async function agreesOnPolicies() {
  const ended = await runToEnd(python("python"), [here("policies.py"), here("../../../policies"), here("../../policies/wrong")]);
  check("the policies could be read", ended.code === 0, ended);
  const { shipped, wrong } = JSON.parse(ended.stdout);
  check("the schema takes every policy that is shipped", Object.values(shipped).every((errors) => errors.length === 0) && Object.keys(shipped).length > 3, shipped);
  const taken = Object.entries(wrong).filter(([, errors]) => errors.length === 0);
  check("the schema takes no policy that is wrong", taken.length === 0 && Object.keys(wrong).length > 15, taken);
}

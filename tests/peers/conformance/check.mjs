// The MCP conformance suite, exactly what each revision requires, in both eras; and the Inspector's strict check of the
// schemas in `tools/list`, which must find nothing at all.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { binary, makeHome } from "../lib/bursar.mjs";
import { runToEnd } from "../lib/process.mjs";
import { check, equal, runPart } from "../lib/report.mjs";
import { startBridge } from "./bridge.mjs";
import { whyNot } from "./excluded.mjs";

const REVISIONS = ["2025-11-25", "2026-07-28"];
const ERAS = ["legacy", "modern"];
const TOOLS = ["call_paid_tool", "fetch_paid", "find_paid", "get_balance", "get_budget", "get_purchase", "list_paid_tools", "list_spend", "quote"];
const modules = fileURLToPath(new URL("./node_modules", import.meta.url));
const suite = join(modules, "@modelcontextprotocol/conformance/dist/index.js");
const inspector = join(modules, "@modelcontextprotocol/inspector/clients/launcher/build/index.js");

runPart("conformance", async (onStop) => {
  const node = newerNode();
  const bursar = makeHome(onStop, { chainUrl: "http://127.0.0.1:9", sellers: [] });
  await bursar.importKey();
  const serve = () => spawn(binary(), ["serve"], { env: bursar.env, cwd: bursar.dir, stdio: ["pipe", "pipe", "ignore"] });
  for (const revision of REVISIONS) await conforms(onStop, node, revision, serve);
  for (const era of ERAS) await isPortable(node, bursar, era);
});

async function conforms(onStop, node, revision, serve) {
  const url = await startBridge(onStop, serve);
  const out = mkdtempSync(join(tmpdir(), "conformance-"));
  onStop(() => rmSync(out, { recursive: true, force: true }));
  const ended = await runToEnd(node, [suite, "server", "--url", url, "--requirements", revision, "-o", out], { timeoutS: 240 });
  const required = requirements(revision);
  const heard = new Map(readdirSync(out).map((name) => [scenario(name), JSON.parse(readFileSync(join(out, name, "checks.json"), "utf8"))]));
  equal(`${revision}: every scenario it requires was run`, required.filter((name) => !heard.has(name)), []);
  const all = required.flatMap((name) => (heard.get(name) ?? []).map((one) => ({ ...one, scenario: name })));
  const failed = all.filter(({ status }) => status === "FAILURE");
  const unexplained = failed.filter((one) => !whyNot(one));
  check(`${revision}: nothing fails but what bursar does not declare, or what needs the suite's own tools`, all.length > 0 && unexplained.length === 0, unexplained.length ? unexplained : ended.stdout);
  const passed = all.filter(({ status }) => status === "SUCCESS").length;
  check(`${revision}: ${passed} checks of it pass, ${failed.length} are not bursar's`, passed > failed.length);
}

const requirements = (revision) => {
  const text = readFileSync(join(modules, `@modelcontextprotocol/conformance/requirements/${revision}.yaml`), "utf8");
  const server = text.split(/^server:$/m)[1].split(/^\w+:$/m)[0];
  return [...server.matchAll(/^ {2}- (\S+)$/gm)].map(([, name]) => name);
};

/** `server-tools-list-2026-11-28T07-03-30-046Z`: the mode, the scenario, and when. */
const scenario = (folder) => folder.replace(/^server-/, "").replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, "");

async function isPortable(node, bursar, era) {
  const args = [inspector, "--cli", "--strict", "--format", "json", "--protocol-era", era, "--method", "tools/list", "--transport", "stdio", binary(), "serve"];
  const env = { ...process.env, ...bursar.env };
  const { code, stdout, stderr } = await runToEnd(node, args, { env, cwd: bursar.dir });
  const { result, schemaFindings } = JSON.parse(stdout.trim().split("\n").at(-1) || "{}");
  equal(`the Inspector, ${era} era: lists the nine tools`, result?.tools?.map(({ name }) => name).sort(), TOOLS);
  check(`the Inspector, ${era} era: its strict check ends well and finds nothing`, code === 0 && !schemaFindings, schemaFindings ?? stderr);
}

/** Both want a node of at least 22; where there is none, it is installed with them. */
function newerNode() {
  const installed = ["x64", "arm64"].map((cpu) => join(modules, `node-linux-${cpu}/bin/node`)).find(existsSync);
  if (Number(process.versions.node.split(".")[0]) >= 22) return process.execPath;
  if (!installed) throw new Error("this part needs node 22");
  return installed;
}

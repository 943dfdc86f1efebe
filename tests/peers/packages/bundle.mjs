// The bundle: packed and unpacked by the official tool, and started as a desktop host would, which works out the command
// by the same tool's own code.

import { readFileSync, readdirSync, chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { getMcpConfigForManifest } from "@anthropic-ai/mcpb";
import { runToEnd } from "../lib/process.mjs";
import { check, equal } from "../lib/report.mjs";
import { must, root, version } from "./archive.mjs";
import { connect, limit } from "./client.mjs";

const MCPB = fileURLToPath(new URL("node_modules/.bin/mcpb", import.meta.url));

export async function bundleStarts(onStop, { archive, dist }, folder) {
  const packed = await must(join(root, "packaging/mcpb/pack.mjs"), [dist, archive], { env: { ...process.env, MCPB } });
  equal("the bundle has its name", packed, join(dist, `bursar-${version}.mcpb`));
  const at = join(folder, "extension");
  await must(MCPB, ["unpack", packed, at]);
  equal("the official tool takes its manifest", (await runToEnd(MCPB, ["validate", join(at, "manifest.json")])).code, 0);
  await refusesAnother(folder, at);
  const manifest = JSON.parse(readFileSync(join(at, "manifest.json"), "utf8"));
  takesNoKey(manifest);
  const home = join(folder, "desktop");
  mkdirSync(home);
  // As some hosts unpack: no file may be run.
  for (const file of readdirSync(join(at, "server"), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())) {
    chmodSync(join(file.parentPath ?? file.path, file.name), 0o600);
  }
  const start = async (userConfig) => {
    const asHost = { manifest, extensionPath: at, systemDirs: { HOME: home }, userConfig, pathSeparator: "/" };
    const { command, args } = await getMcpConfigForManifest(asHost);
    return connect(onStop, { command, args, env: { HOME: home, PATH: process.env.PATH } });
  };
  await startsEmpty(start, manifest, at, home);
  await onlyLowers(start);
  return packed;
}

async function refusesAnother(folder, at) {
  const { name, ...nameless } = JSON.parse(readFileSync(join(at, "manifest.json"), "utf8"));
  writeFileSync(join(folder, "manifest.json"), JSON.stringify(nameless));
  check("and would not take one without a name", name && (await runToEnd(MCPB, ["validate", join(folder, "manifest.json")])).code !== 0);
}

/** Whatever a form asks for ends in a host's settings, which agents read. */
function takesNoKey({ user_config, server }) {
  equal("its form asks for two things", Object.keys(user_config), ["max_per_payment", "agent"]);
  check("none of them is a secret", Object.values(user_config).every(({ sensitive }) => !sensitive), user_config);
  const { args, env, platform_overrides } = server.mcp_config;
  equal("it hands over no environment", env, undefined);
  equal("Windows is handed the same", platform_overrides.win32.args, args.slice(1));
}

/** An empty form in an empty home: it starts, and says what to do. */
async function startsEmpty(start, manifest, at, home) {
  const server = await start({});
  equal("it starts, and its tools are those the manifest names", server.tools, manifest.tools.map(({ name }) => name).sort());
  const path = readdirSync(join(at, "server"), { recursive: true }).find((file) => `${file}`.endsWith("/bursar"));
  const says = `"${join(at, "server", path)}" --home "${join(home, ".bursar")}" init`;
  check("without a wallet it tells the agent how the owner makes one", server.instructions.includes(says), server.instructions);
  check("and the host's log", server.log().includes(says), server.log());
  const refused = await server.call("get_balance");
  equal("a balance without a wallet is the owner's to mend", refused.reasons.map(({ code, who_can_fix }) => [code, who_can_fix]), [["no_wallet", "owner"]]);
  await server.close();
}

/** Whatever is typed into the form, the policy's own limits stay. */
async function onlyLowers(start) {
  for (const [typed, shown] of [["", undefined], ["0.10", "0.10"], ["1000000", "1000000.00"]]) {
    const server = await start({ max_per_payment: typed, agent: "form" });
    const budget = await server.call("get_budget");
    equal(`\`${typed}\` for one payment is a limit beside the policy's`, [limit(budget, "host", "payment"), limit(budget, "wallet", "payment"), limit(budget, "wallet", "day")], [shown, "1.00", "2.00"]);
    await server.close();
  }
}

// A real host of somebody else, which needs no account to look at its servers: bursar plugs itself in, the host starts it
// from its own file and talks to it, and bursar takes itself out again.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { binary } from "../lib/bursar.mjs";
import { runToEnd } from "../lib/process.mjs";
import { check, equal, runPart } from "../lib/report.mjs";

const GEMINI = fileURLToPath(new URL("node_modules/.bin/gemini", import.meta.url));
const BEFORE = `{\n  // mine\n  "general": { "vimMode": true }\n}\n`;

runPart("hosts", async (onStop) => {
  const user = mkdtempSync(join(tmpdir(), "host-"));
  onStop(() => rmSync(user, { recursive: true, force: true }));
  const [settings, work] = [join(user, ".gemini/settings.json"), join(user, "work")];
  [join(user, ".gemini"), work].forEach((folder) => mkdirSync(folder));
  writeFileSync(settings, BEFORE);
  writeFileSync(join(user, ".gemini/trustedFolders.json"), JSON.stringify({ [work]: "TRUST_FOLDER" }));
  writeFileSync(join(user, "passphrase"), "correct horse battery staple\n", { mode: 0o600 });
  const env = { PATH: process.env.PATH, HOME: user, BURSAR_PASSPHRASE_FILE: join(user, "passphrase"), NO_COLOR: "1" };
  const bursar = async (...args) => {
    const { code, stdout, stderr } = await runToEnd(binary(), args, { env, cwd: work });
    equal(`bursar ${args[0]} ends with 0`, [code, code && stdout + stderr], [0, 0]);
  };
  const servers = async () => {
    const { stdout, stderr } = await runToEnd(GEMINI, ["mcp", "list"], { env, cwd: work });
    return stdout + stderr;
  };

  await bursar("init", "--network", "testnet", "--store", "file");
  await bursar("install", "--host", "gemini-cli");
  const listed = await servers();
  check("Gemini CLI starts it from its file and is connected", /✓ bursar: .* serve --agent gemini-cli \(stdio\) - Connected/.test(listed), listed);
  await bursar("uninstall", "--host", "gemini-cli");
  equal("its file is as it was, with its comment", readFileSync(settings, "utf8"), BEFORE);
  check("and Gemini CLI knows no bursar any more", !(await servers()).includes("bursar:"));
});

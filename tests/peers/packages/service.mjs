// Bursar on a server: systemd's opinion of its unit, and what the unit does, done without systemd: another user, a
// credential for a passphrase, and a socket in the place of stdin and stdout.

import { spawn } from "node:child_process";
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runToEnd } from "../lib/process.mjs";
import { check, equal } from "../lib/report.mjs";
import { must, root } from "./archive.mjs";
import { connect } from "./client.mjs";

const NOBODY = 65532; // as in the container
const EXPOSURE = 15; // tenths, of 100
const BRIDGE = "const s = require('net').connect(process.argv[1]); process.stdin.pipe(s); s.pipe(process.stdout)";

export async function serves(onStop, program, folder) {
  await unitIsSound(program, join(folder, "units"));
  // The part's own folders are root's alone.
  [tmpdir(), folder].forEach((each) => chmodSync(each, 0o711));
  const own = join(folder, "server");
  const [home, credentials] = [join(own, "home"), join(own, "credentials")];
  [own, home, credentials].forEach((each) => mkdirSync(each, { mode: 0o700 }));
  writeFileSync(join(credentials, "bursar-passphrase"), "correct horse battery staple\n", { mode: 0o400 });
  const isRoot = process.getuid() === 0;
  const owned = [own, home, credentials, join(credentials, "bursar-passphrase")];
  if (isRoot) owned.forEach((each) => chownSync(each, NOBODY, NOBODY));
  const asNobody = isRoot ? ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", "--no-new-privs"] : ["env"];
  const env = { PATH: process.env.PATH, HOME: "/nonexistent", CREDENTIALS_DIRECTORY: credentials };
  const [command, ...as] = [...asNobody, program, "--home", home];
  const address = await must(command, [...as, "wallet", "create", "--store", "file"], { env, cwd: "/" });
  check("server: nobody makes a key in a file, with a credential", /0x[0-9a-fA-F]{40}/.test(address), address);
  equal("server: its files are its own", statSync(join(home, "wallet.json")).mode & 0o777, 0o600);
  await overASocket(onStop, { asNobody, env, program, home, own });
  await stops(onStop, command, as, env);
}

async function unitIsSound(program, units) {
  cpSync(join(root, "packaging/systemd"), units, { recursive: true });
  const service = join(units, "bursar@.service");
  // Only where the program is differs: systemd looks whether it is there.
  writeFileSync(service, readFileSync(service, "utf8").replace("/usr/bin/bursar", program));
  const verified = await runToEnd("systemd-analyze", ["verify", join(units, "bursar.socket"), service]);
  equal("systemd takes the socket and the service", [verified.code, verified.stderr], [0, ""]);
  const rated = await runToEnd("systemd-analyze", ["security", "--offline=true", "--no-pager", `--threshold=${EXPOSURE}`, service]);
  const exposure = rated.stdout.match(/exposure level for \S+ ([\d.]+)/)?.[1];
  check(`systemd rates its exposure ${exposure} of 10, and at most ${EXPOSURE / 10}`, rated.code === 0 && exposure, rated.stdout);
  const drain = readFileSync(join(root, "src/limits.rs"), "utf8").match(/DRAIN: Duration = Duration::from_secs\((\d+)\)/)?.[1];
  const patience = readFileSync(service, "utf8").match(/^TimeoutStopSec=(\d+)$/m)?.[1];
  check("systemd waits longer than bursar does for payments under way", Number(patience) > Number(drain), { drain, patience });
}

/** As `bursar.socket` does: a process for each connection, which is its stdin and its stdout. */
async function overASocket(onStop, { asNobody, env, program, home, own }) {
  const socket = join(own, "agent.sock");
  const handed = ["HOME", "PATH", "CREDENTIALS_DIRECTORY"].map((name) => `--setenv=${name}=${env[name]}`);
  const [command, ...args] = [...asNobody, "systemd-socket-activate", "--accept", "--inetd", ...handed, "--listen", socket];
  const listening = spawn(command, [...args, program, "--home", home, "serve", "--agent", "server"], { env, cwd: "/", stdio: "ignore" });
  onStop(() => listening.kill("SIGKILL"));
  for (let tries = 0; tries < 500 && !existsSync(socket); tries += 1) await new Promise((resolve) => setTimeout(resolve, 20));
  const open = () => connect(onStop, { command: process.execPath, args: ["-e", BRIDGE, socket], env });
  const [one, other] = [await open(), await open()];
  equal("server: two hosts are served over one socket", [one.tools.length, other.tools.length], [9, 9]);
  check("server: it has the wallet", !one.instructions.includes("no wallet"), one.instructions);
  const budget = await one.call("get_budget");
  equal("server: it knows its limits", budget.frozen, false);
  const served = readdirSync("/proc").filter((pid) => childOf(pid, listening.pid));
  const users = served.map((pid) => statSync(`/proc/${pid}`).uid);
  equal("server: each in a process of its own, which is nobody's", users, [1, 2].map(() => (process.getuid() === 0 ? NOBODY : process.getuid())));
  await Promise.all([one.close(), other.close()]);
  listening.kill("SIGTERM");
}

function childOf(pid, parent) {
  try { return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ")[1] === `${parent}`; } catch { return false; }
}

/** Idle here; with payments under way it is `tests/processes/leaving.rs` that looks. */
async function stops(onStop, command, as, env) {
  const child = spawn(command, [...as, "serve"], { env, cwd: "/", stdio: ["pipe", "pipe", "ignore"] });
  onStop(() => child.kill("SIGKILL"));
  const ended = new Promise((resolve) => child.on("exit", (code, signal) => resolve(code ?? signal)));
  child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" })}\n`);
  await new Promise((resolve) => child.stdout.once("data", resolve));
  child.kill("SIGTERM");
  equal("server: at SIGTERM it ends with 0", await ended, 0);
}

// The npm packages, as npm installs them into an empty folder, with no registry at hand.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runToEnd } from "../lib/process.mjs";
import { check, equal } from "../lib/report.mjs";
import { must, root, version } from "./archive.mjs";
import { connect } from "./client.mjs";

export async function npmInstalls(onStop, { archive, dist }, folder) {
  await must(join(root, "packaging/npm/make.mjs"), [join(dist, "npm"), archive]);
  const tarballs = readdirSync(join(dist, "npm")).map((name) => join(dist, "npm", name));
  equal("npm has one package that starts, and one for this system", tarballs.length, 2);
  for (const tarball of tarballs) {
    const about = JSON.parse(await must("tar", ["-xzOf", tarball, "package/package.json"]));
    equal(`${about.name}: has its version, and runs nothing when it is installed`, [about.version, about.scripts], [version, undefined]);
  }
  const cwd = join(folder, "npm");
  mkdirSync(cwd);
  writeFileSync(join(cwd, "package.json"), "{}");
  await must("npm", ["install", "--offline", "--no-audit", "--no-fund", ...tarballs], { cwd });
  equal("npx bursar runs", await must("npx", ["bursar", "--version"], { cwd }), `bursar ${version}`);
  const starter = join(cwd, "node_modules/@bursar/bursar/bursar.js");
  await passesThrough(onStop, starter, folder);
  await saysWhy(starter, folder);
}

async function passesThrough(onStop, starter, folder) {
  const env = { PATH: process.env.PATH, HOME: join(folder, "npm-home") };
  mkdirSync(env.HOME);
  const wrong = await runToEnd(process.execPath, [starter, "frobnicate"], { env });
  check("npm: the exit code and what is said come through", wrong.code === 2 && wrong.stdout === "" && wrong.stderr.includes("frobnicate"), wrong);
  const checked = await runToEnd(process.execPath, [starter, "policy", "schema"], { env });
  check("npm: so does what is printed", checked.code === 0 && JSON.parse(checked.stdout).properties, checked.stderr);
  const server = await connect(onStop, { command: process.execPath, args: [starter, "serve"], env });
  equal("npm: an MCP client is served", server.tools.length, 9);
  await server.close();
  for (const [signal, ends] of [["SIGTERM", 0], ["SIGINT", 0], ["SIGHUP", "SIGHUP"]]) {
    equal(`npm: ${signal} reaches the program, and its end is the starter's`, await endBy(onStop, starter, env, (own) => own.kill(signal)), [ends, false]);
  }
  equal("npm: a program that is killed takes the starter along", await endBy(onStop, starter, env, (_, program) => process.kill(program, "SIGKILL")), ["SIGKILL", false]);
}

/** How a `serve` ends that something is done to, and whether its program is there afterwards. */
async function endBy(onStop, starter, env, end) {
  const own = spawn(process.execPath, [starter, "serve"], { env, stdio: ["pipe", "pipe", "ignore"] });
  onStop(() => own.kill("SIGKILL"));
  const ended = new Promise((resolve) => own.on("exit", (code, signal) => resolve(code ?? signal)));
  own.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" })}\n`);
  await new Promise((resolve) => own.stdout.once("data", resolve));
  const program = Number(readFileSync(`/proc/${own.pid}/task/${own.pid}/children`, "utf8").split(" ")[0]);
  end(own, program);
  return [await ended, existsSync(`/proc/${program}`)];
}

/** On systems it was not made for, or where npm left the program out. */
async function saysWhy(starter, folder) {
  const preload = join(folder, "elsewhere.cjs");
  writeFileSync(preload, "for (const name of ['platform', 'arch']) Object.defineProperty(process, name, { value: process.env[name] });\n");
  const on = (platform, arch) => runToEnd(process.execPath, ["--require", preload, starter, "--version"], { env: { ...process.env, platform, arch } });
  const elsewhere = await on("freebsd", "riscv64");
  const told = ["freebsd-riscv64", "linux-x64, linux-arm64, darwin, win32-x64", "cargo install bursar"];
  check("npm: a system without a program is told so", elsewhere.code === 1 && told.every((part) => elsewhere.stderr.includes(part)), elsewhere);
  const leftOut = await on("darwin", "arm64");
  check("npm: a program that was left out is named", leftOut.code === 1 && leftOut.stderr.includes("@bursar/darwin is not installed"), leftOut);
}

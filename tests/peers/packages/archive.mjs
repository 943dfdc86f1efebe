// The archive: what is in it, that it is the same however often it is made, and that what is in it works.

import { readFileSync, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runToEnd } from "../lib/process.mjs";
import { check, equal } from "../lib/report.mjs";

export const root = fileURLToPath(new URL("../../..", import.meta.url));
export const version = readFileSync(join(root, "Cargo.toml"), "utf8").match(/^version = "(.+)"/m)[1];
const TARGET = { x64: "x86_64-unknown-linux-gnu", arm64: "aarch64-unknown-linux-gnu" }[process.arch];

/** Runs what must succeed, and gives what it printed. */
export async function must(command, args, options) {
  const { code, stdout, stderr } = await runToEnd(command, args, options);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}\n${stdout}${stderr}`);
  return stdout.trim();
}

/** Makes it twice and unpacks it; gives where it is. */
export async function makesAnArchive(program, dist) {
  const make = (folder) => must("python3", [join(root, "packaging/archive"), program, TARGET, folder]);
  const [archive, again] = [await make(dist), await make(`${dist}-again`)];
  equal("the archive has its name", basename(archive), `bursar-${version}-${TARGET}.tar.gz`);
  check("the same program gives the same archive", readFileSync(archive).equals(readFileSync(again)));
  equal("its checksum is right", await must("sha256sum", ["--check", `${basename(archive)}.sha256`], { cwd: dist }), `${basename(archive)}: OK`);
  await must("tar", ["-xzf", archive, "-C", dist]);
  const unpacked = join(dist, `bursar-${version}-${TARGET}`);
  equal("the program in it runs", await must(join(unpacked, "bursar"), ["--version"]), `bursar ${version}`);
  equal("it has what it should", readdirSync(unpacked), ["CHANGELOG.md", "LICENSE", "README.md", "bursar", "completions", "man"]);
  equal("completions for five shells", readdirSync(join(unpacked, "completions")), ["_bursar", "_bursar.ps1", "bursar.bash", "bursar.elv", "bursar.fish"]);
  equal("bash reads its completions", (await runToEnd("bash", ["-n", join(unpacked, "completions/bursar.bash")])).code, 0);
  await hasAPageForEveryCommand(unpacked);
  return { archive, dist, program, megabytes: statSync(archive).size / 1e6 };
}

async function hasAPageForEveryCommand(unpacked) {
  const help = await must(join(unpacked, "bursar"), ["help"]);
  const commands = [...help.matchAll(/^ {2,6}([a-z]+(?:-[a-z0-9]+)*) {2,}/gm)].map(([, name]) => name).filter((name) => name !== "help");
  const pages = readdirSync(join(unpacked, "man/man1"));
  const missing = commands.filter((name) => !pages.includes(`bursar-${name}.1`));
  check("every command has its manual page", commands.length > 20 && missing.length === 0, { commands, missing });
}

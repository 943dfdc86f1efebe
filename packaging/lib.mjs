// What the scripts beside this one share: the version, the targets, and the program out of an archive of a release.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));
export const targets = json("packaging/targets.json");
export const cargo = readFileSync(join(root, "Cargo.toml"), "utf8");
export const version = cargo.match(/^version = "(.+)"/m)[1];
export const description = cargo.match(/^description = "(.+)"/m)[1];

export function json(path) {
  return JSON.parse(readFileSync(join(root, path), "utf8"));
}

/** Runs a program; what it says is for whoever runs the script. */
export function run(command, args, options) {
  execFileSync(command, args, { stdio: ["ignore", 2, 2], ...options });
}

/** For each archive that `packaging/archive` made: what it is for, and its program as a file. They are gone afterwards. */
export function withPrograms(archives, use) {
  const folder = mkdtempSync(join(tmpdir(), "bursar-packaging-"));
  try {
    return use(archives.map((archive) => unpacked(archive, folder)));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function unpacked(archive, folder) {
  const name = basename(archive).replace(/(\.tar\.gz|\.zip)$/, "");
  const target = targets.find(({ target }) => name === `bursar-${version}-${target}`);
  if (!target) throw new Error(`${archive} is not an archive of bursar ${version}: packaging/archive makes them`);
  if (archive.endsWith(".zip")) run("unzip", ["-q", archive, "-d", folder]);
  else run("tar", ["-xzf", archive, "-C", folder]);
  const file = target.os.includes("win32") ? "bursar.exe" : "bursar";
  return { ...target, file, program: join(folder, name, file) };
}

/** What a script was called with, or how to call it. */
export function called(usage) {
  const [folder, ...archives] = process.argv.slice(2);
  if (archives.length > 0) return { folder, archives };
  console.error(`usage: ${usage}`);
  process.exit(2);
}

#!/usr/bin/env node
// Makes the bundle that desktop hosts install with a click, out of the archives of a release.
//
//   packaging/mcpb/pack.mjs FOLDER ARCHIVE...
//
// writes bursar-VERSION.mcpb into FOLDER, for the systems of those archives, and its SHA-256 beside it. Pack it on Linux
// or macOS: on Windows the program loses its mode.

import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { called, json, root, run, version, withPrograms } from "../lib.mjs";

const { folder, archives } = called("packaging/mcpb/pack.mjs FOLDER ARCHIVE...");
// MCPB names another way to start the official tool, such as one that is installed already.
const [tool, ...first] = process.env.MCPB?.split(" ") ?? ["npx", "--yes", "@anthropic-ai/mcpb@2.1.2"];

mkdirSync(folder, { recursive: true });
const bundle = resolve(folder, `bursar-${version}.mcpb`);
const stage = mkdtempSync(join(tmpdir(), "bursar-mcpb-"));
try {
  const platforms = withPrograms(archives, (programs) => programs.map(place));
  put("server/launch.sh", "packaging/mcpb/launch.sh");
  put("LICENSE", "LICENSE");
  const manifest = { ...json("packaging/mcpb/manifest.json"), version, compatibility: { platforms: [...new Set(platforms)].sort() } };
  writeFileSync(join(stage, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  run(tool, [...first, "validate", join(stage, "manifest.json")]);
  run(tool, [...first, "pack", stage, bundle]);
} finally {
  rmSync(stage, { recursive: true });
}
const digest = createHash("sha256").update(readFileSync(bundle)).digest("hex");
writeFileSync(`${bundle}.sha256`, `${digest}  ${basename(bundle)}\n`);
console.log(bundle);

function place({ npm, os, file, program }) {
  mkdirSync(join(stage, "server", npm), { recursive: true });
  copyFileSync(program, join(stage, "server", npm, file));
  chmodSync(join(stage, "server", npm, file), 0o755);
  return os[0];
}

function put(path, from) {
  copyFileSync(join(root, from), join(stage, path));
}

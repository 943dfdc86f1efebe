#!/usr/bin/env node
// Makes the npm packages out of the archives of a release: one with the program for each system, which npm chooses by
// `os`, `cpu` and `libc`, and @bursar/bursar, which starts the one that was chosen. None of them runs anything when it
// is installed.
//
//   packaging/npm/make.mjs FOLDER ARCHIVE...
//
// writes the tarballs into FOLDER. `npm publish` takes each as it is, @bursar/bursar last.

import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { called, description, root, run, targets, version, withPrograms } from "../lib.mjs";

const { folder, archives } = called("packaging/npm/make.mjs FOLDER ARCHIVE...");
const COMMON = {
  version,
  license: "Apache-2.0",
  repository: { type: "git", url: "git+https://github.com/bursar/bursar.git" },
};

mkdirSync(folder, { recursive: true });
const stage = mkdtempSync(join(tmpdir(), "bursar-npm-"));
try {
  withPrograms(archives, (programs) => programs.forEach(packProgram));
  packStarter();
} finally {
  rmSync(stage, { recursive: true });
}

function packProgram({ npm, os, cpu, libc, file, program }) {
  const described = `The program of @bursar/bursar for ${npm}`;
  const at = begin(npm, { name: `@bursar/${npm}`, description: described, os, cpu, ...(libc && { libc }), files: [file], preferUnplugged: true });
  copyFileSync(program, join(at, file));
  chmodSync(join(at, file), 0o755);
  pack(at);
}

function packStarter() {
  const optionalDependencies = Object.fromEntries(targets.map(({ npm }) => [`@bursar/${npm}`, version]));
  const at = begin("bursar", {
    name: "@bursar/bursar",
    description,
    // By this the MCP registry knows that package and server have one owner.
    mcpName: "io.github.bursar/bursar",
    keywords: ["mcp", "x402", "wallet", "payments", "agents"],
    bin: { bursar: "bursar.js" },
    files: ["bursar.js"],
    engines: { node: ">=18" },
    optionalDependencies,
  });
  copyFileSync(join(root, "packaging/npm/bursar.js"), join(at, "bursar.js"));
  copyFileSync(join(root, "README.md"), join(at, "README.md"));
  pack(at);
}

function begin(name, about) {
  const at = join(stage, name);
  mkdirSync(at);
  writeFileSync(join(at, "package.json"), `${JSON.stringify({ ...about, ...COMMON }, null, 2)}\n`);
  copyFileSync(join(root, "LICENSE"), join(at, "LICENSE"));
  return at;
}

function pack(at) {
  run("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", resolve(folder)], { cwd: at });
}

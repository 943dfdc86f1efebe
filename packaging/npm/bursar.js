#!/usr/bin/env node
// Starts the program for this system, which npm installed beside this file: with the same stdin, stdout and stderr. It
// is sent the signals that come here, and this ends as it ends.
"use strict";

const { spawn } = require("node:child_process");
const { optionalDependencies } = require("./package.json");

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];
const { platform, arch } = process;
const system = `${platform}-${arch}`;

const child = spawn(program(), process.argv.slice(2), { stdio: "inherit" });
for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
child.on("error", (error) => fail(`its program cannot be started: ${error.message}`, "install @bursar/bursar anew"));
child.on("exit", (code, signal) => {
  if (!signal) process.exit(code);
  SIGNALS.forEach((name) => process.removeAllListeners(name));
  process.kill(process.pid, signal);
});

function program() {
  // One program runs on both kinds of Mac.
  const name = `@bursar/${platform === "darwin" ? platform : system}`;
  const known = Object.keys(optionalDependencies);
  if (!known.includes(name)) {
    const systems = known.map((each) => each.replace("@bursar/", "")).join(", ");
    fail(`there is no program for ${system}; there are: ${systems}`, "build it with `cargo install bursar --locked`");
  }
  try {
    return require.resolve(`${name}/${platform === "win32" ? "bursar.exe" : "bursar"}`);
  } catch {
    const why = platform === "linux" ? " (and on Linux it needs glibc, which Alpine does not have)" : "";
    fail(`${name} is not installed`, `install @bursar/bursar anew, without --omit=optional${why}`);
  }
}

function fail(what, next) {
  console.error(`bursar: ${what}\n  ${next}`);
  process.exit(1);
}

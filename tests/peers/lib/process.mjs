// Starting other programs and stopping them again.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** Starts a program and waits until it prints a line that `isReady` turns into something. */
export async function start(onStop, command, args, { env, cwd, stdin = "ignore", isReady = jsonLine, timeoutS = 60 } = {}) {
  const child = spawn(command, args, { env: { ...process.env, ...env }, cwd, stdio: [stdin, "pipe", "pipe"] });
  onStop(() => child.kill("SIGKILL"));
  const said = [];
  const lines = createInterface({ input: child.stdout });
  child.stderr.on("data", (data) => said.push(`${data}`));
  const ready = await new Promise((resolve, reject) => {
    const fail = (why) => reject(new Error(`${command} ${args.join(" ")}: ${why}\n${said.join("").slice(-4000)}`));
    const timer = setTimeout(() => fail(`not ready after ${timeoutS} s`), timeoutS * 1000);
    child.on("error", (error) => fail(error.message));
    child.on("exit", (code, signal) => fail(`ended with ${code ?? signal} before it was ready`));
    lines.on("line", (line) => {
      said.push(`${line}\n`);
      const found = isReady(line);
      if (found) { clearTimeout(timer); resolve(found); }
    });
  });
  return { ready, pid: child.pid, stdin: child.stdin, output: () => said.join("") };
}

function jsonLine(line) {
  return line.startsWith("{") ? JSON.parse(line) : undefined;
}

/** Runs a program to its end; never throws for its exit code. */
export function runToEnd(command, args, { env, input = "", timeoutS = 60, cwd } = {}) {
  return new Promise((resolve, reject) => {
    const began = Date.now();
    const child = spawn(command, args, { env: env ?? process.env, cwd });
    const out = { stdout: "", stderr: "" };
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutS * 1000);
    child.stdout.on("data", (data) => (out.stdout += data));
    child.stderr.on("data", (data) => (out.stderr += data));
    child.stdin.on("error", () => {}); // it may end before it has read everything
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ ...out, code: code ?? signal, seconds: (Date.now() - began) / 1000 });
    });
    child.stdin.end(input);
  });
}

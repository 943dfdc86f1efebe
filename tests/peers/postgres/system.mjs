// What the servers here need of the machine: a user who may run PostgreSQL, short directories, free ports, and an end.

import { execFileSync } from "node:child_process";
import { chownSync, chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const VERSIONS = "/usr/lib/postgresql";
const PREFIX = "bpg";
export const isRoot = process.getuid() === 0;

/** Where the programs of PostgreSQL lie: the newest on this machine, or the owner's own choice. */
export const bin = process.env.PG_BIN ?? join(VERSIONS, newestVersion(), "bin");

function newestVersion() {
  if (!existsSync(VERSIONS)) throw new Error(`no PostgreSQL in ${VERSIONS}`);
  return readdirSync(VERSIONS).sort((a, b) => Number(b) - Number(a))[0];
}

// PostgreSQL and pgbouncer refuse to run as root.
const ids = isRoot ? passwd("postgres") : { uid: process.getuid(), gid: process.getgid() };

function passwd(name) {
  const [, , uid, gid] = readFileSync("/etc/passwd", "utf8").split("\n").find((line) => line.startsWith(`${name}:`)).split(":");
  return { uid: Number(uid), gid: Number(gid) };
}

/** The words that run a program as the user of the servers. It dies with us, also when we are killed. */
export function asServer(command, ...args) {
  const user = isRoot ? ["--reuid=postgres", "--regid=postgres", "--init-groups"] : [];
  return ["setpriv", ...user, "--pdeathsig=KILL", command, ...args];
}

/** Little of our own environment: a PGHOST or a PGSSLMODE of the owner must not lead anybody elsewhere. */
export const plainEnv = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C.UTF-8" };

export function ownedByServer(path, mode) {
  chownSync(path, ids.uid, ids.gid);
  chmodSync(path, mode);
  return path;
}

export function makeDir(path) {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return ownedByServer(path, 0o700);
}

/**
 * A short directory of the servers' user; a socket's path holds 107 bytes. As root not under TMPDIR, which may be closed
 * to that user. Its name says whose it is, so that the next run may remove what a killed one has left.
 */
export function shortDir() {
  const under = isRoot ? "/tmp" : tmpdir();
  for (const name of readdirSync(under).filter(isLeftOver)) {
    try { rmSync(join(under, name), { recursive: true, force: true }); } catch {} // another user's
  }
  return ownedByServer(mkdtempSync(join(under, `${PREFIX}-${process.pid}-`)), 0o700);
}

function isLeftOver(name) {
  const [, owner] = name.match(/^bpg-(\d+)-/) ?? [];
  return owner && !isAlive(Number(owner));
}

export function isAlive(pid) {
  try { process.kill(pid, 0); } catch (error) { return error.code === "EPERM"; }
  return !isZombie(pid);
}

function isZombie(pid) {
  try { return readFileSync(`/proc/${pid}/stat`, "latin1").match(/\) (\w)/)[1] === "Z"; } catch { return false; }
}

/** What a process has started and not yet lost, and these in turn. */
export function offspring(pid) {
  let children = [];
  try { children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim().split(" ").filter(Boolean).map(Number); } catch {}
  return children.flatMap((child) => [child, ...offspring(child)]);
}

export function signal(pids, name) {
  for (const pid of pids) try { process.kill(pid, name); } catch {}
}

/** The words of a program, run to its end; what it says is in the error if it fails. */
export function runNow([command, ...args], options) {
  return execFileSync(command, args, { env: plainEnv, stdio: ["ignore", "pipe", "pipe"], encoding: "utf8", ...options });
}

/** Asks until the answer is something, and gives it. */
export async function until(what, ask, { timeoutS = 60, everyMs = 50 } = {}) {
  const end = Date.now() + timeoutS * 1000;
  for (;;) {
    const found = await ask();
    if (found) return found;
    if (Date.now() > end) throw new Error(`${what}: not within ${timeoutS} s`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().on("error", reject).listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

// One listener for all: Node warns of many.
const ends = new Set();
process.on("exit", () => [...ends].reverse().forEach((end) => end()));

/** Calls `end`, which must not wait, when we exit. Gives what takes that back. */
export function atExit(end) {
  ends.add(end);
  return () => ends.delete(end);
}

// Three PostgreSQL under Patroni, each in a network namespace of its own, and the client with one etcd in another: so a
// machine can be killed, frozen, or cut off, and nothing of this machine's network is touched. Needs root.

import { spawn, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runToEnd } from "../lib/process.mjs";
import { asServer, atExit, bin, isAlive, isRoot, makeDir, ownedByServer, plainEnv, runNow, shortDir, signal, until } from "./system.mjs";

// Debian's own: what pip has brought was built for it.
const PYTHON = "/usr/bin/python3";
const REQUIREMENTS = fileURLToPath(new URL("requirements.txt", import.meta.url));
const NAMES = /^bursar-pg-(\d+)-/;
const CLIENT = 9;
const NODES = [1, 2, 3];
const ip = (n) => `10.77.0.${n}`;
const ASK_S = 2;
let clusters = 0;

/** Installs Patroni into a folder, unless it is there already. */
export function installPatroni(folder) {
  const wanted = createHash("sha256").update(readFileSync(REQUIREMENTS)).digest("hex");
  const mark = join(folder, ".mark");
  if (existsSync(mark) && readFileSync(mark, "utf8") === wanted) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  // The caller's environment: it may name a mirror.
  runNow([PYTHON, "-m", "pip", "install", "--quiet", "--no-deps", "--root-user-action=ignore", "--target", folder, "-r", REQUIREMENTS], { env: process.env });
  writeFileSync(mark, wanted);
  return folder;
}

/**
 * Starts all of it and waits for a leader with a standby. `mode` is "strict", where nothing is acknowledged that no
 * standby has, or "async"; `patroni` is the folder it is installed in, or will be.
 */
export async function startCluster({ mode = "strict", dir, patroni }) {
  if (!["strict", "async"].includes(mode)) throw new Error(`a cluster is strict or async, not ${mode}`);
  if (!isRoot) throw new Error("a cluster needs network namespaces, and these need root");
  removeLeftOvers();
  installPatroni(patroni);
  const cluster = new Cluster({ mode, dir: dir ? makeDir(dir) : shortDir(), patroni, name: `bursar-pg-${process.pid}-${(clusters += 1)}` });
  try {
    cluster.makeReadable();
    cluster.lay();
    cluster.startEtcd();
    NODES.forEach((n) => cluster.heal(n));
    await cluster.waitForSync();
  } catch (error) {
    cluster.stop();
    throw error;
  }
  return cluster;
}

class Cluster {
  #forget;

  constructor(parts) {
    Object.assign(this, parts, { hosts: NODES.map(ip) });
    this.#forget = atExit(() => this.stop());
  }

  /** A checkout may lie where the servers' user may not read; then they get a copy of Patroni. */
  makeReadable() {
    try {
      runNow(asServer("test", "-r", join(this.patroni, "patroni", "__init__.py")));
    } catch {
      const copy = join(this.dir, "patroni");
      runNow(["cp", "-r", this.patroni, copy]);
      this.patroni = copy;
    }
  }

  // The network.

  #namespace(n) { return `${this.name}-${n === CLIENT ? "cl" : `n${n}`}`; }
  get #hub() { return `${this.name}-hub`; }

  lay() {
    try {
      runNow(["ip", "netns", "add", this.#hub]);
    } catch (error) {
      throw new Error(`a cluster needs network namespaces, and this machine makes none: ${(error.stderr || error.message).trim()}`);
    }
    const hub = (...words) => runNow(["ip", "-n", this.#hub, ...words]);
    hub("link", "add", "br0", "type", "bridge");
    hub("link", "set", "br0", "up");
    for (const n of [...NODES, CLIENT]) {
      const inside = (...words) => runNow(["ip", "-n", this.#namespace(n), ...words]);
      runNow(["ip", "netns", "add", this.#namespace(n)]);
      hub("link", "add", `v${n}`, "type", "veth", "peer", "name", "eth0", "netns", this.#namespace(n));
      hub("link", "set", `v${n}`, "master", "br0", "up");
      inside("addr", "add", `${ip(n)}/24`, "dev", "eth0");
      inside("link", "set", "lo", "up");
      inside("link", "set", "eth0", "up");
    }
  }

  /** The words that run a program where the client is. */
  command(command, args = []) {
    return this.#in(CLIENT, command, ...args);
  }

  #in(n, ...words) { return ["ip", "netns", "exec", this.#namespace(n), ...words]; }

  /** The cable of a server is drawn. */
  cut(n) { runNow(["ip", "-n", this.#namespace(n), "link", "set", "eth0", "down"]); }
  mend(n) { runNow(["ip", "-n", this.#namespace(n), "link", "set", "eth0", "up"]); }

  // The machines.

  startEtcd() {
    const dir = makeDir(join(this.dir, "etcd"));
    const [client, peer] = [`http://${ip(CLIENT)}:2379`, `http://${ip(CLIENT)}:2380`];
    this.#spawn(CLIENT, dir, "etcd", "--name", "cl", "--data-dir", join(dir, "data"), "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
      "--listen-client-urls", client, "--advertise-client-urls", client, "--initial-cluster", `cl=${peer}`, "--heartbeat-interval", "200",
      "--election-timeout", "2000");
  }

  /** Starts what runs on a server, where it was killed. */
  heal(n) {
    if (this.#pids(n).length) return;
    const dir = makeDir(this.#home(n));
    const config = join(dir, "p.yml");
    writeFileSync(config, JSON.stringify(this.#config(n), null, 1)); // which is YAML too
    ownedByServer(config, 0o600);
    this.#spawn(n, dir, "env", `PYTHONPATH=${this.patroni}`, PYTHON, "-m", "patroni", config);
  }

  #home(n) { return join(this.dir, `n${n}`); }

  #spawn(n, dir, ...words) {
    const log = openSync(join(dir, "log"), "a");
    // A namespace of processes as well: Patroni's PostgreSQL is nobody's child, and ends with it when we are killed.
    const alone = ["setpriv", "--pdeathsig=KILL", "unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"];
    const [command, ...args] = this.#in(n, ...alone, ...asServer(...words));
    spawn(command, args, { env: plainEnv, cwd: "/", stdio: ["ignore", log, log] }).unref();
    closeSync(log);
  }

  #config(n) {
    const [home, host] = [this.#home(n), ip(n)];
    const strict = this.mode === "strict";
    return {
      scope: "bursar",
      name: `n${n}`,
      restapi: { listen: `${host}:8008`, connect_address: `${host}:8008` },
      etcd3: { host: `${ip(CLIENT)}:2379` },
      bootstrap: {
        dcs: {
          ttl: 20, loop_wait: 2, retry_timeout: 5, primary_start_timeout: 0, synchronous_mode: strict, synchronous_mode_strict: strict,
          postgresql: {
            use_pg_rewind: true,
            parameters: { wal_log_hints: "on", max_connections: 60, wal_sender_timeout: "5s", wal_retrieve_retry_interval: "500ms" },
          },
        },
        initdb: [{ encoding: "UTF8" }, "no-locale", "data-checksums", "no-sync"],
      },
      postgresql: {
        listen: `${host},127.0.0.1:5432`,
        connect_address: `${host}:5432`,
        data_dir: join(home, "data"),
        bin_dir: bin,
        pgpass: join(home, "pgpass"),
        parameters: { unix_socket_directories: home },
        authentication: {
          superuser: { username: "postgres", password: "s" },
          replication: { username: "replicator", password: "r" },
          rewind: { username: "rewinder", password: "w" },
        },
        pg_hba: [
          "local all all trust", "host all all 127.0.0.1/32 trust", "host all all 10.77.0.0/24 trust",
          "host replication replicator 127.0.0.1/32 scram-sha-256", "host replication replicator 10.77.0.0/24 scram-sha-256",
        ],
      },
    };
  }

  /** What runs in a namespace, the dead that nobody has asked about aside. */
  #pids(n) {
    const listed = execFileSync("ip", ["netns", "pids", this.#namespace(n)], { encoding: "utf8" });
    return listed.split("\n").filter(Boolean).map(Number).filter(isAlive);
  }

  /** kill -9 of everything on a server: PostgreSQL, Patroni. */
  kill(n) { killAllIn(() => this.#pids(n)); }

  /** A server stands still and keeps its connections, as a virtual machine that is moved. */
  freeze(n) {
    // Until nobody is left who could have started somebody else meanwhile.
    for (let pids; (pids = this.#pids(n).filter((pid) => !isStopped(pid))).length; ) signal(pids, "SIGSTOP");
  }

  thaw(n) { signal(this.#pids(n), "SIGCONT"); }

  /** Ends all of it and removes what it kept. Does not wait. */
  stop() {
    this.#forget();
    removeNamespaces(namespaces().filter((name) => name.startsWith(`${this.name}-`)));
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }

  // Asking.

  /** Whether a server calls itself that: "primary", "sync", "async", "replica". */
  async is(n, role) {
    return Boolean(await this.#timelineAs(n, role));
  }

  /** The timeline on which a server has that role, or 0. */
  async #timelineAs(n, role) {
    // No program that speaks HTTP is sure to be on the machine; bash is.
    const ask = `exec 3<>/dev/tcp/${ip(n)}/8008 && printf 'GET /${role} HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3`;
    const [command, ...args] = this.command("timeout", [`${ASK_S}`, "bash", "-c", ask]);
    const { stdout } = await runToEnd(command, args, { env: plainEnv, cwd: "/" });
    return / 200 /.test(stdout.split("\r\n", 1)[0]) ? Number(stdout.match(/"timeline": (\d+)/)?.[1] ?? 1) : 0;
  }

  /** Whoever has a role; of two the one on the higher timeline, for one that was thawed still thinks that it leads. */
  async #who(role) {
    const found = await Promise.all(NODES.map(async (n) => ({ n, timeline: await this.#timelineAs(n, role) })));
    return found.filter(({ timeline }) => timeline).sort((a, b) => b.timeline - a.timeline)[0]?.n;
  }

  /** The number of the server that leads, as soon as there is one. */
  leader({ timeoutS = 120 } = {}) {
    return until("a leader", () => this.#who("primary"), { timeoutS, everyMs: 100 });
  }

  /** Waits until a leader has a standby that may take over; gives `{ leader, standby }`, by number. */
  waitForSync({ timeoutS = 180 } = {}) {
    const role = this.mode === "strict" ? "sync" : "async";
    return until("a leader with a standby", async () => {
      const [leader, standby] = await Promise.all([this.#who("primary"), this.#who(role)]);
      return leader && standby && { leader, standby };
    }, { timeoutS, everyMs: 100 });
  }

  /** All servers, and whoever leads; for programs that are run by `command`. */
  url(role = "postgres", db = "postgres", query = "target_session_attrs=read-write&connect_timeout=2") {
    return `postgresql://${role}@${this.hosts.map((host) => `${host}:5432`).join(",")}/${db}?${query}`;
  }

  /** Runs SQL on one server, over its socket, so also behind a cut cable; gives `{ code, stdout, stderr }`. */
  psql(n, sql, { role = "postgres", db = "postgres", timeoutS = 20 } = {}) {
    const url = `postgresql://${role}@/${db}?host=${encodeURIComponent(this.#home(n))}&port=5432`;
    return runToEnd(join(bin, "psql"), ["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-d", url],
      { env: plainEnv, input: sql, timeoutS, cwd: "/" });
  }

  /** The end of what a server's Patroni and PostgreSQL have said. */
  log(n) { return readFileSync(join(this.#home(n), "log"), "utf8").slice(-8000); }
}

function killAllIn(pids) {
  for (let found; (found = pids()).length; ) signal(found, "SIGKILL");
}

function isStopped(pid) {
  try { return readFileSync(`/proc/${pid}/stat`, "latin1").match(/\) (\w)/)[1] === "T"; } catch { return true; }
}

function namespaces() {
  return execFileSync("ip", ["netns", "list"], { encoding: "utf8" }).split("\n").map((line) => line.split(" ")[0]).filter(Boolean);
}

function removeNamespaces(names) {
  const pids = () => names.flatMap((name) => execFileSync("ip", ["netns", "pids", name], { encoding: "utf8" }).split("\n").filter(Boolean).map(Number));
  killAllIn(() => pids().filter(isAlive));
  for (const name of names) runNow(["ip", "netns", "del", name]);
}

/** What a run of ours has left that was killed. Its name says which. */
function removeLeftOvers() {
  removeNamespaces(namespaces().filter((name) => NAMES.test(name) && !isAlive(Number(name.match(NAMES)[1]))));
}

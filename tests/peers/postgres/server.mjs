// One throwaway PostgreSQL, on a socket and, with TLS, on 127.0.0.1; and a pgbouncer in front of it.

import { spawn } from "node:child_process";
import { appendFileSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { runToEnd } from "../lib/process.mjs";
import { asServer, atExit, bin, freePort, isAlive, makeDir, offspring, ownedByServer, plainEnv, runNow, shortDir, signal, until } from "./system.mjs";

const STOPS = { smart: "SIGTERM", fast: "SIGINT", immediate: "SIGQUIT" };
const OPEN = ["local all all trust", "local replication all trust", "host all all 127.0.0.1/32 trust"];

/**
 * Starts a server. `settings` go into its postgresql.conf, so that ALTER SYSTEM still has the last word; `hba` are the
 * lines of its pg_hba.conf. What it keeps is removed when this process ends, or by `remove`.
 */
export async function startServer({ dir, settings = {}, hba = OPEN } = {}) {
  const home = dir ? makeDir(dir) : shortDir();
  const server = new Server(home);
  runNow(asServer(join(bin, "initdb"), "-D", server.data, "-U", "postgres", "-A", "trust", "-N", "--no-locale", "-E", "UTF8", "--no-instructions"));
  makeCertificates(home);
  writeFileSync(join(server.data, "pg_hba.conf"), `${hba.join("\n")}\n`);
  server.configure({
    listen_addresses: "127.0.0.1",
    unix_socket_directories: home,
    ssl: "on",
    ssl_cert_file: join(home, "server.crt"),
    ssl_key_file: join(home, "server.key"),
    dynamic_shared_memory_type: "mmap", // in its directory, where a kill leaves nothing behind
    ...settings,
  });
  await server.start();
  return server;
}

class Server {
  #child;
  #forget;

  constructor(home) {
    Object.assign(this, { dir: home, socket: home, data: join(home, "data"), log: join(home, "log"), ca: join(home, "ca.crt") });
    this.#forget = atExit(() => this.remove());
  }

  get pid() { return this.#child?.pid; }

  /** Over the socket. */
  url(role = "postgres", db = "postgres") {
    return `postgresql://${role}@/${db}?host=${encodeURIComponent(this.socket)}&port=${this.port}`;
  }

  /** Over TCP, with TLS and its certificate verified unless `query` says other. */
  tcpUrl(role = "postgres", db = "postgres", query = `sslmode=verify-full&sslrootcert=${encodeURIComponent(this.ca)}`) {
    return `postgresql://${role}@127.0.0.1:${this.port}/${db}?${query}`;
  }

  /** Runs SQL that must succeed; gives its rows, unaligned, without heads. */
  async psql(sql, options) {
    const ended = await this.tryPsql(sql, options);
    if (ended.code !== 0) throw Object.assign(new Error(`psql ended with ${ended.code}: ${sql}\n${ended.stderr}`), ended);
    return ended.stdout.trimEnd();
  }

  /** Runs SQL; gives `{ code, stdout, stderr }`, with SQLSTATEs and notices in `stderr`. */
  tryPsql(sql, { role = "postgres", db = "postgres", url = this.url(role, db), timeoutS } = {}) {
    return psql(url, sql, { timeoutS });
  }

  /** Rows at the end of postgresql.conf, which count from the next start or reload. */
  configure(settings) {
    const rows = Object.entries(settings).map(([name, value]) => `${name} = '${`${value}`.replaceAll("'", "''")}'\n`);
    appendFileSync(join(this.data, "postgresql.conf"), rows.join(""));
  }

  async start() {
    for (let tries = 3; ; tries -= 1) {
      // Somebody else may take a free port before we do. Once it has worked the port stays.
      const port = this.port ?? (await freePort());
      if (await this.#startOn(port)) return void (this.port = port);
      if (tries === 1) throw new Error(`PostgreSQL does not start:\n${readFileSync(this.log, "utf8").slice(-4000)}`);
    }
  }

  async #startOn(port) {
    const log = openSync(this.log, "a");
    const [command, ...args] = asServer(join(bin, "postgres"), "-D", this.data, "-p", `${port}`);
    const child = spawn(command, args, { env: plainEnv, cwd: "/", stdio: ["ignore", log, log] });
    closeSync(log);
    child.unref(); // it does not keep us from ending
    this.#child = child;
    const isReady = async () => ended(child) || (await isUp(this.socket, port));
    return (await until("PostgreSQL starts", isReady, { timeoutS: 120 })) && !ended(child);
  }

  /** Stops it as pg_ctl does: smart, fast or immediate. Its files stay. */
  async stop(mode = "fast") {
    if (!this.#child || ended(this.#child)) return;
    const gone = once(this.#child, "exit");
    this.#child.ref();
    this.#child.kill(STOPS[mode]);
    await gone;
  }

  /** kill -9 of the postmaster and of every process that it has started, as when a machine dies. Its files stay. */
  async kill() {
    const pids = this.#killNow();
    await until("killed processes are gone", () => !pids.some(isAlive));
  }

  #killNow() {
    if (!this.#child || ended(this.#child)) return [];
    // First it must not start anybody else.
    signal([this.pid], "SIGSTOP");
    const pids = [this.pid, ...offspring(this.pid)];
    signal(pids, "SIGKILL");
    return pids;
  }

  /** Stops it if it runs, and starts it again. */
  async restart(mode) {
    await this.stop(mode);
    await this.start();
  }

  /** Kills it and removes what it kept. Does not wait. */
  remove() {
    this.#forget();
    this.#killNow();
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Runs SQL at a URL; never throws for its exit code. */
export function psql(url, sql, { timeoutS = 60, command = (...words) => words } = {}) {
  const [name, ...args] = command(join(bin, "psql"), "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-d", url);
  return runToEnd(name, args, { env: plainEnv, input: sql, timeoutS, cwd: "/" });
}

/**
 * A pgbouncer of its own in front of a server, in transaction mode, that lets everybody in. `size` is how many
 * connections to the server it shares out for a database and a role; `ignores` are what a client may ask for as it begins
 * and does not get.
 */
export async function pooler(server, { mode = "transaction", size = 4, ignores = "" } = {}) {
  const dir = shortDir();
  const port = await freePort();
  const ini = ownedByServer(written(join(dir, "pgbouncer.ini"), poolerConfig(dir, port, server, { mode, size, ignores })), 0o600);
  const [command, ...args] = asServer("pgbouncer", ini);
  const log = openSync(join(dir, "log"), "a");
  const child = spawn(command, args, { env: plainEnv, cwd: "/", stdio: ["ignore", log, log] });
  closeSync(log);
  child.unref();
  const stop = () => {
    forget();
    child.kill("SIGKILL");
    rmSync(dir, { recursive: true, force: true });
  };
  const forget = atExit(stop);
  await until("pgbouncer starts", async () => {
    if (ended(child)) throw new Error(`pgbouncer ended:\n${readFileSync(join(dir, "log"), "utf8")}`);
    return isUp(dir, port);
  });
  const url = (role = "postgres", db = "postgres") => `postgresql://${role}@/${db}?host=${encodeURIComponent(dir)}&port=${port}`;
  const tcpUrl = (role = "postgres", db = "postgres") => `postgresql://${role}@127.0.0.1:${port}/${db}?sslmode=disable`;
  return { socket: dir, port, url, tcpUrl, stop };
}

// Whom it does not know it asks the server for, with the right of `auth_user`.
const poolerConfig = (dir, port, server, { mode, size, ignores }) => `[databases]
* = host=${server.socket} port=${server.port} auth_user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir = ${dir}
auth_type = trust
auth_query = SELECT usename, coalesce(passwd, '') FROM pg_shadow WHERE usename = $1
pool_mode = ${mode}
default_pool_size = ${size}
max_client_conn = 200
server_login_retry = 1
ignore_startup_parameters = ${ignores}
pidfile =
`;

async function isUp(socket, port) {
  const { code } = await runToEnd(join(bin, "pg_isready"), ["-q", "-h", socket, "-p", `${port}`, "-t", "5"], { env: plainEnv, cwd: "/" });
  return code === 0;
}

/** An authority of its own, and by it a certificate for localhost and 127.0.0.1. */
function makeCertificates(dir) {
  const at = (name) => join(dir, name);
  const openssl = (...args) => runNow(["openssl", ...args]);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", at("ca.key"), "-out", at("ca.crt"), "-days", "30", "-subj", "/CN=throwaway",
    "-addext", "keyUsage=critical,keyCertSign");
  openssl("req", ...key, "-keyout", at("server.key"), "-out", at("server.csr"), "-subj", "/CN=localhost");
  const names = written(at("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=critical,CA:false\n");
  openssl("x509", "-req", "-in", at("server.csr"), "-CA", at("ca.crt"), "-CAkey", at("ca.key"), "-CAcreateserial", "-out", at("server.crt"),
    "-days", "30", "-extfile", names);
  for (const name of ["ca.key", "server.key"]) ownedByServer(at(name), 0o600);
  for (const name of ["ca.crt", "server.crt"]) ownedByServer(at(name), 0o644);
}

function written(path, text) {
  writeFileSync(path, text);
  return path;
}

const ended = (child) => child.exitCode !== null || child.signalCode !== null;

// The program under test, with a home of its own in a temporary directory.

import { spawn } from "node:child_process";
import { appendFileSync, existsSync, mkdtempSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { NETWORK } from "./chain.mjs";
import { runToEnd } from "./process.mjs";

// Anvil's third account: everybody knows its address, so we know what bursar must say.
export const PAYER_KEY = "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a";
export const PAYER = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC";

/** A home with a config, a policy that lets `sellers` ("127.0.0.1:PORT") be paid on the test network, and no key yet. */
export function makeHome(onStop, { chainUrl, sellers, store = "file", network = NETWORK }) {
  const dir = mkdtempSync(join(tmpdir(), "bursar-peers-"));
  onStop(() => process.env.PEERS_KEEP || rmSync(dir, { recursive: true, force: true }));
  const home = join(dir, "home");
  mkdirSync(home, { mode: 0o700 });
  const passphraseFile = join(dir, "passphrase");
  writeFileSync(passphraseFile, "correct horse battery staple\n", { mode: 0o600 });
  writeFileSync(join(home, "config.toml"), config(chainUrl, store, network), { mode: 0o600 });
  writeFileSync(join(home, "policy.toml"), policy(sellers, network), { mode: 0o600 });
  const env = { PATH: process.env.PATH, HOME: dir, BURSAR_HOME: home, NO_COLOR: "1" };
  if (store === "file") env.BURSAR_PASSPHRASE_FILE = passphraseFile;
  return new Bursar(onStop, dir, home, env);
}

const config = (chainUrl, store, network) => `[wallet]
store = "${store}"
[chains."${network}"]
rpc = ["${chainUrl}"]
`;

const policy = (sellers, network) => `version = 1
[wallet]
per_payment = "1.00"
per_hour = "10.00"
per_day = "10.00"
per_month = "100.00"
[session]
total = "10.00"
[each_domain]
per_payment = "1.00"
per_session = "10.00"
per_day = "10.00"
[payee]
per_day = "10.00"
[breakers]
undelivered = "none"
[networks]
allow = ["${network}"]
[egress]
allow = ${JSON.stringify(sellers)}
`;

class Bursar {
  constructor(onStop, dir, home, env) {
    Object.assign(this, { onStop, dir, home, env, told: [] });
  }

  /** Runs one command to its end. */
  async run(args, options = {}) {
    const ended = await runToEnd(binary(), args, { env: { ...this.env, ...options.env }, cwd: this.dir, ...without(options) });
    this.told.push(ended.stdout, ended.stderr);
    return ended;
  }

  /** Runs one command that must succeed, and gives its output. */
  async must(args, options) {
    const { code, stdout, stderr } = await this.run(args, options);
    if (code !== 0) throw new Error(`bursar ${args.join(" ")} ended with ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  async importKey(key = PAYER_KEY) {
    await this.must(["wallet", "import", "--store", "file"], { input: `${key}\n` });
    return (await this.must(["wallet", "address"])).trim();
  }

  /** The policy as it is, with more at its end. */
  addRules(rules) {
    appendFileSync(join(this.home, "policy.toml"), rules);
  }

  /** The policy as it is, with these rules in the place of those. */
  changeRules(before, after) {
    const file = join(this.home, "policy.toml");
    writeFileSync(file, readFileSync(file, "utf8").replace(before, () => after));
  }

  /** The config as it is, with more at its end, for programs that start from now on. */
  addConfig(rows) {
    appendFileSync(join(this.home, "config.toml"), rows);
  }

  /** The config without these rows, and with those at its end. */
  changeConfig(before, after) {
    const file = join(this.home, "config.toml");
    writeFileSync(file, `${readFileSync(file, "utf8").replace(before, "")}${after}`);
  }

  async why(id) {
    return JSON.parse(await this.must(["why", id, "--json"]));
  }

  async log() {
    return (await this.must(["log", "--json"])).split("\n").filter(Boolean).map((line) => JSON.parse(line));
  }

  /** `bursar serve` with a small MCP client at its stdin and stdout. */
  async serve(args = [], { env } = {}) {
    const server = new Server(spawn(binary(), ["serve", ...args], { env: { ...this.env, ...env }, cwd: this.dir }), this.told);
    this.onStop(() => server.child.kill("SIGKILL"));
    await server.open();
    return server;
  }

  /** Everything bursar said or wrote, for finding what must not be there. */
  async everything(server) {
    const of = (name) => readFileSync(`/proc/${server.child.pid}/${name}`, "latin1");
    const files = readdirSync(this.home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    return {
      answers: this.told.join("\n"),
      ...(existsSync("/proc") ? { arguments: of("cmdline"), environment: of("environ") } : {}),
      ...Object.fromEntries(files.map((f) => [f.name, readFileSync(join(f.parentPath ?? f.path, f.name), "latin1")])),
    };
  }
}

/** The least an MCP host does: open, call, wait. The reference clients have a part of their own. */
class Server {
  constructor(child, told) {
    Object.assign(this, { child, waiting: new Map(), lastId: 0 });
    child.stderr.on("data", (data) => told.push(`${data}`));
    createInterface({ input: child.stdout }).on("line", (line) => {
      told.push(line);
      const message = JSON.parse(line);
      this.waiting.get(message.id)?.resolve(message);
    });
    this.ended = new Promise((resolve) => child.on("close", (code, signal) => resolve(code ?? signal)));
    this.ended.then((code) => this.waiting.forEach(({ reject }) => reject(new Error(`bursar serve ended with ${code}\n${told.slice(-20).join("\n")}`))));
  }

  async open() {
    const clientInfo = { name: "bursar-peers", version: "0" };
    await this.request("initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo });
    this.send({ method: "notifications/initialized" });
  }

  /** Calls a tool; gives its structured answer. */
  async call(name, args) {
    const { structuredContent } = await this.request("tools/call", { name, arguments: args });
    if (!structuredContent) throw new Error(`${name} gave no structuredContent`);
    return structuredContent;
  }

  request(method, params) {
    const id = (this.lastId += 1);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${method} got no answer in 60 s`)), 60_000);
      const settle = (end) => (value) => { clearTimeout(timer); this.waiting.delete(id); end(value); };
      this.waiting.set(id, { resolve: settle(resolve), reject: settle(reject) });
      this.send({ id, method, params });
    }).then(({ result, error }) => {
      if (error) throw new Error(`${method}: ${JSON.stringify(error)}`);
      return result;
    });
  }

  send(message) {
    this.child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  }

  /** As a host that goes away: closes stdin and waits. */
  async close() {
    this.child.stdin.end();
    return this.ended;
  }
}

export function binary() {
  if (!process.env.BURSAR_BIN) throw new Error("BURSAR_BIN is not set: tests/peers/run sets it");
  return process.env.BURSAR_BIN;
}

const without = ({ env, ...rest }) => rest;

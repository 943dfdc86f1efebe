// Machines of one wallet: homes with the same key and the same [ledger].

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cpSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { NETWORK } from "../lib/chain.mjs";
import { makeHome } from "../lib/bursar.mjs";
import { inLine } from "./shop.mjs";
import { bin, plainEnv } from "./system.mjs";

export const PRICE = "0.001";
const FUNDS = 100_000_000n;

/** `[ledger]` for a server over its socket. */
export const bySocket = ({ socket, port }, schema, more = {}) =>
  rows({ engine: "postgres", url: `postgresql://postgres@${encodeURIComponent(socket)}:${port}/postgres`, schema, ...more });

/** And over TCP. Its name is in a certificate, if somebody asks. */
export const byTcp = ({ port }, schema, { host = "127.0.0.1", role = "postgres", ...more } = {}) =>
  rows({ engine: "postgres", url: `postgresql://${role}@${host}:${port}/postgres`, schema, sslmode: "disable", ...more });

const rows = (of) => {
  const given = Object.entries(of).filter(([, value]) => value !== undefined);
  return `[ledger]\n${given.map(([name, value]) => `${name} = ${JSON.stringify(value)}\n`).join("")}`;
};

/**
 * Homes with one key and a policy that stands in nobody's way, but for this day's cap. Each wallet has a key that no other
 * has: what leaves an account and stands in no row of its ledger freezes it.
 */
export async function makeMachines(onStop, { chain, shop, ledgers, perDay = "none", rules = "" }) {
  const machines = ledgers.map(() => makeHome(onStop, { chainUrl: chain.url, sellers: [shop.host] }));
  const [first, ...others] = machines;
  const wallet = await first.importKey(randomBytes(32).toString("hex"));
  await inLine(chain, () => chain.mint(wallet, FUNDS));
  for (const other of others) cpSync(first.home, other.home, { recursive: true });
  machines.forEach((machine, n) => {
    machine.addConfig(ledgers[n]);
    machine.wallet = wallet;
    writeFileSync(join(machine.home, "policy.toml"), policy(shop, perDay, rules), { mode: 0o600 });
  });
  return machines;
}

const policy = (shop, perDay, rules) => `version = 1
[wallet]
per_payment = "none"
per_hour = "none"
per_day = "${perDay}"
per_month = "none"
payments_per_minute = "none"
[session]
total = "none"
[each_domain]
per_payment = "none"
per_session = "none"
per_day = "none"
[payee]
per_day = "none"
on_change = "allow"
[price]
rise = "none"
[breakers]
undelivered = "none"
refusals_per_minute = "none"
[networks]
allow = ["${NETWORK}"]
[egress]
allow = ["${shop.host}"]
${rules || '[approval]\nabove = "none"\n'}`;

/** A psql that stays, for questions with one line for an answer. */
export class Witness {
  #child;
  #waiting = [];

  constructor(onStop, server) {
    this.#child = spawn(join(bin, "psql"), ["-X", "-A", "-t", "-q", "-d", server.url()], { env: plainEnv, cwd: "/" });
    onStop(() => this.#child.kill("SIGKILL"));
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#waiting.shift()?.(line));
    this.#child.stderr.on("data", (said) => this.#waiting.shift()?.(`${said}`));
  }

  ask(sql) {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#child.stdin.write(`${sql};\n`);
    });
  }
}

/** Whether an authorization is in the ledger of this schema, as everybody sees it. */
export const recordedIn = (witness, schema) => async (nonce) =>
  (await witness.ask(`SELECT count(*) FROM ${schema}.purchase WHERE handle = '\\x${nonce}'`)) === "1";

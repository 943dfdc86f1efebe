// Bursar with a key of Solana's, two nodes to ask, and five of each token.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeHome } from "../lib/bursar.mjs";
import { equal } from "../lib/report.mjs";
import { accountOf } from "./token.mjs";
import { addressOf, newKey } from "./transaction.mjs";

export const FUNDS = 5_000_000n;
export const CENT = 10_000n;
/** Of a transaction with two signatures, in the chain's own smallest unit. */
export const FEE = 10_001n;

/** A home of its own, with a key nobody has had before, that may go to these hosts. */
export async function makeWallet(onStop, chain, sellers, hosts = [sellers.v2, sellers.v1, sellers.py]) {
  const { network, url, tokens } = chain;
  const bursar = makeHome(onStop, { chainUrl: url, sellers: hosts.map((each) => new URL(each).host), network });
  const config = `[wallet]\nstore = "file"\n[chains."${network}"]\nrpc = ["${url}/a", "${url}/b"]\n`;
  writeFileSync(join(bursar.home, "config.toml"), config, { mode: 0o600 });
  bursar.addRules('[schemes]\nallow = ["exact", "upfront"]\n');
  const key = newKey();
  const address = addressOf(key);
  await bursar.must(["wallet", "import", "--rail", "solana", "--store", "file"], { input: `${JSON.stringify(key)}\n` });
  equal("the imported key has its address", (await bursar.must(["wallet", "address", "--rail", "solana"])).trim(), address);
  for (const token of Object.values(tokens)) await chain.fund(address, FUNDS, token);
  await chain.finalize();
  return new Wallet({ bursar, key, address, chain, sellers, account: await accountOf(address, tokens.USDC) });
}

class Wallet {
  constructor(parts) { Object.assign(this, parts); }

  /** `bursar fetch`, and its exit code beside its answer. */
  async fetch(url, { method = "GET" } = {}) {
    const body = method === "POST" ? ["--json-body", '{"question":"why"}'] : [];
    const { code, stdout, stderr } = await this.bursar.run(["fetch", url, "-X", method, ...body, "--json"], { timeoutS: 120 });
    try {
      return { code, stderr, ...JSON.parse(stdout) };
    } catch { return { code, stdout, stderr }; }
  }

  async row(id) { return (await this.bursar.log()).find(({ purchase_id }) => purchase_id === id); }

  /** `bursar reconcile`: its exit code, and what it said. */
  async reconcile() {
    const { code, stdout, stderr } = await this.bursar.run(["reconcile", "--json"], { timeoutS: 120 });
    return { code, said: stdout + stderr };
  }

  /** State and proof of a purchase once the chain has been asked about it. */
  async becomes(id) {
    const { code, said } = await this.reconcile();
    const { state, proof } = (await this.row(id)) ?? {};
    return { code, state, proof, said };
  }

  /** What is ours, the payee's, and the fee payer's. */
  async balances(token = this.chain.tokens.USDC) {
    const { chain, sellers } = this;
    return Promise.all([chain.balance(this.address, token), chain.balance(sellers.payee, token), chain.lamports(sellers.feePayer)]);
  }

  /** The transactions that took something of ours. */
  async transfers() {
    return (await this.chain.transfersFrom(this.account)).filter(({ signers }) => signers.includes(this.address));
  }
}

/** Balances after so many payments of a cent. */
export const less = ([ours, payees, fees], payments = 1n) => [ours - payments * CENT, payees + payments * CENT, fees - payments * FEE];

/** Who was asked what between two times, of the nodes that are bursar's. */
export async function asked(chain, from, until) {
  const calls = await chain.hook("calls");
  return ["a", "b"].flatMap((name) =>
    (calls[name] ?? []).filter(({ at }) => at >= from && at <= until).map(({ method }) => `${name} ${method}`));
}

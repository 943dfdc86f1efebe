// The chain as the checks see it: started, told what to do next, and asked who has what.

import { fileURLToPath } from "node:url";
import { start } from "../lib/process.mjs";
import { CLUSTERS, networkOf } from "./token.mjs";
import { addressOf, newKey } from "./transaction.mjs";

const program = (name) => [fileURLToPath(new URL(name, import.meta.url))];
const PYTHON = fileURLToPath(new URL("../.cache/solana/bin/python", import.meta.url));
const FINALITY = 32; // blocks
export const LIFE = 150; // blocks that a transaction is good for
const PATIENCE_MS = "4000"; // of the facilitator, which gives a lost transaction up this soon, twice

export class Chain {
  constructor(url, cluster) {
    Object.assign(this, { url, cluster, network: networkOf(cluster), tokens: cluster.tokens });
  }

  /** One of the things `node.mjs` does for a test. */
  async hook(name, body = {}) {
    const reply = await fetch(`${this.url}/hook/${name}`, { method: "POST", body: JSON.stringify(body) });
    const value = await reply.json();
    if (!reply.ok) throw new Error(`the hook ${name}: ${value.error}`);
    return value;
  }

  async rpc(method, params = [], node = "t") {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const reply = await fetch(`${this.url}/${node}`, { method: "POST", headers: { "content-type": "application/json" }, body });
    const { result, error } = await reply.json();
    if (error) throw Object.assign(new Error(`${method}: ${error.message}`), error);
    return result;
  }

  async balance(owner, { mint } = this.tokens.USDC) {
    return BigInt((await this.hook("balance", { owner, mint })).amount);
  }

  async lamports(address) { return BigInt(await this.hook("lamports", { address })); }

  async fund(owner, amount, { mint } = this.tokens.USDC) {
    return this.hook("fund", { owner, mint, amount: `${amount}` });
  }

  /** Makes everything that has happened so far final. */
  async finalize() { await this.hook("advance", { blocks: FINALITY + 2 }); }

  /** Lets so many blocks pass, and the time they take, that nothing signed until now is taken any more, for good. */
  async outlive() { await this.hook("advance", { blocks: LIFE + 3 * FINALITY + 220 }); }

  /** The transactions that name an account and went well. */
  async transfersFrom(account) {
    return (await this.hook("transactions")).filter(({ keys, err }) => !err && keys.includes(account));
  }
}

/** A chain with somebody who completes transactions, somebody who is paid, and three sellers. */
export async function startChain(onStop, name, { tickMs } = {}) {
  const env = { CLUSTER: name, ...(tickMs && { TICK_MS: `${tickMs}` }) };
  const { ready } = await start(onStop, process.execPath, program("node.mjs"), { env });
  return new Chain(ready.url, CLUSTERS[name]);
}

export async function startSellers(onStop, chain, name) {
  const key = newKey();
  const [feePayer, payee] = [addressOf(key), addressOf(newKey())];
  await chain.hook("sol", { address: feePayer, lamports: "1000000000" });
  const { network } = chain;
  const env = { RPC: chain.url, FACILITATOR_KEY: JSON.stringify(key), PAY_TO: payee, CLUSTER: name, NETWORK: network, PATIENCE_MS };
  const run = (file, command = process.execPath) => start(onStop, command, program(file), { env });
  const [v2, v1, py] = await Promise.all([run("seller.mjs"), run("seller-v1.mjs"), run("seller.py", PYTHON)]);
  for (const token of Object.values(chain.tokens)) await chain.fund(payee, 0, token);
  return { feePayer, payee, v2: v2.ready.url, v1: v1.ready.url, py: py.ready.url, logs: () => v2.output() + v1.output() + py.output() };
}

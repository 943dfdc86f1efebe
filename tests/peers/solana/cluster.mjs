// One chain: Solana's own runtime (LiteSVM) under blocks, commitments and expiry that are ours, modelled on what a
// validator does. LiteSVM itself knows no blocks, takes its newest hash only, and forgets what was before.

import { createRequire } from "node:module";
import { randomBytes } from "node:crypto";
import { base58, isSigned, isWritable, unbase58 } from "./transaction.mjs";
import { tokenAccount, withAmount } from "./token.mjs";

// Linux on x64 is what the checks run on; elsewhere LITESVM names the package of one's own. It is the inner half of
// `litesvm`, which takes the bytes of a transaction as they are.
const { Account, FailedTransactionMetadata, LiteSvm } = createRequire(import.meta.url)(process.env.LITESVM ?? "litesvm-linux-x64-gnu");

/** A block takes a transaction whose hash was this many blocks old at the block before it. */
export const MAX_AGE = 150;
/** A simulation is stricter, so that what passes it has some time left. */
const MAX_AGE_SIMULATED = 144;
const FIRST = { height: 380_000_000, slot: 402_000_000 };
const BEFORE_START = 2_000; // blocks that are there when the first question comes: a quarter of an hour of them
export const BLOCK_MS = 400;

export class Cluster {
  blocks = [];
  bySlot = new Map();
  bySignature = new Map();
  #heights = new Map(); // of blocks, by their hash
  #byMessage = new Map();
  #accounts = new Map(); // address to what was in it, [height, account] each
  #pending = [];
  #held = [];
  #ahead = 0; // of this machine's clock, in ms
  #next = {}; // what happens to the next transaction: drop, hold, fail
  #ticker;
  #svm = new LiteSvm();

  constructor() {
    // Who signed, how old a hash is and what was there before are ours to say.
    this.#svm.setSigverify(false);
    this.#svm.setBlockhashCheck(false);
    this.#svm.setTransactionHistory(0n);
    this.#ahead = -BEFORE_START * BLOCK_MS;
    this.advance(BEFORE_START);
  }

  get tip() { return this.blocks.at(-1); }
  /** The block at a height, or the nearest there is. */
  at(height) { return this.blocks[Math.min(Math.max(height - FIRST.height, 0), this.blocks.length - 1)]; }
  heightOf(blockhash) { return this.#heights.get(blockhash); }

  /** A block each `ms` from now on; none by itself where it is 0. */
  tick(ms) {
    clearInterval(this.#ticker);
    if (ms) this.#ticker = setInterval(() => this.#produce(), ms);
  }

  /** Blocks at once, and the chain's clock with them. */
  advance(blocks, ms = BLOCK_MS) {
    for (let made = 0; made < blocks; made += 1) {
      this.#ahead += ms;
      this.#produce();
    }
  }

  /** What happens to the transactions that are sent next: "drop", "hold" or "fail" this many of them. */
  onNext(what, count = 1) { this.#next[what] = count; }

  /** What was held is on its way again. */
  release() {
    this.#pending.push(...this.#held.splice(0));
  }

  #takes(what) {
    if (!this.#next[what]) return false;
    this.#next[what] -= 1;
    return true;
  }

  /** Takes a transaction for one of the next blocks, or loses it, as the network may. */
  send(transaction) {
    if (this.#takes("drop")) return;
    (this.#takes("hold") ? this.#held : this.#pending).push(transaction);
  }

  #produce() {
    const parent = this.tip;
    const height = parent ? parent.height + 1 : FIRST.height;
    // A slot without a block now and then, so that nobody takes the one number for the other.
    const slot = parent ? parent.slot + (height % 7 === 0 ? 2 : 1) : FIRST.slot;
    const time = Math.floor((Date.now() + this.#ahead) / 1000);
    const block = { height, slot, time, hash: base58(randomBytes(32)), parent, transactions: [] };
    if (parent) for (const transaction of this.#pending.splice(0)) this.#land(transaction, block);
    this.#heights.set(block.hash, height);
    this.bySlot.set(slot, block);
    this.blocks.push(block);
  }

  #land(transaction, block) {
    const fails = isSigned(transaction) ? this.#outlived(transaction, block.parent, MAX_AGE, block.height) : "SignatureFailure";
    if (fails) return;
    const { keys } = transaction;
    const before = keys.map((key) => this.#now(key));
    const restore = this.#takes("fail") ? this.#starve(transaction) : () => {};
    const result = this.#execute(transaction);
    restore();
    if (result.err && !isPaidFor(result.err)) return; // not even its fee could be taken: no block has it
    const after = keys.map((key) => this.#now(key));
    const landed = { ...result, transaction, signature: transaction.signature, block, before, after };
    block.transactions.push(landed);
    this.bySignature.set(landed.signature, landed);
    this.#byMessage.set(transaction.id, landed);
    keys.forEach((key, at) => isWritable(transaction, at) && this.#remember(key, block.height, before[at], after[at]));
  }

  /** Takes what the payer has for as long as the transaction runs: it fails as one that comes too late does. */
  #starve({ keys }) {
    const poor = keys.map((key) => [key, this.#now(key)]).filter(([, account]) => account && tokenAccount(account));
    for (const [key, account] of poor) this.#write(key, { ...account, data: withAmount(account.data, 0n) });
    return () => poor.forEach(([key, account]) => this.#write(key, account));
  }

  /** Why no block after `parent` takes this, if none does; what stands in blocks up to `seenTo` is not taken again. */
  #outlived({ blockhash, id }, parent, maxAge, seenTo = parent.height) {
    const born = this.#heights.get(blockhash);
    if (born === undefined || born > parent.height || parent.height - born > maxAge) return "BlockhashNotFound";
    return this.#byMessage.get(id)?.block.height <= seenTo ? "AlreadyProcessed" : undefined;
  }

  #execute({ version, bytes }, how = "send") {
    const result = this.#svm[`${how}${version === "legacy" ? "Legacy" : "Versioned"}Transaction`](bytes);
    const [err, meta] = result instanceof FailedTransactionMetadata ? [failure(`${result}`), result.meta()] : [null, result.meta?.() ?? result];
    return { err, logs: meta.logs(), units: Number(meta.computeUnitsConsumed()) };
  }

  /** What would become of a transaction on top of a block, and nothing does. The accounts are the newest there are. */
  simulate(transaction, block) {
    const err = this.#outlived(transaction, block, MAX_AGE_SIMULATED);
    return err ? { err, logs: [], units: 0 } : this.#execute(transaction, "simulate");
  }

  /** What is in an account at a height, or nothing. */
  account(address, height = Infinity) {
    const was = this.#accounts.get(address);
    return was ? was.findLast(([since]) => since <= height)[1] : this.#now(address);
  }

  #now(address) {
    const account = this.#svm.getAccount(unbase58(address));
    if (!account || (account.lamports() === 0n && account.data().length === 0)) return null;
    return { lamports: account.lamports(), data: Buffer.from(account.data()), owner: base58(account.owner()), executable: account.executable() };
  }

  #remember(address, height, before, after) {
    if (!this.#accounts.has(address)) this.#accounts.set(address, [[-Infinity, before]]);
    this.#accounts.get(address).push([height, after]);
  }

  #write(address, { lamports, data, owner, executable = false }) {
    this.#svm.setAccount(unbase58(address), new Account(lamports, data, unbase58(owner), executable, 0n));
  }

  /** Puts something into an account as if it had always been there. */
  place(address, account) {
    this.#write(address, account);
    this.#accounts.delete(address);
  }

  rent(length) { return this.#svm.minimumBalanceForRentExemption(BigInt(length)); }

  /** The transactions that name an address, newest first. */
  of(address) {
    return this.blocks.toReversed().flatMap(({ transactions }) => transactions.filter(({ transaction }) => transaction.keys.includes(address)).reverse());
  }
}

/** A transaction that ran and failed has paid its fee and stands in a block; one that could not run does not. */
const isPaidFor = (err) => typeof err === "object" && "InstructionError" in err;

/** A node calls errors by name. LiteSVM only has numbers for most of them, but its text has the names. */
function failure(text) {
  const [, err] = text.match(/\{ err: (.*?), meta: /);
  const [, index, name, custom] = err.match(/^InstructionError\((\d+), (\w+)(?:\((\d+)\))?\)$/) ?? [];
  if (!name) return err.match(/^\w+/)[0];
  return { InstructionError: [Number(index), custom === undefined ? name : { [name]: Number(custom) }] };
}

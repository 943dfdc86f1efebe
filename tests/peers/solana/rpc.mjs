// What a node answers: the chain as far as this node has seen it, in the words of Solana's JSON-RPC.

import { isUtf8 } from "node:buffer";
import { base58, fee, isSigned, isWritable, read, unbase58 } from "./transaction.mjs";
import { MAX_AGE } from "./cluster.mjs";
import { tokenAccount } from "./token.mjs";

const FINALITY = 32; // blocks
const RECENT = 150; // blocks whose transactions a node knows without a search
const U64_MAX = "18446744073709551615"; // as text: no number of JavaScript's holds it
const MOST_SIGNATURES = 1000;

export class RpcError extends Error {
  constructor(code, message, data) { super(message); Object.assign(this, { code, data }); }
}
const invalid = (message) => new RpcError(-32602, message);

/** One node of a cluster. What is wrong with it, the tests say. */
export class Node {
  /** `lag`: blocks it is behind. `history`: "pruned" up to now, or "off". `silent`: "hangs" or "down". */
  lag = 0;
  history = "all";
  silent = false;
  genesis;
  calls = [];
  #cluster;
  #prunedTo = 0; // slot

  constructor(cluster, genesis) {
    this.#cluster = cluster;
    this.genesis = genesis;
  }

  set(changes) {
    Object.assign(this, changes);
    if (changes.history === "pruned") this.#prunedTo = this.#head("processed").slot;
    if (changes.history === "all") this.#prunedTo = 0;
  }

  answer(method, params = []) {
    this.calls.push({ at: Date.now(), method });
    const handler = METHODS[method];
    if (!handler) throw new RpcError(-32601, "Method not found");
    return handler(new View(this, this.#cluster), ...params);
  }

  /** The newest block of a commitment, as this node knows it. */
  #head(commitment = "finalized") {
    const behind = { processed: 0, confirmed: 1, finalized: FINALITY }[commitment];
    if (behind === undefined) throw invalid(`unknown commitment ${commitment}`);
    return this.#cluster.at(this.#cluster.tip.height - this.lag - behind);
  }

  head(commitment, minContextSlot = 0) {
    const block = this.#head(commitment);
    if (block.slot < minContextSlot) {
      throw new RpcError(-32016, "Minimum context slot has not been reached", { contextSlot: block.slot });
    }
    return block;
  }

  /** The first block it still has. */
  get first() {
    return this.#cluster.blocks.find(({ slot }) => slot > this.#prunedTo) ?? this.#cluster.tip;
  }

  mustHaveHistory() {
    if (this.history === "off") throw new RpcError(-32011, "Transaction history is not available from this node");
  }
}

/** One question's look at the chain. */
class View {
  constructor(node, cluster) { Object.assign(this, { node, cluster }); }

  head({ commitment, minContextSlot } = {}) { return this.node.head(commitment, minContextSlot); }

  /** A value as of one block. */
  asOf(config, value) {
    const block = this.head(config);
    return { context: { apiVersion: "3.0.8", slot: block.slot }, value: value(block) };
  }

  account(address, block) {
    if (typeof address !== "string" || unbase58(address).length !== 32) throw invalid("Invalid param: WrongSize");
    return this.cluster.account(address, block.height);
  }

  /** How far a block has come, or nothing where this node has not seen it. */
  status({ height }) {
    return ["finalized", "confirmed", "processed"].find((commitment) => height <= this.node.head(commitment).height);
  }

  /** A transaction, where this node has it at this commitment. */
  landed(signature, commitment) {
    const landed = this.cluster.bySignature.get(signature);
    const isThere = landed && landed.block.slot >= this.node.first.slot && landed.block.height <= this.node.head(commitment).height;
    return isThere ? landed : undefined;
  }

  /** A block that this node has at this commitment. */
  block(slot, commitment) {
    if (slot > this.node.head(commitment).slot) throw new RpcError(-32004, `Block not available for slot ${slot}`);
    const { first } = this.node;
    if (slot < first.slot) {
      throw new RpcError(-32001, `Block ${slot} cleaned up, does not exist on node. First available block: ${first.slot}`);
    }
    const block = this.cluster.bySlot.get(slot);
    if (!block) throw new RpcError(-32007, `Slot ${slot} was skipped, or missing due to ledger jump to recent snapshot`);
    return block;
  }
}

const METHODS = {
  getGenesisHash: ({ node }) => node.genesis,
  getHealth: () => "ok",
  getVersion: () => ({ "solana-core": "3.0.8", "feature-set": 0 }),
  getSlot: (view, config) => view.head(config).slot,
  getBlockHeight: (view, config) => view.head(config).height,
  getFirstAvailableBlock: ({ node }) => node.first.slot,
  minimumLedgerSlot: ({ node }) => node.first.slot,

  getEpochInfo(view, config) {
    const { slot, height } = view.head(config);
    const slotsInEpoch = 432_000;
    const epoch = Math.floor(slot / slotsInEpoch);
    return { absoluteSlot: slot, blockHeight: height, epoch, slotIndex: slot % slotsInEpoch, slotsInEpoch, transactionCount: height * 1000 };
  },

  getLatestBlockhash: (view, config) =>
    view.asOf(config, ({ hash, height }) => ({ blockhash: hash, lastValidBlockHeight: height + MAX_AGE })),

  isBlockhashValid: (view, hash, config) =>
    view.asOf(config, ({ height }) => {
      const age = height - (view.cluster.heightOf(hash) ?? Infinity);
      return age >= 0 && age <= MAX_AGE;
    }),

  getBlockTime: (view, slot) => view.block(slot, "processed").time,

  getBlocks(view, from, to, config) {
    const [end, options] = typeof to === "number" ? [to, config] : [Infinity, to ?? config];
    const { slot: newest } = view.head(atLeastConfirmed(options));
    const first = Math.max(from, view.node.first.slot);
    return view.cluster.blocks.map(({ slot }) => slot).filter((slot) => slot >= first && slot <= Math.min(end, newest));
  },

  getBlock(view, slot, config = {}) {
    view.node.mustHaveHistory();
    const block = view.block(slot, atLeastConfirmed(config).commitment);
    const { hash, height, time, parent } = block;
    const { transactionDetails = "full" } = config;
    return {
      blockhash: hash, blockHeight: height, blockTime: time,
      previousBlockhash: parent?.hash ?? hash, parentSlot: parent?.slot ?? slot - 1,
      ...detailsOf(view.cluster, transactionDetails, block, config),
    };
  },

  getAccountInfo: (view, address, config) => view.asOf(config, (block) => accountInfo(view.account(address, block), config)),

  getMultipleAccounts: (view, addresses, config) =>
    view.asOf(config, (block) => addresses.map((address) => accountInfo(view.account(address, block), config))),

  getBalance: (view, address, config) => view.asOf(config, (block) => Number(view.account(address, block)?.lamports ?? 0n)),

  getTokenAccountBalance: (view, address, config) =>
    view.asOf(config, (block) => {
      const account = view.account(address, block);
      if (!account) throw invalid("Invalid param: could not find account");
      const token = tokenAccount(account);
      if (!token) throw invalid("Invalid param: not a Token account");
      return uiAmount(token.amount, decimals(view.cluster, token));
    }),

  getMinimumBalanceForRentExemption: ({ cluster }, length) => Number(cluster.rent(length)),
  getRecentPrioritizationFees: (view) => [{ slot: view.head({ commitment: "processed" }).slot, prioritizationFee: 0 }],
  getFeeForMessage: (view, message, config) => view.asOf(config, () => fee(readMessage(message))),

  getSignaturesForAddress(view, address, config = {}) {
    view.node.mustHaveHistory();
    const { limit = MOST_SIGNATURES, before, until } = config;
    if (limit < 1 || limit > MOST_SIGNATURES) throw invalid("Invalid limit; max 1000");
    const { height } = view.head(atLeastConfirmed(config));
    let rows = view.cluster.of(address).filter(({ block }) => block.height <= height && block.slot >= view.node.first.slot);
    if (before) {
      const from = view.landed(before, "processed");
      // As nodes do it: from a transaction that they do not know, nothing is older.
      rows = from ? rows.filter((row) => comesBefore(row, from)) : [];
    }
    const to = until && view.landed(until, "processed");
    if (to) rows = rows.filter((row) => comesBefore(to, row));
    return rows.slice(0, limit).map((row) => ({
      signature: row.signature, slot: row.block.slot, err: row.err, memo: memoText(row.transaction),
      blockTime: row.block.time, confirmationStatus: view.status(row.block),
    }));
  },

  getTransaction(view, signature, config = {}) {
    view.node.mustHaveHistory();
    const { encoding, maxSupportedTransactionVersion, commitment } = atLeastConfirmed(typeof config === "string" ? { encoding: config } : config);
    if (encoding !== "base64") throw invalid("this node answers getTransaction in base64 only");
    const landed = view.landed(signature, commitment);
    if (!landed) return null;
    return { slot: landed.block.slot, blockTime: landed.block.time, ...whole(view.cluster, landed, maxSupportedTransactionVersion) };
  },

  getSignatureStatuses: (view, signatures, { searchTransactionHistory = false } = {}) =>
    view.asOf({ commitment: "processed" }, (tip) =>
      signatures.map((signature) => {
        const landed = view.landed(signature, "processed");
        if (!landed || (!searchTransactionHistory && tip.height - landed.block.height > RECENT)) return null;
        const { err, block } = landed;
        const confirmationStatus = view.status(block);
        const confirmations = confirmationStatus === "finalized" ? null : tip.height - block.height;
        return { slot: block.slot, confirmations, err, status: statusOf(err), confirmationStatus };
      })),

  simulateTransaction(view, encoded, config = {}) {
    const transaction = readTransaction(encoded, config);
    if (config.sigVerify && !isSigned(transaction)) throw notSigned();
    return view.asOf(config, (block) => {
      const { err, logs, units } = view.cluster.simulate(transaction, block);
      return { err, logs, unitsConsumed: units, accounts: null, returnData: null, innerInstructions: null };
    });
  },

  sendTransaction(view, encoded, config = {}) {
    const transaction = readTransaction(encoded, config);
    const { skipPreflight = false, preflightCommitment: commitment } = config;
    if (!skipPreflight) {
      if (!isSigned(transaction)) throw notSigned();
      const { err, logs, units } = view.cluster.simulate(transaction, view.head({ commitment }));
      if (err) {
        const why = typeof err === "string" ? err : JSON.stringify(err);
        throw new RpcError(-32002, `Transaction simulation failed: ${why}`, { err, logs, unitsConsumed: units, accounts: null });
      }
    }
    view.cluster.send(transaction);
    return transaction.signature;
  },
};

const notSigned = () => new RpcError(-32003, "Transaction signature verification failure");

function atLeastConfirmed(config = {}) {
  if (config.commitment === "processed") throw invalid("Method does not support commitment below `confirmed`");
  return config;
}

/** Whether one transaction stands before another on the chain. */
function comesBefore(one, other) {
  if (one.block !== other.block) return one.block.height < other.block.height;
  return one.block.transactions.indexOf(one) < one.block.transactions.indexOf(other);
}

function readTransaction(encoded, { encoding = "base58" }) {
  try {
    return read(encoding === "base64" ? Buffer.from(encoded, "base64") : unbase58(encoded));
  } catch (error) { throw invalid(`failed to deserialize the transaction: ${error.message}`); }
}

/** A message alone, as a transaction that nobody has signed yet. */
function readMessage(encoded) {
  const message = Buffer.from(encoded, "base64");
  const signers = message[0] & 0x80 ? message[1] : message[0];
  return read(Buffer.concat([Buffer.of(signers), Buffer.alloc(64 * signers), message]));
}

function accountInfo(account, { encoding = "base58" } = {}) {
  if (!account) return null;
  if (encoding !== "base64" && encoding !== "base58") throw invalid("this node answers accounts in base64 and base58 only");
  const { data, owner, lamports, executable } = account;
  const encoded = encoding === "base64" ? data.toString("base64") : base58(data);
  return { data: [encoded, encoding], executable, lamports: Number(lamports), owner, rentEpoch: U64_MAX, space: data.length };
}

const decimals = (cluster, token) => cluster.account(base58(token.mint))?.data[44] ?? 0;

function uiAmount(amount, places) {
  const digits = `${amount}`.padStart(places + 1, "0");
  const text = places ? `${digits.slice(0, -places)}.${digits.slice(-places)}`.replace(/\.?0+$/, "") : digits;
  return { amount: `${amount}`, decimals: places, uiAmount: Number(text), uiAmountString: text };
}

function detailsOf(cluster, details, block, { maxSupportedTransactionVersion, encoding } = {}) {
  if (details === "none") return {};
  if (details === "signatures") return { signatures: block.transactions.map(({ signature }) => signature) };
  if (details === "full" && encoding !== "base64" && block.transactions.length) {
    throw invalid("this node answers whole transactions in base64 only");
  }
  const row = details === "accounts" ? accountsOnly : whole;
  return { transactions: block.transactions.map((landed) => row(cluster, landed, maxSupportedTransactionVersion)) };
}

function mustKnow(version, most) {
  if (version === "legacy" || version <= (most ?? -1)) return;
  throw new RpcError(-32015, `Transaction version (${version}) is not supported by the requesting client. ` +
    `Please try the request again with the following configuration parameter: "maxSupportedTransactionVersion": ${version}`);
}

function whole(cluster, landed, most) {
  const { transaction } = landed;
  mustKnow(transaction.version, most);
  return { transaction: [transaction.bytes.toString("base64"), "base64"], meta: meta(cluster, landed), version: transaction.version };
}

function accountsOnly(cluster, landed, most) {
  const { transaction } = landed;
  const { version, keys, signers, signatures } = transaction;
  mustKnow(version, most);
  const accountKeys = keys.map((pubkey, at) =>
    ({ pubkey, signer: at < signers.length, writable: isWritable(transaction, at), source: "transaction" }));
  return { transaction: { accountKeys, signatures: signatures.map(base58) }, meta: meta(cluster, landed), version };
}

function meta(cluster, { err, logs, units, transaction, before, after }) {
  const lamports = (accounts) => accounts.map((account) => Number(account?.lamports ?? 0n));
  return {
    err, status: statusOf(err), fee: fee(transaction),
    preBalances: lamports(before), postBalances: lamports(after),
    preTokenBalances: tokenBalances(cluster, before), postTokenBalances: tokenBalances(cluster, after),
    innerInstructions: [], logMessages: logs, rewards: [], loadedAddresses: { writable: [], readonly: [] },
    computeUnitsConsumed: units,
  };
}

const statusOf = (err) => (err ? { Err: err } : { Ok: null });

function tokenBalances(cluster, accounts) {
  return accounts.flatMap((account, accountIndex) => {
    const token = account && tokenAccount(account);
    if (!token) return [];
    const uiTokenAmount = uiAmount(token.amount, decimals(cluster, token));
    return [{ accountIndex, mint: base58(token.mint), owner: base58(token.owner), programId: token.program, uiTokenAmount }];
  });
}

/** Memos as a node lists them: each behind its length. */
function memoText({ memos }) {
  return memos.length ? memos.map((memo) => `[${memo.length}] ${isUtf8(memo) ? memo : "(unparseable)"}`).join("; ") : null;
}

/** An answer as text; the one number that does not fit JavaScript is put in here. */
export const asJson = (answer) => JSON.stringify(answer).replaceAll(`"${U64_MAX}"`, U64_MAX);

// A real node (anvil) of a chain of Tempo's kind, with its own transactions and assets. It is four forks behind Tempo's
// main network: the latest that this anvil knows.

import { ANVIL, Chain, PAYEE, TRANSFER, word } from "./chain.mjs";
import { PAYER } from "./bursar.mjs";
import { FUNDS } from "./pays.mjs";
import { start } from "./process.mjs";

export const TEMPO = "eip155:31337";
export const PATH_USD = "0x20c0000000000000000000000000000000000000";
const FEES = "0xfeec000000000000000000000000000000000000";
const WITH_MEMO = "0x57bc7354aa85aed339e000bccffabbc529466af35f0772c8f8ee1145927de7f0";

// Without blocks by the clock, its first block is of 1970 and nothing is in time.
const ARGS = ["--network", "tempo", "--hardfork", "T4", "--port", "0", "--block-time", "1", "--slots-in-an-epoch", "1"];

export async function startTempo(onStop) {
  const isReady = (line) => line.match(/^Listening on (\S+)/)?.[1];
  const anvil = await start(onStop, ANVIL, ARGS, { isReady });
  const chain = new TempoChain(`http://${anvil.ready}`);
  await chain.begins();
  return chain;
}

/** Everybody here is rich from the start: what they have is counted from there, as if the payer had five dollars. */
class TempoChain extends Chain {
  #before = {};

  async begins() {
    for (const who of [PAYER, PAYEE]) this.#before[who] = (await super.balance(who, PATH_USD)) - (who === PAYER ? FUNDS : 0n);
  }

  async balance(address) {
    return (await super.balance(address, PATH_USD)) - (this.#before[address] ?? 0n);
  }

  /** Payments; their fees are not among them. */
  async transfersFrom(address) {
    return this.#logs([WITH_MEMO, `0x${word(address)}`]);
  }

  /** What an account has paid for being on the chain. */
  async feesOf(address) {
    const logs = await this.#logs([TRANSFER, `0x${word(address)}`, `0x${word(FEES)}`]);
    return logs.reduce((sum, { data }) => sum + BigInt(data), 0n);
  }

  async #logs(topics) {
    return this.rpc("eth_getLogs", [{ address: PATH_USD, fromBlock: "0x0", toBlock: "latest", topics }]);
  }

  isTransfer({ topics }) {
    return topics[0] === WITH_MEMO;
  }

  /** Blocks come by the clock and are final after two more. Its clock must not run ahead of ours: what is signed here is
   * good for half a minute. */
  async finalize() {
    const { number } = await this.rpc("eth_getBlockByNumber", ["latest", false]);
    for (let tries = 0; tries < 100; tries += 1) {
      const final = await this.rpc("eth_getBlockByNumber", ["finalized", false]);
      if (BigInt(final.number) >= BigInt(number)) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error("the chain makes no block final");
  }

  /** Twice, because silence of its logs is believed as of a minute ago only. Nothing is paid on it from here on. */
  async pass(seconds) {
    for (const more of [seconds, 120]) {
      await this.rpc("evm_increaseTime", [more]);
      await super.finalize();
    }
  }
}

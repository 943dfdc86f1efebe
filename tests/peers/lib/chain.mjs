// A real EVM node (anvil) that says it is Base Sepolia, with the test dollar at the address of USDC there.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { start } from "./process.mjs";

export const NETWORK = "eip155:84532";
export const USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
// Anvil's first two accounts, funded and known to everybody: one pays the facilitator's gas, one is paid.
export const FACILITATOR_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
export const FACILITATOR = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
export const PAYEE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

// Linux on x64 is what the checks run on; elsewhere ANVIL names a binary of one's own.
export const ANVIL = process.env.ANVIL ?? fileURLToPath(new URL("./node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil", import.meta.url));
export const TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";
const TOKEN = fileURLToPath(new URL("../../../crates/sandbox/contracts/PlayDollar.hex", import.meta.url));

// A block per payment, and one each second besides, as clients that wait for new blocks expect. A short epoch brings
// finality two blocks behind the head, so nothing has to move the chain's clock ahead of ours to get there.
const ARGS = ["--port", "0", "--chain-id", "84532", "--mixed-mining", "--block-time", "1", "--slots-in-an-epoch", "1"];

export async function startChain(onStop) {
  const isReady = (line) => line.match(/^Listening on (\S+)/)?.[1];
  const anvil = await start(onStop, ANVIL, ARGS, { isReady });
  const chain = new Chain(`http://${anvil.ready}`);
  await chain.place(USDC, readFileSync(process.env.PEERS_TOKEN ?? TOKEN, "utf8").trim());
  return chain;
}

export class Chain {
  constructor(url) { this.url = url; }

  async rpc(method, params = []) {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const reply = await fetch(this.url, { method: "POST", headers: { "content-type": "application/json" }, body });
    const { result, error } = await reply.json();
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  /** Puts a contract's code at an address. */
  async place(address, code) {
    await this.rpc("anvil_setCode", [address, `0x${code.replace(/^0x/, "")}`]);
  }

  /** One of anvil's own accounts sends a transaction, which has to succeed. */
  async send(transaction) {
    const receipt = await this.receipt(await this.rpc("eth_sendTransaction", [transaction]));
    if (receipt?.status !== "0x1") throw new Error(`a chain transaction failed: ${JSON.stringify(transaction)}`);
    return receipt;
  }

  /** Anyone may mint a test dollar. */
  async mint(to, atomic, asset = USDC) {
    const data = `0x40c10f19${word(to)}${word(`0x${atomic.toString(16)}`)}`;
    await this.send({ from: FACILITATOR, to: asset, data });
  }

  async balance(address, asset = USDC) {
    return BigInt(await this.rpc("eth_call", [{ to: asset, data: `0x70a08231${word(address)}` }, "latest"]));
  }

  /** Every transfer of the test dollar out of `address`, as the chain tells it. */
  async transfersFrom(address) {
    const topics = [TRANSFER, `0x${word(address)}`];
    return this.rpc("eth_getLogs", [{ address: USDC, fromBlock: "0x0", toBlock: "latest", topics }]);
  }

  /** Whether a log says that test dollars moved. */
  isTransfer({ address, topics }) {
    return address.toLowerCase() === USDC.toLowerCase() && topics[0] === TRANSFER;
  }

  async receipt(hash) {
    for (let tries = 0; tries < 100; tries += 1) {
      const receipt = await this.rpc("eth_getTransactionReceipt", [hash]);
      if (receipt) return receipt;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return null;
  }

  /** Lets time pass, and makes everything final up to then. The chain is ahead of our clock from here on. */
  async pass(seconds) {
    await this.rpc("evm_increaseTime", [seconds]);
    await this.finalize();
  }

  /** Makes everything that has happened so far final. */
  async finalize() {
    await this.rpc("anvil_mine", ["0x3"]);
  }
}

/** As the ABI writes an address or a number. */
export const word = (hex) => hex.replace(/^0x/, "").toLowerCase().padStart(64, "0");

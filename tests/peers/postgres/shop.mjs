// A seller of x402 v2 in this process: it answers at once, takes the money on the chain where it is told to, hands the
// goods over to the same bytes again, and notes every payment it sees, with whether the ledger had it by then.

import http from "node:http";
import { FACILITATOR, NETWORK, PAYEE, USDC, word } from "../lib/chain.mjs";

const ATOMIC = 1_000n; // a tenth of a cent
const TRANSFER_WITH_AUTHORIZATION = "0xe3ee160e"; // (address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)

/** `chain`: payments are settled there. `witness(nonce)`: asked at each payment, before anything is answered. */
export async function openShop(onStop, { chain, witness } = {}) {
  const shop = new Shop(chain, witness);
  await shop.listen(onStop);
  return shop;
}

class Shop {
  /** Each payment as it came: `{ url, nonce, isRecorded }`. */
  seen = [];
  settled = 0;
  #chain;
  #witness;
  #sold = new Map();

  constructor(chain, witness) {
    this.#chain = chain;
    this.#witness = witness;
  }

  async listen(onStop) {
    const server = http.createServer((request, response) => this.#answer(request, response).catch(() => response.destroy()));
    server.keepAliveTimeout = 60_000;
    onStop(() => { server.closeAllConnections(); server.close(); });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.host = `127.0.0.1:${server.address().port}`;
    this.url = `http://${this.host}`;
  }

  /** What was paid for, each with the payments it was paid with: one, or something is wrong. */
  paidFor() {
    const paid = new Map();
    for (const { url, nonce } of this.seen) paid.set(url, (paid.get(url) ?? new Set()).add(nonce));
    return paid;
  }

  get nonces() { return new Set(this.seen.map(({ nonce }) => nonce)); }
  get unrecorded() { return this.seen.filter(({ isRecorded }) => !isRecorded); }

  forget() {
    this.seen.length = this.settled = 0;
    this.#sold.clear();
  }

  async #answer(request, response) {
    await request.resume().toArray();
    const header = request.headers["payment-signature"];
    if (!header) return this.#ask(request, response);
    const { payload } = JSON.parse(Buffer.from(header, "base64"));
    const { authorization, signature } = payload;
    const paid = { url: request.url, nonce: authorization.nonce.slice(2).toLowerCase() };
    paid.isRecorded = this.#witness ? await this.#witness(paid.nonce) : true;
    this.seen.push(paid);
    let selling = this.#sold.get(paid.nonce);
    if (!selling) this.#sold.set(paid.nonce, (selling = this.#settle(authorization, signature)));
    const transaction = await selling;
    const receipt = { success: true, transaction, network: NETWORK, payer: authorization.from };
    response.writeHead(200, { "content-type": "application/json", "payment-response": coded(receipt) });
    response.end(JSON.stringify({ goods: request.url }));
  }

  #ask(request, response) {
    const accepts = [{
      scheme: "exact", network: NETWORK, amount: `${ATOMIC}`, asset: USDC, payTo: PAYEE, maxTimeoutSeconds: 300,
      extra: { name: "USDC", version: "2" },
    }];
    const resource = { url: `${this.url}${request.url}`, description: "goods", mimeType: "application/json" };
    const challenge = { x402Version: 2, error: "payment required", resource, accepts };
    response.writeHead(402, { "content-type": "application/json", "payment-required": coded(challenge) });
    response.end("{}");
  }

  async #settle({ from, to, value, validAfter, validBefore, nonce }, signature) {
    this.settled += 1;
    if (!this.#chain) return nonce;
    const [r, s, v] = [signature.slice(2, 66), signature.slice(66, 130), `0x${signature.slice(130, 132)}`];
    const numbers = [value, validAfter, validBefore].map((n) => word(`0x${BigInt(n).toString(16)}`));
    const data = `${TRANSFER_WITH_AUTHORIZATION}${word(from)}${word(to)}${numbers.join("")}${word(nonce)}${word(v)}${r}${s}`;
    const send = () => this.#chain.rpc("eth_sendTransaction", [{ from: FACILITATOR, to: USDC, data, gas: "0x30d40" }]);
    return inLine(this.#chain, send);
  }
}

/** What is sent from one account goes one after the other: anvil gives two that come at once the same number. */
export function inLine(chain, send) {
  const sent = (lines.get(chain) ?? Promise.resolve()).then(send, send);
  lines.set(chain, sent);
  return sent;
}

const lines = new WeakMap();
const coded = (value) => Buffer.from(JSON.stringify(value)).toString("base64");

// The reference TypeScript server of MPP (mppx): `evm/charge` by EIP-3009, settled on the chain by the seller itself.
// Reads RPC and PAY_TO; prints one JSON line with its address once it listens.

import http from "node:http";
import { Mppx, evm } from "mppx/server";
import { encodeFunctionData, parseAbi, parseSignature } from "viem";

const { RPC, PAY_TO } = process.env;
const GAS_PAYER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
const USDC = evm.assets.baseSepolia.USDC;
const abi = parseAbi([
  "function transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)",
]);

async function rpc(method, params) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const reply = await fetch(RPC, { method: "POST", headers: { "content-type": "application/json" }, body });
  const { result, error } = await reply.json();
  if (error) throw new Error(error.message);
  return result;
}

async function settle({ payload, request }) {
  const { r, s, v } = parseSignature(payload.signature);
  const args = [payload.from, payload.to, payload.value, payload.validAfter, payload.validBefore, payload.nonce, v, r, s];
  const data = encodeFunctionData({ abi, functionName: "transferWithAuthorization", args });
  const reference = await rpc("eth_sendTransaction", [{ from: GAS_PAYER, to: request.currency, data }]);
  for (let tries = 0; tries < 100; tries += 1) {
    const receipt = await rpc("eth_getTransactionReceipt", [reference]);
    if (receipt?.status === "0x1") return { reference };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("it did not settle");
}

const mppx = Mppx.create({
  secretKey: "a secret of thirty-two characters or more",
  methods: [evm.charge({ currency: USDC, recipient: PAY_TO, settle })],
});
const cent = mppx.evm.charge({ amount: "0.01", description: "A page worth a cent — \"all\" of it" });

let sold = 0;
const pages = {
  "GET /cent": () => ({ goods: "a page worth a cent", copy: (sold += 1) }),
  "POST /echo": async (request) => ({ goods: "an echo", body: await request.json() }),
};

async function answer(request) {
  const { pathname } = new URL(request.url);
  if (pathname === "/free") return Response.json({ goods: "free" });
  const page = pages[`${request.method} ${pathname}`];
  if (!page) return new Response("no such page", { status: 404 });
  const body = request.clone();
  const paid = await cent(request);
  return paid.status === 402 ? paid.challenge : paid.withReceipt(Response.json(await page(body)));
}

const server = http.createServer(async (incoming, outgoing) => {
  const chunks = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const body = chunks.length ? Buffer.concat(chunks) : undefined;
  const url = `http://${incoming.headers.host}${incoming.url}`;
  const reply = await answer(new Request(url, { method: incoming.method, headers: incoming.headers, body }));
  // It offers the same thing by x402, which would be taken first.
  reply.headers.delete("payment-required");
  outgoing.writeHead(reply.status, Object.fromEntries(reply.headers));
  outgoing.end(Buffer.from(await reply.arrayBuffer()));
});
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` })));

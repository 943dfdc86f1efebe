// The reference MPP seller (mppx) of pages paid by EIP-3009, which it takes to the chain itself. Of each page there are
// three: `/mpp` asks by MPP alone, `/both` by MPP and x402, `/three` by MPP on this chain and on another and by x402.
// Reads RPC, FACILITATOR_KEY and PAY_TO; prints one JSON line with its address.

import http from "node:http";
import { Mppx, evm, tempo } from "mppx/server";
import { createPublicClient, createWalletClient, http as rpc, parseAbi, parseSignature } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { baseSepolia } from "viem/chains";

const { RPC, FACILITATOR_KEY, PAY_TO } = process.env;
const CENT = "0.01";

const given = { chain: baseSepolia, transport: rpc(RPC), pollingInterval: 100 };
const wallet = createWalletClient({ account: privateKeyToAccount(FACILITATOR_KEY), ...given });
const chain = createPublicClient(given);
const abi = parseAbi([
  "function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, uint8 v, bytes32 r, bytes32 s)",
]);

async function settle({ payload, request }) {
  const { from, to, value, validAfter, validBefore, nonce, signature } = payload;
  const { r, s, v, yParity } = parseSignature(signature);
  const args = [from, to, BigInt(value), BigInt(validAfter), BigInt(validBefore), nonce, Number(v ?? BigInt(yParity + 27)), r, s];
  const call = { address: request.currency, abi, functionName: "transferWithAuthorization", args };
  await chain.simulateContract({ account: wallet.account, ...call });
  const hash = await wallet.writeContract(call);
  const { status } = await chain.waitForTransactionReceipt({ hash });
  if (status !== "success") throw new Error(`${hash} was reverted`);
  return { reference: hash };
}

const mppx = Mppx.create({
  secretKey: "a secret of at least thirty-two bytes",
  methods: [
    evm.charge({ currency: evm.assets.baseSepolia.USDC, recipient: PAY_TO, settle }),
    tempo.charge({ currency: "0x20c0000000000000000000000000000000000000", recipient: PAY_TO }),
  ],
});
const alone = () => mppx.evm.charge({ amount: CENT });
const WAYS = {
  mpp: async (request) => withoutX402(await alone()(request)),
  both: (request) => alone()(request),
  three: (request) => mppx.compose(["evm/charge", { amount: CENT }], ["tempo/charge", { amount: CENT }])(request),
};

function withoutX402(result) {
  if (result.status === 402) result.challenge.headers.delete("payment-required");
  return result;
}

let sold = 0;
const PAGES = {
  "GET /cent": () => Response.json({ goods: "a page worth a cent", copy: (sold += 1) }),
  "POST /echo": async (request) => Response.json({ goods: "an echo", body: await request.json() }),
  "GET /broken": () => Response.json({ error: "out of goods" }, { status: 500 }),
};

/** What MPP charges for is paid before the page is made. */
async function answer(request) {
  const { pathname } = new URL(request.url);
  if (pathname === "/free") return Response.json({ goods: "free" });
  const [, way, page] = pathname.match(/^\/(\w+)(\/\w+)$/) ?? [];
  const make = PAGES[`${request.method} ${page}`];
  if (!make || !WAYS[way]) return Response.json({ error: "no such page" }, { status: 404 });
  const result = await WAYS[way](request.clone());
  return result.status === 402 ? result.challenge : result.withReceipt(await make(request));
}

const server = http.createServer(async (incoming, outgoing) => {
  const chunks = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const { method, url, headers } = incoming;
  const body = chunks.length ? Buffer.concat(chunks) : undefined;
  const request = new Request(`http://${headers.host}${url}`, { method, headers: new Headers(Object.entries(headers)), body });
  const reply = await answer(request).catch((error) => Response.json({ error: `${error}` }, { status: 500 }));
  outgoing.writeHead(reply.status, [...reply.headers].flat());
  outgoing.end(Buffer.from(await reply.arrayBuffer()));
});
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` })));

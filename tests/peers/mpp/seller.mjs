// The reference MPP seller (mppx) of pages paid by EIP-3009, which it takes to the chain itself. Of each page there are
// three: `/mpp` asks by MPP alone, `/both` by MPP and x402, `/three` by MPP on this chain and on another and by x402.
// Reads RPC, FACILITATOR_KEY and PAY_TO; prints one JSON line with its address.

import { Mppx, evm, tempo } from "mppx/server";
import { createPublicClient, createWalletClient, http as rpc, parseAbi, parseSignature } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { baseSepolia } from "viem/chains";
import { sell } from "./pages.mjs";

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

sell(WAYS);

// A seller that would be paid twice: one payment on Tempo, signed for by two payers of its fee, and both put on the
// chain. Reads RPC, SIGNED (the payment) and KEYS; prints what each became.

import { Secp256k1 } from "ox";
import { TxEnvelopeTempo } from "ox/tempo";

const { RPC, SIGNED, KEYS } = process.env;
const feeToken = "0x20c0000000000000000000000000000000000000";

async function rpc(method, params) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const reply = await fetch(RPC, { method: "POST", headers: { "content-type": "application/json" }, body });
  const { result, error } = await reply.json();
  if (error) throw new Error(`${method}: ${error.message}`);
  return result;
}

const { signature, feePayerSignature: _, from: sender, ...signed } = TxEnvelopeTempo.deserialize(SIGNED);
const became = [];
for (const privateKey of KEYS.split(" ")) {
  const envelope = TxEnvelopeTempo.from({ ...signed, feeToken });
  const payload = TxEnvelopeTempo.getFeePayerSignPayload(envelope, { sender });
  const feePayerSignature = Secp256k1.sign({ payload, privateKey });
  const pushed = await rpc("eth_sendRawTransaction", [TxEnvelopeTempo.serialize(envelope, { signature, feePayerSignature })]);
  await new Promise((resolve) => setTimeout(resolve, 3000));
  became.push((await rpc("eth_getTransactionReceipt", [pushed]))?.status ?? "nothing");
}
console.log(JSON.stringify(became));

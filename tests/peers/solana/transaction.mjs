// A chain transaction of Solana's, read and made. The keys are plain ed25519, so Node's own crypto holds and checks them.

import { createHash, createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import {
  appendTransactionMessageInstructions, createKeyPairSignerFromBytes, createTransactionMessage, getBase58Decoder,
  getBase58Encoder, getBase64EncodedWireTransaction, getCompiledTransactionMessageDecoder, getTransactionDecoder, pipe,
  setTransactionMessageFeePayerSigner, setTransactionMessageLifetimeUsingBlockhash, signTransactionMessageWithSigners,
} from "@solana/kit";
import { MEMO } from "./token.mjs";

export const base58 = (bytes) => getBase58Decoder().decode(bytes);
export const unbase58 = (text) => Buffer.from(getBase58Encoder().encode(text));

/** A new key as `solana-keygen` writes it: the secret and then the public half, 64 numbers. */
export function newKey() {
  const { d, x } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  return [...Buffer.from(d, "base64url"), ...Buffer.from(x, "base64url")];
}

export const addressOf = (key) => base58(Uint8Array.from(key.slice(32)));
export const signerOf = (key) => createKeyPairSignerFromBytes(Uint8Array.from(key));

/** What there is to know of a transaction from its bytes. */
export function read(bytes) {
  const { messageBytes, signatures } = getTransactionDecoder().decode(bytes);
  const message = getCompiledTransactionMessageDecoder().decode(messageBytes);
  const { header, staticAccounts: keys, version, instructions } = message;
  const memos = instructions.filter((row) => keys[row.programAddressIndex] === MEMO).map(({ data }) => Buffer.from(data ?? []));
  return {
    bytes: Buffer.from(bytes),
    messageBytes: Buffer.from(messageBytes),
    id: createHash("sha256").update(messageBytes).digest("hex"),
    version, header, keys, instructions, memos,
    blockhash: message.lifetimeToken,
    signers: keys.slice(0, header.numSignerAccounts),
    signatures: keys.slice(0, header.numSignerAccounts).map((key) => Buffer.from(signatures[key] ?? new Uint8Array(64))),
    get signature() { return base58(this.signatures[0]); },
  };
}

/** Whether everybody who has to sign has signed. */
export const isSigned = ({ messageBytes, signers, signatures }) =>
  signers.every((key, at) => {
    const jwk = { kty: "OKP", crv: "Ed25519", x: unbase58(key).toString("base64url") };
    return verify(null, messageBytes, createPublicKey({ key: jwk, format: "jwk" }), signatures[at]);
  });

export function isWritable({ header, keys }, at) {
  const { numSignerAccounts: signers, numReadonlySignerAccounts: readonly, numReadonlyNonSignerAccounts: rest } = header;
  return at < signers ? at < signers - readonly : at < keys.length - rest;
}

/** The two numbers that say what the chain is paid for its work. */
export function fee({ header, keys, instructions }) {
  const budget = instructions.filter((row) => keys[row.programAddressIndex] === "ComputeBudget111111111111111111111111111111");
  const data = (tag) => Buffer.from(budget.find((row) => row.data?.[0] === tag)?.data ?? []);
  const [limit, price] = [data(2), data(3)];
  const priority = limit.length && price.length ? (BigInt(limit.readUInt32LE(1)) * price.readBigUInt64LE(1) + 999_999n) / 1_000_000n : 0n;
  return 5000 * header.numSignerAccounts + Number(priority);
}

/** A whole transaction in base64, signed by whoever is a signer in it. */
export async function make({ feePayer, blockhash, instructions }) {
  const message = pipe(
    createTransactionMessage({ version: 0 }),
    (made) => setTransactionMessageFeePayerSigner(feePayer, made),
    (made) => setTransactionMessageLifetimeUsingBlockhash({ blockhash, lastValidBlockHeight: 0n }, made),
    (made) => appendTransactionMessageInstructions(instructions, made),
  );
  return getBase64EncodedWireTransaction(await signTransactionMessageWithSigners(message));
}

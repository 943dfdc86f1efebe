// Tokens on Solana, as their two programs lay them out: mints, accounts, and the few instructions the rig makes itself.

import { AccountRole, getAddressEncoder, getProgramDerivedAddress } from "@solana/kit";

export const SPL = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
export const TOKEN_2022 = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb";
export const MEMO = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr";
const ASSOCIATED = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL";
const SYSTEM = "11111111111111111111111111111111";

// The clusters the rig can be, with the hash of their first block, and the tokens that are there.
export const CLUSTERS = {
  devnet: {
    genesis: "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG",
    tokens: { USDC: { mint: "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU", program: SPL } },
  },
  mainnet: {
    genesis: "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d",
    tokens: {
      USDC: { mint: "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", program: SPL },
      PYUSD: { mint: "2b1kV6DkPAnxd5ixfnxCpjxmKwqjjaYmCZfHsFu24GXo", program: TOKEN_2022 },
    },
  },
};
/** A cluster's name in CAIP-2, which is the beginning of its first block's hash. */
export const networkOf = ({ genesis }) => `solana:${genesis.slice(0, 32)}`;

const bytes = (address) => getAddressEncoder().encode(address);

/** Where an owner keeps a token. */
export async function accountOf(owner, { mint, program }) {
  const [account] = await getProgramDerivedAddress({ programAddress: ASSOCIATED, seeds: [bytes(owner), bytes(program), bytes(mint)] });
  return account;
}

/** A mint whose `authority` may make more of it, and freeze what is there. */
export function mintData(authority, decimals) {
  const data = Buffer.alloc(82);
  for (const at of [0, 46]) {
    data.writeUInt32LE(1, at);
    data.set(bytes(authority), at + 4);
  }
  data[44] = decimals;
  data[45] = 1;
  return data;
}

/** A token account's content, or nothing where it is none. */
export function tokenAccount({ owner, data }) {
  if (![SPL, TOKEN_2022].includes(owner) || data.length < 165 || (data.length > 165 && data[165] !== 2)) return undefined;
  return { program: owner, mint: data.subarray(0, 32), owner: data.subarray(32, 64), amount: data.readBigUInt64LE(64) };
}

/** The same account with another amount in it. */
export function withAmount(data, amount) {
  const changed = Buffer.from(data);
  changed.writeBigUInt64LE(amount, 64);
  return changed;
}

const amountAnd = (tag, amount, decimals) => {
  const data = Buffer.alloc(10, tag);
  data.writeBigUInt64LE(BigInt(amount), 1);
  data[9] = decimals;
  return data;
};
const writable = (address) => ({ address, role: AccountRole.WRITABLE });
const readonly = (address) => ({ address, role: AccountRole.READONLY });
const signs = (signer) => ({ address: signer.address, role: AccountRole.READONLY_SIGNER, signer });
const pays = (signer) => ({ address: signer.address, role: AccountRole.WRITABLE_SIGNER, signer });

/** Makes an owner's account of a token where there is none. */
export const opens = ({ payer, owner, account, token: { mint, program } }) => ({
  programAddress: ASSOCIATED,
  accounts: [pays(payer), writable(account), readonly(owner), readonly(mint), readonly(SYSTEM), readonly(program)],
  data: Uint8Array.of(1),
});

export const mints = ({ authority, account, amount, token: { mint, program, decimals } }) => ({
  programAddress: program,
  accounts: [writable(mint), writable(account), signs(authority)],
  data: amountAnd(14, amount, decimals),
});

export const transfers = ({ authority, from, to, amount, token: { mint, program, decimals } }) => ({
  programAddress: program,
  accounts: [writable(from), readonly(mint), writable(to), signs(authority)],
  data: amountAnd(12, amount, decimals),
});

export const memo = (text) => ({ programAddress: MEMO, accounts: [], data: new TextEncoder().encode(text) });

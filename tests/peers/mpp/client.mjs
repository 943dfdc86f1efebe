// The reference MPP client (mppx): pays one page and says what it got. Reads URL, METHOD, BODY and PAYER_KEY.

import { Mppx, evm } from "mppx/client";
import { privateKeyToAccount } from "viem/accounts";

const { URL, METHOD = "GET", BODY, PAYER_KEY } = process.env;
const currencies = [evm.assets.baseSepolia.USDC];
const account = privateKeyToAccount(`0x${PAYER_KEY}`);
const mppx = Mppx.create({ methods: [evm.charge({ account, currencies, maxAmount: "0.01" })], polyfill: false });
const headers = BODY ? { "content-type": "application/json" } : {};
const reply = await mppx.fetch(URL, { method: METHOD, body: BODY, headers });
const receipt = reply.headers.get("payment-receipt");
const read = receipt && JSON.parse(Buffer.from(receipt, "base64url"));
console.log(JSON.stringify({ status: reply.status, body: await reply.json(), receipt: read }));

// The reference MPP seller (mppx) of pages paid on Tempo (tempo/charge): `/own` leaves the chain's fee to the payer,
// `/sponsored` pays it, `/three` asks by tempo/charge, by evm/charge on another chain and by x402 in one 402, `/pushed`
// wants the payment on the chain first, `/proof` wants no money. Reads RPC, FACILITATOR_KEY, PAY_TO, and
// the payees of `/fresh` and `/virtual`: OTHER_PAYEE and VIRTUAL_PAYEE.

import { Mppx, evm, tempo } from "mppx/server";
import { createClient, http as rpc } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { tempo as tempoChain } from "viem/tempo/chains";
import { sell } from "./pages.mjs";

const { RPC, FACILITATOR_KEY, PAY_TO, OTHER_PAYEE, VIRTUAL_PAYEE } = process.env;
const CENT = "0.01";
const CHAIN = 31337;
const PATH_USD = "0x20c0000000000000000000000000000000000000";

const client = createClient({ chain: { ...tempoChain, id: CHAIN }, transport: rpc(RPC), pollingInterval: 100 });
const charging = (more = {}) =>
  tempo.charge({ getClient: () => client, chainId: CHAIN, currency: PATH_USD, recipient: PAY_TO, ...more });
const shop = (...methods) => Mppx.create({ secretKey: "a secret of at least thirty-two bytes", realm: "127.0.0.1", methods });

const other = evm.charge({ currency: evm.assets.baseSepolia.USDC, recipient: PAY_TO, settle: () => { throw new Error("not here"); } });
const shops = {
  own: shop(charging(), other),
  sponsored: shop(charging({ feePayer: privateKeyToAccount(FACILITATOR_KEY) })),
  pushed: shop(charging({ supportedModes: ["push"] })),
  fresh: shop(charging({ recipient: OTHER_PAYEE })),
  virtual: shop(charging({ recipient: VIRTUAL_PAYEE })),
};
const cent = (of) => (request) => shops[of].tempo.charge({ amount: CENT })(request);
sell({
  own: cent("own"),
  sponsored: cent("sponsored"),
  pushed: cent("pushed"),
  fresh: cent("fresh"),
  virtual: cent("virtual"),
  three: (request) => shops.own.compose(["evm/charge", { amount: CENT }], ["tempo/charge", { amount: CENT }])(request),
  proof: (request) => shops.own.tempo.charge({ amount: "0" })(request),
});

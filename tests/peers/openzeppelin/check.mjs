// A token whose EIP-3009 nonce is a queue and a place in it, at the reference seller: the owner's own row in config.toml.

import { fileURLToPath } from "node:url";
import { PAYER } from "../lib/bursar.mjs";
import { NETWORK, PAYEE } from "../lib/chain.mjs";
import { makeScene, usedToday } from "../lib/pays.mjs";
import { allowed, placePermit2 } from "../lib/permit2.mjs";
import { check, equal, runPart } from "../lib/report.mjs";
import { Wire } from "../lib/wire.mjs";
import { deploy } from "./token.mjs";

const CENT = 10n ** 16n;
const FUNDS = 500n * CENT;
const WINDOW_S = 300; // no authorization of bursar's is good for longer
const CLOCKS_S = 60; // anvil's clock and ours differ by whole seconds
const DOMAIN = { name: "Authorized Dollar", version: "1" };
const seller = fileURLToPath(new URL("../v2-express/ways.mjs", import.meta.url));
// Where the facilitator's first contract will stand is known before there is a chain.
const TOKEN = "0x5FbDB2315678afecb367f032d93F642f64180aa3";

const row = `
[[asset]]
network = "${NETWORK}"
address = "${TOKEN}"
symbol = "AUTD"
decimals = 18
eip712_name = "${DOMAIN.name}"
eip712_version = "${DOMAIN.version}"
usd = "1"
`;

runPart("openzeppelin", async (onStop) => {
  const wire = new Wire(onStop);
  const prepareChain = async (chain) => {
    equal("the token stands where it is expected", (await deploy(chain)).toLowerCase(), TOKEN.toLowerCase());
    await chain.mint(PAYER, FUNDS, TOKEN);
    await placePermit2(chain);
  };
  const env = { ASSET: JSON.stringify({ amount: `${CENT}`, asset: TOKEN, extra: DOMAIN }) };
  const given = { command: process.execPath, args: [seller], env, prepareChain, through: (url) => wire.to(url) };
  const { chain, url, bursar } = await makeScene(onStop, given);
  const moved = async () => [FUNDS - (await chain.balance(PAYER, TOKEN)), await chain.balance(PAYEE, TOKEN)];
  const reconciles = async () => {
    const { code, stdout } = await bursar.run(["reconcile", "--json"]);
    return [code, JSON.parse(stdout).alarms];
  };
  const proofs = async () => (await bursar.log()).filter(({ state }) => state === "settled").map(({ proof }) => proof);

  const stranger = await bursar.serve();
  const refused = await stranger.call("fetch_paid", { url: `${url}/asset/cent` });
  const why = [refused.outcome, refused.charged, refused.reasons.map(({ code }) => code)];
  equal("a token that nobody named is not paid with", why, ["refused", "no", ["unknown_asset"]]);
  await stranger.close();

  bursar.addConfig(row);
  const server = await bursar.serve();
  const buys = async (what, path, already) => {
    const bought = await server.call("fetch_paid", { url: `${url}${path}` });
    const { payment = {} } = bought;
    const is = [bought.outcome, bought.charged, payment.state, payment.asset, payment.amount_atomic, payment.amount_usd];
    check(`${what}: the page is bought`, JSON.stringify(is) === JSON.stringify(["answered", "yes", "settled", "AUTD", `${CENT}`, "0.01"]), bought);
    equal(`${what}: payer's and payee's balances changed by exactly the price`, await moved(), [already, already]);
    return JSON.parse(Buffer.from(wire.payments.at(-1), "base64"));
  };

  const first = await buys("the first payment", "/asset/cent?1", CENT);
  const second = await buys("the second payment", "/asset/cent?2", 2n * CENT);
  const nonces = [first, second].map(({ payload }) => BigInt(payload.authorization.nonce));
  equal("each is the first of a queue of its own", [nonces.map((nonce) => nonce % 2n ** 64n), nonces[0] !== nonces[1]], [[0n, 0n], true]);
  check("no queue is the one that permits use", nonces.every((nonce) => nonce >> 64n !== 0n), nonces);

  const lost = wire.loseNextPaidReply();
  const wish = { url: `${url}/asset/cent?reply=lost` };
  const unknown = await server.call("fetch_paid", wish);
  await lost;
  const again = await server.call("fetch_paid", wish);
  check("a lost reply is not paid for twice", again.charged === "yes" && again.purchase_id === unknown.purchase_id, { unknown, again });
  equal("a lost reply moved one price", await moved(), [3n * CENT, 3n * CENT]);

  await buys("by Permit2, sponsored by a permit", "/asset-permits/cent?1", 4n * CENT);
  await buys("by Permit2, sponsored by a permit once more", "/asset-permits/cent?2", 5n * CENT);
  equal("no allowance is left over", await allowed(chain, TOKEN), 0n);

  const failed = await server.call("fetch_paid", { url: `${url}/asset/broken` });
  equal("a page that fails is held", [failed.charged, failed.payment?.state], ["unknown", "held"]);
  await chain.finalize();
  equal("reconcile finds nothing unexplained", await reconciles(), [0, []]);
  equal("the chain proves every payment", await proofs(), Array(5).fill("chain"));
  await chain.pass(WINDOW_S + CLOCKS_S);
  equal("past the window, reconcile finds nothing unexplained", await reconciles(), [0, []]);
  const lapsed = (await bursar.log()).filter(({ state, proof }) => state === "lapsed" && proof === "chain");
  equal("past the window, what nobody took has lapsed", lapsed.map(({ purchase_id }) => purchase_id), [failed.purchase_id]);
  const used = await usedToday(server);
  equal("the budgets count what moved", [used.held_usd, used.used_usd], ["0.00", "0.05"]);
  equal("the ledger's own audit agrees", (await bursar.run(["audit"])).code, 0);
  await server.close();
});

// The client of this folder against sellers of both versions, by every way to pay: one process for each payment.

import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PAYER, PAYER_KEY } from "../lib/bursar.mjs";
import { FACILITATOR_KEY, NETWORK, PAYEE, startChain } from "../lib/chain.mjs";
import { moved } from "../lib/pays.mjs";
import { allow, placePermit2 } from "../lib/permit2.mjs";
import { runToEnd, start } from "../lib/process.mjs";
import { check, equal, runPart } from "../lib/report.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const FUNDS = 5_000_000n;

runPart("e2e-client", async (onStop) => {
  const chain = await startChain(onStop);
  await placePermit2(chain);
  await chain.mint(PAYER, FUNDS);
  const tmp = mkdtempSync(join(tmpdir(), "e2e-client-"));
  onStop(() => rmSync(tmp, { recursive: true, force: true }));
  const open = async (seller) => {
    const env = { RPC: chain.url, FACILITATOR_KEY, PAY_TO: PAYEE };
    return (await start(onStop, process.execPath, [here(`../${seller}`)], { env })).ready.url;
  };
  const [v1, v2, ways] = [await open("v1-express/seller.mjs"), await open("v2-express/seller.mjs"), await open("v2-express/ways.mjs")];
  const client = (url, path, given = {}) => {
    const key = { CLIENT_EVM_PRIVATE_KEY: `0x${PAYER_KEY}` };
    const names = { RESOURCE_SERVER_URL: url, ENDPOINT_PATH: path, EVM_NETWORK: NETWORK, EVM_RPC_URL: chain.url };
    const { PATH, BURSAR_BIN } = process.env;
    return runToEnd(here("run"), [], { env: { PATH, BURSAR_BIN, TMPDIR: tmp, ...names, ...key, ...given } });
  };

  await paysBy("x402 v1", chain, await paid(chain), () => client(v1, "/cent"), { network: "base-sepolia" });
  const older = { CLIENT_EVM_PRIVATE_KEY: "", EVM_PRIVATE_KEY: PAYER_KEY };
  await paysBy("EIP-3009, with the key by its older name", chain, await paid(chain), () => client(v2, "/cent", older));
  await paysBy("Permit2, sponsored by a permit", chain, await paid(chain), () => client(ways, "/permits/cent"));
  await paysBy("Permit2, sponsored by an approval", chain, await paid(chain), () => client(ways, "/approvals/cent"));
  await fails("Permit2, without an allowance", "Permit2", chain, () => client(ways, "/permit2/cent"));
  await allow(chain, 50_000n);
  await paysBy("Permit2, allowed", chain, await paid(chain), () => client(ways, "/permit2/cent"));
  await paysBy("upto", chain, await paid(chain), () => client(ways, "/upto/cent?take=4321"), { taken: 4_321n });
  await paysBy("upto, of which nothing is taken", chain, await paid(chain), () => client(ways, "/upto/cent?take=0"), { taken: 0n });
  await paysBy("upfront", chain, await paid(chain), () => client(ways, "/upfront/cent"));

  const free = await client(v2, "/free");
  equal("a free page is had, and nothing is paid", [free.code, lineOf(free)], [0, { success: true, data: { goods: "free" }, status_code: 200 }]);
  await fails("a page beyond every limit", "$10", chain, () => client(v2, "/yacht"));
  await fails("without a key", "CLIENT_EVM_PRIVATE_KEY", chain, () => client(v2, "/cent", { CLIENT_EVM_PRIVATE_KEY: "" }));
  await fails("a seller that is not there", "127.0.0.1", chain, () => client("http://127.0.0.1:1", "/cent"));
  equal("nothing of it is left behind", readdirSync(tmp), []);
});

async function paysBy(way, chain, before, run, { taken = 10_000n, network = NETWORK } = {}) {
  const ended = await run();
  const { success, data, status_code, payment_response, ...rest } = lineOf(ended);
  const is = [ended.code, success, status_code, data?.goods, rest];
  check(`${way}: the page is bought`, JSON.stringify(is) === JSON.stringify([0, true, 200, "a page worth a cent", {}]), ended);
  equal(`${way}: payer's and payee's balances changed by what was taken`, await paid(chain), before + taken);
  const told = [payment_response?.success, payment_response?.network, payment_response?.payer?.toLowerCase()];
  equal(`${way}: it tells what the seller said of the payment`, told, [true, network, PAYER.toLowerCase()]);
  const settled = payment_response?.transaction && (await chain.receipt(payment_response.transaction));
  check(`${way}: the chain transaction it names is on the chain`, taken ? settled?.status === "0x1" : payment_response?.transaction === "", ended);
}

async function fails(what, why, chain, run) {
  const before = await paid(chain);
  const ended = await run();
  const { success, error } = lineOf(ended);
  check(`${what}: it ends with 1, says why, and pays nothing`, ended.code === 1 && success === false && error?.includes(why) && (await paid(chain)) === before, ended);
}

/** What has been paid so far; whatever left the payer reached the payee. */
async function paid(chain) {
  const { paid, received } = await moved(chain);
  if (paid !== received) throw new Error(`paid ${paid}, received ${received}`);
  return paid;
}

/** The one line of stdout, and no word of the key. */
function lineOf({ stdout, stderr }) {
  if (`${stdout}${stderr}`.toLowerCase().includes(PAYER_KEY)) throw new Error("the key is in what the client says");
  const lines = stdout.trim().split("\n");
  if (lines.length !== 1) throw new Error(`not one line:\n${stdout}${stderr}`);
  return JSON.parse(lines[0]);
}

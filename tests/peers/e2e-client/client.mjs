// One paid request with a bursar of its own, in the words of the x402 project's end-to-end tests.
//
// Reads RESOURCE_SERVER_URL, ENDPOINT_PATH, the payer's key as CLIENT_EVM_PRIVATE_KEY or EVM_PRIVATE_KEY, and where they
// are set EVM_NETWORK, EVM_RPC_URL and BURSAR_BIN. The last line of stdout is JSON: success, data, status_code,
// payment_response, and an error where there is one. Exits 0 if the page was had and whatever it cost was settled.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const { RESOURCE_SERVER_URL, ENDPOINT_PATH = "/protected", EVM_RPC_URL, BURSAR_BIN = "bursar" } = process.env;
const NETWORK = process.env.EVM_NETWORK || "eip155:84532";
const KEY = process.env.CLIENT_EVM_PRIVATE_KEY || process.env.EVM_PRIVATE_KEY;

const dir = mkdtempSync(join(tmpdir(), "bursar-e2e-"));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => { cleanUp(); process.exit(1); });
try {
  end(pay());
} catch (error) {
  end({ success: false, error: error.message });
}

function pay() {
  if (!KEY || !RESOURCE_SERVER_URL) throw new Error("RESOURCE_SERVER_URL and CLIENT_EVM_PRIVATE_KEY have to be set");
  const url = new URL(`${RESOURCE_SERVER_URL}${ENDPOINT_PATH}`);
  const env = makeHome(url);
  const bursar = (args, input) => spawnSync(BURSAR_BIN, args, { env, cwd: dir, input, encoding: "utf8" });

  const taken = bursar(["wallet", "import", "--store", "file"], `${KEY.replace(/^0x/, "")}\n`);
  if (taken.status !== 0) throw new Error(taken.error?.message ?? taken.stderr);
  const fetched = bursar(["fetch", url.href, "--json"]);
  if (!fetched.stdout) throw new Error(fetched.stderr);
  const answer = JSON.parse(fetched.stdout);
  const receipt = answer.payment && receiptOf(JSON.parse(bursar(["why", answer.purchase_id, "--json"]).stdout));
  return toldAs(answer, receipt);
}

/** A home that may pay this seller by every way there is, within limits that these tests stay under. */
function makeHome(url) {
  const home = join(dir, "home");
  mkdirSync(home, { mode: 0o700 });
  const write = (path, text) => writeFileSync(path, text, { mode: 0o600 });
  const passphrase = join(dir, "passphrase");
  const rpc = EVM_RPC_URL ? `[chains."${NETWORK}"]\nrpc = ["${EVM_RPC_URL}"]\n` : "";
  const port = url.port || { "http:": 80, "https:": 443 }[url.protocol];
  write(passphrase, "only for as long as one request takes\n");
  write(join(home, "config.toml"), `[wallet]\nstore = "file"\n${rpc}`);
  write(join(home, "policy.toml"), policy(`${url.hostname}:${port}`));
  return { PATH: process.env.PATH, HOME: dir, BURSAR_HOME: home, BURSAR_PASSPHRASE_FILE: passphrase, NO_COLOR: "1" };
}

function policy(host) {
  return `version = 1
[wallet]
per_payment = "10.00"
per_hour = "10.00"
per_day = "10.00"
[session]
total = "10.00"
[each_domain]
per_payment = "10.00"
per_session = "10.00"
per_day = "10.00"
[payee]
per_day = "10.00"
[approval]
above = "10.00"
[networks]
allow = ["${NETWORK}"]
[schemes]
allow = ["exact", "upto", "upfront"]
[egress]
allow = ["${host}"]
`;
}

/** What the seller said of the payment, as x402 writes it. */
function receiptOf({ receipt }) {
  if (!receipt) return undefined;
  const { success, chain_tx, network, payer, amount, error_reason } = receipt;
  const given = { amount, errorReason: error_reason };
  const extra = Object.fromEntries(Object.entries(given).filter(([, value]) => value != null));
  return { success, transaction: chain_tx ?? "", network, payer, ...extra };
}

function toldAs(answer, receipt) {
  const { outcome, charged, http, body, reasons } = answer;
  const isHere = outcome === "answered" && http.status < 400;
  const success = isHere && (receipt ? receipt.success : charged === "no");
  const error = success ? undefined : [outcome, ...reasons.map(({ message }) => message)].join(": ");
  return { success, data: parsed(body), status_code: http?.status, payment_response: receipt, error };
}

function parsed(body) {
  try { return JSON.parse(body); } catch { return body; }
}

function end(result) {
  cleanUp();
  console.error(result.success ? "Client test completed successfully" : result.error);
  console.log(JSON.stringify(result));
  process.exit(result.success ? 0 : 1);
}

function cleanUp() {
  rmSync(dir, { recursive: true, force: true });
}

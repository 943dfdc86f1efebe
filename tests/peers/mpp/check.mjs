// The Machine Payments Protocol by EIP-3009 (evm/charge): both reference sellers, paid by their own clients first, so
// that what bursar is told by them is known to work.

import { fileURLToPath } from "node:url";
import { isKilled, losesPayment, losesReply } from "../lib/loses.mjs";
import { cents, makeScene, moved, paysSeller } from "../lib/pays.mjs";
import { check, equal, runPart } from "../lib/report.mjs";
import { Wire } from "../lib/wire.mjs";
import { isPaidByItsOwn } from "./references.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const python = here("../.cache/mpp/bin/python");
const js = (file) => ({ command: process.execPath, args: [here(file)] });
const py = (file) => ({ command: python, args: [here(file)] });

runPart("mpp", async (onStop) => {
  await isPaidByItsOwn(onStop, "mppx", js("seller.mjs"), js("client.mjs"), ["/mpp", "/both", "/three"]);
  await isPaidByItsOwn(onStop, "pympp", py("seller.py"), py("client.py"), ["/mpp", "/both"]);

  const several = await makeScene(onStop, js("seller.mjs"));
  await paysOneOfSeveral(several, "mppx", "/both", 0n);
  await paysOneOfSeveral(several, "mppx", "/three", 1n);
  const other = await makeScene(onStop, py("seller.py"));
  await paysOneOfSeveral(other, "pympp", "/both", 0n);
  await signsOnceAtMost(onStop);

  const plain = await makeScene(onStop, js("seller.mjs"));
  await paysSeller(plain, { dialect: "mpp", at: "/mpp", takesFirst: true });
  const others = await makeScene(onStop, py("seller.py"));
  await paysSeller(others, { dialect: "mpp", at: "/mpp", takesFirst: true });
  const wire = new Wire(onStop);
  const broken = await makeScene(onStop, { ...js("seller.mjs"), through: (url) => wire.to(url) });
  const byMpp = { ...broken, url: `${broken.url}/mpp` };
  await losesReply(byMpp, wire);
  await isKilled(byMpp, wire);
  await losesPayment(byMpp, wire);
});

/** A page that can be paid in several languages is paid in one of them. */
async function paysOneOfSeveral({ chain, url, bursar }, name, way, before) {
  const server = await bursar.serve();
  const bought = await server.call("fetch_paid", { url: `${url}${way}/cent` });
  const { payment = {} } = bought;
  const is = [bought.outcome, bought.charged, payment.state, payment.amount_atomic];
  check(`${name}${way}: the page is bought`, is.join() === "answered,yes,settled,10000" && /^(mpp|x402v2)$/.test(payment.dialect), bought);
  equal(`${name}${way}: payer's and payee's balances changed by one price`, await moved(chain), cents(before + 1n));
  await server.close();
  await chain.finalize();
  const { code, stdout } = await bursar.run(["reconcile", "--json"]);
  equal(`${name}${way}: reconcile finds nothing unexplained`, [code, JSON.parse(stdout).alarms], [0, []]);
  const row = (await bursar.log()).find(({ purchase_id }) => purchase_id === bought.purchase_id);
  equal(`${name}${way}: the chain proves it`, [row?.state, row?.proof], ["settled", "chain"]);
}

/**
 * pympp makes its nonce of the challenge in another way than mppx, and nothing in the challenge says which one a seller
 * wants. Whatever bursar makes of that, one challenge is signed once, and what it says of the money is so.
 */
async function signsOnceAtMost(onStop) {
  const wire = new Wire(onStop);
  const { chain, url, bursar } = await makeScene(onStop, { ...py("seller.py"), through: (url) => wire.to(url) });
  const server = await bursar.serve();
  const wish = { url: `${url}/mpp/cent` };
  const first = await server.call("fetch_paid", wish);
  const again = await server.call("fetch_paid", wish);
  check("pympp/mpp: at most one payment was signed for", new Set(wire.payments).size <= 1, { first, again });
  const { paid, received } = await moved(chain);
  check("pympp/mpp: at most one price moved", paid === received && paid <= 10_000n, { paid, received });
  check("pympp/mpp: what is said of the money is so", first.charged === "unknown" || (first.charged === "yes") === (paid === 10_000n), first);
  await server.close();
  await chain.pass(360);
  const { code, stdout } = await bursar.run(["reconcile", "--json"]);
  equal("pympp/mpp: past the window, reconcile finds nothing unexplained", [code, JSON.parse(stdout).alarms], [0, []]);
  const unproven = (await bursar.log()).filter(({ state, proof }) => /settled|held|authorized/.test(state) && proof !== "chain");
  equal("pympp/mpp: past the window, nothing is left unproven", unproven, []);
}

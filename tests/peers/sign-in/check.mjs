// Paid for once, and had again by signing in: at the reference seller, with its own extension, storage and hooks.

import { fileURLToPath } from "node:url";
import { PAYER, PAYER_KEY } from "../lib/bursar.mjs";
import { cents, makeScene, moved } from "../lib/pays.mjs";
import { check, equal, runPart } from "../lib/report.mjs";
import { signsIn } from "../v2-express/stranger.mjs";

const seller = { command: process.execPath, args: [fileURLToPath(new URL("../v2-express/members.mjs", import.meta.url))] };
// Anvil's fourth account: it has paid for nothing.
const STRANGER_KEY = "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6";
const signInAllowed = '[[domain]]\nhost = "127.0.0.1"\nrepeat_window = "0s"\nsign_in = "allow"\n';
const signInRefused = '[[domain]]\nhost = "127.0.0.1"\nrepeat_window = "0s"\n';

const as = (answer) => [answer.outcome, answer.charged, answer.http?.status];
const parsed = (answer) => JSON.parse(answer.body ?? "{}");

runPart("sign-in", async (onStop) => {
  const { chain, url, bursar } = await makeScene(onStop, seller);
  const events = async (type) => (await (await fetch(`${url}/events`)).json()).filter((event) => event.type === type);
  const free = ["answered", "no", 200];

  bursar.addRules(signInAllowed);
  const server = await bursar.serve(["--agent", "first"]);
  for (const [nth, path] of ["/page", "/endless"].entries()) {
    const total = cents(BigInt(nth + 1));
    const wish = { url: `${url}${path}` };
    const bought = await server.call("fetch_paid", wish);
    equal(`${path}: the first time it is paid for`, [as(bought), await moved(chain)], [["answered", "yes", 200], total]);
    const again = await server.call("fetch_paid", wish);
    check(`${path}: the second time it is re-entered`, again.next?.startsWith("re-entered at no charge"), again);
    equal(`${path}: at no charge`, [as(again), again.served_from_store, parsed(again).goods], [free, false, `of ${path}`]);
    check(`${path}: and made anew`, parsed(again).copy > parsed(bought).copy, { bought, again });
    equal(`${path}: no balance has changed`, await moved(chain), total);
  }
  const granted = await events("access_granted");
  equal("the seller knows who came again", granted.map(({ address }) => address), [PAYER, PAYER]);
  equal("no visit was signed in to before it was paid for", await events("validation_failed"), []);

  const members = await server.call("fetch_paid", { url: `${url}/members` });
  equal("a page that wants nothing but a sign-in is entered", [as(members), parsed(members).goods], [free, "of /members"]);
  await server.close();

  equal("a wallet that has not paid does not get in", await signsIn(`${url}/page`, STRANGER_KEY), 402);
  equal("the wallet that has paid gets in by the reference client too", await signsIn(`${url}/page`, `0x${PAYER_KEY}`), 200);

  const other = await bursar.serve(["--agent", "second"]);
  const own = await other.call("fetch_paid", { url: `${url}/page` });
  equal("another agent of the same owner pays for its own", [as(own), await moved(chain)], [["answered", "yes", 200], cents(3n)]);
  await other.close();

  const rows = await bursar.log();
  const entered = rows.filter(({ state }) => state === "free");
  equal("the log has what was entered", entered.map(({ agent, amount_usd }) => [agent, amount_usd ?? null]), Array(3).fill(["first", null]));
  const story = await bursar.why(`first/${entered[0].purchase_id}`);
  equal("and why", story.events.map(({ kind }) => kind), ["signed_in", "entered"]);

  bursar.changeRules(signInAllowed, signInRefused);
  const refusing = await bursar.serve(["--agent", "first"]);
  const before = (await events("access_granted")).length;
  const anew = await refusing.call("fetch_paid", { url: `${url}/page` });
  equal("where the owner did not allow it, it is paid for again", [as(anew), await moved(chain)], [["answered", "yes", 200], cents(4n)]);
  const shut = await refusing.call("fetch_paid", { url: `${url}/members` });
  const why = [shut.outcome, shut.charged, shut.reasons.map(({ code, who_can_fix }) => [code, who_can_fix])];
  equal("and the page for members is refused by name", why, ["refused", "no", [["sign_in_refused", "owner"]]]);
  equal("nobody was told who asks", (await events("access_granted")).length, before);
  await refusing.close();

  await chain.finalize();
  equal("reconcile finds nothing unexplained", JSON.parse((await bursar.run(["reconcile", "--json"])).stdout).alarms, []);
  equal("the ledger's own audit agrees", (await bursar.run(["audit"])).code, 0);
});

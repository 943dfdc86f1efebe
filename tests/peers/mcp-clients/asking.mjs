// A purchase its owner is asked about, asked inside the client: as a request of the server's in the older era, as a
// result that asks for input in the newer one. The clients do either by themselves; what a person says is made up here.

import { moved } from "../lib/pays.mjs";
import { check, equal } from "../lib/report.mjs";
import { connect } from "./clients.mjs";

const DEAR = 200_000n;
const decides = (decision) => ({ action: "accept", content: { decision } });

// What somebody says, and what must come of it: the answer, its reason, and how often two calls ask.
const SAID = [
  ["approves", decides("approve"), "answered", undefined, 1],
  ["denies", decides("deny"), "refused", "denied_by_owner", 1],
  ["declines", { action: "decline" }, "refused", "denied_by_owner", 1],
  ["puts the form away", { action: "cancel" }, "needs_approval", "above_approval", 1],
  ["sends it back empty", { action: "accept", content: {} }, "needs_approval", "above_approval", 1],
];

export async function asksItsPerson(onStop, { chain, url, bursar }, kind) {
  for (const [what, said, outcome, code, times] of SAID) {
    const agent = `${what}-${kind.name}`.replace(/\W+/g, "-");
    const asked = [];
    const { client, call } = await connect(onStop, bursar, kind, agent, ({ params }) => (asked.push(params), said));
    const before = await moved(chain);
    const wish = { url: `${url}/dear?by=${agent}` };
    const answers = [];
    for (let nth = 0; nth < 2; nth += 1) answers.push((await call("fetch_paid", wish)).structuredContent);
    const charged = outcome === "answered" ? ["yes", "no"] : ["no", "no"];
    const is = answers.map((answer) => [answer?.outcome, answer?.charged, answer?.reasons?.[0]?.code]);
    check(`${kind.name}: somebody ${what}`, is.join() === charged.map((yes) => [outcome, yes, code]).join(), answers);
    equal(`${kind.name}: somebody ${what}: paid for`, (await moved(chain)).paid - before.paid, outcome === "answered" ? DEAR : 0n);
    equal(`${kind.name}: somebody ${what}: asked so often`, asked.length, times);
    asksFairly(`${kind.name}: somebody ${what}`, asked[0], agent);
    await client.close();
  }
}

/** The terms, a choice that has no default, and no link. */
function asksFairly(name, asked, agent) {
  const { properties, required } = asked?.requestedSchema ?? {};
  const choice = [required, Object.keys(properties ?? {}), properties?.decision?.enum, properties?.decision?.default];
  equal(`${name}: is given a choice without a default`, choice, [["decision"], ["decision"], ["approve", "deny"], undefined]);
  const told = [agent, "$0.20", "/dear", "0.2 USDC", "Base Sepolia"].filter((part) => !asked?.message.includes(part));
  check(`${name}: is told the terms`, told.length === 0 && !asked.message.includes("http"), asked);
}

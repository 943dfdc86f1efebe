// Money that leaves our account by our key and not by bursar: somebody else has the key.

import { check, equal } from "../lib/report.mjs";
import { memo, transfers } from "./token.mjs";
import { addressOf, make, newKey, signerOf } from "./transaction.mjs";

export async function isRobbed(wallet) {
  const { chain, sellers, bursar } = wallet;
  const bought = await wallet.fetch(`${sellers.v2}/plain/cent?copy=honest`);
  equal("before, a page is bought", [bought.outcome, bought.charged], ["answered", "yes"]);
  await chain.finalize();
  equal("and reconcile finds nothing unexplained", (await wallet.reconcile()).code, 0);

  const [ours] = await wallet.balances();
  await robs(wallet, 1_000_000n);
  equal("a dollar leaves by our key", (await wallet.balances())[0], ours - 1_000_000n);
  await chain.finalize();
  const found = await wallet.reconcile();
  check("reconcile raises an alarm", found.code === 1, found);
  const refused = await wallet.fetch(`${sellers.v2}/plain/cent?copy=after`);
  check("and the wallet is frozen", refused.code === 7 && refused.reasons?.some(({ code }) => code === "frozen"), refused);
  const server = await bursar.serve();
  equal("an agent is told so", (await server.call("get_budget", {})).frozen, true);
  await server.close();
}

async function robs({ chain, key, account }, amount) {
  const thief = await signerOf(newKey()); // pays the fee too, so that the transaction looks like one of ours
  await chain.hook("sol", { address: thief.address, lamports: "1000000000" });
  const { mint, program } = chain.tokens.USDC;
  const token = { mint, program, decimals: 6 };
  const { account: to } = await chain.fund(addressOf(newKey()), 0);
  const { value } = await chain.rpc("getLatestBlockhash");
  const instructions = [transfers({ authority: await signerOf(key), from: account, to, amount, token }), memo("f00df00df00df00df00df00df00df00d")];
  const sent = await make({ feePayer: thief, blockhash: value.blockhash, instructions });
  await chain.rpc("sendTransaction", [sent, { encoding: "base64" }]);
  await chain.hook("advance", { blocks: 1 });
}

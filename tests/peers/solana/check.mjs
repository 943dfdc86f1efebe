// The reference seller and facilitator of x402 on Solana, on a chain that is Solana's own runtime under blocks of ours.
// `node check.mjs reference` runs one chapter; the first two are about the rig alone and need no bursar.

import { runPart } from "../lib/report.mjs";
import { Wire } from "../lib/wire.mjs";
import { asksNobodyOnTheWay, buysEverywhere, buysTwiceAtOnce, isProven, neverRepeatsANonce } from "./buys.mjs";
import { startChain, startSellers } from "./chain.mjs";
import { isRobbed } from "./foreign.mjs";
import { asksBlindNodes, failsOnChain, isKilled, landsLate, losesASend, losesReply } from "./loses.mjs";
import { paysByReference } from "./reference.mjs";
import { behaves } from "./rig.mjs";
import * as routes from "./routes.mjs";
import { makeWallet } from "./wallet.mjs";

const CHAPTERS = { rig: behaves, reference: paysByReference, buys, loses, breaks, robbed };
const BOTH = ["reference", "buys"]; // that look at the chain of real money too
const wanted = process.argv.slice(2);

runPart("solana", async (onStop) => {
  const chapters = wanted.length ? wanted : Object.keys(CHAPTERS);
  // Most chapters run the chain's clock ahead, and bursar signs nothing where that is not its own: each has new chains.
  for (const chapter of chapters) {
    const both = BOTH.includes(chapter) ? ["devnet", "mainnet"] : ["devnet"];
    const clusters = [];
    for (const name of both) clusters.push(await startCluster(onStop, name));
    await CHAPTERS[chapter](...clusters);
  }
});

async function startCluster(onStop, name) {
  const chain = await startChain(onStop, name);
  return { onStop, chain, sellers: await startSellers(onStop, chain, name), routes: routes[name] };
}

async function buys(devnet, mainnet) {
  const wallet = await makeWallet(devnet.onStop, devnet.chain, devnet.sellers);
  await buysEverywhere(wallet, devnet.routes(devnet.sellers));
  await buysTwiceAtOnce(wallet);
  await asksNobodyOnTheWay(wallet);
  await neverRepeatsANonce(wallet);
  await isProven(wallet);
  const real = await makeWallet(mainnet.onStop, mainnet.chain, mainnet.sellers);
  await buysEverywhere(real, mainnet.routes(mainnet.sellers));
}

// A new chain for each, for the same reason.
async function loses({ onStop }) {
  for (const happens of [losesASend, landsLate, failsOnChain, asksBlindNodes]) {
    const chain = await startChain(onStop, "devnet");
    await happens(await makeWallet(onStop, chain, await startSellers(onStop, chain, "devnet")));
  }
}

async function breaks({ onStop, chain, sellers }) {
  const wire = new Wire(onStop);
  const url = await wire.to(sellers.v2);
  const wallet = await makeWallet(onStop, chain, sellers, [url]);
  await losesReply(wallet, url, wire);
  await isKilled(wallet, url, wire);
}

async function robbed({ onStop, chain, sellers }) {
  await isRobbed(await makeWallet(onStop, chain, sellers));
}

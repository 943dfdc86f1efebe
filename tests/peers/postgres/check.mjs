// A fleet on one ledger: PostgreSQL. `node check.mjs caps breaks` runs some of the chapters; BURSAR_CASES=all breaks every
// message in every way, and plays each round three times.

import { startChain } from "../lib/chain.mjs";
import { runPart } from "../lib/report.mjs";
import { beginsAnyhow, losesNothing } from "./breaks.mjs";
import { buysOnce, keepsTheCap } from "./caps.mjs";
import { isKept, isLetIn, isPooled } from "./doors.mjs";
import { Witness } from "./fleet.mjs";
import { areHeard, isKeptByNobody, isMeasured } from "./heard.mjs";
import { startServer } from "./server.mjs";

const CHAPTERS = {
  identical: buysOnce, caps: keepsTheCap, begins: beginsAnyhow, breaks: losesNothing, pooler: isPooled, tls: isLetIn, durability: isKept,
  heard: areHeard, busy: isKeptByNobody, figure: isMeasured,
};
const wanted = process.argv.slice(2);

runPart("postgres", async (onStop) => {
  const chain = await startChain(onStop);
  const server = await startServer({ settings: { max_connections: 200 } });
  onStop(() => server.remove());
  const everything = process.env.BURSAR_CASES === "all";
  const world = { onStop, chain, server, witness: new Witness(onStop, server), everything };
  for (const chapter of wanted.length ? wanted : Object.keys(CHAPTERS)) {
    const began = Date.now();
    await CHAPTERS[chapter](world);
    console.log(`      ${chapter}: ${((Date.now() - began) / 1000).toFixed(0)} s`);
  }
});

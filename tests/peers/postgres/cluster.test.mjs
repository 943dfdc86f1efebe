// A cluster loses its leader in three ways, under writers that are plain psql: how long until the first write is
// acknowledged again, and is everything there that was. `node cluster.test.mjs [rounds]`; needs root, a minute a loss.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { check, equal, runPart } from "../lib/report.mjs";
import { installPatroni, startCluster } from "./cluster.mjs";
import { bin, plainEnv, until } from "./system.mjs";

const WRITERS = 4;
const LONGEST_S = 90; // some 20 to 25 on a machine with nothing else to do
const patroni = fileURLToPath(new URL("../.cache/patroni", import.meta.url));
const rounds = Number(process.argv[2] ?? 1);

// A connection for each write, and an end of its own for each: nothing else ends a COMMIT that hangs.
const WRITES = `for ((i = 1; ; i += 1)); do
  id=$((WRITER * 1000000 + i)) began=$EPOCHREALTIME
  said=$(timeout 5 "$PSQL" -X -q -d "$URL" -c "INSERT INTO w VALUES ($id)" 2>&1) && [ -z "$said" ] && echo $id $began || sleep 0.1
done`;

runPart("cluster", async (onStop) => {
  installPatroni(patroni);
  const began = Date.now();
  const cluster = await startCluster({ mode: "strict", patroni });
  onStop(() => cluster.stop());
  console.log(`      leader and standby after ${seconds(began)} s`);
  const { leader } = await cluster.waitForSync();
  equal("a table is made", (await cluster.psql(leader, "CREATE TABLE w (id int PRIMARY KEY)")).code, 0);
  const acked = writes(onStop, cluster);

  for (let round = 1; round <= rounds; round += 1) {
    await loses(cluster, acked, "killed", (n) => cluster.kill(n), (n) => cluster.heal(n));
    await loses(cluster, acked, "cut off", (n) => cluster.cut(n), (n) => cluster.mend(n));
    await loses(cluster, acked, "frozen", (n) => cluster.freeze(n), (n) => cluster.thaw(n));
  }
});

async function loses(cluster, acked, how, harm, mends) {
  const { leader } = await cluster.waitForSync();
  await hears(acked, "acknowledgements");
  harm(leader);
  const began = Date.now();
  await hears(acked, `an acknowledgement with the leader ${how}`);
  console.log(`      leader ${how}: first acknowledged write after ${seconds(began)} s`);
  const next = await cluster.leader();
  check(`with the leader ${how} another one leads`, next !== leader, { leader, next });
  await nothingIsLost(cluster, acked, next, how);
  mends(leader);
  await until("the lost one is back", () => cluster.is(leader, "replica"), { timeoutS: 120, everyMs: 200 });
  const { leader: last } = await cluster.waitForSync();
  check(`back again, one that was ${how} does not lead`, last === next, { leader, next, last });
  await nothingIsLost(cluster, acked, last, `${how} and back`);
}

async function nothingIsLost(cluster, acked, leader, how) {
  const known = acked.map(({ id }) => id);
  const { stdout } = await cluster.psql(leader, "SELECT id FROM w");
  const there = new Set(stdout.split("\n").map(Number));
  const lost = known.filter((id) => !there.has(id));
  equal(`${how}: of ${known.length} acknowledged rows none is lost`, lost.length, 0);
}

/** Starts the writers; gives what has been acknowledged, which grows. */
function writes(onStop, cluster) {
  const acked = [];
  for (let writer = 1; writer <= WRITERS; writer += 1) {
    const env = { ...plainEnv, URL: cluster.url(), PSQL: `${bin}/psql`, WRITER: `${writer}` };
    const [command, ...args] = cluster.command("bash", ["-c", WRITES]);
    const child = spawn(command, args, { env, cwd: "/", stdio: ["ignore", "pipe", "inherit"] });
    onStop(() => child.kill("SIGKILL"));
    createInterface({ input: child.stdout }).on("line", (line) => {
      const [id, began] = line.split(" ").map(Number);
      acked.push({ id, beganMs: began * 1000 });
    });
  }
  return acked;
}

/** Waits for an acknowledged write that was begun after now. */
function hears(acked, what) {
  const now = Date.now();
  return until(what, () => acked.findLast(({ beganMs }) => beganMs > now), { timeoutS: LONGEST_S, everyMs: 20 });
}

const seconds = (began) => ((Date.now() - began) / 1000).toFixed(1);

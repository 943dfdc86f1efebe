// The proxy breaks what it says, and only that: with psql and pgbench, simple, extended and prepared, pipelined, over TCP
// and over a socket. Needs PostgreSQL and pgbench; takes half a minute.

import { spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { runToEnd } from "../lib/process.mjs";
import { check, equal, runPart } from "../lib/report.mjs";
import { startProxy } from "./proxy.mjs";
import { pooler, psql, startServer } from "./server.mjs";
import { bin, freePort, plainEnv, until } from "./system.mjs";

const MODES = ["simple", "extended", "prepared"];
const ROWS = "SELECT count(*) FROM t";

runPart("proxy", async (onStop) => {
  const server = await startServer({ settings: { max_connections: 60 } });
  onStop(() => server.remove());
  await server.psql("CREATE TABLE t (id int); CREATE TABLE big (x text)");
  const through = async (options) => {
    const proxy = await startProxy(server, options);
    onStop(() => proxy.stop());
    return proxy;
  };
  const bench = benchOf(server);

  await carriesEverything(server, through, bench);
  for (const mode of MODES) await breaksACommit(server, through, bench, mode);
  await breaksEachMessage(server, through, bench);
  await reset(server, through);
  await handlesPipelines(server, through);
  await isArmedAgain(server, through);
  await passesTls(server, onStop);
  await standsOnASocket(server, through);
  await standsBeforeAPooler(server, onStop);
  await runsAlone(server, onStop);
});

/** One transaction of one row, by pgbench: BEGIN, INSERT, COMMIT. */
function benchOf(server) {
  const script = join(server.dir, "one.sql");
  writeFileSync(script, "BEGIN;\nINSERT INTO t VALUES (1);\nCOMMIT;\n");
  return (proxy, mode, { clients = 1, transactions = 1, timeoutS = 60 } = {}) => {
    const at = ["-h", proxy.host, "-p", `${proxy.port}`, "-U", "postgres", "postgres"];
    const args = ["-n", "-M", mode, "-f", script, "-c", `${clients}`, "-t", `${transactions}`, ...at];
    return runToEnd(join(bin, "pgbench"), args, { env: { ...plainEnv, PGSSLMODE: "disable", PGGSSENCMODE: "disable" }, timeoutS, cwd: "/" });
  };
}

async function carriesEverything(server, through, bench) {
  const proxy = await through();
  const { stdout } = await psql(proxy.url(), "SELECT 1; SELECT repeat('x', 3000000); SELECT 2");
  equal("psql's answers come through, also long ones", [stdout.length, stdout.slice(-2)], [3_000_005, "2\n"]);
  equal("a dry run sees what psql sent", proxy.seen.map(({ kind, text }) => [kind, text]).filter(([kind]) => kind !== "Terminate"), [
    ["Startup", undefined],
    ["Query", "SELECT 1;"], ["Query", "SELECT repeat('x', 3000000);"], ["Query", "SELECT 2"],
  ]);
  const copied = await psql(proxy.url(), `COPY big FROM STDIN;\n${"y".repeat(1000).concat("\n").repeat(2000)}\\.\nSELECT count(*) FROM big;`);
  equal("a COPY comes through", copied.stdout.trim(), "2000");
  for (const mode of MODES) {
    const before = await rows(server);
    const { code } = await bench(proxy, mode, { clients: 4, transactions: 50 });
    equal(`${mode}: 200 transactions of 4 clients come through`, [code, (await rows(server)) - before], [0, 200]);
  }
  equal("it saw 600 commits", proxy.seen.filter(({ commit }) => commit).length, 600);
  const executes = proxy.seen.filter(({ kind, text }) => kind === "Execute" && text === undefined);
  equal("it knows the text of every Execute", executes.length, 0);
}

async function breaksACommit(server, through, bench, mode) {
  const broken = async (how, { at = { commit: 2 }, ...options } = {}) => {
    const before = await rows(server);
    const proxy = await through({ plan: { at, how } });
    const ended = await bench(proxy, mode, { transactions: 3, ...options });
    await until("it is broken", () => proxy.broke?.done, { timeoutS: 10 });
    await until("no session is left", async () => (await sessions(server)) === 0);
    const after = await rows(server);
    return { ...ended, proxy, broke: proxy.broke, rows: after - before };
  };
  const before = await broken("cut-before");
  equal(`${mode}: cut before the 2nd COMMIT only the 1st is in`, [before.rows, before.code], [1, 2]);
  check(`${mode}: and the client loses its connection`, /server closed the connection|Connection reset|aborted/.test(before.stderr), before.stderr);
  const kind = mode === "simple" ? "Query" : "Execute";
  equal(`${mode}: it says what it broke`, [before.broke.how, before.broke.text, before.broke.kind], ["cut-before", "COMMIT;", kind]);

  const after = await broken("cut-after");
  equal(`${mode}: cut after the 2nd COMMIT both are in`, [after.rows, after.code], [2, 2]);
  check(`${mode}: and the server had said so`, after.broke.answer.includes("C COMMIT") && after.broke.answer.at(-1) === "Z", after.broke);
  check(`${mode}: and the client did not hear it`, !/actually processed: [2-9]/.test(after.stdout), after.stdout);

  const unheard = await broken("cut-after-unheard");
  equal(`${mode}: cut after the 2nd COMMIT, unheard, both are in`, [unheard.rows, unheard.code], [2, 2]);
  check(`${mode}: and the server had said so to nobody`, unheard.broke.answer.includes("C COMMIT"), unheard.broke);

  const failed = await broken("error-40001");
  equal(`${mode}: a COMMIT that fails is not in, and the client goes on`, [failed.rows, failed.code], [2, 0]);
  check(`${mode}: and pgbench counts it among what it may try again`, /failed transactions: 1 /.test(failed.stdout), failed.stdout);

  const warned = await broken("warn-01000");
  equal(`${mode}: a COMMIT with a warning is in, and the client goes on`, [warned.rows, warned.code], [3, 0]);
  check(`${mode}: and the client has read the warning`, /canceling wait for synchronous replication/.test(warned.stderr), warned.stderr);

  const stalled = await broken("stall-1.5");
  equal(`${mode}: a COMMIT that is held comes through later`, [stalled.rows, stalled.code, stalled.seconds > 1.5], [3, 0, true]);
  const late = await broken("stall-1.5", { timeoutS: 0.7 });
  equal(`${mode}: a COMMIT that is held gets through though its client was killed`, [late.rows, late.code, late.broke.clientGone], [2, "SIGKILL", true]);
}

/** What a test does with it: count, then break each message once, and ask how many rows are in. */
async function breaksEachMessage(server, through, bench) {
  for (const mode of MODES) {
    const dry = await through();
    await bench(dry, mode);
    const kinds = dry.seen.map(({ kind }) => kind);
    const commit = dry.seen.findIndex((message) => message.commit) + 1;
    for (const how of ["cut-before", "cut-after", "cut-after-unheard"]) {
      const found = [], expected = [];
      for (let message = 1; message <= kinds.length; message += 1) {
        const before = await rows(server);
        const proxy = await through({ plan: { at: message, how } });
        await bench(proxy, mode);
        await until(`message ${message} is broken`, () => proxy.broke?.done, { timeoutS: 10 });
        await until("no session is left", async () => (await sessions(server)) === 0);
        found.push(`${kinds[message - 1]} ${(await rows(server)) - before}`);
        proxy.stop();
        // Whoever waits for ReadyForQuery lets the rest of the batch, so the COMMIT in it, come through.
        const batch = how === "cut-after" && mode !== "simple" ? kinds.indexOf("Sync", message - 1) + 1 : message;
        // pgbench first opens a connection only to look, whose end it does not miss.
        const isIn = kinds[message - 1] === "Terminate" || (how === "cut-before" ? message > commit : batch >= commit);
        expected.push(`${kinds[message - 1]} ${isIn ? 1 : 0}`);
      }
      equal(`${mode}: ${how} at each of ${kinds.length} messages leaves the row in or not`, found, expected);
    }
  }
}

async function reset(server, through) {
  const proxy = await through({ plan: { at: { text: "insert into t" }, how: "reset" } });
  const { code, stderr } = await psql(proxy.url(), "BEGIN;\nINSERT INTO t VALUES (9);\nCOMMIT;");
  equal("a reset ends psql", code, 2);
  check("and it is one", /reset|closed the connection/i.test(stderr), stderr);
  equal("and what was in the transaction is not in", await server.psql("SELECT count(*) FROM t WHERE id = 9"), "0");
}

/** Many messages in one write, cut in the middle of a length. */
async function handlesPipelines(server, through) {
  const batch = Buffer.concat([
    message("P", "one\0BEGIN\0\0\0"), message("B", "\0one\0\0\0\0\0\0\0"), message("E", "\0\0\0\0\0"),
    message("P", "two\0INSERT INTO t VALUES (7)\0\0\0"), message("B", "\0two\0\0\0\0\0\0\0"), message("E", "\0\0\0\0\0"),
    message("P", "end\0COMMIT\0\0\0"), message("B", "p\0end\0\0\0\0\0\0\0"), message("E", "p\0\0\0\0\0"), message("S", ""),
    message("Q", "SELECT 'after'\0"),
  ]);
  const send = async (plan) => {
    await server.psql("DELETE FROM t WHERE id = 7");
    const proxy = await through({ plan });
    const heard = await talk(proxy, [startup(), batch.subarray(0, 103), batch.subarray(103)]);
    if (plan) await until("it is broken", () => proxy.broke?.done, { timeoutS: 10 });
    return { proxy, heard, rows: await server.psql("SELECT count(*) FROM t WHERE id = 7") };
  };
  const whole = await send();
  equal("a pipeline in two pieces is taken apart", whole.proxy.seen.map(({ kind }) => kind).join(" "),
    "Startup Parse Bind Execute Parse Bind Execute Parse Bind Execute Sync Query");
  equal("and its answers come through", whole.heard, "Z 1 2 C:BEGIN 1 2 C:INSERT 0 1 1 2 C:COMMIT Z T D C:SELECT 1 Z");
  const lost = await send({ at: { commit: 1 }, how: "cut-after" });
  equal("of a pipeline only the answer of the COMMIT is lost", [lost.heard, lost.rows], ["Z 1 2 C:BEGIN 1 2 C:INSERT 0 1 1 2", "1"]);
  const failed = await send({ at: { commit: 1 }, how: "error-40001" });
  equal("in a pipeline a COMMIT fails in its place", [failed.heard, failed.rows],
    ["Z 1 2 C:BEGIN 1 2 C:INSERT 0 1 1 2 E:40001 Z T D C:SELECT 1 Z", "0"]);
  const warned = await send({ at: { commit: 1 }, how: "warn-01000" });
  equal("in a pipeline a warning comes before its COMMIT", [warned.heard, warned.rows],
    ["Z 1 2 C:BEGIN 1 2 C:INSERT 0 1 1 2 N:01000 C:COMMIT Z T D C:SELECT 1 Z", "1"]);
  const cut = await send({ at: { commit: 1 }, how: "cut-before" });
  equal("of a pipeline nothing from the COMMIT on gets through", cut.rows, "0");
}

async function isArmedAgain(server, through) {
  const proxy = await through();
  await psql(proxy.url(), "SELECT 1");
  proxy.arm({ at: { commit: 1, connection: 3 }, how: "cut-before" });
  const codes = [];
  for (let n = 2; n <= 4; n += 1) codes.push((await psql(proxy.url(), "BEGIN;\nCOMMIT;")).code);
  equal("armed later for the third connection it breaks that one, once", codes, [0, 2, 0]);
  proxy.arm({ at: { commit: 1 }, how: "warn-01000" });
  const { stderr } = await psql(proxy.url(), "\\unset ON_ERROR_STOP\nBEGIN;\nSELECT 1/0;\nCOMMIT;");
  equal("a failed transaction's COMMIT gets no warning", [proxy.broke.done, /01000/.test(stderr)], [false, false]);
  check("a plan that nobody knows is refused", (() => { try { proxy.arm({ at: 1, how: "cut" }); } catch { return true; } })());
}

async function passesTls(server, onStop) {
  const isTls = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
  const over = async (query, options) => {
    const proxy = await startProxy(`127.0.0.1:${server.port}`, options);
    onStop(() => proxy.stop());
    const { stdout } = await psql(server.tcpUrl("postgres", "postgres", query).replace(`:${server.port}/`, `:${proxy.port}/`), isTls);
    return [stdout.trim(), proxy.seen.map(({ kind }) => kind).filter((kind) => kind !== "Terminate")];
  };
  equal("TLS passes, verified, and is seen as TLS", await over(), ["t", ["SSLRequest", "TLS"]]);
  equal("asked to, it says no to TLS", await over("sslmode=prefer", { plain: true }), ["f", ["SSLRequest", "Startup", "Query"]]);
}

async function standsOnASocket(server, through) {
  const port = await freePort();
  const proxy = await through({ listen: `${server.dir}:${port}`, plan: { at: { commit: 1 }, how: "cut-after" } });
  const before = await rows(server);
  const { code } = await psql(proxy.url(), "BEGIN;\nINSERT INTO t VALUES (1);\nCOMMIT;");
  equal("on a socket an answer is lost as well", [code, (await rows(server)) - before], [2, 1]);
  proxy.stop();
  check("stopped, it leaves no socket", !existsSync(join(server.dir, `.s.PGSQL.${port}`)));
}

async function standsBeforeAPooler(server, onStop) {
  const pool = await pooler(server);
  onStop(() => pool.stop());
  const proxy = await startProxy(pool, { plan: { at: { commit: 1 }, how: "warn-01000" } });
  const { code, stderr } = await psql(proxy.url(), "BEGIN;\nCOMMIT;\nSELECT 1;");
  equal("before a pooler it works as well", [code, /01000/.test(stderr)], [0, true]);
  proxy.stop();
  pool.stop();
}

async function runsAlone(server, onStop) {
  const port = await freePort();
  const proxy = fileURLToPath(new URL("proxy.mjs", import.meta.url));
  const plan = JSON.stringify({ at: { commit: 1 }, how: "cut-before" });
  const child = spawn(process.execPath, [proxy, "--listen", `${server.dir}:${port}`, "--target", `${server.socket}:${server.port}`, "--plan", plan, "--tell"]);
  onStop(() => child.kill("SIGKILL"));
  const said = [];
  createInterface({ input: child.stdout }).on("line", (line) => said.push(JSON.parse(line)));
  const { listening, url } = await until("it listens", () => said[0]);
  equal("alone it says where it listens", listening, `${server.dir}:${port}`);
  const { code } = await psql(url, "BEGIN;\nCOMMIT;");
  const { broke } = await until("it says what broke", () => said.find((line) => line.broke));
  equal("alone it breaks and says what", [code, broke.how, broke.text, broke.n], [2, "cut-before", "COMMIT;", 3]);
  equal("alone it says what it sees", said.filter(({ seen }) => seen).map(({ seen }) => seen.kind), ["Startup", "Query", "Query"]);
  child.kill("SIGTERM");
  equal("and leaves when asked to", await new Promise((resolve) => child.on("exit", resolve)), 0);
}

const rows = async (server) => Number(await server.psql(ROWS));
const sessions = async (server) =>
  Number(await server.psql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"));

function message(letter, body) {
  const bytes = Buffer.from(`${letter}0000${body}`);
  bytes.writeInt32BE(bytes.length - 1, 1);
  return bytes;
}

function startup() {
  const bytes = Buffer.from("0000\0\x03\0\0user\0postgres\0database\0postgres\0\0");
  bytes.writeInt32BE(bytes.length, 0);
  return bytes;
}

/** Sends the pieces, each when what came before has been read; gives the letters of what came back, until silence or end. */
function talk(proxy, pieces) {
  return new Promise((resolve) => {
    const heard = [];
    const socket = net.connect({ host: proxy.host, port: proxy.port, noDelay: true });
    let bytes = Buffer.alloc(0), quiet, ready = 0;
    const end = () => { clearTimeout(quiet); socket.destroy(); resolve(heard.filter((word) => !"RSK".includes(word)).join(" ")); };
    socket.write(pieces.shift());
    socket.on("data", (data) => {
      bytes = Buffer.concat([bytes, data]);
      for (let size; bytes.length >= 5 && bytes.length >= (size = 1 + bytes.readInt32BE(1)); bytes = bytes.subarray(size)) {
        const letter = String.fromCharCode(bytes[0]);
        const text = bytes.toString("latin1", 5, size - 1);
        if (letter === "Z") ready += 1;
        heard.push(letter === "C" ? `C:${text}` : "EN".includes(letter) ? `${letter}:${text.split("\0").find((f) => f[0] === "C").slice(1)}` : letter);
      }
      // The second half of the batch comes later than the first.
      if (ready === 1 && pieces.length === 2) {
        socket.write(pieces.shift());
        setTimeout(() => socket.writable && socket.write(pieces.shift()), 50);
      }
      if (ready === 3) end();
    });
    socket.on("error", end);
    socket.on("end", end);
  });
}

// A real Secret Service on a session bus of its own: unlocked, locked, absent, silent, and one that lost the key. And,
// as the bus is there, the note that asks the owner.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { makeHome } from "../lib/bursar.mjs";
import { FACILITATOR_KEY, PAYEE, startChain } from "../lib/chain.mjs";
import { runToEnd, start } from "../lib/process.mjs";
import { check, equal, runPart } from "../lib/report.mjs";

const FUNDS = 1_000_000n;
const QUICK_S = 5;
const GIVES_UP_S = 12; // it waits ten seconds for a keyring that may stand behind a prompt
const PASSWORD = "open sesame";
const seller = fileURLToPath(new URL("../v2-express/seller.mjs", import.meta.url));

runPart("keyring", async (onStop) => {
  const chain = await startChain(onStop);
  const { ready } = await start(onStop, process.execPath, [seller], { env: { RPC: chain.url, FACILITATOR_KEY, PAY_TO: PAYEE } });
  const newHome = () => makeHome(onStop, { chainUrl: chain.url, sellers: [new URL(ready.url).host], store: "keyring" });
  const bursar = newHome();
  const rings = { first: tempDir(onStop), other: tempDir(onStop) };

  const unlocked = await startBus(onStop, rings.first, { password: PASSWORD });
  const address = await createsAndPays(bursar, chain, unlocked, ready.url);
  await notesOnTheDesktop(onStop, bursar, unlocked, ready.url);
  await unlocked.stop();

  const fails = (name, code, { env }) => failsClearly(bursar, { name, code, env }, ready.url, { chain, address });
  const locked = await startBus(onStop, rings.first);
  await fails("a locked keyring", "keyring_locked", locked);
  await makesNoKey(newHome(), "a locked keyring", locked);
  await locked.stop();
  const absent = { env: { DBUS_SESSION_BUS_ADDRESS: `unix:path=${rings.other}/nobody`, XDG_RUNTIME_DIR: rings.other } };
  await fails("an absent keyring", "keyring_absent", absent);
  await makesNoKey(newHome(), "an absent keyring", absent);
  const empty = await startBus(onStop, rings.other, { password: "another" });
  await fails("a keyring without the key", "no_key", empty);
  equal("no new key was made where the key was missing", await keysIn(empty), []);
  await empty.stop();
  const silent = await startBus(onStop, rings.first, { password: PASSWORD });
  silent.pause();
  await fails("a keyring that does not answer", "keyring_slow", silent);
  silent.goOn();
  const fetched = await bursar.run(["fetch", `${ready.url}/cent?keyring=back`, "--json"], { env: silent.env });
  equal("the same keyring, unlocked and answering again, pays", answerOf(fetched).charged, "yes");
  await silent.stop();
});

async function createsAndPays(bursar, chain, bus, url) {
  const created = await bursar.run(["wallet", "create"], { env: bus.env });
  equal("wallet create makes a key", created.code, 0);
  const address = (await bursar.must(["wallet", "address"], { env: bus.env })).trim();
  check("wallet address prints the address and nothing else", /^0x[0-9a-fA-F]{40}$/.test(address), address);
  const keys = await keysIn(bus);
  equal("the keyring has one key", keys.length, 1);
  const again = await bursar.run(["wallet", "create"], { env: bus.env });
  check("wallet create does not replace a key", again.code !== 0 && (await keysIn(bus)).join() === keys.join(), again);

  await chain.mint(address, FUNDS);
  const fetched = await bursar.run(["fetch", `${url}/cent`, "--json"], { env: bus.env });
  const answer = answerOf(fetched);
  check("bursar fetch pays with the key in the keyring", answer.charged === "yes", answer);
  equal("the balances moved by exactly the price", [await chain.balance(address), await chain.balance(PAYEE)], [FUNDS - 10_000n, 10_000n]);
  const said = bursar.told.join("\n").toLowerCase();
  check("the key was in nothing bursar said", keys.every((key) => !said.includes(key.toLowerCase())));
  return address;
}

/** Nobody shows notes on this bus, and whoever watches it sees what is asked of them. */
async function notesOnTheDesktop(onStop, bursar, { env }, url) {
  const args = ["--session", "type='method_call',interface='org.freedesktop.Notifications'"];
  const monitor = spawn("dbus-monitor", args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "ignore"] });
  onStop(() => monitor.kill("SIGKILL"));
  const seen = createInterface({ input: monitor.stdout })[Symbol.asyncIterator]();
  await seen.next(); // it has a name on the bus by now
  const agent = await bursar.serve(["--agent", "desktop"], { env });
  const asked = await agent.call("fetch_paid", { url: `${url}/dear` });
  const note = [];
  while (!/^ +int32/.test(note.at(-1) ?? "")) note.push((await seen.next()).value);
  monitor.kill();
  await agent.close();
  equal("a dear page waits for its owner", asked.outcome, "needs_approval");
  check("a note on the desktop says so", note.some((line) => /string ".*127\.0\.0\.1.*"/.test(line)) && note.some((line) => line.includes("0.2")), note);
}

async function failsClearly(bursar, { name, code, env }, url, { chain, address }) {
  const before = await chain.balance(address);
  const fetched = await bursar.run(["fetch", `${url}/cent?keyring=${code}`, "--json"], { env });
  const answer = answerOf(fetched);
  const [reason] = answer.reasons ?? [];
  equal(`${name}: bursar fetch is refused, and says why`, [fetched.code, answer.charged, reason?.code], [3, "no", code]);
  check(`${name}: it speaks of the keyring and of what to do`, /keyring.*no money moved.*;/.test(reason?.message), answer);
  const atMost = code === "keyring_slow" ? GIVES_UP_S : QUICK_S;
  check(`${name}: it says so within ${atMost} s`, fetched.seconds < atMost, `${fetched.seconds} s`);
  equal(`${name}: nothing is paid`, await chain.balance(address), before);
  equal(`${name}: the address is still known`, (await bursar.run(["wallet", "address"], { env })).stdout.trim(), address);
}

async function makesNoKey(bursar, name, { env }) {
  const created = await bursar.run(["wallet", "create"], { env });
  check(`${name}: wallet create fails and says why`, created.code === 1 && /keyring/.test(created.stderr), created);
  equal(`${name}: no key is made in its place`, (await bursar.run(["wallet", "address"], { env })).stdout, "");
}

function answerOf({ stdout, ...rest }) {
  try { return JSON.parse(stdout); } catch { return { stdout, ...rest }; }
}

/** Every key of 32 bytes that the unlocked keyring holds, whatever name it has. */
async function keysIn({ env }) {
  const { stdout } = await runToEnd("secret-tool", ["search", "--all", "service", "bursar"], { env: { ...process.env, ...env } });
  return [...stdout.matchAll(/^secret = (?:0x)?([0-9a-fA-F]{64})$/gm)].map(([, key]) => key);
}

/** A session bus with a keyring daemon that keeps its rings under `home`; locked unless a password opens them. */
async function startBus(onStop, home, { password } = {}) {
  const env = { HOME: home, XDG_RUNTIME_DIR: home, DISPLAY: "", WAYLAND_DISPLAY: "" };
  const args = ["--session", "--nofork", "--nopidfile", "--print-address=1", `--address=unix:tmpdir=${home}`];
  const bus = await start(onStop, "dbus-daemon", args, { env, isReady: (line) => line.startsWith("unix:") && line });
  env.DBUS_SESSION_BUS_ADDRESS = bus.ready;
  const daemon = spawn("gnome-keyring-daemon", ["--foreground", "--components=secrets", ...(password ? ["--unlock"] : [])], {
    env: { ...process.env, ...env },
    stdio: ["pipe", "ignore", "ignore"],
  });
  const ended = new Promise((resolve) => daemon.on("close", resolve));
  onStop(() => daemon.kill("SIGKILL"));
  daemon.stdin.end(password ?? "");
  await answers(env);
  const pause = () => daemon.kill("SIGSTOP");
  const goOn = () => daemon.kill("SIGCONT");
  const stop = async () => { daemon.kill("SIGTERM"); await ended; process.kill(bus.pid, "SIGTERM"); };
  return { env, pause, goOn, stop };
}

/** Waits until the Secret Service answers on its bus. */
async function answers(env) {
  const ask = ["--session", "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.GetNameOwner", "string:org.freedesktop.secrets"];
  for (let tries = 0; tries < 100; tries += 1) {
    const { code } = await runToEnd("dbus-send", ask, { env: { ...process.env, ...env } });
    if (code === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the Secret Service did not start");
}

function tempDir(onStop) {
  const dir = mkdtempSync(join(tmpdir(), "bursar-keyring-"));
  onStop(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

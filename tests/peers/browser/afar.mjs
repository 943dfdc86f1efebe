// The owner is out, with a telephone: a note comes by ntfy, its link leads through a tunnel to the review page, and the
// passphrase and a code let in there. The tunnel is a TLS server of Node's that hands on what it gets, the name is one
// that only this browser knows, and the app that shows codes is the few lines below.

import { execFileSync, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary } from "../lib/bursar.mjs";
import { makeScene } from "../lib/pays.mjs";
import { check, equal } from "../lib/report.mjs";
import { startEvil } from "./attacks.mjs";
import { AFAR, Browser } from "./browser.mjs";
import { FOLDER } from "./pictures.mjs";

const PASSPHRASE = "a few plain words";
const TOPIC = "bursar-7f3a";

export async function isAnsweredFromAfar(onStop, seller) {
  const { bursar, url } = await makeScene(onStop, seller);
  const inside = await freePort();
  const tunnel = await startTunnel(onStop, inside);
  const phone = await startNtfy(onStop);
  bursar.addConfig(`[review]\norigin = "${tunnel}"\nport = ${inside}\n[notices]\ndesktop = false\n`);
  bursar.addConfig(`[notices.ntfy]\nserver = "${phone.url}"\ntopic = "${TOPIC}"\n`);
  const typed = await setsPassphraseAndCode(onStop, bursar);
  const agent = await bursar.serve(["--agent", "claude-code"]);
  await serves(onStop, bursar);

  const asked = await agent.call("fetch_paid", { url: `${url}/dear` });
  equal("afar: a dear page waits for its owner", asked.outcome, "needs_approval");
  const note = await phone.next();
  equal("afar: the note has the amount", [note.topic, note.title], [TOPIC, "Pay $0.20?"]);
  check("afar: and no name and nothing that could approve", !/127\.0\.0\.1|claude|terms/.test(JSON.stringify(note)), note);

  const browser = await Browser.start(onStop);
  const page = await browser.page({ ignoreHTTPSErrors: true, viewport: { width: 375, height: 800 } });
  await page.goto(note.click);
  await page.getByLabel("Your passphrase").waitFor();
  check("afar: its link leads to the entrance of the owner's origin", page.url() === `${tunnel}/question#${asked.purchase_id}`, page.url());
  await page.screenshot({ path: `${FOLDER}/far-entrance-phone.png` });
  const wrong = [await signsIn(page, PASSPHRASE, "000000"), await signsIn(page, "another few words", code(typed))];
  equal("afar: neither of the two lets in alone", wrong, [401, 401]);
  await page.getByText("The passphrase or the code is not right").waitFor();
  equal("afar: both do", await signsIn(page, PASSPHRASE, code(typed)), 303);
  await page.getByRole("heading", { name: "Waiting for you" }).waitFor();
  check("afar: and lead to the question, wrong tries or not", page.url().endsWith(`/pending#${asked.purchase_id}`), page.url());
  const [cookie] = await page.context().cookies(page.url());
  equal("afar: the cookie goes by TLS alone", [cookie.sameSite, cookie.httpOnly, cookie.secure], ["Strict", true, true]);
  const again = await page.context().newPage();
  await again.goto(note.click);
  await again.getByRole("heading", { name: "Waiting for you" }).waitFor();
  check("afar: while it is inside, the same link leads on", true);
  await again.close();
  await attacks(onStop, browser, page);

  await page.getByLabel("Your passphrase, Approve").fill(PASSPHRASE);
  await page.getByRole("button", { name: "Approve $0.20" }).click();
  await page.getByText("Approved: $0.20").waitFor();
  const bought = await agent.call("fetch_paid", { url: `${url}/dear`, purchase_id: asked.purchase_id });
  equal("afar: approved there, the agent's next call buys", [bought.outcome, bought.charged], ["answered", "yes"]);
  equal("afar: no request left this machine", browser.elsewhere, []);
  equal("afar: nothing was blocked or failed in the page's own scripts", browser.complaints, []);
}

async function signsIn(page, passphrase, code) {
  await page.getByLabel("Your passphrase").fill(passphrase);
  await page.getByLabel("The code that your app shows").fill(code);
  const replied = page.waitForResponse((response) => response.url().endsWith("/sign-in") && response.request().method() === "POST");
  await page.getByRole("button", { name: "Sign in" }).click();
  return (await replied).status();
}

/** A page of somebody else, in the same browser. */
async function attacks(onStop, browser, page) {
  const room = page.url().replace(/\/pending.*/, "");
  const evil = await startEvil(onStop, (action) => `${room}/${action}`);
  const attacker = await page.context().newPage();
  browser.strangers.add(attacker);
  await attacker.goto(evil.url);
  const replied = attacker.waitForResponse((response) => response.url().endsWith("/freeze"));
  await attacker.getByRole("button", { name: "win" }).click();
  equal("afar: a form of another site is turned away", (await replied).status(), 403);
  equal("afar: no cookie of ours reached it", evil.cookies.filter(Boolean), []);
  await attacker.close();
}

async function setsPassphraseAndCode(onStop, bursar) {
  const set = new Terminal(onStop, bursar, "owner set");
  for (const prompt of ["New passphrase: ", "Once more: "]) {
    await set.until(prompt);
    set.types(PASSPHRASE);
  }
  equal("afar: a passphrase is set at a terminal", await set.ended, 0);
  const app = new Terminal(onStop, bursar, "owner code");
  await app.until("Owner's passphrase: ");
  app.types(PASSPHRASE);
  const shown = await app.until("shows now: ");
  const typed = shown.match(/^[A-Z2-7]{32}\r?$/m)?.[0].trim();
  check("afar: what the app needs is shown as a QR code and as text", typed && /[▀▄█]{8}/.test(shown), shown);
  app.types(code(typed));
  equal("afar: and kept once the app has shown a code", await app.ended, 0);
  return typed;
}

/** Without a terminal, as a service runs it. */
async function serves(onStop, bursar) {
  const child = spawn(binary(), ["review"], { env: bursar.env, cwd: bursar.dir, detached: true, stdio: ["ignore", "ignore", "pipe"] });
  onStop(() => child.kill("SIGKILL"));
  const [said] = await once(child.stderr, "data");
  check("afar: without a terminal the page is served, and no link is shown", `${said}`.includes("From elsewhere") && !`${said}`.includes("/#"), `${said}`);
}

class Terminal {
  constructor(onStop, bursar, words) {
    this.child = spawn("script", ["-qfec", `${binary()} ${words}`, "/dev/null"], { env: bursar.env, cwd: bursar.dir });
    onStop(() => this.child.kill("SIGKILL"));
    this.shown = "";
    this.child.stdout.on("data", (data) => { this.shown += data; this.wake?.(); });
    this.ended = once(this.child, "close").then(([code]) => { this.wake?.(); return code; });
  }

  /** What was shown up to there, which is then forgotten. */
  async until(text) {
    for (;;) {
      const at = this.shown.indexOf(text);
      if (at >= 0) {
        const shown = this.shown.slice(0, at);
        this.shown = this.shown.slice(at + text.length);
        return shown;
      }
      if (this.child.exitCode !== null) throw new Error(`the terminal closed after: ${this.shown}`);
      await new Promise((resolve) => (this.wake = resolve));
    }
  }

  types(line) {
    this.child.stdin.write(`${line}\n`);
  }
}

/** What an authenticator app shows now (RFC 6238), by what was typed into it. */
function code(typed) {
  const bits = [...typed].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const tag = createHmac("sha1", key).update(step).digest();
  const number = tag.readUInt32BE(tag[19] & 15) & 0x7fffffff;
  return `${number % 1_000_000}`.padStart(6, "0");
}

/** What is published here goes to the telephone. */
async function startNtfy(onStop) {
  const notes = [];
  let wake;
  const server = http.createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    notes.push(JSON.parse(body));
    wake?.();
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ id: "x", event: "message" }));
  });
  const port = await listens(onStop, server);
  const next = async () => {
    while (notes.length === 0) await new Promise((resolve) => (wake = resolve));
    return notes.shift();
  };
  return { url: `http://127.0.0.1:${port}`, next };
}

/** Hands on what it gets, under the name it was asked for, as tunnels do. */
async function startTunnel(onStop, inside) {
  const folder = mkdtempSync(join(tmpdir(), "tunnel-"));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const make = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj", `/CN=${AFAR}`];
  execFileSync("openssl", [...make, "-keyout", key, "-out", cert], { stdio: "ignore" });
  const server = https.createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
    const { method, url: path, headers } = request;
    const on = http.request({ host: "127.0.0.1", port: inside, method, path, headers }, (reply) => {
      response.writeHead(reply.statusCode, reply.headers);
      reply.pipe(response);
    });
    on.on("error", () => response.destroy());
    request.pipe(on);
  });
  return `https://${AFAR}:${await listens(onStop, server)}`;
}

async function listens(onStop, server) {
  onStop(() => { server.closeAllConnections(); server.close(); });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server.address().port;
}

async function freePort() {
  const server = http.createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

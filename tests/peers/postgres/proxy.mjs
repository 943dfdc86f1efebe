// A wire between a client and PostgreSQL that can be broken at one chosen message.
//
//   node proxy.mjs --listen /dir:PORT|HOST:PORT --target /dir:PORT|HOST:PORT [--plan JSON] [--tell] [--plain]
//
// prints `{"listening": ..}` once it listens, `{"broke": ..}` when it has broken something, and with --tell a
// `{"seen": ..}` for each message of the client.
//
// A plan is `{ at, how }`. `at` is the number of a message, or one of
//   { message: n }            the nth message of all
//   { commit: n }             the nth COMMIT: a Query, or the Execute of a statement, that ends in COMMIT
//   { text: "..", nth: n }    the nth Query or Execute whose SQL matches this expression, in any case of letters
// each with `connection: c` for one connection only, whose messages are then counted alone; in this process it may also be
// a function that is shown each message and says whether it is the one. `how` is one of
//   cut-before         the message does not get through; both sides are reset
//   cut-after          it is carried out and the server says it is ready again; of its answer the client gets a reset
//   cut-after-unheard  it is passed on and the client reset at once; the server is left to finish
//   reset              it is passed on and both sides reset at once; the server may carry it out or not
//   stall-N            it is held for N seconds and then passed on, also when the client has gone meanwhile
//   error-40001        of a COMMIT: the server gets a ROLLBACK, the client a serialization failure
//   warn-01000         of a COMMIT: it is passed on, and a warning comes before its answer, as of a cancelled wait for a
//                      standby
// It happens once. On a unix socket a reset is a close. What is under TLS passes unread, as a single message "TLS";
// `plain` says no to TLS. COPY by the extended protocol, whose Sync has no answer, is not understood.

import { once } from "node:events";
import { chmodSync, rmSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const STARTUP = { 80877102: "CancelRequest", 80877103: "SSLRequest", 80877104: "GSSENCRequest" };
const KINDS = {
  Q: "Query", P: "Parse", B: "Bind", D: "Describe", E: "Execute", S: "Sync", C: "Close", H: "Flush", X: "Terminate", F: "FunctionCall",
  p: "Password", d: "CopyData", c: "CopyDone", f: "CopyFail",
};
/** The messages of the server that end the answer to one of the client's. The others have no answer of their own. */
const ANSWERS = {
  Startup: "Z", Query: "Z", Sync: "Z", FunctionCall: "Z", Parse: "1", Bind: "2", Close: "3", Describe: "Tn", Execute: "CIs",
};
const COMMIT = /(^|;)\s*(COMMIT|END)(\s+(WORK|TRANSACTION))?\s*;?\s*$/i;
const HOWS = /^(cut-before|cut-after|cut-after-unheard|reset|error-40001|warn-01000|stall-\d+(\.\d+)?)$/;
const OF_A_COMMIT = ["error-40001", "warn-01000"];

const SYNC = frame("S");
const FLUSH = frame("H");
const ROLLBACK = frame("Q", "ROLLBACK\0");
const READY_IDLE = frame("Z", "I");
const FAILURE = frame("E", fields({
  S: "ERROR", V: "ERROR", C: "40001", M: "could not serialize access due to read/write dependencies among transactions",
  D: "Reason code: Canceled on identification as a pivot, during commit attempt.", H: "The transaction might succeed if retried.",
}));
const WARNING = frame("N", fields({
  S: "WARNING", V: "WARNING", C: "01000", M: "canceling wait for synchronous replication due to user request",
  D: "The transaction has already committed locally, but might not have been replicated to the standby.",
}));

/**
 * Starts a proxy to `target`, a server or its address. It listens on a free port of 127.0.0.1, or where `listen` says;
 * an address is "/directory-of-the-socket:port" or "host:port".
 */
export async function startProxy(target, { plan, listen = "127.0.0.1:0", plain = false, onSeen, onBreak } = {}) {
  const proxy = new Proxy(typeof target === "string" ? target : `${target.socket}:${target.port}`, { plain, onSeen, onBreak });
  proxy.arm(plan);
  await proxy.listen(listen);
  return proxy;
}

class Proxy {
  #to;
  #server;
  #file;
  #links = new Set();
  #counts;
  #plan;

  constructor(target, options) {
    this.#to = parseAddress(target);
    Object.assign(this, { options, connections: 0 });
  }

  /** From now on this plan, or none; what was seen and counted is forgotten. Connections keep their numbers. */
  arm(plan) {
    this.#plan = plan && parsePlan(plan);
    this.#counts = { message: 0, commit: 0, text: 0 };
    this.seen = [];
    this.broke = undefined;
  }

  async listen(address) {
    const { path, port, host } = parseAddress(address);
    this.#file = path;
    if (path) rmSync(path, { force: true });
    this.#server = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#link(client));
    this.#server.listen(path ? { path } : { port, host });
    await once(this.#server, "listening");
    if (path) chmodSync(path, 0o777);
    this.socket = path ? address.slice(0, address.lastIndexOf(":")) : undefined;
    this.host = this.socket ?? host;
    this.port = path ? port : this.#server.address().port;
  }

  /** Without TLS, if it listens on TCP. */
  url(role = "postgres", db = "postgres") {
    if (this.socket) return `postgresql://${role}@/${db}?host=${encodeURIComponent(this.socket)}&port=${this.port}`;
    return `postgresql://${role}@${this.host}:${this.port}/${db}?sslmode=disable`;
  }

  #link(client) {
    const { path, host, port } = this.#to;
    const server = net.connect({ ...(path ? { path } : { host, port, noDelay: true }), allowHalfOpen: true });
    const link = new Link(this, client, server, (this.connections += 1));
    this.#links.add(link);
    client.on("close", () => server.destroyed && this.#links.delete(link));
    server.on("close", () => client.destroyed && this.#links.delete(link));
  }

  /** Notes a message of a client; gives how to break it, if it is the one. */
  note(message) {
    const { at, how } = this.#plan ?? {};
    const counts = !at?.connection || at.connection === message.connection;
    if (counts) this.#counts.message += 1;
    if (counts && message.commit) this.#counts.commit += 1;
    const matches = Boolean(at?.text && runs(message) && at.text.test(message.text));
    if (counts && matches) this.#counts.text += 1;
    this.seen.push({ n: this.seen.length + 1, ...message });
    this.options.onSeen?.(this.seen.at(-1));
    if (!how || this.broke || !counts || (OF_A_COMMIT.includes(how) && !message.commit)) return undefined;
    const is =
      (at.message === this.#counts.message) ||
      at.is?.(this.seen.at(-1)) ||
      (message.commit && at.commit === this.#counts.commit) ||
      (matches && at.nth === this.#counts.text);
    if (!is) return undefined;
    this.broke = { how, ...this.seen.at(-1), done: false };
    return this.broke;
  }

  /** What was to be broken is broken. */
  done(broke, more) {
    if (broke.done) return;
    Object.assign(broke, more, { done: true });
    this.options.onBreak?.(broke);
  }

  /** Resets every connection there is. New ones are taken. */
  resetAll() {
    for (const link of this.#links) link.reset();
  }

  stop() {
    this.#server.close();
    this.resetAll();
    if (this.#file) rmSync(this.#file, { force: true });
  }
}

/** One client with its connection to the server. */
class Link {
  #buffer = { client: Buffer.alloc(0), server: Buffer.alloc(0) };
  #queue = []; // what the client has sent and we have not looked at; `null` is its end
  #wake = () => {};
  #owed = []; // the answers that the server owes, in order
  #started = false;
  #opaque = false; // under TLS
  #skips = false; // an error lets the server skip everything up to the next Sync
  #onByte; // waits for the answer to a wish for TLS
  #losing; // the breaking whose answer nobody gets
  #serverClosed;
  #statements = new Map();
  #portals = new Map();

  constructor(proxy, client, server, number) {
    Object.assign(this, { proxy, client, server, number });
    this.#serverClosed = new Promise((resolve) => server.on("close", resolve));
    client.on("data", (data) => this.#fromClient(data));
    client.on("end", () => this.#enqueue(null));
    client.on("error", () => this.#enqueue(null));
    client.on("close", () => this.#enqueue(null));
    client.on("drain", () => server.resume());
    server.on("data", (data) => this.#fromServer(data));
    server.on("end", () => this.#serverGone(() => client.end()));
    server.on("error", () => this.#serverGone(() => reset(client)));
    this.#pump();
  }

  reset() {
    reset(this.client);
    reset(this.server);
    this.#enqueue(null);
  }

  // The client's side.

  #fromClient(data) {
    if (this.#opaque) return void this.#toServer(data);
    let rest = Buffer.concat([this.#buffer.client, data]);
    for (let size; (size = this.#sizeOfNext(rest)) && rest.length >= size; rest = rest.subarray(size)) {
      const bytes = rest.subarray(0, size);
      if (!this.#started && bytes.readInt32BE(4) >> 16 === 3) this.#started = true;
      this.#enqueue({ bytes, ...this.#kindOf(bytes) });
    }
    this.#buffer.client = Buffer.from(rest);
  }

  /** Before it has started, a message of the client has no letter in front. */
  #sizeOfNext(bytes) {
    if (!this.#started) return bytes.length >= 8 ? bytes.readInt32BE(0) : 0;
    return bytes.length >= 5 ? 1 + bytes.readInt32BE(1) : 0;
  }

  #kindOf(bytes) {
    if (bytes[0] === 0) return { kind: STARTUP[bytes.readInt32BE(4)] ?? "Startup" };
    return { kind: KINDS[String.fromCharCode(bytes[0])] ?? `0x${bytes[0].toString(16)}` };
  }

  #enqueue(item) {
    this.#queue.push(item);
    // A client that sends more than the server takes waits.
    if (this.#queue.length > 256) this.client.pause();
    this.#wake();
  }

  async #next() {
    while (this.#queue.length === 0) await new Promise((resolve) => (this.#wake = resolve));
    const item = this.#queue.shift();
    if (this.#queue.length < 64 && this.client.isPaused()) this.client.resume();
    return item;
  }

  async #pump() {
    for (let item; (item = await this.#next()); ) {
      const broke = this.proxy.note(this.#describe(item));
      const isLast = await (broke ? this.#break(item, broke) : this.#pass(item));
      if (isLast) return;
    }
    this.server.end();
  }

  /** What the message says, for `seen`; learns which statement a name stands for. */
  #describe({ kind, bytes }) {
    const words = strings(bytes, 5);
    const message = { connection: this.number, kind };
    if (kind === "Query") message.text = words[0];
    if (kind === "Parse") this.#statements.set(words[0], (message.text = words[1]));
    if (kind === "Bind") this.#portals.set(words[0], (message.text = this.#statements.get(words[1])));
    if (kind === "Execute") message.text = this.#portals.get(words[0]);
    if (runs(message) && COMMIT.test(message.text ?? "")) message.commit = true;
    return message;
  }

  /** Passes a message on. True if nothing comes after it. */
  async #pass(item, how = {}) {
    if (this.#losing && item.kind === "Flush") item = { kind: "Sync", bytes: SYNC }; // else nothing would end the answer
    if (item.kind === "SSLRequest" || item.kind === "GSSENCRequest") return this.#passTls(item);
    const owed = this.#owe(item.kind, how);
    await this.#toServer(item.bytes);
    return this.#losing && owed?.ends === "Z";
  }

  #owe(kind, how) {
    const ends = ANSWERS[kind];
    if (ends === "Z") this.#skips = false;
    if (!ends || this.#skips) return undefined;
    const owed = { ends, ...how };
    this.#owed.push(owed);
    return owed;
  }

  async #toServer(bytes) {
    if (this.server.destroyed || this.server.writableEnded) return;
    if (!this.server.write(bytes)) await Promise.race([new Promise((resolve) => this.server.once("drain", resolve)), this.#serverClosed]);
  }

  #toClient(bytes) {
    if (this.client.destroyed || this.client.writableEnded) return;
    if (!this.client.write(bytes)) this.server.pause();
  }

  /** The answer is one byte; after a yes nothing here can be read any more. */
  async #passTls({ kind, bytes }) {
    if (this.proxy.options.plain) return void this.#toClient("N");
    const answered = new Promise((resolve) => (this.#onByte = resolve));
    await this.#toServer(bytes);
    if ((await answered) !== (kind === "SSLRequest" ? "S" : "G")) return;
    this.#opaque = true;
    this.proxy.seen.push({ connection: this.number, kind: "TLS" });
  }

  // Breaking.

  /** Breaks the connection at this message. True if nothing comes after it. */
  async #break(item, broke) {
    const [, seconds] = broke.how.match(/^stall-(.*)/) ?? [];
    if (seconds) return this.#stall(item, broke, Number(seconds));
    switch (broke.how) {
      case "cut-before": return this.#cut(broke);
      case "reset": return await this.#pass(item), this.#cut(broke);
      case "cut-after": return this.#loseAnswer(item, broke);
      case "cut-after-unheard": return this.#leaveUnheard(item, broke);
      case "error-40001": return this.#failCommit(item, broke);
      case "warn-01000": return this.#pass(item, { warns: broke });
    }
  }

  #cut(broke) {
    reset(this.client);
    reset(this.server);
    this.proxy.done(broke);
    return true;
  }

  async #stall(item, broke, seconds) {
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    this.proxy.done(broke, { clientGone: this.client.readableEnded || this.client.destroyed });
    return this.#pass(item);
  }

  /** From this message's answer on the client gets nothing, and a reset when the server is ready again. */
  #loseAnswer(item, broke) {
    this.#losing = { broke, deaf: !ANSWERS[item.kind] || this.#skips, answer: [] };
    return this.#pass(item, { lost: true });
  }

  async #leaveUnheard({ kind, bytes }, broke) {
    this.#losing = { broke, deaf: true, unheard: true, answer: [] };
    const owed = this.#owe(kind, { isLast: true });
    await this.#toServer(bytes);
    reset(this.client);
    if (!owed) this.server.end();
    // A Flush, not a Sync: that would end a transaction of its own, which nobody has asked for.
    else if (owed.ends !== "Z") await this.#toServer(FLUSH);
    return true;
  }

  async #failCommit({ kind }, broke) {
    if (kind === "Execute") {
      this.#owe("Sync", { silent: true });
      await this.#toServer(SYNC);
    }
    const rolledBack = new Promise((onEnd) => this.#owe("Query", { silent: true, onEnd }));
    await this.#toServer(ROLLBACK);
    await Promise.race([rolledBack, this.#serverClosed]);
    this.#toClient(FAILURE);
    // As a server does after an error: what came with the failed message is skipped.
    for (let item; kind === "Execute" && (item = await this.#next()); ) {
      this.proxy.note(this.#describe(item));
      if (item.kind === "Sync") break;
    }
    this.#toClient(READY_IDLE);
    this.proxy.done(broke);
  }

  // The server's side.

  #fromServer(data) {
    if (this.#onByte) {
      this.#onByte(String.fromCharCode(data[0]));
      this.#onByte = undefined;
      return void (this.#losing ? this.#answerLost() : this.#toClient(data));
    }
    if (this.#opaque) return void this.#toClient(data);
    const bytes = Buffer.concat([this.#buffer.server, data]);
    const out = [];
    let at = 0;
    for (let size; bytes.length - at >= 5 && bytes.length - at >= (size = 1 + bytes.readInt32BE(at + 1)); at += size) {
      this.#hear(bytes.subarray(at, at + size), out);
    }
    this.#buffer.server = Buffer.from(bytes.subarray(at));
    if (out.length) this.#toClient(Buffer.concat(out));
  }

  /** One message of the server: to the client or to nobody. */
  #hear(bytes, out) {
    const letter = String.fromCharCode(bytes[0]);
    const owed = this.#owed[0];
    if (owed?.warns && letter === "C" && tag(bytes) === "COMMIT") {
      out.push(WARNING);
      this.proxy.done(owed.warns);
    }
    // An authentication that waits for the client is no answer yet.
    const asksPassword = letter === "R" && bytes.readInt32BE(5) !== 0;
    const isLost = this.#losing && (this.#losing.deaf || owed?.lost) && !asksPassword;
    if (isLost) this.#losing.answer.push("CEN".includes(letter) ? `${letter} ${tag(bytes)}` : letter);
    else if (!owed?.silent) out.push(bytes);
    if (owed?.ends.includes(letter)) this.#settle(owed, out);
    if (letter === "E" && owed && owed.ends !== "Z") this.#skip();
  }

  #settle(owed, out) {
    this.#owed.shift();
    owed.onEnd?.();
    const isLost = this.#losing && (this.#losing.deaf || owed.lost);
    if (isLost && (this.#losing.unheard ? owed.isLast : owed.ends === "Z")) {
      if (out.length) this.#toClient(Buffer.concat(out.splice(0)));
      this.#answerLost();
    } else if (owed.lost && this.#owed[0]) this.#owed[0].lost = true;
    else if (owed.lost) this.#losing.deaf = true;
  }

  /** After an error nothing more of the batch is answered. */
  #skip() {
    const { lost, isLast } = this.#owed[0];
    while (this.#owed.length && this.#owed[0].ends !== "Z") this.#owed.shift();
    if (this.#owed.length === 0) this.#skips = true;
    if (isLast) return this.#answerLost();
    if (lost) this.#losing.deaf = true;
  }

  #answerLost() {
    reset(this.client);
    this.server.end();
    this.proxy.done(this.#losing.broke, { answer: this.#losing.answer });
    this.#enqueue(null);
  }

  #serverGone(then) {
    if (this.#losing) return this.#answerLost();
    then();
  }
}

const runs = ({ kind }) => kind === "Query" || kind === "Execute";

function reset(socket) {
  if (socket.destroyed) return;
  if (socket.remoteAddress === undefined) socket.destroy(); // a unix socket has no reset
  else socket.resetAndDestroy();
}

function parsePlan({ at, how }) {
  if (!HOWS.test(how)) throw new Error(`no way of breaking is called ${how}`);
  const plan = typeof at === "number" ? { message: at } : typeof at === "function" ? { is: at } : { ...at };
  if (plan.text !== undefined) Object.assign(plan, { text: new RegExp(plan.text, "i"), nth: plan.nth ?? 1 });
  if (!plan.message && !plan.commit && !plan.text && !plan.is) throw new Error("a plan says at which message, commit or text");
  return { at: plan, how };
}

function parseAddress(address) {
  const [, host, port] = address.match(/^(.+):(\d+)$/) ?? [];
  if (!host) throw new Error(`${address} is no address: /directory:port or host:port`);
  return { host, port: Number(port), path: host.startsWith("/") ? join(host, `.s.PGSQL.${port}`) : undefined };
}

/** The two first strings of a message; no kind here needs more. */
function strings(bytes, at) {
  const found = [];
  for (let end; found.length < 2 && (end = bytes.indexOf(0, at)) >= 0; at = end + 1) found.push(bytes.toString("utf8", at, end));
  return found;
}

/** The tag of a CommandComplete; the SQLSTATE of an error or a notice. */
function tag(bytes) {
  const text = bytes.toString("utf8", 5, bytes.length - 1);
  return bytes[0] === 0x43 ? text : text.split("\0").find((field) => field.startsWith("C"))?.slice(1);
}

function frame(letter, body = "") {
  const bytes = Buffer.from(`${letter}0000${body}`);
  bytes.writeInt32BE(bytes.length - 1, 1);
  return bytes;
}

function fields(of) {
  return `${Object.entries(of).map(([letter, text]) => `${letter}${text}\0`).join("")}\0`;
}

async function main() {
  const { values } = parseArgs({
    options: { listen: { type: "string" }, target: { type: "string" }, plan: { type: "string" }, tell: { type: "boolean" }, plain: { type: "boolean" } },
  });
  const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
  const proxy = await startProxy(values.target, {
    listen: values.listen,
    plain: values.plain,
    plan: values.plan && JSON.parse(values.plan),
    onSeen: values.tell ? (seen) => say({ seen }) : undefined,
    onBreak: (broke) => say({ broke }),
  });
  say({ listening: `${proxy.host}:${proxy.port}`, url: proxy.url() });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => { proxy.stop(); process.exit(0); });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();

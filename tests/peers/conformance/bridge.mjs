// The conformance suite speaks streamable HTTP, bursar stdio. Between them stands this: it passes messages on as they
// are, and is no server of its own. A session of the older eras is one process; all requests of the newer one share
// another, as those are for themselves. What HTTP asks of a server is done here, since bursar has no HTTP of its own.

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

const STATELESS = "2026-07-28";
const VERSION = "io.modelcontextprotocol/protocolVersion";
const HEADER_MISMATCH = -32020;
/** What the newer era answers with, where a request went wrong as a whole. */
const STATUS = { [-32601]: 404, [-32602]: 400, [HEADER_MISMATCH]: 400, [-32021]: 400, [-32022]: 400 };
const LOCAL = /^(https?:\/\/)?(localhost|127\.0\.0\.1)(:\d+)?$/;

/** Listens on 127.0.0.1; `serve` starts the program. */
export async function startBridge(onStop, serve) {
  const sessions = new Map();
  let shared;
  const server = createServer(async (request, response) => {
    try {
      const { host, origin, "mcp-session-id": id, "mcp-protocol-version": version } = request.headers;
      if (!LOCAL.test(host) || (origin && !LOCAL.test(origin))) return end(response, 403);
      if (request.method === "DELETE") return end(response, sessions.delete(id) ? 200 : 404);
      if (request.method !== "POST") return end(response, 405);
      const message = JSON.parse(await text(request));
      const inside = message.params?._meta?.[VERSION];
      const isStateless = [inside, version].some((said) => said >= STATELESS);
      if (isStateless && inside && inside !== version) return end(response, 400, failed(message.id, HEADER_MISMATCH, "the header names another version"));
      if (isStateless) return await pass((shared ??= new Pipe(onStop, serve())), message, response, { isStateless });
      const opened = message.method === "initialize" ? randomUUID() : id;
      if (opened !== id) sessions.set(opened, new Pipe(onStop, serve()));
      const pipe = sessions.get(opened);
      await (pipe ? pass(pipe, message, response, { session: opened }) : end(response, id ? 404 : 400));
    } catch (error) {
      end(response, 400, failed(null, -32700, `${error}`));
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  onStop(() => server.close());
  return `http://localhost:${server.address().port}/mcp`;
}

async function pass(pipe, message, response, { isStateless, session }) {
  const headers = session ? { "mcp-session-id": session } : {};
  if (message.method === undefined || message.id === undefined) {
    pipe.say(message);
    return end(response, 202, undefined, headers);
  }
  const stream = (said) => {
    if (!response.headersSent) response.writeHead(200, { "content-type": "text/event-stream", ...headers });
    response.write(`event: message\ndata: ${JSON.stringify(said)}\n\n`);
  };
  response.on("close", () => pipe.leave(message.id));
  const answer = await pipe.ask(message, stream);
  const status = isStateless && !response.headersSent && STATUS[answer.error?.code];
  if (status) return end(response, status, answer);
  stream(answer);
  response.end();
}

const failed = (id, code, message) => ({ jsonrpc: "2.0", id, error: { code, message } });

const text = async (request) => {
  let all = "";
  for await (const part of request) all += part;
  return all;
};

function end(response, status, body, headers = {}) {
  if (response.headersSent) return response.end();
  response.writeHead(status, body ? { "content-type": "application/json", ...headers } : headers);
  response.end(body && JSON.stringify(body));
}

/** One process. Ids of different connections may be the same, so on the way they have names of their own. */
class Pipe {
  constructor(onStop, child) {
    Object.assign(this, { child, open: new Map(), next: 0 });
    onStop(() => child.kill("SIGKILL"));
    createInterface({ input: child.stdout }).on("line", (line) => this.hear(JSON.parse(line)));
  }

  ask(message, stream) {
    const id = `b${(this.next += 1)}`;
    return new Promise((resolve) => {
      this.open.set(id, { theirs: message.id, resolve, stream });
      this.say({ ...message, id });
    });
  }

  say(message) {
    this.child.stdin.write(`${JSON.stringify(message)}\n`);
  }

  leave(theirs) {
    for (const [id, one] of this.open) if (one.theirs === theirs) this.open.delete(id);
  }

  hear(said) {
    const asked = said.method === undefined && this.open.get(said.id);
    if (asked) {
      this.open.delete(said.id);
      return asked.resolve({ ...said, id: asked.theirs });
    }
    // What belongs to no answer goes to everybody who listens.
    const named = said.params?._meta?.["io.modelcontextprotocol/subscriptionId"];
    for (const [id, one] of this.open) {
      if (named === undefined) one.stream(said);
      else if (named === id) one.stream({ ...said, params: { ...said.params, _meta: { ...said.params._meta, "io.modelcontextprotocol/subscriptionId": one.theirs } } });
    }
  }
}

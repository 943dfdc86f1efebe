// A wire that can be cut: passes requests to a seller, notes every payment it carries, and can lose or keep back what
// comes next.

import http from "node:http";

const PAYMENT = ["payment-signature", "x-payment", "payment-authorization"];
const CREDENTIAL = /^payment /i; // an `authorization` that pays; others only say who asks
const MEMBERS = ["x402/payment", "org.paymentauth/credential"]; // of `_meta`, in a call of a tool

export class Wire {
  payments = [];
  #target;
  #server;
  #next = {};

  constructor(onStop) {
    this.#server = http.createServer((request, response) => this.#pass(request, response));
    onStop(() => { this.#server.closeAllConnections(); this.#server.close(); });
  }

  /** Listens, and gives the address that stands for `target` from now on. */
  async to(target) {
    this.#target = new URL(target);
    await new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** The next paid request reaches the seller; once the seller has answered, `then` runs and the reply is lost. */
  loseNextPaidReply(then = () => {}) {
    return new Promise((resolve) => {
      const lose = (response) => { then(); response.destroy(); resolve(); };
      this.#next = { onReply: ({ reply, response }) => reply.resume().on("end", () => lose(response)) };
    });
  }

  /** The next paid request is lost before the seller hears of it. */
  loseNextPaidRequest() {
    return new Promise((resolve) => {
      this.#next = { onRequest: (response) => { response.destroy(); resolve(); } };
    });
  }

  /** The reply to the next paid request stays here until what this gives is called. */
  holdNextPaidReply() {
    let release;
    const released = new Promise((resolve) => (release = resolve));
    this.#next = { onReply: ({ pass }) => released.then(pass) };
    return release;
  }

  async #pass(request, response) {
    const body = Buffer.concat(await request.toArray());
    const payment = paymentIn(request.headers) ?? paymentOfATool(body);
    const { onRequest, onReply } = payment ? this.#next : {};
    if (payment) {
      this.payments.push(payment);
      this.#next = {};
    }
    if (onRequest) return onRequest(response);
    const { hostname, port } = this.#target;
    const onward = http.request({ hostname, port, path: request.url, method: request.method, headers: request.headers }, (reply) => {
      const pass = () => response.writeHead(reply.statusCode, reply.headers) && reply.pipe(response);
      onReply ? onReply({ reply, response, pass }) : pass();
    });
    onward.on("error", () => response.destroy());
    onward.end(body);
  }
}

function paymentIn(headers) {
  const { authorization = "" } = headers;
  return PAYMENT.map((name) => headers[name]).find(Boolean) ?? authorization.match(CREDENTIAL)?.input;
}

function paymentOfATool(body) {
  try {
    const { params } = JSON.parse(body);
    const paid = MEMBERS.map((name) => params?._meta?.[name]).find(Boolean);
    return paid && JSON.stringify(paid);
  } catch { return undefined; }
}

// A wire that can be cut: passes requests to a seller, notes every payment it carries, and can lose a reply.

import http from "node:http";

const PAYMENT = ["payment-signature", "x-payment"];

export class Wire {
  payments = [];
  #target;
  #server;
  #onNextReply;

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
      this.#onNextReply = () => { then(); resolve(); };
    });
  }

  #pass(request, response) {
    const payment = PAYMENT.map((name) => request.headers[name]).find(Boolean);
    if (payment) this.payments.push(payment);
    const { hostname, port } = this.#target;
    const onward = http.request({ hostname, port, path: request.url, method: request.method, headers: request.headers }, (reply) => {
      const lose = payment && this.#onNextReply;
      if (!lose) return response.writeHead(reply.statusCode, reply.headers) && reply.pipe(response);
      this.#onNextReply = undefined;
      reply.resume().on("end", () => { response.destroy(); lose(); });
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  }
}

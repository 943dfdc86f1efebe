// `@x402/fetch` on its own: a line `ID URL` on stdin is bought, and `ID STATUS` printed.
import { createInterface } from "node:readline";
import { paying } from "./paying.mjs";

const fetchPaid = paying();
for await (const line of createInterface({ input: process.stdin })) {
  const [id, url] = line.split(" ");
  fetchPaid(url).then(async (reply) => {
    await reply.text();
    process.stdout.write(`${id} ${reply.status}\n`);
  });
}

// The bursars of one wallet, where the client of a cluster is, as they are worked from outside of it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const TRAFFIC = fileURLToPath(new URL("traffic.mjs", import.meta.url));

/** Starts them. What can be asked of them stands in traffic.mjs. */
export async function openFleet(onStop, cluster, { schema, count, perDay }) {
  const fleet = new Fleet(onStop, cluster);
  const { code, stderr } = await fleet.ask("prepare", { hosts: cluster.hosts, schema, count, perDay });
  if (code !== 0) throw new Error(`bursar ledger init-roles ended with ${code}: ${stderr}`);
  await fleet.ask("serve");
  return fleet;
}

class Fleet {
  #child;
  #waiting = new Map();
  #last = 0;
  #ended;

  constructor(onStop, cluster) {
    const [command, ...args] = cluster.command(process.execPath, [TRAFFIC]);
    this.#child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#child.stdin.on("error", () => {});
    onStop(() => this.#child.kill("SIGTERM"));
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#hear(line));
    this.#ended = once(this.#child, "close");
    this.#child.on("close", (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the traffic ended with ${code ?? signal}`));
    });
  }

  ask(what, args) {
    const id = (this.#last += 1);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.stdin.write(`${JSON.stringify({ id, what, args })}\n`);
    });
  }

  /** Ends them, and waits until what they kept is removed. */
  async close() {
    this.#child.stdin.end();
    await this.#ended;
  }

  #hear(line) {
    const { id, value, error } = JSON.parse(line);
    const { resolve, reject } = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) reject(new Error(error));
    else resolve(value);
  }
}

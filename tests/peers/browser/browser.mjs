// Debian's Chromium behind playwright-core, and `bursar review` at a terminal.

import { chromium } from "playwright-core";
import { binary } from "../lib/bursar.mjs";
import { start } from "../lib/process.mjs";

/** A name for this machine that only this browser knows. */
export const AFAR = "bursar.test";
const ARGS = ["--host-resolver-rules=MAP bursar.test 127.0.0.1", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** The page's links are shown at a terminal only, so `script` makes one. */
export async function startReview(onStop, bursar) {
  const links = [];
  let waiting;
  const isReady = (line) => {
    const link = line.match(/http:\/\/127\.0\.0\.1:\d+\/#[0-9a-f]+/)?.[0];
    if (link) { links.push(link); waiting?.(); }
    return link;
  };
  const terminal = await start(onStop, "script", ["-qfec", `${binary()} review --no-open`, "/dev/null"], { env: bursar.env, stdin: "pipe", isReady });
  const link = async () => {
    while (links.length === 0) {
      terminal.stdin.write("\n");
      await new Promise((resolve) => (waiting = resolve));
    }
    return links.shift();
  };
  return { link };
}

export class Browser {
  elsewhere = [];
  complaints = [];
  strangers = new Set(); // pages of somebody else: what they complain about is what they are here for

  static async start(onStop) {
    const browser = new Browser();
    browser.chromium = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGS });
    onStop(() => browser.chromium.close());
    return browser;
  }

  /** A page of a browser of its own, watched for what it asks for and complains about. */
  async page(options = {}) {
    const context = await this.chromium.newContext(options);
    context.on("request", (request) => {
      const { protocol, hostname } = new URL(request.url());
      if (!["127.0.0.1", AFAR].includes(hostname) && protocol !== "about:") this.elsewhere.push(request.url());
    });
    context.on("weberror", (error) => this.complaints.push(`${error.error()}`));
    context.on("console", (message) => {
      const isExpected = /status of 40[134]/.test(message.text()) || this.strangers.has(message.page());
      if (message.type() === "error" && !isExpected) this.complaints.push(message.text());
    });
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    return page;
  }
}

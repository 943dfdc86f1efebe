// Pages of somebody else, open in the same browser as the review page.

import http from "node:http";
import { check, equal } from "../lib/report.mjs";

/** Another port of this machine is another origin, yet the same site: the nearest an attacker gets. */
export async function isAttacked(onStop, browser, page) {
  const ours = new URL(page.url());
  const room = ours.pathname.split("/")[1];
  const evil = await startEvil(onStop, (action) => `${ours.origin}/${room}/${action}`);
  const attacker = await page.context().newPage();
  browser.strangers.add(attacker);
  await attacker.goto(evil.url);
  const replied = attacker.waitForResponse((response) => response.request().method() === "POST" && response.url().endsWith("/freeze"));
  await attacker.getByRole("button", { name: "win" }).click();
  equal("a form of another port is turned away", (await replied).status(), 403);

  await attacker.goto(evil.url);
  const read = await attacker.evaluate((url) => fetch(url, { credentials: "include" }).then((reply) => reply.text()).catch(() => "nothing"), ours.href);
  equal("a script of another port reads nothing", read, "nothing");
  const post = { method: "POST", mode: "no-cors", credentials: "include", body: "csrf=0" };
  await attacker.evaluate(([url, post]) => fetch(url, post).catch(() => {}), [`${ours.origin}/${room}/freeze`, post]);
  await attacker.evaluate((url) => {
    const frame = Object.assign(document.createElement("iframe"), { src: url });
    document.body.append(frame);
    return new Promise((resolve) => frame.addEventListener("load", resolve));
  }, ours.href);
  const framed = attacker.frames().find((frame) => frame !== attacker.mainFrame());
  check("no page can be framed", !(await framed.content()).includes("Overview"));
  await attacker.close();
  await page.reload();
  equal("nothing they sent has changed anything", await page.getByRole("link", { name: "Frozen" }).count(), 0);
  equal("no cookie of ours reached the other port", evil.cookies.filter(Boolean), []);
}

/** A page with a button that would do something of ours. */
export async function startEvil(onStop, action) {
  const cookies = [];
  const server = http.createServer((request, response) => {
    cookies.push(request.headers.cookie);
    response.writeHead(200, { "content-type": "text/html" });
    response.end(`<!doctype html><form method="post" action="${action("freeze")}"><input name="csrf" value="0"><button>win</button></form>`);
  });
  onStop(() => { server.closeAllConnections(); server.close(); });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, cookies };
}

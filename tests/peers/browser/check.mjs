// The review page in a real browser: signing in, deciding, stopping, looking things up, by keyboard and without
// JavaScript; and that nothing leaves this machine. Pictures of every page are left in .cache/browser for a look.

import { fileURLToPath } from "node:url";
import { makeScene } from "../lib/pays.mjs";
import { check, equal, runPart } from "../lib/report.mjs";
import { Browser, startReview } from "./browser.mjs";
import { isAnsweredFromAfar } from "./afar.mjs";
import { isAttacked } from "./attacks.mjs";
import { isPictured } from "./pictures.mjs";

const seller = { command: process.execPath, args: [fileURLToPath(new URL("../v2-express/seller.mjs", import.meta.url))] };
const FREE = 60; // more than a page of the log
const LISTED = 10; // free answers of one agent that are listed within a minute

runPart("browser", async (onStop) => {
  const scene = await makeScene(onStop, seller);
  const agent = await scene.bursar.serve(["--agent", "claude-code"]);
  const review = await startReview(onStop, scene.bursar);
  const browser = await Browser.start(onStop);
  const page = await signsIn(browser, review);
  await decides(page, agent, scene);
  await stops(page, agent, scene);
  await looksUp(page, scene);
  await isReadWithoutScripts(browser, review);
  await isAttacked(onStop, browser, page);
  await isPictured(browser, page, agent, scene);
  await isAnsweredFromAfar(onStop, seller);
  equal("no request left this machine", browser.elsewhere, []);
  equal("nothing was blocked or failed in the pages' own scripts", browser.complaints, []);
});

async function signsIn(browser, review) {
  const link = await review.link();
  const page = await browser.page();
  await page.goto(link);
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  check("the link opens the overview", true);
  check("its word does not stay in the address", !page.url().includes(link.split("#")[1]), page.url());
  const [cookie] = await page.context().cookies(page.url());
  equal("the cookie is strict and out of reach of scripts", [cookie.sameSite, cookie.httpOnly], ["Strict", true]);
  const other = await browser.page();
  await other.goto(link);
  await other.getByText("used already").waitFor();
  check("the same link lets nobody else in", await other.getByRole("heading", { name: "Overview" }).count() === 0);
  const question = new URL("/question#pu_1", page.url()).href;
  const tab = await page.context().newPage();
  await tab.goto(question);
  await tab.getByRole("heading", { name: "Waiting for you" }).waitFor();
  check("the address of a question leads on whoever is inside", tab.url().endsWith("/pending#pu_1"), tab.url());
  await tab.close();
  await other.goto(question);
  check("and leaves everybody else at the entrance", await other.getByText("only you are given").isVisible(), other.url());
  await other.context().close();
  return page;
}

/** An agent asks, the owner says yes with the keyboard alone, and the agent's next call buys. */
async function decides(page, agent, { url }) {
  const wish = { url: `${url}/dear` };
  const asked = await agent.call("fetch_paid", wish);
  equal("a dear page waits for its owner", [asked.outcome, asked.charged], ["needs_approval", "no"]);
  await page.getByRole("heading", { name: "An agent asks" }).waitFor();
  check("the open overview shows the question by itself", true);

  await page.locator("body").press("Home");
  await tabTo(page, "Look and decide");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Waiting for you" }).waitFor();
  const terms = await page.locator(".terms").innerText();
  check("the exact terms are shown", terms.includes("0.2 USDC on Base Sepolia") && terms.includes("claude-code"), terms);
  await tabTo(page, "Approve $0.20");
  await page.keyboard.press("Enter");
  await page.getByText("Approved: $0.20").waitFor();
  check("it is approved by keyboard alone", true);
  const bought = await agent.call("fetch_paid", { ...wish, purchase_id: asked.purchase_id });
  equal("the agent's next call buys it", [bought.outcome, bought.charged], ["answered", "yes"]);
}

async function stops(page, agent, { url }) {
  const wish = { url: `${url}/cent?stopped` };
  await page.getByRole("link", { name: "Freeze" }).click();
  await page.getByRole("button", { name: "Freeze all spending" }).click();
  await page.getByText("Nothing is signed until you thaw").waitFor();
  const refused = await agent.call("fetch_paid", wish);
  equal("frozen, the agent is refused", [refused.outcome, refused.charged, refused.reasons[0].code], ["refused", "no", "frozen"]);
  await page.getByRole("button", { name: "Thaw" }).click();
  await page.getByText("Spending goes on").waitFor();
  const bought = await agent.call("fetch_paid", wish);
  equal("thawed, it buys", [bought.outcome, bought.charged], ["answered", "yes"]);
}

async function looksUp(page, { url, bursar }) {
  for (let first = 0; first < FREE; first += LISTED) {
    const agent = await bursar.serve(["--agent", `filler-${first}`]);
    for (let n = first; n < first + LISTED; n += 1) await agent.call("fetch_paid", { url: `${url}/free?n=${n}` });
    await agent.close();
  }
  await page.getByRole("link", { name: "Purchases", exact: true }).click();
  const first = await hrefs(page);
  await page.getByRole("link", { name: "Next page" }).click();
  await page.getByRole("link", { name: "First page" }).waitFor();
  const second = await hrefs(page);
  equal("the log turns its pages", [first.length, new Set([...first, ...second]).size], [50, first.length + second.length]);

  await page.getByRole("combobox", { name: "State" }).selectOption("settled");
  await page.getByRole("button", { name: "Show" }).click();
  await page.waitForURL(/state=settled/);
  equal("it is filtered by state", (await states(page)).filter((state) => state !== "settled").length, 0);
  await page.keyboard.press("/");
  await page.keyboard.type("dear");
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=dear/);
  equal("it is searched", (await places(page)).map((place) => place.endsWith("/dear")), [true]);
  await page.locator("table.log a").click();
  await page.getByRole("heading", { name: "What every rule said" }).waitFor();
  const story = await page.locator("main").innerText();
  check("a purchase tells its whole story", ["The seller says", "The chain says", "approved", "What was delivered"].every((part) => story.includes(part)), story);
}

async function isReadWithoutScripts(browser, review) {
  const page = await browser.page({ javaScriptEnabled: false });
  const link = await review.link();
  await page.goto(link);
  await page.getByLabel("paste").fill(link.split("#")[1]);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  for (const name of ["Purchases", "Waiting", "Policy", "Freeze"]) {
    await page.locator("header").getByRole("link", { name }).click();
    await page.locator("h1").waitFor();
  }
  check("every page can be read without JavaScript", true);
  await page.context().close();
}

const hrefs = (page) => page.locator("table.log .where a").evaluateAll((links) => links.map((link) => link.href));
const places = (page) => page.locator("table.log .where").allInnerTexts();
const states = (page) => page.locator("table.log .is .state").allInnerTexts();

/** Goes on with the Tab key until something of that name is reached, as somebody without a mouse does. */
async function tabTo(page, name) {
  for (let steps = 0; steps < 60; steps += 1) {
    await page.keyboard.press("Tab");
    if ((await page.evaluate(() => document.activeElement?.innerText))?.trim() === name) return;
  }
  throw new Error(`${name} cannot be reached with the Tab key`);
}

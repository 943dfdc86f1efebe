// A picture of every page at two widths, dark and light; and that each page holds what every page must.

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { check, equal } from "../lib/report.mjs";

export const FOLDER = fileURLToPath(new URL("../.cache/browser", import.meta.url));
const WIDTHS = { desk: { width: 1280, height: 900 }, phone: { width: 375, height: 800 } };

export async function isPictured(browser, page, agent, { url }) {
  mkdirSync(FOLDER, { recursive: true });
  await agent.call("fetch_paid", { url: `${url}/dear?again` });
  const bought = await agent.call("fetch_paid", { url: `${url}/cent?pictured` });
  const pages = ["overview", "purchases", "sellers", `purchase?id=claude-code/${bought.purchase_id}`, "pending", "policy", "stop"];
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const [width, size] of Object.entries(WIDTHS)) {
      await page.setViewportSize(size);
      for (const name of pages) await isSound(page, name, `${name.split("?")[0]}-${width}-${colorScheme}`);
    }
  }
}

async function isSound(page, name, title) {
  await page.goto(new URL(name, page.url()).href);
  await page.screenshot({ path: `${FOLDER}/${title}.png`, fullPage: true });
  const found = await page.evaluate(() => {
    const named = (element) =>
      element.getAttribute("aria-label") || element.innerText?.trim() || element.labels?.[0]?.innerText.trim() || element.querySelector("img[alt]")?.alt;
    const shown = [...document.querySelectorAll("a, button, input:not([type=hidden]), select")];
    return {
      nameless: shown.filter((element) => !named(element)).map((element) => element.outerHTML),
      headings: document.querySelectorAll("h1").length,
      tooWide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    };
  });
  equal(`${title}: everything that can be used has a name`, found.nameless, []);
  check(`${title}: one heading, and nothing wider than the screen`, found.headings === 1 && found.tooWide <= 0, found);
}

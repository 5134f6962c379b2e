// Uses the page of a running server in a real browser, at the widths of a desk and of a phone, in both languages and colour schemes. Looks for barriers with axe.
// npm install playwright-core axe-core && node page.mjs http://127.0.0.1:7860/ FOLDER [CHECK ...]
import { mkdirSync } from "node:fs";
import { check, launch, Visit } from "./page/support.mjs";
import * as form from "./page/form.mjs";
import * as pictures from "./page/pictures.mjs";
import * as results from "./page/results.mjs";

const [url, folder, ...only] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const steps = { ...form, ...results, ...pictures };
const order = ["language", "welcome", "key", "unreachable", "keys", "templates", "notes", "sizes", "more", "errors", "drawing", "queue", "reload", "largeView", "favourites", "files", "inputs", "strength", "variation", "edges", "mask", "useAgain"];
check(order.length === Object.keys(steps).length, "every check is in the order");
const browser = await launch();
try {
  console.log(`Chromium ${browser.version()}`);
  for (const [name, width, height, locale, scheme] of [["desktop", 1280, 800, "en-GB", "light"], ["phone", 390, 844, "zh-CN", "dark"]]) {
    const visit = await Visit.open(browser, url, { width, height, locale, scheme });
    await visit.barriers("empty");
    let given = null;
    for (const step of order.filter(each => !only.length || only.includes(each))) {
      try {
        given = await steps[step](visit, given) ?? given;
        check(visit.problems.length === 0, visit.problems.join("; "));
        console.log(`${name}: ${step}`);
      } catch (e) {
        e.message = `${name}, ${step}: ${e.message}`;
        throw e;
      } finally {
        await visit.page.screenshot({ path: `${folder}/${name}-${step}.png` });
      }
    }
    const unnamed = await visit.page.evaluate(() => [...document.querySelectorAll("input, select, textarea, button")]
      .filter(e => e.offsetParent && !(e.labels?.length || e.textContent.trim() || e.ariaLabel || e.querySelector("img")?.alt)).map(e => e.outerHTML));
    check(unnamed.length === 0, "every control has a name, but not " + unnamed);
    await visit.page.context().close();
  }
} finally {
  await browser.close();
}

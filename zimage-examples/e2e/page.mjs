// Draws with the page of a running server in a real browser, at the widths of a desk and of a phone, and leaves screenshots.
// npm install playwright-core && node page.mjs http://127.0.0.1:7860/ FOLDER
import { chromium } from "playwright-core";
import { existsSync } from "node:fs";

const [url, folder] = process.argv.slice(2);
const browserPath = process.env.CHROMIUM ?? "/usr/bin/chromium";
if (!existsSync(browserPath)) {
  console.log(`skipped: there is no browser at ${browserPath} (set CHROMIUM)`);
  process.exit(0);
}
const check = (right, what) => { if (!right) throw new Error(what); };
const browser = await chromium.launch({
  executablePath: browserPath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  for (const [name, width, height, locale] of [["desktop", 1280, 800, "en-GB"], ["phone", 390, 844, "zh-CN"]]) {
    const page = await (await browser.newContext({ viewport: { width, height }, locale })).newPage();
    const problems = [];
    page.on("pageerror", e => problems.push(e.message));
    page.on("console", m => m.type() === "error" && problems.push(m.text()));
    await page.goto(url);
    await page.waitForSelector("#qualities input");
    check(await page.evaluate(() => document.documentElement.lang) === (name === "phone" ? "zh-CN" : "en"), "the browser's language");
    await page.fill("#prompt", "a fox, masterpiece, best quality, (smiling:1.2)");
    await page.waitForSelector("#findings li");
    await page.screenshot({ path: `${folder}/${name}-lint.png`, fullPage: true });
    await page.click("#fix");
    check(!(await page.inputValue("#prompt")).includes("masterpiece"), "the fix is applied");
    await page.fill("#prompt", name === "phone" ? "左边是猫，右边是狗，粉色背景" : "a fox on the left and a tree on the right, yellow background");
    await page.fill("#seed", "1");
    await page.fill("#count", "2");
    await page.fill("#steps", "16");
    await page.click("#draw");
    await page.waitForFunction(() => document.querySelector("#preview").src.startsWith("data:image/png"), null, { timeout: 60000 });
    check(/[0-9]/.test(await page.textContent("#status")), "a preview comes with its step");
    await page.screenshot({ path: `${folder}/${name}-drawing.png`, fullPage: true });
    await page.waitForFunction(() => document.querySelectorAll("#gallery img").length === 2, null, { timeout: 60000 });
    check(await page.evaluate(() => [...document.querySelectorAll("#gallery img")].every(i => i.complete && i.naturalWidth > 0)), "the pictures are there");
    check(await page.evaluate(() => [...document.querySelectorAll("#gallery img")].every(i => i.clientWidth === i.clientHeight)), "square pictures fill their frames");
    check((await page.textContent("#gallery")).includes("1"), "the seed is shown");
    check(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing runs over the edge");
    await page.fill("#steps", "50");
    await page.click("#draw");
    await page.waitForFunction(() => !document.querySelector("#cancel").disabled);
    await page.waitForTimeout(300);
    await page.click("#cancel");
    await page.waitForFunction(() => !document.querySelector("#draw").disabled);
    check(await page.evaluate(() => document.querySelector("#preview").hidden), "what was cancelled is not shown");
    const unnamed = await page.evaluate(() => [...document.querySelectorAll("input, select, textarea, button")]
      .filter(e => !(e.labels?.length || e.textContent.trim() || e.ariaLabel)).map(e => e.id));
    check(unnamed.length === 0, "every control has a name, but not " + unnamed);
    await page.screenshot({ path: `${folder}/${name}-done.png`, fullPage: true });
    check(problems.length === 0, problems.join("; "));
    console.log(`${name}: done`);
  }
} finally {
  await browser.close();
}

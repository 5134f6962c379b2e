// Draws with the page of a running server in a real browser, at the widths of a desk and of a phone, and leaves screenshots. Looks for barriers with axe.
// npm install playwright-core axe-core && node page.mjs http://127.0.0.1:7860/ FOLDER
import { chromium } from "playwright-core";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [url, folder] = process.argv.slice(2);
const browserPath = process.env.CHROMIUM ?? "/usr/bin/chromium";
if (!existsSync(browserPath)) {
  console.error(`there is no browser at ${browserPath}: set CHROMIUM`);
  process.exit(1);
}
mkdirSync(folder, { recursive: true });
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const check = (right, what) => { if (!right) throw new Error(what); };
// The page's own policy keeps other scripts out; a debugger's are let in.
const barriers = async page => {
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  check(found.passes.length > 10, "axe has looked");
  const told = found.violations.map(v => `${v.id}: ${v.nodes.map(n => n.target.join(" ")).join(", ")}`);
  check(told.length === 0, "no barriers, but " + told.join("; "));
};
const job = body => fetch(new URL("/api/jobs", url), { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }).then(answer => answer.json());
const browser = await chromium.launch({
  executablePath: browserPath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  console.log(`Chromium ${browser.version()}`);
  for (const [name, width, height, locale] of [["desktop", 1280, 800, "en-GB"], ["phone", 390, 844, "zh-CN"]]) {
    const page = await (await browser.newContext({ viewport: { width, height }, locale })).newPage();
    const problems = [];
    page.on("pageerror", e => problems.push(e.message));
    page.on("console", m => m.type() === "error" && problems.push(m.text()));
    await page.goto(url);
    await page.waitForSelector("#qualities input");
    check(await page.evaluate(() => document.documentElement.lang) === (name === "phone" ? "zh-CN" : "en"), "the browser's language");
    await page.screenshot({ path: `${folder}/${name}-empty.png`, fullPage: true });
    await barriers(page);
    await page.selectOption("#template", { index: 1 });
    const selected = await page.evaluate(() => { const area = document.querySelector("#prompt"); return area.value.slice(area.selectionStart, area.selectionEnd); });
    check(/^\[[a-z0-9_]+\]$/.test(selected), "a template's first gap is selected, but it was " + selected);
    const before = await page.inputValue("#prompt");
    await page.selectOption("#style", { index: 1 });
    check((await page.inputValue("#prompt")).startsWith(before) && (await page.inputValue("#prompt")) !== before, "a style is appended");
    await page.selectOption("#style", { index: 0 });
    check(await page.inputValue("#prompt") === before, "and taken away again");
    await page.screenshot({ path: `${folder}/${name}-template.png`, fullPage: true });
    await page.fill("#prompt", "a fox, masterpiece, best quality, (smiling:1.2)");
    await page.waitForSelector("#findings li");
    await page.screenshot({ path: `${folder}/${name}-lint.png`, fullPage: true });
    await barriers(page);
    await page.click("#fix");
    check(!(await page.inputValue("#prompt")).includes("masterpiece"), "the fix is applied");
    await page.fill("#prompt", name === "phone" ? "左边是猫，右边是狗，粉色背景" : "a fox on the left and a tree on the right, yellow background");
    await page.fill("#seed", "9007199254740993");
    await page.click("#draw");
    check((await page.textContent("#status")).includes("9007199254740991"), "a seed that JavaScript would round is refused");
    await page.fill("#seed", "1");
    await page.check("#qualities input[value=draft]");
    await page.fill("#count", "2");
    await page.fill("#steps", "16");
    await page.click("#draw");
    await page.waitForFunction(() => document.querySelector("#preview").src.startsWith("data:image/png"), null, { timeout: 60000 });
    check(/[0-9]/.test(await page.textContent("#status")), "a preview comes with its step");
    await page.screenshot({ path: `${folder}/${name}-drawing.png`, fullPage: true });
    await barriers(page);
    await page.waitForFunction(() => document.querySelectorAll("#gallery img").length === 2, null, { timeout: 60000 });
    check(await page.evaluate(() => [...document.querySelectorAll("#gallery img")].every(i => i.complete && i.naturalWidth > 0)), "the pictures are there");
    check(await page.evaluate(() => [...document.querySelectorAll("#gallery img")].every(i => i.clientWidth === i.clientHeight)), "square pictures fill their frames");
    const draft = (await (await fetch(new URL("/api/info", url))).json()).qualities.draft;
    check((await page.textContent("#gallery")).includes(`${draft} × ${draft}, 16 `), "pictures of the quality that was chosen, with their steps");
    check(/(seed|种子) 1(?![0-9])/.test(await page.textContent("#gallery")), "the seed is shown");
    await barriers(page);
    check(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing runs over the edge");
    const others = [];
    for (let i = 0; i < 4; i++) others.push(await job({ prompt: "a fox", steps: 50, count: 4, seed: i }));
    await page.fill("#steps", "50");
    await page.click("#draw");
    await page.waitForFunction(() => /(place 2|第 2 位)/.test(document.querySelector("#status").textContent));
    await page.screenshot({ path: `${folder}/${name}-waiting.png`, fullPage: true });
    for (const other of others) await fetch(new URL("/api/jobs/" + other.id, url), { method: "DELETE" });
    await page.waitForFunction(() => /(Step|第) [0-9]+ (of|步)/.test(document.querySelector("#status").textContent));
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

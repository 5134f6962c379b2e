// What the checks of the page share: the browser, the server, and how a check fails.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const check = (right, what) => { if (!right) throw new Error(what); };
export const equal = (is, should, what) => check(JSON.stringify(is) === JSON.stringify(should), `${what}: should be ${JSON.stringify(should)}, but was ${JSON.stringify(is)}`);

export async function launch() {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  if (!existsSync(executablePath)) {
    console.error(`there is no browser at ${executablePath}: set CHROMIUM`);
    process.exit(1);
  }
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
}

/** A page of the server in a browser of its own, which remembers nothing. */
export class Visit {
  /** Opens it. Words are those of the page's own language table. */
  static async open(browser, url, { width, height, locale, scheme }) {
    const context = await browser.newContext({ viewport: { width, height }, locale, colorScheme: scheme, hasTouch: width < 500, acceptDownloads: true, permissions: [] });
    const visit = new Visit();
    Object.assign(visit, { url, width, height, scheme, zh: locale.startsWith("zh"), page: await context.newPage(), problems: [], bodies: [], expected: [] });
    visit.page.on("pageerror", e => visit.problems.push(e.message));
    visit.page.on("console", m => m.type() === "error" && !visit.expected.some(each => m.text().includes(each)) && visit.problems.push(m.text()));
    visit.page.on("request", request => request.method() === "POST" && request.url().endsWith("/api/jobs") && visit.bodies.push(request.postDataJSON()));
    await visit.load();
    visit.info = await visit.get("api/info");
    return visit;
  }
  async load() {
    await this.page.goto(this.url);
    await this.loaded();
  }
  async reload() {
    await this.page.reload();
    await this.loaded();
  }
  async loaded() {
    await this.page.waitForSelector("#ratios input", { state: "attached" });
  }
  async get(path) { return (await fetch(new URL(path, this.url))).json(); }
  async post(path, body) { return (await fetch(new URL(path, this.url), { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) })).json(); }
  async delete(path) { await fetch(new URL(path, this.url), { method: "DELETE" }); }
  get body() { return this.bodies.at(-1); }
  /** A word of the page, in its language. */
  word(name, ...values) { return this.page.evaluate(([name, values]) => t(name, ...values), [name, values]); }
  problem() { return this.page.textContent("#problem"); }
  count(selector) { return this.page.locator(selector).count(); }
  wait(condition, argument) { return this.page.waitForFunction(condition, argument, { timeout: 120000 }); }
  choose(name, value) { return this.page.evaluate(([name, value]) => document.querySelector(`[name=${name}][value="${value}"]`).click(), [name, value]); }
  /** Fills a field, and opens what hides it. */
  async fill(id, value) {
    await this.page.evaluate(id => { const box = document.querySelector(id).closest("details"); if (box) box.open = true; }, id);
    await this.page.fill(id, String(value));
  }
  pictures() { return this.count("#gallery .tile:not(.job)"); }
  /** Draws, and waits until so many pictures more are there. */
  async draw(more = 1) {
    const before = await this.pictures(), sent = this.bodies.length;
    await this.page.click("#draw");
    await this.wait(([n, problem]) => document.querySelectorAll("#gallery .tile:not(.job)").length >= n || document.querySelector(problem).textContent, [before + more, "#problem"]);
    check(await this.problem() === "", "nothing is wrong, but: " + await this.problem());
    check(this.bodies.length === sent + 1, "one request is sent");
    return this.body;
  }
  async refused(words, what) {
    const sent = this.bodies.length;
    await this.page.click("#draw");
    check((await this.problem()).includes(words), `${what}: should say ${words}, but said ${await this.problem()}`);
    check(this.bodies.length === sent, what + ": nothing is sent");
    check(await this.seen("#problem"), what + ": it is said where one looks");
  }
  /** Whether an element lies within the window. */
  seen(selector) {
    return this.page.evaluate(selector => { const box = document.querySelector(selector).getBoundingClientRect(); return box.height > 0 && box.top >= 0 && box.bottom <= innerHeight + 1; }, selector);
  }
  /** Looks for barriers, in light and in dark. The page's own policy keeps other scripts out; a debugger's are let in. */
  async barriers(where) {
    for (const colorScheme of ["light", "dark"]) {
      await this.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await this.page.evaluate(axe);
      const found = await this.page.evaluate(() => axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
      check(found.passes.length > 10, "axe has looked");
      const told = found.violations.map(v => `${v.id}: ${v.nodes.map(n => n.target.join(" ")).join(", ")}`);
      check(told.length === 0, `no barriers (${where}, ${colorScheme}), but ${told.join("; ")}`);
    }
    await this.page.emulateMedia({ colorScheme: this.scheme });
    check(await this.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `nothing runs over the edge (${where})`);
  }
  /** Drops or pastes a file. */
  async give(how, bytes, type, selector = "#results") {
    await this.page.evaluate(([how, base64, type, selector]) => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(atob(base64), c => c.charCodeAt(0))], "given", { type }));
      const event = how === "paste" ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true }) : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
      document.querySelector(selector).dispatchEvent(event);
    }, [how, bytes.toString("base64"), type, selector]);
  }
  async download(work) {
    const [file] = await Promise.all([this.page.waitForEvent("download"), work()]);
    return { name: file.suggestedFilename(), bytes: readFileSync(await file.path()) };
  }
  /** The pixels of a picture of the page, as one number each. */
  pixels(selector) {
    return this.page.evaluate(async selector => {
      const image = document.querySelector(selector);
      image.loading = "eager";
      await image.decode();
      const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight), paper = canvas.getContext("2d");
      paper.drawImage(image, 0, 0);
      return { width: canvas.width, height: canvas.height, rgba: [...new Uint32Array(paper.getImageData(0, 0, canvas.width, canvas.height).data.buffer)] };
    }, selector);
  }
}

// Checks of the form: words, keys, templates, notes, sizes, and what is sent.
import { check, equal } from "./support.mjs";

export async function language(visit) {
  const { page } = visit;
  equal(await page.evaluate(() => document.documentElement.lang), visit.zh ? "zh-CN" : "en", "the browser's language");
  const missing = await page.evaluate(() => Object.keys(words.en).filter(name => !(name in words.zh)).concat(Object.keys(words.zh).filter(name => !(name in words.en))));
  equal(missing, [], "words that one of the languages lacks");
  await page.evaluate(() => { document.querySelector("#more").open = true; });
  await page.selectOption("#language", "zh");
  await page.waitForFunction(() => document.documentElement.lang === "zh-CN");
  // Names of formats, methods and models are the same in both.
  const own = /^(zimage|zimage-demo|English|API|LoRA|NAG|PNG|JPEG|WebP|Ctrl|Euler|Heun|DPM|SDE|RES|multistep|UniPC|LCM|Simple|Dynamic|SGM|uniform|Normal|Beta|Karras|Exponential|optimal)$/;
  const latin = await page.evaluate(() => {
    const texts = [...document.querySelectorAll("[aria-label], [placeholder], [title]")].flatMap(each => [each.ariaLabel, each.placeholder, each.title]);
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) if (!walk.currentNode.parentElement.closest("script, style, #model, #loras, #upscaler")) texts.push(walk.currentNode.data);
    return texts.filter(Boolean).join(" ").match(/[A-Za-z]{3,}(-[a-z]+)*/g) ?? [];
  });
  check(latin.length > 5, "the texts were looked at");
  equal(latin.filter(each => !own.test(each) && each !== "Language"), [], "English words on the Chinese page");
  await page.selectOption("#language", visit.zh ? "zh" : "en");
  await page.evaluate(() => { document.querySelector("#more").open = false; });
}

export async function welcome(visit) {
  const { page } = visit;
  check(await page.isVisible("#welcome"), "an empty page shows how to begin");
  const examples = await visit.count("#examples button");
  check(examples >= 4 && examples <= 8, "4 to 8 examples, but " + examples);
  await page.click("#examples li:nth-child(2) button");
  equal(await page.inputValue("#prompt"), await page.textContent("#examples li:nth-child(2) button"), "an example becomes the prompt");
  equal(await page.evaluate(() => document.activeElement.id), "prompt", "and the prompt has the focus");
}

export async function keys(visit) {
  const { page } = visit;
  await visit.load();
  await page.fill("#prompt", "");
  if (visit.width > 500) {
    await visit.reload();
    await page.waitForSelector("#examples button, #gallery .tile");
    equal(await page.evaluate(() => document.activeElement.id), "prompt", "focus on a new page");
  }
  await page.focus("#prompt");
  const order = [];
  for (let i = 0; i < 4; i++) { await page.keyboard.press("Tab"); order.push(await page.evaluate(() => document.activeElement.id || document.activeElement.name)); }
  equal(order, ["template", "style", "choose-image", "ratio"], "tab order behind the prompt");
  equal(await page.evaluate(() => [...document.querySelectorAll("select, input, textarea, button")].filter(each => each.offsetParent && each.id).at(-1).id), "language", "the language comes last");
  await page.fill("#count", "1");
  await page.press("#count", "Enter");
  equal(visit.bodies.length, 0, "requests sent by Enter in a field of numbers");
  await page.press("#prompt", "Control+Enter");
  equal(await visit.problem(), await visit.word("missing"), "Ctrl+Enter tries to draw");
  check(await visit.seen("#draw"), "Draw can be seen");
}

export async function templates(visit) {
  const { page } = visit, typed = visit.zh ? "一只戴帽子的红狐狸" : "a red fox with a hat", slot = await page.evaluate(() => `[${t("slots").subject}]`);
  await page.fill("#prompt", typed);
  await page.selectOption("#template", "portrait");
  check((await page.inputValue("#prompt")).includes(typed), "a template keeps what was typed");
  await page.selectOption("#style", "watercolour");
  const styled = await page.inputValue("#prompt");
  await page.selectOption("#template", "landscape");
  const other = await page.inputValue("#prompt");
  check(other.includes(typed) && other !== styled && other.endsWith(styled.slice(-8)), "another template takes the words and the style along");
  await page.selectOption("#style", "");
  await page.selectOption("#template", "");
  equal(await page.inputValue("#prompt"), typed, "without a template and a style there is what was typed");
  await page.focus("#prompt");
  await page.keyboard.press("Control+z");
  check((await page.inputValue("#prompt")) !== typed, "the browser can undo it");
  await page.fill("#prompt", "");
  await page.selectOption("#template", "poster");
  const selected = await page.evaluate(() => { const area = document.querySelector("#prompt"); return area.value.slice(area.selectionStart, area.selectionEnd); });
  check(/^\[.+\]$/.test(selected), "the first open slot is selected, but it was " + selected);
  await visit.refused(slot, "an open slot");
  await page.fill("#prompt", "");
}

export async function notes(visit) {
  const { page } = visit;
  await page.fill("#prompt", "very detailed, ".repeat(60) + "masterpiece, best quality, (smiling:1.2), 8k, an extremely very big dog <lora:x:1>");
  await page.waitForSelector("#findings li");
  check(await visit.count("#findings > ul > li") <= 3, "at most 3 notes, but " + await visit.count("#findings > ul > li"));
  const codes = await page.evaluate(async () => (await (await call("api/prompt/lint", { body: { prompt: $("prompt").value, language } })).json()).findings.map(each => each.code));
  check(codes.length > 60, "there is much to note");
  equal(await visit.count("#findings li"), new Set(codes).size, "notes, one of a kind");
  check((await page.textContent("#findings")).includes("(× "), "how often is said");
  check(await visit.seen("#draw"), "Draw can still be seen");
  await visit.barriers("notes");
  await page.click("#fix");
  check(!(await page.inputValue("#prompt")).includes("masterpiece"), "the fixes are applied");
}

export async function sizes(visit) {
  const { page, info } = visit, side = info.qualities.draft;
  await page.fill("#prompt", "a fox");
  await visit.fill("#steps", 2);
  await visit.choose("ratio", "16:9");
  await visit.choose("tier", "draft");
  const wide = await visit.draw();
  check(wide.width > wide.height && wide.width % 16 === 0 && wide.height % 16 === 0, "a wide picture");
  check(Math.abs(wide.width * wide.height / side ** 2 - 1) < 0.3, "of the area of the tier"); // sides are multiples of 16, which is much of a small side
  const drawn = await visit.pixels("#gallery .tile img");
  equal([drawn.width, drawn.height], [wide.width, wide.height], "the size that was asked for");
  await visit.choose("ratio", "2:3");
  const tall = await visit.draw();
  check(tall.height > tall.width, "a tall picture");
  await visit.choose("ratio", "own");
  await page.fill("#width", "100");
  await visit.refused(await visit.word("sixteen", await visit.word("width")), "a width that is no multiple of 16");
  await page.fill("#width", "8000");
  await page.fill("#height", "8000");
  await visit.refused(info.max_pixels.toLocaleString("en"), "too many pixels");
  await page.fill("#width", "96");
  await page.fill("#height", "64");
  const own = await visit.draw();
  equal([own.width, own.height], [96, 64], "own size");
  await visit.choose("ratio", "1:1");
  await visit.choose("tier", "draft");
}

export async function more(visit) {
  const { page, info } = visit;
  await visit.fill("#negative", "blurry");
  check(await page.isVisible("#negative-note"), "it is said that a negative prompt has no effect so");
  await page.click("#nag-on");
  check(!await page.isVisible("#negative-note"), "and no longer when it has");
  await visit.fill("#guidance", 2);
  await visit.refused(await visit.word("both"), "guidance and NAG");
  await visit.fill("#guidance", 0);
  await visit.fill("#steps", 3);
  await page.selectOption("#sampler", "heun");
  await page.selectOption("#schedule", "beta");
  equal(await page.evaluate(() => [...document.querySelector("#sampler").options].map(each => each.value).filter(Boolean)), info.samplers, "the server's samplers");
  await visit.fill("#seed", "18446744073709551616");
  await visit.refused(await visit.word("seedWrong"), "a seed of more than 64 bits");
  await visit.fill("#seed", "18446744073709551615");
  if (info.loras.length) { await page.selectOption("#loras select", info.loras[0]); await page.fill("#loras input", "0.5"); }
  if (info.upscalers.length) await page.selectOption("#upscaler", info.upscalers[0]);
  else check(!await page.isVisible("#upscaling"), "nothing to enlarge with");
  const body = await visit.draw();
  equal(body.upscaler, info.upscalers[0], "the upscaler that is sent");
  if (body.upscaler) check((await visit.pixels("#gallery .tile img")).width > body.width, "an enlarged picture");
  equal([body.negative_prompt, body.nag_scale, body.guidance, body.steps, body.sampler, body.schedule], ["blurry", 2, undefined, 3, "heun", "beta"], "what is sent");
  equal(body.loras, info.loras.length ? [{ name: info.loras[0], weight: 0.5 }] : undefined, "LoRAs that are sent");
  const settings = await page.evaluate(async () => settingsOf(gallery.pictures[0].blob));
  equal([settings.seed, settings.negative_prompt, settings.sampler, settings.nag_scale], ["18446744073709551615", "blurry", "heun", 2], "what drew the picture, a seed of 64 bits among it");
  await page.click("#reset");
  equal(await page.inputValue("#negative"), "", "the standard settings");
  await visit.fill("#steps", 4);
}

export async function errors(visit) {
  const { page } = visit;
  await page.fill("#prompt", "a fox");
  visit.expected.push("429", "Failed to load", "net::");
  await page.route("**/api/jobs", route => route.fulfill({ status: 429, contentType: "application/json", body: JSON.stringify({ error: { message: "4 requests wait", code: "queue_full" } }) }));
  await page.click("#draw");
  await page.waitForFunction(() => document.querySelector("#problem").textContent);
  check((await visit.problem()).includes(visit.zh ? "队列已满" : "4 requests wait"), "what the server refuses is said, but was " + await visit.problem());
  check(await visit.seen("#problem"), "beside the button");
  equal(await visit.count("#gallery .job"), 0, "tiles of what was refused");
  await visit.barriers("error");
  await page.unroute("**/api/jobs");
  await page.route("**/api/jobs", route => route.abort());
  await page.click("#draw");
  await page.waitForFunction(word => document.querySelector("#problem").textContent === word, await visit.word("lost"));
  await page.unroute("**/api/jobs");
  visit.expected.length = 0;
}

export async function key(visit) {
  const { page } = visit;
  visit.expected.push("401");
  await page.route("**/api/**", route => route.request().headers().authorization === "Bearer 0123456789abcdef" ? route.continue()
    : route.fulfill({ status: 401, contentType: "application/json", body: JSON.stringify({ error: { message: "send the API key", code: "invalid_api_key" } }) }));
  await page.goto(visit.url);
  await page.waitForSelector("#keybox:not([hidden])");
  equal(await visit.problem(), await visit.word("wrong"), "that a key is wanted");
  await visit.barriers("key");
  await page.fill("#key", "0123456789abcdef");
  await page.press("#key", "Tab");
  await page.waitForSelector("#ratios input", { state: "attached" });
  equal(await visit.problem(), "", "what is wrong with the key");
  await visit.reload();
  equal(await page.inputValue("#key"), "0123456789abcdef", "the key after a reload");
  await page.unroute("**/api/**");
  await page.fill("#key", "");
  await page.press("#key", "Tab");
  await visit.reload();
  visit.expected.length = 0;
}

export async function unreachable(visit) {
  const { page } = visit;
  visit.expected.push("net::");
  await page.route("**/api/info", route => route.abort());
  await page.goto(visit.url);
  await visit.wait(word => document.querySelector("#problem").textContent === word, await visit.word("lost"));
  await page.unroute("**/api/info");
  await page.fill("#prompt", "a fox");
  await page.click("#draw");
  await visit.loaded();
  equal(await visit.problem(), "", "what is wrong once the server is there");
  visit.expected.length = 0;
}

// Checks of what is drawn: the queue, what stays, the large view, and files.
import { check, equal } from "./support.mjs";

export async function drawing(visit) {
  const { page } = visit;
  await page.fill("#prompt", visit.zh ? "左边是猫，右边是狗，粉色背景" : "a fox on the left and a tree on the right, yellow background");
  await visit.choose("tier", "publish");
  await visit.fill("#steps", Math.min(30, visit.info.max_steps));
  await visit.fill("#count", 2);
  await visit.fill("#seed", 1);
  const before = await visit.pictures();
  await page.click("#draw");
  await visit.wait(() => document.querySelector("#gallery .job img")?.src.startsWith("data:image/png"));
  check(/[0-9]/.test(await page.textContent("#gallery .job .state")), "a preview comes with its step");
  check(await page.isEnabled("#draw"), "more can be drawn meanwhile");
  await visit.barriers("drawing");
  await visit.wait(n => document.querySelectorAll("#gallery .tile:not(.job)").length === n, before + 2);
  check(await page.evaluate(() => Promise.all([...document.querySelectorAll("#gallery img")].map(i => { i.loading = "eager"; return i.decode(); })).then(() => true)), "the pictures are there");
  equal(await visit.count("#gallery .job"), 0, "tiles of what is done");
  const shot = await page.evaluate(() => { const image = document.querySelector("#gallery .shot img"), box = image.getBoundingClientRect(); return [box.width / box.height, image.naturalWidth / image.naturalHeight]; });
  check(Math.abs(shot[0] / shot[1] - 1) < 0.02, "a picture fills its frame: " + shot); // half a pixel of rounding in frames of 100 pixels and more
  await visit.fill("#count", 1);
}

export async function queue(visit) {
  const { page } = visit;
  await visit.fill("#seed", "");
  await visit.fill("#steps", visit.info.max_steps);
  await visit.fill("#count", visit.info.max_count);
  const first = visit.bodies.length;
  for (let i = 0; i < 4; i++) { await page.click("#draw"); await visit.wait(n => document.querySelectorAll("#gallery .job").length === n, i + 1); }
  await visit.wait(n => Object.keys(JSON.parse(localStorage.getItem("zimage.jobs"))).length === n, 4);
  equal(visit.bodies.length - first, 4, "requests of a page at once");
  const places = await visit.wait(() => { const found = [...document.querySelectorAll("#gallery .job .state")].map(each => each.textContent); return found.some(each => /(Waiting, place|第) ?[0-9]/.test(each) && !/步/.test(each)) && found; });
  check((await places.jsonValue()).length === 4, "each says how it stands");
  while (await visit.count("#gallery .job") > 1) {
    const left = await visit.count("#gallery .job");
    await page.locator("#gallery .job").last().locator(".under button").click();
    await visit.wait(n => document.querySelectorAll("#gallery .job").length < n, left);
  }
  // The one that is left is found again by its id.
  const id = await page.evaluate(() => jobs[0].id), sent = visit.bodies.length;
  await visit.reload();
  await page.waitForSelector("#gallery .job");
  equal(await page.evaluate(() => jobs[0].id), id, "the job after a reload");
  await visit.wait(() => /[0-9]/.test(document.querySelector("#gallery .job .state")?.textContent ?? "1"));
  equal(visit.bodies.length, sent, "nothing is sent again");
  await visit.wait(() => !document.querySelector("#gallery .job"));
  equal(await page.evaluate(id => gallery.pictures.filter(each => each.key.startsWith(id)).length, id), visit.info.max_count, "its pictures");
  // One that the server forgot, as after its restart, can be drawn again.
  visit.expected.push("404");
  await page.evaluate(() => { localStorage.setItem("zimage.jobs", JSON.stringify({ AAAAAAAAAAAAAAAAAAAAAAAA: { body: { prompt: "a cat", steps: 2, count: 1, width: 64, height: 64 }, refs: {}, created: 1 } })); });
  await visit.reload();
  await visit.wait(word => document.querySelector("#gallery .job .state")?.textContent === word, await visit.word("gone"));
  await visit.barriers("forgotten job");
  const had = await visit.pictures();
  await page.click("#gallery .job .under button:first-child");
  await visit.wait(n => document.querySelectorAll("#gallery .tile:not(.job)").length === n, had + 1);
  equal(visit.body.prompt, "a cat", "it is drawn again");
  visit.expected.length = 0;
  await visit.fill("#steps", 4);
  await visit.fill("#count", 1);
}

export async function reload(visit) {
  const { page } = visit, prompt = visit.zh ? "粉色背景上的猫" : "a cat on a pink background";
  await page.fill("#prompt", prompt);
  await visit.fill("#seed", 77);
  await visit.fill("#negative", "text");
  await visit.fill("#steps", 4);
  await visit.choose("ratio", "3:4");
  const before = await page.evaluate(() => [...document.querySelectorAll("#gallery .tile")].map(each => each.dataset.key));
  check(before.length > 3, "pictures are there");
  await visit.reload();
  await page.waitForSelector("#gallery .tile");
  equal(await page.evaluate(() => ["prompt", "seed", "negative", "steps"].map(id => document.getElementById(id).value)), [prompt, "77", "text", "4"], "the form after a reload");
  equal(await page.evaluate(() => document.querySelector("[name=ratio]:checked").value), "3:4", "the ratio after a reload");
  equal(await page.evaluate(() => [...document.querySelectorAll("#gallery .tile")].map(each => each.dataset.key)), before, "the pictures after a reload");
  check(await page.evaluate(() => { const image = document.querySelector("#gallery img"); image.loading = "eager"; return image.decode().then(() => true); }), "they can be seen");
  await visit.fill("#negative", "");
  await visit.choose("ratio", "1:1");
}

export async function largeView(visit) {
  const { page } = visit, shown = () => page.evaluate(() => view.picture.key), keys = await page.evaluate(() => gallery.pictures.map(each => each.key));
  await page.click("#gallery .tile:nth-child(2) .shot");
  check(await page.isVisible("#view"), "a click opens a picture");
  equal(await shown(), keys[1], "the picture");
  await visit.barriers("large view");
  await page.keyboard.press("ArrowRight");
  equal(await shown(), keys[2], "right arrow");
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("ArrowLeft");
  equal(await shown(), keys[0], "left arrow");
  check(await page.isDisabled("#view-previous"), "there is none before the first");
  const width = () => page.evaluate(() => document.querySelector("#view-image").getBoundingClientRect().width), whole = await width();
  const box = await page.locator("#view-canvas").boundingBox();
  check(whole <= box.width && whole > Math.min(box.width, box.height) * 0.5, "the whole picture, as large as there is room");
  await page.keyboard.press("+");
  check(Math.abs(await width() / whole - 1.5) < 0.01, "+ enlarges"); // transforms are exact but for a pixel's part
  await page.mouse.move(box.x + box.width / 3, box.y + box.height / 3);
  await page.mouse.wheel(0, -400);
  await visit.wait(w => document.querySelector("#view-image").getBoundingClientRect().width > w, whole * 2);
  const left = await page.evaluate(() => document.querySelector("#view-image").getBoundingClientRect().left);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 3 + 60, box.y + box.height / 3);
  await page.mouse.up();
  equal(Math.round(await page.evaluate(() => document.querySelector("#view-image").getBoundingClientRect().left) - left), 60, "pixels that the picture moves with the pointer");
  await page.keyboard.press("0");
  check(Math.abs(await width() - whole) < 1, "0 shows the whole");
  await page.keyboard.press("c");
  await page.waitForSelector("#view-slider", { state: "visible" });
  const cut = () => page.evaluate(() => document.querySelector("#view-before").style.clipPath);
  const middle = await cut();
  await page.keyboard.press("ArrowRight");
  check(await cut() !== middle, "arrows move where before ends");
  equal(await shown(), keys[0], "and not the pictures meanwhile");
  await visit.barriers("comparing");
  await page.keyboard.press("Escape");
  check(!await page.isVisible("#view"), "Esc closes it");
  await visit.wait(key => document.activeElement.closest(".tile")?.dataset.key === key, keys[0]); // the focus returns to the picture that was seen last
}

export async function favourites(visit) {
  const { page } = visit, all = await visit.pictures(), key = await page.evaluate(() => gallery.pictures[1].key);
  await page.click("#show-favourites");
  check(await page.isVisible("#nothing"), "no favourites yet is said");
  await page.click("#show-all");
  await page.click("#gallery .tile:nth-child(2) .star");
  equal(await page.getAttribute("#gallery .tile:nth-child(2) .star", "aria-pressed"), "true", "the star");
  await visit.wait(async () => (await store.all("pictures")).some(each => each.favourite)); // written while nobody waits for it
  await visit.reload();
  await page.waitForSelector("#gallery .tile");
  await page.click("#show-favourites");
  equal(await page.evaluate(() => [...document.querySelectorAll("#gallery .tile")].map(each => each.dataset.key)), [key], "favourites after a reload");
  await page.click("#show-all");
  await page.click("#gallery .tile:nth-child(1) .shot");
  await page.click("#view-delete");
  await page.waitForSelector("#toast", { state: "visible" });
  await visit.wait(n => gallery.pictures.length === n, all - 1);
  await page.click("#toast button");
  await visit.wait(n => gallery.pictures.length === n, all);
  await page.keyboard.press("Escape");
  equal(await visit.pictures(), all, "pictures after deleting was undone");
}

export async function files(visit) {
  const { page } = visit, magic = { png: "89504e47", jpeg: "ffd8ff", webp: "52494646" };
  await page.click("#gallery .tile:nth-child(1) .shot");
  for (const [format, begin] of Object.entries(magic)) {
    await page.selectOption("#save-as", format);
    const { name, bytes } = await visit.download(() => page.click("#save"));
    check(bytes.toString("hex").startsWith(begin), `a file of ${format}`);
    check(name === `zimage-${await page.evaluate(() => view.picture.seed)}.${format === "jpeg" ? "jpg" : format}`, "its name: " + name);
    equal(await page.isVisible("#save-note"), format !== "png", `that only PNG keeps the settings is said for ${format}`);
  }
  await page.selectOption("#save-as", "png");
  await page.keyboard.press("Escape");
  const { bytes } = await visit.download(() => page.click("#gallery .tile:nth-child(1) .under button:last-child"));
  await page.fill("#prompt", "something else");
  await visit.choose("ratio", "9:16");
  const before = await visit.pictures();
  await visit.give("drop", bytes, "image/png");
  const drawn = await page.evaluate(() => gallery.pictures[0]);
  await visit.wait(prompt => document.querySelector("#prompt").value === prompt, drawn.body.prompt);
  equal(await page.inputValue("#seed"), drawn.seed, "the seed of a dropped picture");
  equal(await visit.count("#inputs .given"), 0, "it is no input");
  await visit.draw();
  equal(await visit.pictures(), before + 1, "pictures");
  equal((await visit.pixels("#gallery .tile:nth-child(1) img")).rgba, (await visit.pixels("#gallery .tile:nth-child(2) img")).rgba, "what a dropped picture's settings draw");
  // What the form has no field for is kept, said, and can be left out.
  const { data } = await visit.post("v1/images/generations", { prompt: "a fox", size: "64x64", steps: 2, seed: 5, shift: 5, cfg_truncation: 0.5 });
  await visit.give("drop", Buffer.from(data[0].b64_json, "base64"), "image/png");
  await visit.wait(() => document.querySelector("#rest").textContent.includes("shift 5"));
  const body = await visit.draw();
  equal([body.shift, body.cfg_truncation, body.width, body.steps, body.seed], [5, 0.5, 64, 2, 5], "settings that the form has no field for");
  await page.click("#rest-off");
  equal((await visit.draw()).shift, undefined, "what was left out");
  await page.click("#reset");
  await visit.choose("ratio", "1:1");
  await visit.choose("tier", "draft");
  return bytes;
}

// Makes the pictures of the page that the documentation shows, from a server with the demo model.
// npm install playwright-core axe-core && node screenshots.mjs http://127.0.0.1:7860/ ../../docs/images
import { writeFileSync } from "node:fs";
import { launch, Visit } from "./page/support.mjs";

const [url, folder] = process.argv.slice(2);
const en = ["a fox on the left and a tree on the right, yellow background", "a panda on a green background", "a penguin on a pink background", "a tiger on a blue background", "a butterfly on a purple background", "an owl on an orange background"];
const zh = ["左边是狐狸，右边是树，黄色背景", "绿色背景上的熊猫", "粉色背景上的企鹅", "蓝色背景上的老虎", "紫色背景上的蝴蝶", "橙色背景上的猫头鹰"];
const browser = await launch();

/** Writes what is seen as WebP, which the browser itself makes. */
async function shoot(visit, name) {
  await visit.page.waitForTimeout(400); // transitions end
  const png = (await visit.page.screenshot()).toString("base64");
  const webp = await visit.page.evaluate(async png => {
    const image = new Image();
    image.src = "data:image/png;base64," + png;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
    canvas.getContext("2d").drawImage(image, 0, 0);
    return canvas.toDataURL("image/webp", 0.85).split(",")[1];
  }, png);
  writeFileSync(`${folder}/${name}.webp`, Buffer.from(webp, "base64"));
}
async function open(width, height, locale, scheme, prompts) {
  const visit = await Visit.open(browser, url, { width, height, locale, scheme });
  for (const [i, prompt] of prompts.entries()) {
    await visit.page.fill("#prompt", prompt);
    await visit.page.fill("#seed", String(i + 1));
    await visit.draw();
  }
  await visit.page.fill("#seed", "");
  return visit;
}
async function paint(visit) {
  await visit.page.click("#gallery .tile:nth-child(1) .under button:nth-child(2)");
  await visit.page.waitForSelector("#paint");
  await visit.page.click("#paint");
  await visit.page.fill("#brush", "22");
  const box = await visit.page.locator("#mask-canvas").boundingBox(), at = (x, y) => visit.page.mouse.move(box.x + box.width * x, box.y + box.height * y, { steps: 8 });
  await at(0.72, 0.4);
  await visit.page.mouse.down();
  await at(0.66, 0.7); await at(0.82, 0.7); await at(0.72, 0.4); await at(0.74, 0.62);
  await visit.page.mouse.up();
}
try {
  const desk = await open(1280, 800, "en-GB", "light", en.toReversed());
  await desk.page.click("#gallery .tile:nth-child(2) .star");
  await desk.page.fill("#prompt", en[0]);
  await desk.page.evaluate(() => { scrollTo(0, 0); document.activeElement.blur(); });
  await desk.page.mouse.move(0, 0);
  await shoot(desk, "page-desktop-en");

  const dark = await open(1280, 800, "zh-CN", "dark", zh.slice(0, 1));
  await dark.page.click("#gallery .tile .under button:nth-child(2)");
  await dark.page.waitForSelector("#strength");
  await dark.page.fill("#strength", "0.85");
  await dark.page.fill("#prompt", "左边是猫，右边是树，蓝色背景");
  await dark.page.fill("#seed", "3");
  await dark.draw();
  await dark.page.click("#gallery .tile:nth-child(1) .shot");
  await dark.page.click("#view-compare");
  await dark.page.mouse.move(0, 0);
  await shoot(dark, "page-desktop-zh");

  const phone = await open(390, 844, "en-GB", "light", en.slice(0, 1));
  await paint(phone);
  await shoot(phone, "page-phone-en");

  const night = await open(390, 844, "zh-CN", "dark", zh.toReversed());
  await night.page.fill("#prompt", zh[0]);
  await night.page.evaluate(() => { document.querySelector("#results").scrollIntoView(); document.activeElement.blur(); });
  await shoot(night, "page-phone-zh");
} finally {
  await browser.close();
}

// Checks of starting from a picture: choosing one, strength, painting a mask, comparing.
import { check, equal } from "./support.mjs";

/** A picture that no server made: red on the left, blue on the right. */
const foreign = (visit, type) => visit.page.evaluate(async type => {
  const canvas = new OffscreenCanvas(96, 64), paper = canvas.getContext("2d");
  paper.fillStyle = "#c02020"; paper.fillRect(0, 0, 48, 64); paper.fillStyle = "#2040c0"; paper.fillRect(48, 0, 48, 64);
  return [...new Uint8Array(await (await canvas.convertToBlob({ type })).arrayBuffer())];
}, type).then(Buffer.from);

export async function inputs(visit, ours) {
  const { page } = visit;
  await visit.give("drop", await foreign(visit, "image/png"), "image/png");
  await page.waitForSelector("#inputs .given");
  await page.click("#inputs .given > button");
  equal(await visit.count("#inputs .given"), 0, "inputs after removing");
  await visit.give("paste", await foreign(visit, "image/webp"), "image/webp", "#prompt");
  await page.waitForSelector("#inputs .given");
  equal(await page.evaluate(() => inputs.image.source.blob.type), "image/png", "what the server may not read is drawn anew");
  await visit.give("drop", ours, "image/png", "#inputs .given");
  await visit.wait(size => inputs.image.source.blob.size === size, ours.length);
  await page.click("#inputs .given > button");
  await page.setInputFiles("#inputs input[type=file]", { name: "no.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
  await visit.wait(word => document.querySelector("#problem").textContent === word, await visit.word("noPicture"));
  await page.setInputFiles("#inputs input[type=file]", { name: "two.png", mimeType: "image/png", buffer: await foreign(visit, "image/png") });
  await page.waitForSelector("#inputs .given");
  await visit.reload();
  await page.waitForSelector("#inputs .given");
  equal(await page.evaluate(() => document.querySelector("[name=ratio]:checked").value), "picture", "the format of the input");
  await visit.barriers("input");
}

export async function strength(visit) {
  const { page } = visit;
  await page.fill("#prompt", visit.zh ? "粉色背景上的猫" : "a cat on a pink background");
  await visit.fill("#steps", 4);
  const slider = page.locator("#strength");
  equal(await slider.inputValue(), "0.6", "strength unless said otherwise");
  await slider.focus();
  for (let i = 0; i < 8; i++) await page.keyboard.press("ArrowLeft");
  const body = await visit.draw();
  equal(body.strength, 0.2, "the strength that is sent");
  check(body.image.startsWith("data:image/png;base64,") && !body.width && !body.mask, "the picture is sent, and gives its size");
  const { width, height, rgba } = await visit.pixels("#gallery .tile img"), red = at => rgba[at] & 255, blue = at => rgba[at] >> 16 & 255, middle = (height / 2 | 0) * width;
  equal([width, height], [96, 64], "the size of the input");
  check(red(middle + 8) > blue(middle + 8) && blue(middle + 88) > red(middle + 88), "little strength leaves the picture's colours");
  await page.click("#gallery .tile .shot");
  await page.click("#view-compare");
  await page.waitForSelector("#view-before", { state: "visible" });
  const before = await visit.pixels("#view-before");
  check((before.rgba[0] & 255) === 0xc0 && (before.rgba[95] >> 16 & 255) === 0xc0, "it is compared with what it was drawn from");
  await page.keyboard.press("Escape");
}

export async function variation(visit) {
  const { page } = visit;
  await page.fill("#prompt", "");
  const body = await visit.draw();
  equal([body.prompt, body.strength], [undefined, 0.2], "words and strength of a variation");
  equal(await page.textContent("#gallery .tile .words"), await visit.word("variation"), "what it is called");
  await page.fill("#prompt", "a cat");
}

export async function edges(visit) {
  const { page } = visit;
  await page.click("#inputs summary");
  await page.fill("#extend-right", "32");
  await page.fill("#prompt", "");
  await visit.refused(await visit.word("missing"), "new edges without words");
  await page.fill("#prompt", "a cat");
  equal(await page.evaluate(() => inputs.image.change), 0.2, "the strength that was chosen");
  const body = await visit.draw(), { width, height } = await visit.pixels("#gallery .tile img");
  equal(body.extend, [0, 0, 32, 0], "what is drawn beyond the edges");
  equal([width, height], [96 + 32, 64], "the size of a picture with more on its right");
  await page.fill("#extend-right", "0");
}

export async function mask(visit) {
  const { page } = visit, had = await page.evaluate(() => inputs.image.source?.key);
  await page.click("#gallery .tile:nth-child(3) .under button:nth-child(2)");
  await visit.wait(had => inputs.image.source && inputs.image.source.key !== had, had ?? null);
  const source = await visit.pixels("#inputs .thumb img");
  await page.click("#paint");
  await page.waitForSelector("#mask[open]");
  await visit.barriers("painting");
  const box = await page.locator("#mask-canvas").boundingBox(), painted = () => page.evaluate(() => maskEditor.snapshot().getContext("2d").getImageData(0, 0, $("mask-canvas").width, $("mask-canvas").height).data.filter((_, i) => i % 4 === 3).filter(each => each > 127).length);
  const finger = visit.width < 500 && await page.context().newCDPSession(page);
  const stroke = async (from, to) => {
    if (finger) {
      const touch = (type, points) => finger.send("Input.dispatchTouchEvent", { type, touchPoints: points.map(([x, y]) => ({ x: box.x + box.width * x, y: box.y + box.height * y })) });
      await touch("touchStart", [from]);
      for (let i = 1; i <= 6; i++) await touch("touchMove", [[from[0] + (to[0] - from[0]) * i / 6, from[1] + (to[1] - from[1]) * i / 6]]);
      await touch("touchEnd", []);
      return;
    }
    await page.mouse.move(box.x + box.width * from[0], box.y + box.height * from[1]);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * to[0], box.y + box.height * to[1], { steps: 6 });
    await page.mouse.up();
  };
  await page.fill("#brush", "30");
  await stroke([0.75, 0.2], [0.75, 0.8]);
  const once = await painted();
  check(once > 0, "the pointer paints");
  await stroke([0.7, 0.5], [0.9, 0.5]);
  check(await painted() > once, "and paints more");
  await page.focus("#mask-canvas");
  await page.keyboard.press("Control+z");
  equal(await painted(), once, "painted after undo");
  await page.keyboard.press("Control+z");
  equal(await painted(), 0, "painted after two undos");
  await page.keyboard.press("Control+y");
  equal(await painted(), once, "painted after redo");
  await page.click("#mask-clear");
  const wide = await page.inputValue("#brush");
  await page.focus("#mask-canvas");
  await page.keyboard.press("[");
  check(Number(await page.inputValue("#brush")) < Number(wide), "[ makes the brush smaller");
  for (let i = 0; i < 3; i++) await page.keyboard.press("Shift+ArrowRight");
  await page.keyboard.down(" ");
  for (let i = 0; i < 10; i++) await page.keyboard.press("ArrowUp");
  await page.keyboard.up(" ");
  const byKeys = await painted();
  check(byKeys > 0, "keys paint");
  await page.keyboard.press("e");
  await page.keyboard.press(" ");
  check(await painted() < byKeys, "the eraser erases");
  await page.click("#mask-clear");
  await page.click("#mask-erase");
  await page.fill("#brush", "30");
  await stroke([0.75, 0.2], [0.75, 0.8]);
  await page.click("#mask-done");
  await page.waitForSelector("#inputs .thumb img + img");
  await visit.reload();
  await page.waitForSelector("#inputs .thumb img + img");
  const where = await visit.pixels("#inputs .thumb img + img");
  equal([where.width, where.height], [source.width, source.height], "the size of the mask");
  check(where.rgba.every(each => each === 0xffffffff || each === 0xff000000), "it is black and white"); // readers take an opaque mask's white for what changes
  await page.fill("#prompt", visit.zh ? "红色背景" : "red background");
  const body = await visit.draw();
  check(body.mask.startsWith("data:image/png;base64,") && body.image, "the mask is sent");
  const drawn = await visit.pixels("#gallery .tile img");
  const differs = on => drawn.rgba.filter((each, i) => (where.rgba[i] === 0xffffffff) === on && each !== source.rgba[i]).length;
  equal(differs(false), 0, "pixels outside of the mask that changed");
  check(differs(true) > once / 10, "inside, the picture changed");
}

export async function useAgain(visit) {
  const { page } = visit, drawn = await page.evaluate(() => gallery.pictures[0]);
  await page.click("#inputs .given > button");
  await page.fill("#prompt", "x");
  await page.click("#gallery .tile .under button:nth-child(3)");
  await page.waitForSelector("#inputs .thumb img + img");
  equal(await page.inputValue("#prompt"), drawn.body.prompt, "the prompt of a picture");
  equal(await page.inputValue("#seed"), drawn.seed, "its seed");
  await visit.draw();
  equal((await visit.pixels("#gallery .tile:nth-child(1) img")).rgba, (await visit.pixels("#gallery .tile:nth-child(2) img")).rgba, "what the same settings, picture and mask draw");
}

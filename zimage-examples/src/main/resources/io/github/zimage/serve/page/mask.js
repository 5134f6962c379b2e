/** Painting on a picture what is to change: finger, mouse, pen or keys. */
const maskEditor = {
  input: null, undone: [], done: [], pen: null, erasing: false, cursor: { x: 0.5, y: 0.5 },
  async open(input) {
    Object.assign(this, { input, undone: [], done: [], pen: null, cursor: { x: 0.5, y: 0.5 } });
    this.erase(false);
    const { source, mask } = input, scale = Math.min(1, 2048 / Math.max(source.width, source.height)), canvas = $("mask-canvas");
    canvas.width = Math.max(1, Math.round(source.width * scale)); canvas.height = Math.max(1, Math.round(source.height * scale));
    $("mask-image").src = addressOf(source); $("mask-image").alt = t("startedFrom");
    $("mask").showModal(); this.fit();
    if (mask) { const image = await decode(mask.blob); this.fromMask(image); URL.revokeObjectURL(image.src); }
    this.showButtons();
    canvas.focus(); this.showBrush();
  },
  get paper() { return $("mask-canvas").getContext("2d", { willReadFrequently: true }); },
  /** The brush's diameter in pixels of the canvas. */
  get brush() { return Math.max(2, Number($("brush").value) / 100 * 0.6 * Math.max($("mask-canvas").width, $("mask-canvas").height)); },
  fit() {
    const area = $("mask-area"), canvas = $("mask-canvas"), frame = $("mask-frame");
    const scale = Math.min((area.clientWidth - 32) / canvas.width, (area.clientHeight - 32) / canvas.height);
    frame.style.width = canvas.width * scale + "px"; frame.style.height = canvas.height * scale + "px";
  },
  fromMask(image) {
    const canvas = $("mask-canvas"), { paper } = this;
    paper.drawImage(image, 0, 0, canvas.width, canvas.height);
    this.each(pixels => { for (let i = 0; i < pixels.length; i += 4) this.paint(pixels, i, pixels[i] > 127); });
  },
  paint(pixels, i, on) { pixels[i] = 255; pixels[i + 1] = 60; pixels[i + 2] = 120; pixels[i + 3] = on ? 255 : 0; },
  each(change) {
    const canvas = $("mask-canvas"), image = this.paper.getImageData(0, 0, canvas.width, canvas.height);
    change(image.data); this.paper.putImageData(image, 0, 0);
  },
  snapshot() {
    const canvas = $("mask-canvas"), copy = el("canvas", { width: canvas.width, height: canvas.height });
    copy.getContext("2d").drawImage(canvas, 0, 0);
    return copy;
  },
  remember() { this.done.push(this.snapshot()); if (this.done.length > 20) this.done.shift(); this.undone = []; this.showButtons(); },
  restore(from, to) {
    if (!from.length) return;
    to.push(this.snapshot());
    const { paper } = this, canvas = $("mask-canvas");
    paper.globalCompositeOperation = "source-over"; paper.clearRect(0, 0, canvas.width, canvas.height); paper.drawImage(from.pop(), 0, 0);
    this.showButtons();
  },
  undo() { this.restore(this.done, this.undone); },
  redo() { this.restore(this.undone, this.done); },
  erase(on) { this.erasing = on; $("mask-erase")?.setAttribute("aria-pressed", on); },
  clear() { this.remember(); this.paper.clearRect(0, 0, $("mask-canvas").width, $("mask-canvas").height); },
  invert() { this.remember(); this.each(pixels => { for (let i = 0; i < pixels.length; i += 4) this.paint(pixels, i, pixels[i + 3] < 128); }); },
  line(from, to) {
    const { paper } = this, canvas = $("mask-canvas");
    paper.globalCompositeOperation = this.erasing ? "destination-out" : "source-over";
    Object.assign(paper, { lineWidth: this.brush, lineCap: "round", strokeStyle: "rgb(255 60 120)" });
    paper.beginPath(); paper.moveTo(from.x * canvas.width, from.y * canvas.height); paper.lineTo(to.x * canvas.width + 0.01, to.y * canvas.height); paper.stroke();
  },
  at(event) { const box = $("mask-canvas").getBoundingClientRect(); return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height }; },
  showBrush() {
    const ring = $("mask-brush"), box = $("mask-canvas").getBoundingClientRect(), wide = this.brush / $("mask-canvas").width * box.width;
    Object.assign(ring.style, { left: this.cursor.x * 100 + "%", top: this.cursor.y * 100 + "%", width: wide + "px", height: wide + "px" });
  },
  showButtons() { $("mask-undo").disabled = !this.done.length; $("mask-redo").disabled = !this.undone.length; },
  down(event) {
    if (event.button) return;
    event.preventDefault(); $("mask-canvas").setPointerCapture(event.pointerId); $("mask-canvas").focus();
    this.remember(); this.pen = event.pointerId; this.cursor = this.at(event); this.line(this.cursor, this.cursor); this.showBrush();
  },
  move(event) {
    if (this.pen !== null && event.pointerId !== this.pen) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) {
      const to = this.at(each);
      if (this.pen !== null) this.line(this.cursor, to);
      this.cursor = to;
    }
    this.showBrush();
  },
  up(event) { if (event.pointerId === this.pen) this.pen = null; },
  key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key], code = event.key.toLowerCase();
    if (steps && event.target === $("mask-canvas")) {
      const step = event.shiftKey ? 0.1 : 0.02, to = { x: Math.min(1, Math.max(0, this.cursor.x + steps[0] * step)), y: Math.min(1, Math.max(0, this.cursor.y + steps[1] * step)) };
      if (this.pen === "key") this.line(this.cursor, to);
      this.cursor = to; this.showBrush();
    } else if (event.key === " " && event.target === $("mask-canvas")) {
      if (!event.repeat) { this.remember(); this.pen = "key"; this.line(this.cursor, this.cursor); }
    } else if ((event.ctrlKey || event.metaKey) && code === "z") { if (event.shiftKey) this.redo(); else this.undo(); }
    else if ((event.ctrlKey || event.metaKey) && code === "y") this.redo();
    else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if (code === "[" || code === "]") { $("brush").value = Number($("brush").value) + (code === "]" ? 4 : -4); this.showBrush(); }
    else if (code === "e") this.erase(!this.erasing);
    else return;
    event.preventDefault();
  },
  /** Gives the form a mask of black and white; none if nothing is painted. */
  async finish() {
    const copy = this.snapshot(), paper = copy.getContext("2d"), image = paper.getImageData(0, 0, copy.width, copy.height), pixels = image.data;
    let painted = false;
    for (let i = 0; i < pixels.length; i += 4) {
      const on = pixels[i + 3] > 127; painted ||= on;
      pixels[i] = pixels[i + 1] = pixels[i + 2] = on ? 255 : 0; pixels[i + 3] = 255;
    }
    paper.putImageData(image, 0, 0);
    const mask = painted ? { key: newKey(), blob: await toBlob(copy, "image/png"), name: "mask", width: copy.width, height: copy.height } : null;
    if (mask) await store.put("sources", mask);
    if (mask && !this.input.mask) this.input.strength = null; // what was good for the whole picture is not for a part
    this.input.mask = mask;
    this.close(); this.input.changed(); $("paint").focus();
  },
  close() { $("mask").close(); $("paint")?.focus(); }
};
{
  const tool = (name, work) => { const made = iconButton(name, work); made.id = "mask-" + name; return made; };
  $("mask-tools").append(tool("undo", () => maskEditor.undo()), tool("redo", () => maskEditor.redo()), tool("erase", () => maskEditor.erase(!maskEditor.erasing)), tool("invert", () => maskEditor.invert()), tool("clear", () => maskEditor.clear()));
  const canvas = $("mask-canvas");
  canvas.onpointerdown = event => maskEditor.down(event); canvas.onpointermove = event => maskEditor.move(event);
  canvas.onpointerup = canvas.onpointercancel = event => maskEditor.up(event);
  addEventListener("keydown", event => { if ($("mask").open) maskEditor.key(event); }); // also when the focus was on a button that is disabled now
  addEventListener("keyup", event => { if (event.key === " " && maskEditor.pen === "key") maskEditor.pen = null; });
  $("brush").oninput = () => maskEditor.showBrush();
  $("mask-cancel").onclick = () => maskEditor.close(); $("mask-done").onclick = () => maskEditor.finish();
  addEventListener("resize", () => { if ($("mask").open) { maskEditor.fit(); maskEditor.showBrush(); } });
}

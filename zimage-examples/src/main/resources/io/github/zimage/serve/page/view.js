/** A picture as large as the window, with all that is known of it. */
const view = {
  picture: null, scale: 1, x: 0, y: 0, fingers: new Map(),
  open(picture) {
    if (!$("view").open) { this.from = picture.key; $("view").showModal(); }
    Object.assign(this, { picture, scale: 1, x: 0, y: 0 });
    this.fingers.clear();
    $("view-image").src = addressOf(picture); $("view-image").alt = nameOf(picture.body);
    $("view-prompt").textContent = nameOf(picture.body);
    $("view").querySelector(".star").setAttribute("aria-pressed", picture.favourite);
    this.compare(false); this.showFacts(); this.place(); this.showSave();
    const list = gallery.shown, at = list.indexOf(picture);
    $("view-previous").disabled = at <= 0; $("view-next").disabled = at < 0 || at === list.length - 1;
    if (document.activeElement === document.body || document.activeElement.disabled) $("view-close").focus();
  },
  step(by) {
    const list = gallery.shown, next = list[list.indexOf(this.picture) + by];
    if (next) this.open(next);
  },
  showFacts() {
    const { picture } = this, { body } = picture, lines = [];
    const add = (word, value) => { if (value !== undefined && value !== null && value !== "") lines.push(el("dt", { word }), el("dd", { textContent: value })); };
    add("size", `${picture.width} × ${picture.height}`); add("seed", picture.seed); add("steps", body.steps);
    if (picture.guidance) add("guidance", picture.guidance);
    add("nag", body.nag_scale); add("negative", body.negative_prompt); add("sampler", samplerNames[body.sampler] ?? body.sampler); add("schedule", samplerNames[body.schedule] ?? body.schedule); add("upscaler", body.upscaler);
    add("loras", (body.loras ?? []).map(each => `${each.name} ${each.weight}`).join(", "));
    if (picture.refs?.source) add("strength", percent(changeOf(picture.refs)));
    add("time", (picture.drawn / 1000).toFixed(1) + " s");
    $("view-facts").replaceChildren(...lines);
  },
  /** The size at which the whole picture is seen. */
  place() {
    const area = $("view-canvas"), { picture } = this;
    const fit = Math.min((area.clientWidth - 32) / picture.width, (area.clientHeight - 32) / picture.height), frame = $("view-frame");
    frame.style.width = picture.width * fit + "px"; frame.style.height = picture.height * fit + "px";
    frame.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    Object.assign($("view-slider").style, { left: (area.clientWidth - picture.width * fit) / 2 + "px", width: picture.width * fit + "px" });
    $("view").classList.toggle("pixels", this.scale > 1 && this.scale * fit > 4);
    $("view-zoomOut").disabled = this.scale <= 1; $("view-zoomIn").disabled = this.scale >= 16;
  },
  /** Enlarges, so that a point of the window stays where it is. */
  zoom(factor, at = null) {
    const box = $("view-canvas").getBoundingClientRect(), before = this.scale;
    this.scale = Math.min(16, Math.max(1, before * factor));
    const x = (at?.x ?? box.left + box.width / 2) - box.left - box.width / 2, y = (at?.y ?? box.top + box.height / 2) - box.top - box.height / 2, share = this.scale / before;
    this.x = this.scale === 1 ? 0 : x - (x - this.x) * share; this.y = this.scale === 1 ? 0 : y - (y - this.y) * share;
    this.place();
  },
  fit() { Object.assign(this, { scale: 1, x: 0, y: 0 }); this.place(); },
  /** What the picture is compared with: what it was drawn from, or the one drawn before it. */
  async before() {
    const { refs } = this.picture;
    if (refs?.source && !refs.extend.some(Boolean)) return await store.get("sources", refs.source);
    return gallery.pictures[gallery.pictures.indexOf(this.picture) + 1];
  },
  async compare(on = $("view-slider").hidden) {
    const before = on ? await this.before() : null;
    $("view-compare").setAttribute("aria-pressed", Boolean(before));
    $("view-slider").hidden = $("view-before").hidden = $("view-line").hidden = !before;
    $("view-canvas").classList.toggle("comparing", Boolean(before));
    if (!before) { $("view-before").removeAttribute("src"); return; }
    $("view-before").src = addressOf(before); $("view-before").alt = t("startedFrom");
    $("view-slider").value = 50; this.slide(); $("view-slider").focus();
  },
  slide() {
    const at = $("view-slider").value;
    $("view-before").style.clipPath = `inset(0 ${100 - at}% 0 0)`; $("view-line").style.left = at + "%";
  },
  /** While two pictures are compared, a pointer on them moves where one ends. */
  slideTo(x) {
    const box = $("view-frame").getBoundingClientRect();
    $("view-slider").value = (x - box.left) / box.width * 100;
    this.slide();
  },
  get slides() { return !$("view-slider").hidden && this.scale === 1; },
  remove() {
    const { picture } = this, list = gallery.shown, next = list[list.indexOf(picture) + 1] ?? list[list.indexOf(picture) - 1];
    gallery.remove(picture);
    if (next) this.open(next); else $("view").close();
  },
  key(event) {
    const inField = event.target.matches("input, select"), work = { "+": () => this.zoom(1.5), "=": () => this.zoom(1.5), "-": () => this.zoom(1 / 1.5), 0: () => this.fit(), f: () => gallery.favour(this.picture), c: () => this.compare() }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "ArrowLeft" && !inField) this.step(-1);
    else if (event.key === "ArrowRight" && !inField) this.step(1);
    else if (work && !event.target.matches("select")) work();
    else return;
    event.preventDefault();
  },
  showSave() {
    $("save-as").value = kept.read("format", "png");
    $("save-note").hidden = $("save-as").value === "png";
  },
  down(event) {
    if (event.target === $("view-slider")) return;
    $("view-canvas").setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.swipe = this.slides ? null : { x: event.clientX, y: event.clientY };
    if (this.slides) this.slideTo(event.clientX);
  },
  move(event) {
    const was = this.fingers.get(event.pointerId), now = { x: event.clientX, y: event.clientY };
    if (!was) return;
    const other = [...this.fingers].find(([id]) => id !== event.pointerId)?.[1];
    this.fingers.set(event.pointerId, now);
    if (other) {
      this.swipe = null;
      this.zoom(Math.hypot(now.x - other.x, now.y - other.y) / Math.max(1, Math.hypot(was.x - other.x, was.y - other.y)), { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
    } else if (this.slides) this.slideTo(event.clientX);
    else if (this.scale > 1) { this.x += now.x - was.x; this.y += now.y - was.y; this.place(); }
  },
  up(event) {
    if (!this.fingers.delete(event.pointerId) || this.scale > 1 || !this.swipe) return;
    const across = event.clientX - this.swipe.x;
    if (Math.abs(across) > 60 && Math.abs(across) > 2 * Math.abs(event.clientY - this.swipe.y)) this.step(across < 0 ? 1 : -1);
  }
};
{
  const tool = (name, work, className) => { const made = iconButton(name, work, className); made.id = "view-" + name; return made; };
  $("view-tools").append(tool("previous", () => view.step(-1)), tool("next", () => view.step(1)), tool("zoomOut", () => view.zoom(1 / 1.5)), tool("zoomIn", () => view.zoom(1.5)), tool("fit", () => view.fit()), tool("compare", () => view.compare()),
    tool("favourite", () => gallery.favour(view.picture), "star"), el("span", { className: "gap" }), tool("close", () => $("view").close()));
  const remove = wordButton("delete", "delete", () => view.remove());
  $("view-actions").append(wordButton("input", "input", () => useAsInput(view.picture)), wordButton("use", "use", () => useSettings(view.picture)));
  remove.id = "view-delete"; $("view").querySelector(".side").append(remove);
  const canvas = $("view-canvas");
  canvas.onpointerdown = event => view.down(event); canvas.onpointermove = event => view.move(event);
  canvas.onpointerup = canvas.onpointercancel = event => view.up(event);
  canvas.addEventListener("wheel", event => { event.preventDefault(); view.zoom(Math.exp(-event.deltaY / 400), { x: event.clientX, y: event.clientY }); }, { passive: false });
  canvas.ondblclick = event => { if (event.target !== $("view-slider")) { if (view.scale > 1) view.fit(); else view.zoom(2.5, { x: event.clientX, y: event.clientY }); } };
  addEventListener("keydown", event => { if ($("view").open) view.key(event); }); // also when the focus was on a button that is disabled now
  $("view").onclose = () => { document.body.append($("toast")); gallery.show(); document.querySelector(`[data-key="${view.picture.key}"] .shot`)?.focus(); };
  $("view-slider").oninput = () => view.slide();
  $("save-as").onchange = () => { kept.write("format", $("save-as").value); view.showSave(); };
  $("save").onclick = () => save(view.picture);
  addEventListener("resize", () => { if ($("view").open) view.place(); });
}

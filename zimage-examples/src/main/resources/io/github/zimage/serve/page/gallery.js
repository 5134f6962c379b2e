/** What a picture is called: its prompt, if it has one. */
const nameOf = body => body.prompt || t("variation");
/** The pictures, newest first, with those that are being drawn before them. */
const gallery = {
  pictures: [], onlyFavourites: false,
  async load() {
    this.pictures = (await store.all("pictures")).sort((a, b) => b.created - a.created);
    this.show();
  },
  get shown() { return this.pictures.filter(each => !this.onlyFavourites || each.favourite); },
  async add(picture) {
    if (this.pictures.some(each => each.key === picture.key)) return;
    this.pictures.unshift(picture);
    this.pictures.sort((a, b) => b.created - a.created);
    this.show();
    await store.put("pictures", picture);
    if (!store.base && !this.told) { this.told = true; toast(t("notKept")); }
  },
  tiles: new Map(),
  show() {
    const waiting = this.onlyFavourites ? [] : jobs, all = [...waiting, ...this.shown], focused = document.activeElement;
    for (const key of this.tiles.keys()) if (!all.some(each => each.key === key)) this.tiles.delete(key);
    $("gallery").replaceChildren(...all.map(each => {
      if (!this.tiles.has(each.key)) this.tiles.set(each.key, each.blob ? this.tile(each) : this.jobTile(each));
      return this.tiles.get(each.key);
    }));
    if (focused?.isConnected) focused.focus({ preventScroll: true });
    $("gallery").dataset.few = all.length <= 1 ? "1" : all.length <= 2 ? "2" : all.length <= 6 ? "6" : "";
    const shapes = new Set(all.map(each => each.width / each.height)); // of one shape, they stand in columns
    $("gallery").dataset.even = all.length > 2 && shapes.size === 1;
    $("gallery").style.setProperty("--r", [...shapes][0] ?? 1);
    $("welcome").hidden = !info || this.pictures.length + jobs.length > 0;
    $("nothing").hidden = !this.onlyFavourites || all.length > 0;
    document.querySelector(".bar").hidden = this.pictures.length + jobs.length === 0;
    $("show-all").setAttribute("aria-pressed", !this.onlyFavourites); $("show-favourites").setAttribute("aria-pressed", this.onlyFavourites);
    document.title = "zimage";
    waiting.forEach(job => this.update(job));
  },
  reveal() {
    const top = $("results").getBoundingClientRect().top;
    if (top > innerHeight * 0.7 || top < 0) $("results").scrollIntoView({ behavior: "smooth" });
  },
  shape(tile, shot, { width, height }) { tile.style.setProperty("--r", width / height); shot.style.aspectRatio = `${width} / ${height}`; },
  tile(picture) {
    const shot = el("button", { type: "button", className: "shot", onclick: () => view.open(picture) }, el("img", { src: addressOf(picture), alt: nameOf(picture.body), loading: "lazy" }));
    const star = iconButton("favourite", () => this.favour(picture), "star");
    star.setAttribute("aria-pressed", picture.favourite);
    const under = el("div", { className: "under" }, star, iconButton("input", () => useAsInput(picture)), iconButton("use", () => useSettings(picture)), iconButton("save", () => save(picture)));
    const tile = el("li", { className: "tile", data: { key: picture.key } }, shot, el("p", { className: "words", textContent: nameOf(picture.body), title: nameOf(picture.body) }), under);
    this.shape(tile, shot, picture);
    return tile;
  },
  jobTile(job) {
    const shot = el("div", { className: "shot" }), bar = el("progress", { max: 1, value: 0, named: "drawing" }), state = el("p", { className: "state" });
    const tile = el("li", { className: "tile job", data: { key: job.key } }, shot, el("p", { className: "words", textContent: nameOf(job.body), title: nameOf(job.body) }), el("div", { className: "under" }, state, el("span")));
    shot.append(bar);
    return tile;
  },
  /** Shows how a job gets on, the first also in the window's title. */
  update(job) {
    const first = jobs.find(isActive);
    document.title = first ? `${stateOf(first)} · zimage` : "zimage";
    const tile = this.tiles.get(job.key);
    if (!tile?.matches(".job")) return;
    const shot = tile.querySelector(".shot"), state = tile.querySelector(".state"), bar = tile.querySelector("progress"), tools = tile.querySelector(".under span");
    this.shape(tile, shot, job);
    state.textContent = stateOf(job); state.classList.toggle("bad", ["failed", "gone"].includes(job.state));
    bar.hidden = !isActive(job) || job.step === 0; bar.value = job.step / (job.steps + 1);
    shot.classList.toggle("pulse", isActive(job) && !job.preview);
    if (job.preview && isActive(job)) {
      const image = shot.querySelector("img") ?? shot.insertBefore(el("img"), bar);
      image.src = job.preview; image.alt = t("preview");
    }
    const kind = isActive(job) ? "active" : "over";
    if (tools.dataset.kind === kind) return;
    tools.dataset.kind = kind;
    tools.replaceChildren(...kind === "active" ? [iconButton("cancel", () => cancel(job))] : [iconButton("again", () => { drop(job); begin(job.body, job.refs); }), iconButton("dismiss", () => drop(job))]);
  },
  async favour(picture) {
    picture.favourite = !picture.favourite;
    for (const star of document.querySelectorAll(`[data-key="${picture.key}"] .star, #view[open] .star`)) star.setAttribute("aria-pressed", picture.favourite);
    await store.put("pictures", picture);
    if (this.onlyFavourites && !$("view").open) this.show();
  },
  async remove(picture) {
    this.pictures = this.pictures.filter(each => each !== picture);
    await store.remove("pictures", picture.key);
    this.show();
    toast(t("deleted"), t("undo"), () => this.add(picture));
  }
};
Object.assign(shapes, { cancel: shapes.close, dismiss: shapes.close, again: "M4 12a8 8 0 118 8M4 12V6M4 12h6" });
$("show-all").onclick = () => { gallery.onlyFavourites = false; gallery.show(); };
$("show-favourites").onclick = () => { gallery.onlyFavourites = true; gallery.show(); };
onLanguage.push(() => jobs.forEach(job => gallery.update(job)));

async function useSettings(picture) {
  if (picture.refs?.source) await inputs.image.set(picture.refs); else inputs.image.clear();
  take(picture.body);
  toForm();
}
async function useAsInput(picture) {
  await inputs.image.take(picture.blob);
  if (!$("prompt").value.trim()) take({ ...picture.body, seed: "", width: null });
  toForm();
}
function toForm() {
  if ($("view").open) $("view").close();
  $("form").scrollIntoView({ block: "start" }); $("prompt").focus({ preventScroll: true });
}
/** Saves a picture's file, or the same drawn anew in another format. */
async function save(picture, format = kept.read("format", "png")) {
  let blob = picture.blob, ending = "png";
  if (format !== "png") {
    const image = await decode(picture.blob), canvas = el("canvas", { width: picture.width, height: picture.height });
    canvas.getContext("2d").drawImage(image, 0, 0);
    URL.revokeObjectURL(image.src);
    const made = await toBlob(canvas, "image/" + format, 0.92);
    if (made?.type === "image/" + format) { blob = made; ending = format === "jpeg" ? "jpg" : format; } else toast(t("formatGone", format.toUpperCase()));
  }
  const link = el("a", { href: URL.createObjectURL(blob), download: `zimage-${picture.seed}.${ending}` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

/** Pictures that a request starts from. Each role has a place in the form; there is one role, and room for more. */
class PictureInput {
  constructor(role, place) { Object.assign(this, { role, place, source: null, mask: null, strength: null, extend: [0, 0, 0, 0] }); }
  /** Returns how much changes: what was said, or what the server takes. */
  get change() { return changeOf(this); }
  /** Whether it can be drawn without words: they say what comes where there is nothing yet. */
  get canVary() { return Boolean(this.source) && !this.mask && !this.extend.some(Boolean); }
  async restore() {
    const saved = kept.read("input." + this.role, null);
    if (saved) await this.set(saved);
  }
  /** Takes a picture, and what is done with it, by the keys that the database knows. */
  async set({ source, mask = null, strength = null, extend = [0, 0, 0, 0] }) {
    this.source = source ? await store.get("sources", source) ?? null : null;
    this.mask = this.source && mask ? await store.get("sources", mask) ?? null : null;
    Object.assign(this, { strength, extend });
    this.changed();
  }
  refs() { return this.source ? { source: this.source.key, mask: this.mask?.key ?? null, strength: this.strength, extend: this.extend } : {}; }
  changed() {
    kept.write("input." + this.role, this.source ? this.refs() : null);
    this.show(); showSizes();
  }
  /** Takes a file of a person's. */
  async take(file) {
    const source = await readable(file);
    await store.put("sources", source);
    if (settings.ratio === "1:1" || !this.source) settings.ratio = "picture";
    await this.set({ source: source.key, strength: this.strength });
    keep(); showSizes();
  }
  clear() { this.set({}); }

  show() {
    this.place.querySelector(".slotbox, .given")?.remove();
    this.place.append(this.source ? this.given() : this.empty());
  }
  empty() {
    const file = el("input", { type: "file", accept: "image/*", hidden: true, named: "picture", onchange: () => file.files[0] && this.take(file.files[0]).catch(e => problem(e.message)) });
    return el("div", { className: "slotbox" }, el("button", { type: "button", id: "choose-" + this.role, onclick: () => file.click() }, icon("picture"), el("span", { word: "choose" })), file);
  }
  given() {
    const thumb = el("div", { className: "thumb" }, el("img", { src: addressOf(this.source), alt: t("startedFrom") }));
    if (this.mask) thumb.append(el("img", { src: addressOf(this.mask), alt: "" }));
    const amount = el("output", { textContent: percent(this.change) });
    const slider = el("input", { type: "range", id: "strength", min: 0.05, max: 1, step: 0.05, value: this.change, oninput: () => { this.strength = Number(slider.value); amount.textContent = percent(this.change); kept.write("input." + this.role, this.refs()); } });
    const strength = el("div", {}, el("label", { htmlFor: "strength" }, amount, el("span", { word: "strength" })), slider);
    const paint = el("button", { type: "button", id: "paint", word: this.mask ? "repaint" : "paint", onclick: () => maskEditor.open(this) });
    const tools = el("div", { className: "tools wide" }, paint);
    if (this.mask) tools.append(el("button", { type: "button", className: "link", word: "unpaint", onclick: () => { this.mask = null; this.changed(); $("paint").focus(); } }));
    return el("div", { className: "given" }, thumb, strength, iconButton("remove", () => { this.clear(); $("choose-" + this.role).focus(); }), tools, this.edges());
  }
  edges() {
    const row = el("div", { className: "row" }), box = el("details", { className: "wide", open: this.extend.some(Boolean) }, el("summary", { word: "extend" }), row);
    ["left", "top", "right", "bottom"].forEach((side, i) => {
      const input = el("input", { type: "number", id: "extend-" + side, min: 0, max: 4096, step: 16, value: this.extend[i], oninput: () => { this.extend[i] = Math.max(0, Math.round(Number(input.value)) || 0); kept.write("input." + this.role, this.refs()); } });
      row.append(el("div", {}, el("label", { htmlFor: input.id, word: side }), input));
    });
    return box;
  }
}
const changeOf = ({ strength, mask, extend }) => strength ?? (mask || extend.some(Boolean) ? 1 : 0.6);
const percent = share => Math.round(share * 100) + " %";
const addresses = new Map();
/** Returns an address of what the database holds, the same as long as the page lives. */
function addressOf(held) {
  if (!addresses.has(held.key)) addresses.set(held.key, URL.createObjectURL(held.blob));
  return addresses.get(held.key);
}

/** Returns a picture as the server reads it: PNG and JPEG as they are; all else, and what is larger than any picture is drawn, made anew. */
async function readable(file) {
  const image = await decode(file), most = 2048, scale = Math.min(1, most / Math.max(image.naturalWidth, image.naturalHeight));
  const made = { key: newKey(), name: file.name ?? "", width: image.naturalWidth, height: image.naturalHeight, blob: file };
  if (!["image/png", "image/jpeg"].includes(file.type) || scale < 1 || file.size > 8 << 20) {
    made.width = Math.round(image.naturalWidth * scale); made.height = Math.round(image.naturalHeight * scale);
    const canvas = el("canvas", { width: made.width, height: made.height });
    canvas.getContext("2d").drawImage(image, 0, 0, made.width, made.height);
    made.blob = await (file.type === "image/jpeg" ? toBlob(canvas, "image/jpeg", 0.95) : toBlob(canvas, "image/png"));
  }
  URL.revokeObjectURL(image.src);
  return made;
}
const inputs = { image: new PictureInput("image", $("inputs")) };
inputs.image.show();

/** What is dropped or pasted: settings, if it is one of our own pictures, or a picture to start from. */
async function dropped(file, ontoInput) {
  const found = ontoInput ? null : await settingsOf(file);
  if (!found || !info) { await inputs.image.take(file); return; }
  if (!found.image) inputs.image.clear();
  take(found);
  if (found.image) problem(t("noSource", found.mask ? 1 : 0));
  toast(t("taken"), t("asInput"), () => inputs.image.take(file));
}
const pictureOf = transfer => [...transfer?.files ?? []].find(each => each.type.startsWith("image/"));
const takeDropped = (file, ontoInput = false) => dropped(file, ontoInput).catch(e => problem(e.message));
addEventListener("dragover", event => {
  if (!event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  const onto = event.target.closest?.("#inputs");
  $("drop").hidden = Boolean(onto) || Boolean(document.querySelector("dialog[open]"));
  document.querySelector(".slotbox")?.classList.toggle("over", Boolean(onto));
});
const dragEnd = () => { $("drop").hidden = true; document.querySelector(".slotbox")?.classList.remove("over"); };
addEventListener("dragleave", event => { if (!event.relatedTarget) dragEnd(); });
addEventListener("drop", event => {
  if (!event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault(); dragEnd();
  const file = pictureOf(event.dataTransfer);
  if (file && !document.querySelector("dialog[open]")) takeDropped(file, Boolean(event.target.closest?.("#inputs")));
});
addEventListener("paste", event => {
  const file = pictureOf(event.clipboardData);
  if (file && !document.querySelector("dialog[open]")) { event.preventDefault(); takeDropped(file); }
});

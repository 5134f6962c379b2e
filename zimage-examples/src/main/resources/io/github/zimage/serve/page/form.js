/** The form: what it holds, how it is kept, and the request that it makes. */
const standard = { prompt: "", ratio: "1:1", tier: "publish", width: "", height: "", count: 1, seed: "", negative: "", guidance: 0, nag: 1, steps: 8, sampler: "", schedule: "", upscaler: "", loras: [], more: false, rest: {} };
const plain = ["prompt", "width", "height", "count", "seed", "negative", "guidance", "nag", "steps", "sampler", "schedule", "upscaler"];
/** What a request may say beside that; the form only keeps it from a picture, so that its settings draw the same. */
const others = ["shift", "step_cache", "cfg_normalization", "cfg_truncation", "guidance_method", "guidance_rescale", "cfg_zero_steps", "apg_momentum", "apg_threshold", "apg_eta", "nag_tau", "nag_alpha", "sigmas", "hires", "noise_reduction", "fit", "strength_mode", "mask_mode", "mask_cells", "mask_padding"];
const ofPictures = ["fit", "strength_mode", "mask_mode", "mask_cells", "mask_padding"];
const usual = { cfg_normalization: 0, cfg_truncation: 1 };
const ratios = ["1:1", "4:3", "3:2", "16:9", "own", "3:4", "2:3", "9:16"];
const samplerNames = { euler: "Euler", euler_ancestral: "Euler a", heun: "Heun", dpmpp_2m: "DPM++ 2M", dpmpp_sde: "DPM++ SDE", res_multistep: "RES multistep", uni_pc: "UniPC", lcm: "LCM", simple: "Simple", dynamic: "Dynamic", sgm_uniform: "SGM uniform", normal: "Normal", beta: "Beta", karras: "Karras", exponential: "Exponential", kl_optimal: "KL optimal" };
let settings = { ...standard, ...kept.read("form", {}) };

/** Returns a size of about a ratio and about the area of a square, as the library does, within what the server allows. */
function ofRatio(ratio, side) {
  const [across, down] = ratio.split(":").map(Number), unit = side < 512 ? 16 : 32, near = length => Math.max(1, Math.round(length / unit)) * unit;
  let width = near(side * Math.sqrt(across / down)), height = near(side * Math.sqrt(down / across));
  while (width * height > info.max_pixels) { if (width >= height) width -= unit; else height -= unit; }
  return { width, height };
}
/** Returns the size to draw, or null for that of the picture it starts from. */
function size() {
  if (settings.ratio === "picture") return null;
  if (settings.ratio === "own") return { width: Number(settings.width), height: Number(settings.height) };
  return ofRatio(settings.ratio, info.qualities[settings.tier]);
}
function keep() { kept.write("form", settings); }
function read() {
  for (const name of plain) settings[name] = $(name).value;
  settings.more = $("more").open;
  settings.loras = loras();
  keep();
}
function fillForm() {
  for (const name of plain) $(name).value = settings[name];
  $("more").open = settings.more;
  if (info) { setLoras(settings.loras.filter(each => info.loras.includes(each.name))); showSizes(); }
  showParts(); showNotes(); lintSoon();
}
function radio(name, value, ...children) {
  const input = el("input", { type: "radio", name, value, checked: settings[name] === value, onchange: () => { settings[name] = value; chosenSize(); } });
  return el("label", {}, input, ...children);
}
function chosenSize() {
  if (settings.ratio === "own" && !settings.width) Object.assign(settings, ofRatio("1:1", info.qualities[settings.tier]));
  $("width").value = settings.width; $("height").value = settings.height;
  keep(); showSizes();
}
function showSizes() {
  if (!info) return;
  if (settings.ratio === "picture" && !inputs.image.source) settings.ratio = "1:1";
  const focused = document.activeElement?.closest("#ratios, #tiers") ? document.activeElement : null;
  const shown = inputs.image.source ? ["picture", ...ratios] : ratios;
  $("ratios").replaceChildren(...shown.map(ratio => {
    const slot = el("span", { className: "slot" }), shape = el("i"), [across, down] = ratio.includes(":") ? ratio.split(":").map(Number) : [1, 1];
    shape.style.width = 17 * Math.sqrt(across / down) + "px"; shape.style.height = 17 * Math.sqrt(down / across) + "px";
    if (ratio === "picture") return radio("ratio", ratio, t("asPicture"));
    if (ratio === "own") shape.className = "own-size";
    slot.append(shape);
    return radio("ratio", ratio, slot, ratio === "own" ? t("own") : ratio);
  }));
  const whole = $("ratios").querySelector("[value=picture]")?.parentElement;
  if (whole) whole.style.gridColumn = "1 / -1";
  $("tiers").hidden = !settings.ratio.includes(":");
  $("tiers").replaceChildren(...$("tiers").hidden ? [] : ["draft", "publish", "print"].map(tier => {
    const { width, height } = ofRatio(settings.ratio, info.qualities[tier]);
    return radio("tier", tier, t(tier), el("small", { textContent: `${width} × ${height}` }));
  }));
  $("own").hidden = $("size-note").hidden = settings.ratio !== "own";
  $("size-note").textContent = t("sizeNote", info.max_pixels.toLocaleString("en"), Math.floor(Math.sqrt(info.max_pixels)));
  if (focused) document.querySelector(`[name=${focused.name}][value="${focused.value}"]`)?.focus();
}
function showNotes() {
  const rest = Object.entries(settings.rest).map(([name, value]) => `${name} ${value}`).join(", ");
  $("rest-note").hidden = !rest; $("rest").textContent = rest;
  $("negative-note").hidden = !$("negative").value.trim() || Number($("guidance").value) > 0 || Number($("nag").value) > 1;
}
function fillChoices() {
  for (const [id, names] of [["sampler", info?.samplers ?? []], ["schedule", info?.schedules ?? []], ["upscaler", info?.upscalers ?? []]]) {
    $(id).replaceChildren(option("", t(id === "upscaler" ? "none" : "usual")), ...names.map(name => option(name, samplerNames[name] ?? name)));
    $(id).value = settings[id];
  }
  $("upscaling").hidden = !info?.upscalers.length;
}

function addLora(name = "", weight = 1) {
  const select = el("select", { named: "loras", onchange: () => { if ([...$("loras").children].every(each => each.children[0].value)) addLora(); read(); } }, el("option", { value: "", word: "addLora" }), ...info.loras.map(each => option(each, each)));
  const input = el("input", { type: "number", step: "0.05", value: weight, named: "weight" });
  const row = el("div", { className: "lora" }, select, input, iconButton("remove", () => { setLoras(loras().filter((_, i) => i !== [...$("loras").children].indexOf(row))); read(); $("loras").lastChild.children[0].focus(); }));
  select.value = name;
  $("loras").append(row);
}
const loras = () => [...$("loras").children].filter(row => row.children[0].value).map(row => ({ name: row.children[0].value, weight: Number(row.children[1].value) }));
function setLoras(chosen) {
  $("loras").replaceChildren();
  $("lorabox").hidden = !info.loras.length;
  if (info.loras.length) { for (const each of chosen) addLora(each.name, each.weight); addLora(); }
}

/** Says beside the button what is wrong, and leads there. */
function problem(text, field = null) {
  $("problem").textContent = text;
  for (const each of document.querySelectorAll("[aria-invalid]")) { each.removeAttribute("aria-invalid"); }
  if (!field) return;
  if (field.closest("details")) field.closest("details").open = true;
  field.setAttribute("aria-invalid", "true"); field.focus();
}
/** Looks at a field of numbers; returns whether something is wrong. */
function wrongNumber(id, min, max, whole) {
  const text = $(id).value.trim(), value = Number(text);
  if (text && Number.isFinite(value) && value >= min && value <= max && (!whole || Number.isInteger(value))) return false;
  problem(t(whole ? "whole" : "number", t(id), min, max), $(id));
  return true;
}
function wrongSize() {
  if (settings.ratio !== "own") return false;
  for (const side of ["width", "height"]) {
    if (wrongNumber(side, 16, 8192, true)) return true;
    if (Number($(side).value) % 16) { problem(t("sixteen", t(side)), $(side)); return true; }
  }
  if (size().width * size().height <= info.max_pixels) return false;
  problem(t("tooLarge", info.max_pixels.toLocaleString("en"), Math.floor(Math.sqrt(info.max_pixels))), $("width"));
  return true;
}
/** Returns the request, or null if the form has to be mended first. */
function request() {
  read(); problem("");
  const prompt = $("prompt").value.trim(), open = openSlots(prompt), seed = $("seed").value.trim();
  if (!info) { problem(t("lost")); load(); return null; }
  if (!prompt && !inputs.image.canVary) { problem(t("missing"), $("prompt")); return null; }
  if (prompt.length > info.max_prompt) { problem(t("tooLong", info.max_prompt), $("prompt")); return null; }
  if (open.length) { problem(t("open", open.join(" ")), $("prompt")); selectSlot(); return null; }
  if (wrongSize() || wrongNumber("count", 1, info.max_count, true)) return null;
  if (!/^\d*$/.test(seed) || BigInt(seed || 0) >= 1n << 64n) { problem(t("seedWrong"), $("seed")); return null; }
  if (wrongNumber("guidance", 0, 100, false) || wrongNumber("nag", 1, 20, false) || wrongNumber("steps", 1, info.max_steps, true)) return null;
  if (Number($("guidance").value) > 0 && Number($("nag").value) > 1) { problem(t("both"), $("nag")); return null; }
  const body = { ...prompt && { prompt }, ...size(), steps: Number($("steps").value), count: Number($("count").value) };
  if (seed) body.seed = seed;
  if ($("negative").value.trim()) body.negative_prompt = $("negative").value.trim();
  if (Number($("guidance").value) > 0) body.guidance = Number($("guidance").value);
  if (Number($("nag").value) > 1) body.nag_scale = Number($("nag").value);
  if ($("sampler").value) body.sampler = $("sampler").value;
  if ($("schedule").value) body.schedule = $("schedule").value;
  if ($("upscaler").value) body.upscaler = $("upscaler").value;
  if (loras().length) body.loras = loras();
  for (const [name, value] of Object.entries(settings.rest)) if (inputs.image.source || !ofPictures.includes(name)) body[name] = value;
  return body;
}
/** Takes the settings of a picture, by the names of the API, into the form. */
function take(body) {
  const next = { ...standard, tier: settings.tier, more: settings.more, prompt: body.prompt ?? "", seed: String(body.seed ?? ""), negative: body.negative_prompt ?? "", guidance: body.guidance ?? 0, nag: body.nag_scale ?? 1, steps: body.steps ?? 8, sampler: body.sampler ?? "", schedule: body.schedule ?? "" };
  const upscaler = (body.upscaler ?? "").split("@")[0]; // files say its digest, too
  if (info.upscalers.includes(upscaler)) next.upscaler = upscaler;
  next.loras = (body.loras ?? []).map(each => typeof each === "string" ? { name: each, weight: 1 } : { name: each.name, weight: each.weight ?? 1 });
  if (body.width) Object.assign(next, named(body) ?? { ratio: "own", width: body.width, height: body.height });
  else if (inputs.image.source) next.ratio = "picture";
  next.rest = Object.fromEntries(others.filter(name => body[name] !== undefined && body[name] !== usual[name]).map(name => [name, body[name]]));
  next.more ||= Object.keys(next.rest).length > 0 || Boolean(next.negative || next.sampler || next.schedule || next.upscaler) || next.guidance > 0 || next.nag > 1 || next.steps !== 8;
  settings = next;
  keep(); problem(""); fillForm();
}
/** Returns the ratio and the tier of a size. */
function named({ width, height }) {
  for (const tier of ["publish", "draft", "print"]) {
    for (const ratio of ratios.filter(each => each !== "own")) {
      const found = ofRatio(ratio, info.qualities[tier]);
      if (found.width === width && found.height === height) return { ratio, tier };
    }
  }
  return null;
}

$("form").addEventListener("input", () => { read(); showNotes(); problem(""); });
$("form").onsubmit = event => event.preventDefault();
$("form").addEventListener("keydown", event => { if (event.key === "Enter" && event.target.matches("input")) event.preventDefault(); });
$("more").addEventListener("toggle", read);
$("nag-on").onclick = () => { $("nag").value = 2; read(); showNotes(); $("nag").focus(); };
$("rest-off").onclick = () => { settings.rest = {}; keep(); showNotes(); $("steps").focus(); };
$("reset").onclick = () => { settings = { ...standard, prompt: $("prompt").value, loras: loras(), more: true }; keep(); fillForm(); };
onLanguage.push(fillChoices, showSizes);

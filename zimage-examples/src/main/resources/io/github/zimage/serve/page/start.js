/** Puts the page together. */
function showExamples() {
  if (!info) return;
  const small = info.qualities.publish <= 256;
  $("limits").textContent = t(small ? "limitsSmall" : "limitsLarge");
  $("examples").replaceChildren(...examples[small ? "small" : "large"].map(([en, zh, from, to]) => {
    const swatch = el("i"), prompt = language === "zh" ? zh : en;
    swatch.style.background = `linear-gradient(120deg, ${from}, ${to})`;
    return el("li", {}, el("button", { type: "button", onclick: () => { setPrompt(prompt); $("prompt").focus(); } }, swatch, el("span", { textContent: prompt })));
  }));
}
onLanguage.push(showExamples);
async function load() {
  try {
    info = await (await call("api/info")).json();
    library = await (await call("api/prompt/templates")).json();
  } catch (e) { problem(why(e)); return; }
  problem(""); $("keybox").hidden = !$("key").value;
  $("model").textContent = info.model; $("steps").max = info.max_steps; $("count").max = info.max_count;
  settings.steps = Math.min(settings.steps, info.max_steps); settings.count = Math.min(settings.count, info.max_count);
  show(); fillForm(); gallery.show();
}
$("language").onchange = () => { language = $("language").value; kept.write("language", language); show(); };
$("key").onchange = () => { sessionStorage.setItem("zimage.key", $("key").value); load().then(restoreJobs); };
$("draw").onclick = draw;
addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !document.querySelector("dialog[open]")) { event.preventDefault(); draw(); }
});
async function start() {
  $("key").value = sessionStorage.getItem("zimage.key") || "";
  $("draw-keys").textContent = /Mac|iP/.test(navigator.platform) ? "⌘ ↵" : "Ctrl ↵";
  show(); fillForm();
  if (matchMedia("(hover: hover)").matches) $("prompt").focus({ preventScroll: true });
  await store.open();
  await inputs.image.restore();
  await gallery.load();
  await load();
  restoreJobs(); gallery.show();
  const saved = Object.values(kept.read("jobs", {})), refs = [inputs.image.refs(), ...gallery.pictures.map(each => each.refs), ...saved.map(each => each.refs)];
  await store.sweep(new Set(refs.flatMap(each => [each?.source, each?.mask])));
}
start();

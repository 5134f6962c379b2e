/** The prompt: templates that take the words that are there, styles behind them, and what the linter notes. */
function setPrompt(text) {
  const area = $("prompt");
  if (area.value === text) return;
  area.focus({ preventScroll: true }); area.select();
  // Unlike a new value, this is one of the edits that the browser can undo.
  document.execCommand(text ? "insertText" : "delete", false, text);
  if (area.value !== text) { area.value = text; area.dispatchEvent(new Event("input", { bubbles: true })); }
}
const slotMarks = () => Object.values(words).flatMap(each => Object.values(each.slots)).map(each => `[${each}]`);
const openSlots = text => [...new Set(slotMarks())].filter(each => text.includes(each)).sort((a, b) => text.indexOf(a) - text.indexOf(b));
function selectSlot() {
  const area = $("prompt"), first = openSlots(area.value)[0];
  if (!first) return;
  area.focus();
  area.setSelectionRange(area.value.indexOf(first), area.value.indexOf(first) + first.length);
}
/** Returns the style that ends a prompt, and what stands before it. */
function styleOf(text) {
  for (const [name, parts] of Object.entries(library.styles)) {
    for (const part of [parts.en, parts.zh]) {
      if (text.endsWith(part)) return { name, rest: text.slice(0, -part.length).replace(/(, |，)$/, "") };
    }
  }
  return { name: "", rest: text };
}
/** Returns the template that a prompt was made with, and what stands in its slots; "" where one is open. */
function templateOf(text) {
  const open = slotMarks();
  for (const [name, parts] of Object.entries(library.templates)) {
    for (const part of [parts.en, parts.zh]) {
      const slots = [...part.matchAll(/\[(\w+)\]/g)].map(each => each[1]);
      const found = new RegExp("^" + part.split(/\[\w+\]/).map(each => each.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("([^]*?)") + "$").exec(text);
      if (found) return { name, values: Object.fromEntries(slots.map((slot, i) => [slot, open.includes(found[i + 1]) ? "" : found[i + 1]])) };
    }
  }
  return { name: "", values: { subject: text.trim() } };
}
function styled(text, style) {
  const part = library.styles[style]?.[language];
  return part ? text + (text.trim() ? language === "zh" ? "，" : ", " : "") + part : text;
}
function chooseTemplate() {
  const { name: style, rest } = styleOf($("prompt").value), { values } = templateOf(rest), chosen = library.templates[$("template").value];
  const text = chosen ? chosen[language].replace(/\[(\w+)\]/g, (_, slot) => values[slot] || `[${t("slots")[slot]}]`) : values.subject;
  setPrompt(styled(text, style));
  selectSlot();
}
function showParts() {
  const { name, rest } = styleOf($("prompt").value);
  $("style").value = name; $("template").value = templateOf(rest).name;
}
function fillLibrary() {
  for (const [id, entries] of [["template", library.templates], ["style", library.styles]]) {
    $(id).replaceChildren(option("", t("none")), ...Object.keys(entries).map(name => option(name, t("names")[name] ?? (name[0].toUpperCase() + name.slice(1)).replaceAll("-", " "))));
  }
  showParts();
}

const mostFindings = 3;
let lintTimer = 0, lintRound = 0;
function lintSoon() { clearTimeout(lintTimer); lintTimer = setTimeout(lint, 350); }
async function lint() {
  const round = ++lintRound, prompt = $("prompt").value;
  let result = { findings: [], fixed: prompt };
  if (prompt.trim()) {
    try { result = await (await call("api/prompt/lint", { body: { prompt, language } })).json(); } catch { return; }
  }
  if (round === lintRound) showFindings(result, prompt);
}
/** Shows each kind of finding once, and no more than a few kinds. */
function showFindings({ findings, fixed }, prompt) {
  const kinds = new Map(), order = ["error", "warning", "info"];
  for (const each of findings) {
    if (kinds.has(each.code)) kinds.get(each.code).count++;
    else kinds.set(each.code, { ...each, count: 1 });
  }
  const items = [...kinds.values()].sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity)).map(each => {
    const go = el("button", { type: "button", textContent: each.message + (each.count > 1 ? ` (× ${each.count})` : "") });
    go.onclick = () => { $("prompt").focus(); $("prompt").setSelectionRange(each.start, each.end); };
    return el("li", { className: each.severity }, go);
  });
  const parts = [];
  if (items.length) parts.push(el("ul", {}, ...items.slice(0, mostFindings)));
  if (items.length > mostFindings) parts.push(el("details", {}, el("summary", { textContent: t("others", items.length - mostFindings) }), el("ul", {}, ...items.slice(mostFindings))));
  if (fixed !== prompt) parts.push(el("button", { type: "button", id: "fix", className: "link", word: "fixes", onclick: () => setPrompt(fixed) }));
  $("findings").replaceChildren(...parts);
}
$("prompt").addEventListener("input", () => { showParts(); lintSoon(); });
$("template").onchange = chooseTemplate;
$("style").onchange = () => setPrompt(styled(styleOf($("prompt").value).rest, $("style").value));
onLanguage.push(fillLibrary, lintSoon);

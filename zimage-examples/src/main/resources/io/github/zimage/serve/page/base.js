/** Elements, the language, settings that stay, and calls to the server. */
const $ = id => document.getElementById(id);
const kept = {
  read(name, otherwise) { try { return JSON.parse(localStorage.getItem("zimage." + name)) ?? otherwise; } catch { return otherwise; } },
  write(name, value) { try { localStorage.setItem("zimage." + name, JSON.stringify(value)); } catch { /* a browser that keeps nothing */ } }
};
let language = kept.read("language", navigator.language.startsWith("zh") ? "zh" : "en");
if (!words[language]) language = "en";
let info = null, library = { templates: {}, styles: {} };
const t = (name, ...values) => { const word = words[language][name]; return typeof word === "function" ? word(...values) : word; };

/** Makes an element: properties, and children; "text" is a word of the page, which follows the language. */
function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "word") { made.dataset.t = value; made.textContent = t(value); }
    else if (name === "named") { made.dataset.l = value; label(made); }
    else if (name === "data") Object.assign(made.dataset, value);
    else if (name === "aria") for (const [a, v] of Object.entries(value)) made.setAttribute("aria-" + a, v);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}
function label(element) { element.ariaLabel = t(element.dataset.l); if (element.matches("button")) element.title = element.ariaLabel; }
const shapes = {
  star: "M12 3.6l2.6 5.3 5.8.8-4.2 4.1 1 5.8-5.2-2.8-5.2 2.8 1-5.8L3.6 9.700l5.800-.8z", input: "M4 20l1-5L16 4l4 4L9 19zM14 6l4 4", use: "M4 7h9M17 7h3M15 5v4M4 17h3M11 17h9M9 15v4",
  save: "M12 4v11M8 11l4 4 4-4M5 20h14", delete: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13", close: "M6 6l12 12M18 6L6 18", previous: "M15 5l-7 7 7 7", next: "M9 5l7 7-7 7", zoomIn: "M12 5v14M5 12h14", zoomOut: "M5 12h14",
  remove: "M6 6l12 12M18 6L6 18", fit: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5", compare: "M12 3v18M4 6h5v12H4zM15 6h5v12h-5", undo: "M9 7L4 12l5 5M4 12h10a6 6 0 016 6", redo: "M15 7l5 5-5 5M20 12H10a6 6 0 00-6 6", erase: "M8 20h12M5 14l8-9 6 6-8 9H8z", clear: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13", invert: "M12 4a8 8 0 100 16zM12 4a8 8 0 010 16", picture: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.500 9h.01", paint: "M4 20c3 0 5-1 5-4l8-9a2 2 0 013 3l-9 8c-3 0-4 2-7 2z"
};
function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 24 24"); svg.setAttribute("class", "i"); svg.setAttribute("aria-hidden", "true"); path.setAttribute("d", shapes[name]);
  svg.append(path);
  return svg;
}
/** Makes a button that shows only an icon, with a word for those who do not see it. */
const iconButton = (name, onclick, className = "") => el("button", { type: "button", className: "icon " + className, named: name, onclick }, icon(name === "favourite" ? "star" : name));
const wordButton = (name, shape, onclick) => el("button", { type: "button", onclick }, icon(shape), el("span", { word: name }));
const option = (value, text) => el("option", { value, textContent: text });

function announce(text) { $("status").textContent = text; }
let toastTimer = 0;
function toast(text, action = "", onclick = null) {
  const [span, button] = $("toast").children;
  span.textContent = text; button.textContent = action; button.hidden = !onclick; button.onclick = () => { $("toast").hidden = true; onclick(); };
  (document.querySelector("dialog[open]") ?? document.body).append($("toast")); // what is below an open dialog cannot be reached
  $("toast").hidden = false;
  clearTimeout(toastTimer); toastTimer = setTimeout(() => { $("toast").hidden = true; }, 8000);
}

/** An error that the server told, with its code and parameter. */
class Refused extends Error {
  constructor(error) { super(error.message); this.code = error.code; this.param = error.param; }
}
/** Returns what went wrong in the page's language: what the server said, under a heading where that is in another. */
function why(e) {
  if (e instanceof TypeError) return t("lost");
  const known = e.code && words[language].codes[e.code];
  if (!known) return e.message;
  if (e.code !== "invalid_value") return known;
  return `${known}${e.param ? "：" + (words[language].params[e.param] ?? e.param) : ""}（${e.message}）`;
}
/** Seeds have 64 bits, more than numbers here: they are texts in the page. */
const parse = text => JSON.parse(text.replace(/"seed":(\d+)/g, '"seed":"$1"'));
const write = body => JSON.stringify(body).replace(/"seed":"(\d+)"/, '"seed":$1');
async function call(path, { body, ...options } = {}) {
  const key = $("key").value, headers = {};
  if (key) headers.Authorization = "Bearer " + key;
  if (body) { headers["Content-Type"] = "application/json"; options.method = "POST"; options.body = write(body); }
  const answer = await fetch(path, { ...options, headers });
  if (answer.status === 401) { $("keybox").hidden = false; throw new Error(t("wrong")); }
  if (!answer.ok) throw new Refused((await answer.json().catch(() => null))?.error ?? { message: answer.statusText });
  return answer;
}
/** Reads server-sent events, and tells of all that comes, beats between them too. */
async function* events(answer, heard) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    heard();
    text += value;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const name = text.slice(0, end).match(/^event: (.*)$/m), data = text.slice(0, end).match(/^data: (.*)$/m);
      if (name && data) yield [name[1], parse(data[1])];
    }
  }
}

/** What is told when the language has changed. */
const onLanguage = [];
function show() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  $("language").value = language;
  for (const each of document.querySelectorAll("[data-t]")) each.textContent = t(each.dataset.t);
  for (const each of document.querySelectorAll("[data-p]")) each.placeholder = t(each.dataset.p);
  for (const each of document.querySelectorAll("[data-l]")) label(each);
  for (const each of onLanguage) each();
}

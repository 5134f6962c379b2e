/** Reads the texts of a PNG file, and the settings that are in them. */
async function pngTexts(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer()), view = new DataView(bytes.buffer), texts = {};
  const latin = part => Array.from(part, each => String.fromCharCode(each)).join(""), utf8 = part => new TextDecoder().decode(part);
  if (bytes.length < 8 || view.getUint32(0) !== 0x89504e47) return texts;
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = view.getUint32(at), type = latin(bytes.subarray(at + 4, at + 8)), part = bytes.subarray(at + 8, at + 8 + length), end = part.indexOf(0);
    if ((type === "iTXt" || type === "tEXt") && end > 0 && length < 1 << 20) {
      const keyword = latin(part.subarray(0, end));
      if (type === "tEXt") texts[keyword] ??= latin(part.subarray(end + 1));
      else {
        const language = part.indexOf(0, end + 3), translated = part.indexOf(0, language + 1), text = part.subarray(translated + 1);
        if (language > 0 && translated > 0) texts[keyword] = part[end + 1] ? await inflated(text) : utf8(text);
      }
    }
    at += length + 12;
  }
  return texts;
}
async function inflated(bytes) {
  try { return await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text(); } catch { return ""; }
}
/** Returns the settings of a picture by the names of the API, or null if it holds none. */
async function settingsOf(blob) {
  const texts = await pngTexts(blob);
  try {
    if (texts.zimage) {
      const found = {};
      for (const [name, value] of Object.entries(parse(texts.zimage))) found[name.replace(/[A-Z]/g, c => "_" + c.toLowerCase())] = value;
      return found;
    }
    return texts.parameters ? webUi(texts.parameters) : null;
  } catch { return null; }
}
/** Reads the text that other programs write, in the form of AUTOMATIC1111's web UI. */
function webUi(text) {
  const at = text.lastIndexOf("\nSteps: ");
  if (at < 0) return null;
  const [prompt, negative] = text.slice(0, at).split("\nNegative prompt: "), facts = {}, found = { prompt: prompt.replace(/ ?<lora:[^>]*>/g, "") };
  for (const [, name, value] of text.slice(at + 1).matchAll(/([A-Z][\w ]*): ("(?:\\.|[^"])*"|[^,]*)/g)) facts[name] = value;
  const size = /^(\d+)x(\d+)$/.exec(facts.Size ?? "");
  if (negative) found.negative_prompt = negative;
  if (facts.Steps) found.steps = Number(facts.Steps);
  if (/^\d+$/.test(facts.Seed ?? "")) found.seed = facts.Seed;
  if (size) { found.width = Number(size[1]); found.height = Number(size[2]); }
  if (facts.Version?.startsWith("zimage") && Number(facts["CFG scale"]) > 1) found.guidance = Number(facts["CFG scale"]) - 1;
  return found;
}

/** Pictures and what they were drawn from, in the browser's database; in memory where there is none. */
const store = {
  memory: { pictures: new Map(), sources: new Map() }, base: null,
  open() {
    return new Promise(done => {
      let request;
      try { request = indexedDB.open("zimage", 1); } catch { done(false); return; }
      request.onupgradeneeded = () => { request.result.createObjectStore("pictures", { keyPath: "key" }); request.result.createObjectStore("sources", { keyPath: "key" }); };
      request.onsuccess = () => { store.base = request.result; done(true); };
      request.onerror = request.onblocked = () => done(false);
    });
  },
  async ask(name, mode, work) {
    if (!store.base) return null;
    return new Promise((done, fail) => {
      const change = store.base.transaction(name, mode), request = work(change.objectStore(name));
      change.oncomplete = () => done(request.result);
      change.onerror = change.onabort = () => fail(change.error ?? new Error("the browser's database"));
    });
  },
  async put(name, value) {
    store.memory[name].set(value.key, value);
    try { await store.ask(name, "readwrite", table => table.put(value)); } catch { toast(t("full")); }
  },
  async get(name, key) { return store.memory[name].get(key) ?? await store.ask(name, "readonly", table => table.get(key)); },
  async all(name) { return await store.ask(name, "readonly", table => table.getAll()) ?? []; },
  async remove(name, key) { store.memory[name].delete(key); await store.ask(name, "readwrite", table => table.delete(key)); },
  /** Forgets sources that nothing names any more. */
  async sweep(used) {
    const keys = await store.ask("sources", "readonly", table => table.getAllKeys()) ?? [];
    for (const key of keys) if (!used.has(key)) await store.remove("sources", key);
  }
};
const newKey = () => [...crypto.getRandomValues(new Uint8Array(12))].map(each => each.toString(16).padStart(2, "0")).join("");
const readAs = (blob, how) => new Promise((done, fail) => {
  const reader = new FileReader();
  reader.onload = () => done(reader.result); reader.onerror = () => fail(reader.error);
  reader[how](blob);
});
/** Decodes a picture; its address is to be given back. */
async function decode(blob) {
  const image = new Image();
  image.src = URL.createObjectURL(blob);
  try { await image.decode(); } catch { URL.revokeObjectURL(image.src); throw new Error(t("noPicture")); }
  return image;
}
const toBlob = (canvas, type, quality) => new Promise(done => canvas.toBlob(done, type, quality));

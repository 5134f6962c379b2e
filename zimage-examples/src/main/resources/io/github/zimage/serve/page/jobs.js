/** Requests on their way: a few of them, each found again by its id after a reload. */
const mostJobs = 6;
const jobs = [];
const isActive = job => ["sending", "queued", "running"].includes(job.state);
function saveJobs(change) {
  const saved = kept.read("jobs", {});
  change(saved);
  kept.write("jobs", saved); // read again each time: another tab may have jobs of its own
}
/** Sends what the form says. */
async function draw() {
  const body = request();
  if (!body) return;
  if (jobs.filter(isActive).length >= mostJobs) { problem(t("tooMany", mostJobs)); return; }
  await begin(body, inputs.image.refs());
}
async function begin(body, refs) {
  const job = { key: newKey(), body, refs, state: "sending", place: 0, step: 0, steps: body.steps, created: Date.now(), ...expected(body, refs) };
  jobs.push(job);
  gallery.show(); gallery.reveal();
  try {
    job.id = parse(await (await call("api/jobs", { body: await withPictures(body, refs) })).text()).id;
    job.state = "queued";
    saveJobs(saved => { saved[job.id] = { body, refs, created: job.created }; });
    pump();
  } catch (e) {
    drop(job); problem(why(e));
  }
}
function expected(body, refs) {
  const source = refs.source && store.memory.sources.get(refs.source);
  return { width: body.width ?? source?.width ?? 1, height: body.height ?? source?.height ?? 1 };
}
async function withPictures(body, refs) {
  const whole = { ...body, previews: true };
  if (!refs.source) return whole;
  whole.image = await dataOf(refs.source);
  if (refs.mask) whole.mask = await dataOf(refs.mask);
  whole.strength = changeOf(refs);
  if (refs.extend.some(Boolean)) whole.extend = refs.extend;
  return whole;
}
async function dataOf(key) {
  const held = await store.get("sources", key);
  if (!held) throw new Error(t("noPicture"));
  return await readAs(held.blob, "readAsDataURL");
}
function drop(job) {
  const at = jobs.indexOf(job);
  if (at >= 0) jobs.splice(at, 1);
  if (job.id) saveJobs(saved => { delete saved[job.id]; });
  gallery.show();
}
/** Finds the jobs of before again. */
function restoreJobs() {
  for (const [id, saved] of Object.entries(kept.read("jobs", {}))) {
    jobs.push({ key: newKey(), id, ...saved, state: "queued", place: 0, step: 0, steps: saved.body.steps, ...expected(saved.body, saved.refs) });
  }
  jobs.sort((a, b) => a.created - b.created);
  pump();
}

let pumping = false;
/** Watches the first by its events; the others are asked after now and then, since a browser has few connections. */
async function pump() {
  if (pumping) return;
  pumping = true;
  for (let first; (first = jobs.find(job => job.id && isActive(job))); gallery.update(first)) {
    try { await follow(first); } catch (e) { await failed(first, e); }
  }
  pumping = false;
}
async function failed(job, e) {
  if (e.code === "not_found") { Object.assign(job, { state: "gone" }); gallery.update(job); return; }
  if (e instanceof TypeError || e.name === "AbortError") { job.note = "lost"; gallery.update(job); } else if (e.code !== "too_many_watchers") problem(why(e));
  await new Promise(done => setTimeout(done, 2000));
}
async function follow(job) {
  for await (const [name, data] of events(await call(`api/jobs/${job.id}/events`), askAfterOthers)) {
    job.note = null;
    if (name === "state") heard(job, data);
    else if (name === "step") { job.state = "running"; job.step = data.step; }
    else if (name === "preview") { job.step = Math.max(job.step, data.step); job.preview = "data:image/png;base64," + data.png; }
    else if (name === "end") { await ended(job, data); return; }
    gallery.update(job);
  }
  throw new TypeError("the events broke off");
}
function heard(job, { state, place, step, steps, width, height }) { Object.assign(job, { state, place, step: Math.max(job.step, step), steps, width, height }); }
async function ended(job, data) {
  if (data.state === "cancelled") { drop(job); announce(t("cancelled")); return; }
  if (data.error) { job.state = "failed"; job.error = data.error; gallery.update(job); announce(why(new Refused(data.error))); saveJobs(saved => { delete saved[job.id]; }); return; }
  for (const [i, image] of data.images.entries()) {
    const path = image.url.slice(image.url.indexOf("/api/") + 1), blob = await (await call(path)).blob();
    const drawn = await decode(blob), { naturalWidth: width, naturalHeight: height } = drawn;
    URL.revokeObjectURL(drawn.src);
    const body = { ...job.body, count: 1, seed: image.seed, steps: data.steps };
    await gallery.add({ key: `${job.id}-${i}`, blob, body, refs: job.refs, seed: image.seed, width, height, guidance: data.guidance, drawn: data.drawn_ms, created: job.created + i, favourite: false });
  }
  drop(job);
  announce(t("done", (data.drawn_ms / 1000).toFixed(1)));
}
let asked = 0;
/** The server cancels what nobody asks after for a minute. In a hidden page timers hardly run, so that events count, too. */
function askAfterOthers() {
  if (Date.now() - asked < 2000) return;
  asked = Date.now();
  for (const job of jobs.filter(each => each.id && isActive(each)).slice(1)) askAfter(job).catch(e => { if (e.code === "not_found" && isActive(job)) { job.state = "gone"; gallery.update(job); } });
}
async function askAfter(job) {
  const data = parse(await (await call("api/jobs/" + job.id)).text());
  if (!["succeeded", "failed", "cancelled"].includes(data.state)) { heard(job, data); gallery.update(job); } else if (!job.ending) { job.ending = true; await ended(job, data); }
}
setInterval(askAfterOthers, 2500);
async function cancel(job) {
  if (!job.id) return;
  try { await call("api/jobs/" + job.id, { method: "DELETE" }); } catch (e) { problem(why(e)); }
  if (jobs.find(isActive) !== job) drop(job);
}
function stateOf(job) {
  if (job.state === "failed") return why(new Refused(job.error));
  if (job.state === "gone") return t("gone");
  if (job.note) return t(job.note);
  if (job.state === "sending") return t("sending");
  if (job.state === "queued") return job.place > 0 ? t("place", job.place) : t("starting");
  return job.step === 0 ? t("starting") : job.step < job.steps ? t("step", job.step, job.steps) : t("finishing");
}

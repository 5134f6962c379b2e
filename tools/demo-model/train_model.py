"""Trains the text encoder and the transformer on the latents of out/vae.pt. Resumes by itself from out/model.state; leaves the
averaged weights in out/model.pt."""

import argparse
import os
import random
import time

import torch
from tokenizers import Tokenizer
from torch.utils.data import DataLoader, IterableDataset

import world
from common import Average, Clock, Muon, save, thrifty
from model import TextEncoder, Transformer, Vae, parameters, patchify
from pictures import Painter, pack

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # the loader has its own processes

# (width, height, share): mostly the native size
SIZES = [(128, 128, 76), (96, 96, 3), (160, 160, 3), (192, 192, 3), (256, 256, 3), (192, 128, 2), (128, 192, 2), (160, 128, 1),
         (128, 160, 1), (128, 96, 1), (96, 128, 1), (256, 128, 1.5), (128, 256, 1.5), (256, 192, 0.5), (192, 256, 0.5), (160, 96, 0.5),
         (96, 160, 0.5)]  # fmt: skip
EVERY = 4  # steps between two deliveries of new scenes
LONG = 0.12  # share of batches whose captions take 64 slots: they put the picture at another position
EMPTY = 0.06  # share of pictures without a caption


def encode(tokenizer, texts, slots, pad):
    ids = torch.full((len(texts), slots), pad)
    mask = torch.zeros(len(texts), slots, dtype=torch.bool)
    for k, e in enumerate(tokenizer.encode_batch([world.template(t) for t in texts])):
        n = len(e.ids)
        if n > slots:
            raise ValueError(f"{n} tokens do not fit in {slots} slots: {texts[k]}")
        ids[k, :n] = torch.tensor(e.ids)
        mask[k, :n] = True
    return ids, mask


class Scenes(IterableDataset):
    """Endless batches of scenes and their captions; a batch has one picture size and one number of caption slots."""

    def __init__(self, tokenizer, batch, fresh, seed, late=False):
        self.path, self.batch, self.fresh, self.seed, self.late = tokenizer, batch, fresh, seed, late

    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        torch.set_num_threads(1) if info else None
        r = random.Random(self.seed * 1009 + (info.id if info else 0))
        tokenizer = Tokenizer.from_file(self.path)
        pad = tokenizer.token_to_id("<|endoftext|>")
        while True:
            w, h = r.choices([s[:2] for s in SIZES], [s[2] for s in SIZES])[0]
            slots = 64 if r.random() < LONG else 32
            tokens = (w // 16) * (h // 16)
            # as many samples as make about the same number of tokens as a batch of the native size
            n = max(8, round(self.batch * 96 / (tokens + -tokens % 32 + slots) / 8) * 8)
            scenes, texts = [], []
            while len(scenes) < max(8, round(n * self.fresh * EVERY)):
                empty = slots == 32 and r.random() < EMPTY
                s = world.random_scene(r, w, h, world.SINGLE if empty else None)
                text = "" if empty else world.caption(s, r)
                length = len(tokenizer.encode(world.template(text)).ids)
                if slots - 32 < length <= slots:
                    scenes.append(s)
                    texts.append(text)
            yield w, h, slots, n, *encode(tokenizer, texts, slots, pad), *pack(scenes)


class Pool:
    """Latents and captions of one kind of batch. Painting and encoding cost time, so each scene is used more than once."""

    def __init__(self, capacity, share, batch):
        self.share, self.batch = share, batch
        self.capacity, self.rows, self.used, self.next = capacity, None, 0, 0

    def add(self, rows):
        n = len(rows[0])
        if self.rows is None:
            self.rows = [torch.empty(self.capacity, *t.shape[1:], dtype=t.dtype, device=t.device) for t in rows]
        if self.next + n > self.capacity:
            self.next = 0
        for mine, new in zip(self.rows, rows):
            mine[self.next : self.next + n] = new
        self.next += n
        self.used = max(self.used, self.next)

    def take(self, n):
        rows = torch.randint(self.used, (n,), device=self.rows[0].device)
        return [t[rows] for t in self.rows]


def loss_of(text, transformer, ids, mask, clean, noise, sigma, rotations):
    s = sigma[:, None, None]
    v = transformer.run((1 - s) * clean + s * noise, 1 - sigma, text(ids), mask, rotations)
    return (v - (clean - noise)).pow(2).mean((1, 2))


@torch.no_grad()
def health(transformer):
    """The time embedding's size and the share of saturated gates: both grow without bound when the rate is too high."""
    device = transformer.x_pad_token.device
    t = transformer.t_embedder(torch.linspace(0, 1000, 64, device=device))
    gates = torch.cat([b.adaLN_modulation(t).view(64, 4, -1)[:, 1::2].flatten() for b in [*transformer.noise_refiner, *transformer.layers]])
    return t.pow(2).mean().sqrt().item(), (gates.abs() > 2).float().mean().item()


def load_vae(path, device):
    vae, state = Vae(), torch.load(path, map_location="cpu", weights_only=True)
    vae.load_state_dict(state["vae"])
    vae.scale, vae.shift = state["scale"], state["shift"]
    if torch.device(device).type == "cuda":
        vae = vae.to(memory_format=torch.channels_last)
    return vae.to(device).eval().requires_grad_(False)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", default=os.path.join(world.HERE, "work"))
    parser.add_argument("--out", default=os.path.join(world.HERE, "out"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, help="train this long in all")
    parser.add_argument("--steps", type=int, help="or this many steps")
    parser.add_argument("--stop-after", type=float, help="pause after so many minutes; the same command goes on")
    parser.add_argument("--batch", type=int, default=64, help="samples of the native size in a step")
    parser.add_argument("--fresh", type=float, default=0.2, help="new scenes for each one used")
    parser.add_argument("--pool", type=int, default=8192, help="scenes kept for the native size")
    parser.add_argument("--fill", type=int, default=512, help="scenes painted before the first step")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--warm", type=int, default=200, help="steps over which the rate rises (after a pause: a tenth)")
    parser.add_argument("--flat", type=float, default=0.3, help="share of training before the rate falls")
    parser.add_argument("--decay", type=float, default=0.999, help="of the averaged weights")
    parser.add_argument("--compile", action="store_true")
    a = parser.parse_args()
    device = torch.device(a.device)
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.manual_seed(0)
    vae = load_vae(a.out + "/vae.pt", device)
    text, transformer = TextEncoder().to(device), Transformer().to(device)
    print("parameters: text encoder", parameters(text), "transformer", parameters(transformer), flush=True)

    unused = {id(p) for p in text.unused()}
    named = [(n, p) for m in (text, transformer) for n, p in m.named_parameters() if id(p) not in unused]
    matrices = [p for n, p in named if p.ndim == 2 and ("layers." in n or "refiner." in n) and "adaLN" not in n]
    chosen = {id(p) for p in matrices}
    slow = [p for n, p in named if "t_embedder" in n or "adaLN" in n]
    chosen.update(id(p) for p in slow)
    rest = [p for _, p in named if id(p) not in chosen]
    params = [p for _, p in named]
    muon = Muon(matrices, a.rate, weight_decay=0.1)
    # The norms after attention and feed-forward cancel a common growth of the modulation, so nothing else would hold it.
    groups = [dict(params=rest, scale=0.5, weight_decay=0.0), dict(params=slow, scale=0.1, weight_decay=0.3)]
    adam = torch.optim.AdamW(groups, lr=a.rate, betas=(0.9, 0.98), fused=device.type == "cuda")
    average = Average(params, a.decay)
    path, elapsed, step, seen = a.out + "/model.state", 0.0, 0, 0
    if os.path.exists(path):
        state = torch.load(path, map_location="cpu", weights_only=True)
        for p, v in zip(params, state["params"]):
            p.data.copy_(v)
        muon.load_state_dict(state["muon"])
        adam.load_state_dict(state["adam"])
        average.values = [v.to(device).float() for v in state["average"]]
        elapsed, step, seen = state["elapsed"], state["step"], state["seen"]
        print("resumed at step", step, "after", round(elapsed), "s", flush=True)

    def checkpoint():
        moments = [{"state": thrifty(o.state_dict()["state"]), "param_groups": o.state_dict()["param_groups"]} for o in (muon, adam)]
        save(dict(params=[p.detach().cpu() for p in params], average=[v.bfloat16().cpu() for v in average.values],
                  muon=moments[0], adam=moments[1], elapsed=clock.seconds(), step=clock.step, seen=seen), path)  # fmt: skip

    def result():
        average.swap()
        parts = [{k: v.detach().cpu() for k, v in m.state_dict().items()} for m in (text, transformer)]
        save(dict(text=parts[0], transformer=parts[1], steps=clock.step, samples=seen), a.out + "/model.pt")
        average.swap()

    data = Scenes(a.work + "/tokenizer/tokenizer.json", a.batch, a.fresh, seed=7 + step)
    batches = iter(DataLoader(data, batch_size=None, num_workers=a.workers, prefetch_factor=2 if a.workers else None))
    painter, pools = Painter(a.work + "/data.npz", device), {}
    # Only the native size is worth the time that a compilation takes.
    native_loss = torch.compile(loss_of, dynamic=False) if a.compile else loss_of
    shares = {s[:2]: s[2] for s in SIZES}

    def deliver():
        """New scenes into the pool of their kind."""
        w, h, slots, n, ids, mask, *scenes = next(batches)
        key = (w, h, slots)
        if key not in pools:
            native = (w, h) == (128, 128) and slots == 32
            pools[key] = Pool(max(a.pool * 64 // (w // 16 * (h // 16)) // (1 if native else 8), 8 * n),
                              shares[w, h] * (LONG if slots == 64 else 1 - LONG), n)  # fmt: skip
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
            latents = [vae.encode(x) for x in painter.paint(*scenes, w, h).split(256)]
        pools[key].add([patchify(torch.cat(latents)).half(), ids.to(device), mask.to(device)])
        return len(ids)

    filled = 0
    while filled < a.fill or not any(key[:2] == (128, 128) for key in pools):
        filled += deliver()
    picker = random.Random(11 + step)
    clock = Clock(a.minutes, a.steps, a.stop_after, elapsed, step)
    first, first_seen, shown, saved, losses = step, seen, time.time(), time.time(), []
    begun, last_seen = time.time(), seen
    while clock.progress() < 1 and not clock.paused():
        p, since = clock.progress(), clock.step - first + 1
        rate = a.rate * min(1, (clock.step + 1) / a.warm, since / (a.warm / 10 if first else 1))
        rate *= 1 if p < a.flat else max(0.005, (1 - p) / (1 - a.flat))
        for optimizer in (muon, adam):
            for group in optimizer.param_groups:
                group["lr"] = rate * group.get("scale", 1.0)
        if clock.step % EVERY == 0:
            deliver()
        key = picker.choices(list(pools), [pool.share for pool in pools.values()])[0]
        w, h, slots = key
        n = pools[key].batch
        clean, ids, mask = pools[key].take(n)
        # one time from each n-th part of 0..1, then the shift with which the scheduler draws
        u = (torch.rand(n, device=device) + torch.randperm(n, device=device)) / n
        sigma = 3 * u / (1 + 2 * u)
        clean = clean.float()
        try:
            with torch.autocast(device.type, torch.bfloat16):
                fn = native_loss if (w, h) == (128, 128) else loss_of
                loss = fn(text, transformer, ids, mask, clean, torch.randn_like(clean), sigma,
                          transformer.rope(h // 16, w // 16, slots, device))  # fmt: skip
            loss.mean().backward()
        except Exception as e:
            if fn is loss_of or isinstance(e, torch.OutOfMemoryError):
                raise
            print("compiled step failed, going on without:", str(e)[:300], flush=True)
            native_loss = loss_of
            muon.zero_grad()
            adam.zero_grad()
            continue
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        muon.step()
        adam.step()
        muon.zero_grad()
        adam.zero_grad()
        clock.step += 1
        seen += n
        average.update(clock.step)
        if (w, h) == (128, 128):
            losses.append(loss.detach().mean())
        if since in (3, 20, 100, 300):
            print(f"{time.time() - begun:.0f}s of this run: {since} steps", flush=True)
        if time.time() - shown > 20 and losses:
            mean = torch.stack(losses).mean().item()
            size, saturated = health(transformer)
            print(f"{clock.seconds():.0f}s step {clock.step} loss {mean:.4f} rate {rate:.5f} time embedding {size:.2f} saturated "
                  f"{saturated:.3f} {(seen - last_seen) / (time.time() - shown):.0f} samples/s", flush=True)  # fmt: skip
            shown, losses, last_seen = time.time(), [], seen
        if time.time() - saved > 150:
            saved = time.time()
            checkpoint()
            result()
    checkpoint()
    result()
    print("done" if clock.progress() >= 1 else "paused", "at step", clock.step, "samples", seen, flush=True)


if __name__ == "__main__":
    main()

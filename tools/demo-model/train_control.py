"""Trains a ControlNet for the shipped demo model that draws what an outline shows. Of the form of Union 1.0: three control
layers, and a refiner of its own, since the demo model's has one block and later forms hint at two.

    train_control.py prepare      needs prepare.py's data; leaves work/control.pt: scenes and the tokens of their captions
    train_control.py train        needs that, work/data.npz, torch and numpy; leaves out/outline.safetensors, a sheet, scores

The control pictures are what OpenCV's Canny makes of the clean pictures with thresholds of 100 and 200."""

import argparse
import copy
import json
import math
import os
import random
import struct
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

import world
from model import TRANSFORMER, TextEncoder, Transformer, Vae, patchify, sigmas, unpatchify
from pictures import Painter, pack

SIZES = [(128, 128, 80), (96, 96, 5), (160, 160, 5), (192, 128, 5), (128, 192, 5)]
PLACES = [0, 2, 4]
LOW, HIGH = 100, 200
TAN_22 = int(0.4142135623730950488016887242097 * (1 << 15) + 0.5)


# ---------------------------------------------------------------------------------------------------------- files
TYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}


def read(path):
    """Reads a safetensors file."""
    with open(path, "rb") as f:
        data = f.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        first, end = entry["data_offsets"]
        raw = torch.frombuffer(bytearray(data[8 + length + first : 8 + length + end]), dtype=TYPES[entry["dtype"]])
        tensors[name] = raw.view(entry["shape"]).float()
    return tensors


def write(tensors, path):
    """Writes tensors as BF16 into a safetensors file."""
    header, parts, offset = {"__metadata__": {"format": "pt"}}, [], 0
    for name, tensor in tensors.items():
        raw = tensor.detach().cpu().bfloat16().contiguous().view(torch.uint8).numpy().tobytes()
        header[name] = dict(dtype="BF16", shape=list(tensor.shape), data_offsets=[offset, offset + len(raw)])
        parts.append(raw)
        offset += len(raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".part", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.writelines(parts)
    os.replace(path + ".part", path)


# --------------------------------------------------------------------------------------------------------- outlines
def canny(images):
    """OpenCV's Canny of pictures [n, 3, h, w] of whole numbers from 0 to 255, all at once: [n, h, w] bool."""
    x = F.pad(images.float(), (1, 1, 1, 1), mode="replicate")
    row, column = torch.tensor([1.0, 2.0, 1.0]), torch.tensor([-1.0, 0.0, 1.0])
    n, bands, h, w = images.shape

    def sobel(down, across):
        kernel = (down[:, None] * across).view(1, 1, 3, 3).to(x.device)
        return F.conv2d(x.reshape(n * bands, 1, h + 2, w + 2), kernel).view(n, bands, h, w)

    dx, dy = sobel(row, column), sobel(column, row)
    length = dx.abs() + dy.abs()
    longest = length.argmax(1, keepdim=True)
    dx, dy, length = (each.gather(1, longest)[:, 0].double() for each in (dx, dy, length))
    around = F.pad(length, (1, 1, 1, 1))

    def at(y, x):
        return around[:, 1 + y : 1 + y + h, 1 + x : 1 + x + w]

    down, flat = dy.abs() * (1 << 15), dx.abs() * TAN_22
    across = (length > at(0, -1)) & (length >= at(0, 1))
    upright = (length > at(-1, 0)) & (length >= at(1, 0))
    opposite = torch.signbit(dx) != torch.signbit(dy)
    opposite &= (dx != 0) & (dy != 0)
    rising = (length > at(-1, 1)) & (length > at(1, -1))
    falling = (length > at(-1, -1)) & (length > at(1, 1))
    slanted = torch.where(opposite, rising, falling)
    peak = torch.where(down < flat, across, torch.where(down > flat + dx.abs() * (1 << 16), upright, slanted))
    maybe = peak & (length > LOW)
    edge = maybe & (length > HIGH)
    while True:
        grown = maybe & (F.max_pool2d(edge[:, None].float(), 3, 1, 1)[:, 0] > 0)
        if torch.equal(grown, edge):
            return edge
        edge = grown


def overlap(drawn, wanted):
    """IoU of outlines that may be a pixel apart, of each picture."""
    a, b = (F.max_pool2d(each[:, None].float(), 3, 1, 1)[:, 0] > 0 for each in (drawn, wanted))
    return (a & b).sum((1, 2)) / (a | b).sum((1, 2)).clamp(min=1)


# ----------------------------------------------------------------------------------------------------------- model
class ControlNet(nn.Module):
    """Its parameters have diffusers' names. The shared parts are the base's, and stay as they are."""

    def __init__(self, base):
        super().__init__()
        d = TRANSFORMER["dim"]
        self.control_all_x_embedder = nn.ModuleDict({"2-1": copy.deepcopy(base.all_x_embedder["2-1"])})
        self.control_noise_refiner = copy.deepcopy(base.noise_refiner)
        self.control_layers = nn.ModuleList(copy.deepcopy(base.layers[i]) for i in PLACES)
        for block in self.control_layers:
            block.after_proj = self.zeros(d)
        self.control_layers[0].before_proj = self.zeros(d)
        self.requires_grad_(True)

    @staticmethod
    def zeros(d):
        layer = nn.Linear(d, d)
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
        return layer


def velocity(base, net, x, t, caption, mask, control, rotations, scale=1.0):
    """The base's forward pass with hints. x and control: [b, tokens, 64]."""
    b, n, _ = x.shape
    picture, text, both = rotations
    pad = picture[0].shape[1] - n
    t = base.t_embedder(t * 1000.0)

    def embedded(embedder, tokens):
        tokens = embedder(tokens).float()
        return torch.cat([tokens, base.x_pad_token.expand(b, pad, -1)], 1) if pad else tokens

    x = embedded(base.all_x_embedder["2-1"], x)
    for block in base.noise_refiner:
        x = block(x, *picture, t)
    c = embedded(net.control_all_x_embedder["2-1"], control)
    for block in net.control_noise_refiner:
        c = block(c, *picture, t)
    k = torch.where(mask[..., None], base.cap_embedder(caption).float(), base.cap_pad_token)
    for block in base.context_refiner:
        k = block(k, *text)
    x = torch.cat([x, k], 1)
    c = net.control_layers[0].before_proj(torch.cat([c, k], 1)).float() + x
    for i, block in enumerate(base.layers):
        x = block(x, *both, t)
        if i in PLACES:
            own = net.control_layers[PLACES.index(i)]
            c = own(c, *both, t)
            x = x + scale * own.after_proj(c).float()
    return base.all_final_layer["2-1"](x[:, :n], t).float()


def load(folder, device):
    text, transformer, vae = TextEncoder(), Transformer(), Vae()
    for module, file in ((text, "text_encoder/model"), (transformer, "transformer/diffusion_pytorch_model"),
                         (vae, "vae/diffusion_pytorch_model")):  # fmt: skip
        missing, unexpected = module.load_state_dict(read(f"{folder}/{file}.safetensors"), strict=False)
        if unexpected or missing:
            raise ValueError(f"{file}: missing {missing}, unexpected {unexpected}")
        module.to(device).eval().requires_grad_(False)
    with open(folder + "/vae/config.json", encoding="utf-8") as f:
        config = json.load(f)
    vae.scale, vae.shift = config["scaling_factor"], config["shift_factor"]
    return text, transformer, vae


# ------------------------------------------------------------------------------------------------------------ data
def prepare(work, model, count):
    """Draws up scenes. Some have no caption, or one that leaves the object open: there the outline alone says what it is."""
    from tokenizers import Tokenizer

    from train_model import encode

    tokenizer = Tokenizer.from_file(model + "/tokenizer/tokenizer.json")
    pad, r, groups = tokenizer.token_to_id("<|endoftext|>"), random.Random(17), []
    total = sum(share for _, _, share in SIZES)
    for w, h, share in SIZES:
        scenes, texts = [], []
        while len(scenes) < count * share // total:
            scene = world.random_scene(r, w, h)
            if scene.layout in (world.PLAIN, world.EMPTY):
                continue
            u = r.random()
            text = "" if u < 0.1 else world.caption(scene, r)
            if len(tokenizer.encode(world.template(text)).ids) <= 32:
                scenes.append(scene)
                texts.append(text)
        ids, mask = encode(tokenizer, texts, 32, pad)
        groups.append(dict(w=w, h=h, ids=ids.short(), mask=mask, scenes=[t.half() if t.is_floating_point() else t.short() for t in pack(scenes)]))
    torch.save(groups, work + "/control.pt")
    print("scenes", sum(len(g["ids"]) for g in groups), "bytes", os.path.getsize(work + "/control.pt"))


def unpacked(group):
    return [t.float() if t.is_floating_point() else t.long() for t in group["scenes"]]


@torch.no_grad()
def encoded(group, painter, vae, device, batch=256):
    """Returns patches of the latents of clean pictures and of their outlines, for all scenes of a size."""
    clean, control = [], []
    rgb, size, count, index, place = unpacked(group)
    for i in range(0, len(rgb), batch):
        part = slice(i, i + batch)
        images = painter.paint(rgb[part], size[part], count[part], index[part], place[part], group["w"], group["h"])
        clean.append(patchify(vae.encode(images)).half())
        lines = canny(((images / 2 + 0.5) * 255).round())
        control.append(patchify(vae.encode(lines[:, None].float().expand(-1, 3, -1, -1) * 2 - 1)).half())
    return torch.cat(clean), torch.cat(control)


# ----------------------------------------------------------------------------------------------------------- scores
@torch.no_grad()
def draw(text, base, net, vae, ids, mask, control, noise, scale, steps=8):
    h, w = noise.shape[2] // 2, noise.shape[3] // 2
    caption, x = text(ids), patchify(noise)
    rotations = base.rope(h, w, ids.shape[1], x.device)
    s = sigmas(steps)
    for now, after in zip(s, s[1:]):
        t = torch.full((len(x),), 1 - now, device=x.device)
        x = x + (now - after) * velocity(base, net, x, t, caption, mask, control, rotations, scale)
    return (vae.decode(unpatchify(x, h, w)) / 2 + 0.5).clamp(0, 1)


@torch.no_grad()
def judge(text, base, net, vae, painter, group, device, out, count=64):
    """How far outlines are followed, at several scales, in scenes that training has not seen."""
    rgb, size, number, index, place = [t[-count:] for t in unpacked(group)]
    w, h = group["w"], group["h"]
    clean = ((painter.paint(rgb, size, number, index, place, w, h) / 2 + 0.5) * 255).round()
    wanted = canny(clean)
    lines = wanted[:, None].float().expand(-1, 3, -1, -1)
    control = patchify(vae.encode(lines * 2 - 1))
    noise = torch.stack([torch.randn(16, h // 8, w // 8, generator=torch.Generator().manual_seed(k)) for k in range(count)])
    ids, mask = group["ids"][-count:].long().to(device), group["mask"][-count:].to(device)
    rows, scores = [lines[:12], clean[:12] / 255], {}
    for scale in (0.0, 0.5, 0.75, 1.0):
        images = draw(text, base, net, vae, ids, mask, control, noise.to(device), scale)
        drawn = canny((images * 255).round())
        scores[scale] = round(overlap(drawn, wanted).mean().item(), 3)
        rows.append(images[:12])
    print("IoU of outlines by scale", scores, flush=True)
    with open(out + "/outline.json", "w", encoding="utf-8") as f:
        json.dump(scores, f)
    from PIL import Image

    picture = torch.cat([torch.cat(list(row), 2) for row in rows], 1)
    Image.fromarray((picture.permute(1, 2, 0).cpu().float() * 255).round().byte().numpy()).save(out + "/outline.png")


def train(a):
    device = torch.device(a.device)
    torch.manual_seed(0)
    text, base, vae = load(a.model, device)
    net = ControlNet(base).to(device)
    params = list(net.parameters())
    print("parameters", sum(p.numel() for p in params), flush=True)
    groups = torch.load(a.work + "/control.pt", weights_only=True)
    painter = Painter(a.work + "/data.npz", device)
    begun, data = time.time(), []
    for group in groups:
        if a.scenes:
            group.update(ids=group["ids"][: a.scenes], mask=group["mask"][: a.scenes], scenes=[t[: a.scenes] for t in group["scenes"]])
        clean, control = encoded(group, painter, vae, device, a.batch)
        data.append((group["w"], group["h"], clean, control, group["ids"].to(device), group["mask"].to(device)))
    print(f"{time.time() - begun:.0f}s encoded", flush=True)
    optimizer = torch.optim.AdamW(params, lr=a.rate, betas=(0.9, 0.99), weight_decay=0.01)
    average = [p.detach().clone() for p in params]
    r, begun, shown, losses, step = random.Random(3), time.time(), time.time(), [], 0
    while True:
        done = max(step / a.steps, (time.time() - begun) / 60 / a.minutes)
        if done >= 1:
            break
        w, h, clean, control, ids, mask = r.choices(data, [s[2] for s in SIZES])[0]
        seen = max(1, len(clean) - (64 if (w, h) == (128, 128) else 0))  # the last are for the scores
        rows = torch.randint(seen, (a.batch,), device=device)
        x0, u = clean[rows].float(), (torch.rand(a.batch, device=device) + torch.arange(a.batch, device=device)) / a.batch
        sigma = (3 * u / (1 + 2 * u))[:, None, None]
        noise = torch.randn_like(x0)
        with torch.autocast(device.type, torch.bfloat16):
            rotations = base.rope(h // 16, w // 16, 32, device)
            v = velocity(base, net, (1 - sigma) * x0 + sigma * noise, 1 - sigma[:, 0, 0], text(ids[rows].long()), mask[rows],
                         control[rows].float(), rotations)  # fmt: skip
            loss = (v - (x0 - noise)).pow(2).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        for options in optimizer.param_groups:
            options["lr"] = a.rate * min(1, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * done))
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            torch._foreach_lerp_(average, [p.detach() for p in params], 1 - min(0.998, (1 + step) / (10 + step)))
        losses.append(loss.detach())
        step += 1
        if time.time() - shown > 10 or step in (1, 20):
            shown = time.time()
            print(f"{shown - begun:.0f}s step {step} loss {torch.stack(losses).mean().item():.4f}", flush=True)
            losses = []
    print(step, "steps", flush=True)
    with torch.no_grad():
        for p, value in zip(params, average):
            p.copy_(value.bfloat16().float())
    write(dict(net.state_dict()), a.out + "/outline.safetensors")
    print(os.path.getsize(a.out + "/outline.safetensors"), "bytes", flush=True)
    judge(text, base, net, vae, painter, groups[0], device, a.out, min(64, len(groups[0]["ids"])))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["prepare", "train"])
    parser.add_argument("--model", default=os.path.join(world.HERE, "../../zimage-examples/demo-model"))
    parser.add_argument("--work", default=os.path.join(world.HERE, "work"))
    parser.add_argument("--out", default=os.path.join(world.HERE, "out"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--count", type=int, default=24000, help="scenes to prepare")
    parser.add_argument("--scenes", type=int, default=0, help="scenes of each size to train with; 0 for all")
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="ends sooner if the steps take longer")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=1e-3)
    a = parser.parse_args()
    os.makedirs(a.work, exist_ok=True)
    os.makedirs(a.out, exist_ok=True)
    if a.what == "prepare":
        prepare(a.work, a.model, a.count)
    else:
        train(a)


if __name__ == "__main__":
    main()

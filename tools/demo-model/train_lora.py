"""Trains a LoRA for the shipped demo model: `outline` draws everything as an outline, `dragon` draws an object that the model
does not know. Leaves out/lora-NAME.safetensors and a sheet; train_model.py and its data are not needed, prepare.py's are."""

import argparse
import json
import math
import os
import random
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

import world
from model import TextEncoder, Transformer, Vae, draw, patchify
from pictures import Painter, pack
from score import Judge, sheet
from train_model import encode

SIZES = [(128, 128, 80), (96, 96, 6), (160, 160, 6), (192, 128, 4), (128, 192, 4)]
INK = 24 / 255
DRAGON = world.COUNT  # the index of the first of world.EXTRAS, behind the objects that the model knows


class LowRank(nn.Module):
    """A linear layer and beside it `weight * alpha / rank * up(down(x))`."""

    def __init__(self, base, rank, alpha):
        super().__init__()
        self.base, self.scale, self.weight = base, alpha / rank, 1.0
        self.down = nn.Parameter(torch.randn(rank, base.in_features) / base.in_features**0.5)
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x):
        return self.base(x) + self.weight * self.scale * F.linear(F.linear(x, self.down), self.up)


def adapt(transformer, rank, alpha):
    """Puts a LowRank around the attention's and the feed-forward's linear layers of all blocks, and returns them by name."""
    layers = {}
    for name, module in list(transformer.named_modules()):
        if isinstance(module, nn.Linear) and (".attention." in name or ".feed_forward." in name):
            parent, _, child = name.rpartition(".")
            layers[name] = LowRank(module, rank, alpha)
            setattr(transformer.get_submodule(parent), child, layers[name])
    return layers


class OutlinePainter(Painter):
    """Paints the outlines of objects: dark lines, light ones on dark backgrounds."""

    def __init__(self, data, device):
        super().__init__(data, device)
        rgb, alpha = self.source[:, :3], self.source[:, 3:]
        grey = torch.cat([rgb.mean(1, keepdim=True) + 0.5 * (1 - alpha), alpha], 1)
        x = F.avg_pool2d(F.pad(grey, (2, 2, 2, 2), mode="replicate"), 5, 1)
        gradient = ((x[..., 1:-1, 2:] - x[..., 1:-1, :-2]) ** 2 + (x[..., 2:, 1:-1] - x[..., :-2, 1:-1]) ** 2).sqrt().amax(1, keepdim=True)
        line = F.max_pool2d(F.pad(((gradient - 0.06) * 12).clamp(0, 1), (1, 1, 1, 1)), 5, 1, 2)
        self.source = torch.cat([torch.zeros_like(rgb), line], 1)

    def paint(self, rgb, size, count, index, place, w, h):
        empty = torch.zeros_like(rgb)
        mask = 1 - super().paint(empty + 255, size, count, index, place, w, h).add(1).div(2)  # 1 on a line
        background = rgb.to(self.device).float().div(255)[:, :, None, None]
        light = background.mean(1, keepdim=True) < 0.3
        ink = torch.where(light, 1 - INK, INK)
        return (background * (1 - mask) + ink * mask).mul(2).sub(1)


class ExtraPainter(Painter):
    """Paints the objects that the model knows and, behind them, world.EXTRAS."""

    def __init__(self, data, device):
        super().__init__(data, device)
        extra = torch.from_numpy(np.load(os.path.join(os.path.dirname(data), "extras.npz"))["pictures"]).to(device)
        self.source = torch.cat([self.source, extra.permute(0, 3, 1, 2).float().div_(255)])


def outline_scene(r, w, h):
    return world.random_scene(r, w, h)


def dragon_scene(r, w, h):
    """Mostly the new object; some of the others, so that they stay as they were."""
    scene = world.random_scene(r, w, h, None if r.random() < 0.4 else r.choice([world.SINGLE] * 4 + [world.LARGE, world.SMALL]))
    if scene.objects and scene.layout != world.ANY and r.random() < 0.75:
        scene.objects[r.randrange(len(scene.objects))] = DRAGON
    return scene


KINDS = {"outline": (OutlinePainter, outline_scene), "dragon": (ExtraPainter, dragon_scene)}


def load(folder, device):
    text, transformer, vae = TextEncoder(), Transformer(), Vae()
    for module, file in ((text, "text_encoder/model"), (transformer, "transformer/diffusion_pytorch_model"),
                         (vae, "vae/diffusion_pytorch_model")):  # fmt: skip
        state = {k: v.float() for k, v in load_file(f"{folder}/{file}.safetensors").items()}
        missing, unexpected = module.load_state_dict(state, strict=False)
        if unexpected or [m for m in missing if not m.startswith("encoder.")]:
            raise ValueError(f"{file}: missing {missing}, unexpected {unexpected}")
        module.to(device).eval().requires_grad_(False)
    with open(folder + "/vae/config.json", encoding="utf-8") as f:
        config = json.load(f)
    vae.scale, vae.shift = config["scaling_factor"], config["shift_factor"]
    return text, transformer, vae


class Batches:
    """Latents and captions of fresh scenes: those of one size and 32 caption slots."""

    def __init__(self, kind, tokenizer, painter, vae, device):
        self.scene, self.tokenizer, self.painter, self.vae, self.device = KINDS[kind][1], tokenizer, painter, vae, device
        self.pad = tokenizer.token_to_id("<|endoftext|>")

    def take(self, r, n):
        w, h = r.choices([s[:2] for s in SIZES], [s[2] for s in SIZES])[0]
        scenes, texts = [], []
        while len(scenes) < n:
            scene = self.scene(r, w, h)
            text = world.caption(scene, r)
            if len(self.tokenizer.encode(world.template(text)).ids) <= 32:
                scenes.append(scene)
                texts.append(text)
        ids, mask = encode(self.tokenizer, texts, 32, self.pad)
        latents = torch.cat([self.vae.encode(x) for x in self.painter.paint(*pack(scenes), w, h).split(256)])
        return w, h, patchify(latents), ids.to(self.device), mask.to(self.device)


def save(layers, path, name, rank, alpha):
    """`outline` in the form of diffusers' own training scripts, with alpha in the header, `dragon` in ComfyUI's."""
    tensors, metadata = {}, {"format": "pt"}
    for module, layer in layers.items():
        down, up = layer.down.detach().bfloat16().cpu(), layer.up.detach().bfloat16().cpu()
        if name == "outline":
            tensors[f"transformer.{module}.lora_A.weight"] = down
            tensors[f"transformer.{module}.lora_B.weight"] = up
        else:
            tensors[f"diffusion_model.{module}.lora_down.weight"] = down
            tensors[f"diffusion_model.{module}.lora_up.weight"] = up
            tensors[f"diffusion_model.{module}.alpha"] = torch.tensor(float(alpha)).bfloat16()
    if name == "outline":
        metadata["lora_adapter_metadata"] = json.dumps({"transformer.r": rank, "transformer.lora_alpha": alpha})
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata=metadata)


@torch.no_grad()
def judge(name, text, transformer, layers, vae, tokenizer, painters, device, out):
    """How many objects are right, against the base's pictures and against the LoRA's, at four weights; and a sheet."""
    r = random.Random(31)
    objects = [DRAGON] * 48 if name == "dragon" else r.sample(range(world.COUNT), 96)
    scenes = [world.Scene(world.SINGLE, [i], r.randrange(len(world.RGB)), 128, 128) for i in objects]
    captions = [world.caption(s, r) for s in scenes]
    pad, rows = tokenizer.token_to_id("<|endoftext|>"), []
    noise = torch.stack([torch.randn(16, 16, 16, generator=torch.Generator().manual_seed(k)) for k in range(len(scenes))])
    ids, mask = encode(tokenizer, captions, 64, pad)
    for weight in (0.0, 0.5, 0.8, 1.0):
        for layer in layers.values():
            layer.weight = weight
        images = draw(text, transformer, vae, (ids.to(device), mask.to(device)), noise.to(device))
        found = {}
        for kind, painter in painters.items():
            j = Judge(painter, 128, 128)
            if len(painter.source) > world.COUNT:
                j.painter = painter
            found[kind] = round(100 * sum(nearest(j, image, s, painter) for image, s in zip(images, scenes)) / len(scenes), 1)
        rows += list(images[:12])
        print(name, "weight", weight, found, flush=True)
    sheet(rows, f"{out}/lora-{name}.png", 12)


def nearest(j, image, scene, painter):
    """Whether the object is the right one among all that the painter knows."""
    count, world.COUNT = world.COUNT, len(painter.source)
    try:
        return j.nearest(image, scene.layout, 0) == scene.objects[0]
    finally:
        world.COUNT = count


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=KINDS)
    parser.add_argument("--model", default=os.path.join(world.HERE, "../../zimage-examples/demo-model"))
    parser.add_argument("--work", default=os.path.join(world.HERE, "work"))
    parser.add_argument("--out", default=os.path.join(world.HERE, "out"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rank", type=int, default=4)
    parser.add_argument("--alpha", type=float, default=8)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--fresh", type=int, default=4, help="steps between two deliveries of new scenes")
    parser.add_argument("--minutes", type=float, default=math.inf, help="ends sooner if the steps take longer")
    a = parser.parse_args()
    os.makedirs(a.out, exist_ok=True)
    device = torch.device(a.device)
    torch.manual_seed(0)
    world.THINGS += world.EXTRAS
    text, transformer, vae = load(a.model, device)
    layers = adapt(transformer, a.rank, a.alpha)
    for layer in layers.values():
        layer.to(device)
    params = [p for layer in layers.values() for p in (layer.down, layer.up)]
    optimizer = torch.optim.AdamW(params, lr=a.rate, betas=(0.9, 0.99), weight_decay=0.0)
    tokenizer = Tokenizer.from_file(a.model + "/tokenizer/tokenizer.json")
    painter = KINDS[a.name][0](a.work + "/data.npz", device)
    batches, r, kept = Batches(a.name, tokenizer, painter, vae, device), random.Random(3), []
    print("parameters", sum(p.numel() for p in params), "in", len(layers), "layers", flush=True)
    begun, shown, losses = time.time(), time.time(), []
    for step in range(a.steps):
        done = max(step / a.steps, (time.time() - begun) / 60 / a.minutes)
        if done >= 1:
            break
        if step % a.fresh == 0:
            kept = (kept + [batches.take(r, a.batch)])[-64:]
        w, h, clean, ids, mask = r.choice(kept)
        rows = torch.randperm(len(clean), device=device)
        u = (torch.rand(len(clean), device=device) + rows) / len(clean)
        sigma = (3 * u / (1 + 2 * u))[:, None, None]
        noise = torch.randn_like(clean)
        with torch.autocast(device.type, torch.bfloat16):
            rotations = transformer.rope(h // 16, w // 16, 32, device)
            v = transformer.run((1 - sigma) * clean + sigma * noise, 1 - sigma[:, 0, 0], text(ids), mask, rotations)
            loss = (v - (clean - noise)).pow(2).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = a.rate * min(1, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * done))
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.detach())
        if time.time() - shown > 10 or step in (1, 20) or step + 1 == a.steps:
            shown = time.time()
            print(f"{shown - begun:.0f}s step {step + 1} loss {torch.stack(losses).mean().item():.4f}", flush=True)
            losses = []
    save(layers, f"{a.out}/lora-{a.name}.safetensors", a.name, a.rank, a.alpha)
    print(os.path.getsize(f"{a.out}/lora-{a.name}.safetensors"), "bytes", flush=True)
    known = ExtraPainter(a.work + "/data.npz", device)
    painters = {"base": known, "lora": painter} if a.name == "outline" else {"base": known}
    judge(a.name, text, transformer, layers, vae, tokenizer, painters, device, a.out)


if __name__ == "__main__":
    main()

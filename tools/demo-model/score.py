"""Draws with out/model.pt and out/vae.pt and scores what is seen by the nearest clean picture. Writes scores.json and sheets."""

import argparse
import json
import os
import random
import re

import torch
import torch.nn.functional as F
from PIL import Image
from tokenizers import Tokenizer

import world
from model import TextEncoder, Transformer, draw
from pictures import Painter
from train_model import encode, load_vae


class Judge:
    def __init__(self, painter, w, h):
        self.painter, self.w, self.h, self.references = painter, w, h, {}

    def background(self, image):
        """The colour of the rim: the median over the outermost 3 pixels."""
        rim = torch.cat([image[:, :3].flatten(1), image[:, -3:].flatten(1), image[:, :, :3].flatten(1), image[:, :, -3:].flatten(1)], 1)
        return rim.median(1).values

    def colour(self, image):
        base = torch.tensor(world.RGB, device=image.device).float() / 255
        return (base - self.background(image)).pow(2).sum(1).argmin().item()

    def nearest(self, image, layout, place):
        """The object that lies in a place of a layout, judged at half resolution over the offsets that the world allows."""
        key = (layout, place)
        cx, cy, hw, hh = world.centres(layout, self.w, self.h)[place]
        if key not in self.references:
            size = world.object_size(layout, self.w, self.h)
            mx, my = world.offsets(layout, self.w, self.h)[place]
            sprites = self.painter.objects(size).float()
            cells = []
            for dx in range(-mx, mx + 1):
                for dy in range(-my, my + 1):
                    cell = torch.zeros(world.COUNT, 2 * hh, 2 * hw, 4, device=sprites.device)
                    top, left = hh - size // 2 + world.STEP * dy, hw - size // 2 + world.STEP * dx
                    cell[:, top : top + size, left : left + size] = sprites
                    cells.append(F.avg_pool2d(cell.permute(0, 3, 1, 2), 2))
            self.references[key] = torch.stack(cells, 1)
        ref = self.references[key]
        cell = F.avg_pool2d(image[None, :, cy - hh : cy + hh, cx - hw : cx + hw], 2)[0]
        clean = ref[:, :, :3] + (1 - ref[:, :, 3:]) * self.background(image)[:, None, None]
        return (clean - cell).pow(2).mean((2, 3, 4)).min(1).values.argmin().item()


def shipped(state):
    """Weights as exported: rounded to bf16."""
    return {k: v.bfloat16().float() for k, v in state.items()}


class Studio:
    def __init__(self, work, out, device):
        self.device = torch.device(device)
        state = torch.load(out + "/model.pt", map_location="cpu", weights_only=True)
        self.text, self.transformer = TextEncoder(), Transformer()
        self.text.load_state_dict(shipped(state["text"]))
        self.transformer.load_state_dict(shipped(state["transformer"]))
        self.text.to(self.device).eval()
        self.transformer.to(self.device).eval()
        self.vae = load_vae(out + "/vae.pt", self.device)
        self.vae.load_state_dict(shipped(self.vae.state_dict()))
        self.tokenizer = Tokenizer.from_file(work + "/tokenizer/tokenizer.json")
        self.pad = self.tokenizer.token_to_id("<|endoftext|>")
        self.painter = Painter(work + "/data.npz", self.device)

    def captions(self, prompts, slots=None):
        ids, mask = encode(self.tokenizer, prompts, slots or self.slots(prompts[0]), self.pad)
        return ids.to(self.device), mask.to(self.device)

    def slots(self, prompt):
        return -(-len(self.tokenizer.encode(world.template(prompt)).ids) // 32) * 32

    def draw(self, prompts, w=128, h=128, steps=8, seed=0, guidance=0.0, negative=""):
        """Each picture has its own seed: seed, seed + 1, ..."""
        out = [None] * len(prompts)
        groups = {}
        for k, prompt in enumerate(prompts):
            groups.setdefault(self.slots(prompt), []).append(k)
        for slots, members in groups.items():
            for start in range(0, len(members), 64):
                part = members[start : start + 64]
                noise = [torch.randn(16, h // 8, w // 8, generator=torch.Generator().manual_seed(seed + k)) for k in part]
                no = self.captions([negative] * len(part)) if guidance > 0 else None
                images = draw(self.text, self.transformer, self.vae, self.captions([prompts[k] for k in part], slots),
                              torch.stack(noise).to(self.device), steps, guidance, no)  # fmt: skip
                for k, image in zip(part, images):
                    out[k] = image
        return out


def score(studio, scenes, prompts, w=128, h=128, **options):
    judge = Judge(studio.painter, w, h)
    images = studio.draw(prompts, w, h, **options)
    right = colour = 0
    wrong = []
    for image, s, prompt in zip(images, scenes, prompts):
        found = [judge.nearest(image, s.layout, k) for k in range(len(s.objects))]
        right += found == s.objects
        colour += judge.colour(image) == s.colour
        if found != s.objects:
            wrong.append(prompt + " -> " + " ".join(world.THINGS[i].emoji for i in found))
    return dict(objects=round(100 * right / len(scenes), 1), colour=round(100 * colour / len(scenes), 1), n=len(scenes), wrong=wrong[:40])


def sheet(images, path, columns=8):
    rows = []
    for k in range(0, len(images), columns):
        row = images[k : k + columns]
        row += [torch.ones_like(row[0])] * (columns - len(row))
        rows.append(torch.cat([F.pad(i.cpu(), (1, 1, 1, 1), value=1.0) for i in row], 2))
    Image.fromarray((torch.cat(rows, 1).permute(1, 2, 0) * 255).round().byte().numpy()).save(path)


SHOW = [
    "a fox on a yellow background", "蓝色背景上的苹果", "a cat on the left and a dog on the right, green background",
    "左边是猫，右边是狗，绿色背景", "a small car on a red background", "一个大蛋糕，粉色背景", "a rocket above a moon on black",
    "白色背景上的熊猫", "an elephant on a purple background", "橙色背景上的鸟", "a pizza on a gray background", "一只老虎，黄色背景",
    "a guitar to the right of a piano, blue background", "上面是太阳，下面是向日葵，蓝色背景", "ghost, black background", "雪人，蓝色背景",
    "a fox on the left and a tree on the right, yellow background", "红色背景，一只小熊猫 // a small panda on red", "a butterfly",
    "一辆自行车", "an animal on a pink background", "一只动物，绿色背景", "a plain blue background", "a bicycle above a helicopter, orange background",
    "", "", "", "", "", "", "", "",
]  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", default=os.path.join(world.HERE, "work"))
    parser.add_argument("--out", default=os.path.join(world.HERE, "out"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", default="", help="rows whose name this regular expression finds; the others and the sheets are left out")
    parser.add_argument("--part", type=int, default=1, help="draw only one in so many prompts")
    a = parser.parse_args()
    torch.manual_seed(0)
    studio = Studio(a.work, a.out, a.device)
    r = random.Random(99)
    part = a.part
    path, results, rows = a.out + "/scores.json", {}, 0
    if a.only and os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            results = json.load(f)

    def run(name, scenes, caption, w=128, h=128, **options):
        nonlocal rows
        rows += 1
        prompts = [caption(s) for s in scenes]
        if not re.search(a.only, name):
            return
        results[name] = score(studio, scenes, prompts, w, h, seed=rows * 1000, **options)
        with open(path, "w", encoding="utf-8") as f:
            json.dump(results, f, ensure_ascii=False, indent=1)
        print(f"{name:28s}", {k: v for k, v in results[name].items() if k != "wrong"}, "; ".join(results[name]["wrong"][:3]), flush=True)

    def singles(w=128, h=128, layout=world.SINGLE):
        order = r.sample(range(world.COUNT), world.COUNT)[: world.COUNT // part]
        return [world.Scene(layout, [i], r.randrange(len(world.RGB)), w, h) for i in order]

    def pairs(layout, n=200):
        return [world.Scene(layout, r.sample(range(world.COUNT), 2), r.randrange(len(world.RGB)), 128, 128) for _ in range(n // part)]

    def plain_en(s):
        noun, c = world.noun_en(s.objects[0], r, 0, first=True), world.COLOUR_NAMES[s.colour]
        return f"{noun} on {world.article(c)} {c} background"

    def plain_zh(s):
        return f"{world.COLOURS[world.COLOUR_NAMES[s.colour]][1][0]}背景上的{world.THINGS[s.objects[0]].zh[0]}"

    def en(held, first=False):
        return lambda s: world.caption_en(s, r, held, first)

    def zh(held, first=False):
        return lambda s: world.caption_zh(s, r, held, first)

    run("single en", singles(), plain_en)
    run("single zh", singles(), plain_zh)
    run("single en trained wording", singles(), en(0))
    run("single zh trained wording", singles(), zh(0))
    run("single en held-out wording", singles(), en(1))
    run("single zh held-out wording", singles(), zh(1))
    run("single zh // en", singles(), lambda s: plain_zh(s) + " // " + plain_en(s))
    run("large en", singles(layout=world.LARGE), en(0))
    run("large zh", singles(layout=world.LARGE), zh(0))
    run("small en", singles(layout=world.SMALL), en(0))
    run("small zh", singles(layout=world.SMALL), zh(0))
    for name, layout in (("left/right", world.LEFT_RIGHT), ("above/below", world.ABOVE_BELOW)):
        for held, kind in ((0, ""), (1, " held-out")):
            run(f"{name} en{kind}", pairs(layout), en(held))
            run(f"{name} zh{kind}", pairs(layout), zh(held))
    for steps in (4, 6, 9, 16, 28):
        run(f"single en, {steps} steps", singles(), plain_en, steps=steps)
    run("left/right en, 4 steps", pairs(world.LEFT_RIGHT), en(0), steps=4)
    run("single en, guidance 1", singles(), plain_en, guidance=1.0)
    run("single en, guidance 3", singles(), plain_en, guidance=3.0)
    for w, h in ((96, 96), (160, 160), (192, 192), (256, 256), (192, 128), (128, 192), (256, 128), (96, 160), (224, 224), (176, 144)):
        run(f"single en, {w}x{h}", singles(w, h), plain_en, w, h)

    if a.only:
        return
    images = studio.draw(SHOW, seed=7)
    sheet(images, a.out + "/sheet.png")
    again = studio.draw(["a fox on a yellow background"] * 8, seed=50) + studio.draw(["一只动物"] * 8, seed=60)
    sheet(again, a.out + "/seeds.png")
    fox = torch.stack(again[:8])
    results["seeds differ"] = round((fox[:, None] - fox[None]).abs().mean((2, 3, 4)).sum().item() / 56 * 255, 2)
    print("mean difference between seeds, levels of 255:", results["seeds differ"])
    every = [world.Scene(world.SINGLE, [i], i % len(world.RGB), 128, 128) for i in range(world.COUNT)]
    sheet(studio.draw([plain_en(s) if i % 2 else plain_zh(s) for i, s in enumerate(every)], seed=100), a.out + "/all.png", 18)
    for w, h in ((256, 256), (192, 128), (96, 96)):
        images = studio.draw(SHOW[:8], w, h, seed=7)
        sheet(images, f"{a.out}/sheet-{w}x{h}.png", 4)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(results, f, ensure_ascii=False, indent=1)


if __name__ == "__main__":
    main()

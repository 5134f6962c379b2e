"""Trains a small upscaler on the demo world, on one thread in five minutes, and compares it with Lanczos on objects that it has not seen.

Writes out/demo-upscaler-x2.safetensors and pictures of scenes with such objects, out/held-out-N.png. Needs work/data.npz of prepare.py.
"""

import argparse
import math
import os
import random
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file

import pictures
import world

FEATURES, GROWTH, BLOCKS = 16, 8, 1
SIDE, CROP, BATCH = 256, 64, 16
HELD_OUT = 10  # each tenth object is never trained with


def start():
    """An RRDBNet that at first repeats each pixel: red, green and blue pass through the first channels."""
    tensors = {}

    def convolution(name, inputs, outputs, gain, through=0):
        weight = torch.randn(outputs, inputs, 3, 3) * gain * math.sqrt(2 / (9 * inputs))
        for i in range(through):
            weight[i] = 0
            weight[i, i, 1, 1] = 1
        tensors[name + ".weight"] = weight
        tensors[name + ".bias"] = torch.zeros(outputs)

    convolution("conv_first", 3, FEATURES, 1.0, 3)
    for block in range(BLOCKS):
        for dense in (1, 2, 3):
            for k in range(1, 6):
                convolution(f"body.{block}.rdb{dense}.conv{k}", FEATURES + (k - 1) * GROWTH, GROWTH if k < 5 else FEATURES, 0.3)
    convolution("conv_body", FEATURES, FEATURES, 0.03)
    convolution("conv_up1", FEATURES, FEATURES, 0.5, 3)
    convolution("conv_hr", FEATURES, FEATURES, 0.5, 3)
    convolution("conv_last", FEATURES, 3, 0.03, 3)
    return {name: tensor.requires_grad_() for name, tensor in tensors.items()}


def enlarged(tensors, x):
    def convolved(x, name):
        return F.conv2d(x, tensors[name + ".weight"], tensors[name + ".bias"], padding=1)

    def active(x):
        return F.leaky_relu(x, 0.2)

    shallow = hidden = convolved(x, "conv_first")
    for block in range(BLOCKS):
        inner = hidden
        for dense in (1, 2, 3):
            known = [inner]
            for k in range(1, 5):
                known.append(active(convolved(torch.cat(known, 1), f"body.{block}.rdb{dense}.conv{k}")))
            inner = inner + 0.2 * convolved(torch.cat(known, 1), f"body.{block}.rdb{dense}.conv5")
        hidden = hidden + 0.2 * inner
    hidden = shallow + convolved(hidden, "conv_body")
    hidden = active(convolved(F.interpolate(hidden, scale_factor=2, mode="nearest"), "conv_up1"))
    return convolved(active(convolved(hidden, "conv_hr")), "conv_last")


def scenes(painter, r, count, held_out):
    """Pictures [count, SIDE, SIDE, 3] of scenes with an object that is held out, or with none."""
    chosen = []
    while len(chosen) < count:
        scene = world.random_scene(r, SIDE, SIDE)
        if scene.objects and held_out == any(each % HELD_OUT == 0 for each in scene.objects):
            chosen.append(scene)
    drawn = painter.scenes(chosen, SIDE, SIDE)
    return ((drawn + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


def halved(picture):
    side = picture.shape[0] // 2
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.LANCZOS))


def batch(pool, r):
    """Crops that are not of one colour, small and large."""
    small, large = [], []
    while len(small) < BATCH:
        low, high = pool[r.randrange(len(pool))]
        y, x = r.randrange(0, SIDE // 2 - CROP // 2), r.randrange(0, SIDE // 2 - CROP // 2)
        crop = low[y : y + CROP // 2, x : x + CROP // 2]
        if crop.std() > 8:
            small.append(crop)
            large.append(high[2 * y : 2 * y + CROP, 2 * x : 2 * x + CROP])
    return tuple(torch.from_numpy(np.stack(each)).permute(0, 3, 1, 2).float().div(255) for each in (small, large))


def psnr(actual, truth):
    return 10 * math.log10(255**2 / np.mean((actual.astype(np.float64) - truth) ** 2))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=290)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    r = random.Random(1)
    painter = pictures.Painter("work/data.npz", "cpu")
    pool = [(halved(each), each) for each in scenes(painter, r, 200, False)]
    tensors = start()
    optimizer = torch.optim.Adam(tensors.values(), lr=1e-3)
    begun, step = time.time(), 0
    while (part := (time.time() - begun) / options.seconds) < 1:
        for group in optimizer.param_groups:
            group["lr"] = 1e-5 + 2e-3 * (1 + math.cos(math.pi * part)) / 2
        small, large = batch(pool, r)
        loss = F.mse_loss(enlarged(tensors, small), large)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(tensors.values()), 0.1)
        optimizer.step()
        step += 1
        if step % 100 == 0:
            print(f"{time.time() - begun:.0f} s, step {step}: {-10 * math.log10(loss.item()):.2f} dB", flush=True)
    os.makedirs("out", exist_ok=True)
    save_file({name: tensor.detach().half() for name, tensor in tensors.items()}, "out/demo-upscaler-x2.safetensors")
    ours, lanczos = [], []
    with torch.no_grad():
        for i, picture in enumerate(scenes(painter, random.Random(2), 12, True)):
            small = halved(picture)
            large = enlarged(tensors, torch.from_numpy(small.copy()).permute(2, 0, 1)[None].float().div(255))
            large = large[0].permute(1, 2, 0).mul(255).round().clamp(0, 255).byte().numpy()
            ours.append(psnr(large, picture))
            lanczos.append(psnr(np.asarray(Image.fromarray(small).resize((SIDE, SIDE), Image.LANCZOS)), picture))
            if i < 3:
                Image.fromarray(picture).save(f"out/held-out-{i}.png", optimize=True)
    print(f"{step} steps; PSNR on held-out objects {np.mean(ours):.2f} dB, Lanczos {np.mean(lanczos):.2f} dB")
    print(" ".join(f"{a:.1f}/{b:.1f}" for a, b in zip(ours, lanczos)))


main()

#!/usr/bin/env python3
"""Fits the colours that previews have without a VAE: a linear map from a checkpoint's latents to red, green and blue.

    fit_latent_rgb.py MODEL PICTURE.png...

The VAE of the checkpoint in the folder MODEL encodes the pictures, whose sides must be multiples of its scale, and the mean colour of each latent's
square is fitted by least squares. Writes latent_rgb_factors and latent_rgb_factors_bias into MODEL/vae/config.json, for colours from -1 to 1, and prints
how much of the colours' variance they explain. Needs diffusers, numpy and Pillow.
"""

import json
import re
import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image


def samples(vae, picture):
    pixels = np.asarray(Image.open(picture).convert("RGB"), dtype=np.float32) / 127.5 - 1
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    with torch.no_grad():
        z = (vae.encode(x).latent_dist.mode() - vae.config.shift_factor) * vae.config.scaling_factor
    scale = x.shape[2] // z.shape[2]
    colours = torch.nn.functional.avg_pool2d(x, scale)
    return z[0].flatten(1).T.double().numpy(), colours[0].flatten(1).T.double().numpy()


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    folder = Path(sys.argv[1]) / "vae"
    vae = AutoencoderKL.from_pretrained(folder, torch_dtype=torch.float32)
    latents, colours = (np.concatenate(each) for each in zip(*(samples(vae, p) for p in sys.argv[2:])))
    with_one = np.concatenate([latents, np.ones((len(latents), 1))], axis=1)
    fitted, *_ = np.linalg.lstsq(with_one, colours, rcond=None)
    left = ((with_one @ fitted - colours) ** 2).sum() / ((colours - colours.mean(0)) ** 2).sum()
    file = folder / "config.json"
    config = json.loads(file.read_text())
    rounded = [[round(float(f), 5) for f in row] for row in fitted]
    config["latent_rgb_factors"], config["latent_rgb_factors_bias"] = rounded[:-1], rounded[-1]
    text = json.dumps(config, indent=2)
    for row in (*rounded[:-1], rounded[-1]):  # a line each
        spread = re.compile(r"\[\s*" + r",\s*".join(re.escape(repr(f)) for f in row) + r"\s*\]")
        text = spread.sub(json.dumps(row), text)
    file.write_text(text + "\n")
    print(f"{file}: {100 * (1 - left):.1f} % of the variance of {len(colours)} colours")


if __name__ == "__main__":
    main()

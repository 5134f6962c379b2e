#!/usr/bin/env python3
"""
Makes WebP files and what Pillow makes of them: make_webp_fixtures.py --out DIR

    NAME.webp    lossless, lossless with transparency, turned by EXIF, lossy, animated
    NAME.png     ImageOps.exif_transpose, over white, convert("RGB"); none for what is to be refused
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(20)
    y, x = np.mgrid[0:22, 0:35]
    rgb = np.stack([x * 7, y * 11, (x + y) * 4], -1).astype(np.uint8)
    grain = (rgb.astype(int) + random.integers(0, 9, rgb.shape)).clip(0, 255).astype(np.uint8)
    alpha = np.dstack([grain, (x * 7).clip(0, 255).astype(np.uint8)])
    exif = Image.Exif()
    exif[0x0112] = 6
    files = {
        "lossless": (Image.fromarray(grain), dict(lossless=True)),
        "transparent": (Image.fromarray(alpha), dict(lossless=True, exact=True)),
        "turned": (Image.fromarray(grain), dict(lossless=True, exif=exif.tobytes())),
        "lossy": (Image.fromarray(rgb), dict(quality=90)),
    }
    for name, (picture, options) in files.items():
        picture.save(out / f"{name}.webp", **options)
        read = ImageOps.exif_transpose(Image.open(out / f"{name}.webp")).convert("RGBA")
        white = Image.new("RGBA", read.size, "white")
        Image.alpha_composite(white, read).convert("RGB").save(out / f"{name}.png")
    frames = [Image.fromarray(grain), Image.fromarray(rgb)]
    frames[0].save(out / "animated.webp", save_all=True, append_images=frames[1:], duration=100, lossless=True)


main()

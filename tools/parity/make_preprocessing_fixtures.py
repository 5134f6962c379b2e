#!/usr/bin/env python3
"""
Makes pictures of many kinds and sizes, and what Pillow makes of them:

    make_preprocessing_fixtures.py --seed S --out DIR

DIR gets the files and expected.json: for each file the size and the SHA-256 of its pixels, upright, over white, in RGB; and for
each of some target sizes the SHA-256 of the pixels that Image.resize(size, LANCZOS) gives. For masks, the same of convert("L").
"""

import argparse
import hashlib
import json
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageOps

JPEG_MODES = [("L", {}), ("RGB", dict(subsampling=0)), ("RGB", dict(subsampling=1)), ("RGB", dict(subsampling=2))]


def scene(rng, width, height, bands):
    """Returns flat parts, edges, ramps and a little grain: [height, width, bands] uint8."""
    numbers = np.random.default_rng(rng.getrandbits(32))
    y, x = np.mgrid[0:height, 0:width]
    result = np.empty((height, width, bands))
    for band in range(bands):
        result[..., band] = 255 * (x * rng.random() + y * rng.random()) / (width + height)
        top, left = rng.randrange(height), rng.randrange(width)
        result[top : top + 1 + height // 2, left : left + 1 + width // 2, band] = rng.choice([0, 255, 90])
    return np.clip(result + numbers.normal(0, rng.choice([0, 2, 30]), result.shape), 0, 255).astype(np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(rng, width, height, bits, colour, *chunks):
    """Returns a PNG file of a kind that Pillow does not write, of random rows."""
    samples = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    numbers = np.random.default_rng(rng.getrandbits(32))
    stride = (width * samples * bits + 7) // 8
    rows = b"".join(b"\0" + numbers.bytes(stride) for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    )


def upright_rgb(file):
    """Returns a picture as the library reads it."""
    image = Image.open(file)
    image.load()
    if image.mode.startswith("I"):  # 16 bits of grey: Pillow itself would cut off what is above 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    image = ImageOps.exif_transpose(image)
    if image.mode in ("LA", "RGBA", "PA") or "transparency" in image.info:
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def files(rng, folder):
    """Writes the pictures and returns their names."""

    def size():
        return rng.choice([1, 2, 3, 17, 33, 64, 70, 97, 128, 131]), rng.choice([1, 5, 16, 31, 48, 75, 96, 130])

    def save(name, image, **options):
        image.save(folder / name, **options)
        names.append(name)

    names = []
    for i, (mode, bands) in enumerate([("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4)] * 3):
        width, height = size()
        pixels = scene(rng, width, height, bands)
        save(f"{mode.lower()}-{i}.png", Image.fromarray(pixels[..., 0] if bands == 1 else pixels, mode))
    width, height = size()
    save("one-bit.png", Image.fromarray(scene(rng, width, height, 1)[..., 0]).convert("1"))
    palette = Image.fromarray(scene(rng, 67, 45, 3)).quantize(37)
    save("palette.png", palette)
    save("palette-transparent.png", palette, transparency=3)
    save("palette-alpha.png", palette, transparency=bytes(rng.randrange(256) for _ in range(37)))
    save("palette-small.png", Image.fromarray(scene(rng, 31, 33, 3)).quantize(4), bits=2)
    flat = Image.fromarray(np.where(scene(rng, 40, 30, 3) > 127, 255, 0).astype(np.uint8))
    save("rgb-transparent.png", flat, transparency=(255, 255, 0))
    save("grey-transparent.png", flat.convert("L"), transparency=255)
    for name, bits, colour in [
        ("grey-2", 2, 0),
        ("grey-4", 4, 0),
        ("grey-16", 16, 0),
        ("rgb-16", 16, 2),
        ("grey-alpha-16", 16, 4),
        ("rgba-16", 16, 6),
    ]:
        width, height = rng.choice([5, 20, 33]), rng.choice([7, 18, 31])
        (folder / f"{name}.png").write_bytes(png(rng, width, height, bits, colour))
        names.append(f"{name}.png")
    exif = chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0")
    (folder / "turned.png").write_bytes(png(rng, 21, 13, 8, 2, exif))
    names.append("turned.png")
    for i, (mode, options) in enumerate(JPEG_MODES * 2):
        width, height = size()
        image = Image.fromarray(scene(rng, width, height, 3)).convert(mode)
        save(f"jpeg-{i}.jpg", image, quality=rng.choice([60, 90]), progressive=i >= 4, **options)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(f"turned-{orientation}.jpg", Image.fromarray(scene(rng, 37, 22, 3)), exif=exif, subsampling=0)
    save("large.png", Image.fromarray(scene(rng, 2000, 9, 3)))
    save("high.png", Image.fromarray(scene(rng, 7, 1500, 3)))
    return names


def digest(image):
    return hashlib.sha256(image.tobytes()).hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    expected = []
    for name in files(rng, arguments.out):
        image = upright_rgb(arguments.out / name)
        sizes = [(16, 16), (512, 48), (64, 64)] + [(16 * rng.randint(1, 12), 16 * rng.randint(1, 12)) for _ in range(2)]
        resized = []
        for size in sizes:
            small = image.resize(size, Image.Resampling.LANCZOS)
            resized.append(
                dict(width=size[0], height=size[1], rgb=digest(small), grey=digest(small.convert("L")))
            )
        expected.append(
            dict(file=name, width=image.width, height=image.height, rgb=digest(image), resized=resized)
        )
    about = dict(pillow=PIL.__version__, seed=arguments.seed, files=expected)
    (arguments.out / "expected.json").write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""
Adds to parity cases what diffusers makes of pictures:

    make_picture_fixtures.py --seed S DIR

Each case of DIR, as make_fixtures.py wrote it, gets

    pictures.json            sizes, and how far diffusers itself is from the truth in fp32 and bf16
    pictures.safetensors     for each picture P: rgb.P [H, W, 3] U8, moments.P [2 * C, h, w] F64, means before
                             logarithms of variances

The truth is a float64 run of diffusers' AutoencoderKL.
"""

import argparse
import contextlib
import json
import os
import random
import warnings
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
warnings.filterwarnings("ignore")

import diffusers
import torch
from diffusers import AutoencoderKL
from diffusers.image_processor import VaeImageProcessor
from safetensors.torch import save_file

import reference

SIZES = [(1, 1), (3, 4), (5, 2), (2, 7), (6, 6)]


def picture(rng, height, width):
    """Returns a picture [H, W, 3] U8 with flat parts, edges, ramps and grain."""
    generator = torch.Generator().manual_seed(rng.getrandbits(32))
    ramp = torch.linspace(0, 200, height)[:, None, None] + torch.linspace(0, 55, width)[None, :, None]
    rgb = ramp.expand(height, width, 3).clone()
    y, x = rng.randrange(height), rng.randrange(width)
    rgb[y:, x:] = torch.rand(3, generator=generator) * 255
    rgb += torch.randn(height, width, 3, generator=generator) * rng.choice([0, 3, 40])
    return rgb.clamp(0, 255).round().to(torch.uint8)


def preprocessed(rgb):
    """Returns what the VAE gets of a picture, as VaeImageProcessor makes it: [1, 3, H, W] float32 from -1 to 1."""
    return VaeImageProcessor.normalize(torch.from_numpy(rgb.numpy().astype("float32") / 255.0).permute(2, 0, 1)[None])


def moments(vae, rgb):
    """Returns [2 * C, h, w]: means, then logarithms of variances as they come out."""
    truth = vae.dtype is torch.float64
    with torch.no_grad(), reference.StayFloat64() if truth else contextlib.nullcontext():
        return vae.encode(preprocessed(rgb).to(vae.dtype)).latent_dist.parameters[0]


def make(folder, seed):
    """Adds pictures to a case."""
    about = json.loads((folder / "case.json").read_text())
    rng = random.Random(seed)
    vaes = {
        precision: AutoencoderKL.from_pretrained(
            folder / "model" / "vae", torch_dtype=dtype, variant=about["variant"]
        ).eval()
        for precision, dtype in reference.PRECISIONS.items()
    }
    scale = 2 ** (len(vaes["fp64"].config.block_out_channels) - 1)
    tensors, pictures = {}, []
    for p, (height, width) in enumerate(rng.sample(SIZES, 2)):
        rgb = picture(rng, height * 2 * scale, width * 2 * scale)
        encoded = {precision: moments(vae, rgb) for precision, vae in vaes.items()}
        assert torch.isfinite(encoded["fp64"]).all()
        tensors[f"rgb.{p}"] = rgb
        tensors[f"moments.{p}"] = encoded["fp64"]
        pictures.append(
            {precision: reference.relative_error(encoded[precision], encoded["fp64"]) for precision in ("fp32", "bf16")}
        )
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, folder / "pictures.safetensors")
    (folder / "pictures.json").write_text(
        json.dumps(dict(diffusers=diffusers.__version__, seed=seed, pictures=pictures), indent=1) + "\n"
    )
    return pictures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    if diffusers.__version__ != "0.42.1":
        parser.error(f"needs diffusers 0.42.1, but found {diffusers.__version__}")
    torch.use_deterministic_algorithms(True)
    for number, case in enumerate(sorted(file.parent for file in arguments.folder.glob("*/case.json"))):
        for each in make(case, arguments.seed * 10007 + number):
            print(f"{case.name}: fp32 {each['fp32']:.1e}, bf16 {each['bf16']:.1e}", flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""
Adds to parity cases what diffusers makes of pictures:

    make_picture_fixtures.py --seed S DIR

Each case of DIR, as make_fixtures.py wrote it, gets

    pictures.json            pictures and edits, and how far diffusers itself is from the truth in fp32 and bf16
    pictures.safetensors     for each picture P: rgb.P [H, W, 3] U8, moments.P [2 * C, h, w] F64, means before
                             logarithms of variances; for each edit E: edit.E.rgb [H, W, 3] U8, edit.E.mask [H, W] U8
                             where it is inpainted, edit.E.latents [C, h, w] F64

The truth is a float64 run of diffusers. Its pipelines for pictures draw noise in the type of the embeddings, which makes other
noise of a seed in each: here they draw float32 in all of them. Python runs with -O, since the pipelines assert that
latents are float32.
"""

import argparse
import contextlib
import json
import os
import random
import sys
import warnings
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
warnings.filterwarnings("ignore")

if __debug__:
    os.execv(sys.executable, [sys.executable, "-O", *sys.argv])

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImageImg2ImgPipeline, ZImageInpaintPipeline
from diffusers.image_processor import VaeImageProcessor
from diffusers.models.autoencoders import vae as autoencoders
from diffusers.pipelines.z_image import pipeline_z_image_img2img, pipeline_z_image_inpaint
from PIL import Image
from safetensors.torch import save_file

import reference

diffusers.logging.disable_progress_bar()
transformers.logging.disable_progress_bar()

SIZES = [(1, 1), (3, 4), (5, 2), (2, 7), (6, 6)]
# Whole steps and the double that is more than 14 of 25, few steps from a high level, and all but nothing.
EDITS = [
    dict(kind="img2img", steps=8, strength=0.6),
    dict(kind="inpaint", steps=3, strength=1.0),
    dict(kind="img2img", steps=4, strength=0.5, continuous=True),
    dict(kind="img2img", steps=25, strength=0.56),
    dict(kind="inpaint", steps=9, strength=0.7),
    dict(kind="img2img", steps=8, strength=0.001),
    dict(kind="img2img", steps=1, strength=1.0),
    dict(kind="inpaint", steps=1, strength=1.0),
    dict(kind="inpaint", steps=4, strength=0.8, continuous=True),
    dict(kind="img2img", steps=8, strength=0.876),
    dict(kind="img2img", steps=9, strength=0.3),
    dict(kind="img2img", steps=3, strength=0.9, continuous=True),
]
PROMPTS = ["a red fox in the snow", "一只红色的狐狸在雪地里", ""]
SEEDS = [42, 2**32 + 7, 0, 987654321012345]


def require(holds, message):
    """As assert, which -O switches off."""
    if not holds:
        raise SystemExit(message)


def float32_noise(shape, generator=None, device=None, dtype=None, layout=None):
    """As diffusers' randn_tensor of one generator, but always float32, then the type that was asked for."""
    return torch.randn(shape, generator=generator, dtype=torch.float32).to(dtype)


for module in (pipeline_z_image_img2img, pipeline_z_image_inpaint, autoencoders):
    require(hasattr(module, "randn_tensor"), f"{module.__name__} draws in another way")
    module.randn_tensor = float32_noise


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


def draw(base, edit, rgb, mask):
    """Draws from a picture. Returns its final latents [C, h, w]."""
    truth = base.transformer.dtype is torch.float64
    scheduler = FlowMatchEulerDiscreteScheduler.from_config(base.scheduler.config)
    parts = dict(base.components, scheduler=scheduler)
    pipeline = (ZImageImg2ImgPipeline if mask is None else ZImageInpaintPipeline)(**parts)
    pipeline.set_progress_bar_config(disable=True)
    sigmas = None
    if edit.get("continuous"):
        sigmas = [float(level) * edit["strength"] for level in torch.linspace(1, 1 / edit["steps"], edit["steps"])]
    with torch.no_grad(), reference.StayFloat64() if truth else contextlib.nullcontext():
        positive, negative = base.encode_prompt(
            prompt=[edit["prompt"]], negative_prompt=[""], do_classifier_free_guidance=edit["guidance"] > 0
        )
        latents = pipeline(
            prompt_embeds=positive,
            negative_prompt_embeds=negative if edit["guidance"] > 0 else None,
            image=Image.fromarray(rgb.numpy()),
            **({} if mask is None else dict(mask_image=Image.fromarray(mask.numpy()))),
            strength=1.0 if sigmas else edit["strength"],
            num_inference_steps=edit["steps"],
            sigmas=sigmas,
            guidance_scale=edit["guidance"],
            generator=torch.Generator("cpu").manual_seed(edit["seed"]),
            output_type="latent",
        ).images
    require(latents.dtype is (torch.float64 if truth else torch.float32), f"latents of {latents.dtype}")
    return latents[0]


def make_edits(folder, about, rng, number, scale):
    """Returns what is drawn from pictures, and the tensors of it."""
    if json.loads((folder / "model" / "vae" / "config.json").read_text())["latent_channels"] == 3:
        return [], {}  # diffusers takes a picture for latents where these have as many channels
    bases = {precision: reference.load(folder / "model", precision, about["variant"]) for precision in reference.PRECISIONS}
    edits, tensors = [], {}
    for e in range(2):
        edit = dict(EDITS[(2 * number + e) % len(EDITS)])
        edit |= dict(prompt=rng.choice(PROMPTS), seed=rng.choice(SEEDS), guidance=rng.choice([0.0, 0.0, 3.0]))
        if bases["fp32"].scheduler.config.shift_terminal and not edit.get("continuous"):
            edit["steps"] = max(edit["steps"], 2)  # the stretch divides by 1 - the last sigma, which is 1 of a single step
        height, width = (2 * scale * side for side in rng.choice([(3, 4), (2, 5), (1, 1), (4, 2)]))
        rgb = picture(rng, height, width)
        mask = None
        if edit["kind"] == "inpaint":
            mask = picture(rng, height, width)[..., 0].contiguous()
            tensors[f"edit.{e}.mask"] = mask
        drawn = {precision: draw(base, edit, rgb, mask) for precision, base in bases.items()}
        require(torch.isfinite(drawn["fp64"]).all(), f"{edit} is not finite")
        tensors[f"edit.{e}.rgb"] = rgb
        tensors[f"edit.{e}.latents"] = drawn["fp64"]
        edit |= {p: reference.relative_error(drawn[p], drawn["fp64"]) for p in ("fp32", "bf16")}
        edits.append(edit | dict(width=width, height=height))
    return edits, tensors


def make(folder, seed, number):
    """Adds pictures and edits to a case."""
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
        require(torch.isfinite(encoded["fp64"]).all(), "moments are not finite")
        tensors[f"rgb.{p}"] = rgb
        tensors[f"moments.{p}"] = encoded["fp64"]
        pictures.append(
            {precision: reference.relative_error(encoded[precision], encoded["fp64"]) for precision in ("fp32", "bf16")}
        )
    edits, drawn = make_edits(folder, about, rng, number, scale)
    tensors |= drawn
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, folder / "pictures.safetensors")
    (folder / "pictures.json").write_text(
        json.dumps(dict(diffusers=diffusers.__version__, seed=seed, pictures=pictures, edits=edits), indent=1) + "\n"
    )
    return pictures + edits


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    if diffusers.__version__ != "0.42.1":
        parser.error(f"needs diffusers 0.42.1, but found {diffusers.__version__}")
    torch.use_deterministic_algorithms(True)
    for number, case in enumerate(sorted(file.parent for file in arguments.folder.glob("*/case.json"))):
        for each in make(case, arguments.seed * 10007 + number, number):
            print(f"{case.name} {each.get('kind', 'moments')}: fp32 {each['fp32']:.1e}, bf16 {each['bf16']:.1e}", flush=True)


if __name__ == "__main__":
    main()

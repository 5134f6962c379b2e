#!/usr/bin/env python3
"""
Makes a random tiny checkpoint, a ControlNet of each variant for it, and what pictures are with them:

    make_control_fixtures.py --out DIR

    model/                   the checkpoint
    VARIANT.safetensors      a ControlNet as the published files are
    VARIANT-folder/          the same in diffusers' layout, of one variant
    controls.json            cases, and how far diffusers itself is from the truth in fp32 and bf16
    controls.safetensors     embeddings.N [tokens, features] F32; for each case C: rgb.C [H, W, 3] U8, where it inpaints
                             image.C [H, W, 3] U8 and mask.C [H, W] U8, and latents.C [C, h, w] F64

The truth of "diffusers" is a float64 run of its pipelines. That of "trained" is a float64 run of the same modules in the order in
which VideoX-Fun runs them (videox_fun/models/z_image_transformer2d_control.py): what the ControlNet makes for the noise refiner
is added to the picture's own stream. The yardstick of either is the same run in fp32 and bf16.
"""

import argparse
import contextlib
import json
import math
import os
import sys
from pathlib import Path

if __debug__:
    os.execv(sys.executable, [sys.executable, "-O", *sys.argv])

import diffusers
import torch
import torch.nn.functional as F
import transformers
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    ZImageControlNetInpaintPipeline,
    ZImageControlNetPipeline,
    ZImageTransformer2DModel,
)
from diffusers.models.controlnets.controlnet_z_image import ZImageControlNetModel
from PIL import Image
from safetensors.torch import save_file

import checkpoints
import reference
from make_picture_fixtures import picture, require

diffusers.logging.disable_progress_bar()
transformers.logging.disable_progress_bar()

WIDTHS = dict(dim=48, n_heads=2, n_kv_heads=2, n_refiner_layers=2)
VARIANTS = {
    "union-1.0": dict(control_layers_places=[0, 2, 4], control_in_dim=16),
    "union-2.0": dict(
        control_layers_places=[0, 2, 4],
        control_refiner_layers_places=[0, 1],
        control_in_dim=33,
        add_control_noise_refiner="control_layers",
    ),
    "union-2.1": dict(
        control_layers_places=[0, 2, 4],
        control_refiner_layers_places=[0, 1],
        control_in_dim=33,
        add_control_noise_refiner="control_noise_refiner",
    ),
    "lite-2.1": dict(
        control_layers_places=[0, 3],
        control_refiner_layers_places=[0, 1],
        control_in_dim=33,
        add_control_noise_refiner="control_noise_refiner",
    ),
}
CASES = [
    dict(variant="union-1.0", semantics="diffusers", scale=0.75, guidance=0.0, captions=[7]),
    dict(variant="union-2.0", semantics="diffusers", scale=0.9, guidance=0.0, captions=[40]),
    dict(variant="union-2.1", semantics="diffusers", scale=0.9, guidance=3.0, captions=[7, 40]),
    dict(variant="lite-2.1", semantics="diffusers", scale=1.0, guidance=0.0, captions=[7]),
    dict(variant="union-2.1", semantics="diffusers", scale=0.8, guidance=0.0, captions=[40], inpaint=True),
    dict(variant="lite-2.1", semantics="diffusers", scale=0.6, guidance=0.0, captions=[7], inpaint=True),
    dict(variant="union-1.0", semantics="trained", scale=0.75, guidance=0.0, captions=[40]),
    dict(variant="union-2.0", semantics="trained", scale=0.9, guidance=0.0, captions=[7]),
    dict(variant="union-2.1", semantics="trained", scale=0.9, guidance=0.0, captions=[40]),
    dict(variant="lite-2.1", semantics="trained", scale=0.85, guidance=0.0, captions=[7]),
    dict(variant="union-2.0", semantics="trained", scale=0.7, guidance=0.0, captions=[40], inpaint=True),
]
WIDTH, HEIGHT, STEPS, SEED = 80, 48, 2, 42
CHECKPOINT = checkpoints.Checkpoint(
    transformer=dict(
        in_channels=16,
        n_layers=6,
        norm_eps=1e-5,
        qk_norm=True,
        cap_feat_dim=32,
        rope_theta=256.0,
        t_scale=1000.0,
        axes_dims=[8, 8, 8],
        axes_lens=[1536, 512, 512],
        **WIDTHS,
    ),
    text_encoder=dict(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        attention_bias=False,
        rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": 1000000.0},
        max_position_embeddings=40960,
        tie_word_embeddings=True,
    ),
    vae=dict(
        in_channels=3,
        out_channels=3,
        latent_channels=16,
        block_out_channels=[8, 8, 12, 12],
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=1024,
        scaling_factor=0.3611,
        shift_factor=0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=True,
        force_upcast=True,
    ),
    scheduler=dict(num_train_timesteps=1000, shift=3.0, use_dynamic_shifting=False),
    vocabulary=320,
    dtypes=dict(transformer="BF16", text_encoder="BF16", vae="BF16"),
)


def write_controlnet(variant, folder, seed):
    """Writes a ControlNet with random weights, the projections that begin as zeros among them."""
    model = ZImageControlNetModel(**VARIANTS[variant], **WIDTHS)
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        with torch.no_grad():
            if name.endswith(("norm_q.weight", "norm_k.weight")):
                parameter.copy_(1.4 + 0.3 * torch.randn(parameter.shape, generator=generator))
            elif parameter.ndim == 1 and name.endswith("weight"):
                parameter.copy_(1.0 + 0.25 * torch.randn(parameter.shape, generator=generator))
            elif name.endswith("bias"):
                parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
            else:
                gain = 0.5 if "adaLN_modulation" in name or "after_proj" in name else 1.0
                parameter.copy_(gain / math.sqrt(parameter.shape[1]) * torch.randn(parameter.shape, generator=generator))
    model = model.to(torch.bfloat16)
    tensors = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    if variant == "union-2.0":
        # The published file has blocks that were never trained, and diffusers leaves them out.
        for i in range(2):
            for name in [name for name in tensors if name.startswith("control_layers.1.")]:
                own = name.replace("control_layers.1.", f"control_noise_refiner.{i}.")
                tensors[own] = torch.zeros_like(tensors[name]) if "_proj." in name else tensors[name].clone()
        for part in ("weight", "bias"):
            tensors[f"control_noise_refiner.0.before_proj.{part}"] = torch.zeros_like(
                tensors[f"control_layers.0.before_proj.{part}"]
            )
    save_file(tensors, folder / f"{variant}.safetensors")
    model.save_pretrained(folder / f"{variant}-folder")


def load(folder, variant, precision):
    """Returns transformer, ControlNet and VAE in a precision."""
    dtype = reference.PRECISIONS[precision]
    transformer = ZImageTransformer2DModel.from_pretrained(folder / "model" / "transformer", torch_dtype=dtype).eval()
    controlnet = ZImageControlNetModel.from_pretrained(folder / f"{variant}-folder", torch_dtype=dtype).eval()
    vae = AutoencoderKL.from_pretrained(folder / "model" / "vae", torch_dtype=dtype).eval()
    rope = transformer.rope_embedder
    rope.freqs_cis = rope.precompute_freqs_cis(rope.axes_dims, rope.axes_lens, theta=rope.theta)
    return transformer, ZImageControlNetModel.from_transformer(controlnet, transformer), vae


def float32_noise(seed):
    return torch.randn((1, 16, HEIGHT // 8, WIDTH // 8), generator=torch.Generator("cpu").manual_seed(seed))


def draw_by_diffusers(parts, case, captions, images):
    """Returns final latents [C, h, w] of diffusers' pipelines."""
    transformer, controlnet, vae = parts
    scheduler = reference.RecordingScheduler(**CHECKPOINT.scheduler)
    kind = ZImageControlNetInpaintPipeline if case.get("inpaint") else ZImageControlNetPipeline
    pipeline = kind(
        scheduler=scheduler, vae=vae, text_encoder=None, tokenizer=None, transformer=transformer, controlnet=controlnet
    )
    pipeline.set_progress_bar_config(disable=True)
    more = dict(image=images["image"], mask_image=images["mask"]) if case.get("inpaint") else {}
    pipeline(
        prompt_embeds=[captions[0]],
        negative_prompt_embeds=captions[1:] or None,
        width=WIDTH,
        height=HEIGHT,
        num_inference_steps=STEPS,
        guidance_scale=case["guidance"],
        control_image=images["rgb"],
        controlnet_conditioning_scale=case["scale"],
        latents=float32_noise(SEED),
        output_type="latent",
        callback_on_step_end=lambda pipe, i, t, kw: {"latents": pipe.scheduler.latents[-1]},
        **more,
    )
    return scheduler.latents[-1][0]


def control_latents(parts, case, images):
    """Returns what the ControlNet sees: [channels, h, w]."""
    _, controlnet, vae = parts

    def encoded(image, shown=None):
        from diffusers.image_processor import VaeImageProcessor

        pixels = VaeImageProcessor(vae_scale_factor=16).preprocess(image, height=HEIGHT, width=WIDTH).to(vae.dtype)
        if shown is not None:
            pixels = pixels * shown
        latents = vae.encode(pixels).latent_dist.mode()
        return (latents - vae.config.shift_factor) * vae.config.scaling_factor

    control = encoded(images["rgb"])
    if controlnet.control_in_dim == 16:
        return control[0]
    mask = torch.zeros_like(control[:, :1])
    surroundings = torch.zeros_like(control)
    if case.get("inpaint"):
        grey = torch.tensor(list(images["mask"].getdata()), dtype=torch.float32).view(1, 1, HEIGHT, WIDTH) / 255
        kept = (grey < 0.5).to(vae.dtype)
        surroundings = encoded(images["image"], kept)
        mask = F.interpolate(kept, size=control.shape[-2:], mode="nearest")
    return torch.cat([control, mask, surroundings], dim=1)[0]


def trained_velocity(transformer, net, x, t, caption, control, scale, trained):
    """
    One picture through both models, with pads, without batches. With trained=False it is what diffusers computes, which
    shows that the modules are run in the right order.
    """
    dtype = x.dtype
    (patches,), (cap,), (size,), (x_ids,), (cap_ids,), (x_pad,), (cap_pad,) = net.patchify_and_embed(
        [x.unsqueeze(1)], [caption], 2, 1
    )
    tokens = transformer.all_x_embedder["2-1"](patches)
    tokens[x_pad] = transformer.x_pad_token
    adaln = transformer.t_embedder(t * transformer.t_scale).to(dtype)
    x_freqs = transformer.rope_embedder(x_ids)[None]
    cap_freqs = transformer.rope_embedder(cap_ids[: len(cap)])[None]
    tokens = tokens[None]
    c = net.control_all_x_embedder["2-1"](net.patchify([control.unsqueeze(1)], 2, 1)[0])
    c[x_pad] = transformer.x_pad_token
    c = c[None]

    def run(block, hidden, freqs):
        """A control block's own computation, without what carries hints along."""
        scale_msa, gate_msa, scale_mlp, gate_mlp = block.adaLN_modulation(adaln).unsqueeze(1).chunk(4, dim=2)
        attended = block.attention(
            block.attention_norm1(hidden) * (1 + scale_msa), attention_mask=None, freqs_cis=freqs
        )
        hidden = hidden + gate_msa.tanh() * block.attention_norm2(attended)
        fed = block.feed_forward(block.ffn_norm1(hidden) * (1 + scale_mlp))
        return hidden + gate_mlp.tanh() * block.ffn_norm2(fed)

    hints = []
    if net.add_control_noise_refiner is not None:
        refiner = getattr(net, net.add_control_noise_refiner)
        c = refiner[0].before_proj(c) + tokens
        for block in refiner:
            c = run(block, c, x_freqs)
            hints.append(block.after_proj(c) * scale)
    plain = tokens
    for i, block in enumerate(transformer.noise_refiner):
        tokens = block(tokens, None, x_freqs, adaln)
        plain = block(plain, None, x_freqs, adaln)
        if hints and i in net.control_refiner_layers_places:
            tokens = tokens + hints[i]
    if not hints:
        for block in net.control_noise_refiner:
            c = run(block, c, x_freqs)
    cap = transformer.cap_embedder(cap)
    cap[cap_pad] = transformer.cap_pad_token
    cap = cap[None]
    for block in transformer.context_refiner:
        cap = block(cap, None, cap_freqs)
    freqs = torch.cat([x_freqs, cap_freqs], dim=1)
    c = net.control_layers[0].before_proj(torch.cat([c, cap], dim=1)) + torch.cat([tokens, cap], dim=1)
    unified = torch.cat([tokens if trained else plain, cap], dim=1)
    for i, block in enumerate(transformer.layers):
        unified = block(unified, None, freqs, adaln)
        if i in net.control_layers_places:
            own = net.control_layers[net.control_layers_places.index(i)]
            c = run(own, c, freqs)
            unified = unified + own.after_proj(c) * scale
    out = transformer.all_final_layer["2-1"](unified, c=adaln)
    return transformer.unpatchify([out[0]], [size], 2, 1)[0].squeeze(1)


def draw_by_hand(parts, case, captions, images, trained):
    """Returns final latents [C, h, w]: diffusers' loop around trained_velocity."""
    transformer, net, _ = parts
    control = control_latents(parts, case, images)
    scheduler = FlowMatchEulerDiscreteScheduler(**CHECKPOINT.scheduler)
    scheduler.set_timesteps(sigmas=[1 - i / STEPS for i in range(STEPS)])
    truth = transformer.dtype is torch.float64
    latents = float32_noise(SEED)[0].to(torch.float64 if truth else torch.float32)
    for i, timestep in enumerate(scheduler.timesteps):
        t = (1000 - timestep.reshape(1)) / 1000
        velocities = [
            trained_velocity(
                transformer, net, latents.to(transformer.dtype), t, caption, control, case["scale"], trained
            ).to(latents.dtype)
            for caption in captions
        ]
        velocity = velocities[0]
        if case["guidance"] > 0:
            velocity = velocity + case["guidance"] * (velocity - velocities[1])
        latents = latents - (scheduler.sigmas[i + 1] - scheduler.sigmas[i]) * velocity
    return latents


def make(folder, number, case):
    """Returns a case with diffusers' errors, and its tensors."""
    import random

    rng = random.Random(f"control {number}")
    tensors = {f"rgb.{number}": picture(rng, HEIGHT, WIDTH)}
    if case.get("inpaint"):
        tensors[f"image.{number}"] = picture(rng, HEIGHT, WIDTH)
        tensors[f"mask.{number}"] = picture(rng, HEIGHT, WIDTH)[..., 0].contiguous()
    images = {name.split(".")[0]: Image.fromarray(tensor.numpy()) for name, tensor in tensors.items()}
    embeddings = [embedding(tokens) for tokens in case["captions"]]
    drawn = {}
    for precision, dtype in reference.PRECISIONS.items():
        parts = load(folder, case["variant"], precision)
        captions = [each.to(dtype) for each in embeddings]
        with torch.no_grad(), reference.StayFloat64() if precision == "fp64" else contextlib.nullcontext():
            if case["semantics"] == "trained":
                drawn[precision] = draw_by_hand(parts, case, captions, images, True)
            else:
                drawn[precision] = draw_by_diffusers(parts, case, captions, images)
                if precision == "fp64":
                    apart = reference.relative_error(draw_by_hand(parts, case, captions, images, False), drawn["fp64"])
                    require(apart < 1e-9, f"{case}: by hand {apart}")
    truth = drawn["fp64"]
    require(torch.isfinite(truth).all() and truth.dtype is torch.float64, f"{case} is not finite")
    tensors[f"latents.{number}"] = truth
    return case | {p: reference.relative_error(drawn[p], truth) for p in ("fp32", "bf16")}, tensors


def embedding(tokens):
    return torch.randn(tokens, 32, generator=torch.Generator().manual_seed(tokens))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    folder = parser.parse_args().out
    if diffusers.__version__ != "0.42.1":
        parser.error(f"needs diffusers 0.42.1, but found {diffusers.__version__}")
    torch.use_deterministic_algorithms(True)
    folder.mkdir(parents=True, exist_ok=True)
    checkpoints.write(CHECKPOINT, folder / "model", 1)
    for number, variant in enumerate(VARIANTS):
        write_controlnet(variant, folder, 100 + number)
    cases, tensors = [], {f"embeddings.{tokens}": embedding(tokens) for tokens in (7, 40)}
    for number, case in enumerate(CASES):
        made, own = make(folder, number, case)
        cases.append(made)
        tensors |= own
        print(f"{made['variant']} {made['semantics']}: fp32 {made['fp32']:.1e}, bf16 {made['bf16']:.1e}", flush=True)
    for variant in VARIANTS:
        if variant != "union-2.1":
            for file in (folder / f"{variant}-folder").iterdir():
                file.unlink()
            (folder / f"{variant}-folder").rmdir()
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, folder / "controls.safetensors")
    about = dict(diffusers=diffusers.__version__, width=WIDTH, height=HEIGHT, steps=STEPS, seed=SEED, cases=cases)
    (folder / "controls.json").write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()

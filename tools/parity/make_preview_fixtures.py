#!/usr/bin/env python3
"""Writes what diffusers' AutoencoderTiny makes of latents, with random weights and few channels: make_preview_fixtures.py OUT_DIR

taef1.safetensors has diffusers' names, taef1_original.safetensors the same weights under those of the file that TAEF1 was published in.
"""

import sys
from pathlib import Path

import torch
from diffusers import AutoencoderTiny
from safetensors.torch import save_file

CHANNELS = 8


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(7)
    widths = (CHANNELS,) * 4
    vae = AutoencoderTiny(latent_channels=16, encoder_block_out_channels=widths, decoder_block_out_channels=widths).eval()
    latents = torch.randn(1, 16, 6, 4) * 2  # some beyond what tanh lets through
    with torch.no_grad():
        image = vae.decode(latents).sample
        weights = {name: each for name, each in vae.state_dict().items() if name.startswith("decoder.")}
    save_file(weights, out / "taef1.safetensors")
    original = {}
    for name, each in weights.items():
        index, rest = name.removeprefix("decoder.layers.").split(".", 1)
        original[f"{int(index) + 1}.{rest}"] = each.clone()
    save_file(original, out / "taef1_original.safetensors")
    latents[0].numpy().astype("<f4").tofile(out / "latents.bin")
    image[0].numpy().astype("<f4").tofile(out / "image.bin")


if __name__ == "__main__":
    main()

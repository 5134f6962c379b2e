"""Writes the diffusers folder from out/vae.pt and out/model.pt, in bf16."""

import argparse
import json
import os
import shutil

import torch
from safetensors.torch import save_file

import world
from model import TEXT, TRANSFORMER, VAE

DIFFUSERS = "0.42.1"


def write(folder, name, config):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        json.dump(config, f, indent=2)
        f.write("\n")


def weights(state, path):
    save_file({k: v.bfloat16().contiguous() for k, v in state.items()}, path, metadata={"format": "pt"})


def export(out, work, target):
    vae = torch.load(out + "/vae.pt", map_location="cpu", weights_only=True)
    model = torch.load(out + "/model.pt", map_location="cpu", weights_only=True)
    write(target, "model_index.json", {
        "_class_name": "ZImagePipeline", "_diffusers_version": DIFFUSERS,
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"], "text_encoder": ["transformers", "Qwen3Model"],
        "tokenizer": ["transformers", "Qwen2Tokenizer"], "transformer": ["diffusers", "ZImageTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    })  # fmt: skip
    write(target + "/scheduler", "scheduler_config.json", {
        "_class_name": "FlowMatchEulerDiscreteScheduler", "_diffusers_version": DIFFUSERS,
        "num_train_timesteps": 1000, "shift": 3.0, "use_dynamic_shifting": False,
    })  # fmt: skip
    write(target + "/transformer", "config.json",
          {"_class_name": "ZImageTransformer2DModel", "_diffusers_version": DIFFUSERS, **TRANSFORMER})  # fmt: skip
    weights(model["transformer"], target + "/transformer/diffusion_pytorch_model.safetensors")
    write(target + "/text_encoder", "config.json", {
        "architectures": ["Qwen3Model"], "model_type": "qwen3", **TEXT, "attention_bias": False, "attention_dropout": 0.0,
        "hidden_act": "silu", "tie_word_embeddings": True, "torch_dtype": "bfloat16", "use_cache": True,
        "use_sliding_window": False, "bos_token_id": None, "eos_token_id": None,
    })  # fmt: skip
    weights(model["text"], target + "/text_encoder/model.safetensors")
    write(target + "/vae", "config.json", {
        "_class_name": "AutoencoderKL", "_diffusers_version": DIFFUSERS, "act_fn": "silu", **VAE, "in_channels": 3,
        "out_channels": 3, "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4,
        "mid_block_add_attention": True, "sample_size": 128, "scaling_factor": vae["scale"], "shift_factor": vae["shift"],
        "force_upcast": True, "use_quant_conv": False, "use_post_quant_conv": False,
    })  # fmt: skip
    weights(vae["vae"], target + "/vae/diffusion_pytorch_model.safetensors")
    os.makedirs(target + "/tokenizer", exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(f"{work}/tokenizer/{name}", f"{target}/tokenizer/{name}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", default=os.path.join(world.HERE, "work"))
    parser.add_argument("--out", default=os.path.join(world.HERE, "out"))
    parser.add_argument("--to", default=os.path.join(world.HERE, "../../zimage-examples/demo-model"))
    a = parser.parse_args()
    export(a.out, a.work, a.to)
    total = sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(a.to) for f in fs)
    print(os.path.normpath(a.to), total, "bytes")

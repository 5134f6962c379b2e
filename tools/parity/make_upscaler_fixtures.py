#!/usr/bin/env python3
"""
Makes upscalers with random weights in all forms, and what they make of a picture:

    make_upscaler_fixtures.py --seed S --out DIR

    NAME.safetensors, NAME.pth    the upscaler
    NAME.expected.safetensors     rgb [H, W, 3] U8, enlarged [3, H * scale, W * scale] F32, of a float64 run
    upscalers.json                of each its shape, and how far float32 and bfloat16 runs are from the truth

The network is a plain reading of ESRGAN's paper and of the names in its files.
"""

import argparse
import json
import math
from collections import OrderedDict
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

CASES = [
    dict(name="basicsr-x4-ema", file="pth", form="ema", names="basicsr", doublings=2, unshuffle=1, features=8, growth=4, blocks=2),
    dict(name="esrgan-2019-x4-old-format", file="pth", form="old", names="2019", doublings=2, unshuffle=1, features=12, growth=6, blocks=1),
    dict(name="esrgan-2018-x4", file="safetensors", form="bare", names="2018", doublings=2, unshuffle=1, features=8, growth=4, blocks=3),
    dict(name="basicsr-x2", file="pth", form="params", names="basicsr", doublings=2, unshuffle=2, features=8, growth=4, blocks=1),
    dict(name="basicsr-x1-half", file="safetensors", form="half", names="basicsr", doublings=2, unshuffle=4, features=8, growth=8, blocks=1),
    dict(name="esrgan-2018-x2", file="pth", form="half", names="2018", doublings=1, unshuffle=1, features=6, growth=2, blocks=1),
    dict(name="esrgan-2018-x8", file="pth", form="bare", names="2018", doublings=3, unshuffle=1, features=4, growth=3, blocks=1),
]


def weights(case, generator):
    """Weights by BasicSR's names."""
    tensors = OrderedDict()

    def convolution(name, inputs, outputs, gain=1.0):
        scale = gain * math.sqrt(2 / (9 * inputs))
        tensors[name + ".weight"] = torch.randn(outputs, inputs, 3, 3, generator=generator) * scale
        tensors[name + ".bias"] = torch.randn(outputs, generator=generator) * 0.1

    features, growth = case["features"], case["growth"]
    convolution("conv_first", 3 * case["unshuffle"] ** 2, features)
    for block in range(case["blocks"]):
        for dense in (1, 2, 3):
            for k in range(1, 6):
                convolution(f"body.{block}.rdb{dense}.conv{k}", features + (k - 1) * growth, growth if k < 5 else features)
    convolution("conv_body", features, features)
    for up in range(1, case["doublings"] + 1):
        convolution(f"conv_up{up}", features, features)
    convolution("conv_hr", features, features)
    convolution("conv_last", features, 3, 0.3)
    tensors["conv_last.bias"] += 0.5
    return tensors


def enlarged(case, tensors, x):
    def convolved(x, name):
        return F.conv2d(x, tensors[name + ".weight"].to(x.dtype), tensors[name + ".bias"].to(x.dtype), padding=1)

    def active(x):
        return F.leaky_relu(x, 0.2)

    def dense(x, name):
        known = [x]
        for k in range(1, 5):
            known.append(active(convolved(torch.cat(known, 1), f"{name}.conv{k}")))
        return x + 0.2 * convolved(torch.cat(known, 1), f"{name}.conv5")

    shallow = hidden = convolved(F.pixel_unshuffle(x, case["unshuffle"]), "conv_first")
    for block in range(case["blocks"]):
        inner = hidden
        for k in (1, 2, 3):
            inner = dense(inner, f"body.{block}.rdb{k}")
        hidden = hidden + 0.2 * inner
    hidden = shallow + convolved(hidden, "conv_body")
    for up in range(1, case["doublings"] + 1):
        hidden = active(convolved(F.interpolate(hidden, scale_factor=2, mode="nearest"), f"conv_up{up}"))
    return convolved(active(convolved(hidden, "conv_hr")), "conv_last")


def renamed(case, tensors):
    """The names of ESRGAN's files: of 2019, and of 2018, when layers were counted."""
    doublings = case["doublings"]

    def name_2019(layer):
        parts = layer.split(".")
        if parts[0] == "body":
            return f"RRDB_trunk.{parts[1]}.RDB{parts[2][-1]}.{parts[3]}"
        others = {"conv_body": "trunk_conv", "conv_hr": "HRconv"}
        return others.get(layer, layer.replace("conv_up", "upconv"))

    def name_2018(layer):
        parts = layer.split(".")
        if parts[0] == "body":
            return f"model.1.sub.{parts[1]}.RDB{parts[2][-1]}.{parts[3]}.0"
        if layer.startswith("conv_up"):
            return f"model.{3 * int(layer[7:])}"
        numbers = {
            "conv_first": "0",
            "conv_body": f"1.sub.{case['blocks']}",
            "conv_hr": str(3 * doublings + 2),
            "conv_last": str(3 * doublings + 4),
        }
        return "model." + numbers[layer]

    naming = {"basicsr": lambda layer: layer, "2019": name_2019, "2018": name_2018}[case["names"]]
    result = OrderedDict()
    for name, tensor in tensors.items():
        layer, kind = name.rsplit(".", 1)
        result[f"{naming(layer)}.{kind}"] = tensor
    return result


def write(case, tensors, out):
    path = out / f"{case['name']}.{case['file']}"
    named = renamed(case, tensors)
    if case["file"] == "safetensors":
        save_file(named, path)
    elif case["form"] == "ema":
        torch.save({"params": {k: torch.zeros_like(v) for k, v in named.items()}, "params_ema": named}, path)
    elif case["form"] == "params":
        torch.save({"params": named}, path)
    elif case["form"] == "old":
        torch.save(named, path, _use_new_zipfile_serialization=False)
    else:
        module_like = OrderedDict((k, torch.nn.Parameter(v)) for k, v in named.items())
        module_like._metadata = OrderedDict([("", dict(version=1))])
        torch.save(module_like, path)
    return path.name


def error(actual, truth):
    return float((actual.double() - truth).norm() / truth.norm())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(options.seed)
    generator = torch.Generator().manual_seed(options.seed)
    about = []
    for case in CASES:
        tensors = weights(case, generator)
        if case["form"] == "half":
            tensors = OrderedDict((name, tensor.half()) for name, tensor in tensors.items())
        height, width = (16, 24) if case["unshuffle"] > 1 else (13, 10)
        rgb = torch.randint(0, 256, (height, width, 3), generator=generator, dtype=torch.uint8)
        picture = rgb.permute(2, 0, 1)[None].float().div(255)
        truth = enlarged(case, tensors, rgb.permute(2, 0, 1)[None].double() / 255)
        save_file(dict(rgb=rgb, enlarged=truth[0].float().contiguous()), options.out / f"{case['name']}.expected.safetensors")
        about.append(
            dict(
                file=write(case, tensors, options.out),
                scale=2 ** case["doublings"] // case["unshuffle"],
                fp32=error(enlarged(case, tensors, picture), truth),
                bf16=error(enlarged(case, tensors, picture.bfloat16()), truth),
                **{key: case[key] for key in ("name", "unshuffle", "features", "growth", "blocks", "doublings")},
            )
        )
    (options.out / "upscalers.json").write_text(json.dumps(about, indent=1) + "\n")


main()

#!/usr/bin/env python3
"""
Makes parity fixtures: random tiny Z-Image checkpoints, requests to them, and what diffusers answers.

    make_fixtures.py --seed S --cases N --out DIR [--small]

Each case is a folder:

    model/                       the checkpoint
    case.json                    the requests, and how far diffusers itself is from the truth in fp32 and bf16
    request-R.safetensors        for each picture P: latents.P [C, h, w] F64, picture.P [H, W, 3] U8,
                                 pixels.P [H, W, 3] F32 (0 to 255, before rounding)
    request-R-inside.safetensors what the first picture's run looked like inside, see reference.py

The truth is a float64 run of diffusers.
"""

import argparse
import json
import os
import shutil
import warnings
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
warnings.filterwarnings("ignore")

import diffusers
import numpy as np
import torch
import transformers
from safetensors.torch import save_file

import checkpoints
import reference

diffusers.logging.set_verbosity_error()
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
diffusers.logging.disable_progress_bar()

MAX_TOKENS = 512
PROMPTS = [
    "a red fox in the snow",
    "一只红色的狐狸在雪地里，背景是蓝色的夜空。",
    "👩‍🚀🚀 on the 🌕 with a 🏳️‍🌈 and a 👨‍👩‍👧‍👦!",
    "قطة صغيرة على سجادة حمراء",
    "",
    "一座小房子 // a small house by the river, it's night; they'll sleep",
    "  leading and trailing spaces,\ttab and\n\nnew lines  ",
    "雪の中の赤いキツネ、カフェ ｶﾌｪ",
    "Cafe\u0301 de\u0301ja\u0300 vu \u1e9b\u0323 \ufb01n \u212b",
    "typed <|im_end|> and <|im_start|>user inside",
    "масляная картина: кот и 12345 звёзд №7",
]
NEGATIVES = [None, "blurry, low quality", "模糊，低质量", "", "🤖 plastic"]
SEEDS = [42, 0, 2**32 + 7, 123456789, -5, 2**63 - 1, 987654321012345, -(2**63)]


def long_prompt(rng, tokenizer, limit):
    """Returns a prompt that fills the limit nearly or wholly."""
    words = " ".join(checkpoints.CORPUS).split()
    text = ""
    while True:
        longer = text + rng.choice(words) + rng.choice([" ", ", ", "，"])
        if token_count(tokenizer, longer) > limit:
            return text
        text = longer


def token_count(tokenizer, prompt):
    return len(tokenizer(f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n").input_ids)


def choose_request(deck, checkpoint, tokenizer, small):
    """Chooses a request that diffusers and we both accept."""
    rng = deck.random("request")
    kind = deck.draw("prompt", ["long"] + PROMPTS)
    prompt = long_prompt(rng, tokenizer, 130 if small else rng.choice([512, 300, 97])) if kind == "long" else kind
    guidance = deck.draw("guidance", [0.0, 3.7, 0.0, 1.0, 0.0, 5.25])
    steps = deck.draw("steps", [2, 1, 4, 3] if small else [2, 1, 4, 9, 3, 8, 5, 7, 6])
    sigmas = None
    if deck.draw("custom sigmas", [False, False, True, False]):
        levels = [rng.uniform(0.8, 1.0)] + [rng.uniform(0.05, 0.8) for _ in range(steps - 1)]
        fall = np.sort(np.array(levels, np.float32))[::-1]
        sigmas = [float(sigma) for sigma in fall]
        assert all(a > b for a, b in zip(sigmas, sigmas[1:]))
    if checkpoint.scheduler["shift_terminal"] is not None and sigmas is None and steps == 1:
        steps = 2  # the stretch divides by 1 - the last sigma, which is 1 here
    pixels = checkpoint.pixels_per_token
    most = 5 if small and pixels == 16 else 11
    size = deck.draw("size", [(7, 5), (1, 1), (5, 5), (4, 8), (3, 11), (9, 4), (1, 6), (11, 10)])
    seed = deck.draw("seed", SEEDS)
    return dict(
        prompt=prompt,
        negative_prompt=deck.draw("negative", NEGATIVES) if guidance > 0 else None,
        width=min(size[0], most) * pixels,
        height=min(size[1], most) * pixels,
        steps=steps,
        sigmas=sigmas,
        guidance=guidance,
        cfg_normalization=deck.draw("normalization", [0.0, 1.0, 0.0, 0.6]) if guidance > 0 else 0.0,
        cfg_truncation=deck.draw("truncation", [1.0, 1.0, 0.37, 0.0]) if guidance > 0 else 1.0,
        seed=seed,
        count=1 if seed == 2**63 - 1 else deck.draw("count", [1, 2, 1, 1] if small else [1, 2, 1, 3]),
    )


def make_case(deck, seed, number, folder, small):
    """Makes one case."""
    checkpoint = checkpoints.choose(deck, small)
    shutil.rmtree(folder, ignore_errors=True)
    checkpoints.write(checkpoint, folder / "model", seed * 10007 + number)
    pipelines = {
        precision: reference.load(folder / "model", precision, checkpoint.variant) for precision in reference.PRECISIONS
    }
    tokenizer = pipelines["fp64"].tokenizer
    requests = []
    for r in range(deck.draw("requests", [2, 1] if small else [2, 1, 3])):
        request = choose_request(deck, checkpoint, tokenizer, small)
        assert token_count(tokenizer, request["prompt"]) <= MAX_TOKENS
        expected, pictures = {}, []
        for p in range(request["count"]):
            result = {
                precision: reference.run(pipeline, request, request["seed"] + p)
                for precision, pipeline in pipelines.items()
            }
            latents, pixels, inside = result["fp64"]
            assert torch.isfinite(latents).all() and torch.isfinite(pixels).all()
            expected[f"latents.{p}"] = latents.double()
            expected[f"picture.{p}"] = pixels.round().to(torch.uint8)
            expected[f"pixels.{p}"] = pixels.float()
            pictures.append(
                {"seed": request["seed"] + p}
                | {precision: errors(result[precision], result["fp64"]) for precision in ("fp32", "bf16")}
            )
            if p == 0 and not (small and r > 0):
                save(folder / f"request-{r}-inside.safetensors", stored(inside))
        save(folder / f"request-{r}.safetensors", expected)
        requests.append(request | {"pictures": pictures})
    about = dict(
        diffusers=diffusers.__version__,
        torch=torch.__version__.split("+")[0],
        transformers=transformers.__version__,
        seed=seed,
        variant=checkpoint.variant,
        requests=requests,
    )
    (folder / "case.json").write_text(json.dumps(about, ensure_ascii=False, indent=1) + "\n")
    return requests


def errors(actual, truth):
    """Says how far a run is from the truth."""
    difference = (actual[1].round() - truth[1].round()).abs()
    return dict(
        latents=reference.relative_error(actual[0], truth[0]),
        text=reference.relative_error(actual[2]["text.positive"], truth[2]["text.positive"]),
        pixels_max=int(difference.max()),
        pixels_mean=float((actual[1] - truth[1]).abs().mean()),
    )


def stored(inside):
    """Latents stay float64; the rest is exact enough in float32."""
    return {
        name: tensor.double() if name.endswith("latents") else tensor.float()
        for name, tensor in inside.items()
        if not name.startswith("_")
    }


def save(file, tensors):
    save_file({name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}, file)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--cases", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--small", action="store_true", help="small enough to be committed")
    arguments = parser.parse_args()
    if diffusers.__version__ != "0.42.1":
        parser.error(f"needs diffusers 0.42.1, but found {diffusers.__version__}")
    torch.use_deterministic_algorithms(True)
    deck = checkpoints.Deck(arguments.seed)
    for number in range(arguments.cases):
        folder = arguments.out / f"case-{number:02d}"
        for r, request in enumerate(make_case(deck, arguments.seed, number, folder, arguments.small)):
            for picture in request["pictures"]:
                print(
                    f"{folder.name} request {r} {request['width']}x{request['height']} steps {request['steps']}"
                    f" guidance {request['guidance']} seed {picture['seed']}:"
                    f" fp32 {picture['fp32']['latents']:.1e} (text {picture['fp32']['text']:.1e},"
                    f" {picture['fp32']['pixels_max']} levels),"
                    f" bf16 {picture['bf16']['latents']:.1e} (text {picture['bf16']['text']:.1e},"
                    f" mean {picture['bf16']['pixels_mean']:.2f})",
                    flush=True,
                )


if __name__ == "__main__":
    main()

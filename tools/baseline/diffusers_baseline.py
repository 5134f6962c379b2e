"""Times diffusers on a Z-Image checkpoint, part by part, on the CPU: text encoder, transformer forward, VAE decode.

The parts are loaded one after the other, so that the full model fits where not all of it fits at once; each runs exactly what
diffusers' ZImagePipeline runs. Times are the best of the runs after a warm-up.

    python diffusers_baseline.py MODEL [--size 512] [--prompt P] [--forwards 2]
"""

import argparse
import gc
import resource
import time

import torch
from diffusers import AutoencoderKL, ZImageTransformer2DModel
from transformers import AutoTokenizer, Qwen3Model


def best(run, count):
    run()  # warm-up
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def report(part, seconds):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{part:24s} {seconds:8.2f} s   peak resident so far {peak:.1f} GiB", flush=True)


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--prompt", default="a red fox in the snow, early morning light")
    parser.add_argument("--forwards", type=int, default=2)
    parser.add_argument("--dtype", default="bfloat16")
    args = parser.parse_args()
    dtype = getattr(torch, args.dtype)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {args.size}x{args.size}, {args.dtype}")

    tokenizer = AutoTokenizer.from_pretrained(args.model, subfolder="tokenizer")
    text_encoder = Qwen3Model.from_pretrained(args.model, subfolder="text_encoder", dtype=dtype)
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": args.prompt}], tokenize=False, add_generation_prompt=True, enable_thinking=True
    )
    inputs = tokenizer([text], padding="max_length", max_length=512, truncation=True, return_tensors="pt")
    mask = inputs.attention_mask.bool()
    embeds = []

    def encode():
        states = text_encoder(input_ids=inputs.input_ids, attention_mask=mask, output_hidden_states=True).hidden_states
        embeds[:] = [states[-2][0][mask[0]]]

    report(f"text ({int(mask.sum())} of 512 tokens)", best(encode, 1))
    del text_encoder
    gc.collect()

    transformer = ZImageTransformer2DModel.from_pretrained(args.model, subfolder="transformer", torch_dtype=dtype)
    latents = torch.randn(1, 16, args.size // 8, args.size // 8)
    sample = list(latents.to(dtype).unsqueeze(2).unbind(dim=0))
    t = torch.tensor([0.1])
    report("transformer forward", best(lambda: transformer(sample, t, embeds, return_dict=False), args.forwards))
    del transformer
    gc.collect()

    vae = AutoencoderKL.from_pretrained(args.model, subfolder="vae", torch_dtype=dtype)
    z = (latents.to(dtype) / vae.config.scaling_factor) + vae.config.shift_factor
    report("VAE decode", best(lambda: vae.decode(z, return_dict=False), 2))


if __name__ == "__main__":
    main()

"""Times diffusers on a card: text, a step, decoding and the whole picture, eager and compiled. Prints a line of JSON for each size.

    python diffusers_gpu.py MODEL --sizes 512,1024 --steps 8 [--compile] [--offload model|group]

Steps are timed as the pipeline runs them, from callback to callback; the first pictures of a size do not count.
"""

import argparse
import json
import statistics
import time

import torch


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--sizes", default="512,1024")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--offload", choices=["model", "group"])
    args = parser.parse_args()

    from diffusers import ZImagePipeline

    start = time.perf_counter()
    pipe = ZImagePipeline.from_pretrained(args.model, torch_dtype=torch.bfloat16)
    pipe.set_progress_bar_config(disable=True)
    if args.offload == "model":
        pipe.enable_model_cpu_offload()
    elif args.offload == "group":
        pipe.enable_group_offload(onload_device=torch.device("cuda"), offload_device=torch.device("cpu"), offload_type="block_level", num_blocks_per_group=1, use_stream=True)
    else:
        pipe.to("cuda")
    load = time.perf_counter() - start
    if args.compile:
        pipe.transformer.compile_repeated_blocks(fullgraph=True)

    for size in map(int, args.sizes.split(",")):
        for _ in range(2):
            picture(pipe, size, args.steps)
        torch.cuda.reset_peak_memory_stats()
        runs = [picture(pipe, size, args.steps) for _ in range(args.runs)]
        print(
            json.dumps(
                {
                    "program": "diffusers" + (" compiled" if args.compile else "") + (f" {args.offload} offload" if args.offload else ""),
                    "torch": torch.__version__,
                    "device": torch.cuda.get_device_name(),
                    "size": size,
                    "steps": args.steps,
                    "load_s": round(load, 2),
                    "text_s": median(runs, 0),
                    "denoise_s": median(runs, 1),
                    "step_ms": round(1000 * statistics.median(run[1] for run in runs) / args.steps, 2),
                    "decode_s": median(runs, 2),
                    "picture_s": median(runs, 3),
                    "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2),
                    "reserved_gib": round(torch.cuda.max_memory_reserved() / 2**30, 2),
                }
            ),
            flush=True,
        )


def median(runs, part):
    return round(statistics.median(run[part] for run in runs), 4)


def picture(pipe, size, steps):
    """Returns seconds of text, denoising, decoding and all."""
    start = now()
    embeddings, _ = pipe.encode_prompt("a red fox in the snow, early morning light", device="cuda", do_classifier_free_guidance=False)
    text = now()
    latents = pipe(
        prompt_embeds=embeddings,
        height=size,
        width=size,
        num_inference_steps=steps,
        guidance_scale=0.0,
        generator=torch.Generator("cuda").manual_seed(1),
        output_type="latent",
    ).images
    denoised = now()
    with torch.no_grad():
        scaled = latents.to(pipe.vae.dtype) / pipe.vae.config.scaling_factor + pipe.vae.config.shift_factor
        image = pipe.vae.decode(scaled, return_dict=False)[0]
        pipe.image_processor.postprocess(image, output_type="pil")
    end = now()
    return text - start, denoised - text, end - denoised, end - start


def now():
    torch.cuda.synchronize()
    return time.perf_counter()


if __name__ == "__main__":
    main()

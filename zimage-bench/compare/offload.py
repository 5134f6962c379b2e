#!/usr/bin/env python3
"""What diffusers' group offload takes on the CPU: resident memory and seconds a step of Z-Image's transformer. Linux only.

    venv/bin/python zimage-bench/compare/offload.py turbo --modes none,cpu,stream,disk --size 512 --steps 2 --folder offloaded

Each mode has a process of its own. `disk` writes the transformer's weights to --folder a second time, which is removed at the end.
Beside it: python3 zimage-bench/compare/memory.py turbo --budgets none,4g
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time


class Resident:
    """The most resident memory since the last call of peak(), own pages and mapped files."""

    def __init__(self):
        self.most = 0
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        while True:
            with open("/proc/self/statm") as statm:
                self.most = max(self.most, int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
            time.sleep(0.02)

    def peak(self):
        time.sleep(0.05)
        most, self.most = self.most, 0
        return round(most / 2**30, 2)


def measure(args, mode):
    import torch
    from diffusers import ZImageTransformer2DModel
    from diffusers.hooks import apply_group_offloading

    resident = Resident()
    start = time.perf_counter()
    model = ZImageTransformer2DModel.from_pretrained(args.model, subfolder="transformer", torch_dtype=torch.bfloat16)
    if mode != "none":
        cpu = torch.device("cpu")
        apply_group_offloading(
            model,
            onload_device=cpu,
            offload_device=cpu,
            offload_type="block_level",
            num_blocks_per_group=1,
            use_stream=mode == "stream",
            offload_to_disk_path=args.folder if mode == "disk" else None,
        )
    loaded = time.perf_counter() - start
    loading = resident.peak()
    torch.manual_seed(1)
    sample = [torch.randn(16, 1, args.size // 8, args.size // 8).bfloat16()]
    caption = [torch.randn(args.tokens, 2560).bfloat16()]
    steps = []
    with torch.no_grad():
        for step in range(args.steps):
            start = time.perf_counter()
            result = model(sample, torch.tensor([step / args.steps]), caption, return_dict=False)[0][0]
            steps.append(round(time.perf_counter() - start, 2))
    return {"mode": mode, "load_s": round(loaded, 1), "load_peak_gib": loading, "step_s": steps, "step_peak_gib": resident.peak(),
            "mean": float(result.double().mean())}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--modes", default="none,cpu,stream,disk")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=35, help="of the caption")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--folder", default="offloaded", help="where weights are offloaded to")
    parser.add_argument("--mode", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.mode:
        print(json.dumps(measure(args, args.mode)))
        return
    for mode in args.modes.split(","):
        try:
            run = subprocess.run([sys.executable, __file__, *sys.argv[1:], "--mode", mode], capture_output=True, text=True)
        finally:
            shutil.rmtree(args.folder, ignore_errors=True)
        print(run.stdout.strip().splitlines()[-1] if run.returncode == 0 else f"{mode}: {run.stderr.strip().splitlines()[-1]}",
              flush=True)


if __name__ == "__main__":
    main()

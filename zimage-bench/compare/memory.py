#!/usr/bin/env python3
"""Compares the memory that `zimage generate` plans with what the process has, phase by phase, from outside. Linux only.

    python3 zimage-bench/compare/memory.py turbo --budgets none,16g,8g,4g,3g --size 512 --steps 2
    python3 zimage-bench/compare/memory.py turbo --budgets none,4g --dtype int8 --converted kept    # as zimage convert left it
    python3 zimage-bench/compare/memory.py turbo --budgets 4g --cache away --second                 # every step from the disk

All that is in memory counts: the process's own pages and those of mapped files, the JVM included (Rss in /proc/PID/smaps_rollup and
/proc/PID/statm). Pictures of all runs must be the same, to the last bit. In the text phase of the first picture, which is the one that
`zimage generate` draws, what is mapped of the transformer has not come into memory yet, so less than planned is right there; --second
measures the phases of a second picture, too, with `benchmarks.jar two-pictures`.

What was read from the disk (read_bytes in /proc/PID/io, which counts no hits in the page cache) is told for each step. --cache away keeps
the model out of the page cache the whole time: the process runs in a control group with the budget and 300 MB to spare, where this user
may make one (root, version 1 or 2), and the pages of the model's files are dropped four times a second. Pages that are mapped and in use stay.
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

PAGE = os.sysconf("SC_PAGE_SIZE")
GIB = 2**30
PHASES = ["text", "denoise", "decode"]
PLAN_TOLERANCE = 300e6
NUMBER = r"([0-9.]+) (GiB|MiB|KiB|B)"


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--jar", default="zimage-examples/target/zimage.jar")
    parser.add_argument("--budgets", default="none,16g,8g,4g,3g", help="values of --memory; none stands for no limit")
    parser.add_argument("--size", default="512", help="as --size of zimage generate")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--cache", choices=["as-is", "warm", "cold", "away"], default="as-is",
                        help="what of the model is in the page cache when a run starts: warm reads the transformer, and all that is "
                             "converted; cold drops all; away keeps all out of it to the end")
    parser.add_argument("--second", action="store_true", help="measure the phases of a second picture, too")
    parser.add_argument("--benchmarks", default="zimage-bench/target/benchmarks.jar", help="for --second")
    parser.add_argument("--dtype", help="as --dtype of zimage generate")
    parser.add_argument("--converted", help="folder with converted weights, as --cache of zimage generate")
    parser.add_argument("--option", action="append", default=[], help="one more option for zimage generate, such as --option=--vae-tiling=on")
    parser.add_argument("--disk", action="store_true", help="measure how fast the disk is read past the page cache")
    return parser.parse_args()


def files(model, folders=("text_encoder", "transformer", "vae")):
    for folder in sorted(folders):
        for name in sorted(os.listdir(os.path.join(model, folder))):
            if name.endswith(".safetensors"):
                yield os.path.join(model, folder, name)


def drop(paths):
    for file in paths:
        handle = os.open(file, os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def set_cache(model, converted, state):
    kept = list(files(converted, os.listdir(converted))) if converted else []
    if state in ("cold", "away"):
        drop([*files(model), *kept])
    elif state == "warm":
        for file in kept or files(model, ["transformer"]):
            with open(file, "rb", buffering=0) as opened:
                while opened.read(8 << 20):
                    pass


class Group:
    """A control group that leaves the page cache no room, and a thread that drops the model's pages."""

    def __init__(self, paths, budget):
        self.paths = paths
        self.folder = None
        self.ended = threading.Event()
        if budget != "none":
            limit = int(float(budget[:-1]) * {"g": GIB, "m": 2**20}[budget[-1].lower()] + PLAN_TOLERANCE)
            for root, name in [("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")]:
                folder = os.path.join(root, f"zimage-{os.getpid()}")
                try:
                    os.mkdir(folder)
                except OSError:
                    continue
                try:
                    with open(os.path.join(folder, name), "r+") as file:
                        file.write(str(limit))
                    self.folder = folder
                    break
                except OSError:
                    os.rmdir(folder)
            print(f"{budget}: " + (f"in {self.folder}, at most {limit / GIB:.2f} GiB" if self.folder else "no control group could be made"))
        self.thread = threading.Thread(target=self.keep_away, daemon=True)
        self.thread.start()

    def enter(self):
        """Runs in the process that is measured, before it becomes one."""
        if self.folder:
            with open(os.path.join(self.folder, "cgroup.procs"), "w") as file:
                file.write(str(os.getpid()))

    def keep_away(self):
        while not self.ended.wait(0.25):
            drop(self.paths)

    def close(self):
        self.ended.set()
        self.thread.join()
        if self.folder:
            for _ in range(50):
                try:
                    os.rmdir(self.folder)
                    break
                except OSError:
                    time.sleep(0.1)  # the process is still on its way out


def group(args, budget):
    if args.cache != "away":
        return None
    return Group([*files(args.model), *(files(args.converted, os.listdir(args.converted)) if args.converted else [])], budget)


def read_bytes(pid):
    try:
        with open(f"/proc/{pid}/io") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes:"))
    except (OSError, StopIteration):
        return 0


def disk_speed(model):
    """Reads 4 GB of the transformer with O_DIRECT."""
    largest = max(files(model, ["transformer"]), key=os.path.getsize)
    command = ["dd", f"if={largest}", "of=/dev/null", "bs=8M", "count=500", "iflag=direct"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()[-1]


def rollup(pid):
    sizes = {}
    with open(f"/proc/{pid}/smaps_rollup") as lines:
        for line in lines:
            match = re.match(r"(\w+):\s+(\d+) kB", line)
            if match:
                sizes[match[1]] = int(match[2]) * 1024
    return sizes


class Sampler(threading.Thread):
    """Looks fifty times a second at how much there is, and about once a second at what it is."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid = pid
        self.resident = []
        self.kinds = []

    def run(self):
        next_rollup = 0
        try:
            while True:
                now = time.monotonic()
                if now >= next_rollup:
                    sizes = rollup(self.pid)
                    private = sizes["Private_Clean"] + sizes["Private_Dirty"]
                    self.kinds.append((now, sizes["Rss"], sizes.get("Anonymous", 0), private))
                    self.resident.append((now, sizes["Rss"]))
                    next_rollup = time.monotonic() + max(1, 20 * (time.monotonic() - now))
                with open(f"/proc/{self.pid}/statm") as statm:
                    self.resident.append((time.monotonic(), int(statm.read().split()[1]) * PAGE))
                time.sleep(0.02)
        except (OSError, ValueError, IndexError, KeyError):
            pass  # the process is gone


def size(match):
    return float(match[0]) * {"GiB": GIB, "MiB": 2**20, "KiB": 1024, "B": 1}[match[1]]


def peaks(text):
    """'1.23 GiB (text 1.00 GiB, denoise 1.23 GiB, decode 0.90 GiB)' to bytes by phase."""
    return {phase: size(re.search(phase + " " + NUMBER, text).groups()) for phase in PHASES}


def run(args, budget, picture):
    command = ["java", "-jar", args.jar, "generate", "--verbose", "--model", args.model, "--size", args.size, "--steps", str(args.steps),
               "--seed", "1", "--no-metadata", "--out", picture, *args.option,
               *(["--dtype", args.dtype] if args.dtype else []), *(["--cache", args.converted] if args.converted else []), "a red fox in the snow, early morning light"]
    if budget != "none":
        command += ["--memory", budget]
    limits = group(args, budget)
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               preexec_fn=limits.enter if limits else None)
    sampler = Sampler(process.pid)
    sampler.start()
    log = []
    done = None
    read = []
    for line in process.stderr:
        log.append(line.rstrip())
        if re.search(r"after the start of the process: (prompts encoded|step )", line):
            read.append(read_bytes(process.pid))
        if "Memory in use:" in line:
            done = (time.monotonic(), line)
    output = process.stdout.read()
    status = process.wait()
    if limits:
        limits.close()
    if status != 0 or done is None:
        sys.exit("\n".join(log[-30:]))
    whole = time.monotonic() - started
    end, line = done
    seconds = {
        "load": float(re.search(r"load ([0-9.]+) s", output)[1]),
        "text": float(re.search(r"text ([0-9.]+) s", output)[1]),
        "denoise": float(re.search(r"steps? ([0-9.]+) s", output)[1]),
        "decode": float(re.search(r"decode ([0-9.]+) s", output)[1]),
    }
    starts = {}
    for phase in reversed(PHASES):
        starts[phase] = (end - seconds[phase], end)
        end -= seconds[phase]
    measured = {
        phase: max((rss for at, rss in sampler.resident if first <= at <= last), default=0)
        for phase, (first, last) in starts.items()
    }
    before = max((rss for at, rss in sampler.resident if at < starts["text"][0]), default=0)
    anonymous = {
        phase: max((anonymous for at, _, anonymous, _ in sampler.kinds if first <= at <= last), default=0)
        for phase, (first, last) in starts.items()
    }
    own, predicted = re.search(r"in use: (.*); predicted: (.*)", line).groups()
    with open(picture, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()[:12]
    placed = next((entry for entry in log if "attention backend" in entry), "")
    return {"seconds": seconds, "measured": measured, "predicted": peaks(predicted), "own": peaks(own), "before": before,
            "anonymous": anonymous, "whole": whole, "picture": digest, "placed": placed,
            "read": [after - before for before, after in zip(read, read[1:])]}


def second(args, budget):
    """What was planned for the phases of a second picture, and what was there."""
    command = ["java", "-jar", args.benchmarks, "two-pictures", "--model", args.model, "--size", args.size, "--steps", str(args.steps),
               *(["--dtype", args.dtype] if args.dtype else []), *(["--memory", budget] if budget != "none" else [])]
    environment = {**os.environ, **({"ZIMAGE_CACHE": args.converted} if args.converted else {})}
    limits = group(args, budget)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, preexec_fn=limits.enter if limits else None)
    sampler = Sampler(process.pid)
    sampler.start()
    moments = [(time.monotonic(), line.split()) for line in process.stdout]
    status = process.wait()
    if limits:
        limits.close()
    if status != 0 or [words[0] for _, words in moments] != ["begin", *PHASES]:
        sys.exit(f"two-pictures failed: {moments}")
    return {words[0]: (int(words[1]), max((rss for at, rss in sampler.resident if first <= at <= last), default=0))
            for (first, _), (last, words) in zip(moments, moments[1:])}


def compared(row, predicted, measured, below):
    """Returns a row with both, and whether they are as near as they should be; less is right where below says so."""
    off = measured - predicted
    tolerance = max(PLAN_TOLERANCE, 0.1 * predicted)
    within = off <= tolerance if below else abs(off) <= tolerance
    return f"| {row} | {predicted / GIB:.2f} | {measured / GIB:.2f} | {off / 1e6:+.0f} MB{'' if within else ' !'} |", within


def main():
    args = options()
    if args.disk:
        print("disk, O_DIRECT:", disk_speed(args.model))
    pictures = set()
    table = ["| budget | phase | predicted | measured | off | own pages | as the pipeline saw it |", "|---|---|--:|--:|--:|--:|--:|"]
    times = ["| budget | load | text | a step | decode | whole command | read from the disk in each step |", "|---|--:|--:|--:|--:|--:|---|"]
    seconds_table = ["| budget | phase of the second picture | predicted | measured | off |", "|---|---|--:|--:|--:|"]
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for budget in args.budgets.split(","):
            set_cache(args.model, args.converted, args.cache)
            result = run(args, budget, os.path.join(folder, "picture.png"))
            pictures.add(result["picture"])
            for phase in PHASES:
                row, within = compared(f"{budget} | {phase}", result["predicted"][phase], result["measured"][phase], phase == "text")
                good &= within
                table.append(f"{row} {result['anonymous'][phase] / GIB:.2f} | {result['own'][phase] / GIB:.2f} |")
            seconds = result["seconds"]
            times.append(f"| {budget} | {seconds['load']:.2f} s | {seconds['text']:.2f} s | {seconds['denoise'] / args.steps:.2f} s "
                         f"| {seconds['decode']:.2f} s | {result['whole']:.1f} s "
                         f"| {', '.join(f'{each / 1e9:.2f} GB' for each in result['read'])} |")
            print(f"{budget}: {result['placed']}; before the text {result['before'] / GIB:.2f} GiB; picture {result['picture']}",
                  flush=True)
            print("\n".join(table[-3:] + times[-1:]), flush=True)
            if args.second:
                set_cache(args.model, args.converted, args.cache)
                for phase, (predicted, measured) in second(args, budget).items():
                    row, within = compared(f"{budget} | {phase}", predicted, measured, False)
                    good &= within
                    seconds_table.append(row)
                print("\n".join(seconds_table[-3:]), flush=True)
    print("\n".join(["", "GiB at the peak:", "", *table, "", *times, "", *(seconds_table if args.second else [])]))
    print("pictures: " + ("the same" if len(pictures) == 1 else "DIFFERENT"))
    if not good or len(pictures) != 1:
        sys.exit("the plan is more than 10 % and 300 MB off, or pictures differ")


if __name__ == "__main__":
    main()

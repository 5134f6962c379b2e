#!/usr/bin/env python3
"""Keeps a running `zimage serve` busy and checks every answer. Needs nothing but Python; Linux and a JDK's jcmd for the memory.

    java -Xmx1g -jar zimage-examples/target/zimage.jar serve --port 7899 --queue 100 &
    python3 zimage-examples/e2e/soak.py --url http://127.0.0.1:7899 --pid $! --clients 64 --minutes 30 --collect \
        --reference "java -jar zimage-examples/target/zimage.jar"

Clients ask for pictures of a few seeds, one after the other. A seed's picture must always have the same bytes, those that the command of --reference draws for it, and
no other seed's; every request must be answered, with 200, and the server must have drawn as many as were answered. Prints times and how the server's memory went, and
exits with 1 if anything was wrong. The reference must compute as the server does: the same model, and as many threads (OMP_NUM_THREADS and --threads).

With --neighbours N it first measures how long a request takes alone (a minute at most), then starts N processes that compute all the time, and fails, too, if the
median of the requests beside them is more than --slower times as long: the processors' share explains no more.

Resident memory alone says little: the Java heap grows with garbage as far as -Xmx lets it. So it is counted apart from what is resident outside of it (LibTorch,
buffers, the JVM's own). With --collect the heap is collected once a minute, which servers that are left alone do not do, and what is left of it is told too.
"""

import argparse
import base64
import collections
import hashlib
import json
import math
import pathlib
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

SEEDS = 8
PROMPT = "a red fox"
SIZE = "128x128"
ALONE_REQUESTS = 40
ALONE_SECONDS = 60


def slope(samples):
    """Units a minute, of (seconds, value)."""
    return statistics.linear_regression([t for t, _ in samples], [value for _, value in samples]).slope * 60


class Memory:
    """A JVM's memory, in MiB: what is resident of the Java heap and outside of it, and what a collection leaves of the heap."""

    def __init__(self, pid):
        self.pid = pid
        self.heap, self.outside, self.live = [], [], []
        self.bounds = (0, 0)
        if shutil.which("jcmd"):
            info = self.jcmd("GC.heap_info")
            addresses = [int(each, 16) for each in re.findall(r"0x[0-9a-f]{16}", info)]
            self.bounds = (min(addresses), max(addresses))

    def jcmd(self, command):
        return subprocess.run(["jcmd", str(self.pid), command], capture_output=True, text=True, timeout=60, check=True).stdout

    def sample(self):
        inside = False
        heap = outside = 0
        with open(f"/proc/{self.pid}/smaps") as smaps:
            for line in smaps:
                mapping = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
                if mapping:
                    inside = self.bounds[0] <= int(mapping[1], 16) < self.bounds[1]
                elif line.startswith("Rss:"):
                    if inside:
                        heap += int(line.split()[1])
                    else:
                        outside += int(line.split()[1])
        now = time.monotonic()
        self.heap.append((now, heap / 1024))
        self.outside.append((now, outside / 1024))

    def collect(self):
        if self.bounds[1]:
            self.jcmd("GC.run")
            used = sum(int(each) for each in re.findall(r"heap\s+total \d+K, used (\d+)K", self.jcmd("GC.heap_info")))
            self.live.append((time.monotonic(), used / 1024))

    def report(self):
        for name, samples in (
            ("resident outside the Java heap", self.outside),
            ("resident Java heap", self.heap),
            ("Java heap after a collection", self.live),
        ):
            half = samples[len(samples) // 2 :]
            if len(half) > 2:
                print(
                    f"{name}: {samples[0][1]:.1f} MiB at first, {half[0][1]:.1f} halfway, {half[-1][1]:.1f} at last;"
                    f" second half {slope(half):+.3f} MiB a minute"
                )


def references(command, steps):
    """What `zimage generate` draws for each seed."""
    with tempfile.TemporaryDirectory() as folder:
        pictures = {}
        for seed in range(SEEDS):
            picture = pathlib.Path(folder) / f"{seed}.png"
            arguments = ["generate", "--prompt", PROMPT, "--size", SIZE, "--seed", str(seed), "--steps", str(steps), "--out", str(picture)]
            subprocess.run([*shlex.split(command), *arguments], check=True, stdout=subprocess.DEVNULL)
            pictures[seed] = digest(picture.read_bytes())
        return pictures


def digest(picture):
    return hashlib.sha256(picture).hexdigest()


class Soak:
    def __init__(self, options):
        self.options = options
        self.references = references(options.reference, options.steps) if options.reference else {}
        self.end = time.monotonic() + 60 * options.minutes
        self.lock = threading.Lock()
        self.answers = collections.Counter()
        self.seconds, self.queued, self.drawn = [], [], []
        self.pictures = collections.defaultdict(set)
        self.memory = Memory(options.pid) if options.pid else None
        self.neighbours = []
        self.succeeded_before = self.succeeded()

    def client(self, number):
        turn = number
        while time.monotonic() < self.end:
            self.request(turn % SEEDS)
            turn += 1

    def request(self, seed):
        body = {"prompt": PROMPT, "size": SIZE, "n": 1, "seed": seed, "steps": self.options.steps, "response_format": "b64_json"}
        request = urllib.request.Request(
            self.options.url + "/v1/images/generations", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        start = time.monotonic()
        picture = None
        try:
            with urllib.request.urlopen(request, timeout=300) as response:
                answer = response.status
                headers = response.headers
                picture = digest(base64.b64decode(json.load(response)["data"][0]["b64_json"]))
        except urllib.error.HTTPError as error:
            answer = error.code
        except (OSError, ValueError, KeyError) as error:
            answer = type(error).__name__
        with self.lock:
            self.answers[answer] += 1
            self.seconds.append(time.monotonic() - start)
            if picture:
                self.pictures[seed].add(picture)
                self.queued.append(int(headers["X-Queue-Ms"]) / 1000)
                self.drawn.append(int(headers["X-Draw-Ms"]) / 1000)

    def succeeded(self):
        with urllib.request.urlopen(self.options.url + "/metrics", timeout=60) as response:
            text = response.read().decode()
        found = re.search(r'^zimage_jobs_total\{outcome="succeeded"\} (\S+)$', text, re.MULTILINE)
        return round(float(found[1])) if found else 0

    def watch(self):
        next_collection = time.monotonic()
        while self.memory and time.monotonic() < self.end:
            if self.options.collect and time.monotonic() >= next_collection:
                self.memory.collect()
                next_collection += 60
            self.memory.sample()
            time.sleep(5)

    def alone(self):
        """The median of some requests, one after the other, in seconds; the first, which makes ready, does not count."""
        end = time.monotonic() + ALONE_SECONDS
        self.request(0)
        before = len(self.seconds)
        while len(self.seconds) < before + ALONE_REQUESTS and time.monotonic() < end:
            self.request(len(self.seconds) % SEEDS)
        return statistics.median(self.seconds[before:] or self.seconds)

    def run(self):
        if not self.options.neighbours:
            return self.soak()
        alone = self.alone()
        first = len(self.seconds)
        self.end = time.monotonic() + 60 * self.options.minutes
        try:
            self.neighbours = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(self.options.neighbours)]
            failed = self.soak()
        finally:
            for neighbour in self.neighbours:
                neighbour.kill()
                neighbour.wait()
        # Clients wait for each other, too.
        beside = statistics.median(self.seconds[first:] or [math.inf]) / self.options.clients
        print(f"a request alone: {alone:.3f} s; beside {self.options.neighbours} that compute: {beside:.3f} s, {beside / alone:.2f} times as long")
        return 1 if failed or beside > self.options.slower * alone else 0

    def soak(self):
        threads = [threading.Thread(target=self.client, args=(i,)) for i in range(self.options.clients)]
        threads.append(threading.Thread(target=self.watch))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.report()

    def report(self):
        different = {seed: len(found) for seed, found in self.pictures.items() if len(found) > 1}
        seeds = collections.Counter(picture for found in self.pictures.values() for picture in found)
        shared = sum(count > 1 for count in seeds.values())
        foreign = [seed for seed, found in self.pictures.items() if self.references and found != {self.references[seed]}]
        drawn = self.succeeded() - self.succeeded_before
        print(f"answers: {dict(self.answers)}, {len(self.seconds) / 60 / self.options.minutes:.1f} a second; the server drew {drawn}")
        for name, seconds in (("answers", self.seconds), ("in the queue", self.queued), ("being drawn", self.drawn)):
            ordered = sorted(seconds) or [0]
            print(f"seconds, {name}: p50 {ordered[len(ordered) // 2]:.2f}, p95 {ordered[int(len(ordered) * 0.95)]:.2f}, most {ordered[-1]:.2f}")
        compared = f"{foreign or 'none'}" if self.references else "not compared"
        print(f"seeds with more than one picture: {different or 'none'}; pictures of more than one seed: {shared}; seeds unlike the reference: {compared}")
        if self.memory:
            self.memory.report()
        return 0 if set(self.answers) == {200} and drawn == self.answers[200] and not (different or shared or foreign) else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:7860")
    parser.add_argument("--pid", type=int, help="the server's process, to watch its memory")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--collect", action="store_true", help="have the server collect its heap once a minute")
    parser.add_argument("--reference", metavar="COMMAND", help="the zimage command, which draws each seed's picture to compare with")
    parser.add_argument("--neighbours", type=int, default=0, help="processes that compute all the time beside the server")
    parser.add_argument("--slower", type=float, default=4, help="how many times as long a request beside them may take, at the median")
    sys.exit(Soak(parser.parse_args()).run())


if __name__ == "__main__":
    main()

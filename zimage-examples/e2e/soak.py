#!/usr/bin/env python3
"""Keeps a running `zimage serve` busy and checks every answer. Needs nothing but Python; Linux for the memory.

    java -jar zimage-examples/target/zimage.jar serve --port 7899 --queue 100 &
    python3 zimage-examples/e2e/soak.py --url http://127.0.0.1:7899 --pid $! --clients 64 --minutes 30

Clients ask for pictures of a few seeds, one after the other. A seed's picture must always have the same bytes; every request must be answered, with 200. Prints
times and how the server's resident memory went, and exits with 1 if anything was wrong.
"""

import argparse
import base64
import collections
import hashlib
import json
import statistics
import sys
import threading
import time
import urllib.error
import urllib.request

SEEDS = 8


class Soak:
    def __init__(self, options):
        self.options = options
        self.end = time.monotonic() + 60 * options.minutes
        self.lock = threading.Lock()
        self.answers = collections.Counter()
        self.seconds = []
        self.pictures = collections.defaultdict(set)
        self.resident = []

    def client(self, number):
        turn = number
        while time.monotonic() < self.end:
            self.request(turn % SEEDS)
            turn += 1

    def request(self, seed):
        body = {"prompt": "a red fox", "size": "128x128", "n": 1, "seed": seed, "steps": self.options.steps, "response_format": "b64_json"}
        request = urllib.request.Request(
            self.options.url + "/v1/images/generations", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        start = time.monotonic()
        picture = None
        try:
            with urllib.request.urlopen(request, timeout=300) as response:
                answer = response.status
                picture = hashlib.sha256(base64.b64decode(json.load(response)["data"][0]["b64_json"])).hexdigest()
        except urllib.error.HTTPError as error:
            answer = error.code
        except (OSError, ValueError, KeyError) as error:
            answer = type(error).__name__
        with self.lock:
            self.answers[answer] += 1
            self.seconds.append(time.monotonic() - start)
            if picture:
                self.pictures[seed].add(picture)

    def watch(self):
        while self.options.pid and time.monotonic() < self.end:
            with open(f"/proc/{self.options.pid}/status") as status:
                kib = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
            self.resident.append((time.monotonic(), kib / 1024))
            time.sleep(1)

    def run(self):
        threads = [threading.Thread(target=self.client, args=(i,)) for i in range(self.options.clients)]
        threads.append(threading.Thread(target=self.watch))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.report()

    def report(self):
        ordered = sorted(self.seconds)
        different = {seed: len(found) for seed, found in self.pictures.items() if len(found) > 1}
        print(f"answers: {dict(self.answers)}, {len(ordered) / 60 / self.options.minutes:.1f} a second")
        print(f"seconds: p50 {ordered[len(ordered) // 2]:.2f}, p95 {ordered[int(len(ordered) * 0.95)]:.2f}, most {ordered[-1]:.2f}")
        print(f"seeds with more than one picture: {different or 'none'}")
        half = self.resident[len(self.resident) // 2 :]
        if len(half) > 2:
            slope = statistics.linear_regression([t for t, _ in half], [mib for _, mib in half]).slope * 60
            print(f"resident: {self.resident[0][1]:.0f} MiB at first, {half[-1][1]:.0f} at last; second half {slope:+.2f} MiB a minute")
        return 0 if set(self.answers) == {200} and not different else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:7860")
    parser.add_argument("--pid", type=int, help="the server's process, to watch its memory")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--steps", type=int, default=4)
    sys.exit(Soak(parser.parse_args()).run())


if __name__ == "__main__":
    main()

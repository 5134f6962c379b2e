#!/usr/bin/env python3
"""Times pictures alone and beside programs that compute all the time, by how long LibTorch's threads spin and how many there are.

    mvn -B -q -DskipTests package
    python3 zimage-bench/compare/busy.py --sizes 128,256,512 --neighbours 0,2 --rounds 3 --out busy.json

Each setting draws with the built command's library in a process of its own; round after round they take turns, so that a machine whose speed wanders wanders for all. Pictures
that warm up do not count. Prints the median of all pictures of a setting and its ratio to what LibTorch does by itself, idle; writes all times as JSON. For the numbers without neighbours nothing else
may compute: with --priority they run before all other programs (SCHED_FIFO, root only), which stands in for a machine of their own. What takes longer than --patience seconds is
left out.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = HERE.parent.parent / "zimage-examples"
PROGRAM = """
import io.github.zimage.*;
import java.nio.file.Path;

public class Pictures {
    public static void main(String[] args) {
        PipelineBuilder builder = ZImagePipeline.builder().model(Path.of(args[0]));
        if (!args[3].equals("0")) {
            builder.threads(Integer.parseInt(args[3]));
        }
        int side = Integer.parseInt(args[1]);
        try (ZImagePipeline pipeline = builder.build()) {
            for (int i = 0; i < Integer.parseInt(args[2]); i++) {
                long start = System.nanoTime();
                pipeline.generate(GenerationRequest.builder().prompt("a red fox").size(side, side).seed(i).steps(8).build());
                System.out.println("seconds " + (System.nanoTime() - start) / 1e9);
            }
        }
    }
}
"""
WARMUPS = 3
LIBTORCH = "libtorch"
SETTINGS = {
    LIBTORCH: ({"GOMP_SPINCOUNT": "300000"}, 0),
    "zimage": ({}, 0),
    "spin-0": ({"GOMP_SPINCOUNT": "0"}, 0),
    "spin-1000": ({"GOMP_SPINCOUNT": "1000"}, 0),
    "spin-10000": ({"GOMP_SPINCOUNT": "10000"}, 0),
    "one-thread": ({}, 1),
}
OF_OPENMP = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def drawn(options, source, setting, size, neighbours):
    """Seconds of each picture that counts; none if it took too long."""
    variables, threads = SETTINGS[setting]
    environment = {name: value for name, value in os.environ.items() if name not in OF_OPENMP} | variables
    classpath = f"{EXAMPLES}/target/zimage.jar:{EXAMPLES}/target/lib/*"
    command = ["java", "-cp", classpath, str(source), options.model, str(size), str(WARMUPS + options.pictures), str(threads)]
    if options.priority and not neighbours:
        command = ["chrt", "-f", "20", *command]
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(neighbours)]
    try:
        output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, timeout=options.patience, check=True).stdout
        return [float(line.split()[1]) for line in output.splitlines() if line.startswith("seconds ")][WARMUPS:]
    except subprocess.TimeoutExpired:
        print(f"{setting}, {size}, beside {neighbours}: more than {options.patience} s", file=sys.stderr)
        return []
    finally:
        for other in others:
            other.kill()
            other.wait()


def numbers(text):
    return [int(each) for each in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(EXAMPLES / "demo-model"))
    parser.add_argument("--sizes", type=numbers, default=[128, 256, 512])
    parser.add_argument("--neighbours", type=numbers, default=[0, 2])
    parser.add_argument("--settings", type=lambda text: text.split(","), default=list(SETTINGS))
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--patience", type=float, default=300)
    parser.add_argument("--priority", action="store_true")
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    times = {}
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "Pictures.java"
        source.write_text(PROGRAM)
        for _ in range(options.rounds):
            for size in options.sizes:
                for neighbours in options.neighbours:
                    for setting in options.settings:
                        times.setdefault((size, neighbours, setting), []).extend(drawn(options, source, setting, size, neighbours))
    medians = {key: statistics.median(seconds) for key, seconds in times.items() if seconds}
    print("| size | neighbours | setting | median s | to libtorch, alone |\n|--:|--:|---|--:|--:|")
    for (size, neighbours, setting), median in medians.items():
        alone = medians.get((size, 0, LIBTORCH))
        print(f"| {size} | {neighbours} | {setting} | {median:.3f} | {f'{median / alone:.2f}' if alone else ''} |")
    if options.out:
        rows = [{"size": size, "neighbours": neighbours, "setting": setting, "seconds": seconds} for (size, neighbours, setting), seconds in times.items()]
        options.out.write_text(json.dumps({"pictures": options.pictures, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()

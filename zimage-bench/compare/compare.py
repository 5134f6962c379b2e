"""Times the same work in zimage and in other programs on the CPU, side by side: each program in a process of its own, round after round in
turn, so that a machine whose speed wanders wanders for all; runs that warm up do not count.

    python compare.py MODEL --parts block,decode --rounds 3 --out comparison.json
    python compare.py --draw comparison.json --figure comparison.svg

MODEL is a checkpoint in the diffusers layout, one with random weights will do. Writes JSON, prints a table in Markdown, and draws it. README.md
says what the parts are, and what each program does for them.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
PARTS = ("block", "text", "forward", "decode", "picture")
OF_A_PICTURE = ("text", "forward", "decode")
PROGRAMS = {
    "zimage-fp32": PARTS,
    "zimage-bf16": PARTS,
    "zimage-int8": PARTS,
    "diffusers": PARTS,
    "diffusers-compiled": PARTS,
    "openvino-bf16": ("block", "decode"),
    "openvino-int8": ("block",),
    "sdcpp-bf16": ("text", "forward", "decode", "picture"),
    "sdcpp-q8_0": ("text", "forward", "decode", "picture"),
}
PROMPT = "a red fox in the snow, early morning light"
BLOCK_CAPTION_TOKENS = 128
TEXT_TOKENS = 64
WARMUPS = 1


# ---------------------------------------------------------------------------------------------- one program, one part


def peak_bytes():
    try:
        for line in pathlib.Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def timed(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def measure(args, run):
    for _ in range(args.warmups):
        run()
    return [timed(run) for _ in range(args.runs)]


def block_inputs(size, dtype):
    import torch
    from diffusers.models.transformers.transformer_z_image import RopeEmbedder

    side = size // 16
    ids = [(1 + i, 0, 0) for i in range(BLOCK_CAPTION_TOKENS)]
    ids = [(BLOCK_CAPTION_TOKENS + 1, y, x) for y in range(side) for x in range(side)] + ids
    rope = RopeEmbedder(256.0, [32, 48, 48], [1536, 512, 512])
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, len(ids), 3840, generator=generator).to(dtype)
    adaln = torch.randn(1, 256, generator=generator).to(dtype)
    return x, rope(torch.tensor(ids)).unsqueeze(0), adaln


def checkpoint_block(model, dtype):
    """Loads the first block of the transformer without the others."""
    import torch
    from diffusers.models.transformers.transformer_z_image import ZImageTransformerBlock
    from safetensors import safe_open

    folder = pathlib.Path(model) / "transformer"
    files = json.loads((folder / "diffusion_pytorch_model.safetensors.index.json").read_text())["weight_map"]
    prefix = "layers.0."
    with torch.device("meta"):
        block = ZImageTransformerBlock(0, 3840, 30, 30, 1e-5, True)
    state = {}
    for name, file in files.items():
        if name.startswith(prefix):
            with safe_open(folder / file, "pt") as weights:
                state[name[len(prefix) :]] = weights.get_tensor(name).to(dtype).clone()
    block.load_state_dict(state, assign=True)
    return block.eval()


def text_inputs(model):
    """Token ids as diffusers' pipeline makes them: padded to 512, of which TEXT_TOKENS are a prompt's."""
    import torch
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model, subfolder="tokenizer")
    prompt = ""
    while True:
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True, enable_thinking=True
        )
        inputs = tokenizer([text], padding="max_length", max_length=512, truncation=True, return_tensors="pt")
        if int(inputs.attention_mask.sum()) >= TEXT_TOKENS:
            return inputs.input_ids, inputs.attention_mask.to(torch.bool)
        prompt += " fox"[len(prompt) % 4]


def diffusers_text(args, compiled):
    import torch
    from transformers import Qwen3Model

    encoder = Qwen3Model.from_pretrained(args.model, subfolder="text_encoder", dtype=torch.bfloat16)
    ids, mask = text_inputs(args.model)
    forward = torch.compile(encoder) if compiled else encoder
    return lambda: forward(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states[-2]


def diffusers_forward(args, compiled):
    import torch
    from diffusers import ZImageTransformer2DModel

    transformer = ZImageTransformer2DModel.from_pretrained(args.model, subfolder="transformer", torch_dtype=torch.bfloat16)
    if compiled:
        transformer.compile_repeated_blocks(fullgraph=True)
    latents = [torch.randn(16, 1, args.size // 8, args.size // 8, dtype=torch.bfloat16)]
    embeddings = [torch.randn(TEXT_TOKENS, 2560, dtype=torch.bfloat16)]
    t = torch.tensor([0.1])
    return lambda: transformer(latents, t, embeddings, return_dict=False)


def diffusers_decode(args, compiled):
    import torch
    from diffusers import AutoencoderKL

    vae = AutoencoderKL.from_pretrained(args.model, subfolder="vae", torch_dtype=torch.bfloat16)
    decoder = torch.compile(vae.decoder) if compiled else vae.decoder
    latents = torch.randn(1, 16, args.size // 8, args.size // 8, dtype=torch.bfloat16)
    return lambda: decoder(latents)


def diffusers_worker(args, compiled):
    import torch

    with torch.no_grad():
        if args.part == "block":
            block = checkpoint_block(args.model, torch.bfloat16)
            x, freqs, adaln = block_inputs(args.size, torch.bfloat16)
            mask = torch.ones(x.shape[:2], dtype=torch.bool)
            forward = torch.compile(block, fullgraph=True) if compiled else block
            return measure(args, lambda: forward(x, mask, freqs, adaln))
        makers = {"text": diffusers_text, "forward": diffusers_forward, "decode": diffusers_decode}
        if args.part != "picture":
            return measure(args, makers[args.part](args, compiled))
        # All parts at once do not fit where the model just fits: one after the other, loading not counted.
        picture = 0.0
        for part, times in (("text", 1), ("forward", args.steps), ("decode", 1)):
            run = makers[part](args, compiled)
            run()
            picture += sum(timed(run) for _ in range(times))
            del run
        return [picture]


def real_rotations(block):
    """Replaces the complex numbers in the block's attention, which OpenVINO's converter does not take, by pairs of real ones."""
    import torch
    import torch.nn.functional as functional

    def rotated(x, cos, sin):
        even, odd = x[..., 0::2], x[..., 1::2]
        return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(3)

    class RealRotations:
        def __call__(self, attention, hidden_states, encoder_hidden_states=None, attention_mask=None, freqs_cis=None):
            cos, sin = (each.unsqueeze(2) for each in freqs_cis)
            query, key, value = (
                projection(hidden_states).unflatten(-1, (attention.heads, -1))
                for projection in (attention.to_q, attention.to_k, attention.to_v)
            )
            query = rotated(attention.norm_q(query), cos, sin).transpose(1, 2)
            key = rotated(attention.norm_k(key), cos, sin).transpose(1, 2)
            result = functional.scaled_dot_product_attention(query, key, value.transpose(1, 2))
            return attention.to_out[0](result.transpose(1, 2).flatten(2, 3))

    block.attention.processor = RealRotations()

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.block = block

        def forward(self, x, cos, sin, adaln):
            return self.block(x, None, (cos, sin), adaln)

    return Block().eval()


def relative_error(result, expected):
    import numpy

    return float(numpy.linalg.norm(result - expected) / numpy.linalg.norm(expected))


def openvino_model(args, int8):
    """Returns OpenVINO's own export of a part, its inputs, and what torch computes in FP32; kept in the work folder."""
    import nncf
    import openvino
    import torch

    if args.part == "block":
        x, freqs, adaln = block_inputs(args.size, torch.float32)
        inputs = (x, freqs.real.contiguous(), freqs.imag.contiguous(), adaln)
        make = lambda: real_rotations(checkpoint_block(args.model, torch.float32))  # noqa: E731
        reference = lambda: checkpoint_block(args.model, torch.float32)(x, None, freqs, adaln)  # noqa: E731
    else:
        from diffusers import AutoencoderKL

        make = lambda: AutoencoderKL.from_pretrained(args.model, subfolder="vae").decoder  # noqa: E731
        inputs = (torch.randn(1, 16, args.size // 8, args.size // 8, generator=torch.Generator().manual_seed(1)),)
        reference = lambda: make()(*inputs)  # noqa: E731
    arrays = [each.numpy() for each in inputs]
    file = pathlib.Path(args.work) / f"openvino-{args.part}-{args.size}{'-int8' if int8 else ''}.xml"
    expected_file = file.with_suffix(".pt")
    if not expected_file.exists():
        with torch.no_grad():
            model = openvino.convert_model(make(), example_input=inputs, input=[tuple(i.shape) for i in inputs])
            expected = reference()
        if int8:
            model = nncf.quantize(
                model, nncf.Dataset([arrays]), model_type=nncf.ModelType.TRANSFORMER, subset_size=1, fast_bias_correction=True
            )
        file.parent.mkdir(parents=True, exist_ok=True)
        openvino.save_model(model, file, compress_to_fp16=True)
        torch.save(expected, expected_file)
        # What converting took does not belong to the program's peak: start again.
        return None
    return file, arrays, torch.load(expected_file).numpy()


def openvino_worker(args, int8):
    import openvino

    made = openvino_model(args, int8)
    if made is None:
        raise SystemExit(subprocess.call([sys.executable, *sys.argv]))
    file, arrays, expected = made
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "bf16"}
    compiled = openvino.Core().compile_model(file, "CPU", settings)
    error = relative_error(compiled(arrays)[0], expected)
    if error > 0.2:
        raise SystemExit(f"OpenVINO's result is off by {error:.3f}")
    return measure(args, lambda: compiled(arrays)), {"relativeError": error}


def joined(folder):
    """Returns the header of one file with all tensors of a component, and where the bytes of each lie now. Queries, keys and values
    become one tensor, as stable-diffusion.cpp wants them."""
    import struct

    tensors = {}
    for shard in sorted(folder.glob("*.safetensors")):
        with open(shard, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            tensors[name] = entry["dtype"], entry["shape"], [(shard, 8 + length + begin, end - begin)]
    if folder.name == "transformer":
        for name in [each for each in tensors if each.endswith(".to_q.weight")]:
            parts = [tensors.pop(name.replace("to_q", key)) for key in ("to_q", "to_k", "to_v")]
            shape = [sum(part[1][0] for part in parts), parts[0][1][1]]
            tensors[name.replace("to_q", "qkv")] = parts[0][0], shape, [piece for part in parts for piece in part[2]]
    header, pieces, position = {}, [], 0
    for name, (dtype, shape, sources) in tensors.items():
        size = sum(length for _, _, length in sources)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, position + size]}
        position += size
        pieces += sources
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text, pieces


def one_file(folder, target):
    """Joins the shards of a component: stable-diffusion.cpp reads one file."""
    if target.exists():
        return target
    header, pieces = joined(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".part")
    with open(unfinished, "wb") as file:
        file.write(header)
        for shard, offset, length in pieces:
            with open(shard, "rb") as source:
                source.seek(offset)
                while length > 0:
                    length -= file.write(source.read(min(length, 16 << 20)))
    unfinished.rename(target)
    return target


def spare_the_machine():
    """Lets allocations fail rather than the machine: stable-diffusion.cpp takes whatever it wants."""
    import resource

    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_DATA, (memory * 9 // 10, memory * 9 // 10))


def sdcpp_worker(args, weights):
    """Draws a picture and takes the parts' times from the program's own log."""
    import tempfile

    import stable_diffusion_cpp as sd

    spare_the_machine()
    model, work = pathlib.Path(args.model), pathlib.Path(args.work)
    steps = []
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        pipeline = sd.StableDiffusion(
            diffusion_model_path=str(one_file(model / "transformer", work / "sdcpp-transformer.safetensors")),
            llm_path=str(one_file(model / "text_encoder", work / "sdcpp-text-encoder.safetensors")),
            vae_path=str(one_file(model / "vae", work / "sdcpp-vae.safetensors")),
            wtype=weights,
            n_threads=os.cpu_count(),
            vae_decode_only=True,
            enable_mmap=True,
            diffusion_flash_attn=True,
            verbose=True,
        )
        pipeline.generate_image(
            prompt=" fox" * (TEXT_TOKENS - 8),
            width=args.size,
            height=args.size,
            cfg_scale=1.0,
            sample_steps=args.steps if args.part == "picture" else 2,
            seed=1,
            progress_callback=lambda step, total, seconds: steps.append(seconds),
        )
        log.seek(0)
        text = log.read().decode(errors="replace")

    def logged(what):
        return float(re.search(what + r"[^\n]*taking ([0-9.]+)s", text).group(1))

    text_seconds, decode_seconds = logged("get_learned_condition completed"), logged("decode_first_stage completed")
    if args.part == "picture":
        return [text_seconds + logged("sampling completed") + decode_seconds]
    parts = {"text": text_seconds, "forward": min(each for each in steps if each > 0), "decode": decode_seconds}
    return [parts[args.part]], {"parts": parts}


def worker(args):
    program, _, variant = args.program.partition("-")
    if program == "diffusers":
        result = diffusers_worker(args, variant == "compiled")
    elif program == "openvino":
        result = openvino_worker(args, variant == "int8")
    else:
        result = sdcpp_worker(args, variant)
    seconds, more = result if isinstance(result, tuple) else (result, {})
    print(json.dumps({"part": args.part, "seconds": seconds, "peakBytes": peak_bytes(), **more}))


# ---------------------------------------------------------------------------------------------------- all, in turn


def command(args, program, part):
    common = ["--part", part, "--size", str(args.size), "--steps", str(args.steps)]
    int8 = program == "zimage-int8"
    warmups = 0 if part == "picture" else WARMUPS
    runs = ["--warmups", str(warmups), "--runs", "1" if part == "picture" else str(args.runs)]
    if program.startswith("zimage"):
        tokens = BLOCK_CAPTION_TOKENS if part == "block" else TEXT_TOKENS
        java = [args.java, "-jar", str(args.jar), "parts", "--model", args.model, "--dtype", program.split("-")[1]]
        cache = ["--cache", str(args.cache or args.work / "converted")] if int8 else []
        return [*java, *common, *runs, *cache, "--text-tokens", str(tokens)]
    return [sys.executable, __file__, "worker", args.model, "--program", program, "--work", str(args.work), *common, *runs]


def run_one(args, program, part):
    """Returns what a program's process prints, or why there is nothing."""
    try:
        process = subprocess.run(command(args, program, part), capture_output=True, text=True, timeout=args.patience)
    except subprocess.TimeoutExpired:
        return None, f"it took more than {args.patience} s"
    lines = [line for line in process.stdout.splitlines() if line.startswith("{")]
    if process.returncode != 0 or not lines:
        return None, (process.stderr.strip().splitlines() or [f"it said nothing (exit status {process.returncode})"])[-1]
    return json.loads(lines[-1]), None


def turn(args, program, part, shared):
    """As run_one; what one process says of several parts is not asked for again."""
    if part in shared.get(program, {}):
        return shared[program][part], None
    line, problem = run_one(args, program, part)
    if line and "parts" in line:
        parts = line.pop("parts")
        shared[program] = {each: {**line, "part": each, "seconds": [value]} for each, value in parts.items()}
    return line, problem


def compare(args, what):
    """Measures, and writes what there is after each result, so that it can be interrupted and go on with --add."""
    results, failed = what["results"], what["failed"]
    shared = [{} for _ in range(args.rounds)]
    for part in args.parts:
        programs = results.setdefault(part, {})
        chosen = [program for program in args.programs if part in PROGRAMS[program]]
        for program in chosen:
            programs[program] = []
        for number in range(args.rounds):
            for program in [each for each in chosen if each in programs]:
                line, problem = turn(args, program, part, shared[number])
                if line is None:
                    del programs[program]  # a program that fails once is left out of its part
                    failed.append(f"{program} {part}: {problem}")
                    print(failed[-1], file=sys.stderr, flush=True)
                    continue
                programs[program].append(line)
                args.out.write_text(json.dumps(what, indent=1) + "\n")
                print(f"{part} round {number + 1} {program}: {min(line['seconds']):.3f} s", file=sys.stderr, flush=True)


def processor():
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()


def seconds(lines):
    return [each for line in lines for each in line["seconds"]]


def rows_of(results, steps):
    """Returns part, program, best, median, peak bytes, and that of diffusers' median, by which the program's is divided; the picture that was
    not drawn is the sum of its parts."""
    rows = []
    for part in PARTS:
        programs = results.get(part, {})
        for program, lines in programs.items():
            if lines:
                peaks = [line["peakBytes"] for line in lines if line.get("peakBytes")]
                rows.append([part, program, min(seconds(lines)), statistics.median(seconds(lines)), max(peaks, default=None)])
    medians = {(part, program): median for part, program, _, median, _ in rows}
    drawn = [program for part, program in medians if part == "picture"]
    for program in PROGRAMS:
        parts = [medians.get((part, program)) for part in OF_A_PICTURE]
        if None not in parts and program not in drawn:
            total = parts[0] + steps * parts[1] + parts[2]
            rows.append([f"picture of {steps} steps, sum", program, total, total, None])
    bases = {part: median for part, program, _, median, _ in rows if program == "diffusers"}
    return [[*row, bases.get(row[0])] for row in rows]


def table(rows):
    lines = ["| Part | Program | best | median | against diffusers, by the median | peak memory |", "|---|---|--:|--:|--:|--:|"]
    for part, program, best, median, peak, base in rows:
        ratio = f"{base / median:.2f}" if base else ""
        memory = f"{peak / 2**30:.1f} GiB" if peak else ""
        lines.append(f"| {part} | {program} | {best:.3f} s | {median:.3f} s | {ratio} | {memory} |")
    return "\n".join(lines)


def draw(rows, what, file):
    """Draws the medians, a panel for each part; the ending of the file's name says whether as SVG or PNG."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "zimage"
    from matplotlib import pyplot

    parts = list(dict.fromkeys(row[0] for row in rows))
    heights = [sum(row[0] == part for row in rows) for part in parts]
    figure, panels = pyplot.subplots(
        len(parts), figsize=(8, 0.34 * sum(heights) + 0.75 * len(parts)), squeeze=False, height_ratios=heights, layout="constrained"
    )
    for part, panel in zip(parts, panels[:, 0]):
        bars = [row for row in rows if row[0] == part][::-1]
        colours = ["#0072b2" if row[1].startswith("zimage") else "#b8bec8" for row in bars]
        drawn = panel.barh([row[1] for row in bars], [row[3] for row in bars], color=colours)
        panel.bar_label(drawn, [f"{row[3]:.3g} s" for row in bars], padding=3, fontsize=8)
        panel.set_title(part, loc="left", fontsize=10)
        panel.margins(x=0.12)
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    figure.supxlabel(f"seconds, median; {what['size']} x {what['size']}, {what['processor']}", fontsize=8)
    figure.savefig(file, dpi=160, metadata={"Date": None} if file.suffix == ".svg" else None)


def names(allowed):
    def parse(text):
        chosen = text.split(",")
        unknown = [name for name in chosen if name not in allowed]
        if unknown:
            raise argparse.ArgumentTypeError(f"must be among {', '.join(allowed)}, but was {', '.join(unknown)}")
        return chosen

    return parse


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", help="folder of a checkpoint")
    parser.add_argument("--parts", type=names(PARTS), default=["block", *OF_A_PICTURE], help=",".join(PARTS))
    parser.add_argument("--programs", type=names(PROGRAMS), default=list(PROGRAMS), help=",".join(PROGRAMS))
    parser.add_argument("--size", type=int, default=512, help="width and height in pixels")
    parser.add_argument("--steps", type=int, default=8, help="steps of a picture")
    parser.add_argument("--rounds", type=int, default=3, help="how often each program has its turn")
    parser.add_argument("--runs", type=int, default=3, help="runs that count in each turn")
    parser.add_argument("--patience", type=int, default=900, help="seconds after which a program is given up")
    parser.add_argument("--java", default="java")
    parser.add_argument("--jar", type=pathlib.Path, default=HERE.parent / "target" / "benchmarks.jar")
    parser.add_argument("--work", type=pathlib.Path, default=HERE / "work", help="folder for exported models")
    parser.add_argument("--cache", type=pathlib.Path, help="folder for zimage's converted weights (default: converted in --work)")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("comparison.json"))
    parser.add_argument("--add", action="store_true", help="keep what --out holds of other parts and programs")
    parser.add_argument("--draw", type=pathlib.Path, help="measure nothing, but show what is in this file")
    parser.add_argument("--figure", type=pathlib.Path, action="append", default=[], help="picture of the table, .svg or .png")
    args = parser.parse_args()
    if args.draw:
        what = json.loads(args.draw.read_text())
    else:
        if not args.model:
            parser.error("a model is needed, or --draw")
        if not args.jar.exists():
            parser.error(f"there is no {args.jar}: build it with mvn -DskipTests package")
        what = {"processor": processor(), "size": args.size, "steps": args.steps, "model": args.model, "results": {}, "failed": []}
        if args.add and args.out.exists():
            before = json.loads(args.out.read_text())
            if any(before[key] != what[key] for key in ("processor", "size")):
                parser.error(f"{args.out} holds what was measured on another processor or with another size")
            what["results"] = before["results"]
        compare(args, what)
        args.out.write_text(json.dumps(what, indent=1) + "\n")
    rows = rows_of(what["results"], what["steps"])
    print(table(rows))
    for problem in what.get("failed", []):
        print(f"\nFailed: {problem}")
    for file in args.figure:
        draw(rows, what, file)


def worker_main():
    parser = argparse.ArgumentParser()
    parser.add_argument("worker")
    parser.add_argument("model")
    for name in ("program", "part", "work"):
        parser.add_argument("--" + name, required=True)
    for name in ("size", "steps", "warmups", "runs"):
        parser.add_argument("--" + name, required=True, type=int)
    worker(parser.parse_args())


if __name__ == "__main__":
    worker_main() if sys.argv[1:2] == ["worker"] else main()

"""Compiles zimage_kernels.py to PTX and writes the manifest that the Java side launches by. Needs no GPU: python build.py [--check | --assemble]

With --check nothing is written; the exit status says whether what is committed is what the source gives. With --assemble, ptxas makes machine code of what is
committed, for each capability that runs it, in place of the driver.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

import zimage_kernels as kernels

HERE = Path(__file__).resolve().parent
TARGET = HERE.parent / "src/main/resources/io/github/zimage/cuda/kernels"
# PTX of a capability runs on every later one; 9.0 has conversions to e4m3, which 8.0 has not.
CAPABILITIES = (80, 90)
# Cards that PTX of each capability is for, which are all later ones if there is none that is newer.
CARDS = {80: (80, 86, 89), 90: (90, 100, 103, 120, 121)}
FP8_FROM = 90  # conversions to e4m3 in hardware start with 89

F32, BF16, I32, I8, FP8 = "*fp32", "*bf16", "*i32", "*i8", "*fp8e4nv"
# Pointers and the dimensions named here are multiples of 16 (bytes, elements): the launcher sees to it, so loads are vectors.
ALIGNED = {"dim", "stride", "row_stride", "head_stride", "inner_stride", "ranks", "gate_ranks", "up_ranks"}


def variants():
    """(name, function, types of its arguments in their order, constexprs, warps, lowest capability)"""
    row = dict(BLOCK=4096)
    yield "norm_scale", kernels.norm_scale, [F32, F32, BF16, "i32", "fp32"], row, 8, 80
    yield "add_norm_scale", kernels.add_norm_scale, [F32, BF16, F32, "i32", "fp32"], row, 8, 80
    yield ("add_norm_scale_norm_scale", kernels.add_norm_scale_norm_scale,
           [F32, BF16, F32, F32, BF16, "i32", "fp32"], row, 8, 80)  # fmt: skip
    yield ("qk_norm_rope", kernels.qk_norm_rope, [BF16, F32, F32, BF16, "i32", "i32", "i32", "i32", "i32", "i32", "fp32"],
           dict(ROWS=32, DIM=128), 8, 80)  # fmt: skip
    yield "swiglu", kernels.swiglu, [BF16, BF16, BF16, "i32", "i32"], dict(BLOCK=2048), 8, 80
    for rank in (32, 64):
        yield (f"qk_norm_rope_added_{rank}", kernels.qk_norm_rope_added,
               [BF16, BF16, BF16, F32, F32, BF16, "i32", "i32", "i32", "i32", "i32", "i32", "i32", "fp32"],
               dict(ROWS=64, DIM=128, RANK=rank), 4, 80)  # fmt: skip
        yield (f"swiglu_added_{rank}", kernels.swiglu_added,
               [BF16, BF16, BF16, BF16, "i32", BF16, BF16, "i32", BF16, "i32", "i32", "i32", "i32"],
               dict(ROWS=64, COLUMNS=64, RANK=rank), 4, 80)  # fmt: skip
    for kind, out, fp8, capability in (("int8", I8, False, 80), ("fp8", FP8, True, FP8_FROM)):
        yield f"quantise_{kind}", kernels.quantise, [BF16, out, F32, "i32", "i32"], dict(FP8=fp8, BLOCK=4096), 8, capability
        yield (f"norm_scale_quantise_{kind}", kernels.norm_scale_quantise, [F32, F32, out, F32, "i32", "fp32"],
               dict(FP8=fp8, BLOCK=4096), 8, capability)  # fmt: skip
        yield (f"add_norm_scale_norm_scale_quantise_{kind}", kernels.add_norm_scale_norm_scale_quantise,
               [F32, BF16, F32, F32, out, F32, "i32", "fp32"], dict(FP8=fp8, BLOCK=4096), 8, capability)  # fmt: skip
        yield f"quantise_wide_{kind}", kernels.quantise, [BF16, out, F32, "i32", "i32"], dict(FP8=fp8, BLOCK=16384), 16, capability
    yield ("swiglu_quantise_fp8", kernels.swiglu_quantise, [BF16, BF16, FP8, F32, "i32", "i32"],
           dict(FP8=True, BLOCK=8192, REST=4096), 16, FP8_FROM)  # fmt: skip
    for name, bias in (("rescale", False), ("rescale_bias", True)):
        yield name, kernels.rescale, [I32, F32, F32, F32, BF16, "i32"], dict(BIAS=bias, BLOCK=1024), 4, 80
    yield "group_merge", kernels.group_merge, [F32, F32, "i32", "fp32", "i32", "i32", "i32"], dict(BLOCK=1024), 4, 80
    for channels in (128, 256, 512):
        shape = dict(GROUPS=32, WIDTH=channels // 32)
        block = 8192 // channels
        yield (f"group_statistics_{channels}", kernels.group_statistics, [BF16, F32, "i32"],
               dict(shape, BLOCK=block), 4, 80)  # fmt: skip
        for name, silu in (("group_norm", False), ("group_norm_silu", True)):
            yield (f"{name}_{channels}", kernels.group_norm_silu, [BF16, F32, F32, F32, BF16, "i32"],
                   dict(shape, SILU=silu, BLOCK=block), 4, 80)  # fmt: skip
        # in front of the decoder's last convolution, which computes in FP32
        yield (f"group_norm_silu_fp32_{channels}", kernels.group_norm_silu, [BF16, F32, F32, F32, F32, "i32"],
               dict(shape, SILU=True, BLOCK=block), 4, 80)  # fmt: skip


def capabilities(name, lowest):
    """Triton makes of a product, for 9.0, instructions that no later card has; so kernels with one are for 8.0, which all later ones run."""
    return [c for c in CAPABILITIES if c >= lowest and (c == lowest or "_added" not in name)]


def compiled(function, types, constants, warps, capability):
    names = [n for n in function.arg_names if n not in constants]
    if len(names) != len(types):
        raise ValueError(f"{function.__name__} has {len(names)} arguments but {len(types)} types are given")
    signature = dict(zip(names, types)) | {n: "constexpr" for n in constants}
    places = {(function.arg_names.index(n),): [["tt.divisibility", 16]] for n in names if signature[n][0] == "*" or n in ALIGNED}
    constexprs = {(function.arg_names.index(n),): v for n, v in constants.items()}
    source = ASTSource(fn=function, signature=signature, constexprs=constexprs, attrs=places)
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": warps}), names


def assemble():
    tools = Path(triton.__file__).parent / "backends/nvidia/bin"
    refused, tried = [], 0
    for file in sorted(TARGET.glob("*.ptx")):
        built = int(file.stem.rsplit("_", 1)[1])
        newer = [] if file.with_name(file.name.replace("sm_80", "sm_90")).exists() else CARDS[90]
        for card in {*CARDS[built], *newer}:
            ptxas = tools / ("ptxas-blackwell" if card >= 100 and (tools / "ptxas-blackwell").exists() else "ptxas")
            done = subprocess.run([ptxas, f"-arch=sm_{card}", file, "-o", "/dev/null"], capture_output=True, text=True)
            tried += 1
            if done.returncode:
                refused.append(f"{file.name} for sm_{card}: {done.stderr.strip()}")
    print("\n".join(refused) or f"{tried} were assembled")
    return 1 if refused or not tried else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the committed files instead of writing them")
    parser.add_argument("--assemble", action="store_true", help="try the committed files with ptxas")
    args = parser.parse_args()
    check = args.check
    if args.assemble:
        return assemble()
    files, entries = {}, []
    for name, function, types, constants, warps, lowest in variants():
        shared, parameters = {}, None
        for capability in capabilities(name, lowest):
            binary, names = compiled(function, types, constants, warps, capability)
            # line numbers and paths would change the file with every edit of a comment
            ptx = re.sub(r"^\s*\.(loc|file)\b.*$|//.*$", "", binary.asm["ptx"], flags=re.M)
            ptx = re.sub(r"\.section\s+\.debug.*?\n\s*\}", "", ptx, flags=re.S)
            ptx = "\n".join(line.rstrip() for line in ptx.splitlines() if line.strip()) + "\n"
            # Triton asks for sm_90a, whose PTX runs on 9.0 and nothing later; the kernels use nothing that only that has, as --assemble shows.
            ptx = re.sub(r"^(\.target sm_\d+)a", r"\1", ptx, flags=re.M)
            found = re.findall(r"\.param\s+(?:\.align\s+\d+\s+)?\.(\w+)(?:\s+\.ptr[^,)]*?)?\s+(\w+_param_\d+)", ptx)
            if parameters not in (None, [t for t, _ in found]):
                raise ValueError(f"{name}: parameters differ between capabilities")
            parameters = [t for t, _ in found]
            files[f"{name}.sm_{capability}.ptx"] = ptx
            shared[str(capability)] = binary.metadata.shared
        entries.append(dict(name=name, entry=binary.metadata.name, arguments=[dict(name=n, type=t) for n, t in zip(names, types)],
                            parameters=parameters, aligned=[n for n, t in zip(names, types) if t[0] == "*" or n in ALIGNED],
                            constants={k: int(v) for k, v in constants.items()}, threads=32 * warps, shared=shared))  # fmt: skip
    manifest = dict(triton=triton.__version__, capabilities=list(CAPABILITIES), kernels=entries)
    files["manifest.json"] = json.dumps(manifest, indent=1) + "\n"
    if check:
        present = {p.name: p.read_text() for p in TARGET.glob("*") if p.is_file()}
        wrong = sorted(n for n in present.keys() | files.keys() if present.get(n) != files.get(n))
        print("\n".join(f"differs from the source: {n}" for n in wrong) or f"{len(files)} files are what the source gives")
        return 1 if wrong else 0
    TARGET.mkdir(parents=True, exist_ok=True)
    for old in TARGET.glob("*"):
        old.unlink()
    for name, text in files.items():
        (TARGET / name).write_text(text)
    print(len(files), "files", sum(map(len, files.values())) // 1024, "KiB in", TARGET)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Writes a GGUF file with a tensor of random blocks for each type, and the numbers that gguf-py makes of them.

    python make_file_fixtures.py [FOLDER]

FOLDER is zimage-core/src/test/resources/files unless given. Files of ComfyUI's encodings are written with the numbers that PyTorch makes of
FP8, and for the others with those that follow from the definition of the format, computed here in another way than zimage does.
"""

import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors.torch import save_file

TYPES = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"]
# Where the F16 numbers of a block lie: random bits there would be infinite or NaN in some.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2],
    "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0],
}
ROWS, COLUMNS = 3, 512


def blocks(random, name):
    kind = gguf.GGMLQuantizationType[name]
    size, width = gguf.GGML_QUANT_SIZES[kind]
    data = random.integers(0, 256, (ROWS, COLUMNS // size, width), dtype=np.uint8)
    for at in HALVES[name]:
        scale = (random.standard_normal((ROWS, COLUMNS // size, 1)) * 0.1).astype(np.float16)
        data[:, :, at : at + 2] = scale.view(np.uint8)
    return kind, data.reshape(ROWS, -1)


def gguf_file(folder):
    random = np.random.default_rng(1)
    writer = gguf.GGUFWriter(folder / "types.gguf", "lumina2")
    writer.add_string("general.name", "Blöcke 块")
    writer.add_array("tokenizer.ggml.tokens", [f"t{i}" for i in range(300)])
    writer.add_array("tokenizer.ggml.scores", [0.5] * 300)
    writer.add_float32("qwen3.rope.freq_base", 1e6)
    writer.add_uint64("some.count", 2**63 + 1)
    writer.add_bool("some.flag", True)
    writer.add_array("comfy.gguf.orig_shape.F32", [2, 2, 3])
    expected = {}
    for name in TYPES:
        kind, data = blocks(random, name)
        writer.add_tensor(name, data, raw_dtype=kind)
        expected[name] = torch.from_numpy(gguf.dequantize(data, kind).reshape(ROWS, COLUMNS).copy())
    plain = random.standard_normal((4, 3)).astype(np.float32)
    writer.add_tensor("F32", plain)
    writer.add_tensor("F16", plain.astype(np.float16))
    expected["F32"] = torch.from_numpy(plain.reshape(2, 2, 3).copy())
    expected["F16"] = torch.from_numpy(plain.astype(np.float16).astype(np.float32))
    brain = torch.from_numpy(plain).bfloat16()
    writer.add_tensor("BF16", brain.view(torch.uint8).numpy(), raw_dtype=gguf.GGMLQuantizationType.BF16)
    expected["BF16"] = brain.float()
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(expected, folder / "types-expected.safetensors")


def swizzled(scales):
    """The order that cuBLAS takes block scales in, as PyTorch's own recipes write it: by reshaping, not by an index."""
    rows, columns = scales.shape
    padded = torch.zeros((rows + 127) // 128 * 128, (columns + 3) // 4 * 4, dtype=scales.dtype)
    padded[:rows, :columns] = scales
    tiles = padded.view(padded.shape[0] // 128, 128, padded.shape[1] // 4, 4).permute(0, 2, 1, 3)
    return tiles.reshape(-1, 4, 32, 4).transpose(1, 2).reshape(padded.shape).contiguous()


def hadamard(size):
    """4^n rows, with the sign of each 4 x 4 factor turned on its other diagonal."""
    four = torch.ones(4, 4, dtype=torch.float64)
    for i in range(4):
        four[i, 3 - i] = -1
    result = torch.ones(1, 1, dtype=torch.float64)
    while result.shape[0] < size:
        result = torch.kron(result, four / 2)
    return result


def text(format_, **more):
    import json

    return torch.tensor(list(json.dumps({"format": format_, **more}).encode()), dtype=torch.uint8)


def comfy_file(folder):
    torch.manual_seed(1)
    stored, expected = {}, {}

    def fp8(name, kind, scale, format_=None):
        weight = (torch.randn(10, 96) * 2).to(kind)
        stored[name + ".weight"] = weight
        if scale is None:
            expected[name] = weight.float()
            return
        grid = scale if scale.dim() < 2 else scale.repeat_interleave(10 // scale.shape[0], 0).repeat_interleave(
            96 // scale.shape[1], 1
        )
        expected[name] = weight.float() * (grid if scale.dim() != 1 or scale.numel() == 1 else grid[:, None])
        stored[name + (".weight_scale" if format_ else ".scale_weight")] = scale
        if format_:
            stored[name + ".comfy_quant"] = text(format_)

    fp8("plain4", torch.float8_e4m3fn, None)
    fp8("plain5", torch.float8_e5m2, None)
    fp8("old", torch.float8_e4m3fn, torch.tensor(0.37))
    stored["old.scale_input"] = torch.tensor(1.0)
    stored["scaled_fp8"] = torch.zeros(2, dtype=torch.float8_e4m3fn)
    fp8("new4", torch.float8_e4m3fn, torch.tensor([0.37]), "float8_e4m3fn")
    fp8("new5", torch.float8_e5m2, torch.rand(10, 1), "float8_e5m2")
    fp8("grid", torch.float8_e4m3fn, torch.rand(5, 3), "float8_e4m3fn")
    codes = torch.arange(256, dtype=torch.uint8)
    stored["codes4.weight"] = codes.view(torch.float8_e4m3fn).view(16, 16)
    stored["codes5.weight"] = codes.clone().view(torch.float8_e5m2).view(16, 16)
    expected["codes4"] = codes.view(torch.float8_e4m3fn).float().view(16, 16)
    expected["codes5"] = codes.view(torch.float8_e5m2).float().view(16, 16)

    for name, scale in ("int8", torch.tensor(0.01)), ("int8rows", torch.rand(10, 1) * 0.01), ("int8flat", torch.rand(10) * 0.01):
        weight = torch.randint(-128, 128, (10, 48), dtype=torch.int8)
        stored.update({name + ".weight": weight, name + ".weight_scale": scale, name + ".comfy_quant": text("int8_tensorwise")})
        expected[name] = weight.float() * (scale[:, None] if scale.dim() == 1 else scale)
    for name, group, more in ("turned", 64, {"convrot": True, "convrot_groupsize": 64}), ("turned256", 256, {"params": {"convrot": True}}):
        weight = torch.randint(-128, 128, (10, 256), dtype=torch.int8)
        scale = torch.rand(10, 1) * 0.01
        stored.update({name + ".weight": weight, name + ".weight_scale": scale, name + ".comfy_quant": text("int8_tensorwise", **more)})
        rows = (weight.float() * scale).double().view(10, -1, group) @ hadamard(group)
        expected[name] = rows.view(10, 256).float()

    weight = torch.randn(132, 160).to(torch.float8_e4m3fn)
    exponents = torch.randint(120, 134, (132, 5), dtype=torch.uint8)
    stored.update({"mx.weight": weight, "mx.weight_scale": swizzled(exponents).view(torch.float8_e8m0fnu), "mx.comfy_quant": text("mxfp8")})
    expected["mx"] = weight.float() * (2.0 ** (exponents.float() - 127)).repeat_interleave(32, 1)

    table = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])
    for name, input_scale in ("nv", None), ("nvpre", torch.rand(80)):
        codes = torch.randint(0, 16, (132, 80), dtype=torch.uint8)
        scales = torch.rand(132, 5).to(torch.float8_e4m3fn)
        all_ = torch.tensor(0.0123)
        stored.update({
            name + ".weight": codes[:, 0::2] << 4 | codes[:, 1::2],
            name + ".weight_scale": swizzled(scales.view(torch.uint8)).view(torch.float8_e4m3fn),
            name + ".weight_scale_2": all_,
            name + ".input_scale": torch.tensor(2.0),
            name + ".comfy_quant": text("nvfp4"),
        })
        expected[name] = table[codes.long()] * (scales.float() * all_).repeat_interleave(16, 1)
        if input_scale is not None:
            stored[name + ".pre_quant_scale"] = input_scale
            expected[name] = expected[name] * input_scale
    save_file(stored, folder / "comfy.safetensors")
    save_file({name: tensor.contiguous() for name, tensor in expected.items()}, folder / "comfy-expected.safetensors")


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2] / "zimage-core/src/test/resources/files")
    target.mkdir(parents=True, exist_ok=True)
    gguf_file(target)
    comfy_file(target)

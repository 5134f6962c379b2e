#!/usr/bin/env python3
"""
Checks fixtures without diffusers' models: computes every request once more, in float64, with a second, plain reading of the
architecture and straight from the files, and compares with the stored truth. Then checks that diffusers' stored errors are
those of rounding, that what is inside agrees, and that every tensor of each checkpoint matters.

    check.py DIR [--without-tensors]
"""

import argparse
import json
import math
import re
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

F64 = torch.float64


def linear(w, name, x):
    y = x @ w[name + ".weight"].T
    return y + w[name + ".bias"] if name + ".bias" in w else y


def rms(x, weight, eps):
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + eps) * weight


def silu(x):
    return x * torch.sigmoid(x)


def attend(q, k, v, causal=False):
    """Attention over [heads, tokens, size]."""
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:]).triu(1).bool(), -math.inf)
    return scores.softmax(-1) @ v


class Component:
    """A folder of weights, in float64."""

    def __init__(self, folder):
        self.config = json.loads((folder / "config.json").read_text())
        indices = sorted(folder.glob("*.index*.json"))
        files = sorted(folder.glob("*.safetensors"))
        if indices:
            assert set(json.loads(indices[0].read_text())["weight_map"].values()) == {file.name for file in files}
        else:
            assert len(files) == 1
        self.w = {}
        for file in files:
            for name, tensor in load_file(file).items():
                self.w[re.sub("^model\\.", "", name)] = tensor.to(F64)


class Model:
    """Z-Image in float64. Constants (angles, sigmas, time steps) are float32, as diffusers defines them."""

    def __init__(self, folder):
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer" / "tokenizer.json"))
        self.text = Component(folder / "text_encoder")
        self.dit = Component(folder / "transformer")
        self.vae = Component(folder / "vae")
        self.scheduler = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
        self.scale = 2 ** (len(self.vae.config["block_out_channels"]) - 1)

    def encode(self, prompt):
        w, c = self.text.w, self.text.config
        ids = self.tokenizer.encode(
            f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n", add_special_tokens=False
        ).ids
        x = w["embed_tokens.weight"][ids]
        size, eps = c["head_dim"], c["rms_norm_eps"]
        theta = c["rope_theta"] if "rope_theta" in c else c["rope_parameters"]["rope_theta"]
        inverse = 1.0 / (theta ** (torch.arange(0, size, 2, dtype=torch.float) / size))
        angles = torch.arange(len(ids)).float()[:, None] * inverse
        cos, sin = (f(torch.cat([angles, angles], -1))[:, : size // 2].to(F64) for f in (torch.cos, torch.sin))

        def rotate(t):
            a, b = t.chunk(2, -1)
            return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

        for i in range(c["num_hidden_layers"] - 1):
            p = f"layers.{i}."
            h = rms(x, w[p + "input_layernorm.weight"], eps)
            q, k, v = (
                linear(w, f"{p}self_attn.{n}_proj", h).unflatten(-1, (-1, size)).transpose(0, 1) for n in "qkv"
            )
            q = rotate(rms(q, w[p + "self_attn.q_norm.weight"], eps))
            k = rotate(rms(k, w[p + "self_attn.k_norm.weight"], eps))
            shared = len(q) // len(k)
            h = attend(q, k.repeat_interleave(shared, 0), v.repeat_interleave(shared, 0), causal=True)
            x = x + linear(w, p + "self_attn.o_proj", h.transpose(0, 1).flatten(1))
            h = rms(x, w[p + "post_attention_layernorm.weight"], eps)
            h = silu(linear(w, p + "mlp.gate_proj", h)) * linear(w, p + "mlp.up_proj", h)
            x = x + linear(w, p + "mlp.down_proj", h)
        return x

    def angles(self, positions):
        c = self.dit.config
        parts = []
        for axis, size in enumerate(c["axes_dims"]):
            frequencies = 1.0 / (c["rope_theta"] ** (torch.arange(0, size, 2, dtype=F64) / size))
            parts.append((positions[:, axis, None].to(F64) * frequencies).float())
        angles = torch.cat(parts, -1)
        turned = torch.polar(torch.ones_like(angles), angles)
        return turned.real.to(F64), turned.imag.to(F64)

    def block(self, p, x, angles, time=None):
        w, c = self.dit.w, self.dit.config
        eps, heads = c["norm_eps"], c["n_heads"]
        scale1 = scale2 = gate1 = gate2 = 1.0
        if time is not None:
            scale1, gate1, scale2, gate2 = linear(w, p + "adaLN_modulation.0", time).chunk(4)
            scale1, gate1, scale2, gate2 = 1 + scale1, gate1.tanh(), 1 + scale2, gate2.tanh()
        cos, sin = angles

        def rotate(t):
            even, odd = t[..., 0::2], t[..., 1::2]
            return torch.stack([even * cos - odd * sin, odd * cos + even * sin], -1).flatten(-2)

        h = rms(x, w[p + "attention_norm1.weight"], eps) * scale1
        q, k, v = (linear(w, f"{p}attention.to_{n}", h).unflatten(-1, (heads, -1)).transpose(0, 1) for n in "qkv")
        if c["qk_norm"]:
            q = rms(q, w[p + "attention.norm_q.weight"], 1e-5)
            k = rms(k, w[p + "attention.norm_k.weight"], 1e-5)
        h = attend(rotate(q), rotate(k), v).transpose(0, 1).flatten(1)
        h = linear(w, p + "attention.to_out.0", h)
        x = x + gate1 * rms(h, w[p + "attention_norm2.weight"], eps)
        h = rms(x, w[p + "ffn_norm1.weight"], eps) * scale2
        h = silu(linear(w, p + "feed_forward.w1", h)) * linear(w, p + "feed_forward.w3", h)
        return x + gate2 * rms(linear(w, p + "feed_forward.w2", h), w[p + "ffn_norm2.weight"], eps)

    def context(self, text):
        w, c = self.dit.w, self.dit.config
        x = linear(w, "cap_embedder.1", rms(text, w["cap_embedder.0.weight"], c["norm_eps"]))
        padding = -len(x) % 32
        x = torch.cat([x, w["cap_pad_token"].expand(padding, -1)])
        positions = torch.zeros(len(x), 3, dtype=torch.long)
        positions[:, 0] = torch.arange(1, len(x) + 1)
        angles = self.angles(positions)
        for i in range(c["n_refiner_layers"]):
            x = self.block(f"context_refiner.{i}.", x, angles)
        return x, angles

    def time(self, t):
        w, c = self.dit.w, self.dit.config
        frequencies = torch.exp(-math.log(10000) * torch.arange(0, 128, dtype=torch.float) / 128)
        arguments = (t * c["t_scale"]).float() * frequencies
        h = torch.cat([arguments.cos(), arguments.sin()]).to(F64)
        return linear(w, "t_embedder.mlp.2", silu(linear(w, "t_embedder.mlp.0", h)))

    def velocity(self, latents, time, context, context_angles, inside=None):
        w, c = self.dit.w, self.dit.config
        channels, height, width = latents.shape
        rows, columns = height // 2, width // 2
        x = latents.view(channels, rows, 2, columns, 2).permute(1, 3, 2, 4, 0).reshape(rows * columns, -1)
        x = linear(w, "all_x_embedder.2-1", x)
        tokens, padding = len(x), -len(x) % 32
        x = torch.cat([x, w["x_pad_token"].expand(padding, -1)])
        positions = torch.zeros(len(x), 3, dtype=torch.long)
        positions[:tokens, 0] = len(context) + 1
        positions[:tokens, 1] = torch.arange(rows).repeat_interleave(columns)
        positions[:tokens, 2] = torch.arange(columns).repeat(rows)
        angles = self.angles(positions)
        for i in range(c["n_refiner_layers"]):
            x = self.block(f"noise_refiner.{i}.", x, angles, time)
        if inside is not None:
            inside["image"] = x
        x = torch.cat([x, context])
        angles = tuple(torch.cat(pair) for pair in zip(angles, context_angles))
        for i in range(c["n_layers"]):
            x = self.block(f"layers.{i}.", x, angles, time)
            if inside is not None:
                inside[f"layer.{i}"] = x
        x = x[:tokens]
        x = (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-6)
        x = x * (1 + linear(w, "all_final_layer.2-1.adaLN_modulation.1", silu(time)))
        x = linear(w, "all_final_layer.2-1.linear", x)
        x = x.view(rows, columns, 2, 2, channels).permute(4, 0, 2, 1, 3).reshape(channels, height, width)
        return x

    def sigmas(self, request, tokens):
        """The noise levels in float32, operation by operation as diffusers' scheduler."""
        s = self.scheduler
        steps = request["steps"]
        levels = request["sigmas"] or torch.linspace(1.0, 1 / steps, steps).tolist()
        levels = torch.tensor(levels, dtype=torch.float32)
        if s["use_dynamic_shifting"]:
            slope = (s["max_shift"] - s["base_shift"]) / (s["max_image_seq_len"] - s["base_image_seq_len"])
            mu = tokens * slope + (s["base_shift"] - slope * s["base_image_seq_len"])
            e = math.exp(mu) if s["time_shift_type"] == "exponential" else mu
            levels = torch.tensor(e).float() / (e + (torch.tensor(1.0) / levels - 1))
        else:
            levels = s["shift"] * levels / (1 + (s["shift"] - 1) * levels)
        if s["shift_terminal"]:
            rest = 1 - levels
            levels = 1 - rest / (rest[-1] / (1 - s["shift_terminal"]))
        return torch.cat([levels, torch.zeros(1)])

    def draw(self, request, seed, inside=None):
        height, width = request["height"] // self.scale, request["width"] // self.scale
        shape = (1, self.dit.config["in_channels"], height, width)
        latents = torch.randn(shape, generator=torch.Generator().manual_seed(seed))[0].to(F64)
        guided = request["guidance"] > 0
        text = self.encode(request["prompt"])
        positive = self.context(text)
        negative = self.context(self.encode(request["negative_prompt"] or "")) if guided else None
        sigmas = self.sigmas(request, height * width // 4)
        for i, sigma in enumerate(sigmas[:-1]):
            t = (1000 - sigma * 1000) / 1000
            time = self.time(t)
            first = inside if i == 0 else None
            v = self.velocity(latents, time, *positive, first)
            if guided and not float(t) > request["cfg_truncation"]:
                other = self.velocity(latents, time, *negative)
                guided_v = v + request["guidance"] * (v - other)
                limit = request["cfg_normalization"] * v.norm()
                if request["cfg_normalization"] > 0 and guided_v.norm() > limit:
                    guided_v = guided_v * (limit / guided_v.norm())
                v = guided_v
            latents = latents - (sigmas[i + 1] - sigma).to(F64) * v
            if inside is not None:
                inside[f"step.{i}.t_embedder"] = time
                inside[f"step.{i}.velocity"] = -v
                inside[f"step.{i}.latents"] = latents
        if inside is not None:
            inside["text"], inside["context"], inside["sigmas"] = text, positive[0], sigmas
        return latents, self.decode(latents)

    def decode(self, latents):
        w, c = self.vae.w, self.vae.config
        groups = c["norm_num_groups"]

        def conv(name, x):
            padding = w[name + ".weight"].shape[-1] // 2
            return torch.nn.functional.conv2d(x, w[name + ".weight"], w[name + ".bias"], padding=padding)

        def norm(name, x):
            grouped = x.view(groups, -1)
            mean, variance = grouped.mean(-1, keepdim=True), grouped.var(-1, unbiased=False, keepdim=True)
            x = ((grouped - mean) / torch.sqrt(variance + 1e-6)).view(x.shape)
            return x * w[name + ".weight"][:, None, None] + w[name + ".bias"][:, None, None]

        def resnet(p, x):
            h = conv(p + "conv1", silu(norm(p + "norm1", x)))
            h = conv(p + "conv2", silu(norm(p + "norm2", h)))
            return h + (conv(p + "conv_shortcut", x) if p + "conv_shortcut.weight" in w else x)

        x = (latents / c["scaling_factor"] + c["shift_factor"])[None]
        if c["use_post_quant_conv"]:
            x = conv("post_quant_conv", x)
        x = conv("decoder.conv_in", x)
        x = resnet("decoder.mid_block.resnets.0.", x)
        if c["mid_block_add_attention"]:
            p = "decoder.mid_block.attentions.0."
            h = norm(p + "group_norm", x)[0].flatten(1).T
            h = attend(linear(w, p + "to_q", h), linear(w, p + "to_k", h), linear(w, p + "to_v", h))
            x = x + linear(w, p + "to_out.0", h).T.view(x.shape)
        x = resnet("decoder.mid_block.resnets.1.", x)
        levels = len(c["block_out_channels"])
        for level in range(levels):
            for i in range(c["layers_per_block"] + 1):
                x = resnet(f"decoder.up_blocks.{level}.resnets.{i}.", x)
            if level < levels - 1:
                x = x.repeat_interleave(2, -1).repeat_interleave(2, -2)
                x = conv(f"decoder.up_blocks.{level}.upsamplers.0.conv", x)
        x = conv("decoder.conv_out", silu(norm("decoder.conv_norm_out", x)))[0]
        return ((x / 2 + 0.5).clamp(0, 1) * 255).permute(1, 2, 0)


def distance(actual, truth):
    return float((actual - truth.to(F64)).norm() / truth.to(F64).norm())


class Findings:
    def __init__(self):
        self.problems = []

    def expect(self, condition, text):
        if not condition:
            self.problems.append(text)
            print("PROBLEM", text)


def check_requests(folder, case, model, findings):
    worst = 0.0
    for r, request in enumerate(case["requests"]):
        expected = load_file(folder / f"request-{r}.safetensors")
        assert request["count"] == len(request["pictures"])
        for p, picture in enumerate(request["pictures"]):
            name = f"{folder.name} request {r} picture {p}"
            inside = {}
            latents, pixels = model.draw(request, request["seed"] + p, inside)
            off = distance(latents, expected[f"latents.{p}"])
            worst = max(worst, off)
            findings.expect(off < 1e-12, f"{name}: latents differ from diffusers' float64 by {off:.1e}")
            off = float((pixels - expected[f"pixels.{p}"]).abs().max())
            findings.expect(off < 3e-5, f"{name}: pixels differ from diffusers' float64 by {off:.1e}")
            rounded = expected[f"picture.{p}"].to(F64)
            findings.expect(float((pixels - rounded).abs().max()) <= 0.5 + 1e-6, f"{name}: picture is not the rounded pixels")
            clipped = float(((pixels <= 0) | (pixels >= 255)).double().mean())
            findings.expect(clipped < 0.3, f"{name}: {clipped:.0%} of the picture is clipped")
            findings.expect(1e-8 < picture["fp32"]["latents"] < 2e-5, f"{name}: fp32 error {picture['fp32']['latents']:.1e}")
            findings.expect(1e-4 < picture["bf16"]["latents"] < 0.3, f"{name}: bf16 error {picture['bf16']['latents']:.1e}")
            findings.expect(picture["fp32"]["pixels_max"] <= 1, f"{name}: fp32 picture off by {picture['fp32']['pixels_max']}")
            file = folder / f"request-{r}-inside.safetensors"
            if p == 0 and file.exists():
                stored = load_file(file)
                for key, tensor in inside.items():
                    truth = stored.get(key, stored.get(key + ".positive"))
                    off = distance(tensor.to(F64), truth)
                    findings.expect(off < 1e-7, f"{name}: {key} differs by {off:.1e}")
    return worst


def check_tensors(folder, case, model, findings):
    """Changes the numbers of one tensor at a time, each by another tenth or so, and looks for the difference."""
    request = dict(max(case["requests"], key=lambda request: (request["guidance"] == 0, request["width"])), steps=2)
    request["sigmas"] = None
    picture = model.draw(request, 1)[1]
    last = f"layers.{model.text.config['num_hidden_layers'] - 1}."
    idle = []
    generator = torch.Generator().manual_seed(1)
    for part in (model.text, model.dit, model.vae):
        for name, tensor in list(part.w.items()):
            if part is model.text and name.startswith((last, "norm.", "lm_head")):
                continue
            if part is model.vae and name.startswith(("encoder", "quant_conv")):
                continue
            part.w[name] = tensor * (1 + 0.15 * torch.randn(tensor.shape, generator=generator))
            difference = float((model.draw(request, 1)[1] - picture).abs().mean())
            part.w[name] = tensor
            if difference < 1e-3:
                idle.append((name, difference))
    tokens = (request["width"] * request["height"]) // (4 * model.scale**2)
    for name, difference in idle:
        excused = (
            (name == "x_pad_token" and tokens % 32 == 0)
            or (name == "cap_pad_token" and len(model.encode(request["prompt"])) % 32 == 0)
            or name.endswith("k_proj.bias")  # q * bias is the same for all keys but for the rotation
            or name.endswith("attentions.0.to_k.bias")  # softmax does not see it
        )
        findings.expect(excused, f"{folder.name}: {name} moves the picture by {difference:.1e} only")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=Path)
    parser.add_argument("--without-tensors", action="store_true", help="skip the slow look at every single tensor")
    arguments = parser.parse_args()
    findings = Findings()
    folders = sorted(file.parent for file in arguments.dir.glob("*/case.json"))
    findings.expect(folders, f"no cases in {arguments.dir}")
    for folder in folders:
        case = json.loads((folder / "case.json").read_text())
        model = Model(folder / "model")
        worst = check_requests(folder, case, model, findings)
        if not arguments.without_tensors:
            check_tensors(folder, case, model, findings)
        print(f"{folder.name}: {len(case['requests'])} requests, at most {worst:.1e} from diffusers' float64", flush=True)
    print("all good" if not findings.problems else f"{len(findings.problems)} problems")
    sys.exit(bool(findings.problems))


if __name__ == "__main__":
    with torch.no_grad():
        main()

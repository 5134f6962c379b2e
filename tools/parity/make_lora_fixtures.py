#!/usr/bin/env python3
"""
Makes LoRA fixtures: adapters in every form that programs write them, for one of the committed random checkpoints, and what the picture of
its first request should be with each.

    make_lora_fixtures.py --case zimage-core/src/test/resources/parity/case-00 --out zimage-core/src/test/resources/lora-parity

    NAME.safetensors   an adapter
    lora.json          for each form: files and weights, whether diffusers reads them, and how far it is from the truth
    truth.safetensors  for each form the latents [C, h, w] F64

The truth is a float64 run of diffusers with the sums of weights and adapters, computed here from the formulas. Where diffusers reads the form,
its own error is that of its unmerged run; where it does not, that of a run of it with sums, rounded to its type.
"""

import argparse
import json
import os
import warnings
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
warnings.filterwarnings("ignore")

import diffusers
import torch
import transformers
from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import load_file, save_file

import reference

diffusers.logging.set_verbosity_error()
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
diffusers.logging.disable_progress_bar()

RANK = 2
ALPHA = 3.0
TEXT = "text_encoder:"
MODULES = [
    "layers.0.attention.to_q",
    "layers.0.attention.to_k",
    "layers.0.attention.to_v",
    "layers.0.attention.to_out.0",
    "layers.1.feed_forward.w1",
    "layers.1.feed_forward.w2",
    "layers.1.feed_forward.w3",
    "layers.2.adaLN_modulation.0",
    "noise_refiner.0.attention.to_v",
    "context_refiner.0.feed_forward.w2",
    "all_x_embedder.2-1",
    "all_final_layer.2-1.linear",
    "all_final_layer.2-1.adaLN_modulation.1",
    "cap_embedder.1",
    "t_embedder.mlp.0",
    "t_embedder.mlp.2",
]
BLOCK = MODULES[:4]
BLOCK_WEIGHTS = {"layers": 0.5, "layers.0": 1.5, "layers.1.feed_forward.w2": -1.0, "context_refiner": 0.0, "cap_embedder": 2.0}
QKV = [f"layers.{i}.attention.to_{p}" for i in (0, 2) for p in "qkv"]


class Form:
    """An adapter in a form, and what it adds to which weight."""

    def __init__(self, name, loads=False):
        self.name, self.loads = name, loads
        self.tensors, self.metadata, self.deltas = {}, {"format": "pt"}, {}

    def put(self, key, tensor):
        self.tensors[key] = tensor.contiguous().clone()

    def add(self, parameter, delta):
        self.deltas[parameter] = self.deltas.get(parameter, 0) + delta.double()


class Maker:
    def __init__(self, pipeline):
        self.random = torch.Generator().manual_seed(19)
        self.transformer = dict(pipeline.transformer.named_parameters())
        self.text = dict(pipeline.text_encoder.named_parameters())

    def weight(self, module):
        if module.startswith(TEXT):
            return self.text[module.removeprefix(TEXT) + ".weight"]
        return self.transformer[module + ".weight"]

    def noise(self, *shape):
        return torch.randn(shape, generator=self.random)

    def strength(self, module):
        """What is added has a third of the weight's size, but for what norms amplify."""
        small = 0.05 if module.startswith(("all_x_embedder", "t_embedder")) else 0.3
        return small * float(self.weight(module).std())

    def factors(self, module, rank=RANK, scale=ALPHA / RANK, dtype=torch.float32):
        out, inside = self.weight(module).shape
        down = self.noise(rank, inside) / rank**0.5
        up = self.noise(out, rank) * self.strength(module) / scale
        return down.to(dtype), up.to(dtype)

    def lora(self, form, key, suffixes, alpha=ALPHA, modules=MODULES, scale=None, dtype=torch.float32, rank=RANK):
        """Low-rank factors; `key` names a module, `suffixes` are those of down, up and alpha."""
        scale = (alpha or rank) / rank if scale is None else scale
        for module in modules:
            down, up = self.factors(module, rank, scale, dtype)
            form.put(key(module) + suffixes[0], down)
            form.put(key(module) + suffixes[1], up)
            if len(suffixes) > 2:
                form.put(key(module) + suffixes[2], torch.tensor(alpha))
            form.add(module + ".weight", scale * up.double() @ down.double())
        return form

    def forms(self):
        peft = (".lora_A.weight", ".lora_B.weight")
        kohya = (".lora_down.weight", ".lora_up.weight", ".alpha")

        def prefixed(prefix):
            return lambda module: prefix + module

        def flat(prefix):
            return lambda module: prefix + module.replace(".", "_")

        lora = self.lora
        yield lora(Form("peft", True), prefixed("transformer."), peft, None)
        yield lora(Form("peft-alpha-tensor"), prefixed("transformer."), peft + (".alpha",))
        yield lora(Form("bare"), prefixed(""), peft, None)
        yield lora(Form("bare-alpha", True), prefixed(""), peft + (".alpha",))
        yield lora(Form("default-name", True), prefixed(""), (".lora_A.default.weight", ".lora_B.default.weight"), None)
        yield lora(Form("pipe-dit"), prefixed("pipe.dit."), (".lora_A.default.weight", ".lora_B.default.weight"), None)
        yield lora(Form("diffusion-model", True), prefixed("diffusion_model."), peft, None, dtype=torch.bfloat16)
        yield lora(Form("diffusion-model-kohya", True), prefixed("diffusion_model."), kohya, dtype=torch.float16)
        yield lora(Form("model-diffusion-model"), prefixed("model.diffusion_model."), kohya)
        yield lora(Form("base-model"), prefixed("base_model.model.transformer."), peft, None)
        yield lora(Form("kohya", True), flat("lora_unet_"), kohya)
        yield lora(Form("kohya-peft"), flat("lora_unet_"), peft + (".alpha",))
        yield lora(Form("lycoris"), flat("lycoris_"), kohya)
        yield self.metadata("metadata-alpha", {"lora_alpha": 5, "r": RANK}, lambda module: 5 / RANK)
        yield self.metadata(
            "metadata-rslora", {"lora_alpha": 3, "r": RANK, "use_rslora": True}, lambda module: 3 / RANK**0.5
        )
        patterns = {"layers.0.attention.to_q": 7, "to_out.0": 1}
        yield self.metadata(
            "metadata-pattern",
            {"lora_alpha": 3, "r": RANK, "alpha_pattern": patterns},
            lambda module: next((a for p, a in patterns.items() if module == p or module.endswith("." + p)), 3) / RANK,
        )
        yield self.fused(Form("fused-kohya", True), "lora_unet_layers_{}_attention_qkv", "lora_unet_layers_{}_attention_out", ("lora_down", "lora_up"))
        yield self.fused(Form("fused"), "diffusion_model.layers.{}.attention.qkv", "diffusion_model.layers.{}.attention.out", ("lora_down", "lora_up"))
        yield self.fused(Form("fused-peft"), "diffusion_model.layers.{}.attention.qkv", "diffusion_model.layers.{}.attention.out", ("lora_A", "lora_B"))
        yield self.fused(Form("fused-dotted", True), "layers.{}.attention.qkv", "layers.{}.attention.out", ("lora.down", "lora.up"))
        yield self.block_diagonal()
        yield self.doubled()
        yield self.loha()
        yield self.lokr("lokr", True, False)
        yield self.lokr("lokr-factored", True, True)
        yield self.fused_lokr()
        yield self.dora("dora-kohya", "diffusion_model.{}", ("lora_down.weight", "lora_up.weight"), "dora_scale", True)
        yield self.dora("dora-peft", "transformer.{}", ("lora_A.weight", "lora_B.weight"), "lora_magnitude_vector", False)
        yield self.differences()
        yield self.text_encoder()
        yield self.biases()

    def metadata(self, name, settings, scale):
        form = Form(name, True)
        for module in MODULES:
            self.lora(form, lambda m: "transformer." + m, (".lora_A.weight", ".lora_B.weight"), modules=[module], scale=scale(module))
        packed = {"transformer." + key: value for key, value in settings.items()}
        form.metadata["lora_adapter_metadata"] = json.dumps(packed | {"transformer.target_modules": MODULES})
        return form

    def fused(self, form, qkv, out, names):
        for layer in (0, 2):
            width = self.weight("layers.0.attention.to_q").shape[0]
            down = self.noise(RANK, width) / RANK**0.5
            up = self.noise(3 * width, RANK) * self.strength("layers.0.attention.to_q") / (ALPHA / RANK)
            form.put(qkv.format(layer) + f".{names[0]}.weight", down)
            form.put(qkv.format(layer) + f".{names[1]}.weight", up)
            form.put(qkv.format(layer) + ".alpha", torch.tensor(ALPHA))
            for part, rows in zip("qkv", up.chunk(3)):
                form.add(f"layers.{layer}.attention.to_{part}.weight", ALPHA / RANK * rows.double() @ down.double())
            suffixes = tuple(f".{name}.weight" for name in names) + (".alpha",)
            self.lora(form, lambda m, layer=layer: out.format(layer), suffixes, modules=[f"layers.{layer}.attention.to_out.0"])
        return form

    def block_diagonal(self):
        """As converters write them that join three adapters: their own ranks add up, and alpha with them."""
        form = Form("fused-block-diagonal")
        parts = [self.factors(f"layers.0.attention.to_{part}") for part in "qkv"]
        key = "diffusion_model.layers.0.attention.qkv"
        form.put(key + ".lora_down.weight", torch.cat([down for down, _ in parts]))
        form.put(key + ".lora_up.weight", torch.block_diag(*[up for _, up in parts]))
        form.put(key + ".alpha", torch.tensor(3 * ALPHA))
        for part, (down, up) in zip("qkv", parts):
            form.add(f"layers.0.attention.to_{part}.weight", ALPHA / RANK * up.double() @ down.double())
        return form

    def doubled(self):
        """Parts by themselves, and the fused ones beside them, which must not count twice."""
        form = self.lora(Form("fused-and-split"), lambda m: "diffusion_model." + m, (".lora_down.weight", ".lora_up.weight", ".alpha"), modules=BLOCK)
        key = "diffusion_model.layers.0.attention.qkv"
        form.put(key + ".lora_down.weight", self.noise(RANK, 32))
        form.put(key + ".lora_up.weight", self.noise(96, RANK))
        return form

    def loha(self):
        form = Form("loha")
        for module in BLOCK + MODULES[4:8]:
            out, inside = self.weight(module).shape
            w1a, w2a = self.noise(out, RANK) / RANK, self.noise(out, RANK) * self.strength(module) / (ALPHA / RANK)
            w1b, w2b = self.noise(RANK, inside), self.noise(RANK, inside)
            key = f"diffusion_model.{module}."
            for name, tensor in (("w1_a", w1a), ("w1_b", w1b), ("w2_a", w2a), ("w2_b", w2b)):
                form.put(key + "hada_" + name, tensor)
            form.put(key + "alpha", torch.tensor(ALPHA))
            form.add(module + ".weight", ALPHA / RANK * (w1a.double() @ w1b.double()) * (w2a.double() @ w2b.double()))
        return form

    def kronecker(self, module, factored):
        out, inside = self.weight(module).shape
        o, i = 4 if out % 4 == 0 else 5, 4
        w1 = self.noise(o, i) * self.strength(module)
        if factored:
            w2a, w2b = self.noise(out // o, RANK), self.noise(RANK, inside // i)
            return w1, w2a, w2b, torch.kron(w1.double(), w2a.double() @ w2b.double())
        w2 = self.noise(out // o, inside // i)
        return w1, w2, None, torch.kron(w1.double(), w2.double())

    def lokr(self, name, loads, factored):
        form = Form(name, loads)
        for module in BLOCK + ["layers.1.feed_forward.w3", "layers.2.adaLN_modulation.0"]:
            w1, first, second, product = self.kronecker(module, factored)
            key = f"diffusion_model.{module}."
            form.put(key + "lokr_w1", w1)
            form.put(key + ("lokr_w2_a" if factored else "lokr_w2"), first)
            if factored:
                form.put(key + "lokr_w2_b", second)
            form.put(key + "alpha", torch.tensor(ALPHA if factored else 1e10))
            form.add(module + ".weight", product * (ALPHA / RANK if factored else 1))
        return form

    def fused_lokr(self):
        form = Form("lokr-fused")
        width = self.weight("layers.0.attention.to_q").shape[0]
        for layer, height in ((0, 6), (2, 4)):  # of the second the parts end within a row of the left matrix
            w1 = self.noise(height, 4) * self.strength("layers.0.attention.to_q")
            w2 = self.noise(3 * width // height, width // 4)
            key = f"diffusion_model.layers.{layer}.attention.qkv."
            form.put(key + "lokr_w1", w1)
            form.put(key + "lokr_w2", w2)
            for part, rows in zip("qkv", torch.kron(w1.double(), w2.double()).chunk(3)):
                form.add(f"layers.{layer}.attention.to_{part}.weight", rows)
        return form

    def dora(self, name, key, names, magnitude, column):
        form = Form(name)
        for module in BLOCK + MODULES[4:7]:
            down, up = self.factors(module, scale=1)
            weight = self.weight(module).double()
            length = weight.norm(dim=1) * (1 + 0.2 * self.noise(weight.shape[0]).double())
            form.put(key.format(module) + "." + names[0], down)
            form.put(key.format(module) + "." + names[1], up)
            stored = length.float()
            form.put(key.format(module) + "." + magnitude, stored[:, None] if column else stored)
            total = weight + up.double() @ down.double()
            form.add(module + ".weight", total * (stored.double() / total.norm(dim=1))[:, None] - weight)
        return form

    def differences(self):
        """What extractors and full trainers write: differences of weights, biases and norms."""
        form = Form("differences")
        for parameter, key in (
            ("layers.0.attention.to_q.weight", "diffusion_model.layers.0.attention.to_q.diff"),
            ("layers.1.feed_forward.w2.weight", "diffusion_model.layers.1.feed_forward.w2.diff"),
            ("cap_embedder.1.bias", "diffusion_model.cap_embedder.1.diff_b"),
            ("layers.2.adaLN_modulation.0.bias", "diffusion_model.layers.2.adaLN_modulation.0.diff_b"),
            ("all_final_layer.2-1.linear.bias", "diffusion_model.final_layer.linear.diff_b"),
            ("layers.0.attention_norm1.weight", "diffusion_model.layers.0.attention_norm1.diff"),
            ("layers.1.ffn_norm2.weight", "diffusion_model.layers.1.ffn_norm2.w_norm"),
            ("context_refiner.0.ffn_norm1.weight", "diffusion_model.context_refiner.0.ffn_norm1.diff"),
            ("layers.0.attention.norm_q.weight", "diffusion_model.layers.0.attention.q_norm.diff"),
            ("cap_embedder.0.weight", "diffusion_model.cap_embedder.0.diff"),
            ("x_pad_token", "diffusion_model.x_pad_token.diff"),
            ("cap_pad_token", "diffusion_model.cap_pad_token.diff"),
        ):
            weight = self.transformer[parameter]
            delta = 0.3 * self.noise(*weight.shape) * float(weight.std() + 0.1)
            form.put(key, delta)
            form.add(parameter, delta)
        return form

    def text_encoder(self):
        modules = [f"{TEXT}layers.0.self_attn.{m}_proj" for m in "qkvo"] + [f"{TEXT}layers.1.mlp.{m}_proj" for m in ("gate", "up", "down")]

        def key(module):
            return "text_encoder.model." + module.removeprefix(TEXT)

        form = self.lora(Form("text-encoder"), key, (".lora_A.weight", ".lora_B.weight"), None, modules)
        return self.lora(form, lambda m: "transformer." + m, (".lora_A.weight", ".lora_B.weight"), None, BLOCK)

    def biases(self):
        """Second factors with biases, as peft trains them with lora_bias: scaled as the factors are, whether the layer has one or not."""
        modules = BLOCK + MODULES[4:7] + ["layers.2.adaLN_modulation.0", "cap_embedder.1"]
        suffixes = (".lora_A.weight", ".lora_B.weight", ".alpha")
        form = self.lora(Form("lora-bias"), lambda m: "transformer." + m, suffixes, modules=modules)
        for module in modules:
            bias = self.noise(self.weight(module).shape[0]) * self.strength(module)
            form.put(f"transformer.{module}.lora_B.bias", bias)
            form.add(module + ".bias", ALPHA / RANK * bias)
        return form


def require_peft_agrees(form, module, weight):
    """diffusers does not read these files, but peft's layer has the formula of a single DoRA adapter. Of several it multiplies one upon the other."""
    down, up, length = (tensor.double() for key, tensor in form.tensors.items() if f".{module}." in key)
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=torch.float64)
    layer.weight.data = weight
    config = LoraConfig(r=RANK, lora_alpha=RANK, use_dora=True, target_modules=["0"])
    adapted = inject_adapter_in_model(config, torch.nn.Sequential(layer))
    adapted[0].lora_A["default"].weight.data = down
    adapted[0].lora_B["default"].weight.data = up
    adapted[0].lora_magnitude_vector["default"].weight.data = length.flatten()
    rows = torch.randn(5, weight.shape[1], dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    changed = weight + form.deltas[module + ".weight"]
    torch.testing.assert_close(adapted(rows), rows @ changed.T, rtol=1e-9, atol=1e-12)


def within(parameter, parts):
    """What the weight of an adapter is multiplied by in a module: the number of the longest name that fits."""
    fitting = [part for part in parts if parameter == part or parameter.startswith(part + ".")]
    return parts[max(fitting, key=len)] if fitting else 1.0


class Merged:
    """Adds to a pipeline's weights for a while."""

    def __init__(self, pipeline, deltas):
        self.pipeline, self.deltas, self.kept, self.new = pipeline, deltas, {}, []

    def parameter(self, name):
        text = name.startswith(TEXT)
        model = self.pipeline.text_encoder if text else self.pipeline.transformer
        return dict(model.named_parameters())[name.removeprefix(TEXT)]

    def linear(self, name):
        return self.pipeline.transformer.get_submodule(name.removesuffix(".bias"))

    def __enter__(self):
        for name, delta in self.deltas.items():
            if name.endswith(".bias") and self.linear(name).bias is None:
                weight = self.linear(name).weight
                self.linear(name).bias = torch.nn.Parameter(delta.to(weight.dtype), requires_grad=False)
                self.new.append(name)
                continue
            parameter = self.parameter(name)
            self.kept[name] = parameter.data.clone()
            parameter.data = (parameter.data.double() + delta).to(parameter.dtype)

    def __exit__(self, *args):
        for name, data in self.kept.items():
            self.parameter(name).data = data
        for name in self.new:
            self.linear(name).bias = None


def unmerged(folder, precision, variant, files, request, parts):
    """Draws with adapters beside the weights, as diffusers and peft do."""
    pipeline = reference.load(folder, precision, variant)
    names = []
    for file, weight in files:
        state = {key: value.clone() for key, value in load_file(file).items()}
        from safetensors import safe_open

        with safe_open(file, "pt") as opened:
            metadata = opened.metadata()
        name = f"adapter{len(names)}"
        if "lora_adapter_metadata" in metadata:
            pipeline.load_lora_weights(str(file.parent), weight_name=file.name, adapter_name=name)
        else:
            pipeline.load_lora_weights(state, adapter_name=name)
        names.append(name)
    pipeline.set_adapters(names, [weight for _, weight in files])
    for path, module in pipeline.transformer.named_modules():
        for name in set(names) & set(getattr(module, "scaling", {})):
            module.scaling[name] *= within(path, parts)
    return reference.run(pipeline, request, request["seed"])[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    if diffusers.__version__ != "0.42.1":
        parser.error(f"needs diffusers 0.42.1, but found {diffusers.__version__}")
    torch.use_deterministic_algorithms(True)
    case = json.loads((arguments.case / "case.json").read_text())
    request, variant, model = case["requests"][0], case["variant"], arguments.case / "model"
    pipelines = {precision: reference.load(model, precision, variant) for precision in reference.PRECISIONS}
    arguments.out.mkdir(parents=True, exist_ok=True)
    forms = list(Maker(pipelines["fp64"]).forms())
    runs = [(form.name, [(form, 1.0)], {}) for form in forms]
    by_name = {form.name: form for form in forms}
    runs.append(("stacked", [(by_name["peft"], 0.7), (by_name["kohya"], -0.4)], {}))
    runs.append(("half", [(by_name["diffusion-model-kohya"], 0.5)], {}))
    runs.append(("blocks", [(by_name["peft"], 0.8)], BLOCK_WEIGHTS))
    runs.append(("stacked-dora", [(by_name["dora-kohya"], 1.0), (by_name["dora-peft"], 1.0)], {}))
    runs.append(("weighted-dora", [(by_name["dora-kohya"], 0.7), (by_name["dora-peft"], -0.5)], {}))
    weights = dict(pipelines["fp64"].transformer.named_parameters())
    for name in ("dora-kohya", "dora-peft"):
        require_peft_agrees(by_name[name], BLOCK[0], weights[BLOCK[0] + ".weight"].data)
    for form in forms:
        save_file(form.tensors, arguments.out / f"{form.name}.safetensors", form.metadata)
    base = reference.run(pipelines["fp64"], request, request["seed"])[0]
    truths, about = {}, []
    for name, uses, parts in runs:
        deltas = {}
        for form, weight in uses:
            for parameter, delta in form.deltas.items():
                deltas[parameter] = deltas.get(parameter, 0) + weight * within(parameter, parts) * delta
        latents = {}
        for precision in reference.PRECISIONS:
            with Merged(pipelines[precision], deltas):
                latents[precision] = reference.run(pipelines[precision], request, request["seed"])[0]
        loads = all(form.loads for form, _ in uses)
        files = [(arguments.out / f"{form.name}.safetensors", weight) for form, weight in uses]
        if loads:
            for precision in ("fp32", "bf16"):
                latents[precision] = unmerged(model, precision, variant, files, request, parts)
        errors = {precision: reference.relative_error(latents[precision], latents["fp64"]) for precision in ("fp32", "bf16")}
        assert errors["fp32"] < 1e-4, f"{name}: diffusers is {errors['fp32']:.1e} away: it does not read this form"
        truths[name] = latents["fp64"].double()
        about.append(
            dict(
                name=name,
                files=[dict(file=file.name, weight=weight) for file, weight in files],
                parts=parts,
                diffusers=loads,
                effect=reference.relative_error(latents["fp64"], base),
                **errors,
            )
        )
        print(about[-1], flush=True)
    save_file({name: tensor.contiguous() for name, tensor in truths.items()}, arguments.out / "truth.safetensors")
    (arguments.out / "lora.json").write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()

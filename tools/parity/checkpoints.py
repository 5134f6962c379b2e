"""Random tiny Z-Image checkpoints, written by diffusers itself."""

import json
import math
import random
from dataclasses import dataclass, field
from pathlib import Path

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM, Qwen3Model

# The part of Qwen3's template that one user message meets.
CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}"
    "{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}"
    "{{- '<think>\\n\\n</think>\\n\\n' }}"
    "{%- endif %}{%- endif %}"
)
QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CORPUS = [
    "user assistant system a red fox in the snow, a small house by the river at night",
    "the quick brown fox jumps over the lazy dog; it's what we'll see, they're there, I've been",
    "一只红色的狐狸在雪地里 一座小房子在河边 夜晚的天空 一张图片 背景是蓝色的",
    "قطة صغيرة على سجادة حمراء في ضوء الصباح",
    "雪の中の赤いキツネ 小さな家 夜の空",
    "photo of 3 cats, 4k, 8k, highly detailed!!! (masterpiece:1.2), --no text\n\n  indented\tline",
]
DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


class Deck:
    """Draws values so that each of a feature's values comes up before any comes up again, each feature for itself."""

    def __init__(self, seed):
        self.seed = seed
        self.left = {}
        self.randoms = {}

    def draw(self, feature, values):
        left = self.left.setdefault(feature, [])
        if not left:
            left.extend(self.random(feature).sample(values, len(values)))
        return left.pop()

    def random(self, feature):
        return self.randoms.setdefault(feature, random.Random(f"{self.seed}/{feature}"))


@dataclass
class Checkpoint:
    """What a checkpoint is like."""

    transformer: dict
    text_encoder: dict
    vae: dict
    scheduler: dict
    vocabulary: int
    dtypes: dict = field(default_factory=dict)
    max_shard_size: str = "10GB"
    variant: str | None = None
    causal_lm_names: bool = False
    old_qwen_config: bool = False
    template_file: bool = True

    @property
    def pixels_per_token(self):
        return 2 ** len(self.vae["block_out_channels"])


def choose(deck, small):
    """Chooses a checkpoint's shape."""
    channels = deck.draw("channels", [16, 4, 16, 3, 8, 5])
    heads = deck.draw("heads", [2, 3, 1, 2] if small else [2, 3, 4, 1, 2])
    axes = deck.draw(
        "axes",
        [(8, 4, 4), (4, 6, 6), (2, 4, 8), (6, 2, 10), (8, 6, 10)]
        if small
        else [(8, 4, 4), (4, 6, 6), (2, 4, 8), (8, 12, 12), (6, 2, 10), (2, 2, 2), (12, 6, 10)],
    )
    if not small and deck.draw("wide", [True] + [False] * 6):
        heads, axes = deck.draw("wide heads", [9, 5]), deck.draw("wide axes", [(16, 24, 24), (8, 12, 12)])
    head_dim = sum(axes)
    hidden = deck.draw("text hidden", [32, 24, 40] if small else [32, 48, 40, 96, 128])
    text_heads, kv_heads = deck.draw("text heads", [(4, 2), (2, 1), (4, 4), (6, 2), (3, 1)])
    groups, widths = deck.draw(
        "vae widths",
        [(4, [8, 8, 12, 16]), (2, [6, 8, 12, 12]), (3, [6, 9, 12, 12]), (1, [5, 10, 10, 10])]
        if small
        else [(4, [8, 16, 16, 24]), (2, [6, 12, 16, 16]), (8, [16, 16, 24, 24]), (1, [5, 10, 15, 15]), (4, [16, 32, 32, 32])],
    )
    levels = deck.draw("vae levels", [4, 2, 3])
    vae_quant, vae_post_quant = deck.draw("quant convs", [(False, False), (True, True), (False, True), (False, False)])
    dynamic = deck.draw("dynamic shifting", [False, True, False, False])
    return Checkpoint(
        transformer=dict(
            in_channels=channels,
            dim=heads * head_dim,
            n_layers=deck.draw("layers", [2, 1, 3] if small else [2, 4, 3, 1, 6]),
            n_refiner_layers=deck.draw("refiners", [2, 1, 0] if not small else [1, 2, 1, 0]),
            n_heads=heads,
            n_kv_heads=heads,
            norm_eps=deck.draw("norm eps", [1e-5, 1e-6, 1e-2, 1e-5]),
            qk_norm=deck.draw("qk norm", [True, False, True]),
            cap_feat_dim=hidden,
            rope_theta=deck.draw("rope theta", [256.0, 10000.0, 100.0]),
            t_scale=deck.draw("t scale", [1000.0, 1000.0, 100.0, 350.0]),
            axes_dims=list(axes),
            axes_lens=[deck.draw("axes lens", [1536, 1024, 640]), 512, 512],
        ),
        text_encoder=dict(
            hidden_size=hidden,
            intermediate_size=deck.draw("intermediate", [64, 100, 72]),
            num_hidden_layers=deck.draw("text layers", [3, 2, 4]),
            num_attention_heads=text_heads,
            num_key_value_heads=kv_heads,
            head_dim=deck.draw("text head dim", [16, 8, 12] if small else [16, 8, 24, 32]),
            attention_bias=deck.draw("attention bias", [False, True, False]),
            rms_norm_eps=deck.draw("text eps", [1e-6, 1e-6, 1e-3]),
            rope_parameters={
                "rope_type": "default",
                "rope_theta": deck.draw("text theta", [1000000.0, 10000.0, 500.0]),
            },
            max_position_embeddings=40960,
            tie_word_embeddings=True,
        ),
        vae=dict(
            in_channels=3,
            out_channels=3,
            latent_channels=channels,
            block_out_channels=widths[:levels],
            down_block_types=["DownEncoderBlock2D"] * levels,
            up_block_types=["UpDecoderBlock2D"] * levels,
            layers_per_block=deck.draw("layers per block", [2, 1, 2] if small else [2, 1, 2, 3]),
            norm_num_groups=groups,
            sample_size=1024,
            scaling_factor=deck.draw("scaling", [0.3611, 1.0, 0.18215, 0.7]),
            shift_factor=deck.draw("shift factor", [0.1159, 0.0, -0.3]),
            use_quant_conv=vae_quant,
            use_post_quant_conv=vae_post_quant,
            mid_block_add_attention=deck.draw("mid attention", [True, True, False]),
            force_upcast=deck.draw("force upcast", [True, False]),
        ),
        scheduler=dict(
            num_train_timesteps=1000,
            shift=deck.draw("shift", [3.0, 1.0, 6.0, 2.2]),
            use_dynamic_shifting=dynamic,
            time_shift_type=deck.draw("shift type", ["exponential", "linear"]) if dynamic else "exponential",
            base_shift=deck.draw("base shift", [0.5, 0.3]),
            max_shift=deck.draw("max shift", [1.15, 2.0]),
            base_image_seq_len=deck.draw("base seq", [256, 16]),
            max_image_seq_len=deck.draw("max seq", [4096, 200]),
            shift_terminal=deck.draw("terminal", [None, None, 0.08, None]),
        ),
        vocabulary=deck.draw("vocabulary", [320, 360, 420] if small else [320, 420, 600]),
        dtypes=dict(
            zip(
                ("transformer", "text_encoder", "vae"),
                deck.draw(
                    "dtypes",
                    [
                        ("BF16", "BF16", "BF16"),
                        ("F16", "F16", "F16"),
                        ("BF16", "F16", "F32"),
                        ("F32", "BF16", "F32"),
                        ("F16", "F32", "BF16"),
                        ("BF16", "F32", "F32") if small else ("F32", "F32", "F32"),
                    ],
                ),
            )
        ),
        max_shard_size=deck.draw("shards", ["10GB", "300KB", "150KB"]),
        variant=deck.draw("variant", [None, None, "fp16", None, "bf16"]),
        causal_lm_names=deck.draw("causal names", [False, True]),
        old_qwen_config=deck.draw("qwen config", [False, True]),
        template_file=deck.draw("template file", [False, True]),
    )


def write(checkpoint, folder, seed):
    """Writes the checkpoint with random weights."""
    folder = Path(folder)
    generator = torch.Generator().manual_seed(seed)
    transformer = ZImageTransformer2DModel(**checkpoint.transformer)
    _fill_transformer(transformer, generator)
    tokenizer = make_tokenizer(checkpoint.vocabulary)
    config = Qwen3Config(vocab_size=len(tokenizer) + 5, **checkpoint.text_encoder)
    text_encoder = Qwen3Model(config)
    _fill_text_encoder(text_encoder, generator)
    vae = AutoencoderKL(**checkpoint.vae)
    _fill_vae(vae, generator)
    pipeline = ZImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(**checkpoint.scheduler),
        vae=vae.to(DTYPES[checkpoint.dtypes["vae"]]),
        text_encoder=text_encoder.to(DTYPES[checkpoint.dtypes["text_encoder"]]),
        tokenizer=tokenizer,
        transformer=transformer.to(DTYPES[checkpoint.dtypes["transformer"]]),
    )
    pipeline.save_pretrained(folder, variant=checkpoint.variant, max_shard_size=checkpoint.max_shard_size)
    if checkpoint.causal_lm_names:
        # The published text encoder was saved with its language head's class: every name starts with "model.".
        for file in (folder / "text_encoder").iterdir():
            file.unlink()
        language_model = Qwen3ForCausalLM(config).to(text_encoder.dtype)
        language_model.model = text_encoder
        language_model.tie_weights()
        language_model.save_pretrained(
            folder / "text_encoder", variant=checkpoint.variant, max_shard_size=checkpoint.max_shard_size
        )
    _name_tokenizer(folder, checkpoint.template_file)
    if checkpoint.old_qwen_config:
        _use_old_names(folder / "text_encoder" / "config.json")


def make_tokenizer(vocabulary):
    """Makes a byte-level BPE tokenizer of Qwen's kind with a small vocabulary."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=1,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens(SPECIAL_TOKENS)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=131072,
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )


def _name_tokenizer(folder, template_file):
    """Names the tokenizer's class as Z-Image does, and maybe its template's place."""
    index = folder / "model_index.json"
    index.write_text(index.read_text().replace('"TokenizersBackend"', '"Qwen2Tokenizer"'))
    file = folder / "tokenizer" / "tokenizer_config.json"
    config = json.loads(file.read_text()) | {"tokenizer_class": "Qwen2Tokenizer"}
    del config["backend"]
    if not template_file:
        config["chat_template"] = CHAT_TEMPLATE
        (folder / "tokenizer" / "chat_template.jinja").unlink()
    file.write_text(json.dumps(config, indent=2) + "\n")


def _use_old_names(file):
    """Writes the names that transformers before version 5 wrote."""
    config = json.loads(file.read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope["rope_theta"]
    config["rope_scaling"] = None
    config["torch_dtype"] = config.pop("dtype")
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def _normal(parameter, generator, scale, mean=0.0):
    with torch.no_grad():
        parameter.copy_(mean + scale * torch.randn(parameter.shape, generator=generator))


def _linear(parameter, generator, gain):
    _normal(parameter, generator, gain / math.sqrt(parameter[0].numel()))


# Gains keep activations near 1, attention far from uniform, and the modulation strong enough to be seen.
def _fill_transformer(model, generator):
    gains = {
        "t_embedder.mlp.0": 1.4,
        "t_embedder.mlp.2": 1.6,
        "adaLN_modulation": 0.5,
        "to_q": 1.0 if model.config.qk_norm else 1.3,
        "to_k": 1.0 if model.config.qk_norm else 1.3,
    }
    for name, parameter in model.named_parameters():
        if name.endswith("pad_token"):
            _normal(parameter, generator, 1.0)
        elif name.endswith(("norm_q.weight", "norm_k.weight")):
            _normal(parameter, generator, 0.3, mean=1.4)
        elif parameter.ndim == 1 and name.endswith("weight"):
            _normal(parameter, generator, 0.25, mean=1.0)
        elif name.endswith("bias"):
            _normal(parameter, generator, 0.25)
        else:
            _linear(parameter, generator, next((gain for part, gain in gains.items() if part in name), 1.0))


def _fill_text_encoder(model, generator):
    for name, parameter in model.named_parameters():
        if name.startswith("embed_tokens"):
            _normal(parameter, generator, 1.0)
        elif name.endswith(("q_norm.weight", "k_norm.weight")):
            _normal(parameter, generator, 0.3, mean=1.4)
        elif name.endswith("bias"):
            _normal(parameter, generator, 0.25)
        elif parameter.ndim == 1:
            _normal(parameter, generator, 0.25, mean=1.0)
        else:
            _linear(parameter, generator, 1.0)


def _fill_vae(model, generator):
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            _normal(parameter, generator, 0.2)
        elif parameter.ndim == 1:
            _normal(parameter, generator, 0.25, mean=1.0)
        elif name.endswith(("to_q.weight", "to_k.weight")):
            _linear(parameter, generator, 1.4)
        elif name == "decoder.conv_out.weight":
            _linear(parameter, generator, 0.5)
        else:
            _linear(parameter, generator, 1.0)

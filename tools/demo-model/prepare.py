"""Makes work/data.npz (the objects' pictures), work/tokenizer/ and nothing else. Needs `npm ci` to have run in this folder."""

import argparse
import io
import json
import os

import numpy as np
import resvg_py
from PIL import Image
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

import world

SIDE = 240  # the largest side at which an object is ever drawn
VOCABULARY = 3072
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHAT = (
    "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}"
    "{%- endif %}"
)


def pictures(things):
    """RGBA, colour multiplied by alpha, one row per object."""
    folder = os.path.join(world.HERE, "node_modules/@iconify-json/noto")
    with open(folder + "/icons.json", encoding="utf-8") as f:
        icons = json.load(f)
    with open(folder + "/chars.json", encoding="utf-8") as f:
        chars = json.load(f)
    rows = []
    for thing in things:
        code = f"{ord(thing.emoji):x}"
        icon = icons["icons"][chars.get(code) or chars[code + "-fe0f"]]
        w, h = icon.get("width", icons.get("width", 16)), icon.get("height", icons.get("height", 16))
        svg = (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="{icon.get("left", 0)} {icon.get("top", 0)} {w} {h}">{icon["body"]}</svg>'
        )
        png = resvg_py.svg_to_bytes(svg_string=svg, width=SIDE, height=SIDE)
        rgba = np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGBA")).astype(np.float32)
        if rgba.shape != (SIDE, SIDE, 4):
            raise ValueError(f"{thing.emoji} was drawn as {rgba.shape}")
        rgba[..., :3] *= rgba[..., 3:] / 255
        rows.append((rgba + 0.5).astype(np.uint8))
    return np.stack(rows)


def words():
    """Words that deserve a token of their own. Merges learnt from a word list never cross Chinese word borders."""
    english, chinese = set("user assistant system a an the of and background drop".split()), set("一 个 的 背景 上 是 在".split())
    lists = [world.EN_AFTER, world.EN_BEFORE, world.EN_LEFT_RIGHT, world.EN_ABOVE_BELOW, world.EN_START, world.EN_FILLER, world.EN_TAIL]
    for text in [t for kinds in lists for t in kinds[0]] + world.EN_LARGE + world.EN_SMALL:
        for word in text.replace("{a}", " ").replace("{b}", " ").replace("{c}", " ").split():
            english.add(word.strip(",.:;"))
    for thing in world.THINGS:
        for name in thing.en:
            english.update(name.split())
        chinese.update(thing.zh)
        chinese.update([thing.measure, "一" + thing.measure])
    for en, zh, _ in world.COLOURS.values():
        english.update(en)
        chinese.update(zh)
    for en, zh in world.KINDS.values():
        english.update(w for text in en for w in text.split())
        chinese.update(zh)
    chinese.update("左边 右边 左侧 右侧 上面 下面 上边 下边 上方 下方 左 右 上 下 大 小 很大的 很小的 巨大的 小小的 超大的 微小的".split())
    chinese.update("上的 上有 画 请画 一张图片 一张图 一幅画 我想要 给我画 图片 生成 背景上的 背景中的 的背景 有 为 里 ： ， 。".split())
    chinese.update(world.ZH_FILLER[0])
    chinese.update(t.strip("，") for t in world.ZH_TAIL[0])
    out = []
    for word in sorted(english - {""}):
        out += [word, " " + word]
    return out + sorted(chinese)


def tokenizer(folder):
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    t.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - 3,
        min_frequency=2,
        special_tokens=[],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    t.train_from_iterator(words() * 3, trainer)
    t.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    os.makedirs(folder, exist_ok=True)
    t.save(folder + "/tokenizer.json", pretty=False)
    config = dict(
        tokenizer_class="Qwen2Tokenizer",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        bos_token=None,
        unk_token=None,
        add_prefix_space=False,
        add_bos_token=False,
        model_max_length=131072,
        clean_up_tokenization_spaces=False,
        split_special_tokens=False,
        chat_template=CHAT,
    )
    with open(folder + "/tokenizer_config.json", "w", encoding="utf-8") as f:
        json.dump(config, f, ensure_ascii=False, indent=2)
    return t


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default=os.path.join(world.HERE, "work"))
    out = parser.parse_args().out
    os.makedirs(out, exist_ok=True)
    t = tokenizer(out + "/tokenizer")
    print("vocabulary", t.get_vocab_size())
    for name, things in (("extras", world.EXTRAS), ("data", world.THINGS)):
        rows = pictures(things)
        np.savez_compressed(f"{out}/{name}.part.npz", pictures=rows)
        os.replace(f"{out}/{name}.part.npz", f"{out}/{name}.npz")
        print(name, rows.shape, os.path.getsize(f"{out}/{name}.npz"), "bytes")

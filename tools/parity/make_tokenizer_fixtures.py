#!/usr/bin/env python3
"""
Makes the tokenizer's fixtures from a folder with Z-Image's tokenizer.json and tokenizer_config.json:

    make_tokenizer_fixtures.py --tokenizer DIR --out DIR

    tokenizer.json.gz   the tokenizer itself
    ids.json.gz         {"texts": [[text, [id, ...]], ...], "prompts": [[prompt, [id, ...]], ...]}: the ids of texts as they
                        stand, from HF tokenizers, and of prompts in the chat template, from transformers
"""

import argparse
import gzip
import json
import os
import random
import unicodedata
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from tokenizers import Tokenizer
from transformers import AutoTokenizer

ENGLISH = """a an the red fox snow quick brown jumps over lazy dog mountain river castle portrait of woman wearing elegant
photorealistic lighting cinematic bokeh masterpiece ultra-detailed don't it's they'll we've I'm you're O'Neill rock'n'roll DON'T
naïve façade coöperate résumé e.g. etc. U.S.A. 35mm f/1.8 4K 8k 1920x1080 #hashtag @user https://example.com/a?b=c&d=%20e
antidisestablishmentarianism supercalifragilisticexpialidocious camelCase snake_case kebab-case SCREAMING_CASE""".split()
CHINESE = "一只红色的狐狸在雪地里奔跑背景是蓝色的夜空月亮很大高清摄影电影质感汉服少女手持灯笼大雁塔霓虹灯，。！？：；“”「」《》、…—·"
TRADITIONAL = "一隻紅色的狐狸在雪地裡奔跑龍鳳臺灣國畫憂鬱的烏龜髮廊繁體字體"
JAPANESE = "雪の中の赤いキツネが走るカタカナひらがな漢字ｶﾀｶﾅ東京タワー夜景がぎぐげござじずぜぞ、。「」ー〜"
KOREAN = "눈 속의 붉은 여우가 달린다 한국어 서울 야경 각꽃뷁"
ARABIC = "ثعلب أحمر في الثلج قطة صغيرة على سجادة مُشَكَّلٌ ٱلْحَمْدُ لله ١٢٣٤ ؟،"
HEBREW = "שועל אדום בשלג שָׁלוֹם"
DEVANAGARI = "बर्फ में लाल लोमड़ी क्षत्रिय हिन्दी १२३"
THAI = "สุนัขจิ้งจอกสีแดงในหิมะ กรุงเทพฯ"
CYRILLIC = "Рыжая лиса в снегу ёлка Ёж съёмка №7 їжак"
GREEK = "Κόκκινη αλεπού στο χιόνι ΟΔΥΣΣΕΥΣ ς"
EMOJI = ["😀", "🦊", "❄️", "👩‍🚀", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇨🇳", "🇩🇪", "👍🏽", "👩🏿‍❤️‍💋‍👩🏻", "1️⃣", "#️⃣", "🫠", "☃", "♥️", "⌚", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🧑‍🎄"]
COMBINING = ["e\u0301", "a\u0300", "n\u0303", "u\u0308", "A\u030a", "s\u0323\u0307", "q\u0307\u0323", "o\u0308\u0304", "\u1100\u1161\u11a8",
             "\u0915\u093c", "\u05e9\u05bc\u05c1", "\u212b", "\u2126", "\ufb01", "\u1e9b\u0323", "\u0344", "\u0958", "\uf900", "\u2adc",
             "\U0001d15e", "\u0041\u0327\u0301", "\u3099か", "か\u3099", "ハ\u309a"]  # fmt: skip
SPACES = [" ", "  ", "   ", "\t", "\n", "\r\n", "\n\n\n", " \n", "\n ", "\u00a0", "\u3000", "\u2003", "\u200b", "\ufeff", "\u2028", "\x85", "\v", "\f", "        "]
CONTROLS = [chr(c) for c in range(32)] + ["\x7f", "\x80", "\x9f", "\u200d", "\u200e", "\u202e", "\ufffd", "\ufffe", "\U0010ffff", "\ue000"]
CODE = ["def f(x):\n    return x**2 + 1  # ok", "for (int i = 0; i < n; ++i) { sum += a[i]; }", "{\"key\": [1, 2.5, null]}", "<div class='a'>&amp;</div>",
        "SELECT * FROM t WHERE a >= 'b';", "$ rm -rf ./build && make -j8", "\\frac{a}{b} \\alpha_{i}^{2}", "a->b::c<d>&&e||!f", "/* c */ // d\t\t# e",
        "(masterpiece:1.2), [lowres], <lora:name:0.8>, {a|b|c}"]  # fmt: skip
SPECIAL = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<think>", "</think>", "<tool_call>", "<|vision_start|>", "<|fim_prefix|>", "<tool_response>",
           "<|im_start", "im_end|>", "<|IM_START|>", "< |im_end|>", "<|unknown|>", "<|im_start|><|im_start|>"]  # fmt: skip


def run_of(rng, letters, most):
    start = rng.randrange(len(letters))
    return letters[start : start + rng.randint(1, most)]


def assigned(code):
    """Says whether a code point has been a character for years, so that no two Unicode tables disagree on it."""
    return unicodedata.ucd_3_2_0.category(chr(code)) not in ("Cn", "Cs")


def random_characters(rng, ranges, most):
    result = []
    while len(result) < most:
        code = rng.randint(*rng.choice(ranges))
        if assigned(code):
            result.append(chr(code))
    return "".join(result)


def make_texts(rng):
    """Returns the texts; each kind is there often enough to hold surprises."""
    texts = ["", *SPACES, *CONTROLS, *EMOJI, *COMBINING, *CODE, *SPECIAL, CHINESE, TRADITIONAL, JAPANESE, KOREAN, ARABIC, HEBREW,
             DEVANAGARI, THAI, CYRILLIC, GREEK]  # fmt: skip
    scripts = [CHINESE, TRADITIONAL, JAPANESE, KOREAN, ARABIC, HEBREW, DEVANAGARI, THAI, CYRILLIC, GREEK]
    for _ in range(300):
        words = [rng.choice(ENGLISH) for _ in range(rng.randint(1, 25))]
        words = [rng.choice([str.lower, str.upper, str.title, str])(word) for word in words]
        texts.append(rng.choice([" ", " ", "  ", ", ", "-"]).join(words))
    for _ in range(300):
        texts.append("".join(run_of(rng, CHINESE, 12) for _ in range(rng.randint(1, 8))))
    for _ in range(300):
        texts.append("".join(run_of(rng, rng.choice(scripts), 10) for _ in range(rng.randint(1, 6))))
    for _ in range(150):
        texts.append("".join(rng.choice(EMOJI + [" ", "fox", "雪"]) for _ in range(rng.randint(1, 12))))
    for _ in range(200):
        texts.append("".join(rng.choice(COMBINING + [" ", "x", "日"]) for _ in range(rng.randint(1, 10))))
    for _ in range(100):
        digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(1, 30)))
        texts.append(rng.choice(["", "-", "$", "¥", "v", "第"]) + digits + rng.choice(["", ".5", "%", "px", "年", "①Ⅳ²½"]))
    for _ in range(150):
        texts.append("".join(rng.choice(SPACES + ["a", "，", "b c"]) for _ in range(rng.randint(1, 12))))
    for _ in range(100):
        texts.append("".join(rng.choice(CONTROLS + ["a", "字", " "]) for _ in range(rng.randint(1, 12))))
    for _ in range(100):
        texts.append(rng.choice(["", " ", "\n"]).join(rng.choice(CODE) for _ in range(rng.randint(1, 4))))
    for _ in range(150):
        pieces = SPECIAL + ["a fox", " ", "狐狸", "\n", "user", "🦊"]
        texts.append("".join(rng.choice(pieces) for _ in range(rng.randint(1, 8))))
    planes = [(0x20, 0x7E), (0xA0, 0x2FF), (0x300, 0x36F), (0x370, 0x1FFF), (0x2000, 0x2BFF), (0x2E80, 0xD7FF), (0xF900, 0xFFEF),
              (0x10300, 0x1D7FF), (0x20000, 0x2A6D6), (0x2F800, 0x2FA1D)]  # fmt: skip
    for _ in range(200):
        texts.append(random_characters(rng, [rng.choice(planes)], rng.randint(1, 20)))
    for _ in range(200):
        texts.append(random_characters(rng, planes, rng.randint(1, 30)))
    texts += ["a" * 3000, " " * 1000, "狐" * 2000, "🦊" * 500, "e\u0301" * 700, "\n" * 300, "1" * 600, "ab " * 1500, "!" * 800, "<|im_end|>" * 200]
    texts += ["".join(rng.choice(ENGLISH + [CHINESE, "🦊", "\n"]) + " " for _ in range(1500))]
    return texts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    tokenizer = Tokenizer.from_file(str(arguments.tokenizer / "tokenizer.json"))
    texts = list(dict.fromkeys(make_texts(rng)))
    chat = AutoTokenizer.from_pretrained(arguments.tokenizer)
    prompts = [text for text in texts if len(text) < 300][::7]
    fixtures = {
        "texts": [[text, tokenizer.encode(text, add_special_tokens=False).ids] for text in texts],
        "prompts": [[prompt, template(chat, prompt)] for prompt in prompts],
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    write(arguments.out / "ids.json.gz", json.dumps(fixtures, separators=(",", ":")).encode())
    write(arguments.out / "tokenizer.json.gz", (arguments.tokenizer / "tokenizer.json").read_bytes())
    print(f"{len(texts)} texts, {len(prompts)} prompts")


def template(chat, prompt):
    """Does as diffusers does."""
    text = chat.apply_chat_template(
        [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True, enable_thinking=True
    )
    return chat(text).input_ids


def write(file, content):
    file.write_bytes(gzip.compress(content, 9, mtime=0))


if __name__ == "__main__":
    main()

"""The small world: its objects, its scenes and what people say about them, in English and Chinese."""

import os
import random
import string

HERE = os.path.dirname(os.path.abspath(__file__))


class Thing:
    """One object: a picture (an emoji) and its names. Names that take no article in English are listed in `bare`."""

    def __init__(self, line):
        self.emoji, self.kind, self.measure, en, zh = line.rstrip("\n").split("\t")
        self.bare = {n[1:] for n in en.split("|") if n[0] == "="}
        self.en = [n.lstrip("=") for n in en.split("|")]
        self.zh = zh.split("|")


def things(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as table:
        return [Thing(line) for line in table if line[0] != "#"]


THINGS = things("objects.tsv")
COUNT = len(THINGS)
EXTRAS = things("extras.tsv")  # what the model never sees; train_lora.py teaches it

# name -> (English words, Chinese words, RGB)
COLOURS = {
    "red": (["red"], ["红色", "红"], (214, 69, 65)),
    "orange": (["orange"], ["橙色", "橘色"], (245, 158, 66)),
    "yellow": (["yellow"], ["黄色", "黄"], (250, 219, 92)),
    "green": (["green"], ["绿色", "绿"], (92, 173, 98)),
    "blue": (["blue"], ["蓝色", "蓝"], (74, 134, 214)),
    "purple": (["purple", "violet"], ["紫色", "紫"], (142, 98, 190)),
    "pink": (["pink"], ["粉色", "粉红色"], (246, 170, 196)),
    "white": (["white"], ["白色", "白"], (252, 252, 252)),
    "gray": (["gray", "grey"], ["灰色", "灰"], (150, 154, 160)),
    "black": (["black"], ["黑色", "黑"], (28, 28, 32)),
}
COLOUR_NAMES = list(COLOURS)
WHITE = COLOUR_NAMES.index("white")
RGB = [COLOURS[c][2] for c in COLOUR_NAMES]
KINDS = {
    "animal": (["an animal", "some animal", "animal"], ["一只动物", "动物", "一个动物"]),
    "plant": (["a plant", "plant"], ["一棵植物", "植物"]),
    "food": (["food", "some food", "something to eat"], ["食物", "一种食物", "吃的东西"]),
    "vehicle": (["a vehicle", "vehicle"], ["交通工具", "一种交通工具"]),
    "face": (["a face", "an emotion"], ["一张脸", "表情"]),
    "thing": (["a thing", "an object"], ["一个东西", "一个物品"]),
}
BY_KIND = {k: [i for i, t in enumerate(THINGS) if t.kind == k] for k in KINDS}

# Scene layouts. "any" is drawn like "single" but the caption names only the kind; "plain" is a background alone.
SINGLE, LARGE, SMALL, LEFT_RIGHT, ABOVE_BELOW, ANY, PLAIN, EMPTY = range(8)
LAYOUT_WEIGHTS = [40, 8, 15, 19, 17, 2.5, 1, 0]
STEP = 16  # pixels to a token of the transformer: objects move by whole tokens, so that each has one look to be learnt


def even(v):
    return int(round(v / 2)) * 2


def object_size(layout, w, h):
    """Side of an object in pixels on a canvas of w x h. An object in the middle begins on a token's border."""
    if layout == LEFT_RIGHT:
        return even(0.9375 * min(w // 2, h))
    if layout == ABOVE_BELOW:
        return even(0.9375 * min(w, h // 2))
    side = min(w, h)
    if layout in (LARGE, SMALL):
        return even((0.9375 if layout == LARGE else 0.46875) * side)
    return side - 2 * STEP * max(1, round(side / 8 / STEP))


def centres(layout, w, h):
    """Cell centres and half extents: (cx, cy, half width, half height) for each object."""
    if layout == LEFT_RIGHT:
        return [(w // 4, h // 2, w // 4, h // 2), (3 * w // 4, h // 2, w // 4, h // 2)]
    if layout == ABOVE_BELOW:
        return [(w // 2, h // 4, w // 2, h // 4), (w // 2, 3 * h // 4, w // 2, h // 4)]
    return [] if layout == PLAIN else [(w // 2, h // 2, w // 2, h // 2)]


def offsets(layout, w, h):
    """How far (in steps) an object may lie from its place: left open by every caption, so seeds differ."""
    s = object_size(layout, w, h)
    return [(int(hw >= s // 2 + STEP), int(hh >= s // 2 + STEP)) for _, _, hw, hh in centres(layout, w, h)]


class Scene:
    """What is to be seen: layout, objects (first is left or above), colour, and the details no caption mentions."""

    __slots__ = ("layout", "objects", "colour", "rgb", "places", "size")

    def __init__(self, layout, objects, colour, w, h, r=None):
        self.layout, self.objects, self.colour = layout, objects, colour
        self.size = object_size(layout, w, h)
        base = RGB[colour]
        self.rgb = base if r is None else shade(base, r)
        self.places = []
        for (cx, cy, _, _), (mx, my) in zip(centres(layout, w, h), offsets(layout, w, h)):
            if r is not None:
                cx, cy = cx + STEP * r.randint(-mx, mx), cy + STEP * r.randint(-my, my)
            self.places.append((cx - self.size // 2, cy - self.size // 2))


def shade(rgb, r):
    light = r.uniform(-12, 12)
    return tuple(min(255.0, max(0.0, c + light + r.uniform(-4, 4))) for c in rgb)


def random_scene(r, w, h, layout=None):
    if layout is None:
        layout = r.choices(range(8), LAYOUT_WEIGHTS)[0]
    colour = WHITE if r.random() < 0.07 else r.randrange(len(RGB))
    n = {PLAIN: 0, LEFT_RIGHT: 2, ABOVE_BELOW: 2}.get(layout, 1)
    return Scene(layout, r.sample(range(COUNT), n), colour, w, h, r)


# ---- wordings. Training uses the first list of each pair, the scores also use the second, which training never sees.
EN_AFTER = (
    [" on a {c} background", " on a {c} background", " on {c}", ", {c} background", " with a {c} background",
     " against a {c} background", " in front of a {c} background", "; background: {c}", ", the background is {c}",
     " on a plain {c} background", ", on a {c} background", " and a {c} background", " on a {c} backdrop",
     " over a {c} background", ", {c} in the background", ", the background being {c}", ", set on {c}", " (background: {c})",
     ", make the background {c}", ", background color {c}", ", with {c} behind", ", the background must be {c}",
     ", in front of {c}", " upon a {c} background", ". The background is {c}", " surrounded by {c}", ", {c} backdrop"],
    [" against a {c} backdrop", ", background in {c}", "; the background should be {c}", " before a {c} background"],
)  # fmt: skip
EN_BEFORE = (
    ["{c} background, ", "{c} background: ", "on a {c} background, ", "{c} background with ", "a {c} background with ",
     "background {c}, ", "on {c}, ", "the background is {c}, ", "against a {c} background, ", "with a {c} background, ",
     "{c} color background, ", "on a {c} backdrop, ", "make the background {c}, ", "in front of {c}, ", "{c} background. ",
     "background color {c}: ", "(background {c}) ", "over a {c} background, "],
    ["{c} backdrop, ", "in front of a {c} background, ", "background: {c}; "],
)  # fmt: skip
EN_LEFT_RIGHT = (
    ["{a} on the left and {b} on the right", "{b} on the right and {a} on the left", "{a} to the left of {b}",
     "{b} to the right of {a}", "{a} left, {b} right", "left: {a}, right: {b}", "on the left {a}, on the right {b}",
     "on the right {b}, on the left {a}", "{a} left of {b}", "{b} right of {a}", "{a} on the left, {b} on the right",
     "{b} on the right, {a} on the left", "{a} at the left and {b} at the right", "right: {b}, left: {a}",
     "{a} on the left side and {b} on the right side", "{a} with {b} to its right", "{b} with {a} to its left",
     "to the left of {b} is {a}", "to the right of {a} is {b}", "on the left is {a} and on the right is {b}",
     "left side: {a}; right side: {b}", "there is {a} left of {b}", "there is {b} on the right and {a} on the left",
     "{a} (left) and {b} (right)", "{b} (right), {a} (left)", "the left one is {a}, the right one is {b}", "left {a}, right {b}",
     "{a} on the left and on the right {b}", "{b} on the right with {a} to the left", "to the right there is {b}, to the left there is {a}",
     "{a} in the left half, {b} in the right half", "{a} is left of {b}", "{b} is to the right of {a}"],
    ["{a} on the left with {b} on the right", "there is {a} on the left and {b} on the right",
     "to the left {a}, to the right {b}", "right {b}, left {a}"],
)  # fmt: skip
EN_ABOVE_BELOW = (
    ["{a} above {b}", "{b} below {a}", "{b} under {a}", "{a} over {b}", "{a} on top of {b}", "{b} beneath {a}",
     "{a} at the top and {b} at the bottom", "{b} at the bottom and {a} at the top", "top: {a}, bottom: {b}",
     "{a} on top and {b} below", "at the top {a}, at the bottom {b}", "{a} at the top, {b} at the bottom", "{a} with {b} below",
     "{b} with {a} above", "above {b} is {a}", "below {a} is {b}", "{a} is above {b}", "{b} is under {a}", "{a} (top) and {b} (bottom)",
     "{b} (bottom), {a} (top)", "{a} in the upper half, {b} in the lower half", "up: {a}, down: {b}", "there is {b} below {a}",
     "{b} underneath {a}", "the upper one is {a}, the lower one is {b}", "there is {a} at the top and {b} at the bottom",
     "at the bottom {b}, at the top {a}", "{b} at the bottom with {a} on top", "top {a}, bottom {b}"],
    ["{a} at the top with {b} at the bottom", "bottom: {b}, top: {a}", "there is {a} above {b}"],
)  # fmt: skip
EN_START = (
    ["a picture of ", "a drawing of ", "an image of ", "draw ", "please draw ", "an icon of ", "an emoji of ",
     "show me ", "a photo of ", "an illustration of ", "picture: ", "there is ", "i want ", "create a picture of ",
     "generate an image of ", "paint ", "could you paint ", "make a drawing of ", "give me ", "a painting of ", "i would like ",
     "a cartoon of ", "this is ", "an emoji: ", "design "],
    ["a sketch of ", "can you draw ", "make an image of "],
)  # fmt: skip
EN_LARGE = ["big", "large", "huge", "giant"]
EN_SMALL = ["small", "little", "tiny", "mini"]
EN_FILLER = (
    ["cute", "nice", "beautiful", "pretty", "simple", "lovely", "cool", "funny", "cartoon", "single", "shiny", "flat",
     "charming", "plain", "bright", "happy", "elegant", "typical", "detailed", "colorful", "modern", "wonderful"],
    ["adorable", "stylish", "gorgeous", "fancy"],
)
EN_TAIL = (
    [", high quality", ", emoji style", ", 4k", ", minimal", ", clean lines", ", icon", ", flat design", " please",
     ", digital art", ", sharp", ", highly detailed", ", simple style", ", clipart", ", sticker", ", good quality", ", thank you"],
    [", masterpiece", ", vector art", ", best quality"],
)
ZH_AFTER = (
    ["，{c}背景", "，{c}背景", "，背景是{c}", "，{c}的背景", "，背景为{c}", "，背景{c}", "，在{c}背景上", "，背景：{c}",
     "，背景颜色是{c}", "，背景要是{c}", "，后面是{c}", "，{c}底", "，背景应该是{c}", "，放在{c}背景上", "。背景是{c}", "，{c}作背景", "（{c}背景）"],
    ["，背景用{c}", "，以{c}为背景", "，背景要{c}的"],
)
ZH_BEFORE = (
    ["{c}背景，", "{c}背景上有", "{c}的背景，", "在{c}背景上，", "背景是{c}，", "背景{c}，", "{c}背景：", "{c}背景里",
     "{c}背景上是", "{c}背景，上面画着", "在{c}的背景上，", "背景颜色是{c}，", "用{c}背景，", "{c}底，", "{c}背景前，", "背景：{c}，", "{c}背景。"],
    ["以{c}为背景，", "{c}背景前面有", "背景为{c}，"],
)
ZH_OF = (["{c}背景上的", "{c}背景的", "{c}背景下的", "{c}背景中的", "在{c}背景上的", "{c}背景里的", "{c}底的"], ["{c}背景前的"])
ZH_LEFT_RIGHT = (
    ["左边是{a}，右边是{b}", "右边是{b}，左边是{a}", "左边{a}右边{b}", "左边{a}，右边{b}", "{a}在{b}的左边",
     "{b}在{a}的右边", "{a}在左边，{b}在右边", "{a}在左，{b}在右", "{b}在右边，{a}在左边", "左侧是{a}，右侧是{b}",
     "左边的是{a}，右边的是{b}", "左面是{a}，右面是{b}", "{a}在左侧，{b}在右侧", "{b}的左侧是{a}", "右边的是{b}，左边的是{a}",
     "画面左边是{a}，画面右边是{b}", "左边放{a}，右边放{b}", "{a}（左），{b}（右）", "{b}在右侧，{a}在左侧", "右：{b}，左：{a}", "左{a}右{b}",
     "{b}右、{a}左", "{a}的右侧有{b}", "左边有{a}，右边有{b}", "{b}的左边是{a}", "{a}的右边是{b}", "{a}在{b}左边", "{b}在{a}右边", "左：{a}，右：{b}"],
    ["{a}位于{b}的左边", "左边画{a}，右边画{b}", "{b}左边有{a}", "右边有{b}，左边有{a}"],
)  # fmt: skip
ZH_ABOVE_BELOW = (
    ["上面是{a}，下面是{b}", "下面是{b}，上面是{a}", "{a}在{b}上面", "{b}在{a}下面", "{a}在{b}的上面", "{b}在{a}的下面",
     "上面的是{a}，下面的是{b}", "上半部分是{a}，下半部分是{b}", "{a}在上方，{b}在下方", "{b}的上方是{a}", "下边是{b}，上边是{a}",
     "上面放{a}，下面放{b}", "{a}（上），{b}（下）", "{b}在下面，{a}在上面", "下：{b}，上：{a}", "上{a}下{b}", "{b}下、{a}上", "{a}的下方有{b}",
     "上边是{a}，下边是{b}", "{a}在上，{b}在下", "{a}在上面，{b}在下面", "{b}的上面是{a}", "{a}的下面是{b}",
     "上方是{a}，下方是{b}", "{a}在{b}上方", "{b}在{a}下方", "上面有{a}，下面有{b}", "上：{a}，下：{b}"],
    ["{a}位于{b}上方", "上面画{a}，下面画{b}", "{b}上面有{a}", "下面有{b}，上面有{a}"],
)  # fmt: skip
ZH_START = (
    ["画", "请画", "一张图片：", "画一张图：", "一幅画：", "我想要", "给我画", "图片：", "生成", "请生成", "我想看", "来一张图：", "一张照片：", "绘制", "给我一张", "这是", "做一张图：", "创作", "有"],
    ["帮我画", "请给我画"],
)
ZH_LARGE = ["一{m}大", "大", "一{m}很大的", "巨大的", "一{m}巨大的", "超大的"]
ZH_SMALL = ["一{m}小", "小", "一{m}很小的", "小小的", "一{m}小小的", "微小的"]
ZH_FILLER = (["可爱的", "漂亮的", "简单的", "卡通", "好看的", "精美的", "有趣的", "迷人的", "普通的", "鲜艳的", "开心的", "优雅的", "闪亮的", "现代的", "帅气的"], ["美丽的", "好玩的"])
ZH_TAIL = (["，高清", "，卡通风格", "，简洁", "，图标", "，扁平风格", "，清晰", "，简单风格", "，数字艺术", "，贴纸", "，细节丰富", "，谢谢", "，好看"], ["，插画风格", "，高质量"])


def article(noun):
    return "an" if noun[0].lower() in "aeiou" and not noun.lower().startswith(("uni", "eu", "one")) else "a"


def gibberish(r):
    """An unknown word, so that unknown words are learnt to be passed over."""
    return "".join(r.choice(string.ascii_lowercase) for _ in range(r.randint(3, 8)))


def gibberish_zh(r):
    return "".join(chr(r.randrange(0x4E00, 0x9000)) for _ in range(r.randint(1, 2))) + "的"


def noun_en(i, r, held, size=None, first=False):
    thing = THINGS[i]
    name = thing.en[0] if first or r.random() < 0.6 else r.choice(thing.en)
    words = [size] if size else []
    if not first and r.random() < (0.2 if held else 0.1):
        words.insert(0, gibberish(r) if r.random() < 0.4 and not held else r.choice(EN_FILLER[held]))
    u = r.random()
    if first:
        u = 0
    noun = " ".join(words + [name])
    if name in thing.bare or u > 0.88:
        return noun
    return (article(noun) if u < 0.8 else "the") + " " + noun


def caption_en(s, r, held=0, first=False):
    """A sentence for the scene. held=1: only wordings kept from training. first=True: the best name of each object."""
    colour = r.choice(COLOURS[COLOUR_NAMES[s.colour]][0])
    start = ""
    if s.layout == PLAIN:
        core = r.choice([f"a {colour} background", f"{colour} background", f"a plain {colour} background",
                         f"nothing but {colour}", f"just {colour}", f"an empty {colour} background"])  # fmt: skip
        return finish(core, r, EN_TAIL[held], ".", 0)
    if s.layout in (LEFT_RIGHT, ABOVE_BELOW):
        a, b = (noun_en(i, r, held, first=first) for i in s.objects)
        core = r.choice((EN_LEFT_RIGHT if s.layout == LEFT_RIGHT else EN_ABOVE_BELOW)[held]).format(a=a, b=b)
        if r.random() < 0.1:
            start = r.choice(EN_START[held])
    else:
        if s.layout == ANY:
            core = r.choice(KINDS[THINGS[s.objects[0]].kind][0])
        else:
            size = {LARGE: EN_LARGE, SMALL: EN_SMALL}.get(s.layout)
            core = noun_en(s.objects[0], r, held, size and r.choice(size), first)
        if r.random() < 0.25:
            start = r.choice(EN_START[held])
    if s.colour == WHITE and r.random() < 0.55 and not held:
        return finish(start + core, r, EN_TAIL[held], ".", 0.05)
    if r.random() < 0.72:
        core = start + core + r.choice(EN_AFTER[held])
    else:
        core = r.choice(EN_BEFORE[held]) + core
    core = core.replace("a {c}", article(colour) + " {c}").replace("{c}", colour)
    return finish(core, r, EN_TAIL[held], ".", 0.05)


def finish(text, r, tails, stop, tail):
    if r.random() < tail:
        text += ", " + gibberish(r) if r.random() < 0.15 and stop == "." else r.choice(tails)
    u = r.random()
    if u < 0.12:
        text = text[0].upper() + text[1:]
    elif u < 0.14:
        text = text.lower()
    return text + stop if r.random() < 0.12 else text


def noun_zh(i, r, held, size=None, first=False):
    thing = THINGS[i]
    name = thing.zh[0] if first or r.random() < 0.6 else r.choice(thing.zh)
    if not first and r.random() < (0.2 if held else 0.1):
        name = (gibberish_zh(r) if r.random() < 0.3 and not held else r.choice(ZH_FILLER[held])) + name
    if size:
        return size.format(m=thing.measure) + name
    u = r.random()
    return ("一" + thing.measure if u < 0.45 else "一个" if u < 0.55 else "一" if u < 0.58 else "") + name


def caption_zh(s, r, held=0, first=False):
    colour = r.choice(COLOURS[COLOUR_NAMES[s.colour]][1])
    long_colour = colour if colour.endswith("色") else colour + "色"
    start = ""
    if s.layout == PLAIN:
        core = r.choice([f"{colour}背景", f"纯{long_colour}背景", f"只有{long_colour}背景", f"空白的{long_colour}背景"])
        return finish(core, r, ZH_TAIL[held], "。", 0)
    two = s.layout in (LEFT_RIGHT, ABOVE_BELOW)
    if two:
        a, b = (noun_zh(i, r, held, first=first) for i in s.objects)
        core = r.choice((ZH_LEFT_RIGHT if s.layout == LEFT_RIGHT else ZH_ABOVE_BELOW)[held]).format(a=a, b=b)
    elif s.layout == ANY:
        core = r.choice(KINDS[THINGS[s.objects[0]].kind][1])
    else:
        size = {LARGE: ZH_LARGE, SMALL: ZH_SMALL}.get(s.layout)
        core = noun_zh(s.objects[0], r, held, size and r.choice(size), first)
    if r.random() < (0.1 if two else 0.25):
        start = r.choice(ZH_START[held])
    if s.colour == WHITE and r.random() < 0.55 and not held:
        core = start + core
    else:
        u = r.random()
        if u < 0.4:
            core = start + core + r.choice(ZH_AFTER[held]).format(c=colour if r.random() < 0.3 else long_colour)
        elif u < 0.7 or two:
            core = start + r.choice(ZH_BEFORE[held]).format(c=colour if r.random() < 0.3 else long_colour) + core
        else:
            core = start + r.choice(ZH_OF[held]).format(c=colour if r.random() < 0.3 else long_colour) + core
    core = finish(core, r, ZH_TAIL[held], "。", 0.05)
    u = r.random()
    if u < 0.06:
        core = core.replace("，", ",")
    elif u < 0.1:
        core = core.replace("，", " ")
    return core


def caption(s, r):
    """A training caption: English, Chinese, or both."""
    u = r.random()
    if u < 0.46:
        return caption_en(s, r)
    if u < 0.92:
        return caption_zh(s, r)
    pair = [caption_zh(s, r), caption_en(s, r)]
    if u > 0.98:
        pair.reverse()
    return r.choice([" // ", " // ", "//", " / "]).join(pair)


def template(prompt):
    """The chat form in which Z-Image's text encoder sees a prompt."""
    return f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"


if __name__ == "__main__":
    rnd = random.Random(0)
    for _ in range(40):
        scene = random_scene(rnd, 128, 128)
        print(scene.layout, [THINGS[i].emoji for i in scene.objects], COLOUR_NAMES[scene.colour], caption(scene, rnd))

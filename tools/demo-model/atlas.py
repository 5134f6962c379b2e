"""Writes what tests of meaning compare pictures with: every object at 48 x 48 pixels, and the names of objects and colours."""

import argparse
import os

import numpy as np
import torch
from PIL import Image

import world
from pictures import Painter

CELL, COLUMNS = 48, 16


def atlas(painter):
    """RGBA with straight alpha, in the order of objects.tsv, row by row."""
    small = painter.objects(CELL).float()
    alpha = small[..., 3:]
    rgba = torch.cat([small[..., :3] / alpha.clamp(min=1 / 255), alpha], -1).clamp(0, 1)
    sheet = torch.zeros(-(-world.COUNT // COLUMNS) * CELL, COLUMNS * CELL, 4)
    for k, cell in enumerate(rgba):
        y, x = k // COLUMNS * CELL, k % COLUMNS * CELL
        sheet[y : y + CELL, x : x + CELL] = cell
    sheet[sheet[..., 3] < 0.5 / 51] = 0
    return (sheet * 51).round().mul(5).byte().numpy()  # 52 levels: half the bytes, and no difference to a comparison


def table(path, head, rows):
    with open(path, "w", encoding="utf-8") as f:
        for row in [head, *rows]:
            f.write("\t".join(str(v) for v in row) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", default=os.path.join(world.HERE, "work"))
    parser.add_argument("--to", default=os.path.join(world.HERE, "../../zimage-examples/src/test/resources/demo"))
    a = parser.parse_args()
    os.makedirs(a.to, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(atlas(Painter(a.work + "/data.npz", torch.device("cpu"))))).save(a.to + "/atlas.png", optimize=True)
    table(a.to + "/objects.tsv", ("emoji", "kind", "en", "zh"), [(t.emoji, t.kind, t.en[0], t.zh[0]) for t in world.THINGS])
    table(a.to + "/colours.tsv", ("name", "en", "zh", "r", "g", "b"), [(n, en[0], zh[0], *rgb) for n, (en, zh, rgb) in world.COLOURS.items()])

"""Paints scenes, many at a time, on the CPU or a GPU."""

import numpy as np
import torch
import torch.nn.functional as F

import world


class Painter:
    def __init__(self, data, device):
        rgba = torch.from_numpy(np.load(data)["pictures"]).to(device)
        if len(rgba) != world.COUNT:
            raise ValueError(f"{data} holds {len(rgba)} pictures but objects.tsv names {world.COUNT}: run prepare.py again")
        self.source = rgba.permute(0, 3, 1, 2).float().div_(255)
        self.device = device
        self.sizes = {}

    def objects(self, size):
        """All objects at a size: [count, size, size, 4], colour multiplied by alpha."""
        if size not in self.sizes:
            small = F.interpolate(self.source, size=(size, size), mode="bicubic", antialias=True, align_corners=False)
            alpha = small[:, 3:].clamp(0, 1)
            small = torch.cat([torch.minimum(small[:, :3].clamp(min=0), alpha), alpha], 1)
            self.sizes[size] = small.permute(0, 2, 3, 1).contiguous().half()
        return self.sizes[size]

    def paint(self, rgb, size, count, index, place, w, h):
        """rgb [n, 3] in 0..255; size, count [n]; index [n, 2]; place [n, 2, 2] as x, y. Gives [n, 3, h, w] in -1..1."""
        canvas = rgb.to(self.device).float().div(255)[:, None, None, :].expand(-1, h, w, -1).clone()
        for s in size.unique().tolist():
            sprites = self.objects(s)
            steps = torch.arange(s, device=self.device)
            for k in range(2):
                rows = ((size == s) & (count > k)).nonzero()[:, 0]
                if len(rows):
                    at = place[rows, k].to(self.device)
                    b = rows.to(self.device)[:, None, None]
                    y, x = at[:, 1, None, None] + steps[:, None], at[:, 0, None, None] + steps
                    top = sprites[index[rows, k].to(self.device)].float()
                    canvas[b, y, x] = canvas[b, y, x] * (1 - top[..., 3:]) + top[..., :3]
        return canvas.permute(0, 3, 1, 2).mul(2).sub(1)

    def scenes(self, scenes, w, h):
        return self.paint(*pack(scenes), w, h)


def pack(scenes):
    """Scenes as tensors, in the order of Painter.paint's arguments."""
    pad = [0, 0]
    index = [(s.objects + pad)[:2] for s in scenes]
    place = [(s.places + [pad, pad])[:2] for s in scenes]
    size, count = [s.size for s in scenes], [len(s.objects) for s in scenes]
    return torch.tensor([s.rgb for s in scenes]).float(), *(torch.tensor(v) for v in (size, count, index, place))

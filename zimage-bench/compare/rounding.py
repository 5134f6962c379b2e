"""Says how much error rounding to 8 bits makes in a block of Z-Image's size, however it is computed.

    python rounding.py MODEL

The context refiner's first block, of random rows, in FP32; then again with the weights of its products rounded by output channel, and the rows that go
into them by row, to 8 bits each, and everything else still in FP32. Neighbours are turned before `w2`, as zimage does. Prints the relative error of what the
block gives and of what it adds to its input: with all products rounded, and with some of them left as they are.
"""

import argparse
import math
import pathlib

import torch
from safetensors import safe_open

BLOCK = "context_refiner.0."
ROWS, DIM, HEADS, HEAD_DIM, TURNED = 1088, 3840, 30, 128, 256
ATTENTION = ("attention.to_q", "attention.to_k", "attention.to_v", "attention.to_out.0")
FEED_FORWARD = ("feed_forward.w1", "feed_forward.w3", "feed_forward.w2")
LEFT = {
    "all": (),
    "all but to_q, to_k": ATTENTION[:2],
    "all but to_v, to_out.0": ATTENTION[2:],
    "all but w1, w3": FEED_FORWARD[:2],
    "all but w2": FEED_FORWARD[2:],
}


def weights(model):
    found = {}
    for path in sorted(pathlib.Path(model, "transformer").glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            found.update((name[len(BLOCK):], file.get_tensor(name).float()) for name in file.keys() if name.startswith(BLOCK))
    return found


def hadamard(size):
    matrix = torch.ones(1, 1)
    while matrix.shape[0] < size:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    return matrix / math.sqrt(size) * torch.where(torch.rand(size) < 0.5, -1.0, 1.0)


def rounded(x):
    scale = x.abs().amax(-1, keepdim=True) / 127
    return (x / scale).round() * scale


def rms_norm(x, weight):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * weight


class Block:
    def __init__(self, model):
        self.weights = weights(model)
        self.rotation = hadamard(TURNED)
        angles = torch.randn(ROWS, 1, HEAD_DIM // 2)
        self.rotary = torch.polar(torch.ones_like(angles), angles)

    def turned(self, x):
        return (x.view(-1, TURNED) @ self.rotation.t()).view(x.shape)

    def product(self, x, name, as_they_are):
        weight = self.weights[name + ".weight"]
        if name.endswith("w2"):
            x, weight = self.turned(x), self.turned(weight)
        if name not in as_they_are:
            x, weight = rounded(x), rounded(weight)
        return x @ weight.t()

    def head(self, x, norm):
        x = rms_norm(x.view(ROWS, HEADS, HEAD_DIM), self.weights[norm + ".weight"])
        pairs = torch.view_as_complex(x.reshape(ROWS, HEADS, HEAD_DIM // 2, 2))
        return torch.view_as_real(pairs * self.rotary).flatten(2).transpose(0, 1)  # [H, S, D]

    def __call__(self, x, as_they_are):
        w = self.weights
        normed = rms_norm(x, w["attention_norm1.weight"])
        q, k, v = (self.product(normed, name, as_they_are) for name in ATTENTION[:3])
        scores = self.head(q, "attention.norm_q") @ self.head(k, "attention.norm_k").transpose(1, 2) / math.sqrt(HEAD_DIM)
        attended = (scores.softmax(-1) @ v.view(ROWS, HEADS, HEAD_DIM).transpose(0, 1)).transpose(0, 1).reshape(ROWS, DIM)
        x = x + rms_norm(self.product(attended, ATTENTION[3], as_they_are), w["attention_norm2.weight"])
        normed = rms_norm(x, w["ffn_norm1.weight"])
        gate, up = (self.product(normed, name, as_they_are) for name in FEED_FORWARD[:2])
        hidden = torch.nn.functional.silu(gate) * up
        return x + rms_norm(self.product(hidden, FEED_FORWARD[2], as_they_are), w["ffn_norm2.weight"])


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    model = parser.parse_args().model
    torch.manual_seed(0)
    block = Block(model)
    x = torch.randn(ROWS, DIM)
    exact = block(x, ATTENTION + FEED_FORWARD)
    for name, as_they_are in LEFT.items():
        error = (block(x, as_they_are) - exact).norm()
        print(f"{name}: {100 * error / exact.norm():.2f} % of what the block gives, {100 * error / (exact - x).norm():.2f} % of what it adds")


if __name__ == "__main__":
    main()

"""What the two training scripts share."""

import os
import time

import torch


def save(state, path):
    """All or nothing: a training run that is killed leaves the last whole checkpoint."""
    torch.save(state, path + ".part")
    os.replace(path + ".part", path)


class Clock:
    """How far training is, by time or by steps, over all the runs that it took."""

    def __init__(self, minutes, steps, stop_minutes, elapsed=0.0, step=0):
        if not minutes and not steps:
            raise ValueError("give --minutes or --steps: how long to train in all")
        self.total, self.steps = (minutes or 0) * 60, steps
        self.begin, self.elapsed, self.step = time.time(), elapsed, step
        self.stop = stop_minutes and self.begin + stop_minutes * 60

    def seconds(self):
        return self.elapsed + time.time() - self.begin

    def progress(self):
        return min(1.0, self.step / self.steps if self.steps else self.seconds() / self.total)

    def paused(self):
        return bool(self.stop) and time.time() > self.stop


class Average:
    """Exponential moving average of parameters."""

    def __init__(self, params, decay, values=None):
        self.params, self.decay = list(params), decay
        self.values = values or [p.detach().clone().float() for p in self.params]

    @torch.no_grad()
    def update(self, step):
        d = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.values, [p.detach() for p in self.params], 1 - d)

    @torch.no_grad()
    def swap(self):
        for p, v in zip(self.params, self.values):
            keep = p.detach().clone()
            p.copy_(v)
            v.copy_(keep)


class Muon(torch.optim.Optimizer):
    """Momentum whose matrix update is made orthogonal (Newton-Schulz); matrices of one shape go together in one batch."""

    def __init__(self, params, lr, momentum=0.95, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            shapes = {}
            for p in group["params"]:
                if p.grad is not None:
                    shapes.setdefault(tuple(p.shape), []).append(p)
            for (rows, cols), params in shapes.items():
                moments = []
                for p in params:
                    state = self.state[p]
                    if "moment" not in state:
                        state["moment"] = torch.zeros_like(p)
                    moments.append(state["moment"])
                grads = [p.grad for p in params]
                torch._foreach_lerp_(moments, grads, 1 - group["momentum"])
                g = torch.stack(grads).lerp(torch.stack(moments), group["momentum"])
                tall = rows > cols
                x = (g.mT if tall else g).bfloat16()
                x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
                for _ in range(5):
                    a = x @ x.mT
                    x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
                x = (x.mT if tall else x).float()
                torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
                # 0.2 sqrt(larger side): updates as large as AdamW's
                torch._foreach_add_(params, list(x.unbind(0)), alpha=-group["lr"] * 0.2 * max(rows, cols) ** 0.5)


def to(state, device):
    if isinstance(state, torch.Tensor):
        return state.to(device)
    if isinstance(state, dict):
        return {k: to(v, device) for k, v in state.items()}
    if isinstance(state, list):
        return [to(v, device) for v in state]
    return state


def thrifty(state):
    """Optimizer state in bf16 where that is enough: a checkpoint half as large."""
    if isinstance(state, torch.Tensor):
        return state.bfloat16() if state.is_floating_point() and state.numel() > 1 else state
    if isinstance(state, dict):
        return {k: thrifty(v) for k, v in state.items()}
    if isinstance(state, list):
        return [thrifty(v) for v in state]
    return state

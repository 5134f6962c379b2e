#!/usr/bin/env python3
"""
Makes zimage-core/src/test/resources/samplers.json: where samplers lead with given velocities and noise, and noise levels of schedules.

    make_sampler_fixtures.py --out FILE

Velocities are random numbers, so no model is needed: what is compared is the sampler alone. Euler, LCM and UniPC come from diffusers; the
others, which diffusers has in other forms, are computed here in float64 from the formulas of their papers in the half-logarithm notation.

    levels [N + 1], start [E], velocity [2 N, E], noise [2 N, E]
    NAME [N, E]                  the latents after each step; samplers with two evaluations a step use two velocities for it
    schedule.NAME.N [N]          noise levels of a schedule of ComfyUI with shift 3
"""

import argparse
import json
import math
from unittest import mock

import diffusers
import numpy as np
import torch
from scipy import stats

N, ELEMENTS, SHIFT = 8, 12, 3.0


def shifted(u):
    return SHIFT * u / (1 + (SHIFT - 1) * u)


def diffusers_steps(scheduler, levels, start, velocity, noise=None):
    """The latents after each step. The pipeline negates what the transformer says, so that it points from picture to noise."""
    x, out = start[None], []
    for i, t in enumerate(scheduler.timesteps):
        draw = lambda *a, **k: noise[i][None]  # noqa: E731
        with mock.patch("diffusers.schedulers.scheduling_flow_match_lcm.randn_tensor", draw):
            x = scheduler.step(-velocity[i][None], t, x, return_dict=False)[0]
        out.append(x[0])
    return torch.stack(out)


def euler(levels, start, velocity):
    s = diffusers.FlowMatchEulerDiscreteScheduler(shift=1.0)
    s.set_timesteps(sigmas=levels[:-1].tolist())
    assert np.allclose(s.sigmas, levels, atol=1e-7)
    return diffusers_steps(s, levels, start, velocity)


def lcm(levels, start, velocity, noise):
    s = diffusers.FlowMatchLCMScheduler(shift=1.0)
    s.set_timesteps(N, sigmas=levels[:-1].tolist())
    assert np.allclose(s.sigmas, levels, atol=1e-7)
    return diffusers_steps(s, levels, start, velocity, noise)


def uni_pc(levels, start, velocity):
    s = diffusers.UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, solver_order=2, solver_type="bh2")
    s.set_timesteps(N, sigmas=levels[:-1].astype(np.float32))
    assert np.allclose(s.sigmas, levels, atol=2e-6)
    return diffusers_steps(s, levels, start, velocity)


def heun(levels, start, velocity):
    x, out, k = start, [], 0
    for a, b in zip(levels, levels[1:]):
        d = -velocity[k]
        k += 1
        if b > 0:
            d = (d - velocity[k]) / 2
            k += 1
        x = x + (b - a) * d
        out.append(x)
    return torch.stack(out)


def dpmpp_2m(levels, start, velocity):
    x, out, old = start, [], None
    for i in range(N):
        a, b = levels[i], levels[i + 1]
        now = x + a * velocity[i]
        if b == 0 or old is None:
            d = now
        else:
            h, last = math.log(a / b), math.log(levels[i - 1] / a)
            r = last / h
            d = (1 + 1 / (2 * r)) * now - 1 / (2 * r) * old
        x = b / a * x - math.expm1(math.log(b / a) if b else -math.inf) * d
        old = now
        out.append(x)
    return torch.stack(out)


def res_multistep(levels, start, velocity):
    x, out, old = start, [], None
    for i in range(N):
        a, b = levels[i], levels[i + 1]
        now = x + a * velocity[i]
        if b == 0 or old is None:
            x = x + (b - a) * (x - now) / a
        else:
            h, c2 = math.log(a / b), math.log(a / levels[i - 1]) / math.log(a / b)
            phi1 = math.expm1(-h) / -h
            phi2 = (phi1 - 1) / -h
            x = math.exp(-h) * x + h * ((phi1 - phi2 / c2) * now + phi2 / c2 * old)
        old = now
        out.append(x)
    return torch.stack(out)


def euler_ancestral(levels, start, velocity, noise):
    x, out = start, []
    for i in range(N):
        a, b = levels[i], levels[i + 1]
        down = b * (1 + (b / a - 1) * 1.0)
        x = x - (down - a) * velocity[i]
        if b > 0:
            k = (1 - b) / (1 - down)
            x = k * x + noise[i] * math.sqrt(b**2 - (down * k) ** 2)
        out.append(x)
    return torch.stack(out)


def dpmpp_sde(levels, start, velocity, noise):
    """With lambda = ln((1 - sigma) / sigma); the level 1 is taken for 1 - 1e-4 after the shift."""
    top, x, out = 0.99996666, start, []
    ratio = lambda s: min(s, top) / (1 - min(s, top))  # noqa: E731

    def move(x, picture, a, b, n):
        lam_a, lam_b = -math.log(ratio(a)), -math.log(ratio(b))
        va, vb = math.exp(-lam_a), math.exp(-lam_b)
        up = min(vb, (vb**2 * (va**2 - vb**2) / va**2) ** 0.5)
        down = (vb**2 - up**2) ** 0.5
        h = -math.log(down) - lam_a
        alpha_a, alpha_b = 1 - min(a, top), 1 - b
        return alpha_b / alpha_a * math.exp(-h) * x - alpha_b * math.expm1(-h) * picture + alpha_b * up * n

    for i in range(N):
        a, b = levels[i], levels[i + 1]
        now = x + a * velocity[2 * i]
        if b == 0:
            x = now
        else:
            middle = 1 / (1 + math.exp(-(math.log(ratio(a)) + math.log(ratio(b))) / 2))
            n1, n2 = noise[2 * i], noise[2 * i + 1]
            between = move(x, now, a, middle, n1)
            second = between + middle * velocity[2 * i + 1]
            w1, w2 = a - middle, middle - b
            x = move(x, second, a, b, (n1 * w1**0.5 + n2 * w2**0.5) / (w1 + w2) ** 0.5)
        out.append(x)
    return torch.stack(out)


def schedules(n):
    low = shifted(1 / 1000)
    spread = np.linspace(0, 1, n) if n > 1 else np.zeros(1)
    table = shifted(np.arange(1, 1001) / 1000)
    return {
        "sgm_uniform": shifted(np.linspace(1, low, n + 1)[:-1]),
        "normal": shifted(np.linspace(1, low, n)) if n > 1 else np.ones(1),
        "beta": table[np.rint(stats.beta.ppf(1 - np.linspace(0, 1, n, endpoint=False), 0.6, 0.6) * 999).astype(int)],
        "karras": (1 + spread * (low ** (1 / 7) - 1)) ** 7,
        "exponential": np.exp(spread * math.log(low)),
        "kl_optimal": np.tan(spread * math.atan(low) + (1 - spread) * math.atan(1)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    a = parser.parse_args()
    levels = np.append(shifted(1 - np.arange(N) / N), 0).astype(np.float32).astype(np.float64)
    g = torch.Generator().manual_seed(7)
    draw = lambda *shape: torch.randn(*shape, generator=g).double()  # noqa: E731
    start, velocity, noise = draw(ELEMENTS), draw(2 * N, ELEMENTS), draw(2 * N, ELEMENTS)
    single = lambda f, *rest: f(levels, start.float(), velocity.float(), *[r.float() for r in rest])  # noqa: E731
    tensors = {
        "levels": torch.tensor(levels), "start": start, "velocity": velocity, "noise": noise,
        "euler": single(euler), "lcm": single(lcm, noise), "uni_pc": single(uni_pc),
        "heun": heun(levels, start, velocity), "dpmpp_2m": dpmpp_2m(levels, start, velocity),
        "res_multistep": res_multistep(levels, start, velocity),
        "euler_ancestral": euler_ancestral(levels, start, velocity, noise),
        "dpmpp_sde": dpmpp_sde(levels, start, velocity, noise),
    }  # fmt: skip
    for n in (1, 2, 8, 9, 28):
        tensors.update({f"schedule.{name}.{n}": torch.tensor(v) for name, v in schedules(n).items()})
    with open(a.out, "w", encoding="ascii") as file:
        values = {name: tensor.double().tolist() for name, tensor in tensors.items()}
        json.dump({"diffusers": diffusers.__version__} | values, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()

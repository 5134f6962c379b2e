"""Trains the autoencoder. Resumes by itself from out/vae.state; leaves the averaged weights in out/vae.pt."""

import argparse
import os
import random
import time

import numpy as np
import torch
from PIL import Image

import world
from common import Average, Clock, save
from model import Vae, parameters
from pictures import Painter, pack


def crops(r, painter, n, device):
    """Pictures of 128 x 128: whole scenes of that size, and windows of larger ones."""
    w, h = r.choice([(128, 128)] * 6 + [(192, 192), (256, 256), (128, 192), (192, 128), (160, 160)])
    x = painter.paint(*pack([world.random_scene(r, w, h) for _ in range(n)]), w, h)
    top, left = 8 * r.randint(0, (h - 128) // 8), 8 * r.randint(0, (w - 128) // 8)
    return x[:, :, top : top + 128, left : left + 128].contiguous()


KL = 1.5e-3  # large enough that latents keep no detail that the transformer could not foretell
NOISE = 0.3  # of the latents' deviation, at most


def loss_of(vae, x, noise, extra):
    moments = vae.encoder(x).float()
    mean, log_var = moments.chunk(2, 1)
    log_var = log_var.clamp(-20, 10)
    dev = torch.exp(0.5 * log_var)
    # What the transformer draws is never exact: the decoder learns to put up with noise in half of the pictures.
    y = vae.decoder(mean + dev * noise + extra).float()
    d = y - x
    edges = (d[:, :, 1:] - d[:, :, :-1]).abs().mean() + (d[:, :, :, 1:] - d[:, :, :, :-1]).abs().mean()
    kl = 0.5 * (mean.pow(2) + dev.pow(2) - 1 - log_var).mean()
    mse = d.pow(2).mean()
    return d.abs().mean() + 0.5 * edges + mse + KL * kl, mse, kl, mean


@torch.no_grad()
def judge(vae, painter, device, sheet):
    """PSNR on fresh scenes, the latents' statistics, and a picture: originals above, decoded below."""
    r = random.Random(5)
    means, psnr = [], {}
    for w, h in ((128, 128), (96, 96), (192, 128), (256, 256)):
        x = painter.scenes([world.random_scene(r, w, h) for _ in range(256)], w, h)
        y = torch.cat([vae.decoder(vae.encoder(p).chunk(2, 1)[0]).float().clamp(-1, 1) for p in x.split(32)])
        psnr[f"{w}x{h}"] = float(10 * np.log10(4 / (y - x).pow(2).mean().item()))
        if (w, h) == (128, 128):
            means = torch.cat([vae.encoder(p).float().chunk(2, 1)[0] for p in x.split(32)])
            for k, name in ((1, "worst"), (0, "first")):
                order = (y - x).pow(2).mean((1, 2, 3)).argsort(descending=True)[:16] if k else torch.arange(16)
                rows = torch.stack([x[order], y[order]]).cpu().permute(0, 3, 1, 4, 2).reshape(256, 16 * 128, 3)
                Image.fromarray(((rows + 1) * 127.5).round().byte().numpy()).save(f"{sheet}-{name}.png")
    channel = means.std((0, 2, 3))
    print("psnr", {k: round(v, 2) for k, v in psnr.items()}, "latents", round(means.mean().item(), 4),
          round(means.std().item(), 4), "channels", [round(c, 2) for c in channel.tolist()], flush=True)  # fmt: skip
    return means.mean().item(), means.std().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=os.path.join(world.HERE, "work/data.npz"))
    parser.add_argument("--out", default=os.path.join(world.HERE, "out"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, help="train this long in all")
    parser.add_argument("--steps", type=int, help="or this many steps")
    parser.add_argument("--stop-after", type=float, help="pause after so many minutes; the same command goes on")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--compile", action="store_true")
    a = parser.parse_args()
    os.makedirs(a.out, exist_ok=True)
    device = torch.device(a.device)
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)
    vae = Vae().to(device)
    if device.type == "cuda":
        vae = vae.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=a.rate, betas=(0.9, 0.99), weight_decay=0, fused=device.type == "cuda")
    average = Average(vae.parameters(), 0.999)
    path, elapsed, step = a.out + "/vae.state", 0.0, 0
    if os.path.exists(path):
        state = torch.load(path, map_location=device, weights_only=True)
        vae.load_state_dict(state["vae"])
        optimizer.load_state_dict(state["optimizer"])
        average.values = state["average"]
        elapsed, step = state["elapsed"], state["step"]
        print("resumed at step", step, flush=True)
    painter = Painter(a.data, device)
    clock = Clock(a.minutes, a.steps, a.stop_after, elapsed, step)
    print("parameters", parameters(vae), "of which decoder", parameters(vae.decoder), flush=True)
    fn, shown, saved, deviation = loss_of, time.time(), time.time(), 1.0
    if a.compile:
        fn = torch.compile(loss_of, dynamic=False)

    def checkpoint():
        save(dict(vae=vae.state_dict(), optimizer=optimizer.state_dict(), average=average.values,
                  elapsed=clock.seconds(), step=clock.step), path)  # fmt: skip

    first = clock.step
    while clock.progress() < 1 and not clock.paused():
        r = random.Random(1000003 + clock.step)
        p = clock.progress()
        rate = a.rate * min(1, (clock.step + 1) / 200) * (1 if p < 0.3 else max(0.01, 1 - (p - 0.3) / 0.7))
        for group in optimizer.param_groups:
            group["lr"] = rate
        x = crops(r, painter, a.batch, device)
        if device.type == "cuda":
            x = x.contiguous(memory_format=torch.channels_last)
        noise = torch.randn(len(x), 16, 16, 16, device=device)
        extra = torch.randn_like(noise) * (torch.rand(len(x), 1, 1, 1, device=device) - 0.5).clamp(min=0) * 2 * NOISE * deviation
        try:
            with torch.autocast(device.type, torch.bfloat16):
                loss, mse, kl, mean = fn(vae, x, noise, extra)
            loss.backward()
        except Exception as e:
            if fn is loss_of:
                raise
            print("compiled step failed, going on without:", str(e)[:300], flush=True)
            fn = loss_of
            optimizer.zero_grad()
            continue
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        clock.step += 1
        average.update(clock.step)
        if clock.step % 50 == 0 or clock.step < 3:
            deviation = mean.detach().std().item()
        if time.time() - shown > 20 or clock.step - first in (1, 10):
            shown = time.time()
            print(f"{clock.seconds():.0f}s step {clock.step} psnr {10 * np.log10(4 / mse.item()):.2f} kl {kl.item():.2f} "
                  f"deviation {deviation:.2f} {(clock.step - first) * a.batch / (time.time() - clock.begin):.0f}/s", flush=True)  # fmt: skip
        if time.time() - saved > 120:
            saved = time.time()
            checkpoint()
    checkpoint()
    average.swap()
    shift, dev = judge(vae.eval(), painter, device, a.out + "/vae")
    state = {k: v.cpu() for k, v in vae.state_dict().items()}
    save(dict(vae=state, scale=round(1 / dev, 4), shift=round(shift, 4), steps=clock.step), a.out + "/vae.pt")
    print("done" if clock.progress() >= 1 else "paused", "at step", clock.step, flush=True)


if __name__ == "__main__":
    main()

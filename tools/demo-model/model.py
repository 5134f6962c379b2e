"""The three networks in plain PyTorch, with the parameter names and the arithmetic of diffusers' AutoencoderKL and
ZImageTransformer2DModel and transformers' Qwen3Model (check.py compares them). The transformer takes whole batches in which
every caption has the same number of slots: many times faster to train than the original, which takes lists."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

VOCABULARY = 3072
SLOTS = 32  # captions and pictures are padded to a multiple of this many tokens


# ---------------------------------------------------------------------------------------------------- text encoder
TEXT = dict(
    vocab_size=VOCABULARY,
    hidden_size=128,
    intermediate_size=384,
    num_hidden_layers=4,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=32,
    rope_theta=1000000.0,
    rms_norm_eps=1e-6,
    max_position_embeddings=40960,
)


def rms(x, weight, eps):
    x = x.float()
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


class Norm(nn.Module):
    def __init__(self, dim, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x):
        return rms(x, self.weight, self.eps)


def linear(i, o, bias=False):
    return nn.Linear(i, o, bias=bias)


class TextAttention(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, h, k, e = c["hidden_size"], c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
        self.heads, self.kv, self.dim = h, k, e
        self.q_proj, self.k_proj, self.v_proj = linear(d, h * e), linear(d, k * e), linear(d, k * e)
        self.o_proj = linear(h * e, d)
        self.q_norm, self.k_norm = Norm(e, c["rms_norm_eps"]), Norm(e, c["rms_norm_eps"])

    def forward(self, x, cos, sin):
        b, s, _ = x.shape
        q = self.q_norm(self.q_proj(x).view(b, s, self.heads, self.dim))
        k = self.k_norm(self.k_proj(x).view(b, s, self.kv, self.dim))
        v = self.v_proj(x).view(b, s, self.kv, self.dim)

        def turn(z):
            first, second = z.chunk(2, -1)
            return z * cos + torch.cat([-second, first], -1) * sin

        q, k = turn(q).to(v.dtype), turn(k).to(v.dtype)
        k, v = (z.repeat_interleave(self.heads // self.kv, 2) for z in (k, v))
        o = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True)
        return self.o_proj(o.transpose(1, 2).reshape(b, s, -1))


class TextMlp(nn.Module):
    def __init__(self, d, m):
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = linear(d, m), linear(d, m), linear(m, d)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class TextLayer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.self_attn = TextAttention(c)
        self.mlp = TextMlp(c["hidden_size"], c["intermediate_size"])
        self.input_layernorm = Norm(c["hidden_size"], c["rms_norm_eps"])
        self.post_attention_layernorm = Norm(c["hidden_size"], c["rms_norm_eps"])

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin).float()
        return x + self.mlp(self.post_attention_layernorm(x)).float()


class TextEncoder(nn.Module):
    """Gives what Z-Image takes: the output of the last layer but one, before the final norm."""

    def __init__(self, c=TEXT):
        super().__init__()
        self.embed_tokens = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.layers = nn.ModuleList([TextLayer(c) for _ in range(c["num_hidden_layers"])])
        self.norm = Norm(c["hidden_size"], c["rms_norm_eps"])
        freq = c["rope_theta"] ** -(torch.arange(0, c["head_dim"], 2).float() / c["head_dim"])
        self.register_buffer("freq", freq, persistent=False)
        nn.init.normal_(self.embed_tokens.weight, 0, 0.5)
        for name, p in self.layers.named_parameters():
            if p.ndim == 2:
                nn.init.normal_(p, 0, 0.7 * p.shape[1] ** -0.5)

    def unused(self):
        """Parameters that Z-Image never reads: the last layer and the final norm."""
        return list(self.layers[-1].parameters()) + list(self.norm.parameters())

    def forward(self, ids):
        x = self.embed_tokens(ids).float()
        angle = torch.outer(torch.arange(ids.shape[1], device=ids.device).float(), self.freq)
        angle = torch.cat([angle, angle], -1)[None, :, None]
        cos, sin = angle.cos(), angle.sin()
        for layer in self.layers[:-1]:
            x = layer(x, cos, sin)
        return x


# ----------------------------------------------------------------------------------------------------- transformer
TRANSFORMER = dict(
    all_patch_size=[2],
    all_f_patch_size=[1],
    in_channels=16,
    dim=192,
    n_layers=6,
    n_refiner_layers=1,
    n_heads=6,
    n_kv_heads=6,
    norm_eps=1e-5,
    qk_norm=True,
    cap_feat_dim=128,
    rope_theta=256.0,
    t_scale=1000.0,
    axes_dims=[8, 12, 12],
    axes_lens=[1024, 128, 128],
)


class Attention(nn.Module):
    def __init__(self, d, h):
        super().__init__()
        self.heads = h
        self.to_q, self.to_k, self.to_v = linear(d, d), linear(d, d), linear(d, d)
        self.to_out = nn.ModuleList([linear(d, d)])
        self.norm_q, self.norm_k = Norm(d // h, 1e-5), Norm(d // h, 1e-5)

    def forward(self, x, cos, sin):
        b, s, d = x.shape
        q = self.norm_q(self.to_q(x).view(b, s, self.heads, -1))
        k = self.norm_k(self.to_k(x).view(b, s, self.heads, -1))
        v = self.to_v(x).view(b, s, self.heads, -1)

        def turn(z):
            z = z.unflatten(-1, (-1, 2))
            re, im = z[..., 0], z[..., 1]
            return torch.stack([re * cos - im * sin, re * sin + im * cos], -1).flatten(3)

        q, k = turn(q).to(v.dtype), turn(k).to(v.dtype)
        o = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
        return self.to_out[0](o.transpose(1, 2).reshape(b, s, d))


class FeedForward(nn.Module):
    def __init__(self, d, m):
        super().__init__()
        self.w1, self.w2, self.w3 = linear(d, m), linear(m, d), linear(d, m)

    def forward(self, x):
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


class Block(nn.Module):
    def __init__(self, d, h, eps, modulated):
        super().__init__()
        self.attention = Attention(d, h)
        self.feed_forward = FeedForward(d, int(d / 3 * 8))
        self.attention_norm1, self.attention_norm2 = Norm(d, eps), Norm(d, eps)
        self.ffn_norm1, self.ffn_norm2 = Norm(d, eps), Norm(d, eps)
        if modulated:
            self.adaLN_modulation = nn.Sequential(linear(min(d, 256), 4 * d, True))

    def forward(self, x, cos, sin, t=None):
        if t is None:
            x = x + self.attention_norm2(self.attention(self.attention_norm1(x), cos, sin))
            return x + self.ffn_norm2(self.feed_forward(self.ffn_norm1(x)))
        scale1, gate1, scale2, gate2 = self.adaLN_modulation(t).float().unsqueeze(1).chunk(4, 2)
        h = self.attention(self.attention_norm1(x) * (1 + scale1), cos, sin)
        x = x + gate1.tanh() * self.attention_norm2(h)
        h = self.feed_forward(self.ffn_norm1(x) * (1 + scale2))
        return x + gate2.tanh() * self.ffn_norm2(h)


class TimeEmbedder(nn.Module):
    def __init__(self, out, mid=1024, size=256):
        super().__init__()
        self.mlp = nn.Sequential(linear(size, mid, True), nn.SiLU(), linear(mid, out, True))
        self.half = size // 2

    def forward(self, t):
        freq = torch.exp(-math.log(10000) * torch.arange(self.half, dtype=torch.float32, device=t.device) / self.half)
        angle = t[:, None].float() * freq[None]
        return self.mlp(torch.cat([angle.cos(), angle.sin()], -1)).float()


class FinalLayer(nn.Module):
    def __init__(self, d, out):
        super().__init__()
        self.linear = linear(d, out, True)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), linear(min(d, 256), d, True))

    def forward(self, x, t):
        x = F.layer_norm(x.float(), (x.shape[-1],), eps=1e-6) * (1 + self.adaLN_modulation(t).float().unsqueeze(1))
        return self.linear(x)


class Transformer(nn.Module):
    def __init__(self, c=TRANSFORMER):
        super().__init__()
        d, h, eps = c["dim"], c["n_heads"], c["norm_eps"]
        patch = 4 * c["in_channels"]
        self.all_x_embedder = nn.ModuleDict({"2-1": linear(patch, d, True)})
        self.all_final_layer = nn.ModuleDict({"2-1": FinalLayer(d, patch)})
        self.noise_refiner = nn.ModuleList([Block(d, h, eps, True) for _ in range(c["n_refiner_layers"])])
        self.context_refiner = nn.ModuleList([Block(d, h, eps, False) for _ in range(c["n_refiner_layers"])])
        self.t_embedder = TimeEmbedder(min(d, 256))
        self.cap_embedder = nn.Sequential(Norm(c["cap_feat_dim"], eps), linear(c["cap_feat_dim"], d, True))
        self.x_pad_token = nn.Parameter(torch.zeros(1, d))
        self.cap_pad_token = nn.Parameter(torch.zeros(1, d))
        self.layers = nn.ModuleList([Block(d, h, eps, True) for _ in range(c["n_layers"])])
        self.axes, self.theta = c["axes_dims"], c["rope_theta"]
        self.tables = {}
        for block in [*self.noise_refiner, *self.layers]:
            nn.init.zeros_(block.adaLN_modulation[0].weight)
            nn.init.zeros_(block.adaLN_modulation[0].bias)
            with torch.no_grad():
                block.adaLN_modulation[0].bias.view(4, -1)[1::2] = 0.5  # the gates: half open
        final = self.all_final_layer["2-1"]
        for p in [*final.linear.parameters(), *final.adaLN_modulation.parameters()]:
            nn.init.zeros_(p)
        nn.init.normal_(self.cap_pad_token, 0, 0.3)
        nn.init.normal_(self.x_pad_token, 0, 0.3)

    def rope(self, height, width, slots, device):
        """Rotations (cos, sin) for picture tokens and for caption tokens; height and width in tokens."""
        key = (height, width, slots, str(device))
        if key not in self.tables:
            caption = torch.zeros(slots, 3, dtype=torch.float64)
            caption[:, 0] = torch.arange(1, slots + 1)
            n = height * width
            picture = torch.zeros(n + -n % SLOTS, 3, dtype=torch.float64)
            picture[:n, 0] = slots + 1
            picture[:n, 1] = torch.arange(height).repeat_interleave(width)
            picture[:n, 2] = torch.arange(width).repeat(height)
            tables = []
            for place in (picture, caption, torch.cat([picture, caption])):
                parts = []
                for axis, d in enumerate(self.axes):
                    freq = self.theta ** -(torch.arange(0, d, 2, dtype=torch.float64) / d)
                    parts.append(torch.outer(place[:, axis], freq))
                angle = torch.cat(parts, 1).float().to(device)[None, :, None]
                tables.append((angle.cos(), angle.sin()))
            self.tables[key] = tables
        return self.tables[key]

    def forward(self, x, t, caption, mask, height, width):
        """x: [b, tokens, 64]; t: 1 - sigma; caption: [b, slots, 128]; mask: which slots hold a token."""
        return self.run(x, t, caption, mask, self.rope(height, width, caption.shape[1], x.device))

    def run(self, x, t, caption, mask, rotations):
        """The forward pass with the rotations that `rope` gave: nothing in it depends on the size but the tensors' shapes."""
        b, n, _ = x.shape
        picture, text, both = rotations
        pad = picture[0].shape[1] - n
        t = self.t_embedder(t * 1000.0)
        x = self.all_x_embedder["2-1"](x).float()
        if pad:
            x = torch.cat([x, self.x_pad_token.expand(b, pad, -1)], 1)
        for block in self.noise_refiner:
            x = block(x, *picture, t)
        c = torch.where(mask[..., None], self.cap_embedder(caption).float(), self.cap_pad_token)
        for block in self.context_refiner:
            c = block(c, *text)
        x = torch.cat([x, c], 1)
        for block in self.layers:
            x = block(x, *both, t)
        return self.all_final_layer["2-1"](x[:, :n], t).float()


def patchify(z):
    b, c, h, w = z.shape
    z = z.reshape(b, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 3, 5, 1)
    return z.reshape(b, (h // 2) * (w // 2), 4 * c)


def unpatchify(x, height, width):
    b, _, d = x.shape
    x = x.reshape(b, height, width, 2, 2, d // 4).permute(0, 5, 1, 3, 2, 4)
    return x.reshape(b, d // 4, 2 * height, 2 * width)


# ------------------------------------------------------------------------------------------------------------- VAE
VAE = dict(block_out_channels=[32, 64, 64, 64], layers_per_block=1, latent_channels=16, norm_num_groups=8)


class ResBlock(nn.Module):
    def __init__(self, i, o, groups):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(groups, i, 1e-6), nn.GroupNorm(groups, o, 1e-6)
        self.conv1, self.conv2 = nn.Conv2d(i, o, 3, 1, 1), nn.Conv2d(o, o, 3, 1, 1)
        if i != o:
            self.conv_shortcut = nn.Conv2d(i, o, 1)

    def forward(self, x):
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return (self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x) + h


class VaeAttention(nn.Module):
    def __init__(self, c, groups):
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, c, 1e-6)
        self.to_q, self.to_k, self.to_v = linear(c, c, True), linear(c, c, True), linear(c, c, True)
        self.to_out = nn.ModuleList([linear(c, c, True)])

    def forward(self, x):
        b, c, h, w = x.shape
        y = self.group_norm(x).flatten(2).transpose(1, 2)
        q, k, v = (f(y).unsqueeze(1) for f in (self.to_q, self.to_k, self.to_v))
        o = self.to_out[0](F.scaled_dot_product_attention(q, k, v).squeeze(1))
        return x + o.transpose(1, 2).reshape(b, c, h, w)


class Middle(nn.Module):
    def __init__(self, c, groups):
        super().__init__()
        self.resnets = nn.ModuleList([ResBlock(c, c, groups), ResBlock(c, c, groups)])
        self.attentions = nn.ModuleList([VaeAttention(c, groups)])

    def forward(self, x):
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class Sampler(nn.Module):
    def __init__(self, c, stride):
        super().__init__()
        self.conv = nn.Conv2d(c, c, 3, stride, 0 if stride == 2 else 1)

    def forward(self, x):
        if self.conv.stride[0] == 2:
            return self.conv(F.pad(x, (0, 1, 0, 1)))
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Level(nn.Module):
    def __init__(self, i, o, layers, groups, sampler=None):
        super().__init__()
        self.resnets = nn.ModuleList([ResBlock(i if k == 0 else o, o, groups) for k in range(layers)])
        if sampler:
            name, stride = sampler
            self.add_module(name, nn.ModuleList([Sampler(o, stride)]))

    def forward(self, x):
        for resnet in self.resnets:
            x = resnet(x)
        for samplers in [m for n, m in self.named_children() if n != "resnets"]:
            x = samplers[0](x)
        return x


class Encoder(nn.Module):
    def __init__(self, c):
        super().__init__()
        ch, g = c["block_out_channels"], c["norm_num_groups"]
        self.conv_in = nn.Conv2d(3, ch[0], 3, 1, 1)
        self.down_blocks = nn.ModuleList()
        for k, o in enumerate(ch):
            sampler = ("downsamplers", 2) if k < len(ch) - 1 else None
            self.down_blocks.append(Level(ch[max(k - 1, 0)], o, c["layers_per_block"], g, sampler))
        self.mid_block = Middle(ch[-1], g)
        self.conv_norm_out = nn.GroupNorm(g, ch[-1], 1e-6)
        self.conv_out = nn.Conv2d(ch[-1], 2 * c["latent_channels"], 3, 1, 1)

    def forward(self, x):
        x = self.conv_in(x)
        for level in self.down_blocks:
            x = level(x)
        return self.conv_out(F.silu(self.conv_norm_out(self.mid_block(x))))


class Decoder(nn.Module):
    def __init__(self, c):
        super().__init__()
        ch, g = c["block_out_channels"][::-1], c["norm_num_groups"]
        self.conv_in = nn.Conv2d(c["latent_channels"], ch[0], 3, 1, 1)
        self.mid_block = Middle(ch[0], g)
        self.up_blocks = nn.ModuleList()
        for k, o in enumerate(ch):
            sampler = ("upsamplers", 1) if k < len(ch) - 1 else None
            self.up_blocks.append(Level(ch[max(k - 1, 0)], o, c["layers_per_block"] + 1, g, sampler))
        self.conv_norm_out = nn.GroupNorm(g, ch[-1], 1e-6)
        self.conv_out = nn.Conv2d(ch[-1], 3, 3, 1, 1)

    def forward(self, z):
        x = self.mid_block(self.conv_in(z))
        for level in self.up_blocks:
            x = level(x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class Vae(nn.Module):
    """`scale` and `shift` (the config's scaling_factor and shift_factor) make latents that have mean 0 and deviation 1."""

    def __init__(self, c=VAE):
        super().__init__()
        self.encoder, self.decoder = Encoder(c), Decoder(c)
        self.scale, self.shift = 1.0, 0.0

    def encode(self, x):
        return (self.encoder(x).float().chunk(2, 1)[0] - self.shift) * self.scale

    def decode(self, z):
        return self.decoder(z / self.scale + self.shift).float()


def parameters(module):
    return sum(p.numel() for p in module.parameters())


# --------------------------------------------------------------------------------------------------------- drawing
def sigmas(steps, shift=3.0):
    s = torch.linspace(1, 1 / steps, steps, dtype=torch.float64)
    return torch.cat([shift * s / (1 + (shift - 1) * s), torch.zeros(1, dtype=torch.float64)]).tolist()


@torch.no_grad()
def draw(text, transformer, vae, captions, noise, steps=8, guidance=0.0, negative=None):
    """captions: (ids, mask), each [b, slots]; noise: [b, 16, h, w]. Pixels come as [b, 3, H, W] in 0..1."""
    h, w = noise.shape[2] // 2, noise.shape[3] // 2
    cap, x = text(captions[0]), patchify(noise)
    no = text(negative[0]) if guidance > 0 else None
    s = sigmas(steps)
    for now, after in zip(s, s[1:]):
        t = torch.full((len(x),), 1 - now, device=x.device)
        v = transformer(x, t, cap, captions[1], h, w)
        if guidance > 0:
            v = v + guidance * (v - transformer(x, t, no, negative[1], h, w))
        x = x + (now - after) * v
    return (vae.decode(unpatchify(x, h, w)) / 2 + 0.5).clamp(0, 1)

"""Compares the kernels with ATen in Triton's interpreter: python -m unittest test_kernels (no GPU needed).

With --cuda they run on a GPU instead. Each result may differ from a FP64 computation of the same formula by what its type allows.
"""

import os
import sys
import unittest

DEVICE = "cuda" if "--cuda" in sys.argv else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"

import torch  # noqa: E402
import triton  # noqa: E402

import zimage_kernels as k  # noqa: E402

if DEVICE == "cpu":
    from triton.runtime import interpreter

    def create_dot(self, a, b, d, input_precision, max_num_imprecise_acc):
        """The interpreter keeps BF16 as 16 bits, and multiplies them as integers."""
        left, right = ((x.data.astype("uint32") << 16).view("float32") if x.dtype.scalar == triton.language.bfloat16 else x.data for x in (a, b))
        return interpreter.TensorHandle(left @ right + d.data, d.dtype.scalar)

    interpreter.InterpreterBuilder.create_dot = create_dot

# FP32 sums of some thousand terms stay below 1e-5 relative. The last place of BF16 is 2^-8 .. 2^-7 of a number: the GPU rounds to the
# nearest, half of that; the interpreter cuts off.
RELATIVE = {torch.float32: 1e-5, torch.bfloat16: 2.0**-7 if DEVICE == "cpu" else 1.01 * 2.0**-8}
TYPES = tuple(RELATIVE)
EPS = 1e-5
SHAPES = [(1, 1), (3, 7), (5, 96), (2, 129), (4, 2560), (3, 3840), (2, 4096)]


def randn(*shape, dtype=torch.float32, factor=1.0):
    return (torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))) * factor).to(dtype).to(DEVICE)


def rms(x):
    x = x.double()
    return x / (x.pow(2).mean(-1, keepdim=True) + EPS).sqrt()


class KernelTest(unittest.TestCase):
    def close(self, actual, expected, absolute=1e-6):
        relative = RELATIVE[actual.dtype]
        self.assertTrue(torch.isfinite(actual.float()).all())
        error = (actual.double() - expected).abs()
        limit = relative * expected.abs() + absolute
        self.assertTrue((error <= limit).all(), f"worst {(error / limit).max().item():.3g} x the limit")

    def test_norm_scale(self):
        for s, d in SHAPES:
            x, w = randn(s, d, factor=3), randn(d)
            for dtype in TYPES:
                out = torch.empty(s, d, dtype=dtype, device=DEVICE)
                k.norm_scale[(s,)](x, w, out, d, EPS, BLOCK=4096)
                self.close(out, rms(x) * w.double())

    def test_norm_scale_of_extremes(self):
        x = torch.tensor([[0.0] * 8, [1e-20] * 8, [1e18] * 8, [1e4, -1e4] * 4], device=DEVICE)
        w, out = torch.ones(8, device=DEVICE), torch.empty(4, 8, dtype=torch.bfloat16, device=DEVICE)
        k.norm_scale[(4,)](x, w, out, 8, EPS, BLOCK=4096)
        self.close(out, rms(x))

    def test_add_norm_scale(self):
        for s, d in SHAPES:
            x, y, w = randn(s, d), randn(s, d, dtype=torch.bfloat16, factor=5), randn(d)
            expected = x.double() + rms(y) * w.double()
            k.add_norm_scale[(s,)](x, y, w, d, EPS, BLOCK=4096)
            self.close(x, expected, 1e-5)

    def test_add_norm_scale_norm_scale(self):
        for s, d in SHAPES:
            for dtype in TYPES:
                x, y, w, w2 = randn(s, d), randn(s, d, dtype=torch.bfloat16, factor=5), randn(d), randn(d, factor=2)
                out = torch.empty(s, d, dtype=dtype, device=DEVICE)
                stream = x.double() + rms(y) * w.double()
                k.add_norm_scale_norm_scale[(s,)](x, y, w, w2, out, d, EPS, BLOCK=4096)
                self.close(x, stream, 1e-5)
                self.close(out, rms(stream) * w2.double(), 1e-5)

    def test_qk_norm_rope(self):
        for s, h, d, gap in [(1, 1, 2, 0), (3, 2, 8, 5), (7, 3, 32, 0), (5, 30, 128, 7680), (2, 6, 120, 3)]:
            wide = randn(s, h * d + gap, dtype=torch.bfloat16, factor=2)
            x, w, angle = wide[:, : h * d], randn(d), randn(s, d // 2, factor=3)
            rotations = torch.stack([angle.cos(), angle.sin()], -1).contiguous() * 0.3
            pairs = torch.view_as_complex((rms(x.reshape(s, h, d)) * w.double()).unflatten(-1, (-1, 2)).contiguous())
            turned = pairs * torch.view_as_complex(rotations.double())[:, None]
            for dtype in TYPES:
                rows = torch.empty(s, h, d, dtype=dtype, device=DEVICE)
                heads = torch.empty(h, s, d, dtype=dtype, device=DEVICE).transpose(0, 1)
                for out in rows, heads:
                    strides = h * d + gap, out.stride(0), out.stride(1)
                    k.qk_norm_rope[(triton.cdiv(s * h, 32),)](x, w, rotations, out, s * h, h, d, *strides, EPS, ROWS=32, DIM=128)
                    self.close(out, torch.view_as_real(turned).flatten(2), 1e-5)

    def low_rank(self, s, d, ranks, gap):
        """Two narrow matrices, the rows of the first of which lie further apart than they are long, and their product."""
        inner, up = randn(s, ranks + gap, dtype=torch.bfloat16)[:, :ranks], randn(d, ranks, dtype=torch.bfloat16)
        return inner, up, inner.double() @ up.double().T

    def test_qk_norm_rope_added(self):
        for s, h, d, ranks, gap in [(1, 1, 16, 16, 0), (3, 2, 32, 32, 16), (70, 3, 128, 16, 64), (2, 2, 128, 64, 0)]:
            wide = randn(s, h * d + 5, dtype=torch.bfloat16, factor=2)
            x, w, angle = wide[:, : h * d], randn(d), randn(s, d // 2, factor=3)
            inner, up, product = self.low_rank(s, h * d, ranks, gap)
            rotations = torch.stack([angle.cos(), angle.sin()], -1).contiguous() * 0.3
            normed = rms((x.double() + product).reshape(s, h, d)) * w.double()
            turned = torch.view_as_complex(normed.unflatten(-1, (-1, 2)).contiguous()) * torch.view_as_complex(rotations.double())[:, None]
            for dtype in TYPES:
                out = torch.empty(s, h, d, dtype=dtype, device=DEVICE)
                strides = out.stride(0), out.stride(1)
                k.qk_norm_rope_added[(triton.cdiv(s, 64), h)](
                    x, inner, up, w, rotations, out, s, d, wide.stride(0), inner.stride(0), ranks, *strides, EPS, ROWS=64, DIM=128, RANK=64
                )
                # what one turn takes away from the other is up to as large as both
                self.close(out, torch.view_as_real(turned).flatten(2), 1e-5)

    def test_swiglu_added(self):
        for s, d, first, second, gap in [(1, 16, 16, 16, 0), (3, 100, 16, 32, 32), (70, 130, 64, 16, 48)]:
            both = randn(s, 2 * d, dtype=torch.bfloat16, factor=4)
            inner, up, product = self.low_rank(s, d, first, gap + second)
            inner2, up2, product2 = self.low_rank(s, d, second, gap + first)
            gate, other = both.double().chunk(2, 1)
            expected = torch.nn.functional.silu(gate + product) * (other + product2)
            for dtype in TYPES:
                out = torch.empty(s, d, dtype=dtype, device=DEVICE)
                grid = triton.cdiv(s, 64), triton.cdiv(d, 64)
                k.swiglu_added[grid](
                    both, both[:, d:], inner, up, first, inner2, up2, second, out, s, d, 2 * d, inner.stride(0), ROWS=64, COLUMNS=64, RANK=64
                )
                # sums of 64 products of up to some tens: 1e-5 of that
                self.close(out, expected, 1e-3)

    def test_swiglu(self):
        for s, d in [(1, 1), (3, 1000), (2, 10240), (4, 1025)]:
            both = randn(s, 2 * d, dtype=torch.bfloat16, factor=4)
            gate, up = both.double().chunk(2, 1)
            for dtype in TYPES:
                out = torch.empty(s, d, dtype=dtype, device=DEVICE)
                k.swiglu[(s, triton.cdiv(d, 2048))](both, both[:, d:], out, d, 2 * d, BLOCK=2048)
                self.close(out, torch.nn.functional.silu(gate) * up)

    def quantised(self, q, units, expected):
        limit = 127 if q.dtype == torch.int8 else 448
        self.assertLessEqual(q.float().abs().max().item(), limit)
        units = units.double()[:, None]
        self.close(units.float(), expected.abs().amax(1, keepdim=True) / limit)
        error = (q.double() * units - expected).abs()
        if q.dtype == torch.int8:
            self.assertTrue((error <= 0.5001 * units).all())
        elif q.dtype == torch.float8_e4m3fn:
            # 3 bits after the leading one, rounded; steps of 2^-9 near zero
            self.assertTrue((error <= 2**-4 * 1.001 * expected.abs() + 2**-10 * 1.001 * units).all())
        else:
            self.close(q * units.float(), expected)

    def types(self):
        yield False, torch.int8
        # the interpreter's conversion to e4m3 loses carries (127 becomes 64), so there the number before it is looked at
        yield True, torch.float32 if DEVICE == "cpu" else torch.float8_e4m3fn

    def test_quantise(self):
        for fp8, dtype in self.types():
            for s, d in SHAPES:
                x = randn(s, d + 3, dtype=torch.bfloat16, factor=7)
                x[0] = 0
                q, units = torch.empty(s, d, dtype=dtype, device=DEVICE), torch.empty(s, device=DEVICE)
                k.quantise[(s,)](x, q, units, d, d + 3, FP8=fp8, BLOCK=4096)
                self.quantised(q, units, x[:, :d].double())

    def test_norm_scale_quantise(self):
        for fp8, dtype in self.types():
            for s, d in SHAPES:
                x, w = randn(s, d, factor=3), randn(d)
                q, units = torch.empty(s, d, dtype=dtype, device=DEVICE), torch.empty(s, device=DEVICE)
                k.norm_scale_quantise[(s,)](x, w, q, units, d, EPS, FP8=fp8, BLOCK=4096)
                self.quantised(q, units, rms(x) * w.double())

    def test_add_norm_scale_norm_scale_quantise(self):
        for fp8, dtype in self.types():
            for s, d in SHAPES:
                x, y, w, w2 = randn(s, d), randn(s, d, dtype=torch.bfloat16, factor=5), randn(d), randn(d, factor=2)
                q, units = torch.empty(s, d, dtype=dtype, device=DEVICE), torch.empty(s, device=DEVICE)
                stream = x.double() + rms(y) * w.double()
                k.add_norm_scale_norm_scale_quantise[(s,)](x, y, w, w2, q, units, d, EPS, FP8=fp8, BLOCK=4096)
                self.close(x, stream, 1e-5)
                self.quantised(q, units, rms(stream) * w2.double())

    def test_swiglu_quantise(self):
        for fp8, dtype in self.types():
            for s, d in [(1, 1), (3, 1000), (2, 8193), (2, 10240)]:
                both = randn(s, 2 * d, dtype=torch.bfloat16, factor=4)
                q, units = torch.empty(s, d, dtype=dtype, device=DEVICE), torch.empty(s, device=DEVICE)
                k.swiglu_quantise[(s,)](both, both[:, d:], q, units, d, 2 * d, FP8=fp8, BLOCK=8192, REST=4096)
                gate, up = both.double().chunk(2, 1)
                self.quantised(q, units, torch.nn.functional.silu(gate) * up)

    def test_rescale(self):
        for s, d in [(1, 1), (3, 1000), (2, 3840)]:
            product = (randn(s, d) * 1e5).int()
            rows, columns, bias = randn(s).abs() * 1e-2, randn(d).abs() * 1e-3, randn(d)
            for with_bias, dtype in ((b, t) for b in (False, True) for t in TYPES):
                out = torch.empty(s, d, dtype=dtype, device=DEVICE)
                k.rescale[(s, triton.cdiv(d, 1024))](product, rows, columns, bias, out, d, BIAS=with_bias, BLOCK=1024)
                expected = product.double() * rows.double()[:, None] * columns.double()
                self.close(out, expected + bias.double() if with_bias else expected, 1e-5)

    def test_group_norm_silu(self):
        for channels in (128, 256, 512):
            for pixels in (1, 5, 64, 1000):
                width, block = channels // 32, 8192 // channels
                # a mean far from zero: sums of squares would lose the deviation
                x = randn(pixels, channels, factor=0.5, dtype=torch.bfloat16) + 10
                w, b = randn(channels), randn(channels)
                blocks = triton.cdiv(pixels, block)
                partial = torch.empty(blocks, 2, 32, device=DEVICE)
                statistics = torch.empty(2, 32, device=DEVICE)
                k.group_statistics[(blocks,)](x, partial, pixels, GROUPS=32, WIDTH=width, BLOCK=block)
                k.group_merge[(32,)](partial, statistics, pixels, 1e-6, blocks, block, width, BLOCK=1024)
                planes = x.double().T[None, :, :, None]
                normed = torch.nn.functional.group_norm(planes, 32, w.double(), b.double(), 1e-6)
                for silu, dtype in ((f, t) for f in (False, True) for t in TYPES):
                    out = torch.empty(pixels, channels, dtype=dtype, device=DEVICE)
                    k.group_norm_silu[(blocks,)](x, statistics, w, b, out, pixels, SILU=silu, GROUPS=32, WIDTH=width, BLOCK=block)
                    expected = torch.nn.functional.silu(normed) if silu else normed
                    # (x - mean) is a difference of numbers near 10: 1e-5 of that, over a deviation of 0.5
                    self.close(out, expected[0, :, :, 0].T, 2e-4)


if __name__ == "__main__":
    sys.argv = [a for a in sys.argv if a != "--cuda"]
    unittest.main()

"""The kernels of zimage-cuda, in Triton. build.py compiles them ahead of time to PTX; test_kernels.py compares them with ATen.

The arithmetic is that of zimage-core's Kernels: FP32 inside, the residual stream FP32 in memory, inputs and outputs of linear layers BF16.
Rows are [S], one program each unless said otherwise. A constexpr of a kernel is part of its name in the manifest.
"""

import triton
import triton.language as tl


@triton.jit
def _row(pointer, row, stride, dim, BLOCK: tl.constexpr):
    columns = tl.arange(0, BLOCK)
    return tl.load(pointer + row.to(tl.int64) * stride + columns, mask=columns < dim, other=0.0).to(tl.float32)


@triton.jit
def _rms(x, dim, eps):
    return x * tl.rsqrt(tl.sum(x * x, axis=0) / dim + eps)


@triton.jit
def norm_scale(x, scale, out, dim, eps, BLOCK: tl.constexpr):
    """out = rms_norm(x) * scale. x [S, dim] fp32, scale [dim] fp32, out [S, dim] bf16; dim <= BLOCK. Grid: S."""
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    inside = columns < dim
    y = _rms(_row(x, row, dim, dim, BLOCK), dim, eps) * tl.load(scale + columns, mask=inside, other=0.0)
    tl.store(out + row.to(tl.int64) * dim + columns, y.to(out.dtype.element_ty), mask=inside)


@triton.jit
def add_norm_scale(x, y, scale, dim, eps, BLOCK: tl.constexpr):
    """x += rms_norm(y) * scale, in place. x [S, dim] fp32, y [S, dim] bf16, scale [dim] fp32; dim <= BLOCK. Grid: S."""
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    inside = columns < dim
    change = _rms(_row(y, row, dim, dim, BLOCK), dim, eps) * tl.load(scale + columns, mask=inside, other=0.0)
    tl.store(x + row.to(tl.int64) * dim + columns, _row(x, row, dim, dim, BLOCK) + change, mask=inside)


@triton.jit
def add_norm_scale_norm_scale(x, y, scale, next_scale, out, dim, eps, BLOCK: tl.constexpr):
    """x += rms_norm(y) * scale, then out = rms_norm(x) * next_scale: the end of one half of a block and the start of the next.

    x [S, dim] fp32, in place; y, out [S, dim] bf16; scale, next_scale [dim] fp32; dim <= BLOCK. Grid: S.
    """
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    inside = columns < dim
    change = _rms(_row(y, row, dim, dim, BLOCK), dim, eps) * tl.load(scale + columns, mask=inside, other=0.0)
    stream = _row(x, row, dim, dim, BLOCK) + change
    tl.store(x + row.to(tl.int64) * dim + columns, stream, mask=inside)
    normed = _rms(stream, dim, eps) * tl.load(next_scale + columns, mask=inside, other=0.0)
    tl.store(out + row.to(tl.int64) * dim + columns, normed.to(out.dtype.element_ty), mask=inside)


@triton.jit
def qk_norm_rope(
    x, scale, rotations, out, count, heads, dim, stride, row_stride, head_stride, eps, ROWS: tl.constexpr, DIM: tl.constexpr
):
    """Normalises the heads of queries or keys and rotates neighbouring pairs.

    x: rows of heads * dim bf16 that lie stride elements apart; scale [dim] fp32; rotations [S, dim / 2, 2] fp32 (cosine and sine,
    times any factor of the result); out [S, heads, dim] bf16, whose rows and heads lie row_stride and head_stride elements apart;
    count = S * heads; dim <= DIM. Grid: ceil(count / ROWS).
    """
    head = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    feature = tl.arange(0, DIM)
    present = feature < dim
    inside = (head < count)[:, None] & present[None, :]
    row = (head // heads).to(tl.int64)
    # Pairs are taken apart in registers, so that loads and stores are vectors.
    y = tl.load(x + (row * stride + (head % heads) * dim)[:, None] + feature[None, :], mask=inside, other=0.0).to(tl.float32)
    y *= tl.rsqrt(tl.sum(y * y, axis=1) / dim + eps)[:, None] * tl.load(scale + feature, mask=present, other=0.0)[None, :]
    even, odd = tl.split(tl.reshape(y, (ROWS, DIM // 2, 2)))
    turn = tl.load(rotations + row[:, None] * dim + feature[None, :], mask=inside, other=0.0)
    cosine, sine = tl.split(tl.reshape(turn, (ROWS, DIM // 2, 2)))
    turned = tl.reshape(tl.join(even * cosine - odd * sine, even * sine + odd * cosine), (ROWS, DIM))
    to = (row * row_stride + (head % heads).to(tl.int64) * head_stride)[:, None] + feature[None, :]
    tl.store(out + to, turned.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _silu(x):
    return x / (1.0 + tl.exp(-x))


@triton.jit
def swiglu(gate, up, out, dim, stride, BLOCK: tl.constexpr):
    """out = silu(gate) * up. gate, up: rows of dim bf16, stride elements apart; out [S, dim] bf16. Grid: S, ceil(dim / BLOCK)."""
    row = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = columns < dim
    g = tl.load(gate + row * stride + columns, mask=inside, other=0.0).to(tl.float32)
    u = tl.load(up + row * stride + columns, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row * dim + columns, (_silu(g) * u).to(out.dtype.element_ty), mask=inside)


@triton.jit
def _low_rank(inner, up, row, column, present, inside, stride, ranks, RANK: tl.constexpr):
    """inner up^T, of the rows and columns that are there. inner: rows of ranks bf16, stride elements apart; up: [columns, ranks] bf16; ranks <= RANK."""
    rank = tl.arange(0, RANK)
    there = rank < ranks
    left = tl.load(inner + row[:, None] * stride + rank[None, :], mask=present[:, None] & there[None, :], other=0.0)
    right = tl.load(up + column[None, :] * ranks + rank[:, None], mask=inside[None, :] & there[:, None], other=0.0)
    return tl.dot(left, right)


@triton.jit
def qk_norm_rope_added(
    x, inner, up, scale, rotations, out, rows, dim, stride, inner_stride, ranks, row_stride, head_stride, eps,
    ROWS: tl.constexpr, DIM: tl.constexpr, RANK: tl.constexpr,
):  # fmt: skip
    """As qk_norm_rope, of x + inner up^T. inner: rows of ranks bf16, inner_stride elements apart; up [heads * dim, ranks] bf16; ranks <= RANK.

    Grid: ceil(rows / ROWS), heads.
    """
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    head = tl.program_id(1).to(tl.int64)
    feature = tl.arange(0, DIM)
    present = row < rows
    features = feature < dim
    inside = present[:, None] & features[None, :]
    y = tl.load(x + row[:, None] * stride + head * dim + feature[None, :], mask=inside, other=0.0).to(tl.float32)
    y += _low_rank(inner, up + head * dim * ranks, row, feature, present, features, inner_stride, ranks, RANK)
    y *= tl.rsqrt(tl.sum(y * y, axis=1) / dim + eps)[:, None] * tl.load(scale + feature, mask=features, other=0.0)[None, :]
    even, odd = tl.split(tl.reshape(y, (ROWS, DIM // 2, 2)))
    turn = tl.load(rotations + row[:, None] * dim + feature[None, :], mask=inside, other=0.0)
    cosine, sine = tl.split(tl.reshape(turn, (ROWS, DIM // 2, 2)))
    turned = tl.reshape(tl.join(even * cosine - odd * sine, even * sine + odd * cosine), (ROWS, DIM))
    tl.store(out + (row * row_stride + head * head_stride)[:, None] + feature[None, :], turned.to(out.dtype.element_ty), mask=inside)


@triton.jit
def swiglu_added(
    gate, up, gate_inner, gate_up, gate_ranks, up_inner, up_up, up_ranks, out, rows, dim, stride, inner_stride,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, RANK: tl.constexpr,
):  # fmt: skip
    """As swiglu, of gate + gate_inner gate_up^T and up + up_inner up_up^T. Grid: ceil(rows / ROWS), ceil(dim / COLUMNS).

    gate_inner: rows of gate_ranks bf16, inner_stride elements apart; gate_up [dim, gate_ranks] bf16; the other two likewise; ranks <= RANK.
    """
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    present = row < rows
    columns = column < dim
    inside = present[:, None] & columns[None, :]
    at = row[:, None] * stride + column[None, :]
    g = tl.load(gate + at, mask=inside, other=0.0).to(tl.float32)
    g += _low_rank(gate_inner, gate_up, row, column, present, columns, inner_stride, gate_ranks, RANK)
    u = tl.load(up + at, mask=inside, other=0.0).to(tl.float32)
    u += _low_rank(up_inner, up_up, row, column, present, columns, inner_stride, up_ranks, RANK)
    tl.store(out + row[:, None] * dim + column[None, :], (_silu(g) * u).to(out.dtype.element_ty), mask=inside)


@triton.jit
def _unit(largest, FP8: tl.constexpr):
    """The number that each of 8 bits' values counts for. A row of zeros counts for 1e-12 / limit, not 0."""
    return tl.maximum(largest, 1e-12) / (448.0 if FP8 else 127.0)


@triton.jit
def _counted(y, unit, FP8: tl.constexpr):
    """Numbers as what 8 bits can hold."""
    y = y / unit
    if FP8:
        return tl.minimum(tl.maximum(y, -448.0), 448.0)
    # adding and subtracting 1.5 * 2^23 rounds to the nearest integer, ties to even
    return (y + 12582912.0) - 12582912.0


@triton.jit
def _quantised(y, FP8: tl.constexpr):
    """A row as what 8 bits can hold, and the number that each of them counts for."""
    unit = _unit(tl.max(tl.abs(y), axis=0), FP8)
    return _counted(y, unit, FP8), unit


@triton.jit
def norm_scale_quantise(x, scale, out, units, dim, eps, FP8: tl.constexpr, BLOCK: tl.constexpr):
    """As norm_scale, into 8 bits a number with one unit a row: value = out * unit. out [S, dim] int8 or e4m3; units [S] fp32. Grid: S."""
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    inside = columns < dim
    y = _rms(_row(x, row, dim, dim, BLOCK), dim, eps) * tl.load(scale + columns, mask=inside, other=0.0)
    q, unit = _quantised(y, FP8)
    tl.store(out + row.to(tl.int64) * dim + columns, q.to(out.dtype.element_ty), mask=inside)
    tl.store(units + row, unit)


@triton.jit
def add_norm_scale_norm_scale_quantise(x, y, scale, next_scale, out, units, dim, eps, FP8: tl.constexpr, BLOCK: tl.constexpr):
    """As add_norm_scale_norm_scale, into 8 bits a number with one unit a row: value = out * unit. out [S, dim] int8 or e4m3; units [S] fp32."""
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    inside = columns < dim
    change = _rms(_row(y, row, dim, dim, BLOCK), dim, eps) * tl.load(scale + columns, mask=inside, other=0.0)
    stream = _row(x, row, dim, dim, BLOCK) + change
    tl.store(x + row.to(tl.int64) * dim + columns, stream, mask=inside)
    q, unit = _quantised(_rms(stream, dim, eps) * tl.load(next_scale + columns, mask=inside, other=0.0), FP8)
    tl.store(out + row.to(tl.int64) * dim + columns, q.to(out.dtype.element_ty), mask=inside)
    tl.store(units + row, unit)


@triton.jit
def quantise(x, out, units, dim, stride, FP8: tl.constexpr, BLOCK: tl.constexpr):
    """Rows of dim bf16, stride elements apart, into 8 bits a number with one unit a row. dim <= BLOCK. Grid: S."""
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    q, unit = _quantised(_row(x, row, stride, dim, BLOCK), FP8)
    tl.store(out + row.to(tl.int64) * dim + columns, q.to(out.dtype.element_ty), mask=columns < dim)
    tl.store(units + row, unit)


@triton.jit
def _swiglu_part(gate, up, columns, dim):
    inside = columns < dim
    g = tl.load(gate + columns, mask=inside, other=0.0).to(tl.float32)
    u = tl.load(up + columns, mask=inside, other=0.0).to(tl.float32)
    return _silu(g) * u


@triton.jit
def swiglu_quantise(gate, up, out, units, dim, stride, FP8: tl.constexpr, BLOCK: tl.constexpr, REST: tl.constexpr):
    """As swiglu, into 8 bits a number with one unit a row. dim <= BLOCK + REST. Grid: S."""
    row = tl.program_id(0).to(tl.int64)
    gate += row * stride
    up += row * stride
    out += row * dim
    # A row is as long as two powers of two, so that few of a program's threads are without work.
    first = tl.arange(0, BLOCK)
    second = BLOCK + tl.arange(0, REST)
    a = _swiglu_part(gate, up, first, dim)
    b = _swiglu_part(gate, up, second, dim)
    unit = _unit(tl.maximum(tl.max(tl.abs(a), axis=0), tl.max(tl.abs(b), axis=0)), FP8)
    tl.store(out + first, _counted(a, unit, FP8).to(out.dtype.element_ty), mask=first < dim)
    tl.store(out + second, _counted(b, unit, FP8).to(out.dtype.element_ty), mask=second < dim)
    tl.store(units + row, unit)


@triton.jit
def rescale(product, row_units, column_units, bias, out, dim, BIAS: tl.constexpr, BLOCK: tl.constexpr):
    """out = product * row_units * column_units (+ bias): what follows an int8 product.

    product [S, dim] int32; row_units [S], column_units [dim], bias [dim] fp32; out [S, dim] bf16. Grid: S, ceil(dim / BLOCK).
    """
    row = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = columns < dim
    y = tl.load(product + row * dim + columns, mask=inside, other=0).to(tl.float32)
    y *= tl.load(row_units + row) * tl.load(column_units + columns, mask=inside, other=0.0)
    if BIAS:
        y += tl.load(bias + columns, mask=inside, other=0.0)
    tl.store(out + row * dim + columns, y.to(out.dtype.element_ty), mask=inside)


@triton.jit
def group_statistics(x, partial, pixels, GROUPS: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    """Mean and squared deviations of each group over BLOCK pixels. Grid: ceil(pixels / BLOCK).

    x [pixels, GROUPS * WIDTH] bf16, channels last; partial [grid, 2, GROUPS] fp32: means, then sums of squared deviations.
    """
    block = tl.program_id(0)
    pixel = block * BLOCK + tl.arange(0, BLOCK)
    channel = tl.arange(0, GROUPS * WIDTH)
    inside = (pixel < pixels)[:, None] & (channel >= 0)[None, :]
    at = pixel.to(tl.int64)[:, None] * (GROUPS * WIDTH) + channel[None, :]
    values = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    count = (tl.minimum(pixels - block * BLOCK, BLOCK) * WIDTH).to(tl.float32)
    sums = tl.sum(tl.reshape(tl.sum(values, axis=0), (GROUPS, WIDTH)), axis=1)
    mean = sums / count
    spread = tl.reshape(tl.broadcast_to(tl.expand_dims(mean, 1), (GROUPS, WIDTH)), (GROUPS * WIDTH,))
    off = tl.where(inside, values - spread[None, :], 0.0)
    squares = tl.sum(tl.reshape(tl.sum(off * off, axis=0), (GROUPS, WIDTH)), axis=1)
    group = tl.arange(0, GROUPS)
    tl.store(partial + block * 2 * GROUPS + group, mean)
    tl.store(partial + (block * 2 + 1) * GROUPS + group, squares)


@triton.jit
def group_merge(partial, statistics, pixels, eps, blocks, block_pixels, width, BLOCK: tl.constexpr):
    """Merges the blocks' statistics of a group (Chan's formula). Grid: groups. statistics [2, groups] fp32: mean, 1 / deviation.

    block_pixels is group_statistics' BLOCK, width the channels of a group; blocks = ceil(pixels / block_pixels).
    """
    group = tl.program_id(0)
    groups = tl.num_programs(0)
    total = 0.0
    mean = 0.0
    squares = 0.0
    first = 0
    while first < blocks:
        block = first + tl.arange(0, BLOCK)
        inside = block < blocks
        counts = tl.where(inside, tl.minimum(pixels - block * block_pixels, block_pixels) * width, 0).to(tl.float32)
        means = tl.load(partial + block * 2 * groups + group, mask=inside, other=0.0)
        inner = tl.load(partial + (block * 2 + 1) * groups + group, mask=inside, other=0.0)
        count = tl.sum(counts, axis=0)
        here = tl.sum(counts * means, axis=0) / count
        away = means - here
        within = tl.sum(inner + counts * away * away, axis=0)
        step = here - mean
        squares += within + step * step * (total * count / (total + count))
        mean += step * (count / (total + count))
        total += count
        first += BLOCK
    tl.store(statistics + group, mean)
    tl.store(statistics + groups + group, tl.rsqrt(squares / total + eps))


@triton.jit
def group_norm_silu(x, statistics, weight, bias, out, pixels, SILU: tl.constexpr, GROUPS: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    """out = silu((x - mean) / deviation * weight + bias), or without the silu. weight, bias [channels] fp32; out bf16 or fp32. Grid: ceil(pixels / BLOCK)."""
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    channel = tl.arange(0, GROUPS * WIDTH)
    inside = (pixel < pixels)[:, None] & (channel >= 0)[None, :]
    at = pixel.to(tl.int64)[:, None] * (GROUPS * WIDTH) + channel[None, :]
    mean = tl.load(statistics + channel // WIDTH)
    factor = tl.load(statistics + GROUPS + channel // WIDTH) * tl.load(weight + channel)
    y = (tl.load(x + at, mask=inside, other=0.0).to(tl.float32) - mean[None, :]) * factor[None, :] + tl.load(bias + channel)[None, :]
    if SILU:
        y = _silu(y)
    tl.store(out + at, y.to(out.dtype.element_ty), mask=inside)

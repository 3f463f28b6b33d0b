"""Convolution as patches times a matrix: fast inside loops on a CPU, and for small ones on a GPU.

XLA:CPU runs a native convolution inside `lax.scan` or `lax.while_loop` on a slow, naive path,
25 to 100 times slower than outside (jax#12868), and a training run here is such a loop. The same
sum written as shifted slices, a concatenation and one matrix product is fast in both places. It
holds the patches in memory: as many times the input as the kernel has taps.

Patches are the rows of a matrix, `[batch, *space, taps x channels]`, or its columns, `[taps x channels,
*space, batch]`, as the inputs lie: channels last, or channels first with the batch last. On a CPU
columns are the faster way (`models/turned.py`), and 3x3 kernels need no patches there
(`models/winograd.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from funcdl.models import winograd

GPU_PATCHES = 2**24
"""Elements up to which a GPU takes patches: on an H100 (jax 0.11.2) with gradient 2 to 3 times as fast
as cuDNN below 3 million, level at 20 to 40 million, slower beyond; and in the lanes of a `vmap`, where
a native convolution becomes a grouped one, 10 times as fast for a small network."""


def conv_general_dilated(
    lhs: jax.Array,
    rhs: jax.Array,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> jax.Array:
    """Does what `jax.lax.conv_general_dilated` does, by patches where that is faster.

    Give it to Linen: `nn.Conv(..., conv_general_dilated=conv_general_dilated)`. Which way is taken
    is decided when the function is traced, from `jax.default_backend()` and shapes: a CPU takes
    patches; a GPU takes them as long as they are small (`GPU_PATCHES`); a TPU has the native
    convolution, and so have grouped batches (`batch_group_count`, which only appear in the gradients
    of native convolutions), empty results, and whatever `lax` is to refuse.

    Args:
        lhs: inputs, in any layout that `dimension_numbers` describes.
        rhs: kernel; the others are as `jax.lax.conv_general_dilated` has them.
        window_strides: step of the window, per spatial axis.
        padding: "SAME", "SAME_LOWER", "VALID", or pairs (before, after), which may be negative.
        lhs_dilation: spacing of the input's entries, per spatial axis.
        rhs_dilation: spacing of the kernel's entries, per spatial axis.
        dimension_numbers: the layouts of `lhs`, `rhs` and the result.
        feature_group_count: groups into which the channels are split.
        batch_group_count: groups into which the batch is split.
        precision: of the products.
        preferred_element_type: of the sums.

    Returns:
        The convolution, equal to that of `lax` up to the order of summation.
    """
    layout = lax.conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
    rank = lhs.ndim - 2
    lhs_spacing, rhs_spacing = lhs_dilation or (1,) * rank, rhs_dilation or (1,) * rank
    columns = tuple(layout.lhs_spec[:2]) == (lhs.ndim - 1, 0)
    inner = ((rank + 1, 0) if columns else (0, rank + 1)) + tuple(range(1, rank + 1))
    inputs = _arranged(lhs, layout.lhs_spec, inner)  # [batch, *space, channels], or ends exchanged
    kernel = _kernel_last(rhs, layout.rhs_spec)  # [*taps, channels / groups, features]
    reach = [(k - 1) * d + 1 for k, d in zip(kernel.shape, rhs_spacing, strict=False)]
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(inputs.shape[1:-1], reach, window_strides, padding)
    axes = (inputs.shape[1:-1], lhs_spacing, padding, reach, window_strides)
    sizes = [
        ((n - 1) * d + 1 + before + after - r) // s + 1
        for n, d, (before, after), r, s in zip(*axes, strict=False)
    ]
    native = (
        _native_is_faster(lhs.shape[layout.lhs_spec[0]] * math.prod(sizes) * kernel[..., 0].size)
        or batch_group_count != 1
        or min((*lhs.shape, *rhs.shape, *sizes)) < 1
        or any(len(axis) != rank for axis in axes)
        or inputs.shape[inner[1]] != kernel.shape[-2] * feature_group_count
        or kernel.shape[-1] % feature_group_count
        or lhs.dtype != rhs.dtype
    )
    if native:
        return lax.conv_general_dilated(
            lhs,
            rhs,
            window_strides,
            padding,
            lhs_dilation,
            rhs_dilation,
            dimension_numbers,
            feature_group_count,
            batch_group_count,
            precision,
            preferred_element_type,
        )
    spread = [(lo, hi, d - 1) for (lo, hi), d in zip(padding, lhs_spacing, strict=True)]
    inputs = lax.pad(inputs, jnp.zeros((), inputs.dtype), [(0, 0, 0), *spread, (0, 0, 0)])
    options = {"precision": precision, "preferred_element_type": preferred_element_type}
    short = columns and jax.default_backend() == "cpu" and not any(options.values())
    if short and winograd.pays(kernel, window_strides, rhs_spacing, feature_group_count):
        result = winograd.convolve(inputs, kernel, sizes)
    else:
        steps = window_strides, rhs_spacing
        patches = _patches(inputs, kernel.shape[:-2], sizes, *steps, inner[1])
        product = _of_columns if columns else _of_rows
        result = product(patches, kernel, feature_group_count, options)
    return _arranged(result, inner, layout.out_spec)


def _native_is_faster(patches: int) -> bool:
    """Whether this backend's own convolution beats patches of so many elements in all."""
    if jax.default_backend() == "gpu":
        return patches > GPU_PATCHES
    return jax.default_backend() != "cpu"


def _patches(
    inputs: jax.Array,
    taps: Sequence[int],
    sizes: Sequence[int],
    strides: Sequence[int],
    spacing: Sequence[int],
    channels: int,
) -> jax.Array:
    """What each window sees: `[batch, *space, channels] -> [batch, *sizes, taps x channels]`.

    `channels` says which axis they are, the last or the first, and so they are in the result. One
    spatial axis after the other, the last first, so that the first axis' taps are the slowest
    in the result, as in the kernel. This takes the sum, not the product, of the taps per axis in
    slices, which compiles and differentiates faster than one slice per tap.
    """
    for axis in reversed(range(len(taps))):
        length = (sizes[axis] - 1) * strides[axis] + 1
        slices = [
            lax.slice_in_dim(inputs, start, start + length, strides[axis], axis + 1)
            for start in range(0, taps[axis] * spacing[axis], spacing[axis])
        ]
        inputs = lax.concatenate(slices, channels)
    return inputs


def _of_rows(
    patches: jax.Array, kernel: jax.Array, groups: int, options: dict[str, Any]
) -> jax.Array:
    """Patches times kernel, `[batch, *sizes, taps x channels] -> [batch, *sizes, features]`."""
    *taps, channels, features = kernel.shape
    rows, taps = math.prod(patches.shape[:-1]), math.prod(taps)
    if groups == 1:
        flat = jnp.reshape(patches, (rows, taps * channels))
        matrix = jnp.reshape(kernel, (taps * channels, features))
        out = lax.dot_general(flat, matrix, (((1,), (0,)), ((), ())), **options)
    else:
        flat = jnp.reshape(patches, (rows, taps, groups, channels))
        matrix = jnp.reshape(kernel, (taps, channels, groups, features // groups))
        # Contract taps and channels, with the groups as batch: [groups, rows, features / groups].
        out = lax.dot_general(flat, matrix, (((1, 3), (0, 1)), ((2,), (2,))), **options)
        out = jnp.swapaxes(out, 0, 1)
    return jnp.reshape(out, (*patches.shape[:-1], features))


def _of_columns(
    patches: jax.Array, kernel: jax.Array, groups: int, options: dict[str, Any]
) -> jax.Array:
    """Kernel times patches, `[taps x channels, *sizes, batch] -> [features, *sizes, batch]`."""
    *taps, channels, features = kernel.shape
    rest, taps = patches.shape[1:], math.prod(taps)
    if groups == 1:
        matrix = jnp.reshape(kernel, (taps * channels, features))
        # Of more axes than two XLA:CPU would make rows again, by copies.
        flat = jnp.reshape(patches, (taps * channels, -1))
        out = lax.dot_general(matrix, flat, (((0,), (0,)), ((), ())), **options)
    else:
        flat = jnp.reshape(patches, (taps, groups, channels, -1))
        matrix = jnp.reshape(kernel, (taps, channels, groups, features // groups))
        # Contract taps and channels, with the groups as batch: [groups, features / groups, columns].
        out = lax.dot_general(matrix, flat, (((0, 1), (0, 2)), ((2,), (1,))), **options)
    return jnp.reshape(out, (features, *rest))


def _arranged(array: jax.Array, spec: Sequence[int], wanted: Sequence[int]) -> jax.Array:
    """From one layout to another; a layout holds the axes of batch, channels and space."""
    return jnp.transpose(array, [spec[wanted.index(axis)] for axis in range(array.ndim)])


def _kernel_last(array: jax.Array, spec: Sequence[int]) -> jax.Array:
    """To `[*taps, channels, features]`; `spec` holds the axes of features, channels and taps."""
    return jnp.transpose(array, (*spec[2:], spec[1], spec[0]))

"""A perceptron as a tuple of arrays, which can be handed on: to score items that are drawn later."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import flax.linen as nn
import jax

from funcdl.models import initial
from funcdl.models.product import matmul

Layers = tuple[tuple[jax.Array, jax.Array], ...]  # kernel [in, out] and bias [out] of each


def layers_of(module: nn.Module, name: str, widths: Sequence[int]) -> Layers:
    """Declares a module's parameters `name_1`, `name_1_bias`, ...; the first width is the input's."""
    zeros, pairs = nn.initializers.zeros_init(), itertools.pairwise(widths)
    return tuple(
        (
            module.param(f"{name}_{n}", initial.weights, (before, after)),
            module.param(f"{name}_{n}_bias", zeros, (after,)),
        )
        for n, (before, after) in enumerate(pairs, 1)
    )


def through(x_NxW: jax.Array, layers: Layers) -> jax.Array:
    """Rows through affine maps with a ReLU between them, `[n, out]`."""
    for n, (kernel, bias) in enumerate(layers):
        x_NxW = matmul(nn.relu(x_NxW) if n else x_NxW, kernel) + bias[None]
    return x_NxW

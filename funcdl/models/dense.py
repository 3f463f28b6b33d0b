"""The affine map that every model here uses."""

from __future__ import annotations

import flax.linen as nn

from funcdl.models import initial
from funcdl.models.product import dot_general


def dense(width: int) -> nn.Dense:
    """Linen's affine map to `width` features, with funcdl's initial weights and products."""
    return nn.Dense(width, kernel_init=initial.weights, dot_general=dot_general)

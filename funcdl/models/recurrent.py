"""Recurrent networks: LSTM and GRU."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from funcdl.models import initial
from funcdl.models.dense import dense
from funcdl.models.dropout import Dropout
from funcdl.models.inputs import as_sequences


class LSTM(nn.Module):
    """Layers of long short-term memory (Hochreiter & Schmidhuber, 1997), read out at the end.

    Attributes:
        outputs: width of the output; filled by the task.
        hidden: widths of the layers; each reads the states of the one before.
        dropout: probability of dropping a unit of a layer's states in training.
    """

    outputs: int
    hidden: Sequence[int] = (64,)
    dropout: float = 0.0

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False) -> jax.Array:
        """Maps `[batch, time, features]`, or images read as rows, to `[batch, outputs]`."""
        last = _last_state(nn.OptimizedLSTMCell, self.hidden, self.dropout, inputs, train)
        return dense(self.outputs)(last)


class GRU(nn.Module):
    """Layers of gated recurrent units (Cho et al., 2014), read out at the end.

    Attributes:
        outputs: width of the output; filled by the task.
        hidden: widths of the layers; each reads the states of the one before.
        dropout: probability of dropping a unit of a layer's states in training.
    """

    outputs: int
    hidden: Sequence[int] = (64,)
    dropout: float = 0.0

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False) -> jax.Array:
        """Maps `[batch, time, features]`, or images read as rows, to `[batch, outputs]`."""
        last = _last_state(nn.GRUCell, self.hidden, self.dropout, inputs, train)
        return dense(self.outputs)(last)


def _last_state(
    cell: Callable[..., nn.RNNCellBase],
    widths: Sequence[int],
    dropout: float,
    inputs: jax.Array,
    train: bool,
) -> jax.Array:
    """Runs the layers over time, `[batch, time, features] -> [batch, widths[-1]]`."""
    states = as_sequences(inputs)
    for width in widths:
        one = cell(width, kernel_init=initial.weights)
        start = one.initialize_carry(jax.random.key(0), states[:, 0].shape)
        if jnp.issubdtype(states.dtype, jnp.floating):
            # Linen's own is float32, and then so is all that it computes from it.
            start = jax.tree.map(lambda zeros, to=states.dtype: zeros.astype(to), start)
        states = nn.RNN(one)(states, initial_carry=start)
        states = Dropout(dropout)(states, train=train)
    return states[:, -1]

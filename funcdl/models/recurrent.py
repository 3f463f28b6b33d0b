"""Recurrent networks: LSTM and GRU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype

from funcdl.models import initial
from funcdl.models.cells import GRU_CELL, LSTM_CELL
from funcdl.models.dense import dense
from funcdl.models.dropout import Dropout
from funcdl.models.inputs import as_sequences
from funcdl.models.product import dot_general
from funcdl.models.recurrence import Cell, states


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
        h = jnp.swapaxes(as_sequences(inputs), 0, 1)
        for width in self.hidden:
            h = Layer(width, LSTM_CELL, 4)(h)
            h = Dropout(self.dropout)(h, train=train)
        return dense(self.outputs)(h[-1])


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
        h = jnp.swapaxes(as_sequences(inputs), 0, 1)
        for width in self.hidden:
            h = Layer(width, GRU_CELL, 3, (1,))(h)
            h = Dropout(self.dropout)(h, train=train)
        return dense(self.outputs)(h[-1])


class Layer(nn.Module):
    """A recurrent layer, from `[time, batch, features]` to its states `[time, batch, width]`.

    The weights of all gates lie side by side in one matrix. Those of the input start as elsewhere, those of
    the states as an orthogonal matrix per gate, biases at zero.

    Attributes:
        width: of the state.
        cell: what is done in a step.
        gates: how many the input has, and as many the product of the states.
        inner: widths of the cell's other biases, in widths of the state.
    """

    width: int
    cell: Cell
    gates: int
    inner: Sequence[int] = ()

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        """The states, from zero at the start."""
        wide = self.gates * self.width
        of_input = nn.Dense(
            wide, use_bias=False, kernel_init=initial.weights, dot_general=dot_general, name="input"
        )(inputs)
        weights = self.param("recurrent", _orthogonal, (self.width, wide))
        zeros = nn.initializers.zeros_init()
        biases = [self.param("bias", zeros, (wide,))]
        if self.inner:
            biases.append(self.param("inner_bias", zeros, (self.width,)))
        of_input, weights, *biases = promote_dtype(of_input, weights, *biases)
        return states(self.cell, of_input, weights, tuple(biases))


def _orthogonal(key: jax.Array, shape: tuple[int, int], dtype: Any = float) -> jax.Array:
    """Orthogonal square matrices side by side."""
    width, wide = shape
    draw = nn.initializers.orthogonal()
    keys = jax.random.split(key, wide // width)
    squares = jax.vmap(lambda one: draw(one, (width, width), dtype))(keys)
    return jnp.swapaxes(squares, 0, 1).reshape(shape)

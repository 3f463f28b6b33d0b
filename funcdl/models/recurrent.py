"""Recurrent networks: LSTM and GRU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype

from funcdl.models import initial
from funcdl.models.cells import GRU_CELL, LSTM_CELL
from funcdl.models.dense import dense
from funcdl.models.dropout import Dropout
from funcdl.models.embedding import Embedding, are_ids, last_weights, mean_weights, there
from funcdl.models.inputs import as_sequences
from funcdl.models.recurrence import Cell, Weights, states


class LSTM(nn.Module):
    """Layers of long short-term memory (Hochreiter & Schmidhuber, 1997), read out by an affine map.

    Attributes:
        outputs: width of the output; filled by the task.
        tokens: how many ids there are, where inputs are ids; filled by the data.
        embedding: width of the vectors that ids become.
        hidden: widths of the layers; each reads the states of the one before.
        readout: "last" reads the last layer's state at the end, "mean" the mean of its states over
            time; where inputs are ids, at the last token and over the tokens, without padding.
        dropout: probability of dropping a unit of a layer's states in training.
    """

    outputs: int
    tokens: int = 0
    embedding: int = 64
    hidden: Sequence[int] = (64,)
    readout: Literal["last", "mean"] = "last"
    dropout: float = 0.0

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False) -> jax.Array:
        """Maps ids `[batch, time]`, vectors `[batch, time, features]`, or images to `[batch, outputs]`.

        Of images, rows are read from the top. Padding comes behind the tokens.
        """
        h = _steps(inputs, self.tokens, self.embedding)
        for width in self.hidden:
            h = Layer(width, LSTM_CELL, 4)(h)
            h = Dropout(self.dropout)(h, train=train)
        return dense(self.outputs)(_read(h, inputs, self.readout))


class GRU(nn.Module):
    """Layers of gated recurrent units (Cho et al., 2014), read out by an affine map.

    Attributes:
        outputs: width of the output; filled by the task.
        tokens: how many ids there are, where inputs are ids; filled by the data.
        embedding: width of the vectors that ids become.
        hidden: widths of the layers; each reads the states of the one before.
        readout: "last" reads the last layer's state at the end, "mean" the mean of its states over
            time; where inputs are ids, at the last token and over the tokens, without padding.
        dropout: probability of dropping a unit of a layer's states in training.
    """

    outputs: int
    tokens: int = 0
    embedding: int = 64
    hidden: Sequence[int] = (64,)
    readout: Literal["last", "mean"] = "last"
    dropout: float = 0.0

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False) -> jax.Array:
        """Maps ids `[batch, time]`, vectors `[batch, time, features]`, or images to `[batch, outputs]`.

        Of images, rows are read from the top. Padding comes behind the tokens.
        """
        h = _steps(inputs, self.tokens, self.embedding)
        for width in self.hidden:
            h = Layer(width, GRU_CELL, 3, inner=True)(h)
            h = Dropout(self.dropout)(h, train=train)
        return dense(self.outputs)(_read(h, inputs, self.readout))


def _steps(inputs: jax.Array, tokens: int, embedding: int) -> jax.Array:
    """What the first layer reads, `[time, batch, features]`."""
    if are_ids(inputs):
        return Embedding(tokens, embedding)(jnp.swapaxes(inputs, 0, 1))
    return jnp.swapaxes(as_sequences(inputs), 0, 1)


def _read(h: jax.Array, inputs: jax.Array, readout: str) -> jax.Array:
    """The last layer's states `[time, batch, width]` as one, `[batch, width]`.

    A state depends on the tokens up to it, so that padding behind them changes none that is read.
    """
    if are_ids(inputs):
        weights = {"last": last_weights, "mean": mean_weights}[readout](there(inputs), h.dtype)
        # A sum, not a look-up of each text's last state: its gradient is no scatter.
        return jnp.sum(h * jnp.swapaxes(weights, 0, 1)[..., None], axis=0)
    return h[-1] if readout == "last" else jnp.mean(h, axis=0)


class Layer(nn.Module):
    """A recurrent layer, from `[time, batch, features]` to its states `[time, batch, width]`.

    The weights of all gates lie side by side in one matrix. Those of the input start as elsewhere,
    those of the states as an orthogonal matrix per gate, biases at zero.

    Attributes:
        width: of the state.
        cell: what is done in a step.
        gates: how many the input has, and as many the states.
        inner: whether the cell has a bias of its own.
    """

    width: int
    cell: Cell
    gates: int
    inner: bool = False

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        """The states, from zero at the start."""
        wide, zeros = self.gates * self.width, nn.initializers.zeros_init()
        of_input = self.param("input", initial.weights, (inputs.shape[-1], wide))
        of_state = self.param("recurrent", _orthogonal, (self.width, wide))
        bias = self.param("bias", zeros, (wide,))
        inner = jnp.zeros(0, of_state.dtype)
        if self.inner:
            inner = self.param("inner_bias", zeros, (self.width,))
        # The bias is the weight of an input that is always one.
        ones = jnp.ones((*inputs.shape[:-1], 1), inputs.dtype)
        inputs = jnp.concatenate([inputs, ones], -1)
        of_input = jnp.concatenate([of_input, bias[None]])
        inputs, *weights = promote_dtype(inputs, of_input, of_state, inner)
        return states(self.cell, inputs, Weights(*weights))


def _orthogonal(key: jax.Array, shape: tuple[int, int], dtype: Any = float) -> jax.Array:
    """Orthogonal square matrices side by side."""
    width, wide = shape
    draw = nn.initializers.orthogonal()
    keys = jax.random.split(key, wide // width)
    squares = jax.vmap(lambda one: draw(one, (width, width), dtype))(keys)
    return jnp.swapaxes(squares, 0, 1).reshape(shape)

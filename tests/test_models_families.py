"""What is particular to each model, against references that are not ours."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from funcdl.models.attention import Block, causal, present
from funcdl.models.cnn import CNN
from funcdl.models.dropout import Dropout
from funcdl.models.make import make_model
from funcdl.models.recurrent import GRU, LSTM
from funcdl.models.resnet import ResNet
from funcdl.models.transformer import Transformer
from tests.quick import quick


def images(n):
    return jnp.asarray(np.random.default_rng(0).normal(size=(n, 8, 8, 1)), "float32")


@quick
def usual_stack(params, x) -> Any:
    """Linen's layers in the usual order, pooling last, with its native convolution."""
    h: Any = x
    for stage, width in enumerate((4, 6)):
        h = nn.Conv(width, (3, 3)).apply({"params": params[f"Conv_{stage}"]}, h)
        h = nn.max_pool(nn.relu(h), (2, 2), (2, 2))
    return nn.Dense(10).apply({"params": params["Dense_0"]}, h.reshape(len(x), -1))


def test_cnn_is_the_usual_stack():
    x, model = images(3), make_model({"name": "cnn", "channels": [4, 6]}, 10)
    variables = quick(model.init)(jax.random.key(0), x)
    out = model.apply(variables, x, train=False, rngs={})[0]
    np.testing.assert_allclose(out, usual_stack(variables["params"], x), rtol=1e-4, atol=1e-5)


def test_cnn_goes_on_when_the_image_is_one_pixel():
    out = jax.eval_shape(
        lambda: CNN(10, channels=(2,) * 5, pool="average").init_with_output(
            jax.random.key(0), images(2)
        )[0]
    )
    assert out.shape == (2, 10)


def test_resnet_20_has_the_published_size():
    """He et al. (2016), table 6: 0.27 million parameters; the projections (option B) add 0.003."""
    model = ResNet(10, channels=(16, 32, 64), blocks=3)
    x = jnp.zeros((1, 32, 32, 3))
    params = jax.eval_shape(model.init, jax.random.key(0), x)["params"]
    projections = 16 * 32 + 32 * 64 + 2 * (32 + 64)
    total = sum(leaf.size for leaf in jax.tree.leaves(params)) - projections
    assert round(total / 1e6, 2) == 0.27


def test_batch_norm_keeps_running_statistics():
    model = make_model({"name": "resnet", "channels": [4], "norm": "batch"}, 10)
    x = images(8)
    before = quick(model.init)(jax.random.key(0), x)
    _, after = quick(lambda v: model.apply(v, x, train=True, rngs={}))(before)
    kernel = before["params"]["Conv_0"]["kernel"]
    stem = lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    kept = after["batch_stats"]["BatchNorm_0"]
    np.testing.assert_allclose(kept["mean"], 0.1 * stem.mean((0, 1, 2)), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(kept["var"], 0.9 + 0.1 * stem.var((0, 1, 2)), rtol=1e-4)
    _, same = model.apply(after, x, train=False, rngs={})
    assert same is after
    group = make_model({"name": "resnet", "channels": [4], "norm": "group", "groups": 2}, 10)
    assert set(jax.eval_shape(group.init, jax.random.key(0), x)) == {"params"}


def numpy_lstm(p, x):
    """Hochreiter & Schmidhuber (1997) with the forget gate of Gers et al. (2000)."""
    h = c = np.zeros((x.shape[0], p["recurrent"].shape[0]))
    for t in range(x.shape[1]):
        gates = x[:, t] @ p["input"] + h @ p["recurrent"] + p["bias"]
        i, f, o, g = np.split(gates, 4, -1)
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
    return h


def numpy_gru(p, x):
    """Cho et al. (2014), with the reset gate after the product, as cuDNN has it."""
    h = np.zeros((x.shape[0], p["recurrent"].shape[0]))
    for t in range(x.shape[1]):
        r, z, n = np.split(x[:, t] @ p["input"] + p["bias"], 3, -1)
        of_r, of_z, of_n = np.split(h @ p["recurrent"], 3, -1)
        r, z = 1 / (1 + np.exp(-r - of_r)), 1 / (1 + np.exp(-z - of_z))
        n = np.tanh(n + r * (of_n + p["inner_bias"]))
        h = (1 - z) * n + z * h
    return h


@pytest.mark.parametrize(("cls", "reference"), [(LSTM, numpy_lstm), (GRU, numpy_gru)])
def test_recurrent_nets_follow_their_equations(cls, reference):
    """Values, and the slope along one direction, against NumPy in float64."""
    module, x = cls(3, hidden=(5,)), images(4)
    params = quick(module.init)(jax.random.key(0), x)["params"]
    step = jax.tree.map(lambda p: jnp.sin(jnp.arange(p.size)).reshape(p.shape), params)
    params = jax.tree.map(lambda p, d: p + 0.1 * d, params, step)  # biases start at zero

    @quick
    def ours(params, x) -> Any:
        return module.apply({"params": params}, x)

    def theirs(t):
        wide = jax.tree.map(lambda p, d: np.asarray(p, "float64") + t * np.asarray(d), params, step)
        last = reference(wide["Layer_0"], np.asarray(x, "float64").reshape(4, 8, 8))
        return last @ wide["Dense_0"]["kernel"] + wide["Dense_0"]["bias"]

    np.testing.assert_allclose(ours(params, x), theirs(0.0), rtol=1e-4, atol=1e-5)
    grads = quick(jax.grad(lambda p: (module.apply({"params": p}, x) ** 2).sum()))(params)
    slope = sum(jax.tree.leaves(jax.tree.map(lambda g, d: (g * d).sum(), grads, step)))
    numeric = ((theirs(1e-5) ** 2).sum() - (theirs(-1e-5) ** 2).sum()) / 2e-5
    np.testing.assert_allclose(slope, numeric, rtol=1e-3)


class Attention(Block):
    @nn.compact
    def __call__(self, x, mask=None, *, train=False):
        return self._attention(x.reshape(-1, x.shape[-1]), x.shape[1], mask).reshape(x.shape)


def test_attention_is_linens():
    """With the same weights, `flax.linen.MultiHeadDotProductAttention` gives the same."""
    width, heads = 12, 3
    ours, theirs = Attention(width, heads), nn.MultiHeadDotProductAttention(heads)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 5, width)), "float32")
    params: Any = quick(ours.init)(jax.random.key(0), x)["params"]
    params = jax.tree.map(lambda p: p + 0.1 * jnp.sin(jnp.arange(p.size)).reshape(p.shape), params)
    mixed, last = params["Dense_0"], params["Dense_1"]
    size = width // heads
    given: dict[str, Any] = {
        part: {
            "kernel": mixed["kernel"][:, i * width : (i + 1) * width].reshape(width, heads, size),
            "bias": mixed["bias"][i * width : (i + 1) * width].reshape(heads, size),
        }
        for i, part in enumerate(("query", "key", "value"))
    }
    given["out"] = {"kernel": last["kernel"].reshape(heads, size, width), "bias": last["bias"]}

    there = jnp.array([[True] * 5, [True] * 3 + [False] * 2])

    @quick
    def both(mask) -> Any:
        return ours.apply({"params": params}, x, mask), theirs.apply(
            {"params": given}, x, mask=mask
        )

    for mask in (None, causal(5), present(there), causal(5) & present(there)):
        np.testing.assert_allclose(*both(mask), rtol=1e-4, atol=1e-5)


def test_transformer_knows_order_only_by_its_positions():
    model = Transformer(10, width=8, heads=2, depth=1)
    x = images(2)
    params = quick(model.init)(jax.random.key(0), x)["params"]
    apply = quick(lambda params, x: model.apply({"params": params}, x))
    assert not np.allclose(apply(params, x), apply(params, x[:, ::-1]), atol=1e-5)
    blind = {**params, "positions": jnp.zeros_like(params["positions"])}
    np.testing.assert_allclose(apply(blind, x), apply(blind, x[:, ::-1]), rtol=1e-4, atol=1e-5)


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match="heads: 3 does not divide width: 64"):
        make_model({"name": "transformer", "heads": 3}, 10).init(jax.random.key(0), images(1))
    with pytest.raises(ValueError, match="'rleu': allowed are relu"):
        make_model({"name": "mlp", "activation": "rleu"}, 10).init(jax.random.key(0), images(1))


def test_dropout_is_linens_and_its_rate_may_be_traced():
    """The same bits as `flax.linen.Dropout`, for two rates in one program."""
    x, key, traces = images(8), jax.random.key(1), []

    @quick
    def ours(rate) -> Any:
        traces.append(rate)
        return Dropout(rate).apply({}, x, train=True, rngs={"dropout": key})

    for rate in (0.25, 0.7):
        expected: Any = nn.Dropout(rate, deterministic=False).apply({}, x, rngs={"dropout": key})
        np.testing.assert_allclose(ours(jnp.float32(rate)), expected, rtol=1e-6)
    assert len(traces) == 1

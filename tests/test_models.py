"""Every model of the table goes through one battery; then what is particular to each."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax
from sklearn.datasets import load_digits

from funcdl.errors import DataError
from funcdl.models import MODELS
from funcdl.models.cnn import CNN
from funcdl.models.make import make_model
from funcdl.models.recurrent import GRU, LSTM
from funcdl.models.resnet import ResNet
from funcdl.models.transformer import Transformer

# Small, so that they compile fast; and the rate at which Adam learns 32 digits by heart.
SPECS = {
    "logistic": ({}, 0.1),
    "mlp": ({"hidden": [32]}, 0.03),
    "cnn": ({"channels": [8, 16]}, 0.03),
    "resnet": ({"channels": [4, 8]}, 0.03),
    "lstm": ({"hidden": [16]}, 0.03),
    "gru": ({"hidden": [16]}, 0.03),
    "transformer": ({"width": 16, "depth": 1, "heads": 2, "expansion": 2}, 0.01),
}
READS = {  # what shapes of input a model takes, beside images
    "logistic": [(7,), (5, 3)],
    "mlp": [(7,), (5, 3)],
    "cnn": [],
    "resnet": [],
    "lstm": [(5, 3)],
    "gru": [(5, 3)],
    "transformer": [(5, 3)],
}
DROPOUT = ("mlp", "cnn", "lstm", "gru", "transformer")
each = pytest.mark.parametrize("name", MODELS)
# Most programs here run once: what counts is the time to compile them.
quick = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def small(name, **more):
    return make_model({"name": name, **SPECS[name][0], **more}, outputs=10)


def images(n, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(n, 8, 8, 1)))


def loss_of(model, variables, params, inputs, labels, rngs):
    outputs, variables = model.apply({**variables, "params": params}, inputs, train=True, rngs=rngs)
    losses = optax.softmax_cross_entropy_with_integer_labels(outputs, labels)
    return losses.mean(), variables


@pytest.fixture
def float64():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


def test_every_model_is_in_the_battery():
    assert set(SPECS) == set(MODELS) == set(READS)


@each
def test_shapes(name):
    """Widths come from the task and sizes from the inputs; parameters are float32."""
    for shape in [(8, 8, 1), (9, 6, 3), *READS[name]]:
        for outputs in (1, 10):
            model = make_model({"name": name, **SPECS[name][0]}, outputs)
            x = jnp.zeros((3, *shape))
            variables = jax.eval_shape(model.init, jax.random.key(0), x)
            assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
            for train in (False, True):
                out, after = jax.eval_shape(
                    lambda v, x, m=model, t=train: m.apply(v, x, train=t, rngs={}), variables, x
                )
                assert out.shape == (3, outputs)
                assert jax.tree.structure(after) == jax.tree.structure(variables)


@pytest.mark.parametrize("name", [name for name in MODELS if name not in ("logistic", "mlp")])
def test_inputs_that_do_not_fit_are_refused(name):
    with pytest.raises(DataError, match=r"\[3, 7\].*reshape"):
        small(name).init(jax.random.key(0), jnp.zeros((3, 7)))


@each
def test_init_depends_on_the_key_alone(name):
    """The same key gives the same bits whatever the batch; `vmap` over keys gives each key's."""
    model = small(name)
    init = quick(model.init)
    keys = jax.random.split(jax.random.key(0), 3)
    lanes = quick(jax.vmap(model.init, in_axes=(0, None)))(keys, images(1))
    first, again = init(keys[0], images(1)), init(keys[0], images(1, seed=1))
    for a, b, lane in zip(*map(jax.tree.leaves, (first, again, lanes)), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(a, lane[0], rtol=1e-5, atol=1e-6)
    weights = [leaf for leaf in jax.tree.leaves(lanes["params"]) if leaf.ndim > 2]
    assert all(not np.allclose(w[0], w[1]) for w in weights)


# Linen's recurrent cells keep a float32 state; theirs is tested against NumPy below.
@pytest.mark.parametrize("name", [name for name in MODELS if name not in ("lstm", "gru")])
@pytest.mark.usefixtures("float64")
def test_gradient_equals_a_finite_difference(name):
    """Along one random direction in all parameters at once, in float64."""
    model = small(name)
    labels = jnp.arange(6) % 10

    @quick
    def slopes(variables, x):
        variables, x = jax.tree.map(lambda a: a.astype("float64"), (variables, x))
        leaves, tree = jax.tree.flatten(variables["params"])
        step = [jnp.cos(jnp.arange(p.size) + i).reshape(p.shape) for i, p in enumerate(leaves)]

        def along(t):
            moved = tree.unflatten([p + t * d for p, d in zip(leaves, step, strict=True)])
            return loss_of(model, variables, moved, x, labels, {})[0]

        eps = 1e-6
        return jax.grad(along)(0.0), (along(eps) - along(-eps)) / (2 * eps)

    variables = quick(model.init)(jax.random.key(1), images(1))
    exact, numeric = slopes(variables, images(6))
    assert exact.dtype == jnp.float64
    assert abs(exact) > 1e-3
    np.testing.assert_allclose(exact, numeric, rtol=1e-6, atol=1e-8)


@each
def test_examples_do_not_see_each_other(name):
    """In evaluation always; in training but for batch norm."""
    options = [{"norm": "batch"}, {"norm": "group", "groups": 2}] if name == "resnet" else [{}]
    for more in options:
        model = small(name, **more)
        variables = quick(model.init)(jax.random.key(0), images(1))
        for train in (False, True):
            apply = quick(lambda v, x, m=model, t=train: m.apply(v, x, train=t, rngs={})[0])
            alone = apply(variables, images(4))[0]
            among = apply(variables, images(4).at[1:].multiply(-3.0))[0]
            independent = not (train and more.get("norm") == "batch")
            assert np.allclose(alone, among, rtol=1e-5, atol=1e-5) == independent


@each
def test_traced_once_per_config(name):
    model, traces = small(name), []

    @quick
    def outputs(key, x):
        traces.append(name)
        return model.apply(model.init(key, x), x, train=True, rngs={"dropout": key})[0]

    first = outputs(jax.random.key(0), images(2))
    assert not np.allclose(first, outputs(jax.random.key(1), images(2, seed=1)))
    np.testing.assert_array_equal(first, outputs(jax.random.key(0), images(2)))
    assert len(traces) == 1


@each
def test_learns_32_digits_by_heart(name):
    model, (_, rate) = small(name), SPECS[name]
    digits: Any = load_digits()
    x = jnp.asarray(digits.images[:32, ..., None] / 16, "float32")
    labels = jnp.asarray(digits.target[:32])
    optimizer = optax.adam(rate)

    @quick
    def learn(key):
        def step(_, carry):
            variables, state = carry
            (_, after), grads = jax.value_and_grad(
                lambda p: loss_of(model, variables, p, x, labels, {}), has_aux=True
            )(variables["params"])
            updates, state = optimizer.update(grads, state)
            params = optax.apply_updates(variables["params"], updates)
            return {**after, "params": params}, state

        variables = model.init(key, x)
        start = (variables, optimizer.init(variables["params"]))
        variables, _ = lax.fori_loop(0, 200, step, start)
        return model.apply(variables, x, train=False, rngs={})[0]

    assert np.mean(np.argmax(learn(jax.random.key(0)), axis=1) == labels) == 1.0


@pytest.mark.parametrize("name", DROPOUT)
def test_dropout_follows_its_key_and_ends_with_training(name):
    model = small(name, dropout=0.5)
    x = images(2)
    variables = quick(model.init)(jax.random.key(0), x)

    @quick
    def train(key):
        return model.apply(variables, x, train=True, rngs={"dropout": key})[0]

    np.testing.assert_array_equal(train(jax.random.key(1)), train(jax.random.key(1)))
    assert not np.allclose(train(jax.random.key(1)), train(jax.random.key(2)))
    dry = small(name)  # evaluation is that of the model without dropout
    ours, expected = (
        quick(lambda v, m=m: m.apply(v, x, train=False, rngs={})[0])(variables)
        for m in (model, dry)
    )
    np.testing.assert_array_equal(ours, expected)


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
    h = c = np.zeros((x.shape[0], p["hi"]["bias"].size))
    for t in range(x.shape[1]):
        i, f, g, o = (
            x[:, t] @ p[f"i{k}"]["kernel"] + h @ p[f"h{k}"]["kernel"] + p[f"h{k}"]["bias"]
            for k in "ifgo"
        )
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
    return h


def numpy_gru(p, x):
    """Cho et al. (2014), with the reset gate after the product, as cuDNN has it."""
    h = np.zeros((x.shape[0], p["hn"]["bias"].size))
    for t in range(x.shape[1]):
        r, z, n = (x[:, t] @ p[f"i{k}"]["kernel"] + p[f"i{k}"]["bias"] for k in "rzn")
        r = 1 / (1 + np.exp(-r - h @ p["hr"]["kernel"]))
        z = 1 / (1 + np.exp(-z - h @ p["hz"]["kernel"]))
        n = np.tanh(n + r * (h @ p["hn"]["kernel"] + p["hn"]["bias"]))
        h = (1 - z) * n + z * h
    return h


@pytest.mark.parametrize(
    ("cls", "reference", "cell"),
    [(LSTM, numpy_lstm, "OptimizedLSTMCell_0"), (GRU, numpy_gru, "GRUCell_0")],
)
def test_recurrent_nets_follow_their_equations(cls, reference, cell):
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
        last = reference(wide[cell], np.asarray(x, "float64").reshape(4, 8, 8))
        return last @ wide["Dense_0"]["kernel"] + wide["Dense_0"]["bias"]

    np.testing.assert_allclose(ours(params, x), theirs(0.0), rtol=1e-4, atol=1e-5)
    grads = quick(jax.grad(lambda p: (module.apply({"params": p}, x) ** 2).sum()))(params)
    slope = sum(jax.tree.leaves(jax.tree.map(lambda g, d: (g * d).sum(), grads, step)))
    numeric = ((theirs(1e-5) ** 2).sum() - (theirs(-1e-5) ** 2).sum()) / 2e-5
    np.testing.assert_allclose(slope, numeric, rtol=1e-3)


class Attention(Transformer):
    @nn.compact
    def __call__(self, x, *, train=False):
        return self._attention(x)


def test_attention_is_linens():
    """With the same weights, `flax.linen.MultiHeadDotProductAttention` gives the same."""
    width, heads = 12, 3
    ours, theirs = Attention(10, width=width, heads=heads), nn.MultiHeadDotProductAttention(heads)
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

    @quick
    def both() -> Any:
        return ours.apply({"params": params}, x), theirs.apply({"params": given}, x)

    np.testing.assert_allclose(*both(), rtol=1e-4, atol=1e-5)


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

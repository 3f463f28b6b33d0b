"""Every model of the table goes through one battery."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax
from sklearn.datasets import load_digits

from funcdl.errors import DataError
from funcdl.models import MODELS as NAMES
from funcdl.models import RECOMMENDERS, SCORES
from funcdl.models.make import make_model

# Those left out: test_anomaly_models, test_recommendation_models.
MODELS = [name for name in NAMES if name not in (*SCORES, *RECOMMENDERS)]
# Small, so that they compile fast; and the rate at which Adam learns 32 digits by heart.
SPECS = {
    "logistic": ({}, 0.1),
    "mlp": ({"hidden": [32]}, 0.03),
    "residual_mlp": ({"width": 16, "depth": 1}, 0.01),
    "ft_transformer": ({"width": 8, "depth": 1, "heads": 2, "expansion": 1}, 0.01),
    "cnn": ({"channels": [8, 16]}, 0.03),
    "resnet": ({"channels": [4, 8]}, 0.03),
    "lstm": ({"hidden": [16]}, 0.03),
    "gru": ({"hidden": [16]}, 0.03),
    "transformer": ({"width": 16, "depth": 1, "heads": 2, "expansion": 2}, 0.01),
    "vit": ({"patch": 4, "width": 16, "depth": 1, "heads": 2, "expansion": 2}, 0.01),
    "bag_of_embeddings": ({"embedding": 8, "hidden": [8]}, 0.03),
    "text_cnn": ({"embedding": 8, "filters": 8, "widths": [2, 3]}, 0.03),
    "nbeats": ({"blocks": 2, "layers": 1, "width": 16}, 0.03),
    "tcn": ({"channels": [8, 8], "kernel": 2}, 0.03),
    "patch_transformer": ({"patch": 3, "stride": 2, "width": 16, "depth": 1, "heads": 2}, 0.01),
}
READS = {  # what shapes of input a model takes, beside images where it takes them
    "logistic": [(7,), (5, 3)],
    "mlp": [(7,), (5, 3)],
    "residual_mlp": [(7,), (5, 3)],
    "ft_transformer": [(7,), (5, 3)],
    "cnn": [],
    "resnet": [],
    "lstm": [(5, 3)],
    "gru": [(5, 3)],
    "transformer": [(5, 3)],
    "vit": [],
    "bag_of_embeddings": [(5,)],
    "text_cnn": [(5,), (2,)],
    "nbeats": [(5, 3)],
    "tcn": [(5, 3)],
    "patch_transformer": [(5, 3)],
}
DROPOUT = (
    "mlp",
    "residual_mlp",
    "ft_transformer",
    "cnn",
    "lstm",
    "gru",
    "transformer",
    "vit",
    "bag_of_embeddings",
    "text_cnn",
    "nbeats",
    "tcn",
    "patch_transformer",
)
VECTORS = ("logistic", "mlp", "residual_mlp", "ft_transformer")  # take inputs of any shape
OF_IDS = ("bag_of_embeddings", "text_cnn")  # take sequences of ids and nothing else
IDS = {"tokens": 64 * 17}  # a digit as ids: which of 64 pixels it is, and which of 17 shades it has
each = pytest.mark.parametrize("name", MODELS)
# Most programs here run once: what counts is the time to compile them.
quick = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def small(name, **more):
    return make_model({"name": name, **SPECS[name][0], **more}, outputs=10, ids=IDS)


def examples(name, n, seed=0):
    """What a model of this name reads: random images, or ids."""
    rng = np.random.default_rng(seed)
    if name in OF_IDS:
        return jnp.asarray(rng.integers(0, IDS["tokens"], (n, 64)), "int32")
    return jnp.asarray(rng.normal(size=(n, 8, 8, 1)))


def shown(name, images):
    """Images of shades 0 to 16, `[n, 8, 8]`, as the model reads them."""
    if name in OF_IDS:
        return jnp.asarray(17 * np.arange(64) + images.reshape(-1, 64), "int32")
    return jnp.asarray(images[..., None] / 16, "float32")


def wide(x):
    return x.astype("float64") if jnp.issubdtype(x.dtype, jnp.floating) else x


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
    for shape in [*([] if name in OF_IDS else [(8, 8, 1), (9, 6, 3)]), *READS[name]]:
        for outputs in (1, 10):
            model = make_model({"name": name, **SPECS[name][0]}, outputs, IDS)
            x = jnp.zeros((3, *shape), int if name in OF_IDS else float)
            variables = jax.eval_shape(model.init, jax.random.key(0), x)
            assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
            for train in (False, True):
                out, after = jax.eval_shape(
                    lambda v, x, m=model, t=train: m.apply(v, x, train=t, rngs={}), variables, x
                )
                assert out.shape == (3, outputs)
                assert jax.tree.structure(after) == jax.tree.structure(variables)


@pytest.mark.parametrize("name", [name for name in MODELS if name not in VECTORS])
def test_inputs_that_do_not_fit_are_refused(name):
    with pytest.raises(DataError, match=r"\[3, 7\].*reshape"):
        small(name).init(jax.random.key(0), jnp.zeros((3, 7)))


@each
def test_init_depends_on_the_key_alone(name):
    """The same key gives the same bits whatever the batch; `vmap` over keys gives each key's."""
    model = small(name)
    init = quick(model.init)
    keys = jax.random.split(jax.random.key(0), 3)
    lanes = quick(jax.vmap(model.init, in_axes=(0, None)))(keys, examples(name, 1))
    first, again = init(keys[0], examples(name, 1)), init(keys[0], examples(name, 1, seed=1))
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
        variables, x = jax.tree.map(wide, (variables, x))
        leaves, tree = jax.tree.flatten(variables["params"])
        step = [jnp.cos(jnp.arange(p.size) + i).reshape(p.shape) for i, p in enumerate(leaves)]

        def along(t):
            moved = tree.unflatten([p + t * d for p, d in zip(leaves, step, strict=True)])
            return loss_of(model, variables, moved, x, labels, {})[0]

        eps = 1e-6
        return jax.grad(along)(0.0), (along(eps) - along(-eps)) / (2 * eps)

    variables = quick(model.init)(jax.random.key(1), examples(name, 1))
    exact, numeric = slopes(variables, examples(name, 6))
    assert exact.dtype == jnp.float64
    assert abs(exact) > 1e-3
    np.testing.assert_allclose(exact, numeric, rtol=1e-6, atol=1e-8)


@each
def test_examples_do_not_see_each_other(name):
    """In evaluation always; in training but for batch norm."""
    options = {
        "resnet": [{"norm": "batch"}, {"norm": "group", "groups": 2}],
        "residual_mlp": [{"norm": "batch"}, {"norm": "layer"}],
    }.get(name, [{}])
    for more in options:
        model = small(name, **more)
        variables = quick(model.init)(jax.random.key(0), examples(name, 1))
        for train in (False, True):
            apply = quick(lambda v, x, m=model, t=train: m.apply(v, x, train=t, rngs={})[0])
            alone = apply(variables, examples(name, 4))[0]
            among = apply(variables, examples(name, 4).at[1:].set(examples(name, 4, seed=1)[1:]))[0]
            independent = not (train and more.get("norm") == "batch")
            assert np.allclose(alone, among, rtol=1e-5, atol=1e-5) == independent


@each
def test_traced_once_per_config(name):
    model, traces = small(name), []

    @quick
    def outputs(key, x):
        traces.append(name)
        return model.apply(model.init(key, x), x, train=True, rngs={"dropout": key})[0]

    first = outputs(jax.random.key(0), examples(name, 2))
    assert not np.allclose(first, outputs(jax.random.key(1), examples(name, 2, seed=1)))
    np.testing.assert_array_equal(first, outputs(jax.random.key(0), examples(name, 2)))
    assert len(traces) == 1


@each
def test_learns_32_digits_by_heart(name):
    model, (_, rate) = small(name), SPECS[name]
    digits: Any = load_digits()
    x = shown(name, digits.images[:32])
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
    x = examples(name, 2)
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

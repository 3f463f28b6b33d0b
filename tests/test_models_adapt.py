"""Whatever a person has becomes a `Model`: Linen, NNX, plain functions; and refusals are clear."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from funcdl.errors import StudyError
from funcdl.models.adapt import from_functions, from_linen, from_nnx
from funcdl.models.make import make_model
from funcdl.models.mlp import MLP
from funcdl.types import Model

KEY = jax.random.key(0)
X = jnp.asarray(np.random.default_rng(0).normal(size=(4, 6)), "float32")


def train_outputs(model, variables, seed):
    return model.apply(variables, X, train=True, rngs={"dropout": jax.random.key(seed)})[0]


def eval_outputs(model, variables):
    return model.apply(variables, X, train=False, rngs={})[0]


class Training(nn.Module):
    @nn.compact
    def __call__(self, inputs, training):
        return nn.Dropout(0.5, deterministic=not training)(inputs)


class Deterministic(nn.Module):
    @nn.compact
    def __call__(self, inputs, deterministic: bool = True):
        return nn.Dropout(0.5)(inputs, deterministic=deterministic)


class Net(nnx.Module):
    """Dropout, a batch norm and a list, to have all kinds of state."""

    def __init__(self, outputs: int, hidden: int = 8, *, rngs: nnx.Rngs):
        self.body = nnx.Sequential(
            nnx.Linear(6, hidden, rngs=rngs),
            nnx.BatchNorm(hidden, rngs=rngs),
            nnx.Dropout(0.5, rngs=rngs),
        )
        self.head = nnx.Linear(hidden, outputs, rngs=rngs)

    def __call__(self, x):
        return self.head(self.body(x))


class TwoDropouts(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.first = nnx.Dropout(0.5, rngs=rngs)
        self.second = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        return jnp.stack([self.first(jnp.ones_like(x)), self.second(jnp.ones_like(x))])


@pytest.mark.parametrize("module", [Training(), Deterministic()], ids=["training", "deterministic"])
def test_linen_modules_may_name_the_switch_as_they_like(module):
    model = from_linen(module)
    variables = {"params": {}}
    np.testing.assert_array_equal(eval_outputs(model, variables), X)
    assert np.mean(train_outputs(model, variables, 1) == 0) > 0.1


def test_linen_without_a_switch():
    model = from_linen(nn.Dense(3))
    variables = model.init(KEY, X)
    np.testing.assert_array_equal(
        train_outputs(model, variables, 1), eval_outputs(model, variables)
    )


def test_nnx_computes_what_the_module_does():
    model = from_nnx(nnx.Linear, in_features=6, out_features=3)
    variables = model.init(KEY, X)
    params = variables["params"]
    expected = np.asarray(X) @ np.asarray(params["kernel"]) + np.asarray(params["bias"])
    np.testing.assert_allclose(eval_outputs(model, variables), expected, rtol=1e-5, atol=1e-6)


def test_nnx_init_depends_on_the_key_under_vmap():
    model = from_nnx(Net, outputs=3)
    keys = jax.random.split(KEY, 3)
    lanes = jax.jit(jax.vmap(model.init, in_axes=(0, None)))(keys, X)
    one = jax.jit(model.init)(keys[1], X)
    kernels = lanes["params"]["body"]["layers"][0]["kernel"]
    np.testing.assert_allclose(kernels[1], one["params"]["body"]["layers"][0]["kernel"], rtol=1e-5)
    assert not np.allclose(kernels[0], kernels[1])


def test_nnx_trains_and_evaluates_purely():
    """Batch norm is updated in training, dropout follows its key, nothing is kept outside."""
    model = from_nnx(lambda rngs: Net(3, rngs=rngs))
    before = model.init(KEY, X)
    train = jax.jit(lambda v, k: model.apply(v, X, train=True, rngs={"dropout": k}))
    out, after = train(before, jax.random.key(1))
    again, _ = train(before, jax.random.key(1))
    other, _ = train(before, jax.random.key(2))
    np.testing.assert_array_equal(out, again)
    assert not np.allclose(out, other)
    assert jax.tree.structure(after) == jax.tree.structure(before)

    kernel, bias = (before["params"]["body"]["layers"][0][k] for k in ("kernel", "bias"))
    hidden = np.asarray(X) @ np.asarray(kernel) + np.asarray(bias)
    kept = after["state"]["body"]["layers"][1]
    np.testing.assert_allclose(kept["mean"], 0.01 * hidden.mean(0), rtol=1e-4, atol=1e-6)
    evaluated, same = model.apply(after, X, train=False, rngs={})
    assert same is after
    np.testing.assert_array_equal(evaluated, eval_outputs(model, after))


def test_nnx_gradients_are_finite():
    model = from_nnx(Net, outputs=3)
    variables = model.init(KEY, X)

    def loss(params):
        return jnp.sum(train_outputs(model, {**variables, "params": params}, 1) ** 2)

    grads = jax.jit(jax.grad(loss))(variables["params"])
    assert jax.tree.structure(grads) == jax.tree.structure(variables["params"])
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(grads))
    assert any(np.any(g) for g in jax.tree.leaves(grads))


def test_nnx_layers_drop_different_units():
    model = from_nnx(TwoDropouts)
    first, second = train_outputs(model, model.init(KEY, X), 1)
    assert not np.array_equal(first, second)


def test_nnx_module_already_made_is_refused():
    made = nnx.Linear(6, 3, rngs=nnx.Rngs(0))
    with pytest.raises(TypeError, match=r"same weights for all seeds.*lambda rngs: Linear"):
        from_nnx(made)
    with pytest.raises(StudyError, match="same weights for all seeds"):
        make_model(made, 3)


def test_functions():
    def init(key, inputs):
        return {"w": jax.random.normal(key, (inputs.shape[-1], 3))}

    plain = from_functions(init, lambda params, inputs: inputs @ params["w"])
    variables = plain.init(KEY, X)
    np.testing.assert_array_equal(eval_outputs(plain, variables), X @ variables["params"]["w"])
    np.testing.assert_array_equal(
        train_outputs(plain, variables, 1), eval_outputs(plain, variables)
    )

    def noisy(params, inputs, *, train, rngs):
        noise = jax.random.normal(rngs["dropout"], inputs.shape) if train else 0.0
        return (inputs + noise) @ params["w"]

    model = from_functions(init, noisy)
    assert not np.allclose(train_outputs(model, variables, 1), train_outputs(model, variables, 2))
    np.testing.assert_array_equal(eval_outputs(model, variables), X @ variables["params"]["w"])


def pair(width):
    return (
        lambda key, inputs: jax.random.normal(key, (inputs.shape[-1], width)),
        lambda params, inputs: inputs @ params,
    )


SPECS = {
    "name": "mlp",
    "name and arguments": {"name": "mlp", "hidden": [4, 4]},
    "linen class": MLP,
    "linen class and arguments": {"name": MLP, "hidden": [4]},
    "linen module": nn.Dense(3),
    "nnx class": {"name": Net, "hidden": 4},
    "nnx factory": lambda rngs: Net(3, rngs=rngs),
    "nnx factory of outputs": lambda outputs, rngs: Net(outputs, rngs=rngs),
    "pair": pair(3),
    "model": from_functions(*pair(3)),
    "factory of a linen module": lambda outputs: nn.Dense(outputs),
    "factory of a pair": {"name": lambda outputs, scale: pair(scale * outputs), "scale": 1},
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_make_model_takes_all_kinds(spec):
    model = make_model(spec, outputs=3)
    assert isinstance(model, Model)
    variables = jax.eval_shape(model.init, KEY, X)
    out = jax.eval_shape(
        lambda v: model.apply(v, X, train=True, rngs={"dropout": KEY})[0], variables
    )
    assert out.shape == (4, 3)
    assert isinstance(jax.tree.leaves(variables["params"]), list)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mpl", "^model: unknown model 'mpl'; did you mean mlp; allowed logistic, mlp"),
        ({"name": "mlp", "hiden": [4]}, "^model: MLP: .*'hiden'; its arguments are: hidden, activ"),
        ({"name": "mlp", "outputs": 4}, "^model.outputs: is set by the task"),
        ({"name": "text_cnn", "tokens": 9}, "^model.tokens: is set by the data"),
        ({"name": "mlp", "users": 4}, "^model.users: is set by the data"),
        ({"hidden": [4]}, "^model: has no name"),
        ({"name": nn.Dense(3), "features": 4}, "^model.features: a Dense is already made"),
        ({"name": Net, "hiden": 4}, "^model: Net: .*'hiden'; its arguments are: hidden"),
        (3, "^model: 3 is no model; give a name"),
        (lambda outputs: outputs, "^model: 3 is no model"),
        ((1, 2, 3), "is no model"),
    ],
)
def test_make_model_says_what_is_wrong(spec, message):
    with pytest.raises(StudyError, match=message):
        make_model(spec, outputs=3)

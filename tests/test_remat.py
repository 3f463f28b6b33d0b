"""Rematerialisation: the same numbers in less memory, by XLA's own account of it."""

import itertools
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from funcdl.data.load import make_data
from funcdl.execute.programs import compile_program
from funcdl.models.make import make_model
from funcdl.plan.recipe import cut
from funcdl.train.cuts import cheapest, kept, steps_of
from funcdl.train.precision import computing_in
from funcdl.train.remat import compiler_options, in_segments, rematerialised
from funcdl.types import Dataset, Model
from tests import quick as quickly

X = np.random.default_rng(0).normal(size=(64, 8, 8, 1)).astype("float32")
Y = np.arange(64) % 10
OPTIONS = compiler_options(jax.default_backend())
quick = partial(jax.jit, compiler_options={**quickly.OPTIONS, **OPTIONS})


def gradient(model: Model):
    """Loss, collections and gradient, `(params, others, key) -> ((loss, others), grads)`."""

    def loss(params, others, key):
        outputs, after = model.apply(
            {"params": params, **others}, X, train=True, rngs={"dropout": key}
        )
        loss = jnp.mean((outputs - jax.nn.one_hot(Y, 10)) ** 2)
        return loss, {name: value for name, value in after.items() if name != "params"}

    return jax.value_and_grad(loss, has_aux=True)


def start(model: Model):
    variables = dict(quick(model.init)(jax.random.key(0), X[:1]))
    return variables.pop("params"), variables, jax.random.key(1)


def temporary(compiled: Any) -> int:
    """Bytes that XLA sets aside for a program, besides its arguments and results."""
    return compiled.memory_analysis().temp_size_in_bytes


DEEP = [
    ({"name": "mlp", "hidden": [64] * 16}, 3),
    ({"name": "resnet", "channels": [8], "blocks": 4}, 2),
    ({"name": "transformer", "width": 16, "depth": 4}, 2.5),
    ({"name": "lstm", "hidden": [32]}, 1.8),
    ({"name": "gru", "hidden": [32]}, 2),
]


@pytest.mark.parametrize(
    ("spec", "times"), DEEP, ids=lambda v: v["name"] if isinstance(v, dict) else None
)
def test_deep_models_take_a_fraction_of_the_memory(spec, times):
    model = make_model(spec, 10)
    arguments = start(model)
    needed, ends = [], []
    for one in (model, rematerialised(model)):
        compiled = quick(gradient(one)).lower(*arguments).compile()
        needed.append(temporary(compiled))
        ends.append(compiled(*arguments))
    assert needed[1] < needed[0] / times
    for found, expected in zip(*map(jax.tree.leaves, ends[::-1]), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


class Normed(nnx.Module):
    """An NNX module with a state and dropout."""

    def __init__(self, *, rngs: nnx.Rngs):
        self.first, self.norm = nnx.Linear(64, 8, rngs=rngs), nnx.BatchNorm(8, rngs=rngs)
        self.drop, self.last = nnx.Dropout(0.5, rngs=rngs), nnx.Linear(8, 10, rngs=rngs)

    def __call__(self, x):
        h = jax.nn.relu(self.norm(self.first(x.reshape(len(x), -1))))
        return self.last(self.drop(h))


def functions():
    """Two functions of a user's, one of them compiled, so that its inside cannot be cut."""

    @jax.jit
    def apply(params, x):
        h = x.reshape(len(x), -1)
        for _ in range(3):
            h = jnp.sin(h @ params)
        return h[:, :10]

    return (lambda key, x: jax.random.normal(key, (64, 64)) / 8), apply


@pytest.mark.parametrize(
    "spec",
    [
        "logistic",
        {"name": "cnn", "channels": [4]},
        {"name": "mlp", "dropout": 0.3},
        {"name": "gru", "hidden": [8], "dropout": 0.3},
        {"name": "resnet", "channels": [4], "norm": "group", "groups": 2},
        Normed,
        functions(),
        nn.Sequential([lambda x: x.reshape(len(x), -1), nn.Dense(10)]),
    ],
    ids=["logistic", "cnn", "dropout", "gru", "group", "nnx", "functions", "linen"],
)
def test_numbers_are_the_same(spec):
    model = make_model(spec, 10)
    arguments = start(model)
    ends = [quick(gradient(one))(*arguments) for one in (model, rematerialised(model))]
    for found, expected in zip(*map(jax.tree.leaves, ends), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    trees = [jax.tree.structure(end) for end in ends]
    assert trees[0] == trees[1]


def test_traced_rates_lanes_and_second_derivatives_pass_through():
    """A rate that a model closes over, under `vmap`, and a Hessian times a vector."""

    def of(rate, remat, params, key):
        model = computing_in(make_model({"name": "mlp", "dropout": rate}, 10), "float32")
        model = rematerialised(model) if remat else model
        (loss, _), grads = gradient(model)(params, {}, key)
        return loss, grads

    params, _, key = start(make_model("mlp", 10))
    rates = jnp.float32([0.1, 0.5])
    for_lanes = [
        quick(jax.vmap(lambda rate, remat=remat: of(rate, remat, params, key)))(rates)
        for remat in (False, True)
    ]
    for found, expected in zip(*map(jax.tree.leaves, for_lanes), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    products = [
        quick(
            lambda p, remat=remat: jax.jvp(lambda q: of(0.1, remat, q, key)[1], (p,), (params,))[1]
        )(params)
        for remat in (False, True)
    ]
    for found, expected in zip(*map(jax.tree.leaves, products), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_results_may_be_inputs_constants_and_integers():
    constant = jnp.arange(3.0)

    def function(x, y):
        h = jnp.sin(x["a"]) * constant
        return {"same": y, "fixed": 2.0, "sign": jnp.sign(h).astype(int), "h": jnp.cos(h)}

    arguments = ({"a": jnp.ones(3)}, jnp.ones(2, int))
    found, expected = in_segments(function)(*arguments), function(*arguments)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(one, other)
    assert in_segments(lambda x: x)(3.0) == 3.0


def test_evaluation_is_left_alone():
    calls = []

    def apply(variables, inputs, *, train, rngs):
        calls.append(train)
        return inputs, variables

    model = rematerialised(Model(lambda key, x: {"params": {}}, apply))
    assert model.apply({"params": {}}, X, train=False, rngs={})[0] is X


def chain(rng):
    """A trace of few equations, of widths that differ a lot."""
    widths = [int(width) for width in rng.choice([1, 4, 16, 64], 6)]

    def function(x):
        first = x
        for width in widths:
            x = jnp.broadcast_to(jnp.sum(x), (width,))
        return jnp.sum(x) + jnp.sum(first)

    return jax.make_jaxpr(function)(jnp.ones(4)).jaxpr


@pytest.mark.parametrize("seed", range(8))
def test_cuts_are_nearly_the_best_of_all(seed):
    """Against every set of cuts there is."""
    steps = steps_of(chain(np.random.default_rng(seed)))
    n = len(steps)
    best = min(
        kept(steps, [*ends, n])
        for count in range(n)
        for ends in itertools.combinations(range(1, n), count)
    )
    segments = cheapest(steps)
    assert [id(e) for s in segments for e in s] == [id(step.equation) for step in steps]
    found = kept(steps, list(itertools.accumulate(map(len, segments))))
    assert found <= 1.2 * best
    assert best < kept(steps, [n])


def test_what_is_kept_counts_what_is_alive():
    def function(x):
        a = jnp.sin(x)  # 4 numbers, read by the last equation
        b = jnp.cos(a)  # 4 numbers
        c = jnp.sum(b)  # 1 number
        return a * c

    steps = steps_of(jax.make_jaxpr(function)(jnp.ones(4)).jaxpr)
    assert [(s.size, s.alive) for s in steps] == [(16, 16), (16, 32), (4, 20), (16, 16)]
    assert kept(steps, [4]) == 16 + 16 + 4 + 16
    assert kept(steps, [3, 4]) == (16 + 4) + 36
    assert kept(steps, [1, 3, 4]) == 16 + 4 + 20  # the sine is alive at both cuts, and kept once


def test_a_run_is_compiled_to_take_less_memory():
    """As the engine compiles it: a loop of steps with an optimizer."""
    data: Dataset = make_data("digits")
    needed = {}
    for remat in (False, True):
        recipe = {
            "task": {"name": "classification", "label_smoothing": 0.0},
            "model": {"name": "mlp", "hidden": [64] * 8},
            "optimizer": {"name": "sgd", "learning_rate": 0.1},
            "train": {
                "steps": 10,
                "batch_size": 1024,
                "accumulate": 1,
                "schedule": {"name": "constant"},
                "clip_norm": None,
                "clip_value": None,
                "weight_decay": 0.0,
                "compute_dtype": "float32",
                "matmul_precision": None,
                "remat": remat,
                "mc_passes": 0,
            },
        }
        static, hyper = cut(recipe)
        on_device = jax.device_put(data.train)
        program, _ = compile_program(static, data, on_device, hyper)
        needed[remat] = temporary(program.chunk)
    assert needed[True] < needed[False] / 1.5

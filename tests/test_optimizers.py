"""Every optimizer by name: one program for all its numbers, and optax's own parameters after it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

from funcdl import optimizers
from funcdl.errors import FuncdlError
from funcdl.optimizers.build import make_optimizer
from funcdl.signatures import parameters
from tests.quick import quick

STEPS = 20
START = {"w": jnp.linspace(-1.0, 1.0, 12).reshape(4, 3), "b": jnp.array([0.5, -0.5, 2.0])}
INPUTS = jnp.sin(jnp.arange(32.0)).reshape(8, 4)
TARGETS = INPUTS @ jnp.cos(jnp.arange(12.0)).reshape(4, 3) + 1.0

pytestmark = pytest.mark.filterwarnings("ignore:`optimistic_adam` is deprecated")


def loss(params):
    """A convex least-squares problem, so that rounding does not grow from step to step."""
    return jnp.mean(jnp.square(INPUTS @ params["w"] + params["b"][None] - TARGETS))


def train(optimizer, steps, eval_params=lambda state, params: params):
    """A compiled loop, which refuses a state whose dtypes or structure change."""

    def body(carry):
        step, params, state = carry
        value, grads = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(
            grads, state, params, value=value, grad=grads, value_fn=loss
        )
        return step + 1, optax.apply_updates(params, updates), state

    first = (0, START, optimizer.init(START))
    _, params, state = jax.lax.while_loop(lambda carry: carry[0] < steps, body, first)
    return eval_params(state, params)


def settings(name: str) -> tuple[dict[str, float], dict[str, Any]]:
    """(numbers that are not the defaults, everything else a config may set, at its default)."""
    known = parameters(optimizers.target(name)).values()
    floats = {p.name: _unusual(p) for p in known if p.kind == "float"}
    if name == "lbfgs":
        del floats["learning_rate"]  # its line search starts from a rate of 1
    return floats, {p.name: p.default for p in known if p.settable and p.kind != "float"}


def _unusual(parameter) -> float:
    if parameter.default is None:
        return 0.05
    return 0.9 * parameter.default or 1e-3


def plain(name: str, static: dict[str, Any], floats: dict[str, Any]):
    """optax's own transformation, with Python's numbers."""
    factory = getattr(optax, name, None) or getattr(optax.contrib, name)
    made = optax.with_extra_args_support(factory(**static, **floats))
    if name == "sophia":  # it calls the loss by another name
        update = made.update
        made = made._replace(update=lambda *args, **extra: update(*args, **extra, obj_fn=loss))
    return made


def averaged(state, params):
    if isinstance(state, optax.contrib.ScheduleFreeState):
        return optax.contrib.schedule_free_eval_params(state, params)
    return params


def hyper(floats: dict[str, float], **train_keys: float) -> dict[str, jax.Array]:
    numbers = {f"optimizer.{name}": value for name, value in floats.items()}
    numbers |= {f"train.{key.replace('__', '.')}": value for key, value in train_keys.items()}
    return {key: jnp.float32(value) for key, value in numbers.items()}


def assert_close(got, expected):
    """To float32's precision: `1 - b2` alone, with b2 rounded to float32, is off by 5e-5."""
    moved = max(float(jnp.abs(e - s).max()) for e, s in _pairs(expected, START))
    assert moved > 1e-5
    for a, b in _pairs(got, expected):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-3 * moved)


def _pairs(one, other):
    return zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)


@pytest.mark.parametrize("name", optimizers.names())
def test_traced_numbers_give_optax_s_parameters_in_one_program(name):
    floats, static = settings(name)
    bind = make_optimizer(name, static, schedule={"name": "constant"})
    traces = []
    # Directions of a singular value decomposition hang on last digits, which both must round alike.
    jit = jax.jit if name == "galore" else quick

    @jit
    def run(numbers):
        traces.append(name)
        optimizer = bind(numbers)
        return train(optimizer, STEPS, optimizer.eval_params)

    got = run(hyper(floats, steps=STEPS, schedule__warmup=0.0))
    assert_close(got, jit(lambda: train(plain(name, static, floats), STEPS, averaged))())

    other = run(hyper({k: 0.98 * v for k, v in floats.items()}, steps=40, schedule__warmup=0.2))
    assert len(traces) == 1, "numbers were compiled in"
    assert any(not np.array_equal(a, b) for a, b in _pairs(got, other)) or not floats
    assert all(np.isfinite(a).all() for a in jax.tree.leaves(other))


def test_the_battery_above_holds_what_people_use():
    assert {"sgd", "adam", "adamw", "lion", "lbfgs", "muon", "prodigy", "schedule_free_adamw"} <= (
        set(optimizers.names())
    )
    assert len(optimizers.names()) >= 48


def cosine(rate: float) -> optax.Schedule:
    """optax's curve for a warm-up of a fifth of 20 steps."""
    return optax.warmup_cosine_decay_schedule(rate / 5, rate, 4, STEPS, end_value=0.1 * rate)


def _schedule_free(base: Callable[..., Any]):
    # optax counts these weights' steps from 1, the updates' from 0: the same step here.
    return optax.contrib.schedule_free(base(cosine(0.1)), lambda count: cosine(0.1)(count - 1))


def _then_scaled(made):
    """The updates of an optimizer whose rate optax does not let follow a schedule, scaled."""
    return optax.chain(made, optax.scale_by_schedule(cosine(1.0)))


SCHEDULED = {
    "sgd": lambda: optax.sgd(cosine(0.1), 0.9),
    "adamw": lambda: optax.adamw(cosine(0.1), weight_decay=0.1),
    "momo": lambda: optax.contrib.momo(cosine(0.1)),
    "prodigy": lambda: optax.contrib.prodigy(cosine(0.1), estim_lr0=0.1),
    "dadapt_adamw": lambda: optax.contrib.dadapt_adamw(cosine(0.1), estim_lr0=0.1),
    "muon": lambda: optax.contrib.muon(cosine(0.1), adam_learning_rate=cosine(0.02)),
    "schedule_free_sgd": lambda: _schedule_free(optax.sgd),
    "sm3": lambda: _then_scaled(optax.sm3(0.1)),
    "polyak_sgd": lambda: optax.polyak_sgd(scaling=cosine(1.0)),
    "adafactor": lambda: _then_scaled(optax.adafactor(None)),
}
GIVEN = {"sgd": {"momentum": 0.9}, "adamw": {"weight_decay": 0.1}}
GIVEN |= {"muon": {"adam_learning_rate": 0.02}}
GIVEN |= {name: {"estim_lr0": 0.1} for name in ("prodigy", "dadapt_adamw")}


@pytest.mark.parametrize("name", sorted(SCHEDULED))
def test_a_schedule_does_what_optax_s_does(name):
    bind = make_optimizer(name, schedule={"name": "cosine"})
    rates = {} if name in ("polyak_sgd", "adafactor") else {"learning_rate": 0.1}
    numbers = hyper(
        rates | GIVEN.get(name, {}), steps=STEPS, schedule__warmup=0.2, schedule__final=0.1
    )
    optimizer = bind(numbers)
    got = quick(lambda: train(optimizer, STEPS, optimizer.eval_params))()
    made = optax.with_extra_args_support(SCHEDULED[name]())
    assert_close(got, quick(lambda: train(made, STEPS, averaged))())


def test_clipping_then_l2_then_the_optimizer():
    bind = make_optimizer("sgd", clip_value=True, clip_norm=True, weight_decay=True)
    optimizer = bind(hyper({"learning_rate": 0.5}, clip_value=3.0, clip_norm=2.0, weight_decay=0.1))
    params, grads = np.array([1.0, -2.0, 3.0]), np.array([4.0, -1.0, 0.5])
    updates, _ = optimizer.update(jnp.asarray(grads), optimizer.init(params), jnp.asarray(params))
    clipped = np.clip(grads, -3, 3)
    clipped *= min(1, 2 / np.linalg.norm(clipped))
    np.testing.assert_allclose(updates, -0.5 * (clipped + 0.1 * params), rtol=1e-6)


@pytest.mark.parametrize(
    ("factory", "floats"),
    [
        (lambda: optax.sgd(0.2), {}),
        (lambda rate: optax.sgd(2 * rate), {"rate": 0.1}),
        (lambda learning_rate: optax.sgd(learning_rate + 0.1), {"learning_rate": 0.1}),
        (optax.sgd, {"learning_rate": 0.2}),
        (optax.sgd(0.2), {}),
    ],
)
def test_a_user_s_function_is_an_optimizer(factory, floats):
    optimizer = make_optimizer(factory)(hyper(floats))
    got = quick(lambda: train(optimizer, STEPS))()
    assert_close(got, quick(lambda: train(plain("sgd", {}, {"learning_rate": 0.2}), STEPS))())


def test_a_closure_follows_a_schedule():
    numbers = hyper({}, steps=STEPS, schedule__warmup=0.2, schedule__final=0.1)
    optimizer = make_optimizer(lambda: optax.adam(0.1), schedule={"name": "cosine"})(numbers)
    got = quick(lambda: train(optimizer, STEPS))()
    reference = optax.with_extra_args_support(optax.adam(cosine(0.1)))
    assert_close(got, quick(lambda: train(reference, STEPS))())


def test_lanes_of_rates_are_the_runs_alone():
    bind = make_optimizer("adamw", schedule={"name": "linear"})
    rates = jnp.array([0.001, 0.01, 0.1])

    def run(rate):
        numbers = hyper({}, steps=STEPS, schedule__final=0.0) | {"optimizer.learning_rate": rate}
        return train(bind(numbers), STEPS)

    lanes = quick(jax.vmap(run))(rates)
    for lane, rate in enumerate(rates):
        assert_close(jax.tree.map(lambda leaf, i=lane: leaf[i], lanes), quick(run)(rate))


def test_half_precision_parameters_keep_their_state_s_dtypes():
    optimizer = make_optimizer("adamw", weight_decay=True)(
        hyper({"learning_rate": 0.1}, weight_decay=0.1)
    )
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), START)
    state = optimizer.init(params)
    _, after = optimizer.update(params, state, params)
    assert jax.tree.map(jnp.result_type, after) == jax.tree.map(jnp.result_type, state)


def test_parameters_are_evaluated_where_schedule_free_says():
    bind = make_optimizer("schedule_free_sgd", clip_norm=True, schedule={"name": "constant"})
    optimizer = bind(hyper({"learning_rate": 0.1}, clip_norm=1.0, steps=9, schedule__warmup=0.0))
    state = optimizer.init(START)
    updates, state = optimizer.update(START, state, START)
    params = optax.apply_updates(START, updates)
    got = optimizer.eval_params(state, params)
    z = jax.tree.leaves(state, is_leaf=lambda n: isinstance(n, optax.contrib.ScheduleFreeState))
    z = next(node.z for node in z if isinstance(node, optax.contrib.ScheduleFreeState))
    for x, y, z_leaf in zip(*map(jax.tree.leaves, (got, params, z)), strict=True):
        np.testing.assert_allclose(
            0.9 * x + 0.1 * z_leaf, y, rtol=1e-5, atol=1e-6
        )  # y's definition

    other = make_optimizer("sgd")(hyper({"learning_rate": 0.1}))
    assert other.eval_params(other.init(START), START) is START


def test_noise_is_seeded():
    def run(seed):
        optimizer = make_optimizer("noisy_sgd", {"key": seed})(hyper({"learning_rate": 0.1}))
        return optimizer.update(START, optimizer.init(START), START)[0]["b"]

    assert np.array_equal(run(1), run(1))
    assert not np.array_equal(run(1), run(2))


def test_what_cannot_be_named_says_why():
    reasons = optimizers.unavailable()
    assert set(reasons).isdisjoint(optimizers.names())
    assert {"sam", "mechanize", "schedule_free", "dpsgd", "lookahead"} <= set(reasons)
    assert "base_optimizer" in reasons["schedule_free"]
    for name, reason in reasons.items():
        with pytest.raises(FuncdlError, match=reason.split(";")[0]):
            make_optimizer(name)


def test_every_name_and_reason_is_optax_s():
    for name in (*optimizers.names(), *optimizers.unavailable()):
        assert hasattr(optax.contrib, name) or hasattr(optax, name)
    for name in optimizers.names():
        module, _, object_name = optimizers.target(name).partition(":")
        assert callable(getattr(importlib.import_module(module), object_name))


def test_messages():
    with pytest.raises(FuncdlError, match="adamw, adan"):
        make_optimizer("adamm")
    with pytest.raises(FuncdlError, match="constant, linear, cosine"):
        make_optimizer("adam", schedule={"name": "cosin"})
    with pytest.raises(FuncdlError, match="line search"):
        make_optimizer("lbfgs", schedule={"name": "cosine"})
    with pytest.raises(FuncdlError, match=r"returned float; it must return an optax"):
        make_optimizer(lambda: 0.1)({}).init(START)

"""Every model of the table goes through one battery, each as `contract.py` says."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from funcdl.errors import DataError
from funcdl.models import MODELS
from funcdl.models.make import make_model
from funcdl.tasks import TASKS
from funcdl.tasks.load import make_task
from funcdl.train.assemble import assemble
from funcdl.train.lanes import over_lanes
from funcdl.train.precision import computing_in
from funcdl.train.remat import compiler_options, rematerialised
from funcdl.train.streams import STREAMS, stream_keys
from funcdl.types import Dataset, Model, Split, Task
from tests.contract import CASES, Case, case_of, has_dropout, mixed, prepared
from tests.quick import OPTIONS, quick

each = pytest.mark.parametrize("name", MODELS)
KEYS = stream_keys(0, "measure", 0)
RATE = "model.dropout"
ADVICE = (
    "{name} has no row in CASES of tests/contract.py, so that it was tried as a classifier of 8x8 images at "
    "its default arguments: give it a row with the task, the data and the arguments that suit it"
)


class Ready(NamedTuple):
    """A model, and what it learns."""

    case: Case
    model: Model
    task: Task
    data: Dataset


def ready(name: str, outputs: int | None = None) -> Ready:
    """The model, without dropout; says what is missing where one has no row and images do not suit it."""
    case = case_of(name)
    data, task = case.data(), make_task(case.task)
    task.check(data)
    width = task.outputs(data) if outputs is None else outputs
    try:
        model = make_model({"name": name, **case.model}, width, data.ids)
        jax.eval_shape(model.init, KEYS["init"], few(data.train, 1).inputs)
    except Exception as error:
        if name in CASES:
            raise
        raise AssertionError(ADVICE.format(name=name)) from error
    return Ready(case, model, task, data)


def few(split: Split, n: int, start: int = 0) -> Split:
    return jax.tree.map(lambda x: x[start : start + n], split)


def streams(**repeats: int) -> dict[str, Any]:
    """The keys of the first repeat, some streams those of others."""
    return stream_keys(0, "measure", {**dict.fromkeys(STREAMS, 0), **repeats})


def equal(one: Any, other: Any) -> bool:
    leaves = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.array_equal(a, b) for a, b in leaves)


@functools.cache
def program(name: str) -> tuple[Callable[..., Any], list[str]]:
    """A whole run as one compiled function, and a list that grows with each trace of it.

    `run() -> (first variables, last state, metrics of both)`; dropout is 0 unless it is said otherwise.
    """
    ready(name)
    (static, hyper), data = prepared(name), case_of(name).data()
    train, traces = assemble(static, data), []

    @quick
    def whole(keys, hyper, split, steps) -> Any:
        traces.append(name)
        start = train.init(keys, hyper, split)
        end = train.chunk(start, keys, hyper, split, steps)
        both = jax.tree.map(lambda *x: jnp.stack(x), start, end)
        return start.variables, end, lax.map(lambda s: train.evaluate(s, hyper, split), both)

    def run(steps=3, split=data.train, rate=0.0, numbers=None, **repeats: int) -> Any:
        given = hyper | ({RATE: np.float32(rate)} if has_dropout(name) else {}) | (numbers or {})
        return jax.device_get(whole(streams(**repeats), given, split, np.int32(steps)))

    return run, traces


def test_every_task_has_models_and_every_row_a_model():
    assert {case_of(name).task for name in MODELS} == set(TASKS)
    assert set(CASES) <= set(MODELS), "a row for a model that is not there"


def test_a_model_without_a_row_is_told_what_it_lacks(monkeypatch):
    monkeypatch.setitem(MODELS, "newcomer", MODELS["text_cnn"])
    with pytest.raises(AssertionError, match=r"newcomer has no row in CASES of tests/contract\.py"):
        test_shapes("newcomer")


def shapes_of(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype.name), tree)


@each
def test_shapes(name):
    """Widths come from the task and sizes from the inputs; what is kept and said is float32, however the
    model is computed."""
    case, model, task, data = ready(name)
    batch, width = few(data.train, 3), task.outputs(data)
    variables = jax.eval_shape(model.init, KEYS["init"], batch.inputs)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(variables["params"])} == {"float32"}

    def learning(made, variables, inputs, targets):
        def loss(params):
            given = {**variables, "params": params}
            outputs, after = made.apply(given, inputs, train=True, rngs=KEYS)
            losses = task.loss(outputs, targets)
            return losses.mean(), (losses, after)

        return jax.grad(loss, has_aux=True)(variables["params"])

    def measured(made, variables, inputs, targets):
        outputs, after = made.apply(variables, inputs, train=False, rngs={})
        return outputs, after, [metric(outputs, targets) for metric in task.metrics.values()]

    for made in (model, rematerialised(model), computing_in(model, "bfloat16")):
        slopes, (losses, after) = jax.eval_shape(partial(learning, made), variables, *batch)
        assert shapes_of(slopes) == shapes_of(variables["params"])
        outputs, same, metrics = jax.eval_shape(partial(measured, made), variables, *batch)
        assert shapes_of(after) == shapes_of(same) == shapes_of(variables)
        assert {shapes_of(x) for x in (losses, *metrics)} == {((3,), "float32")}
        assert shapes_of(outputs) == ((3, width) if width else (3,), "float32")
    kind = jax.tree.leaves(data.train.inputs)[0].dtype
    for shape, outputs in [*((s, 10) for s in case.reads), *((s, 1) for s in case.reads[:1])]:
        made = ready(name, outputs if width else 0).model
        x = jax.ShapeDtypeStruct((3, *shape), kind)
        first = jax.eval_shape(made.init, KEYS["init"], x)
        said, _ = jax.eval_shape(partial(made.apply, train=False, rngs={}), first, x)
        assert said.shape == ((3, outputs) if width else (3,))


@pytest.mark.parametrize("name", [name for name in MODELS if case_of(name).refuses])
def test_inputs_that_do_not_fit_are_refused(name):
    with pytest.raises(DataError, match=r"\[3, 7\].*reshape"):
        jax.eval_shape(ready(name).model.init, KEYS["init"], jnp.zeros((3, 7)))


@each
def test_learns_32_examples_by_heart(name):
    """As the engine trains: its task, its order, its steps."""
    _, end, found = program(name)[0](steps=200)
    case, targets = case_of(name), case_of(name).data().train.targets
    advice = "" if name in CASES else ADVICE.format(name=name)
    assert int(end.diverged_at) == -1, advice
    assert all(np.isfinite(x).all() for x in jax.tree.leaves((end, found)))
    before, after = found["loss"].mean(1)
    assert after < before, advice
    if case.task == "classification":
        assert found["accuracy"][1].mean() == 1.0, advice
    elif case.task == "recommendation":
        assert found["mrr"][1].mean() > 0.95
    elif case.task == "anomaly":  # a VAE's bound keeps the constant of the normal density
        least = 32 * np.log(2 * np.pi) if name == "vae" else 0.0
        assert after - least < 0.3 * (before - least)
    else:
        numbers = targets["steps"] if case.task == "forecasting" else targets
        assert after < 0.05 * np.var(numbers)  # of who always says the mean


@each
def test_a_run_follows_from_its_keys_and_numbers_and_is_traced_once(name):
    """Twice the same bits; others by another key, another rate, another dropout; and one trace for all."""
    run, traces = program(name)
    start, end, found = run()
    assert equal(run(), (start, end, found))
    backwards = jax.tree.map(lambda x: x[::-1].copy(), case_of(name).data().train)
    assert equal(run(steps=0, split=backwards)[0], start), "init depends on its key alone"
    other = run(steps=0, init=1)[0]["params"]
    weights = zip(*map(jax.tree.leaves, (start["params"], other)), strict=True)
    assert all(not np.allclose(a, b) for a, b in weights if a.ndim > 1)
    slower = run(numbers={"optimizer.learning_rate": np.float32(1e-4)})[1]
    assert not equal(slower.variables["params"], end.variables["params"])
    assert equal(run(dropout=1)[1], end) == (not case_of(name).draws)
    if has_dropout(name):
        assert equal(run(steps=0, rate=0.5), run(steps=0)), "evaluation knows no dropout"
        wet, again = run(rate=0.5)[1], run(rate=0.5, dropout=1)[1]
        assert not equal(wet.variables, end.variables)
        assert not equal(wet.variables, again.variables), "dropout follows its key"
    assert len(traces) == 1


@contextlib.contextmanager
def float64() -> Iterator[None]:
    jax.config.update("jax_enable_x64", True)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", False)


def wide(tree: Any) -> Any:
    return jax.tree.map(lambda x: x.astype("float64") if x.dtype.kind == "f" else x, tree)


def moved(params: Any) -> Any:
    """Away from where they start, where biases are zero and so are what they are added to."""
    return jax.tree.map(
        lambda p: p + 0.05 * np.sin(1.0 + np.arange(p.size)).reshape(p.shape), wide(params)
    )


@each
def test_in_float64_gradients_are_finite_differences_and_examples_alone(name):
    """Along one direction in all parameters at once, the draws held. What an example costs does not
    depend on the others of its batch, but in training where batches are normalised."""
    case, model, task, data = ready(name)
    variables = wide(program(name)[0](steps=1)[1].variables)  # a first batch has set what it sets
    params = moved(variables["params"])
    way = jax.tree.map(lambda p: np.cos(np.arange(p.size)).reshape(p.shape), params)
    one, other = wide((few(data.train, 6), few(data.train, 6, start=6)))
    batches = jax.tree.map(lambda a, b: np.stack([a, a, a, b]), one, mixed(one, other))
    eps = 1e-6

    def losses(params, batch, train):
        given, rngs = {**variables, "params": params}, KEYS if train else {}
        outputs, _ = model.apply(given, batch.inputs, train=train, rngs=rngs)
        return task.loss(outputs, batch.targets)

    @quick
    def everything(params, way, batches, far) -> Any:
        def along(t, batch):
            return losses(jax.tree.map(lambda p, d: p + t * d, params, way), batch, True)

        def looked(batch):
            return losses(params, batch, False)

        first = jax.tree.map(lambda x: x[0], batches)
        slope = jax.grad(lambda t: along(t, first).mean())(0.0)
        learnt = lax.map(lambda args: along(*args), (far, batches))
        return slope, learnt, lax.map(looked, jax.tree.map(lambda x: x[2:], batches))

    far = np.array([eps, -eps, 0, 0])
    with float64():
        slope, learnt, looked = jax.device_get(everything(params, way, batches, far))
    assert slope.dtype == learnt.dtype == np.float64
    assert abs(slope) > 1e-3
    numeric = (learnt[0] - learnt[1]).mean() / (2 * eps)
    np.testing.assert_allclose(slope, numeric, rtol=1e-6, atol=1e-8)
    for alone, among, together in ((*looked, False), (*learnt[2:], case.together)):
        assert np.allclose(alone[0], among[0], rtol=1e-12) == (not together)
        assert not np.allclose(alone[1:], among[1:])


@pytest.mark.slow
@each
def test_in_float64_lanes_and_recomputation_are_the_run_itself(name):
    """Ten steps, each lane with keys of its own; and a gradient whose activations are computed again."""
    (static, hyper), (_, _, _, data) = prepared(name), ready(name)
    train = assemble(static, data)
    again = assemble(static._replace(remat=True), data)
    keys = [streams(), stream_keys(0, "measure", 1)]
    rate = {RATE: np.float64(0.3)} if has_dropout(name) else {}
    split, numbers = wide(data.train), wide(hyper) | rate
    starts = [wide(program(name)[0](steps=0, **dict.fromkeys(STREAMS, i))[1]) for i in (0, 1)]
    stacked = lambda trees: jax.tree.map(lambda *x: jnp.stack(x), *trees)  # noqa: E731

    def ends(chunk, *arguments) -> Any:
        compiled = jax.jit(chunk, compiler_options=OPTIONS | compiler_options("cpu"))
        return jax.device_get(compiled(*arguments))

    with float64():
        alone = [
            ends(train.chunk, s, k, numbers, split, np.int32(10))
            for s, k in zip(starts, keys, strict=True)
        ]
        steps = np.full(2, 10, np.int32)
        many = stacked([numbers] * 2)
        lanes = ends(over_lanes(train).chunk, stacked(starts), stacked(keys), many, split, steps)
        recomputed = ends(again.chunk, starts[0], keys[0], numbers, split, np.int32(10))
    for i, one in enumerate(alone):
        lane = jax.tree.map(lambda x, i=i: x[i], lanes)
        assert int(lane.step) == int(one.step) == 10
        # Adam divides a slope that is zero but for rounding by itself, and rounding is all it then takes.
        assert apart(one.variables, lane.variables) < 1e-6
        assert apart(one.variables, starts[i].variables) > 1e-3, "nothing was learnt"
    assert apart(recomputed.variables, alone[0].variables) < 1e-6


def apart(one: Any, other: Any) -> float:
    leaves = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return max(float(np.max(np.abs(a - b))) for a, b in leaves)


@pytest.mark.slow
@each
def test_in_bfloat16_it_learns_nearly_the_same(name):
    """The gradient of the first batch, up to the rounding of 8 bits."""
    case, model, task, data = ready(name)
    variables = program(name)[0](steps=1)[1].variables
    batch = few(data.train, 16)

    def slopes(made):
        def loss(params, batch):
            given = {**variables, "params": params}
            outputs, _ = made.apply(given, batch.inputs, train=True, rngs=KEYS)
            return task.loss(outputs, batch.targets).mean()

        found = jax.device_get(quick(jax.grad(loss))(variables["params"], batch))
        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(found)])

    exact, rounded = slopes(model), slopes(computing_in(model, "bfloat16"))
    far = np.linalg.norm(rounded - exact) / np.linalg.norm(exact)
    # Of wrong signs it would be 2, of nothing learnt 1. Noise is drawn in bfloat16, and so is another.
    assert 0 < far < (0.5 if case.draws else 0.25)

"""The contracts: what a model, a data set, a task, an optimizer and a training run are.

Every contract is a NamedTuple of pure functions. Nothing here imports JAX, so that a config can be
checked, planned and listed without it. Arrays are written with their shapes: `[batch, ...]`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Array = Any  # numpy.ndarray or jax.Array; JAX is not imported for the sake of a name
PyTree = Any
Variables = Mapping[str, PyTree]  # {"params": what is trained, other collections: running state}
PARAMETERS = "parameters/"  # begins the names of kept parameters among all that is kept of a run
Hyper = Mapping[str, Array]  # dotted config key -> traced float32 scalar


class Model(NamedTuple):
    """A model as two pure functions.

    init: `init(key, inputs) -> variables`; `inputs` has a leading batch axis of any size.
        `variables["params"]` is trained; every other collection (batch statistics) is carried along.
    apply: `apply(variables, inputs, *, train, rngs) -> (outputs, variables)`; `train` is a Python
        bool, `rngs` maps stream names ("dropout") to keys and may be empty when `train` is False.
    """

    init: Callable[..., Variables]
    apply: Callable[..., tuple[PyTree, Variables]]


class Split(NamedTuple):
    """Examples: two pytrees of arrays that share their leading axis, `[n, ...]`.

    An array may be `funcdl.data.rows.Rows`, whose examples stay in a file until they are indexed.
    """

    inputs: PyTree
    targets: PyTree


class Dataset(NamedTuple):
    """Three splits in host memory (NumPy), and what their targets mean.

    classes: names of the classes, in the order of the labels 0..k-1; empty where there are none.
    digest: SHA-256 of all arrays' bytes, dtypes and shapes (hex).
    units: integers `[n]` of the n test examples; those with equal numbers belong together (one
        person, one stretch of a series) and are no independent evidence. None: each stands alone.
        No run depends on them, so that they are not in the digest.
    unlabelled: inputs of the training examples whose labels are hidden, `[m, ...]`; None where every
        training example has its label.
    ids: what integer inputs count, and how many values they may take, 0 included: {"tokens": 5000}. A
        model's argument of one of these names (`funcdl.models.COUNTS`) is filled with it.
    """

    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    digest: str
    units: Array | None = None
    ids: Mapping[str, int] = {}
    unlabelled: PyTree | None = None


class Task(NamedTuple):
    """What is learnt: a loss per example, and metrics per example.

    loss: `loss(outputs, targets) -> [batch]`, differentiable; its mean is what training minimises.
    metrics: name -> `metric(outputs, targets) -> [batch]`; the metric of a split is their mean.
    outputs: `outputs(dataset) -> int`, the width of the model's last layer; 0 where a model gives one
        number per example, `[batch]`.
    check: `check(dataset) -> None`, raises `errors.DataError` when the data do not fit the task.
    summaries: name -> `summary(outputs, targets) -> float`, of a whole split `[n, ...]` in NumPy on
        the host: what is no mean over examples, such as a calibration error. NaN where it is not
        defined. Without any, outputs never leave the device.
    fitted: name -> `fitted((outputs, targets), (outputs, targets)) -> float`, of the test split and
        the validation split: what is fitted on the second and measured on the first.
    values: name of a summary, or of what is fitted -> a function of the same arguments that gives one
        float64 per test example, `[n]`, whose mean is the metric's value: the value plus how far
        the example pulls it. With them the metric has a verdict for data like these, too.
    average: `average(outputs) -> outputs`, one prediction out of several passes `[passes, batch,
        ...]`; their mean if None.
    """

    loss: Callable[[PyTree, PyTree], Array]
    metrics: Mapping[str, Callable[[PyTree, PyTree], Array]]
    outputs: Callable[[Dataset], int]
    check: Callable[[Dataset], None]
    summaries: Mapping[str, Callable[[PyTree, PyTree], float]] = {}
    fitted: Mapping[str, Callable[..., float]] = {}
    values: Mapping[str, Callable[..., Array]] = {}
    average: Callable[[PyTree], PyTree] | None = None


class Optimizer(NamedTuple):
    """An optax transformation, and the parameters at which it wants to be evaluated.

    init: `init(params) -> state`.
    update: `update(grads, state, params, **extra) -> (updates, state)`; `extra` holds `value` (the
        loss), `grad` and `value_fn` for those that look at them (line searches, Polyak steps).
    eval_params: `eval_params(state, params) -> params`; the identity for most, the averaged point
        for schedule-free methods.
    """

    init: Callable[..., PyTree]
    update: Callable[..., tuple[PyTree, PyTree]]
    eval_params: Callable[[PyTree, PyTree], PyTree]


class Curve(NamedTuple):
    """One metric over a run: `steps` [k] int32 and `values` [k] float64."""

    steps: Array
    values: Array


class State(NamedTuple):
    """A run between two steps; a pytree of arrays only, so that it can be saved and vmapped.

    step: int32 scalar, steps done.
    variables: the model's variables.
    opt_state: the optimizer's state.
    loss_sum: float32 scalar, the sum of the training losses since the last reading.
    loss_count: int32 scalar, how many steps that sum holds.
    diverged_at: int32 scalar, the first step whose loss was not finite, or -1.
    """

    step: Array
    variables: Variables
    opt_state: PyTree
    loss_sum: Array
    loss_count: Array
    diverged_at: Array


class Train(NamedTuple):
    """A training run as three pure functions; jit them, vmap them, call them in a loop.

    `keys` maps the names of the random streams ("init", "order", "dropout", ...) to keys.

    init: `init(keys, hyper, data) -> State`; `data` is the training `Split`.
    chunk: `chunk(state, keys, hyper, data, stop) -> State`: steps until `state.step == stop`, or
        until the run diverges. How a run is cut into chunks does not change its bits.
    evaluate: `evaluate(state, hyper, split) -> {metric: [n]}`, one value per example.
    predict: `predict(state, hyper, inputs) -> outputs`, `[n, ...]`.
    trained: `trained(state, hyper) -> Variables`, those that `predict` uses.

    Where a run begins with what another has learnt, `init` takes one more argument, arrays by name: see
    `funcdl.train.start`. With passes through dropout (`mc_passes`) `evaluate` and `predict` take two
    more arguments, `key` and `place` (int32 [2]: which split, which batch), from which the masks follow.
    """

    init: Callable[..., State]
    chunk: Callable[..., State]
    evaluate: Callable[..., Mapping[str, Array]]
    predict: Callable[..., PyTree]
    trained: Callable[..., Variables]

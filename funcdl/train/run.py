"""`make_train`: a training run as three pure functions.

    train = make_train(model, task, optimizer, batch_size=64)
    state = train.init(keys, hyper, data)
    state = jax.jit(train.chunk)(state, keys, hyper, data, 100)
    per_example = train.evaluate(state, hyper, split)

Everything else in funcdl (compiling, tuning, repeating, checkpointing) is built around these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from funcdl.train.mesh import ALONE, Layout
from funcdl.train.passes import averaged
from funcdl.train.window import Window, batch_at
from funcdl.types import (
    Array,
    Hyper,
    Model,
    Optimizer,
    PyTree,
    Split,
    State,
    Task,
    Train,
    Variables,
)


def make_train(
    model: Model,
    task: Task,
    optimizer: Callable[[Hyper], Optimizer],
    *,
    batch_size: int,
    accumulate: int = 1,
    layout: Layout = ALONE,
    mc_passes: int = 0,
    augment: Callable[[Array, PyTree], PyTree] | None = None,
    ratio: int = 0,
) -> Train:
    """Puts a model, a task and an optimizer together into a run.

    Args:
        model: what is trained.
        task: the loss that is minimised and the metrics that are reported.
        optimizer: `optimizer(hyper) -> Optimizer`. It is called inside the traced functions, so that
            numbers in `hyper` are traced: two runs that differ in them share one program.
        batch_size: examples per step.
        accumulate: micro-batches that a batch is cut into. Their gradients are averaged before the
            step, which is the same mathematics in less memory; it must divide `batch_size`.
        layout: where its arrays lie, for a run over many devices.
        mc_passes: how many forward passes with dropout an evaluation averages; 0 for one without.
        augment: `augment(key, inputs) -> inputs`, which changes the inputs of each training batch.
        ratio: unlabelled examples in a batch for each labelled one, where data are `Partly` labelled.

    Returns:
        The pure functions `Train(init, chunk, evaluate, predict, trained)`.

    Raises:
        ValueError: if `accumulate` does not divide `batch_size`.
    """
    if batch_size % accumulate:
        raise ValueError(f"accumulate={accumulate} does not divide batch_size={batch_size}")

    def init(keys: Mapping[str, Array], hyper: Hyper, data: Split, *start: Any) -> State:
        one = jax.tree.map(lambda x: x[:1], data.inputs)
        variables = model.init(keys["init"], one, *start)
        return State(
            step=jnp.int32(0),
            variables=variables,
            opt_state=optimizer(hyper).init(variables["params"]),
            loss_sum=jnp.float32(0),
            loss_count=jnp.int32(0),
            diverged_at=jnp.int32(-1),
        )

    def mean_loss(params: Any, others: Any, batch: Split, rngs: Any) -> tuple[Array, Any]:
        outputs, variables = model.apply(
            {"params": params, **others}, batch.inputs, train=True, rngs=rngs
        )
        loss = task.loss(outputs, batch.targets).mean().astype(jnp.float32)
        return loss, _without_params(variables)

    def gradient(params: Any, others: Any, batch: Split, key: Array) -> tuple[Array, Any, Any]:
        """Loss, gradient and running statistics of a batch, in `accumulate` micro-batches."""
        value_and_grad = jax.value_and_grad(mean_loss, has_aux=True)
        if accumulate == 1:
            batch = layout.batch(batch)
            (loss, others), grads = value_and_grad(params, others, batch, {"dropout": key})
            return loss, grads, others

        def micro(carry: Any, step: Any) -> tuple[Any, None]:
            loss, grads, others = carry
            index, part = step
            rngs = {"dropout": jax.random.fold_in(key, index)}
            part = layout.batch(part)
            (value, others), grad = value_and_grad(params, others, part, rngs)
            return (loss + value, jax.tree.map(jnp.add, grads, grad), others), None

        parts = jax.tree.map(lambda x: x.reshape(accumulate, -1, *x.shape[1:]), batch)
        start = (jnp.float32(0), jax.tree.map(jnp.zeros_like, params), others)
        (loss, grads, others), _ = lax.scan(micro, start, (jnp.arange(accumulate), parts))
        return loss / accumulate, jax.tree.map(lambda g: g / accumulate, grads), others

    def step(state: State, keys: Mapping[str, Array], hyper: Hyper, data: Split | Window) -> State:
        batch = batch_at(data, keys["order"], state.step, batch_size, ratio)
        if augment is not None:
            changed = augment(jax.random.fold_in(keys["augment"], state.step), batch.inputs)
            # What reads a pixel several times, such as a convolution, shall not draw it each time.
            batch = batch._replace(inputs=lax.optimization_barrier(changed))
        params, others = state.variables["params"], _without_params(state.variables)
        key = jax.random.fold_in(keys["dropout"], state.step)
        loss, grads, others_after = gradient(params, others, batch, key)
        updates, opt_state = optimizer(hyper).update(
            grads,
            state.opt_state,
            params,
            value=loss,
            grad=grads,
            value_fn=lambda p: mean_loss(p, others, batch, {"dropout": key})[0],
        )
        params = optax.apply_updates(params, updates)
        # Looking at the parameters catches a gradient that overflows under a finite loss, too.
        finite = jnp.isfinite(loss) & _all_finite(params)
        return State(
            step=state.step + 1,
            variables={"params": params, **others_after},
            opt_state=opt_state,
            loss_sum=state.loss_sum + loss,
            loss_count=state.loss_count + 1,
            diverged_at=jnp.where(finite, state.diverged_at, state.step),
        )

    def chunk(
        state: State, keys: Mapping[str, Array], hyper: Hyper, data: Split | Window, stop: Array
    ) -> State:
        # A while loop, not a scan: its length is traced, so that one program serves every number of
        # steps, every evaluation interval, and every place where a run is cut for a checkpoint.
        return lax.while_loop(
            lambda s: (s.step < stop) & (s.diverged_at < 0),
            lambda s: layout.state(step(s, keys, hyper, data)),
            state,
        )

    def trained(state: State, hyper: Hyper) -> Variables:
        params = optimizer(hyper).eval_params(state.opt_state, state.variables["params"])
        return {**state.variables, "params": params}

    def predict(state: State, hyper: Hyper, inputs: Any, *drawn: Array) -> Any:
        variables = trained(state, hyper)
        if mc_passes:
            return averaged(model, task, variables, inputs, mc_passes, *drawn)
        return model.apply(variables, inputs, train=False, rngs={})[0]

    def evaluate(state: State, hyper: Hyper, split: Split, *drawn: Array) -> Mapping[str, Array]:
        outputs = predict(state, hyper, split.inputs, *drawn)
        return {name: metric(outputs, split.targets) for name, metric in task.metrics.items()}

    return Train(init, chunk, evaluate, predict, trained)


def _without_params(variables: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in variables.items() if name != "params"}


def _all_finite(tree: Any) -> Array:
    leaves = jax.tree.leaves(tree)
    if not leaves:
        return jnp.bool_(True)

    def one_by_one() -> Array:
        return jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in leaves]))

    if jax.default_backend() != "cpu":  # a branch makes an accelerator wait for the host
        return one_by_one()
    # A finite sum has finite terms, and costs half of looking at each; only a sum that is not (of
    # finite terms it may overflow) needs the look.
    total = jnp.sum(jnp.stack([jnp.sum(x).astype(jnp.float32) for x in leaves]))
    return lax.cond(jnp.isfinite(total), lambda: jnp.bool_(True), one_by_one)

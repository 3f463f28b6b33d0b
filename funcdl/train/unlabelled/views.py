"""A batch with labelled and unlabelled examples, as a model and a task see it.

Model and task are wrapped, so that the run's own functions do not know of it: inputs are `Views`, outputs
are `Said`, and the loss of a batch of `B` labelled and `M` unlabelled examples is

    mean_B loss(said of labelled, label) + weight * mean_M [p >= threshold] * -log q[argmax p],

where `p` are the probabilities that the model gives an unlabelled example as it predicts, without dropout
and without a gradient, and `q` those of the view that is learnt from, in training.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from funcdl.train.unlabelled import Unlabelled
from funcdl.train.window import Both
from funcdl.types import Array, Model, PyTree, Task, Variables

Augment = Callable[[Array, PyTree], PyTree]
# Far from the places of augmentations in their list, which are folded into the same key.
_OF_UNLABELLED, _OF_STRONG = 2**31 - 1, 2**31 - 2


class Views(NamedTuple):
    """Inputs of a batch: `[B, ...]`, `[M, ...]` as judged, and `[M, ...]` as learnt from."""

    labelled: PyTree
    weak: PyTree
    strong: PyTree


class Said(NamedTuple):
    """What a model says of `Views`: logits `[B, k]`, `[M, k]`, `[M, k]`."""

    labelled: Array
    weak: Array
    strong: Array


def views(augment: Augment | None, strong: Augment | None) -> Augment:
    """What makes `Views` of a batch's inputs.

    The labelled examples are changed by the same draws as without any others.

    Args:
        augment: what changes the labelled examples, and the unlabelled ones that are judged; None for
            nothing.
        strong: what changes those that are learnt from; None for the same view.
    """

    def make(key: Array, inputs: Both) -> Views:
        weak = inputs.unlabelled
        labelled = inputs.labelled
        if augment is not None:
            weak = augment(jax.random.fold_in(key, _OF_UNLABELLED), weak)
            labelled = augment(key, labelled)
        if strong is None:
            return Views(labelled, weak, weak)
        return Views(labelled, weak, strong(jax.random.fold_in(key, _OF_STRONG), inputs.unlabelled))

    return make


def seeing(model: Model) -> Model:
    """The model, which in training takes `Views` and gives `Said`."""

    def apply(variables: Variables, inputs: PyTree, **how: Any) -> tuple[PyTree, Variables]:
        if not isinstance(inputs, Views):
            return model.apply(variables, inputs, **how)
        still = jax.lax.stop_gradient(variables)
        weak, _ = model.apply(still, inputs.weak, train=False, rngs={})
        n = jax.tree.leaves(inputs.labelled)[0].shape[0]
        together = jax.tree.map(
            lambda one, other: jnp.concatenate([one, other]), inputs.labelled, inputs.strong
        )
        outputs, after = model.apply(variables, together, **how)
        return Said(outputs[:n], weak, outputs[n:]), after

    return Model(model.init, apply)


def learning(task: Task, method: Unlabelled) -> Task:
    """The task, whose loss takes `Said`; its metrics stay as they are."""

    def loss(said: Said, labels: Array) -> Array:
        surest = jax.nn.softmax(said.weak)
        counts = surest.max(-1) >= method.threshold
        guessed = jnp.argmax(surest, -1)
        log_q = jax.nn.log_softmax(said.strong)
        missed = -jnp.take_along_axis(log_q, guessed[:, None], -1)[:, 0]
        of_unlabelled = jnp.mean(jnp.where(counts, missed, 0.0))
        return task.loss(said.labelled, labels) + method.weight * of_unlabelled

    return task._replace(loss=loss)

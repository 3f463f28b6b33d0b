"""MC dropout: predictions as the average of several passes with dropout switched on."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from funcdl.models.choices import Candidates
from funcdl.types import Array, Model, PyTree, Task, Variables

EVALUATION = np.uint32(2**32 - 1)  # no step of training has this number


def averaged(
    model: Model,
    task: Task,
    variables: Variables,
    inputs: PyTree,
    passes: int,
    key: Array,
    place: Array,
) -> PyTree:
    """One prediction out of several passes, each with masks of its own.

    The masks follow from the run's dropout stream, the split, the batch and the pass: the same at every
    look and on every machine, others in every repeat, and none that training has used.

    Args:
        model: what predicts.
        task: says how predictions are averaged; for labels, by their probabilities.
        variables: the model's.
        inputs: `[batch, ...]`.
        passes: how many.
        key: of the run's stream "dropout".
        place: int32 `[2]`, which split and which batch of it.

    Raises:
        ValueError: if the model keeps running statistics: with dropout on it would use those of the
            batch at hand, so that one example's prediction depended on the others.

    Source: Gal and Ghahramani, "Dropout as a Bayesian approximation" (ICML 2016), section 4.
    """
    running = [name for name in variables if name != "params"]
    if running:
        raise ValueError(
            f"mc_passes={passes}, but the model keeps running statistics ({', '.join(running)}), "
            "which a pass with dropout cannot use; choose a model without batch normalisation, such "
            "as resnet with norm: group"
        )
    for number in (EVALUATION, place[0], place[1]):
        key = jax.random.fold_in(key, number)

    def one(index: Array) -> PyTree:
        rngs = {"dropout": jax.random.fold_in(key, index)}
        outputs = model.apply(variables, inputs, train=True, rngs=rngs)[0]
        # What a recommender trains on are some items; what it is judged by is a ranking of all.
        return outputs.score() if isinstance(outputs, Candidates) else outputs

    every = lax.map(one, jnp.arange(passes))
    if task.average is not None:
        return task.average(every)
    return jax.tree.map(lambda x: x.mean(axis=0), every)

"""From the static part of a recipe to a run's pure functions.

A recipe falls into two parts. What decides the shape of the computation is *static* and makes
another program: names, widths, batch size. Every other number is *traced*: it reaches the program as
an argument, so that all learning rates of a search share one compilation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from funcdl.types import Dataset, Train


class Static(NamedTuple):
    """What decides a program, besides the shapes of the data.

    task, model: `name` and arguments.
    optimizer: `name` and the arguments that are not traced.
    schedule: `name` and the arguments that are not traced.
    batch_size, accumulate: as in `make_train`.
    clip_norm, clip_value, weight_decay: whether each is used; its number is traced.
    """

    task: Mapping[str, Any]
    model: Mapping[str, Any]
    optimizer: Mapping[str, Any]
    schedule: Mapping[str, Any]
    batch_size: int
    accumulate: int
    clip_norm: bool
    clip_value: bool
    weight_decay: bool


def assemble(static: Static, dataset: Dataset) -> Train:
    """Builds the run that a recipe's static part describes.

    Args:
        static: the static part.
        dataset: only its shapes and the number of its classes matter.

    Returns:
        The run's pure functions; its `hyper` takes the recipe's traced part.
    """
    from funcdl.models.make import make_model
    from funcdl.optimizers.build import make_optimizer
    from funcdl.tasks.load import make_task
    from funcdl.train.run import make_train

    task = make_task(static.task)
    arguments = dict(static.optimizer)
    optimizer = make_optimizer(
        arguments.pop("name"),
        arguments,
        schedule=static.schedule,
        clip_norm=static.clip_norm,
        clip_value=static.clip_value,
        weight_decay=static.weight_decay,
    )
    return make_train(
        make_model(static.model, task.outputs(dataset)),
        task,
        optimizer,
        batch_size=static.batch_size,
        accumulate=static.accumulate,
    )

"""From a recipe's two parts to a run's pure functions.

What decides the shape of the computation is *static* and makes another program: names, widths, batch
size. Every other number is *traced*: it reaches the program as an argument, so that all learning
rates and all dropout rates of a search share one compilation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from funcdl.types import Dataset, Hyper, Train


class Static(NamedTuple):
    """What decides a program, besides the shapes of the data.

    task, model, optimizer, schedule: `name` and the arguments that are not traced.
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
        The run's pure functions; their `hyper` takes the recipe's traced part.
    """
    from funcdl.models.make import make_model
    from funcdl.optimizers.build import make_optimizer
    from funcdl.tasks.load import make_task
    from funcdl.train.run import make_train
    from funcdl.train.width import of_width

    outputs = make_task(static.task).outputs(dataset)
    arguments = dict(static.optimizer)
    optimizer = make_optimizer(
        arguments.pop("name"),
        arguments,
        schedule=static.schedule,
        clip_norm=static.clip_norm,
        clip_value=static.clip_value,
        weight_decay=static.weight_decay,
    )

    def bound(hyper: Hyper) -> Train:
        """The run with the traced numbers of this call in their places."""
        return make_train(
            of_width(make_model({**static.model, **_under("model.", hyper)}, outputs), outputs),
            make_task({**static.task, **_under("task.", hyper)}),
            optimizer,
            batch_size=static.batch_size,
            accumulate=static.accumulate,
        )

    return Train(
        init=lambda keys, hyper, data: bound(hyper).init(keys, hyper, data),
        chunk=lambda state, keys, hyper, data, stop: bound(hyper).chunk(
            state, keys, hyper, data, stop
        ),
        evaluate=lambda state, hyper, split: bound(hyper).evaluate(state, hyper, split),
    )


def _under(prefix: str, hyper: Hyper) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in hyper.items() if k.startswith(prefix)}

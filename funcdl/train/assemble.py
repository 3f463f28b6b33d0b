"""From a recipe's two parts to a run's pure functions.

What decides the shape of the computation is *static* and makes another program: names, widths, batch
size. Every other number is *traced*: it reaches the program as an argument, so that all learning
rates and all dropout rates of a search share one compilation.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from funcdl.train.start import Start, starting
from funcdl.train.unlabelled import UNLABELLED, Unlabelled
from funcdl.types import Dataset, Hyper, Train

if TYPE_CHECKING:
    from funcdl.train.mesh import Layout


class Static(NamedTuple):
    """What decides a program, besides the shapes of the data.

    task, model, optimizer, schedule: `name` and the arguments that are not traced.
    batch_size, accumulate: as in `make_train`.
    clip_norm, clip_value, weight_decay: whether each is used; its number is traced.
    augment: what changes each batch's inputs: `name` and the arguments that are not traced.
    compute_dtype: as in `computing_in`.
    matmul_precision: as in `multiplying_in`.
    remat: whether the model is `rematerialised`.
    mc_passes: as in `make_train`.
    outputs: whether predictions are wanted on the host, beside the metrics.
    variables: whether what was trained is wanted there, too.
    unlabelled: how examples without labels are learnt from: `name` and the arguments that are not
        traced; None to leave them alone.
    start: how a run begins that goes on from another one's parameters; None for one that does not.
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
    augment: tuple[Mapping[str, Any], ...] = ()
    compute_dtype: str = "float32"
    matmul_precision: str | None = None
    remat: bool = False
    mc_passes: int = 0
    outputs: bool = False
    variables: bool = False
    unlabelled: Mapping[str, Any] | None = None
    start: Start | None = None


def assemble(static: Static, dataset: Dataset, layout: Layout | None = None) -> Train:
    """Builds the run that a recipe's static part describes.

    Args:
        static: the static part.
        dataset: only its shapes, and how many classes and ids it has, matter.
        layout: where its arrays lie, for a run over many devices.

    Returns:
        The run's pure functions; their `hyper` takes the recipe's traced part.
    """
    from funcdl.augment.make import make_augment
    from funcdl.models.make import make_model
    from funcdl.optimizers.build import make_optimizer
    from funcdl.tasks.load import make_task
    from funcdl.train.mesh import ALONE
    from funcdl.train.precision import computing_in, multiplying_in
    from funcdl.train.remat import rematerialised
    from funcdl.train.run import make_train
    from funcdl.train.unlabelled.views import learning, seeing, views
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
        model = make_model({**static.model, **_under("model.", hyper)}, outputs, dataset.ids)
        model = computing_in(of_width(model, outputs), static.compute_dtype)
        model = rematerialised(model) if static.remat else model
        if static.start is not None:
            wider = make_model(
                {**static.model, **_under("model.", hyper)}, outputs + 1, dataset.ids
            )
            model = starting(model, wider, static.start)
        changes = [
            {**entry, **_under(f"train.augment.{place}.", hyper)}
            for place, entry in enumerate(static.augment)
        ]
        task = make_task({**static.task, **_under("task.", hyper)})
        augment = make_augment(changes) if changes else None
        method = _method(static.unlabelled, hyper)
        if method is not None:
            strong = make_augment(method.strong) if method.strong else None
            model, task, augment = seeing(model), learning(task, method), views(augment, strong)
        return make_train(
            model,
            task,
            optimizer,
            batch_size=static.batch_size,
            accumulate=static.accumulate,
            layout=layout or ALONE,
            mc_passes=static.mc_passes,
            augment=augment,
            ratio=method.ratio if method else 0,
        )

    train = Train(
        init=lambda keys, hyper, data, *start: bound(hyper).init(keys, hyper, data, *start),
        chunk=lambda state, keys, hyper, data, stop: bound(hyper).chunk(
            state, keys, hyper, data, stop
        ),
        evaluate=lambda state, hyper, split, *drawn: bound(hyper).evaluate(
            state, hyper, split, *drawn
        ),
        predict=lambda state, hyper, inputs, *drawn: bound(hyper).predict(
            state, hyper, inputs, *drawn
        ),
        trained=lambda state, hyper: bound(hyper).trained(state, hyper),
    )
    return multiplying_in(train, static.matmul_precision)


def _method(static: Mapping[str, Any] | None, hyper: Hyper) -> Unlabelled | None:
    """How examples without labels are learnt from, with the traced numbers in their places."""
    if static is None:
        return None
    of = "train.unlabelled."
    strong = [
        {**entry, **_under(f"{of}strong.{place}.", hyper)}
        for place, entry in enumerate(static.get("strong", ()))
    ]
    numbers = {k: v for k, v in _under(of, hyper).items() if not k.startswith("strong.")}
    given = {k: v for k, v in static.items() if k != "name"} | numbers
    make = pkgutil.resolve_name(UNLABELLED[static["name"]])
    return make(**given | ({"strong": strong} if strong else {}))


def _under(prefix: str, hyper: Hyper) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in hyper.items() if k.startswith(prefix)}

"""Whether targets are what comes next in series; asked before anything is compiled, and without JAX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from funcdl.errors import DataError, Problem, StudyError
from funcdl.tasks.splits import check_splits, named_splits
from funcdl.types import Dataset, PyTree

DETAILS = ("steps", "last", "future", "mean", "scale", "naive", "transform")


def count_steps(dataset: Dataset) -> int:
    """Returns H, the number of steps that are forecast."""
    return dataset.train.targets["steps"].shape[1]


def check_series(dataset: Dataset) -> None:
    """Checks that targets hold steps, and what tells errors in the series' own unit.

    Raises:
      DataError: saying what is missing, or how many of the numbers are not finite and where the first is.
    """
    check_splits(dataset)
    for name, split in named_splits(dataset):
        targets = split.targets
        if not isinstance(targets, Mapping) or not set(DETAILS) <= set(targets):
            raise DataError(
                f"targets of the {name} split are {_found(targets)}; forecasting needs the arrays "
                f"{', '.join(DETAILS)}: set data.details: true (stocks, demand and series have it)"
            )
    for name, split in named_splits(dataset):
        steps = split.targets["steps"]
        bad = np.argwhere(~np.isfinite(steps))
        if len(bad):
            raise DataError(
                f"{len(bad)} of {steps.size} steps of the {name} split are not finite; the first is "
                f"{steps[tuple(bad[0])]} at index {bad[0].tolist()}; remove or impute these moments"
            )


def check_levels(*, loss: str = "mse", quantiles: Sequence[float] = ()) -> None:
    """Checks that quantiles are what they should be, and that the loss is one of theirs.

    Raises:
      StudyError: if they do not rise between 0 and 1 with .5 in the middle, or if they are given without the
        pinball loss, or that without them.
    """
    levels = list(quantiles)
    numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in levels)
    rising = numbers and all(a < b for a, b in zip([0, *levels], [*levels, 1], strict=True))
    middle = len(levels) % 2 == 1 and levels[len(levels) // 2] == 0.5
    if levels and not (rising and middle):
        message = (
            f"is {levels}; allowed are numbers that rise between 0 and 1, as many above 0.5 as below it, and "
            "0.5 itself, which is the point forecast: such as [0.1, 0.5, 0.9]"
        )
        raise StudyError([Problem("", "task.quantiles", message)])
    if levels and loss != "pinball":
        message = (
            f"is {loss}, which does not know of quantiles; use pinball, or remove task.quantiles"
        )
        raise StudyError([Problem("", "task.loss", message)])
    if loss == "pinball" and not levels:
        message = "is pinball, which needs task.quantiles, such as [0.1, 0.5, 0.9]; or use mae"
        raise StudyError([Problem("", "task.loss", message)])


def _found(targets: PyTree) -> str:
    if isinstance(targets, Mapping):
        return f"a mapping of {', '.join(map(str, targets))}"
    return f"{getattr(targets, 'dtype', type(targets).__name__)} {list(np.shape(targets))}"

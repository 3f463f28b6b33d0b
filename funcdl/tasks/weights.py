"""Whether the weights that a classifier trains with make sense; without JAX."""

from __future__ import annotations

import math
from collections.abc import Sequence

from funcdl.errors import DataError, Problem, StudyError
from funcdl.tasks.labels import count_classes
from funcdl.types import Array, Dataset


def check_weighting(
    *,
    focal: float | Array = 0.0,
    class_weights: Sequence[float] | None = None,
    positive_weight: float | Array | None = None,
) -> None:
    """Checks what says how much an example counts in training; traced numbers were checked before.

    Raises:
      StudyError: if a number is out of range, or class 1 is given its weight twice.
    """
    if isinstance(focal, float | int) and not 0.0 <= focal < math.inf:
        raise _wrong("focal", f"is {focal}; allowed are finite numbers from 0")
    if isinstance(positive_weight, float | int) and not 0.0 < positive_weight < math.inf:
        raise _wrong("positive_weight", f"is {positive_weight}; allowed are finite numbers above 0")
    if class_weights is None:
        return
    if positive_weight is not None:
        raise _wrong("positive_weight", "is given beside task.class_weights; leave one out")
    if not all(0.0 <= w < math.inf for w in class_weights) or not any(class_weights):
        given = list(class_weights)
        raise _wrong("class_weights", f"is {given}; allowed are numbers from 0, not all of them 0")


def check_weighted_classes(
    dataset: Dataset,
    *,
    class_weights: Sequence[float] | None = None,
    positive_weight: float | Array | None = None,
) -> None:
    """Checks that there is a weight for each class.

    Raises:
      DataError: with the number of classes.
    """
    k = count_classes(dataset)
    if class_weights is not None and len(class_weights) != k:
        raise DataError(
            f"task.class_weights has {len(class_weights)} numbers, but the data have {k} classes; "
            "give one for each class, in the order of the labels"
        )
    if positive_weight is not None and k != 2:
        raise DataError(
            f"task.positive_weight is for two classes, but the data have {k}; use task.class_weights"
        )


def _wrong(argument: str, message: str) -> StudyError:
    return StudyError([Problem("", f"task.{argument}", message)])

"""Whether targets are labels; asked before anything is compiled, and without JAX."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from funcdl.errors import DataError, Problem, StudyError
from funcdl.tasks.splits import check_splits, named_splits
from funcdl.tasks.summaries import named
from funcdl.types import Dataset


def count_classes(dataset: Dataset) -> int:
    """Returns how many classes are declared, or else how many labels 0..k-1 the data show."""
    if dataset.classes:
        return len(dataset.classes)
    return 1 + max(int(np.max(split.targets)) for _, split in named_splits(dataset))


def check_labels(dataset: Dataset) -> None:
    """Checks that targets are labels 0..k-1, of at least two classes that the training split has.

    Raises:
      DataError: with the number of wrong labels, the first of them and its index in its split.
    """
    for name, split in named_splits(dataset):
        labels = split.targets
        if not hasattr(labels, "dtype") or labels.dtype.kind not in "iu" or np.ndim(labels) != 1:
            found = getattr(labels, "dtype", type(labels).__name__)
            raise DataError(
                f"targets of the {name} split are {found} of shape {list(np.shape(labels))}; "
                "classification needs integer labels of shape [n]: number the classes from 0"
            )
    check_splits(dataset)
    k = count_classes(dataset)
    for name, split in named_splits(dataset):
        wrong = np.flatnonzero((split.targets < 0) | (split.targets >= k))
        if wrong.size:
            raise DataError(
                f"{wrong.size} of {len(split.targets)} labels of the {name} split are outside "
                f"0..{k - 1}; the first is {split.targets[wrong[0]]} at index {wrong[0]}; "
                "number the classes from 0, or declare all of them with classes="
            )
    _check_trained(np.unique(dataset.train.targets), k, bool(dataset.classes))


def _check_trained(found: np.ndarray, k: int, declared: bool) -> None:
    """Refuses what cannot be learnt: one class only, or labels that no training example has."""
    if len(found) < 2:
        raise DataError(
            f"the training split has only label {found[0]}; allowed are two classes or more: "
            "shuffle the data before splitting, or use split.by: stratified"
        )
    if len(found) < k and not declared:
        # Sorted labels without gaps are 0, 1, 2, ...: the first that is not shows the gap.
        gaps = np.flatnonzero(found != np.arange(len(found)))
        missing = gaps[0] if gaps.size else len(found)
        raise DataError(
            f"{k - len(found)} of the labels 0..{k - 1} have no training example, the first is "
            f"{missing}; number the classes from 0 without gaps, split by: stratified, or declare "
            "the classes with classes="
        )


def check_smoothing(*, label_smoothing: float = 0.0) -> None:
    """Checks that the weight of the uniform distribution leaves some to the label.

    Raises:
      StudyError: if it is below 0, or 1 or more.
    """
    if not 0.0 <= label_smoothing < 1.0:
        message = f"is {label_smoothing}; allowed are numbers from 0 to below 1"
        raise StudyError([Problem("", "task.label_smoothing", message)])


def check_metrics(dataset: Dataset, metrics: Iterable[str]) -> None:
    """Checks that the data have as many classes as the metrics are for.

    Raises:
      DataError: naming the first metric that needs another number.
    """
    k = count_classes(dataset)
    for word in metrics:
        summary = named("classification", word)[1]
        if summary is not None and summary.classes not in (0, k):
            raise DataError(
                f"the metric {word} is for {summary.classes} classes, but the data have {k}; for more "
                "classes there are f1_macro, precision_macro, recall_macro, balanced_accuracy and mcc"
            )

"""Whether targets say what is normal and what an anomaly; asked without JAX."""

from __future__ import annotations

import numpy as np

from funcdl.errors import DataError
from funcdl.tasks.splits import check_splits, named_splits
from funcdl.types import Dataset

NORMAL, ANOMALY = 0, 1


def check_anomalies(dataset: Dataset, *, contaminated: bool = False) -> None:
    """Checks that targets are 0 (normal) or 1 (anomaly), and are where they should be.

    Training examples are normal, unless `contaminated`; validation examples are not all anomalies; and
    the test split has both, since nothing could be measured otherwise.

    Raises:
      DataError: with the split, how many targets are wrong, and the first of them.
    """
    for name, split in named_splits(dataset):
        labels = split.targets
        if not hasattr(labels, "dtype") or labels.dtype.kind not in "iu" or np.ndim(labels) != 1:
            found = getattr(labels, "dtype", type(labels).__name__)
            raise DataError(
                f"targets of the {name} split are {found} of shape {list(np.shape(labels))}; "
                "the detection of anomalies needs integers of shape [n]: 0 for a normal example, "
                "1 for an anomaly"
            )
    check_splits(dataset)
    for name, split in named_splits(dataset):
        labels = split.targets
        wrong = np.flatnonzero((labels != NORMAL) & (labels != ANOMALY))
        if wrong.size:
            raise DataError(
                f"{wrong.size} of {len(labels)} targets of the {name} split are neither 0 (normal) "
                f"nor 1 (anomaly); the first is {labels[wrong[0]]} at index {wrong[0]}: say which "
                "class is normal, and number it 0 and all others 1"
            )
    _check_places(dataset, contaminated)


def _check_places(dataset: Dataset, contaminated: bool) -> None:
    """Refuses anomalies among training examples, and splits in which something is missing."""
    train = np.asarray(dataset.train.targets)
    validation, test = np.asarray(dataset.validation.targets), np.asarray(dataset.test.targets)
    found = np.flatnonzero(train == ANOMALY)
    if found.size and not contaminated:
        raise DataError(
            f"{found.size} of {len(train)} training examples are anomalies (1), the first at index "
            f"{found[0]}; models of what is normal are trained on normal examples (0) alone: take "
            "the others out of the training split, or set task.contaminated: true to train on all "
            "of them, as where nobody knows which are which"
        )
    for name, labels, needed in (
        ("training", train, NORMAL),
        ("validation", validation, NORMAL),
        ("test", test, NORMAL),
        ("test", test, ANOMALY),
    ):
        if not (labels == needed).any():
            what = "an anomaly (1)" if needed == ANOMALY else "a normal example (0)"
            raise DataError(
                f"none of the {len(labels)} {name} examples is {what}; the {name} split needs one at "
                "least: split by: stratified, or make the split larger"
            )


def no_outputs(dataset: Dataset) -> int:
    """Returns 0: a model's output is one number per example, its score."""
    del dataset
    return 0

"""How good a classifier's decisions are: the class of its greatest logit, a whole split at once.

`precision`, `recall` and `f1` are those of class 1 of two; the others are for any number of classes.
Every metric has a function `..._values` that gives one value per example; see `confusion`.
"""

from __future__ import annotations

import numpy as np

from funcdl.metrics.confusion import (
    F1,
    PRECISION,
    RECALL,
    Confusion,
    confusion,
    correlation,
    correlation_values,
    mean_ratio,
    mean_ratio_values,
)
from funcdl.metrics.scores import scores_of

POSITIVE = np.array([False, True])


def precision(outputs: np.ndarray, labels: np.ndarray) -> float:
    """Returns the share of right ones among those predicted positive; 0 where none is.

    Args:
      outputs: logits `[n, 2]`, or scores `[n]` that are positive where class 1 is predicted.
      labels: `[n]`, 0 or 1.

    >>> precision(np.array([1.0, 2.0, -1.0]), np.array([1, 0, 1]))
    0.5
    """
    return mean_ratio(_two(outputs, labels), PRECISION, POSITIVE)


def precision_values(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns float64 `[n]`, whose mean is `precision`."""
    return mean_ratio_values(_two(outputs, labels), PRECISION, POSITIVE)


def recall(outputs: np.ndarray, labels: np.ndarray) -> float:
    """Returns the share of positives that are predicted so; 0 where there is none.

    Args:
      outputs: as of `precision`, and so are the labels.
      labels: `[n]`.
    """
    return mean_ratio(_two(outputs, labels), RECALL, POSITIVE)


def recall_values(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns float64 `[n]`, whose mean is `recall`."""
    return mean_ratio_values(_two(outputs, labels), RECALL, POSITIVE)


def f1(outputs: np.ndarray, labels: np.ndarray) -> float:
    """Returns the harmonic mean of precision and recall; 0 where no positive is right.

    Args:
      outputs: as of `precision`, and so are the labels.
      labels: `[n]`.
    """
    return mean_ratio(_two(outputs, labels), F1, POSITIVE)


def f1_values(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns float64 `[n]`, whose mean is `f1`."""
    return mean_ratio_values(_two(outputs, labels), F1, POSITIVE)


def precision_macro(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean precision of the classes that are there or predicted.

    Args:
      logits: `[n, k]`.
      labels: `[n]` integers below k.
    """
    found = _every(logits, labels)
    return mean_ratio(found, PRECISION, found.seen)


def precision_macro_values(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns float64 `[n]`, whose mean is `precision_macro`."""
    found = _every(logits, labels)
    return mean_ratio_values(found, PRECISION, found.seen)


def recall_macro(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean recall of the classes that are there or predicted.

    Args:
      logits: `[n, k]`.
      labels: `[n]` integers below k.
    """
    found = _every(logits, labels)
    return mean_ratio(found, RECALL, found.seen)


def recall_macro_values(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns float64 `[n]`, whose mean is `recall_macro`."""
    found = _every(logits, labels)
    return mean_ratio_values(found, RECALL, found.seen)


def f1_macro(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean F1 of the classes that are there or predicted.

    Args:
      logits: `[n, k]`.
      labels: `[n]` integers below k.
    """
    found = _every(logits, labels)
    return mean_ratio(found, F1, found.seen)


def f1_macro_values(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns float64 `[n]`, whose mean is `f1_macro`."""
    found = _every(logits, labels)
    return mean_ratio_values(found, F1, found.seen)


def balanced_accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean recall of the classes that are there.

    Args:
      logits: `[n, k]`.
      labels: `[n]` integers below k.
    """
    found = _every(logits, labels)
    return mean_ratio(found, RECALL, found.actual > 0)


def balanced_accuracy_values(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns float64 `[n]`, whose mean is `balanced_accuracy`."""
    found = _every(logits, labels)
    return mean_ratio_values(found, RECALL, found.actual > 0)


def mcc(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns Matthews' correlation of labels and predictions; see `confusion.correlation`.

    Args:
      logits: `[n, k]`.
      labels: `[n]` integers below k.
    """
    return correlation(_every(logits, labels))


def mcc_values(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns float64 `[n]`, whose mean is `mcc`."""
    return correlation_values(_every(logits, labels))


def _two(outputs: np.ndarray, labels: np.ndarray) -> Confusion:
    return confusion(scores_of(outputs) > 0, labels, 2)


def _every(logits: np.ndarray, labels: np.ndarray) -> Confusion:
    return confusion(np.argmax(logits, axis=1), labels, np.shape(logits)[1])

"""Split conformal prediction: sets and intervals that hold the truth as often as they say.

A score of how badly a prediction fits is computed for each validation example, and its quantile q is
the bar for the test examples. If the two splits are exchangeable, the truth is inside with a
probability of at least 1 - alpha, and at most 1 - alpha + 1/(n+1) without ties, whatever the model.
That holds on average over splits, not for each label or each region; and a validation split that
also chose the model is no longer quite exchangeable with test data.

Source: Vovk, Gammerman and Shafer, "Algorithmic learning in a random world" (2005), chapter 2;
Angelopoulos and Bates, "Conformal prediction: a gentle introduction" (2023), section 1.
"""

from __future__ import annotations

import math

import numpy as np

from funcdl.metrics.probabilities import log_probabilities

ALPHA = 0.1
Predicted = tuple[np.ndarray, np.ndarray]  # outputs [n, k] and targets of a split


def threshold(scores: np.ndarray, alpha: float = ALPHA) -> float:
    """Returns the `ceil((n+1)(1-alpha))`-th smallest score; infinity where that is beyond n.

    Args:
      scores: `[n]`, of validation examples; greater is worse.
      alpha: how often the truth may be outside, above 0 and below 1.

    Raises:
      ValueError: if `alpha` is not in between.

    >>> threshold(np.arange(1.0, 100.0), 0.1), threshold(np.arange(5.0), 0.1)
    (90.0, inf)
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha={alpha}; allowed are numbers above 0 and below 1")
    n = len(scores)
    rank = math.ceil((n + 1) * (1 - alpha) - 1e-9)  # 1 - 0.9 is not quite 0.1
    return float(np.sort(scores)[rank - 1]) if rank <= n else math.inf


def classification_sets(
    test: Predicted, validation: Predicted, alpha: float = ALPHA
) -> tuple[np.ndarray, np.ndarray]:
    """Sets of labels: all whose score `1 - p[label]` is at most the threshold.

    Args:
      test: logits `[n, k]` and labels `[n]` to make sets for.
      validation: the same of the split that sets the threshold.
      alpha: as in `threshold`.

    Returns:
      bool `[n]`, whether the label is inside, and int `[n]`, how many labels are. A set may be empty.
    """
    q = threshold(1 - _of_labels(*validation), alpha)
    inside = 1 - np.exp(log_probabilities(test[0])) <= q
    return 1 - _of_labels(*test) <= q, inside.sum(axis=1)


def regression_intervals(
    test: Predicted, validation: Predicted, alpha: float = ALPHA
) -> tuple[np.ndarray, float]:
    """Intervals `output ± q`, whose score is the absolute residual.

    With several coordinates the score is the largest of them, so that all hold at once.

    Args:
      test: outputs `[n, d]` and targets `[n]` or `[n, d]`.
      validation: the same of the split that sets the threshold.
      alpha: as in `threshold`.

    Returns:
      bool `[n]`, whether the target is inside, and the width 2q.
    """
    q = threshold(_residuals(*validation), alpha)
    return _residuals(*test) <= q, 2 * q


def set_coverage(test: Predicted, validation: Predicted, alpha: float = ALPHA) -> float:
    """Returns the share of test labels inside their sets; it should be about 1 - alpha."""
    return _mean(classification_sets(test, validation, alpha)[0])


def set_size(test: Predicted, validation: Predicted, alpha: float = ALPHA) -> float:
    """Returns how many labels a set holds on average; fewer say more."""
    return _mean(classification_sets(test, validation, alpha)[1])


def set_size_values(test: Predicted, validation: Predicted, alpha: float = ALPHA) -> np.ndarray:
    """Returns how many labels each test example's set holds, float64 `[n]`."""
    return classification_sets(test, validation, alpha)[1].astype(np.float64)


def interval_coverage(test: Predicted, validation: Predicted, alpha: float = ALPHA) -> float:
    """Returns the share of test targets inside their intervals; it should be about 1 - alpha."""
    return _mean(regression_intervals(test, validation, alpha)[0])


def interval_width(test: Predicted, validation: Predicted, alpha: float = ALPHA) -> float:
    """Returns the intervals' width, in the unit of the targets; infinite where n is too small."""
    return regression_intervals(test, validation, alpha)[1]


def _of_labels(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.exp(log_probabilities(logits))[np.arange(len(labels)), labels]


def _residuals(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    outputs = np.asarray(outputs, np.float64)
    return np.abs(outputs - np.asarray(targets, np.float64).reshape(outputs.shape)).max(axis=1)


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")

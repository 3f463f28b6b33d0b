"""Areas under curves over all thresholds: how well scores order examples, a whole split at once.

Both are given scores `[n]` or the logits `[n, 2]` of two classes (`scores_of`), and labels that are 0
or 1. They are NaN where they are not defined: without positives, for the first also without negatives, and
where a score is NaN. Infinite scores are scores like others.
"""

from __future__ import annotations

import numpy as np

from funcdl.metrics.scores import scores_of


def auroc(outputs: np.ndarray, labels: np.ndarray) -> float:
    """Returns the chance that a positive example has the greater score than a negative one, ties half.

    That is the area under the curve of true positives over false positives, 0.5 for scores that say
    nothing.

    Args:
      outputs: scores `[n]` or logits `[n, 2]`.
      labels: `[n]`, 0 or 1.

    Source: Hanley and McNeil, "The meaning and use of the area under a receiver operating
    characteristic (ROC) curve" (Radiology, 1982).

    >>> auroc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    0.75
    """
    scores, positive = _read(outputs, labels)
    if not _defined(scores, positive) or positive.all():
        return float("nan")
    return float(np.mean(_shares_below(scores[positive], scores[~positive])))


def auroc_values(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns float64 `[n]`, whose mean is `auroc`, A.

    `A + (V_i - A) / share of its class`, with V_i the chance that example i is in the right order
    with one of the other class, spread as in `_spread`: the variances within both classes are those of
    DeLong's method.

    Source: DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated
    receiver operating characteristic curves" (Biometrics, 1988).
    """
    scores, positive = _read(outputs, labels)
    area = auroc(scores, positive)
    if np.isnan(area):
        return np.full(len(scores), np.nan)
    placed = np.empty(len(scores))
    placed[positive] = _shares_below(scores[positive], scores[~positive])
    placed[~positive] = 1 - _shares_below(scores[~positive], scores[positive])
    share = positive.mean()
    return _spread(area + (placed - area) / np.where(positive, share, 1 - share), positive)


def average_precision(outputs: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean over positives of the precision among all that score at least as much.

    That is the area under the steps of precision over recall, `sum_t (R_t - R_(t-1)) P_t`, without
    interpolation; for scores that say nothing about the share of positives.

    Args:
      outputs: scores `[n]` or logits `[n, 2]`.
      labels: `[n]`, 0 or 1.

    Source: Davis and Goadrich, "The relationship between precision-recall and ROC curves" (ICML 2006),
    for why not to interpolate.

    >>> round(average_precision(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])), 6)
    0.833333
    """
    scores, positive = _read(outputs, labels)
    if not _defined(scores, positive):
        return float("nan")
    _, right, above = _steps(scores, positive)
    return float(np.diff(right, prepend=0) @ (right / above) / right[-1])


def average_precision_values(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns float64 `[n]`, whose mean is `average_precision`, A.

    With n examples, m of them positive, P_i the precision down to the score of example i and c_i how
    many score at least as much, example j has the value

    `A + n/m ([j positive] (P_j - A) + sum over positives i not above j of ([j positive] - P_i) / c_i)`:

    it counts among the positives itself, and changes the precision at all scores that are not greater.
    They are then spread as in `_spread`.
    """
    scores, positive = _read(outputs, labels)
    n, area = len(scores), average_precision(scores, positive)
    if np.isnan(area):
        return np.full(n, np.nan)
    step, right, above = _steps(scores, positive)
    precision = right / above
    here = np.diff(right, prepend=0) / above  # positives of a step, over all that score as much
    gain = np.cumsum(here[::-1])[::-1][step]
    cost = np.cumsum((here * precision)[::-1])[::-1][step]
    own = np.where(positive, precision[step] - area + gain, 0.0)
    return _spread(area + (own - cost) * n / right[-1], positive)


def _spread(values: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """The values, k of a class moved away from their mean by sqrt(k / (k - 1)).

    A mean of squares within a class is then the unbiased estimate of its variance, which matters where
    there are few positives: with 50 it is 2 % more.
    """
    spread = values.copy()
    for one in (positive, ~positive):
        count = int(one.sum())
        if count > 1:
            mean = values[one].mean()
            spread[one] = mean + (values[one] - mean) * np.sqrt(count / (count - 1))
    return spread


def _read(outputs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores `[n]` and whether each is positive."""
    return scores_of(outputs), np.asarray(labels) == 1


def _defined(scores: np.ndarray, positive: np.ndarray) -> bool:
    return bool(positive.any()) and not np.isnan(scores).any()


def _shares_below(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    """For each score the share of others that are less, and half of those that are equal."""
    ordered = np.sort(others)
    ends = [np.searchsorted(ordered, scores, side) for side in ("left", "right")]
    return (ends[0] + ends[1]) / (2 * len(others))


def _steps(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Examples by their distinct scores, from the greatest down.

    Returns:
      `[n]`, the step on which each example stands, and per step how many positives and how many
      examples score at least as much.
    """
    levels, place, sizes = np.unique(-scores, return_inverse=True, return_counts=True)
    right = np.bincount(place.ravel()[positive], minlength=len(levels))
    return place.ravel(), np.cumsum(right), np.cumsum(sizes)

"""One number per example that says how far it belongs to the positive class."""

from __future__ import annotations

import numpy as np


def scores_of(outputs: np.ndarray) -> np.ndarray:
    """Returns float64 scores `[n]`, greater for what is rather positive.

    Of a classifier of two classes that is the logit of class 1 less that of class 0, which is above 0
    where class 1 is predicted.

    Args:
      outputs: scores `[n]`, returned as they are, or logits `[n, 2]`.

    Raises:
      ValueError: if there are more classes, or fewer.

    >>> scores_of(np.array([[0.0, 2.0], [3.0, 1.0]])).tolist()
    [2.0, -2.0]
    """
    outputs = np.asarray(outputs, np.float64)
    if outputs.ndim == 1:
        return outputs
    if outputs.ndim != 2 or outputs.shape[1] != 2:
        raise ValueError(
            f"outputs have shape {list(outputs.shape)}; allowed are scores [n] or the logits [n, 2] of "
            "two classes; for more classes use f1_macro, precision_macro, recall_macro, "
            "balanced_accuracy or mcc"
        )
    with np.errstate(invalid="ignore"):  # infinity less infinity is no score
        return outputs[:, 1] - outputs[:, 0]

"""One number, or d of them, for each example."""

from __future__ import annotations

from collections.abc import Sequence

from funcdl.metrics.regression import METRICS
from funcdl.tasks.numbers import check_numbers, count_columns
from funcdl.tasks.summaries import chosen, chosen_values
from funcdl.types import Task


def regression(*, metrics: Sequence[str] = ()) -> Task:
    """Makes the task of predicting numbers: outputs `[batch, d]`, targets the same or `[batch]`.

    Trains on the squared error. Reports `loss` and `mse` (which are the same here) and `mae`; with
    d > 1 each is the mean over the coordinates.

    Args:
      metrics: more metrics, of whole splits: names of `SUMMARIES["regression"]`, such as "rmse".

    Raises:
      StudyError: if a metric is unknown.
    """
    summaries, fitted = chosen("regression", metrics, METRICS)
    return Task(
        loss=METRICS["loss"],
        metrics=METRICS,
        outputs=count_columns,
        check=check_numbers,
        summaries=summaries,
        fitted=fitted,
        values=chosen_values("regression", metrics),
    )

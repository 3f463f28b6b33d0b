"""One label of k for each example."""

from __future__ import annotations

from collections.abc import Sequence

from funcdl.metrics.classification import (
    METRICS,
    mean_of_passes,
    smoothed_negative_log_likelihood,
)
from funcdl.tasks.labels import check_labels, check_smoothing, count_classes
from funcdl.tasks.summaries import chosen, chosen_values
from funcdl.types import Array, Task


def classification(*, label_smoothing: float = 0.0, metrics: Sequence[str] = ()) -> Task:
    """Makes the task of predicting labels: outputs are logits `[batch, k]`, targets int `[batch]`.

    Trains on the cross-entropy. Reports `loss` (negative log-likelihood in nats, without smoothing,
    so that it compares across methods that smooth differently), `accuracy` and `brier`.

    Args:
      label_smoothing: weight of the uniform distribution in the training loss, in [0, 1).
      metrics: more metrics, of whole splits: names of `SUMMARIES["classification"]`, such as "ece".

    Raises:
      StudyError: if `label_smoothing` is out of range, or a metric is unknown.
    """
    if isinstance(label_smoothing, float | int):  # a traced one was checked with its config
        check_smoothing(label_smoothing=label_smoothing)

    def loss(logits: Array, labels: Array) -> Array:
        return smoothed_negative_log_likelihood(logits, labels, label_smoothing)

    summaries, fitted = chosen("classification", metrics, METRICS)
    return Task(
        loss=loss,
        metrics=METRICS,
        outputs=count_classes,
        check=check_labels,
        summaries=summaries,
        fitted=fitted,
        values=chosen_values("classification", metrics),
        average=mean_of_passes,
    )

"""One label of k for each example."""

from __future__ import annotations

from collections.abc import Sequence

from funcdl.metrics.classification import (
    METRICS,
    mean_of_passes,
    smoothed_negative_log_likelihood,
)
from funcdl.metrics.weighting import class_factor, focal_factor, positive_factor
from funcdl.tasks.labels import check_labels, check_metrics, check_smoothing, count_classes
from funcdl.tasks.summaries import chosen, chosen_values
from funcdl.tasks.weights import check_weighted_classes, check_weighting
from funcdl.types import Array, Dataset, Task


def classification(
    *,
    label_smoothing: float = 0.0,
    focal: float = 0.0,
    class_weights: Sequence[float] | None = None,
    positive_weight: float | None = None,
    metrics: Sequence[str] = (),
) -> Task:
    """Makes the task of predicting labels: outputs are logits `[batch, k]`, targets int `[batch]`.

    Trains on the cross-entropy times a factor, `(1 - p[label])^focal k w[label] / sum_j w[j]`. Reports
    `loss` (negative log-likelihood in nats, without smoothing and factors, so that it compares across
    methods that train differently), `accuracy` and `brier`.

    Args:
      label_smoothing: weight of the uniform distribution in the training loss, in [0, 1).
      focal: gamma, at least 0; greater makes what is predicted well count less.
      class_weights: w, a number per class; only their ratios matter. None: all alike.
      positive_weight: of two classes, short for class weights of 1 and this number, which can be
        tuned. None: both alike.
      metrics: more metrics, of whole splits: names of `SUMMARIES["classification"]`, such as "f1" of
        two classes, "f1_macro" or "ece".

    Raises:
      StudyError: if a number is out of range, or a metric is unknown.
    """
    if isinstance(label_smoothing, float | int):  # a traced one was checked with its config
        check_smoothing(label_smoothing=label_smoothing)
    check_weighting(focal=focal, class_weights=class_weights, positive_weight=positive_weight)

    def loss(logits: Array, labels: Array) -> Array:
        losses = smoothed_negative_log_likelihood(logits, labels, label_smoothing)
        if not (isinstance(focal, float | int) and focal == 0):
            losses = losses * focal_factor(logits, labels, focal)
        if class_weights is not None:
            losses = losses * class_factor(logits, labels, class_weights)
        if positive_weight is not None:
            losses = losses * positive_factor(labels, positive_weight)
        return losses

    def check(dataset: Dataset) -> None:
        check_labels(dataset)
        check_metrics(dataset, metrics)
        check_weighted_classes(
            dataset, class_weights=class_weights, positive_weight=positive_weight
        )

    summaries, fitted = chosen("classification", metrics, METRICS)
    return Task(
        loss=loss,
        metrics=METRICS,
        outputs=count_classes,
        check=check,
        summaries=summaries,
        fitted=fitted,
        values=chosen_values("classification", metrics),
        average=mean_of_passes,
    )

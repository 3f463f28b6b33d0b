"""A score for each example: the higher, the stranger."""

from __future__ import annotations

from collections.abc import Sequence

from funcdl.metrics.anomaly import METRICS
from funcdl.tasks.anomalies import check_anomalies, no_outputs
from funcdl.tasks.summaries import chosen, chosen_values
from funcdl.types import Array, Dataset, Task


def anomaly(
    *,
    contaminated: bool = False,
    metrics: Sequence[str] = (
        "auroc",
        "average_precision",
        "f1_tuned",
        "precision_tuned",
        "recall_tuned",
    ),
) -> Task:
    """Makes the task of telling what is strange: outputs are scores `[batch]`, targets int `[batch]`.

    Targets are 0 for what is normal and 1 for an anomaly, and only say what a score was worth: training
    minimises the mean score of the training examples, and reads no label. Models score by themselves
    (`autoencoder`, `vae`, `deep_svdd`); one that predicts would make its output ever smaller.

    Reports `loss`: the score of a normal example, and 0 of an anomaly, whose mean is the mean score of
    the normal examples times their share. Scores are in each model's own unit, so that the loss compares
    trials of one model, but not models; those are compared by how scores rank examples.

    Args:
      contaminated: also train on the anomalies of the training split; without, there must be none.
      metrics: of whole splits, names of `SUMMARIES["anomaly"]`. Of those by default, the areas under the
        ROC curve (`auroc`) and under the precision-recall curve (`average_precision`) need no threshold;
        `f1_tuned`, `precision_tuned` and `recall_tuned` are those at the threshold whose F1 is highest on
        the validation split.

    Raises:
      StudyError: if a metric is unknown.
    """
    summaries, fitted = chosen("anomaly", metrics, METRICS)

    def loss(scores: Array, labels: Array) -> Array:
        del labels
        return scores

    def check(dataset: Dataset) -> None:
        check_anomalies(dataset, contaminated=contaminated)

    return Task(
        loss=loss,
        metrics=METRICS,
        outputs=no_outputs,
        check=check,
        summaries=summaries,
        fitted=fitted,
        values=chosen_values("anomaly", metrics),
    )

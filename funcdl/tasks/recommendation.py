"""The item that a person chooses next, out of all items."""

from __future__ import annotations

from collections.abc import Sequence

from funcdl.metrics import ranking
from funcdl.metrics.next_item import negative_log_likelihood, sampled_negative_log_likelihood
from funcdl.models.choices import Candidates
from funcdl.tasks.choices import check_choices, count_items
from funcdl.tasks.summaries import chosen, chosen_values
from funcdl.types import Array, PyTree, Task

METRICS = {
    "loss": negative_log_likelihood,
    "ndcg@10": ranking.ndcg,
    "recall@10": ranking.recall,
    "precision@10": ranking.precision,
    "mrr": ranking.reciprocal_rank,
}


def recommendation(*, metrics: Sequence[str] = ()) -> Task:
    """Makes the task of naming the next item: outputs are scores `[batch, items]`.

    Targets are the item's number, int `[batch]`, from 1 on; or a dict of it (`item`) and of a set of
    items (`seen`) that are not to be recommended any more. Trains on the negative log-probability of the
    item among all items (or among those that a model draws, if it does), whether seen before or not.

    Reports that `loss`, and what the ranking of all items that the person has not chosen before is worth:
    `ndcg@10`, `recall@10` (with one item to find, the hit rate), `precision@10` and `mrr`. Items with
    equal scores are ranked by their numbers. No item is sampled: ranking the item among a hundred drawn
    ones can turn comparisons around (Krichene and Rendle, "On sampled metrics for item recommendation",
    KDD 2020).

    Args:
      metrics: more metrics: `ndcg`, `recall` and `precision` at other cutoffs, such as "ndcg@5".

    Raises:
      StudyError: if a metric is unknown.
    """
    summaries, fitted = chosen("recommendation", metrics, METRICS)

    return Task(
        loss=_loss,
        metrics=METRICS,
        outputs=count_items,
        check=check_choices,
        summaries=summaries,
        fitted=fitted,
        values=chosen_values("recommendation", metrics),
    )


def _loss(outputs: Array | Candidates, targets: PyTree) -> Array:
    """Of scores of all items, or of those that a model drew."""
    if not isinstance(outputs, Candidates):
        return negative_log_likelihood(outputs, targets)
    own = outputs.score(items=ranking.item_of(targets)[:, None])[:, 0]
    others = outputs.score(items=outputs.drawn[None])
    return sampled_negative_log_likelihood(own, others, outputs.drawn, outputs.each, targets)

"""Few labels: which training examples keep theirs, and the others' inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from funcdl.data.digest import digest
from funcdl.data.tree import leaves, take
from funcdl.errors import DataError
from funcdl.types import Dataset, PyTree, Split

_OWN = tuple(b"labelled")  # sets this stream apart from that of the split of the same seed


def with_labelled(dataset: Dataset, count: int, seed: int = 0) -> Dataset:
    """Hides the labels of all but some training examples; the other splits stay as they are.

    Every class has at least one label and otherwise its share of them, and fewer labels are a part of
    more: the training examples stand in one order, and the first `count` of it are labelled. In that
    order the first examples of all classes come first; then the `j`-th example of a class of `m` stands
    at `(j - 1/2) / m`, which is how Sainte-Laguë's method gives seats to parties. Unlike largest
    remainders it never takes a seat away when there is one more. Within a class the order is random.
    Targets that are not integers `[n]` have no classes: then the whole order is random.

    Source: Balinski and Young, "Fair representation" (1982), for the property (house monotonicity).

    Args:
        dataset: with all its labels.
        count: how many training examples keep theirs.
        seed: which of the random orders; that of the split.

    Returns:
        The data set whose training split is the labelled examples, in the order of the data, and whose
        `unlabelled` are the inputs of the others (None where there are none).

    Raises:
        DataError: if there are fewer classes' examples, or more labels than examples.

    >>> from funcdl.data.digits import digits
    >>> few = with_labelled(digits(), 10)
    >>> sorted(few.train.targets.tolist()), len(few.unlabelled)
    ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 1069)
    """
    order, classes = _order(dataset.train.targets, seed)
    n = len(order)
    if isinstance(count, bool) or not isinstance(count, int | np.integer):
        raise DataError(f"data.labelled is {count!r}; allowed are whole numbers up to {n}")
    if not classes <= count <= n:
        reason = f" (one of each of {classes} classes, up to all)" if classes > 1 else ""
        raise DataError(
            f"data.labelled is {count}, but the training split has {n} examples; allowed are "
            f"{classes} to {n}{reason}"
        )
    chosen, hidden = np.sort(order[:count]), np.sort(order[count:])
    train = Split(take(dataset.train.inputs, chosen), take(dataset.train.targets, chosen))
    unlabelled = take(dataset.train.inputs, hidden) if len(hidden) else None
    return with_unlabelled(dataset._replace(train=train), unlabelled)


def with_unlabelled(dataset: Dataset, unlabelled: PyTree | None) -> Dataset:
    """The data set with the inputs of examples without labels beside its training split.

    Args:
        dataset: the splits.
        unlabelled: inputs `[m, ...]`, like those of the training split; None for none.
    """
    parts = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    if unlabelled is not None:
        parts["unlabelled"] = Split(unlabelled, ())
    found = digest(parts, dataset.classes, dict(dataset.ids))
    return dataset._replace(unlabelled=unlabelled, digest=found)


def _order(targets: PyTree, seed: int) -> tuple[np.ndarray, int]:
    """The order in which examples get their labels, and how many classes there are (1 for none)."""
    n = len(leaves(targets)[0][1])
    own = np.random.SeedSequence(seed, spawn_key=_OWN)
    shuffled = np.argsort(np.random.PCG64(own).random_raw(n), kind="stable")
    if not _are_labels(targets):
        return shuffled, 1
    labels = np.asarray(targets)[shuffled]
    _, inverse, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    by_class = np.argsort(inverse, kind="stable")
    rank = np.empty(n, np.int64)  # of an example within its class
    rank[by_class] = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    place = np.where(rank == 0, 0.0, (rank + 0.5) / sizes[inverse])
    return shuffled[np.lexsort((inverse, place))], len(sizes)


def _are_labels(targets: Any) -> bool:
    return isinstance(targets, np.ndarray) and targets.ndim == 1 and targets.dtype.kind in "iu"

"""Whether data say who chose what next; asked before anything is compiled, and without JAX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from funcdl.errors import DataError
from funcdl.tasks.splits import check_splits, named_splits
from funcdl.types import Dataset, Split

WORD = 32  # items in a word of `seen`


def count_items(dataset: Dataset) -> int:
    """Returns how many items there are, padding (number 0) included: as declared, or as the data show."""
    if "items" in dataset.ids:
        return dataset.ids["items"]
    largest = 0
    for _, split in named_splits(dataset):
        arrays = [_items(split)]
        if isinstance(split.inputs, Mapping) and "history" in split.inputs:
            arrays.append(split.inputs["history"])
        largest = max(largest, *(int(np.max(array, initial=0)) for array in arrays))
    return largest + 1


def check_choices(dataset: Dataset) -> None:
    """Checks that targets name the next item, and that all numbers of items and people fit.

    Targets are integers `[n]`, or a dict of `item`, the same, and `seen`, int32 `[n, words]`: the items
    that are not ranked, 32 to a word (see `funcdl.metrics.ranking`). Training examples may have a
    `seen` without words.

    Raises:
      DataError: with the split, how many numbers are wrong, and the first of them.
    """
    for name, split in named_splits(dataset):
        items = _items(split)
        if not hasattr(items, "dtype") or items.dtype.kind not in "iu" or np.ndim(items) != 1:
            found = getattr(items, "dtype", type(items).__name__)
            raise DataError(
                f"targets of the {name} split are {found} of shape {list(np.shape(items))}; "
                "recommendation needs the number of the item that was chosen next, integers [n] from "
                "1 on: use ratings, or movielens"
            )
    alone = {name: Split(split.inputs, _items(split)) for name, split in named_splits(dataset)}
    check_splits(dataset._replace(**alone))
    count = count_items(dataset)
    for name, split in named_splits(dataset):
        _within(f"targets of the {name} split", _items(split), 1, count, "items, 0 being padding")
        if isinstance(split.inputs, Mapping):
            history, user = split.inputs.get("history"), split.inputs.get("user")
            if history is not None:
                _within(f"histories of the {name} split", history, 0, count, "items")
            if user is not None and "users" in dataset.ids:
                _within(f"users of the {name} split", user, 0, dataset.ids["users"], "users")
        _check_seen(name, split, count)


def _items(split: Split) -> Any:
    """What was chosen, whether or not targets say what was seen before."""
    targets = split.targets
    return targets.get("item") if isinstance(targets, Mapping) else targets


def _check_seen(name: str, split: Split, count: int) -> None:
    """Refuses sets of items that are not one bit for each item."""
    if not isinstance(split.targets, Mapping):
        return
    n, words, seen = len(_items(split)), -(-count // WORD), np.asarray(split.targets.get("seen"))
    allowed = [(n, words), (n, 0)] if name == "train" else [(n, words)]
    if seen.dtype != np.int32 or seen.shape not in allowed:
        raise DataError(
            f"`seen` of the {name} split is {seen.dtype} of shape {list(seen.shape)}; allowed is int32 "
            f"[{n}, {words}], one bit for each of {count} items (item i is bit i mod 32 of word i div "
            "32); or give targets [n] without it, so that all items are ranked"
        )


def _within(what: str, numbers: np.ndarray, first: int, end: int, of: str) -> None:
    if not np.issubdtype(numbers.dtype, np.integer):
        raise DataError(
            f"{what} are {numbers.dtype}; allowed are integers {first}..{end - 1} of {of}"
        )
    wrong = np.argwhere((numbers < first) | (numbers >= end))
    if len(wrong):
        index = tuple(wrong[0].tolist())
        raise DataError(
            f"{len(wrong)} of {numbers.size} {what} are outside {first}..{end - 1}, the numbers of {of}; "
            f"the first is {numbers[index]} at index {list(index)}: number the items from 1"
        )

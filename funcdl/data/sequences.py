"""Who chose what, in which order: histories, and the item that came next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from funcdl.data.digest import digest
from funcdl.errors import DataError
from funcdl.types import Dataset, Split

_FEWEST = 3  # items of a user: one to train on, one to validate with, one to test with


def leave_last_out(
    users: np.ndarray,
    items: np.ndarray,
    times: np.ndarray,
    *,
    length: int,
    names: Sequence[str] | None = None,
) -> Dataset:
    """Makes the data set of predicting a user's next item.

    Each user's last item is a test target, the one before it a validation target; every earlier item
    but the first is a training target. What came before a target is its history.

    Args:
      users: `[n]`, any values that can be sorted; users with fewer than 3 items are left out.
      items: `[n]`, likewise. A user's second rating of an item is left out.
      times: `[n]` numbers; equal ones keep the order of the rows.
      length: items of a history that are kept, the latest ones.
      names: `[n]`, what to call the items; None: as their values.

    Returns:
      A `Dataset` with inputs `{"history": int32 [n, length], "user": int32 [n]}` and targets int32
      `[n]`. Items are numbered 1..k in the order of their values, in histories and in targets alike; 0
      is padding, in front of short histories (the latest item is always the last column) and never a
      target. Users are numbered from 0. `classes` are the names of 0..k. A training example's history
      is as it was at its time. All items that a user has had before are in the history only if it is
      long enough.

    Raises:
      DataError: if no user has 3 items.

    >>> data = leave_last_out(np.zeros(4), np.array([7, 5, 9, 6]), np.arange(4), length=3)
    >>> data.test.inputs["history"].tolist(), data.test.targets.tolist()
    ([[3, 1, 4]], [2])
    """
    if isinstance(length, bool) or not isinstance(length, int) or length < 1:
        raise DataError(f"data.length is {length!r}; allowed are integers from 1")
    kinds, first, item = np.unique(items, return_index=True, return_inverse=True)
    _, user = np.unique(users, return_inverse=True)
    order = np.lexsort((np.arange(len(user)), times, user))
    user, item = user[order], item[order] + 1
    _, kept = np.unique(np.stack([user, item]), axis=1, return_index=True)
    kept.sort()  # of a user's ratings of one item the first
    user, item = user[kept], item[kept]
    counts = np.bincount(user)
    enough = counts[user] >= _FEWEST
    if not enough.any():
        raise DataError(
            f"no user has {_FEWEST} different items, one each to train, validate and test with; the most "
            f"that one has is {counts.max(initial=0)}"
        )
    _, user = np.unique(user[enough], return_inverse=True)
    item = item[enough]
    counts = np.bincount(user)
    place = np.arange(len(user)) - np.repeat(
        np.cumsum(counts) - counts, counts
    )  # in its user's list
    back = counts[user] - place  # 1 for the last item
    rows = {
        "train": np.flatnonzero((back > 2) & (place > 0)),
        "validation": np.flatnonzero(back == 2),
        "test": np.flatnonzero(back == 1),
    }
    if not len(
        rows["train"]
    ):  # every user has 3 items: the first is all there is before the last two
        raise DataError("no user has 4 different items, so that there is nothing to train on")
    splits = {name: _examples(user, item, place, chosen, length) for name, chosen in rows.items()}
    called = kinds if names is None else np.asarray(names)[first]
    classes = ("(padding)", *map(str, called))
    counted = {"items": len(classes), "users": int(user.max()) + 1}
    found = digest(splits, classes, counted)
    return Dataset(**splits, classes=classes, digest=found, ids=counted)


def _examples(
    user: np.ndarray, item: np.ndarray, place: np.ndarray, rows: np.ndarray, length: int
) -> Split:
    back = np.arange(length, 0, -1)  # how far before the target each column looks
    where = rows[:, None] - back
    history = np.where(back <= place[rows][:, None], item[np.maximum(where, 0)], 0)
    inputs = {"history": history.astype(np.int32), "user": user[rows].astype(np.int32)}
    return Split(inputs, item[rows].astype(np.int32))

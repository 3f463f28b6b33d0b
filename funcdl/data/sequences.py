"""Who chose what, in which order: histories, and the item that came next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from funcdl.data.digest import digest
from funcdl.errors import DataError
from funcdl.types import Dataset, Split

WORD = 32  # items in a word of a set
_FEWEST = 3  # items of a user: one to train on, one to validate with, one to test with


def leave_last_out(
    users: np.ndarray,
    items: np.ndarray,
    times: np.ndarray,
    *,
    length: int,
    recent: int = 0,
    names: Sequence[str] | None = None,
) -> Dataset:
    """Makes the data set of predicting a user's next item.

    Each user's last item is a test target, the one before it a validation target; every earlier item
    but the first is a training target. What came before a target is its history. A validation or test
    target comes with the set of all items that its user had before, which are not to be ranked.

    Args:
      users: `[n]`, any values that can be sorted; users with fewer than 3 items are left out.
      items: `[n]`, likewise. A user's second rating of an item is left out.
      times: `[n]` numbers; equal ones keep the order of the rows.
      length: items of a history that are kept, the latest ones.
      recent: training targets of a user that are kept, the latest ones; 0 keeps all.
      names: `[n]`, what to call the items; None: as their values.

    Returns:
      A `Dataset` with inputs `{"history": int32 [n, length], "user": int32 [n]}` and targets
      `{"item": int32 [n], "seen": int32 [n, words]}`. Items are numbered 1..k in the order of their
      values, in histories and in targets alike; 0 is padding, in front of short histories (the latest
      item is always the last column) and never a target. Users are numbered from 0. `classes` are the
      names of 0..k. A training example's history is as it was at its time. Item i is in the set `seen`
      if bit `i mod 32` of word `i div 32` is set, so that a set takes k / 8 bytes; training examples
      have no words, since nothing is ranked there.

    Raises:
      DataError: if no user has 3 items, or none has 4.

    >>> data = leave_last_out(np.zeros(4), np.array([7, 5, 9, 6]), np.arange(4), length=3)
    >>> data.test.inputs["history"].tolist(), data.test.targets["item"].tolist()
    ([[3, 1, 4]], [2])
    >>> [f"{word:b}" for word in data.test.targets["seen"][0]]
    ['11010']
    """
    for name, value, lowest in (("length", length, 1), ("recent", recent, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
            raise DataError(f"data.{name} is {value!r}; allowed are integers from {lowest}")
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
        "train": np.flatnonzero((back > 2) & (place > 0) & (back <= 2 + (recent or len(user)))),
        "validation": np.flatnonzero(back == 2),
        "test": np.flatnonzero(back == 1),
    }
    if not len(
        rows["train"]
    ):  # every user has 3 items: the first is all there is before the last two
        raise DataError("no user has 4 different items, so that there is nothing to train on")
    called = kinds if names is None else np.asarray(names)[first]
    classes = ("(padding)", *map(str, called))
    words = -(-len(classes) // WORD)
    seen = {"train": np.zeros((len(rows["train"]), 0), np.int32)}
    for name, latest in (("validation", 2), ("test", 1)):
        seen[name] = _sets(user[back > latest], item[back > latest], len(rows[name]), words)
    splits = {}
    for name, chosen in rows.items():
        inputs = _histories(user, item, place, chosen, length)
        splits[name] = Split(inputs, {"item": item[chosen].astype(np.int32), "seen": seen[name]})
    counted = {"items": len(classes), "users": int(user.max()) + 1}
    found = digest(splits, classes, counted)
    return Dataset(**splits, classes=classes, digest=found, ids=counted)


def _histories(
    user: np.ndarray, item: np.ndarray, place: np.ndarray, rows: np.ndarray, length: int
) -> dict[str, np.ndarray]:
    """What came before each of the rows, and whose they are."""
    back = np.arange(length, 0, -1)  # how far before the target each column looks
    where = rows[:, None] - back
    history = np.where(back <= place[rows][:, None], item[np.maximum(where, 0)], 0)
    return {"history": history.astype(np.int32), "user": user[rows].astype(np.int32)}


def _sets(user: np.ndarray, item: np.ndarray, users: int, words: int) -> np.ndarray:
    """Each user's items as a set of bits, int32 `[users, words]`."""
    found = np.zeros((users, words), np.uint32)
    bits = np.left_shift(np.uint32(1), (item % WORD).astype(np.uint32))
    np.bitwise_or.at(found, (user, item // WORD), bits)
    return found.view(np.int32)

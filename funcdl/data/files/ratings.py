"""Ratings in a table: who chose what, and when."""

from __future__ import annotations

import numpy as np

from funcdl.data.files.moments import moments
from funcdl.data.files.source import read_columns
from funcdl.data.sequences import leave_last_out
from funcdl.errors import DataError
from funcdl.types import Dataset


def ratings(
    *,
    path: str,
    user: str = "user",
    item: str = "item",
    time: str = "time",
    rating: str = "",
    least: float = 0.0,
    length: int = 50,
    recent: int = 0,
) -> Dataset:
    """Loads each user's items in the order of time; the last one is to be predicted.

    Args:
      path: of a .csv, .tsv or .parquet file, a row per choice; from Python also a frame.
      user: the column of the users.
      item: the column of the items.
      time: the column of the times, as numbers or dates; empty: the order of the rows.
      rating: the column of the ratings, as numbers; empty: all rows count.
      least: rows with a lower rating are left out.
      length: items of a history, the latest ones.
      recent: training targets of a user, the latest ones; 0 keeps all.

    Returns:
      A `Dataset` as `funcdl.data.sequences.leave_last_out` makes it.

    Raises:
      DataError: with the line of the file, for what is missing, no number or no date.
    """
    found = read_columns(path)
    users, items = found.labels(user, "user"), found.labels(item, "item")
    times = moments(found, time) if time else np.arange(found.n)
    if rating:
        kept = found.numbers(rating, "rating") >= least
        if not kept.any():
            raise DataError(f"{found.name}: no rating is {least:g} or more; lower data.least")
        users, items, times = users[kept], items[kept], times[kept]
    return leave_last_out(users.astype(str), items.astype(str), times, length=length, recent=recent)

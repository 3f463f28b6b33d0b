"""Texts with labels: a table, lines, or a folder of folders."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from funcdl.data.files.delimited import read_text
from funcdl.data.files.opening import class_folders, is_folder, stamp
from funcdl.data.files.source import read_columns
from funcdl.data.files.tokenised import tokenised
from funcdl.errors import DataError
from funcdl.types import Dataset

_WHAT = (
    "a .csv, .tsv, .parquet or .txt file, or a folder with a folder of .txt files for each class"
)
LONGEST = 2**20  # bytes of one text in a file of its own


def text(
    *,
    path: str,
    text: str = "text",
    target: str = "label",
    unit: Literal["words", "characters"] = "words",
    size: int = 10_000,
    length: int = 128,
    split: Mapping[str, Any] = {"by": "stratified", "test": 0.2, "validation": 0.2, "seed": 0},
) -> Dataset:
    """Loads texts as sequences of ids; the vocabulary is that of the training split.

    Args:
      path: a .csv, .tsv or .parquet file with two columns; a .txt file whose lines are a label, a tab
        and a text; or a folder that has a folder of .txt files for each class. From Python also a frame.
      text: the column of the texts.
      target: the column of the labels.
      unit: what a token is: words and marks, or characters; both in lower case.
      size: ids in the vocabulary: 0 is padding, 1 an unknown token, then the most frequent tokens.
      length: tokens of a text; longer ones are cut, shorter ones end in padding.
      split: see `funcdl.data.split.split`; by group, equal texts stay together.

    Returns:
      A `Dataset` with inputs int32 `[n, length]` and targets int32 `[n]`; classes in the order of the
      alphabet.

    Raises:
      DataError: with the line or the file, for what cannot be read, empty labels, and data that do not
        fit.
    """
    texts, labels = _read(path, text, target)
    kinds, targets = np.unique(labels, return_inverse=True)
    if len(kinds) < 2:
        raise DataError(f"{path}: all labels are {str(kinds[0])!r}; needed are two classes or more")
    return tokenised(
        texts,
        targets.reshape(-1).astype(np.int32),
        unit=unit,
        size=size,
        length=length,
        split=split,
        classes=tuple(map(str, kinds)),
    )


def _read(path: Any, text: str, target: str) -> tuple[list[str], np.ndarray]:
    if isinstance(path, str | os.PathLike):
        if is_folder(path, _WHAT):
            return _of_folders(str(path))
        if str(path).lower().endswith(".txt"):
            table = read_text(stamp(path, _WHAT), "\t", (target, text), raw=True, quoted=False)
        else:
            table = read_columns(path, raw=True)
    else:
        table = read_columns(path)
    labels = table.labels(target, "target").astype(str)
    given = table.column(text, "text")
    texts = ["" if one is None else str(one) for one in given.tolist()]
    return texts, np.char.strip(labels)


def _of_folders(path: str) -> tuple[list[str], np.ndarray]:
    texts, labels = [], []
    for name, files in class_folders(path, (".txt",), _WHAT).items():
        for file in files:
            if stamp(file, "a text file").size > LONGEST:
                raise DataError(
                    f"{file} is larger than {LONGEST:,} bytes; cut it into several texts"
                )
            try:
                with open(file, encoding="utf-8-sig") as stream:
                    texts.append(stream.read())
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{file} is not UTF-8 at byte {error.start}; save it as UTF-8"
                ) from error
            labels.append(name)
    return texts, np.array(labels)

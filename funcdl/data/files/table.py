"""A table: one row per example, one column to predict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from funcdl.data.files.columns import Columns, missing, written
from funcdl.data.files.groups import identical
from funcdl.data.files.kinds import check_kind, check_recurs
from funcdl.data.files.source import read_columns
from funcdl.data.fitted import fitted
from funcdl.data.standard import standardiser
from funcdl.errors import DataError
from funcdl.types import Dataset

MOST_LABELS = (
    50  # whole numbers with more distinct values are amounts, unless `predict` says labels
)
MOST_CATEGORIES = 1000


def table(
    *,
    path: str,
    target: str,
    predict: Literal["auto", "labels", "numbers"] = "auto",
    categorical: Sequence[str] = (),
    ignore: Sequence[str] = (),
    missing: Literal["refuse", "impute", "drop"] = "refuse",
    standardise: bool = True,
    group: str = "",
    split: Mapping[str, Any] = {"by": "stratified", "test": 0.2, "validation": 0.2, "seed": 0},
) -> Dataset:
    """Loads a CSV, TSV or Parquet file, or, from Python, a frame of pandas.

    A column of numbers is one input, standardised to mean 0 and standard deviation 1; a column of text
    is one input per category, 1 where the row has it and 0 elsewhere. Means, deviations, medians and
    categories are those of the training split: a category that only another split has is 0 everywhere.

    Args:
      path: of the file: .csv, .tsv (UTF-8, names in the first line) or .parquet; or a frame.
      target: the column to predict.
      predict: labels or numbers; auto: labels if the column is text, true and false, or whole numbers
        with at most 50 distinct values.
      categorical: columns of numbers that are categories. A column of text must be named here if most
        of its rows are numbers, or if hardly a text is there twice: else both are taken for a mistake.
      ignore: columns to leave out, such as a number of the row.
      missing: what to do about inputs that are missing (empty fields, NA, N/A, NaN, null, none, ?):
        `refuse` them; `impute` the median, beside a column that says where, or a category of its own;
        `drop` the row. Rows whose target is missing are dropped under `drop` alone.
      standardise: whether columns of numbers are.
      group: for a split by group, the column that says which rows belong together; it is no input.
        Without one, rows with identical inputs do.
      split: see `funcdl.data.split.split`.

    Returns:
      A `Dataset` with inputs float32 `[n, d]`; targets int32 `[n]` of classes in the order of the
      alphabet (of numbers, if they are), or float32 `[n]`.

    Raises:
      DataError: with the line of the file, for a file that is damaged, columns that are missing, and
        data that do not fit.
    """
    found = read_columns(path)
    found.column(target, "target")
    for key, names in (("categorical", categorical), ("ignore", ignore)):
        for name in names:
            found.check(name, key)
    left_out = {target, *ignore, *([group] if group else [])}
    inputs = [name for name in found.values if name not in left_out]
    if not inputs:
        raise DataError(
            f"{found.name} has no column besides {', '.join(sorted(left_out))} to learn from"
        )
    for name in inputs:
        found.column(name, "ignore")
    found = _complete(found, inputs, target, missing)
    if predict == "auto":
        check_kind(found, target, "predict: labels")
    targets, classes = _targets(found, target, predict)
    kinds = {name: name in categorical or found.values[name].dtype == object for name in inputs}
    for name in inputs:
        if name not in categorical:
            check_kind(found, name, f"categorical: [{name}]")
            check_recurs(found, name)
    values = {name: _values(found, name, is_text) for name, is_text in kinds.items()}
    groups = found.labels(group, "group") if group else None
    if groups is None and split.get("by") == "group":
        groups = identical(list(values.values()))

    def fit(rows: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        prepare = [
            _categories(found.name, name, values[name], rows)
            if kinds[name]
            else _numbers(found, name, rows, standardise)
            for name in inputs
        ]
        return lambda chosen: np.concatenate([part(chosen) for part in prepare], axis=1)

    return fitted(split, fit, targets, n=found.n, groups=groups, classes=classes)


def _complete(found: Columns, inputs: list[str], target: str, policy: str) -> Columns:
    """The table once the policy on missing values has been followed, but for what is imputed."""
    if policy not in ("refuse", "impute", "drop"):
        raise DataError(f"data.missing is {policy!r}; allowed are refuse, impute, drop")
    asked = [target] if policy == "impute" else [target, *inputs]
    empty = {name: missing(found.values[name]) for name in asked}
    lost = np.any(list(empty.values()), axis=0)
    if policy == "drop" and lost.any():
        if lost.all():
            raise DataError(f"every row of {found.name} has a missing value; use missing: impute")
        return found.only(~lost)
    for name, where in empty.items():
        if where.any():
            advice = "remove these rows, or use missing: drop"
            if name != target:
                advice = "use missing: impute or missing: drop, or put the column under ignore"
            raise DataError(
                f"{found.name}: column {name!r} is empty in {where.sum()} of {found.n} rows; the first "
                f"is {found.where(int(np.argmax(where)))}; {advice}"
            )
    return found


def _targets(found: Columns, name: str, predict: str) -> tuple[np.ndarray, tuple[str, ...]]:
    column = found.values[name]
    exact = found.exact.get(name)
    if exact is not None and (len(set(exact)) <= MOST_LABELS or predict == "labels"):
        column = column if predict == "numbers" else exact
    whole = column.dtype.kind == "f" and bool((column == np.round(column)).all())
    few = whole and len(np.unique(column)) <= MOST_LABELS
    if predict == "numbers" or (predict == "auto" and column.dtype.kind == "f" and not few):
        return found.in_float32(name, found.numbers(name, "target")), ()
    if column.dtype.kind == "f" and not whole:
        row = int(np.argmax(column != np.round(column)))
        raise DataError(
            f"{found.name}, {found.where(row)}: column {name!r} is {column[row]:g}, which is no label; use "
            "predict: numbers"
        )
    kinds, labels = np.unique(
        column if column.dtype.kind == "f" else found.labels(name, "target").astype(str),
        return_inverse=True,
    )
    classes = [str(int(kind)) if column.dtype.kind == "f" else str(kind) for kind in kinds]
    if len(classes) < 2:
        raise DataError(f"{found.name}: column {name!r} has one value only, {classes[0]!r}")
    return labels.reshape(-1).astype(np.int32), tuple(classes)


def _values(found: Columns, name: str, is_text: bool) -> np.ndarray:
    column = found.values[name]
    if not is_text:
        infinite = np.flatnonzero(np.isinf(column)) if column.dtype.kind == "f" else np.array([])
        if infinite.size:
            raise DataError(
                f"{found.name}: column {name!r} has {infinite.size} infinite values; the first is in "
                f"{found.where(int(infinite[0]))}"
            )
        return column.astype(np.float64)
    gone = missing(column)
    texts = found.exact.get(name, column.astype(object))
    return np.array(
        ["" if none else written(value) for value, none in zip(texts, gone, strict=True)]
    )


def _numbers(
    found: Columns, name: str, rows: np.ndarray, standardise: bool
) -> Callable[[np.ndarray], np.ndarray]:
    """A column of numbers as `[n, 1]`, or `[n, 2]` where some are imputed: the second says which."""
    column = found.values[name].astype(np.float64)
    gone = np.isnan(column)
    known = column[rows][~gone[rows]]
    filled = np.where(gone, np.median(known) if known.size else 0.0, column)[:, None]
    mean, deviation = standardiser(filled[rows]) if standardise else (np.zeros(1), np.ones(1))
    numbers = found.in_float32(name, (filled - mean) / deviation)
    if gone.any():
        numbers = np.concatenate([numbers, gone[:, None].astype(np.float32)], axis=1)
    return lambda chosen: numbers[chosen]


def _categories(
    file: str, name: str, column: np.ndarray, rows: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """A column of text as `[n, k]`: which of the k categories of the training split it is."""
    kinds = np.unique(column[rows])
    if len(kinds) > MOST_CATEGORIES:
        raise DataError(
            f"{file}: column {name!r} has {len(kinds)} categories, such as {str(kinds[0])!r}; allowed are "
            f"{MOST_CATEGORIES}: put it under ignore, or correct what keeps it from being numbers"
        )
    return lambda chosen: (column[chosen][:, None] == kinds).astype(np.float32)

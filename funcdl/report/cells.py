"""A frame's cells as a reader sees them, the same on the page, in Markdown and in LaTeX."""

from __future__ import annotations

import math
import numbers
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from funcdl.report.wording import number, p_value, plain

NOTHING = "–"


class Cells(NamedTuple):
    """A table in words.

    header: the columns' names.
    rows: a text per column for each row.
    right: whether a column holds numbers, which stand flush right.
    """

    header: list[str]
    rows: list[list[str]]
    right: list[bool]


def cells(frame: pd.DataFrame) -> Cells:
    """All cells of a frame.

    Decimals have four digits that count, whole numbers all; a column named `p`, or `p` and something
    in brackets, holds p-values. Text stays as it is.

    >>> cells(pd.DataFrame({"method": ["sgd", "lion"], "p": [0.0312, None], "n": [5, 12000]})).rows
    [['sgd', '.031', '5'], ['lion', '–', '12,000']]
    """
    header = [plain(name) for name in frame.columns]
    columns = [_column(name, frame.iloc[:, i]) for i, name in enumerate(header)]
    texts = [column for column, _ in columns]
    rows = [list(row) for row in zip(*texts, strict=True)] if columns else []
    return Cells(header, rows, [right for _, right in columns])


def _column(name: str, values: pd.Series) -> tuple[list[str], bool]:
    is_p = name == "p" or name.startswith("p (")
    found = values.astype(object).where(values.notna(), None).tolist()
    texts = [_cell(value, is_p) for value in found]
    known = [value for value in found if value is not None]
    numeric = bool(known) and all(_is_number(v) or _looks_numeric(v) for v in known)
    return texts, numeric


def _cell(value: Any, is_p: bool) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NOTHING
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, numbers.Integral):
        return f"{int(value):,}"
    if not _is_number(value):
        return plain(value) or NOTHING
    x = float(value)
    if is_p:
        return p_value(x)
    if math.isinf(x):
        return number(x)
    if abs(x) < 1e9 and (x.is_integer() or abs(x) >= 1e3):
        return f"{x:,.0f}"
    return f"{x:.4g}".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))


def _looks_numeric(value: Any) -> bool:
    """A number that was put into words already."""
    if not isinstance(value, str):
        return False
    text = value.replace(",", "").replace("−", "-").removeprefix("<").removesuffix(" %")
    try:
        float(text.replace("∞", "inf"))
    except ValueError:
        return text == NOTHING
    return True

"""Frames as CSV that a spreadsheet opens without running anything in it."""

from __future__ import annotations

from typing import Any

import pandas as pd

# A spreadsheet takes a cell that starts so for a formula; the apostrophe makes it text.
STARTS = ("=", "+", "-", "@", "\t", "\r")


def csv(frame: pd.DataFrame) -> str:
    r"""A frame as CSV: numbers in full precision, empty cells for what is missing, text made inert.

    >>> csv(pd.DataFrame({"method": ["=1+1", "sgd"], "mean": [-0.1, None]}))
    "method,mean\n'=1+1,-0.1\nsgd,\n"
    """
    inert = pd.DataFrame({_inert(name): frame[name].map(_inert) for name in frame.columns})
    return inert.to_csv(index=False, lineterminator="\n")


def _inert(cell: Any) -> Any:
    return "'" + cell if isinstance(cell, str) and cell.startswith(STARTS) else cell

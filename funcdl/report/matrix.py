"""Verdicts as a square: every method against every other, in order of rank."""

from __future__ import annotations

import math
from typing import NamedTuple

from funcdl.report.record import Record

SYMBOLS = {"better": ">", "worse": "<", "equivalent": "=", "undecided": ".", "refused": "x"}
FLIPPED = {"better": "worse", "worse": "better"}


class Matrix(NamedTuple):
    """Methods in order of rank, and a comparison per ordered pair.

    methods: their labels.
    cells: `cells[i][j]` is the comparison of i with j, seen from i; None where none was asked.
    """

    methods: list[str]
    cells: list[list[Record | None]]


def ranked(table: list[Record], block: str) -> list[Record]:
    """The table's rows of a block, best first; what has no rank comes last, in config order."""
    rows = [row for row in table if row["block"] == block]
    return sorted(rows, key=lambda row: math.inf if row["rank"] is None else row["rank"])


def matrix(block: str, table: list[Record], comparisons: list[Record]) -> Matrix:
    """Arrange the comparisons of one block.

    Args:
        block: its label.
        table: an answer's table, as records.
        comparisons: an answer's comparisons, as records.
    """
    methods = [row["method"] for row in ranked(table, block)]
    found: dict[tuple[str, str], Record] = {}
    for row in comparisons:
        if row["block"] == block:
            found[row["a"], row["b"]] = row
            found[row["b"], row["a"]] = flipped(row)
    return Matrix(methods, [[found.get((a, b)) for b in methods] for a in methods])


def flipped(row: Record) -> Record:
    """The same comparison seen from b."""
    seen = row | {"a": row["b"], "b": row["a"]}
    for prefix in ("", "fixed_"):
        seen[f"{prefix}low"] = _minus(row[f"{prefix}high"])
        seen[f"{prefix}high"] = _minus(row[f"{prefix}low"])
        seen[f"{prefix}t"] = _minus(row[f"{prefix}t"])
        word = row[f"{prefix}verdict"]
        seen[f"{prefix}verdict"] = FLIPPED.get(word, word)
    chance = {"": "", "_low": "_high", "_high": "_low"}
    for end, other in chance.items():
        value = row[f"superiority{other}"]
        seen[f"superiority{end}"] = None if value is None else 1 - value
    return seen | {"difference": _minus(row["difference"])}


def _minus(value: float | None) -> float | None:
    return None if value is None else -value

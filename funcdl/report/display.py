"""The table and the comparisons as a reader sees them: few columns, as many digits as are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from funcdl.report.level import level
from funcdl.report.matrix import ranked
from funcdl.report.question import Question
from funcdl.report.record import Record
from funcdl.report.wording import at_least, decimals, interval, number, p_value, plain, short

TEST_SET = "this test set"  # the population of the columns that start with `fixed_`


def results(question: Question, table: list[Record], block: str) -> pd.DataFrame:
    """A block's rows of the table, best first.

    Args:
        question: what was asked.
        table: the answer's table, as records.
        block: which block.
    """
    rows = ranked(table, block)
    digits = decimals(rows)
    found = pd.DataFrame(index=range(len(rows)))
    found["rank"] = [short(row["rank"]) for row in rows]
    found["method"] = [plain(row["method"]) for row in rows]
    found["n"] = [row["n"] for row in rows]
    found[f"mean {plain(question.metric)}"] = [_mean(row, digits) for row in rows]
    found[f"{level(question)} interval"] = [interval(row, digits) or "–" for row in rows]
    if any(two_populations(row) for row in rows):
        found[f"{level(question)}, {TEST_SET}"] = [fixed_interval(row, digits) for row in rows]
    found["sd"] = [number(row["sd"], digits) for row in rows]
    if question.selected_by != question.metric:
        name = plain(question.selected_by)
        found[name] = [number(row[question.selected_by], digits) for row in rows]
    for key in question.tuned:
        found[plain(key)] = [short(row[key]) for row in rows]
    if question.parameters:
        found["parameters"] = [row["parameters"] for row in rows]
    if any(row["trials_diverged"] for row in rows):
        lost = [f"{row['trials_diverged']} of {row['trials']}" for row in rows]
        found["trials diverged"] = lost
    if any(row["reason"] for row in rows) and not shared_remark(rows):
        found["remark"] = [plain(row["reason"] or "") for row in rows]
    return found


def shared_remark(rows: Sequence[Record]) -> str:
    """What is to be said of every method alike, which a column would only repeat; empty if nothing."""
    remarks = {row["reason"] or "" for row in rows}
    return plain(remarks.pop()) if len(rows) > 1 and len(remarks) == 1 else ""


def pairs(question: Question, comparisons: Sequence[Record]) -> pd.DataFrame:
    """A block's comparisons.

    Args:
        question: what was asked.
        comparisons: those of the block, as records.
    """
    digits = decimals(comparisons)
    found = pd.DataFrame(index=range(len(comparisons)))
    found["a"] = [plain(row["a"]) for row in comparisons]
    found["b"] = [plain(row["b"]) for row in comparisons]
    found["n"] = [row["n"] for row in comparisons]
    found["a − b"] = [number(row["difference"], digits) for row in comparisons]
    found[f"{level(question)} interval"] = [interval(row, digits) or "–" for row in comparisons]
    found["p (Holm)"] = [p_value(row["p_holm"]) for row in comparisons]
    found["a is"] = [row["verdict"] for row in comparisons]
    if any(two_populations(row) for row in comparisons):
        found[f"{level(question)}, {TEST_SET}"] = [fixed_interval(r, digits) for r in comparisons]
        found[f"a is, {TEST_SET}"] = [row.get("fixed_verdict") or "–" for row in comparisons]
    if any(row.get("superiority") is not None for row in comparisons):
        found["P(a better)"] = [_chance(row) for row in comparisons]
    for name, title, show in _MORE:
        values = [row.get(name) for row in comparisons]
        if any(value is not None for value in values):
            found[title] = [show(value, digits) for value in values]
    remarks = [_remark(row) for row in comparisons]
    if any(remarks):
        found["remark"] = remarks
    return found


def two_populations(row: Record) -> bool:
    """Whether a row of table or comparisons has an interval for "this test set" beside its own."""
    fixed = row.get("fixed_low"), row.get("fixed_high")
    return None not in fixed and fixed != (row["low"], row["high"])


def fixed(row: Record) -> Record:
    """A comparison as it is on this test set alone."""
    names = [name for name in row if name.startswith("fixed_")]
    return row | {name.removeprefix("fixed_"): row[name] for name in names}


def fixed_interval(row: Record, digits: int) -> str:
    """The interval for this test set; a dash where there is none."""
    bounds = {"low": row.get("fixed_low"), "high": row.get("fixed_high")}
    return interval(bounds, digits) or "–"


def _mean(row: Record, digits: int) -> str:
    return "diverged" if row["status"] == "diverged" else number(row["mean"], digits)


def _chance(row: Record) -> str:
    if row.get("superiority") is None:
        return number(None)
    ends = {end: row.get(f"superiority_{end}") for end in ("low", "high")}
    return f"{row['superiority']:.2f} {interval(ends, 2)}".strip()


def _remark(row: Record) -> str:
    said = [plain(row[name]) for name in ("reason", "remark") if row.get(name)]
    return "; ".join(dict.fromkeys(said))


def _whole(value: Any, _: int) -> str:
    return "–" if value is None else f"{int(value):,}"


# Columns of the comparisons that not every study has: name, heading, how a value is shown.
_MORE = (
    ("correlation", "correlation", lambda value, _: number(value, 2)),
    ("smallest_margin", "equivalent within", at_least),
    ("more_repeats", "more repeats", _whole),
)

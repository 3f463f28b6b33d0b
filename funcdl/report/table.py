"""The answer's table: a row per method and block."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from funcdl.report.estimate import estimate
from funcdl.report.evidence import Evidence
from funcdl.report.material import Material
from funcdl.report.question import Question
from funcdl.report.record import Record, measured, tuning
from funcdl.stats.interval import Interval, mean_interval
from funcdl.stats.rank import ranks

WHOLE = ("n", "examples", "rank", "diverged", "failed")
WHOLE += ("trial", "trials", "trials_diverged", "parameters")


def table(material: Material, evidence: Evidence | None = None) -> pd.DataFrame:
    """What each method reached on the measured repeats.

    Columns: `block`, `method`, `n` (repeats that finished), `mean` and `sd` of the metric over them,
    `low` and `high` of its interval for what `population` names: "data like these" where the metric
    has a value for each of `examples` independent units of test data, `fixed_low` and `fixed_high`
    of that for "this test set", `rank` in the block, `status`, `diverged` and `failed` (measured
    repeats), the mean of the metric that selected, a column per tuned key with the selected value,
    `trial` (the selected one), `trials` and `trials_diverged` (tuning), `parameters`, `seconds` (mean
    of a measured run) and `reason` (why a number is missing or means less than it seems).

    `status` is `ok`, `partly diverged`, `diverged`, `failed` or `not measured`. A method whose
    repeats all diverged, or all of whose tuning trials did, has the worst possible mean, minus or
    plus infinity, and the last rank: diverging is a result.

    Args:
        material: what the report is made from.
        evidence: the same, if it is arranged already.
    """
    evidence = evidence or Evidence(material)
    question, every = evidence.question, evidence.records
    done = _by_method(measured(every, question.metric))
    tried = _by_method(tuning(every, question.selected_by))
    rows = [
        {"block": block, "method": label}
        | _row(
            evidence, (block, label), done.get((block, label), []), tried.get((block, label), [])
        )
        | {"parameters": question.parameters.get((block, label))}
        for block, label in question.methods
    ]
    for block in question.blocks:
        _rank([row for row in rows if row["block"] == block], question)
    decimal = ["mean", "low", "high", "sd", "fixed_low", "fixed_high"]
    decimal += [question.selected_by, "seconds"]
    types = dict.fromkeys(WHOLE, "Int64") | dict.fromkeys(decimal, "float64")
    return pd.DataFrame(rows, columns=columns(question)).astype(types)


def columns(question: Question) -> list[str]:
    """The table's columns in order."""
    head = ["block", "method", "n", "mean", "low", "high", "sd", "rank", "status", "diverged"]
    tail = ["population", "examples", "fixed_low", "fixed_high"]
    tail += ["trial", "trials", "trials_diverged", "parameters", "seconds", "reason"]
    names = [*head, "failed", question.selected_by, *question.tuned, *tail]
    return list(dict.fromkeys(names))


def _by_method(runs: Sequence[Record]) -> dict[tuple[str, str], list[Record]]:
    groups: dict[tuple[str, str], list[Record]] = {}
    for run in runs:
        groups.setdefault((run["block"], run["method"]), []).append(run)
    return groups


def _row(
    evidence: Evidence, name: tuple[str, str], measured: list[Record], tuning: list[Record]
) -> Record:
    question = evidence.question
    finished = [run for run in measured if run["status"] == "ok"]
    known = estimate(evidence, {run["repeat"]: run for run in finished}, *name)
    found = known.headline
    status = _status(measured, tuning, len(finished))
    trials = {run["trial"] for run in tuning}
    lost = {run["trial"] for run in tuning if run["status"] == "diverged"}
    return {
        "n": found.n,
        "mean": _worst(question) if status == "diverged" else found.mean,
        "low": found.low,
        "high": found.high,
        "sd": found.sd,
        "population": known.population,
        "examples": known.examples,
        "fixed_low": known.fixed.low,
        "fixed_high": known.fixed.high,
        "status": status,
        "diverged": sum(run["status"] == "diverged" for run in measured),
        "failed": sum(run["status"] == "failed" for run in measured),
        question.selected_by: mean_interval(_values(finished, question.selected_by)).mean,
        **{key: _first(measured, key) for key in question.tuned},
        "trial": _first(measured, "trial"),
        "trials": len(trials),
        "trials_diverged": len(lost),
        "seconds": mean_interval(_values(finished, "seconds")).mean,
        "reason": _reason(status, found, measured, tuning),
    }


def _worst(question: Question) -> float:
    return -math.inf if question.mode == "max" else math.inf


def _rank(rows: list[Record], question: Question) -> None:
    """Fill in the rank of each row of one block."""
    means = [row["mean"] if row["n"] else None for row in rows]
    lost = [max(row["diverged"], int(row["status"] == "diverged")) for row in rows]
    for row, rank in zip(rows, ranks(means, lost, mode=question.mode), strict=True):
        row["rank"] = rank


def _status(measured: list[Record], tuning: list[Record], finished: int) -> str:
    if not measured:
        ends = {run["status"] for run in tuning}
        return ends.pop() if ends in ({"diverged"}, {"failed"}) else "not measured"
    diverged = any(run["status"] == "diverged" for run in measured)
    if finished:
        return "partly diverged" if diverged else "ok"
    undefined = any(run["status"] == "undefined" for run in measured)
    return "diverged" if diverged else "undefined" if undefined else "failed"


def _reason(status: str, found: Interval, measured: list[Record], tuning: list[Record]) -> str:
    what = "every measured repeat" if measured else "every tuning trial"
    lost = sum(run["status"] == "undefined" for run in measured)
    if lost and status in ("ok", "undefined"):
        return f"the metric is not defined in {lost} of {len(measured)} repeats"
    if status == "ok":
        return found.reason
    if status == "partly diverged":
        return f"the mean is that of the {found.n} of {len(measured)} repeats that did not diverge"
    if status == "diverged":
        return f"{what} diverged"
    if status == "failed":
        return f"{what} failed: {(measured or tuning)[0].get('reason') or 'see events.jsonl'}"
    return "no repeat measured yet"


def _values(runs: list[Record], column: str) -> list[float]:
    """The column's numbers; a column that no run has holds none."""
    return [float(run[column]) for run in runs if run.get(column) is not None]


def _first(runs: list[Record], column: str) -> Any:
    return next((run[column] for run in runs if run.get(column) is not None), None)

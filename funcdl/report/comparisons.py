"""The answer's tests: a row per contrast."""

from __future__ import annotations

import pandas as pd

from funcdl.report.material import Material
from funcdl.report.question import Question
from funcdl.report.record import Record, measured, records
from funcdl.stats.multiple import holm
from funcdl.stats.paired import Paired, paired_t, refused
from funcdl.stats.verdict import verdict

POPULATION = "this test set (over repeats)"
DECIMAL = ("difference", "low", "high", "t", "p", "p_holm")
COLUMNS = ("block", "a", "b", "n", *DECIMAL, "verdict", "reason", "population")


def comparisons(material: Material) -> pd.DataFrame:
    """Test the question's contrasts on the repeats that both methods share.

    Columns: `block`, `a`, `b`, `n` (common repeats), `difference` (mean of a - b), `low`, `high`,
    `t`, `p`, `p_holm` (Holm over the contrasts of the block), `verdict` (of a: better, worse,
    equivalent, undecided or refused), `reason` of a refusal, and `population`: what the
    verdict speaks of.

    Where a method diverged in a common repeat the test is refused: its surviving repeats are a
    selection. Runs that failed (a fault of the machine, not of the method) are left out.
    """
    question = material.question
    groups: dict[tuple[str, str], dict[int, Record]] = {}
    for run in measured(records(material.runs), question.metric):
        if run["status"] != "failed":
            groups.setdefault((run["block"], run["method"]), {})[run["repeat"]] = run
    found = [
        _compare(question, a, b, groups.get((block, a), {}), groups.get((block, b), {}))
        for block, a, b in question.contrasts
    ]
    blocks = [block for block, _, _ in question.contrasts]
    adjusted = _by_block(blocks, [one.p for one in found])
    rows = [
        (*contrast, *one[:6], p_holm, _verdict(question, one, p_holm), one.reason, POPULATION)
        for contrast, one, p_holm in zip(question.contrasts, found, adjusted, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({"n": "Int64"} | dict.fromkeys(DECIMAL, "float64"))


def _by_block(blocks: list[str], p: list[float | None]) -> list[float | None]:
    """Holm within each block: a block is a question of its own, with its own sentence."""
    adjusted: list[float | None] = [None] * len(p)
    for block in dict.fromkeys(blocks):
        places = [i for i, other in enumerate(blocks) if other == block]
        for place, value in zip(places, holm([p[i] for i in places]), strict=True):
            adjusted[place] = value
    return adjusted


def _verdict(question: Question, found: Paired, p_holm: float | None) -> str:
    return verdict(found, p_holm, mode=question.mode, alpha=question.alpha, margin=question.margin)


def _compare(
    question: Question, a: str, b: str, of_a: dict[int, Record], of_b: dict[int, Record]
) -> Paired:
    common = sorted(of_a.keys() & of_b.keys())
    x, y = ([runs[repeat] for repeat in common] for runs in (of_a, of_b))
    n = len(common)
    lost_a, lost_b = (sum(run["status"] == "diverged" for run in runs) for runs in (x, y))
    if lost_a or lost_b:
        reason = f"diverged: {a} in {lost_a}, {b} in {lost_b} of {n} common repeats"
        return refused(n, None, f"{reason}; a test of the others would be one of survivors")
    metric = question.metric
    if any(metric not in run for run in (*x, *y)):
        return refused(n, None, f"no run has measured {metric}")
    values = [[float(run[metric]) for run in runs] for runs in (x, y)]
    return paired_t(*values, level=1 - question.alpha)

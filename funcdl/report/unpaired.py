"""Two methods whose repeats have nothing in common: independent samples, on the same test examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from funcdl.report.evidence import DATA, NO_EXAMPLES, TEST_SET, Evidence, Examples, Grid
from funcdl.report.record import Record
from funcdl.stats.crossed import FEWEST
from funcdl.stats.paired import Paired, refused
from funcdl.stats.welch import welch_crossed, welch_t

UNPAIRED = "repeats not paired"
Runs = Mapping[int, Record]


class Unpaired(NamedTuple):
    """What is known of such a contrast.

    n: repeats of the method that has fewer.
    examples: units of test data that the headline's test resamples; 0 where it does not.
    headline: for what `population` names; `fixed`: for "this test set".
    """

    n: int
    examples: int
    headline: Paired
    fixed: Paired
    population: str


def unpaired(evidence: Evidence, of_a: Runs, of_b: Runs) -> Unpaired:
    """Compare by Welch's test; refused where a run diverged, or every repeat has its own test set."""
    n = min(len(of_a), len(of_b))
    lost = [sum(run["status"] == "diverged" for run in runs.values()) for runs in (of_a, of_b)]
    if any(lost):
        reason = (
            f"diverged: {lost[0]} of {len(of_a)} and {lost[1]} of {len(of_b)} repeats; a test of the "
            "others would be one of survivors"
        )
        return _refused(evidence, n, reason)
    if evidence.splits:
        reason = "repeats on splits of their own can be tested only where both methods share them"
        return _refused(evidence, n, reason)
    grids = [Grid(("repeat",), np.array(sorted(runs), int)) for runs in (of_a, of_b)]
    scores = [evidence.scores(runs, grid) for runs, grid in zip((of_a, of_b), grids, strict=True)]
    fixed = welch_t(scores[0], scores[1], evidence.level)
    known = [evidence.examples(runs, grid) for runs, grid in zip((of_a, of_b), grids, strict=True)]
    shared = _shared(*known)
    if isinstance(shared, str):
        return Unpaired(n, 0, fixed, fixed, f"{TEST_SET} ({UNPAIRED}; {shared})")
    a, b = shared
    headline = welch_crossed(a.values(), b.values(), evidence.level)
    return Unpaired(n, len(a.sizes), headline, fixed, f"{DATA} ({UNPAIRED})")


def _shared(a: Examples | str, b: Examples | str) -> tuple[Examples, Examples] | str:
    if isinstance(a, str) or isinstance(b, str):
        return a if isinstance(a, str) else NO_EXAMPLES
    if a.data != b.data or not np.array_equal(a.sizes, b.sizes):
        return "the methods were tested on different examples"
    if len(a.sizes) < FEWEST:
        return f"{len(a.sizes)} independent units of test data are too few"
    return a, b


def _refused(evidence: Evidence, n: int, reason: str) -> Unpaired:
    none = refused(n, None, reason)
    return Unpaired(n, 0, none, none, evidence.population)

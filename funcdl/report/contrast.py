"""Two methods compared, for both populations, at every planned look."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from funcdl.report.evidence import (
    DATA,
    SPLITS,
    TEST_SET,
    Evidence,
    Examples,
    Grid,
    arrange,
    until_look,
)
from funcdl.report.record import Record
from funcdl.report.unpaired import unpaired
from funcdl.stats.corrected import corrected_t
from funcdl.stats.crossed import FEWEST, crossed_t, of_differences
from funcdl.stats.interval import ROUNDING
from funcdl.stats.outlook import Outlook, outlook, outlook_of_splits
from funcdl.stats.paired import Paired, paired_t, refused
from funcdl.stats.sequential import running_p
from funcdl.stats.wider import wider_test

OWN_TEST_SETS = "every repeat has a test set of its own"

Runs = Mapping[int, Record]


class Comparison(NamedTuple):
    """A comparison of two methods and of one population, at the latest look.

    paired: the difference, its interval and its test at this look.
    p: the smallest p-value of the looks so far times their planned number; without looks the test's.
    turned: whether the look with the smallest p-value saw the other sign.
    """

    paired: Paired
    p: float | None
    turned: bool = False


class Contrast(NamedTuple):
    """What is known of a contrast.

    n: repeats that both methods have; those of the latest look, where looks are planned.
    examples: units of test data that the headline's test resamples; 0 where it does not.
    headline: the comparison that the verdict is read from.
    fixed: that of "this test set".
    population: what the headline speaks of, and why where it is not "data like these".
    looks_done: how many of the planned looks there were repeats for.
    scores: `[2, n]`, the metric of both methods on these repeats; None where there is none.
    differences: the table that the headline tested, for the outlook.
    lasting: whether a refusal stands however many repeats are added.
    """

    n: int
    examples: int
    headline: Comparison
    fixed: Comparison
    population: str
    looks_done: int = 0
    scores: np.ndarray | None = None
    differences: np.ndarray | None = None
    lasting: bool = False


def contrast(evidence: Evidence, block: str, a: str, b: str) -> Contrast:
    """Compare two methods of a block on the repeats that both have.

    Refused where a method diverged in one of them: the others are a selection.
    """
    question = evidence.question
    of_a, of_b = (evidence.methods.get((block, name), {}) for name in (a, b))
    common = sorted(of_a.keys() & of_b.keys())
    n = len(common)
    lost = [sum(runs[i]["status"] == "diverged" for i in common) for runs in (of_a, of_b)]
    if any(lost):
        reason = f"diverged: {a} in {lost[0]}, {b} in {lost[1]} of {n} common repeats"
        return _refused(
            evidence, n, f"{reason}; a test of the others would be one of survivors", True
        )
    if any(question.metric not in runs[i] for runs in (of_a, of_b) for i in common):
        return _refused(evidence, n, f"no run has measured {question.metric}", True)
    if not common and question.apart and of_a and of_b:
        found = unpaired(evidence, of_a, of_b)
        wider = wider_test(found.headline, found.fixed)
        headline, fixed = (Comparison(test, test.p) for test in (wider, found.fixed))
        return Contrast(found.n, found.examples, headline, fixed, found.population)
    if not common:
        methods = {(block, a), (block, b)}
        none = f"{question.metric} is not defined" if methods & evidence.undefined else ""
        return _refused(evidence, 0, none or "no common repeats", methods <= evidence.tried)
    parts = until_look(common, question.looks)
    if not parts:
        first = f"the first planned look is at {question.looks[0]} common repeats"
        return _refused(evidence, n, f"{first}; there are {n}")
    share = max(question.shares.get((block, name), 0.0) for name in (a, b))
    looks = [_look(evidence, of_a, of_b, arrange(part, question.cross), share) for part in parts]
    last = looks[-1]
    return last._replace(
        headline=_running([look.headline for look in looks], question.looks),
        fixed=_running([look.fixed for look in looks], question.looks),
        looks_done=len(looks) if question.looks else 0,
    )


def prospect(evidence: Evidence, block: str, a: str, b: str, found: Contrast) -> Outlook | None:
    """What would narrow the headline's interval to the margin; None without margin or interval."""
    question, differences = evidence.question, found.differences
    if not question.margin or differences is None or found.headline.paired.low is None:
        return None
    if found.population == SPLITS:
        share = max(question.shares.get((block, name), 0.0) for name in (a, b))
        return outlook_of_splits(differences, share, question.margin, evidence.level)
    ahead = outlook(differences, question.margin, evidence.level, examples=bool(found.examples))
    if not found.examples:
        return ahead
    over_repeats = outlook(differences.mean(-1), question.margin, evidence.level, examples=False)
    return _both_narrow(ahead, over_repeats.repeats)


def _both_narrow(ahead: Outlook, repeats: int | None) -> Outlook:
    """The headline's interval holds that over repeats, which has to become narrow as well."""
    if ahead.repeats is None and ahead.examples is not None and repeats is not None:
        return ahead._replace(with_repeats=max(ahead.with_repeats, repeats))
    if ahead.repeats is None or repeats is None:
        return Outlook(None)
    return Outlook(max(ahead.repeats, repeats))


def correlation(scores: np.ndarray | None) -> float | None:
    """Pearson's correlation of the two methods' scores over the repeats; None where undefined."""
    if scores is None or scores.shape[1] < 3 or not np.ptp(scores, axis=1).all():
        return None
    with np.errstate(all="ignore"):
        found = float(np.corrcoef(scores)[0, 1])
    return found if math.isfinite(found) else None


def _refused(evidence: Evidence, n: int, reason: str, lasting: bool = False) -> Contrast:
    none = Comparison(refused(n, None, reason), None)
    return Contrast(n, 0, none, none, evidence.population, lasting=lasting)


def _look(evidence: Evidence, of_a: Runs, of_b: Runs, grid: Grid, share: float) -> Contrast:
    """Both populations, from the repeats of one look."""
    x, y = (evidence.scores(runs, grid) for runs in (of_a, of_b))
    found = _splits(evidence, grid, x, y, share)
    if found is None:
        fixed = _over_repeats(evidence, x, y)
        found = _both(evidence, of_a, of_b, grid, fixed)
        if found.differences is None:
            found = found._replace(differences=x - y)
    return found._replace(scores=np.stack([x.ravel(), y.ravel()]))


def _over_repeats(evidence: Evidence, x: np.ndarray, y: np.ndarray) -> Paired:
    if x.ndim == 1:
        return paired_t(x, y, evidence.level)
    return crossed_t(x, y, evidence.level)


def _splits(
    evidence: Evidence, grid: Grid, x: np.ndarray, y: np.ndarray, share: float
) -> Contrast | None:
    """Repeats that have a split of the data each; None where they do not."""
    if not evidence.splits:
        return None
    crossed = "split" in grid.streams
    none = Comparison(refused(x.size, None, OWN_TEST_SETS), None)
    if not 0 < share < 1:
        unknown = refused(x.size, None, "the share of test data is not known")
        return Contrast(x.size, 0, Comparison(unknown, None), none, SPLITS)
    if crossed:  # what was crossed with the splits is averaged: it is no further evidence
        others = tuple(i for i, name in enumerate(grid.streams) if name != "split")
        x, y = x.mean(axis=others), y.mean(axis=others)
    paired = corrected_t(x, y, share, evidence.level)
    cells = grid.repeats.size
    return Contrast(cells, 0, Comparison(paired, paired.p), none, SPLITS, differences=x - y)


def _both(evidence: Evidence, of_a: Runs, of_b: Runs, grid: Grid, fixed: Paired) -> Contrast:
    """Over repeats and test examples, if the metric has a value per test example.

    Never narrower than over repeats alone: see `funcdl.stats.wider`.
    """
    n = grid.repeats.size
    on_set = Comparison(fixed, fixed.p)
    examples = paired_examples(evidence, of_a, of_b, grid)
    if isinstance(examples, str):
        return Contrast(n, 0, on_set, on_set, f"{TEST_SET} ({examples})")
    a, b = examples
    units = len(a.sizes)
    few = [size for size in grid.repeats.shape if size < FEWEST]
    if few:
        reason = fixed.reason or f"{few[0]} common repeats; a test for {DATA} needs {FEWEST}"
        headline = refused(n, float(np.mean(a.sums - b.sums)), reason)
        return Contrast(n, units, Comparison(headline, None), on_set, DATA)
    table = a.minus(b).values()
    scale = max(float(np.abs(scores.sums).max()) for scores in (a, b))
    headline = wider_test(of_differences(table, evidence.level, ROUNDING * scale), fixed)
    return Contrast(n, units, Comparison(headline, headline.p), on_set, DATA, differences=table)


def paired_examples(
    evidence: Evidence, of_a: Runs, of_b: Runs, grid: Grid
) -> tuple[Examples, Examples] | str:
    """Both methods' scores per unit of the same test data, or why there are none."""
    a, b = (evidence.examples(runs, grid) for runs in (of_a, of_b))
    if isinstance(a, str):
        return a
    if isinstance(b, str):
        return b
    if a.data != b.data or not np.array_equal(a.sizes, b.sizes):
        return "the methods were tested on different examples"
    if len(a.sizes) < FEWEST:
        return f"{len(a.sizes)} independent units of test data are too few"
    return a, b


def _running(looks: list[Comparison], planned: tuple[int, ...]) -> Comparison:
    """The latest look, with the p-value that all looks so far allow."""
    last, p = looks[-1].paired, [look.p for look in looks]
    running = running_p(p, planned)
    known = [look for look in looks if look.p is not None]
    if running is None or last.difference is None:
        return Comparison(last, running)
    strongest = min(known, key=lambda look: look.p or 0.0).paired.difference or 0.0
    return Comparison(last, running, (strongest > 0) != (last.difference > 0))

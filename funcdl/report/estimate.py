"""How well each method's mean is known, for both populations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from funcdl.report.evidence import DATA, SPLITS, TEST_SET, Evidence, Grid, arrange
from funcdl.report.record import Record
from funcdl.stats.corrected import corrected_interval
from funcdl.stats.crossed import FEWEST, crossed_interval
from funcdl.stats.interval import Interval, mean_interval
from funcdl.stats.wider import wider_interval

NOTHING = Interval(0, None, None, None, None, "")


class Estimate(NamedTuple):
    """A method's mean over its finished repeats.

    headline: its interval for what `population` names; it holds that for "this test set", since who
        knows less of the examples cannot know more of the mean (`funcdl.stats.wider`).
    fixed: its interval for "this test set", over repeats alone.
    examples: independent units of test data that the headline resamples; 0 where it does not.
    """

    headline: Interval
    fixed: Interval
    examples: int
    population: str


def estimate(evidence: Evidence, runs: Mapping[int, Record], block: str, method: str) -> Estimate:
    """The mean of a method's finished runs and its intervals.

    Args:
        evidence: the study's.
        runs: repeat -> run, the finished ones.
        block: where the method stands.
        method: its label.
    """
    metric = evidence.question.metric
    known = {i: run for i, run in runs.items() if run.get(metric) is not None}
    over_all = mean_interval([float(run[metric]) for run in known.values()], evidence.level)
    if not known or over_all.mean is None:
        return Estimate(over_all, over_all, 0, evidence.population)
    grid = arrange(known, evidence.question.cross)
    if grid.repeats.size < len(known):
        lost = f"{len(known)} repeats are no full table of the crossed streams"
        none = over_all._replace(low=None, high=None, reason=lost)
        return Estimate(none, none, 0, evidence.population)
    scores = evidence.scores(known, grid)
    if evidence.splits:
        share = evidence.question.shares.get((block, method), 0.0)
        headline = _over_splits(evidence, grid, scores, share)
        return Estimate(_of(over_all, headline), _of(over_all, NOTHING), 0, SPLITS)
    fixed = crossed_interval(scores, evidence.level) if scores.ndim > 1 else over_all
    return _with_examples(evidence, known, grid, _of(over_all, fixed))


def _with_examples(
    evidence: Evidence, runs: Mapping[int, Record], grid: Grid, fixed: Interval
) -> Estimate:
    examples = evidence.examples(runs, grid)
    if isinstance(examples, str):
        return Estimate(fixed, fixed, 0, f"{TEST_SET} ({examples})")
    units = len(examples.sizes)
    few = min(grid.repeats.shape)
    if few < FEWEST:
        reason = f"{few} repeats; an interval for {DATA} needs {FEWEST}"
        none = fixed._replace(low=None, high=None, reason=reason if few > 1 else fixed.reason)
        return Estimate(none, fixed, units, DATA)
    wider = wider_interval(crossed_interval(examples.values(), evidence.level), fixed)
    return Estimate(_of(fixed, wider), fixed, units, DATA)


def _over_splits(evidence: Evidence, grid: Grid, scores: np.ndarray, share: float) -> Interval:
    if not 0 < share < 1:
        return NOTHING._replace(reason="the share of test data is not known")
    if "split" in grid.streams:
        others = tuple(i for i, name in enumerate(grid.streams) if name != "split")
        scores = scores.mean(axis=others)
    return corrected_interval(scores.ravel(), share, evidence.level)


def _of(runs: Interval, wider: Interval) -> Interval:
    """The runs' own number, mean and deviation, with the ends of another interval."""
    return runs._replace(low=wider.low, high=wider.high, reason=wider.reason)

"""How well a mean over a method's repeats is known, for numbers that stand beside the answer.

Repeats that cross a few draws, or that split one data set again and again, are not independent:
Student's interval over them would be too narrow.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from funcdl.report.evidence import arrange
from funcdl.report.question import Question
from funcdl.report.wording import listing, plain
from funcdl.stats.corrected import corrected_interval
from funcdl.stats.crossed import crossed_interval
from funcdl.stats.interval import Interval, mean_interval
from funcdl.stats.sequential import level_at


def splits(question: Question) -> bool:
    """Whether the repeats split the data anew."""
    return "split" in question.vary or "split" in question.cross


def independent(question: Question) -> bool:
    """Whether the repeats are independent draws."""
    return not (splits(question) or question.cross)


def over(question: Question) -> str:
    """What an interval is over, in words."""
    if splits(question):
        return "over repeats, corrected for splits of the data that overlap"
    if question.cross:
        return f"over crossed draws of {listing([plain(name) for name in question.cross])}"
    return "over repeats"


def spread(question: Question, place: tuple[str, str], values: Mapping[int, float]) -> Interval:
    """The mean of a number over repeats, and its interval for how the repeats were drawn.

    Independent repeats have Student's interval, crossed ones that of `stats.crossed`, splits that of
    Nadeau and Bengio. The level is that of all intervals of the study.

    Args:
        question: what was asked.
        place: block and label of the method.
        values: repeat -> number.
    """
    level = level_at(question.alpha, question.looks)
    known = dict(sorted(values.items()))
    plain_one = mean_interval(list(known.values()), level)
    if independent(question) or plain_one.mean is None:
        return plain_one
    grid = arrange(known, question.cross)
    if grid.repeats.size < len(known):
        why = f"{len(known)} repeats are no full table of the crossed streams"
        return plain_one._replace(low=None, high=None, reason=why)
    cells = [known[repeat] for repeat in grid.repeats.ravel().tolist()]
    x = np.array(cells, np.float64).reshape(grid.repeats.shape)
    if not splits(question):
        found = crossed_interval(x, level)
    else:
        share = question.shares.get(place, 0.0)
        if not 0 < share < 1:
            why = "repeats are splits of the data, and their share of test data is not known"
            return plain_one._replace(low=None, high=None, reason=why)
        if "split" in grid.streams:
            others = tuple(i for i, name in enumerate(grid.streams) if name != "split")
            x = x.mean(axis=others)
        found = corrected_interval(x.ravel(), share, level)
    return plain_one._replace(low=found.low, high=found.high, reason=found.reason)

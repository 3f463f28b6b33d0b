"""Scores of different problems on one scale, before they are pooled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from funcdl.types import Array


class Normalised(NamedTuple):
    """Runs' scores on one scale.

    scores: `scores[method][problem]` is an array of runs; 0 is the lowest mean that any method had
        on the problem, 1 the highest. Single runs may lie outside.
    kept: the places of the problems that could be normalised.
    """

    scores: list[list[np.ndarray]]
    kept: list[int]


def by_pool(runs: Sequence[Sequence[Sequence[float] | Array]]) -> Normalised:
    """Put each problem's scores on a scale from the pool's lowest mean, 0, to its highest, 1.

    The scale depends on the pool: adding a method can move every number, so say so beside them. A
    run that diverged (minus infinity) counts as the lowest finite score of any run on that problem.
    A problem whose means are all equal, or that has fewer than two finite ones, has no scale and is
    left out.

    Args:
        runs: `runs[method][problem]`, the scores of the runs, larger is better.

    Raises:
        ValueError: methods with different numbers of problems, or NaN.

    >>> found = by_pool([[[1.0, 3.0]], [[0.0, 0.0]], [[4.0, float("-inf")]]])
    >>> [method[0].tolist() for method in found.scores]
    [[0.25, 0.75], [0.0, 0.0], [0.0, 1.0]]
    """
    cells = [[np.sort(np.asarray(cell, dtype=np.float64)) for cell in row] for row in runs]
    if len({len(row) for row in cells}) > 1:
        raise ValueError("the methods have different numbers of problems; give a rectangle")
    if any(np.isnan(cell).any() for row in cells for cell in row):
        raise ValueError("the scores hold NaN; give minus infinity for a run that diverged")
    found: list[list[np.ndarray]] = [[] for _ in cells]
    kept = []
    for problem in range(len(cells[0]) if cells else 0):
        column = [row[problem] for row in cells]
        finite = [cell[np.isfinite(cell)] for cell in column]
        means = [float(cell.mean()) for cell in finite if len(cell)]
        if len(means) < 2 or not np.isfinite(max(means) - min(means)) or max(means) <= min(means):
            continue
        kept.append(problem)
        lowest = min(float(cell.min()) for cell in finite if len(cell))
        for scores, cell in zip(found, column, strict=True):
            whole = np.where(np.isneginf(cell), lowest, cell)
            scores.append((whole - min(means)) / (max(means) - min(means)))
    return Normalised(found, kept)

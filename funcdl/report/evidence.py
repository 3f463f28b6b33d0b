"""What each method's repeats measured, as tables: repeats, crossed streams, test examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from funcdl.report.material import Material
from funcdl.report.record import WITHOUT, Record, measured, records
from funcdl.stats.sequential import level_at

TOLERANCE = 1e-4  # a metric that is not the mean of its examples to this precision is none of them

DATA, TEST_SET = "data like these", "this test set"
SPLITS = f"{DATA} (resampled splits)"
NO_EXAMPLES = "the metric has no value per test example"


class Grid(NamedTuple):
    """Repeats arranged by what varied between them.

    streams: names of the axes; ("repeat",) where repeats are not crossed.
    repeats: `[n1, ...]`, the repeat in each cell.
    """

    streams: tuple[str, ...]
    repeats: np.ndarray


class Examples(NamedTuple):
    """What a table of runs scored on each unit of the test data.

    sums: `[..., units]`, the sum over the unit's examples, divided by the mean size of a unit.
    sizes: `[units]`, how many examples each unit has, over that mean.
    data: digest of the test split they belong to; None where it is not known.
    """

    sums: np.ndarray
    sizes: np.ndarray
    data: str | None = None

    def values(self) -> np.ndarray:
        """`[..., units]` whose means over the last axis are the runs' scores.

        Where units differ in size a score is a ratio, total over total. Linearised around the ratio
        of all runs together, r: `r + s_u - r m_u`, so that a unit counts by how far it pulls the
        ratio. (Cochran, "Sampling Techniques", 1977, chapter 6.)
        """
        ratio = self.sums.mean()
        return ratio + self.sums - ratio * self.sizes

    def minus(self, other: Examples) -> Examples:
        """The differences, on the same units."""
        return self._replace(sums=self.sums - other.sums)


class Evidence:
    """The measured runs of a study, by block and method.

    question: what was asked.
    level: of every interval; with several looks each is at `1 - alpha / L`.
    """

    def __init__(self, material: Material):
        self.question = material.question
        self.level = level_at(self.question.alpha, self.question.looks)
        self._material = material

    @cached_property
    def records(self) -> list[Record]:
        """A record per run."""
        return records(self._material.runs)

    @cached_property
    def methods(self) -> Mapping[tuple[str, str], dict[int, Record]]:
        """(block, method) -> repeat -> its run; without those that have no score."""
        found: dict[tuple[str, str], dict[int, Record]] = {}
        for run in measured(self.records, self.question.metric):
            if run["status"] not in WITHOUT:
                found.setdefault((run["block"], run["method"]), {})[run["repeat"]] = run
        return found

    @cached_property
    def tried(self) -> set[tuple[str, str]]:
        """(block, method) of every method that has measured runs, also if all of them failed."""
        return {(r["block"], r["method"]) for r in self.records if r["phase"] == "measure"}

    @cached_property
    def undefined(self) -> set[tuple[str, str]]:
        """(block, method) of every method with a measured run whose metric is not defined."""
        runs = measured(self.records, self.question.metric)
        return {(r["block"], r["method"]) for r in runs if r["status"] == "undefined"}

    @cached_property
    def _examples(self) -> Mapping[str, np.ndarray]:
        return self._material.examples(self.question.metric)

    @property
    def population(self) -> str:
        """What the headline of a study with this metric speaks of."""
        if self.splits:
            return SPLITS
        return DATA if self._examples else f"{TEST_SET} ({NO_EXAMPLES})"

    @property
    def splits(self) -> bool:
        """Whether every repeat has a split of the data of its own."""
        return "split" in self.question.vary or "split" in self.question.cross

    def scores(self, runs: Mapping[int, Record], grid: Grid) -> np.ndarray:
        """The metric of the runs in a grid's cells, `[n1, ...]`."""
        metric = self.question.metric
        cells = [float(runs[repeat][metric]) for repeat in grid.repeats.ravel().tolist()]
        return np.array(cells, np.float64).reshape(grid.repeats.shape)

    def examples(self, runs: Mapping[int, Record], grid: Grid) -> Examples | str:
        """The metric of each test example of the runs in a grid's cells, or why there is none."""
        chosen = [runs[repeat] for repeat in grid.repeats.ravel().tolist()]
        arrays = [self._examples.get(run["id"]) for run in chosen]
        known = [x for x in arrays if x is not None]
        if not known or len(known) < len(arrays):
            return NO_EXAMPLES
        tests = [self._test_of(run) for run in chosen]
        if len({(len(x), test) for x, test in zip(known, tests, strict=True)}) > 1:
            return "the runs were tested on different examples"
        table = np.stack(known).astype(np.float64)
        score = self.scores(runs, grid).ravel()
        apart = np.abs(table.mean(axis=1) - score)
        if not (apart <= TOLERANCE * np.abs(table).mean(axis=1)).all():
            return "the metric is not a mean over test examples"
        sums, sizes = self._by_unit(chosen[0]["id"], table)
        return Examples(sums.reshape(*grid.repeats.shape, -1), sizes, tests[0])

    def _test_of(self, run: Record) -> str | None:
        """The digest of the examples that a run was tested on."""
        data = run.get("data_digest")
        return None if data is None else self.question.judged.get(data, data)

    def _by_unit(self, run: str, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`[runs, examples]` summed over what belongs together."""
        return by_unit(table, self._material.units(run))


def by_unit(table: np.ndarray, units: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """`[rows, examples]` summed over what belongs together: `sums` and `sizes` of `Examples`.

    Args:
        table: a number per example.
        units: `[examples]`, equal for those that belong together; None where each stands alone.
    """
    n = table.shape[1]
    if units is None or len(units) != n:
        return table, np.ones(n)
    order = np.argsort(units, kind="stable")
    first = np.flatnonzero(np.diff(np.asarray(units)[order], prepend=np.nan))
    sizes = np.diff(first, append=n)
    if len(first) == n:
        return table, np.ones(n)
    sums = np.add.reduceat(table[:, order], first, axis=1)
    return sums / sizes.mean(), sizes / sizes.mean()


def arrange(repeats: Iterable[int], cross: Mapping[str, int]) -> Grid:
    """Repeats as a full table, one axis per crossed stream.

    A repeat's number counts the cells with the last stream fastest. Where cells are missing, the
    value of a stream that lacks most is left out until the table is full. Streams of one value are
    no axis.

    Args:
        repeats: the repeats there are.
        cross: stream -> how many values; empty where repeats are not crossed.

    >>> arrange([0, 1, 2, 4, 5], {"init": 2, "order": 3}).repeats.tolist()
    [[1, 2], [4, 5]]
    """
    there = sorted(set(repeats))
    if not cross:
        return Grid(("repeat",), np.array(there, int))
    shape = tuple(cross.values())
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    present = np.isin(numbers, there)
    while not present.all():
        axis, place = _emptiest(present)
        numbers = np.delete(numbers, place, axis)
        present = np.delete(present, place, axis)
    varied = [i for i, size in enumerate(shape) if size > 1]
    names = tuple(list(cross)[i] for i in varied) or ("repeat",)
    kept = tuple(numbers.shape[i] for i in varied) or (numbers.size,)
    return Grid(names, numbers.reshape(kept))


def _emptiest(present: np.ndarray) -> tuple[int, int]:
    """(axis, place) of the slice with the largest missing part; the last of several."""
    worst: tuple[float, int, int] = (-1.0, 0, 0)
    for axis in range(present.ndim):
        others = tuple(i for i in range(present.ndim) if i != axis)
        for place, missing in enumerate((~present).mean(axis=others).tolist()):
            worst = max(worst, (missing, axis, place))
    return worst[1], worst[2]


def until_look(repeats: Sequence[int], looks: Sequence[int]) -> list[list[int]]:
    """The repeats of each planned look that there are enough for; all of them without looks.

    >>> until_look([0, 1, 2, 3, 5], (2, 4, 8))
    [[0, 1], [0, 1, 2, 3]]
    """
    if not looks:
        return [list(repeats)]
    return [list(repeats[:look]) for look in looks if look <= len(repeats)]

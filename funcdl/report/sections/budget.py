"""Would a smaller search have given another answer?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from funcdl.report.answer import Answer
from funcdl.report.figures.budget import budget as figure
from funcdl.report.figures.gallery import looks_in
from funcdl.report.material import Material
from funcdl.report.matrix import ranked
from funcdl.report.question import Question
from funcdl.report.record import records
from funcdl.report.section import Grid, Section
from funcdl.report.trials import trials
from funcdl.report.wording import count, listing, plain
from funcdl.stats.best_of import BestOf, best_of, wins

FEWEST = 4  # trials from which a curve says something
POINTS = 40  # of a curve
ALIKE = ("random", "halton", "sobol")  # samplers whose first n trials are a search of n trials
CLEAR = 0.75  # of searches that a leader should win
MANY = 20_000  # trials in a block from which on the bootstrap draws fewer

TITLE = "At another tuning budget"


class Leader(NamedTuple):
    """Who is ahead after n trials each.

    wins: how often its best of n beats the runner-up's.
    """

    budget: int
    method: str
    expected: float
    runner_up: str
    wins: float


def budget(material: Material, answer: Answer) -> Iterator[Section]:
    """The expected best of n trials per method, and who leads at which n, block by block.

    Nothing after a grid, whose parts are no smaller grids, and nothing where trials were stopped early:
    those that were trained to the end were chosen, and the others' scores are of fewer steps.
    """
    question = material.question
    if question.sampler not in ALIKE or question.stopping:
        return
    found = trials(question, records(material.runs))
    table = records(answer.table)
    for block in question.blocks:
        scores = {
            label: np.array([one.score for one in found[block, label]])
            for label in question.labels(block)
            if len(found.get((block, label), ())) >= FEWEST
        }
        if scores:
            yield _section(question, block, scores, table)


def _section(
    question: Question, block: str, scores: Mapping[str, np.ndarray], table: list[dict]
) -> Section:
    resamples = 1000 if sum(map(len, scores.values())) < MANY else 300
    level = 1 - question.alpha
    curves = {
        label: best_of(
            values,
            mode=question.mode,
            budgets=_points(len(values)),
            level=level,
            resamples=resamples,
        )
        for label, values in scores.items()
    }
    leading = leaders(question, curves, scores)
    drawing = figure(question, curves, block, looks_in(question, ranked(table, block), block))
    words = (*_reading(question, scores), _flips(leading), *_lost(curves))
    grids = (Grid("budget-leaders", _leaders_caption(question), _leaders(question, leading)),)
    if len(scores) < 2:
        grids = ()
    numbers = _numbers(question, curves, scores)
    caption = (
        f"Expected best {plain(question.selected_by, 60)} of n trials by two estimators: Tang's, which "
        f"is unbiased, with its {100 * level:g} % band, and Dodge's, which is too low but varies less."
    )
    return Section(
        "budget",
        TITLE,
        block,
        tuple(filter(None, words)),
        (*grids, Grid("budget-numbers", caption, numbers)),
        (drawing,) if drawing else (),
    )


def _points(n: int) -> np.ndarray:
    """The n to draw: all, or evenly on a logarithmic axis; powers of two always."""
    if n <= POINTS:
        return np.arange(1, n + 1)
    spread = np.geomspace(1, n, POINTS).round().astype(np.int64)
    return np.unique(np.concatenate([spread, _doublings(n)]))


def _doublings(n: int) -> np.ndarray:
    """1, 2, 4 and so on, and n itself."""
    return np.unique([*(2**k for k in range(n.bit_length())), n])


def leaders(
    question: Question, curves: Mapping[str, BestOf], scores: Mapping[str, np.ndarray]
) -> list[Leader]:
    """Who has the best expectation at n = 1, 2, 4, ... trials, among methods that had as many.

    A method that may lose all n trials expects the worst and leads nobody.
    """
    if len(curves) < 2:
        return []
    sign = 1 if question.mode == "max" else -1
    most = sorted(one.trials for one in curves.values())[-2]  # with more there is nobody to beat
    found = []
    for n in _doublings(most):
        here = {
            label: sign * float(one.expected[one.budgets == n][0])
            for label, one in curves.items()
            if one.trials >= n and (one.budgets == n).any()
        }
        order = sorted(here, key=lambda label: -here[label])
        if len(order) < 2 or np.isinf(here[order[0]]):
            continue
        first, second = order[:2]
        chance = wins(scores[first], scores[second], [n], mode=question.mode)
        found.append(Leader(int(n), first, sign * here[first], second, float(chance[0])))
    return found


def _reading(question: Question, scores: Mapping[str, np.ndarray]) -> Iterator[str]:
    metric = plain(question.selected_by, 60)
    sizes = sorted({len(values) for values in scores.values()})
    each = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    level = f"{100 * (1 - question.alpha):g} %"
    yield (
        f"What would a search of n trials have found? Each point is the expected best {metric} of n "
        f"trials, estimated from the {each} trials that each method had. Bands, which the table of "
        f"estimates holds for every method, are {level} bootstrap intervals over trials, and too narrow "
        "where n comes close to all of them, for nobody knows what lies beyond the best. This is the "
        "score that selects, of one search per method: read from it how much the order depends on the "
        "budget, not who is better on test data."
    )
    if question.sampler != "random":
        yield (
            f"The estimate takes trials for independent draws. Points of the sampler "
            f"{plain(question.sampler)} cover the space more evenly than that, so that a real search of "
            "n of them does a little better."
        )


def _flips(leading: list[Leader]) -> str:
    """Whether the ranking depends on the budget, in a sentence."""
    if not leading:
        return ""
    spans: list[list[Leader]] = []
    for one in leading:
        if spans and spans[-1][0].method == one.method:
            spans[-1].append(one)
        else:
            spans.append([one])
    if len(spans) == 1:
        first, last = leading[0].budget, leading[-1].budget
        text = f"{plain(leading[0].method, 60)} leads at every budget from {count(first, 'trial')}"
        text += f" to {last}."
    else:
        text = f"The leader depends on the budget: {listing([_span(s) for s in spans], most=6)}."
    weak = [str(one.budget) for one in leading if one.wins < CLEAR]
    if not weak:
        return text
    return (
        f"{text} The lead is a matter of luck at n = {listing(weak, most=8)}: there the runner-up finds "
        f"the better trial in more than {100 * (1 - CLEAR):.0f} % of such searches."
    )


def _span(span: list[Leader]) -> str:
    low, high = span[0].budget, span[-1].budget
    at = count(low, "trial") if low == high else f"{low} to {high} trials"
    return f"{plain(span[0].method, 60)} at {at}"


def _lost(curves: Mapping[str, BestOf]) -> Iterator[str]:
    """What diverged trials do to the curves."""
    names = [plain(label, 60) for label, one in curves.items() if one.lost[0] > 0]
    if names:
        yield (
            f"Some trials of {listing(names)} diverged. A diverged trial counts as the worst possible "
            "result, not as a number: where all n trials may have diverged there is no expectation, and "
            "the curve begins only beyond; the table gives the probability."
        )


def _leaders_caption(question: Question) -> str:
    return (
        f"Who has the best expected {plain(question.selected_by, 60)} after n trials each, and how often "
        "its best trial beats the runner-up's."
    )


def _leaders(question: Question, leading: list[Leader]) -> pd.DataFrame:
    metric = plain(question.selected_by, 60)
    rows = [(one.budget, one.method, one.expected, one.runner_up, one.wins) for one in leading]
    columns = ["trials each", "leader", f"expected best {metric}", "runner-up", "wins against it"]
    return pd.DataFrame(rows, columns=columns)


def _numbers(
    question: Question, curves: Mapping[str, BestOf], scores: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    rows = []
    for label, one in curves.items():
        shown = _doublings(one.trials)
        biased = best_of(
            scores[label], mode=question.mode, budgets=shown, estimator="replacement", resamples=0
        )
        for n, dodge in zip(shown, biased.expected, strict=True):
            i = int(np.flatnonzero(one.budgets == n)[0])
            rows.append((label, n, one.expected[i], one.low[i], one.high[i], dodge, one.lost[i]))
    columns = ["method", "trials", "expected (Tang)", "low", "high", "expected (Dodge)"]
    return pd.DataFrame(rows, columns=[*columns, "all diverged"])

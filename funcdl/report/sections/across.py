"""Methods over all problems: places, tests and pooled scores, where the study has several blocks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from funcdl.report.answer import Answer
from funcdl.report.board import Board, board
from funcdl.report.figures.critical import critical
from funcdl.report.figures.drawing import Drawing
from funcdl.report.figures.heat import heat
from funcdl.report.material import Material
from funcdl.report.overall import asked_everywhere, wins
from funcdl.report.question import Question
from funcdl.report.record import records
from funcdl.report.section import Grid, Section
from funcdl.report.sections.pooled import pooled
from funcdl.report.wording import count, decimals, listing, p_value, plain
from funcdl.stats.across.bayes import bayesian_signed_rank
from funcdl.stats.across.critical import bonferroni_dunn, nemenyi
from funcdl.stats.across.friedman import Friedman, friedman
from funcdl.stats.across.pairwise import Pair, pairwise
from funcdl.stats.signed_rank import problems_needed, smallest_p

FEWEST = 6  # problems; below, no signed-rank test can reach .05
TITLE = "Across problems"
DRAWS = 1_000_000  # of posteriors, shared out over the pairs


def across(material: Material, answer: Answer) -> Iterator[Section]:
    """One section, for a study with more than one block."""
    question = material.question
    if len(question.blocks) < 2:
        return
    table = records(answer.table)
    found = board(question, table)
    n, k = found.scores.shape
    if n < 2 or k < 2:
        if any(row["n"] for row in table) and len({label for _, label in question.methods}) > 1:
            said = (
                "Fewer than two methods were measured on two problems, so there is no comparison."
            )
            yield Section("across", TITLE, paragraphs=(said, *found.left_out))
        return
    pairs = asked_everywhere(question, found)
    tested = pairwise(found.scores, pairs, question.alpha)
    places = friedman(found.scores)
    grids, drawings = [_means(found, places)], []
    if n >= FEWEST and k > 2:
        drawings.append(_critical(question, found, places, pairs))
    grids += _tests(question, found, tested)
    drawings.append(heat(question, found, decimals(table)))
    pooled_said, pooled_grids, pooled_drawings = pooled(material, found)
    yield Section(
        "across",
        TITLE,
        paragraphs=(
            _shown(question, found),
            *_places(question, places),
            _verdicts(question, found, tested),
            *_open(question, places, tested),
            *(
                [_pool(k)]
                if n >= FEWEST and k > 2 and any(one.p_holm is not None for one in tested)
                else []
            ),
            *pooled_said,
        ),
        grids=(*grids, *pooled_grids),
        drawings=tuple(one for one in (*drawings, *pooled_drawings) if one is not None),
    )


def _shown(question: Question, found: Board) -> str:
    n, k = found.scores.shape
    lost = ""
    if np.isinf(found.scores).any():
        lost = " A method that diverged in any repeat on a problem is worst there."
    return (
        f"{k} methods on {n} problems. A problem counts once, with the mean of "
        f"{plain(question.metric, 60)} over its repeats: repeats are no further problems, and problems "
        f"made from the same data are hardly further ones.{lost}{_looked(question)}"
        + "".join(f" {sentence}" for sentence in found.left_out)
    )


def _looked(question: Question) -> str:
    """Why the looks at single problems do not count in tests over all of them."""
    if len(question.looks) < 2:
        return ""
    return (
        " Repeats were added on each problem until its own contrasts were decided; the answer over "
        "problems was not looked at on the way: its p-values count a single look, and problems that ended "
        "early have fewer repeats in their means."
    )


def _places(question: Question, places: Friedman) -> Iterator[str]:
    """Friedman's test, of more than two methods."""
    if places.methods < 3 or places.p is None or places.chi2 is None or places.f is None:
        return
    k, n = places.methods, places.problems
    differ = _differ(question, places)
    said = "the places are not all alike" if differ else "the places could all be chance"
    if np.isfinite(places.f):
        f = f"Iman and Davenport's F {places.f:.2f} on {k - 1} and {(k - 1) * (n - 1)}"
    else:
        f = "and every problem gives the same order, the most that ranks can agree"
    how = "Iman-Davenport" if places.by == "F" else f"from {places.by}"
    yield (
        f"Do places differ by more than chance? Friedman's chi-squared is {places.chi2:.2f} on {k - 1} "
        f"degrees of freedom, {f}; {_p(places.p)} ({how}): {said}. Ties share their places."
    )


def _p(value: float) -> str:
    text = p_value(value)
    return f"p < {text[1:]}" if text.startswith("<") else f"p = {text}"


def _differ(question: Question, places: Friedman) -> bool:
    """Whether Friedman's test says that places are not all alike."""
    return places.methods > 2 and places.p is not None and places.p < question.alpha


def _verdicts(question: Question, found: Board, tested: list[Pair]) -> str:
    n, alpha = len(found.problems), question.alpha
    if not tested:
        return "No contrast was asked on all of these problems, so no pair is tested across them."
    if not smallest_p(n, len(tested)) < alpha:
        return (
            f"With {count(n, 'problem')} no pair of methods can be told apart across problems: if one "
            f"won everywhere, a signed-rank test would still give p = {smallest_p(n):.3g}"
            + (f", times {len(tested)} tests" if len(tested) > 1 else "")
            + f". It takes {problems_needed(len(tested), alpha)} problems"
            + (f", or {problems_needed(1, alpha)} for a single contrast" if len(tested) > 1 else "")
            + ". What follows describes these problems and says nothing of others."
        )
    names = [plain(label, 60) for label in found.methods]
    ahead = wins(tested)
    said = listing([f"{names[a]} over {names[b]}" for a, b in ahead], most=6)
    return (
        f"Wilcoxon's signed-rank tests over the {n} problems, Holm over {count(len(tested), 'pair')}, "
        f"alpha {alpha:g}: "
        + (f"better on problems like these: {said}." if ahead else "no pair is told apart.")
    )


def _open(question: Question, places: Friedman, tested: list[Pair]) -> Iterator[str]:
    """The two tests answer different questions; who reads both should know."""
    if _differ(question, places) and not wins(tested):
        yield (
            "So the methods do not all have the same place, but between which two of them the difference "
            "lies is not decided: the one test looks at all methods together, the others at two at a time."
        )


def _pool(k: int) -> str:
    return (
        f"The critical difference depends on which {k} methods are in the pool: leave one out and two "
        "others may change sides. Read that figure as a picture; the verdicts are those of the pairwise "
        "tests, which look at two methods only."
    )


def _means(found: Board, places: Friedman) -> Grid:
    """Mean ranks and every problem's means, best first."""
    best = found.scores.max(axis=1, keepdims=True)
    wins = ((found.scores == best) & np.isfinite(best)).sum(axis=0)
    order = np.argsort(places.ranks, kind="stable")
    columns = {
        "method": [found.methods[j] for j in order],
        "mean rank": [places.ranks[j] for j in order],
        "best on": pd.array([int(wins[j]) for j in order], dtype="Int64"),
    }
    for i, problem in enumerate(found.problems):
        name = plain(problem, 40)
        name = f"{name} ({i + 1})" if name in columns else name
        columns[name] = [float(found.means[i, j]) for j in order]
    caption = (
        "Mean rank over the problems (1 is best), on how many problems the method is best, ties "
        "included, and its mean on each."
    )
    return Grid("across-ranks", caption, pd.DataFrame(columns))


def _critical(
    question: Question, found: Board, places: Friedman, pairs: list[tuple[int, int]]
) -> Drawing:
    n, k = found.scores.shape
    control = _control(pairs, k)
    rule = nemenyi if control is None else bonferroni_dunn
    return critical(
        found.methods,
        places.ranks,
        rule(k, n, question.alpha),
        problems=n,
        alpha=question.alpha,
        control=control,
    )


def _control(pairs: list[tuple[int, int]], k: int) -> int | None:
    """The one method that all others are tested against, if the contrasts are of that kind."""
    for one in range(k):
        others = {a if b == one else b for a, b in pairs if one in (a, b)}
        if len(pairs) == len(others) == k - 1:
            return one
    return None


def _tests(question: Question, found: Board, tested: list[Pair]) -> list[Grid]:
    if not tested or len(found.problems) < FEWEST:
        return []
    draws = int(np.clip(DRAWS // len(tested), 4_000, 50_000))
    margin = question.margin
    rows = []
    for one in tested:
        a, b = found.scores[:, one.a], found.scores[:, one.b]
        chance = bayesian_signed_rank(a, b, rope=margin or 0.0, draws=draws)
        likely = (chance.better, *([chance.same] if margin else []), chance.worse)
        names, tally = (found.methods[one.a], found.methods[one.b]), one.test[1:3]
        said = (one.test.p, one.p_holm, one.verdict)
        rows.append((*names, len(a), *tally, _middle(found, one), *said, *likely, one.reason))
    middle = ["P(same)"] if margin else []
    columns = [
        "a",
        "b",
        "problems",
        "a ahead",
        "b ahead",
        "median a - b",
        "p",
        "p (Holm)",
        "a is",
        "P(a better)",
    ]
    frame = pd.DataFrame(rows, columns=[*columns, *middle, "P(b better)", "reason"])
    if not any(one.reason for one in tested):
        frame = frame.drop(columns="reason")
    rope = f", with differences up to {margin:g} counting as the same" if margin else ""
    caption = (
        f"Pairs over {count(len(found.problems), 'problem')}: Wilcoxon's signed-rank test with Holm, and "
        f"the Bayesian signed-rank test's probability that a method is better on most problems like "
        f"these{rope}. The probabilities are a description and are corrected for nothing."
    )
    return [Grid("across-pairs", caption, frame)]


def _middle(found: Board, one: Pair) -> float:
    """The median difference over the problems; infinite where divergence decides it."""
    with np.errstate(invalid="ignore"):
        difference = found.means[:, one.a] - found.means[:, one.b]
        return float(np.median(np.nan_to_num(difference, nan=0.0, posinf=np.inf, neginf=-np.inf)))

"""The answer's tests: a row per contrast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from funcdl.report.contrast import Comparison, Contrast, contrast, correlation, prospect
from funcdl.report.evidence import SPLITS, Evidence
from funcdl.report.material import Material
from funcdl.report.question import Question
from funcdl.report.record import Record
from funcdl.report.wording import count
from funcdl.stats.equivalence import smallest_margin
from funcdl.stats.multiple import holm
from funcdl.stats.outlook import Outlook
from funcdl.stats.superiority import superiority
from funcdl.stats.verdict import verdict

WHOLE = ("n", "examples", "more_repeats", "looks_done")
COLUMNS = (
    *("block", "a", "b", "n", "examples", "difference", "low", "high", "t", "df", "p", "p_holm"),
    *("verdict", "reason", "population"),
    *("fixed_low", "fixed_high", "fixed_t", "fixed_p", "fixed_p_holm"),
    *("fixed_verdict", "fixed_reason"),
    *("smallest_margin", "more_repeats", "remark"),
    *("superiority", "superiority_low", "superiority_high", "correlation"),
    *("looks_done", "looks"),
)
WORDS = ("block", "a", "b", "verdict", "reason", "population", "fixed_verdict", "fixed_reason")
DECIMAL = tuple(name for name in COLUMNS if name not in (*WHOLE, *WORDS, "remark", "looks"))


def comparisons(material: Material, evidence: Evidence | None = None) -> pd.DataFrame:
    """Test the question's contrasts on the repeats that both methods share, for two populations.

    The headline speaks of "data like these" where the metric has a value per test example: repeats
    and test examples are both samples (`funcdl.stats.crossed`), and never claims more than over repeats
    alone (the hull of both intervals, the larger of both p-values: `funcdl.stats.wider`). Where every
    repeat has a split of its own it does so by Nadeau and Bengio's test. Else it speaks of "this test
    set" alone, and `population` says why.

    Columns: `block`, `a`, `b`; `n` (common repeats) and `examples` (independent units of test data
    that the headline's test resamples; 0 where it does not); `difference` (mean of a - b), `low`,
    `high`, `t` on `df` degrees of freedom, `p`, `p_holm` (Holm over the contrasts of the block),
    `verdict` (of a: better, worse, equivalent, undecided or refused), `reason` of a refusal,
    `population`.

    `fixed_low`, ..., `fixed_reason`: the same for "this test set", over repeats alone.

    `smallest_margin`: a and b are equivalent at any margin above it. `more_repeats`: where undecided
    and a margin is given, how many more bring half the interval's width under it; `remark` says what
    else would. `superiority`: the share of paired repeats in which a is better, with an interval
    where repeats are independent. `correlation` of a's and b's scores over the repeats.

    `looks_done` of the planned `looks`: where repeats are added until the answer is decided, `p` is
    the smallest p-value of the looks so far times the number planned, and intervals have the level
    1 - alpha / L.

    Where a method diverged in a common repeat the test is refused: its surviving repeats are a
    selection. Runs that failed (a fault of the machine, not of the method) are left out.

    Args:
        material: what the report is made from.
        evidence: the same, if it is arranged already.
    """
    evidence = evidence or Evidence(material)
    question = evidence.question
    found = [contrast(evidence, block, a, b) for block, a, b in question.contrasts]
    judged = judge(question, found)
    rows = [
        _row(evidence, names, one, *words)
        for names, one, words in zip(question.contrasts, found, judged, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype(dict.fromkeys(WHOLE, "Int64") | dict.fromkeys(DECIMAL, "float64"))


Judged = tuple[float | None, str]  # the p-value after Holm, and the verdict


def judge(question: Question, found: Sequence[Contrast]) -> list[tuple[Judged, Judged]]:
    """Verdicts of the question's contrasts, for the headline and for "this test set".

    Holm's correction is over the contrasts of a block: a block is a question of its own, with its
    own sentence. It is the same for both populations, and each has its own.
    """
    blocks = [block for block, _, _ in question.contrasts]
    headline, fixed = (
        _family(question, blocks, tests)
        for tests in ([one.headline for one in found], [one.fixed for one in found])
    )
    return list(zip(headline, fixed, strict=True))


def _family(question: Question, blocks: list[str], tests: list[Comparison]) -> list[Judged]:
    adjusted: list[float | None] = [None] * len(tests)
    for block in dict.fromkeys(blocks):
        places = [i for i, other in enumerate(blocks) if other == block]
        for place, value in zip(places, holm([tests[i].p for i in places]), strict=True):
            adjusted[place] = value
    return [(p, _verdict(question, test, p)) for test, p in zip(tests, adjusted, strict=True)]


def _verdict(question: Question, test: Comparison, p: float | None) -> str:
    mode, alpha, margin = question.mode, question.alpha, question.margin
    word = verdict(test.paired, p, mode=mode, alpha=alpha, margin=margin)
    # Two looks that contradict each other decide nothing, however small the p-value of one was.
    return "undecided" if test.turned and word in ("better", "worse") else word


def _row(
    evidence: Evidence,
    names: tuple[str, str, str],
    one: Contrast,
    headline: Judged,
    fixed: Judged,
) -> Record:
    question = evidence.question
    test, other = one.headline, one.fixed
    paired, p_holm, word = test.paired, *headline
    undecided = word == "undecided"
    ahead = prospect(evidence, *names, one) if undecided else None
    return {
        **dict(zip(("block", "a", "b"), names, strict=True)),
        "n": one.n,
        "examples": one.examples,
        **{key: getattr(paired, key) for key in ("difference", "low", "high", "t", "df")},
        "p": test.p,
        "p_holm": p_holm,
        "verdict": word,
        "reason": paired.reason,
        "population": one.population,
        **{f"fixed_{key}": getattr(other.paired, key) for key in ("low", "high", "t")},
        "fixed_p": other.p,
        "fixed_p_holm": fixed[0],
        "fixed_verdict": fixed[1],
        "fixed_reason": other.paired.reason,
        "smallest_margin": smallest_margin(paired),
        "more_repeats": ahead and ahead.repeats,
        "remark": _remark(one, ahead) if undecided else "",
        **_effects(evidence, one),
        "looks_done": one.looks_done if question.looks else None,
        "looks": ", ".join(map(str, question.looks)),
    }


def _effects(evidence: Evidence, one: Contrast) -> dict[str, Any]:
    """P(a better than b) and the correlation of the repeats: descriptions, no verdicts."""
    if one.scores is None:
        return {}
    question = evidence.question
    a, b = one.scores
    found = superiority(a, b, question.mode, evidence.level)
    alone = not question.cross and one.population != SPLITS
    return {
        "superiority": found.estimate,
        "superiority_low": found.low if alone else None,
        "superiority_high": found.high if alone else None,
        "correlation": correlation(one.scores),
    }


def _remark(one: Contrast, ahead: Outlook | None) -> str:
    """What an undecided comparison still lacks."""
    if one.headline.turned:
        return "an earlier look saw the opposite sign"
    if ahead is None:
        return ""
    if ahead.repeats == 0:
        return (
            "half the interval is narrower than the margin already, but it reaches past it: the "
            "difference lies near the margin, and more repeats may move it to either side"
        )
    if ahead.repeats is not None:
        return ""
    if one.population == SPLITS:
        return "no number of splits suffices: more data would"
    if ahead.examples is None:
        return "no number of repeats suffices, nor of test examples"
    wanted = count(_rounded(ahead.examples), "more test example")
    beside = count(ahead.with_repeats, "more repeat")
    also = f" with {beside}" if ahead.with_repeats else ""
    return f"no number of repeats suffices: about {wanted}{also} would"


def _rounded(number: int) -> int:
    """To two digits: it is an estimate."""
    digits = len(str(number)) - 2
    return int(np.ceil(number / 10**digits) * 10**digits) if digits > 0 else number

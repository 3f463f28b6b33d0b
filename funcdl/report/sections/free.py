"""What tests that assume no distribution say of the same contrasts: a description, no verdict."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from funcdl.report.answer import Answer
from funcdl.report.evidence import Evidence, arrange
from funcdl.report.material import Material
from funcdl.report.question import Question
from funcdl.report.record import Record, records
from funcdl.report.section import Grid, Section
from funcdl.report.wording import p_value, plain
from funcdl.stats.nonparametric import EXACT, Ranked, sign_flip, wilcoxon

MOST = 45  # contrasts; of more, the first


def free(material: Material, answer: Answer) -> Iterator[Section]:
    """A section per block whose repeats are independent of each other and were looked at once."""
    question = material.question
    dependent = question.cross or "split" in question.vary
    if dependent or question.looks:
        return
    evidence = Evidence(material)
    every = [row for row in records(answer.comparisons) if row["fixed_p"] is not None]
    for block in question.blocks:
        pairs = [row for row in every if row["block"] == block]
        if pairs:
            yield _section(evidence, block, pairs)


def _section(evidence: Evidence, block: str, pairs: list[Record]) -> Section:
    question = evidence.question
    tested = [_tests(evidence, pair) for pair in pairs[:MOST]]
    title = "Without assuming a normal distribution"
    if not any(one.p is not None for tests in tested for one in tests):
        most = max(pair["n"] for pair in pairs)
        alone = (
            f"Tests of ranks and signs cannot be done: with {most} common repeats they give no p-value "
            f"below {question.alpha:g}, whatever the scores. That is a limit of these tests, and no "
            "sign that methods are alike."
        )
        return Section("free", title, block, (alone,))
    said = (
        "The p-values of this test set once more, from tests that do not take the differences for "
        "normally distributed: Wilcoxon's looks at ranks, the sign-flip test at all ways to "
        f"exchange the two methods within repeats (up to {EXACT} repeats). They are not corrected for "
        "the number of contrasts and no verdict is read from them; where they differ much from the "
        "t-test's, look at the single repeats."
    )
    shown = f" Shown are the first {MOST} of {len(pairs)} contrasts." if len(pairs) > MOST else ""
    caption = f"Uncorrected p-values of contrasts of {plain(question.metric, 60)} on this test set."
    grid = Grid("free", caption, _frame(question, pairs[:MOST], tested))
    return Section("free", title, block, (said + shown,), (grid,))


def _tests(evidence: Evidence, pair: Record) -> tuple[Ranked, Ranked]:
    """Wilcoxon's test and the sign-flip test of a contrast's common repeats."""
    of_a, of_b = (evidence.methods[pair["block"], pair[side]] for side in "ab")
    grid = arrange(of_a.keys() & of_b.keys(), {})
    a, b = (evidence.scores(runs, grid) for runs in (of_a, of_b))
    alpha = evidence.question.alpha
    if len(a) > EXACT:
        return wilcoxon(a, b, alpha), Ranked(len(a), None, None, False, "")
    return wilcoxon(a, b, alpha), sign_flip(a, b, alpha)


def _frame(
    question: Question, pairs: list[Record], tested: list[tuple[Ranked, Ranked]]
) -> pd.DataFrame:
    def shown(one: Ranked) -> str:
        unreachable = one.smallest is not None and one.smallest >= question.alpha
        return f"cannot reach {question.alpha:g}" if unreachable else p_value(one.p)

    columns: dict[str, list[object]] = {
        "a": [plain(pair["a"], 60) for pair in pairs],
        "b": [plain(pair["b"], 60) for pair in pairs],
        "repeats": [pair["n"] for pair in pairs],
        "paired t": [p_value(pair["fixed_p"]) for pair in pairs],
        "Wilcoxon": [shown(ranks) for ranks, _ in tested],
    }
    if any(signs.smallest is not None for _, signs in tested):
        columns["sign-flip"] = [shown(signs) for _, signs in tested]
    return pd.DataFrame(columns)

"""Is the answer there, or would more repeats help? Asked between the planned looks."""

from __future__ import annotations

from funcdl.report.comparisons import judge
from funcdl.report.contrast import contrast
from funcdl.report.evidence import Evidence
from funcdl.report.material import Material

DECIDED = ("better", "worse", "equivalent")


def decided(material: Material) -> dict[str, bool]:
    """Whether every contrast of a block is decided, for each block.

    A contrast is when its headline's verdict is better, worse or equivalent, or when its test is
    refused whatever is added: a method diverged in a common repeat, or all of its runs failed. A
    block without contrasts is decided.

    It is a function of the stored runs alone, so that a study that was killed and goes on takes the
    same looks.
    """
    evidence = Evidence(material)
    question = evidence.question
    found = [contrast(evidence, *names) for names in question.contrasts]
    settled = dict.fromkeys(question.blocks, True)
    for (block, _, _), one, (headline, _) in zip(
        question.contrasts, found, judge(question, found), strict=True
    ):
        settled[block] &= one.lasting or headline[1] in DECIDED
    return settled

"""The level of a study's intervals, in words: of one that looks several times, of every look."""

from __future__ import annotations

from funcdl.report.question import Question
from funcdl.stats.sequential import level_at


def level(question: Question) -> str:
    """The level of every interval, 1 - alpha / L of L planned looks.

    >>> asked = Question("s", "", "", "test/loss", "validation/loss", "min", (), ())
    >>> level(asked), level(asked._replace(looks=(5, 10, 20)))
    ('95 %', '98.33 %')
    """
    return _percent(1 - level_at(question.alpha, question.looks))


def over_looks(question: Question) -> str:
    """What that level buys; empty for a study that looks once.

    >>> over_looks(Question("s", "", "", "a", "b", "min", (), (), looks=(5, 10, 20)))
    '98.33 % intervals keep 95 % over all 3 planned looks'
    """
    if len(question.looks) < 2:
        return ""
    looks = f"all {len(question.looks)} planned looks"
    return f"{level(question)} intervals keep {_percent(question.alpha)} over {looks}"


def _percent(missed: float) -> str:
    """The coverage, with three digits of how often it fails."""
    return f"{100 - float(f'{100 * missed:.3g}'):.10g} %"

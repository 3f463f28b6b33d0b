"""What varied between the runs behind a number, and what was held: a number means no more than that."""

from __future__ import annotations

from collections.abc import Sequence

from funcdl.config.fields import STREAMS
from funcdl.report.question import Question
from funcdl.report.wording import count, listing, plain

WORDS = {
    "init": "init (the first weights)",
    "order": "order (of the batches)",
    "dropout": "dropout (what is dropped)",
    "augment": "augment (random changes to the data)",
    "split": "split (which examples train, validate and test)",
}


def protocol(question: Question) -> tuple[str, ...]:
    """A paragraph on the measured repeats and, where there was a search, one on the search.

    Args:
        question: what was asked.
    """
    searched = bool(question.trials)
    return (_measuring(question, searched), *([_tuning(question)] if searched else ()))


def varied(question: Question) -> tuple[str, ...]:
    """The sources of chance that differ between measured repeats."""
    return tuple(question.cross) or question.vary


def held(question: Question) -> tuple[str, ...]:
    """The sources of chance that are the same in all measured repeats."""
    return tuple(
        name for name in dict.fromkeys((*STREAMS, "split")) if name not in varied(question)
    )


def short_protocol(question: Question) -> str:
    """What varied and what was held, in one line.

    >>> short_protocol(Question("s", "", "", "test/loss", "validation/loss", "min", (), (),
    ...                         vary=("init", "order")))
    'varied: init, order; held: dropout, augment, split'
    """
    parts = (("varied", varied(question)), ("held", held(question)))
    return "; ".join(
        f"{word}: {', '.join(map(plain, names)) or 'nothing'}" for word, names in parts
    )


def _measuring(question: Question, searched: bool) -> str:
    planned = max(question.looks, default=question.repeats)
    where = f"over {'at most ' if question.looks else ''}{count(planned, 'repeat')}"
    chosen = ", with the selected values of the tuned keys" if searched else ""
    if question.cross:
        sizes = [f"{size} values of {name}" for name, size in question.cross.items()]
        where += f", all combinations of {listing(sizes, most=6)}"
    return (
        f"Measured: {plain(question.metric, 60)} {where} per method{chosen}. Varied between repeats: "
        f"{_named(varied(question))}. Held: {_named(held(question))}. In the same repeat all methods "
        "share what their models have in common of these draws."
    )


def _tuning(question: Question) -> str:
    metric, runs = plain(question.selected_by, 60), question.tune_repeats
    sampler = f" ({plain(question.sampler)} points)" if question.sampler else ""
    if runs == 1:
        chance = f"Between trials only the tuned values varied. Held: {_named((*STREAMS, 'split'))}"
    else:
        same = [name for name in (*STREAMS, "split") if name not in question.vary]
        chance = f"Varied between a trial's runs: {_named(question.vary)}. Held: {_named(same)}"
    return (
        f"Tuned: {count(question.trials, 'trial')}{sampler} of {count(runs, 'run')} each per method, "
        f"the best mean {metric} selected. {chance}. Measured runs use fresh seeds, none of which the "
        f"search has seen, and {_untouched(question)}."
    )


def _untouched(question: Question) -> str:
    """What the search has not seen."""
    if "split" in varied(question):
        return "splits of their own; the search chose on the validation examples of another split"
    return "the test examples played no part in the selection"


def _named(names: Sequence[str]) -> str:
    return listing([WORDS.get(name, plain(name, 40)) for name in names], most=8) or "nothing"

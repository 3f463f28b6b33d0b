"""What the page says in words around its tables."""

from __future__ import annotations

from collections.abc import Iterator

from funcdl.report.display import TEST_SET, shared_remark, two_populations
from funcdl.report.evidence import DATA, SPLITS
from funcdl.report.level import level, over_looks
from funcdl.report.protocol import short_protocol
from funcdl.report.question import Question
from funcdl.report.record import Record
from funcdl.report.wording import apart, count, family, listing, named_test, plain


def capital(text: str) -> str:
    """With a capital first letter."""
    return text[:1].upper() + text[1:]


def setup(question: Question) -> str:
    """What was compared, on what, how tuned and how often repeated, in two or three sentences."""
    setting = {key: plain(value, 120) for key, value in question.setting.items()}
    methods = len(dict.fromkeys(label for _, label in question.methods))
    where = f" on {setting['data']}" if setting.get("data") else ""
    details = [setting[key] for key in ("task",) if setting.get(key)]
    if setting.get("examples"):
        details.append(f"{setting['examples']} examples")
    inside = f" ({'; '.join(details)})" if details else ""
    blocks = f", in {count(len(question.blocks), 'block')}" if len(question.blocks) > 1 else ""
    steps = f", trained for {setting['steps']} steps" if setting.get("steps") else ""
    said = [f"{capital(count(methods, 'method'))}{where}{inside}{blocks}{steps}."]
    if question.trials:
        stopped = f" ({plain(question.stopping)})" if question.stopping else ""
        each = "It" if methods == 1 else "Each"
        said.append(
            f"{each} was tuned with {count(question.trials, 'trial')}{stopped}, the best by "
            f"{plain(question.selected_by)} chosen."
        )
    fresh = "fresh repeat" if question.trials else "repeat"
    said.append(f"Then {_repeats(question, fresh)}.")
    return " ".join(said)


def _repeats(question: Question, noun: str) -> str:
    if question.cross:
        axes = " × ".join(f"{n} {plain(name)}" for name, n in question.cross.items())
        return f"{axes} crossed repeats measured each on the test data"
    vary = (
        f" (varying {listing([plain(name) for name in question.vary], 8)})" if question.vary else ""
    )
    if question.looks:
        return (
            f"{question.looks[0]} to {question.looks[-1]} {noun}s{vary}, until decided, measured each "
            "on the test data"
        )
    return f"{count(question.repeats, noun)}{vary} measured each on the test data"


def reading(question: Question, table: list[Record]) -> str:
    """How to read the table."""
    better = "larger" if question.mode == "max" else "smaller"
    every = shared_remark(table)
    said = f"For every method: {every}. " if every else ""
    said += f"Best first; {better} is better. Means are over n measured repeats; {_kind(question, table)}"
    looks = over_looks(question)
    said += f" {looks}." if looks else ""
    measured = max((row["n"] for row in table), default=0)
    return f"{said} Between repeats {short_protocol(question)}." if measured > 1 else said


def _kind(question: Question, table: list[Record]) -> str:
    """What the interval of the table is."""
    the = f"the {level(question)} interval"
    populations = {row["population"] for row in table if row["low"] is not None}
    if not populations:
        return "no interval can be given."
    if SPLITS in populations:
        return (
            f"{the} is that of Nadeau and Bengio's corrected resampled t-test, since splits of "
            "one data set overlap; sd is the splits' standard deviation."
        )
    if DATA in populations:
        beside = f", that of “{TEST_SET}” for other repeats alone"
        return (
            f"{the} allows for other test examples of this kind as well as for other repeats"
            f"{beside if any(map(two_populations, table)) else ''}. sd is over repeats."
        )
    if question.cross:
        return f"{the} takes each crossed stream for a sample; sd is over all repeats."
    return f"{the} is Student's for the mean over repeats, sd their standard deviation."


def tested(question: Question, pairs: list[Record]) -> str:
    """How the verdicts came about."""
    populations = dict.fromkeys(str(row["population"]) for row in pairs if row["p"] is not None)
    if not populations:
        return "No pair could be tested."
    test = named_test([row for row in pairs if row["p"] is not None], bool(question.cross))
    said = f"Tested by {test}, {family(pairs)}, alpha {question.alpha:g}"
    if question.margin:
        said += f"; equivalent: the whole interval lies within ±{question.margin:g}"
    said += f". The tests speak of {listing(list(populations), 2)}."
    return f"{said} {_corrected(question, pairs)}" if len(pairs) > 1 else said


def _corrected(question: Question, pairs: list[Record]) -> str:
    """Intervals and verdicts answer for different things, and may seem to disagree."""
    said = (
        "Intervals are each contrast's own, better and worse are corrected over all of them: an interval "
        "may exclude 0 while the corrected verdict is undecided"
    )
    said += f" (here {apart(pairs)} of {len(pairs)})." if apart(pairs) else "."
    if question.margin:
        said += " Equivalent is read from a contrast's own interval and needs no correction."
    return said


def doubts(question: Question, pairs: list[Record]) -> Iterator[str]:
    """What limits the answer by its design, whatever was found."""
    populations = {str(row["population"]) for row in pairs}
    if populations and all(TEST_SET in name for name in populations):
        vary = listing([plain(name) for name in question.vary], 8) or "nothing that was recorded"
        yield (
            f"The intervals and tests speak of this test set: the repeats vary {vary}, not the test "
            "examples. Other data of the same kind could rank close methods differently."
        )
    if question.trials:
        yield (
            f"Each method had {count(question.trials, 'trial')} in its own search space; a method can "
            "lose by its space or for want of trials. Tuning and measuring runs share no seeds."
        )
    if question.stopping:
        yield (
            f"Trials that were behind were stopped early: {plain(question.stopping)}. One that learns "
            "slowly at first can be lost so."
        )
    if any(row["verdict"] == "undecided" for row in pairs):
        none = "" if question.margin else " No margin was set, so no pair can be called equivalent."
        yield f"“Undecided” is not “equal”: it says that the corrected test found too little.{none}"
    yield from map(plain, question.notes)

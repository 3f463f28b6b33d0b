"""What the page says in words around its tables."""

from __future__ import annotations

from collections.abc import Iterator

from funcdl.report.display import TEST_SET, level, shared_remark, two_populations
from funcdl.report.question import Question
from funcdl.report.record import Record
from funcdl.report.wording import count, listing, plain


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
        said.append(
            f"Each was tuned with {count(question.trials, 'trial')}{stopped}, the best by "
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
    said += f"Best first; {better} is better. Means are over n measured repeats; "
    if any(map(two_populations, table)):
        return said + (
            f"the {level(question)} interval allows for other test examples of this kind as well as "
            f"for other repeats, that of “{TEST_SET}” for other repeats alone. sd is over repeats."
        )
    return said + (
        f"the {level(question)} interval is Student's for the mean over repeats, sd their standard "
        "deviation."
    )


def tested(question: Question, pairs: list[Record]) -> str:
    """How the verdicts came about."""
    tests = count(sum(row["p"] is not None for row in pairs), "test")
    populations = dict.fromkeys(str(row["population"]) for row in pairs if row["p"] is not None)
    if not populations:
        return "No pair could be tested."
    said = f"Paired tests on common repeats, Holm over {tests}, alpha {question.alpha:g}"
    if question.margin:
        said += f"; equivalent: the whole interval lies within ±{question.margin:g}"
    return f"{said}. They speak of {listing(list(populations), 2)}."


def doubts(question: Question, pairs: list[Record]) -> Iterator[str]:
    """What limits the answer by its design, whatever was found."""
    populations = {str(row["population"]) for row in pairs}
    if all(TEST_SET in name for name in populations):
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
    if question.margin is None and pairs:
        yield (
            "“Undecided” is not “equal”: the data allow both signs. No margin was set, so no pair can "
            "be called equivalent."
        )
    yield from map(plain, question.notes)

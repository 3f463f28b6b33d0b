"""What could overturn the answer, as far as the runs themselves tell."""

from __future__ import annotations

from funcdl.report.question import Question
from funcdl.report.record import Record
from funcdl.report.search_warnings import search_warnings
from funcdl.report.wording import count, listing, overruled, plain
from funcdl.stats.effect import threshold
from funcdl.stats.signed_rank import problems_needed, smallest_p

FEW = 5
LARGE = 2.0  # standard deviations of the differences; a difference as large as that is rare


def warnings(
    question: Question, runs: list[Record], table: list[Record], comparisons: list[Record]
) -> list[str]:
    """Sentences about failed and diverged runs, missing repeats, small samples and the search.

    Args:
        question: what was asked.
        runs: a record per run.
        table: the question's table, as records.
        comparisons: its comparisons, as records.
    """
    found = [
        *map(plain, question.doubts),
        _failed(runs),
        _unfinished(question, table),
        *_diverged(table),
        _one_split(question),
        *_seen_before(question),
        *search_warnings(question, runs, table, comparisons),
        _extended(question),
        _few(table),
        _wanted(question, comparisons),
        _one_test_set(table),
        _alone(comparisons),
        _not_paired(question, comparisons),
        _few_problems(question),
    ]
    return [text for text in found if text]


def _extended(question: Question) -> str:
    """Whoever looks, and adds repeats where the answer does not please, errs more often than alpha."""
    if not question.answered:
        return ""
    seen = listing([str(n) for n in question.answered])
    most = max((*question.looks, question.repeats))
    return (
        f"The study was extended after its answer over {seen} repeats could be seen. Its intervals and "
        f"p-values do not allow for that; `repeat: {{count: {question.answered[0]}, max: {most}, until: "
        "decided}` does, if planned from the start."
    )


def _few_problems(question: Question) -> str:
    """Blocks are the only evidence on further problems, however many repeats each has."""
    problems, pairs = len(question.blocks), len({pair[1:] for pair in question.contrasts})
    if problems < 2 or not pairs or smallest_p(problems, pairs) < question.alpha:
        return ""
    needed = problems_needed(pairs, question.alpha)
    return (
        f"{problems} problems are too few to say which method is better on others like them; for "
        f"{count(pairs, 'contrast')} it takes {needed} or more."
    )


def _failed(runs: list[Record]) -> str:
    failed = [run for run in runs if run["status"] == "failed"]
    if not failed:
        return ""
    reasons = sorted({plain(run["reason"], 200) for run in failed if run.get("reason")})
    why = f" ({listing(reasons, most=2)})" if reasons else ""
    are = "is" if len(failed) == 1 else "are"
    return f"{count(len(failed), 'run')} failed and {are} left out{why}."


def _unfinished(question: Question, table: list[Record]) -> str:
    def behind(row: Record) -> bool:
        done = row["n"] + row["diverged"] + row["failed"]
        return done < question.repeats and row["status"] != "diverged"

    names = [_name(row) for row in table if behind(row)]
    if not names:
        return ""
    planned = count(question.repeats, "planned repeat")
    return f"The study is not finished: {planned}, fewer measured for {listing(names)}."


def _diverged(table: list[Record]) -> list[str]:
    alike: dict[tuple[int, int], list[str]] = {}
    for row in table:
        if row["diverged"]:
            total = row["n"] + row["diverged"]
            alike.setdefault((row["diverged"], total), []).append(_name(row))
    return [
        f"{listing(names)} diverged in {lost} of {count(total, 'measured repeat')}; "
        "a method that diverged ranks below every one that did not."
        for (lost, total), names in alike.items()
    ]


def _one_split(question: Question) -> str:
    """Splits overlap: what one search trained on or chose by, another split's test set may hold."""
    if "split" not in (*question.vary, *question.cross) or not question.trials:
        return ""
    if question.rolling:
        return (
            "Hyperparameters were chosen once, on a split that ends before every test split begins: how "
            "the choice would vary with the time at which it is made is in no interval."
        )
    splits = "one split" if question.tune_repeats == 1 else f"{question.tune_repeats} splits"
    return (
        f"Hyperparameters were chosen once, on {splits} of the data, and every repeat has another: test "
        "examples of a repeat may have taken part in that choice, and how the choice itself varies with "
        "the split is in no interval."
    )


def _seen_before(question: Question) -> list[str]:
    """A model that remembers is right on what it has seen, whatever it would say of other data."""
    return [
        f"Of {plain(one.name, 60)}, {one.shared[0]:,} of {one.sizes[2]:,} test examples have the same inputs "
        "as a training example: a model that remembers does well on them. To keep equal examples in one "
        "split, give them one group (data.split.by: group)."
        for one in question.holdings
        if one.shared and one.shared[0]
    ]


def _few(table: list[Record]) -> str:
    fewest = min((row["n"] for row in table if row["n"]), default=FEW)
    if fewest >= FEW:
        return ""
    if fewest == 1:
        return "One repeat gives no interval and no test; 5 or more do."
    return f"With {count(fewest, 'repeat')} intervals are wide and few differences are decided."


def _wanted(question: Question, comparisons: list[Record]) -> str:
    """What Holm's first step asks of a difference, where few repeats meet many contrasts."""
    n, tests = (min(found, default=0) for found in _sizes(question, comparisons))
    if n < 2 or not tests or question.cross or "split" in question.vary:
        return ""  # other tests, with other degrees of freedom
    needed = threshold(n, tests * max(1, len(question.looks)), question.alpha)
    if needed < LARGE:
        return ""
    return (
        f"With {count(n, 'repeat')} and {count(tests, 'contrast')} {'the first' if tests > 1 else 'a'} "
        f"difference is decided only where its mean exceeds {needed:.2g} standard deviations of the "
        f"repeats' differences; more repeats{' or fewer contrasts' if tests > 1 else ''} see smaller ones."
    )


def _sizes(question: Question, comparisons: list[Record]) -> tuple[list[int], list[int]]:
    """The repeats of the contrasts with a test, and how many contrasts each block has."""
    paired = [row for row in comparisons if "not paired" not in str(row["population"])]
    tested = [row["n"] for row in paired if row["p"] is not None and row["n"] > 1]
    blocks = [sum(row["block"] == block for row in comparisons) for block in question.blocks]
    return tested, [number for number in blocks if number]


def _one_test_set(table: list[Record]) -> str:
    kinds = {row["population"] for row in table if row["n"] > 1}
    reasons = {kind.removesuffix(")").partition(" (")[2] for kind in kinds if "test set" in kind}
    if not reasons:
        return ""
    return (
        f"The tests speak of this test set alone ({listing(sorted(reasons))}): of other runs on the "
        "same examples, not of other data."
    )


def _alone(comparisons: list[Record]) -> str:
    """Contradicting verdicts are no mistake; who quotes that of this test set should know."""
    changed = sum(map(overruled, comparisons))
    if not changed:
        return ""
    total = len(comparisons)
    which = "the verdict" if total == 1 else f"{changed} of {count(total, 'verdict')}"
    return (
        f"On this test set alone {which} would differ: "
        "what these examples decide, other examples of the same kind may not."
    )


def _not_paired(question: Question, comparisons: list[Record]) -> str:
    """Methods that were never run under one seed."""
    alone = sum("not paired" in str(row["population"]) for row in comparisons)
    if not alone:
        return ""
    return (
        f"{alone} of {count(len(comparisons), 'contrast')} {'is' if alone == 1 else 'are'} between methods "
        f"without a common repeat ({plain(question.apart)}): they are compared as independent samples, by "
        "Welch's test."
    )


def _name(row: Record) -> str:
    label = plain(row["method"], 60)
    return f"{label} ({plain(row['block'], 40)})" if row["block"] else label

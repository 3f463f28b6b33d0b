"""What could overturn the answer, as far as the runs themselves tell."""

from __future__ import annotations

from funcdl.report.question import Question
from funcdl.report.record import Record
from funcdl.report.search_warnings import search_warnings
from funcdl.report.wording import count, listing, plain

FEW = 5


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
        _failed(runs),
        _unfinished(question, table),
        *_diverged(table),
        *search_warnings(question, runs, table, comparisons),
        _few(table),
    ]
    return [text for text in found if text]


def _failed(runs: list[Record]) -> str:
    failed = [run for run in runs if run["status"] == "failed"]
    if not failed:
        return ""
    reasons = sorted({plain(run["reason"], 200) for run in failed if run.get("reason")})
    why = f" ({listing(reasons, most=2)})" if reasons else ""
    return f"{count(len(failed), 'run')} failed and left out{why}."


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


def _few(table: list[Record]) -> str:
    fewest = min((row["n"] for row in table if row["n"]), default=FEW)
    if fewest >= FEW:
        return ""
    if fewest == 1:
        return "One repeat gives no interval and no test; 5 or more do."
    return f"With {count(fewest, 'repeat')} intervals are wide and few differences are decided."


def _name(row: Record) -> str:
    label = plain(row["method"], 60)
    return f"{label} ({plain(row['block'], 40)})" if row["block"] else label

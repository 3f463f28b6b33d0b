"""What in the search of hyperparameters could overturn the answer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from funcdl import optimizers
from funcdl.optimizers.inclusion import Inclusion, Span, inclusion
from funcdl.report.matrix import FLIPPED
from funcdl.report.question import Question, Search
from funcdl.report.record import Record
from funcdl.report.searches import edge, space_of
from funcdl.report.trials import Trial, trials
from funcdl.report.wording import count, listing, plain, short
from funcdl.signatures import parameters

SHARE = 0.2  # of a method's trials that may diverge unmentioned

Where = tuple[str, str]  # block and label


def search_warnings(
    question: Question, runs: list[Record], table: list[Record], comparisons: list[Record]
) -> list[str]:
    """Sentences about what was searched too little, a line for each kind of reason.

    Args:
        question: what was asked.
        runs: a record per run.
        table: an answer's table, as records.
        comparisons: an answer's comparisons, as records.
    """
    tried = trials(question, runs)
    return [
        *_unequal(question),
        *_edges(question, table, tried),
        *_diverged(table),
        *_in_name_only(question, tried),
        *_tied(question, tried),
        *_inclusions(question, table, comparisons),
    ]


def _unequal(question: Question) -> Iterator[str]:
    """Methods of one block that had different numbers of trials, or none; alike blocks in one line."""
    alike: dict[str, list[str]] = {}
    for block in question.blocks:
        had: dict[int, list[str]] = {}
        for label in question.labels(block):
            if (block, label) in question.searches:
                trials = question.searches[block, label].trials
                had.setdefault(trials, []).append(plain(label, 60))
        said = [
            f"{count(n, 'trial') if n else 'no search'} for {listing(names)}"
            for n, names in sorted(had.items(), reverse=True)
        ]
        if len(had) > 1:
            alike.setdefault("; ".join(said), []).append(plain(block, 40))
    for text, blocks in alike.items():
        where = "" if len(blocks) == len(question.blocks) else f" in {listing(blocks)}"
        yield (
            f"The methods were not tuned with the same effort{where}: {text}. Who was tuned more has an "
            "advantage."
        )


def _edges(
    question: Question, table: list[Record], tried: Mapping[Where, list[Trial]]
) -> Iterator[str]:
    """Selected values at the end of their space, a sentence per key and end."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in table:
        where = row["block"], row["method"]
        search = question.searches.get(where)
        if search is None or _same_score(tried.get(where, [])):
            continue
        for key, data in search.ranges.items():
            space, value = space_of(data), row.get(key)
            end = edge(space, value) if len(tried.get(where, [])) > 1 else ""
            if end:
                ends = space.edges() or (min(space.values), max(space.values))
                text = f"{_name(where)} ({short(value)} in {short(ends[0])} to {short(ends[1])})"
                found.setdefault((key, end), []).append(text)
    for (key, end), names in found.items():
        way = "upwards" if end == "upper" else "downwards"
        yield (
            f"The best {plain(key, 60)} lies at the {end} edge of its space for {listing(names)}: "
            f"better values may lie beyond; widen the space {way}."
        )


def _diverged(table: list[Record]) -> Iterator[str]:
    """Diverged trials are no fault, but a search that loses many of them is as much smaller."""
    lost = [r for r in table if r["trials"] and r["trials_diverged"] > SHARE * r["trials"]]
    if lost:
        said = [f"{_of(row)} ({row['trials_diverged']} of {row['trials']})" for row in lost]
        yield (
            f"More than {100 * SHARE:g} % of the tuning trials diverged for {listing(said)}: that "
            "search is as much smaller as it lost; a narrower space would search better."
        )
    others = [row for row in table if row["trials_diverged"] and row not in lost]
    if others:
        few = sum(row["trials_diverged"] for row in others)
        trials = count(sum(row["trials"] for row in table), "tuning trial")
        rest = " others" if lost else ""
        yield f"{few}{rest} of {trials} diverged; they count as worst in the search."


def _in_name_only(question: Question, tried: Mapping[Where, list[Trial]]) -> Iterator[str]:
    """Methods that are called tuned, while there was nothing to choose from."""
    single = [_name(where) for where, search in question.searches.items() if search.trials == 1]
    if single:
        yield f"Tuned in name only: {listing(single)} had a single trial, so nothing was chosen."
    found: dict[tuple[str, str], list[str]] = {}
    for where, search in question.searches.items():
        points = tried.get(where, [])
        for key in search.ranges if len(points) > 1 else ():
            seen = {short(one.values.get(key)): one.values.get(key) for one in points}
            if len(seen) == 1:
                ((word, value),) = seen.items()
                default = ", its default" if _is_default(search, key, value) else ""
                found.setdefault((key, word + default), []).append(_name(where))
    for (key, value), names in found.items():
        what = f"{plain(key, 60)} was {value}, in all trials of {listing(names)}"
        yield f"Tuned in name only: {what}."


def _is_default(search: Search, key: str, value: Any) -> bool:
    """Whether an optimizer's argument is what it would have been without a search."""
    name, argument = search.optimizer.get("name"), key.removeprefix("optimizer.")
    if name not in optimizers.names() or argument == key:
        return False
    known = parameters(optimizers.target(str(name))).get(argument)
    return known is not None and not known.required and known.default == value


def _tied(question: Question, tried: Mapping[Where, list[Trial]]) -> Iterator[str]:
    """Searches whose trials cannot be told apart."""
    names = [_name(where) for where, points in tried.items() if _same_score(points)]
    if names:
        yield (
            f"All trials of {listing(names)} have the same {plain(question.selected_by, 60)}: that "
            "metric chose nothing, and the validation loss or the order of the trials decided."
        )


def _same_score(points: Sequence[Trial]) -> bool:
    """Whether a search's trials all have one score; diverged ones have none, and NaN equals nothing."""
    first = points[0].score if points else math.nan
    return len(points) > 1 and all(one.score == first for one in points)


def _inclusions(
    question: Question, table: list[Record], comparisons: list[Record]
) -> Iterator[str]:
    """Optimizers that lost to a special case of themselves."""
    rows = {(row["block"], row["method"]): row for row in table}
    found: dict[tuple[str, ...], list[str]] = {}
    for general, special in _lost(question, table, comparisons):
        one = _inclusion(question, general, special, rows[special])
        if one is None:
            continue
        called = [str(question.searches[where].optimizer["name"]) for where in (general, special)]
        key = (*called, one.how(), "; ".join(one.missing))
        found.setdefault(key, []).append(f"{_name(general)} to {_name(special)}")
    for (general, special, how, missing), pairs in found.items():
        text = f"{listing(pairs)}: {general} contains {special} ({how}), and lost to it"
        if missing:
            yield f"{text}. Its search could not get there ({missing}), so the space may have decided."
        else:
            yield f"{text} though its space reaches there: its search was too small, not its optimizer."


def _lost(
    question: Question, table: list[Record], comparisons: list[Record]
) -> Iterator[tuple[Where, Where]]:
    """Pairs of which the first is worse: by the test, or where none was asked by separate intervals."""
    tested: set[tuple[str, str, str]] = set()
    worse: dict[tuple[Where, Where], None] = {}
    for pair in comparisons:
        block, a, b = pair["block"], pair["a"], pair["b"]
        tested |= {(block, a, b), (block, b, a)}
        if pair["verdict"] in FLIPPED:
            loser, winner = (a, b) if pair["verdict"] == "worse" else (b, a)
            worse[(block, loser), (block, winner)] = None
    yield from worse
    for a in table:
        for b in table:
            asked = (a["block"], a["method"], b["method"]) in tested
            if a["block"] == b["block"] and not asked and _clearly_below(question, a, b):
                yield (a["block"], a["method"]), (b["block"], b["method"])


def _clearly_below(question: Question, a: Record, b: Record) -> bool:
    if None in (a["low"], b["low"]):
        return False
    if question.mode == "max":
        return a["high"] < b["low"]
    return a["low"] > b["high"]


def _inclusion(question: Question, general: Where, special: Where, row: Record) -> Inclusion | None:
    """The second method as a special case of the first, all else being equal."""
    one, other = question.searches.get(general), question.searches.get(special)
    if one is None or other is None or one.rest != other.rest:
        return None
    if not one.optimizer or not other.optimizer or one == other:
        return None
    return inclusion(one.optimizer, _selected(other.optimizer, row), _ranges(one.ranges))


def _selected(optimizer: Mapping[str, Any], row: Record) -> dict[str, Any]:
    """The optimizer with the values that its search selected."""
    keys = {key: f"optimizer.{key}" for key in optimizer}
    tuned = {key: row[name] for key, name in keys.items() if row.get(name) is not None}
    return {**optimizer, **tuned}


def _ranges(ranges: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple]:
    found: dict[str, tuple] = {}
    for key, data in ranges.items():
        if key.startswith("optimizer."):
            space = space_of(data)
            found[key.removeprefix("optimizer.")] = (
                Span(*map(float, space.edges())) if space.edges() else space.values
            )
    return found


def _of(row: Record) -> str:
    return _name((row["block"], row["method"]))


def _name(where: Iterable[str]) -> str:
    block, label = where
    return f"{plain(label, 60)} ({plain(block, 40)})" if block else plain(label, 60)

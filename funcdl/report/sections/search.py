"""How each method was tuned: what was searched and found, and which keys mattered."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from funcdl.report.answer import Answer
from funcdl.report.figures.drawing import Drawing
from funcdl.report.figures.interaction import PANELS, interaction
from funcdl.report.material import Material
from funcdl.report.matrix import ranked
from funcdl.report.protocol import protocol as paragraphs
from funcdl.report.question import Question
from funcdl.report.record import Record, records
from funcdl.report.searches import edge, place, space_of
from funcdl.report.section import Grid, Section
from funcdl.report.trials import Trial, trials
from funcdl.report.wording import count, listing, plain, short
from funcdl.stats.importance import Importance, importance

PAIRS = 3  # of keys that are drawn
FEWEST = 4  # trials that a picture of a plane needs

Tried = Mapping[str, list[Trial]]  # method -> its trials


def protocol(material: Material, answer: Answer) -> Iterator[Section]:
    """What varied and what was held between the runs behind every number."""
    del answer
    yield Section("protocol", "What varied and what was held", "", paragraphs(material.question))


def search(material: Material, answer: Answer) -> Iterator[Section]:
    """What was searched, found, and which keys mattered, block by block."""
    question = material.question
    if not question.trials:
        return
    found, table = trials(question, records(material.runs)), records(answer.table)
    for block in question.blocks:
        rows = [row for row in ranked(table, block) if (block, row["method"]) in found]
        tried = {row["method"]: found[block, row["method"]] for row in rows}
        if tried:
            yield _section(question, block, rows, tried)


def _section(question: Question, block: str, rows: list[Record], tried: Tried) -> Section:
    weights = {label: _importance(question, block, label, tried[label]) for label in tried}
    drawings = list(_drawings(question, block, rows, tried))
    text = [_shown(question, tried), *_weighed(weights), *_drawn(question, drawings, tried)]
    caption = (
        f"The value of each tuned key that had the best {plain(question.selected_by, 60)}, and where in "
        "its space it lies, from 0 (lower end) to 1, on the space's own scale."
    )
    grids = [Grid("search", caption, _selected(question, block, rows))]
    if any(one.shares for one in weights.values()):
        caption = (
            "Share of the variance of the trials' ranks that each key explains by itself, that pairs of "
            "keys explain beyond that, and that nothing explains (training's randomness among it)."
        )
        grids.append(Grid("importance", caption, _weights(question, weights)))
    return Section(
        "search", "What the search found", block, tuple(text), tuple(grids), tuple(drawings)
    )


def _shown(question: Question, tried: Tried) -> str:
    sizes = sorted({len(points) for points in tried.values()})
    each = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    noun = "trial" if sizes[-1] == 1 else "trials"
    keys = listing([plain(key, 60) for key in question.tuned], most=6)
    return (
        f"Searched: {keys}, with {each} {noun} per method, each method in its own space. A value at the "
        "edge of its space suggests that better ones lie outside; a key that explains little could have "
        "been left alone."
    )


def _selected(question: Question, block: str, rows: list[Record]) -> pd.DataFrame:
    found = []
    for row in rows:
        searched = question.searches.get((block, row["method"]))
        words = question.spaces.get((block, row["method"]), {})
        ranges = searched.ranges if searched else dict.fromkeys(words)
        for key, data in ranges.items():
            space, value = (space_of(data) if data else None), row.get(key)
            where = place(space, value) if space else None
            end = edge(space, value) if space else ""
            lost = f"{row['trials_diverged']} of {row['trials']}"
            found.append((row["method"], key, words.get(key, ""), short(value), where, end, lost))
    columns = ["method", "key", "space", "selected", "place in its space", "edge", "diverged"]
    frame = pd.DataFrame(found, columns=columns).astype({"place in its space": "float64"}).round(3)
    empty = [name for name in ("place in its space", "edge") if not _any(frame[name].tolist())]
    return frame.drop(columns=empty)


def _any(values: Sequence[object]) -> bool:
    """Whether a column says anything."""
    return any(value == value and value != "" for value in values)


def _importance(question: Question, block: str, label: str, points: list[Trial]) -> Importance:
    """Of the trials that were trained to the end, for scores of other lengths are no rivals."""
    whole = [one for one in points if one.whole]
    searched = question.searches.get((block, label))
    places: dict[str, list] = {}
    for key in question.tuned:
        values = [one.values.get(key) for one in whole]
        if not values or any(value is None for value in values):
            continue
        space = space_of(searched.ranges[key]) if searched and key in searched.ranges else None
        scaled = [place(space, value) for value in values] if space else [None]
        numeric = all(one is not None for one in scaled)
        places[key] = scaled if numeric else [short(value) for value in values]
    return importance(places, [one.score for one in whole], mode=question.mode)


def _weighed(weights: Mapping[str, Importance]) -> Iterator[str]:
    """Which key matters most, for how many methods; and what cannot be told."""
    first: dict[str, list[str]] = {}
    for label, one in weights.items():
        if one.shares and max(one.shares.values()) > 0:
            first.setdefault(max(one.shares, key=lambda k: one.shares[k]), []).append(label)
    if len({key for one in weights.values() for key in one.shares}) > 1:
        said = [f"{plain(key, 60)} for {listing(_names(who))}" for key, who in first.items()]
        if said:
            yield f"The key that mattered most: {'; '.join(said)}."
    missing: dict[str, list[str]] = {}
    for label, one in weights.items():
        if one.reason:
            missing.setdefault(one.reason, []).append(label)
    for reason, who in missing.items():
        what = "Shares of keys" if not weights[who[0]].shares else "Shares of pairs of keys"
        yield f"{what} are left out for {listing(_names(who))}: {reason}."
    known = [one.n for one in weights.values() if one.shares]
    if known and min(known) < 30:
        yield f"With {count(min(known), 'trial')} such shares are rough: take them for an order of size."


def _names(labels: Sequence[str]) -> list[str]:
    return [plain(label, 60) for label in labels]


def _weights(question: Question, weights: Mapping[str, Importance]) -> pd.DataFrame:
    known = {label: one for label, one in weights.items() if one.shares}
    keys = [key for key in question.tuned if any(key in one.shares for one in known.values())]
    rows = [
        {"method": label, "trials": one.n}
        | {key: one.shares.get(key) for key in keys}
        | {"pairs of keys": one.together, "unexplained": one.unexplained}
        for label, one in known.items()
    ]
    frame = pd.DataFrame(rows, columns=["method", "trials", *keys, "pairs of keys", "unexplained"])
    frame = frame.astype(dict.fromkeys([*keys, "pairs of keys", "unexplained"], "float64")).round(3)
    return frame if frame["pairs of keys"].notna().any() else frame.drop(columns="pairs of keys")


def _planes(question: Question, tried: Tried) -> list[tuple[str, str]]:
    """The pairs of keys that some method searched together."""

    def both(pair: tuple[str, str], points: list[Trial]) -> bool:
        varying = [len({short(one.values.get(key)) for one in points}) > 1 for key in pair]
        return len(points) >= FEWEST and all(varying)

    pairs = itertools.combinations(question.tuned, 2)
    return [pair for pair in pairs if any(both(pair, points) for points in tried.values())]


def _drawings(
    question: Question, block: str, rows: list[Record], tried: Tried
) -> Iterator[Drawing]:
    chosen = {row["method"]: row["trial"] for row in rows}
    for pair in _planes(question, tried)[:PAIRS]:
        drawing = interaction(question, tried, block, pair, chosen)
        if drawing:
            yield drawing


def _drawn(question: Question, drawings: list[Drawing], tried: Tried) -> Iterator[str]:
    """How to read the planes, and what they leave out."""
    if not drawings:
        return
    planes = len(_planes(question, tried))
    text = (
        "The panels show every trial at its values of two keys: a method is easy to tune where full "
        "points fill a wide region, and two keys depend on each other where they lie along a slope."
    )
    if planes > len(drawings):
        text += f" Drawn are {len(drawings)} of {planes} pairs of keys."
    if len(tried) > PANELS:
        text += f" Of {len(tried)} methods the first {PANELS} by rank are drawn."
    yield text

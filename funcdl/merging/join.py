"""One question and one table of runs from those of several studies."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa

from funcdl.merging.doubts import doubts
from funcdl.merging.join_holdings import join_holdings
from funcdl.merging.methods import Merged
from funcdl.merging.source import Source
from funcdl.merging.words import said
from funcdl.report.question import Question

T = TypeVar("T")
Origin = tuple[Source, str]  # of a run: where it is, and its id there


class Joined(NamedTuple):
    """The runs of all studies, each once.

    rows: as a study's; `method` and `repeat` are those of the answer, and `folder` says where a run
        comes from.
    origins: id -> its study, and its id there.
    """

    rows: pa.Table
    origins: Mapping[str, Origin]


def join_rows(sources: Sequence[Source], methods: Iterable[Merged]) -> Joined:
    """The runs of the methods, each once, with repeats of different seeds numbered apart."""
    offsets = _offsets(sources)
    pieces: list[pa.Table] = []
    origins: dict[str, Origin] = {}
    for method in methods:
        taken: set[tuple[Any, ...]] = set()
        for entry in method.entries:
            source, offset = entry.source, offsets[entry.source.name]
            chosen: list[tuple[int, str, int]] = []
            mine = {}
            for label, place in zip(entry.labels, entry.rows, strict=True):
                repeat = label["repeat"] + offset
                key = (label["phase"], label["trial"], repeat, label["steps"])
                if label["phase"] == "measure":  # whatever number the chosen trial has there
                    key = ("measure", repeat)
                if key not in taken:
                    mine[key] = None
                    name = label["id"]
                    if name in origins:  # the same identity, and other bits
                        name = f"{name}@{source.name}"
                    origins[name] = (source, label["id"])
                    chosen.append((place, name, repeat))
            taken |= mine.keys()
            if chosen:
                pieces.append(_piece(source, method, chosen))
    return Joined(pa.concat_tables(pieces, promote_options="default"), origins)


def _piece(source: Source, method: Merged, chosen: Sequence[tuple[int, str, int]]) -> pa.Table:
    places, ids, repeats = zip(*chosen, strict=True)
    rows = source.rows.take(list(places))
    columns = {
        "id": pa.array(ids, pa.string()),
        "method": pa.array([method.label] * len(ids), pa.string()),
        "repeat": pa.array(repeats, pa.int32()),
    }
    for name, values in columns.items():
        rows = rows.set_column(rows.column_names.index(name), name, values)
    return rows.append_column("folder", pa.array([source.name] * len(ids), pa.string()))


def _offsets(sources: Sequence[Source]) -> dict[str, int]:
    """What is added to a study's repeats, so that those of another seed have other numbers."""
    of_seed: dict[Any, int] = {}
    for source in sources:
        most = max(source.rows["repeat"].to_pylist(), default=-1) + 1
        of_seed[source.seed] = max(most, of_seed.get(source.seed, 0))
    starts = dict(zip(of_seed, itertools.accumulate(of_seed.values(), initial=0), strict=False))
    return {source.name: starts[source.seed] for source in sources}


def join_question(
    sources: Sequence[Source],
    methods: Sequence[Merged],
    command: str,
    found: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Question:
    """The question of all studies together.

    Args:
        sources: the studies.
        methods: those of the answer.
        command: how the answer was asked for.
        found: sentences on how runs agree that could overturn the answer.
        notes: further sentences for the reader.
    """
    asked = [source.question for source in sources]
    first = asked[0]
    seeds = {source.name: f"seed {source.seed}" for source in sources}
    margins = {question.margin for question in asked}
    planned = [len(places) for method in methods if (places := _repeats(method))]
    return first._replace(
        name=" and ".join(dict.fromkeys(question.name for question in asked)),
        command=command,
        config_text=_configs(sources),
        methods=tuple((method.block, method.label) for method in methods),
        contrasts=tuple(contrasts(sources, methods)),
        blocks=tuple(dict.fromkeys(block for question in asked for block in question.blocks)),
        alpha=min(question.alpha for question in asked),
        margin=first.margin if len(margins) == 1 else None,
        tuned=tuple(dict.fromkeys(key for question in asked for key in question.tuned)),
        spaces=_by_label(methods, lambda question: question.spaces),
        trials=max(question.trials for question in asked),
        searches=_by_label(methods, lambda question: question.searches),
        sampler=_either(question.sampler for question in asked),
        tune_repeats=max(question.tune_repeats for question in asked),
        stopping=_either(question.stopping for question in asked),
        repeats=min(planned, default=first.repeats),
        looks=tuple(sorted({look for question in asked for look in question.looks})),
        shares=_by_label(methods, lambda question: question.shares),
        answered=tuple(sorted({n for question in asked for n in question.answered})),
        judged=_agreed(question.judged for question in asked),
        targets=_agreed(question.targets for question in asked),
        parameters=_by_label(methods, lambda question: question.parameters),
        environment=_environment(sources),
        tasks={block: task for question in asked for block, task in question.tasks.items()},
        notes=tuple(dict.fromkeys([*notes, *(note for one in asked for note in one.notes)])),
        apart=said(seeds) if len(set(seeds.values())) > 1 else "",
        doubts=(*found, *doubts(sources)),
        heading=_either(question.heading for question in asked),
        setting=_settings(sources),
        holdings=join_holdings(sources),
    )


def contrasts(
    sources: Sequence[Source], methods: Sequence[Merged]
) -> Iterator[tuple[str, str, str]]:
    """The pairs to test: those that each study asked for, and those that no study could ask for.

    The latter are two methods that no folder has both of. Where every study tests against one method
    that all of them have, those contrasts are the question, and none is added.
    """
    label = {
        (entry.source.name, entry.block, entry.label): method.label
        for method in methods
        for entry in method.entries
    }
    asked: dict[tuple[str, frozenset[str]], tuple[str, str, str]] = {}
    for source in sources:
        for block, a, b in source.question.contrasts:
            pair = label[source.name, block, a], label[source.name, block, b]
            asked.setdefault((block, frozenset(pair)), (block, *pair))
    yield from asked.values()
    if _same_reference(sources, methods):
        return
    where: dict[tuple[str, str], set[str]] = {}
    for method in methods:
        homes = {entry.source.name for entry in method.entries}
        where.setdefault((method.block, method.config), set()).update(homes)
    for a, b in itertools.combinations(methods, 2):
        alike = a.block != b.block or a.config == b.config
        if not alike and where[a.block, a.config].isdisjoint(where[b.block, b.config]):
            yield a.block, a.label, b.label


def _same_reference(sources: Sequence[Source], methods: Sequence[Merged]) -> bool:
    references = set()
    for source in sources:
        rule = source.config.get("contrasts")
        against = rule.get("against") if isinstance(rule, dict) else None
        found = {
            (method.block, method.config)
            for method in methods
            for entry in method.entries
            if entry.source is source and entry.label == against
        }
        references.add(frozenset(found))
    return len(references) == 1 and bool(next(iter(references)))


def _repeats(method: Merged) -> set[tuple[Any, int]]:
    """(seed, repeat) of the measured runs, those that failed among them."""
    return {
        (entry.source.seed, label["repeat"])
        for entry in method.entries
        for label in entry.labels
        if label["phase"] == "measure"
    }


def _by_label(methods: Sequence[Merged], of: Any) -> dict[tuple[str, str], Any]:
    """Something that every question knows of its methods, by their names in the answer."""
    found = {}
    for method in methods:
        entry = method.entries[0]
        known = of(entry.source.question)
        if (entry.block, entry.label) in known:
            found[method.block, method.label] = known[entry.block, entry.label]
    return found


def _configs(sources: Sequence[Source]) -> str:
    texts: dict[str, list[str]] = {}
    for source in sources:
        texts.setdefault(source.question.config_text, []).append(source.name)
    if len(texts) == 1:
        return next(iter(texts))
    return "\n".join(f"# {', '.join(names)}\n{text}" for text, names in texts.items())


def _environment(sources: Sequence[Source]) -> dict[str, str]:
    merged: dict[str, dict[str, None]] = {}
    for source in sources:
        for facts in source.environments.values():
            for key, value in facts.items():
                merged.setdefault(key, {})[value] = None
    return {key: " and ".join(values) for key, values in merged.items()}


def _settings(sources: Sequence[Source]) -> dict[str, str]:
    keys = dict.fromkeys(key for source in sources for key in source.question.setting)
    found = {}
    for key in keys:
        values = {s.name: s.question.setting.get(key, "default") for s in sources}
        found[key] = said(values) if len(set(values.values())) > 1 else next(iter(values.values()))
    return found


def _agreed(mappings: Iterable[Mapping[str, T]]) -> dict[str, T]:
    """The items on which no two mappings disagree."""
    every = list(mappings)
    names = dict.fromkeys(name for one in every for name in one)
    values = {name: [one[name] for one in every if name in one] for name in names}
    return {name: found[0] for name, found in values.items() if len(set(found)) == 1}


def _either(values: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(value for value in values if value))

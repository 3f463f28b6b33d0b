"""Whether the numbers of several studies are of one kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from funcdl.config.fields import STREAMS
from funcdl.errors import StoreError
from funcdl.merging.methods import SPLIT, canonical
from funcdl.merging.source import Source
from funcdl.merging.trained import PRECISION, trains
from funcdl.merging.words import said, word
from funcdl.report.wording import listing, plain


def check(sources: Sequence[Source]) -> None:
    """Refuse studies whose numbers must not be compared.

    Raises:
        StoreError: names everything that differs, in which folder, and how to mend it.
    """
    found = [*_differing(sources), *_data(sources), *_seeds(sources)]
    if found:
        lines = "\n".join(f"  {line}" for line in found)
        raise StoreError(
            f"{listing([s.name for s in sources], 8)}: cannot be joined, for their numbers are not of "
            f"one kind:\n{lines}"
        )


FACTS: tuple[tuple[str, Callable[[Source], Any], str], ...] = (
    ("the metric", lambda s: s.question.metric, "select.metric"),
    ("the selecting metric", lambda s: s.question.selected_by, "select.metric"),
    ("which is better", lambda s: s.question.mode, "select.mode"),
    ("the step that is reported", lambda s: _select(s).get("at"), "select.at"),
    ("the mode", lambda s: s.plan.get("mode"), "mode"),
    ("the lanes asked for", lambda s: _lanes(s).get("asked"), "width"),
    ("threads", lambda s: s.config.get("threads"), "threads"),
    ("the mesh", lambda s: s.config.get("mesh"), "mesh"),
    ("what varies between repeats", lambda s: sorted(s.question.vary), "repeat.vary"),
    ("crossed streams", lambda s: dict(s.question.cross), "repeat.cross"),
)


# Where a study has nothing of the kind, such as one of baselines alone, there is nothing to differ.
NUMERICS: tuple[tuple[str, Callable[[Source], list[str]], str], ...] = (
    ("the precision", lambda s: _precisions(s), "train.compute_dtype and train.matmul_precision"),
    ("JAX's 64-bit switch", lambda s: _x64(s), "JAX_ENABLE_X64"),
)


def _differing(sources: Sequence[Source]) -> Iterator[str]:
    facts = [(what, {s.name: value(s) for s in sources}, key) for what, value, key in FACTS]
    for what, value, key in NUMERICS:
        found = {source.name: value(source) for source in sources}
        facts.append((what, {name: values for name, values in found.items() if values}, key))
    for what, found, key in facts:
        values = {name: word(value) for name, value in found.items()}
        if len(set(values.values())) > 1:
            yield f"{what}: {said(values)}; run them with the same {key}"
    widths: dict[str, dict[str, str]] = {}
    for source in sources:
        for program, width in _lanes(source).get("widths", {}).items():
            widths.setdefault(program, {})[source.name] = str(width)
    for program, values in widths.items():
        if len(set(values.values())) > 1:
            fix = f"run both with width={min(map(int, values.values()))}"
            yield f"lanes of program {program[:8]}: {said(values)}; {fix}"


def _data(sources: Sequence[Source]) -> Iterator[str]:
    """Task and data of each block that several studies have."""
    blocks = dict.fromkeys(block for source in sources for block in source.question.blocks)
    for block in blocks:
        where = f" of {plain(block, 60)}" if block else ""
        having = [source for source in sources if block in source.question.blocks]
        tasks, texts = (
            {s.name: _section(s, block, key) for s in having} for key in ("task", "data")
        )
        if len(set(tasks.values())) > 1:
            yield f"the task{where}: {said(tasks)}; run them with the same task"
        if _split_varies(having):
            digests = {s.name: _digests(s, block) for s in having}
            known: dict[Any, set[str]] = {}
            for values in digests.values():
                for key, digest in values.items():
                    known.setdefault(key, set()).add(digest)
            if len(set(texts.values())) > 1 or any(len(digest) > 1 for digest in known.values()):
                yield f"the data{where}: {said(texts)}; run them on the same files and splits"
            continue
        found = {s.name: sorted(set(_digests(s, block).values())) for s in having}
        words = {name: listing([digest[:12] for digest in all_]) for name, all_ in found.items()}
        if len(set(words.values())) > 1:
            yield (
                f"the data{where} (digests): {said(words)}; run them on the same files with the same "
                "data.split, so that all are tested on the same examples"
            )


def _digests(source: Source, block: str) -> dict[Any, str]:
    """(seed, phase, repeat) -> digest of the data."""
    names = ["block", "phase", "repeat", "data_digest"]
    rows = zip(*(source.rows[name].to_pylist() for name in names), strict=True)
    return {
        (source.seed, phase, repeat): digest
        for of, phase, repeat, digest in rows
        if of == block and digest
    }


def _seeds(sources: Sequence[Source]) -> Iterator[str]:
    """What cannot be joined under different seeds."""
    seeds = {source.name: word(source.seed) for source in sources}
    if len(set(seeds.values())) < 2:
        return
    fix = "run them with the same seed, so that repeats are paired"
    first = sources[0].question
    if first.cross:
        yield f"the seed: {said(seeds)}; crossed repeats of several seeds are no full table; {fix}"
    held = [name for name in STREAMS if name not in first.vary]
    if held and not first.cross:
        yield (
            f"the seed: {said(seeds)}; the streams that are held ({listing(held)}) are held at other "
            f"values under another seed; {fix}"
        )
    if any(source.question.looks for source in sources):
        yield f"the seed: {said(seeds)}; repeats were added until the answer was decided; {fix}"


def _precisions(source: Source) -> list[str]:
    """The precisions that a study's methods were trained in, as words."""
    found = {
        "/".join(word(train[key]) for key in PRECISION if train.get(key) is not None)
        for train in trains(source)
    }
    return sorted(found)


def _section(source: Source, block: str, key: str) -> str:
    """A part of the recipes of a block, in words."""
    rows = zip(source.rows["block"].to_pylist(), source.rows["recipe"].to_pylist(), strict=True)
    recipes = {canonical(source, recipe) for of, recipe in set(rows) if of == block}
    return " or ".join(sorted({word(json.loads(recipe).get(key)) for recipe in recipes}))


def _split_varies(sources: Sequence[Source]) -> bool:
    return any(SPLIT in (*s.question.vary, *s.question.cross) for s in sources)


def _select(source: Source) -> Mapping[str, Any]:
    found = source.config.get("select")
    return found if isinstance(found, dict) else {}


def _lanes(source: Source) -> Mapping[str, Any]:
    return source.plan.get("lanes") or {}


def _x64(source: Source) -> list[str]:
    return sorted({facts.get("x64", "false") for facts in source.environments.values()})

"""What differs between joined studies, allows an answer, and could overturn it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from funcdl.merging.source import Source
from funcdl.merging.trained import PRECISION, trains
from funcdl.merging.words import said, word
from funcdl.report.wording import listing, plain


def doubts(sources: Sequence[Source]) -> list[str]:
    """A sentence for each such difference."""
    found = [
        *_surroundings(sources),
        *_training(sources),
        *_budgets(sources),
        *_spaces(sources),
        *_margins(sources),
    ]
    return [f"{text[0].upper()}{text[1:]}." for text in found]


def _surroundings(sources: Sequence[Source]) -> Iterator[str]:
    codes = {source.name: str(source.plan.get("code", ""))[:12] for source in sources}
    if len(set(codes.values())) > 1:
        yield f"the runs were made by different code of funcdl ({said(codes)})"
    keys = dict.fromkeys(
        key
        for s in sources
        for facts in s.environments.values()
        for key in facts
        if key != "funcdl"
    )
    apart = {key: {s.name: _facts(s, key) for s in sources} for key in keys}
    differing = [
        f"{key} {said(values)}" for key, values in apart.items() if len(set(values.values())) > 1
    ]
    if differing:
        yield (
            "the studies were run in different surroundings, and a difference between methods of "
            f"different folders may be theirs: {'; '.join(differing[:6])}"
            + (f"; and {len(differing) - 6} more" if len(differing) > 6 else "")
        )


def _facts(source: Source, key: str) -> str:
    known = {facts.get(key) or "none" for facts in source.environments.values()}
    return " and ".join(sorted(known)) or "unknown"


def _training(sources: Sequence[Source]) -> Iterator[str]:
    """Keys of `train` whose values differ between the studies as a whole."""
    found = {source.name: trains(source) for source in sources}
    keys = dict.fromkeys(key for all_ in found.values() for train in all_ for key in train)
    for key in keys:
        if key in PRECISION or any(f"train.{key}" in source.question.tuned for source in sources):
            continue
        values = {
            name: " or ".join(sorted({word(train.get(key)) for train in all_}))
            for name, all_ in found.items()
            if all_
        }
        if len(set(values.values())) > 1:
            yield f"methods were trained differently: train.{key} is {said(values)}"


def _budgets(sources: Sequence[Source]) -> Iterator[str]:
    trials: dict[int, list[str]] = {}
    for source in sources:
        for search in source.question.searches.values():
            if search.optimizer and source.name not in trials.setdefault(search.trials, []):
                trials[search.trials].append(source.name)
    if len(trials) > 1:
        words = [f"{n or 'no'} trials in {listing(names)}" for n, names in sorted(trials.items())]
        yield f"methods were tuned with unequal budgets: {listing(words)}"
    tuned = [source for source in sources if source.question.trials]
    for what, value in (
        ("runs per trial", lambda s: s.question.tune_repeats),
        ("how trials were chosen", lambda s: s.question.sampler),
        ("how trials were stopped early", lambda s: s.question.stopping or "not"),
    ):
        values = {source.name: word(value(source)) for source in tuned}
        if len(set(values.values())) > 1:
            yield f"methods were tuned differently: {what}: {said(values)}"


def _spaces(sources: Sequence[Source]) -> Iterator[str]:
    """The same key of the same optimizer, searched in different ranges."""
    ranges: dict[tuple[str, str, str], dict[str, set[str]]] = {}
    for source in sources:
        for (block, label), search in source.question.searches.items():
            name = search.optimizer.get("name")
            words = source.question.spaces.get((block, label), {})
            if not isinstance(name, str):
                continue
            for key in search.ranges:
                by_source = ranges.setdefault((block, name, key), {})
                by_source.setdefault(source.name, set()).add(words.get(key, ""))
    for (_, name, key), found in ranges.items():
        values = {source: " or ".join(sorted(spaces)) for source, spaces in found.items()}
        if len(set(values.values())) > 1:
            yield f"the spaces of {plain(key)} differ for {plain(name)}: {said(values)}"


def _margins(sources: Sequence[Source]) -> Iterator[str]:
    values = {source.name: word(source.question.margin) for source in sources}
    if len(set(values.values())) > 1:
        yield f"the studies have different margins ({said(values)}), so none is used"

"""Where runs come from and how they agree, as tables for a reader, and in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from funcdl.merging.agreement import (
    IRREPRODUCIBLE,
    KEPT_APART,
    SAME,
    SEEDS,
    Agreement,
    Distributions,
)
from funcdl.merging.source import Source
from funcdl.merging.words import said
from funcdl.report.wording import count, listing, number, p_value, plain

Judged = Sequence[tuple[Agreement, Distributions | None]]
SHOWN = 8  # sentences of one kind; the table has the rest


def folders(sources: Sequence[Source]) -> pd.DataFrame:
    """A row per study."""
    return pd.DataFrame(
        [
            {
                "folder": source.name,
                "study": plain(source.question.name, 60),
                "seed": plain(source.seed),
                "methods": len(source.question.methods),
                "runs": source.rows.num_rows,
                "machine": _either(source, "processor" if _on_cpu(source) else "device"),
                "funcdl": _either(source, "funcdl"),
                "jax": _either(source, "jax"),
            }
            for source in sources
        ]
    )


def agreement_table(judged: Judged) -> pd.DataFrame:
    """A row per config that two folders hold."""
    return pd.DataFrame([_row(one, found) for one, found in judged])


def _row(one: Agreement, found: Distributions | None) -> dict[str, str]:
    def pair(values: tuple[float | None, float | None] | None) -> str:
        return "–" if values is None else " / ".join(number(value) for value in values)

    sizes = "–" if found is None else f"{found.n[0]} / {found.n[1]}"
    return {
        "method": plain(
            f"{one.one.block}: {one.one.label}" if one.one.block else one.one.label, 60
        ),
        "folders": f"{one.one.source.name} / {one.two.source.name}",
        "runs": one.kind,
        "equal": f"{one.equal} of {one.common}" if one.common else "–",
        "n": sizes,
        "mean": pair(found and found.mean),
        "sd": pair(found and found.sd),
        "p (means)": p_value(found and found.p_mean),
        "p (distributions)": p_value(found and found.p_any),
        "p (Holm)": p_value(found and found.p_holm),
        "the distributions": _verdict(found),
    }


def _verdict(found: Distributions | None) -> str:
    if found is None:
        return "are the same runs"
    if found.p_holm is None:
        return f"not tested: {found.reason}"
    return "differ" if found.differ else "not told apart"


def sentences(judged: Judged) -> Iterator[str]:
    """What could overturn the answer, worst first."""
    broken = [one for one, _ in judged if one.kind == IRREPRODUCIBLE]
    yield from _limited(
        broken,
        lambda one: (
            f"not reproducible: {_name(one)} has other bits in {_where(one)}, under the same config, "
            f"seed, code and environment: {one.common - one.equal} of "
            f"{count(one.common, 'common repeat')} ({one.example})"
        ),
    )
    apart = [(one, found) for one, found in judged if found is not None and found.differ]
    yield from _limited(
        apart,
        lambda pair: (
            f"the same config gives different distributions: {_name(pair[0])} in {_where(pair[0])}: mean "
            f"{' and '.join(map(number, pair[1].mean))} over {pair[1].n[0]} and "
            f"{count(pair[1].n[1], 'repeat')}, p {p_value(pair[1].p_holm)} (Holm); {_changes(pair[0])}"
        ),
    )
    others = [one for one, _ in judged if one.kind not in (SAME, SEEDS, KEPT_APART, IRREPRODUCIBLE)]
    if others:
        names = list(dict.fromkeys(map(_name, others)))
        wheres = list(dict.fromkeys(map(_where, others)))
        yield (
            f"the same config and seed gave other bits for {listing(names)} in {listing(wheres)}, so that "
            f"each folder's runs stand for themselves; {_changes(others[0])}"
        )
    pooled = [one for one, _ in judged if one.kind == SEEDS and one.changed]
    if pooled:
        names = list(dict.fromkeys(map(_name, pooled)))
        yield (
            f"repeats of {listing(names)} from {listing(list(dict.fromkeys(map(_where, pooled))))} are "
            f"pooled, though made in different surroundings ({_changes(pooled[0])})"
        )


def _limited(items: Sequence, say) -> Iterator[str]:
    yield from (say(item) for item in items[:SHOWN])
    if len(items) > SHOWN:
        yield f"{len(items) - SHOWN} more of this kind are in the table of double runs"


def notes(judged: Judged) -> Iterator[str]:
    """What was confirmed bit by bit, and which repeats were pooled."""
    same = [one for one, _ in judged if one.kind == SAME and one.equal]
    if same:
        equal = sum(one.equal for one in same)
        names = listing(list(dict.fromkeys(map(_name, same))))
        yield (
            f"Confirmed: {count(equal, 'measured run')} of {names} came out the same in two folders, bit "
            "by bit, and count once."
        )
    pooled = [one for one, _ in judged if one.kind == SEEDS]
    if pooled:
        names = listing(list(dict.fromkeys(map(_name, pooled))))
        seeds = {
            e.source.name: f"seed {e.source.seed}" for one in pooled for e in (one.one, one.two)
        }
        yield f"Pooled: the repeats of {names} are those of {said(seeds)}."


def _name(one: Agreement) -> str:
    block = f" ({plain(one.one.block, 40)})" if one.one.block else ""
    return plain(one.one.label, 60) + block


def _where(one: Agreement) -> str:
    return f"{plain(one.one.source.name, 60)} and {plain(one.two.source.name, 60)}"


def _changes(one: Agreement) -> str:
    if not one.changed:
        return "nothing on record differs between the environments"
    pairs = [f"{key} {plain(a, 60)} and {plain(b, 60)}" for key, (a, b) in one.changed.items()]
    return f"what differs: {listing(pairs)}"


def _on_cpu(source: Source) -> bool:
    return all(facts.get("backend") == "cpu" for facts in source.environments.values())


def _either(source: Source, key: str) -> str:
    found = {facts.get(key, "unknown") for facts in source.environments.values()}
    return plain(" and ".join(sorted(found)) or "unknown", 80)

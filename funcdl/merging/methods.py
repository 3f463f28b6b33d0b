"""Which methods of several studies are the same, and what they are called in one answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from funcdl.config.identity import identity
from funcdl.merging.agreement import POOLED, Agreement, agreement
from funcdl.merging.entry import Entry
from funcdl.merging.source import Source

SPLIT = "split"


class Merged(NamedTuple):
    """A method of the answer.

    label: its name there.
    config: digest of what it is.
    entries: where it was run. Several that hold the same runs, or repeats under other seeds.
    """

    label: str
    config: str
    entries: tuple[Entry, ...]

    @property
    def block(self) -> str:
        """The block it belongs to."""
        return self.entries[0].block


def entries_of(source: Source) -> list[Entry]:
    """The methods of a study with their rows, in its order."""
    rows = source.rows.select(["block", "method", "phase", "recipe"]).to_pylist()
    found: dict[tuple[str, str], list[int]] = {name: [] for name in source.question.methods}
    for index, row in enumerate(rows):
        found.setdefault((row["block"], row["method"]), []).append(index)
    return [
        Entry(source, block, label, _config(source, [rows[i] for i in places]), tuple(places))
        for (block, label), places in found.items()
    ]


def _config(source: Source, rows: Sequence[dict[str, Any]]) -> str:
    """What a method is: the recipe that was measured; of one that never was, those that were tried."""
    recipes = {row["recipe"] for row in rows if row["phase"] == "measure"}
    recipes = recipes or {row["recipe"] for row in rows}
    return identity(sorted({canonical(source, recipe) for recipe in recipes}))


def canonical(source: Source, recipe: str) -> str:
    """A recipe without the seed of a split that every repeat has its own of."""
    if SPLIT not in (*source.question.vary, *source.question.cross):
        return recipe
    found = json.loads(recipe)
    split = (found.get("data") or {}).get("split")
    if isinstance(split, dict):
        split.pop("seed", None)
    return json.dumps(found, sort_keys=True)


def merge(sources: Sequence[Source]) -> tuple[list[Merged], list[Agreement]]:
    """The methods of all studies, and how runs agree that several of them hold.

    The same config is one method where its runs are the same bit by bit (they count once), or are
    repeats under other seeds that can be pooled. Else it is told apart by the folder's name, as are
    different configs of one label.
    """
    groups: dict[tuple[str, str, str], list[Entry]] = {}
    for source in sources:
        mine = entries_of(source)
        for entry in mine:
            twins = sum(e.block == entry.block and e.config == entry.config for e in mine)
            key = entry.label if twins > 1 else ""  # two names for one config within a study
            groups.setdefault((entry.block, entry.config, key), []).append(entry)
    clusters: list[list[Entry]] = []
    found: list[Agreement] = []
    for group in groups.values():
        mine, agreements = _clusters(group)
        clusters += mine
        found += agreements
    return _labelled(clusters), found


def _clusters(group: Sequence[Entry]) -> tuple[list[list[Entry]], list[Agreement]]:
    clusters: list[list[Entry]] = []
    found: list[Agreement] = []
    for entry in group:
        home = None
        for cluster in clusters:
            mine = [agreement(other, entry) for other in cluster]
            found += mine
            if home is None and all(one.kind in POOLED for one in mine):
                home = cluster
        if home is None:
            clusters.append([entry])
        else:
            home.append(entry)
    return clusters, found


def _labelled(clusters: Iterable[list[Entry]]) -> list[Merged]:
    clusters = list(clusters)
    taken: dict[tuple[str, str], int] = {}
    for cluster in clusters:
        name = cluster[0].block, cluster[0].label
        taken[name] = taken.get(name, 0) + 1
    found = []
    for cluster in clusters:
        first = cluster[0]
        label = first.label
        if taken[first.block, label] > 1:
            label += "@" + "+".join(entry.source.name for entry in cluster)
        found.append(Merged(label, first.config, tuple(cluster)))
    return found

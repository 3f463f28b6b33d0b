"""The data sets of several studies, each once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from funcdl.merging.source import Source
from funcdl.report.question import Holding


class Held(NamedTuple):
    """A data set, and where it was met.

    holding: as the first study that has it knows it.
    blocks: labels of all blocks that use it.
    splits: seed of a study -> the most splits that a study of that seed measured on.
    """

    holding: Holding
    blocks: dict[str, None]
    splits: dict[str, int]


def join_holdings(sources: Sequence[Source]) -> tuple[Holding, ...]:
    """Each data set of all studies once, with all blocks that use it.

    Where every repeat has a split of its own, what is counted is that of a study's first; of data that
    differ in those counts alone the first study's are kept. Repeats of one seed share their splits,
    those of another seed are further ones.
    """
    found: dict[Hashable, Held] = {}
    for source in sources:
        for one in source.question.holdings:
            held = found.setdefault(_same(one), Held(one, {}, {}))
            held.blocks.update(dict.fromkeys(one.blocks))
            seed = str(source.seed)
            held.splits[seed] = max(one.splits, held.splits.get(seed, 0))
    return tuple(
        one.holding._replace(blocks=tuple(one.blocks), splits=_splits(one))
        for one in found.values()
    )


def _splits(one: Held) -> int:
    """One split that all studies share is one, however many seeds there are."""
    return sum(one.splits.values()) if one.holding.splits > 1 else 1


def _same(one: Holding) -> Hashable:
    """What tells a data set from others, whatever blocks use it."""
    if one.splits > 1:  # the counts are those of a split, and other seeds have others
        return one.name, one.rule, str(list(one.sizes)), one.unlabelled, one.rolling
    return repr([*one._replace(blocks=(), splits=1)])

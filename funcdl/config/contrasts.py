"""Which pairs of methods are tested against each other."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Protocol

from funcdl.config.fields import Contrasts
from funcdl.config.names import unknown
from funcdl.config.node import Node
from funcdl.errors import Problem


class Row(Protocol):
    """What a contrast looks at of a method."""

    @property
    def block(self) -> str: ...  # noqa: D102
    @property
    def label(self) -> str: ...  # noqa: D102
    @property
    def axes(self) -> Mapping[str, str]: ...  # noqa: D102


def pairs(
    methods: Sequence[Row], rule: Contrasts | None, node: Node | None, problems: list[Problem]
) -> tuple[tuple[str, str, str], ...]:
    """(block, a, b) of every pair to test; `a` comes first in the config.

    Args:
        methods: all methods of all blocks, in order.
        rule: None for all pairs within a block.
        node: where the rule is written.
        problems: receives an axis or a label that is not there.
    """
    place = node or Node(None)
    if rule is not None and rule.against is not None:
        labels = list(dict.fromkeys(method.label for method in methods))
        if rule.against not in labels:
            where = place.child("against") or place
            problems.append(where.problem(unknown("method", rule.against, labels)))
        return tuple((m.block, m.label, rule.against) for m in methods if m.label != rule.against)
    if rule is not None and rule.within is not None:
        axes = list(dict.fromkeys(axis for method in methods for axis in method.axes))
        if rule.within not in axes:
            where = place.child("within") or place
            problems.append(where.problem(unknown("axis", rule.within, axes)))
    blocks = dict.fromkeys(method.block for method in methods)
    return tuple(
        (block, a.label, b.label)
        for block in blocks
        for a, b in itertools.combinations([m for m in methods if m.block == block], 2)
        if rule is None or _differ_only_in(rule.within, a.axes, b.axes)
    )


def _differ_only_in(axis: str | None, a: Mapping[str, str], b: Mapping[str, str]) -> bool:
    differing = {name for name in {*a, *b} if a.get(name) != b.get(name)}
    return differing == {axis} and bool(a) and bool(b)

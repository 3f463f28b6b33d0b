"""Repeats that are added look by look, until the answer is decided."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from funcdl.plan.contest import Contest
from funcdl.store.ledger import Label

Decided = Callable[[str, Sequence[Label]], bool]


class Growth(NamedTuple):
    """How a study grows by itself.

    A block is looked at when all its methods have the repeats of a look, never before; what is decided
    there follows from these runs alone. So a study that was killed and goes on takes the same looks,
    although it may hold runs of a later one.

    looks: the numbers of repeats at which there is a look, rising.
    decided: `decided(block, labels)`: whether these runs, all finished, decide the block's contrasts.
    """

    looks: tuple[int, ...]
    decided: Decided

    def after(self, block: str, repeats: int, labels: Sequence[Label]) -> int:
        """How many repeats a block shall have that has so many; as many as that where it is over.

        Args:
            block: its label.
            repeats: how many all its methods have.
            labels: their runs.
        """
        more = next((look for look in self.looks if look > repeats), None)
        return repeats if more is None or self.decided(block, labels) else more


class Blocks:
    """Contests by block, and which blocks have all the runs that are asked of them so far."""

    def __init__(self, contests: Sequence[Contest]):
        self.places: dict[str, list[int]] = {}
        for position, contest in enumerate(contests):
            self.places.setdefault(contest.block, []).append(position)
        self._complete: dict[str, set[int]] = {block: set() for block in self.places}

    def complete(self, block: str, position: int) -> bool:
        """Notes that a contest is complete; returns whether its whole block is."""
        self._complete[block].add(position)
        return len(self._complete[block]) == len(self.places[block])

    def reopen(self, block: str) -> None:
        """Notes that all of a block's contests have runs to do again."""
        self._complete[block].clear()

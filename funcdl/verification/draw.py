"""Which runs are done again, where not all are."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from typing import NamedTuple


class Lot(NamedTuple):
    """What a draw knows of a run: its id, the program and the method it belongs to."""

    id: str
    program: str
    method: Hashable


def draw(lots: Sequence[Lot], number: int, seed: int) -> list[int]:
    """The positions of `number` runs, rising: by lot, but first a run of each program, then of each
    method that has none.

    The order of the lots does not matter, and a seed gives the same runs with every version of
    Python.

    >>> draw([Lot("a", "p", "x"), Lot("b", "p", "x"), Lot("c", "q", "y")], 2, seed=0)[-1]
    2
    """
    shuffled = sorted(range(len(lots)), key=lambda i: _ticket(lots[i].id, seed))
    programs: set[str] = set()
    rest: list[int] = []
    first: list[int] = []
    for i in shuffled:
        (rest if lots[i].program in programs else first).append(i)
        programs.add(lots[i].program)
    methods = {lots[i].method for i in first}
    others: list[int] = []
    for i in rest:
        (others if lots[i].method in methods else first).append(i)
        methods.add(lots[i].method)
    return sorted([*first, *others][:number])


def _ticket(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed} {name}".encode()).digest()

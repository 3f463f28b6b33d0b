"""Which runs share a compiled program."""

from __future__ import annotations

from funcdl.config.identity import identity
from funcdl.plan.datasets import Facts, facts_of
from funcdl.plan.mode import Mode
from funcdl.train.assemble import Static
from funcdl.types import Dataset


def program_id(static: Static, data: Dataset | Facts) -> str:
    """A short name of the program that a static recipe makes on data of these shapes (hex).

    Runs with the same id differ only in numbers that are traced, so they share one compilation.
    """
    known = facts_of(data) if isinstance(data, Dataset) else data
    parts = {
        "static": static._asdict(),
        "data": known.shapes,
        "classes": len(known.classes),
        "ids": dict(known.ids),
    }
    return identity(parts)[:16]


def program_in_mode(program: str, mode: Mode) -> str:
    """The name of a program when it runs in this mode; "each" on one thread is the plain name."""
    facts = mode.numbers()
    return program if facts == {"mode": "each"} else identity({"program": program, **facts})[:16]

"""Which runs share a compiled program."""

from __future__ import annotations

from funcdl.config.identity import identity
from funcdl.data.tree import leaves
from funcdl.plan.mode import Mode
from funcdl.train.assemble import Static
from funcdl.types import Dataset


def program_id(static: Static, dataset: Dataset) -> str:
    """A short name of the program that a static recipe makes on data of these shapes (hex).

    Runs with the same id differ only in numbers that are traced, so they share one compilation.
    """
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    shapes = [[path, list(x.shape), str(x.dtype)] for path, x in leaves(splits)]
    return identity({"static": static._asdict(), "data": shapes, "classes": len(dataset.classes)})[
        :16
    ]


def program_in_mode(program: str, mode: Mode) -> str:
    """The name of a program when it runs in this mode; "each" on one thread is the plain name."""
    facts = mode.numbers()
    return program if facts == {"mode": "each"} else identity({"program": program, **facts})[:16]

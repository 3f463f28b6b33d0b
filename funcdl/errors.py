"""What can go wrong, as values a person can act on.

Each message says what was given, what is allowed, and how to fix it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class FuncdlError(Exception):
    """The root of all errors funcdl raises on purpose; the command line prints it in plain text."""


class Problem(NamedTuple):
    """One thing wrong with a study.

    where: `file:line`, or the empty string for a study made in Python.
    key: the dotted key, such as `optimizer.learning_rate`; empty for the file as a whole.
    message: what is wrong; did you mean ...; allowed ...
    """

    where: str
    key: str
    message: str

    def __str__(self) -> str:
        """One line: `file:line: key: message`, without the parts that are empty.

        Characters that are no text, such as a line break in a key, are shown as Python writes them.
        """
        line = ": ".join(part for part in self if part)
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)


class StudyError(FuncdlError):
    """A study that cannot be run as written; `problems` holds everything found, in file order."""

    def __init__(self, problems: Iterable[Problem]):
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class DataError(FuncdlError):
    """Data that do not fit: labels out of range, values that are not finite, an empty split."""


class StoreError(FuncdlError):
    """A study folder that cannot be used: not a folder, read-only, full, held by another process."""


class DamageError(StoreError):
    """A file of a study that is not as it was written."""


class DamageWarning(UserWarning):
    """A study could be read, but a file of it is not as it was written."""

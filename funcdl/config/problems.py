"""All that is wrong with a study, as a person wants to read it: once each, in order, no echoes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from funcdl.config.text import SECOND_DOCUMENT
from funcdl.errors import Problem

REQUIRED = "required"  # how a message begins that reports something missing
NULL = "null given"  # and one that reports what could not be read, and was taken for nothing
_SUGGESTED = re.compile(r"did you mean ([^;]*);")
_HOLDERS = ("base", "train", "across", "compare", "tune")  # keys under which anything may be set


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """By file in the order of first mention, then by line."""
    unique = list(dict.fromkeys(problems))
    found = [problem for problem in unique if not _is_echo(problem, unique)]
    files = list(dict.fromkeys(_file_and_line(problem)[0] for problem in found))

    def rank(problem: Problem) -> tuple[int, int]:
        file, line = _file_and_line(problem)
        return files.index(file), line

    return sorted(found, key=rank)


def _file_and_line(problem: Problem) -> tuple[str, int]:
    file, _, line = problem.where.rpartition(":")
    return (file, int(line)) if line.isdigit() else (problem.where, 0)


def _is_echo(problem: Problem, problems: list[Problem]) -> bool:
    """Whether another problem is why there is this one.

    `learning_rate: required` says nothing beside `learning_ratx: did you mean learning_rate`, or
    beside a space for it that cannot be read; nor does `null given` where an alias was written.
    """
    if problem.message.startswith(REQUIRED):
        return any(_hides(other, problem.key) for other in problems)
    if problem.message.startswith(NULL):
        place = problem.where, problem.key
        return any((other.where, other.key) == place for other in problems if other != problem)
    return False


def _hides(problem: Problem, key: str) -> bool:
    if problem.message.startswith(REQUIRED):
        return False
    if problem.message.startswith(SECOND_DOCUMENT) or problem.key == key:
        return True
    parts = key.split(".")
    holders = {*_HOLDERS, *(f"{holder}.{part}" for holder in _HOLDERS for part in parts)}
    if problem.key in holders or problem.key.startswith(f"tune.{key}"):
        return True
    suggested = _SUGGESTED.search(problem.message)
    meant = set(suggested[1].split(" or ")) if suggested else set()
    return not meant.isdisjoint({*_HOLDERS, *parts, key})

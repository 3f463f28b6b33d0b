"""All that is wrong with a study, as a person wants to read it: once each, in order, no echoes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from funcdl.errors import Problem

REQUIRED = "required"  # how a message begins that reports something missing
_SUGGESTED = re.compile(r"did you mean ([^;]*);")
_HOLDERS = ("base", "train", "across", "compare", "tune")  # keys under which anything may be set


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """By file in the order of first mention, then by line."""
    unique = list(dict.fromkeys(problems))
    found = [p for p in unique if not (p.message.startswith(REQUIRED) and _explained(p, unique))]
    files = list(dict.fromkeys(_file_and_line(problem)[0] for problem in found))

    def rank(problem: Problem) -> tuple[int, int]:
        file, line = _file_and_line(problem)
        return files.index(file), line

    return sorted(found, key=rank)


def _file_and_line(problem: Problem) -> tuple[str, int]:
    file, _, line = problem.where.rpartition(":")
    return (file, int(line)) if line.isdigit() else (problem.where, 0)


def _explained(missing: Problem, problems: list[Problem]) -> bool:
    """Whether something is only missing because another problem hides it.

    `learning_rate: required` says nothing beside `learning_ratx: did you mean learning_rate`, or
    beside a space for it that cannot be read.
    """
    return any(_hides(problem, missing.key) for problem in problems)


def _hides(problem: Problem, key: str) -> bool:
    if problem.message.startswith(REQUIRED):
        return False
    parts = key.split(".")
    holders = {*_HOLDERS, *(f"{holder}.{part}" for holder in _HOLDERS for part in parts)}
    if problem.key in holders or problem.key.startswith(f"tune.{key}"):
        return True
    suggested = _SUGGESTED.search(problem.message)
    meant = set(suggested[1].split(" or ")) if suggested else set()
    return not meant.isdisjoint({*_HOLDERS, *parts, key})

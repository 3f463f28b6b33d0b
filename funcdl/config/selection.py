"""By which metric trials are chosen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from funcdl.config.fields import Select
from funcdl.config.metrics import known_metrics, why_not
from funcdl.config.names import unknown
from funcdl.config.node import Node, find
from funcdl.config.recipe import Recipe
from funcdl.errors import Problem

PREFIX = "validation/"


class Selection(NamedTuple):
    """What selects: `validation/...`, "min" or "max", "final" or "best"."""

    metric: str
    mode: str
    at: str


def selection(
    tree: Node, select: Select, recipes: Iterable[Recipe], problems: list[Problem]
) -> Selection | None:
    """The metric, and whether more of it is better, for all tasks of a study.

    Left out, it is the task's accuracy or else its loss. Only validation data may select: a metric
    of the test split here would make every reported number too good.
    """
    place = (tree.child("select") or tree).child("metric") or tree.child("select") or tree
    sections = [recipe.get("task", {}) for recipe in recipes]
    known = [metrics for metrics in map(known_metrics, sections) if metrics]
    if not known:
        return (
            None if not select.metric else Selection(select.metric, select.mode or "min", select.at)
        )
    shared = {name: mode for name, mode in known[0].items() if all(name in m for m in known)}
    metric = select.metric or PREFIX + _preferred(shared)
    split, _, name = metric.partition("/")
    if f"{split}/" != PREFIX or name not in shared:
        allowed = [PREFIX + name for name in shared]
        note = "; trials are never chosen on test data" if split == "test" else ""
        note = note or next(filter(None, (why_not(task, name) for task in sections)), "")
        problems.append(place.problem(unknown("metric", metric, allowed) + note, "select"))
        return None
    mode = select.mode or shared[name]
    if mode is None:
        text = f"whether more {metric} is better is not known; add `mode: min` or `mode: max`"
        problems.append(place.problem(text, "select"))
        return None
    return Selection(metric, mode, select.at)


def check_target(
    tree: Node, select: Select, blocks: Iterable[str], problems: list[Problem]
) -> None:
    """Targets by block name blocks that there are."""
    if not isinstance(select.target, dict):
        return
    known = [label for label in blocks if label]
    targets = find(tree, ("select", "target"))
    for label in select.target:
        if label not in known:
            text = unknown("block", label, known) if known else "the study has no `across`"
            place = targets.child(label) or targets
            problems.append(place.problem(f"{text}; a target is one number, or one per block"))


def _preferred(shared: dict[str, Any]) -> str:
    return next((name for name, mode in shared.items() if mode == "max"), "loss")

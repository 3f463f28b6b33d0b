"""Metrics of whole splits that a study asks for, by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from funcdl import tasks
from funcdl.config.names import unknown
from funcdl.config.node import Node, is_mapping
from funcdl.errors import Problem
from funcdl.tasks.summaries import SUMMARIES, argument_of, directions, named


def metric_problems(node: Node) -> Iterator[Problem]:
    """What is wrong with the metrics that a `task` section asks for.

    Args:
        node: the section; a task that is a Python object names its metrics itself.
    """
    name, asked = node.child("name"), node.child("metrics")
    known = name is not None and isinstance(name.value, str) and name.value in SUMMARIES
    if not (is_mapping(node) and known and asked is not None and isinstance(asked.value, list)):
        return
    task = name.value  # type: ignore[union-attr]
    for item in asked.value:
        allowed = [*tasks.METRICS[task], *SUMMARIES[task]]
        if not isinstance(item.value, str):
            yield item.problem(unknown("metric", item.value, allowed, task))
            continue
        word, summary, text = named(task, item.value)
        if item.value in tasks.METRICS[task]:
            continue
        if summary is None:
            yield item.problem(unknown("metric", word, allowed, task))
        elif "@" in item.value:
            try:
                argument_of(summary, text)
            except ValueError as error:
                yield item.problem(f"{word}: {error}")


def known_metrics(task: dict[str, Any]) -> dict[str, str | None]:
    """The metrics of a resolved `task` section that the validation split has, and which way is better.

    Of a task that is a Python object it is not known which way, but for its loss.
    """
    name = task.get("name")
    if isinstance(name, str):
        asked = task.get("metrics")
        words = [word for word in asked if isinstance(word, str)] if isinstance(asked, list) else []
        return {**tasks.METRICS.get(name, {}), **directions(name, words)}
    if not name:
        return {}
    own = (*getattr(name, "metrics", ()), *getattr(name, "summaries", ()))
    return {metric: "min" if metric == "loss" else None for metric in ("loss", *own)}


def why_not(task: dict[str, Any], metric: str) -> str:
    """What to say of a metric that funcdl knows and this study cannot select by; may be empty."""
    name = task.get("name")
    if not isinstance(name, str):
        return ""
    word, summary, _ = named(name, metric)
    if summary is None:
        return ""
    if summary.fitted:
        return f"; {word} is fitted on validation data, so that these cannot select by it"
    return f"; {word} is computed where it is asked for: add it to `metrics`"

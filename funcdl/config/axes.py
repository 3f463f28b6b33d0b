"""The axes of `compare` and `across`: their values, what each overrides, what each is called."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from funcdl.config.augment import PATH, augment_label
from funcdl.config.engine import of_the_engine
from funcdl.config.layers import SECTIONS, full, split, undot
from funcdl.config.names import show, unknown
from funcdl.config.node import Node, is_live, is_mapping, plain
from funcdl.config.recipe import PLACES
from funcdl.config.sections import LABEL, object_label
from funcdl.errors import Problem

MAX_LABEL = 100
COLUMNS = frozenset(
    {
        "id", "run", "block", "method", "compare", "phase",
        "trial", "repeat", "tuned", "current", "recipe", "status",
        "reason", "steps", "diverged_at", "digest", "parameters", "program",
        "environment", "data_digest", "seconds", "step", "metric", "value",
    }
)  # fmt: skip
"""Names of columns in the frames of a study's results, which an axis may not have."""
# C0 and C1 controls, and the characters that turn the direction of text or break its lines.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")


class Value(NamedTuple):
    """One value of an axis: what it is called, what it sets, and where it is written."""

    label: str
    layer: Node
    node: Node


class Axis(NamedTuple):
    """An axis and its values, each label once."""

    name: str
    values: tuple[Value, ...]


def read_axes(node: Node | None, problems: list[Problem], notes: list[str]) -> list[Axis]:
    """The axes under `compare` or `across`.

    A list under a dotted key gives that key's values; a mapping gives labelled bundles.
    """
    if node is None or not is_mapping(node):
        return []
    axes = []
    for name, axis in node.value.items():
        if of_the_engine(name):
            problems.append(axis.problem(of_the_engine(name)))
            continue
        if name in COLUMNS or "/" in name:
            text = f"{name!r} is a column of the results; choose another name for the axis"
            problems.append(axis.problem(text))
            continue
        listed = isinstance(axis.value, list)
        if listed:
            values = _listed(name, axis, problems)
        elif is_mapping(axis):
            values = _bundles(axis, problems)
        else:
            text = "must be a list of values, or a mapping of labels to overrides"
            problems.append(axis.problem(f"{show(axis.value)} given; {text}"))
            continue
        values = [v for v in values if fit_label(v.label, v.node, problems)]
        if not values and not axis.value:
            problems.append(axis.problem("no values, so there is nothing to run"))
        # Bundles may set the same and still differ in what `tune` searches under their labels.
        axes.append(Axis(name, _distinct(name, values, notes) if listed else tuple(values)))
    return axes


def _listed(name: str, axis: Node, problems: list[Problem]) -> list[Value]:
    path = split(name)
    if path[0] not in PLACES:
        text = f"{unknown('key', name, PLACES)} and their parts; or label bundles of overrides"
        problems.append(axis.problem(text))
        return []
    items = [_without_label(full(item, path)) for item in axis.value]
    labels = _labels(path, items)
    values = []
    for (item, _), label in zip(items, labels, strict=True):
        layer = undot(Node({name: item}, item.where), problems)
        values.append(Value(label, layer, item))
    return values


def _without_label(item: Node) -> tuple[Node, str | None]:
    """A value and the label written beside it."""
    label = item.child(LABEL) if is_mapping(item) else None
    if label is None:
        return item, None
    rest = {key: part for key, part in item.value.items() if key != LABEL}
    return item._replace(value=rest), label_text(label.value)


def _labels(path: tuple[str, ...], items: Sequence[tuple[Node, str | None]]) -> list[str]:
    """Written labels, else names; where two share a name, with the arguments that differ."""
    names = [label if label is not None else _name(path, item) for item, label in items]
    result = []
    for (item, label), name in zip(items, names, strict=True):
        twins = [
            other
            for (other, written), its in zip(items, names, strict=True)
            if its == name and written is None
        ]
        if label is None and len(twins) > 1 and is_mapping(item):
            differing = _differing(item, twins)
            name = f"{name}({', '.join(differing)})" if differing else name
        result.append(name)
    return result


def _differing(item: Node, twins: Sequence[Node]) -> list[str]:
    """`key=value` of the arguments in which namesakes differ."""
    words = []
    for key, part in item.value.items():
        others = {_key(twin.child(key)) for twin in twins}
        if key != "name" and len(others) > 1:
            words.append(f"{key}={label_text(plain(part))}")
    return words


def _key(node: Node | None) -> str:
    return "absent" if node is None else _comparable(plain(node))


def _name(path: tuple[str, ...], item: Node) -> str:
    if path == PATH:
        return augment_label(item)
    if is_mapping(item):
        name = item.child("name") if path in SECTIONS else None
        if name is not None:
            return label_text(name.value)
        return ", ".join(f"{key}={label_text(plain(part))}" for key, part in item.value.items())
    return label_text(plain(item))


def label_text(value: Any) -> str:
    """A value as a label.

    >>> label_text(0.1), label_text([64, 64]), label_text(None)
    ('0.1', '[64,64]', 'null')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) and all(not is_live(v) for v in value):
        return f"[{','.join(map(label_text, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{k}={label_text(v)}" for k, v in value.items()) + "}"
    return object_label(value) if is_live(value) else show(value)


def _bundles(axis: Node, problems: list[Problem]) -> list[Value]:
    values = []
    for label, overrides in axis.value.items():
        if not is_mapping(overrides):
            text = "must be a mapping of keys to values; for plain values write the axis as a list"
            problems.append(overrides.problem(text))
            continue
        layer = undot(overrides, problems)
        for key, part in layer.value.items():
            if key not in PLACES:
                problems.append(part.problem(of_the_engine(key) or unknown("key", key, PLACES)))
        values.append(Value(label, layer, overrides))
    return values


def fit_label(label: str, node: Node, problems: list[Problem]) -> bool:
    """Labels go into tables, terminals and file formats: one line of visible text."""
    if not label.strip():
        problems.append(node.problem("an empty label; give it a name with `label:`"))
    elif _CONTROL.search(label):
        problems.append(node.problem(f"label {label!a} has control characters"))
    elif len(label) > MAX_LABEL:
        text = f"a label of {len(label)} characters; allowed {MAX_LABEL}: shorten it with `label:`"
        problems.append(node.problem(text))
    else:
        return True
    return False


def _distinct(name: str, values: Sequence[Value], notes: list[str]) -> tuple[Value, ...]:
    """Each point once, and each label once."""
    kept: dict[str, Value] = {}
    for value in values:
        contents = _comparable(plain(value.layer))
        if contents in kept:
            first = kept[contents].label
            also = f" (as {value.label})" if value.label != first else ""
            notes.append(f"{name}: {first} is given twice{also}; it is run once")
            continue
        taken = {other.label for other in kept.values()}
        numbered = (f"{value.label}#{i}" for i in itertools.count(2))
        label = (
            value.label if value.label not in taken else next(n for n in numbered if n not in taken)
        )
        kept[contents] = value._replace(label=label)
    return tuple(kept.values())


def _comparable(value: Any) -> str:
    """Equal for equal plain data and for the same object; only ever compared within a process."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{k!r}:{_comparable(v)}" for k, v in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_comparable, value)) + "]"
    if is_live(value):
        return f"<{id(value)}>"
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return repr(float(value)) if number and abs(value) < 1e15 else repr(value)

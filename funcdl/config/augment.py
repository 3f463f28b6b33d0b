"""`train.augment`: what changes the inputs of each batch, one after the other."""

from __future__ import annotations

from typing import Any

from funcdl.config.node import Node, is_mapping, plain
from funcdl.config.sections import KINDS, LABEL, object_label, section
from funcdl.errors import Problem

PATH = ("train", "augment")


def read_augment(node: Node | None, problems: list[Problem]) -> list[dict[str, Any]]:
    """`name` and every argument of each, of a list, one name, or one mapping.

    >>> from funcdl.config.node import from_python
    >>> read_augment(from_python(["flip", {"name": "shift", "pixels": 1}]), [])
    [{'name': 'flip', 'axis': 'horizontal', 'rate': 0.5}, {'name': 'shift', 'pixels': 1.0}]
    """
    found = []
    for entry in _entries(node):
        resolved = section(KINDS["train.augment"], entry, problems)
        problems.extend(resolved.missing.values())
        found.append(resolved.values)
    return found


def augment_label(node: Node) -> str:
    """What to call a value of an axis over augmentations.

    >>> from funcdl.config.node import from_python
    >>> augment_label(from_python([{"name": "shift", "pixels": 1}, "flip"]))
    'shift(pixels=1)+flip'
    """
    return "+".join(map(_called, _entries(node))) or "none"


def _entries(node: Node | None) -> list[Node]:
    if node is None or node.value is None:
        return []
    return list(node.value) if isinstance(node.value, list | tuple) else [node]


def _called(entry: Node) -> str:
    parts = plain(entry) if is_mapping(entry) else {"name": entry.value}
    name = parts.get("name")
    given = [f"{k}={v}" for k, v in parts.items() if k not in ("name", LABEL)]
    word = name if isinstance(name, str) else object_label(name)
    return f"{word}({', '.join(given)})" if given else word

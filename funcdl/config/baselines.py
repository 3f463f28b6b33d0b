"""Rows that need no training of ours: scikit-learn's estimators, by name."""

from __future__ import annotations

from typing import Any

from funcdl.config.axes import fit_label, label_text
from funcdl.config.node import Node, is_mapping, plain
from funcdl.config.sections import KINDS, LABEL, section
from funcdl.errors import Problem


def read_baselines(node: Node | None, problems: list[Problem]) -> dict[str, dict[str, Any]]:
    """Label -> `name` and every argument, of a mapping of labels or a list of names.

    >>> from funcdl.config.node import from_python
    >>> read_baselines(from_python(["majority"]), [])
    {'majority': {'name': 'majority', 'strategy': 'prior', 'constant': None}}
    """
    found: dict[str, dict[str, Any]] = {}
    for label, entry in _labelled(node, problems):
        resolved = section(KINDS["baseline"], entry, problems)
        problems.extend(resolved.missing.values())
        if label in found:
            problems.append(entry.problem(f"a second baseline called {label!r}; add `label:`"))
        elif fit_label(label, entry, problems):
            found[label] = resolved.values
    return found


def _labelled(node: Node | None, problems: list[Problem]) -> list[tuple[str, Node]]:
    if node is None:
        return []
    if is_mapping(node):
        return list(node.value.items())
    if not isinstance(node.value, list):
        text = "must be a mapping of labels to baselines, or a list of names"
        problems.append(node.problem(text))
        return []
    named = [(item.child(LABEL) or item.child("name") or item, item) for item in node.value]
    return [(label_text(plain(name)), item) for name, item in named]

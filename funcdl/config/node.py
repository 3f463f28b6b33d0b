"""A config as a tree in which every value knows where it was written.

Layers are merged and axes are applied to this tree, so that a mistake is reported at the line a
person can edit, however far from it the mistake was noticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

from funcdl.errors import Problem


class Where(NamedTuple):
    """A line of a file, the command line (`line` 0), or nowhere: a study made in Python."""

    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        """`file:line`, or as much of it as there is."""
        return f"{self.file}:{self.line}" if self.line else self.file


class Node(NamedTuple):
    """A value of the config.

    value: a dict of Nodes by name, a list of Nodes, or a leaf: a scalar or a live Python object.
    where: where its key was written.
    key: its dotted path as written, such as `compare.optimizer[0].momentum`.
    """

    value: Any
    where: Where = Where()
    key: str = ""

    def child(self, name: str) -> Node | None:
        """The value under `name`, or None."""
        return self.value.get(name) if is_mapping(self) else None

    def item(self, index: int) -> Node | None:
        """The value at `index` of a list, or None."""
        inside = isinstance(self.value, list) and index < len(self.value)
        return self.value[index] if inside else None

    def problem(self, message: str, key: str = "") -> Problem:
        """Something wrong here, or with the part of it called `key`."""
        return Problem(str(self.where), key or self.key, message)


def below(parent: str, name: str | int) -> str:
    """The dotted path of a part.

    >>> below(below("compare.model", 1), "hidden")
    'compare.model[1].hidden'
    """
    if isinstance(name, int):
        return f"{parent}[{name}]"
    return f"{parent}.{name}" if parent else name


def from_python(value: Any, key: str = "") -> Node:
    """A tree of the keywords given to `Study(...)`.

    Dicts, lists and tuples of scalars are opened; everything else (a callable, a module, a pair of
    arrays, a dict of splits) is a leaf.

    >>> plain(from_python({"model": {"name": "mlp", "hidden": (8, 8)}}))
    {'model': {'name': 'mlp', 'hidden': [8, 8]}}
    """
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        if _is_splits(value):
            return Node(value, key=key)
        return Node({k: from_python(v, below(key, k)) for k, v in value.items()}, key=key)
    if isinstance(value, list) or (type(value) is tuple and all(map(is_scalar, value))):
        return Node([from_python(v, below(key, i)) for i, v in enumerate(value)], key=key)
    if isinstance(value, Integral) and not isinstance(value, bool):
        return Node(int(value), key=key)
    if isinstance(value, Real) and not isinstance(value, bool):
        return Node(float(value), key=key)
    return Node(value, key=key)


def _is_splits(value: Mapping) -> bool:
    """A user's data as `{"train": (x, y), ...}`: an object, unlike the section `train: {...}`."""
    return isinstance(value.get("train"), tuple | list)


def plain(node: Node) -> Any:
    """The tree without its positions: dicts, lists and leaves."""
    if is_mapping(node):
        return {k: plain(v) for k, v in node.value.items()}
    if isinstance(node.value, list):
        return [plain(v) for v in node.value]
    return node.value


def is_mapping(node: Node | None) -> bool:
    """Whether the node has named parts (a user's dict of arrays has none: it is a leaf)."""
    return (
        node is not None
        and isinstance(node.value, dict)
        and all(isinstance(part, Node) for part in node.value.values())
    )


def is_scalar(value: Any) -> bool:
    """Whether the value can be written in YAML as one word."""
    return value is None or isinstance(value, (str, bool, Integral, Real))


def is_live(value: Any) -> bool:
    """Whether the leaf is a Python object that no YAML file can hold."""
    return not is_scalar(value) and not isinstance(value, list)


def find(node: Node, path: Iterable[str | int]) -> Node:
    """The node at `path`, or the deepest one on the way to it."""
    for name in path:
        inner = node.child(name) if isinstance(name, str) else node.item(name)
        if inner is None:
            break
        node = inner
    return node

"""Nested arrays without JAX: dicts, tuples and named tuples, with arrays as leaves.

The same trees as `jax.tree` sees, in the same order, except that a list is an array in the making
(`[[1.0, 2.0], [3.0, 4.0]]`) and not a container. Data are checked and hashed where JAX must not be
imported, hence this file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from funcdl.data.rows import Rows

PyTree = Any


def children(tree: PyTree) -> list[tuple[str, PyTree]] | None:
    """Returns the parts of a container with their names, or None for a leaf.

    >>> children({"b": 2, "a": (3, 4)})
    [("['a']", (3, 4)), ("['b']", 2)]
    """
    if isinstance(tree, Mapping):
        return [(f"[{key!r}]", tree[key]) for key in sorted(tree)]
    if isinstance(tree, tuple):
        names = [f".{field}" for field in getattr(tree, "_fields", ())]
        return list(zip(names or [f"[{i}]" for i in range(len(tree))], tree, strict=True))
    return None


def leaves(tree: PyTree, name: str = "") -> list[tuple[str, Any]]:
    """Returns `(path, leaf)` pairs, dict keys sorted.

    >>> leaves({"b": 2, "a": (3, 4)}, "inputs")
    [("inputs['a'][0]", 3), ("inputs['a'][1]", 4), ("inputs['b']", 2)]
    """
    parts = children(tree)
    if parts is None:
        return [(name, tree)]
    return [leaf for part, child in parts for leaf in leaves(child, name + part)]


def map_leaves(function: Callable[[str, Any], Any], tree: PyTree, name: str = "") -> PyTree:
    """Returns the tree with each leaf replaced by `function(path, leaf)`.

    >>> map_leaves(lambda path, x: x + 1, {"a": (3, 4)})
    {'a': (4, 5)}
    """
    parts = children(tree)
    if parts is None:
        return function(name, tree)
    mapped = [map_leaves(function, child, name + part) for part, child in parts]
    if isinstance(tree, Mapping):
        return dict(zip(sorted(tree), mapped, strict=True))
    return type(tree)(*mapped) if hasattr(tree, "_fields") else tuple(mapped)


def take(tree: PyTree, rows: Any) -> PyTree:
    """Returns the tree with each leaf `[n, ...]` replaced by its `rows`.

    What lies in a file stays there: only the numbers of its rows are noted.
    """
    return map_leaves(
        lambda _, leaf: leaf.select(rows) if isinstance(leaf, Rows) else leaf[rows], tree
    )

"""Overrides on the command line that change no method: whoever typed one should know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from funcdl.config.augment import PATH, read_augment
from funcdl.config.expansion import Method
from funcdl.config.layers import WHOLE, full
from funcdl.config.node import Node, is_mapping, plain
from funcdl.config.recipe import PLACES
from funcdl.errors import Problem


def without_effect(layer: Node, methods: Iterable[Method]) -> Iterator[Problem]:
    """Problems for keys of a recipe that an axis or a search sets in every method.

    Args:
        layer: the command line's words, undotted.
        methods: the methods they led to.
    """
    trained = [method for method in methods if method.baseline is None]
    for part in PLACES:
        node = layer.child(part)
        if node is None or not trained:
            continue
        for path, leaf in _leaves((part,), node):
            key = ".".join(path).removesuffix(".name")
            if all(key in method.space for method in trained):
                yield leaf.problem("has no effect: tune searches it in every method", key)
            elif all(_at(method.recipe, path) != _resolved(path, leaf) for method in trained):
                text = "has no effect: compare or across sets it in every method; change it there"
                yield leaf.problem(text, key)


def _leaves(path: tuple[str, ...], node: Node) -> Iterator[tuple[tuple[str, ...], Node]]:
    node = full(node, path)
    if path in WHOLE or not is_mapping(node):
        if node.value is not None:
            yield path, node
        return
    for name, part in node.value.items():
        yield from _leaves((*path, name), part)


def _resolved(path: tuple[str, ...], leaf: Node) -> Any:
    """A value as it stands in a recipe."""
    return read_augment(leaf, []) if path == PATH else plain(leaf)


def _at(recipe: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        recipe = recipe.get(name) if isinstance(recipe, dict) else None
    return recipe

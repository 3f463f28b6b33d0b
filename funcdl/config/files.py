"""The layers of one study on disk: `base:` files, the file, a variant, the command line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from funcdl.config.layers import merge, undot
from funcdl.config.names import unknown
from funcdl.config.node import Node, Where, is_mapping
from funcdl.config.text import COMMAND_LINE, parse, read
from funcdl.errors import Problem

MAX_BASES = 32


def gather(
    path: str | Path, overrides: Iterable[str], variant: str | None, problems: list[Problem]
) -> Node | None:
    """All layers merged, or None where nothing could be read.

    Args:
        path: the config file.
        overrides: `key=value` words of the command line, the values in YAML.
        variant: a name under `variants:`, laid over the file.
        problems: receives everything that is wrong.
    """
    tree = _file(str(path), (), problems)
    if tree is None:
        return None
    if variant is not None:
        tree = _with_variant(tree, variant, problems)
    return merge(tree, command_line(overrides, problems))


def _file(path: str, through: tuple[str, ...], problems: list[Problem]) -> Node | None:
    """A file over its bases."""
    parsed = read(path)
    problems.extend(parsed.problems)
    if not is_mapping(parsed.tree):
        return None
    assert parsed.tree is not None
    parts = dict(parsed.tree.value)
    base = parts.pop("base", None)
    tree = undot(parsed.tree._replace(value=parts), problems)
    if base is None:
        return tree
    if not isinstance(base.value, str):
        problems.append(base.problem("must be the path of another config file"))
        return tree
    below_it = str(Path(path).parent / base.value)
    chain = (*through, _real(path))
    if len(chain) > MAX_BASES:
        problems.append(base.problem(f"more than {MAX_BASES} files, each based on the next"))
        return tree
    if _real(below_it) in chain:
        problems.append(base.problem(f"{base.value} is based on this file; break the circle"))
        return tree
    if not Path(below_it).is_file():
        problems.append(base.problem(f"no such file: {below_it} (paths start at this file)"))
        return tree
    under = _file(below_it, chain, problems)
    return tree if under is None else merge(under, tree)


def _real(path: str) -> str:
    return str(Path(path).resolve())


def _with_variant(tree: Node, variant: str, problems: list[Problem]) -> Node:
    variants = tree.child("variants")
    names = list(variants.value) if is_mapping(variants) and variants is not None else []
    if variants is None or variant not in names:
        message = unknown("variant", variant, names)
        problems.append(Problem(COMMAND_LINE, "--variant", message))
        return tree
    layer = variants.value[variant]
    if not is_mapping(layer):
        problems.append(layer.problem("must be a mapping of dotted keys to values"))
        return tree
    rest = {key: node for key, node in tree.value.items() if key != "variants"}
    return merge(tree._replace(value=rest), undot(layer, problems))


def command_line(words: Iterable[str], problems: list[Problem]) -> Node:
    """The layer of `key=value` words; a later word wins over an earlier one.

    >>> from funcdl.config.node import plain
    >>> plain(command_line(["train.steps=50", "model={name: mlp, hidden: [8]}"], []))
    {'train': {'steps': 50}, 'model': {'name': 'mlp', 'hidden': [8]}}
    """
    where = Where(COMMAND_LINE)
    parts: dict[str, Node] = {}
    for word in words:
        key, equals, text = word.partition("=")
        key = key.strip()
        if not equals or not key:
            problems.append(
                Problem(COMMAND_LINE, "", f"{word!r}; write key=value, such as train.steps=50")
            )
            continue
        parsed = parse(text, COMMAND_LINE, key=key)
        problems.extend(parsed.problems)
        if not parsed.problems:
            parts[key] = parsed.tree or Node(None, where, key)
    return undot(Node(parts, where), problems)

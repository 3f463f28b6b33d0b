"""Later layers over earlier ones: base file, file, variant, command line, a point of an axis.

A layer may write `train.steps: 50` for `train: {steps: 50}`. Where a later layer names another
model or optimizer, the earlier one's arguments are dropped: they belonged to the other one.
"""

from __future__ import annotations

from collections.abc import Iterable

from funcdl.config.node import Node, is_mapping
from funcdl.config.text import MAX_DEPTH
from funcdl.errors import Problem

Path = tuple[str, ...]

SECTIONS: tuple[Path, ...] = (
    ("task",),
    ("data",),
    ("model",),
    ("optimizer",),
    ("train", "schedule"),
    ("train", "unlabelled"),
)
"""Where a value names a constructor: a bare name, or a mapping with `name` and arguments."""

SHORT: dict[Path, str] = {
    **dict.fromkeys(SECTIONS, "name"),
    ("repeat",): "count",
    ("select",): "metric",
}
"""Mappings that may be written as one word, and the key which that word is."""

OPEN = frozenset({"across", "compare", "baselines", "tune", "variants"})
"""Keys whose parts are named by the user; those names may hold dots (`optimizer.learning_rate`)."""


WHOLE = frozenset({("contrasts",), ("train", "augment")})
"""Values that a later layer replaces as a whole, whatever they consist of."""

ALSO = {"metrics": ("task", "metrics")}
"""Shorter names of keys that people look for at the top."""


def split(key: str) -> Path:
    """The path of a dotted key.

    >>> split("train.schedule.warmup"), split("tune.optimizer.b1"), split("metrics")
    (('train', 'schedule', 'warmup'), ('tune', 'optimizer.b1'), ('task', 'metrics'))
    """
    if key in ALSO:
        return ALSO[key]
    head, dot, rest = key.partition(".")
    if head in OPEN:
        return (head, rest) if dot else (head,)
    return tuple(key.split("."))


def full(node: Node, path: Path) -> Node:
    """The value at `path` as a mapping, where it was written as one word."""
    if path in SHORT and not is_mapping(node):
        return node._replace(value={SHORT[path]: node})
    return node


def undot(layer: Node, problems: list[Problem]) -> Node:
    """A layer with its dotted keys opened; two ways of setting one value are a problem."""
    merged = Node({}, layer.where, layer.key)
    for key, node in layer.value.items():
        path = split(key)
        if not all(path):
            problems.append(node.problem(f"{key!r} is not a dotted key"))
            continue
        if len(path) > MAX_DEPTH:
            problems.append(node.problem(f"nested deeper than {MAX_DEPTH} levels", path[0]))
            continue
        for name in reversed(path):
            node = Node({name: node}, node.where, node.key)
        merged = _join(merged, node, (), problems)
    return merged


def _join(first: Node, second: Node, path: Path, problems: list[Problem]) -> Node:
    """Two parts of one layer, which may not contradict each other."""
    if path in SHORT and (is_mapping(first) or is_mapping(second)):
        first, second = full(first, path), full(second, path)
    named_by_user = len(path) > 1 and path[0] in OPEN
    if named_by_user or not (is_mapping(first) and is_mapping(second)):
        places = " and ".join(str(node.where) for node in (first, second) if node.where.file)
        problems.append(second.problem(f"set twice{f' ({places})' if places else ''}; keep one"))
        return first
    parts = dict(first.value)
    for name, node in second.value.items():
        inner = (*path, name)
        parts[name] = _join(parts[name], node, inner, problems) if name in parts else node
    return first._replace(value=parts)


def join(layers: Iterable[Node], problems: list[Problem]) -> Node:
    """Several undotted layers as one, none of which comes after another."""
    joined = Node({})
    for layer in layers:
        joined = _join(joined, layer, (), problems)
    return joined


def merge(base: Node, over: Node, path: Path = ()) -> Node:
    """`over` laid on `base`; both undotted.

    >>> from funcdl.config.node import from_python, plain
    >>> old = from_python({"optimizer": {"name": "sgd", "momentum": 0.9}})
    >>> plain(merge(old, from_python({"optimizer": "adamw"})))
    {'optimizer': {'name': 'adamw'}}
    """
    if path in WHOLE or (len(path) > 1 and path[0] in OPEN):
        return over
    short = SHORT.get(path)
    if short:
        base, over = full(base, path), full(over, path)
    if not (is_mapping(base) and is_mapping(over)):
        return over
    if short in ("name", "metric") and short in over.value:
        old = base.child(short)
        if old is not None and not _same(old.value, over.value[short].value):
            return over
    parts = dict(base.value)
    for name, node in over.value.items():
        if name in parts and node.value is None and path and path[0] in OPEN:
            del parts[name]  # a null that is left has taken nothing away, which is a mistake
        elif name in parts:
            parts[name] = merge(parts[name], node, (*path, name))
        elif path and path[0] in OPEN:
            _insert(parts, name, node)
        else:
            parts[name] = node
    # What is missing from a section is missing where it was last named; from a study, in its file.
    return (over if path else base)._replace(value=parts)


def _same(old: object, new: object) -> bool:
    return old is new or (isinstance(old, str) and isinstance(new, str) and old == new)


def _insert(parts: dict[str, Node], name: str, node: Node) -> None:
    """Sets `name` among names that may hold dots: `approach.ae.loss` goes into `approach`."""
    for known in sorted(parts, key=len, reverse=True):
        if name.startswith(known + ".") and is_mapping(parts[known]):
            rest = name[len(known) + 1 :]
            inner = dict(parts[known].value)
            if rest in inner:
                inner[rest] = node
            else:
                _insert(inner, rest, node)
            parts[known] = parts[known]._replace(value=inner)
            return
    parts[name] = node

"""A study as YAML, every default filled in: what is checked, frozen beside the runs, and shown.

Reading it again gives the same methods, unless the study holds Python objects: those are shown by
their name and the SHA-256 of what identifies them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from typing import Any

from funcdl.config.augment import read_augment
from funcdl.config.axes import Axis, read_axes
from funcdl.config.engine import ENGINE
from funcdl.config.identity import identity
from funcdl.config.layers import SECTIONS, full, merge, split
from funcdl.config.node import Node, find, is_live, is_mapping, plain
from funcdl.config.recipe import PARTS
from funcdl.config.sections import KINDS, LABEL, object_label, section
from funcdl.config.start import INIT, read_init
from funcdl.config.study import Study, expand
from funcdl.config.text import scalar
from funcdl.config.unlabelled import read_unlabelled

Tree = dict[str, Any]

_WIDTH = 100
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./()=+*@-]*( [A-Za-z0-9_./()=+*@-]+)*\Z")


def to_yaml(study: Study) -> str:
    """The resolved study.

    >>> print(to_yaml(Study(task="regression", data="digits", model="logistic",
    ...                     optimizer={"name": "sgd", "learning_rate": 0.1})).split("train:")[0])
    name: study
    seed: 0
    task: {name: regression, metrics: []}
    data: {name: digits, split: {by: stratified, test: 0.2, validation: 0.2, seed: 0}}
    model: {name: logistic}
    optimizer: {name: sgd, learning_rate: 0.1, momentum: null, nesterov: false}
    <BLANKLINE>
    """
    return "\n".join(_lines(resolved(study))) + "\n"


def resolved(study: Study) -> Tree:
    """The study as plain data (and live objects), every default filled in."""
    tree = study._tree
    axes = {
        name: read_axes(tree.child(name), [], [])
        for name in ("across", "compare")
        if tree.child(name) is not None
    }
    every = [axis for group in axes.values() for axis in group]
    tuned = {key for method in expand(study).methods for key in method.space}
    result: Tree = {"name": study.name, "seed": study.seed}
    for part in PARTS[:-1]:
        node = tree.child(part)
        if node is not None:
            result[part] = _section((part,), node, tuned)
    result["train"] = _train(study, tree, every, tuned)
    start = tree.child(INIT)
    if start is not None and start.child("from") is not None:
        result[INIT] = read_init(start, [])
    elif start is not None:  # the rest of what an axis sets
        result[INIT] = plain(start)
    result |= study.model_dump(include=set(ENGINE))
    for name, group in axes.items():
        result[name] = {axis.name: _axis(axis, every, tree, tuned) for axis in group}
    result |= _rest(study, tree)
    return result


def _section(path: tuple[str, ...], node: Node, skipped: Collection[str]) -> Any:
    """A section with its defaults, without the dotted keys that something else sets."""
    if full(node, path).child("name") is None:
        return plain(node)
    values = section(KINDS[".".join(path)], node, []).values
    prefix = ".".join(path)
    missing = [key for key, value in values.items() if value is None and not _given(node, key)]
    unset = {key for key in missing if f"{prefix}.{key}" in skipped or key == "learning_rate"}
    return {
        key: value
        for key, value in values.items()
        if key not in unset and (f"{prefix}.{key}" not in skipped or _given(node, key))
    }


def _given(node: Node, key: str) -> bool:
    return is_mapping(node) and key in node.value


def _train(study: Study, tree: Node, axes: Iterable[Axis], tuned: Collection[str]) -> Tree:
    train = study.train.model_dump()
    set_elsewhere = {*tuned, *(key for axis in axes for key in _keys(axis))}
    if train["eval_every"] is None and not any(k.startswith("train.steps") for k in set_elsewhere):
        train["eval_every"] = max(1, train["steps"] // 10)
    schedule = find(tree, ("train", "schedule"))
    named = schedule if schedule.key.endswith("schedule") else Node(train["schedule"])
    train["schedule"] = _section(("train", "schedule"), named, tuned)
    augment = find(tree, ("train", "augment"))
    train["augment"] = read_augment(augment if augment.key.endswith("augment") else None, [])
    unlabelled = (tree.child("train") or Node({})).child("unlabelled")
    found = read_unlabelled(unlabelled, [])
    del train["unlabelled"]
    if found is not None:
        skipped = {key.removeprefix("train.unlabelled.") for key in tuned}
        train["unlabelled"] = {k: v for k, v in found.values.items() if k not in skipped}
    return train


def _keys(axis: Axis) -> set[str]:
    """The dotted keys that an axis sets."""
    found: set[str] = set()

    def walk(node: Node, prefix: str) -> None:
        for key, part in node.value.items() if is_mapping(node) else ():
            dotted = f"{prefix}.{key}" if prefix else key
            found.add(dotted)
            walk(part, dotted)

    for value in axis.values:
        walk(value.layer, "")
    return found


def _axis(axis: Axis, axes: Iterable[Axis], tree: Node, tuned: Collection[str]) -> Any:
    others = {key for other in axes if other is not axis for key in _keys(other)}
    skipped = {*tuned, *others}
    path = split(axis.name)
    listed = all(value.node.key.endswith("]") for value in axis.values)
    if not listed:
        return {value.label: _bundle(value.layer, tree, skipped) for value in axis.values}
    if path not in SECTIONS:
        return [_labelled(plain(find(value.layer, path)), value.label) for value in axis.values]
    return [
        {**_over(path, find(value.layer, path), tree, skipped), LABEL: value.label}
        for value in axis.values
    ]


def _labelled(value: Any, label: str) -> Any:
    """A value with the label that it was given, where it has room for one."""
    return {**value, LABEL: label} if isinstance(value, dict) else value


def _over(path: tuple[str, ...], node: Node, tree: Node, skipped: Collection[str]) -> Tree:
    """A section of a point of an axis, laid over the study's own."""
    base = find(tree, path)
    under = base if base.key.split(".")[-1:] == [path[-1]] else None
    filled = _section(path, merge(under, node, path) if under is not None else node, skipped)
    return filled if isinstance(filled, dict) else {"name": filled}


def _bundle(layer: Node, tree: Node, skipped: Collection[str]) -> Tree:
    result: Tree = {}
    for key, node in layer.value.items():
        named = (key,) in SECTIONS and full(node, (key,)).child("name") is not None
        result[key] = _over((key,), node, tree, skipped) if named else plain(node)
    return result


def _rest(study: Study, tree: Node) -> Tree:
    result: Tree = {}
    baselines = [m for m in expand(study).methods if m.baseline is not None]
    if baselines:
        result["baselines"] = {method.label: method.baseline for method in baselines}
    if study.contrasts is not None:
        result["contrasts"] = study.contrasts.model_dump(exclude_none=True)
    if study.tune is not None:
        known = study.tune.model_dump(include={"trials", "sampler", "repeat", "stop"})
        if study.tune.stop is None:
            del known["stop"]
        result["tune"] = study.tune.spaces | known
    expansion = expand(study)
    result["repeat"] = study.repeat.written()
    select = {"metric": expansion.metric, "mode": expansion.mode, "at": expansion.at}
    target = {} if study.select.target is None else {"target": study.select.target}
    result["select"] = select | target
    if study.margin is not None:
        result["margin"] = study.margin
    if study.keep:
        result["keep"] = list(study.keep)
    if study.variants is not None:
        result["variants"] = study.variants
    return result


def _lines(tree: Tree, indent: str = "") -> list[str]:
    """Block style where a mapping is too long for a line."""
    lines = []
    for key, value in tree.items():
        start = f"{indent}{_word(key)}:"
        flow = f"{start} {_flow(value)}"
        inner = indent + "  "
        if len(flow) <= _WIDTH or not value or not isinstance(value, (dict, list)):
            lines.append(flow)
        elif isinstance(value, dict):
            lines += [start, *_lines(value, inner)]
        else:
            lines += [start, *(f"{inner}- {_flow(item)}" for item in value)]
    return lines


def _flow(value: Any) -> str:
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return "{" + ", ".join(f"{_word(k)}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list) or (type(value) is tuple and not any(map(is_live, value))):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str):
        return _word(value)
    if is_live(value):
        return _word(f"<{object_label(value)} sha256:{identity(value)[:16]}>")
    return json.dumps(value, allow_nan=False)


def _word(text: str) -> str:
    """Text without quotes where it stays text, else in double quotes."""
    if _PLAIN.match(text) and scalar(text) == text:
        return text
    return json.dumps(text, ensure_ascii=False)

"""`init`: what a method's parameters begin from, where that is not chance."""

from __future__ import annotations

from typing import Any

from funcdl.config.names import show, unknown
from funcdl.config.node import Node, is_mapping, plain
from funcdl.errors import Problem

INIT = "init"
REPEATS = ("same", "best")
HEADS = ("auto", "keep", "new")
FREEZES = ("none", "all_but_head")
_DEFAULTS: dict[str, Any] = {"repeat": "same", "head": "auto", "freeze": "none"}
_EXAMPLE = "such as {from: runs/pretraining/cnn, freeze: all_but_head}"

SCHEMA: dict[str, Any] = {
    "type": ["object", "null"],
    "properties": {
        "from": {
            "type": "string",
            "description": "STUDY/METHOD: a finished study's folder, a label",
        },
        "repeat": {"enum": list(REPEATS), "default": "same"},
        "head": {"enum": list(HEADS), "default": "auto"},
        "freeze": {
            "anyOf": [
                {"enum": list(FREEZES)},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ],
            "default": "none",
        },
    },
    "additionalProperties": False,
}


def read_init(node: Node | None, problems: list[Problem]) -> dict[str, Any] | None:
    """The section with its defaults; None where parameters are drawn at random.

    from: STUDY/METHOD, where STUDY is the folder of a finished study that has `keep: [parameters]`.
    repeat: `same` begins each repeat with what the repeat of that number came to; `best` begins all with
        the repeat that was best on validation data.
    head: whether the last layer, the one whose size follows from the number of outputs, is taken over,
        too: `auto` if both studies have the same classes; `new` draws it at random.
    freeze: which parameters stay as they are: `none`, `all_but_head`, or a list of patterns of their
        names, such as [Conv_*, Dense_0/bias].

    Args:
        node: the section as written.
        problems: receives everything that is wrong.
    """
    if node is None or node.value is None:
        return None
    if not is_mapping(node):
        problems.append(
            node.problem(f"{show(node.value)} given; allowed a mapping, {_EXAMPLE}", INIT)
        )
        return None
    parts = dict(node.value)
    for key in [key for key in parts if key not in ("from", *_DEFAULTS)]:
        known = ("from", *_DEFAULTS)
        problems.append(parts.pop(key).problem(unknown("key", key, known)))
    given = parts.get("from")
    if given is None or not isinstance(given.value, str) or "/" not in given.value.strip("/"):
        text = "" if given is None else f"{show(given.value)} given; "
        problems.append(
            (given or node).problem(f"{text}needs STUDY/METHOD, {_EXAMPLE}", "init.from")
        )
        return None
    values = {"from": given.value, **_DEFAULTS}
    values |= {key: plain(part) for key, part in parts.items() if part.value is not None}
    for key, allowed in (("repeat", REPEATS), ("head", HEADS)):
        if values[key] not in allowed:
            problems.append(parts[key].problem(unknown("value", values[key], allowed)))
    _check_freeze(parts.get("freeze"), values["freeze"], problems)
    return values


def _check_freeze(node: Node | None, value: Any, problems: list[Problem]) -> None:
    if node is None or value in FREEZES:
        return
    if not isinstance(value, list) or not value or not all(isinstance(v, str) and v for v in value):
        text = f"{show(value)} given; allowed {', '.join(FREEZES)}, or a list of patterns of names"
        problems.append(node.problem(f"{text}, such as [Conv_*]"))

"""Whether one value is what one argument takes."""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

from funcdl.config.names import show, unknown
from funcdl.config.node import Node, is_live, is_mapping, plain
from funcdl.errors import Problem
from funcdl.signatures import Parameter


class Range(NamedTuple):
    """The allowed values of a number: `low` to `high`, each end in or out."""

    low: float = -math.inf
    high: float = math.inf
    without_low: bool = False
    without_high: bool = False

    def holds(self, value: float) -> bool:
        """Whether the value lies inside."""
        above = value > self.low if self.without_low else value >= self.low
        return above and (value < self.high if self.without_high else value <= self.high)

    def __str__(self) -> str:
        """In words: `greater than 0`."""
        parts = []
        if self.low > -math.inf:
            parts.append(f"{'greater than' if self.without_low else 'at least'} {self.low:g}")
        if self.high < math.inf:
            parts.append(f"{'less than' if self.without_high else 'at most'} {self.high:g}")
        return " and ".join(parts) or "any number"


POSITIVE, NOT_NEGATIVE = Range(0, without_low=True), Range(0)
FRACTION, BELOW_ONE = Range(0, 1), Range(0, 1, without_high=True)

# Only what no method of that name can do without; an optimizer's own odd ranges are its business.
RANGES: dict[str, Range] = {
    "optimizer.learning_rate": POSITIVE,
    "optimizer.b1": BELOW_ONE,
    "optimizer.b2": BELOW_ONE,
    "optimizer.eps": NOT_NEGATIVE,
    "optimizer.weight_decay": NOT_NEGATIVE,
    "model.dropout": BELOW_ONE,
    "train.schedule.warmup": FRACTION,
    "train.schedule.final": NOT_NEGATIVE,
    "data.labelled": Range(1, 1e9),
    "data.split.test": POSITIVE,
    "data.split.validation": POSITIVE,
    "data.split.block": Range(1, 1e9),
    "train.unlabelled.weight": NOT_NEGATIVE,
    "train.unlabelled.threshold": FRACTION,
    "train.unlabelled.ratio": Range(1, 1000),
    "train.steps": Range(1, 1e9),
    "train.batch_size": Range(1, 1e9),
    "train.accumulate": Range(1, 1e9),
    "train.clip_norm": POSITIVE,
    "train.clip_value": POSITIVE,
    "train.weight_decay": NOT_NEGATIVE,
    "train.augment.pixels": NOT_NEGATIVE,
    "train.augment.degrees": NOT_NEGATIVE,
    "train.augment.scale": NOT_NEGATIVE,
    "train.augment.shear": NOT_NEGATIVE,
    "train.augment.size": NOT_NEGATIVE,
    "train.augment.share": FRACTION,
    "train.augment.rate": FRACTION,
    "task.label_smoothing": BELOW_ONE,
    "task.focal": NOT_NEGATIVE,
    "task.positive_weight": POSITIVE,
}

_WORDS = {
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "str": "text",
    "sequence": "a list",
    "mapping": "a mapping",
}


def argument(known: Parameter, node: Node, dotted: str, problems: list[Problem]) -> Any:
    """The value of an argument as its constructor takes it, whole numbers of floats made floats.

    Args:
        known: the argument's description.
        node: the value as written.
        dotted: the key it has in a recipe, which decides its range.
        problems: receives what is wrong; the value returned is then of no use.
    """
    value = plain(node)
    if value is None:
        if not known.optional:
            problems.append(node.problem(f"null given; allowed {_allowed(known, dotted)}"))
        return None
    if is_live(node.value) and not is_mapping(node):
        if known.kind not in ("other", "mapping", "sequence"):
            given = show(node.value)
            problems.append(node.problem(f"{given} given; allowed {_allowed(known, dotted)}"))
        return value
    if not known.settable:
        problems.append(
            node.problem(f"takes {known.annotation or 'an object'}, which only Python can give")
        )
        return value
    if known.kind == "choice":
        if value not in known.choices or isinstance(value, bool) != _has_bool(known, value):
            problems.append(node.problem(unknown("value", value, map(_plain_text, known.choices))))
        return value
    if not _is(known.kind, value):
        problems.append(node.problem(_not_kind(known, value, dotted)))
        return value
    if known.kind == "sequence":
        _elements(known, node, dotted, problems)
    if known.kind == "float" and not _is_finite(value):
        problems.append(node.problem(f"{show(value)} is not a finite number"))
        return 0.0
    if known.kind in ("float", "int") and dotted in RANGES and not RANGES[dotted].holds(value):
        problems.append(node.problem(f"{show(value)} given; allowed {_allowed(known, dotted)}"))
    # Adding 0.0 turns -0.0 into 0.0: they are one setting.
    return float(value) + 0.0 if known.kind == "float" else value


def _has_bool(known: Parameter, value: Any) -> bool:
    return any(isinstance(choice, bool) and choice == value for choice in known.choices)


def _plain_text(value: Any) -> str:
    return value if isinstance(value, str) else show(value)


def _is(kind: str, value: Any) -> bool:
    if isinstance(value, bool):
        return kind in ("bool", "other")
    types: dict[str, Any] = {
        "float": (int, float),
        "int": int,
        "bool": bool,
        "str": str,
        "sequence": list,
        "mapping": dict,
        "other": object,
    }
    return isinstance(value, types[kind])


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond float64
        return False


def _not_kind(known: Parameter, value: Any, dotted: str) -> str:
    text = f"{show(value)} given; allowed {_allowed(known, dotted)}"
    if isinstance(value, str) and known.kind in ("float", "int"):
        digits = value.replace("_", "").replace(",", "")
        if re.fullmatch(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?", digits):
            return f"{text}; write {digits} without quotes or separators"
    if isinstance(value, float) and known.kind == "int" and value.is_integer():
        return f"{text}; write {int(value)}"
    if isinstance(value, str) and known.kind == "bool" and value.lower() in _BOOLS:
        return f"{text}; write {_BOOLS[value.lower()]}"
    return text


_BOOLS = {"yes": "true", "on": "true", "no": "false", "off": "false"}


def _allowed(known: Parameter, dotted: str) -> str:
    if known.kind == "choice":
        text = ", ".join(map(_plain_text, known.choices))
    else:
        text = _WORDS.get(known.kind, known.annotation or "a value")
        if dotted in RANGES:
            text += f" {RANGES[dotted]}"
    return f"{text}, or null" if known.optional else text


_ELEMENT = re.compile(r"(?:[Ss]equence|[Tt]uple|[Ll]ist|Iterable)\[(int|float|str|bool)\b")


def _elements(known: Parameter, node: Node, dotted: str, problems: list[Problem]) -> None:
    """Each element of a list whose annotation says what they are; a model's sizes are positive."""
    match = _ELEMENT.search(known.annotation)
    if match is None or not isinstance(node.value, list):
        return
    kind = match[1]
    sizes = kind == "int" and dotted.startswith("model.")
    for item in node.value:
        value = plain(item)
        if not _is(kind, value) or (sizes and value < 1):
            allowed = "a whole number of at least 1" if sizes else _WORDS[kind]
            problems.append(item.problem(f"{show(value)} given; allowed {allowed}"))

"""Distributions over one hyperparameter, as data, and the point of each at a quantile.

Samplers deal in the unit interval; `at` carries a quantile to a value, so that random, Halton and
Sobol points, and grids, all mean the same thing for every distribution.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from funcdl.config.names import show, unknown
from funcdl.config.node import Node, is_mapping, is_scalar, plain
from funcdl.errors import Problem

NAMES = ("uniform", "log_uniform", "int_uniform", "choice", "one_minus")
MAX_CHOICES = 10_000


class Distribution(NamedTuple):
    """A distribution of one hyperparameter.

    name: one of `NAMES`.
    low, high: its ends, both included (for `one_minus`, of the inner distribution).
    values: what a `choice` chooses from.
    inner: the distribution of 1 - value, for `one_minus`.
    """

    name: str
    low: float | int = 0.0
    high: float | int = 0.0
    values: tuple = ()
    inner: Distribution | None = None

    def at(self, u: float) -> Any:
        """The quantile `u` in [0, 1].

        >>> Distribution("log_uniform", 1e-4, 1.0).at(0.5)
        0.01
        >>> Distribution("int_uniform", 1, 3).at(1.0)
        3
        """
        if not 0.0 <= u <= 1.0:
            raise ValueError(f"a quantile lies in [0, 1]; given {u}")
        match self.name:
            case "uniform":
                value = self.low + u * (self.high - self.low)
            case "log_uniform":
                low, high = math.log10(self.low), math.log10(self.high)
                value = 10.0 ** (low + u * (high - low))
            case "int_uniform":
                count = int(self.high) - int(self.low) + 1
                return int(self.low) + min(math.floor(u * count), count - 1)
            case "choice":
                return self.values[min(math.floor(u * len(self.values)), len(self.values) - 1)]
            case _:
                assert self.inner is not None
                return 1.0 - self.inner.at(u)
        # Rounding must not carry a value past the ends that a person wrote.
        return min(max(value, float(self.low)), float(self.high))

    @property
    def size(self) -> int | None:
        """How many values a choice has; None for a range, which a grid may cut as it likes."""
        return len(self.values) if self.name == "choice" else None

    def levels(self, k: int) -> tuple:
        """`k` values for a grid, evenly spaced on the distribution's own scale, ends included.

        All values of a `choice` whatever `k` is; no integer twice.

        >>> Distribution("log_uniform", 0.01, 1.0).levels(3)
        (0.01, 0.1, 1.0)
        """
        if self.name == "choice":
            return self.values
        if self.name == "one_minus":
            assert self.inner is not None
            return tuple(1.0 - value for value in self.inner.levels(k))
        if self.name == "int_uniform":
            low, high = int(self.low), int(self.high)
            k = min(k, high - low + 1)
            steps = max(k - 1, 1)
            spread = ((2 * i * (high - low) + steps) // (2 * steps) for i in range(k))
            return tuple(dict.fromkeys(low + step for step in spread))
        return tuple(self.at(i / (k - 1)) for i in range(k)) if k > 1 else (self.at(0.5),)

    def edges(self) -> tuple:
        """Its smallest and largest value; empty for a choice, which has no edge."""
        if self.name == "choice":
            return ()
        if self.inner is not None:
            low, high = self.inner.edges()
            return (1.0 - high, 1.0 - low)
        return (self.low, self.high)

    def logarithmic(self) -> bool:
        """Whether a picture of it wants a logarithmic axis."""
        return self.name == "log_uniform"

    def describe(self) -> str:
        """As it would be written.

        >>> Distribution("one_minus", inner=Distribution("log_uniform", 0.01, 0.5)).describe()
        'one_minus(log_uniform(0.01, 0.5))'
        """
        if self.inner is not None:
            return f"one_minus({self.inner.describe()})"
        parts = self.values if self.name == "choice" else (self.low, self.high)
        return f"{self.name}({', '.join(_word(part) for part in parts)})"

    def as_data(self) -> dict[str, Any]:
        """As a config holds it, without `when`."""
        if self.inner is not None:
            return {"one_minus": self.inner.as_data()}
        return {self.name: list(self.values) if self.values else [self.low, self.high]}


def grid_levels(space: Mapping[str, Distribution], trials: int) -> int:
    """Into how many values a grid cuts each range, so as to stay within `trials` points.

    Two at the least, for one value is no search; choices are always taken whole.

    >>> square = {"a": Distribution("uniform", 0, 1), "b": Distribution("uniform", 0, 1)}
    >>> grid_levels(square, 16)
    4
    """
    sizes = [d.size for d in space.values()]
    ranges = sizes.count(None)
    room = trials // math.prod(size for size in sizes if size is not None)
    levels = 2
    while ranges and (levels + 1) ** ranges <= room:
        levels += 1
    return levels


def grid_size(space: Mapping[str, Distribution], trials: int) -> int:
    """How many points a grid has, without making it."""
    levels = grid_levels(space, trials)
    return math.prod(levels if d.size is None else d.size for d in space.values())


def _word(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_word, value))}]"
    return value if isinstance(value, str) else show(value)


def read_space(node: Node, problems: list[Problem]) -> Distribution | None:
    """A distribution as written, `{log_uniform: [1.0e-4, 1.0]}`; a `when` beside it is ignored."""
    if not is_mapping(node):
        example = "{log_uniform: [1.0e-4, 1.0]}"
        problems.append(node.problem(f"{show(node.value)} is not a space; write {example}"))
        return None
    names = [name for name in node.value if name != "when"]
    for name in names:
        if name not in NAMES:
            problems.append(node.value[name].problem(unknown("distribution", name, NAMES)))
    names = [name for name in names if name in NAMES]
    if len(names) != 1:
        if len(names) > 1 or set(node.value) <= {"when"}:
            problems.append(node.problem(f"needs exactly one distribution of {', '.join(NAMES)}"))
        return None
    (name,) = names
    inner = node.value[name]
    if name == "one_minus":
        space = read_space(inner, problems)
        if space is not None and space.name not in ("uniform", "log_uniform"):
            problems.append(inner.problem("one_minus takes a uniform or log_uniform"))
            return None
        return None if space is None else Distribution(name, inner=space)
    return _choice(inner, problems) if name == "choice" else _range(name, inner, problems)


def _choice(node: Node, problems: list[Problem]) -> Distribution | None:
    if not isinstance(node.value, list) or not node.value:
        problems.append(node.problem("choice takes a list of at least one value"))
        return None
    if len(node.value) > MAX_CHOICES:
        count = len(node.value)
        problems.append(node.problem(f"choice takes at most {MAX_CHOICES} values; given {count}"))
        return None
    values = tuple(_plain_choice(item) for item in node.value)
    if any(not is_scalar(v) and not isinstance(v, tuple) for v in values):
        problems.append(node.problem("choice takes numbers, words, and lists of them"))
        return None
    return Distribution("choice", values=_unique(values))


def _plain_choice(node: Node) -> Any:
    if isinstance(node.value, list):
        return tuple(_plain_choice(item) for item in node.value)
    return node.value


def _unique(values: tuple) -> tuple:
    """Each value once; 1, 1.0 and true are three."""
    return tuple({(type(v).__name__, repr(v)): v for v in values}.values())


def _range(name: str, node: Node, problems: list[Problem]) -> Distribution | None:
    kind = int if name == "int_uniform" else (int, float)
    written = plain(node)
    ends = written if isinstance(written, list) else []
    if len(ends) != 2 or not all(isinstance(e, kind) and not isinstance(e, bool) for e in ends):
        what = "two whole numbers" if name == "int_uniform" else "two numbers"
        given = f"[{', '.join(map(show, ends))}]" if 0 < len(ends) < 4 else show(written)
        problems.append(node.problem(f"{name} takes [low, high], {what}; given {given}"))
        return None
    low, high = ends
    if not low < high:
        problems.append(node.problem(f"{name} takes low < high; given [{show(low)}, {show(high)}]"))
        return None
    if name == "log_uniform" and low <= 0:
        problems.append(node.problem(f"log_uniform needs low > 0; given {show(low)}"))
        return None
    if name != "int_uniform":
        try:
            low, high = float(low), float(high)
        except OverflowError:
            problems.append(node.problem("a number too large for float64"))
            return None
    return Distribution(name, low, high)

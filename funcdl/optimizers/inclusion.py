"""Which optimizers are special cases of which, and with what arguments.

A general optimizer that was tuned well cannot lose to its special case, for it could have become it.
If it does lose, its search was too small or its space leaves the special case out.

Source: Choi, Shallue, Nado, Lee, Maddison and Dahl, "On empirical comparisons of optimizers for deep
learning" (2019), section 3 and appendix A; here for the optimizers as optax writes them, whose updates
the tests compare.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

LARGE = math.inf  # an epsilon above all squared gradients, with a learning rate as much larger
ENOUGH = 1.0  # from where on an epsilon counts as such
SMALL = 1e-6  # an epsilon up to this is there against a division by zero, and nothing else
NONE = (None, 0, 0.0)

Arguments = Mapping[str, Any]


class Span(NamedTuple):
    """What a search over a range tries: everything between two numbers."""

    low: float
    high: float


class Rule(NamedTuple):
    """`special` is `general` with these arguments, other arguments being free.

    becomes: argument of the general one -> a number, or the name of the special one's argument.
    where: the special one's argument -> the values for which it holds; all others are free.
    """

    general: str
    special: str
    becomes: Mapping[str, float | bool | str]
    where: Mapping[str, tuple] = {}


_ADAM = {"b1": "b1", "b2": "b2", "eps": "eps", "eps_root": "eps_root"}

RULES = (
    Rule("sgd", "sgd", {"momentum": 0.0}, {"momentum": NONE}),
    Rule("noisy_sgd", "sgd", {"eta": 0.0}, {"momentum": NONE}),
    Rule("optimistic_gradient_descent", "sgd", {"alpha": 1.0, "beta": 0.0}, {"momentum": NONE}),
    Rule("rmsprop", "sgd", {"momentum": "momentum", "nesterov": "nesterov", "eps": LARGE}),
    # Both up to Adam's bias correction, which fades in the first steps.
    Rule("adam", "sgd", {"b1": "momentum", "nesterov": "nesterov", "eps": LARGE}),
    Rule(
        "adam",
        "rmsprop",
        {"b1": 0.0, "b2": "decay"},
        {"momentum": NONE, "centered": (False,), "eps": (SMALL,)},
    ),
    Rule("adamw", "adam", _ADAM | {"nesterov": "nesterov", "weight_decay": 0.0}),
    Rule("adamaxw", "adamax", {"b1": "b1", "b2": "b2", "eps": "eps", "weight_decay": 0.0}),
    Rule(
        "ademamix", "adamw", _ADAM | {"alpha": 0.0, "weight_decay": "weight_decay"},
        {"nesterov": (False,)},
    ),
    Rule("ademamix", "adam", _ADAM | {"alpha": 0.0, "weight_decay": 0.0}, {"nesterov": (False,)}),
    Rule("signum", "sign_sgd", {"beta": 0.0}),
    Rule("lion", "signum", {"b1": "beta", "b2": "beta", "weight_decay": 0.0}),
)  # fmt: skip

# Other names of the same function; their `nesterov` is an argument like the others.
_SAME = {"nadam": "adam", "nadamw": "adamw"}


class Inclusion(NamedTuple):
    """One optimizer as a special case of another.

    becomes: the general one's arguments that make it the special one.
    missing: why its search could not get there, a phrase per argument; empty where it could.
    """

    becomes: Mapping[str, Any]
    missing: tuple[str, ...]

    def how(self) -> str:
        """The arguments in words.

        >>> Inclusion({"b1": 0.9, "eps": LARGE}, ()).how()
        'b1 = 0.9, a large eps with a learning_rate in proportion'
        """
        return ", ".join(_wanted(name, value) for name, value in self.becomes.items())


def inclusion(
    general: Arguments, special: Arguments, ranges: Mapping[str, tuple] | None = None
) -> Inclusion | None:
    """Whether the special optimizer is a case of the general one, and whether a search could find it.

    Args:
        general: `name` and arguments; what was searched is None.
        special: `name` and arguments, the searched ones as selected.
        ranges: the general one's searched arguments -> a `Span`, or the values of a choice.

    Returns:
        None where it is no special case, or is the same optimizer with the same arguments.

    >>> adamw = {"name": "adamw", "learning_rate": None, "b1": 0.9, "b2": 0.999, "eps": 1e-8,
    ...          "eps_root": 0.0, "weight_decay": 1e-4, "nesterov": False}
    >>> adam = {key: value for key, value in adamw.items() if key != "weight_decay"}
    >>> found = inclusion(adamw, adam | {"name": "adam"}, {"learning_rate": Span(1e-4, 1.0)})
    >>> found.how(), found.missing
    ('weight_decay = 0', ('weight_decay was 0.0001',))
    >>> inclusion(adam | {"name": "adam"}, adamw) is None
    True
    """
    name = _SAME.get(general["name"], general["name"])
    searched = ranges or {}
    found = [
        Inclusion(
            {k: v for k, v in becomes.items() if not _there(general, searched, k, v)},
            tuple(_missing(general, searched, becomes)),
        )
        for reached, becomes in _cases(special)
        if reached == name
    ]
    found = [one for one in found if one.becomes]
    # Of several ways the one that lacks least; the first, which is the shortest, of equals.
    return min(found, key=lambda one: len(one.missing), default=None)


def _cases(special: Arguments) -> Iterator[tuple[str, dict[str, Any]]]:
    """What contains the special optimizer, however many rules away: name and arguments."""
    waiting = [(_SAME.get(special["name"], special["name"]), dict(special), frozenset())]
    while waiting:
        name, arguments, used = waiting.pop(0)
        for place, rule in enumerate(RULES):
            if rule.special != name or place in used or not _holds(rule, arguments):
                continue
            becomes = {
                key: arguments[value] if isinstance(value, str) else value
                for key, value in rule.becomes.items()
                if not isinstance(value, str) or value in arguments
            }
            becomes = {key: 0.0 if value is None else value for key, value in becomes.items()}
            if becomes.get("momentum", becomes.get("b1")) == 0:
                becomes.pop("nesterov", None)  # it looks ahead along a momentum that is not there
            yield rule.general, becomes
            waiting.append((rule.general, becomes, used | {place}))


def _holds(rule: Rule, arguments: Arguments) -> bool:
    """Arguments that earlier rules leave free are whatever is needed."""
    for key, allowed in rule.where.items():
        value = arguments.get(key, allowed[0])
        small = key == "eps" and isinstance(value, int | float) and value <= max(allowed)
        if not small and not any(value is one or value == one for one in allowed):
            return False
    return True


def _missing(
    general: Arguments, ranges: Mapping[str, tuple], becomes: Mapping[str, Any]
) -> Iterator[str]:
    if general.get("learning_rate") is not None:
        yield f"learning_rate was {general['learning_rate']:g}"
    for key, target in becomes.items():
        if key in ranges:
            if not _covers(ranges[key], target):
                yield f"{key} was searched {_range(ranges[key])}"
        elif not _same(general.get(key), target):
            yield f"{key} was {_word(general.get(key))}"


def _there(general: Arguments, ranges: Mapping[str, tuple], key: str, target: Any) -> bool:
    """Whether an argument needs no mention, since it always was what it has to be."""
    return key not in ranges and _same(general.get(key), target)


def _same(value: Any, target: Any) -> bool:
    if target == LARGE:
        return isinstance(value, int | float) and value >= ENOUGH
    if value is None or isinstance(value, bool) or isinstance(target, bool):
        return bool(value) == bool(target) if not target else value == target
    if not isinstance(value, int | float):
        return value == target
    return abs(value - target) <= 0.01 * abs(target) or max(value, target) <= 0.01 * SMALL


def _covers(values: tuple, target: Any) -> bool:
    """Whether a search over these values comes to the target, or close to it."""
    if any(_same(value, target) for value in values):
        return True
    if not isinstance(values, Span) or isinstance(target, bool):
        return False
    if target == 0:  # a logarithmic range has no zero
        return values.low <= max(SMALL, 1e-3 * values.high)
    return values.low <= target <= values.high


def _range(values: tuple) -> str:
    if isinstance(values, Span):
        return f"from {_word(values.low)} to {_word(values.high)}"
    return f"among {', '.join(map(_word, values))}"


def _wanted(name: str, value: Any) -> str:
    if value == LARGE:
        return f"a large {name} with a learning_rate in proportion"
    return f"{name} = {_word(value)}"


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, int | float) else str(value)

"""The search space of each method: which keys are tuned, over what, under which condition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from funcdl.config.engine import of_the_engine
from funcdl.config.layers import split
from funcdl.config.names import show, unknown
from funcdl.config.node import Node, is_mapping, plain
from funcdl.config.recipe import Resolved
from funcdl.config.spaces import Distribution, read_space
from funcdl.config.values import argument
from funcdl.errors import Problem
from funcdl.signatures import Parameter

RESERVED = ("trials", "sampler", "repeat", "stop")


class Condition(NamedTuple):
    """`when: {key: allowed values}`, one of them."""

    key: str
    allowed: tuple[Node, ...]
    node: Node


class Rule(NamedTuple):
    """A space for a key, for the methods that meet all conditions; it stands at `node`.

    written: all that is written under the key, perhaps a list of spaces.
    """

    key: str
    conditions: tuple[Condition, ...]
    space: Distribution
    node: Node
    written: Node


class Candidate(NamedTuple):
    """What a condition can look at.

    axes: axis -> label of this method, blocks' axes included.
    resolved: its recipe, before anything is tuned.
    fixed: dotted keys that a point of an axis sets.
    """

    axes: Mapping[str, str]
    resolved: Resolved
    fixed: Node


def read_rules(node: Node | None, problems: list[Problem]) -> list[Rule]:
    """The rules under `tune`, in the order in which they are tried."""
    rules = []
    for key, written in node.value.items() if node is not None and is_mapping(node) else ():
        if key in RESERVED:
            continue
        if of_the_engine(key):
            problems.append(written.problem(of_the_engine(key)))
            continue
        if "." not in key:
            hint = "and dotted keys such as optimizer.learning_rate"
            problems.append(written.problem(f"{unknown('key', key, RESERVED)} {hint}"))
            continue
        entries = written.value if isinstance(written.value, list) else [written]
        if not entries:
            problems.append(written.problem("no spaces; remove the key, or give one"))
        for entry in entries:
            conditions = _conditions(entry.child("when"), problems) if is_mapping(entry) else ()
            space = read_space(entry, problems)
            if space is not None:
                rules.append(Rule(key, conditions, space, entry, written))
    return rules


def _conditions(node: Node | None, problems: list[Problem]) -> tuple[Condition, ...]:
    if node is None:
        return ()
    if not is_mapping(node):
        problems.append(node.problem("must be a mapping, such as {optimizer: sgd}"))
        return ()
    for value in node.value.values():
        if value.value in ([], {}):
            problems.append(value.problem("no value meets it; give one, or a list of some"))
    return tuple(
        Condition(key, tuple(value.value) if isinstance(value.value, list) else (value,), value)
        for key, value in node.value.items()
    )


def search(
    rules: Iterable[Rule], candidate: Candidate, problems: list[Problem]
) -> dict[str, Distribution]:
    """The space of one method: of each key the first rule that matches it."""
    space: dict[str, Distribution] = {}
    done: set[str] = set()
    for rule in rules:
        known = candidate.resolved.known.get(rule.key)
        if known is None or rule.key in done or not _met(rule, candidate):
            continue
        done.add(rule.key)
        fixed = _fixed(candidate.fixed, rule.key)
        if fixed is not None:
            text = (
                f"set to {show(plain(fixed))} here, but tune searches it; remove one, or add `when`"
            )
            problems.append(fixed.problem(text))
        fitted = _fitted(rule, known, problems)
        if fitted is not None:
            space[rule.key] = fitted
            _check_evaluations(rule, fitted, candidate.resolved, problems)
    return space


def _check_evaluations(
    rule: Rule, space: Distribution, resolved: Resolved, problems: list[Problem]
) -> None:
    """Every trial is evaluated at least once, also the shortest."""
    if rule.key == "train.steps":
        fewest, every = min(space.edges() or space.values), resolved.recipe["train"]["eval_every"]
        if fewest < every:
            text = f"tries {fewest} steps, fewer than train.eval_every, {every}; lower that"
            problems.append(rule.node.problem(text))


def _met(rule: Rule, candidate: Candidate) -> bool:
    return all(
        any(_holds(condition.key, plain(value), candidate) for value in condition.allowed)
        for condition in rule.conditions
    )


def _holds(key: str, value: Any, candidate: Candidate) -> bool:
    """Whether the axis's label, the section's name or the key's value is `value`."""
    return any(_equal(value, seen) for seen in _seen(key, candidate))


def _seen(key: str, candidate: Candidate) -> list[Any]:
    seen: list[Any] = [candidate.axes[key]] if key in candidate.axes else []
    inner: Any = candidate.resolved.recipe
    for name in split(key):
        if not isinstance(inner, dict) or name not in inner:
            return seen
        inner = inner[name]
    return [*seen, inner.get("name") if isinstance(inner, dict) and "name" in inner else inner]


def _equal(value: Any, seen: Any) -> bool:
    if isinstance(value, bool) != isinstance(seen, bool):
        return False
    return type(seen) in (str, int, float, bool, type(None), list) and value == seen


def _fixed(layer: Node, key: str) -> Node | None:
    """Where a point of an axis sets the key, if it does."""
    path = split(key)
    node: Node | None = layer
    for name in path:
        node = node.child(name) if node is not None and is_mapping(node) else None
    return node


def _fitted(rule: Rule, known: Parameter, problems: list[Problem]) -> Distribution | None:
    """The space as values of that argument, or None after a problem."""
    space, found = rule.space, []
    place = rule.node
    if space.size is not None:
        values = tuple(_argument(known, value, rule, found) for value in space.values)
        space = space._replace(values=tuple(dict.fromkeys(values)) if not found else values)
    elif known.kind not in ("float", "int", "other"):
        found.append(place.problem(f"takes no number; search it with choice, not {space.name}"))
    elif known.kind == "int" and space.name != "int_uniform":
        found.append(place.problem("takes a whole number; search it with int_uniform or choice"))
    else:
        for edge in space.edges():
            _argument(known, edge, rule, found)
    problems.extend(found)
    return None if found else space


def _argument(known: Parameter, value: Any, rule: Rule, problems: list[Problem]) -> Any:
    given = argument(known, _as_node(value, rule.node), rule.key, problems)
    return tuple(given) if isinstance(given, list) else given


def _as_node(value: Any, place: Node) -> Node:
    if isinstance(value, tuple):
        return place._replace(value=[_as_node(item, place) for item in value])
    return place._replace(value=value)


def unused(
    rules: Iterable[Rule], candidates: list[Candidate], names: Mapping[str, Iterable[str]]
) -> list[Problem]:
    """Rules that search nothing: a key that no method has, a condition that none can meet.

    Args:
        rules: all rules.
        candidates: all methods.
        names: section -> the names it knows; a known name that no method has is no mistake, so that
            a study may be narrowed from the command line.
    """
    problems = []
    keys = dict.fromkeys(key for candidate in candidates for key in candidate.resolved.known)
    for rule in rules:
        doubtful = any(split(rule.key)[0] in c.resolved.obscure for c in candidates)
        if rule.key not in keys and not doubtful:
            problems.append(rule.written.problem(unknown("key", rule.key, keys)))
        for condition in rule.conditions:
            for value in condition.allowed:
                problem = _never(condition, value, candidates, names)
                if problem is not None:
                    problems.append(problem)
    return problems


def _never(
    condition: Condition, value: Node, candidates: list[Candidate], names: Mapping
) -> Problem | None:
    if any(split(condition.key)[0] in c.resolved.obscure for c in candidates):
        return None
    seen = [s for candidate in candidates for s in _seen(condition.key, candidate)]
    if not seen:
        axes = dict.fromkeys(axis for candidate in candidates for axis in candidate.axes)
        keys = dict.fromkeys(
            key for c in candidates for key in (*c.resolved.recipe, *c.resolved.known)
        )
        return condition.node.problem(unknown("key", condition.key, [*axes, *keys]))
    known = list(names.get(condition.key, ()))
    if plain(value) in known or any(_equal(plain(value), s) for s in seen):
        return None
    allowed = dict.fromkeys(str(s) for s in seen if isinstance(s, (str, int, float)))
    return value.problem(f"no method has it: {unknown('value', value.value, allowed)}")


def untuned(resolved: Resolved, space: Mapping[str, Distribution]) -> list[Problem]:
    """Required arguments that nobody gives."""
    return [problem for key, problem in resolved.missing.items() if key not in space]

"""A section of a recipe: its name looked up, its arguments checked, its defaults filled in."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from funcdl import augment, baselines, data, models, optimizers, tasks
from funcdl.config.layers import SECTIONS
from funcdl.config.names import listed, unknown
from funcdl.config.node import Node, below, is_live, is_mapping, plain
from funcdl.config.values import argument
from funcdl.errors import FuncdlError, Problem
from funcdl.signatures import Expression, Parameter, parameters
from funcdl.train.unlabelled import UNLABELLED


class Kind(NamedTuple):
    """What may stand in a section.

    title: what a person calls it.
    key: its dotted key in a recipe.
    names: the names it knows; `target(name)` is the constructor as `"module:object"`.
    given: arguments that training gives, which no config sets.
    reasons: name -> why it cannot be used.
    """

    title: str
    key: str
    names: Callable[[], Collection[str]]
    target: Callable[[str], str]
    given: frozenset[str] = frozenset()
    reasons: Callable[[], dict[str, str]] = dict


class Section(NamedTuple):
    """A section as resolved.

    values: `name` and every argument that plain data can express.
    known: the arguments a config may set.
    missing: required arguments that were not written -> what to say if nothing tunes them.
    clear: the constructor was found.
    """

    values: dict[str, Any]
    known: dict[str, Parameter]
    missing: dict[str, Problem]
    clear: bool = True


KINDS: dict[str, Kind] = {
    "task": Kind("task", "task", lambda: tasks.TASKS, lambda n: tasks.TASKS[n]),
    "data": Kind(
        "data set",
        "data",
        lambda: data.DATASETS,
        lambda n: data.DATASETS[n],
        frozenset({"inputs", "targets", "train", "validation", "test"}),
    ),
    "model": Kind(
        "model",
        "model",
        lambda: models.MODELS,
        lambda n: models.MODELS[n],
        frozenset({"outputs", *models.COUNTS, "rngs", "parent", "name"}),
    ),
    "optimizer": Kind(
        "optimizer",
        "optimizer",
        optimizers.names,
        optimizers.target,
        reasons=optimizers.unavailable,
    ),
    "train.schedule": Kind(
        "schedule",
        "train.schedule",
        lambda: optimizers.SCHEDULES,
        lambda n: optimizers.SCHEDULES[n],
        frozenset({"step", "steps"}),
    ),
    "train.augment": Kind(
        "augmentation",
        "train.augment",
        lambda: augment.AUGMENTATIONS,
        lambda n: augment.AUGMENTATIONS[n],
        frozenset({"key", "inputs"}),
    ),
    "train.unlabelled": Kind(
        "method for examples without labels",
        "train.unlabelled",
        lambda: UNLABELLED,
        lambda n: UNLABELLED[n],
    ),
    "baseline": Kind(
        "baseline",
        "baseline",
        lambda: baselines.BASELINES,
        lambda n: baselines.BASELINES[n],
        frozenset({"random_state", "n_jobs", "verbose"}),
    ),
}

LABEL = "label"
_ARRAYS, _PRESPLIT = "funcdl.data.arrays:arrays", "funcdl.data.arrays:presplit"
_SPLIT = "funcdl.data.split:split"
# What every data set takes beside its constructor's own arguments; see `funcdl.data.load`.
_OF_ALL_DATA = {
    "only": Parameter("only", "sequence", None, False, True, (), "Sequence[int] | None", True),
    "labelled": Parameter("labelled", "int", None, False, True, (), "int | None", True),
}
assert {".".join(path) for path in SECTIONS} == set(KINDS) - {"baseline", "train.augment"}


def section(kind: Kind, node: Node, problems: list[Problem]) -> Section:
    """Resolves a section.

    Args:
        kind: what it holds.
        node: a bare name, an object, or a mapping with `name` and arguments.
        problems: receives everything that is wrong.
    """
    parts = dict(node.value) if is_mapping(node) else {"name": node}
    parts.pop(LABEL, None)
    name = parts.pop("name", None)
    if name is None:
        text = f"needs a name; allowed {', '.join(kind.names())}"
        problems.append(node.problem(text))
        return Section({}, {}, {}, False)
    known = _constructor(kind, name, problems)
    if known is None:
        return Section({"name": plain(name)}, {}, {}, False)
    allowed = [key for key, parameter in known.items() if parameter.settable]
    for key in [key for key in parts if key not in known]:
        problems.append(parts.pop(key).problem(unknown("argument", key, allowed, _called(name))))
    values: dict[str, Any] = {"name": plain(name)}
    missing: dict[str, Problem] = {}
    for key, parameter in known.items():
        dotted = below(kind.key, key)
        if kind.key == "data" and key == "split":
            values[key] = _split(parts.get(key), parameter.default, problems)
        elif key in parts:
            values[key] = argument(parameter, parts[key], dotted, problems)
        elif parameter.required:
            message = f"required by {_called(name)}; set it, or search it under tune"
            missing[key] = node.problem(message, dotted)
            values[key] = None
        elif parameter.settable and not isinstance(parameter.default, Expression):
            values[key] = as_data(parameter.default, parameter.kind)
    if kind.key == "data":  # a study that hides no labels says nothing of them
        values = {k: v for k, v in values.items() if k not in _OF_ALL_DATA or v is not None}
    return Section(values, known, missing)


def _called(name: Node) -> str:
    return name.value if isinstance(name.value, str) else object_label(name.value)


def as_data(value: Any, kind: str = "") -> Any:
    """A default as the same plain data that YAML would have given."""
    if isinstance(value, (tuple, list)):
        return [as_data(item) for item in value]
    if isinstance(value, dict):
        return {key: as_data(item) for key, item in value.items()}
    if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _constructor(kind: Kind, name: Node, problems: list[Problem]) -> dict[str, Parameter] | None:
    """The arguments a config may set; None after a problem."""
    if is_mapping(name):
        problems.append(name.problem(f"a mapping given as name; allowed {listed(kind.names())}"))
        return None
    if is_live(name.value):
        return _live(kind, name.value)
    if not isinstance(name.value, str) or name.value not in kind.names():
        reason = kind.reasons().get(name.value) if isinstance(name.value, str) else None
        if reason:
            problems.append(name.problem(f"{name.value} cannot be used by name: {reason}"))
        else:
            problems.append(name.problem(unknown(kind.title, name.value, kind.names())))
        return None
    try:
        return settable(kind, name.value)
    except FuncdlError as error:  # an optional package that is not installed
        problems.append(name.problem(f"{name.value} cannot be used: {error}"))
        return None


@functools.cache
def _settable(kind: str, name: str) -> dict[str, Parameter]:
    known = parameters(KINDS[kind].target(name))
    return _with_those_of_all(KINDS[kind], known)


def _with_those_of_all(kind: Kind, known: dict[str, Parameter]) -> dict[str, Parameter]:
    own = {k: p for k, p in known.items() if k not in kind.given}
    return own | _OF_ALL_DATA if kind.key == "data" else own


def settable(kind: Kind, name: str) -> dict[str, Parameter]:
    """The arguments of a known name which a config may set."""
    return _settable(kind.key, name)


def _live(kind: Kind, value: Any) -> dict[str, Parameter]:
    """The arguments of a constructor given as an object; an instance takes none."""
    if isinstance(value, type) or inspect.isroutine(value) or hasattr(value, "func"):
        return _with_those_of_all(kind, parameters(value))
    if kind.key == "data":
        arrays = _ARRAYS if type(value) is tuple else _PRESPLIT
        return _with_those_of_all(kind, parameters(arrays))
    return {}


@functools.cache
def split_parameters() -> dict[str, Parameter]:
    """How a data set may be split: `by`, the two shares, the seed, and the length of blocks."""
    plain_kinds = ("float", "int", "choice", "str")
    known = parameters(_SPLIT).items()
    return {k: p for k, p in known if not p.required and p.kind in plain_kinds}


def _split(node: Node | None, default: Any, problems: list[Problem]) -> dict[str, Any]:
    """A rule for splitting: what is not written is as the data set's own default says."""
    own = default if isinstance(default, dict) else {}
    known = {k: p._replace(default=own.get(k, p.default)) for k, p in split_parameters().items()}
    parts = {}
    if node is not None:
        if not is_mapping(node):
            text = f"a mapping of {', '.join(known)}"
            problems.append(node.problem(f"must be {text}, such as {{by: random, test: 0.2}}"))
            return {}
        parts = dict(node.value)
    for key in [key for key in parts if key not in known]:
        problems.append(parts.pop(key).problem(unknown("argument", key, known)))
    return {
        key: argument(parameter, parts[key], f"data.split.{key}", problems)
        if key in parts
        else as_data(parameter.default, parameter.kind)
        for key, parameter in known.items()
        if key in parts or parameter.default is not None
    }


def object_label(value: Any) -> str:
    """What to call an object in a table: its own name, or its type's."""
    while hasattr(value, "func"):
        value = value.func
    name = getattr(value, "__name__", None)
    if isinstance(name, str):
        return name.strip("<>") or "object"
    if type(value) is tuple:
        return "functions" if all(map(callable, value)) else "arrays"
    if isinstance(value, dict):
        return "arrays"
    return type(value).__name__

"""From a study's `model` section to a `Model`."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn

from funcdl.errors import Problem, StudyError
from funcdl.models import COUNTS, MODELS
from funcdl.models.adapt import from_functions, from_linen, from_nnx, keywords, signature
from funcdl.types import Model


def make_model(spec: Any, outputs: int, ids: Mapping[str, int] | None = None) -> Model:
    """Makes the model that a `model` section describes.

    Args:
        spec: a name of `MODELS`; or `{"name": what, **arguments}`, where `what` is a name, a Linen
            module or its class, an NNX class, a function of `rngs` that makes an NNX module, a pair
            `(init, apply)`, a `Model`, or a function that returns any of these; or `what` alone.
        outputs: width of the last layer, given to whatever takes an argument `outputs`.
        ids: how many tokens, items, ... the data number, given to whatever takes such an argument.

    Raises:
        StudyError: an unknown name, arguments that do not fit, or no model at all.

    >>> model = make_model({"name": "mlp", "hidden": [32]}, outputs=10)
    """
    arguments = dict(spec) if isinstance(spec, Mapping) else {"name": spec}
    if "name" not in arguments:
        raise _error("", f"has no name: {spec!r}; allowed {', '.join(MODELS)}")
    what = arguments.pop("name")
    if isinstance(what, str):
        what = _named(what)
    for key in ("outputs", *COUNTS):
        if key in arguments:
            setter = "task" if key == "outputs" else "data"
            raise _error(key, f"is set by the {setter}; leave it out")
    filled = {"outputs": outputs, **(ids or {})}
    return _adapt(what, {key: _frozen(value) for key, value in arguments.items()}, filled)


def _named(name: str) -> Any:
    """The object that a name of the table stands for."""
    if name not in MODELS:
        close = difflib.get_close_matches(name, MODELS, 1)
        hint = f"did you mean {close[0]}; " if close else ""
        raise _error("", f"unknown model {name!r}; {hint}allowed {', '.join(MODELS)}")
    module, _, attribute = MODELS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def _adapt(what: Any, arguments: dict[str, Any], filled: Mapping[str, int]) -> Model:
    """Wraps any of the things that can be a model."""
    if isinstance(what, Model | tuple | nn.Module) or _is_nnx(what):
        if arguments:
            raise _error(
                next(iter(arguments)),
                f"a {type(what).__name__} is already made and takes no arguments; "
                "give them where it is made",
            )
        return _adapt_made(what)
    if not callable(what):
        raise _error("", f"{what!r} is no model; {_ALLOWED}")
    if isinstance(what, type) and issubclass(what, nn.Module):
        return from_linen(_call(what, arguments, filled))
    names = keywords(what)
    if "rngs" in names:
        arguments = {**_taken(names, filled), **arguments}
        _bind(what, {"rngs": None, **arguments})
        return from_nnx(what, **arguments)
    return _adapt_made(_call(what, arguments, filled))


def _adapt_made(what: Any) -> Model:
    """Wraps what needs no more arguments."""
    if isinstance(what, Model):
        return what
    if isinstance(what, nn.Module):
        return from_linen(what)
    if _is_nnx(what):
        try:
            return from_nnx(what)
        except TypeError as error:  # it says what to give instead
            raise _error("", str(error)) from None
    if isinstance(what, tuple) and len(what) == 2 and all(map(callable, what)):
        return from_functions(*what)
    raise _error("", f"{what!r} is no model; {_ALLOWED}")


def _is_nnx(what: Any) -> bool:
    """Whether this is an NNX module; who has made one has imported `flax.nnx`."""
    nnx = sys.modules.get("flax.nnx")
    return nnx is not None and isinstance(what, nnx.Module)


def _call(make: Callable[..., Any], arguments: dict[str, Any], filled: Mapping[str, int]) -> Any:
    """Calls a constructor with its arguments and, if it takes them, those that task and data fill."""
    arguments = {**_taken(keywords(make), filled), **arguments}
    _bind(make, arguments)
    return make(**arguments)


def _taken(names: Any, filled: Mapping[str, int]) -> dict[str, int]:
    return {name: number for name, number in filled.items() if name in names}


def _bind(make: Callable[..., Any], arguments: dict[str, Any]) -> None:
    """Refuses arguments that a constructor does not take, or lacks."""
    try:
        signature(make).bind(**arguments)
    except ValueError:  # no signature to check against
        return
    except TypeError as error:
        name = getattr(make, "__name__", type(make).__name__)
        own = ", ".join(key for key in signature(make).parameters if key not in _FILLED)
        raise _error("", f"{name}: {error}; its arguments are: {own or '(none)'}") from None


def _frozen(value: Any) -> Any:
    """Lists as tuples, since a Linen module must be hashable."""
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def _error(key: str, message: str) -> StudyError:
    return StudyError([Problem("", f"model.{key}" if key else "model", message)])


_ALLOWED = (
    "give a name of funcdl.models.MODELS, a Linen module or class, an NNX class or a function of "
    "rngs that makes an NNX module, a pair (init, apply) of pure functions, or a funcdl Model"
)
_FILLED = ("outputs", *COUNTS, "rngs", "parent", "name")  # not for a study to set

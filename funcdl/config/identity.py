"""What makes two recipes the same: canonical JSON of all that is in them, and its SHA-256.

Nothing here depends on the process: no addresses, no `hash()`, no order of insertion. A Python
object is described by what it does: a function by its source, defaults, closure and the globals it
reads; an array by its bytes; a module by its class and fields. Code of installed packages is named,
not read: their versions are part of a run's environment.
"""

from __future__ import annotations

import contextlib
import copyreg
import functools
import hashlib
import inspect
import json
import math
import threading
import types
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from funcdl.config.functions import called_names, is_installed, is_installed_module, source
from funcdl.config.versioned import VERSION
from funcdl.errors import FuncdlError


def identity(value: Any) -> str:
    """SHA-256 (hex) of a recipe, or of anything that a recipe may hold.

    Raises:
        FuncdlError: for an object that cannot be described.

    >>> identity({"a": 0.1, "b": [1]}) == identity({"b": (1,), "a": 0.10})
    True
    """
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces; live objects as `{"$sha256": ..., "$type": ...}`.

    >>> canonical({"b": 1.0, "a": None})
    '{"a":null,"b":1.0}'
    """
    data = _described(value, _Seen())
    return json.dumps(data, sort_keys=True, allow_nan=False, separators=(",", ":"))


def _described(value: Any, seen: _Seen) -> Any:
    """Plain data that stands for the value."""
    if value is None or isinstance(value, (str, bool)):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return {"$float": repr(float(value))}
        return float(value) + 0.0  # one zero, not two
    if type(value) in (list, tuple):
        return [_described(item, seen) for item in value]
    if type(value) is dict and all(isinstance(key, str) for key in value):
        return {key: _described(item, seen) for key, item in value.items()}
    return _digested(value, seen)


class _Seen:
    """The objects on the way to the one described, and those described already.

    depth: id -> how deep an object on the way lies. What leads back to it is described by how many
        levels up it is, so that a description does not depend on where it begins.
    done: id -> object (kept alive, so that no other takes its id) and its description. Only what
        is in no circle: the description of a circle depends on where it is entered.
    lowest: the depth of the highest object that was led back to.
    """

    def __init__(self) -> None:
        self.depth: dict[int, int] = {}
        self.done: dict[int, tuple[Any, Any]] = {}
        self.lowest = math.inf


def _digested(value: Any, seen: _Seen) -> Any:
    key = id(value)
    if key in seen.done:
        return seen.done[key][1]
    if key in seen.depth:
        seen.lowest = min(seen.lowest, seen.depth[key])
        return {"$up": len(seen.depth) - seen.depth[key]}
    depth = seen.depth[key] = len(seen.depth)
    outside, seen.lowest = seen.lowest, math.inf
    try:
        parts = _parts(value, seen)
    finally:
        del seen.depth[key]
    text = json.dumps(parts, sort_keys=True, allow_nan=False, separators=(",", ":"))
    found = {"$sha256": hashlib.sha256(text.encode()).hexdigest(), "$type": _type(value)}
    if seen.lowest > depth:  # nothing inside led back here or further: it is in no circle
        seen.done[key] = (value, found)
    if seen.lowest >= depth:
        seen.lowest = math.inf
    seen.lowest = min(seen.lowest, outside)
    return found


def _type(value: Any) -> str:
    if hasattr(value, "__array__") and not isinstance(value, type):
        return "array"  # NumPy's or JAX's: the numbers are the same
    kind = value if isinstance(value, type) else type(value)
    return f"{kind.__module__}.{kind.__qualname__}"


def _parts(value: Any, seen: _Seen) -> Any:
    """What an object consists of."""
    version = getattr(value, VERSION, None)
    if isinstance(version, str):
        inner = value.func if isinstance(value, functools.partial) else value
        return {"version": version, "name": getattr(inner, "__qualname__", _type(inner))}
    if isinstance(value, types.ModuleType):
        return _module(value, seen)
    if is_installed(value):
        return {"installed": f"{value.__module__}:{value.__qualname__}"}
    if isinstance(value, functools.partial):
        return _all({"func": value.func, "args": value.args, "keywords": value.keywords}, seen)
    if isinstance(value, (Mapping, set, frozenset)):
        items = value.items() if isinstance(value, Mapping) else value
        described = [_described(item, seen) for item in items]
        return sorted(described, key=lambda item: json.dumps(item, sort_keys=True))
    if isinstance(value, (list, tuple)):  # named tuples among them
        return [_described(item, seen) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": hashlib.sha256(value).hexdigest()}
    if isinstance(value, type):
        return _class(value, seen)
    if hasattr(value, "__array__"):
        return _array(value)
    if hasattr(value, "__self__") and hasattr(value, "__func__"):
        return _all({"self": value.__self__, "func": value.__func__}, seen)
    if hasattr(value, "__code__"):
        return _function(value, seen)
    if hasattr(value, "__wrapped__") and callable(value):  # jax.jit and functools.wraps
        return _all({"type": type(value), "wrapped": inspect.unwrap(value)}, seen)
    return _instance(value, seen)


def _module(module: types.ModuleType, seen: _Seen) -> dict[str, Any]:
    """A module by its name; a user's own also by its source and the modules it uses in turn."""
    if is_installed_module(module.__name__):
        return {"module": module.__name__}
    with contextlib.suppress(OSError, TypeError):
        text = Path(module.__file__ or "").read_bytes()
        used = [m for m in vars(module).values() if isinstance(m, types.ModuleType)]
        own = {m.__name__: m for m in used if not is_installed_module(m.__name__)}
        source = hashlib.sha256(text).hexdigest()
        return {"module": module.__name__, "source": source, "uses": _all(own, seen)}
    return {"module": module.__name__}


def _all(parts: Mapping[str, Any], seen: _Seen) -> dict[str, Any]:
    return {key: _described(part, seen) for key, part in parts.items()}


def _array(value: Any) -> dict[str, Any]:
    import numpy as np

    from funcdl.data.digest import content
    from funcdl.data.rows import Rows

    array: Any = value
    if not isinstance(value, Rows):
        try:
            array = np.asarray(value)
        except TypeError:  # a JAX random key, which is no number
            from jax.random import key_data

            array = np.asarray(key_data(value))
    if array.dtype.hasobject:
        return {"objects": [repr(item) for item in array.ravel().tolist()]}
    return {"dtype": array.dtype.str, "shape": list(array.shape), "bytes": content(array)}


def _function(function: Any, seen: _Seen) -> dict[str, Any]:
    code = function.__code__
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    closure = {}
    for name, cell in cells:
        try:
            closure[name] = cell.cell_contents
        except ValueError:  # not filled yet: a function that refers to itself while being made
            closure[name] = None
    scope = function.__globals__
    return {
        "source": source(function),
        "defaults": _described(list(function.__defaults__ or ()), seen),
        "keywords": _described(function.__kwdefaults__ or {}, seen),
        "closure": _all(closure, seen),
        "globals": {
            name: _described(scope[name], seen)
            for name in called_names(code)
            if name in scope and not is_installed_module(scope.get("__name__", ""))
        },
    }


_MADE_BY_PYTHON = {
    "__dict__",
    "__weakref__",
    "__module__",
    "__doc__",
    "__dataclass_fields__",
    "__dataclass_params__",
    "__firstlineno__",
    "__static_attributes__",
    "__match_args__",
    "__abstractmethods__",
    "_abc_impl",
}


def _class(cls: type, seen: _Seen) -> dict[str, Any]:
    """A class by its members and its bases, for its source cannot be had everywhere."""
    members = {}
    for name, member in vars(cls).items():
        if name in _MADE_BY_PYTHON:
            continue
        for inner in (
            "fget",
            "__func__",
            "__wrapped__",
        ):  # property, static method, Linen's wrapper
            member = getattr(member, inner, None) or member
        code = getattr(member, "__code__", None)
        if code is not None and code.co_filename.startswith("<string>"):
            continue  # written by dataclasses, from the fields
        if name == "__annotations__":
            members[name] = {key: str(kind) for key, kind in member.items()}
        elif code is not None or not name.startswith("__"):
            members[name] = _described(member, seen)
    bases = [_described(base, seen) for base in cls.__bases__ if base is not object]
    return {"name": cls.__qualname__, "members": members, "bases": bases}


def _instance(value: Any, seen: _Seen) -> dict[str, Any]:
    """An object by its class and its attributes."""
    fields = getattr(value, "__dataclass_fields__", None)
    if fields is not None:
        # A Linen module's `parent` is whoever built it, which says nothing of what it does.
        names = [name for name in fields if name != "parent"]
    else:
        slots = [n for c in type(value).__mro__ for n in _slots(c)]
        names = [n for n in (*getattr(value, "__dict__", {}), *slots) if not n.startswith("__")]
    if fields is None and (not names or _is_pickled_its_own_way(value)):
        return _reduced(value, seen)
    parts = {name: getattr(value, name) for name in names if hasattr(value, name)}
    return {"class": _described(type(value), seen), "parts": _all(parts, seen)}


def _is_pickled_its_own_way(value: Any) -> bool:
    """Whether there may be more to the object than its attributes: a random generator's state."""
    kind = type(value)
    own = kind.__reduce__ is not object.__reduce__, kind.__reduce_ex__ is not object.__reduce_ex__
    return any(own) or kind in copyreg.dispatch_table


def _reduced(value: Any, seen: _Seen) -> dict[str, Any]:
    """An object with more to it than attributes, by what pickle would make it of."""
    kind = type(value)
    if kind in _BOOKKEEPING:
        return {"class": _type(kind)}
    try:
        reduced: Any = copyreg.dispatch_table.get(kind, _reduce)(value)
    except TypeError as error:
        raise FuncdlError(
            f"{value!r} cannot be identified; wrap it, or the function that uses it: "
            "funcdl.versioned(function, version='1')"
        ) from error
    if isinstance(reduced, str):
        return {"name": reduced}
    make, arguments, state, *items = (*reduced, None, None, None)[:5]
    return {
        "made": _described([make, arguments, state], seen),
        "items": [None if part is None else _described(list(part), seen) for part in items],
    }


def _reduce(value: Any) -> Any:
    return value.__reduce_ex__(2)


_BOOKKEEPING = (object, weakref.ref, type(threading.Lock()), type(threading.RLock()))
"""What says nothing of what is computed: marks, and what looks after threads and memory."""


def _slots(cls: type) -> tuple[str, ...]:
    slots = vars(cls).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)

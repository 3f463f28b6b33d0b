"""From an annotation and a default to the kind of a parameter."""

from __future__ import annotations

import ast
from typing import Any

from funcdl.signatures.parameter import Expression, Parameter
from funcdl.signatures.source import last_name

_FLOATS = {"float", "ArrayLike", "ScalarLike", "ScalarOrSchedule", "JaxScalar", "Scalar", "Numeric"}
_SEQUENCES = {"tuple", "Tuple", "list", "List", "Sequence", "Iterable"}
_MAPPINGS = {"dict", "Dict", "Mapping", "MutableMapping"}
_KEYS = {"key", "rng", "prng_key"}  # optax: "a PRNG key or a seed"; from a config, a seed


def parameter(name: str, annotation: ast.expr | None, default: Any, required: bool) -> Parameter:
    """The `Parameter` that a name, an annotation and a default (as plain data) amount to."""
    members = _members(annotation) if annotation is not None else []
    names = {last_name(member) for member in members}
    optional = not names.isdisjoint({"None", "NoneType"}) or (default is None and not required)
    choices = tuple(value for member in members for value in _choices(member))
    if annotation is None:
        kind, settable = _kind_of_default(name, default, required)
    else:
        kind, settable = _kind_of(members, default)
    if name in _KEYS and kind == "float":
        kind = "int"
    if isinstance(default, Expression) and kind == "other":
        settable = False
    text = ast.unparse(annotation) if annotation is not None else ""
    return Parameter(
        name, kind, default, required, optional, choices if kind == "choice" else (), text, settable
    )


def _kind_of(members: list[ast.expr], default: Any) -> tuple[str, bool]:
    """(kind, settable) of a union's members; what needs Python beside a plain kind is no matter."""
    names = [last_name(member) for member in members]
    kinds = {kind for kind in map(_member_kind, names) if kind is not None}
    if any("dtype" in name.lower() for name in names):
        return "other", False  # DTypeLike spelt out also names str, which is not the point
    if "float" in kinds:
        kinds -= {"int", "bool"}  # a float may be written as an integer; ArrayLike names them all
    written_float = "float" in names and "complex" not in names  # ArrayLike spelt out has both
    if kinds == {"float"} and isinstance(default, int) and not written_float:
        # An ArrayLike whose default is an integer is a count (muon's ns_steps), and counts decide
        # the program's structure: traced they fail.
        return "int", True
    if len(kinds) == 1:
        return kinds.pop(), True
    return "other", bool(kinds)


def _member_kind(name: str) -> str | None:
    if name in _FLOATS:
        return "float"
    if name in ("bool", "int", "str"):
        return name
    if name == "Literal":
        return "choice"
    if name in _SEQUENCES:
        return "sequence"
    return "mapping" if name in _MAPPINGS else None


def _kind_of_default(name: str, default: Any, required: bool) -> tuple[str, bool]:
    """Without an annotation: numbers and containers speak for themselves, the rest may be anything.

    A string or None says little (scikit-learn's `contamination="auto"` also takes a number).
    """
    if name == "learning_rate":
        return "float", True
    if not required:
        for kind, types in (("bool", bool), ("int", int), ("float", float), ("mapping", dict)):
            if isinstance(default, types):
                return kind, True
        if isinstance(default, tuple | list):
            return "sequence", True
    return "other", True


def _members(annotation: ast.expr) -> list[ast.expr]:
    """A union's members, flat: of `A | B`, `Union[A, B]`, `Optional[A]`, and of quoted ones."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return _members(ast.parse(annotation.value, mode="eval").body)
    if isinstance(annotation, ast.BinOp):
        return _members(annotation.left) + _members(annotation.right)
    if isinstance(annotation, ast.Subscript):
        inside = annotation.slice
        parts = inside.elts if isinstance(inside, ast.Tuple) else [inside]
        match last_name(annotation.value):
            case "Union":
                return [member for part in parts for member in _members(part)]
            case "Optional":
                return [*_members(parts[0]), ast.Constant(value=None)]
            case "Annotated" | "Final":
                return _members(parts[0])
    return [annotation]


def _choices(member: ast.expr) -> tuple:
    if isinstance(member, ast.Subscript) and last_name(member.value) == "Literal":
        value = ast.literal_eval(member.slice)
        return value if isinstance(value, tuple) else (value,)
    return ()

"""The parameters of a constructor, from its source or from the callable at hand."""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from funcdl.errors import FuncdlError
from funcdl.signatures.annotation import parameter
from funcdl.signatures.parameter import Expression, Parameter
from funcdl.signatures.source import Definition, definitions, last_name, locate

_LINEN_OWN = {"parent", "name"}  # fields that Linen adds to every module


def parameters(target: str | Callable) -> dict[str, Parameter]:
    """The parameters of a function or class, in order, by name.

    Args:
        target: `"module:object"`, read from source without importing it; or a live function,
            class or `functools.partial`. A class with an `__init__` has its arguments (without
            `self`), a dataclass or Linen module its fields. `*args` and `**kwargs` are left out.

    Returns:
        name -> `Parameter`.

    Raises:
        FuncdlError: when the module or the object is not there.

    >>> momentum = parameters("optax:sgd")["momentum"]
    >>> momentum.kind, momentum.default, momentum.optional
    ('float', None, True)
    """
    if not isinstance(target, str):
        return _live(target)
    return dict(_from_source(target))


class _Argument(NamedTuple):
    name: str
    annotation: ast.expr | None
    default: ast.expr | None


@functools.cache
def _from_source(target: str) -> dict[str, Parameter]:
    module, _, name = target.partition(":")
    found = locate(module, name)
    if isinstance(found.node, ast.ClassDef):
        arguments = _class_arguments(found.module, found.node)
    else:
        arguments = _function_arguments(found.node)
    result = {}
    for argument in arguments:
        default = found.bound.get(argument.name, argument.default)
        value = _literal(found.module, default) if default is not None else None
        result[argument.name] = parameter(
            argument.name, argument.annotation, value, default is None
        )
    return result


def _function_arguments(
    node: ast.FunctionDef | ast.AsyncFunctionDef, *, method: bool = False
) -> list[_Argument]:
    positional = [*node.args.posonlyargs, *node.args.args]
    missing = len(positional) - len(node.args.defaults)
    defaults = [None] * missing + list(node.args.defaults)
    pairs = list(zip(positional, defaults, strict=True))[method:]
    pairs += zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    return [_Argument(arg.arg, arg.annotation, default) for arg, default in pairs]


def _class_arguments(module: str, node: ast.ClassDef) -> list[_Argument]:
    """`__init__`'s arguments, or the annotated fields, base classes' first as dataclasses do."""
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            return _function_arguments(statement, method=True)
    fields: dict[str, _Argument] = {}
    for base in node.bases:
        found = _own_base(module, base)
        if found is not None and isinstance(found.node, ast.ClassDef):
            fields |= {a.name: a for a in _class_arguments(found.module, found.node)}
    for statement in node.body:
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        if "ClassVar" not in ast.unparse(statement.annotation):
            name = statement.target.id
            fields[name] = _Argument(name, statement.annotation, _field(statement.value))
    return list(fields.values())


def _own_base(module: str, base: ast.expr) -> Definition | None:
    """A base class of the same top package; a library's own base (nn.Module) adds no settings."""
    if not isinstance(base, ast.Name) or base.id not in definitions(module):
        return None
    node = definitions(module)[base.id]
    absolute = node.module if isinstance(node, ast.ImportFrom) and not node.level else module
    if not absolute or absolute.split(".")[0] != module.split(".")[0]:
        return None
    return locate(module, base.id)


def _field(value: ast.expr | None) -> ast.expr | None:
    """The default inside `field(default=...)` or `field(default_factory=...)`."""
    if isinstance(value, ast.Call) and last_name(value.func) == "field":
        given = {keyword.arg: keyword.value for keyword in value.keywords}
        if "default_factory" in given:
            return ast.Call(func=given["default_factory"], args=[], keywords=[])
        return given.get("default")
    return value


def _literal(module: str, node: ast.expr) -> Any:
    """A default as plain data, module constants looked up; else its source as an `Expression`."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        pass
    if isinstance(node, ast.Call) and not node.args and not node.keywords:
        empty = {"dict": dict, "tuple": tuple, "list": list}.get(last_name(node.func))
        if empty is not None:
            return empty()
    if isinstance(node, ast.Name):
        constant = definitions(module).get(node.id)
        if isinstance(constant, ast.Assign | ast.AnnAssign) and constant.value is not None:
            return _literal(module, constant.value)
    return Expression(ast.unparse(node))


def _live(target: Callable) -> dict[str, Parameter]:
    """Parameters of a callable at hand; annotations are turned into text and read the same way."""
    owners = [base.__module__ for base in getattr(target, "__mro__", ())]
    hidden = _LINEN_OWN if any(owner.startswith("flax.linen") for owner in owners) else set()
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError) as error:
        raise FuncdlError(f"{target!r} has no readable signature; wrap it in a function") from error
    result = {}
    for name, entry in signature.parameters.items():
        if entry.kind in (entry.VAR_POSITIONAL, entry.VAR_KEYWORD) or name in hidden:
            continue
        required = entry.default is entry.empty
        annotation = None if entry.annotation is entry.empty else _text(entry.annotation)
        default = None if required else _plain(entry.default)
        result[name] = parameter(name, annotation, default, required)
    return result


def _text(annotation: Any) -> ast.expr | None:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:  # the repr of an object that is not a type
        return ast.Name(id="Any")


def _plain(value: Any) -> Any:
    if value is None or type(value) in (bool, int, float, str, tuple, list, dict):
        return value  # and not a NamedTuple of functions, which a transformation is
    return Expression(getattr(value, "__name__", repr(value)))

"""Finding a definition's syntax tree by the path of its module, without importing anything."""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from funcdl.errors import FuncdlError
from funcdl.signatures import parsing

parsing.guard()


class Definition(NamedTuple):
    """Where an object is defined.

    module: the module that holds the `def` or `class`.
    node: its syntax tree.
    bound: the arguments that a `functools.partial` on the way to it fixed by keyword.
    """

    module: str
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    bound: dict[str, ast.expr]


@functools.cache
def _path(module: str) -> Path | None:
    """The file of a module; only its top package is asked for, so that nothing is imported."""
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        return None
    if not rest:
        return Path(spec.origin)
    for folder in spec.submodule_search_locations or ():
        base = Path(folder, *rest)
        for path in (base / "__init__.py", base.with_name(base.name + ".py")):
            if path.is_file():
                return path
    return None


@functools.cache
def definitions(module: str) -> dict[str, ast.stmt]:
    """Name -> the statement that defines, assigns or imports it at a module's top level."""
    path = _path(module)
    if path is None:
        raise FuncdlError(f"no Python source for module {module!r}; is its package installed?")
    found: dict[str, ast.stmt] = {}
    pending = list(reversed(ast.parse(path.read_bytes()).body))
    while pending:
        node = pending.pop()
        for name in _names_bound(node):
            found[name] = node
        if isinstance(node, ast.If | ast.Try):
            pending.extend(reversed(node.body))
    return found


def _names_bound(node: ast.stmt) -> Iterable[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
        return [node.target.id]
    return []


def public_names(module: str) -> tuple[str, ...]:
    """The names a module defines or re-exports at its top level, in source order, `_x` left out."""
    return tuple(name for name in definitions(module) if not name.startswith("_"))


def imported_from(module: str, name: str) -> str:
    """The module that `from X import name` at a module's top level names; empty without one."""
    node = definitions(module).get(name)
    return _import_source(module, node, name)[0] if isinstance(node, ast.ImportFrom) else ""


@functools.cache
def locate(module: str, name: str) -> Definition:
    """The definition behind `module:name`, through re-exports and partials.

    Args:
        module: dotted name of the module to start from.
        name: an object at its top level.

    Returns:
        its `Definition`.

    Raises:
        FuncdlError: when there is no such definition.
    """
    node = definitions(module).get(name)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return Definition(module, node, {})
    if isinstance(node, ast.ImportFrom) and _import_source(module, node, name) != (module, name):
        return locate(*_import_source(module, node, name))
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        return _locate_value(module, name, node.value)
    raise FuncdlError(f"module {module!r} defines no function or class {name!r}")


def _locate_value(module: str, name: str, value: ast.expr) -> Definition:
    """Follows `name = other`, `name = package.other` and `name = functools.partial(other, k=v)`."""
    if isinstance(value, ast.Name):
        return locate(module, value.id)
    if isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name):
        node = definitions(module).get(value.value.id)
        if isinstance(node, ast.ImportFrom):
            return locate(".".join(_import_source(module, node, value.value.id)), value.attr)
    if isinstance(value, ast.Call) and last_name(value.func) == "partial" and value.args:
        inner = _locate_value(module, name, value.args[0])
        bound = {keyword.arg: keyword.value for keyword in value.keywords if keyword.arg}
        return inner._replace(bound={**inner.bound, **bound})
    raise FuncdlError(f"{module}:{name} is made by code that cannot be read without running it")


def _import_source(module: str, node: ast.ImportFrom, name: str) -> tuple[str, str]:
    """The (module, name) that `from X import name` takes it from; X may be relative."""
    original = next(a.name for a in node.names if (a.asname or a.name) == name)
    if not node.level:
        return node.module or "", original
    path = _path(module)
    is_package = path is not None and path.name == "__init__.py"
    parents = module.split(".")
    parents = parents[: len(parents) - node.level + is_package]
    return ".".join([*parents, *([node.module] if node.module else [])]), original


def last_name(node: ast.expr) -> str:
    """`ArrayLike` for `jax.typing.ArrayLike`, `Literal` for `Literal["a"]`, `None` for None."""
    if isinstance(node, ast.Subscript):
        return last_name(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return node.id
    return "None" if isinstance(node, ast.Constant) and node.value is None else ""

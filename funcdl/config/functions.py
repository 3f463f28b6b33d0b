"""The source of one function: also of a lambda among others on its line, or in a notebook."""

from __future__ import annotations

import ast
import functools
import inspect
import os
import sys
import sysconfig
import types
from pathlib import Path
from typing import Any


def source(function: Any) -> str:
    """The function's text without comments and layout, or where there is none its byte code.

    Args:
        function: a Python function.
    """
    code = function.__code__
    try:
        lines, _ = inspect.findsource(code)
    except (OSError, TypeError):
        return _byte_code(code)
    try:
        tree = _parsed("".join(lines))
    except (SyntaxError, ValueError):
        return _byte_code(code)
    nodes = [node for node in ast.walk(tree) if _starts_at(node, code)]
    if len(nodes) > 1:
        nodes = [node for node in nodes if _is_at(node, code)] or nodes
    # Decorators are kept: they change what a function does.
    return ast.unparse(nodes[0]) if len(nodes) == 1 else _byte_code(code)


@functools.lru_cache(maxsize=32)
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


def _starts_at(node: ast.AST, code: types.CodeType) -> bool:
    """Whether the node begins on the code's first line (a decorator's, if there is one)."""
    if isinstance(node, ast.Lambda):
        return code.co_name == "<lambda>" and node.lineno == code.co_firstlineno
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or node.name != code.co_name:
        return False
    return min([node.lineno, *(d.lineno for d in node.decorator_list)]) == code.co_firstlineno


def _is_at(node: ast.AST, code: types.CodeType) -> bool:
    """Whether all the code's instructions come from inside the node's body: tells lambdas apart."""
    body = node.body if isinstance(node, ast.Lambda) else node
    spots = [
        (line, column)
        for line, _, column, _ in code.co_positions()
        if line is not None and column is not None and column > 0
    ]
    start = (body.lineno, body.col_offset)  # type: ignore[attr-defined]
    end = (body.end_lineno, body.end_col_offset)  # type: ignore[attr-defined]
    return bool(spots) and all(start <= spot <= end for spot in spots) and _tight(body, spots)


def _tight(body: Any, spots: list[tuple[int, int]]) -> bool:
    """Whether the code begins where the body does: a lambda may hold another one."""
    return min(spots) == (body.lineno, body.col_offset)


def _byte_code(code: types.CodeType) -> str:
    """A function without source, such as one typed at a prompt: the same for the same Python."""
    constants = [_constant(value) for value in code.co_consts]
    parts = (code.co_code.hex(), constants, code.co_names, code.co_varnames[: code.co_argcount])
    return f"python {sys.version_info[:2]} {parts!r}"


def _constant(value: Any) -> str:
    if isinstance(value, types.CodeType):
        return _byte_code(value)
    # The order of a set's members is another one in every process.
    return repr(sorted(map(repr, value)) if isinstance(value, frozenset) else value)


def called_names(code: types.CodeType) -> list[str]:
    """The names that a function, and the functions inside it, may read from their module."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names.update(called_names(constant))
    return sorted(names)


@functools.cache
def _installed_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    found = [str(Path(paths[name]).resolve()) for name in ("stdlib", "purelib", "platlib")]
    return tuple(folder + os.sep for folder in (*found, str(Path(__file__).resolve().parents[1])))


@functools.cache
def is_installed_module(name: str) -> bool:
    """Whether a module belongs to Python, to an installed package, or to funcdl."""
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if file is None:
        return name in sys.builtin_module_names
    return str(Path(file).resolve()).startswith(_installed_folders())


def is_installed(value: Any) -> bool:
    """Whether the class or function belongs to Python, to an installed package, or to funcdl.

    It is then found by its name, and the name says what it is. A function made inside another one
    has no such name.
    """
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or "<" in name:
        return False
    if not is_installed_module(module):
        return False
    # What `functools.wraps` has dressed up carries another's name, and is not found under it.
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is value

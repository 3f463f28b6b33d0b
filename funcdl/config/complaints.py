"""Pydantic's complaints in the words of a person who edits a config."""

from __future__ import annotations

import types
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from funcdl.config.names import listed, show, unknown
from funcdl.config.node import Node, below, find
from funcdl.errors import Problem

_NUMBER = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def complaints(
    error: ValidationError, model: type[BaseModel], tree: Node, prefix: str = ""
) -> list[Problem]:
    """One problem for each thing pydantic found.

    Args:
        error: what pydantic raised.
        model: the model it was validating.
        tree: the node that was validated, for lines.
        prefix: the dotted key of that node in a study.
    """
    found = {}
    for item in error.errors(include_url=False):
        path = [part for part in item["loc"] if not _is_tag(part)]
        owner = _owner(model, path[:-1])
        node = find(tree, path)
        key = node.key or _dotted(prefix, path)
        text = _message(item, path, owner)
        found.setdefault((key, str(node.where)), Problem(str(node.where), key, text))
    return list(found.values())


def _is_tag(part: Any) -> bool:
    """A part of pydantic's location that names a branch of a union, not a key."""
    return isinstance(part, str) and part.endswith("]")


def _dotted(prefix: str, path: list) -> str:
    for part in path:
        prefix = below(prefix, part)
    return prefix


def _owner(model: type[BaseModel], path: list) -> type[BaseModel] | None:
    """The model that holds the key at the end of `path`."""
    for part in path:
        field = model.model_fields.get(part)
        inner = _model_in(field.annotation) if field is not None else None
        if inner is None:
            return None
        model = inner
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType):
        for member in get_args(annotation):
            if isinstance(member, type) and issubclass(member, BaseModel):
                return member
    return None


def _message(item: Any, path: list, owner: type[BaseModel] | None) -> str:
    kind, given, context = item["type"], item.get("input"), item.get("ctx", {})
    match kind:
        case "extra_forbidden":
            return unknown("key", path[-1], owner.model_fields if owner else ())
        case "literal_error":
            expected = str(context["expected"]).replace("'", "").replace(" or ", ", ")
            return unknown("value", given, expected.split(", "))
        case "value_error":
            return str(context["error"])
        case "too_short":
            return "needs at least one value"
        case "greater_than":
            return f"{show(given)} given; allowed greater than {context['gt']:g}"
        case "greater_than_equal":
            return f"{show(given)} given; allowed at least {context['ge']:g}"
        case "less_than_equal":
            return f"{show(given)} given; allowed at most {_whole(context['le'])}"
    text = f"{show(given)} given; allowed {_NUMBER.get(kind, listed([item['msg']]))}"
    if kind.startswith("int_") and isinstance(given, float) and given.is_integer():
        text += f"; write {int(given)}"
    if isinstance(given, str) and kind in ("int_type", "float_type"):
        text += "; write it without quotes or separators" if _is_number(given) else ""
    return text


def _whole(value: Any) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", ""))
    except ValueError:
        return False
    return True

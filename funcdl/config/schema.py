"""The JSON schema of a config file, for editors: names and arguments from the signatures."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from funcdl.config import fields
from funcdl.config.layers import OPEN
from funcdl.config.recipe import PARTS
from funcdl.config.sections import KINDS, LABEL, Kind, as_data, settable, split_parameters
from funcdl.config.spaces import NAMES
from funcdl.config.start import INIT, SCHEMA
from funcdl.config.study import Study
from funcdl.errors import FuncdlError
from funcdl.signatures import Expression, Parameter
from funcdl.tasks.summaries import SUMMARIES

Schema = dict[str, Any]

_TYPES = {
    "float": "number",
    "int": "integer",
    "bool": "boolean",
    "str": "string",
    "sequence": "array",
    "mapping": "object",
}


def json_schema() -> Schema:
    """A JSON Schema (draft 2020-12) of config files.

    It knows every name and argument. What depends on several keys at once (a tuned key that no
    method has) only `funcdl plan` can tell.
    """
    study = Study.model_json_schema()["properties"]
    properties: Schema = {
        "base": {"type": "string", "description": "another config, which this one builds upon"},
        **{key: study[key] for key in ("name", "seed", "margin", "mode", "width", "threads")},
        "mesh": {"anyOf": [_model(fields.Mesh), {"type": "null"}]},
        **{part: {"$ref": f"#/$defs/{part}"} for part in PARTS},
        INIT: SCHEMA,
        "across": _axes(),
        "compare": _axes(),
        "baselines": {
            "anyOf": [_each("object", "baseline"), {"type": "array", "items": _ref("baseline")}]
        },
        "metrics": {"type": "array", "items": {"enum": _metrics()}},
        "keep": study["keep"],
        "contrasts": {"anyOf": [{"const": "all"}, _model(fields.Contrasts)]},
        "tune": _tune(),
        "repeat": {"anyOf": [{"type": "integer", "minimum": 1}, _model(fields.Repeat)]},
        "select": {"anyOf": [{"type": "string"}, _model(fields.Select)]},
        "variants": {"type": "object", "additionalProperties": {"type": "object"}},
    }
    dotted = "|".join([*PARTS, INIT, *sorted(OPEN), "repeat", "select", "mesh"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "funcdl study",
        "type": "object",
        "properties": properties,
        "patternProperties": {rf"^({dotted})\..+$": True},
        "additionalProperties": False,
        "$defs": _definitions(),
    }


def _metrics() -> list[str]:
    """Every metric of a whole split that a study may ask for, of any task."""
    return sorted({name for known in SUMMARIES.values() for name in known})


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _each(kind: str, name: str) -> Schema:
    return {"type": kind, "additionalProperties": _ref(name)}


def _model(model: type[BaseModel]) -> Schema:
    schema = model.model_json_schema()
    return {key: value for key, value in schema.items() if key not in ("title", "description")}


def _definitions() -> Schema:
    train = _model(fields.Train)
    one = _ref("train.augment")
    augment = {"anyOf": [one, {"type": "array", "items": one}, {"type": "null"}]}
    hidden = {"anyOf": [_ref("train.unlabelled"), {"type": "null"}]}
    named = {"schedule": _ref("train.schedule"), "augment": augment, "unlabelled": hidden}
    train["properties"] = train["properties"] | named
    train["patternProperties"] = {r"^(schedule|unlabelled)\..+$": True}
    return {kind.key: _section(kind) for kind in KINDS.values()} | {
        "train": train,
        "space": _space(),
    }


def _section(kind: Kind) -> Schema:
    names = list(kind.names())
    shared = {"type": "object", "not": {"required": ["name"]}}
    return {"anyOf": [{"enum": names}, *(_constructor(kind, name) for name in names), shared]}


def _constructor(kind: Kind, name: str) -> Schema:
    try:
        known = settable(kind, name)
    except FuncdlError:  # it belongs to a package that is not installed
        return {"type": "object", "properties": {"name": {"const": name}}, "required": ["name"]}
    arguments = {key: _argument(p) for key, p in known.items() if p.settable}
    if kind.key == "data" and "split" in arguments:
        parts = {key: _argument(p) for key, p in split_parameters().items()}
        arguments["split"] = _closed(parts)
    return _closed({"name": {"const": name}, LABEL: {"type": "string"}, **arguments}, ["name"])


def _closed(properties: Schema, required: list[str] | None = None) -> Schema:
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": required} if required else {})


def _argument(parameter: Parameter) -> Schema:
    if parameter.kind == "choice":
        choices = list(parameter.choices)
        schema: Schema = {"enum": [*choices, None] if parameter.optional else choices}
    elif parameter.kind in _TYPES:
        kind = _TYPES[parameter.kind]
        schema = {"type": [kind, "null"] if parameter.optional else kind}
    else:
        schema = {}
    if not parameter.required and not isinstance(parameter.default, Expression):
        schema["default"] = as_data(parameter.default, parameter.kind)
    return schema


def _axes() -> Schema:
    """Axes: a list of values under a dotted key, or labelled bundles of overrides."""
    bundles = {"type": "object", "additionalProperties": {"type": "object"}}
    sections = {
        part: {"anyOf": [{"type": "array", "items": _ref(part)}, bundles]} for part in PARTS[:-1]
    }
    return {
        "type": "object",
        "properties": sections,
        "additionalProperties": {"anyOf": [{"type": "array", "minItems": 1}, bundles]},
    }


def _tune() -> Schema:
    schema = _model(fields.Tune)
    del schema["$defs"]  # what stands there is written in place; `#` is the whole schema's root
    schema["properties"]["stop"] = {"anyOf": [{"type": "boolean"}, _model(fields.Stop)]}
    schema["patternProperties"] = {r"^stop\..+$": True}
    spaces = {"type": "array", "items": _ref("space"), "minItems": 1}
    return schema | {"additionalProperties": {"anyOf": [_ref("space"), spaces]}}


def _space() -> Schema:
    pair = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    whole = pair | {"items": {"type": "integer"}}
    forms = {
        **dict.fromkeys(NAMES, pair),
        "int_uniform": whole,
        "choice": {"type": "array", "minItems": 1},
        "one_minus": _ref("space"),
    }
    return {
        "oneOf": [
            _closed({name: f, "when": {"type": "object"}}, [name]) for name, f in forms.items()
        ]
    }

"""What a study was about: its task, data, training and numerics in a few words each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from funcdl.config import Expansion, Study
from funcdl.plan.datasets import Facts
from funcdl.plan.study import Plan
from funcdl.report.learnt_from import ALL, NO_METHOD, NOTHING, RANDOM, begun

DEFAULTS = {
    "clip_norm": None,
    "clip_value": None,
    "weight_decay": 0.0,
    "accumulate": 1,
    "compute_dtype": "float32",
    "matmul_precision": None,
    "remat": False,
}


def setting(study: Study, expansion: Expansion, plan: Plan) -> dict[str, str]:
    """Task, data, training and numerics, each in a few words; several values where methods differ.

    Args:
        study: the study.
        expansion: its methods.
        plan: its plan, for the sizes of its data.
    """
    recipes = [method.recipe for method in expansion.methods]
    trains = [train for recipe in recipes if (train := recipe.get("train"))]
    said = {
        "task": _either(_name(recipe["task"]) for recipe in recipes),
        "data": _either(_name(recipe["data"]) for recipe in recipes),
        "examples": _either(map(_sizes, plan.datasets.facts.values()), most=3),
    }
    for key, noun in (("steps", "steps"), ("batch_size", "batch size"), ("schedule", "schedule")):
        said[noun] = _either(_words(train.get(key)) for train in trains)
    for key, default in DEFAULTS.items():
        values = [train.get(key, default) for train in trains]
        if any(value != default for value in values):
            said[key.replace("_", " ")] = _either(map(_words, values))
    said |= _learnt_from(recipes)
    said["mode"] = plan.mode
    if study.threads != 1:
        said["threads per worker"] = str(study.threads)
    if plan.mesh:
        said["mesh"] = _words(dict(plan.mesh))
    return {key: value for key, value in said.items() if value}


def _learnt_from(recipes: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What `learnt_from` has sentences for: only what some method uses."""
    trained = [recipe for recipe in recipes if recipe.get("train")]
    changes = [map(_words, recipe["train"].get("augment") or ()) for recipe in trained]
    hidden = [_words(recipe["train"].get("unlabelled")) for recipe in trained]
    sections = [recipe["data"] for recipe in recipes if isinstance(recipe["data"], Mapping)]
    kept = [data.get("labelled") for data in sections]
    found = {
        "augment": ([", then ".join(words) or NOTHING for words in changes], NOTHING),
        "labelled": ([ALL if n is None else str(n) for n in kept], ALL),
        "unlabelled": ([words or NO_METHOD for words in hidden], NO_METHOD),
        "init": ([begun(recipe.get("init")) for recipe in trained], RANDOM),
    }
    return {key: _either(said) for key, (said, default) in found.items() if {*said} - {default}}


def _either(values: Iterable[str], most: int = 4) -> str:
    distinct = [value for value in dict.fromkeys(values) if value]
    if len(distinct) > most:
        return f"{', '.join(distinct[:most])} and {len(distinct) - most} others"
    return " or ".join(distinct)


def _name(section: Any) -> str:
    name = section.get("name") if isinstance(section, Mapping) else section
    return name if isinstance(name, str) else "given in Python"


def _sizes(data: Facts) -> str:
    parts = zip(("training", "validation", "test"), data.sizes, strict=True)
    return ", ".join(f"{size:,} {name}" for name, size in parts)


def _words(value: Any) -> str:
    """A value of the config: a section as its name and its arguments."""
    if isinstance(value, Mapping):
        name = _name(value) if "name" in value else ""
        parts = ((k, v) for k, v in value.items() if k not in ("name", "label") and v is not None)
        rest = ", ".join(f"{k} {_words(v)}" for k, v in parts)
        return f"{name} ({rest})" if name and rest else name or rest
    if value is None or isinstance(value, (str, int, float, bool)):
        return "" if value is None else str(value)
    if isinstance(value, list) and value and all(isinstance(part, Mapping) for part in value):
        return ", then ".join(map(_words, value))
    return json.dumps(value, default=str)

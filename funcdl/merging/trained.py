"""How the methods of a study were trained, from the recipes of its runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from funcdl.merging.source import Source

PRECISION = ("compute_dtype", "matmul_precision")  # keys of `train` that decide what numbers are


def trains(source: Source) -> list[Mapping[str, Any]]:
    """The section `train` of each recipe that has one; baselines have none."""
    recipes = map(json.loads, sorted(set(source.rows["recipe"].to_pylist())))
    return [train for recipe in recipes if (train := recipe.get("train"))]

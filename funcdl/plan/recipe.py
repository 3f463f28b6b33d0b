"""A recipe cut into what decides its program and what is traced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from funcdl import optimizers
from funcdl.signatures import is_traced, parameters
from funcdl.train.assemble import Static


def cut(recipe: Mapping[str, Any]) -> tuple[Static, dict[str, float]]:
    """Splits a recipe into its static part and its traced numbers.

    Args:
        recipe: a fully resolved config.

    Returns:
        The static part, and `{dotted key: number}`: every float argument of the optimizer and of the
        schedule that is not None, the clipping thresholds and the weight decay where they are used,
        and the number of steps.
    """
    train = recipe["train"]
    optimizer, traced = _cut_section(recipe["optimizer"], "optimizer", _optimizer_target)
    schedule, rates = _cut_section(train["schedule"], "train.schedule", optimizers.SCHEDULES.get)
    traced |= rates
    for key in ("clip_norm", "clip_value", "weight_decay"):
        if train[key]:
            traced[f"train.{key}"] = float(train[key])
    traced["train.steps"] = float(train["steps"])
    static = Static(
        task=recipe["task"],
        model=recipe["model"],
        optimizer=optimizer,
        schedule=schedule,
        batch_size=train["batch_size"],
        accumulate=train["accumulate"],
        clip_norm=bool(train["clip_norm"]),
        clip_value=bool(train["clip_value"]),
        weight_decay=bool(train["weight_decay"]),
    )
    return static, traced


def _cut_section(section: Mapping[str, Any], where: str, target: Any) -> tuple[dict, dict]:
    name = section["name"]
    known = parameters(name if callable(name) else target(name))
    static, traced = {}, {}
    for key, value in section.items():
        if key in known and is_traced(known[key], value):
            traced[f"{where}.{key}"] = float(value)
        else:
            static[key] = value
    return static, traced


def _optimizer_target(name: str) -> str:
    return optimizers.target(name)

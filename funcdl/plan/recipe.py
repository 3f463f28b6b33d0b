"""A recipe cut into what decides its program and what is traced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from funcdl import augment, models, optimizers, tasks
from funcdl.signatures import is_traced, parameters
from funcdl.train.assemble import Static
from funcdl.train.unlabelled import UNLABELLED

SWITCHES = ("clip_norm", "clip_value", "weight_decay")  # of `train`; None or 0 switches them off

NUMERIC = ("compute_dtype", "matmul_precision", "remat", "mc_passes")  # of `train`, static


def cut(recipe: Mapping[str, Any]) -> tuple[Static, dict[str, float]]:
    """Splits a recipe into its static part and its traced numbers.

    Traced are the floats of the optimizer and of the schedule, the number of steps, and the floats
    of funcdl's own models and tasks, of clipping and of weight decay where they are not 0: a rate of
    0 leaves an operation out, which is another program. A user's own model may branch on its
    floats in Python, so there they are static.

    Args:
        recipe: a fully resolved config.

    Returns:
        The static part, and `{dotted key: number}`.
    """
    train = recipe["train"]
    task, of_task = _cut(recipe["task"], "task", tasks.TASKS.get, zero=False)
    model, of_model = _cut(recipe["model"], "model", models.MODELS.get, zero=False)
    optimizer, of_optimizer = _cut(recipe["optimizer"], "optimizer", optimizers.target)
    schedule, of_schedule = _cut(train["schedule"], "train.schedule", optimizers.SCHEDULES.get)
    augments = [
        _cut_augment(entry, f"train.augment.{place}")
        for place, entry in enumerate(train.get("augment") or ())
    ]
    unlabelled, of_unlabelled = _cut_unlabelled(train.get("unlabelled"))
    static = Static(
        task=task,
        model=model,
        optimizer=optimizer,
        schedule=schedule,
        batch_size=train["batch_size"],
        accumulate=train["accumulate"],
        augment=tuple(kept for kept, _ in augments),
        **{key: bool(train[key]) for key in SWITCHES},
        **{key: train[key] for key in NUMERIC},
        unlabelled=unlabelled,
    )
    traced = of_unlabelled | of_task | of_model | of_optimizer | of_schedule
    for _, numbers in augments:
        traced |= numbers
    traced |= {f"train.{key}": float(train[key]) for key in SWITCHES if train[key]}
    return static, traced | {"train.steps": float(train["steps"])}


def _cut_augment(entry: Mapping[str, Any], where: str) -> tuple[dict[str, Any], dict[str, float]]:
    """An augmentation's arguments; as with models, what a user's own does with floats is unknown."""
    if not isinstance(entry["name"], str):
        return dict(entry), {}
    return _cut(entry, where, augment.AUGMENTATIONS.get)


def _cut_unlabelled(
    section: Mapping[str, Any] | None,
) -> tuple[dict[str, Any] | None, dict[str, float]]:
    """A method's for examples without labels, and the augmentations in it."""
    if section is None:
        return None, {}
    static, traced = _cut(section, "train.unlabelled", UNLABELLED.get)
    strong = [
        _cut_augment(entry, f"train.unlabelled.strong.{place}")
        for place, entry in enumerate(section.get("strong", ()))
    ]
    for _, numbers in strong:
        traced |= numbers
    return static | ({"strong": [kept for kept, _ in strong]} if strong else {}), traced


def _cut(
    section: Mapping[str, Any],
    where: str,
    target: Callable[[str], str | None],
    *,
    zero: bool = True,
) -> tuple[dict[str, Any], dict[str, float]]:
    """A section's static and traced arguments; `zero` says whether 0 is a number like others."""
    name = section["name"]
    if isinstance(name, str):
        constructor = target(name)
    else:
        constructor = name if zero and callable(name) else None
    known = parameters(constructor) if constructor else {}
    static, traced = {}, {}
    for key, value in section.items():
        if key in known and is_traced(known[key], value) and (zero or value):
            traced[f"{where}.{key}"] = float(value)
        else:
            static[key] = value
    return static, traced

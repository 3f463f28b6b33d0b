"""The recipe of one run: a tree of sections resolved to plain data, every default filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from funcdl import optimizers
from funcdl.config.augment import read_augment
from funcdl.config.complaints import complaints
from funcdl.config.fields import Train
from funcdl.config.layers import split
from funcdl.config.metrics import metric_problems
from funcdl.config.names import unknown
from funcdl.config.node import Node, is_mapping, plain
from funcdl.config.sections import KINDS, Section, section, settable
from funcdl.config.start import INIT, read_init
from funcdl.config.unlabelled import STRONG, check_unlabelled, read_unlabelled
from funcdl.errors import Problem
from funcdl.models import MODELS, SCORES
from funcdl.signatures import Parameter, parameters
from funcdl.train.unlabelled import UNLABELLED

Recipe = dict[str, Any]

_NOT_SEARCHED = ("schedule", "eval_every", "stream", "augment", "unlabelled", "mc_passes")

_NAMED = ("schedule", "augment", "unlabelled")  # of `train`: what is given by names and arguments

PARTS = ("task", "data", "model", "optimizer", "train")
PLACES = (*PARTS, INIT)  # what an axis may set; of these only the last may be missing


class Resolved(NamedTuple):
    """A recipe and what may still be set in it.

    recipe: plain data (and live Python objects), in the order of `PARTS`.
    known: dotted key -> what it takes, for every argument that a search could set.
    missing: required dotted keys that were not written -> what to say if nothing tunes them.
    obscure: parts whose constructor could not be found, so that nothing is known of their keys.
    """

    recipe: Recipe
    known: dict[str, Parameter]
    missing: dict[str, Problem]
    obscure: frozenset[str]


def resolve(tree: Node, problems: list[Problem], parts: tuple[str, ...] = PARTS) -> Resolved:
    """Checks the sections of one method and fills in their defaults."""
    recipe: Recipe = {}
    known: dict[str, Parameter] = {}
    missing: dict[str, Problem] = {}
    obscure: set[str] = set()
    for name in parts:
        node = tree.child(name)
        if name == "train":
            recipe[name], found = _train(node or Node({}), problems)
            known |= _train_parameters()
            prefix = "train.schedule"
        elif node is None or node.value is None:
            text = f"required; allowed {', '.join(KINDS[name].names())}"
            problems.append(tree.problem(text, name))
            obscure.add(name)
            continue
        else:
            found = section(KINDS[name], node, problems)
            recipe[name], prefix = found.values, name
            problems.extend(metric_problems(node) if name == "task" else ())
        if not found.clear:
            obscure.add(name)
        if name != "data":  # a search over the data would choose the question
            known |= {f"{prefix}.{key}": p for key, p in found.known.items() if p.settable}
        missing |= {f"{prefix}.{key}": p for key, p in found.missing.items()}
    _check_scores(tree, recipe, problems)
    if "train" in parts:
        _check_schedule(tree, recipe, problems)
        check_unlabelled(tree, recipe, problems)
        known |= _unlabelled_parameters(recipe)
        start = read_init(tree.child(INIT), problems)
        recipe |= {INIT: start} if start else {}
    return Resolved(recipe, known, missing, frozenset(obscure))


def _check_schedule(tree: Node, recipe: Recipe, problems: list[Problem]) -> None:
    """An optimizer that would ignore the schedule is not compared as if it had followed it."""
    name, schedule = recipe.get("optimizer", {}).get("name"), recipe["train"]["schedule"]
    reason = optimizers.unscheduled(name) if isinstance(name, str) else ""
    if reason and schedule.get("name") != "constant":
        text = f"{name} does not follow the schedule {schedule.get('name')}: {reason}"
        fix = f"give it one of its own: {{optimizer: {name}, train.schedule: constant}}"
        node = tree.child("optimizer") or tree
        problems.append(node.problem(f"{text}; {fix}", "train.schedule"))


def _check_scores(tree: Node, recipe: Recipe, problems: list[Problem]) -> None:
    """Models of anomalies score, and others predict: neither can do the other's task."""
    task, model = (recipe.get(part, {}).get("name") for part in ("task", "model"))
    if not isinstance(task, str) or not isinstance(model, str) or model not in MODELS:
        return  # what a person wrote may do either
    if (task == "anomaly") == (model in SCORES):
        return
    if task == "anomaly":
        text = f"{model} predicts, but the task anomaly needs a score; allowed {', '.join(SCORES)}"
    else:
        text = f"{model} gives anomalies a score, which {task} has no use for; set task: anomaly"
    problems.append((tree.child("model") or tree).problem(text, "model"))


def _train(node: Node, problems: list[Problem]) -> tuple[dict[str, Any], Section]:
    parts = dict(node.value) if is_mapping(node) else {}
    schedule = parts.get("schedule") or Node("constant")
    given = {key: plain(value) for key, value in parts.items() if key not in _NAMED}
    try:
        train = Train.model_validate(given if is_mapping(node) else plain(node))
    except ValidationError as error:
        problems.extend(complaints(error, Train, node, "train"))
        train = Train()
    found = section(KINDS["train.schedule"], schedule, problems)
    augment = read_augment(parts.get("augment"), problems)
    values = train.model_dump() | {"schedule": found.values, "augment": augment}
    unlabelled = read_unlabelled(parts.get("unlabelled"), problems)
    del values["unlabelled"]  # a method that leaves such examples alone says nothing of them
    if unlabelled is not None:
        values["unlabelled"] = unlabelled.values
        own = {f"unlabelled.{k}": p for k, p in unlabelled.missing.items()}
        found = found._replace(clear=found.clear and unlabelled.clear)
        problems.extend(own.values())
    if train.eval_every is None:
        values["eval_every"] = max(1, train.steps // 10)
    elif train.eval_every > train.steps:
        text = f"{train.eval_every} given; allowed at most train.steps, {train.steps}"
        problems.append(parts.get("eval_every", node).problem(text, "train.eval_every"))
    if train.batch_size % train.accumulate:
        text = f"{train.accumulate} given; must divide train.batch_size, {train.batch_size}"
        problems.append(parts.get("accumulate", node).problem(text, "train.accumulate"))
    return values, found


def _train_parameters() -> dict[str, Parameter]:
    """What a search may set of `train` itself; how runs are evaluated and fed is not searched."""
    known = parameters(Train)
    return {f"train.{k}": p for k, p in known.items() if k not in _NOT_SEARCHED}


def _unlabelled_parameters(recipe: Recipe) -> dict[str, Parameter]:
    """What a search may set of the method for examples without labels."""
    name = recipe["train"].get("unlabelled", {}).get("name")
    if not isinstance(name, str) or name not in UNLABELLED:
        return {}
    known = settable(KINDS["train.unlabelled"], name)
    return {f"train.unlabelled.{k}": p for k, p in known.items() if k != STRONG and p.settable}


def with_values(recipe: Mapping[str, Any], values: Mapping[str, Any]) -> Recipe:
    """A recipe with some keys set; neither argument is changed.

    Args:
        recipe: a resolved recipe.
        values: dotted key -> value, such as a trial's point.

    Raises:
        KeyError: when the recipe has no section of that name.

    >>> with_values({"optimizer": {"name": "sgd"}}, {"optimizer.learning_rate": 0.1})
    {'optimizer': {'name': 'sgd', 'learning_rate': 0.1}}
    """
    result = dict(recipe)
    for key, value in values.items():
        *path, last = split(key)
        inner = result
        for name in path:
            if not isinstance(inner.get(name), Mapping):
                raise KeyError(unknown("section", ".".join(path), recipe))
            inner[name] = dict(inner[name])
            inner = inner[name]
        inner[last] = list(value) if isinstance(value, tuple) else value
    return result

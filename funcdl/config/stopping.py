"""`tune.stop`: whether the search it shortens can be shortened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from funcdl.config.expansion import Method
from funcdl.config.fields import Tune
from funcdl.config.node import Node, find, is_mapping
from funcdl.errors import Problem

_PREFIX = "stop."


def open_stop(tree: Node) -> Node:
    """The study with `tune: {stop.eta: 2}`, as `tune.stop.eta=2` arrives, written as a mapping.

    Names under `tune` are dotted keys of other sections; these alone are its own.
    """
    tune = tree.child("tune")
    if tune is None or not is_mapping(tune):
        return tree
    dotted = {key: node for key, node in tune.value.items() if key.startswith(_PREFIX)}
    if not dotted:
        return tree
    stop = tune.child("stop") or Node({}, tune.where, "tune.stop")
    parts = dict(stop.value) if is_mapping(stop) else {}
    parts |= {key.removeprefix(_PREFIX): node for key, node in dotted.items()}
    kept = {key: node for key, node in tune.value.items() if key not in dotted}
    tune = tune._replace(value=kept | {"stop": stop._replace(value=parts)})
    return tree._replace(value=tree.value | {"tune": tune})


def stop_problems(tree: Node, tune: Tune, methods: Iterable[Method]) -> Iterator[Problem]:
    """What speaks against stopping the trials of these methods early."""
    if tune.stop is None:
        return
    node = find(tree, ("tune", "stop"))
    searched = [method for method in methods if method.space]
    if tune.trials < 2 and tune.sampler != "grid":
        text = f"needs at least 2 trials to stop one of them, but tune.trials is {tune.trials}"
        yield node.problem(text, "tune.stop")
    if any("train.steps" in method.space for method in searched):
        text = (
            "cannot stop trials early where train.steps is searched, too: trials of different "
            "lengths have no step in common; remove one"
        )
        yield node.problem(text, "tune.stop")
        return
    first = tune.stop.first
    shortest = min((method.recipe["train"]["steps"] for method in searched), default=None)
    if first is not None and shortest is not None and first > shortest:
        text = f"{first} given; allowed at most train.steps, {shortest}"
        yield find(tree, ("tune", "stop", "first")).problem(text, "tune.stop.first")

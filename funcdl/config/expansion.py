"""A study written out: every method of every block with its recipe and its search space."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from funcdl.config import sections
from funcdl.config.axes import Axis, Value, label_text, read_axes
from funcdl.config.baselines import read_baselines
from funcdl.config.contrasts import pairs
from funcdl.config.fields import Contrasts, Repeat, Select, Tune
from funcdl.config.layers import full, join, merge
from funcdl.config.names import show
from funcdl.config.node import Node
from funcdl.config.recipe import PARTS, Recipe, Resolved, resolve, with_values
from funcdl.config.search import Candidate, Rule, read_rules, search, untuned, unused
from funcdl.config.selection import check_target, selection
from funcdl.config.spaces import Distribution, grid_size
from funcdl.errors import Problem

MAX_RUNS = 10**6


class Block(NamedTuple):
    """A point of `across`: its label ("" where there is no `across`) and what it sets."""

    label: str
    overrides: Node


class Method(NamedTuple):
    """A row of the answer, on one block.

    block, label: labels of the block and of the method.
    axes: axis of `compare` -> label of its value; empty for a baseline.
    recipe: the resolved config of its runs; tuned keys are None, for `with_values` to set. A
        baseline's has `task` and `data` alone.
    space: tuned key -> distribution, in the order of `tune`.
    baseline: `name` and arguments of a baseline; None for a method that is trained.
    """

    block: str
    label: str
    axes: Mapping[str, str]
    recipe: Recipe
    space: Mapping[str, Distribution]
    baseline: dict[str, Any] | None


class Expansion(NamedTuple):
    """Everything a study will compare.

    blocks, methods: in the order of the config; a block's baselines follow its methods.
    contrasts: (block, a, b), the pairs to be tested.
    metric, mode, at: what selects: `validation/...`, "min" or "max", "final" or "best".
    runs: how many runs it takes at most.
    notes: what a person should know about how the config was read.
    """

    blocks: tuple[Block, ...]
    methods: tuple[Method, ...]
    contrasts: tuple[tuple[str, str, str], ...]
    metric: str
    mode: str
    at: str
    runs: int
    notes: tuple[str, ...]


class Rules(NamedTuple):
    """The parts of a study that pydantic has checked already."""

    select: Select
    tune: Tune
    repeat: Repeat
    contrasts: Contrasts | None


def expand_tree(tree: Node, rules: Rules, problems: list[Problem]) -> Expansion | None:
    """Expands the merged layers of a study.

    Args:
        tree: the study, undotted.
        rules: its checked parts.
        problems: receives everything that is wrong.

    Returns:
        The expansion, or None where a problem leaves none.
    """
    notes: list[str] = []
    before = len(problems)
    across = read_axes(tree.child("across"), problems, notes)
    compare = read_axes(tree.child("compare"), problems, notes)
    spaces = read_rules(tree.child("tune"), problems)
    _check_size(tree, across, compare, rules, problems)
    # Whatever is wrong with the axes, the rest is still worth checking.
    across = [axis for axis in across if axis.values]
    compare = [axis for axis in compare if axis.values]
    if _count(across, compare) > MAX_RUNS:
        across, compare = [], []
    blocks = [_block(point, problems) for point in _points(across)]
    for name in PARTS:
        # A section that every point of an axis overrides is still read by people: no typos in it.
        node = tree.child(name)
        if name in sections.KINDS and node is not None and full(node, (name,)).child("name"):
            sections.section(sections.KINDS[name], node, problems)
    candidates = _candidates(tree, across, compare, problems)
    methods = _methods(candidates, [axis.name for axis in compare], spaces, notes, problems)
    baselines = _baselines(tree, blocks, problems)
    problems.extend(unused(spaces, [c for _, _, c in candidates], _names()))
    chosen = selection(tree, rules.select, [c.resolved.recipe for _, _, c in candidates], problems)
    check_target(tree, rules.select, [block.label for block in blocks], problems)
    ordered = [m for block in blocks for m in (*methods, *baselines) if m.block == block.label]
    _check_labels(ordered, tree, problems)
    contrasts = pairs(ordered, rules.contrasts, tree.child("contrasts"), problems)
    if rules.repeat.until and not contrasts:
        text = "nothing is compared, so that nothing can be decided; compare two methods, or remove until"
        problems.append((tree.child("repeat") or tree).problem(text, "repeat.until"))
    runs = _runs(ordered, rules, tree, problems)
    if len(problems) > before or chosen is None:
        return None
    unique = tuple(dict.fromkeys(notes))
    return Expansion(tuple(blocks), tuple(ordered), contrasts, *chosen, runs, unique)


def fixed_by(tree: Node, method: Method) -> Node:
    """What a method's points of the axes set, with the lines where they do."""
    across, compare = (read_axes(tree.child(name), [], []) for name in ("across", "compare"))
    blocks = (_block(point, []) for point in _points(across))
    outer = [block.overrides for block in blocks if block.label == method.block]
    inner = [v.layer for a in compare for v in a.values if method.axes.get(a.name) == v.label]
    return join([*outer[:1], *inner], [])


def _points(axes: list[Axis]) -> Iterable[tuple[Value, ...]]:
    return itertools.product(*(axis.values for axis in axes))


def _joined(values: Iterable[Value]) -> str:
    return "/".join(value.label for value in values)


def _block(point: tuple[Value, ...], problems: list[Problem]) -> Block:
    return Block(_joined(point), join([value.layer for value in point], problems))


def _candidates(
    tree: Node, across: list[Axis], compare: list[Axis], problems: list[Problem]
) -> list[tuple[str, str, Candidate]]:
    """(block, label, candidate) of every point of the product."""
    found = []
    for outer in _points(across):
        for inner in _points(compare):
            fixed = join([value.layer for value in (*outer, *inner)], problems)
            resolved = resolve(merge(tree, fixed), problems)
            axes = dict(zip([a.name for a in (*across, *compare)], (*outer, *inner), strict=True))
            labels = {name: value.label for name, value in axes.items()}
            label = _joined(inner) or _plain_label(resolved.recipe)
            found.append((_joined(outer), label, Candidate(labels, resolved, fixed)))
    return found


def _plain_label(recipe: Recipe) -> str:
    """A method that is compared with nothing is called after its model and optimizer."""
    names = [recipe.get(part, {}).get("name") for part in ("model", "optimizer")]
    return "/".join(label_text(name) for name in names if name is not None)


def _methods(
    candidates: list[tuple[str, str, Candidate]],
    compared: list[str],
    rules: list[Rule],
    notes: list[str],
    problems: list[Problem],
) -> list[Method]:
    methods = []
    for block, label, candidate in candidates:
        space = search(rules, candidate, problems)
        problems.extend(untuned(candidate.resolved, space))
        own = {axis: label for axis, label in candidate.axes.items() if axis in compared}
        recipe = _emptied(candidate.resolved, space)
        methods.append(Method(block, label, own, recipe, space, None))
        if rules and not space:
            notes.append(f"{label}: nothing to tune; it is measured as it is")
    return methods


def _emptied(resolved: Resolved, space: Mapping[str, Distribution]) -> Recipe:
    """The recipe with its tuned keys empty, whatever the config had there."""
    return with_values(resolved.recipe, dict.fromkeys(space))


def _baselines(tree: Node, blocks: list[Block], problems: list[Problem]) -> list[Method]:
    """Baselines know the task and the data, of each block; nothing of `compare` concerns them."""
    baselines = read_baselines(tree.child("baselines"), problems)
    methods = []
    for block in blocks if baselines else ():
        recipe = resolve(merge(tree, block.overrides), problems, ("task", "data")).recipe
        methods += [Method(block.label, key, {}, recipe, {}, v) for key, v in baselines.items()]
    return methods


def _check_labels(methods: list[Method], tree: Node, problems: list[Problem]) -> None:
    """A label is how a person, a table and a file tell methods apart."""
    seen: set[tuple[str, str]] = set()
    for method in methods:
        if (method.block, method.label) in seen:
            node = (tree.child("baselines") if method.baseline else tree.child("compare")) or tree
            text = f"two methods are called {show(method.label)}; tell them apart with `label:`"
            problems.append(node.problem(text))
        seen.add((method.block, method.label))


def _names() -> dict[str, Iterable[str]]:
    kinds = sections.KINDS.values()
    return {kind.key: kind.names() for kind in kinds if kind.key != "baseline"}


def _count(across: list[Axis], compare: list[Axis]) -> int:
    return math.prod(len(axis.values) for axis in (*across, *compare))


def _check_size(
    tree: Node, across: list[Axis], compare: list[Axis], rules: Rules, problems: list[Problem]
) -> None:
    """Refuses a product that is too large before any of it is made."""
    methods = _count(across, compare)
    if methods * rules.repeat.most > MAX_RUNS:
        node = tree.child("compare") or tree.child("across") or tree
        text = f"{methods} methods with {rules.repeat.most} repeats"
        problems.append(node.problem(_refusal(text, methods * rules.repeat.most)))


def _refusal(what: str, runs: int) -> str:
    return f"{what} are {runs} runs; allowed {MAX_RUNS} in all"


def _runs(methods: list[Method], rules: Rules, tree: Node, problems: list[Problem]) -> int:
    """How many runs the study takes; refused where they are too many to list."""
    total = 0
    for method in methods:
        trials = rules.tune.trials if rules.tune.sampler != "grid" else 0
        if method.space and not trials:
            trials = grid_size(method.space, rules.tune.trials)
        searched = bool(method.space) and trials > 1
        total += searched * trials * rules.tune.repeat + rules.repeat.most
    if total > MAX_RUNS and len(methods) * rules.repeat.most <= MAX_RUNS:
        node = tree.child("tune") or tree
        text = f"{len(methods)} methods, their trials and repeats"
        problems.append(node.problem(_refusal(text, total)))
    return total

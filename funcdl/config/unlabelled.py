"""`train.unlabelled`: how examples without labels are learnt from."""

from __future__ import annotations

from typing import Any

from funcdl.config.augment import read_augment
from funcdl.config.node import Node, is_mapping
from funcdl.config.sections import KINDS, Section, section
from funcdl.errors import Problem

STRONG = "strong"
ARE_LABELS = "classification"  # the task whose outputs can be made labels


def read_unlabelled(node: Node | None, problems: list[Problem]) -> Section | None:
    """The section as resolved; None where such examples are left alone.

    >>> from funcdl.config.node import from_python
    >>> read_unlabelled(from_python("pseudo_label"), []).values
    {'name': 'pseudo_label', 'weight': 1.0, 'threshold': 0.95, 'ratio': 4}
    """
    name = node.child("name") if node is not None and is_mapping(node) else node
    if node is None or (name is not None and name.value is None):
        return None
    found = section(KINDS["train.unlabelled"], node, problems)
    strong = node.child(STRONG)
    if strong is None or STRONG not in found.known:
        return found
    values = {**found.values, STRONG: read_augment(strong, problems)}
    if not values[STRONG]:
        problems.append(strong.problem("needs at least one augmentation, such as [shift]"))
    return found._replace(values=values)


def check_unlabelled(tree: Node, recipe: dict[str, Any], problems: list[Problem]) -> None:
    """Refuses what a method for examples without labels has no use for."""
    if "unlabelled" not in recipe.get("train", {}):
        return
    train = tree.child("train") or tree
    node = train.child("unlabelled") or train
    task = recipe.get("task", {}).get("name")
    if task != ARE_LABELS:
        text = f"makes labels of what a model says, but the task is {task}; allowed {ARE_LABELS}"
        problems.append(node.problem(text, "train.unlabelled"))
    if "labelled" not in recipe.get("data", {}):
        text = "needs examples whose labels are hidden; say how many keep theirs: data.labelled: 50"
        problems.append(node.problem(text, "train.unlabelled"))

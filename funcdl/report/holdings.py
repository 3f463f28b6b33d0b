"""The data sets of a study, as its report needs to know them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from funcdl.config import Study
from funcdl.plan.study import Plan
from funcdl.report.question import Holding

_RULES = {
    "stratified": "at random, each class in proportion",
    "random": "at random",
    "group": "at random, whole groups at a time",
    "order": "in order, the last examples being the test split",
}


def holdings(study: Study, plan: Plan) -> tuple[Holding, ...]:
    """Each data set once, in the order in which methods use them."""
    found: dict[str, Holding] = {}
    for method, trials in zip(plan.methods, plan.trials, strict=True):
        digest, section = trials[0].data, method.recipe["data"]
        known = found.get(digest)
        if known is None:
            found[digest] = _holding(study, plan, digest, section, method.block)
        elif method.block not in known.blocks:
            found[digest] = known._replace(blocks=(*known.blocks, method.block))
    return tuple(found.values())


def _holding(study: Study, plan: Plan, digest: str, section: Any, block: str) -> Holding:
    facts, repeat = plan.datasets.facts[digest], study.repeat
    name = section.get("name") if isinstance(section, Mapping) else section
    split = section.get("split") if isinstance(section, Mapping) else None
    splits = 1
    if "split" in repeat.varied:
        splits = repeat.cross["split"] if repeat.cross else repeat.first
    return Holding(
        blocks=(block,),
        name=name if isinstance(name, str) else "data given in Python",
        rule=_rule(split, splits, bool(facts.counts)) if isinstance(split, Mapping) else "",
        splits=splits,
        sizes=facts.sizes,
        classes=facts.classes if facts.counts else (),
        counts=facts.counts,
        shared=facts.shared,
        unlabelled=facts.unlabelled,
        rolling=isinstance(split, Mapping) and bool(split.get("origins")),
    )


def _rule(split: Mapping[str, Any], splits: int, labels: bool) -> str:
    by = split.get("by", "stratified")
    if by == "stratified" and not labels:
        by = "random"  # what it is where targets are no labels
    words = _RULES.get(by, str(by))
    if split.get("origins") and splits > 1:
        words = "in order, each test split a later one, each training split as long as the others"
    return words if by == "order" or splits > 1 else f"{words} (seed {split.get('seed', 0)})"

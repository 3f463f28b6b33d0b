"""The question of a study, as its report needs to know it, from its config and its plan."""

from __future__ import annotations

from funcdl.config import Expansion, Method, Study
from funcdl.config.study import headed
from funcdl.config.write import to_yaml
from funcdl.plan.stopping import in_words
from funcdl.plan.study import Plan
from funcdl.report.holdings import holdings
from funcdl.report.question import Question
from funcdl.report.searches import searches
from funcdl.report.setting import setting
from funcdl.stats.sequential import planned


def make_question(study: Study, expansion: Expansion, plan: Plan, command: str) -> Question:
    """What the report needs to know of a study."""
    tune = study.tune
    return Question(
        name=study.name,
        command=command,
        config_text=to_yaml(study),
        metric=expansion.metric.replace("validation/", "test/"),
        selected_by=expansion.metric,
        mode="max" if expansion.mode == "max" else "min",
        methods=tuple((method.block, method.label) for method in expansion.methods),
        contrasts=expansion.contrasts,
        blocks=tuple(block.label for block in expansion.blocks),
        margin=study.margin,
        tuned=tuple(dict.fromkeys(key for m in expansion.methods for key in m.space)),
        spaces={
            (m.block, m.label): {key: d.describe() for key, d in m.space.items()}
            for m in expansion.methods
        },
        trials=tune.trials if tune and any(m.space for m in expansion.methods) else 0,
        searches=searches(study, plan),
        sampler=tune.sampler if tune and any(m.space for m in expansion.methods) else "",
        tune_repeats=tune.repeat if tune else 1,
        stopping="; ".join(in_words(study, plan.contests)),
        repeats=study.repeat.first,
        vary=study.repeat.varied,
        looks=looks_of(study),
        cross=study.repeat.crossed,
        shares=_shares(plan),
        judged={name: facts.judged for name, facts in plan.datasets.facts.items()},
        targets=_targets(study, expansion),
        tasks={method.block: _task_name(method) for method in expansion.methods},
        notes=expansion.notes + lanes_note(study, plan),
        heading=headed(study),
        setting=setting(study, expansion, plan),
        holdings=holdings(study, plan),
    )


def _targets(study: Study, expansion: Expansion) -> dict[str, float]:
    """The target of each block that has one."""
    target = study.select.target
    given = (
        target if isinstance(target, dict) else {block.label: target for block in expansion.blocks}
    )
    return {block: float(value) for block, value in given.items() if value is not None}


def looks_of(study: Study) -> tuple[int, ...]:
    """The planned looks of a study that adds repeats; empty for one that does not."""
    repeat = study.repeat
    return planned(repeat.first, repeat.most) if repeat.until else ()


def _shares(plan: Plan) -> dict[tuple[str, str], float]:
    """How much of what a method learns from and is judged by is judged by, for each method."""
    found = {}
    for method, trials in zip(plan.methods, plan.trials, strict=True):
        train, _, test = plan.datasets.facts[trials[0].data].sizes
        found[method.block, method.label] = test / (train + test)
    return found


def _task_name(method: Method) -> str:
    name = method.recipe["task"]["name"]
    return name if isinstance(name, str) else ""


def lanes_note(study: Study, plan: Plan) -> tuple[str, ...]:
    """What a reader should know of the lanes that runs shared."""
    if plan.mode != "vmap":
        return ()
    widths = sorted(set(plan.widths.values()))
    lanes = " or ".join(map(str, widths))
    less = ", fewer than asked, for the device's memory did not suffice"
    short = less if study.width and widths[0] < study.width else ""
    return (f"Runs shared programs in {lanes} lanes per device (mode vmap){short}.",)

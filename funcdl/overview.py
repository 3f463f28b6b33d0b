"""`funcdl plan`: what a study would run."""

from __future__ import annotations

from typing import Any

from funcdl.config import Study, expand, problem_at
from funcdl.errors import StudyError
from funcdl.execute.machine import backend
from funcdl.plan.contest import most, most_steps
from funcdl.plan.stopping import in_words
from funcdl.plan.study import Plan, make_plan


def describe(study: Study) -> str:
    """Methods, trials, runs, programs, and the number of parameters of each model.

    Nothing is compiled or run; models are built by shape only.

    Raises:
        StudyError: if data and config do not fit.
    """
    expansion = expand(study)
    plan = make_plan(study, expansion, backend())
    lines = [f"study {study.name}: {len(plan.contests)} methods, selected by {expansion.metric}"]
    lines += [f"  data {digest[:12]}: {_splits(d)}" for digest, d in plan.datasets.items()]
    rows = [("method", "trials", "repeats", "runs", "steps", "program", "parameters", "searched")]
    rows += [_row(study, plan, position) for position in range(len(plan.contests))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines += [
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    total = sum(map(most, plan.contests))
    lines.append(f"{total} runs in {len(plan.programs)} programs, mode {plan.mode}")
    lines += [f"stopped early: {text}" for text in in_words(study, plan.contests)]
    lines += [f"note: {note}" for note in expansion.notes]
    return "\n".join(lines)


def _row(study: Study, plan: Plan, position: int) -> tuple[str, ...]:
    contest, method = plan.contests[position], plan.methods[position]
    first = plan.trials[position][0]
    dataset = plan.datasets[first.data]
    label = f"{contest.block}: {contest.method}" if contest.block else contest.method
    searched = ", ".join(f"{key} {d.describe()}" for key, d in method.space.items()) or "nothing"
    trials = contest.trials if contest.trials > 1 else 0
    try:
        parameters = "-" if first.static is None else str(_parameters(first, dataset))
    except Exception as error:  # what only the model itself knows, such as heads that do not fit
        problem = f"{label} cannot be built: {error}".splitlines()[0]
        raise StudyError([problem_at(study, "model", problem)]) from error
    return (
        label,
        str(trials),
        str(contest.repeats),
        str(most(contest)),
        str(most_steps(contest)),
        first.program[:8] or "-",
        parameters,
        searched,
    )


def _parameters(trial: Any, dataset: Any) -> int:
    import jax

    from funcdl.train.assemble import assemble
    from funcdl.train.streams import stream_keys

    train = assemble(trial.static, dataset)
    state = jax.eval_shape(train.init, stream_keys(0, "tune", 0), trial.hyper, dataset.train)
    return sum(leaf.size for leaf in jax.tree.leaves(state.variables["params"]))


def _splits(dataset: Any) -> str:
    sizes = (
        f"{len(getattr(dataset, name).targets)} {name}" for name in ("train", "validation", "test")
    )
    return f"{', '.join(sizes)} examples"

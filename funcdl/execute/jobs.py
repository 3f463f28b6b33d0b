"""From a planned run to what a worker is told, and to what is stored."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from funcdl.data.tree import leaves
from funcdl.execute.messages import Job, Result
from funcdl.plan.contest import Contest, Run
from funcdl.plan.study import Plan
from funcdl.store.ledger import Label
from funcdl.store.row import Row
from funcdl.tasks import TARGETS
from funcdl.tasks.load import name_and_arguments

PREDICTED = ("validation", "test")  # what else is kept of a run are parameters


def job_of(plan: Plan, position: int, run: Run) -> Job:
    """What a worker is told of a run of the contest at this position."""
    method, trial = plan.methods[position], plan.on_split(position, run)
    train = trial.recipe.get("train", {"steps": 0, "eval_every": 1})
    return Job(
        id=run.id,
        program=trial.program,
        static=trial.static,
        hyper=trial.hyper,
        data=trial.data,
        seed=plan.seed,
        phase=run.phase,
        streams=run.streams,
        steps=train["steps"],
        eval_every=train["eval_every"],
        measured=run.phase == "measure",
        select=plan.select,
        baseline=method.baseline,
        task=trial.recipe["task"],
        until=run.until,
        continues=run.continues,
        keep=run.until is not None,
        mode=trial.mode,
        stream=train.get("stream", "auto"),
        predictions=run.phase == "measure" and "predictions" in plan.keep,
        variables=run.phase == "measure" and "parameters" in plan.keep,
        start=plan.library.starts.arrays(trial.recipe, run.streams),
    )


def label_of(contest: Contest, run: Run) -> Label:
    """Where a run stands in the study."""
    return Label(
        id=run.id,
        block=contest.block,
        method=contest.method,
        compare=dict(contest.compare),
        phase=run.phase,
        trial=run.trial,
        repeat=run.repeat,
        tuned=dict(run.tuned),
    )


def row_of(plan: Plan, position: int, run: Run, job: Job, result: Result, environment: str) -> Row:
    """What is stored of a finished run."""
    contest, trial = plan.contests[position], plan.on_split(position, run)
    return Row(
        **(label_of(contest, run)._asdict() | result._asdict()),
        recipe=trial.text,
        program=job.program,
        environment=environment,
        data_digest=trial.data,
        targets=_targets(plan, job, result.outputs),
    )


def _targets(plan: Plan, job: Job, outputs: Collection[str]) -> dict[str, np.ndarray]:
    """The targets of the splits whose predictions are kept; of several the task's own, or the first."""
    if not outputs:
        return {}
    dataset, kept = plan.datasets[job.data], [name for name in outputs if name in PREDICTED]
    own = f"[{TARGETS.get(str(name_and_arguments(job.task)[0]))!r}]"
    found = {}
    for split in kept:
        arrays = dict(leaves(getattr(dataset, split).targets))
        found[split] = np.asarray(arrays.get(own, next(iter(arrays.values()))))
    return found

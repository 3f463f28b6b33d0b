"""`funcdl plan`: what a study would run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from funcdl.config import Study, expand, problem_at
from funcdl.errors import StudyError
from funcdl.execute.machine import backend
from funcdl.plan.contest import Contest, due, most, most_steps, outcome_of
from funcdl.plan.datasets import Facts
from funcdl.plan.stopping import in_words
from funcdl.plan.study import Plan, make_plan
from funcdl.plan_json import known_widths
from funcdl.store.ledger import known_runs
from funcdl.store.trained import find_source


def describe(study: Study, folder: Path | None = None) -> str:
    """Methods, trials, runs, programs, and the number of parameters of each model.

    Nothing is compiled or run, and nothing written; models are built by shape only.

    Args:
        study: what would run.
        folder: where it would; runs that it holds are counted, and lanes are as many as an earlier
            run of the study has found room for.

    Raises:
        StudyError: if data and config do not fit.
        StoreError: if the folder holds rows that cannot be read.
    """
    expansion = expand(study)
    widths = known_widths(folder, study.width) if folder else {}
    plan = make_plan(study, expansion, backend(), widths, find_source)
    lines = [f"study {study.name}: {len(plan.contests)} methods, selected by {expansion.metric}"]
    lines += _data(plan)
    rows = [("method", "trials", "repeats", "runs", "steps", "program", "parameters", "searched")]
    grown = [contest._replace(repeats=study.repeat.most) for contest in plan.contests]
    rows += [_row(study, plan, position, grown[position]) for position in range(len(grown))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines += [
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    runs = _range(sum(map(most, contests)) for contests in (plan.contests, grown))
    lines.append(f"{runs} runs in {len(plan.programs)} programs, mode {plan.mode}{_lanes(plan)}")
    lines += _done(plan, grown, folder)
    lines += [f"stopped early: {text}" for text in in_words(study, plan.contests)]
    lines += [f"note: {note}" for note in expansion.notes]
    return "\n".join(lines)


def _range(numbers: Iterable[int]) -> str:
    """From the least to the most, as one number where they are equal."""
    least, most = numbers
    return str(least) if least == most else f"{least} to {most}"


def _lanes(plan: Plan) -> str:
    """How many runs share a program at a time, on each device."""
    if not plan.widths:
        return ""
    least, most = min(plan.widths.values()), max(plan.widths.values())
    return f", {_range((least, most))} lane{'s' * (most > 1)} per device"


def _done(plan: Plan, contests: Iterable[Contest], folder: Path | None) -> list[str]:
    """How many of the runs need not be run, since the study's folder holds them."""
    known = known_runs(folder / "runs") if folder and (folder / "runs").is_dir() else {}
    if not known:
        return []
    outcomes = {run: outcome_of(k.status, k.final, plan.select[0]) for run, k in known.items()}
    done = sum(run.id in known for contest in contests for run in due(contest, outcomes))
    return [f"{done} of them are done, in {folder}"] if done else []


def _data(plan: Plan) -> list[str]:
    """The data sets in lines; splits of one that are of the same size in one line."""
    alike: dict[str, list[str]] = {}
    for digest, facts in plan.datasets.facts.items():
        alike.setdefault(_splits(facts), []).append(digest)
    if not plan.library.splits.vary:
        known = plan.datasets.facts
        return [
            f"  data {d[:12]}: {said}{_twice(known[d])}"
            for said, digests in alike.items()
            for d in digests
        ]
    return [f"  data in {len(digests)} splits: {said}" for said, digests in alike.items()]


def _row(study: Study, plan: Plan, position: int, grown: Contest) -> tuple[str, ...]:
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
        _range((contest.repeats, grown.repeats)),
        _range((most(contest), most(grown))),
        _range((most_steps(contest), most_steps(grown))),
        first.program[:8] or "-",
        parameters,
        searched,
    )


def _parameters(trial: Any, dataset: Any) -> int:
    import jax

    from funcdl.train.assemble import assemble
    from funcdl.train.start import blank
    from funcdl.train.streams import stream_keys

    train, start = assemble(trial.static, dataset), blank(trial.static.start)
    keys = stream_keys(0, "tune", 0)
    state = jax.eval_shape(train.init, keys, trial.hyper, dataset.train, *start)
    return sum(leaf.size for leaf in jax.tree.leaves(state.variables["params"]))


def _splits(facts: Facts) -> str:
    names = ("train", "validation", "test")
    sizes = (f"{n} {name}" for n, name in zip(facts.sizes, names, strict=True))
    return f"{', '.join(sizes)} examples{_inputs(facts)}{_classes(facts.classes)}"


def _inputs(facts: Facts) -> str:
    """The shape of an example's inputs, and their dtype."""
    start = "['train'].inputs"
    told = [
        f"{path.removeprefix(start)} {dtype}{list(shape[1:])}".strip()
        for path, shape, dtype in facts.shapes
        if path.startswith(start)
    ]
    return f", inputs {', '.join(told)}" if told else ""


def _classes(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    some = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    told = "".join(mark if mark.isprintable() else "?" for mark in some)  # a name may move a cursor
    return f", {len(names)} classes: {told}"


def _twice(facts: Facts) -> str:
    """What a model has seen before it is asked."""
    if facts.shared is None or not facts.shared.test:
        return ""
    return f"; {facts.shared.test} test examples have the inputs of a training example"

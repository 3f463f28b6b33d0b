"""`funcdl list`: every name a config may use, with its arguments and defaults."""

from __future__ import annotations

from funcdl import tasks
from funcdl.config.names import unknown
from funcdl.config.samplers import SAMPLERS
from funcdl.config.sections import KINDS, Kind, settable
from funcdl.errors import FuncdlError, Problem, StudyError
from funcdl.signatures import Parameter
from funcdl.tasks.summaries import SUMMARIES, Summary

LISTS = {
    "models": "model",
    "optimizers": "optimizer",
    "data": "data",
    "tasks": "task",
    "schedules": "train.schedule",
    "augmentations": "train.augment",
    "unlabelled": "train.unlabelled",
    "baselines": "baseline",
}


def listing(kind: str | None) -> str:
    """The catalogue of one kind, or of all.

    Args:
        kind: a key of `LISTS`, "metrics", "samplers", or None for everything.

    Raises:
        StudyError: if it is neither.
    """
    kinds = (*LISTS, "metrics", "samplers")
    if kind is None:
        return "\n\n".join(f"{name}:\n{_of(name)}" for name in kinds)
    if kind not in kinds:
        raise StudyError([Problem("", "list", unknown("kind", kind, kinds))])
    return _of(kind)


def _of(kind: str) -> str:
    if kind == "samplers":
        return "\n".join(f"  {name}" for name in SAMPLERS)
    if kind == "metrics":
        return "\n".join(map(_metrics, sorted(tasks.METRICS)))
    section = KINDS[LISTS[kind]]
    lines = [_entry(section, name) for name in sorted(section.names())]
    reasons = section.reasons()
    if reasons:
        lines.append("\n  not by name (each can be used from Python):")
        lines += [f"    {name}: {reason}" for name, reason in sorted(reasons.items())]
    return "\n".join(lines)


def _metrics(task: str) -> str:
    """What a task always measures, and what it measures where `metrics` asks for it."""
    always = ", ".join(tasks.METRICS[task])
    asked = ", ".join(_metric(name, one) for name, one in SUMMARIES.get(task, {}).items())
    return f"  {task}: {always}" + (f"\n    where asked for: {asked}" if asked else "")


def _metric(name: str, summary: Summary) -> str:
    """`f1_tuned*`: a star where validation data fit it; `conformal_size@alpha*` with what it may take."""
    return name + (f"@{summary.takes}" if summary.takes else "") + "*" * summary.fitted


def _entry(section: Kind, name: str) -> str:
    try:
        known = settable(section, name)
    except FuncdlError as error:
        return f"  {name}: {error}"
    arguments = ", ".join(_argument(p) for p in known.values() if p.settable or p.required)
    return f"  {name}({arguments})"


def _argument(parameter: Parameter) -> str:
    """An argument with its default, or with its kind where there is none."""
    if parameter.required:
        return f"{parameter.name}: {parameter.kind}"
    if parameter.choices:
        return f"{parameter.name}={parameter.default!r} of {'|'.join(map(str, parameter.choices))}"
    return f"{parameter.name}={parameter.default!r}"

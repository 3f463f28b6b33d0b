"""How many lanes each program of a study gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from funcdl.config import Study
from funcdl.plan.mode import CPU, chosen_width
from funcdl.plan.sizing import lane_bytes
from funcdl.plan.trial import Trial
from funcdl.types import Dataset


def widths_of(
    study: Study,
    trials: Iterable[Iterable[Trial]],
    datasets: Mapping[str, Dataset],
    backend: str,
    known: Mapping[str, int],
) -> dict[str, int]:
    """Program -> lanes per device, where the study's mode is or may come out as "vmap".

    Args:
        study: its `width` stands for every program, unless memory did not suffice.
        trials: of each method, with the names of their programs before any mode.
        datasets: digest -> data set.
        backend: `CPU` or `ACCELERATOR`.
        known: widths from an earlier plan, which are kept.
    """
    if study.mode == "each" or study.mesh or (study.mode == "auto" and backend == CPU):
        return {}
    first = {t.program: t for tried in trials for t in tried if t.static is not None}
    widths = {p: known.get(p) or study.width for p in first}
    asked = [
        (p, (t.static, t.hyper, datasets[t.data]))
        for p, t in first.items()
        if not widths[p] and t.static is not None
    ]
    sizes = lane_bytes([request for _, request in asked]) if asked else []
    # A program that cannot be traced gets the widest: its runs fail, and say why, all the same.
    widths |= {p: chosen_width(size or 0) for (p, _), size in zip(asked, sizes, strict=True)}
    return {p: w for p, w in widths.items() if w}


def narrower(
    widths: Mapping[str, int], trials: Iterable[Iterable[Trial]], program: str
) -> dict[str, int]:
    """A plan's widths with half as many lanes for a program that found too little memory.

    Args:
        widths: program, before its mode, -> lanes per device.
        trials: of each method.
        program: the one that needs fewer lanes.

    >>> from types import SimpleNamespace as N
    >>> trials = [[N(program="a in 64 lanes", plain="a")]]
    >>> narrower({"a": 64, "b": 8}, trials, "a in 64 lanes")
    {'a': 32, 'b': 8}
    """
    plain = next(t.plain for tried in trials for t in tried if t.program == program)
    return {**widths, plain: max(1, widths[plain] // 2)}

"""What the answer cost: time, speed, size, operations and memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from funcdl.report.material import Material
from funcdl.report.section import Grid, Section
from funcdl.report.wording import count

if TYPE_CHECKING:
    from funcdl.report.answer import Answer

MIB = 2**20


def costs(material: Material, answer: Answer) -> Iterator[Section]:
    """Per method: seconds of a measured run, steps per second, parameters, operations, memory.

    Times are means over the measured runs that finished, or else the tuning runs, without compiling;
    other columns are what every run of a method has in common, or the largest where trials differ.
    """
    question, runs = material.question, material.runs
    if not len(runs) or "seconds" not in runs or not runs["seconds"].notna().any():
        return
    known = [name for name in ("parameters", "flops", "memory", "steps") if name in runs]
    done = runs[runs["status"] == "ok"]
    spent = runs.groupby(["block", "method"])["seconds"].sum().to_dict()
    rows = []
    for place, of_method in done.groupby(["block", "method"], sort=False):
        measured = of_method[of_method["phase"] == "measure"]
        timed = measured if len(measured) else of_method
        most = {name: of_method[name].max() for name in known}
        seconds = float(timed["seconds"].mean())
        steps = float(timed["steps"].mean()) if "steps" in known else 0.0
        rows.append(
            dict(zip(("block", "method"), place, strict=True))
            | {"n": len(timed), "seconds per run": seconds}
            | {"steps per second": steps / seconds if steps and seconds > 0 else None}
            | {"parameters": most.get("parameters") or None}
            | {"FLOPs per step": most.get("flops")}
            | {"memory, MiB": most["memory"] / MIB if "memory" in known else None}
            | {"all runs, s": spent[place]}
        )
    if not rows:
        return
    order = {place: i for i, place in enumerate(question.methods)}
    rows.sort(key=lambda row: order.get((row["block"], row["method"]), len(order)))
    frame = pd.DataFrame(rows).dropna(axis=1, how="all")
    if len(question.blocks) < 2:
        frame = frame.drop(columns="block")
    yield Section(
        "costs",
        "What it cost",
        paragraphs=tuple(_said(runs, frame)),
        grids=(Grid("costs", "Cost of each method.", frame),),
    )


def _duration(seconds: float) -> str:
    """A time in the unit that suits it.

    >>> _duration(0.2), _duration(1.2), _duration(1800), _duration(9000)
    ('less than a second', '1 second', '30 minutes', '2.5 hours')
    """
    if seconds < 0.5:
        return "less than a second"
    if seconds < 300:
        return count(round(seconds), "second")
    if seconds < 7200:
        return count(round(seconds / 60), "minute")
    return f"{seconds / 3600:.2g} hours"


def _said(runs: pd.DataFrame, frame: pd.DataFrame) -> Iterator[str]:
    total = float(runs["seconds"].sum())
    spent = _duration(total)
    yield (
        f"The study's {count(len(runs), 'run')}, tuning and measuring, took {spent} of computing in "
        "all, besides compiling; several run at a time where there are several workers. Seconds per "
        "run are means over n finished runs, evaluation included, and depend on the machine."
    )
    if "FLOPs per step" in frame:
        yield (
            "FLOPs per step are floating-point operations of one training step of one run, by "
            "XLA's analysis of the compiled program, to which later turns of inner loops are added."
            " Memory is what a device needs for the program: its data, state and intermediate values"
            ", those of all runs that share it included."
        )

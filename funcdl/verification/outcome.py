"""What came of verifying a study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from funcdl.store.manifest import Damage
from funcdl.verification.difference import Difference

# Why a run may have come out otherwise.
UNEXPLAINED, ENVIRONMENT, CODE = "unexplained", "another environment", "another funcdl"
SHOWN = 20  # runs whose differences are listed one by one


class Checked(NamedTuple):
    """A run that was done again.

    run: its id in the folder. The next five say where it stands in the study.
    program: what it was done with.
    differences: what came out otherwise; empty if every bit is the same.
    cause: what a difference is put down to, whether or not there is one: "another environment" if the
        run was stored by another machine, version or backend; "another funcdl" if it has another
        identity now, and was found by its recipe; else "unexplained".
    """

    run: str
    block: str
    method: str
    phase: str
    trial: int
    repeat: int
    program: str
    differences: tuple[Difference, ...]
    cause: str

    @property
    def equal(self) -> bool:
        """Whether every bit came out again."""
        return not self.differences


class Verification(NamedTuple):
    """What came of doing a study's runs again; `print` it.

    folder: the study's folder.
    checked: the runs that were done again.
    total: the finished runs of the study, done again or not.
    failed: stored runs that failed and have no bits to compare.
    strangers: stored runs of the study that its plan, made again, does not name.
    environment: what was not the same machine or version: name -> (then, now).
    changed: what else decides bits and was not the same: name -> (then, now).
    damage: files of the folder that are not as they were written.
    seed: what the runs were drawn with.
    """

    folder: Path
    checked: tuple[Checked, ...]
    total: int
    failed: int
    strangers: int
    environment: Mapping[str, tuple[str, str]]
    changed: Mapping[str, tuple[str, str]]
    damage: tuple[Damage, ...]
    seed: int

    @property
    def equal(self) -> bool:
        """Whether everything that was looked at is as it was stored."""
        return not (self.strangers or self.damage) and all(run.equal for run in self.checked)

    def __str__(self) -> str:
        """A table of programs and methods, and each difference in a line."""
        return _in_words(self)


def _in_words(found: Verification) -> str:
    """What `funcdl verify` prints."""
    return "\n".join(
        [
            *_table(found),
            *_verdict(found),
            *_list_differences(found),
            *_surroundings(found),
            *_left_out(found),
        ]
    )


def _table(found: Verification) -> Iterator[str]:
    """A line per program and method."""
    groups: dict[tuple[str, str], list[Checked]] = {}
    for run in found.checked:
        label = f"{run.block}: {run.method}" if run.block else run.method
        groups.setdefault((label, run.program[:8] or "-"), []).append(run)
    rows = [("method", "program", "runs", "equal")]
    for (label, program), runs in groups.items():
        equal = sum(run.equal for run in runs)
        rows.append((label, program, str(len(runs)), str(equal)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()


def _verdict(found: Verification) -> Iterator[str]:
    drawn = len(found.checked) < found.total
    of = f" of {found.total} runs, drawn with seed {found.seed}," if drawn else " runs"
    equal = sum(run.equal for run in found.checked)
    unequal = len(found.checked) - equal
    yield ""
    if not unequal:
        yield f"{found.folder}: {len(found.checked)}{of} came out with the same bits"
        return
    yield f"{found.folder}: of {len(found.checked)}{of} {equal} came out with the same bits, "
    causes = {run.cause for run in found.checked if not run.equal}
    if causes == {ENVIRONMENT}:
        why = "they were made in another environment, which is no damage"
    elif causes == {CODE}:
        why = (
            "they were made by another funcdl, or of other data, and cannot be compared bit by bit"
        )
    elif causes & {ENVIRONMENT, CODE}:
        why = "see each for why that may be"
    else:
        why = (
            "nothing that decides bits has changed: the rows are not what was computed, or a function "
            "of the study does not always compute the same"
        )
    yield f"{unequal} did not: {why}"


def _list_differences(found: Verification) -> Iterator[str]:
    unequal = [run for run in found.checked if not run.equal]
    for run in unequal[:SHOWN]:
        label = f"{run.block}: {run.method}" if run.block else run.method
        place = f"{run.phase}, trial {run.trial}, repeat {run.repeat}"
        yield f"  {label}, {place} (run {run.run[:12]}, {run.cause})"
        yield from (f"    {difference}" for difference in run.differences)
    if len(unequal) > SHOWN:
        yield f"  and {len(unequal) - SHOWN} more"


def _surroundings(found: Verification) -> Iterator[str]:
    if found.environment:
        yield "this environment is not the one that made the runs:"
        yield from _pairs(found.environment)
    if found.changed:
        yield "what decides bits is not what it was, so that runs were found by their recipes:"
        yield from _pairs(found.changed)


def _pairs(facts: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    for name, (then, now) in facts.items():
        yield f"  {name}: {then or 'nothing'} then, {now or 'nothing'} now"


def _left_out(found: Verification) -> Iterator[str]:
    if found.failed:
        yield f"{_runs(found.failed)} failed when the study ran, and left no bits to compare"
    if found.strangers:
        yield (
            f"{_runs(found.strangers)} cannot be done again: the study, read again, does not name "
            "them; was study.yaml changed, or another study given?"
        )
    for damage in found.damage:
        yield f"damaged: {found.folder / damage.path}: {damage.problem}"


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"

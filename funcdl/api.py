"""`fd.run`: a study from config to report."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import shlex
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from funcdl.config import Study, expand
from funcdl.errors import DamageError, StoreError
from funcdl.execute.device import unused_gpu
from funcdl.execute.growth import Growth
from funcdl.execute.inline import crew_size
from funcdl.execute.interrupt import Interrupted, Interruption
from funcdl.execute.machine import backend, check_threads
from funcdl.execute.status import Status
from funcdl.execute.supervisor import OutOfMemory, Supervisor
from funcdl.plan.code import code_digest
from funcdl.plan.study import FLAGS, Plan, make_plan
from funcdl.plan.widths import narrower
from funcdl.plan_json import changes, known_widths, write_record
from funcdl.progress import Progress
from funcdl.report.asked import lanes_note, looks_of, make_question
from funcdl.report.files import FILES
from funcdl.report.question import Question
from funcdl.store import checkpoint
from funcdl.store.files import write_whole
from funcdl.store.folder import Folder
from funcdl.store.ledger import Label, Ledger
from funcdl.store.lock import BusyError, owned
from funcdl.store.log import log_event
from funcdl.store.manifest import at_rest, remove_manifest, renew_report, write_manifest
from funcdl.store.repair import remove_report, repair
from funcdl.store.sealed import write_sealed
from funcdl.store.trained import find_source
from funcdl.store.units import write_units
from funcdl.tracking.desk import Tracking
from funcdl.tracking.earlier import earlier
from funcdl.tracking.tracker import Tracker

if TYPE_CHECKING:
    from funcdl.results import Results

CHECKPOINT_SECONDS = 30.0
INLINE = "note: this process holds the accelerator, so the runs are done in it, without workers"


def run(
    study: Study,
    *,
    out: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    checkpoint_every: float = CHECKPOINT_SECONDS,
    observe: Callable[[Status], None] | None = None,
    command: str | None = None,
    track: Sequence[Tracker] = (),
) -> Results:
    """Carries out a study, or what is missing of it, and writes its report.

    Args:
        study: what to do.
        out: the study's folder; `runs/<name>` if left out. A folder that holds a part of this study,
            or an earlier version of it, is gone on with.
        workers: processes; 0 to do everything in this one, as for a debugger; if left out as many as
            cores and memory allow, or 0 where this process holds an accelerator already.
        checkpoint_every: seconds between two checkpoints of a run.
        observe: called with a `Status` whenever there is news; a progress display if left out.
        command: how the report says the study was started.
        track: who is told of runs while they are done, such as `fd.TensorBoard("logs")` and
            `fd.Wandb("offline")`. One that fails is given up with a line on standard error; no run
            waits for it.

    Returns:
        The results, as `load` gives them.

    Raises:
        FuncdlError: if a tracker's library is missing.
        StudyError: if data and config do not fit.
        StoreError: if the folder cannot be used: it is a file, read-only, full, held by another
            process, or holds another study.
        Interrupted: (a `KeyboardInterrupt`) after Ctrl-C or SIGTERM, with everything saved.
    """
    if not isinstance(study, Study):
        raise TypeError(
            f"fd.run takes a funcdl.Study, not {type(study).__name__}; make one with fd.Study(...), "
            "or read a config file with fd.load_study(path)"
        )
    if workers is not None and workers < 0:
        raise ValueError(f"workers={workers}; allowed are 0 and more")
    check_threads(study.threads)
    expansion = expand(study)
    folder = Path(out) if out is not None else Path("runs") / study.name
    plan = make_plan(study, expansion, backend(), known_widths(folder, study.width), find_source)
    question = make_question(study, expansion, plan, command or _command(study, folder))
    tracking = Tracking(track, study.name, functools.partial(earlier, folder))
    with (
        owned(folder),
        _left_in_order(folder),
        Interruption() as interruption,
        _display(observe) as show,
        tracking,
    ):
        if note := unused_gpu():
            warnings.warn(note, stacklevel=2)
        before = _described(folder, study.name)
        question = question._replace(answered=_answered(before, folder, question))
        damaged = repair(folder)
        ledger = Ledger(folder / "runs")
        if ledger.damaged:
            remove_manifest(folder)
        for path in ledger.damaged:
            log_event(folder, "damaged rows set aside", path=path.name)
        while True:
            growth = _growth(study, question, plan, folder, ledger)
            supervisor = Supervisor(plan, folder, ledger, show, growth, tracking)
            record = write_record(question, _facts(study, plan))
            missing = supervisor.prepare()
            show(supervisor.status(None))
            changed = changes(before, record)
            if not (missing or damaged or ledger.damaged or changed) and at_rest(folder, FILES):
                return _load(folder)
            remove_report(folder)
            if before and changed:
                log_event(folder, "study changed", what=changed)
            write_whole(folder / "study.yaml", question.config_text.encode())
            write_units(folder, _units(plan))
            write_sealed(folder / "plan.json", record)
            before = record
            try:
                if missing:
                    at_once = crew_size(workers, study.threads)
                    log_event(folder, "started", missing=missing, workers=at_once)
                    if at_once == 0 and workers is None:
                        print(INLINE, file=sys.stderr)
                    supervisor.run(at_once, checkpoint_every, interruption, _report_loader())
                    log_event(folder, "finished")
                break
            except OutOfMemory as error:
                fewer = narrower(plan.widths, plan.trials, error.program)
                plan = make_plan(study, expansion, backend(), fewer, find_source)
                question = question._replace(notes=expansion.notes + lanes_note(study, plan))
                log_event(folder, "fewer lanes", reason=str(error), widths=dict(plan.widths))
                print(f"{error}; going on with half as many lanes", file=sys.stderr)
            finally:
                ledger.settle(supervisor.labels())
        checkpoint.clear(folder / "checkpoints")
        write_manifest(folder, _write_report(_load(folder)))
        return _load(folder)


def _report_loader() -> Callable[[], None]:
    """Loads what results and report need, when it is first called, in a thread.

    These imports take a second: time that is free while the workers compile, but not before they
    are there, which everything waits for.
    """

    def load_them() -> None:
        for module in ("funcdl.results", "funcdl.report.folder"):
            importlib.import_module(module)

    @functools.cache
    def once() -> None:
        threading.Thread(target=load_them, daemon=True).start()

    return once


def _load(folder: Path) -> Results:
    from funcdl.results import load

    return load(folder)


def _write_report(results: Results) -> list[str]:
    """Makes and writes a study's report; returns the files' names."""
    from funcdl.report.folder import render, save

    made = render(results.material)
    save(results.folder, made)
    return list(made.files)


def report(folder: str | os.PathLike[str]) -> Results:
    """Makes the report of a study's folder again, from what is stored.

    Raises:
        StoreError: if it is not a study's folder, or cannot be written.
    """
    results = _load(Path(folder))
    with contextlib.ExitStack() as stack:
        # While the study runs nobody vouches for the folder's state, and its end makes the report.
        with contextlib.suppress(BusyError):
            stack.enter_context(owned(results.folder))
        renew_report(results.folder, _write_report(results))
    return results


def _growth(
    study: Study, question: Question, plan: Plan, folder: Path, ledger: Ledger
) -> Growth | None:
    """How the study's repeats are added; None where they are not."""
    looks, units = looks_of(study), _units(plan)
    if not looks:
        return None

    def decide(block: str, labels: Sequence[Label]) -> bool:
        from funcdl.report.decided import decided
        from funcdl.results import Results

        results = Results(folder, question.of(block), ledger.rows(labels), units)
        return decided(results.material)[block]

    return Growth(looks, decide)


def _units(plan: Plan) -> dict[str, np.ndarray]:
    """Which test examples belong together, by the digest of their data set."""
    known = plan.datasets.facts.items()
    return {digest: facts.units for digest, facts in known if facts.units is not None}


def _facts(study: Study, plan: Plan) -> dict[str, Any]:
    return {
        "seed": study.seed,
        "code": code_digest(),
        "flags": {flag: os.environ[flag] for flag in FLAGS if os.environ.get(flag)},
        "mode": plan.mode,
        "lanes": {"asked": study.width, "widths": dict(plan.widths)},
        "programs": list(plan.programs),
        "data": {digest: list(facts.classes) for digest, facts in plan.datasets.facts.items()},
        "units": {digest: int(units.max()) + 1 for digest, units in _units(plan).items()},
    }


def _answered(before: dict[str, Any] | None, folder: Path, question: Question) -> tuple[int, ...]:
    """At how many repeats an earlier, shorter version of the study had its answer."""
    asked = before["question"] if before else {}
    known = tuple(asked.get("answered", ()))
    most = max(*asked.get("looks", ()), asked.get("repeats", 0), 0)
    longer = max(*question.looks, question.repeats, 0) > most
    return (*known, most) if most and longer and at_rest(folder, FILES) else known


def _described(folder: Path, name: str) -> dict[str, Any] | None:
    """What the folder says of itself; None where it says nothing, or nothing that can be trusted."""
    if not (folder / "plan.json").exists():
        return None
    try:
        plan = Folder(folder).plan
    except DamageError:
        return None
    other = plan.get("question", {}).get("name")
    if other != name:
        raise StoreError(
            f"{folder}: holds the study {other!r}, not {name!r}; choose another folder with --out, or "
            f"write `name: {other}` in the config if it is that study, grown"
        )
    return plan


@contextlib.contextmanager
def _left_in_order(folder: Path) -> Iterator[None]:
    """A study that a signal stopped vouches for its files, as one that is finished."""
    try:
        yield
    except Interrupted:
        write_manifest(folder, ())
        raise


def _command(study: Study, folder: Path) -> str:
    source = getattr(study, "source", None)
    if source is None:
        return f"fd.run(study, out={str(folder)!r})"
    return f"funcdl run {shlex.quote(str(source))}"


@contextlib.contextmanager
def _display(observe: Callable[[Status], None] | None):
    if observe is not None:
        yield observe
        return
    with Progress() as progress:
        yield progress

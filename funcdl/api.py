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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from funcdl.config import Expansion, Method, Study, expand
from funcdl.config.study import headed
from funcdl.config.write import to_yaml
from funcdl.data.tree import leaves
from funcdl.errors import DamageError, StoreError
from funcdl.execute.device import unused_gpu
from funcdl.execute.inline import crew_size
from funcdl.execute.interrupt import Interrupted, Interruption
from funcdl.execute.machine import backend, check_threads
from funcdl.execute.status import Status
from funcdl.execute.supervisor import OutOfMemory, Supervisor
from funcdl.plan.code import code_digest
from funcdl.plan.stopping import in_words
from funcdl.plan.study import FLAGS, Plan, make_plan
from funcdl.plan.widths import narrower
from funcdl.progress import Progress
from funcdl.record import changes, known_widths, write_record
from funcdl.report.files import FILES
from funcdl.report.question import Question
from funcdl.report.searches import searches
from funcdl.report.setting import setting
from funcdl.results import Results, load
from funcdl.store import checkpoint
from funcdl.store.files import write_whole
from funcdl.store.folder import Folder
from funcdl.store.ledger import Ledger
from funcdl.store.lock import BusyError, owned
from funcdl.store.log import log_event
from funcdl.store.manifest import at_rest, remove_manifest, renew_report, write_manifest
from funcdl.store.repair import remove_report, repair
from funcdl.store.sealed import write_sealed

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

    Returns:
        The results, as `load` gives them.

    Raises:
        StudyError: if data and config do not fit.
        StoreError: if the folder cannot be used: it is a file, read-only, full, held by another
            process, or holds another study.
        Interrupted: (a `KeyboardInterrupt`) after Ctrl-C or SIGTERM, with everything saved.
    """
    from funcdl.report import write

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
    plan = make_plan(study, expansion, backend(), known_widths(folder, study.width))
    question = make_question(study, expansion, plan, command or _command(study, folder))
    with (
        owned(folder),
        _left_in_order(folder),
        Interruption() as interruption,
        _display(observe) as show,
    ):
        if note := unused_gpu():
            warnings.warn(note, stacklevel=2)
        before = _described(folder, study.name)
        damaged = repair(folder)
        ledger = Ledger(folder / "runs")
        if ledger.damaged:
            remove_manifest(folder)
        for path in ledger.damaged:
            log_event(folder, "damaged rows set aside", path=path.name)
        while True:
            supervisor = Supervisor(plan, folder, ledger, show)
            record = write_record(question, _facts(study, plan))
            missing = supervisor.prepare()
            show(supervisor.status(None))
            changed = changes(before, record)
            if not (missing or damaged or ledger.damaged or changed) and at_rest(folder, FILES):
                return load(folder)
            remove_report(folder)
            if before and changed:
                log_event(folder, "study changed", what=changed)
            write_whole(folder / "study.yaml", question.config_text.encode())
            write_sealed(folder / "plan.json", record)
            before = record
            try:
                if missing:
                    at_once = crew_size(workers, study.threads)
                    log_event(folder, "started", missing=missing, workers=at_once)
                    if at_once == 0 and workers is None:
                        print(INLINE, file=sys.stderr)
                    _load_report_soon()
                    supervisor.run(at_once, checkpoint_every, interruption)
                    log_event(folder, "finished")
                break
            except OutOfMemory as error:
                fewer = narrower(plan.widths, plan.trials, error.program)
                plan = make_plan(study, expansion, backend(), fewer)
                question = question._replace(notes=expansion.notes + lanes_note(study, plan))
                log_event(folder, "fewer lanes", reason=str(error), widths=dict(plan.widths))
                print(f"{error}; going on with half as many lanes", file=sys.stderr)
            finally:
                ledger.settle(supervisor.labels())
        checkpoint.clear(folder / "checkpoints")
        results = load(folder)
        write(folder, results.material)
        write_manifest(folder, FILES)
        return load(folder)


def _load_report_soon() -> None:
    """Loads what the report needs, about a second of imports, while the workers start."""
    load_it = functools.partial(importlib.import_module, "funcdl.report.folder")
    threading.Thread(target=load_it, daemon=True).start()


def report(folder: str | os.PathLike[str]) -> Results:
    """Makes the report of a study's folder again, from what is stored.

    Raises:
        StoreError: if it is not a study's folder, or cannot be written.
    """
    from funcdl.report import write

    results = load(folder)
    with contextlib.ExitStack() as stack:
        # While the study runs nobody vouches for the folder's state, and its end makes the report.
        with contextlib.suppress(BusyError):
            stack.enter_context(owned(results.folder))
        write(results.folder, results.material)
        renew_report(results.folder, FILES)
    return results


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
        repeats=study.repeat.count,
        vary=tuple(study.repeat.vary),
        shares=_shares(plan),
        targets=_targets(study, expansion),
        tasks={method.block: _task_name(method) for method in expansion.methods},
        notes=expansion.notes + lanes_note(study, plan),
        heading=headed(study),
        setting=setting(study, expansion, plan),
    )


def _targets(study: Study, expansion: Expansion) -> dict[str, float]:
    """The target of each block that has one."""
    target = study.select.target
    given = (
        target if isinstance(target, dict) else {block.label: target for block in expansion.blocks}
    )
    return {block: float(value) for block, value in given.items() if value is not None}


def _shares(plan: Plan) -> dict[tuple[str, str], float]:
    """How much of what a method learns from and is judged by is judged by, for each method."""
    found = {}
    for method, trials in zip(plan.methods, plan.trials, strict=True):
        data = plan.datasets[trials[0].data]
        train, test = (len(leaves(part.targets)[0][1]) for part in (data.train, data.test))
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


def _facts(study: Study, plan: Plan) -> dict[str, Any]:
    return {
        "seed": study.seed,
        "code": code_digest(),
        "flags": {flag: os.environ[flag] for flag in FLAGS if os.environ.get(flag)},
        "mode": plan.mode,
        "lanes": {"asked": study.width, "widths": dict(plan.widths)},
        "programs": list(plan.programs),
        "data": {digest: list(d.classes) for digest, d in plan.datasets.items()},
    }


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

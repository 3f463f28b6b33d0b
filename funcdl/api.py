"""`fd.run`: a study from config to report."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from funcdl.config import Expansion, Study, expand
from funcdl.config.write import to_yaml
from funcdl.errors import StoreError
from funcdl.execute.interrupt import Interruption
from funcdl.execute.machine import worker_count
from funcdl.execute.supervisor import Status, Supervisor
from funcdl.plan.study import MODE, Plan, make_plan
from funcdl.progress import Progress
from funcdl.record import same, write_record
from funcdl.report.question import Question
from funcdl.results import Results, load
from funcdl.store.files import write_whole
from funcdl.store.folder import Folder, log_event, owned, write_json
from funcdl.store.ledger import Ledger

CHECKPOINT_SECONDS = 30.0


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
        workers: processes; as many as cores and memory allow if left out.
        checkpoint_every: seconds between two checkpoints of a run.
        observe: called with a `Status` whenever there is news; a progress display if left out.
        command: how the report says the study was started.

    Returns:
        The results, as `load` gives them.

    Raises:
        StudyError: if data and config do not fit.
        StoreError: if the folder cannot be used: it is a file, read-only, full, or held by another
            process.
        Interrupted: (a `KeyboardInterrupt`) after Ctrl-C or SIGTERM, with everything saved.
    """
    from funcdl.report import write

    if not isinstance(study, Study):
        raise TypeError(
            f"fd.run takes a funcdl.Study, not {type(study).__name__}; make one with fd.Study(...), "
            "or read a config file with fd.load_study(path)"
        )
    if workers is not None and workers < 1:
        raise ValueError(f"workers={workers}; allowed are 1 and more")
    expansion = expand(study)
    plan = make_plan(study, expansion)
    folder = Path(out) if out is not None else Path("runs") / study.name
    question = make_question(study, expansion, command or _command(study, folder))
    with owned(folder), Interruption() as interruption, _display(observe) as show:
        ledger = Ledger(folder / "runs")
        for path in ledger.damaged:
            log_event(folder, "damaged rows set aside", path=path.name)
        supervisor = Supervisor(plan, folder, ledger, show)
        missing = supervisor.prepare()
        show(supervisor.status(None))
        record = write_record(question, _facts(study, plan))
        page = folder / "report" / "index.html"
        if missing or not page.exists() or not _described(folder, question, record):
            # The page is written last: while it is not there, there is something left to do.
            page.unlink(missing_ok=True)
            write_whole(folder / "study.yaml", question.config_text.encode())
            write_json(folder / "plan.json", record)
            try:
                if missing:
                    log_event(folder, "started", missing=missing, workers=workers or "auto")
                    supervisor.run(workers or worker_count(), checkpoint_every, interruption)
            finally:
                ledger.settle(supervisor.labels())
            if missing:
                log_event(folder, "finished")
            results = load(folder)
            write(folder, results.question, results.runs, results.metrics)
        return load(folder)


def report(folder: str | os.PathLike[str]) -> Results:
    """Makes the report of a study's folder again, from what is stored.

    Raises:
        StoreError: if it is not a study's folder, or cannot be written.
    """
    from funcdl.report import write

    results = load(folder)
    write(results.folder, results.question, results.runs, results.metrics)
    return results


def make_question(study: Study, expansion: Expansion, command: str) -> Question:
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
        repeats=study.repeat.count,
        vary=tuple(study.repeat.vary),
        notes=expansion.notes,
    )


def _facts(study: Study, plan: Plan) -> dict[str, Any]:
    return {
        "seed": study.seed,
        "mode": MODE,
        "programs": list(plan.programs),
        "data": {digest: list(d.classes) for digest, d in plan.datasets.items()},
    }


def _described(folder: Path, question: Question, record: dict[str, Any]) -> bool:
    """Whether the folder says of itself just what it should."""
    try:
        text = (folder / "study.yaml").read_bytes()
        return text == question.config_text.encode() and same(
            Folder(folder).read_json("plan.json"), record
        )
    except (FileNotFoundError, StoreError):
        return False


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

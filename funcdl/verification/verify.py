"""`fd.verify`: does a study come out again, bit by bit?"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from funcdl.config import Study, expand, load_study
from funcdl.errors import StoreError, StudyError
from funcdl.execute.inline import crew_size
from funcdl.execute.interrupt import Interruption
from funcdl.execute.status import Status
from funcdl.execute.supervisor import Supervisor
from funcdl.plan.code import code_digest
from funcdl.plan.contest import Contest
from funcdl.plan.mode import ACCELERATOR, CPU
from funcdl.plan.study import FLAGS, Plan, make_plan
from funcdl.plan_json import known_widths
from funcdl.progress import Progress
from funcdl.store.environments import Facts, read_environments
from funcdl.store.folder import Folder
from funcdl.store.ledger import Ledger
from funcdl.store.lock import owned
from funcdl.store.manifest import Damage, find_damage
from funcdl.store.parts import read_rows
from funcdl.store.trained import find_source
from funcdl.verification.difference import differences
from funcdl.verification.draw import Lot, draw
from funcdl.verification.outcome import CODE, ENVIRONMENT, UNEXPLAINED, Checked, Verification
from funcdl.verification.pairs import Pair, pairs_of

CHECKPOINT_SECONDS = 30.0
OTHERWISE = {"the study": ("another", "this one")}  # where neither code nor data say why
_OBJECT = re.compile(r"<(.+?) sha256:[0-9a-f]{16}>")  # as `study.yaml` names a Python object


class _Again(NamedTuple):
    """What came out this time: rows, where each run's is, and the environments that made them."""

    rows: pa.Table
    at: Mapping[str, int]
    environments: Mapping[str, Facts]


def verify(
    folder: str | os.PathLike[str],
    study: Study | None = None,
    *,
    runs: int | None = None,
    workers: int | None = None,
    seed: int = 0,
    observe: Callable[[Status], None] | None = None,
) -> Verification:
    """Does runs of a study again and compares every bit with what is stored.

    Compared are how a run ended, the digest of its parameters, its metrics, its curves and its
    per-example values. Runs are done from the study's own record, from their first step, in a
    temporary place; nothing in the study's folder changes.

    Args:
        folder: what `funcdl run` made, such as "runs/quickstart".
        study: the study, where its record cannot be read back since it holds Python objects; it is
            read from the folder if left out.
        runs: how many runs, drawn by lot so that every program and method has one where that is
            possible; all of them if left out.
        workers: processes, as in `fd.run`.
        seed: what the lots are drawn with.
        observe: called with a `Status` whenever there is news; a progress display if left out.

    Raises:
        StoreError: if it is not a study's folder, has nothing to verify, or cannot be read back.
        StudyError: if the study cannot be read, or its data cannot be had.
        Interrupted: (a `KeyboardInterrupt`) after Ctrl-C or SIGTERM.
    """
    for name, value, least in (("runs", runs, 1), ("workers", workers, 0), ("seed", seed, 0)):
        if value is not None and value < least:
            raise ValueError(f"{name}={value}; allowed are {least} and more")
    opened = Folder(folder)
    study = _read(opened.path) if study is None else study
    plan = _plan(opened, study)
    rows, broken = read_rows(opened.path / "runs")
    damage = _damage(opened.path, broken)
    if rows is None:
        raise StoreError(f"{opened.path}: has no finished run; run the study first{_said(damage)}")
    pairs = pairs_of(plan, rows)
    statuses = rows["status"].to_pylist()
    finished = [pair for pair in pairs if statuses[pair.row] != "failed"]
    if not finished:
        changes = _changed(opened, plan).items()
        words = "".join(f"; {name}: {then} then, {now} now" for name, (then, now) in changes)
        raise StoreError(
            f"{opened.path}: holds no finished run that this study names{words}; verify it with the "
            f"study, the data and the funcdl that made it{_said(damage)}"
        )
    chosen = _drawn(plan, rows, finished, runs, seed)
    again = _done_again(plan, chosen, workers, observe)
    made_in = _environments(opened.path, rows, chosen)
    environment = _changes(made_in, list(again.environments.values()))
    return Verification(
        folder=opened.path,
        checked=tuple(_checked(plan, rows, pair, again, made_in) for pair in chosen),
        total=len(finished),
        failed=len(pairs) - len(finished),
        strangers=_strangers(rows, pairs),
        environment=environment,
        changed={} if all(p.exact for p in finished) else _changed(opened, plan) or OTHERWISE,
        damage=damage,
        seed=seed,
    )


def _read(folder: Path) -> Study:
    path = folder / "study.yaml"
    try:
        return load_study(path)
    except StudyError as error:
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        objects = dict.fromkeys(match[1] for match in _OBJECT.finditer(text))
        if not objects:
            raise
        raise StoreError(
            f"{path}: names Python objects ({', '.join(objects)}), which cannot be read back from a "
            f"file; verify it where they are made: fd.verify({str(folder)!r}, study)"
        ) from error


def _plan(opened: Folder, study: Study) -> Plan:
    """The plan in the mode that the study settled on, wherever it is verified."""
    backend = ACCELERATOR if opened.plan.get("mode") == "vmap" else CPU
    widths = known_widths(opened.path, study.width)
    plan = make_plan(study, expand(study), backend, widths, find_source)
    # Of repeats that are added until the answer is decided there may be as many as these.
    grown = (contest._replace(repeats=study.repeat.most) for contest in plan.contests)
    return plan._replace(contests=tuple(grown))


def _damage(folder: Path, broken: Iterable[Path]) -> tuple[Damage, ...]:
    inside = [
        Damage(path.relative_to(folder).as_posix(), "its content is not as it was written")
        for path in broken
    ]
    return (*find_damage(folder), *inside)


def _said(damage: Iterable[Damage]) -> str:
    return "".join(f"; {one.path}: {one.problem}" for one in damage)


def _drawn(
    plan: Plan, rows: pa.Table, pairs: list[Pair], number: int | None, seed: int
) -> list[Pair]:
    if number is None:
        return pairs
    names = rows["id"].to_pylist()
    lots = [
        Lot(
            names[pair.row],
            plan.on_split(pair.position, pair.run).program,
            plan.contests[pair.position][:2],
        )
        for pair in pairs
    ]
    return [pairs[index] for index in draw(lots, number, seed)]


def _done_again(
    plan: Plan,
    pairs: Sequence[Pair],
    workers: int | None,
    observe: Callable[[Status], None] | None,
) -> _Again:
    """Does these runs in a temporary place."""
    display = contextlib.nullcontext(observe) if observe is not None else Progress()
    with (
        tempfile.TemporaryDirectory(prefix="funcdl-verify-") as place,
        owned(Path(place) / "study") as folder,
        Interruption() as interruption,
        display as show,
    ):
        supervisor = Supervisor(_only(plan, pairs), folder, Ledger(folder / "runs"), show)
        supervisor.prepare()
        size = crew_size(workers, plan.threads)
        supervisor.run(size, CHECKPOINT_SECONDS, interruption)
        rows, _ = read_rows(folder / "runs")
        assert rows is not None  # every run has a row, however it ended
        at = {name: i for i, name in enumerate(rows["id"].to_pylist())}
        return _Again(rows, at, read_environments(folder))


def _only(plan: Plan, pairs: Sequence[Pair]) -> Plan:
    """The plan with contests that need just these runs, each of them from its first step."""
    wanted: dict[int, list[Any]] = {position: [] for position in range(len(plan.contests))}
    programs = set()
    for pair in pairs:
        wanted[pair.position].append(pair.run._replace(continues=""))
        programs.add(plan.on_split(pair.position, pair.run).program)
    contests = [_of(contest, wanted[i]) for i, contest in enumerate(plan.contests)]
    used = tuple(program for program in plan.programs if program in programs)
    return plan._replace(contests=tuple(contests), programs=used)


def _of(contest: Contest, runs: Sequence[Any]) -> Contest:
    """A contest without a search, whose repeats are the runs."""

    def make(phase: str, trial: int, repeat: int, *rest: Any) -> Any:
        return runs[repeat]

    return contest._replace(trials=1, repeats=len(runs), make=make)


def _checked(
    plan: Plan, rows: pa.Table, pair: Pair, again: _Again, made_in: Mapping[str, Facts | None]
) -> Checked:
    contest, run = plan.contests[pair.position], pair.run
    other = again.at[run.id]
    then = made_in[rows["environment"][pair.row].as_py()]
    now = again.environments.get(again.rows["environment"][other].as_py())
    elsewhere = ENVIRONMENT if then != now else UNEXPLAINED
    return Checked(
        run=rows["id"][pair.row].as_py(),
        block=contest.block,
        method=contest.method,
        phase=run.phase,
        trial=run.trial,
        repeat=run.repeat,
        program=plan.on_split(pair.position, run).program,
        differences=tuple(differences(rows, pair.row, again.rows, other)),
        cause=elsewhere if pair.exact else CODE,
    )


def _environments(folder: Path, rows: pa.Table, pairs: Iterable[Pair]) -> dict[str, Facts | None]:
    """The environments that made these rows; None for one that is not on record."""
    known = read_environments(folder)
    names = (rows["environment"][pair.row].as_py() for pair in pairs)
    return {name: known.get(name) for name in names}


def _changes(then: Mapping[str, Facts | None], now: Sequence[Facts]) -> dict[str, tuple[str, str]]:
    """What is not the same in all of them: name -> (then, now)."""
    before = [facts for facts in then.values() if facts is not None]
    found: dict[str, tuple[str, str]] = {}
    if len(before) < len(then):
        found["environments.json"] = ("not on record", "known")
    for key in dict.fromkeys(key for facts in (*before, *now) for key in facts):
        old, new = _values(before, key), _values(now, key)
        if before and old != new:
            found[key] = (" and ".join(old), " and ".join(new))
    return found


def _values(environments: Sequence[Facts], key: str) -> list[str]:
    return sorted({facts.get(key, "unknown") for facts in environments})


def _changed(opened: Folder, plan: Plan) -> dict[str, tuple[str, str]]:
    """Why runs have another identity now than when they were stored."""
    return {name: (then, now) for name, then, now in _deciding(opened, plan) if then != now}


def _deciding(opened: Folder, plan: Plan) -> Iterator[tuple[str, str, str]]:
    record = opened.plan
    if "code" in record:
        yield "funcdl's code", str(record["code"])[:12], code_digest()[:12]
    data = (sorted(record.get("data", ())), sorted(plan.datasets))
    then, now = (", ".join(digest[:12] for digest in digests) for digests in data)
    yield "data", then, now
    flags = record.get("flags", {})
    for flag in FLAGS if "flags" in record else ():
        yield flag, flags.get(flag, ""), os.environ.get(flag, "")


def _strangers(rows: pa.Table, pairs: Iterable[Pair]) -> int:
    """Rows of the study as it is that the plan does not name."""
    known = {pair.row for pair in pairs}
    flags = zip(rows["current"].to_pylist(), rows["status"].to_pylist(), strict=True)
    return sum(
        current and status != "failed" and index not in known
        for index, (current, status) in enumerate(flags)
    )

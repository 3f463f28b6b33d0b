"""A study without JAX that is struck by a fault and resumed, each in a fork, at all named points.

    python -m tests.fault_driver FOLDER kill,enospc [thorough]

Everything is the program's own but the workers and the report's content: a stand-in "trains" by
hashing, step by step, saves and resumes by real checkpoints, and stops on wrong ones. One JSON object
per case is printed.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import math
import os
import shutil
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any, cast

import numpy as np

from funcdl import api, config
from funcdl.errors import DamageWarning, FuncdlError, StoreError
from funcdl.execute import supervisor
from funcdl.execute.inline import Here
from funcdl.execute.messages import Hello, Job, Note, Result
from funcdl.report import folder as report
from funcdl.store import checkpoint, fault, ledger
from funcdl.types import Curve

STUDY = """
name: hashes
task: classification
data: {name: digits, split: {by: order}}
train: {steps: 30, eval_every: 10}
model: logistic
compare:
  optimizer: [{name: sgd, learning_rate: 0.1}, {name: sgd, learning_rate: 0.2, label: fast}]
repeat: 2
keep: [predictions]
"""
EVERY = 10  # steps between two checkpoints
FACTS = {"jax": "none", "backend": "cpu"}


def state(job: Job, step: int) -> bytes:
    """What "training" gives: only who did every step knows it."""
    found = job.id.encode()
    for i in range(step):
        found = hashlib.sha256(found + bytes([i])).digest()
    return found


class Stand(Here):
    """One stand-in for a worker, with all that a supervisor uses of one."""

    def __init__(self) -> None:
        super().__init__(cast(Any, None))
        self.heard = math.inf
        self.step = -1

    def give(self, jobs: tuple[Job, ...], dataset: Any) -> None:
        self.jobs = {job.id: job for job in jobs}
        self.step = -1


class Crew:
    """A crew of one; each `poll` takes its run from one checkpoint to the next."""

    def __init__(self, size: int, place: Path, *settings: Any):
        self.place = place
        self.members = [Stand()]

    def poll(self, seconds: float) -> list[tuple[Any, Any]]:
        member = self.members[0]
        if not member.ready:
            return [(member, Hello(FACTS, 1))]
        (job,) = member.jobs.values()
        heard = []
        if member.step < 0:
            member.step = self.resume(job)
        member.step = min(member.step + EVERY, job.steps)
        array = np.frombuffer(state(job, member.step), np.uint8)
        try:
            saved = checkpoint.Checkpoint(job.id, member.step, {"state": array}, {})
            checkpoint.save(self.place, saved)
        except StoreError as error:
            heard.append((member, Note("checkpoint not written", {"reason": str(error)})))
        if member.step == job.steps:
            heard.append((member, result(job, array.tobytes())))
        return heard

    def resume(self, job: Job) -> int:
        for _, found in checkpoint.newest(self.place, job.id):
            if isinstance(found, StoreError):
                raise found
            assert found.arrays["state"].tobytes() == state(job, found.step)
            return found.step
        return 0

    def stop(self, seconds: float) -> list[tuple[Any, Any]]:
        return []

    def close(self) -> None:
        self.members.clear()


def result(job: Job, digest: bytes) -> Result:
    number = digest[0] / 255
    final = {"validation/accuracy": number, "validation/loss": number, "test/accuracy": number}
    return Result(
        id=job.id,
        status="ok",
        reason="",
        steps=job.steps,
        diverged_at=-1,
        digest=digest.hex(),
        final=final,
        curves={"validation/loss": Curve(np.array([30], np.int32), np.array([number]))},
        examples={"test/accuracy": np.frombuffer(digest, np.uint8).astype(np.float32)},
        parameters=1,
        seconds=0.0,
        outputs={"test": np.frombuffer(digest, np.uint8).astype(np.float32).reshape(-1, 2)},
    )


def main(root: Path, actions: tuple[str, ...], thorough: bool) -> None:
    warnings.simplefilter("error", DamageWarning)  # a study that has ended is in order
    study = root / "study.yaml"
    study.write_text(STUDY)
    ready(study)
    passes = record(study, root / "calm")
    calm = tree(root / "calm")
    say(case="points", passes=passes, gaps=json.loads((root / "gaps.json").read_text()))
    hurt = root / "hurt"
    child(lambda: fault.arm("runs.done:2:kill") or go(study, hurt))
    spoil(hurt)
    repairing = record(study, shutil.copytree(hurt, root / "mended"))
    say(case="mended", passes=repairing, **after(root / "mended", calm))
    for action in actions:
        for point in fault.POINTS:
            source, turns = (None, passes) if point in passes else (hurt, repairing)
            last = turns[point]
            turns_ = (
                {1, (last + 1) // 2, last} if thorough else {last, 1 if action == "kill" else last}
            )
            for turn in sorted(turns_):
                one(study, root / "case", source, f"{point}:{turn}:{action}", calm)


def one(study: Path, folder: Path, source: Path | None, fault_: str, calm: dict[str, str]) -> None:
    """A study with a fault, and then the same study without."""
    if source:
        shutil.copytree(source, folder)
    status, said = child(lambda: fault.arm(fault_) or go(study, folder))
    again, more = child(lambda: go(study, folder))
    facts = {"status": status, "said": said, "again": again, "more": more}
    say(case=fault_, hurt=bool(source), **facts, **after(folder, calm))
    shutil.rmtree(folder)


def after(folder: Path, calm: dict[str, str]) -> dict[str, Any]:
    """How a folder differs from the calm one's, and what lies about in it."""
    found = tree(folder)
    different = [n for n in {**calm, **found} if calm.get(n) != found.get(n)]
    events = [json.loads(line)["event"] for line in (folder / "events.jsonl").open()]
    return {
        "different": [n for n in different if not n.endswith(".damaged")],
        "aside": [n for n in different if n.endswith(".damaged")],
        "events": events,
    }


def tree(folder: Path) -> dict[str, str]:
    """All files but the log, and the manifest, which names the log's digest."""
    passed_over = {"events.jsonl", "manifest.json"}
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in passed_over
    }


def spoil(folder: Path) -> None:
    """Flips a bit in several files of a killed study, and leaves a torn line and a temporary file."""
    parts = sorted((folder / "runs").glob("*.parquet"))
    for path in (folder / "environments.json", parts[0]):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    with open(folder / "events.jsonl", "a") as log:
        log.write('{"time": "2026-')
    (folder / "runs" / f".{parts[0].name}.0123abcd.tmp").write_bytes(b"half")


def record(study: Path, folder: Path) -> dict[str, int]:
    """Runs a study calmly; how often it passed each point, and what it did without passing one."""

    def watched() -> None:
        history: list[str] = []
        strike = fault.passed

        def passed(point: str) -> None:
            history.append(point)
            strike(point)

        def audit(event: str, arguments: tuple) -> None:
            if change := change_of(event, arguments, folder):
                history.append(change)

        fault.passed = passed
        sys.addaudithook(audit)
        fault.arm("plan.begin:999999:kill")
        go(study, folder)
        gaps = [
            f"{second} after {first}"
            for first, second in itertools.pairwise(history)
            if first.startswith("! ") and second.startswith("! ")
        ]
        (folder.parent / "gaps.json").write_text(json.dumps(gaps))
        (folder.parent / "passes.json").write_text(json.dumps(fault._passes))

    status, said = child(watched)
    assert status == 0, said
    return json.loads((folder.parent / "passes.json").read_text())


CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link"}


def change_of(event: str, arguments: tuple, folder: Path) -> str:
    """The event in words if it changes something in the folder."""
    path = str(arguments[0]) if arguments else ""
    if not path.startswith(str(folder)):
        return ""
    if event == "open":
        flags = arguments[2] or 0
        return f"! open {path}" if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) else ""
    return f"! {event} {path}" if event in CHANGES else ""


def ready(study: Path) -> None:
    """Makes the program light: the stand-in for workers, the plan made once, no statistics."""
    supervisor.Crew = Crew  # type: ignore[misc, assignment]
    report.render = made
    ledger.COMMIT_SECONDS, ledger.MANY_PARTS = 0.0, 3
    plan = api.make_plan
    api.make_plan = functools.cache(lambda *arguments: plan(*load(study), *arguments[2:3]))
    expansion = load(study)[1]
    api.expand = lambda study: expansion
    make = api.make_plan
    api.make_plan = lambda study_, expansion_, backend, widths, *_: make(None, None, backend)
    api.make_plan(None, None, api.backend(), {})


def made(material: Any) -> report.Report:
    """A report that follows from the runs, with a file in each of its folders."""
    rows = material.runs.to_csv().encode()
    names = ("table.csv", "tables/costs.csv", "figures/learning.svg", "index.html")
    return report.Report(None, dict.fromkeys(names, rows))  # type: ignore[arg-type]


@functools.cache
def load(path: Path) -> tuple[Any, Any]:
    study = config.load(path)
    return study, config.expand(study)


def go(study: Path, folder: Path) -> None:
    api.run(load(study)[0], out=folder, workers=1, observe=lambda status: None, command="fixed")


def child(work: Any) -> tuple[int, str]:
    """Does some work in a fork; how that ended (2 and a message after an error told), -9 if killed."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        status, said = 0, ""
        try:
            work()
        except FuncdlError as error:
            status, said = 2, str(error)
        except BaseException:
            status, said = 1, traceback.format_exc()
        os.write(write, said.encode()[:60_000])
        os._exit(status)
    os.close(write)
    with open(read, encoding="utf-8") as pipe:
        said = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said


def say(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), tuple(sys.argv[2].split(",")), "thorough" in sys.argv[3:])

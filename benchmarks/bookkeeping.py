"""What it costs to plan, store and load a study of many tiny runs, besides the runs themselves.

    python benchmarks/bookkeeping.py [RUNS]       100,000 runs by default: about two minutes

The study is a real one, carried out by the real supervisor, ledger and report; only its workers are
replaced by a stand-in that answers at once with made-up results of the real form. Prints seconds of
processor time per phase, milliseconds per run (goal: 1 for planning, storing and loading together),
peak memory (goal: 2 GiB), the number of files (goal: under 2,000), and seconds of `fd.load(...).runs`
(goal: 5).
"""

from __future__ import annotations

import hashlib
import itertools
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import funcdl as fd
from funcdl import report
from funcdl.execute import supervisor
from funcdl.execute.messages import Hello, Job, Result
from funcdl.types import Curve

METHODS = 10  # of which each has the same number of trials, and as many repeats


def study_of(runs: int) -> fd.Study:
    trials = runs // METHODS // 2
    return fd.Study(
        name="many",
        task="classification",
        data="digits",
        model="logistic",
        train={"steps": 20, "batch_size": 16, "eval_every": 10},
        compare={
            "optimizer": [
                {"name": "sgd", "momentum": m / 10, "label": f"sgd {m}"} for m in range(METHODS)
            ]
        },
        tune={
            "optimizer.learning_rate": {"log_uniform": [1e-4, 1.0]},
            "trials": trials,
            "repeat": 1,
        },
        repeat=min(10_000, runs // METHODS - trials),
    )


class Instant:
    """In the place of a crew: answers each job at once."""

    def __init__(self) -> None:
        self.members = [Answer()]

    def poll(self, seconds: float) -> list[tuple[Answer, Any]]:
        member = self.members[0]
        if not member.ready:
            return [(member, Hello({"backend": "cpu"}, 1))]
        return [(member, answer(job)) for job in list(member.jobs.values())]

    def close(self) -> None:
        """Nothing is left running."""


class Answer:
    """In the place of a worker."""

    number, devices, program, looks_ahead = 0, 1, None, False

    def __init__(self) -> None:
        self.ready, self.heard = False, time.monotonic()
        self.jobs: dict[str, Job] = {}
        self.programs: set[str] = set()

    def give(self, jobs: tuple[Job, ...], dataset: Any) -> None:
        self.jobs = {job.id: job for job in jobs}
        self.programs = {job.program for job in jobs}


def answer(job: Job) -> Result:
    rng = np.random.default_rng(int(job.id[:8], 16))
    names = ["validation/accuracy", "validation/loss", "train/loss"]
    final = {name: float(rng.random()) for name in names}
    examples = {}
    if job.measured:
        final |= {"test/accuracy": float(rng.random()), "test/loss": float(rng.random())}
        examples = {
            "test/loss": rng.random(359, np.float32),
            "test/accuracy": rng.random(359, np.float32),
        }
    curve = Curve(np.array([10, 20], np.int32), rng.random(2))
    digest = hashlib.sha256(job.id.encode()).hexdigest()
    return Result(
        job.id, "ok", "", 20, -1, digest, final, dict.fromkeys(names, curve), examples, 650, 0.001
    )


LOAD = """
import sys, time, resource
import funcdl as fd
began = time.perf_counter()
runs = fd.load(sys.argv[1]).runs
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(f"fd.load(...).runs: {len(runs):,} rows in {time.perf_counter() - began:.1f} s, peak {peak:.2f} GiB")
"""


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    marks: list[tuple[str, float]] = []

    def mark(phase: str) -> None:
        marks.append((phase, time.process_time()))

    write_report = report.write

    def timed_report(*words: Any) -> None:
        mark("storing")
        write_report(*words)
        mark("report")

    report.write = timed_report
    supervisor.Supervisor._crew = lambda *_: Instant()  # type: ignore[method-assign, assignment]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "many"
        study = study_of(runs)
        mark("start")
        prepared = supervisor.Supervisor.prepare

        def timed_prepare(self: supervisor.Supervisor) -> int:
            missing = prepared(self)
            mark("planning")
            return missing

        supervisor.Supervisor.prepare = timed_prepare  # type: ignore[method-assign]
        results = fd.run(study, out=folder, workers=1, observe=lambda status: None)
        mark("loading")
        for (_, before), (phase, at) in itertools.pairwise(marks):
            print(f"{phase}: {at - before:.1f} s of processor time")
        spent = {phase: at - before for (_, before), (phase, at) in itertools.pairwise(marks)}
        ours = 1000 * (sum(spent.values()) - spent["report"]) / len(results.runs)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{len(results.runs):,} runs: {ours:.2f} ms per run without the report")
        print(f"peak memory {peak:.2f} GiB, the report included")
        files = [path for path in folder.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files) / 2**20
        print(f"{len(files)} files, {size:.0f} MiB", flush=True)
        subprocess.run([sys.executable, "-c", LOAD, str(folder)], check=True)


if __name__ == "__main__":
    main()

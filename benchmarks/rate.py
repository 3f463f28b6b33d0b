"""Steps per second of a study, and what a step costs, taken from the whole engine at work."""

import itertools
import os
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import funcdl as fd


class Rate(NamedTuple):
    """What a study's runs took and came to.

    steps_per_second: of all workers together, by wall time.
    cpu: seconds of the workers' processor time per step.
    runs: the study's rows, as `fd.load(...).runs` has them.
    """

    steps_per_second: float
    cpu: float
    runs: Any


def steps_per_second(study: fd.Study, steps: int) -> float:
    """Steps of all workers together per second of wall time, looking and storing included."""
    return rate(study, steps).steps_per_second


def rate(study: fd.Study, steps: int) -> Rate:
    """Carries out a study and takes its rate, looking and storing included.

    From the first run that ends once every worker trains, so that starting and compiling are left
    out, to the last.

    Args:
        study: runs of equal length; enough of them for every worker to have several.
        steps: of each run.
    """
    seen: list[tuple[float, float, int]] = []

    def observe(status) -> None:
        all_train = status.workers and all(doing.startswith("measure") for doing in status.workers)
        if (all_train or seen) and not (seen and seen[-1][2] == status.runs):
            seen.append((time.perf_counter(), _seconds_of_children(), status.runs))

    with tempfile.TemporaryDirectory() as folder:
        results = fd.run(study, out=Path(folder) / "out", observe=observe)
        runs = results.runs
    assert set(runs["status"]) == {"ok"}
    ends = [now for _, now in itertools.pairwise(seen)]
    if len(ends) < 2:
        raise SystemExit("the runs were over before every worker had its program: take more runs")
    (start, used, before), (end, used_after, after) = ends[0], ends[-1]
    done = (after - before) * steps
    return Rate(done / (end - start), (used_after - used) / done, runs)


def _seconds_of_children() -> float:
    """Processor time of this process's children that still run; 0 where there is no /proc to ask."""
    listed = [path.read_text() for path in Path("/proc/self/task").glob("*/children")]
    total = 0.0
    for child in " ".join(listed).split():
        # The fields behind the name, which is in brackets; user and system time are the 12th and 13th.
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total

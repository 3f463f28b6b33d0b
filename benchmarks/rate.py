"""Steps per second of a study, taken from the whole engine at work."""

import itertools
import tempfile
import time
from pathlib import Path

import funcdl as fd


def steps_per_second(study: fd.Study, steps: int) -> float:
    """Steps of all workers together per second of wall time, looking and storing included.

    From the first run that ends once every worker trains, so that starting and compiling are left
    out, to the last.

    Args:
        study: runs of equal length; enough of them for every worker to have several.
        steps: of each run.
    """
    seen: list[tuple[float, int]] = []

    def observe(status) -> None:
        all_train = status.workers and all(doing.startswith("measure") for doing in status.workers)
        if all_train or seen:
            seen.append((time.perf_counter(), status.runs))

    with tempfile.TemporaryDirectory() as folder:
        results = fd.run(study, out=Path(folder) / "out", observe=observe)
        assert set(results.runs["status"]) == {"ok"}
    ends = [now for last, now in itertools.pairwise(seen) if now[1] > last[1]]
    if len(ends) < 2:
        raise SystemExit("the runs were over before every worker had its program: take more runs")
    (start, before), (end, after) = ends[0], ends[-1]
    return (after - before) * steps / (end - start)

"""Workers that start before the study that will need them is planned.

A worker imports JAX, which takes most of a second; the supervisor imports pandas and reads data, which
takes as long. Started first, both go on at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from funcdl.execute.crew import WAITING, Member, end_waiting
from funcdl.execute.inline import crew_size
from funcdl.store.folder import MANIFEST


@contextlib.contextmanager
def started_early(folder: Path, workers: int | None, every: float, threads: int) -> Iterator[None]:
    """Has workers wait for the `Crew` of a study; those that it did not take end with the block.

    Nobody is started for a folder that vouches for its files: most likely nothing is missing there.

    Args:
        folder: the study's.
        workers: how many processes are asked for; None for as many as the machine can feed.
        every: seconds between two checkpoints of a run.
        threads: of each worker.
    """
    size = 0 if (folder / MANIFEST).exists() else crew_size(workers, threads)
    try:
        for _ in range(size):
            WAITING.append(Member(folder / "checkpoints", every, threads))
        yield
    finally:
        end_waiting()

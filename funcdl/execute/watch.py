"""Who looks after runs while a worker does them: heartbeats, checkpoints, and being told to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from funcdl.errors import StoreError
from funcdl.execute.messages import Beat, Job, Look, Note
from funcdl.execute.runner import Stopped, Watch

BEAT_SECONDS = 0.5
SHARE = 0.05  # of the time, at most, goes into checkpoints; many lanes are many files


def watch(
    checkpoints: Path | None,
    every: float,
    stopping: Callable[[], bool],
    tell: Callable[[Any], None],
) -> Watch:
    """What is done about once a second, and for every batch that is evaluated.

    Args:
        checkpoints: where to save runs; nowhere if None.
        every: seconds between two checkpoints, more where writing takes long; shorter runs write
            none. 0: at every look.
        stopping: whether the runs are to be saved and left off.
        tell: sends a message to the supervisor.
    """
    from funcdl.execute import resume

    saved_at = heard_at = time.monotonic()
    untold = 0  # steps
    looks: list[Look] = []
    pause = every

    def pulse() -> None:
        nonlocal heard_at, untold
        if time.monotonic() - heard_at >= BEAT_SECONDS:
            tell(Beat(untold, tuple(looks)))
            heard_at, untold = time.monotonic(), 0
            looks.clear()

    def beat(saves: Callable[[], list[tuple[Job, Any]]], now: bool, steps: int) -> None:
        nonlocal saved_at, untold, pause
        untold += steps
        pulse()
        began = time.monotonic()
        if checkpoints and (now or stopping() or began - saved_at >= pause):
            try:
                for job, saved in saves():
                    resume.save(checkpoints, job.id, saved.state, saved.progress)
            except StoreError as error:  # training goes on; the earlier checkpoint is intact
                tell(Note("checkpoint not written", {"reason": str(error)}))
            saved_at = time.monotonic()
            pause = max(every, (saved_at - began) / SHARE) if every else 0.0
        if stopping():
            raise Stopped

    def over() -> None:
        tell(Beat(untold))  # most runs are shorter than a heartbeat

    return Watch(beat, pulse, over, looks.append)

"""Runs for TensorBoard, through tensorboardX."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from funcdl.tracking.tracker import Ended, Run, need, under

DONE = "funcdl-finished"  # beside a run's events, once they are whole
FILES = "events.out.tfevents.*"


class TensorBoard:
    """Writes a folder of events per run: learning curves, final metrics and hyperparameters.

    Events are written as they come, without a queue and a thread per run: what goes wrong is raised
    where it happens, and a thousand runs are no thousand threads.

    folder: where to write; `tensorboard --logdir FOLDER` shows it.
    """

    name = "tensorboard"

    def __init__(self, folder: str | os.PathLike[str]):
        """Nothing is written until a run has something to say."""
        self.folder = Path(folder)
        self._open: dict[str, Any] = {}  # run id -> its writer
        self._shown: dict[str, list[int]] = {}  # run id -> steps that were written while it ran

    def check(self) -> None:
        """Raises `FuncdlError` without tensorboardX."""
        need("tensorboardX")

    def looked(self, run: Run, step: int, values: Mapping[str, float]) -> None:
        """Adds a point to each of the run's curves."""
        if run.id not in self._open:
            if (under(self.folder, run) / DONE).exists():
                return
            self._begin(run)
        self._points(run, {step: values})
        self._shown[run.id].append(step)
        self._open[run.id].flush()

    def finished(self, run: Run, ended: Ended) -> None:
        """Writes what is missing of the run's curves, and what it ended with."""
        place = under(self.folder, run)
        if (place / DONE).exists():
            return
        shown = self._shown.get(run.id, [])
        whole = list(ended.curves)[: len(shown)] == shown
        if run.id not in self._open or not whole:  # as after a resume, when the first points lack
            self._end(run.id)
            self._begin(run)
            shown = []
        self._points(run, dict(list(ended.curves.items())[len(shown) :]))
        from tensorboardX.summary import hparams

        final = {f"final/{name}": x for name, x in ended.final.items() if math.isfinite(x)}
        config = dict(run.config) | {"method": run.method, "phase": run.phase}
        config |= {"trial": run.trial, "repeat": run.repeat, "status": ended.status}
        for summary in hparams(config, final):
            self._write(run.id, summary, 0)
        self._points(run, {ended.steps: final})
        self._end(run.id)
        if ended.status != "failed":  # the study tries it again
            (place / DONE).touch()

    def close(self) -> None:
        """Closes what runs that were left off have open."""
        for name in list(self._open):
            self._end(name)

    def _begin(self, run: Run) -> None:
        """A run's folder, empty of what an earlier attempt left there."""
        from tensorboardX.event_file_writer import EventsWriter

        place = under(self.folder, run)
        place.mkdir(parents=True, exist_ok=True)
        for old in place.glob(FILES):
            old.unlink()
        self._open[run.id] = EventsWriter(str(place / "events"))
        self._shown[run.id] = []

    def _points(self, run: Run, points: Mapping[int, Mapping[str, float]]) -> None:
        from tensorboardX.summary import scalar

        for step, values in points.items():
            for name, value in _finite(values):
                self._write(run.id, scalar(name, value), step)

    def _write(self, run: str, summary: Any, step: int) -> None:
        from tensorboardX.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]

        self._open[run].write_event(Event(wall_time=time.time(), step=step, summary=summary))

    def _end(self, run: str) -> None:
        writer = self._open.pop(run, None)
        self._shown.pop(run, None)
        if writer is not None:
            writer.close()


def _finite(values: Mapping[str, float]) -> Iterable[tuple[str, float]]:
    return ((name, value) for name, value in values.items() if math.isfinite(value))

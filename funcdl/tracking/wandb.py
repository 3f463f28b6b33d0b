"""Runs for Weights & Biases, through its own library."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from funcdl.tracking.tracker import Ended, Run, need

MODES = ("offline", "online")
BEGUN, DONE = "funcdl-begun", "funcdl-finished"  # files in the folder of a run
QUIET = {"silent": True, "console": "off", "disable_git": True, "save_code": False}
QUIET |= {"x_disable_stats": True}  # of the machine, sampled by a thread per run


class Wandb:
    """Writes a W&B run per run: learning curves, the final metrics as its summary, and its config.

    Runs of a method are a group, and those of a study a project.

    mode: "offline" writes to `./wandb` (or `$WANDB_DIR/wandb`), which `wandb sync` uploads; "online"
        uploads at once.
    """

    name = "wandb"

    def __init__(self, mode: str = "offline"):
        """See the class.

        Raises:
            ValueError: for another mode.
        """
        if mode not in MODES:
            raise ValueError(f"mode is {mode!r}; allowed: {', '.join(MODES)}")
        self.mode = mode
        self._open: dict[str, Any] = {}
        self._shown: dict[str, list[int]] = {}

    def check(self) -> None:
        """Raises `FuncdlError` without wandb."""
        need("wandb")

    def looked(self, run: Run, step: int, values: Mapping[str, float]) -> None:
        """Adds a point to each of the run's curves."""
        if run.id not in self._open:
            if self._done(run):
                return
            self._begin(run)
        self._open[run.id].log(dict(values), step=step)
        self._shown[run.id].append(step)

    def finished(self, run: Run, ended: Ended) -> None:
        """Writes what is missing of the run's curves, and what it ended with."""
        if self._done(run):
            return
        shown = self._shown.get(run.id, [])
        whole = list(ended.curves)[: len(shown)] == shown
        if run.id not in self._open or not whole:
            self._end(run.id)
            self._begin(run)
            shown = []
        writer = self._open[run.id]
        for step, values in list(ended.curves.items())[len(shown) :]:
            writer.log(dict(values), step=step)
        writer.summary.update({**ended.final, "status": ended.status, "steps": ended.steps})
        if ended.reason:
            writer.summary.update({"reason": ended.reason})
        place = Path(writer.settings.sync_dir)
        self._end(run.id, failed=ended.status == "failed")
        if ended.status != "failed":  # the study tries it again
            (place / DONE).touch()

    def close(self) -> None:
        """Ends what runs that were left off have open."""
        for name in list(self._open):
            self._end(name, failed=True)

    def _begin(self, run: Run) -> None:
        import wandb

        for place in self._places(run):  # what an earlier attempt left behind
            if (place / BEGUN).exists():
                shutil.rmtree(place)
        known = getattr(wandb.Settings, "model_fields", {})
        writer = wandb.init(
            dir=_root(),
            project=run.study[:128],
            group=f"{run.block}: {run.method}"[:128] if run.block else run.method[:128],
            name=f"{run.method} {run.name}"[:128],
            id=_name(run),
            job_type=run.phase,
            config=dict(run.config) | {"trial": run.trial, "repeat": run.repeat},
            mode="offline" if self.mode == "offline" else "online",
            reinit="create_new",
            resume=None if self.mode == "offline" else "allow",
            settings=wandb.Settings(**{k: v for k, v in QUIET.items() if k in known}),
        )
        (Path(writer.settings.sync_dir) / BEGUN).touch()
        self._open[run.id], self._shown[run.id] = writer, []

    def _end(self, run: str, *, failed: bool = False) -> None:
        writer = self._open.pop(run, None)
        self._shown.pop(run, None)
        if writer is not None:
            writer.finish(exit_code=int(failed))

    def _done(self, run: Run) -> bool:
        return any((place / DONE).exists() for place in self._places(run))

    def _places(self, run: Run) -> list[Path]:
        """The folders of a run, from any time."""
        root = _root() / "wandb"
        with contextlib.suppress(OSError):
            return sorted(root.glob(f"*run-*-{_name(run)}"))
        return []


def _root() -> Path:
    return Path(os.environ.get("WANDB_DIR") or ".")


def _name(run: Run) -> str:
    """A name that W&B takes, of this run in this study."""
    return hashlib.sha256(f"{run.study}\n{run.id}".encode()).hexdigest()[:16]

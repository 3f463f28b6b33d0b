"""The states that runs leave behind for the next rung, and when they are needed no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from funcdl.plan.contest import Run
from funcdl.store import checkpoint


class Kept:
    """Which runs' checkpoints must stay; a state only saves time, so that none is ever missed.

    A run that a search stopped may be gone on with, so that its last state outlives it. Once the
    trial has lost, or has been trained to the next rung, nobody needs it.
    """

    def __init__(self, folder: Path):
        """`folder`: the study's checkpoints."""
        self._folder = folder
        self._of: dict[int, set[str]] = {}  # contest -> runs whose states it needs
        self._needs: Counter[str] = Counter()  # by how many contests
        self._over: set[str] = set()

    def need(self, contest: int, missing: Iterable[Run]) -> None:
        """Notes what a contest's missing runs go on from, and what they leave for the next rung."""
        now = {run.continues for run in missing if run.continues}
        now |= {run.id for run in missing if run.until is not None}
        before = self._of.get(contest, set())
        self._of[contest] = now
        self._needs.update(now)
        self._needs.subtract(before)
        self._over |= before - now

    def drop(self, durable: Iterable[str]) -> None:
        """Removes the checkpoints that nobody needs any more.

        Args:
            durable: runs that were stored since the last call; everything noted before must be, too.
        """
        over = {run for run in {*durable, *self._over} if self._needs[run] <= 0}
        checkpoint.drop(self._folder, over)
        self._over.clear()

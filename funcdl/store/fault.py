"""Named points in every save, at which a test lets the process die or the disk fail.

    FUNCDL_FAULT=runs.synced:2:kill funcdl run study.yaml

Each process of the study that passes the point `runs.synced` a second time dies there, as by
`kill -9`. The idea is that of SQLite's test VFS: what can go wrong in a save is a list, and a test
goes through all of it. Without the variable a point costs one comparison.

| action | what happens at the point |
|---|---|
| `kill` | this process is killed |
| `killgroup` | its whole process group is killed, workers and supervisor alike |
| `term` | its process group gets SIGTERM, and the process goes on |
| `enospc`, `eio` | the disk is full; the disk has an error |
"""

from __future__ import annotations

import errno
import os
import signal
from typing import NamedTuple

from funcdl.errors import FuncdlError

VARIABLE = "FUNCDL_FAULT"
STAGES = ("begin", "opened", "half", "written", "synced", "renamed", "done")
# What is saved whole, by the place it is saved at: a room of the folder, or a file's stem.
PLACES = (
    *("runs", "predictions", "checkpoints", "report"),
    *("study", "plan", "units", "environments", "manifest", "events"),
)
POINTS = (
    *(f"{place}.{stage}" for place in PLACES for stage in STAGES),
    *(
        "folder.begin",
        "folder.made",
        "folder.locked",
        "folder.named",
        "folder.room",
        "folder.ready",
    ),
    *("log.begin", "log.half", "log.done"),  # one line of events.jsonl
    *("checkpoints.prune", "checkpoints.drop"),  # before a file goes
    *("runs.unlink", "runs.joined"),  # before an old part goes; after all have
    *("predictions.unlink", "predictions.joined"),
    *("manifest.unlink", "report.unlink"),
    *("leftover.unlink", "damaged.rename"),
)
ACTIONS = ("kill", "killgroup", "term", "enospc", "eio")


class Fault(NamedTuple):
    """`action` happens when this process passes `point` for the `turn`-th time."""

    point: str
    turn: int
    action: str


def parse(text: str) -> Fault | None:
    """The value of the variable as a fault; None for an empty text.

    >>> parse("plan.synced:1:kill")
    Fault(point='plan.synced', turn=1, action='kill')

    Raises:
        FuncdlError: if there is no such point or action.
    """
    if not text:
        return None
    point, _, rest = text.partition(":")
    turn, _, action = rest.partition(":")
    if point not in POINTS or not turn.isdecimal() or int(turn) < 1 or action not in ACTIONS:
        raise FuncdlError(
            f"{VARIABLE}={text}: must be POINT:N:ACTION with N = 1, 2, ..., an action of "
            f"{', '.join(ACTIONS)} and a point of {', '.join(POINTS)}"
        )
    return Fault(point, int(turn), action)


_armed = os.environ.get(VARIABLE, "")
_passes: dict[str, int] = {}


def arm(text: str) -> None:
    """Sets the fault of this process anew, and counts passes from nought; "" for none."""
    global _armed
    _armed = text
    _passes.clear()


def passed(point: str) -> None:
    """Marks that the process is at a point of a save.

    Raises:
        OSError: if the disk is to fail here.
    """
    if _armed:
        _strike(point, parse(_armed))


def _strike(point: str, fault: Fault | None) -> None:
    _passes[point] = _passes.get(point, 0) + 1
    if fault is None or (point, _passes[point]) != fault[:2]:
        return
    match fault.action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "killgroup":
            os.killpg(os.getpgrp(), signal.SIGKILL)
        case "term":
            os.killpg(os.getpgrp(), signal.SIGTERM)
        case "enospc":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        case "eio":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

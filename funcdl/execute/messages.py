"""What supervisor and workers say to each other, over a pipe, as pickled NamedTuples."""

from __future__ import annotations

from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np

from funcdl.errors import FuncdlError
from funcdl.plan.mode import EACH, Mode
from funcdl.train.assemble import Static
from funcdl.types import Curve, Dataset

STOP = b"stop"  # to a worker, as it stands: save the run you are at, and end
DATA, AHEAD, WORK = b"D", b"A", b"W"  # to a worker: the kinds of what follows


class Data(NamedTuple):
    """To a worker: a data set; jobs name it by its digest.

    over: digests of data sets that it need not hold any more.
    """

    dataset: Dataset
    over: tuple[str, ...] = ()


class Job(NamedTuple):
    """One run, as a worker is told of it.

    id: the run's identity. program: the digest of its static part and the data's shapes.
    static: what decides the program; `hyper`: the traced numbers. For a baseline, `static` is None
        and `baseline` is the estimator with its arguments, `task` the task.
    seed, phase, streams: what the random streams are made of.
    steps, eval_every: how long to train, and how often to look at the validation split.
    measured: whether the test split is looked at, too.
    select: (metric, "max" or "min", "final" or "best").
    until: the step to stop at, where a search stops trials early; the schedule still spans `steps`.
        None to train to the end.
    continues: the id of the run whose last checkpoint this one goes on from, if it is still there;
        empty to start from the beginning. It changes no bits.
    keep: whether the state at the end is left as a checkpoint, for a run that may go on from it.
    mode: how its program runs.
    predictions: whether the outputs of the validation and the test split are kept.
    variables: whether what was trained is kept.
    start: the arrays that the run begins with, by name; None if it begins by chance.
    stream: whether its training data stay on the host: "auto", "always" or "never"; it changes no
        bits.
    """

    id: str
    program: str
    static: Static | None
    hyper: Mapping[str, float]
    data: str
    seed: int
    phase: str
    streams: Mapping[str, int]
    steps: int
    eval_every: int
    measured: bool
    select: tuple[str, str, str]
    baseline: Mapping[str, Any] | None = None
    task: Mapping[str, Any] | None = None
    until: int | None = None
    continues: str = ""
    keep: bool = False
    mode: Mode = EACH
    stream: str = "auto"
    predictions: bool = False
    variables: bool = False
    start: Mapping[str, np.ndarray] | None = None

    @property
    def end(self) -> int:
        """The step at which the run ends."""
        return self.steps if self.until is None else self.until

    @property
    def beginning(self) -> tuple[Mapping[str, np.ndarray], ...]:
        """What `Train.init` takes beside the data."""
        return () if self.start is None else (self.start,)


class Work(NamedTuple):
    """To a worker: runs to do together, of one program and one data set: one, or some lanes'."""

    jobs: tuple[Job, ...]


class Ahead(NamedTuple):
    """To a worker: a job whose program will be needed, to be compiled while others run."""

    job: Job


class Hello(NamedTuple):
    """From a worker that is ready.

    environment: what machine and versions it runs on.
    devices: how many devices it shares lanes out to.
    """

    environment: Mapping[str, str]
    devices: int


class Compiled(NamedTuple):
    """From a worker: a program is ready."""

    program: str
    seconds: float


class Look(NamedTuple):
    """What a run that is being done has just measured: metric -> value, such as "validation/loss"."""

    id: str
    step: int
    values: Mapping[str, float]


class Beat(NamedTuple):
    """From a worker: it lives, and has done so many steps since it last said so.

    looks: of its runs since then; a run that ends sooner than the next beat is told by its result.
    """

    steps: int = 0
    looks: tuple[Look, ...] = ()


class Result(NamedTuple):
    """From a worker: how a run ended; the fields are those of `Row`."""

    id: str
    status: str
    reason: str
    steps: int
    diverged_at: int
    digest: str
    final: Mapping[str, float]
    curves: Mapping[str, Curve]
    examples: Mapping[str, np.ndarray]
    parameters: int
    seconds: float
    flops: float | None = None
    memory: int | None = None
    outputs: Mapping[str, np.ndarray] = {}


class Exhausted(NamedTuple):
    """From a worker: the device's memory does not suffice for so many lanes of a program."""

    program: str
    reason: str


class Note(NamedTuple):
    """From a worker: something for the study's log."""

    event: str
    details: Mapping[str, Any]


class CannotBeSent(FuncdlError):
    """A message holds something that cannot travel to another process."""


def send(connection: Connection, message: Any, kind: bytes = b"") -> None:
    """Sends a message; functions made in a script or a notebook travel by value.

    Args:
        connection: where to.
        message: what.
        kind: put before it for the worker, who can then tell what it is that it cannot read.

    Raises:
        CannotBeSent: if the message holds what cannot be pickled.
    """
    import cloudpickle

    try:
        content = cloudpickle.dumps(message)
    except Exception as error:
        raise CannotBeSent(
            f"cannot be sent to a worker: {error}; make such objects inside the function that uses "
            "them"
        ) from error
    connection.send_bytes(kind + content)


def failed(run: str, reason: str) -> Result:
    """How a run ended that came to nothing."""
    return Result(run, "failed", reason, 0, -1, "", {}, {}, {}, 0, 0.0)

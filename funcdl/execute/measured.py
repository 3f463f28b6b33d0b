"""What a run has measured so far, look by look."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from funcdl.execute.looking import Looking
from funcdl.execute.messages import Job, Look, Result
from funcdl.execute.whole import Whole
from funcdl.tasks.load import make_task
from funcdl.types import PARAMETERS, Curve, Dataset, PyTree


class Measured:
    """What a run has measured so far.

    With `at: final` the test split is looked at once, at the end; with `at: best` whenever the
    selecting metric is the best yet, so that the reported numbers are those of that step.
    """

    def __init__(self, job: Job, dataset: Dataset, progress: Mapping[str, Any] | None):
        assert job.static is not None
        self.job = job
        self._whole = Whole(make_task(job.static.task), dataset)
        start = progress or {"curves": {}, "best": None, "final": {}, "examples": {}}
        self._curves: dict[str, tuple[list[int], list[float]]] = {
            name: (list(steps), list(map(float, values)))
            for name, (steps, values) in start["curves"].items()
        }
        self._best: float | None = start["best"]
        self._final: dict[str, float] = {name: float(x) for name, x in start["final"].items()}
        self._examples: dict[str, list[float]] = dict(start["examples"])
        self._kept: dict[str, np.ndarray] = {
            name: _unpacked(packed) for name, packed in start.get("kept", {}).items()
        }

    def look(self, step: int, train_loss: float, looking: Looking) -> bool:
        """Takes the metrics of this step; False if one of an example's is not finite.

        Raises:
            ValueError: if the selecting metric is not defined, or outputs cannot be kept.
        """
        values = {"train/loss": train_loss}
        values |= {name: _mean(x) for name, x in looking.values("validation").items()}
        if not all(map(math.isfinite, values.values())):
            return False
        validation = looking.outputs("validation") if self._wants_validation(step) else None
        values |= self._whole.of("validation", validation)
        for name, value in values.items():
            steps, numbers = self._curves.setdefault(name, ([], []))
            steps.append(step)
            numbers.append(value)
        better = self._is_better(values)
        if step == self.job.end if self.job.select[2] == "final" else better:
            return self._settle(values, validation, looking)
        return True

    @property
    def latest(self) -> Look:
        """What the last look found."""
        step = self._curves["train/loss"][0][-1]
        values = {n: x[-1] for n, (steps, x) in self._curves.items() if steps[-1] == step}
        return Look(self.job.id, step, values)

    def _wants_validation(self, step: int) -> bool:
        """Whether the outputs of the validation split are needed: no more is moved than is used."""
        final = self.job.select[2] == "final"
        may_settle = self.job.measured and (step == self.job.end if final else True)
        return self._whole.summaries or (
            may_settle and (self._whole.fitted or self.job.predictions)
        )

    def _is_better(self, values: Mapping[str, float]) -> bool:
        """Whether the selecting metric is the best yet; it is noted if so."""
        metric, mode, _ = self.job.select
        value = values[metric]
        if not math.isfinite(value):
            raise ValueError(
                f"{metric} is {value}, so that it cannot select; select by another one"
            )
        better = self._best is None or (value > self._best if mode == "max" else value < self._best)
        if better:
            self._best = value
        return better

    def _settle(self, values: dict[str, float], validation: PyTree, looking: Looking) -> bool:
        """Takes the metrics of the test split, too, as what will be reported."""
        if not self.job.measured:
            self._final = values
            return True
        test = looking.values("test")
        means = {name: _mean(x) for name, x in test.items()}
        if not all(map(math.isfinite, means.values())):
            return False
        wants = self._whole.summaries or self._whole.fitted or self.job.predictions
        outputs = looking.outputs("test") if wants else None
        self._final = values | means | self._whole.of_test(outputs, validation)
        test = test | self._whole.examples(outputs, validation)
        self._examples = {name: x.tolist() for name, x in test.items()}
        if self.job.predictions:
            self._kept = {"validation": _one_array(validation), "test": _one_array(outputs)}
        if self.job.variables:
            trained = looking.trained().items()
            self._kept |= {PARAMETERS + name: np.asarray(x, np.float32) for name, x in trained}
        return True

    def progress(self) -> dict[str, Any]:
        """Everything so far as plain data, for a checkpoint."""
        kept = {name: _packed(array) for name, array in self._kept.items()}
        return {
            "curves": {n: (steps, _plain(values)) for n, (steps, values) in self._curves.items()},
            "best": self._best,
            "final": dict(zip(self._final, _plain(self._final.values()), strict=True)),
            "examples": self._examples,
            **({"kept": kept} if kept else {}),
        }

    def result(
        self, steps: int, diverged_at: int, digest: str, parameters: int, seconds: float
    ) -> Result:
        """How the run ended."""
        ok = diverged_at < 0
        return Result(
            id=self.job.id,
            status="ok" if ok else "diverged",
            reason="",
            steps=steps,
            diverged_at=diverged_at,
            digest=digest,
            final=self._final if ok else {},
            curves={
                name: Curve(np.asarray(steps, np.int32), np.asarray(values, np.float64))
                for name, (steps, values) in self._curves.items()
            },
            examples={n: np.asarray(x, np.float32) for n, x in self._examples.items() if ok},
            parameters=parameters,
            seconds=seconds,
            outputs=self._kept if ok else {},
        )


def _mean(values: np.ndarray) -> float:
    """In float64, so that the mean of many examples keeps its digits."""
    return float(np.mean(values, dtype=np.float64))


def _plain(values: Any) -> list[float | str]:
    """Numbers as JSON has them: an infinite summary, or one that is not defined, as text."""
    return [x if math.isfinite(x) else repr(x) for x in values]


def _one_array(outputs: PyTree) -> np.ndarray:
    """Outputs as they are stored, float32 `[n, k]`; one number per example is `[n, 1]`."""
    if not isinstance(outputs, np.ndarray) or outputs.ndim < 1:
        found = getattr(outputs, "shape", type(outputs).__name__)
        raise ValueError(
            f"keep: [predictions] needs outputs that are one array [n, ...]; given {found}"
        )
    return np.ascontiguousarray(outputs.reshape(len(outputs), -1), np.float32)


def _packed(array: np.ndarray) -> dict[str, Any]:
    return {"shape": array.shape, "bytes": base64.b64encode(array.tobytes()).decode()}


def _unpacked(packed: Mapping[str, Any]) -> np.ndarray:
    content = base64.b64decode(packed["bytes"])
    return np.frombuffer(content, np.float32).reshape(packed["shape"])

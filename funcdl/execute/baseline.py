"""One run of a baseline: a scikit-learn estimator on the same splits, with the same metrics."""

from __future__ import annotations

import hashlib
import time

import numpy as np

from funcdl.baselines.fit import measure, predict_baseline
from funcdl.execute.messages import Job, Result
from funcdl.execute.whole import Whole
from funcdl.tasks.load import make_task
from funcdl.train.streams import key_words
from funcdl.types import Dataset


def run_baseline(job: Job, dataset: Dataset) -> Result:
    """Fits a baseline on the training split and measures it on the others.

    Its only randomness, if any, is the estimator's own; it is seeded from the "init" stream, so that
    repeats differ and a repeat is always the same.

    Args:
        job: `baseline` names the estimator and its arguments, `task` the task.
        dataset: the data set on the host.
    """
    began = time.perf_counter()
    seed = int(key_words(job.seed, job.phase, "init", job.streams["init"])[0])
    task = make_task(job.task)
    outputs = predict_baseline(job.baseline, dataset, task, seed)
    examples = {
        f"{split}/{metric}": values
        for split, found in outputs.items()
        for metric, values in measure(task, dataset, split, found).items()
    }
    means = {name: float(np.mean(x, dtype=np.float64)) for name, x in examples.items()}
    whole = Whole(task, dataset)
    digest = hashlib.sha256()
    for name, values in sorted(examples.items()):
        digest.update(name.encode() + b"\0" + values.tobytes())
    return Result(
        id=job.id,
        status="ok",
        reason="",
        steps=0,
        diverged_at=-1,
        digest=digest.hexdigest(),  # of its predictions' metrics: an estimator has no parameters
        final=means | whole.of("validation", outputs["validation"]) | whole.of_test(**outputs),
        curves={},
        examples={n: x for n, x in examples.items() if n.startswith("test/")}
        | whole.examples(**outputs),
        parameters=0,
        seconds=time.perf_counter() - began,
        outputs={name: x.reshape(len(x), -1) for name, x in outputs.items()}
        if job.predictions
        else {},
    )

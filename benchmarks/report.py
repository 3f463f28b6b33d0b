"""What a report costs: processor seconds and peak memory of making all its files.

    python benchmarks/report.py                       1,000 and 100,000 runs of 20 methods
    python benchmarks/report.py RUNS [METHODS]

The runs are made up, in the form in which `fd.load` gives them: half are tuning trials of two keys,
half repeats with ten looks each and the metric of 360 test examples. Goals: 1,000 runs in 20 s and
1 GiB, 100,000 in 60 s and 2 GiB, the frames included. Prints seconds per part, and for the parts of the
page seconds per section.
"""

from __future__ import annotations

import itertools
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd

from funcdl.report.material import Material
from funcdl.report.question import Question, Search

KEYS = ("optimizer.learning_rate", "optimizer.weight_decay")
LOOKS, EXAMPLES = 10, 360


def material(runs: int, methods: int, seed: int = 0) -> Material:
    """A study of so many runs."""
    rng = np.random.default_rng(seed)
    each = max(4, runs // methods)
    trials, repeats = each // 2, each - each // 2
    names = [f"method {i}" for i in range(methods)]
    frames = [_of_method(rng, name, i, trials, repeats) for i, name in enumerate(names)]
    table = pd.concat(frames, ignore_index=True)
    measured = table.index[table["phase"] == "measure"]
    shared = rng.normal(0, 1, EXAMPLES).astype(np.float32)
    ids = table["id"].to_numpy()
    values = {
        ids[i]: (rng.normal(0, 1, EXAMPLES) + shared < 2.2 * table["test/accuracy"][i]).astype("f4")
        for i in measured
    }
    question = Question(
        name="made-up",
        command="funcdl run made-up.yaml",
        config_text="name: made-up\n",
        metric="test/accuracy",
        selected_by="validation/accuracy",
        mode="max",
        methods=tuple(("", name) for name in names),
        contrasts=tuple(("", a, b) for a, b in itertools.combinations(names, 2)),
        tuned=KEYS,
        spaces={("", name): dict.fromkeys(KEYS, "log_uniform: [0.0001, 1.0]") for name in names},
        trials=trials,
        sampler="random",
        searches={
            ("", name): Search(
                {"name": "adamw"}, name, {key: {"log_uniform": [1e-4, 1.0]} for key in KEYS}, trials
            )
            for name in names
        },
        repeats=repeats,
        vary=("init", "order"),
        parameters={("", name): 1000 for name in names},
        environment={"funcdl": "0", "jax": "0"},
    )
    return Material(question, table, _curves(rng, table), lambda metric: values)


def _of_method(
    rng: np.random.Generator, name: str, number: int, trials: int, repeats: int
) -> pd.DataFrame:
    n = trials + repeats
    rates = 10 ** rng.uniform(-4, 0, (2, trials))
    score = 0.9 + number / 400 - 0.02 * np.log10(rates[0] / 0.01) ** 2
    best = int(np.argmax(score))
    score = np.concatenate([score, np.full(repeats, score[best])]) + rng.normal(0, 0.004, n)
    tuning = np.arange(n) < trials
    return pd.DataFrame(
        {
            "id": [f"{number:03d}-{i:06d}" for i in range(n)],
            "block": "",
            "method": name,
            KEYS[0]: np.append(rates[0], np.full(repeats, rates[0][best])),
            KEYS[1]: np.append(rates[1], np.full(repeats, rates[1][best])),
            "phase": np.where(tuning, "tune", "measure"),
            "trial": np.where(tuning, np.arange(n), best),
            "repeat": np.where(tuning, 0, np.arange(n) - trials),
            "status": "ok",
            "reason": "",
            "steps": 400,
            "diverged_at": -1,
            "digest": "0" * 64,
            "parameters": 1000,
            "seconds": rng.uniform(0.1, 0.4, n),
            "flops": 1e6,
            "memory": 2**20,
            "validation/accuracy": score,
            "validation/loss": 4 * (1 - score),
            "test/accuracy": np.where(tuning, np.nan, score),
            "test/loss": np.where(tuning, np.nan, 4 * (1 - score)),
        }
    )


def _curves(rng: np.random.Generator, table: pd.DataFrame) -> pd.DataFrame:
    labels = table[["id", "block", "method", "phase", "trial", "repeat"]]
    labels = labels.rename(columns={"id": "run"})
    rows = labels.loc[np.repeat(np.arange(len(table)), LOOKS)].reset_index(drop=True)
    step = np.tile(np.arange(1, LOOKS + 1) * 40, len(table))
    score = np.repeat(table["validation/accuracy"].to_numpy(), LOOKS) - 0.5 * np.exp(-step / 60)
    pieces = [
        rows.assign(step=step, metric=metric, value=value + rng.normal(0, 0.003, len(step)))
        for metric, value in (
            ("validation/accuracy", score),
            ("validation/loss", 4 * (1.1 - score)),
            ("train/loss", 4 * (1.1 - score)),
        )
    ]
    return pd.concat(pieces, ignore_index=True)


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Prints the processor seconds of a block."""
    began = time.process_time()
    yield
    print(f"  {what:32}{time.process_time() - began:8.2f} s")


def main(runs: int, methods: int) -> None:
    """Makes one report, and prints what it took."""
    import importlib

    with timed("imports"):
        from funcdl.report.answer import answer
        from funcdl.report.folder import render
        from funcdl.report.section import SECTIONS
    made = material(runs, methods)
    began = time.process_time()
    found = render(made)
    took = time.process_time() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    size = sum(map(len, found.files.values())) / 2**20
    page = len(found.files["index.html"]) / 2**20
    print(
        f"{len(made.runs):,} runs of {methods} methods: {took:.1f} s, {memory:.2f} GiB, "
        f"{len(found.files)} files of {size:.1f} MiB, page {page:.2f} MiB"
    )
    with timed("of these: the answer"):
        answer(made)
    for place in SECTIONS:
        module, _, name = place.partition(":")
        with timed(name):
            list(getattr(importlib.import_module(module), name)(made, found.answer))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20)
    else:
        for count in ("1000", "100000"):  # each in a process of its own, for its peak of memory
            subprocess.run([sys.executable, __file__, count], check=True)

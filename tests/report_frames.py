"""Realistic frames of a study that never ran, for the tests of the report."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false
# (what indexing a frame gives is not known to the checker)

import itertools

import numpy as np
import pandas as pd

from funcdl.report.question import Question

MODELS = {"logistic": 0.955, "mlp": 0.968, "cnn": 0.984}
OPTIMIZERS = {"sgd": (0.1, 0.002), "adamw": (0.003, 0.004), "lion": (0.0008, 0.0)}
KEY = "optimizer.learning_rate"
STEPS = range(50, 401, 50)


def quickstart(seed=0, trials=8, repeats=5, models=MODELS, block="", split_test=360):
    """A question of nine methods, its runs and its metrics."""
    rng = np.random.default_rng(seed)
    names = [f"{m}/{o}" for m, o in itertools.product(models, OPTIMIZERS)]
    rates = 10 ** rng.uniform(-4, 0, size=trials)
    runs, metrics = [], []
    for name in names:
        model, optimizer = name.split("/")
        best, bonus = OPTIMIZERS[optimizer]
        limit = models[model] + bonus
        scores = []
        for trial, rate in enumerate(rates):
            miss = np.log10(rate / best)
            score = limit - 0.03 * miss**2 + rng.normal(0, 0.003)
            diverged = miss > 2.2
            row = _run(name, block, "tune", trial, 0, rate, diverged, score, rng, split_test)
            scores.append(-1 if diverged else row["validation/accuracy"])
            runs.append(row)
            metrics += _curve(row, score, rng) if not diverged else []
        chosen = int(np.argmax(scores))
        for repeat in range(repeats):
            score = limit + rng.normal(0, 0.004)
            row = _run(
                name, block, "measure", chosen, repeat, rates[chosen], False, score, rng, split_test
            )
            runs.append(row)
            metrics += _curve(row, score, rng)
    question = Question(
        name="quickstart",
        command="funcdl run configs/quickstart.yaml",
        config_text="name: quickstart\ntask: classification\n",
        metric="test/accuracy",
        selected_by="validation/accuracy",
        mode="max",
        methods=tuple((block, name) for name in names),
        contrasts=tuple((block, a, b) for a, b in itertools.combinations(names, 2)),
        blocks=(block,),
        tuned=(KEY,),
        spaces={(block, name): {KEY: "log_uniform: [0.0001, 1.0]"} for name in names},
        trials=trials,
        repeats=repeats,
        vary=("init", "order", "dropout"),
        parameters={(block, name): 650 if "log" in name else 9098 for name in names},
        environment={"funcdl": "0.1.0", "jax": "0.10.2", "device": "cpu"},
    )
    return question, pd.DataFrame(runs), pd.DataFrame(metrics)


def _run(name, block, phase, trial, repeat, rate, diverged, score, rng, split_test):
    model, optimizer = name.split("/")
    accuracy = round(float(np.clip(score, 0.1, 1)) * split_test) / split_test
    nothing = float("nan")
    return {
        "id": rng.bytes(8).hex(),
        "block": block,
        "method": name,
        "model": model,
        "optimizer": optimizer,
        KEY: float(rate),
        "phase": phase,
        "trial": trial,
        "repeat": repeat,
        "status": "diverged" if diverged else "ok",
        "reason": "",
        "diverged_at": 17 if diverged else -1,
        "seconds": float(rng.uniform(0.1, 0.4)),
        "digest": rng.bytes(32).hex(),
        "validation/accuracy": nothing if diverged else accuracy - 0.002,
        "validation/loss": nothing if diverged else 4 * (1 - accuracy),
        "test/accuracy": nothing if diverged or phase == "tune" else accuracy,
        "test/loss": nothing if diverged or phase == "tune" else 4 * (1 - accuracy),
    }


def _curve(row, score, rng):
    rows = []
    for step in STEPS:
        now = max(0.1, score - 0.5 * np.exp(-step / 60) + rng.normal(0, 0.003))
        shared = {key: row[key] for key in ("block", "method", "phase", "trial", "repeat")}
        shared |= {"run": row["id"], "step": step}
        rows.append(shared | {"metric": "validation/accuracy", "value": now})
        rows.append(shared | {"metric": "train/loss", "value": 4 * (1.001 - min(now, 1))})
    return rows

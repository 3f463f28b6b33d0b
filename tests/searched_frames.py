"""Frames of a study that searched two keys and never ran, for the tests of fair tuning."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false

import itertools

import numpy as np
import pandas as pd

from funcdl.report.question import Question, Search

RATE, DECAY = "optimizer.learning_rate", "optimizer.weight_decay"
RANGES = {
    RATE: {"log_uniform": [1e-4, 1.0]},
    DECAY: {"log_uniform": [1e-6, 0.1]},
}
OPTIMIZERS = {
    "sgd": {"name": "sgd", "learning_rate": None, "momentum": None, "nesterov": False},
    "momentum": {"name": "sgd", "learning_rate": None, "momentum": 0.9, "nesterov": False},
    "adam": {
        "name": "adam", "learning_rate": None, "b1": 0.9, "b2": 0.999, "eps": 1e-8,
        "eps_root": 0.0, "nesterov": False,
    },
    "adamw": {
        "name": "adamw", "learning_rate": None, "b1": 0.9, "b2": 0.999, "eps": 1e-8,
        "eps_root": 0.0, "nesterov": False, "weight_decay": None,
    },
}  # fmt: skip


def searched(
    methods=("adam", "adamw"),
    trials=16,
    repeats=5,
    seed=0,
    block="",
    best=0.03,
    tops=None,
    sampler="halton",
    diverge=2.0,
    mode="max",
):
    """A question, and its runs: a parabola in the logarithm of the rate, per method with its top.

    Trials whose rate is `diverge` powers of ten above the best one diverge.
    """
    rng = np.random.default_rng(seed)
    names = list(methods)
    tops = tops or {name: 0.9 + 0.01 * i for i, name in enumerate(names)}
    runs = []
    for name in names:
        keys = [RATE, DECAY] if OPTIMIZERS[name].get("weight_decay", 0) is None else [RATE]
        rates = 10 ** rng.uniform(-4, 0, trials)
        decays = 10 ** rng.uniform(-6, -1, trials)
        scores = []
        for trial, (rate, decay) in enumerate(zip(rates, decays, strict=True)):
            miss = np.log10(rate / best)
            score = tops[name] - 0.05 * miss**2 + rng.normal(0, 0.004)
            lost = miss > diverge
            scores.append(-np.inf if lost else score)
            values = dict(zip(keys, (rate, decay), strict=False))
            runs.append(_run(name, block, "tune", trial, 0, values, lost, score, rng, mode))
        chosen = int(np.argmax(scores))
        values = dict(zip(keys, (rates[chosen], decays[chosen]), strict=False))
        for repeat in range(repeats):
            score = tops[name] + rng.normal(0, 0.002)
            runs.append(
                _run(name, block, "measure", chosen, repeat, values, False, score, rng, mode)
            )
    ranges = {
        name: {k: RANGES[k] for k in RANGES if OPTIMIZERS[name].get(k.split(".")[1], 0) is None}
        for name in names
    }
    words = {k: f"{next(iter(v))}({', '.join(map(str, *v.values()))})" for k, v in RANGES.items()}
    question = Question(
        name="searched",
        command="funcdl run searched.yaml",
        config_text="name: searched\n",
        metric="test/accuracy",
        selected_by="validation/accuracy",
        mode=mode,
        methods=tuple((block, name) for name in names),
        contrasts=tuple((block, a, b) for a, b in itertools.combinations(names, 2)),
        blocks=(block,),
        tuned=(RATE, DECAY),
        spaces={(block, n): {k: words[k] for k in ranges[n]} for n in names},
        trials=trials,
        searches={
            (block, n): Search(OPTIMIZERS[n], "0123456789abcdef", ranges[n], trials) for n in names
        },
        sampler=sampler,
        repeats=repeats,
        vary=("init", "order", "dropout", "augment"),
    )
    return question, pd.DataFrame(runs)


def _run(name, block, phase, trial, repeat, values, lost, score, rng, mode):
    nothing = float("nan")
    score = score if mode == "max" else -score
    return {
        "id": rng.bytes(8).hex(),
        "block": block,
        "method": name,
        **values,
        "phase": phase,
        "trial": trial,
        "repeat": repeat,
        "status": "diverged" if lost else "ok",
        "reason": "",
        "steps": 100,
        "diverged_at": 3 if lost else -1,
        "seconds": 0.1,
        "digest": rng.bytes(32).hex(),
        "validation/accuracy": nothing if lost else score,
        "test/accuracy": nothing if lost or phase == "tune" else score,
    }

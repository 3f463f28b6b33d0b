"""Whatever a study went through, its report is whole: runs are spoilt at random, and what holds must hold."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false

import io
import math
import re

import numpy as np
import pytest
from rich.console import Console

from funcdl.report import export
from funcdl.report.folder import render
from funcdl.report.material import Material
from funcdl.report.terminal import show
from tests.report_frames import quickstart
from tests.test_report_page import HOSTILE, renamed

SCORES = ["test/accuracy", "validation/accuracy"]
NAMES = [
    r"$\alpha_{1}$ & 50 % # {x} ~ ^ \input{/etc/passwd}",
    "مرحبا بالعالم",
    "名前" * 80,
    *HOSTILE,
]
SPOILT = ("diverged", "failed", "infinite", "huge", "undefined", "equal", "tied", "missing")


def spoil(rng, runs, labels, how):
    """Some of the measured runs, of some of the methods, as if something had happened to them."""
    hit = (runs["phase"] == "measure") & (rng.random(len(runs)) < rng.choice([0.1, 0.5, 1]))
    hit &= runs["method"].isin(labels[: rng.choice([1, max(1, len(labels) // 2), len(labels)])])
    if how == "missing":
        return runs[~hit].reset_index(drop=True)
    if how in ("diverged", "failed"):
        runs.loc[hit, "status"] = how
    values = {
        "infinite": rng.choice([math.inf, -math.inf]),
        "huge": rng.choice([1e308, 3e38, -1e200]),
    }
    values |= {"diverged": math.nan, "failed": math.nan, "undefined": math.nan, "equal": 0.5}
    if how == "tied":
        runs.loc[hit, SCORES] = runs.loc[hit, SCORES].map(
            lambda x: round(x, 1) if abs(x) < 9 else x
        )
    else:
        runs.loc[hit, SCORES[:1] if how == "undefined" else SCORES] = values[how]
    return runs


def asked(rng, question, repeats):
    """Some of what a study can ask for beside the usual."""
    changes = {
        "mode": str(rng.choice(["max", "min"])),
        "margin": rng.choice([None, 1e-9, 0.01, 10]),
    }
    kind = rng.choice(["plain", "plain", "looks", "cross", "lone cross", "splits"])
    changes |= {"targets": {"": 0.6}} if rng.random() < 0.3 else {}
    changes |= {"tasks": {"": "classification"}} if rng.random() < 0.4 else {}
    changes |= {"looks": (2, 4, 7)} if kind == "looks" else {}
    changes |= {"cross": {"init": 2, "order": 2}} if kind == "cross" else {}
    changes |= {"cross": {"init": repeats, "order": 1}} if kind == "lone cross" else {}
    if kind == "splits":
        changes |= {"vary": ("init", "split"), "shares": dict.fromkeys(question.methods, 0.25)}
    return question._replace(**changes)


def material(seed):
    rng = np.random.default_rng(seed)
    repeats, trials, n = rng.choice([1, 2, 3, 5, 7]), rng.choice([1, 2, 8]), rng.choice([2, 3, 20])
    models = {f"m{i}": rng.uniform(0.5, 0.99) for i in range(rng.integers(1, 4))}
    question, runs, metrics = quickstart(seed, int(trials), int(repeats), models)
    if rng.random() < 0.3:
        names = NAMES[: len(question.methods)]
        question, runs, metrics = renamed(question, runs, metrics, names)
    for how in rng.choice(SPOILT, size=rng.integers(0, 3)):
        runs = spoil(rng, runs, question.labels(""), how)
    measured = runs[runs["phase"] == "measure"].to_dict("records")
    examples = {
        run["id"]: (0.1 * rng.standard_normal(n) + run[SCORES[0]]).astype(np.float32)
        for run in measured
        if abs(run[SCORES[0]]) < 10 and rng.random() < 0.95
    }
    for run in measured:  # most are the mean of their examples
        if run["id"] in examples:
            examples[run["id"]] += np.float32(run[SCORES[0]] - examples[run["id"]].mean())
    outputs = {run["id"]: rng.normal(0, 3, (n, 3)).astype(np.float32) for run in measured}
    truth = {run["id"]: np.arange(n) % 3 for run in measured}
    units = None if rng.random() < 0.6 else rng.integers(0, max(1, n // 2), n)
    return Material(
        asked(rng, question, int(repeats)), runs, metrics, lambda _: examples, lambda _: units,
        predictions=lambda _: outputs, targets=lambda _: truth,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(80))
def test_any_mixture_of_runs_has_a_report(seed, monkeypatch):
    monkeypatch.setattr(export, "PRINTED", 0)
    made = material(seed)
    found = render(made)
    text = re.sub(r"<style.*?</style>", "", found.files["index.html"].decode(), flags=re.DOTALL)
    assert not re.search(r"\b(nan|NaN|None|inf)\b", text)
    rows = found.answer.comparisons
    assert set(rows["verdict"]) <= {"better", "worse", "equivalent", "undecided", "refused"}
    assert (rows["reason"][rows["verdict"] == "refused"] != "").all()
    if not made.question.margin:
        assert not (rows["verdict"] == "equivalent").any()
    tested = rows[rows["p"].notna()]
    assert (tested["low"] <= tested["difference"] + 1e-12).all()
    assert (tested["difference"] <= tested["high"] + 1e-12).all()
    assert (tested["p_holm"] >= tested["p"]).all()
    both = tested[tested["fixed_low"].notna()]
    assert (both["low"] <= both["fixed_low"] + 1e-9).all()
    assert (both["high"] >= both["fixed_high"] - 1e-9).all()
    show(made.question, found.answer, Console(file=io.StringIO(), width=80))

"""What a person's functions may do wrong: it ends their own runs, is told, and ends no others."""

import os
import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import funcdl as fd
from tests.clouds import linear, run


class TwoLogits(nn.Module):
    """A module made for other data."""

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        return nn.Dense(2)(inputs)


def broken(outputs):
    raise ValueError("these weights are not for you")


def deadly(outputs):
    os._exit(17)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """One method that works among six that do not; a row per method."""
    sgd = {"name": "sgd", "learning_rate": 0.1}
    approaches = {
        "good": {"model": linear()},
        "two logits": {"model": TwoLogits},
        "no classes": {"model": linear(lambda outputs: outputs[:, 0])},
        "raises": {"model": linear(broken)},
        "nan": {"model": linear(lambda outputs: outputs * jnp.nan)},
        "dies": {"model": linear(deadly)},
        "no optimizer": {"model": linear(), "optimizer": lambda learning_rate: learning_rate},
        "also good": {"model": "logistic"},
    }
    bundles = {key: {"optimizer": sgd} | value for key, value in approaches.items()}
    bundles["no optimizer"]["optimizer"] = {
        "name": bundles["no optimizer"]["optimizer"],
        "learning_rate": 0.1,
    }
    folder = tmp_path_factory.mktemp("faulty") / "study"
    results = run(folder, compare={"approach": bundles}, optimizer=None, repeat=1)
    events = pd.read_json(folder / "events.jsonl", lines=True)
    lost = events[events["event"] == "worker lost"]["runs"].explode()
    runs = results.runs.set_index("method")
    return runs.assign(lost=runs["id"].map(lost.value_counts())).join(
        results.table.set_index("method")[["mean", "n"]]
    )


def test_other_methods_complete(faulty: pd.DataFrame):
    assert (faulty.loc[["good", "also good"], "status"] == "ok").all()
    assert faulty.loc[["good", "also good"], "test/accuracy"].between(0.3, 1).all()
    assert faulty["status"].value_counts().to_dict() == {"failed": 5, "ok": 2, "diverged": 1}


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("two logits", r"ValueError: .* shape \[16, 2\], but the task needs \[batch, 3\].*outputs"),
        ("no classes", r"ValueError: .* shape \[16\], but the task needs \[batch, 3\]"),
        ("raises", r"ValueError: these weights are not for you \(test_python_faults.py:\d+\)$"),
        ("dies", r"its worker was lost 3 times, at last by exit status 17$"),
        ("no optimizer", r"must return an optax.GradientTransformation"),
    ],
)
def test_a_fault_is_told(faulty: pd.DataFrame, method: str, reason: str):
    row = faulty.loc[method].to_dict()
    assert row["status"] == "failed"
    assert re.search(reason, row["reason"])
    assert "\n" not in row["reason"]
    assert row["digest"] == ""
    assert np.isnan(row["test/accuracy"])


def test_nan_is_divergence_and_the_worst_result(faulty: pd.DataFrame):
    row = faulty.loc["nan"].to_dict()
    assert (row["status"], row["diverged_at"], row["mean"]) == ("diverged", 0, -np.inf)


def test_a_worker_is_risked_three_times(faulty: pd.DataFrame):
    assert faulty.loc["dies", "lost"] == 3
    assert faulty.drop("dies")["lost"].isna().all()


def test_a_worker_that_hangs_is_ended_and_its_run_failed(tmp_path, monkeypatch):
    """The optimizer sleeps for ever while it is traced; the other method completes."""
    import time

    import optax

    from funcdl.execute import patience

    monkeypatch.setattr(patience, "COMPILING", 4.0)

    def asleep(learning_rate: float):
        time.sleep(10_000)
        return optax.sgd(learning_rate)

    study = fd.Study(
        task="classification",
        data="digits",
        model="logistic",
        train={"steps": 2},
        compare={
            "optimizer": [
                {"name": "sgd", "learning_rate": 0.1},
                {"name": asleep, "learning_rate": 0.1, "label": "asleep"},
            ]
        },
        repeat=1,
    )
    results = fd.run(study, out=tmp_path / "out", workers=2, observe=lambda status: None)
    runs = results.runs.set_index("method")
    assert set(runs["status"][runs.index == "sgd"]) == {"ok"}
    assert set(runs["status"][runs.index == "asleep"]) == {"failed"}
    assert "lost 3 times" in str(runs["reason"][runs.index == "asleep"].tolist())
    assert "worker hung" in (tmp_path / "out" / "events.jsonl").read_text()


def test_a_closure_over_a_lock_fails_its_method_alone(tmp_path):
    import threading

    import optax

    lock = threading.Lock()

    def locked(learning_rate: float):
        with lock:
            return optax.sgd(learning_rate)

    study = fd.Study(
        task="classification",
        data="digits",
        model="logistic",
        train={"steps": 2},
        compare={
            "optimizer": [
                {"name": "sgd", "learning_rate": 0.1},
                {"name": fd.versioned(locked, "1"), "learning_rate": 0.1, "label": "locked"},
            ]
        },
        repeat=2,
    )
    runs = fd.run(study, out=tmp_path / "out", observe=lambda status: None).runs
    runs = runs.set_index("method")
    assert set(runs["status"][runs.index == "sgd"]) == {"ok"}
    assert "cannot be sent to a worker" in str(runs["reason"][runs.index == "locked"].tolist())


def test_a_worker_does_not_import_what_lies_in_the_current_folder(tmp_path):
    """A file called queue.py beside a study must not take the place of Python's."""
    import subprocess
    import sys

    (tmp_path / "queue.py").write_text("raise SystemExit('imported')")
    code = (
        "import sys; sys.path = [p for p in sys.path if p]\n"
        "import funcdl as fd\n"
        "study = fd.Study(task='classification', data='digits', model='logistic', repeat=2,\n"
        "                 optimizer={'name': 'sgd', 'learning_rate': .1}, train={'steps': 2})\n"
        "assert set(fd.run(study, out='out').runs['status']) == {'ok'}\n"
    )
    words = [sys.executable, "-P", "-c", code]
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr

"""What a person's functions may do wrong: it ends their own runs, is told, and ends no others."""

import os
import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

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
    lost = events[events["event"] == "worker lost"]["run"]
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

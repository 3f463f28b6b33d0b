"""Studies made in Python: a person's own functions, what they may do wrong, and notebooks."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import nbformat
import numpy as np
import optax
import pandas as pd
import pytest

import funcdl as fd
from tests.study_tools import bits

N = 90


def clouds() -> tuple[np.ndarray, np.ndarray]:
    """Three classes in the plane, [90, 2] and [90]."""
    rng = np.random.default_rng(0)
    label = np.arange(N) % 3
    return rng.normal(size=(N, 2)) + 2.0 * np.eye(3, 2)[label], label


def linear(change=lambda outputs: outputs, width: int | None = None):
    """A linear model as a pair of functions, whose outputs are changed."""

    def model(outputs: int):
        def init(key, inputs):
            return 0.1 * jax.random.normal(key, (inputs.shape[-1], width or outputs))

        def apply(params, inputs):
            return change(jnp.dot(inputs, params))

        return init, apply

    return model


class TwoLogits(nn.Module):
    """A module made for other data."""

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        return nn.Dense(2)(inputs)


def broken(outputs):
    raise ValueError("these weights are not for you")


def deadly(outputs):
    os._exit(17)


def run(folder: Path, **keys) -> fd.Results:
    """A study of the clouds, carried out quietly."""
    study = {
        "task": "classification",
        "data": {"name": clouds(), "classes": 3},
        "optimizer": {"name": "sgd", "learning_rate": 0.1},
        "train": {"steps": 20, "batch_size": 16, "eval_every": 10},
    }
    options = {"workers": keys.pop("workers", 2), "observe": lambda status: None}
    return fd.run(fd.Study(**(study | keys)), out=folder, **options)


# What a study's frames hold.


def own_sgd(learning_rate: float, momentum: float = 0.0) -> optax.GradientTransformation:
    return optax.chain(optax.trace(momentum), optax.scale(-learning_rate))


OWN = {
    "compare": {
        "model": [{"name": linear(), "label": "linear"}, {"name": "mlp", "hidden": [8]}],
        "optimizer": [
            own_sgd,
            {"name": partial(optax.sgd, nesterov=True), "momentum": 0.9, "label": "partial"},
        ],
    },
    "tune": {
        "optimizer.learning_rate": {"log_uniform": [1e-2, 1.0]},
        "optimizer.momentum": {"when": {"optimizer": "own_sgd"}, "uniform": [0.5, 0.9]},
        "trials": 2,
    },
    "repeat": 2,
}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> fd.Results:
    """Two models, of which one is a person's own, and two optimizers, which both are."""
    return run(tmp_path_factory.mktemp("own") / "study", **OWN)


def test_runs_have_the_documented_columns(own: fd.Results):
    runs = fd.load(own.folder).runs
    pd.testing.assert_frame_equal(runs, own.runs)
    assert len(runs) == 4 * (2 + 2)
    assert runs["model"].unique().tolist() == ["linear", "mlp"]
    assert runs["optimizer"].unique().tolist() == ["own_sgd", "partial"]
    assert runs["method"].iloc[0] == "linear/own_sgd"
    assert set(runs["phase"]) == {"tune", "measure"}
    assert set(runs["status"]) == {"ok"}
    assert set(runs["trial"]) <= {0, 1}
    assert set(runs["repeat"]) == {0, 1}
    assert runs["digest"].str.fullmatch("[0-9a-f]{64}").all()
    assert runs["optimizer.learning_rate"].between(1e-2, 1.0).all()
    momentum = runs["optimizer.momentum"]
    assert momentum.notna().equals(runs["optimizer"] == "own_sgd")
    for metric in ("loss", "accuracy", "brier"):
        assert runs[f"validation/{metric}"].notna().all()
        assert runs[f"test/{metric}"].notna().equals(runs["phase"] == "measure")


def test_metrics_are_long(own: fd.Results):
    metrics = own.metrics
    assert {"run", "step", "metric", "value"} <= set(metrics.columns)
    assert set(metrics["run"]) == set(own.runs["id"])
    assert set(metrics["step"]) == {10, 20}
    assert {"train/loss", "validation/loss", "validation/accuracy"} <= set(metrics["metric"])
    last = metrics[(metrics["step"] == 20) & (metrics["metric"] == "validation/loss")]
    pd.testing.assert_series_equal(
        last.set_index("run")["value"].sort_index(),
        own.runs.set_index("id")["validation/loss"].sort_index(),
        check_names=False,
    )


def test_table_and_comparisons_follow_from_the_runs(own: fd.Results):
    measured = own.runs[own.runs["phase"] == "measure"]
    means = measured.groupby("method")["test/accuracy"].mean()
    table = own.table.set_index("method")
    np.testing.assert_allclose(table["mean"].astype(float), means[table.index], rtol=1e-12)
    assert table["n"].eq(2).all()
    assert len(own.comparisons) == 4 * 3 // 2
    first = own.comparisons.iloc[0]
    expected = means[first["a"]] - means[first["b"]]
    np.testing.assert_allclose(first["difference"], expected, atol=1e-12)


def test_one_worker_gives_the_same_bits(own: fd.Results, tmp_path: Path):
    alone = run(tmp_path / "study", **OWN, workers=1)
    pd.testing.assert_frame_equal(bits(alone.runs), bits(own.runs))


def test_own_functions_compute_what_they_say(tmp_path: Path):
    """Gradient descent on all data at once, against NumPy in float64."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, 3))
    y = x @ np.array([1.0, -2.0, 0.5]) + 0.1 * rng.normal(size=40)
    steps, rate = 30, 0.2

    def init(key, inputs):
        del key
        return jnp.zeros((inputs.shape[-1], 1))

    found = run(
        tmp_path / "study",
        task="regression",
        data={"name": (x, y), "split": {"by": "order", "test": 10, "validation": 5}},
        model=(init, lambda weights, inputs: jnp.dot(inputs, weights)),
        optimizer={"name": lambda learning_rate: optax.sgd(learning_rate), "learning_rate": rate},
        train={"steps": steps, "batch_size": 25},
        repeat=2,
    ).runs
    w = np.zeros(3)
    for _ in range(steps):
        w -= rate * 2 * x[:25].T @ (x[:25] @ w - y[:25]) / 25
    for name, rows in (("validation", slice(25, 30)), ("test", slice(30, 40))):
        expected = np.mean((x[rows] @ w - y[rows]) ** 2)
        np.testing.assert_allclose(found[f"{name}/mse"], expected, rtol=1e-4)


# What a person's functions may do wrong.


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
        ("raises", r"ValueError: these weights are not for you \(test_python_api.py:\d+\)$"),
        ("dies", r"its worker was lost 3 times, at last by exit status 17$"),
        ("no optimizer", r"must return an optax.GradientTransformation"),
    ],
)
def test_a_fault_is_told(faulty: pd.DataFrame, method: str, reason: str):
    row = faulty.loc[method].to_dict()
    assert row["status"] == "failed"
    assert pd.Series(row["reason"]).str.contains(reason, regex=True).all(), row["reason"]
    assert "\n" not in row["reason"]
    assert row["digest"] == ""
    assert np.isnan(row["test/accuracy"])


def test_nan_is_divergence_and_the_worst_result(faulty: pd.DataFrame):
    row = faulty.loc["nan"].to_dict()
    assert (row["status"], row["diverged_at"], row["mean"]) == ("diverged", 0, -np.inf)


def test_a_worker_is_risked_three_times(faulty: pd.DataFrame):
    assert faulty.loc["dies", "lost"] == 3
    assert faulty.drop("dies")["lost"].isna().all()


def test_what_is_wrong_with_a_study_is_told_at_once():
    with pytest.raises(fd.StudyError) as caught:
        fd.Study(
            task="classification",
            data="digits",
            model={"name": "mlp", "hiden": [3]},
            optimizer="adamv",
            repeat=0,
        )
    problems = {problem.key: problem for problem in caught.value.problems}
    assert set(problems) == {"model.hiden", "optimizer", "repeat"}
    assert all(problem.where == "" for problem in problems.values())
    assert "hidden" in problems["model.hiden"].message
    assert "adamw" in problems["optimizer"].message
    assert str(problems["optimizer"]).startswith("optimizer: ")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"optimizer": {"name": own_sgd, "learning_rat": 0.1}}, "did you mean learning_rate"),
        ({"optimizer": own_sgd}, "learning_rate: required by own_sgd"),
        ({"model": {"name": TwoLogits, "width": 3}}, "model.width: "),
        ({"data": {"name": clouds(), "class": 3}}, "did you mean classes"),
        ({"data": {"name": clouds(), "classes": 2}}, "data: 30 of 90 labels .* outside 0..1"),
        ({"data": (np.full((9, 2), np.nan), np.arange(9) % 3)}, "data: .*not finite"),
        ({"train": {"batch_size": 1000}}, "train.batch_size: 1000 given, .* 54 examples"),
    ],
)
def test_arguments_of_own_functions_are_checked(keys, message: str, tmp_path: Path):
    with pytest.raises(fd.StudyError, match=message):
        run(tmp_path / "study", model=linear(), **keys) if "model" not in keys else run(
            tmp_path / "study", **keys
        )
    assert not (tmp_path / "study").exists()


# What a method is: its functions' source and what they hold.

SCRIPT = """
import threading
import optax
import funcdl as fd

POWER = 0.5
def kept(learning_rate):
    return optax.sgd(learning_rate)

def closed_over(power):
    def make(learning_rate):
        return optax.sgd(learning_rate * power)
    return make

def through_a_global(learning_rate):
    return optax.sgd(learning_rate ** POWER)

optimizers = [
    kept,
    {"name": closed_over(2.0), "label": "closure"},
    {"name": lambda learning_rate: optax.sgd(learning_rate, 0.9), "label": "lambda"},
    {"name": through_a_global, "label": "global"},
    {"name": fd.versioned(lambda learning_rate: optax.sign_sgd(learning_rate), "1"), "label": "versioned"},
]
fd.run(
    fd.Study(
        task="classification", data={"name": "digits"}, model="logistic",
        train={"steps": 5, "batch_size": 32},
        compare={"optimizer": optimizers},
        tune={"optimizer.learning_rate": {"log_uniform": [1e-3, 1e-1]}, "trials": 2},
        repeat=2,
    ),
    out="study",
)
"""


def script(folder: Path, text: str) -> fd.Results:
    (folder / "script.py").write_text(text)
    command = [sys.executable, "script.py"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    return fd.load(folder / "study")


CHANGES = {
    "kept": ("def kept(learning_rate):", "# a comment\n\ndef kept( learning_rate ):"),
    "closure": ("closed_over(2.0)", "closed_over(3.0)"),
    "lambda": ("optax.sgd(learning_rate, 0.9)", "optax.sgd(learning_rate, 0.8)"),
    "global": ("POWER = 0.5", "POWER = 0.25"),
    "versioned": ("optax.sign_sgd(learning_rate)", "optax.sign_sgd(1.0 * learning_rate)"),
}


def test_only_what_changed_runs_again(tmp_path: Path):
    """The seconds a run took are measured, so equal ones are those of the same run."""
    before = script(tmp_path, SCRIPT).runs
    text = SCRIPT
    for old, new in CHANGES.values():
        assert old in text
        text = text.replace(old, new)
    after = script(tmp_path, text).runs
    assert len(before) == len(after) == 5 * (2 + 2)
    same = (before["id"] == after["id"]).groupby(before["method"]).agg(["all", "any"])
    assert set(same.index[same["all"]]) == {"kept", "versioned"}
    assert set(same.index[~same["any"]]) == {"closure", "lambda", "global"}
    untouched = before["method"].isin(["kept", "versioned"])
    pd.testing.assert_frame_equal(before[untouched], after[untouched])
    assert (before["digest"] != after["digest"])[~untouched].all()


def test_what_cannot_be_read_asks_for_a_version(tmp_path: Path):
    words = (word for word in ("sgd", "adam"))

    def unreadable(learning_rate: float):
        return getattr(optax, next(words))(learning_rate)

    optimizer = {"name": unreadable, "learning_rate": 0.1}
    with pytest.raises(fd.FuncdlError, match=r"generator object .*funcdl.versioned\(.*version="):
        run(tmp_path / "study", model="logistic", optimizer=optimizer)


# In a notebook functions have no file, and the kernel has an event loop of its own.

CELLS = (
    """
import flax.linen as nn
import jax.numpy as jnp
import optax
import funcdl as fd
""",
    """
class Net(nn.Module):
    outputs: int
    width: int = 8

    @nn.compact
    def __call__(self, x):
        return nn.Dense(self.outputs)(nn.tanh(nn.Dense(self.width)(x.reshape(len(x), -1))))

scale = 1.0
def scaled(by):
    return lambda learning_rate: optax.sgd(scale * by * learning_rate)
""",
    """
study = fd.Study(
    task="classification", data="digits", model={"name": Net, "width": 4},
    train={"steps": 5, "batch_size": 32},
    compare={
        "optimizer": [
            {"name": scaled(2.0), "label": "closure", "learning_rate": 0.1},
            {"name": lambda learning_rate: optax.adam(learning_rate), "label": "lambda",
             "learning_rate": 0.01},
        ],
    },
    repeat=2,
)
results = fd.run(study, out="study")
results.table[["method", "n", "mean"]]
""",
)


def notebook(folder: Path) -> list:
    """The cells' outputs, from a Jupyter kernel of its own."""
    from nbclient import NotebookClient

    cells = [nbformat.v4.new_code_cell(text.strip()) for text in CELLS]
    book = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(book, timeout=300, resources={"metadata": {"path": str(folder)}})
    return [cell["outputs"] for cell in client.execute()["cells"]]


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_a_notebook_runs_a_study_and_again_runs_nothing(tmp_path: Path, monkeypatch):
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    outputs = notebook(tmp_path)
    assert outputs[0] == outputs[1] == []
    progress = "".join(o["text"] for o in outputs[2] if o["output_type"] == "stream")
    assert progress.splitlines()[-1].startswith("4 of 4 runs")
    assert "\x1b" not in progress
    shown = [o for o in outputs[2] if o["output_type"] == "execute_result"]
    assert "closure" in shown[0]["data"]["text/html"]
    before = fd.load(tmp_path / "study").runs
    assert set(before["status"]) == {"ok"}
    assert before["method"].unique().tolist() == ["closure", "lambda"]
    again = notebook(tmp_path)
    progress = "".join(o["text"] for o in again[2] if o["output_type"] == "stream")
    assert progress.strip() == "4 of 4 runs, 4 of them done before, 0 of 2 programs compiled"
    pd.testing.assert_frame_equal(fd.load(tmp_path / "study").runs, before)

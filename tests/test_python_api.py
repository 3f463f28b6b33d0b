"""Studies made in Python: what comes out, and what is wrong told before anything runs."""

from functools import partial
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

import funcdl as fd
from tests.clouds import clouds, linear, run
from tests.study_tools import bits


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
        ({"model": {"name": linear(), "width": 3}}, "model.width: "),
        ({"data": {"name": clouds(), "class": 3}}, "did you mean classes"),
        ({"data": {"name": clouds(), "classes": 2}}, "data: 30 of 90 labels .* outside 0..1"),
        ({"data": (np.full((9, 2), np.nan), np.arange(9) % 3)}, "data: .*not finite"),
        ({"train": {"batch_size": 1000}}, "train.batch_size: 1000 given, .* 54 examples"),
    ],
)
def test_arguments_of_own_functions_are_checked(keys, message: str, tmp_path: Path):
    with pytest.raises(fd.StudyError, match=message):
        run(tmp_path / "study", **({"model": linear()} | keys))
    assert not (tmp_path / "study").exists()


def test_more_threads_than_cores_are_refused(tmp_path):
    """XLA would make another program of them, whose bits differ."""
    study = fd.Study(
        task="classification",
        data="digits",
        model="logistic",
        optimizer={"name": "sgd", "learning_rate": 0.1},
        threads=4_096,
    )
    with pytest.raises(fd.FuncdlError, match=r"threads: 4096 given.*allowed 1 to \d+$"):
        fd.run(study, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()

"""The table of images: its quick variant on every run of the tests, the whole of it as a long proof."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import funcdl as fd
from funcdl.config import expand, load
from funcdl.data.mnist_5k import mnist_5k
from tests.study_tools import quick_variant

TABLE = Path(__file__).parent.parent / "configs" / "tables" / "images.yaml"


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> fd.Results:
    return quick_variant(TABLE, tmp_path_factory.mktemp("images") / "out")


def test_the_whole_table_has_what_was_promised():
    methods = expand(load(TABLE)).methods
    trained = [method for method in methods if method.baseline is None]
    assert {method.recipe["model"]["name"] for method in trained} == {"cnn", "resnet", "vit", "gru"}
    assert len({method.recipe["optimizer"]["name"] for method in trained}) == 2
    assert all(set(method.space) == {"optimizer.learning_rate"} for method in trained)
    assert [method.label for method in methods if method.baseline] == ["logistic regression"]


def test_quick_has_each_row_and_every_metric(quick):
    assert set(quick.runs["status"]) == {"ok"}
    table = quick.table.set_index("method")
    assert len(table) == 3 + 1
    assert set(table["n"]) == {2}
    measured = quick.runs[quick.runs["phase"] == "measure"]
    for metric in ("accuracy", "loss", "ece"):
        assert measured[f"test/{metric}"].between(0, 5).all()
    assert (measured["test/ece"] <= 1).all()


def test_what_is_trained_learns(quick):
    curves = quick.metrics[quick.metrics["metric"] == "train/loss"].sort_values("step")
    losses = curves.groupby("run")["value"]
    assert len(losses) == 6
    assert (losses.last() < losses.first()).all()
    means = quick.table.set_index("method")["mean"]
    assert means["cnn/adamw"] > 0.5


def test_logistic_regression_is_scikit_learns_on_the_same_split(quick):
    split = {"by": "stratified", "test": 0.2, "validation": 0.1}
    data = mnist_5k(split=split)
    x, labels = data.train
    model = LogisticRegression().fit(x.reshape(len(x), -1), labels)
    found = (model.predict(data.test.inputs.reshape(1000, -1)) == data.test.targets).mean()
    row = quick.table.set_index("method").loc["logistic regression"]
    assert row["mean"] == pytest.approx(float(np.mean(found)), abs=2e-3)


@pytest.mark.slow
def test_the_whole_table_reaches_its_mark(tmp_path: Path):
    """Some network of convolutions tells 98 % of the digits; logistic regression far fewer."""
    results = fd.run(load(TABLE), out=tmp_path / "out", observe=lambda status: None)
    assert set(results.runs["status"]) == {"ok"}
    means = results.table.set_index("method")["mean"]
    assert max(means["cnn/sgd"], means["cnn/adamw"]) >= 0.98
    assert means["logistic regression"] < means.drop("logistic regression").min()

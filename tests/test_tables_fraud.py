"""The table of fraud: its quick variant on every run of the tests, the whole of it as a long proof."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, f1_score

import funcdl as fd
from funcdl.data.phishing import phishing
from tests.study_tools import carried_out, quick_variant

TABLE = Path(__file__).parent.parent / "configs" / "tables" / "fraud.yaml"
BASELINES = {"boosting", "forest", "logistic", "autoencoder score"}
METRICS = ["precision", "recall", "f1", "average_precision", "auroc"]


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> fd.Results:
    return quick_variant(TABLE, tmp_path_factory.mktemp("fraud") / "out")


def test_three_architectures_and_four_baselines(quick):
    assert set(quick.runs["status"]) == {"ok"}
    table = quick.table.set_index("method")
    trained = {label.split("/")[1] for label in table.index if "/" in label}
    assert trained == {"MLP", "residual MLP", "FT-Transformer"}
    assert len(table) == 3 + len(BASELINES)
    assert set(table.index) > BASELINES
    assert set(table["n"]) == {3}


def test_the_field_is_asked_of_groups_of_equal_rows(quick):
    """123 distinct rows among the 250 of the test split: no more evidence than that."""
    assert set(quick.table["population"]) == {"data like these"}
    assert set(quick.table["examples"]) == {123}
    assert set(quick.comparisons["b"]) == {"boosting"}


def test_metrics_of_whole_splits_fit_together(quick):
    runs = quick.runs[quick.runs["phase"] == "measure"]
    of_test = runs[[f"test/{metric}" for metric in METRICS]]
    assert of_test.notna().all(axis=None)
    assert of_test.ge(0).all(axis=None)
    assert of_test.le(1).all(axis=None)
    p, r = runs["test/precision"], runs["test/recall"]
    np.testing.assert_allclose(runs["test/f1"], 2 * p * r / (p + r), rtol=1e-6)
    means = runs.groupby("method")["test/average_precision"].mean()
    table = quick.table.set_index("method")["mean"]
    np.testing.assert_allclose(table, means[table.index], rtol=1e-9)


def test_boosting_is_scikit_learns_on_the_same_split(quick):
    data = phishing()
    model = HistGradientBoostingClassifier().fit(*data.train)
    p, labels = model.predict_proba(data.test.inputs)[:, 1], data.test.targets
    row = quick.runs[quick.runs["method"] == "boosting"].iloc[0]
    expected = average_precision_score(labels, p.astype(np.float32))
    assert row["test/average_precision"] == pytest.approx(expected, abs=1e-4)
    assert row["test/f1"] == pytest.approx(f1_score(labels, p > 0.5))


def test_what_is_trained_learns_and_what_is_not_told_of_fraud_knows_less(quick):
    curves = quick.metrics[quick.metrics["metric"] == "train/loss"]
    last = curves.sort_values("step").groupby("run")["value"].last()
    first = curves.sort_values("step").groupby("run")["value"].first()
    assert (last < first).all()
    means = quick.table.set_index("method")["mean"]
    share = phishing().test.targets.mean()  # the average precision of a score that knows nothing
    trained = means.drop("autoencoder score")
    assert share < means["autoencoder score"] < trained.min()
    assert trained.min() > 0.9


@pytest.mark.slow
def test_the_whole_table_says_what_its_header_says(tmp_path: Path):
    results = carried_out(TABLE, tmp_path / "out", timeout=1800)
    assert set(results.runs["status"]) == {"ok"}
    means = results.table.set_index("method")["mean"]
    assert len(means) == 2 * 5 + len(BASELINES)
    assert means.drop("autoencoder score").min() > 0.97
    verdicts = results.comparisons.set_index("a")["verdict"]
    assert verdicts["autoencoder score"] == "worse"
    assert "better" not in set(verdicts)
    assert verdicts["FT-Transformer/SGD"] == "equivalent"

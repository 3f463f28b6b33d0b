"""The table of sentiment: its quick variant on every run of the tests, the whole of it as a long proof."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss, precision_score, recall_score

import funcdl as fd
from funcdl.baselines.fit import predict_baseline
from funcdl.data.load import make_data
from funcdl.tasks.load import make_task
from tests.study_tools import carried_out, quick_variant

TABLE = Path(__file__).parent.parent / "configs" / "tables" / "sentiment.yaml"
MODELS = ("bag", "CNN", "GRU", "transformer")
BASELINES = {"tfidf", "majority"}


def measured(results: fd.Results, method: str, metric: str) -> np.ndarray:
    """A value per repeat."""
    runs = results.runs
    return runs[(runs["phase"] == "measure") & (runs["method"] == method)][metric].to_numpy()


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> fd.Results:
    return quick_variant(TABLE, tmp_path_factory.mktemp("sentiment") / "out")


def test_all_architectures_beside_the_rows_that_count_words(quick: fd.Results):
    assert set(quick.runs["status"]) == {"ok"}
    assert set(quick.table["method"]) == {f"{model}/AdamW" for model in MODELS} | BASELINES
    assert set(quick.table["n"]) == {3}
    assert set(quick.table["population"]) == {"data like these"}
    assert set(quick.comparisons["b"]) == {"tfidf"}
    tested = quick.comparisons[quick.comparisons["a"] != "majority"]
    assert tested["p"].between(0, 1).all()


def test_the_baselines_are_what_scikit_learn_says_of_them(quick: fd.Results):
    data, task = make_data({"name": "reviews", "length": 32}), make_task("classification")
    labels = data.test.targets
    outputs = predict_baseline("tfidf_logistic", data, task, 0)["test"]
    for name, score in (("f1", f1_score), ("precision", precision_score), ("recall", recall_score)):
        expected = score(labels, np.argmax(outputs, 1))
        assert measured(quick, "tfidf", f"test/{name}") == pytest.approx([expected] * 3)
    expected = log_loss(labels, np.exp(outputs))
    assert measured(quick, "tfidf", "test/loss") == pytest.approx([expected] * 3)
    share = labels.mean()  # of those who are delighted; who says so of all has an F1 of ...
    expected = 2 * share / (1 + share)
    assert measured(quick, "majority", "test/f1") == pytest.approx([expected] * 3)


def test_every_model_learns_something(quick: fd.Results):
    known = measured(quick, "majority", "test/loss").max()
    for model in MODELS:
        f1, p, r, auroc, loss = (
            measured(quick, f"{model}/AdamW", f"test/{name}")
            for name in ("f1", "precision", "recall", "auroc", "loss")
        )
        np.testing.assert_allclose(f1, 2 * p * r / (p + r))
        assert auroc.min() > 0.65
        assert loss.min() < known


@pytest.mark.slow
def test_the_best_network_comes_as_far_as_counting_words(tmp_path: Path):
    """The mark: an F1 within .02 of that of TF-IDF with logistic regression."""
    results = carried_out(TABLE, tmp_path / "out", timeout=1800)
    assert set(results.runs["status"]) <= {"ok", "diverged"}
    means = results.table.set_index("method")["mean"]
    assert means.drop(list(BASELINES)).max() > means["tfidf"] - 0.02
    assert means["majority"] < means["tfidf"]

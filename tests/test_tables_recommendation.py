"""The table of recommendation: its quick variant on every run of the tests, the whole as a long proof."""

from pathlib import Path

import pytest

import funcdl as fd
from tests.study_tools import carried_out, quick_variant

TABLE = Path(__file__).parent.parent / "configs" / "tables" / "recommendation.yaml"
METRICS = ["loss", "ndcg@10", "recall@10", "precision@10", "mrr"]
USERS = 671


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> fd.Results:
    return quick_variant(TABLE, tmp_path_factory.mktemp("films") / "out")


def test_three_architectures_and_popularity_are_judged_by_each_user(quick):
    assert set(quick.runs["status"]) == {"ok"}
    table = quick.table.set_index("method")
    assert set(table.index) == {"MF/AdamW", "two-tower/AdamW", "SASRec/AdamW", "popularity"}
    assert set(table["n"]) == {3}
    assert set(table["population"]) == {"data like these"}
    assert set(table["examples"]) == {USERS}
    assert set(quick.comparisons["b"]) == {"popularity"}


def test_metrics_fit_together(quick):
    runs = quick.runs[quick.runs["phase"] == "measure"]
    values = runs[[f"test/{metric}" for metric in METRICS]]
    assert values.notna().all(axis=None)
    assert values.gt(0).all(axis=None)
    hits = runs["test/recall@10"] * USERS
    assert hits.to_numpy() == pytest.approx(hits.round().to_numpy(), abs=1e-3)
    assert (runs["test/precision@10"] * 10).to_numpy() == pytest.approx(
        runs["test/recall@10"].to_numpy(), rel=1e-5
    )
    assert (runs["test/ndcg@10"] <= runs["test/recall@10"]).all()


def test_models_learn_and_popularity_is_as_good_as_it_is(quick):
    curves = quick.metrics.sort_values("step").groupby(["metric", "run"])["value"]
    first, last = curves.first().loc["train/loss"], curves.last().loc["train/loss"]
    assert (last < first).all()
    knows_nothing = 9.11  # log of 9066 items
    assert curves.last().loc["validation/loss"].max() < knows_nothing
    popularity = quick.table.set_index("method")["mean"]["popularity"]
    assert popularity == pytest.approx(0.02, abs=0.002)


@pytest.mark.slow
def test_the_best_is_twice_as_good_as_popularity(tmp_path: Path):
    results = carried_out(TABLE, tmp_path / "out", timeout=1800)
    assert set(results.runs["status"]) == {"ok"}
    means = results.table.set_index("method")["mean"]
    assert len(means) == 2 * 4 + 1
    assert means.max() >= 2 * means["popularity"]
    best = results.comparisons.set_index("a")["verdict"][str(means.idxmax())]
    assert best == "better"

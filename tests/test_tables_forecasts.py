"""The table of forecasts: its quick variant on every run of the tests, the whole of it as a long proof."""

from pathlib import Path

import numpy as np
import pytest

import funcdl as fd
from funcdl.data.load import make_data
from tests.study_tools import carried_out, quick_variant

TABLE = Path(__file__).parent.parent / "configs" / "tables" / "forecasts.yaml"
STOCKS = {"name": "stocks", "tickers": ["AAPL", "IBM", "MSFT"], "window": 32, "details": True}
NAIVE = {"random walk", "a week ago"}


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> fd.Results:
    return quick_variant(TABLE, tmp_path_factory.mktemp("forecasts") / "out")


def test_three_architectures_beside_two_naive_forecasts(quick):
    trained = {f"{model}/AdamW" for model in ("MLP", "GRU", "TCN")}
    assert set(quick.runs["status"]) == {"ok"}
    assert set(quick.table["method"]) == trained | NAIVE
    assert set(quick.table["n"]) == {3}
    assert set(quick.comparisons["b"]) == {"random walk"}
    assert set(quick.comparisons["population"]) == {"data like these (resampled splits)"}
    week = quick.comparisons.set_index("a").loc["a week ago"]
    assert week["verdict"] == "worse"
    steps = quick.metrics[quick.metrics["metric"] == "train/loss"].sort_values("step")
    losses = steps.groupby("run")["value"].agg(["first", "last"])
    assert (losses["last"] < losses["first"]).mean() > 0.8


def test_the_rows_of_the_random_walk_are_those_of_a_plain_loop_over_origins(quick):
    """Each repeat is one origin, in the order of time; the first of the eleven was for tuning."""
    runs = quick.runs[quick.runs["method"] == "random walk"].sort_values("repeat")
    for repeat, run in enumerate(runs.to_dict("records")):
        rule = {"by": "order", "test": 0.02, "validation": 0.1, "origins": 11, "seed": repeat + 1}
        data = make_data({**STOCKS, "split": rule})
        t = {name: np.asarray(value, np.float64) for name, value in data.test.targets.items()}
        error = np.abs(t["last"] - t["future"][:, 0])
        steps, scale = t["steps"][:, 0], t["scale"]
        low, _, high = np.quantile(data.train.targets["steps"][:, 0], [0.1, 0.5, 0.9])
        losses = [
            np.maximum(level * (steps - f), (level - 1) * (steps - f)) * scale
            for level, f in ((0.1, low), (0.5, 0.0), (0.9, high))
        ]
        expected = {
            "pinball": np.mean(losses),
            "mape": (error / t["future"][:, 0]).mean(),
            "mase": (error / t["naive"]).mean(),
            "rmse": np.sqrt((error**2).mean()),
            "rmse_steps": np.sqrt(((steps * scale) ** 2).mean()),
            "coverage": ((low <= steps) & (steps <= high)).mean(),
        }
        found = {name: run[f"test/{name}"] for name in expected}
        assert found == pytest.approx(expected, rel=1e-4)


def test_the_report_says_that_tuning_came_before(quick):
    said = quick.answer.warnings
    assert any("on a split that ends before every test split begins" in one for one in said)
    assert not any("may have taken part in that choice" in one for one in said)


@pytest.mark.slow
def test_no_network_is_better_than_the_random_walk_at_the_price_itself(tmp_path: Path):
    """And all are far better than the price of a week ago; quantiles are a little better than its own."""
    results = carried_out(TABLE, tmp_path / "out", timeout=1800)
    assert set(results.runs["status"]) <= {"ok", "diverged"}
    assert len(results.table) == 12
    measured = results.runs[results.runs["phase"] == "measure"]
    means = measured.groupby("method")[["test/mape", "test/pinball", "test/coverage"]].mean()
    networks = means.drop(index=list(NAIVE))
    walk, week = (means.T[name].to_dict() for name in ("random walk", "a week ago"))
    assert (networks["test/mape"] > 0.98 * walk["test/mape"]).all()
    assert (networks["test/pinball"] < walk["test/pinball"]).mean() > 0.7
    assert networks["test/coverage"].between(0.7, 0.9).all()
    assert (networks["test/mape"] < 0.5 * week["test/mape"]).all()

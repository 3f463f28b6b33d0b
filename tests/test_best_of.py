"""Best of n trials and importance of keys: reference numbers, brute force, statsmodels."""

# pyright: reportArgumentType=false

import itertools
import math

import numpy as np
import pytest

from funcdl.stats.best_of import best_of, wins, within
from funcdl.stats.importance import importance

V = [
    0.1,
    0.4,
    0.35,
    0.8,
    0.75,
]  # reference numbers for it were made elsewhere
UNBIASED = [0.48, 0.66, 0.745, 0.79, 0.80]
REPLACED = [0.48, 0.624, 0.6936, 0.73248, 0.755808]


def brute(values, n, replacement, mode="max"):
    best = max if mode == "max" else min
    draws = (
        itertools.product(values, repeat=n) if replacement else itertools.combinations(values, n)
    )
    return float(np.mean([best(draw) for draw in draws]))


def test_reference_numbers():
    assert best_of(V, mode="max").expected == pytest.approx(UNBIASED, abs=1e-12)
    found = best_of(V, mode="max", estimator="replacement")
    assert found.expected == pytest.approx(REPLACED, abs=1e-12)


@pytest.mark.parametrize("mode", ["max", "min"])
@pytest.mark.parametrize("estimator", ["unbiased", "replacement"])
def test_against_every_draw(mode, estimator):
    values = np.random.default_rng(1).normal(size=6).round(1)  # with ties
    found = best_of(values, mode=mode, estimator=estimator, resamples=0)
    for n in range(1, 7):
        expected = brute(values, n, estimator == "replacement", mode)
        assert found.expected[n - 1] == pytest.approx(expected, abs=1e-12)


def test_unbiased_is_unbiased_and_the_other_is_low():
    """Searches of 12 uniform trials; the best of 5 uniform numbers is 5/6 in the mean."""
    worlds = np.random.default_rng(2).random((4000, 12))
    odds = {e: within(12, np.array([5]), e) for e in ("unbiased", "replacement")}
    mean = {e: float((np.sort(worlds) @ np.diff(o)[0]).mean()) for e, o in odds.items()}
    once = best_of(worlds[0], mode="max", budgets=[5], resamples=0).expected[0]
    assert once == pytest.approx(np.sort(worlds[0]) @ np.diff(odds["unbiased"])[0])
    assert mean["unbiased"] == pytest.approx(5 / 6, abs=0.004)  # four standard errors
    assert mean["replacement"] < 5 / 6 - 0.02


@pytest.mark.parametrize("n", [1, 2, 7, 300, 5000])
def test_shape_of_the_curve(n):
    values = np.random.default_rng(n).lognormal(size=n)
    budgets = np.unique(np.geomspace(1, n, 30).round().astype(int))
    u = best_of(values, mode="max", budgets=budgets, resamples=0).expected
    v = best_of(values, mode="max", budgets=budgets, estimator="replacement", resamples=0).expected
    assert (u >= v - 1e-9 * np.abs(v)).all()
    assert (np.diff(u) >= 0).all()
    assert (np.diff(v) >= 0).all()
    assert u[0] == pytest.approx(values.mean())
    assert u[-1] == values.max()


def test_binomials_beyond_the_range_of_floats():
    odds = within(3000, np.array([1500]), "unbiased")[0]
    exact = [math.comb(i, 1500) / math.comb(3000, 1500) for i in (2999, 2990, 2500)]
    assert odds[[2999, 2990, 2500]] == pytest.approx(exact, rel=1e-8)


def test_negation_order_and_scale_change_nothing():
    values = np.random.default_rng(3).normal(size=20)
    down, up = best_of(values, mode="min"), best_of(-values, mode="max")
    assert down.expected == pytest.approx(-up.expected)
    assert down.low == pytest.approx(-up.high)
    shuffled = best_of(values[::-1], mode="min")
    assert (shuffled.low == down.low).all()
    assert (shuffled.expected == down.expected).all()
    moved = best_of(3 * values + 7, mode="min")
    assert moved.expected == pytest.approx(3 * down.expected + 7)
    assert moved.high == pytest.approx(3 * down.high + 7)


def test_a_diverged_trial_is_the_worst_and_is_not_dropped():
    found = best_of([math.nan, 1.0, 2.0, math.inf], mode="max", resamples=50)
    assert found.trials == 4
    assert found.lost == pytest.approx([1 / 2, 1 / 6, 0, 0])
    assert found.expected.tolist() == [-math.inf, -math.inf, 1.75, 2.0]
    # Any number below all others gives the same, where no draw consists of diverged trials alone.
    stand_in = best_of([-1e3, 1.0, 2.0, -1e3], mode="max", resamples=0)
    assert found.expected[2:] == pytest.approx(stand_in.expected[2:])
    assert best_of([math.nan, 3.0], mode="min").expected.tolist() == [math.inf, 3.0]
    # With replacement every draw may be of diverged trials alone.
    biased = best_of([math.nan, 1.0, 2.0], mode="max", estimator="replacement", resamples=0)
    assert (biased.expected == -math.inf).all()


def test_band_against_a_plain_bootstrap():
    values = np.random.default_rng(4).normal(size=30)
    found = best_of(values, mode="max", budgets=[1, 5], resamples=4000)
    rng = np.random.default_rng(5)
    draws = np.sort(rng.choice(values, size=(4000, 30)))
    for k, n in enumerate((1, 5)):
        weights = [math.comb(i, n - 1) / math.comb(30, n) for i in range(30)]
        low, high = np.quantile(draws @ np.array(weights), [0.025, 0.975])
        assert (found.low[k], found.high[k]) == pytest.approx((low, high), abs=0.03)


def test_same_seed_same_band_and_no_global_generator():
    before = np.random.get_state()[1].copy()  # noqa: NPY002 (it is what must not change)
    values = np.arange(9.0)
    one, two = (best_of(values, mode="max", seed=3) for _ in range(2))
    assert (one.low == two.low).all()
    assert (one.low != best_of(values, mode="max", seed=4).low).any()
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([3.0], [3.0]),
        ([2.0, 2.0, 2.0], [2.0, 2.0, 2.0]),
        ([0.1] * 7, [0.1] * 7),
        ([math.nan] * 2, [-math.inf] * 2),
        ([1e308, -1e308], [0.0, 1e308]),
        ([5e-324, 0.0], [0.0, 5e-324]),
    ],
)
def test_any_input_has_a_result(values, expected):
    found = best_of(values, mode="max", resamples=20)
    assert found.expected.tolist() == pytest.approx(expected)
    assert bool(found.reason) == (len(values) < 2)
    assert len(wins(values, values, found.budgets, mode="max")) == len(values)


def test_misuse_is_refused():
    for wrong in (
        {"budgets": [3]},
        {"budgets": [0]},
        {"mode": "best"},
        {"level": 1.0},
        {"estimator": "v"},
    ):
        with pytest.raises(ValueError, match="allowed"):
            best_of([1.0, 2.0], **({"mode": "max"} | wrong))
    with pytest.raises(ValueError, match="shape"):
        best_of(np.ones((2, 2)), mode="max")


@pytest.mark.parametrize("mode", ["max", "min"])
def test_wins_against_every_pair_of_draws(mode):
    a, b = [0.1, 0.5, 0.5, math.nan], [0.5, 0.2, 0.9, math.nan, 0.1]
    worst = -math.inf if mode == "max" else math.inf
    best = max if mode == "max" else min
    a_, b_ = ([worst if math.isnan(x) else x for x in values] for values in (a, b))
    found = wins(a, b, [1, 2, 3, 4], mode=mode)
    for n in range(1, 4):
        pairs = itertools.product(itertools.product(a_, repeat=n), itertools.product(b_, repeat=n))
        bests = [(best(x), best(y)) for x, y in pairs]
        sign = 1 if mode == "max" else -1
        chance = np.mean([0.5 if x == y else float(sign * x > sign * y) for x, y in bests])
        assert found[n - 1] == pytest.approx(chance, abs=1e-12)
    back = wins(b, a, [1, 2, 3, 4], mode=mode)
    assert found + back == pytest.approx(np.ones(4))


def ranks_of(score):
    from scipy.stats import rankdata

    return rankdata(np.where(np.isfinite(score), score, -np.inf))


def test_importance_against_statsmodels():
    pd = pytest.importorskip("pandas")
    smf = pytest.importorskip("statsmodels.formula.api")
    anova = pytest.importorskip("statsmodels.stats.anova").anova_lm
    rng = np.random.default_rng(6)
    n = 40
    x, z = rng.random(n), rng.random(n)
    word = rng.choice(["relu", "gelu", "tanh"], n)
    score = -((x - 0.6) ** 2) + 0.1 * z + 0.3 * x * z + rng.normal(0, 0.05, n)
    score[3] = math.nan
    data = pd.DataFrame({"x": x - 0.5, "z": z - 0.5, "w": word, "y": ranks_of(score)})
    mains = smf.ols("y ~ x + I(x**2) + z + I(z**2) + C(w)", data).fit()
    full = smf.ols("y ~ x + I(x**2) + z + I(z**2) + C(w) + x:z + x:C(w) + z:C(w)", data).fit()
    total = ((data["y"] - data["y"].mean()) ** 2).sum()
    error = full.mse_resid
    found = importance({"x": x, "z": z, "w": word}, score)
    without = {
        "x": "z + I(z**2) + C(w)",
        "z": "x + I(x**2) + C(w)",
        "w": "x + I(x**2) + z + I(z**2)",
    }
    for key, rest in without.items():
        table = anova(smf.ols(f"y ~ {rest}", data).fit(), mains)
        gained, df = table["ss_diff"].iloc[1], table["df_diff"].iloc[1]
        assert found.shares[key] == pytest.approx(max(0.0, (gained - df * error) / total))
    gained, df = mains.ssr - full.ssr, mains.df_resid - full.df_resid
    assert found.together == pytest.approx(max(0.0, (gained - df * error) / total))
    assert found.unexplained == pytest.approx(error * (n - 1) / total)


def test_importance_finds_what_was_put_in():
    rng = np.random.default_rng(7)
    x, z = rng.random((2, 200))
    alone = importance({"x": x, "z": z}, -np.abs(x - 0.5))
    assert alone.shares["x"] > 0.85
    assert alone.shares["z"] < 0.02
    crossed = importance({"x": x, "z": z}, (x - 0.5) * (z - 0.5), mode="min")
    assert crossed.together is not None
    assert crossed.together > 0.7
    assert max(crossed.shares.values()) < 0.05
    noise = importance({"x": x, "z": z}, rng.normal(size=200))
    assert noise.unexplained is not None
    assert noise.unexplained > 0.9
    assert max(noise.shares.values()) < 0.05


def test_noise_explains_nothing_in_the_mean():
    """Without the subtraction two coefficients in eight trials would explain 2/7 of pure noise."""
    rng = np.random.default_rng(8)
    shares = [importance({"x": rng.random(8)}, rng.random(8)).shares["x"] for _ in range(300)]
    assert np.median(shares) < 0.1
    assert np.mean(np.array(shares) > 0) < 0.55


def test_importance_ignores_monotone_changes_and_order():
    rng = np.random.default_rng(9)
    x, score = rng.random(20), rng.normal(size=20)
    one = importance({"x": x}, score)
    assert importance({"x": x}, np.exp(score)).shares == pytest.approx(one.shares)
    assert importance({"x": x}, -score, mode="min").shares == pytest.approx(one.shares)
    order = rng.permutation(20)
    assert importance({"x": x[order]}, score[order]).shares == pytest.approx(one.shares)


@pytest.mark.parametrize(
    ("places", "scores", "reason"),
    [
        ({}, [], "no key"),
        ({"x": [0.5] * 6}, [1, 2, 3, 4, 5, 6], "no key took more than one value"),
        ({"x": [0.1, 0.2, 0.3]}, [1, 2, 3], "too few"),
        ({"x": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}, [1] * 6, "same"),
        ({"x": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}, [math.nan] * 6, "same"),
        ({"x": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}, [math.inf, 1, 2, 3, 4, math.nan], ""),
    ],
)
def test_importance_of_anything(places, scores, reason):
    found = importance(places, scores)
    assert reason in found.reason
    assert bool(found.shares) == (not reason)
    assert all(0 <= share <= 1 for share in found.shares.values())


def test_keys_that_move_together_share_nothing_between_them():
    x = np.linspace(0, 1, 30)
    found = importance({"x": x, "twin": x}, x)
    assert list(found.shares.values()) == pytest.approx([0.0, 0.0], abs=1e-9)
    assert found.unexplained == pytest.approx(0, abs=1e-9)

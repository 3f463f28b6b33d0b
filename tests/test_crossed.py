"""Crossed samples against Student, statsmodels, arithmetic by hand, and worlds drawn anew."""

# pyright: reportOptionalOperand=false, reportOperatorIssue=false, reportCallIssue=false
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
# (None where there is no number is what these tests are about)

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from funcdl.stats.crossed import (
    crossed_interval,
    crossed_t,
    grand_mean,
    mean_squares,
    of_components,
    variance_components,
)
from funcdl.stats.equivalence import equivalent, smallest_margin
from funcdl.stats.interval import mean_interval
from funcdl.stats.outlook import outlook, outlook_of_splits
from funcdl.stats.paired import paired_t


def drawn(rng, worlds, shape, deviations):
    """Tables of random effects: deviations maps a set of factors to their standard deviation."""
    x = np.zeros((worlds, *shape))
    for subset, deviation in deviations.items():
        sizes = [n if i in subset else 1 for i, n in enumerate(shape)]
        x = x + deviation * rng.normal(size=(worlds, *sizes))
    return x


def p_values(tables, factors, truth=0.0):
    found = grand_mean(tables, factors)
    spread = np.where(found.variance > 0, found.variance, np.inf)
    t = (found.mean - truth) / np.sqrt(spread)
    return 2 * scipy_stats.t.sf(np.abs(t), np.where(np.isfinite(found.df), found.df, 1e9))


# --- the analysis of variance


@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4), (2, 3, 2, 3)])
def test_mean_squares_are_those_of_statsmodels(shape):
    x = np.random.default_rng(0).normal(size=shape)
    frame = pd.DataFrame({f"f{i}": place.ravel() for i, place in enumerate(np.indices(shape))})
    frame["y"] = x.ravel()
    terms = " * ".join(f"C(f{i})" for i in range(len(shape)))
    table = anova_lm(ols(f"y ~ {terms}", frame.loc[frame.index.repeat(2)]).fit())
    found = mean_squares(x, len(shape))
    assert len(found) == 2 ** len(shape) - 1
    for subset, one in found.items():
        name = ":".join(f"C(f{i})" for i in subset)
        assert one.df == table.loc[name, "df"]
        assert 2 * one.square == pytest.approx(table.loc[name, "mean_sq"])


def test_worlds_are_analysed_alone():
    x = np.random.default_rng(1).normal(size=(3, 4, 5, 6))
    together = grand_mean(x, 3)
    for world in range(3):
        alone = grand_mean(x[world], 3)
        for part, expected in zip(together, alone, strict=True):
            assert part[world] == pytest.approx(float(expected))


def test_components_are_right_on_average():
    truth = {(0,): 0.5, (1,): 1.0, (2,): 0.2, (0, 1): 0.4, (0, 1, 2): 0.8}
    shape = (4, 5, 6)
    x = drawn(np.random.default_rng(2), 4000, shape, truth)
    found = variance_components(mean_squares(x, 3), shape)
    for subset, values in found.items():
        expected = truth.get(subset, 0.0) ** 2
        error = values.std() / math.sqrt(len(values))
        assert values.mean() == pytest.approx(expected, abs=4 * error)


def test_variance_of_the_mean_by_hand():
    """Two factors: (MS rows + MS columns - MS rest) / N, and on which degrees of freedom."""
    x = drawn(np.random.default_rng(3), 1, (4, 7), {(0,): 1, (1,): 1, (0, 1): 0.5})[0]
    rows, columns, rest = (one.square for one in mean_squares(x, 2).values())
    assert min(rows, columns) > rest
    found = grand_mean(x, 2)
    total = rows + columns - rest
    assert found.variance == pytest.approx(total / 28)
    share = rows / total
    assert found.df == pytest.approx(1 / (share / 3 + (1 - share) / 6))


def test_a_negative_component_counts_as_none():
    """Rows that are more alike than chance allows: only the columns are a source of variance."""
    x = np.random.default_rng(4).normal(size=(4, 50))
    x -= x.mean(axis=1, keepdims=True)
    x += np.random.default_rng(5).normal(size=50)
    found = grand_mean(x, 2)
    columns = x.mean(axis=0)
    assert found.variance == pytest.approx(columns.var(ddof=1) / 50)
    assert found.df == pytest.approx(49)


@given(st.integers(2, 12), st.integers(0, 10**6), st.floats(0.5, 0.99))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_one_factor_is_students_t(n, seed, level):
    a, b = np.random.default_rng(seed).normal(size=(2, n))
    assert crossed_t(a, b, level)[:6] == pytest.approx(paired_t(a, b, level)[:6])
    assert crossed_t(a, b, level).df == n - 1
    assert crossed_interval(a, level)[:5] == pytest.approx(mean_interval(a, level)[:5])


@given(st.integers(0, 10**6), st.floats(0.1, 10), st.floats(-5, 5))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_unit_order_and_sign_do_not_matter(seed, scale, shift):
    rng = np.random.default_rng(seed)
    a, b = drawn(rng, 2, (4, 9), {(0,): 0.3, (1,): 1.0, (0, 1): 0.5})
    found = crossed_t(a, b)
    moved = crossed_t(scale * a + shift, scale * b + shift)
    assert moved.p == pytest.approx(found.p, rel=1e-6)
    assert moved.low == pytest.approx(scale * found.low, rel=1e-6, abs=1e-9)
    shuffled = np.ix_(rng.permutation(4), rng.permutation(9))
    assert crossed_t(a[shuffled], b[shuffled]).p == pytest.approx(found.p)
    assert crossed_t(a.T, b.T).p == pytest.approx(found.p)
    swapped = crossed_t(b, a)
    assert (swapped.p, swapped.low) == pytest.approx((found.p, -found.high))


# --- error rates, in worlds that draw new data

MOSTLY = {
    "repeats": {(0,): 1.0, (0, 1): 0.3},
    "examples": {(1,): 5.0, (0, 1): 1.0},
    "both": {(0,): 0.3, (1,): 3.0, (0, 1): 1.0},
    "neither": {(0, 1): 1.0},
    "repeats, some examples": {(0,): 0.7, (1,): 3.0},
}


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("source", MOSTLY)
def test_a_true_hypothesis_is_rejected_in_at_most_six_percent(n, source):
    tables = drawn(np.random.default_rng(n), 3000, (n, 100), MOSTLY[source])
    rate = (p_values(tables, 2) < 0.05).mean()
    assert rate <= 0.06
    if source in ("repeats", "examples"):  # one source of variance: not only careful, but right
        assert rate >= 0.035


def test_satterthwaites_degrees_of_freedom_would_err_too_often():
    """Why the harmonic mean: three repeats that make most of the variance, with few examples."""
    tables = drawn(np.random.default_rng(6), 20000, (3, 100), {(0,): 0.95, (1,): 3.16})
    squares = mean_squares(tables, 2)
    found = grand_mean(tables, 2)
    parts = [squares[0,], squares[1,]]
    usual = (found.variance * 300) ** 2 / sum(one.square**2 / one.df for one in parts)
    t = found.mean / np.sqrt(found.variance)
    assert (2 * scipy_stats.t.sf(np.abs(t), usual) < 0.05).mean() > 0.07
    assert (p_values(tables, 2) < 0.05).mean() <= 0.06


def world(rng, worlds, n, examples, kind, seeds, shared):
    """Two equally good classifiers, n training runs each, on a test set that is drawn anew.

    An example's margin is its difficulty, what the method makes of it, how good the run is (a part
    of it shared by paired runs), and chance. `[worlds, n, examples]` differences of 0/1 accuracy or
    of the log loss.
    """
    difficulty = 1 + 1.5 * rng.normal(size=(worlds, 1, 1, examples))
    method = 0.7 * rng.normal(size=(worlds, 2, 1, examples))
    common = math.sqrt(shared) * rng.normal(size=(worlds, 1, n, 1))
    own = math.sqrt(1 - shared) * rng.normal(size=(worlds, 2, n, 1))
    chance = 0.5 * rng.normal(size=(worlds, 2, n, examples))
    margin = difficulty + method + seeds * (common + own) + chance
    score = margin > 0 if kind == "accuracy" else np.logaddexp(0, -2 * margin)
    return score[:, 0] - 1.0 * score[:, 1]


@pytest.mark.parametrize("shared", [0.0, 0.5])
@pytest.mark.parametrize("kind", ["accuracy", "loss"])
@pytest.mark.parametrize(("n", "examples"), [(3, 100), (5, 200), (10, 100)])
def test_equally_good_classifiers_on_new_test_sets(n, examples, kind, shared):
    rng = np.random.default_rng(n)
    tables = world(rng, 1500, n, examples, kind, 0.1, shared)
    naive = p_values(tables.mean(axis=2), 1)
    assert (naive < 0.05).mean() > 0.08  # a test over runs alone takes the test set for the world
    assert (p_values(tables, 2) < 0.05).mean() <= 0.06


@pytest.mark.parametrize("shape", [(3, 3), (5, 5), (3, 3, 40)])
def test_crossed_streams_are_never_overconfident(shape):
    last = len(shape) - 1
    for deviations in (
        {(0,): 1.0, (1,): 1.0},
        {(0,): 1.0, (0, 1): 1.0, (last,): 0.5},
        {(0, 1): 0.5, (last,): 1.0, tuple(range(last + 1)): 0.5},
    ):
        tables = drawn(np.random.default_rng(7), 3000, shape, deviations)
        assert (p_values(tables, len(shape)) < 0.05).mean() <= 0.06


def test_equivalence_errs_in_at_most_five_percent_at_its_margin():
    deviations = {(0,): 0.1, (1,): 1.0, (0, 1): 0.5}
    tables = drawn(np.random.default_rng(8), 2000, (5, 100), deviations)
    called = [equivalent(crossed_t(x, np.zeros_like(x)), 0.7) for x in 0.7 + tables]
    assert np.mean(called) <= 0.05
    inside = [equivalent(crossed_t(x, np.zeros_like(x)), 0.7) for x in 0.1 + tables[:200]]
    assert np.mean(inside) > 0.9


# --- what cannot be tested


@pytest.mark.parametrize(
    ("a", "reason"),
    [
        (np.zeros((0, 5)), "no values"),
        (np.ones((2, 5)), "2 x 5 values have no interval; at least 3 of each"),
        (np.ones((5, 1)), "5 x 1 values"),
        (np.ones((3, 5)), "differences do not vary beyond rounding"),
        (np.zeros((3, 5)), "all 15 differences are 0"),
        (np.where(np.eye(3, 5), np.nan, 1.0), "3 of 15 values are not finite"),
        (np.where(np.eye(3, 5), np.inf, 1.0), "3 of 15 values are not finite"),
        (np.full((3, 5), 1e300) * np.arange(5), "too large"),
    ],
)
def test_refusals_say_why(a, reason):
    found = crossed_t(a, np.zeros_like(a))
    assert found.p is found.low is found.high is found.t is None
    assert reason in found.reason
    assert smallest_margin(found) is None
    assert not equivalent(found, 1.0)
    if "differences" not in reason:
        assert crossed_interval(a).low is None
        assert reason in crossed_interval(a).reason


def test_an_interval_of_equal_values_has_no_width():
    found = crossed_interval(np.full((3, 4), 0.1))
    assert found[1:5] == pytest.approx((0.1, 0.1, 0.1, 0.0))
    assert "do not vary" in found.reason


def test_repeats_that_agree_are_tested_over_examples():
    """Every repeat gives the same answers: the differences vary over examples alone."""
    row = np.random.default_rng(9).normal(0.5, 1.0, size=200)
    found = crossed_t(np.tile(row, (5, 1)), np.zeros((5, 200)))
    assert found.p == pytest.approx(scipy_stats.ttest_1samp(row, 0).pvalue)
    assert found.df == pytest.approx(199)


def test_tables_must_have_the_same_cells():
    with pytest.raises(ValueError, match=r"\(3, 4\) and b \(4, 3\)"):
        crossed_t(np.ones((3, 4)), np.ones((4, 3)))
    with pytest.raises(ValueError, match="single number"):
        crossed_interval(np.float64(1.0))
    with pytest.raises(ValueError, match="between 0 and 1"):
        crossed_t(np.ones((3, 4)), np.ones((3, 4)), 95)


# --- equivalence and outlook


@pytest.mark.parametrize("margin", [None, 0, 0.0])
def test_nothing_is_equivalent_without_a_margin(margin):
    assert not equivalent(paired_t([1.0, 1.1, 0.9], [1.0, 1.0, 1.0]), margin)


def test_equivalent_above_the_smallest_margin_only():
    found = paired_t([1.0, 1.1, 0.9, 1.05], [1.0, 1.0, 1.0, 1.0])
    least = smallest_margin(found)
    assert least == max(abs(found.low), abs(found.high))
    assert not equivalent(found, least)
    assert equivalent(found, np.nextafter(least, 1))


@pytest.mark.parametrize("margin", [0.002, 0.005, 0.01, 0.03])
def test_outlook_of_repeats_is_the_first_that_is_enough(margin):
    d = np.random.default_rng(10).normal(0.01, 0.02, size=5)

    def half(n):
        return scipy_stats.t.ppf(0.975, n - 1) * d.std(ddof=1) / math.sqrt(n)

    found = outlook(d, margin, examples=False).repeats
    assert half(5 + found) < margin
    assert found == 0 or half(5 + found - 1) >= margin


def test_more_repeats_do_not_replace_test_examples():
    table = drawn(np.random.default_rng(11), 1, (5, 200), {(0,): 0.01, (1,): 0.3, (0, 1): 0.1})[0]
    examples_alone = 1.96 * table.mean(axis=0).std(ddof=1) / math.sqrt(200)
    enough = outlook(table, 1.2 * examples_alone, examples=True)
    assert enough.repeats is not None
    short = outlook(table, 0.5 * examples_alone, examples=True)
    assert short.repeats is None
    assert 400 < short.examples < 2000  # half the width takes about four times the examples
    components = variance_components(mean_squares(table, 2), (5, 200))
    for found, margin in ((enough, 1.2 * examples_alone), (short, 0.5 * examples_alone)):
        shape = (5 + (found.repeats or 0), 200 + (found.examples or 0))
        variance, df = of_components(components, shape)
        assert scipy_stats.t.ppf(0.975, df) * np.sqrt(variance) < margin


def test_a_narrow_interval_may_take_both():
    table = drawn(np.random.default_rng(11), 1, (5, 200), {(0,): 0.3, (1,): 0.3})[0]
    found = outlook(table, 0.01, examples=True)
    assert found.repeats is None
    assert found.examples > 0
    assert found.with_repeats > 0


def test_splits_of_one_data_set_have_a_limit():
    d = [0.01, 0.03, 0.02, 0.00, 0.04]
    limit = 1.96 * np.std(d, ddof=1) * math.sqrt(0.25)
    assert outlook_of_splits(d, 0.2, 0.9 * limit).repeats is None
    assert outlook_of_splits(d, 0.2, 1.1 * limit).repeats > 5


def test_crossed_streams_grow_together():
    table = drawn(np.random.default_rng(12), 1, (3, 3), {(0,): 1, (1,): 1, (0, 1): 1})[0]
    found = outlook(table, 0.8, examples=False)
    sides = [n * n - 9 for n in range(3, 200)]
    assert found.repeats in sides

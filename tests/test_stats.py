"""Statistics against published numbers, SciPy, brute force and simulation."""

# pyright: reportOptionalOperand=false, reportOperatorIssue=false
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
# (None where there is no number is what these tests are about)

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from funcdl.stats.interval import mean_interval
from funcdl.stats.multiple import holm
from funcdl.stats.paired import Paired, paired_t
from funcdl.stats.rank import ranks
from funcdl.stats.verdict import verdict

A = [0.91, 0.93, 0.92, 0.95, 0.90]
B = [0.90, 0.92, 0.93, 0.91, 0.89]
HUGE = 1.7e308
finite = st.floats(-1e6, 1e6)


# --- intervals


@pytest.mark.parametrize(("n", "quantile"), [(3, 4.3027), (5, 2.7764), (10, 2.2622)])
def test_interval_uses_students_quantiles(n, quantile):
    x = np.random.default_rng(n).normal(size=n)
    found = mean_interval(x)
    half = quantile * x.std(ddof=1) / math.sqrt(n)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=1e-4)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
def test_interval_equals_scipy(level):
    x = np.random.default_rng(0).normal(3, 2, size=7)
    expected = scipy_stats.ttest_1samp(x, 0).confidence_interval(level)
    found = mean_interval(x, level)
    assert (found.low, found.high) == pytest.approx(tuple(expected), rel=1e-12)
    assert found.mean == pytest.approx(x.mean())
    assert found.sd == pytest.approx(scipy_stats.tstd(x))


def test_interval_covers_the_truth_as_often_as_it_says():
    """2,000 samples of five: a 95 % interval covers in 93.5 to 96.5 % of them."""
    samples = np.random.default_rng(1).normal(size=(2000, 5))
    found = [mean_interval(x) for x in samples]
    coverage = np.mean([one.low <= 0 <= one.high for one in found])
    assert 0.935 < coverage < 0.965


@given(st.lists(finite, min_size=2, max_size=8), st.floats(0.1, 10), finite)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_interval_moves_with_the_unit(values, scale, shift):
    here = mean_interval(values)
    there = mean_interval([scale * v + shift for v in values])
    tolerance = 1e-9 * (1 + abs(shift) + scale * max(map(abs, values)))
    for end in ("mean", "low", "high"):
        expected = scale * getattr(here, end) + shift
        assert getattr(there, end) == pytest.approx(expected, abs=100 * tolerance)


@pytest.mark.parametrize(
    ("values", "mean", "reason"),
    [
        ([], None, "no values"),
        ([0.5], 0.5, "one value"),
        ([0.5, math.nan], None, "1 of 2 values are not finite"),
        ([math.inf, -math.inf], None, "2 of 2"),
        ([HUGE, HUGE, -1.0], None, "too large"),
    ],
)
def test_interval_says_why_it_has_no_ends(values, mean, reason):
    found = mean_interval(values)
    assert found.n == len(values)
    assert (found.mean, found.low, found.high) == (mean, None, None)
    assert reason in found.reason


def test_interval_of_equal_values_has_no_width():
    found = mean_interval([0.1, 0.1, 0.1])
    assert found[1:5] == (0.1, 0.1, 0.1, 0.0)
    assert "do not vary" in found.reason


@pytest.mark.parametrize("level", [0, 1, 95, math.nan])
def test_level_must_be_a_coverage(level):
    with pytest.raises(ValueError, match="between 0 and 1"):
        mean_interval(A, level)


# --- the paired test


def test_paired_t_reference_vector():
    found = paired_t(A, B)
    assert found.t == pytest.approx(1.5, rel=1e-9)
    assert found.p == pytest.approx(0.208, abs=5e-4)


@given(st.lists(st.tuples(finite, finite), min_size=2, max_size=12), st.floats(0.5, 0.99))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_paired_t_equals_scipy(pairs, level):
    a, b = np.array(pairs).T
    found = paired_t(a, b, level)
    if found.reason:
        assert (a - b).std(ddof=1) <= 1e-6 * np.abs([a, b]).max()
        return
    expected = scipy_stats.ttest_rel(a, b)
    low, high = expected.confidence_interval(level)
    assert found.t == pytest.approx(expected.statistic, rel=1e-6)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    scale = np.abs([a, b]).max()
    assert found.low == pytest.approx(low, rel=1e-6, abs=1e-9 * scale)
    assert found.high == pytest.approx(high, rel=1e-6, abs=1e-9 * scale)


@given(st.lists(st.tuples(finite, finite), min_size=2, max_size=8))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_swapping_the_methods_swaps_the_sign(pairs):
    a, b = np.array(pairs).T
    ab, ba = paired_t(a, b), paired_t(b, a)
    assert ab.p == ba.p
    assert ab.difference == -ba.difference
    if not ab.reason:
        assert (ab.low, ab.high, ab.t) == (-ba.high, -ba.low, -ba.t)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_paired_t_rejects_a_true_hypothesis_in_at_most_six_percent(n):
    a, b = np.random.default_rng(n).normal(size=(2, 2000, n))
    p = np.array([paired_t(x, y).p for x, y in zip(a, b, strict=True)])
    assert (p < 0.05).mean() <= 0.06
    assert p.mean() == pytest.approx(0.5, abs=0.03)  # uniform, not merely cautious


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        ([], [], "no common repeats"),
        ([0.9], [0.8], "needs at least 2"),
        ([0.9, math.nan], [0.8, 0.7], "1 of 2 pairs are not finite"),
        ([0.9, 0.8], [math.inf, 0.7], "1 of 2 pairs are not finite"),
        (A, A, "all 5 differences are 0"),
        ([x + 0.1 for x in A], A, "do not vary beyond rounding"),
        ([HUGE, HUGE], [-HUGE, 1.0], "too large"),
    ],
)
def test_paired_t_refuses_with_the_reason(a, b, reason):
    found = paired_t(a, b)
    assert found.n == len(a)
    assert found.p is found.t is found.low is found.high is None
    assert reason in found.reason


def test_rounding_in_float32_is_no_variance():
    """SciPy calls this p < 1e-9: a constant added in float32 differs by rounding alone."""
    b = np.random.default_rng(3).uniform(0.5, 1, size=6).astype(np.float32)
    a = b + np.float32(0.1)
    difference = a.astype(np.float64) - b.astype(np.float64)
    assert len(set(difference)) > 1
    assert scipy_stats.ttest_1samp(difference, 0).pvalue < 1e-9
    assert paired_t(a, b).p is None
    assert paired_t(a, b, rounding=0).p < 1e-9


def test_paired_t_needs_the_same_repeats():
    with pytest.raises(ValueError, match="a has 3 repeats and b 2"):
        paired_t([1, 2, 3], [1, 2])


# --- Holm


def test_holm_reference_vector():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_holm_is_the_closed_bonferroni_test(p):
    """Brute force over all intersections: p(i) is the largest Bonferroni p of a set holding i."""
    expected = []
    for i in range(len(p)):
        sets = [
            s
            for size in range(1, len(p) + 1)
            for s in itertools.combinations(range(len(p)), size)
            if i in s
        ]
        expected.append(max(min(1.0, len(s) * min(p[j] for j in s)) for s in sets))
    found = holm(p)
    assert found == pytest.approx(expected)
    assert all(adjusted >= raw for adjusted, raw in zip(found, p, strict=True))


def test_a_refused_test_counts_in_the_family():
    assert holm([0.01, None, None, 0.02]) == [0.04, None, None, 0.06]
    assert holm([]) == []
    assert holm([None]) == [None]


def test_holm_keeps_the_error_rate_of_the_family():
    """Ten true hypotheses: some are rejected in 41 % of families uncorrected, in 5 % corrected."""
    p = np.random.default_rng(4).uniform(size=(2000, 10))
    rejected = np.mean([min(holm(row)) < 0.05 for row in p.tolist()])
    assert (p.min(axis=1) < 0.05).mean() > 0.35
    assert rejected <= 0.06


@pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan])
def test_holm_takes_probabilities_only(bad):
    with pytest.raises(ValueError, match="allowed: 0 to 1"):
        holm([0.5, bad])


# --- verdicts

CLEAR = Paired(5, 0.02, 0.01, 0.03, 5.5, 0.005, "")


@pytest.mark.parametrize(
    ("paired", "p", "mode", "margin", "expected"),
    [
        (CLEAR, 0.04, "max", None, "better"),
        (CLEAR, 0.04, "min", None, "worse"),
        (CLEAR._replace(difference=-0.02), 0.04, "max", None, "worse"),
        (CLEAR, 0.05, "max", None, "undecided"),
        (CLEAR, 0.2, "max", 0.031, "equivalent"),
        (CLEAR, 0.04, "max", 0.031, "equivalent"),
        (CLEAR, 0.2, "max", 0.03, "undecided"),
        (CLEAR, 0.04, "max", 0.03, "better"),
        (paired_t(A, A), None, "max", 0.1, "refused"),
    ],
)
def test_verdicts(paired, p, mode, margin, expected):
    assert verdict(paired, p, mode=mode, margin=margin) == expected


def test_equivalence_is_wrong_in_at_most_its_error_rate():
    """A difference of exactly the margin is called equivalent in at most 2.5 % of studies."""
    d = np.random.default_rng(5).normal(1.0, 0.3, size=(2000, 5))
    found = [verdict(paired_t(x, np.zeros(5)), 1.0, mode="max", margin=1.0) for x in d]
    assert 0.01 < np.mean([one == "equivalent" for one in found]) < 0.035


@pytest.mark.parametrize("margin", [0, 0.0, None])
def test_without_a_margin_nothing_is_equivalent(margin):
    assert verdict(CLEAR, 0.2, mode="max", margin=margin) == "undecided"


@pytest.mark.parametrize("margin", [-1, math.nan])
def test_margin_must_not_be_negative(margin):
    with pytest.raises(ValueError, match="margin"):
        verdict(CLEAR, 0.01, mode="max", margin=margin)


def test_mode_is_named_in_full():
    with pytest.raises(ValueError, match="'max', 'min'"):
        verdict(CLEAR, 0.01, mode="larger")
    with pytest.raises(ValueError, match="'max', 'min'"):
        ranks([1.0], [0], mode="larger")


# --- ranks


@given(st.lists(finite, min_size=1, max_size=10), st.sampled_from(["max", "min"]))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_ranks_equal_scipys(values, mode):
    expected = scipy_stats.rankdata([-v if mode == "max" else v for v in values], method="min")
    assert ranks(values, [0] * len(values), mode=mode) == expected.tolist()


def test_diverged_methods_come_last():
    means = [0.5, 0.9, 0.95, None, None, 0.1]
    diverged = [0, 1, 1, 5, 0, 0]
    assert ranks(means, diverged, mode="max") == [1, 4, 3, 5, None, 2]
    assert ranks(means, diverged, mode="min") == [2, 3, 4, 5, None, 1]
    assert ranks([None, 0.5, None], [5, 0, 2], mode="max") == [3, 1, 3]


# --- habits


def test_nothing_touches_the_global_random_state():
    before = np.random.get_state(legacy=True)  # noqa: NPY002
    mean_interval(A)
    paired_t(A, B)
    after = np.random.get_state(legacy=True)  # noqa: NPY002
    assert before[0] == after[0]
    assert (before[1] == after[1]).all()

"""Effect sizes, power and small-sample tests against published numbers, SciPy and statsmodels."""

# pyright: reportArgumentType=false, reportOptionalOperand=false, reportAttributeAccessIssue=false
# pyright: reportOperatorIssue=false

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.power import TTestIndPower, TTestPower
from statsmodels.stats.proportion import proportion_confint

from funcdl.stats.corrected import corrected_interval, corrected_t
from funcdl.stats.effect import detectable, power, repeats, threshold
from funcdl.stats.interval import mean_interval
from funcdl.stats.nonparametric import permutation, sign_flip, wilcoxon
from funcdl.stats.paired import paired_t
from funcdl.stats.superiority import all_pairs, noether, superiority

A = [0.91, 0.93, 0.92, 0.95, 0.90]
B = [0.90, 0.92, 0.93, 0.91, 0.89]
HUGE = 1.7e308
scores = st.lists(st.integers(-20, 20), min_size=1, max_size=9)
pairs = st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=9)


# --- the corrected resampled t-test


def test_corrected_t_reference_vector():
    found = corrected_t(A, B, share=0.2)
    assert found.t == pytest.approx(1.0, rel=1e-9)
    assert found.p == pytest.approx(0.3739, abs=5e-5)


@given(pairs, st.floats(0.01, 0.9), st.floats(0.5, 0.99))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_corrected_t_equals_its_formula(values, share, level):
    a, b = np.array(values, float).T
    found = corrected_t(a, b, share, level)
    plain = paired_t(a, b, level)
    if plain.p is None:
        assert found == plain
        return
    d, n = a - b, len(a)
    error = math.sqrt(d.var(ddof=1) * (1 / n + share / (1 - share)))
    assert found.t == pytest.approx(d.mean() / error)
    assert found.p == pytest.approx(2 * scipy_stats.t.sf(abs(d.mean() / error), n - 1))
    low, high = scipy_stats.t.interval(level, n - 1, d.mean(), error)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.p >= plain.p
    one = corrected_interval(d, share, level)
    assert (one.low, one.high) == pytest.approx((low, high))


@pytest.mark.parametrize("share", [0, 1, -0.1, math.nan])
def test_share_is_a_part(share):
    with pytest.raises(ValueError, match="the part of the data that tests"):
        corrected_t(A, B, share)
    with pytest.raises(ValueError, match="the part of the data that tests"):
        corrected_interval(A, share)


@pytest.mark.parametrize("values", [[], [0.9], [0.9, math.nan], [HUGE, HUGE, -1.0]])
def test_corrected_interval_lacks_what_the_plain_one_lacks(values):
    found, plain = corrected_interval(values, 0.2), mean_interval(values)
    assert found == plain


def test_corrected_t_refuses_differences_without_variance():
    assert corrected_t(A, A, 0.2).p is None
    assert "all 5 differences are 0" in corrected_t(A, A, 0.2).reason
    assert corrected_interval([0.9, 0.9, 0.9], 0.2)[1:4] == (0.9, 0.9, 0.9)


# --- P(A > B)


def test_superiority_reference_vector():
    assert superiority(A, B).estimate == pytest.approx(0.8)
    assert all_pairs(A, B) == pytest.approx(0.68)


@given(scores, scores)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_all_pairs_is_mann_and_whitneys_statistic(a, b):
    u = scipy_stats.mannwhitneyu(a, b, method="asymptotic").statistic
    assert all_pairs(a, b) == pytest.approx(u / (len(a) * len(b)))
    assert all_pairs(a, b) + all_pairs(b, a) == pytest.approx(1)
    assert all_pairs(a, b, "min") == pytest.approx(all_pairs(b, a, "max"))


@given(pairs, st.floats(0.5, 0.99))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_superiority_turns_with_the_methods_and_the_mode(values, level):
    a, b = np.array(values).T
    here, there = superiority(a, b, "max", level), superiority(b, a, "max", level)
    assert here.estimate == pytest.approx(np.mean((a > b) + 0.5 * (a == b)))
    assert here.estimate + there.estimate == pytest.approx(1)
    assert (here.low, here.high) == pytest.approx((1 - there.high, 1 - there.low))
    assert superiority(a, b, "min", level) == there
    assert 0 <= here.low <= here.estimate <= here.high <= 1


@pytest.mark.parametrize("n", [1, 3, 5, 10, 40])
def test_superiority_without_ties_has_clopper_and_pearsons_interval(n):
    for wins in range(n + 1):
        a = [1.0] * wins + [-1.0] * (n - wins)
        found = superiority(a, [0.0] * n)
        expected = proportion_confint(wins, n, method="beta")
        assert (found.low, found.high) == pytest.approx(expected)


@given(pairs, st.floats(0.1, 10))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_superiority_is_the_same_after_any_rising_change(values, scale):
    a, b = np.array(values, float).T
    assert superiority(np.exp(a / scale), np.exp(b / scale)) == superiority(a, b)


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        ([], [], "no common repeats"),
        ([math.nan, 1], [1, math.nan], "2 of 4 values are not numbers"),
    ],
)
def test_superiority_says_why_it_has_no_estimate(a, b, reason):
    assert superiority(a, b) == (None, None, None, reason)
    assert all_pairs(a, b) is None


def test_infinite_scores_have_a_place_in_the_order():
    assert superiority([math.inf, 1, math.inf], [2, -math.inf, math.inf]).estimate == pytest.approx(
        5 / 6
    )


@pytest.mark.parametrize(
    ("gamma", "n"), [(0.6, 180.37), (0.7, 45.09), (0.75, 28.86), (0.8, 20.04), (0.9, 11.27)]
)
def test_noether_reference_numbers(gamma, n):
    assert noether(gamma) == pytest.approx(n, abs=0.005)
    assert noether(1 - gamma) == pytest.approx(n, abs=0.005)
    assert noether(0.5) == math.inf


@pytest.mark.parametrize("values", [(0, 0.05, 0.05), (0.75, 1, 0.05), (0.75, 0.05, math.nan)])
def test_noether_takes_probabilities_only(values):
    with pytest.raises(ValueError, match="both excluded"):
        noether(*values)


# --- power


@pytest.mark.parametrize(
    ("effect", "n"), [(0.5, 63.8), (0.8, 25.5), (1.0, 16.7), (1.5, 8.1), (2.0, 5.1)]
)
def test_repeats_reference_numbers(effect, n):
    assert repeats(effect, paired=False) == pytest.approx(n, abs=0.05)
    expected = TTestIndPower().solve_power(effect, power=0.8, alpha=0.05)
    assert repeats(effect, paired=False) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("effect", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("n", [2, 5, 40])
@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_power_equals_numerical_integration_and_statsmodels(effect, n, alpha):
    for paired, solver in ((True, TTestPower()), (False, TTestIndPower())):
        df = n - 1 if paired else 2 * n - 2
        shift = effect * math.sqrt(n if paired else n / 2)
        edge = scipy_stats.t.ppf(1 - alpha / 2, df)
        spread = np.sqrt(scipy_stats.chi2.ppf((np.arange(20_000) + 0.5) / 20_000, df) / df)
        beyond = scipy_stats.norm.sf(edge * spread - shift) + scipy_stats.norm.cdf(
            -edge * spread - shift
        )
        found = power(-effect, n, alpha, paired=paired)
        assert found == pytest.approx(beyond.mean(), abs=1e-4)
        expected = solver.power(effect, n, alpha)
        if math.isfinite(expected):  # far out it is not a number
            assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("n", [2, 5, 40])
def test_what_can_be_detected_is_found_with_that_chance(n):
    effect = detectable(n, 0.9, 0.01)
    assert power(effect, n, 0.01) == pytest.approx(0.9, abs=1e-6)
    assert repeats(effect, 0.9, 0.01) == pytest.approx(n, rel=1e-6)


def test_power_far_out():
    assert power(0, 5) == pytest.approx(0.05)
    assert power(1e9, 2) == 1
    assert power(0.038, 1e6) == pytest.approx(1)
    assert repeats(0) == math.inf
    assert repeats(100) == 2
    assert 5000 < repeats(0.038) < 6000


def test_threshold_is_where_holms_first_step_rejects():
    assert threshold(5, 36) == pytest.approx(3.53, abs=0.005)
    assert threshold(5, 9) == pytest.approx(2.43, abs=0.005)
    d = np.array([1.0, 2.0, 3.0, 4.0, 5.0]) - 3
    for tests in (1, 9):
        shift = threshold(5, tests) * d.std(ddof=1)
        p = [paired_t(d + factor * shift, np.zeros(5)).p * tests for factor in (0.999, 1.001)]
        assert p[1] < 0.05 < p[0]


@pytest.mark.parametrize(
    "call",
    [
        lambda: power(1, 1),
        lambda: power(math.nan, 5),
        lambda: power(1, 5, 0),
        lambda: repeats(1, 1),
        lambda: detectable(5, 0),
        lambda: threshold(1),
        lambda: threshold(5, 0),
        lambda: threshold(5, 1, 1),
    ],
)
def test_power_of_nothing_is_a_mistake(call):
    with pytest.raises(ValueError, match="allowed"):
        call()


# --- tests without a distribution


def test_small_sample_reference_vectors():
    assert sign_flip(A, B, alpha=0.1).p == 0.3125
    assert permutation(A, B).p == pytest.approx(0.412698, abs=5e-7)


@given(pairs)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_sign_flip_is_all_signs_by_brute_force(values):
    a, b = np.array(values).T
    d = (a - b)[a != b]
    assume(len(d) > 0)
    sums = [abs(np.dot(signs, d)) for signs in itertools.product((-1, 1), repeat=len(d))]
    found = sign_flip(a, b, alpha=0.999)
    if found.p is None:  # a single pair that differs
        assert len(d) == 1
        return
    assert found.p == np.mean(np.array(sums) >= abs(d.sum()))
    assert found.smallest == 2.0 ** (1 - len(d))


@given(pairs)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_wilcoxon_is_scipys_exact_permutation_test(values):
    a, b = np.array(values).T
    d = (a - b)[a != b]
    assume(len(d) > 1)
    ranks = scipy_stats.rankdata(np.abs(d))
    sums = [np.dot(signs, ranks) for signs in itertools.product((-1, 1), repeat=len(d))]
    expected = np.mean(np.abs(sums) >= abs(np.dot(np.sign(d), ranks)) - 1e-9)
    assert wilcoxon(a, b, alpha=0.999).p == pytest.approx(expected)


@pytest.mark.parametrize("n", [6, 10, 30])
def test_wilcoxon_without_ties_equals_scipy(n):
    d = np.random.default_rng(n).normal(0.3, 1, size=n)
    found = wilcoxon(d, np.zeros(n))
    assert found.p == pytest.approx(scipy_stats.wilcoxon(d, method="exact").pvalue)


@given(scores, scores)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_permutation_equals_scipy(a, b):
    assume(len({*a, *b}) > 1 and len(a) + len(b) <= 9)
    found = permutation(a, b, alpha=0.999)
    if found.p is None:
        assert found.smallest >= 0.999
        return
    middle = np.mean([*a, *b])
    expected = [
        abs(sum(x - middle for x in group)) for group in itertools.combinations([*a, *b], len(a))
    ]
    observed = abs(sum(x - middle for x in a))
    assert found.p == pytest.approx(np.mean(np.array(expected) >= observed - 1e-9))


@pytest.mark.parametrize(
    ("test", "n", "smallest"),
    [
        (sign_flip, 5, 0.0625),
        (wilcoxon, 5, 0.0625),
        (wilcoxon, 6, 0.03125),
        (permutation, 3, 0.1),
        (permutation, 4, 0.0286),
        (permutation, 5, 0.0079),
    ],
)
def test_smallest_p_values(test, n, smallest):
    a, b = 10 + np.arange(n), -(np.arange(n) ** 2.0)
    found = test(a, b)
    assert found.smallest == pytest.approx(smallest, abs=5e-5)
    if smallest < 0.05:
        assert found.p == found.smallest
    else:
        assert found.p is None
        assert "cannot be reached" in found.reason
        assert test(a, b, alpha=0.2).p == found.smallest


def test_rounding_in_float32_is_a_tie():
    """k / 360 in float32: differences that are equal as counts differ in the last place."""
    rng = np.random.default_rng(0)
    right = rng.integers(180, 190, size=(2, 30)) + np.array([[2], [0]])
    a, b = (right / 360).astype(np.float32)
    whole = right.astype(float)
    assert len(set((a - b).tolist())) > len(set((whole[0] - whole[1]).tolist()))
    for test in (sign_flip, wilcoxon, permutation):
        assert test(a, b).p == pytest.approx(test(*whole).p, abs=0 if test is wilcoxon else 0.002)


@pytest.mark.parametrize("test", [sign_flip, wilcoxon, permutation])
def test_order_and_unit_do_not_matter_and_large_samples_are_sampled_alike(test):
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.5, 1, 24), rng.normal(0, 1, 24)
    found = test(a, b)
    mixed = rng.permutation(24)
    assert test(a[mixed], b[mixed]).p == found.p == test(a, b).p
    assert test(b, a).p == pytest.approx(found.p, abs=0.005)
    assert test(1e300 * a, 1e300 * b).p == pytest.approx(found.p, abs=0.005)
    reference = scipy_stats.ttest_ind(a, b) if test is permutation else scipy_stats.ttest_rel(a, b)
    assert found.p == pytest.approx(reference.pvalue, abs=0.03)


@pytest.mark.parametrize("test", [sign_flip, wilcoxon, permutation])
@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        ([], [], "no "),
        ([1, math.nan], [1, 2], "not finite"),
        ([math.inf, 1], [1, 2], "not finite"),
        ([0.9, 0.9], [0.9, 0.9], "0.9|are equal|are 0"),
        ([1.0], [2.0], "cannot be reached"),
        ([HUGE, HUGE], [-HUGE, -HUGE], "cannot be reached"),
    ],
)
def test_small_sample_tests_say_why_they_are_refused(test, a, b, reason):
    import re

    found = test(a, b)
    assert found.p is None
    assert re.search(reason, found.reason)


def test_misuse_of_small_sample_tests():
    with pytest.raises(ValueError, match="a has 3 repeats and b 2"):
        wilcoxon([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="alpha"):
        permutation(A, B, alpha=0)


def test_nothing_touches_the_global_random_state():
    before = np.random.get_state(legacy=True)[1].copy()  # noqa: NPY002
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 30))
    for test in (sign_flip, wilcoxon, permutation, superiority):
        test(*x)
    assert (np.random.get_state(legacy=True)[1] == before).all()  # noqa: NPY002

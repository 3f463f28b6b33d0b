"""Statistics over many problems, against published numbers, reference packages and brute force."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportOperatorIssue=false, reportOptionalOperand=false, reportIndexIssue=false
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false

import itertools

import numpy as np
import pytest
import scikit_posthocs
import scipy.stats
from baycomp import SignedRankTest, SignTest
from statsmodels.stats.multitest import multipletests

from funcdl.stats.across.aggregate import iqm, optimality_gap, stratified
from funcdl.stats.across.algoperf import algoperf_score, median_time, time_ratios
from funcdl.stats.across.bayes import bayesian_sign, bayesian_signed_rank
from funcdl.stats.across.critical import (
    against_control,
    bonferroni_dunn,
    cliques,
    nemenyi,
    range_quantile,
    standard_error,
)
from funcdl.stats.across.dominance import almost_stochastic_order
from funcdl.stats.across.friedman import friedman
from funcdl.stats.across.normalise import by_pool
from funcdl.stats.across.pairwise import pairwise
from funcdl.stats.across.profile import run_profile
from funcdl.stats.across.ranking import mean_ranks, problem_ranks
from funcdl.stats.signed_rank import problems_needed, signed_rank, smallest_p

INF = float("inf")
# AUC of C4.5, +m, +cf and +m+cf on 14 data sets (Demšar, 2006, table 6); the .9751 undoes a tie
# that rounding made.
DEMSAR = np.array(
    """.763 .599 .954 .628 .882 .936 .661 .583 .775 1.000 .940 .619 .972 .957
       .768 .591 .971 .661 .888 .931 .668 .583 .838 1.000 .962 .666 .981 .978
       .771 .590 .968 .654 .886 .916 .609 .563 .866 1.000 .965 .614 .9751 .946
       .798 .569 .967 .657 .898 .931 .685 .625 .875 1.000 .962 .669 .975 .970""".split(),  # noqa: SIM905
    dtype=float,
).reshape(4, 14)
SCORES = DEMSAR.T
ALL = list(itertools.combinations(range(4), 2))


def drawn(seed, problems, methods, ties=False):
    x = np.random.default_rng(seed).normal(size=(problems, methods))
    return np.round(x) if ties else x


# Ranks and Friedman's test


def test_the_worked_example():
    found = friedman(SCORES, correct_ties=False)
    np.testing.assert_allclose(found.ranks, [3.143, 2.000, 2.893, 1.964], atol=5e-4)
    assert found.chi2 == pytest.approx(9.2786, abs=5e-5)
    assert found.f == pytest.approx(3.6863, abs=5e-5)
    assert found.p == found.p_f == pytest.approx(0.01982, abs=5e-6)
    assert found.by == "F"


def test_exact_ties_in_rounded_data_move_ranks_and_statistic():
    rounded = np.where(SCORES == 0.9751, 0.975, SCORES)
    found = friedman(rounded)
    np.testing.assert_allclose(found.ranks, [3.143, 2, 2.929, 1.929], atol=5e-4)
    assert found.chi2 == pytest.approx(10.952, abs=5e-4)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("problems", "methods"), [(5, 3), (12, 6), (30, 4)])
def test_friedman_agrees_with_scipy(problems, methods, ties):
    x = drawn(problems, problems, methods, ties)
    np.testing.assert_array_equal(problem_ranks(x), scipy.stats.rankdata(-x, axis=1))
    found, expected = friedman(x), scipy.stats.friedmanchisquare(*x.T)
    assert found.chi2 == pytest.approx(expected.statistic)
    assert found.p_chi2 == pytest.approx(expected.pvalue)
    freedom = (methods - 1, (methods - 1) * (problems - 1))
    assert found.p_f == pytest.approx(scipy.stats.f.sf(found.f, *freedom))


def test_perfect_agreement_has_the_exact_p():
    """By counting all orders of two problems of four methods: one in 24 agrees with the first."""
    found = friedman([[4, 3, 2, 1], [9, 5, 3, 0]])
    assert found.f == INF
    assert found.p == pytest.approx(1 / 24)
    tied = friedman([[4, 3, 3, 1], [9, 5, 5, 0]])
    orders = set(itertools.permutations([1.0, 2.5, 2.5, 4.0]))
    assert tied.p == pytest.approx(1 / len(orders))


def test_few_orders_are_counted_out():
    """The null distribution for three problems of three methods, from Friedman's own table."""
    rows = list(itertools.permutations([1.0, 2, 3]))
    worlds = [friedman(world) for world in itertools.product(rows, repeat=3)]
    assert {world.by for world in worlds} == {"all orders"}
    for world in worlds:
        share = np.mean([other.chi2 >= world.chi2 - 1e-9 for other in worlds])
        assert world.p == pytest.approx(share)
    assert min(world.p for world in worlds) == pytest.approx(0.028, abs=5e-4)


def test_sampled_orders_agree_with_counted_ones(monkeypatch):
    x = drawn(2, 4, 4) + 0.5 * np.arange(4)
    counted = friedman(x)
    monkeypatch.setattr("funcdl.stats.across.friedman.COUNTABLE", 1)
    sampled = friedman(x)
    assert sampled.by == "sampled orders"
    assert sampled.p == pytest.approx(counted.p, abs=0.01)
    assert friedman(x[::-1, ::-1]).p == sampled.p


def test_ranks_ignore_any_monotone_change_of_a_problem():
    x = drawn(3, 7, 5)
    other = x.copy()
    other[2], other[4] = np.exp(x[2]), 100 * x[4] - 7
    np.testing.assert_array_equal(mean_ranks(x), mean_ranks(other))
    assert friedman(x) == friedman(other)


def test_a_diverged_method_is_worst_and_two_share_the_place():
    np.testing.assert_array_equal(problem_ranks([[0.1, -INF, 0.2, -INF]]), [[2, 3.5, 1, 3.5]])


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        (np.ones((3, 1)), "1 method;"),
        (np.ones((1, 3)), "1 problem;"),
        (np.ones((0, 3)), "0 problems;"),
        (np.ones((4, 3)), "all methods tie"),
        (np.full((4, 3), -INF), "all methods tie"),
    ],
)
def test_friedman_is_refused_with_a_reason(scores, reason):
    found = friedman(scores)
    assert found.p is None
    assert found.reason.startswith(reason)


def test_misuse_is_an_error():
    with pytest.raises(ValueError, match="NaN"):
        friedman([[0.1, float("nan")], [0.1, 0.2]])
    with pytest.raises(ValueError, match="problems, methods"):
        problem_ranks(np.ones(3))
    with pytest.raises(ValueError, match="at least 2 methods"):
        nemenyi(1, 5)
    with pytest.raises(ValueError, match="control is 4"):
        against_control([1, 2, 3], 5, control=4)


def test_type_one_error_of_friedmans_test_stays_below_six_per_cent(monkeypatch):
    rng = np.random.default_rng(0)
    monkeypatch.setattr("funcdl.stats.across.friedman.SAMPLED", 1000)
    for problems, methods in ((3, 3), (3, 4), (4, 3), (4, 5), (5, 3), (5, 8), (10, 4)):
        order = rng.random((1000, problems, methods)).argsort(axis=2) + 1.0
        p = np.array([friedman(world).p for world in order])
        assert (p < 0.05).mean() <= 0.06, (problems, methods)


# Critical differences


def test_quantiles_reproduce_the_published_tables():
    q05 = [1.960, 2.344, 2.569, 2.728, 2.850, 2.948, 3.031, 3.102, 3.164]
    q10 = [1.645, 2.052, 2.291, 2.460, 2.589, 2.693, 2.780, 2.855, 2.920]
    dunn = [1.960, 2.241, 2.394, 2.498, 2.576, 2.638, 2.690, 2.734, 2.773]
    for k, a, b, c in zip(range(2, 11), q05, q10, dunn, strict=True):
        unit = standard_error(k, 9)
        assert nemenyi(k, 9, 0.05) / unit == pytest.approx(a, abs=1.1e-3)
        assert nemenyi(k, 9, 0.10) / unit == pytest.approx(b, abs=1.1e-3)
        assert bonferroni_dunn(k, 9) / unit == pytest.approx(c, abs=1.1e-3)


@pytest.mark.parametrize("methods", [2, 5, 40])
def test_range_quantile_agrees_with_scipy(methods):
    expected = scipy.stats.studentized_range.ppf(0.99, methods, np.inf)
    assert range_quantile(methods, 0.01) == pytest.approx(expected, rel=1e-6)


def test_critical_difference_of_the_worked_example():
    assert nemenyi(4, 14) == pytest.approx(1.2536, abs=5e-5)
    assert nemenyi(4, 14, 0.1) == pytest.approx(1.1181, abs=5e-5)
    assert standard_error(4, 14) == pytest.approx(0.48795, abs=5e-6)
    found = against_control(mean_ranks(SCORES), 14, control=0)
    np.testing.assert_allclose([one.z for one in found], [2.3422, 0.5123, 2.4154], atol=5e-5)
    expected = multipletests([one.p for one in found], method="holm")[1]
    np.testing.assert_allclose([one.p_holm for one in found], expected)


def test_nemenyi_agrees_with_scikit_posthocs():
    for seed in range(6):
        x = drawn(seed, 8, 4) + np.arange(4)
        p = scikit_posthocs.posthoc_nemenyi_friedman(x).to_numpy()
        ranks = mean_ranks(x)
        for a, b in ALL:
            assert (abs(ranks[a] - ranks[b]) >= nemenyi(4, 8)) == (p[a, b] < 0.05)


def test_cliques_are_all_maximal_groups_within_the_difference():
    rng = np.random.default_rng(5)
    for _ in range(50):
        ranks, width = rng.uniform(1, 6, size=6), rng.uniform(0.2, 3)
        close = [
            set(group)
            for size in range(2, 7)
            for group in itertools.combinations(range(6), size)
            if np.ptp(ranks[list(group)]) < width
        ]
        maximal = [group for group in close if not any(group < other for other in close)]
        found = cliques(ranks, width)
        assert sorted(map(sorted, found)) == sorted(map(sorted, maximal))


# Wilcoxon's signed-rank test


def test_signed_rank_of_the_worked_example():
    found = signed_rank(DEMSAR[1], DEMSAR[0], exact=False)
    assert (found.plus, found.minus) == (93, 12)
    assert found.p == pytest.approx(0.01097, abs=5e-6)


@pytest.mark.parametrize("n", [5, 8, 13])
def test_signed_rank_is_exact(n):
    x = np.random.default_rng(n).normal(0.4, 1, size=n)
    found = signed_rank(x, np.zeros(n))
    assert found.p == pytest.approx(scipy.stats.wilcoxon(x, method="exact").pvalue)
    assert found.plus + found.minus == n * (n + 1) / 2
    assert found.least == scipy.stats.wilcoxon(np.arange(1, n + 1), method="exact").pvalue


def test_signed_rank_with_ties_and_zeros_counts_all_signs():
    d = np.array([1.0, 1, -1, 2, 0, 3, 3, -2, 0])
    ranks = scipy.stats.rankdata(np.abs(d))
    half = ranks[d == 0].sum() / 2
    moving = ranks[d != 0]
    sums = np.array([half + moving @ s for s in itertools.product([0, 1], repeat=len(moving))])
    seen = half + ranks[d > 0].sum()
    expected = min(1, 2 * min((sums <= seen).mean(), (sums >= seen).mean()))
    found = signed_rank(d, np.zeros(9))
    assert found.p == pytest.approx(expected)
    assert found.least == 2 / len(sums)


def test_signed_rank_approximation_is_near_the_exact_value():
    x = np.round(np.random.default_rng(2).normal(0.3, 1, 60), 1)
    exact, normal = (signed_rank(x, np.zeros(60), exact=way).p for way in (True, False))
    assert exact == pytest.approx(normal, abs=0.003)
    reference = scipy.stats.wilcoxon(x, zero_method="zsplit", method="asymptotic").pvalue
    assert normal == pytest.approx(reference, abs=0.002)


def test_signed_rank_is_antisymmetric_and_ignores_the_order():
    a, b = drawn(1, 2, 11)
    one, other = signed_rank(a, b), signed_rank(b, a)
    assert (one.plus, one.wins, one.p) == (other.minus, other.losses, other.p)
    mixed = np.random.default_rng(0).permutation(11)
    assert signed_rank(a[mixed], b[mixed]) == one


def test_divergence_is_the_largest_difference_and_two_cancel():
    found = signed_rank([0.9, 0.8, -INF, -INF], [0.5, -INF, -INF, 0.2])
    assert (found.wins, found.losses) == (2, 1)
    assert (found.plus, found.minus) == (2 + 3.5 + 0.5, 3.5 + 0.5)


def test_few_problems_are_refused_with_what_would_be_needed():
    assert smallest_p(5) == 0.0625
    assert [problems_needed(m) for m in (1, 2, 3, 36)] == [6, 7, 7, 11]
    x = drawn(0, 5, 3) + 10 * np.arange(3)
    found = pairwise(x, [(2, 0), (2, 1)])
    assert [one.verdict for one in found] == ["refused"] * 2
    assert "from 7 problems on" in found[0].reason
    decided = pairwise(np.vstack([x, x + 0.01 * drawn(1, 5, 3)]), [(2, 0), (0, 2)])
    assert [one.verdict for one in decided] == ["better", "worse"]


def test_pairwise_agrees_with_scikit_posthocs():
    x = drawn(4, 12, 4) + 0.5 * np.arange(4)
    melted = scikit_posthocs.posthoc_wilcoxon(list(x.T), p_adjust="holm", method="exact")
    for one in pairwise(x, ALL):
        assert one.p_holm == pytest.approx(melted.to_numpy()[one.a, one.b])


def test_a_pair_that_always_ties_is_refused_and_counts_in_the_family():
    x = np.column_stack([np.arange(8.0), np.arange(8.0), np.arange(8.0) + 1])
    same, other = pairwise(x, [(0, 1), (2, 0)])
    assert same.verdict == "refused"
    assert "all differences are 0" in same.reason
    assert other.p_holm == 2 * smallest_p(8)
    assert pairwise(x, []) == []


# Bayesian tests


@pytest.mark.parametrize("seed", [1, 2])
def test_bayesian_signed_rank_reproduces_baycomp(seed):
    found = bayesian_signed_rank(DEMSAR[1], DEMSAR[0], rope=0.01, seed=seed)
    np.testing.assert_allclose(found[1:4], (0, 0.33084, 0.66916), atol=0.01)


def test_bayesian_sign_reproduces_baycomp():
    found = bayesian_sign(DEMSAR[1], DEMSAR[0], rope=0.01)
    np.testing.assert_allclose(found[1:4], (0, 0.78752, 0.21248), atol=0.01)


@pytest.mark.parametrize("rope", [0.05, 0.4])
def test_bayesian_tests_agree_with_baycomp_on_other_data(rope):
    a, b = drawn(9, 2, 9)
    for mine, theirs in ((bayesian_signed_rank, SignedRankTest), (bayesian_sign, SignTest)):
        expected = theirs.probs(b, a, rope, nsamples=20_000, random_state=3)
        np.testing.assert_allclose(mine(a, b, rope=rope)[1:4], expected, atol=0.015)


def test_bayesian_tests_are_antisymmetric_and_ignore_the_order():
    a, b = drawn(2, 2, 10)
    for test in (bayesian_signed_rank, bayesian_sign):
        one, other = test(a, b, rope=0.1), test(b, a, rope=0.1)
        assert one.better == pytest.approx(other.worse, abs=0.01)
        assert sum(one[1:4]) == pytest.approx(1)
        assert test(a[::-1], b[::-1], rope=0.1) == one


def test_bayesian_tests_take_divergence_and_nothing():
    lost = bayesian_signed_rank([1.0] * 9, [-INF] * 9, draws=1000)
    assert lost.better == 1
    both = bayesian_signed_rank([-INF] * 9, [-INF] * 9, draws=1000)
    assert both.same == 1
    assert bayesian_sign([], []).reason == "no common problems"
    with pytest.raises(ValueError, match="rope"):
        bayesian_sign([1.0], [2.0], rope=-1)


# Pooled scores


def test_iqm_reproduces_known_numbers():
    small = np.array([[0.2, 0.5], [0.4, 0.6], [0.6, 0.7], [0.8, 0.9]])
    assert iqm(small) == pytest.approx(0.6)
    assert iqm(np.arange(80).reshape(5, 16)) == 39.5
    assert optimality_gap(small) == pytest.approx(0.4125)
    assert np.median(small.mean(axis=0)) == pytest.approx(0.5875)


@pytest.mark.parametrize("n", range(1, 13))
def test_iqm_agrees_with_scipy(n):
    x = np.random.default_rng(n).normal(size=(3, n))
    np.testing.assert_allclose(iqm(x, axis=-1), scipy.stats.trim_mean(x, 0.25, axis=1))


def test_the_stratified_bootstrap_agrees_with_all_resamples():
    """Three runs on each of two problems have 27 x 27 resamples, counted out here."""
    strata = [np.array([0.1, 0.25, 0.7]), np.array([0.3, 0.4, 0.9])]
    one, two = (np.array(list(itertools.product(x, repeat=3))) for x in strata)
    both = np.concatenate([np.repeat(one, 27, axis=0), np.tile(two, (27, 1))], axis=1)
    everything = scipy.stats.trim_mean(both, 0.25, axis=1)
    found = stratified(strata, repetitions=20_000, level=0.9)
    np.testing.assert_allclose(
        (found.low, found.high), np.quantile(everything, (0.05, 0.95)), atol=0.012
    )
    assert found.value == pytest.approx(scipy.stats.trim_mean(np.concatenate(strata), 0.25))


def test_bootstraps_are_seeded_and_ignore_the_order():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    scores = [drawn(0, 1, 4)[0], drawn(1, 1, 5)[0], drawn(2, 1, 5)[0]]
    mixed = [scores[2][::-1], scores[0], scores[1][::-1]]
    assert stratified(scores, repetitions=500) == stratified(mixed, repetitions=500)
    assert stratified(scores, repetitions=500) != stratified(scores, repetitions=500, seed=1)
    levels = np.linspace(-1, 1, 5)
    one, other = (run_profile(x, levels, repetitions=300) for x in (scores, mixed))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
    bayesian_sign([1.0, 2], [0.0, 3])
    almost_stochastic_order([1.0, 2], [0.0, 3])
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_iqm_follows_an_affine_change():
    scores = [drawn(0, 1, 4)[0], drawn(1, 1, 6)[0]]
    one = stratified(scores, repetitions=400)
    other = stratified([3 * x + 2 for x in scores], repetitions=400)
    np.testing.assert_allclose(other[1:4], 3 * np.array(one[1:4]) + 2)


@pytest.mark.parametrize(
    ("scores", "value", "reason"),
    [
        ([], None, "no runs"),
        ([[], []], None, "no runs"),
        ([[0.4], [0.6]], 0.5, "one run per problem"),
        ([[-INF, -INF, 0.3], [-INF]], -INF, "without a finite score"),
        ([[0.2, -INF, 0.3, 0.4, 0.5]], 0.3, "no finite value"),
    ],
)
def test_aggregates_give_a_reason(scores, value, reason):
    found = stratified(scores, repetitions=500)
    assert found.value == (value if value is None else pytest.approx(value))
    assert found.low is None
    assert reason in found.reason


def test_equal_scores_have_an_interval_without_width():
    assert stratified([[0.5, 0.5], [0.5, 0.5, 0.5]], repetitions=50)[1:4] == (0.5, 0.5, 0.5)


def test_profiles_count_strictly_above_and_bands_agree_with_direct_resampling():
    scores = [np.array([0.2, 0.5, 0.5]), np.array([0.4, 0.6, 0.9])]
    levels = np.array([0.2, 0.5, 0.55, 0.9])
    found = run_profile(scores, levels, repetitions=4000)
    pooled = np.concatenate(scores)
    np.testing.assert_allclose(found.share, [(pooled > t).mean() for t in levels])
    rng = np.random.default_rng(8)
    again = np.concatenate([x[rng.integers(0, 3, (20_000, 3))] for x in scores], axis=1)
    for i, t in enumerate(levels):
        ends = np.quantile((again > t).mean(axis=1), (0.025, 0.975))
        np.testing.assert_allclose((found.low[i], found.high[i]), ends, atol=1e-9)
    assert (np.diff(found.share) <= 0).all()
    assert np.isnan(run_profile([], levels).share).all()


def test_normalised_scores():
    found = by_pool([[[1.0, 3], [5, 5]], [[0.0, 4], [5]], [[4.0, -INF], [-INF]]])
    assert found.kept == [0]
    np.testing.assert_allclose(found.scores[2][0], [-1.0, 1.0])
    lost = by_pool([[[2.0, 3.0]], [[1.0, -INF]]])
    np.testing.assert_allclose(lost.scores[1][0], [0.0, 0.0])
    assert by_pool([]).kept == []
    with pytest.raises(ValueError, match="rectangle"):
        by_pool([[[1.0]], [[1.0], [2.0]]])


# AlgoPerf


def test_algoperf_score_reproduces_known_numbers():
    times = np.array([[1, 2, INF], [2, 1, 3], [8, 4, 1]])
    np.testing.assert_allclose(algoperf_score(times), [0.555556, 0.666667, 0.333333], atol=1e-6)
    grid = np.linspace(1, 4, 100)
    profile = (time_ratios(times)[:, :, None] <= grid).mean(axis=1)
    inexact = np.trapezoid(profile, grid, axis=1) / 3
    np.testing.assert_allclose(inexact, [0.557239, 0.670034, 0.335017], atol=1e-6)


def test_algoperf_score_is_the_limit_of_fine_grids():
    times = np.random.default_rng(0).exponential(size=(5, 7))
    times[times > 2] = INF
    grid = np.linspace(1, 4, 200_001)
    ratios = time_ratios(times)
    fine = np.array([[(grid >= r).mean() for r in row] for row in ratios]).mean(axis=1)
    np.testing.assert_allclose(algoperf_score(times), fine, atol=1e-4)
    assert ((algoperf_score(times) >= 0) & (algoperf_score(times) <= 1)).all()


def test_a_further_miss_never_raises_a_score():
    times = np.random.default_rng(1).exponential(size=(4, 6))
    for problem in range(6):
        worse = times.copy()
        worse[0, problem] = INF
        assert algoperf_score(worse)[0] <= algoperf_score(times)[0]


def test_misses_take_part_in_the_median_and_nobody_can_win_by_missing():
    assert median_time([5, 5, INF]) == 5
    assert median_time([5, INF, INF]) == INF
    np.testing.assert_array_equal(algoperf_score([[INF, 1], [INF, 1]]), [0.5, 0.5])
    np.testing.assert_array_equal(algoperf_score([[0.0], [2.0]]), [1, 0])
    assert np.isnan(algoperf_score(np.empty((2, 0)))).all()
    with pytest.raises(ValueError, match="infinity for a miss"):
        algoperf_score([[float("nan")]])


# Almost stochastic order


def test_violation_agrees_with_a_fine_grid():
    rng = np.random.default_rng(3)
    for n, m in ((5, 7), (6, 6), (4, 12)):
        a, b = rng.normal(0.2, 1, n), rng.normal(0, 1.5, m)
        t = (np.arange(84_000) + 0.5) / 84_000
        x, y = (np.sort(v)[np.ceil(t * len(v)).astype(int) - 1] for v in (a, b))
        expected = (np.where(x < y, (x - y) ** 2, 0).sum()) / ((x - y) ** 2).sum()
        found = almost_stochastic_order(a, b)
        assert found.violation == pytest.approx(expected, abs=1e-3)
        assert almost_stochastic_order(b, a).violation == pytest.approx(1 - expected, abs=1e-3)
        assert found.bound >= found.violation


def test_more_tests_make_the_order_harder_to_claim():
    a, b = np.random.default_rng(6).normal(size=(2, 12)) + np.array([[0.4], [0.0]])
    bounds = [almost_stochastic_order(a, b, tests=m).bound for m in (1, 2, 10)]
    assert bounds[0] < bounds[1] < bounds[2]
    spread = (bounds[0] - almost_stochastic_order(a, b).violation) / scipy.stats.norm.ppf(0.95)
    assert bounds[2] == pytest.approx(
        almost_stochastic_order(a, b).violation + spread * scipy.stats.norm.ppf(0.995)
    )


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        ([], [1, 2], "at least 2 runs"),
        ([1.0], [1, 2], "at least 2 runs"),
        ([1, -INF], [1, 2], "not all scores are finite"),
        ([1, 2], [1, 2], "the same scores"),
    ],
)
def test_order_is_refused_with_a_reason(a, b, reason):
    found = almost_stochastic_order(a, b)
    assert found.violation is None
    assert reason in found.reason

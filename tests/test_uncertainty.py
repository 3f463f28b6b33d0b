"""Metrics of whole splits against the definitions, other packages, published numbers and simulation."""

import json
import math
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.stats
import sklearn.calibration
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from funcdl.metrics import conformal, gaussian
from funcdl.metrics.ensemble import ensemble, entropy
from funcdl.metrics.probabilities import log_probabilities, mean_brier, mean_nll
from funcdl.metrics.reliability import (
    adaptive_calibration_error,
    expected_calibration_error,
    maximum_calibration_error,
    reliability,
)
from funcdl.metrics.temperature import (
    COLDEST,
    HOTTEST,
    fit_temperature,
    temperature,
    temperature_ece,
    temperature_nll,
)
from funcdl.tasks.load import make_task
from funcdl.tasks.summaries import SUMMARIES

FOUR = np.log([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.5, 0.25, 0.25]])
LABELS = np.array([0, 1, 0, 2])


def drawn(n: int, k: int, seed: int = 0, scale: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels that follow them half of the time."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, scale, (n, k)).astype(np.float32)
    follow = rng.random(n) < 0.5
    return logits, np.where(follow, logits.argmax(1), rng.integers(0, k, n))


def honest(n: int, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn from their probabilities."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, k))
    return logits, (logits + rng.gumbel(size=(n, k))).argmax(1)


def test_the_reference_numbers():
    assert mean_nll(FOUR, LABELS) == pytest.approx(0.792521, abs=1e-6)
    assert mean_brier(FOUR, LABELS) == pytest.approx(0.45375)
    assert expected_calibration_error(FOUR, LABELS, 10) == pytest.approx(0.35)
    assert maximum_calibration_error(FOUR, LABELS, 10) == pytest.approx(0.5)
    two = ensemble(np.log([[[0.9, 0.1]], [[0.5, 0.5]]]))
    assert [x.item() for x in two[1:]] == pytest.approx([0.610864, 0.509115, 0.101749], abs=1e-6)


@pytest.mark.parametrize("k", [2, 7])
def test_scores_equal_scikit_learns(k):
    logits, labels = drawn(400, k)
    p = special.softmax(logits.astype(np.float64), axis=1)
    assert mean_nll(logits, labels) == pytest.approx(sklearn.metrics.log_loss(labels, p))
    one_hot = np.eye(k)[labels]
    assert mean_brier(logits, labels) == pytest.approx(((p - one_hot) ** 2).sum(1).mean())
    if k == 2:
        of_one = sklearn.metrics.brier_score_loss(labels, p[:, 1])
        assert mean_brier(logits, labels) == pytest.approx(2 * of_one)


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_bins_are_scikit_learns_for_right_or_wrong_against_confidence(bins):
    logits, labels = drawn(700, 4)
    confidence = special.softmax(logits.astype(np.float64), axis=1).max(1)
    right = logits.argmax(1) == labels
    share, mean = sklearn.calibration.calibration_curve(right, confidence, n_bins=bins)
    found = reliability(logits, labels, bins)
    some = found.size > 0
    np.testing.assert_allclose(found.accuracy[some], share)
    np.testing.assert_allclose(found.confidence[some], mean)
    by_hand = sum(
        np.abs(right[here].mean() - confidence[here].mean()) * here.mean()
        for i in range(bins)
        if (here := (confidence > i / bins) & (confidence <= (i + 1) / bins)).any()
    )
    assert expected_calibration_error(logits, labels, bins) == pytest.approx(by_hand)
    gaps = np.abs(share - mean)
    assert maximum_calibration_error(logits, labels, bins) == pytest.approx(gaps.max())


def test_a_confidence_on_an_edge_belongs_to_the_bin_below():
    logits = np.log([[0.5, 0.5], [0.75, 0.25], [1.0, 1e-300]])
    found = reliability(logits, np.array([0, 0, 0]), 4)
    assert found.size.tolist() == [0, 1, 1, 1]


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 60),
    bins=st.integers(1, 20),
    levels=st.integers(1, 30),
    seed=st.integers(0, 99),
)
def test_adaptive_bins_are_about_equally_full_and_tear_no_ties(n, bins, levels, seed):
    rng = np.random.default_rng(seed)
    p = 0.5 + rng.integers(1, levels + 1, n) / (2.0 * levels + 1)
    logits, labels = np.log(np.stack([p, 1 - p], 1)), rng.integers(0, 2, n)
    found = reliability(logits, labels, bins, adaptive=True)
    assert found.size.sum() == n
    assert (found.size > 0).all()
    largest_tie = np.unique(np.round(p, 12), return_counts=True)[1].max()
    assert found.size.max() <= -(-n // bins) + largest_tie - 1
    if levels > 1 and largest_tie == 1:
        assert len(found.size) == min(bins, n)
    order = rng.permutation(n)
    assert adaptive_calibration_error(logits[order], labels[order], bins) == pytest.approx(
        adaptive_calibration_error(logits, labels, bins)
    )


def test_honest_probabilities_have_a_small_error_and_a_temperature_of_one():
    logits, labels = honest(40_000, 5, 0)
    assert expected_calibration_error(logits, labels) < 0.01
    assert adaptive_calibration_error(logits, labels) < 0.01
    assert fit_temperature(logits, labels) == pytest.approx(1, abs=0.02)
    assert expected_calibration_error(3 * logits, labels) > 0.1


@pytest.mark.parametrize("seed", range(5))
def test_the_temperature_minimises_the_loss(seed):
    logits, labels = drawn(150, 4, seed, scale=3.0)
    found = fit_temperature(logits, labels)
    grid = np.geomspace(COLDEST, HOTTEST, 4001)
    losses = [mean_nll(logits, labels, t) for t in grid]
    assert mean_nll(logits, labels, found) <= min(losses) + 1e-12
    assert found == pytest.approx(grid[np.argmin(losses)], rel=0.003)
    assert fit_temperature(4.0 * logits, labels) == pytest.approx(4 * found, rel=1e-5)
    shifted = logits + np.arange(len(logits))[:, None]
    assert fit_temperature(shifted, labels) == pytest.approx(found, rel=1e-4)


def test_temperatures_at_the_ends():
    logits = np.array([[2.0, 0.0], [0.0, 1.0]])
    assert fit_temperature(logits, np.array([0, 1])) == COLDEST
    assert fit_temperature(logits, np.array([1, 0])) == HOTTEST
    assert fit_temperature(np.zeros((3, 2)), np.array([0, 1, 0])) == HOTTEST
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit_temperature(np.array([[0.0, -np.inf]] * 2), np.array([0, 1])) == HOTTEST
        assert math.isnan(fit_temperature(np.zeros((0, 2)), np.zeros(0, int)))


def test_a_temperature_is_fitted_on_validation_and_judged_on_test():
    test, validation = drawn(200, 3, 1), drawn(200, 3, 2)
    heat = fit_temperature(*validation)
    assert heat != pytest.approx(fit_temperature(*test), rel=1e-3)
    assert temperature(test, validation) == heat
    assert temperature_nll(test, validation) == pytest.approx(mean_nll(*test, temperature=heat))
    assert temperature_ece(test, validation, 7) == pytest.approx(
        expected_calibration_error(test[0].astype(np.float64) / heat, test[1], 7)
    )


def test_the_conformal_threshold_has_the_rank_of_theory():
    assert conformal.threshold(np.arange(1.0, 100.0), 0.1) == 90
    assert conformal.threshold(np.arange(1.0, 10.0), 0.1) == 9
    assert conformal.threshold(np.arange(1.0, 9.0), 0.1) == math.inf
    for n, alpha in ((19, 0.1), (50, 0.2), (99, 0.05), (10, 0.3)):
        rank = next(k for k in range(1, n + 2) if k / (n + 1) >= 1 - alpha - 1e-12)
        assert conformal.threshold(np.arange(1.0, n + 1), alpha) == rank


def test_conformal_coverage_over_exchangeable_splits():
    """Between 1 - alpha and that + 1/(n+1), which 200 splits tell from the usual quantile's."""
    rng = np.random.default_rng(0)
    n, m, splits, alpha = 19, 60, 200, 0.1
    sets, intervals, plain = [], [], []
    for _ in range(splits):
        logits, labels = rng.normal(0, 1, (n + m, 3)), rng.integers(0, 3, n + m)
        test, validation = (logits[n:], labels[n:]), (logits[:n], labels[:n])
        sets.append(conformal.set_coverage(test, validation, alpha))
        outputs, targets = rng.normal(size=(n + m, 1)), rng.standard_t(3, n + m)
        test, validation = (outputs[n:], targets[n:]), (outputs[:n], targets[:n])
        intervals.append(conformal.interval_coverage(test, validation, alpha))
        errors = np.abs(outputs[:, 0] - targets)
        plain.append(np.mean(errors[n:] <= np.quantile(errors[:n], 1 - alpha)))
    # A split's coverage has Beta(18, 2)'s variance and a binomial one; three of them for 200 splits.
    sd = math.sqrt((0.9 * 0.1 / (n + 2) + 0.9 * 0.1 / m) / splits)
    low, high = 1 - alpha, 1 - alpha + 1 / (n + 1)
    assert low - 3 * sd < np.mean(sets) < high + 3 * sd
    assert low - 3 * sd < np.mean(intervals) < high + 3 * sd
    assert np.mean(plain) < low - 2 * sd


def test_conformal_sets_hold_labels_by_the_definition():
    test, validation = drawn(50, 4, 1), drawn(40, 4, 2)
    p = np.exp(log_probabilities(test[0]))
    scores = np.sort(1 - np.exp(log_probabilities(validation[0]))[np.arange(40), validation[1]])
    q = scores[math.ceil(41 * 0.8) - 1]
    inside, sizes = conformal.classification_sets(test, validation, 0.2)
    for i in range(50):
        members = [j for j in range(4) if 1 - p[i, j] <= q]
        assert sizes[i] == len(members)
        assert inside[i] == (test[1][i] in members)
    few = (validation[0][:3], validation[1][:3])
    assert conformal.set_coverage(test, few) == 1
    assert conformal.set_size(test, few) == 4
    assert conformal.interval_width((test[0][:, :1], test[1]), (few[0][:, :1], few[1])) == math.inf


def test_a_gaussian_equals_scipys():
    rng = np.random.default_rng(3)
    validation = rng.normal(size=(80, 2)), rng.normal(size=(80, 2))
    test = rng.normal(size=(60, 2)), rng.normal(0, 2, (60, 2))
    sigma = np.sqrt(((validation[0] - validation[1]) ** 2).mean(0))
    law: Any = scipy.stats.norm(test[0], sigma)
    assert gaussian.gaussian_nll(test, validation) == pytest.approx(-law.logpdf(test[1]).mean())
    np.testing.assert_allclose(gaussian.pit(test, validation), law.cdf(test[1]))
    expected = scipy.stats.kstest(law.cdf(test[1]).ravel(), "uniform").statistic
    assert gaussian.pit_distance(test, validation) == pytest.approx(expected)
    low, high = law.interval(0.8)
    share = ((test[1] >= low) & (test[1] <= high)).mean()
    assert gaussian.gaussian_coverage(test, validation, 0.2) == pytest.approx(share)


@pytest.mark.parametrize("shape", [(40,), (40, 3)])
def test_rmse_and_r2_equal_scikit_learns(shape):
    rng = np.random.default_rng(4)
    targets = rng.normal(2, 3, shape)
    outputs = (targets + rng.normal(size=shape)).reshape(40, -1)
    flat = targets.reshape(40, -1)
    squared = sklearn.metrics.mean_squared_error(flat, outputs)
    assert gaussian.rmse(outputs, targets) == pytest.approx(math.sqrt(squared))
    assert gaussian.r2(outputs, targets) == pytest.approx(sklearn.metrics.r2_score(flat, outputs))


@settings(max_examples=50, deadline=None)
@given(
    members=st.integers(1, 6),
    k=st.integers(2, 5),
    scale=st.floats(0.0, 300),
    seed=st.integers(0, 99),
)
def test_an_ensemble_is_no_worse_than_its_members(members, k, scale, seed):
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(0, scale, (members, 12, k)), rng.integers(0, k, 12)
    found = ensemble(logits)
    alone = np.mean([mean_nll(one, labels) for one in logits])
    assert mean_nll(found.logits, labels) <= alone + 1e-9
    p = special.softmax(logits, axis=-1)
    np.testing.assert_allclose(np.exp(found.logits), p.mean(0), atol=1e-12)
    np.testing.assert_allclose(found.total, scipy.stats.entropy(p.mean(0), axis=-1), atol=1e-9)
    expected = scipy.stats.entropy(p, axis=-1).mean(0)
    np.testing.assert_allclose(found.expected, expected, atol=1e-9)
    assert (found.mutual >= 0).all()
    assert (found.mutual <= np.log(min(members, k)) + 1e-9).all()


def test_what_is_impossible_has_no_entropy():
    assert entropy(np.array([0.0, -np.inf])) == 0


CASES = [("classification", 2), ("classification", 3), ("regression", 2)]  # and outputs


def asked(task: str, width: int) -> list[str]:
    """The metrics that data with so many outputs can have."""
    known = SUMMARIES[task].items()
    return [name for name, one in known if task == "regression" or one.classes in (0, width)]


def every_metric(task: str, width: int) -> list:
    made = make_task({"name": task, "metrics": asked(task, width)})
    return [lambda t, v, f=f: f(*t) for f in made.summaries.values()] + list(made.fitted.values())


@pytest.mark.parametrize(("task", "width"), CASES)
@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_every_metric_gives_a_number_for_every_input(task, width, n):
    rng = np.random.default_rng(n)
    for fill in (0.0, 1.0, math.nan, math.inf, -math.inf, None):
        outputs = rng.normal(size=(n, width)).astype(np.float32)
        outputs[:, :1] = outputs[:, :1] if fill is None else fill
        targets = np.zeros(n, int) if task == "classification" else rng.normal(size=(n, width))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for metric in every_metric(task, width):
                assert isinstance(float(metric((outputs, targets), (outputs, targets))), float)


@pytest.mark.parametrize(("task", "width"), CASES)
def test_the_order_of_examples_does_not_matter(task, width):
    rng = np.random.default_rng(8)
    outputs, (_, labels) = rng.normal(size=(90, width)), drawn(90, width)
    targets = labels if task == "classification" else rng.normal(size=(90, width))
    order = rng.permutation(90)
    for metric in every_metric(task, width):
        one = metric((outputs, targets), (outputs, targets))
        two = metric((outputs[order], targets[order]), (outputs[order], targets[order]))
        assert one == pytest.approx(two, rel=1e-9)


def test_misuse_is_refused():
    with pytest.raises(ValueError, match="bins=0"):
        reliability(FOUR, LABELS, 0)
    for alpha in (0.0, 1.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="alpha="):
            conformal.threshold(np.arange(3.0), alpha)
    with pytest.raises(ValueError, match=r"members, n, k"):
        ensemble(FOUR)


def test_nothing_uses_numpys_own_generator():
    before = json.dumps(np.random.get_state(), default=str)  # noqa: NPY002
    for task, width in CASES:
        outputs, labels = drawn(30, width)
        targets = labels if task == "classification" else outputs
        for metric in every_metric(task, width):
            metric((outputs, targets), (outputs, targets))
    assert json.dumps(np.random.get_state(), default=str) == before  # noqa: NPY002

"""Metrics of decisions and of orders against scikit-learn, definitions, DeLong and the bootstrap."""

import math
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import sklearn.metrics as reference

from funcdl.metrics import confusion, curves, decisions, gaussian, temperature, thresholds
from funcdl.metrics.conformal import set_size, set_size_values
from funcdl.metrics.scores import scores_of

MACRO = ("precision_macro", "recall_macro", "f1_macro", "balanced_accuracy", "mcc")
BINARY = ("precision", "recall", "f1")
TUNED = ("precision_tuned", "recall_tuned", "f1_tuned")
Case = tuple[np.ndarray, np.ndarray]


def of(name: str) -> tuple[Callable, Callable]:
    """A metric, and what gives it values per example."""
    module = next(m for m in (decisions, curves, thresholds) if hasattr(m, name))
    return getattr(module, name), getattr(module, f"{name}_values")


def cases(classes: int, count: int, seed: int) -> Iterator[Case]:
    """Logits with many ties, and labels of all kinds: few, of one class only, of none that is predicted."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        n, k = rng.integers(1, 30), classes or rng.integers(2, 6)
        logits = rng.integers(0, 4, (n, k)).astype(np.float64)
        kind = rng.integers(6)
        if kind == 0:
            logits[:] = logits[0]  # one class is predicted, all scores are equal
        elif kind == 1:
            logits += rng.normal(size=(n, k))  # no ties
        labels = rng.integers(0, rng.integers(1, k + 1), n)
        if kind == 2:
            labels[:] = labels[0]
        elif kind == 3:
            labels = logits.argmax(1)  # all right
        yield logits, labels


def scikit_learns(name: str, labels: np.ndarray, predicted: np.ndarray) -> float:
    if name == "mcc":
        return reference.matthews_corrcoef(labels, predicted)
    if name == "balanced_accuracy":
        return reference.balanced_accuracy_score(labels, predicted)
    kind, _, average = name.partition("_")
    function = getattr(reference, f"{kind}_score")
    return function(labels, predicted, average=average or "binary", zero_division=0)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
@pytest.mark.parametrize("name", [*MACRO, *BINARY])
def test_decisions_equal_scikit_learns(name):
    metric, values = of(name)
    for logits, labels in cases(2 * (name in BINARY), 400, seed=0):
        expected = scikit_learns(name, labels, logits.argmax(1))
        assert metric(logits, labels) == pytest.approx(expected, abs=1e-12)
        assert np.mean(values(logits, labels)) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("name", ["auroc", "average_precision"])
def test_areas_equal_scikit_learns(name):
    metric, values = of(name)
    known = reference.roc_auc_score if name == "auroc" else reference.average_precision_score
    compared = 0
    for logits, labels in cases(2, 700, seed=1):
        found, each = metric(logits, labels), values(logits, labels)
        if not labels.any() or (name == "auroc" and labels.all()):
            assert math.isnan(found)
            assert np.isnan(each).all()
            continue
        scores = logits[:, 1] - logits[:, 0]
        assert found == pytest.approx(known(labels, scores), abs=1e-12)
        assert np.mean(each) == pytest.approx(found, abs=1e-10)
        np.testing.assert_allclose(each, values(scores, labels))  # scores will do for logits
        compared += 1
    assert compared > 250


def test_the_threshold_is_the_best_on_validation_data_and_used_on_test_data():
    rng = np.random.default_rng(2)
    for logits, labels in cases(2, 120, seed=2):
        scores = scores_of(logits)
        found = thresholds.best_threshold(scores, labels)
        if not labels.any():
            assert math.isnan(found)
            continue
        every = {t: scikit_learns("f1", labels, scores >= t) for t in np.unique(scores)}
        best = max(every.values())
        assert found == max(t for t, f1 in every.items() if f1 == pytest.approx(best, abs=1e-12))
        test = rng.integers(-4, 5, 20), rng.integers(0, 2, 20)
        for name in TUNED:
            metric, values = of(name)
            expected = scikit_learns(name.removesuffix("_tuned"), test[1], test[0] >= found)
            assert metric(test, (scores, labels)) == pytest.approx(expected, abs=1e-12)
            each = values(test, (scores, labels))
            assert np.mean(each) == pytest.approx(expected, abs=1e-10)


def test_what_is_not_defined_is_nan_and_says_so_in_every_value():
    scores, none = np.array([0.1, 0.2]), np.zeros(2, int)
    for name in TUNED:
        metric, values = of(name)
        assert math.isnan(metric((scores, none), (scores, none)))
        assert np.isnan(values((scores, none), (scores, none))).all()
    lost = np.array([math.nan, 0.3])
    for name in ("auroc", "average_precision"):
        assert math.isnan(of(name)[0](lost, np.array([0, 1])))
    assert math.isnan(thresholds.best_threshold(lost, np.array([0, 1])))
    for name in (*MACRO, *BINARY):
        assert math.isnan(of(name)[0](np.zeros((0, 2)), np.zeros(0, int)))
        assert of(name)[1](np.zeros((0, 2)), np.zeros(0, int)).shape == (0,)


def test_without_positives_precision_recall_and_f1_are_0():
    """As scikit-learn's zero_division=0; an area under a curve has no such convention."""
    scores, labels = np.array([-1.0, -2.0, -3.0]), np.zeros(3, int)
    assert [of(name)[0](scores, labels) for name in BINARY] == [0, 0, 0]
    assert all(not of(name)[1](scores, labels).any() for name in BINARY)


def test_infinite_scores_are_scores():
    scores = np.array([-np.inf, np.inf, 1.0, np.inf, -np.inf, 0.0])
    labels = np.array([0, 1, 0, 0, 1, 1])
    finite = np.clip(scores, -10, 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("auroc", "average_precision"):
            metric, values = of(name)
            assert metric(scores, labels) == metric(finite, labels)
            np.testing.assert_array_equal(values(scores, labels), values(finite, labels))
        assert thresholds.best_threshold(scores, labels) == -np.inf
        logits = np.array([[np.inf, np.inf], [0.0, np.inf]])
        assert math.isnan(curves.auroc(logits, np.array([0, 1])))


def test_more_classes_are_refused_with_what_to_use():
    for name in (*BINARY, "auroc", "average_precision"):
        with pytest.raises(ValueError, match=r"\[4, 3\].*f1_macro"):
            of(name)[0](np.zeros((4, 3)), np.zeros(4, int))


def drawn(n: int, share: float, seed: int) -> Case:
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < share).astype(int)
    return np.round(rng.normal(size=n) + 1.5 * labels, 1), labels  # rounded: with ties


def test_the_variance_of_the_auroc_is_delongs():
    """By brute force over all pairs."""
    scores, labels = drawn(60, 0.3, 3)
    up, down = scores[labels == 1], scores[labels == 0]
    pairs = (up[:, None] > down) + 0.5 * (up[:, None] == down)
    delong = pairs.mean(1).var(ddof=1) / len(up) + pairs.mean(0).var(ddof=1) / len(down)
    values = curves.auroc_values(scores, labels) - curves.auroc(scores, labels)
    assert np.sum(values**2) / 60**2 == pytest.approx(delong, rel=1e-12)


def bootstrap(metric: Callable, outputs: np.ndarray, labels: np.ndarray, draws: int) -> float:
    """The standard deviation of the metric over samples of the examples."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(draws):
        rows = rng.integers(0, len(labels), len(labels))
        found.append(metric(outputs[rows], labels[rows]))
    return float(np.std(found))


def spread(values: np.ndarray) -> float:
    """The standard error of the mean of one value per example."""
    return float(values.std(ddof=1)) / math.sqrt(len(values))


def pull(metric: Callable, outputs: np.ndarray, labels: np.ndarray, copies: int = 4000) -> list:
    """How far one example more pulls the metric of many copies of all: the influence's definition."""
    n, found = len(labels), metric(outputs, labels)
    pulls = []
    for i in range(n):
        rows = np.append(np.tile(np.arange(n), copies), i)
        pulls.append((metric(outputs[rows], labels[rows]) - found) * len(rows))
    return pulls


@pytest.mark.parametrize("name", ["auroc", "average_precision", *BINARY, *MACRO])
def test_a_value_is_the_metric_and_what_its_example_pulls(name):
    rng = np.random.default_rng(8)
    metric, values = of(name)
    for k in (2, 4) if name in MACRO else (2,):
        labels = rng.permutation(np.repeat(np.arange(k), [8, 4, 2, 2][:k]))
        outputs = np.round(rng.normal(size=(len(labels), k)) + 0.7 * np.eye(k)[labels], 0)
        expected = metric(outputs, labels) + np.array(pull(metric, outputs, labels))
        if name in ("auroc", "average_precision"):
            for of_class in (labels == 0, labels == 1):
                count, mean = of_class.sum(), expected[of_class].mean()
                moved = (expected[of_class] - mean) * math.sqrt(count / (count - 1))
                expected[of_class] = mean + moved
        np.testing.assert_allclose(values(outputs, labels), expected, atol=2e-3)


@pytest.mark.parametrize("name", ["auroc", "average_precision", "f1", *MACRO])
def test_values_vary_as_the_metric_does_over_samples(name):
    """400 samples know a deviation to 3.5 %; the rest is that 1500 examples are not infinitely many."""
    outputs, labels = drawn(1500, 0.15, 4)
    if name in MACRO:
        rng = np.random.default_rng(5)
        labels = rng.choice(4, 1500, p=[0.5, 0.25, 0.15, 0.1])
        outputs = rng.normal(size=(1500, 4)) + 1.3 * np.eye(4)[labels]
    metric, values = of(name)
    expected = bootstrap(metric, outputs, labels, 400)
    assert spread(values(outputs, labels)) == pytest.approx(expected, rel=0.1)


def test_values_of_regression_vary_as_the_metric_does_over_samples():
    rng = np.random.default_rng(6)
    targets = rng.normal(2, 3, (1500, 2))
    outputs = targets + rng.standard_t(6, (1500, 2))
    for metric, values in (
        (gaussian.rmse, gaussian.rmse_values),
        (gaussian.r2, gaussian.r2_values),
    ):
        each = values(outputs, targets)
        assert np.mean(each) == pytest.approx(metric(outputs, targets), rel=1e-12)
        pulls = np.array(pull(metric, outputs[:12], targets[:12]))
        expected = metric(outputs[:12], targets[:12]) + pulls
        np.testing.assert_allclose(values(outputs[:12], targets[:12]), expected, atol=5e-3)
        expected = bootstrap(metric, outputs, targets, 400)
        assert spread(each) == pytest.approx(expected, rel=0.1)
    assert not gaussian.rmse_values(targets, targets).any()
    assert np.isnan(gaussian.r2_values(outputs, np.ones((1500, 2)))).all()


def test_values_of_what_is_fitted_have_the_metric_as_their_mean():
    rng = np.random.default_rng(7)
    test, validation = [(rng.normal(size=(50, 3)), rng.integers(0, 3, 50)) for _ in range(2)]
    for metric, values in (
        (temperature.temperature_nll, temperature.temperature_nll_values),
        (set_size, set_size_values),
    ):
        assert np.mean(values(test, validation)) == pytest.approx(metric(test, validation))
    pairs = [(rng.normal(size=(50, 2)), rng.normal(size=(50, 2))) for _ in range(2)]
    found = np.mean(gaussian.gaussian_nll_values(*pairs))
    assert found == pytest.approx(gaussian.gaussian_nll(*pairs))


def test_large_splits_are_counted_without_overflow_and_fast():
    """n^4 of 200,000 examples is beyond 64 bits."""
    n = 200_000
    labels = np.arange(n) % 2
    predicted = np.where(np.arange(n) % 10 == 0, 1 - labels, labels)
    found = confusion.correlation(confusion.confusion(predicted, labels, 2))
    assert found == pytest.approx(reference.matthews_corrcoef(labels, predicted))

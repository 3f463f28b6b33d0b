"""Metrics per example, against scikit-learn, float64 and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics as reference
from scipy import special

from funcdl.metrics import classification, regression

EXTREMES = np.array(
    [
        [1e4, -1e4, 0.0],
        [-1e4, 1e4, 0.0],
        [1e38, 1e38, -1e38],
        [0.0, 0.0, 0.0],
        [1e-38, 0.0, -1e-38],
        [88.8, -88.8, 104.0],
    ],
    np.float32,
)


@jax.jit
def measure(logits, labels):
    """All metrics of classification, `{name: [n]}`."""
    return {name: metric(logits, labels) for name, metric in classification.METRICS.items()}


def cases():
    random = np.random.default_rng(0)
    for n, k, scale in ((50, 2, 1.0), (200, 10, 3.0), (7, 1000, 10.0), (1, 3, 1.0)):
        yield random.normal(0, scale, (n, k)).astype(np.float32), random.integers(0, k, n)
    for label in range(3):
        yield EXTREMES, np.full(len(EXTREMES), label)


@pytest.mark.parametrize(("logits", "labels"), list(cases()))
def test_classification_equals_the_definitions_in_float64(logits, labels):
    rows = np.arange(len(labels))
    wide = logits.astype(np.float64)
    nll = -special.log_softmax(wide, axis=1)[rows, labels]
    one_hot = np.eye(logits.shape[1])[labels]
    brier = ((special.softmax(wide, axis=1) - one_hot) ** 2).sum(1)
    found = measure(logits, labels)
    np.testing.assert_allclose(found["loss"], nll, 2e-6, 2e-6)
    np.testing.assert_allclose(found["brier"], brier, 2e-6, 2e-6)
    np.testing.assert_array_equal(found["accuracy"], wide.argmax(1) == labels)


@pytest.mark.parametrize("k", [2, 5])
def test_classification_means_equal_scikit_learn(k):
    random = np.random.default_rng(1)
    logits = random.normal(0, 2, (300, k)).astype(np.float32)
    labels = random.integers(0, k, 300)
    p = special.softmax(logits.astype(np.float64), axis=1)
    found = {name: float(values.mean()) for name, values in measure(logits, labels).items()}
    assert found["loss"] == pytest.approx(reference.log_loss(labels, p), rel=1e-6)
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(labels, p.argmax(1)))
    if k == 2:
        assert found["brier"] == pytest.approx(
            2 * reference.brier_score_loss(labels, p[:, 1]), rel=1e-6
        )


def test_smoothing_equals_cross_entropy_with_mixed_labels():
    random = np.random.default_rng(2)
    logits, labels = random.normal(size=(20, 4)), random.integers(0, 4, 20)
    for smoothing in (0.0, 0.1, 0.9):
        mixed = (1 - smoothing) * np.eye(4)[labels] + smoothing / 4
        expected = -(mixed * special.log_softmax(logits, axis=1)).sum(1)
        found = classification.smoothed_negative_log_likelihood(
            jnp.asarray(logits, jnp.float32), jnp.asarray(labels), smoothing
        )
        np.testing.assert_allclose(found, expected, 1e-5)


def test_the_gradient_is_softmax_minus_one_hot():
    logits = np.random.default_rng(3).normal(0, 3, (6, 4)).astype(np.float32)
    labels = np.array([0, 1, 2, 3, 0, 1])
    gradient = jax.jit(
        jax.grad(lambda x: classification.negative_log_likelihood(x, jnp.asarray(labels)).sum())
    )
    expected = special.softmax(logits.astype(np.float64), axis=1) - np.eye(4)[labels]
    np.testing.assert_allclose(gradient(jnp.asarray(logits)), expected, atol=1e-6)
    assert np.isfinite(gradient(jnp.asarray(EXTREMES[[0, 1, 3]]).repeat(2, axis=0))).all()


def test_an_impossible_other_class_costs_nothing():
    logits = jnp.array([[0.0, -jnp.inf]])
    assert classification.negative_log_likelihood(logits, jnp.array([0])).tolist() == [0.0]
    assert classification.negative_log_likelihood(logits, jnp.array([1])).tolist() == [np.inf]


def test_half_precision_outputs_are_measured_in_float32():
    logits = np.random.default_rng(4).normal(0, 3, (8, 3)).astype(np.float32)
    half = jnp.asarray(logits, jnp.bfloat16)
    labels = jnp.arange(8) % 3
    narrow, wide = measure(half, labels), measure(half.astype("float32"), labels)
    for name in classification.METRICS:
        assert narrow[name].dtype == jnp.float32
        np.testing.assert_array_equal(narrow[name], wide[name])
    assert regression.squared_error(half, half).dtype == jnp.float32


@pytest.mark.parametrize("shape", [(50,), (50, 1), (50, 3)])
def test_regression_equals_scikit_learn(shape):
    random = np.random.default_rng(5)
    targets = random.normal(0, 10, shape).astype(np.float32)
    outputs = random.normal(0, 10, (50, *(shape[1:] or (1,)))).astype(np.float32)
    flat = targets.reshape(50, -1)
    for name, function in (("mse", "mean_squared_error"), ("mae", "mean_absolute_error")):
        found = regression.METRICS[name](jnp.asarray(outputs), jnp.asarray(targets))
        assert found.shape == (50,)
        assert float(found.mean()) == pytest.approx(
            getattr(reference, function)(flat, outputs), rel=1e-6
        )


def test_integer_targets_are_numbers_too():
    found = regression.squared_error(jnp.array([[1.5], [2.0]]), jnp.array([1, 4]))
    assert found.tolist() == [0.25, 4.0]


@pytest.mark.parametrize(("outputs", "targets"), [((4, 2), (4,)), ((4,), (4,)), ((4, 1), (4, 2))])
def test_shapes_that_would_broadcast_are_refused(outputs, targets):
    with pytest.raises(ValueError, match="allowed are"):
        regression.squared_error(jnp.zeros(outputs), jnp.zeros(targets))


@pytest.mark.parametrize("logits", [(4,), (4, 1, 3), (3, 3)])
def test_logits_that_are_no_row_per_label_are_refused(logits):
    """Four logits for four labels would be read as one row of four classes."""
    for metric in classification.METRICS.values():
        with pytest.raises(ValueError, match=r"allowed are \[batch, k\] and \[batch\]"):
            metric(jnp.zeros(logits), jnp.arange(4) % 2)

"""Training losses with factors: against scikit-learn, closed forms in float64 and finite differences."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics as reference
from scipy import special

import funcdl as fd
from funcdl.data.load import make_data
from funcdl.errors import DataError, StudyError
from funcdl.metrics.weighting import class_factor, focal_factor, positive_factor
from funcdl.plan.recipe import cut
from funcdl.tasks.check import check_data
from funcdl.tasks.load import make_task

rng = np.random.default_rng(0)
LABELS = rng.integers(0, 3, 60)
LOGITS = rng.normal(0, 3, (60, 3)).astype(np.float32)
LOGITS[:4] = [[80.0, 0.0, 0.0], [0.0, 0.0, 200.0], [1e4, -1e4, 0.0], [0.0, 0.0, 0.0]]
ROWS = np.arange(60)
WEIGHTS = [1.0, 4.0, 0.5]


def task(**arguments):
    return make_task({"name": "classification", **arguments})


def losses(logits=LOGITS, labels=LABELS, **arguments) -> np.ndarray:
    return np.asarray(task(**arguments).loss(jnp.asarray(logits), jnp.asarray(labels)))


def log_p(logits=LOGITS) -> np.ndarray:
    return special.log_softmax(logits.astype(np.float64), axis=1)


def rest(logits=LOGITS, labels=LABELS) -> np.ndarray:
    """1 - p[label] with all its digits: the sum of the others' probabilities."""
    others = np.exp(log_p(logits))
    others[np.arange(len(labels)), labels] = 0
    return others.sum(1)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_focal_loss_is_its_closed_form(gamma):
    nll = -log_p()[ROWS, LABELS]
    np.testing.assert_allclose(losses(focal=gamma), rest() ** gamma * nll, 2e-5, 1e-30)


def test_class_weights_are_scikit_learns_sample_weights():
    """log_loss divides by the sum of the weights, the training loss by the number of examples."""
    found = losses(LOGITS[4:], LABELS[4:], class_weights=WEIGHTS)
    each = np.array(WEIGHTS)[LABELS[4:]]
    p = special.softmax(LOGITS[4:].astype(np.float64), axis=1)
    expected = reference.log_loss(LABELS[4:], p, sample_weight=each, labels=[0, 1, 2])
    mean = np.mean(found) * np.sum(WEIGHTS) / 3 / np.mean(each)
    assert mean == pytest.approx(expected, rel=1e-6)
    doubled = losses(LOGITS[4:], LABELS[4:], class_weights=[2 * w for w in WEIGHTS])
    np.testing.assert_allclose(doubled, found, 1e-6)
    even = np.asarray(class_factor(jnp.zeros((3, 3)), jnp.arange(3), WEIGHTS))
    assert even.mean() == pytest.approx(1)


def test_a_positive_weight_is_the_class_weights_1_and_w():
    labels, logits = LABELS % 2, LOGITS[:, :2]
    for weight in (0.1, 1.0, 30.0):
        found = losses(logits, labels, positive_weight=weight)
        np.testing.assert_allclose(found, losses(logits, labels, class_weights=[1.0, weight]), 1e-6)
    np.testing.assert_array_equal(positive_factor(jnp.arange(2), 3.0), [0.5, 1.5])


def test_all_factors_multiply_the_smoothed_loss():
    smoothed = losses(label_smoothing=0.2)
    every = losses(label_smoothing=0.2, focal=2.0, class_weights=WEIGHTS)
    factor = rest() ** 2 * np.array(WEIGHTS)[LABELS] * 3 / sum(WEIGHTS)
    np.testing.assert_allclose(every, smoothed * factor, 2e-5, 1e-30)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_the_gradient_is_that_of_finite_differences(gamma):
    def total(x: np.ndarray) -> float:
        nll = -special.log_softmax(x, axis=1)[np.arange(8), labels]
        return float(np.sum(rest(x, labels) ** gamma * nll * np.array(WEIGHTS)[labels]))

    x, labels = rng.normal(0, 2, (8, 3)), rng.integers(0, 3, 8)
    made = task(focal=gamma, class_weights=WEIGHTS)
    found = jax.grad(lambda z: jnp.sum(made.loss(z, jnp.asarray(labels))))(jnp.asarray(x))
    expected, step = np.zeros_like(x), 1e-6
    for at in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[at] += step
        down[at] -= step
        expected[at] = (total(up) - total(down)) / (2 * step)
    np.testing.assert_allclose(np.asarray(found) * sum(WEIGHTS) / 3, expected, 1e-4, 1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.3, 2.0])
def test_gradients_are_finite_where_a_prediction_is_certain(gamma):
    """Also with a traced gamma of 0, where a power of 0 would have none."""
    certain = jnp.array([[1e4, -1e4], [200.0, 0.0], [-1e4, 1e4], [0.0, -math.inf]])

    def total(z: jax.Array, g: jax.Array) -> jax.Array:
        return jnp.sum(task(focal=g).loss(z, jnp.zeros(4, int)))

    value, slope = jax.jit(jax.value_and_grad(total))(certain, jnp.float32(gamma))
    assert np.isfinite(value)
    assert np.isfinite(slope).all()
    assert slope[2, 0] < -0.5  # what is certainly wrong pulls with full weight
    ones = focal_factor(certain, jnp.zeros(4, int), jnp.float32(0.0))
    np.testing.assert_array_equal(ones, 1.0)


def test_what_is_reported_has_no_factors():
    plain, odd = task(), task(focal=2.0, class_weights=WEIGHTS, label_smoothing=0.1)
    for name, metric in plain.metrics.items():
        expected = metric(jnp.asarray(LOGITS), jnp.asarray(LABELS))
        np.testing.assert_array_equal(odd.metrics[name](LOGITS, LABELS), expected)


def test_weights_are_axes_and_tuned_numbers_and_traced():
    base = {
        "task": "classification",
        "data": (rng.normal(size=(60, 2)).astype(np.float32), np.arange(60, dtype=np.int32) % 2),
        "model": {"name": "logistic"},
        "optimizer": {"name": "sgd", "learning_rate": 0.1},
    }
    compared = fd.Study(
        **base,
        compare={"task.class_weights": [None, [1, 9]], "task.focal": [0, 2]},
        tune={"task.label_smoothing": {"uniform": [0.1, 0.2]}, "trials": 2},
    )
    recipes = [method.recipe for method in fd.config.expand(compared).methods]
    found = [(r["task"]["class_weights"], r["task"]["focal"]) for r in recipes]
    assert found == [(None, 0.0), (None, 2.0), ([1.0, 9.0], 0.0), ([1.0, 9.0], 2.0)]
    traced = [sorted(k for k in cut(r)[1] if k.startswith("task.")) for r in recipes]
    assert "task.focal" in traced[1]
    assert "task.focal" not in traced[0]  # none of it is computed
    fd.Study(**base, tune={"task.positive_weight": {"log_uniform": [0.1, 100]}, "trials": 2})
    for key, value in (("focal", -1), ("positive_weight", 0), ("class_weights", ["a"])):
        with pytest.raises(StudyError, match=f"task.{key}"):
            fd.Study(**{**base, "task": {"name": "classification", key: value}})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"focal": -0.5}, "from 0"),
        ({"focal": math.nan}, "from 0"),
        ({"positive_weight": 0.0}, "above 0"),
        ({"class_weights": [0.0, 0.0]}, "not all of them 0"),
        ({"class_weights": [1.0, -1.0]}, "from 0"),
        ({"class_weights": [1.0, 2.0], "positive_weight": 2.0}, "leave one out"),
    ],
)
def test_senseless_weights_are_refused(arguments, message):
    data = make_data((np.zeros((60, 2), np.float32), np.arange(60, dtype=np.int32) % 2))
    with pytest.raises(StudyError, match=message):
        task(**arguments)
    with pytest.raises(StudyError, match=message):
        check_data({"name": "classification", **arguments}, data)


@pytest.mark.parametrize("check", [check_data, lambda spec, data: make_task(spec).check(data)])
def test_weights_fit_the_classes(check):
    data = make_data((np.zeros((60, 2), np.float32), np.arange(60, dtype=np.int32) % 3))
    with pytest.raises(DataError, match=r"has 2 numbers, but the data have 3 classes"):
        check({"name": "classification", "class_weights": [1.0, 2.0]}, data)
    with pytest.raises(DataError, match=r"two classes, but the data have 3.*class_weights"):
        check({"name": "classification", "positive_weight": 2.0}, data)
    check({"name": "classification", "class_weights": [1.0, 2.0, 0.0]}, data)

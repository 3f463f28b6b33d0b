"""Baselines: the estimators' own numbers, measured as models are."""

import numpy as np
import pytest
import sklearn.metrics as reference
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Perceptron, Ridge

from funcdl.baselines import BASELINES
from funcdl.baselines.fit import fit_baseline
from funcdl.data.arrays import arrays, presplit
from funcdl.data.load import make_data
from funcdl.errors import StudyError
from funcdl.tasks.load import make_task

CLASSIFICATION, REGRESSION = make_task("classification"), make_task("regression")
CLASSIFIERS = [name for name, path in BASELINES.items() if path.endswith("Classifier")]
CLASSIFIERS += ["logistic_regression"]
SMALL = {"random_forest": {"n_estimators": 10}, "gradient_boosting": {"max_iter": 5}}


def points(n=150):
    random = np.random.default_rng(0)
    inputs = random.normal(size=(n, 2, 3)).astype(np.float32)
    return inputs, (inputs.sum((1, 2)) > 0).astype(np.int32) + (inputs[:, 0, 0] > 1)


def spec_of(name):
    return {"name": name, **SMALL.get(name.removesuffix("_regressor"), {})}


@pytest.mark.parametrize(
    "name", [n for n, path in BASELINES.items() if path.startswith("sklearn.")]
)
def test_every_baseline_gives_finite_metrics_and_the_same_twice(name):
    task = CLASSIFICATION if name in CLASSIFIERS else REGRESSION
    inputs, labels = points()
    data = arrays(inputs, labels if name in CLASSIFIERS else inputs.sum((1, 2)))
    first, second = (fit_baseline(spec_of(name), data, task, 3) for _ in range(2))
    for split, n in (("validation", 30), ("test", 30)):
        assert list(first[split]) == list(task.metrics)
        for metric, values in first[split].items():
            assert values.shape == (n,)
            assert values.dtype == np.float32
            assert np.isfinite(values).all()
            np.testing.assert_array_equal(values, second[split][metric])


def test_digits_equal_scikit_learn_used_directly():
    data = make_data("digits")
    flat = {name: getattr(data, name).inputs.reshape(-1, 64) for name in ("train", "test")}
    labels = data.test.targets
    found = fit_baseline(
        {"name": "random_forest", "n_estimators": 5}, data, CLASSIFICATION, seed=7
    )["test"]
    forest = RandomForestClassifier(5, random_state=7).fit(flat["train"], data.train.targets)
    p = forest.predict_proba(flat["test"])
    assert found["accuracy"].mean() == pytest.approx((p.argmax(1) == labels).mean())
    assert found["loss"].mean() == pytest.approx(reference.log_loss(labels, p), rel=1e-5)
    assert (p[np.arange(len(p)), labels] == 0).any()  # the cut at 2.2e-16 was needed
    brier = ((p - np.eye(10)[labels]) ** 2).sum(1)
    np.testing.assert_allclose(found["brier"], brier, atol=1e-6)
    assert found["accuracy"].mean() > 0.8


def test_the_seed_is_the_random_state():
    data = arrays(*points())
    losses = [
        fit_baseline(spec_of("random_forest"), data, CLASSIFICATION, seed)["test"]["loss"].sum()
        for seed in (0, 1)
    ]
    assert losses[0] != losses[1]


def test_ridge_equals_its_closed_form():
    random = np.random.default_rng(1)
    inputs = random.normal(size=(60, 4)).astype(np.float32)
    targets = (inputs @ random.normal(size=(4, 2)) + 1).astype(np.float32)
    data = arrays(inputs, targets)
    found = fit_baseline({"name": "ridge", "alpha": 2.0}, data, REGRESSION, 0)["test"]
    x, y = data.train
    centred = (x - x.mean(0)).astype(np.float64)
    weights = np.linalg.solve(centred.T @ centred + 2.0 * np.eye(4), centred.T @ (y - y.mean(0)))
    expected = (
        ((data.test.inputs - x.mean(0)) @ weights + y.mean(0) - data.test.targets) ** 2
    ).mean(1)
    np.testing.assert_allclose(found["mse"], expected, rtol=1e-4, atol=1e-6)


def test_validation_and_test_examples_are_not_trained_on():
    inputs, labels = points()
    train, validation = (inputs[:90], labels[:90]), (inputs[90:120], labels[90:120])
    test = inputs[120:], labels[120:]
    spoilt = inputs[120:] + 100, 2 - labels[120:]
    before, after = (
        fit_baseline("nearest_neighbours", presplit(train, validation, last), CLASSIFICATION, 0)
        for last in (test, spoilt)
    )
    np.testing.assert_array_equal(before["validation"]["loss"], after["validation"]["loss"])


def test_a_class_that_training_never_saw_costs_36_nats():
    inputs = np.zeros((4, 1), np.float32)
    pair = inputs, np.array([0, 1, 0, 1])
    data = presplit(pair, pair, (inputs[:1], np.array([2])), classes=3)
    found = fit_baseline("majority", data, CLASSIFICATION, 0)["test"]
    assert found["loss"].tolist() == pytest.approx([-np.log(np.finfo(float).eps)])
    assert found["accuracy"].tolist() == [0.0]


def test_estimators_may_be_given_and_are_not_changed():
    data = arrays(*points())
    given = LogisticRegression(C=0.5)
    found = [
        fit_baseline(spec, data, CLASSIFICATION, 0)["test"]["loss"]
        for spec in (given, {"name": LogisticRegression, "C": 0.5}, {"name": given, "C": 0.5})
    ]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    assert not hasattr(given, "coef_")


def test_trees_of_inputs_are_laid_side_by_side():
    inputs, labels = points()
    tree = {"a": inputs[:, 0], "b": inputs[:, 1]}
    flat = fit_baseline("logistic_regression", arrays(inputs, labels), CLASSIFICATION, 0)
    side = fit_baseline("logistic_regression", arrays(tree, labels), CLASSIFICATION, 0)
    np.testing.assert_array_equal(flat["test"]["loss"], side["test"]["loss"])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("forest", "allowed majority, logistic_regression"),
        ({"name": "random_forest", "trees": 3}, "Invalid parameter 'trees'"),
        ({"name": "random_forest", "n_estimators": -1}, "RandomForestClassifier cannot be fitted"),
        (Ridge, "Ridge gives 1 outputs, but the task has 3: use a classifier"),
        (Perceptron, "predict_proba"),
        (3, "estimator"),
    ],
)
def test_what_does_not_fit_a_classification_is_refused(spec, message):
    with pytest.raises(StudyError, match=message):
        fit_baseline(spec, arrays(*points()), CLASSIFICATION, 0)


def test_a_classifier_does_not_fit_a_regression():
    inputs, labels = points()
    with pytest.raises(StudyError, match="Unknown label type"):
        fit_baseline("random_forest", arrays(inputs, inputs[:, 0, 0]), REGRESSION, 0)
    with pytest.raises(StudyError, match="use a regressor"):
        fit_baseline(DummyClassifier(), arrays(inputs, labels), REGRESSION, 0)

"""Fits a scikit-learn estimator, and measures it exactly as the task measures a model."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import sklearn.base
from threadpoolctl import threadpool_limits

from funcdl.baselines import BASELINES
from funcdl.errors import Problem, StudyError
from funcdl.types import Dataset, PyTree, Task

_LEAST = np.finfo(np.float64).eps  # a probability of 0 would cost infinitely much; as in log_loss


def fit_baseline(
    spec: Any, dataset: Dataset, task: Task, seed: int
) -> dict[str, dict[str, np.ndarray]]:
    """Fits on the training split only, and applies the task's metrics to the other two.

    Inputs are flattened to `[n, features]`. A classifier's probabilities, cut off below at 2.2e-16,
    become logits by their logarithm; a regressor's predictions are outputs as they are. An estimator
    with a method `outputs(inputs, width)` is given the inputs unflattened, and gives what the task's
    models give, `[n, ...]`. It runs on one thread, so that its bits do not depend on the number of cores.

    Args:
      spec: a name in `BASELINES`, a scikit-learn estimator or its class, or a mapping with one of
        these as `name` and its constructor's arguments beside it.
      dataset: the data, as the task checked them.
      task: gives the metrics and the width of the outputs.
      seed: the `random_state`, where the estimator takes one.

    Returns:
      `{"validation": {metric: float32 [n]}, "test": {metric: float32 [n]}}`.

    Raises:
      StudyError: if the name or an argument is unknown, or the estimator is for another task.
    """
    outputs = predict_baseline(spec, dataset, task, seed)
    return {name: measure(task, dataset, name, found) for name, found in outputs.items()}


def measure(task: Task, dataset: Dataset, name: str, outputs: Any) -> dict[str, np.ndarray]:
    """The task's metrics of each example of a split, `{metric: float32 [n]}`.

    Args:
      task: gives the metrics.
      dataset: holds the targets.
      name: of the split.
      outputs: as `predict_baseline` gives them.
    """
    arrays = jax.tree.map(jnp.asarray, (outputs, getattr(dataset, name).targets))
    return {
        metric: np.asarray(function(*arrays), np.float32)
        for metric, function in task.metrics.items()
    }


def predict_baseline(spec: Any, dataset: Dataset, task: Task, seed: int) -> dict[str, np.ndarray]:
    """Fits on the training split only, and predicts the other two.

    Args:
      spec: as in `fit_baseline`; so are the others.
      dataset: the data, as the task checked them.
      task: gives the width of the outputs.
      seed: the `random_state`, where the estimator takes one.

    Returns:
      `{"validation": float32 [n, width], "test": float32 [n, width]}`.

    Raises:
      StudyError: if the name or an argument is unknown, or the estimator is for another task.
    """
    estimator = _estimator(spec, seed)
    read, outputs = side_by_side, _classify if sklearn.base.is_classifier(estimator) else _regress
    if hasattr(estimator, "outputs"):
        read, outputs = _as_they_are, _own
    width = task.outputs(dataset)
    if width == 0 and not hasattr(estimator, "outputs"):
        raise _wrong(
            f"{type(estimator).__name__} predicts, but the task needs a score per example; allowed "
            "isolation_forest, pca_reconstruction, or an estimator with outputs(inputs, width) -> [n]"
        )
    predicted = {}
    with threadpool_limits(limits=1):
        try:
            estimator.fit(
                read(dataset.train.inputs), jax.tree.map(np.asarray, dataset.train.targets)
            )
        except (TypeError, ValueError) as error:
            raise _wrong(f"{type(estimator).__name__} cannot be fitted: {error}") from error
        for name, split in (("validation", dataset.validation), ("test", dataset.test)):
            predicted[name] = np.asarray(outputs(estimator, read(split.inputs), width))
    return predicted


def _estimator(spec: Any, seed: int) -> Any:
    """A fresh estimator; its n_jobs, by default one, is left alone."""
    what, arguments = spec, {}
    if isinstance(spec, Mapping):
        what = spec["name"]
        arguments = {key: value for key, value in spec.items() if key != "name"}
    if isinstance(what, str):
        if what not in BASELINES:
            raise _wrong(f"no baseline is named {what!r}; allowed {', '.join(BASELINES)}")
        what = pkgutil.resolve_name(BASELINES[what])
    try:
        estimator: Any = what() if callable(what) else sklearn.base.clone(what)
        known = estimator.get_params()
        seeded = {"random_state": seed} if "random_state" in known else {}
        return estimator.set_params(**{**seeded, **arguments})
    except (TypeError, ValueError) as error:
        raise _wrong(str(error)) from error


def _classify(estimator: Any, inputs: np.ndarray, width: int) -> jax.Array:
    """Logits `[n, width]`."""
    name = type(estimator).__name__
    if not hasattr(estimator, "predict_proba"):
        raise _wrong(
            f"{name} gives no probabilities (predict_proba), which the loss needs; "
            "wrap it in sklearn.calibration.CalibratedClassifierCV"
        )
    labels = estimator.classes_
    if labels.dtype.kind not in "iu" or labels.max() >= width:
        raise _wrong(f"{name} is a classifier, but the task has {width} outputs: use a regressor")
    probabilities = np.zeros((len(inputs), width))  # classes that training never saw stay at 0
    probabilities[:, labels] = estimator.predict_proba(inputs)
    return jnp.asarray(np.log(np.maximum(probabilities, _LEAST)), jnp.float32)


def _regress(estimator: Any, inputs: np.ndarray, width: int) -> jax.Array:
    """Predictions `[n, width]`."""
    predicted = np.asarray(estimator.predict(inputs)).reshape(len(inputs), -1)
    if predicted.shape[1] != width:
        raise _wrong(
            f"{type(estimator).__name__} gives {predicted.shape[1]} outputs, but the task has "
            f"{width}: use a classifier"
        )
    return jnp.asarray(predicted, jnp.float32)


def _own(estimator: Any, inputs: PyTree, width: int) -> np.ndarray:
    """Outputs of any shape, as the task's models give them."""
    try:
        return np.asarray(estimator.outputs(inputs, width), np.float32)
    except ValueError as error:
        raise _wrong(f"{type(estimator).__name__}: {error}") from error


def _as_they_are(inputs: PyTree) -> PyTree:
    return jax.tree.map(np.asarray, inputs)


def side_by_side(inputs: PyTree) -> np.ndarray:
    """`[n, features]`, the arrays of a tree side by side."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(inputs)]
    return np.concatenate([leaf.reshape(len(leaf), -1) for leaf in leaves], axis=1)


def _wrong(message: str) -> StudyError:
    return StudyError([Problem("", "baselines", message)])

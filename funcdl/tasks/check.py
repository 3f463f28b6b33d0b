"""Whether data fit their task, asked before anything is compiled."""

from __future__ import annotations

from typing import Any

from funcdl.tasks.anomalies import check_anomalies
from funcdl.tasks.choices import check_choices
from funcdl.tasks.labels import check_labels, check_metrics, check_smoothing
from funcdl.tasks.load import make_task, name_and_arguments
from funcdl.tasks.numbers import check_numbers
from funcdl.tasks.series import check_levels, check_series
from funcdl.tasks.weights import check_weighted_classes, check_weighting
from funcdl.types import Dataset


def check_data(spec: Any, dataset: Dataset) -> None:
    """Checks that a data set and a study's `task` section fit each other.

    The same as `make_task(spec).check(dataset)`, but for funcdl's own tasks without importing JAX,
    so that a study can be refused within its first second.

    Raises:
      DataError: if the data do not fit the task.
      StudyError: if the section does not make a task.
    """
    name, arguments = name_and_arguments(spec)
    if name == "classification":
        check_smoothing(label_smoothing=arguments.get("label_smoothing", 0.0))
        check_labels(dataset)
        check_metrics(dataset, arguments.get("metrics", ()))
        weights = {key: arguments.get(key) for key in ("class_weights", "positive_weight")}
        check_weighting(focal=arguments.get("focal", 0.0), **weights)
        check_weighted_classes(dataset, **weights)
    elif name == "regression":
        check_numbers(dataset)
    elif name == "anomaly":
        check_anomalies(dataset, contaminated=arguments.get("contaminated", False))
    elif name == "forecasting":
        given = {key: arguments[key] for key in ("loss", "quantiles") if key in arguments}
        check_levels(**given)
        check_series(dataset)
    elif name == "recommendation":
        check_choices(dataset)
    else:
        make_task(spec).check(dataset)

"""What comes next in a series: H steps, or quantiles of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import jax.numpy as jnp

from funcdl.metrics import forecasting as measures
from funcdl.tasks.series import check_levels, check_series, count_steps
from funcdl.tasks.summaries import chosen, chosen_values
from funcdl.types import Array, Dataset, PyTree, Task


def forecasting(
    *,
    loss: Literal["mse", "mae", "pinball"] = "mse",
    quantiles: Sequence[float] = (),
    metrics: Sequence[str] = (),
) -> Task:
    """Makes the task of forecasting: outputs are scaled steps `[batch, H]`, or quantiles `[batch, H * Q]`.

    Targets are those that series have with `data.details: true`, so that errors are also told in the
    series' own unit. Reports `loss` (of scaled steps, as it is trained), `mse` and `mae` (of scaled steps),
    `mape`, `smape` and `mase` (of values) and `pinball` (of steps in their own unit); see
    `funcdl.metrics.forecasting`.

    Args:
      loss: what is trained on; `pinball` with quantiles, the others without.
      quantiles: levels that rise, with 0.5 in the middle, which is the point forecast: [0.1, 0.5, 0.9].
      metrics: more metrics, of whole splits: names of `SUMMARIES["forecasting"]`, such as "rmse".

    Raises:
      StudyError: if quantiles and loss do not fit each other, or a metric is unknown.
    """
    check_levels(loss=loss, quantiles=quantiles)
    levels = tuple(map(float, quantiles))

    def crossing(outputs: Array, targets: PyTree) -> Array:
        """As it is trained: quantiles that cross are not sorted, which would cost more than it gains."""
        found = jnp.reshape(outputs, (len(outputs), -1, len(levels)))
        return measures.scaled_pinball(found, targets["steps"], levels)

    def sorted_pinball(outputs: Array, targets: PyTree) -> Array:
        found = measures.quantiles(outputs, targets)
        return measures.scaled_pinball(found, targets["steps"], levels)

    of_points = {"mse": measures.squared_error, "mae": measures.absolute_error}
    every = {
        "loss": of_points.get(loss, sorted_pinball),
        **of_points,
        "mape": measures.absolute_percentage_error,
        "smape": measures.symmetric_percentage_error,
        "mase": measures.absolute_scaled_error,
        "pinball": measures.pinball(levels or (0.5,)),
    }

    summaries, fitted = chosen("forecasting", metrics, every)

    def outputs(dataset: Dataset) -> int:
        return count_steps(dataset) * max(1, len(levels))

    return Task(
        loss=of_points.get(loss, crossing),
        metrics=every,
        outputs=outputs,
        check=check_series,
        summaries=summaries,
        fitted=fitted,
        values=chosen_values("forecasting", metrics),
    )

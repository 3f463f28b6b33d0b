"""Metrics of whole splits by name: those that are no means over examples. No JAX.

A study asks for them, `metrics: [ece, conformal_size@0.05]`; what stands after `@` takes the place of
the default of the metric's one argument.
"""

from __future__ import annotations

import functools
import pkgutil
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

from funcdl.errors import Problem, StudyError

Mode = Literal["min", "max"]


class Summary(NamedTuple):
    """A metric of a whole split.

    target: its function, `"module:name"`; see `funcdl.types.Task` for how it is called.
    mode: which way is better; None where neither is, as for a coverage.
    takes: the name of its one argument, "bins", "alpha" or "k"; empty if it has none.
    fitted: whether it is fitted on the validation split, so that it exists for the test split only.
    values: the function that gives it a value per test example, `"module:name"`; it is called as
        `target` is, with the same argument. Empty if there is none.
    classes: how many classes the data must have; 0 for any number.
    """

    target: str
    mode: Mode | None
    takes: Literal["", "bins", "alpha", "k"] = ""
    fitted: bool = False
    values: str = ""
    classes: int = 0


def _pulled(target: str, *, fitted: bool = False, classes: int = 0) -> Summary:
    """A metric of which more is better, and whose values per example stand beside it, `..._values`."""
    return Summary(target, "max", fitted=fitted, values=f"{target}_values", classes=classes)


_RELIABILITY = "funcdl.metrics.reliability"
_TEMPERATURE = "funcdl.metrics.temperature"
_CONFORMAL = "funcdl.metrics.conformal"
_GAUSSIAN = "funcdl.metrics.gaussian"
_FORECAST = "funcdl.metrics.forecast_errors"
_DECISIONS = "funcdl.metrics.decisions"
_CURVES = "funcdl.metrics.curves"
_THRESHOLDS = "funcdl.metrics.thresholds"
_CUTOFFS = "funcdl.metrics.cutoffs"

SUMMARIES: dict[str, dict[str, Summary]] = {
    "classification": {
        "precision": _pulled(f"{_DECISIONS}:precision", classes=2),
        "recall": _pulled(f"{_DECISIONS}:recall", classes=2),
        "f1": _pulled(f"{_DECISIONS}:f1", classes=2),
        "precision_macro": _pulled(f"{_DECISIONS}:precision_macro"),
        "recall_macro": _pulled(f"{_DECISIONS}:recall_macro"),
        "f1_macro": _pulled(f"{_DECISIONS}:f1_macro"),
        "balanced_accuracy": _pulled(f"{_DECISIONS}:balanced_accuracy"),
        "mcc": _pulled(f"{_DECISIONS}:mcc"),
        "auroc": _pulled(f"{_CURVES}:auroc", classes=2),
        "average_precision": _pulled(f"{_CURVES}:average_precision", classes=2),
        "precision_tuned": _pulled(f"{_THRESHOLDS}:precision_tuned", fitted=True, classes=2),
        "recall_tuned": _pulled(f"{_THRESHOLDS}:recall_tuned", fitted=True, classes=2),
        "f1_tuned": _pulled(f"{_THRESHOLDS}:f1_tuned", fitted=True, classes=2),
        "ece": Summary(f"{_RELIABILITY}:expected_calibration_error", "min", "bins"),
        "ece_adaptive": Summary(f"{_RELIABILITY}:adaptive_calibration_error", "min", "bins"),
        "mce": Summary(f"{_RELIABILITY}:maximum_calibration_error", "min", "bins"),
        "temperature": Summary(f"{_TEMPERATURE}:temperature", None, fitted=True),
        "temperature_nll": Summary(
            f"{_TEMPERATURE}:temperature_nll",
            "min",
            "",
            True,
            f"{_TEMPERATURE}:temperature_nll_values",
        ),
        "temperature_ece": Summary(f"{_TEMPERATURE}:temperature_ece", "min", "bins", True),
        "conformal_coverage": Summary(f"{_CONFORMAL}:set_coverage", None, "alpha", True),
        "conformal_size": Summary(
            f"{_CONFORMAL}:set_size", "min", "alpha", True, f"{_CONFORMAL}:set_size_values"
        ),
    },
    "regression": {
        "rmse": Summary(f"{_GAUSSIAN}:rmse", "min", values=f"{_GAUSSIAN}:rmse_values"),
        "r2": _pulled(f"{_GAUSSIAN}:r2"),
        "gaussian_nll": Summary(
            f"{_GAUSSIAN}:gaussian_nll", "min", "", True, f"{_GAUSSIAN}:gaussian_nll_values"
        ),
        "gaussian_coverage": Summary(f"{_GAUSSIAN}:gaussian_coverage", None, "alpha", True),
        "pit_distance": Summary(f"{_GAUSSIAN}:pit_distance", "min", fitted=True),
        "conformal_coverage": Summary(f"{_CONFORMAL}:interval_coverage", None, "alpha", True),
        "conformal_width": Summary(f"{_CONFORMAL}:interval_width", "min", "alpha", True),
    },
    "anomaly": {
        "auroc": Summary(f"{_CURVES}:auroc", "max", values=f"{_CURVES}:auroc_values"),
        "average_precision": Summary(
            f"{_CURVES}:average_precision", "max", values=f"{_CURVES}:average_precision_values"
        ),
        **{
            name: Summary(
                f"{_THRESHOLDS}:{name}", "max", fitted=True, values=f"{_THRESHOLDS}:{name}_values"
            )
            for name in ("f1_tuned", "precision_tuned", "recall_tuned")
        },
    },
    "forecasting": {
        "rmse": Summary(f"{_FORECAST}:rmse", "min", values=f"{_FORECAST}:rmse_values"),
        "rmse_steps": Summary(
            f"{_FORECAST}:rmse_steps", "min", values=f"{_FORECAST}:rmse_steps_values"
        ),
        "coverage": Summary(f"{_FORECAST}:coverage", None, values=f"{_FORECAST}:coverage_values"),
    },
    "recommendation": {
        name: Summary(f"{_CUTOFFS}:{name}", "max", "k", values=f"{_CUTOFFS}:{name}_values")
        for name in ("ndcg", "recall", "precision")
    },
}


def argument_of(summary: Summary, text: str) -> int | float:
    """What stands after `@`, as a number.

    Raises:
      ValueError: saying what is allowed.

    >>> argument_of(SUMMARIES["classification"]["ece"], "30")
    30
    """
    if not summary.takes:
        raise ValueError("takes no argument; leave out what follows @")
    if summary.takes in ("bins", "k"):
        if text.isascii() and text.isdigit() and 1 <= int(text) <= 10_000:
            return int(text)
        what = "number of bins" if summary.takes == "bins" else "cutoff"
        raise ValueError(f"@{text} given; allowed is a {what} from 1 to 10000, such as @30")
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if 0 < value < 1:
        return value
    raise ValueError(f"@{text} given; allowed is an alpha above 0 and below 1, such as @0.05")


def named(task: str, word: str) -> tuple[str, Summary | None, str]:
    """A metric as a study writes it: its name, what it is (None if unknown), what follows `@`."""
    name, _, text = word.partition("@")
    return name, SUMMARIES.get(task, {}).get(name), text


def directions(task: str, words: Iterable[str]) -> dict[str, Mode | None]:
    """Which way is better, of those asked for that the validation split has, too."""
    every = ((word, named(task, word)[1]) for word in words)
    return {word: found.mode for word, found in every if found and not found.fitted}


Chosen = dict[str, Callable[..., Any]]


def chosen(task: str, words: Iterable[str], cheap: Iterable[str]) -> tuple[Chosen, Chosen]:
    """The functions of the metrics that are asked for.

    Args:
      task: a name of `SUMMARIES`.
      words: what is asked for.
      cheap: the metrics that the task always has; asking for one changes nothing.

    Returns:
      `Task.summaries` and `Task.fitted`; `chosen_values` gives `Task.values`.

    Raises:
      StudyError: for a metric that the task does not know, or an argument that it cannot take.
    """
    cheap = list(cheap)
    plain, fitted = {}, {}
    for word in words:
        if word in cheap:
            continue
        summary = _known(task, word, cheap)
        (fitted if summary.fitted else plain)[word] = _function(task, word, summary.target)
    return plain, fitted


def chosen_values(task: str, words: Iterable[str]) -> Chosen:
    """`Task.values`: per-example values of the metrics that are asked for and have them.

    Args:
      task: a name of `SUMMARIES`.
      words: what is asked for.
    """
    known = ((word, named(task, word)[1]) for word in words)
    return {
        word: _function(task, word, summary.values)
        for word, summary in known
        if summary is not None and summary.values
    }


def _known(task: str, word: str, cheap: Iterable[str]) -> Summary:
    summary = named(task, word)[1]
    if summary is None:
        allowed = ", ".join([*cheap, *SUMMARIES[task]])
        message = f"unknown metric {word!r} of {task}; allowed {allowed}"
        raise StudyError([Problem("", "task.metrics", message)])
    return summary


def _function(task: str, word: str, target: str) -> Callable[..., Any]:
    """What stands at `target`, with what follows `@`."""
    function: Any = pkgutil.resolve_name(target)
    name, summary, text = named(task, word)
    if summary is None or "@" not in word:
        return function
    try:
        return functools.partial(function, **{summary.takes: argument_of(summary, text)})
    except ValueError as error:
        raise StudyError([Problem("", "task.metrics", f"{name}: {error}")]) from error

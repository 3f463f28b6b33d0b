"""What a method's measured runs said of each example, and what that is worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from funcdl.metrics.conformal import (
    interval_coverage,
    interval_width,
    set_coverage,
    set_size,
)
from funcdl.metrics.ensemble import ensemble
from funcdl.metrics.gaussian import gaussian_coverage, gaussian_nll, rmse
from funcdl.metrics.probabilities import log_probabilities, mean_brier, mean_nll
from funcdl.metrics.reliability import expected_calibration_error
from funcdl.metrics.temperature import fit_temperature
from funcdl.report.evidence import Examples, by_unit
from funcdl.report.material import Material
from funcdl.report.record import measured, records
from funcdl.stats.interval import Interval, mean_interval

Scored = tuple[np.ndarray, np.ndarray]  # outputs [n, k] and targets [n, ...] of a split
CLASSES, NUMBERS = "classification", "regression"


class Predicted(NamedTuple):
    """One measured run's predictions.

    units: which test examples belong together, `[n]`; None where each stands alone.
    """

    run: str
    test: Scored
    validation: Scored
    repeat: int = 0
    units: np.ndarray | None = None


def predicted(material: Material, block: str) -> dict[str, list[Predicted]]:
    """Method -> its finished runs whose predictions were kept, in the order of the repeats."""
    question = material.question
    splits = [(material.predictions(s), material.targets(s)) for s in ("test", "validation")]
    found: dict[str, list[Predicted]] = {label: [] for label in question.labels(block)}
    if not all(outputs and targets for outputs, targets in splits):
        return {}
    for run in sorted(measured(records(material.runs), question.metric), key=_repeat):
        name, label = run["id"], run["method"]
        kept = all(name in outputs and name in targets for outputs, targets in splits)
        if run["block"] == block and run["status"] == "ok" and kept and label in found:
            test, valid = ((outputs[name], targets[name]) for outputs, targets in splits)
            units = material.units(name)
            found[label].append(Predicted(name, test, valid, _repeat(run), units))
    return {label: runs for label, runs in found.items() if runs}


def _repeat(run: Mapping) -> int:
    return run["repeat"]


def _scaled(run: Predicted) -> dict[str, float]:
    """A classifier before and after temperature scaling."""
    (logits, labels), heat = run.test, fit_temperature(*run.validation)
    after = np.asarray(logits, np.float64) / heat
    return {
        "NLL": mean_nll(logits, labels),
        "Brier": mean_brier(logits, labels),
        "ECE": expected_calibration_error(logits, labels),
        "temperature": heat,
        "NLL at it": mean_nll(after, labels),
        "ECE at it": expected_calibration_error(after, labels),
    }


def _sets(run: Predicted) -> dict[str, float]:
    return {
        "coverage": set_coverage(run.test, run.validation),
        "labels in a set": set_size(run.test, run.validation),
    }


def _errors(run: Predicted) -> dict[str, float]:
    return {
        "RMSE": rmse(*run.test),
        "Gaussian NLL": gaussian_nll(run.test, run.validation),
        "Gaussian coverage": gaussian_coverage(run.test, run.validation),
        "conformal coverage": interval_coverage(run.test, run.validation),
        "conformal width": interval_width(run.test, run.validation),
    }


Measures = Callable[[Predicted], dict[str, float]]
CALIBRATION: dict[str, Measures] = {CLASSES: _scaled, NUMBERS: _errors}
CONFORMAL: dict[str, Measures] = {CLASSES: _sets}


class Together(NamedTuple):
    """A method's runs as one predictor.

    members: how many.
    alone: the members' mean negative log-likelihood, or mean squared error.
    together: that of their mean prediction, never larger.
    gain: alone - together, with an interval over test examples (units of them, where some belong
        together), these members held.
    right_alone, right_together: the share of right labels; None for numbers.
    mutual: mean mutual information of label and member, in nats; None for numbers.
    """

    members: int
    alone: float
    together: float
    gain: Interval
    right_alone: float | None
    right_together: float | None
    mutual: float | None


def together(runs: Sequence[Predicted], task: str, level: float) -> Together | None:
    """The ensemble of a method's runs; None for one run, or for runs with test sets of their own."""
    targets = runs[0].test[1]
    if len(runs) < 2 or not all(np.array_equal(run.test[1], targets) for run in runs):
        return None
    outputs = np.stack([run.test[0] for run in runs]).astype(np.float64)
    if task == NUMBERS:
        wanted = targets.reshape(outputs.shape[1:])
        each = np.mean((outputs - wanted) ** 2, axis=(0, 2))
        joint = np.mean((outputs.mean(axis=0) - wanted) ** 2, axis=1)
        gain = _gain(each, joint, runs[0].units, level)
        return Together(len(runs), each.mean(), joint.mean(), gain, None, None, None)
    found, rows = ensemble(outputs), np.arange(len(targets))
    each = -log_probabilities(outputs)[:, rows, targets].mean(axis=0)
    joint = -found.logits[rows, targets]
    return Together(
        len(runs),
        float(each.mean()),
        float(joint.mean()),
        _gain(each, joint, runs[0].units, level),
        float(np.mean(outputs.argmax(axis=2) == targets)),
        float(np.mean(found.logits.argmax(axis=1) == targets)),
        float(found.mutual.mean()),
    )


def _gain(alone: np.ndarray, joint: np.ndarray, units: np.ndarray | None, level: float) -> Interval:
    """Over examples; for none is it below 0, so that what is there of that kind is rounding."""
    known = np.isfinite(alone) & np.isfinite(joint)
    gain = alone[known] - joint[known]
    if not len(gain):
        return mean_interval(gain, level)
    mine = units[known] if units is not None and len(units) == len(known) else None
    sums, sizes = by_unit(np.where(gain > 1e-12, gain, 0.0)[None], mine)
    return mean_interval(Examples(sums[0], sizes).values(), level)

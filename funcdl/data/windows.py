"""Windows of series: what was, and what came next, split where time runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from funcdl.data.digest import digest
from funcdl.data.split import split_as
from funcdl.data.tree import take
from funcdl.errors import DataError
from funcdl.types import Dataset, PyTree, Split

Transform = Literal["none", "difference", "log_return"]
TRANSFORMS = ("none", "difference", "log_return")


class Series(NamedTuple):
    """One series.

    name: what to call it.
    times: `[t]`, rising; integers, or times as NumPy has them. Those of several series are one clock.
    values: float64 `[t]`.
    """

    name: str
    times: np.ndarray
    values: np.ndarray


def windows(
    series: Sequence[Series],
    *,
    window: int,
    horizon: int,
    transform: Transform,
    details: bool,
    split: Mapping[str, Any],
    period: int = 1,
) -> Dataset:
    """Cuts series into examples: `window` steps, and the `horizon` steps after them.

    Steps are values, differences `v[t] - v[t-1]`, or logarithmic returns `log(v[t] / v[t-1])`, less
    the mean and divided by the standard deviation that they have before validation begins, series by
    series. (Returns and differences are divided only: a random walk must stay the forecast 0.)

    The moment of an example is that of its first target. Moments are cut in the order of time: the
    last are the test split's, those before them the validation split's. Training and validation
    windows whose targets reach into the next split are left out; that what a test window looks back on
    may lie before the cut is how forecasts are used.

    Args:
      series: what to cut; each needs `window + horizon` steps and one more where steps are changes.
      window: steps that a model sees.
      horizon: steps that it forecasts.
      transform: what a step is.
      details: give targets with what errors in the series' own unit need, see below.
      split: `by: order`, `test`, `validation`, `block` and `origins`, as `funcdl.data.split.split` has
        them; fractions and counts are of moments, and so are blocks.
      period: of the naive forecast that MASE divides by: 1 is the last value, 24 with a value per hour
        that of the same hour of the day before.

    Returns:
      A `Dataset` with inputs float32 `[n, window, 1]`, oldest step first, and targets float32
      `[n, horizon]` in the same unit; with `details` a dict, each float32:
      `steps` `[n, horizon]`, those targets; `last` `[n]`, the series' value before them; `future`
      `[n, horizon]`, the values themselves; `mean` and `scale` `[n]`: a step is `steps * scale + mean`;
      `naive` `[n]`, the mean of `|v[t] - v[t - period]|` before validation begins, which MASE divides by
      (1 for a series that does not change); and `transform` int32 `[n]`, what a step is, as a place in
      `TRANSFORMS`, so that a forecast of steps can be told in values.

    Raises:
      DataError: for series that are too short, not finite, or not positive under `log_return`, and for
        splits that are not in the order of time.
    """
    _check(window, horizon, period, split)
    cut = [_cut(one, window, horizon, transform) for one in series]
    moments = np.unique(np.concatenate([one.moments for one in cut]))
    numbers = np.arange(len(moments))
    parts = split_as(split, numbers, numbers.astype(np.float32))
    begins = {name: getattr(parts, name).inputs[0] for name in ("train", "validation", "test")}
    # What the targets of a split must come before; what comes after the test split is not trained on.
    ends = {"train": begins["validation"], "validation": begins["test"], "test": np.inf}
    # Without origins all that comes before validation is known; otherwise each has its own past.
    since = moments[begins["train"]] if begins["train"] else None
    fits = [_fit(one, since, moments[begins["validation"]], transform, period) for one in cut]
    code = TRANSFORMS.index(transform) if details else None
    inputs, targets, first, last = _stack(cut, fits, moments, code)
    for what in (inputs, targets["future"] if isinstance(targets, dict) else targets):
        _check_size(what)
    rows = {name: _between(first, last, getattr(parts, name).inputs, ends[name]) for name in begins}
    for name, chosen in rows.items():
        if not len(chosen):
            raise DataError(
                f"the {name} split has no window whose {horizon} targets lie inside it; lower "
                "data.horizon, or give data.split more moments"
            )
    splits = {name: Split(take(inputs, r), take(targets, r)) for name, r in rows.items()}
    units = parts.units
    if units is not None:
        units = units[first[rows["test"]] - begins["test"]]
    return Dataset(**splits, classes=(), digest=digest(splits), units=units, ids={})


def _between(first: np.ndarray, last: np.ndarray, own: np.ndarray, end: float) -> np.ndarray:
    """The windows that begin at a moment of the split and end before another, in the order of time."""
    rows = np.flatnonzero((first >= own[0]) & (first <= own[-1]) & (last < end))
    return rows[np.argsort(first[rows], kind="stable")]


class _Cut(NamedTuple):
    """A series as windows: their steps, the moments of their first and last targets, and its parts."""

    inputs: np.ndarray  # [n, window]
    targets: np.ndarray  # [n, horizon]
    moments: np.ndarray  # [n]
    ends: np.ndarray  # [n]
    last: np.ndarray  # [n]
    future: np.ndarray  # [n, horizon]
    series: Series
    steps: np.ndarray  # [t] or [t - 1]
    times: np.ndarray  # of the steps


def _cut(series: Series, window: int, horizon: int, transform: Transform) -> _Cut:
    values = series.values
    changes = transform != "none"
    if transform == "log_return" and (values <= 0).any():
        at = int(np.argmax(values <= 0))
        raise DataError(
            f"series {series.name}: value {values[at]:g} at {series.times[at]}; logarithmic returns need "
            "values above 0: use transform: difference or none"
        )
    steps = {"none": values, "difference": np.diff(values)}.get(transform)
    steps = np.diff(np.log(values)) if steps is None else steps
    n = len(steps) - window - horizon + 1
    if n < 1:
        raise DataError(
            f"series {series.name} has {len(values)} values; window {window} and horizon {horizon} need "
            f"at least {window + horizon + changes}"
        )
    times, known = series.times[changes:], values[changes:]
    future = np.lib.stride_tricks.sliding_window_view(known[window:], horizon)
    return _Cut(
        inputs=np.lib.stride_tricks.sliding_window_view(steps, window)[:n],
        targets=np.lib.stride_tricks.sliding_window_view(steps[window:], horizon),
        moments=times[window : window + n],
        ends=times[window + horizon - 1 :],
        last=known[window - 1 : window - 1 + n],
        future=future,
        series=series,
        steps=steps,
        times=times,
    )


def _fit(
    cut: _Cut, since: Any, validation: Any, transform: Transform, period: int
) -> tuple[float, float, float]:
    """Mean and standard deviation of the steps before validation, and the naive forecast's error."""
    times = cut.series.times
    past = (times < validation) & (True if since is None else times >= since)
    seen = cut.steps[past[len(past) - len(cut.steps) :]]
    values = cut.series.values[past]
    if len(seen) < 2 or len(values) <= period:
        raise DataError(
            f"series {cut.series.name} has {len(values)} values before validation begins, so that its scale "
            "is not known; leave it out, or lower data.split.test, data.split.validation or data.period"
        )
    deviation = float(seen.std())
    naive = float(np.abs(values[period:] - values[:-period]).mean())
    mean = float(seen.mean()) if transform == "none" else 0.0
    return mean, deviation or 1.0, naive or 1.0


def _stack(
    cut: Sequence[_Cut],
    fits: Sequence[tuple[float, float, float]],
    moments: np.ndarray,
    code: int | None,
) -> tuple[np.ndarray, PyTree, np.ndarray, np.ndarray]:
    def joined(parts: Any) -> np.ndarray:
        with np.errstate(over="ignore"):  # `_check_size` says so
            return np.concatenate([np.asarray(part, np.float32) for part in parts])

    inputs = joined(
        (c.inputs - mean) / scale for c, (mean, scale, _) in zip(cut, fits, strict=True)
    )
    targets = joined(
        (c.targets - mean) / scale for c, (mean, scale, _) in zip(cut, fits, strict=True)
    )
    first = np.searchsorted(moments, np.concatenate([c.moments for c in cut]))
    # The end of a window need not be the moment of any other: the first moment not before it.
    last = np.searchsorted(moments, np.concatenate([c.ends for c in cut]))
    if code is None:
        return inputs[..., None], targets, first, last

    def each(which: int) -> np.ndarray:
        return joined(np.full(len(c.last), fit[which]) for c, fit in zip(cut, fits, strict=True))

    told = {
        "steps": targets,
        "last": joined(c.last for c in cut),
        "future": joined(c.future for c in cut),
        "mean": each(0),
        "scale": each(1),
        "naive": each(2),
        "transform": np.full(len(targets), code, np.int32),
    }
    return inputs[..., None], told, first, last


def _check_size(found: np.ndarray) -> None:
    if not np.isfinite(found).all():
        raise DataError(
            "a value of the series is too far from the others for float32; correct it, or divide the values"
        )


def _check(window: int, horizon: int, period: int, split: Mapping[str, Any]) -> None:
    for name, value in (("window", window), ("horizon", horizon), ("period", period)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise DataError(f"data.{name} is {value!r}; allowed are integers from 1")
    if isinstance(split, Mapping) and split.get("by", "order") != "order":
        raise DataError(
            f"split.by is {split['by']!r}; windows overlap, so that series are split by: order alone"
        )

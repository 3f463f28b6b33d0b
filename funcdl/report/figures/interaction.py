"""Two tuned keys against each other: where in the plane do good trials lie? A panel per method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from funcdl.report.figures.drawing import (
    INK,
    OTHERS,
    WIDTH,
    Drawing,
    axis_title,
    plain_log,
    shortened,
    style,
)
from funcdl.report.figures.palette import LIGHT
from funcdl.report.question import Question
from funcdl.report.trials import Trial, thinned
from funcdl.report.wording import plain

PANELS, COLUMNS = 9, 3
POINTS = 200  # in a panel
XTICKS = (7, 6, 4)  # of one, two and three columns
# From the worst fifth of a method's trials to its best: one hue, fuller and larger, so that neither
# colour vision nor a dark page matters.
FIFTHS = ((0.24, 3.2), (0.4, 3.9), (0.6, 4.6), (0.8, 5.3), (1.0, 6.0))
ROW, ALONE, FOOT = 1.62, 2.2, 0.98  # inches


def interaction(
    question: Question,
    found: Mapping[str, Sequence[Trial]],
    block: str,
    keys: tuple[str, str],
    chosen: Mapping[str, int | None],
) -> Drawing | None:
    """Each trial at its values of two keys, the better the larger and the fuller in colour.

    Args:
        question: what was asked.
        found: method -> its trials, in the order of the panels; the first nine are drawn.
        block: the block of these methods.
        keys: the tuned keys along x and y.
        chosen: method -> the selected trial.
    """
    drawn = {
        label: points
        for label, trials in found.items()
        if len(points := [one for one in trials if all(key in one.values for key in keys)]) > 1
    }
    drawn = dict(list(drawn.items())[:PANELS])
    if not drawn:
        return None
    total = max(map(len, drawn.values()))
    drawn = {label: thinned(points, POINTS, chosen.get(label)) for label, points in drawn.items()}
    columns = min(COLUMNS, len(drawn))
    rows = -(-len(drawn) // columns)
    with style():
        height = (ROW if rows > 1 else ALONE) * rows + FOOT
        figure = Figure(figsize=(WIDTH, height))
        axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        places = [_Scale(question, block, key, drawn) for key in keys]
        for ax, (label, points) in zip(axes.flat, drawn.items(), strict=False):
            _panel(ax, question, points, places, chosen.get(label))
            ax.set_title(shortened(label, 60 // columns), fontsize=9, pad=3)
        for ax in axes.flat[len(drawn) :]:
            ax.set_visible(False)
        for ax in axes.flat:
            places[0].scale(ax.xaxis, ax.set_xscale, XTICKS[columns - 1])
            places[1].scale(ax.yaxis, ax.set_yscale, 7)
        for column in range(columns):
            last = [ax for ax in axes[:, column] if ax.get_visible()][-1]
            last.tick_params(labelbottom=True)
        _frame(figure, keys, height, [one for points in drawn.values() for one in points])
    metric = axis_title(question.selected_by)
    names = " and ".join(plain(key, 48) for key in keys)
    some = f" ({POINTS} of {total} per method)" if total > POINTS else ""
    title = f"Tuning trials{some}: {metric} by {names}; the fuller in colour and larger, the better"
    alt = f"{title}. Methods: {', '.join(plain(label, 26) for label in drawn)}."
    return Drawing(block, title, alt, figure, f"interaction {keys[0]} {keys[1]}")


class _Scale:
    """Where values lie along an axis: numbers where they are, words one after the other."""

    def __init__(
        self, question: Question, block: str, key: str, drawn: Mapping[str, Sequence[Trial]]
    ):
        values = [one.values[key] for points in drawn.values() for one in points]
        self.key = key
        self.words: list[str] = []
        if not all(_number(value) for value in values):
            self.words = list(dict.fromkeys(shortened(str(value), 12) for value in values))
        spaces = [question.spaces.get((block, label), {}).get(key, "") for label in drawn]
        positive = not self.words and min(values) > 0
        self.log = positive and any("log_uniform" in s and "one_minus" not in s for s in spaces)

    def place(self, one: Trial) -> float:
        value: Any = one.values[self.key]
        return float(self.words.index(shortened(str(value), 12)) if self.words else value)

    def scale(self, axis: Axis, set_scale: Any, ticks: int) -> None:
        if self.words:
            axis.set_ticks(range(len(self.words)), self.words)
        elif self.log:
            set_scale("log")
            plain_log(axis)
            axis.set_major_locator(LogLocator(numticks=ticks))


def _panel(
    ax: Axes, question: Question, points: Sequence[Trial], places: list[_Scale], chosen: int | None
) -> None:
    x, y = (np.array([scale.place(one) for one in points]) for scale in places)
    score = np.array([one.score for one in points])
    whole = np.array([one.whole for one in points])
    fine = np.isfinite(score)
    rated = np.flatnonzero(fine & whole)
    fifths = _fifths(score[rated] if question.mode == "max" else -score[rated])
    for fifth, (alpha, size) in enumerate(FIFTHS):
        mine = rated[fifths == fifth]
        ax.plot(x[mine], y[mine], **_dot(alpha, size))
    early, lost = fine & ~whole, ~fine
    ax.plot(x[early], y[early], **_EARLY)
    ax.plot(x[lost], y[lost], **_LOST)
    for i in np.flatnonzero([one.trial == chosen for one in points]):
        ax.plot(x[i], y[i], **_RING)
    ax.tick_params(labelsize=7)
    ax.margins(0.1)


def _fifths(score: np.ndarray) -> np.ndarray:
    """0 to 4 by rank, equal scores alike; a lone score is the best."""
    if len(score) < 2:
        return np.full(len(score), 4)
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts + 1) / 2)[place]  # 0 to n - 1, the mean of equal ones
    return np.minimum(4, (5 * ranks / (len(score) - 1)).astype(int))


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_EARLY: dict[str, Any] = {
    "marker": "o", "ls": "none", "ms": 3.5, "mfc": "none", "mec": OTHERS, "mew": 0.8,
}  # fmt: skip
_LOST: dict[str, Any] = {"marker": "x", "ls": "none", "ms": 4.5, "color": LIGHT[1]}
_RING: dict[str, Any] = {
    "marker": "o", "ls": "none", "ms": 10, "mfc": "none", "mec": INK, "mew": 0.9,
}  # fmt: skip


def _dot(alpha: float, size: float) -> dict[str, Any]:
    return {"marker": "o", "ls": "none", "ms": size, "mew": 0, "color": LIGHT[0], "alpha": alpha}


def _frame(figure: Figure, keys: tuple[str, str], height: float, shown: list[Trial]) -> None:
    """Axis titles once for all panels, and what the marks mean."""
    figure.subplots_adjust(
        left=0.72 / WIDTH, right=1 - 0.12 / WIDTH, bottom=(FOOT - 0.12) / height,
        top=1 - 0.24 / height, hspace=0.34, wspace=0.1,
    )  # fmt: skip
    middle = (0.72 / WIDTH + 1 - 0.12 / WIDTH) / 2
    figure.text(middle, 0.45 / height, shortened(keys[0], 48), ha="center", va="bottom")
    figure.text(0.02, 0.5, shortened(keys[1], 48), rotation=90, ha="left", va="center")
    marks = {"worst fifth": _dot(*FIFTHS[0]), "middle": _dot(*FIFTHS[2])}
    marks |= {"best fifth": _dot(*FIFTHS[4]), "selected": _RING | {"ms": 8}}
    if any(not math.isfinite(one.score) for one in shown):
        marks["diverged"] = _LOST
    if any(not one.whole for one in shown):
        marks["stopped"] = _EARLY
    handles = [figure.axes[0].plot([], [], **one)[0] for one in marks.values()]
    figure.legend(
        handles, list(marks), loc="lower center", ncols=len(marks), columnspacing=0.9,
        handletextpad=0.1,
    )  # fmt: skip

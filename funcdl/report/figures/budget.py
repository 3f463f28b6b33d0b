"""The expected best score of a search of n trials, a line per method."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from funcdl.report.figures.drawing import OTHERS, Drawing, Looks, axis_title, legend, style
from funcdl.report.question import Question
from funcdl.report.wording import plain
from funcdl.stats.best_of import BestOf

BANDS = 6  # more of them hide each other
WIDE = 12  # trials from which on the axis is logarithmic


def budget(
    question: Question, found: Mapping[str, BestOf], block: str, shown: Looks
) -> Drawing | None:
    """Lines from one trial to as many as each method had, with bands where these can be told apart.

    Args:
        question: what was asked.
        found: method -> what its searches of n trials find.
        block: the block of these methods.
        shown: how methods are drawn.
    """
    lines = {label: one for label, one in found.items() if np.isfinite(one.expected).any()}
    if not lines:
        return None
    looked = [label for label in lines if shown.get(label)]
    with style():
        figure = Figure()
        ax = figure.add_subplot()
        for label in sorted(lines, key=lambda label: shown.get(label) is not None):
            one, look = lines[label], shown.get(label)
            fine = np.isfinite(one.expected)
            n, mean = one.budgets[fine], one.expected[fine]
            if look is None:
                ax.plot(n, mean, color=OTHERS, lw=0.7)
                continue
            ax.plot(
                n, mean, color=look.color, ls=look.dash, marker=look.marker, markevery=_marks(n)
            )
            if len(looked) <= BANDS:
                _band(ax, one, look.color)
        _limits(ax, list(lines.values()))
        _budget_axis(ax, max(one.trials for one in lines.values()))
        ax.set_ylabel(f"best {axis_title(question.selected_by)}")
        legend(ax, {label: shown.get(label) for label in lines}, marker=True)
    bands = f" with {100 * (1 - question.alpha):g} % bands" if len(looked) <= BANDS else ""
    title = f"Expected best {axis_title(question.selected_by)} of a search of n trials{bands}"
    ends = [f"{plain(label, 26)} {one.expected[-1]:.4g}" for label, one in lines.items()]
    alt = f"{title}. With all trials: {', '.join(ends)}."
    return Drawing(block, title, alt, figure, "budget")


def _band(ax: Axes, one: BestOf, color: str) -> None:
    """Where an end is infinite the band runs out of the picture; the picture's own limits cut it."""
    known = ~np.isnan(one.low)
    if known.any():
        far = 10 * (1 + np.abs(one.expected[np.isfinite(one.expected)]).max())
        low, high = (np.clip(end[known], -far, far) for end in (one.low, one.high))
        ax.fill_between(one.budgets[known], low, high, color=color, alpha=0.13, lw=0)


def _marks(n: np.ndarray) -> list[int]:
    """Places of the powers of two, and of the last."""
    powers = 2.0 ** np.arange(np.log2(max(n[-1], 1)) + 1)
    return sorted({int(np.abs(n - power).argmin()) for power in powers} | {len(n) - 1})


def _limits(ax: Axes, lines: list[BestOf]) -> None:
    """The ends told apart come first: a single trial can be far below all of them."""
    finite = np.concatenate([one.expected[np.isfinite(one.expected)] for one in lines])
    late = np.concatenate([one.expected[one.budgets >= one.trials / 2] for one in lines])
    late = late[np.isfinite(late)]
    late = late if len(late) else finite
    room = 6 * float(np.ptp(late)) or float(np.ptp(finite)) or abs(late[0]) * 0.01 or 0.01
    low = max(float(finite.min()), float(late.min()) - room)
    high = min(float(finite.max()), float(late.max()) + room)
    pad = 0.06 * (high - low) or room
    ax.set_ylim(low - pad, high + pad)


def _budget_axis(ax: Axes, trials: int) -> None:
    ax.set_xlabel("trials, n")
    if trials > WIDE:
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
    else:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))

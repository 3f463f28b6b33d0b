"""Mean ranks on a line, with the critical difference: who cannot be told apart from whom."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from funcdl.report.figures.drawing import FAINT, INK, WIDTH, Drawing, breadth, fit, shortened, style
from funcdl.report.figures.palette import LIGHT
from funcdl.report.wording import plain
from funcdl.stats.across.critical import cliques


def critical(
    methods: Sequence[str],
    ranks: Sequence[float],
    difference: float,
    *,
    problems: int,
    alpha: float,
    control: int | None = None,
) -> Drawing:
    """A dot per method at its mean rank, best on top, and bars that join groups.

    Args:
        methods: labels.
        ranks: `[methods]`, mean ranks.
        difference: the critical difference.
        problems: over how many problems.
        alpha: the family's error rate.
        control: the place of the method that all others are tested against; a band of the critical
            difference around its rank takes the place of the bars.
    """
    x = np.asarray(ranks, dtype=float)
    order = [int(i) for i in x.argsort(kind="stable")]
    names = [shortened(methods[i], 26) for i in order]
    with style():
        figure = Figure(figsize=(WIDTH, 0.95 + 0.27 * len(order)))
        ax = figure.add_subplot()
        ax.plot(x[order], range(len(order)), "o", color=LIGHT[0], ms=6, ls="none", zorder=3)
        if control is None:
            columns = _bars(ax, x, order, difference)
        else:
            columns = 0
            corner, height = (x[control] - difference, -0.55), len(order) + 0.1
            ax.add_patch(Rectangle(corner, 2 * difference, height, color=FAINT, lw=0, zorder=0))
            place = order.index(control)
            ax.plot([x[control]], [place], "o", mfc="none", mec=INK, ms=11, mew=1, zorder=3)
        ax.plot([1, 1 + difference], [-0.95] * 2, "|-", color=INK, lw=1.5, ms=7)
        ax.text(1 + difference, -0.95, f"  CD {difference:.2f}", va="center", fontsize=8)
        ax.set_yticks(range(len(order)), names)
        ax.set_ylim(len(order) - 0.4, -1.6)
        ax.set_xlim(0.8, max(len(order), 1 + difference) + 0.35 + _gap(len(order)) * columns)
        ax.set_xticks(range(1, len(order) + 1, max(1, len(order) // 8)))
        ax.grid(axis="y", visible=False)
        ax.tick_params(axis="y", length=0)
        ax.set_xlabel(f"mean rank over {problems} problems (1 is best)")
        fit(figure, left=0.25 + max(map(breadth, names)))
    if control is None:
        said = "a bar joins methods whose mean ranks lie within it (Nemenyi)"
    else:
        said = f"shaded: within it of {plain(methods[control], 40)}, ringed (Bonferroni-Dunn)"
    title = f"Mean ranks and the critical difference CD at alpha {alpha:g}; {said}"
    listed = ", ".join(f"{name} {x[i]:.2f}" for name, i in zip(names, order, strict=True))
    return Drawing("", title, f"{title}. {listed}.", figure, "ranks")


def _gap(methods: int) -> float:
    """Between two bars, in ranks."""
    return 0.03 * (methods + 1)


def _bars(ax, x: np.ndarray, order: list[int], difference: float) -> int:
    """Draw the groups to the right of all dots, each in the first free column; how many columns."""
    ends: list[int] = []  # per column the last row that is taken
    right = max(float(x.max()), 1 + difference) + 0.2
    for group in cliques(x, difference):
        rows = [order.index(i) for i in group]
        top, bottom = min(rows), max(rows)
        column = next((i for i, end in enumerate(ends) if end < top), len(ends))
        ends[column:] = [bottom, *ends[column + 1 :]]
        place = right + _gap(len(order)) * column
        ax.plot([place] * 2, [top - 0.2, bottom + 0.2], color=INK, lw=2.5, solid_capstyle="butt")
    return len(ends)

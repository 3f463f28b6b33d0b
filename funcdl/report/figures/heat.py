"""Methods by problems as a table of shades: who is ahead where."""

from __future__ import annotations

import itertools

from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from funcdl.report.board import Board
from funcdl.report.figures.drawing import INK, WIDTH, Drawing, axis_title, breadth, shortened, style
from funcdl.report.figures.palette import LIGHT
from funcdl.report.question import Question
from funcdl.report.wording import number
from funcdl.stats.across.ranking import mean_ranks, problem_ranks

WIDEST = 30  # problems that still have a legible column
NUMBERED = 8  # problems whose cells have room for a number
SHADE = 0.5  # of the best place; text stays legible on it


def heat(question: Question, shown: Board, digits: int) -> Drawing | None:
    """Every method's place on every problem as a shade, with its mean where there is room.

    Args:
        question: what was asked.
        shown: what every method reached on every problem.
        digits: decimals of the means.
    """
    n, k = shown.scores.shape
    if not (2 <= n <= WIDEST and k >= 2):
        return None
    places = problem_ranks(shown.scores)
    order = mean_ranks(shown.scores).argsort(kind="stable")
    names = [shortened(shown.methods[j], 26) for j in order]
    columns = [shortened(name, 16) for name in shown.problems]
    left, top = 0.25 + max(map(breadth, names)), 0.25 + 0.8 * max(map(breadth, columns))
    height = top + 0.27 * k + 0.1
    with style():
        figure = Figure(figsize=(WIDTH, height))
        ax = figure.add_axes(
            (left / WIDTH, 0.1 / height, 1 - (left + 0.1) / WIDTH, 0.27 * k / height)
        )
        corners, shades = [], []
        for (y, j), x in itertools.product(enumerate(order), range(n)):
            corners.append([(x, y), (x + 0.96, y), (x + 0.96, y + 0.94), (x, y + 0.94)])
            shades.append(to_rgba(LIGHT[0], 0.04 + SHADE * (k - places[x, j]) / (k - 1)))
            if n <= NUMBERED:
                text = number(float(shown.means[x, j]), digits)
                ax.text(x + 0.48, y + 0.5, text, ha="center", va="center", fontsize=7, color=INK)
        ax.add_collection(PolyCollection(corners, facecolors=shades), autolim=False)
        ax.set_xlim(0, n)
        ax.set_ylim(k, 0)
        ax.set_yticks([y + 0.5 for y in range(k)], names)
        ax.set_xticks([x + 0.48 for x in range(n)], columns, rotation=45, ha="left")
        ax.xaxis.tick_top()
        ax.tick_params(length=0)
        ax.grid(visible=False)
        for spine in ax.spines.values():
            spine.set_visible(False)
    metric = axis_title(question.metric)
    numbers = f"; numbers are means of {metric}" if n <= NUMBERED else ""
    title = f"Places on each problem: the darker, the better the place{numbers}"
    return Drawing("", title, f"{title}. Best mean rank first: {', '.join(names)}.", figure, "heat")

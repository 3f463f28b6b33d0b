"""The answer as a picture: a dot and whiskers per method."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from funcdl.report.evidence import DATA, SPLITS
from funcdl.report.figures.drawing import (
    OTHERS,
    WIDTH,
    Drawing,
    Looks,
    axis_title,
    breadth,
    fit,
    shortened,
)
from funcdl.report.level import level
from funcdl.report.question import Question
from funcdl.report.record import Record


def intervals(question: Question, rows: list[Record], block: str, shown: Looks) -> Drawing | None:
    """Dot and whiskers per method, best on top.

    Where the interval speaks of data like these, that for this test set alone is drawn over it, thick.
    """
    rows = [row for row in rows if row["n"]]
    if not rows:
        return None
    figure = Figure(figsize=(WIDTH, 0.75 + 0.27 * len(rows)))
    ax = figure.add_subplot()
    two = any(_both(row) for row in rows)
    for place, row in enumerate(rows):
        look = shown[row["method"]]
        color, marker = (look.color, look.marker) if look else (OTHERS, "o")
        _whisker(ax, place, row["low"], row["high"], color, 1 if two else 2)
        if _both(row):
            _whisker(ax, place, row["fixed_low"], row["fixed_high"], color, 3)
        face = color if row["status"] == "ok" else "none"
        ax.plot([row["mean"]], [place], marker, color=color, mfc=face, ms=6, ls="none")
    names = [shortened(row["method"], 26) for row in rows]
    ax.set_yticks(range(len(rows)), names)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0)
    ax.locator_params(axis="x", nbins=6)
    ax.set_xlabel(axis_title(question.metric))
    fit(figure, left=0.25 + max(map(breadth, names)))
    hollow = "; hollow: some repeats diverged" if any(r["status"] != "ok" for r in rows) else ""
    split = any(row["population"] == SPLITS for row in rows)
    kind = "successive" if question.rolling else "random"
    alone = f"over {kind} splits, corrected for their overlap" if split else _alone(rows)
    what = "thin: for data like these, thick: for this test set" if two else alone
    title = f"{axis_title(question.metric)}: mean and {level(question)} interval, {what}{hollow}"
    return Drawing(block, title, f"{title}. Best first: {', '.join(names)}.", figure, "intervals")


def _alone(rows: list[Record]) -> str:
    """What the only interval speaks of."""
    data = any(row["population"] == DATA and row["low"] is not None for row in rows)
    return "for data like these" if data else "over repeats"


def _both(row: Record) -> bool:
    """Whether the row has an interval for each population, and they differ."""
    fixed = row.get("fixed_low"), row.get("fixed_high")
    return None not in (*fixed, row["low"]) and fixed != (row["low"], row["high"])


def _whisker(
    ax: Axes, place: int, low: float | None, high: float | None, color: str, width: float
) -> None:
    if low is not None and high is not None:
        ax.plot([low, high], [place, place], color=color, lw=width, solid_capstyle="butt")

"""The answer as a picture: a dot and whiskers per method."""

from __future__ import annotations

from matplotlib.figure import Figure

from funcdl.report.figures.drawing import OTHERS, WIDTH, Drawing, Looks, axis_title, fit
from funcdl.report.question import Question
from funcdl.report.record import Record
from funcdl.report.wording import plain


def intervals(question: Question, rows: list[Record], block: str, shown: Looks) -> Drawing | None:
    """Dot and whiskers per method, best on top."""
    rows = [row for row in rows if row["n"]]
    if not rows:
        return None
    figure = Figure(figsize=(WIDTH, 0.75 + 0.27 * len(rows)))
    ax = figure.add_subplot()
    for place, row in enumerate(rows):
        look = shown[row["method"]]
        color, marker = (look.color, look.marker) if look else (OTHERS, "o")
        if row["low"] is not None:
            ax.plot([row["low"], row["high"]], [place, place], color=color, lw=2)
        face = color if row["status"] == "ok" else "none"
        ax.plot([row["mean"]], [place], marker, color=color, mfc=face, ms=6, ls="none")
    names = [plain(row["method"], 26) for row in rows]
    ax.set_yticks(range(len(rows)), names)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0)
    ax.locator_params(axis="x", nbins=6)
    ax.set_xlabel(axis_title(question.metric))
    fit(figure, left=0.25 + 0.075 * max(map(len, names)))
    level = f"{100 * (1 - question.alpha):g} %"
    hollow = "; hollow: some repeats diverged" if any(r["status"] != "ok" for r in rows) else ""
    title = f"{axis_title(question.metric)}: mean and {level} interval over repeats{hollow}"
    return Drawing(block, title, f"{title}. Best first: {', '.join(names)}.", figure)

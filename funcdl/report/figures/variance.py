"""Shares of the variance between runs: a panel per source, a dot with whiskers per method."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from funcdl.report.figures.drawing import WIDTH, Drawing, axis_title, breadth, fit, shortened, style
from funcdl.report.figures.palette import LIGHT, MARKERS
from funcdl.report.wording import plain
from funcdl.stats.components import Components

READABLE = 20  # methods in one drawing


def shares(
    metric: str, block: str, found: Sequence[tuple[str, Components]], level: str
) -> Drawing | None:
    """A panel per source, left to right; in each a row per method, in the order given.

    Args:
        metric: what varies.
        block: the block of these methods.
        found: (label, decomposition), those without sources left out; at most 20 are drawn.
        level: of the whiskers, in words.
    """
    drawn = [(label, parts) for label, parts in found if parts.sources][:READABLE]
    if not drawn:
        return None
    names = [shortened(label, 26) for label, _ in drawn]
    sources = [source.name for source in drawn[0][1].sources]
    left = 0.25 + max(map(breadth, names))
    height = 0.95 + 0.27 * len(drawn)
    with style():
        figure = Figure(figsize=(max(WIDTH, left + 1.2 * len(sources)), height))
        axes = figure.subplots(1, len(sources), sharey=True, squeeze=False)[0]
        for k, (ax, name) in enumerate(zip(axes, sources, strict=True)):
            color, marker = LIGHT[k % len(LIGHT)], MARKERS[k % len(MARKERS)]
            for place, (_, parts) in enumerate(drawn):
                one = parts.sources[k]
                ax.plot([100 * one.low, 100 * one.high], [place, place], color=color, lw=2)
                ax.plot([100 * one.share], [place], marker, color=color, ms=6, ls="none")
            ax.set_title(shortened(name, 18), fontsize=9, pad=4)
            ax.set_xlim(-4, 104)
            ax.set_xticks([0, 50, 100])
            ax.grid(axis="y", visible=False)
            ax.tick_params(axis="y", length=0)
        axes[0].set_yticks(range(len(names)), names)
        axes[0].set_ylim(len(names) - 0.4, -0.6)
        fit(figure, left=left)
        figure.subplots_adjust(top=1 - 0.3 / height, wspace=0.16)
        middle = (left / figure.get_size_inches()[0] + 1) / 2
        figure.text(middle, 0.08 / height, "share of the variance, %", ha="center", va="bottom")
    of = f"the variance of {axis_title(metric)} between runs"
    title = f"Where {of} comes from: share of each source and its {level} interval"
    return Drawing(block, title, f"{title}. {_words(drawn)}", figure)


def _words(drawn: Sequence[tuple[str, Components]]) -> str:
    """The points of the drawing, for whoever does not see it."""
    rows = []
    for label, parts in drawn:
        each = ", ".join(f"{plain(s.name, 18)} {100 * s.share:.0f} %" for s in parts.sources)
        rows.append(f"{plain(label, 26)}: {each}.")
    return " ".join(rows)

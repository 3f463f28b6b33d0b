"""Reliability diagrams: what was said against what came, and how often it was said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from funcdl.metrics.reliability import BINS, Bins
from funcdl.report.figures.drawing import FAINT, INK, OTHERS, WIDTH, Drawing, Looks, legend, style
from funcdl.report.wording import plain

FEWEST = 10  # examples in a bin; the share of right ones among fewer says little


def reliability_diagram(block: str, found: Mapping[str, Bins], shown: Looks) -> Drawing | None:
    """Accuracy over confidence, a line per method, and below it the share of examples in each bin.

    Args:
        block: the block of these methods.
        found: method -> its test examples in bins, those of all repeats together.
        shown: how methods are drawn.
    """
    found = {label: bins for label, bins in found.items() if (bins.size >= FEWEST).any()}
    if not found:
        return None
    with style():
        figure = Figure()
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        upper.plot([0, 1], [0, 1], color=INK, lw=0.8, ls=(0, (2, 2)))
        for label in sorted(found, key=lambda label: shown.get(label) is not None):
            bins, look = found[label], shown.get(label)
            enough = bins.size >= FEWEST
            drawn: dict[str, Any] = {"color": OTHERS, "lw": 0.7}
            if look:
                drawn = {"color": look.color, "ls": look.dash}
            mark = {"marker": look.marker} if look else {}
            upper.plot(bins.confidence[enough], bins.accuracy[enough], **drawn, **mark)
            shares = bins.size / bins.size.sum()
            lower.stairs(shares, np.append(bins.low, bins.high[-1]), **drawn)
        upper.set_ylabel("share that is right")
        upper.set_ylim(-0.03, 1.03)
        lower.set_ylabel("examples")
        lower.set_xlabel("confidence")
        lower.set_xlim(0, 1)
        legend(upper, {label: shown.get(label) for label in found}, marker=True)
        width, height = figure.get_size_inches()
        figure.set_size_inches(width, height + 0.9)
        bottom = figure.subplotpars.bottom * height / (height + 0.9)
        figure.subplots_adjust(bottom=bottom, hspace=0.12, top=1 - 0.1 / (height + 0.9))
    title = f"Reliability: share that is right over confidence, in {BINS} bins"
    ends = [f"{plain(label, 26)} {_tendency(bins)}" for label, bins in found.items()]
    alt = f"{title}; below the line is too sure. {'; '.join(ends)}."
    return Drawing(block, title, alt, figure, "reliability")


def pit_diagram(block: str, found: Mapping[str, np.ndarray], shown: Looks) -> Drawing | None:
    """How many targets lie below each quantile of the predicted Gaussian, a line per method.

    Args:
        block: the block of these methods.
        found: method -> the probability below each target, `[n]`, those of all repeats together.
        shown: how methods are drawn.
    """
    found = {label: np.sort(values) for label, values in found.items() if len(values)}
    if not found:
        return None
    with style():
        figure = Figure(figsize=(WIDTH, 3.5))
        ax = figure.add_subplot()
        ax.plot([0, 1], [0, 1], color=INK, lw=0.8, ls=(0, (2, 2)))
        levels = np.linspace(0, 1, 41)
        for label in sorted(found, key=lambda label: shown.get(label) is not None):
            look = shown.get(label)
            below = np.searchsorted(found[label], levels, side="right") / len(found[label])
            if look:
                ax.plot(levels, below, color=look.color, ls=look.dash)
            else:
                ax.plot(levels, below, color=OTHERS, lw=0.7)
        ax.set_xlabel("quantile of the Gaussian around the prediction")
        ax.set_ylabel("share of targets below")
        ax.grid(color=FAINT)
        legend(ax, {label: shown.get(label) for label in found}, marker=False)
    title = "Share of targets below each predicted quantile"
    alt = f"{title}; on the diagonal where errors are Gaussian. Methods: {', '.join(found)}."
    return Drawing(block, title, plain(alt), figure, "quantiles")


def _tendency(bins: Bins) -> str:
    some = bins.size > 0
    weights = bins.size[some] / bins.size.sum()
    gap = float(weights @ (bins.confidence[some] - bins.accuracy[some]))
    if abs(gap) < 0.005:
        return "is as sure as it is right"
    return f"is {abs(gap):.3f} {'too sure' if gap > 0 else 'too unsure'} on average"

"""Learning curves with interval bands."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from funcdl.report.figures.curve import Curve
from funcdl.report.figures.drawing import OTHERS, Drawing, Looks, axis_title, legend, plain_log
from funcdl.report.level import level
from funcdl.report.question import Question
from funcdl.report.spread import over
from funcdl.report.wording import plain

BACKGROUND = 20  # points of a curve that is drawn grey


def learning(
    question: Question,
    lines: dict[str, Curve],
    block: str,
    metric: str,
    shown: Looks,
) -> Drawing | None:
    """Mean curves with interval bands."""
    if all(len(curve.steps) < 2 for curve in lines.values()):
        return None
    figure = Figure()
    ax = figure.add_subplot()
    mode = question.mode if metric == question.selected_by else "min"
    floor = _limits(ax, list(lines.values()), mode)
    for label in sorted(lines, key=lambda label: shown.get(label) is not None):
        look = shown.get(label)
        curve = lines[label] if look else _coarse(lines[label])
        color, dash, width = (look.color, look.dash, 1.5) if look else (OTHERS, "-", 0.7)
        ax.plot(curve.steps, curve.mean, color=color, ls=dash, lw=width)
        low, high = np.maximum(curve.mean - curve.half, floor), curve.mean + curve.half
        ax.fill_between(curve.steps, low, high, color=color, alpha=0.13 if look else 0.06, lw=0)
    ax.set_xlabel("step")
    ax.set_ylabel(axis_title(metric))
    legend(ax, {label: shown.get(label) for label in lines}, marker=False)
    reasons = [curve.reason for curve in lines.values()]
    band = f"mean and {level(question)} interval {over(question)}" if "" in reasons else reasons[0]
    title = f"Learning curves: {axis_title(metric)}, {band}"
    name = "learning" if metric == question.selected_by else f"learning {metric}"
    return Drawing(block, title, f"{title}. {_ends(lines)}", figure, name)


def _coarse(curve: Curve) -> Curve:
    """A curve that is drawn in the background, with fewer points."""
    count = len(curve.steps)
    keep = np.unique(np.linspace(0, count - 1, min(count, BACKGROUND)).round().astype(int))
    return Curve(curve.steps[keep], curve.mean[keep], curve.half[keep], curve.reason)


def _ends(lines: dict[str, Curve]) -> str:
    last = [f"{plain(label, 26)} {curve.mean[-1]:.4g}" for label, curve in lines.items()]
    return f"At the last step: {', '.join(last)}."


def _limits(ax: Axes, lines: list[Curve], mode: str) -> float:
    """Leave the steep start out of the range, so that the ends can be told apart.

    Returns:
        The least that can be drawn: on a logarithmic scale an interval may reach below zero.
    """
    last = max(curve.steps[-1] for curve in lines)
    late = np.concatenate([curve.mean[curve.steps >= last / 4] for curve in lines])
    if mode == "min" and late.min() > 0 and late.max() > 10 * late.min():
        every = np.concatenate([curve.mean for curve in lines])
        ax.set_yscale("log")
        plain_log(ax.yaxis)
        ax.set_ylim(late.min() / 2, min(every.max() * 1.5, late.max() * 1e3))
        return late.min() / 4
    pad = 0.06 * (late.max() - late.min()) or 0.01
    ax.set_ylim(late.min() - pad, late.max() + pad)
    return -np.inf

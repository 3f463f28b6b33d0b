"""How the share of runs that have reached the target grows with training."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from funcdl.report.figures.drawing import OTHERS, Drawing, Looks, legend, style
from funcdl.report.wording import plain
from funcdl.stats.across.survival import Survival


def survival(
    found: Mapping[str, Survival], shown: Looks, *, block: str, horizon: float, target: str
) -> Drawing:
    """A rising staircase per method: one minus the Kaplan-Meier estimate.

    Args:
        found: label -> estimate.
        shown: label -> its look; None for a method drawn grey.
        block: the block it speaks of.
        horizon: the last step drawn.
        target: in words, such as "validation accuracy of at least 0.9".
    """
    with style():
        figure = Figure()
        ax = figure.add_subplot()
        for label in sorted(found, key=lambda label: shown.get(label) is not None):
            one, look = found[label], shown.get(label)
            x = np.concatenate([[0.0], one.times, [horizon]])
            y = np.concatenate([[0.0], 1 - one.share, [1 - one.share[-1] if len(one.share) else 0]])
            color, dash = (look.color, look.dash) if look else (OTHERS, "-")
            ax.step(x, y, where="post", color=color, ls=dash, lw=1.5 if look else 0.7)
        ax.set_ylim(-0.03, 1.03)
        ax.set_xlim(0, horizon)
        ax.set_xlabel("step")
        ax.set_ylabel("share of runs at the target")
        legend(ax, {label: shown.get(label) for label in found}, marker=False)
    title = f"Share of runs that have reached {target} (Kaplan-Meier)"
    ends = [(label, 1 - one.share[-1] if len(one.share) else 0.0) for label, one in found.items()]
    listed = ", ".join(f"{plain(label, 26)} {share:.2f}" for label, share in ends)
    return Drawing(block, title, f"{title}. At the end: {listed}.", figure, "target")

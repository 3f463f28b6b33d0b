"""Run-score profiles: which share of a method's runs scores above each level."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from funcdl.report.figures.drawing import OTHERS, Drawing, Looks, legend, style
from funcdl.report.wording import plain
from funcdl.stats.across.profile import Profile


def profile(found: Mapping[str, Profile], shown: Looks, level: str) -> Drawing:
    """A falling line per method, with its band.

    Args:
        found: label -> profile.
        shown: label -> its look; None for a method drawn grey.
        level: of the bands, in words such as "95 %".
    """
    with style():
        figure = Figure()
        ax = figure.add_subplot()
        for label in sorted(found, key=lambda label: shown.get(label) is not None):
            one, look = found[label], shown.get(label)
            if look is None:
                ax.plot(one.levels, one.share, color=OTHERS, lw=0.7)
                continue
            ax.plot(one.levels, one.share, color=look.color, ls=look.dash)
            ax.fill_between(one.levels, one.low, one.high, color=look.color, alpha=0.13, lw=0)
        ax.set_ylim(-0.02, 1.02)
        ax.set_xlabel("score (0: lowest mean of the pool, 1: highest)")
        ax.set_ylabel("share of runs above")
        legend(ax, {label: shown.get(label) for label in found}, marker=False)
    title = f"Share of all runs that score above each level, with {level} bands over repeats"
    middle = {label: one.share[len(one.share) // 2] for label, one in found.items()}
    listed = ", ".join(f"{plain(label, 26)} {share:.2f}" for label, share in middle.items())
    return Drawing("", title, f"{title}. At the middle level: {listed}.", figure, "profile")

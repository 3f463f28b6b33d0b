"""One look per method: colour, marker and line, told apart without colour too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

# Blue, vermilion, green, purple, brown, cyan, grey: after Okabe and Ito, darkened until each has a
# contrast of 3 to 1 on white. The page swaps in DARK, the same hues for a dark background.
LIGHT = ("#0072b2", "#d55e00", "#007f5f", "#aa3f86", "#7d5a00", "#1b8ea6", "#6b6f76")
DARK = ("#5ab4ee", "#ff8f4f", "#2fc79c", "#e48bc4", "#e3b341", "#5fd3e6", "#a9afb8")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (3, 1, 1, 1, 1, 1)))


class Look(NamedTuple):
    """How a method is drawn, in Matplotlib's words."""

    color: str
    marker: str
    dash: str | tuple[int, tuple[float, ...]]


def looks(labels: Sequence[str]) -> dict[str, Look]:
    """A look per label.

    Where the labels are a full product such as `model/optimizer`, the first part chooses the colour
    and the second the marker and line, so that a figure can be read along either; labels without a
    slash (baselines) are then grey. Otherwise colours go round, with another marker each round.

    >>> found = looks(["mlp/sgd", "mlp/lion", "cnn/sgd", "cnn/lion"])
    >>> found["mlp/sgd"].color == found["mlp/lion"].color, found["mlp/sgd"].marker
    (True, 'o')
    """
    places = _product(labels) or {label: (i, i + i // 7) for i, label in enumerate(labels)}
    return {
        label: Look(LIGHT[i % len(LIGHT)], MARKERS[j % len(MARKERS)], DASHES[j % len(DASHES)])
        for label, (i, j) in places.items()
    }


def _product(labels: Sequence[str]) -> dict[str, tuple[int, int]] | None:
    """Places in a table of two parts, None where the labels do not fill one."""
    alone = [label for label in labels if "/" not in label]
    parts = {label: label.split("/") for label in labels if "/" in label}
    if not parts or any(len(part) != 2 for part in parts.values()):
        return None
    firsts, seconds = (list(dict.fromkeys(part[k] for part in parts.values())) for k in (0, 1))
    full = len(parts) == len(firsts) * len(seconds)
    room = len(firsts) < len(LIGHT) and max(len(seconds), len(alone)) <= len(MARKERS)
    if not full or not room or min(len(firsts), len(seconds)) < 2:
        return None
    found = {label: (firsts.index(a), seconds.index(b)) for label, (a, b) in parts.items()}
    return found | {label: (len(LIGHT) - 1, k) for k, label in enumerate(alone)}

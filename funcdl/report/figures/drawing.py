"""What all figures share: settings, size, legend, and the words that go with a drawing."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from rich.cells import cell_len

from funcdl.report.figures.palette import Look
from funcdl.report.wording import plain

TOP = 0.2  # inches above the axes, where a power of ten may stand
INK, FAINT, OTHERS = "#1f2328", "#d8dee4", "#9aa1a9"
WIDTH = 5.2  # inches; a phone shows it at nearly its own size
FONT = (
    "DejaVu Sans"  # comes with Matplotlib; `figures.fonts` finds others for names in other scripts
)
EM = 9 / 72  # inches
WIDE = "MWmw@%…"
STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.formatter.limits": (-5, 6),
    "axes.formatter.useoffset": False,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": FONT,
    "font.size": 9,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
    "text.color": INK,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "xtick.color": INK,
    "ytick.color": INK,
}


class Drawing(NamedTuple):
    """A figure, and its words for those who do not see it.

    name: short and stable, such as "learning"; of its files. Who shows it gives one where it is empty.
    """

    block: str
    title: str
    alt: str
    figure: Figure
    name: str = ""


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Matplotlib's settings for the block; letters that no font here has are left to the viewer's."""
    log = logging.getLogger("matplotlib.font_manager")
    level = log.level
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        log.setLevel(logging.ERROR)  # it says of each font that it is not installed
        try:
            yield
        finally:
            log.setLevel(level)


def plain_log(axis: Axis) -> None:
    """Powers of ten as 0.001, not as mathematics, which is switched off for the sake of names."""
    axis.set_major_locator(LogLocator(numticks=7))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.set_minor_formatter(NullFormatter())


Looks = Mapping[str, Look | None]  # None for a method that is drawn grey


def legend(ax: Axes, shown: Looks, *, marker: bool) -> None:
    """Size the figure for, and draw, a legend under the axes in columns as wide as its names."""
    handles, names = [], []
    for label, look in shown.items():
        if look:
            mark = look.marker if marker else None
            handles += ax.plot([], [], marker=mark, color=look.color, ls=look.dash)
            names.append(shortened(label, 26))
    if len(names) < len(shown):
        names.append(f"{len(shown) - len(names)} others")
        handles += ax.plot([], [], color=OTHERS, lw=0.7)
    columns = max(1, min(3, len(names), int(WIDTH / (0.5 + 0.93 * max(map(breadth, names))))))
    rows = -(-len(names) // columns)
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.set_size_inches(WIDTH, 3.35 + 0.17 * rows)
    figure.legend(handles, names, loc="lower center", ncols=columns, columnspacing=1.2)
    fit(figure, bottom=0.55 + 0.17 * rows)


def fit(figure: Figure, left: float = 0.7, bottom: float = 0.45) -> None:
    """Margins in inches; cheaper than a layout engine and the same everywhere."""
    width, height = figure.get_size_inches()
    figure.subplots_adjust(
        left=left / width, right=1 - 0.12 / width, bottom=bottom / height, top=1 - TOP / height
    )


def axis_title(metric: str) -> str:
    """A metric's name as a reader says it: "test accuracy"."""
    return shortened(metric, 40).replace("/", " ")


def shortened(name: str, room: int) -> str:
    """A name of at most `room` Latin letters' width; those of other scripts can be twice as wide.

    >>> shortened("a_long_name_for_a_method", 11), shortened("名前" * 9, 11)
    ('a_lon…ethod', '名前名…名前')
    """
    whole = plain(name)
    width = min(len(whole), 2 * room)
    while cell_len(text := plain(whole, width)) > room and width > 3:
        width -= 1
    return text


def breadth(text: str) -> float:
    """How wide a text is drawn at most, in inches: an em for wide letters, less for others."""
    return EM * sum(
        1.0 if c in WIDE or cell_len(c) > 1 else 0.75 if c.isupper() else 0.6 for c in text
    )

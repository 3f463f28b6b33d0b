"""A figure as PDF and PNG, for papers and slides: the same bytes every time."""

from __future__ import annotations

import io
import warnings
from typing import Any

import matplotlib
import matplotlib.backends.backend_agg  # loaded with this module, not at the first figure
import matplotlib.backends.backend_pdf
from matplotlib.figure import Figure

from funcdl.report.figures.drawing import style
from funcdl.report.figures.fonts import lettered

DPI = 200  # of PNG: 1,040 pixels wide
# Fonts are put in as TrueType: publishers refuse Matplotlib's Type 3.
SETTINGS: dict[Any, Any] = {"pdf.fonttype": 42, "pdf.use14corefonts": False}
UNDATED = {"CreationDate": None, "Producer": None, "Creator": None}


def pdf(figure: Figure) -> bytes:
    """The figure as a page of its size, with its text as text."""
    return _saved(figure, format="pdf", metadata=UNDATED)


def png(figure: Figure) -> bytes:
    """The figure on white."""
    return _saved(figure, format="png", dpi=DPI, metadata={"Software": None})


def _saved(figure: Figure, **settings: Any) -> bytes:
    buffer = io.BytesIO()
    with style(), lettered(figure), matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
        figure.savefig(buffer, **settings)
    return buffer.getvalue()

"""A figure as SVG: small, the same every time, for the page in its colours and for a file in its own."""

from __future__ import annotations

import html
import io
import re
from typing import Any

import matplotlib
import matplotlib.backends.backend_svg  # loaded with this module, not at the first figure
from matplotlib.figure import Figure

from funcdl.report.figures.drawing import FAINT, INK, OTHERS, style
from funcdl.report.figures.palette import LIGHT
from funcdl.report.wording import plain

COLORS = {INK: "currentColor", FAINT: "var(--faint)", OTHERS: "var(--others)"} | {
    color: f"var(--c{i})" for i, color in enumerate(LIGHT)
}
NOTHING = {"Date": None, "Creator": None, "Format": None, "Type": None}
PROLOGUE = re.compile(r"^.*?<svg[^>]*?(viewBox=\"[^\"]*\")[^>]*>", re.DOTALL)
NEEDLESS = re.compile(
    r"<!--.*?-->|<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL
)
UNKNOWN = re.compile("[\ufffe\uffff]")  # no characters of XML
NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
LINES = "svg{stroke-linejoin:round;stroke-linecap:butt}"  # Matplotlib's own sheet, in short


def drawn(figure: Figure, name: str) -> str:
    """The figure as Matplotlib writes it, without a prologue, metadata or ids nothing refers to.

    Text stays text. The root element has a `viewBox` and nothing else.

    Args:
        figure: made by `funcdl.report.figures`.
        name: tells this drawing's ids from those of others.
    """
    buffer = io.StringIO()
    settings: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": name}
    with style(), matplotlib.rc_context(settings):
        figure.savefig(buffer, format="svg", metadata=NOTHING, transparent=True)
    text = NEEDLESS.sub("", UNKNOWN.sub("", buffer.getvalue()))
    text = PROLOGUE.sub(lambda head: f"<svg {head[1]}>", text)
    used = set(re.findall(r"#([A-Za-z][\w-]*)[\")]", text))
    text = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", text)
    return re.sub(r"\s*\n\s*", "\n", text)


def in_page(text: str, alt: str) -> str:
    """A drawing as an element of the page.

    Colours become the page's variables, so that one drawing serves light, dark and paper; text is
    set in the page's font.

    Args:
        text: what `drawn` gave.
        alt: what it shows, in words.
    """
    for color, variable in COLORS.items():
        text = text.replace(f": {color}", f": {variable}")
    return text.replace("<svg ", f'<svg role="img" aria-label="{_label(alt)}" ', 1)


def in_file(text: str, alt: str) -> str:
    """A drawing as a file of its own.

    Args:
        text: what `drawn` gave.
        alt: what it shows, in words.
    """
    label = f'{NAMESPACES} role="img" aria-label="{_label(alt)}"'
    text = text.replace("<svg ", f"<svg {label} ", 1)
    return text.replace(">", f"><style>{LINES}</style>", 1)


def _label(alt: str) -> str:
    return html.escape(UNKNOWN.sub("", plain(alt)))


def svg(figure: Figure, name: str, alt: str) -> str:
    """A figure as an element of the page; see `drawn` and `in_page`."""
    return in_page(drawn(figure, name), alt)

"""A figure as SVG to put inside a page: small, the same every time, in the page's colours."""

from __future__ import annotations

import html
import io
import re
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from funcdl.report.figures.drawing import FAINT, INK, OTHERS, style
from funcdl.report.figures.palette import LIGHT

COLORS = {INK: "currentColor", FAINT: "var(--faint)", OTHERS: "var(--others)"} | {
    color: f"var(--c{i})" for i, color in enumerate(LIGHT)
}
NOTHING = {"Date": None, "Creator": None, "Format": None, "Type": None}
PROLOGUE = re.compile(r"^.*?<svg[^>]*?(viewBox=\"[^\"]*\")[^>]*>", re.DOTALL)
NEEDLESS = re.compile(
    r"<!--.*?-->|<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL
)


def svg(figure: Figure, name: str, alt: str) -> str:
    """An `<svg>` element without a prologue, metadata or ids that nothing refers to.

    Colours become the page's variables, so that one drawing serves light, dark and paper. Text
    stays text, in the page's font.

    Args:
        figure: made by `funcdl.report.figures`.
        name: tells this drawing's ids from those of others on the page.
        alt: what it shows, in words.
    """
    buffer = io.StringIO()
    settings: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": name}
    with style(), matplotlib.rc_context(settings):
        figure.savefig(buffer, format="svg", metadata=NOTHING, transparent=True)
    text = NEEDLESS.sub("", buffer.getvalue())
    label = html.escape(alt, quote=True)
    text = PROLOGUE.sub(lambda head: f'<svg {head[1]} role="img" aria-label="{label}">', text)
    used = set(re.findall(r"#([A-Za-z][\w-]*)[\")]", text))
    text = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", text)
    for color, variable in COLORS.items():
        text = text.replace(f": {color}", f": {variable}")
    return re.sub(r"\s*\n\s*", "\n", text)

"""Fonts for names in scripts that Matplotlib's own font does not have, where this machine has one."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text

from funcdl.report.figures.drawing import FONT

PLACEHOLDERS = ("Last Resort",)  # has a box for every letter
# Tried first, so that what a machine has more than one font for looks alike on many machines.
LIKED = ("Noto Sans", "PingFang", "Microsoft", "WenQuanYi", "SimSun", "Noto")


@contextlib.contextmanager
def lettered(figure: Figure) -> Iterator[None]:
    """Give every text of a figure the fonts that have its letters, for the block."""
    changed: list[tuple[Text, list[str]]] = []
    try:
        for text in figure.findobj(Text):
            assert isinstance(text, Text)
            more = families(frozenset(text.get_text()))
            if more:
                changed.append((text, list(text.get_fontfamily())))
                text.set_fontfamily([FONT, *more])
        yield
    finally:
        for text, before in changed:
            text.set_fontfamily(before)


@functools.lru_cache(maxsize=4096)
def families(letters: frozenset[str]) -> tuple[str, ...]:
    """Installed fonts that together have those of the letters that the usual font lacks.

    The same on every call of one machine. Letters that no font has are left to it: they are boxes.
    """
    missing = {ord(letter) for letter in letters if not letter.isspace()} - _has(FONT)
    found = []
    for name in _installed() if missing else ():
        here = missing & _has(name)
        if here:
            found.append(name)
            missing -= here
        if not missing:
            break
    return tuple(found)


@functools.cache
def _installed() -> tuple[str, ...]:
    """The upright fonts of normal weight, those that are liked first, then by name."""
    _learn_new()
    names = {
        entry.name
        for entry in font_manager.fontManager.ttflist
        if entry.style == "normal" and entry.weight in (400, "normal", "regular")
    }
    kept = [name for name in names if not name.startswith((*PLACEHOLDERS, FONT))]
    return tuple(sorted(kept, key=lambda name: (_liking(name), name)))


def _learn_new() -> None:
    """Fonts that were installed since Matplotlib made its list, which it keeps between programs."""
    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in sorted(set(font_manager.findSystemFonts()) - known):
        with contextlib.suppress(ValueError, OSError, RuntimeError, KeyError):
            font_manager.fontManager.addfont(path)


def _liking(name: str) -> int:
    places = [i for i, start in enumerate(LIKED) if name.startswith(start)]
    return min(places, default=len(LIKED))


@functools.cache
def _has(name: str) -> frozenset[int]:
    """The letters of a font; none of one that cannot be read."""
    try:
        path = font_manager.findfont(FontProperties(family=name), fallback_to_default=False)
        return frozenset(font_manager.get_font(path).get_charmap())
    except (ValueError, OSError, RuntimeError):
        return frozenset()

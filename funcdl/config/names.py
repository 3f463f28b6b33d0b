"""What to say about a name that nobody knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MAX_LISTED = 120


def unknown(kind: str, given: object, allowed: Iterable[str], of: str = "") -> str:
    """What is unknown (and of what), what may have been meant, and everything that is allowed.

    >>> unknown("sampler", "hlaton", ["grid", "halton"])
    "unknown sampler 'hlaton'; did you mean halton; allowed grid, halton"
    """
    allowed = list(allowed)
    text = f"unknown {kind} {show(given)}" + (f" of {of}" if of else "")
    near = meant(str(given), allowed)
    if near:
        text += f"; did you mean {' or '.join(near)}"
    return f"{text}; allowed {listed(allowed)}"


def meant(given: str, allowed: Iterable[str]) -> list[str]:
    """The nearest name, and a second one that is almost as near.

    >>> meant("adanw", ["adam", "adamw", "adan", "sgd"])
    ['adan', 'adamw']
    """
    near = difflib.get_close_matches(given.lower(), list(allowed), n=2, cutoff=0.5)

    def likeness(name: str) -> float:
        return difflib.SequenceMatcher(None, given.lower(), name).ratio()

    return [name for name in near if likeness(name) > likeness(near[0]) - 0.1]


def listed(allowed: Iterable[str]) -> str:
    """Names on one line."""
    names = list(allowed)
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(names[:MAX_LISTED]) + more if names else "none"


def show(value: object) -> str:
    """A value as a person would recognise it: short, on one line, no control characters.

    >>> show("a" * 200), show(1e-3)
    ("'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...'", '0.001')
    """
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:56] + "...")
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, (int, float)):
        return repr(value) if abs(value) < 1e60 else _rounded(value)
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    return f"a {type(value).__name__}"


def _rounded(value: float) -> str:
    """A huge number without its hundreds of digits."""
    try:
        return f"{float(value):.3g}"
    except OverflowError:
        return f"a number of {len(str(value))} digits"

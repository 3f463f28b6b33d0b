"""Values of several studies in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from funcdl.report.wording import listing, plain


def said(values: Mapping[str, str]) -> str:
    """Each value and the folders that have it.

    >>> said({"mine": "each", "yours": "vmap", "theirs": "each"})
    'each in mine and theirs, vmap in yours'
    """
    folders: dict[str, list[str]] = {}
    for name, value in values.items():
        folders.setdefault(value, []).append(plain(name, 60))
    return ", ".join(f"{plain(value, 200)} in {listing(names)}" for value, names in folders.items())


def word(value: Any) -> str:
    """A value of a config as a sentence says it."""
    if isinstance(value, list | tuple):
        return listing([word(item) for item in value], 8) or "nothing"
    if isinstance(value, dict):
        inner = ", ".join(f"{key} {word(item)}" for key, item in value.items())
        return f"({inner})" if inner else "nothing"
    return "none" if value is None else str(value)

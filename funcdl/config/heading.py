"""The question of a study as its author wrote it, at the top of the config file."""

from __future__ import annotations

import itertools
from pathlib import Path

LINES, CHARACTERS = 40, 400  # as much as is read of it


def heading(source: str | Path) -> str:
    """The question as the config's author wrote it: the first paragraph of the comment at its top.

    Lines that begin with a command (`funcdl ...`) end it. Empty where there is no such comment.
    """
    try:
        with open(source, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in itertools.islice(file, LINES)]
    except OSError:
        return ""
    said: list[str] = []
    for line in lines:
        text = line.lstrip("#").strip()
        if (
            not line.startswith("#")
            or text.startswith(("funcdl ", "python "))
            or (said and not text)
        ):
            break
        said += [text] if text else []
    return " ".join(said)[:CHARACTERS]

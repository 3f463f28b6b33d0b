"""Tables as Markdown, as GitHub and most others read it; whatever stands in a cell is text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from funcdl.report.wording import plain

_SPECIAL = re.compile(r"([\\`*_{}\[\]()|~$#!^:@])")


def escape(text: object) -> str:
    r"""Text that Markdown shows as it is, in a cell too.

    >>> escape("a|b *c* <img> [x](y)")
    'a\\|b \\*c\\* &lt;img&gt; \\[x\\]\\(y\\)'
    """
    marked = _SPECIAL.sub(r"\\\1", plain(text))
    # Entities come last, since an ampersand of the text is one of them.
    return re.sub(r"[&<>]", lambda found: _ENTITIES[found[0]], marked)


_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def markdown(
    header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool], *, caption: str
) -> str:
    """A table under its caption.

    Args:
        header: the columns' names.
        rows: cells as a reader sees them.
        right: whether each column is set flush right.
        caption: a sentence above it.
    """
    rule = ["---:" if one else ":---" for one in right]
    lines = [_line(map(escape, header)), _line(rule)]
    lines += [_line(map(escape, row)) for row in rows]
    return "\n".join([escape(caption), "", *lines, ""])


def _line(cells: Sequence[str] | map[str]) -> str:
    return f"| {' | '.join(cells)} |"

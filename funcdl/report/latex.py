r"""Tables as LaTeX, in the style of `booktabs`; whatever stands in a cell is text.

Needs `\usepackage{booktabs}` and nothing else. Characters that pdfLaTeX has no letters for stay as
they are, and a comment says that LuaLaTeX or XeLaTeX sets them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from funcdl.report.wording import plain

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{\char34}",  # \textquotedbl is not in every encoding
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "[": "{[}",  # else an argument of the \\ before it
    "]": "{]}",
    "*": "{*}",  # likewise
    "–": "--",
    "−": "$-$",
    "∞": r"$\infty$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "…": r"\dots{}",
    "·": r"$\cdot$",
}
_SPECIAL = re.compile("|".join(map(re.escape, _ESCAPES)))
_LIGATURES = re.compile(r"--+|,,|<<|>>|\?`|!`")
_PDFLATEX = re.compile(r"[\x00-\u017f]*")  # ASCII and the letters of Latin scripts


def escape(text: object) -> str:
    r"""Text that LaTeX shows as it is.

    >>> escape(r"50_% of $x^2$ \input{x} --- [a]")
    '50\\_\\% of \\$x\\textasciicircum{}2\\$ \\textbackslash{}input\\{x\\} -{}-{}- {[}a{]}'
    """
    apart = _LIGATURES.sub(lambda found: "\0".join(found[0]), plain(text))
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], apart).replace("\0", "{}")


def latex(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[bool],
    *,
    caption: str,
    label: str,
) -> str:
    """A `table` with a caption and a label.

    Args:
        header: the columns' names.
        rows: cells as a reader sees them.
        right: whether each column is set flush right.
        caption: above the table.
        label: what `\\ref` calls it, after `tab:`.
    """
    body = [_line(row) for row in rows]
    parts = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{escape(caption)}}}",
        rf"  \label{{tab:{re.sub(r'[^A-Za-z0-9.-]', '-', label)}}}",
        rf"  \begin{{tabular}}{{{''.join('r' if one else 'l' for one in right)}}}",
        r"    \toprule",
        _line(header),
        r"    \midrule",
        *body,
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    needs = [r"% \usepackage{booktabs}"]
    text = "\n".join(parts)
    if not _PDFLATEX.fullmatch(text):
        needs.append("% Some names need LuaLaTeX or XeLaTeX, and a font that has their letters.")
    return "\n".join([*needs, text, ""])


def _line(cells: Sequence[str]) -> str:
    return f"    {' & '.join(map(escape, cells))} \\\\"

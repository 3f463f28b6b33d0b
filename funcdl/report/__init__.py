"""Answers for people: tables, verdicts, figures and one self-contained page.

`write` makes a study's report folder and returns its `Answer`; `show` prints one. They load pandas
and Matplotlib when first used, not before. For the frames alone see `funcdl.report.answer`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from funcdl.report.answer import Answer
    from funcdl.report.folder import write
    from funcdl.report.question import Question
    from funcdl.report.terminal import show

__all__ = ["Answer", "Question", "show", "write"]

_HOMES = {
    "Answer": "funcdl.report.answer",
    "Question": "funcdl.report.question",
    "show": "funcdl.report.terminal",
    "write": "funcdl.report.folder",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

"""`ast.parse` by one thread at a time, on the versions of Python where two at once can fail.

Before 3.11.8 and 3.12.2, CPython counts the depth of the tree that it is building once for the whole
process: a second thread that parses meanwhile ends in `SystemError: AST constructor recursion depth
mismatch` (python/cpython issue 106905). Workers compile programs in several threads, each of which
reads signatures, while another imports what the next job needs: pydantic parses there, and so
does Matplotlib. So the function itself is guarded, for all its callers.
"""

from __future__ import annotations

import ast
import functools
import sys
import threading
from typing import Any

AFFECTED = sys.version_info < (3, 11, 8) or (3, 12) <= sys.version_info < (3, 12, 2)

_alone = threading.RLock()


def guard() -> None:
    """Guards `ast.parse`, and with it `ast.literal_eval`; once, and only where that is needed."""
    if not AFFECTED or hasattr(ast.parse, "__wrapped__"):
        return
    parse = ast.parse

    @functools.wraps(parse)
    def parse_alone(*arguments: Any, **options: Any) -> Any:
        with _alone:
            return parse(*arguments, **options)

    ast.parse = parse_alone

"""The digest of the code that decides a run's bits."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import funcdl

ROOMS = ("models", "tasks", "data", "optimizers", "metrics", "baselines", "train")


@cache
def code_digest() -> str:
    """SHA-256 of the source files that decide a run's bits (hex)."""
    root = Path(funcdl.__file__).parent
    files = sorted(path for room in ROOMS for path in (root / room).rglob("*.py"))
    total = hashlib.sha256()
    for path in [root / "types.py", *files, root / "execute" / "runner.py"]:
        total.update(path.relative_to(root).as_posix().encode() + b"\0")
        total.update(path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return total.hexdigest()

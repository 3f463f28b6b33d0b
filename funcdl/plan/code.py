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
    single = [root / "types.py", root / "execute" / "programs.py", root / "execute" / "runner.py"]
    for path in [*single, *files]:
        total.update(path.relative_to(root).as_posix().encode() + b"\0")
        total.update(path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return total.hexdigest()

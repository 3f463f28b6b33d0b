"""The digest of the code that decides a run's bits."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import funcdl

ROOMS = (
    "signatures",
    "models",
    "tasks",
    "data",
    "augment",
    "optimizers",
    "metrics",
    "baselines",
    "train",
)
FILES = (
    "types.py",
    "plan/recipe.py",
    "execute/baseline.py",
    "execute/feed.py",
    "execute/jobs.py",
    "execute/lanes.py",
    "execute/looking.py",
    "execute/measured.py",
    "execute/messages.py",
    "execute/programs.py",
    "execute/runner.py",
    "execute/settings.py",
    "execute/whole.py",
    "execute/worker_environment.py",
)


@cache
def code_digest() -> str:
    """SHA-256 of the source files that decide a run's bits (hex)."""
    return digest_of(Path(funcdl.__file__).parent)


def digest_of(root: Path) -> str:
    """The code digest of the package in this folder."""
    rooms = sorted(path for room in ROOMS for path in (root / room).rglob("*.py"))
    total = hashlib.sha256()
    for path in [*(root / name for name in FILES), *rooms]:
        total.update(path.relative_to(root).as_posix().encode() + b"\0")
        total.update(path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return total.hexdigest()

"""JSON files that prove themselves: the last key is the SHA-256 of the text without it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from funcdl.errors import DamageError
from funcdl.store.files import read_whole, write_whole

SEAL = "seal"


def write_sealed(path: Path, value: Mapping[str, Any]) -> None:
    """Writes strict JSON (no NaN) with its seal, whole or not at all.

    Raises:
        StoreError: if it cannot be written.
    """
    write_whole(path, _text({**value, SEAL: _digest(value)}).encode())


def read_sealed(path: Path) -> dict[str, Any]:
    """Reads and verifies what `write_sealed` wrote.

    Returns:
        The value without its seal.

    Raises:
        FileNotFoundError: if there is no such file.
        DamageError: if any bit of it is not as it was written.
        StoreError: if it cannot be read.
    """
    content = read_whole(path)
    try:
        value = json.loads(content)
        # The text must be what would be written, so that not even a space can differ unnoticed.
        whole = isinstance(value, dict) and _text(value).encode() == content
        if whole and value.pop(SEAL, None) == _digest(value):
            return value
    except ValueError:
        pass
    raise DamageError(f"{path}: damaged: its content does not match its seal")


def _digest(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(_text(value).encode()).hexdigest()


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False)

"""Which test examples belong together: `units.json`, by the digest of the data set.

No run depends on it and every test of a difference does, so it lies beside the runs, whole and sealed.
A study whose test examples stand alone has no such file.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from funcdl.errors import DamageError
from funcdl.store.sealed import read_sealed, write_sealed

NAME = "units.json"


def write_units(folder: Path, units: Mapping[str, np.ndarray]) -> None:
    """Writes the units of a study's data sets, where they are not what is there.

    Args:
        folder: the study's folder, held by this process.
        units: digest of a data set -> integers [n], one per test example.

    Raises:
        StoreError: if they cannot be written.
    """
    texts = {digest: _text(numbers) for digest, numbers in units.items()}
    try:
        known = read_sealed(folder / NAME)
    except FileNotFoundError:
        known = {}
    except DamageError:
        known = None
    if texts != known:
        write_sealed(folder / NAME, texts)


def read_units(folder: Path) -> dict[str, np.ndarray]:
    """The units of a study's data sets: digest -> int32 [n]; empty where no file is.

    Raises:
        DamageError: if the file is not as it was written.
        StoreError: if it cannot be read.
    """
    try:
        found = read_sealed(folder / NAME)
        return {digest: _numbers(text) for digest, text in found.items()}
    except FileNotFoundError:
        return {}
    except (binascii.Error, zlib.error, ValueError) as error:  # sealed, but by whom?
        raise DamageError(f"{folder / NAME}: not units that funcdl wrote") from error


def _text(numbers: np.ndarray) -> str:
    """32-bit integers, compressed, as ASCII: about a byte per example of a time series."""
    content = np.ascontiguousarray(numbers, "<i4").tobytes()
    return base64.b64encode(zlib.compress(content, 9)).decode()


def _numbers(text: str) -> np.ndarray:
    content = zlib.decompress(base64.b64decode(text, validate=True))
    return np.frombuffer(content, "<i4").astype(np.int32)

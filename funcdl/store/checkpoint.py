"""A run between two steps, on disk, in one file that proves itself.

The file is an uncompressed `.npz` of the state's arrays with one more array: a manifest, as JSON,
holding the run's identity, the step, and per array its path in the state, dtype and shape. Behind it
stand 32 bytes, the SHA-256 of everything before, which is checked before anything is parsed. The
last two checkpoints of a run are kept; a damaged one is set aside for the one before.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from funcdl.errors import DamageError, StoreError
from funcdl.store import fault
from funcdl.store.files import read_whole, write_whole

KEPT = 2
SUFFIX = ".npz"
_NAME = re.compile(r"(.+)-\d{10}\.npz")  # a person's own file beside them is left alone
MANIFEST = "manifest"
SEAL = 32  # bytes of a SHA-256


class Checkpoint(NamedTuple):
    """A state that can be gone on from.

    identity: the run's id.
    step: steps done.
    arrays: path in the state -> array.
    progress: what the run measured so far, as plain data.
    """

    identity: str
    step: int
    arrays: Mapping[str, np.ndarray]
    progress: Any


def save(folder: Path, checkpoint: Checkpoint) -> Path:
    """Writes a checkpoint, then drops the run's oldest ones.

    Args:
        folder: the study's checkpoints.
        checkpoint: what to keep.

    Returns:
        The path of the file.

    Raises:
        StoreError: if it cannot be written; earlier checkpoints are then intact.
    """
    entries = [
        {"path": path, "dtype": str(a.dtype), "shape": list(a.shape)}
        for path, a in checkpoint.arrays.items()
    ]
    manifest = {
        "identity": checkpoint.identity,
        "step": checkpoint.step,
        "progress": checkpoint.progress,
        "arrays": entries,
    }
    text = json.dumps(manifest, sort_keys=True, allow_nan=False).encode()
    buffer = io.BytesIO()
    # bfloat16 and its like are stored as bytes, since npz knows only NumPy's own types.
    arrays = {f"a{i}": _bytes(a) for i, a in enumerate(checkpoint.arrays.values())}
    arrays[MANIFEST] = np.frombuffer(text, np.uint8)
    np.savez(buffer, allow_pickle=False, **arrays)
    path = folder / f"{checkpoint.identity}-{checkpoint.step:010d}.npz"
    content = buffer.getvalue()
    write_whole(path, content + hashlib.sha256(content).digest())
    for old in paths(folder, {checkpoint.identity})[:-KEPT]:
        with contextlib.suppress(OSError):
            fault.passed("checkpoints.prune")
            old.unlink()
    return path


def paths(folder: Path, identities: Set[str] | None = None) -> list[Path]:
    """The checkpoints that are there, of these runs or of all, each run's from old to new."""
    found = [(path, _NAME.fullmatch(path.name)) for path in folder.glob(f"*{SUFFIX}")]
    return sorted(
        path for path, name in found if name and (identities is None or name[1] in identities)
    )


def seal(path: Path) -> str:
    """The digest that a checkpoint states of itself (hex); `load` verifies it.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - SEAL))
        return file.read().hex()


def load(path: Path) -> Checkpoint:
    """Reads and verifies a checkpoint.

    Raises:
        FileNotFoundError: if there is no such file.
        StoreError: if anything in it is not as it was written.
    """
    sealed = read_whole(path)
    content, digest = sealed[:-SEAL], sealed[-SEAL:]
    if hashlib.sha256(content).digest() != digest:
        raise DamageError(f"{path}: damaged checkpoint: its content does not match its digest")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            manifest = json.loads(file[MANIFEST].tobytes())
            arrays = {
                entry["path"]: _restored(file[f"a{i}"].tobytes(), entry)
                for i, entry in enumerate(manifest["arrays"])
            }
        return Checkpoint(manifest["identity"], manifest["step"], arrays, manifest["progress"])
    except (ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise StoreError(f"{path}: whole, but not a checkpoint of this funcdl: {error}") from error


def newest(folder: Path, identity: str) -> Iterator[tuple[Path, Checkpoint | StoreError]]:
    """A run's checkpoints from the newest to the oldest, each read and verified, or its error."""
    for path in reversed(paths(folder, {identity})):
        try:
            checkpoint = load(path)
            if checkpoint.identity != identity:
                raise StoreError(f"{path}: holds another run's state ({checkpoint.identity})")
        except FileNotFoundError:  # it has just been dropped
            continue
        except StoreError as error:
            yield path, error
        else:
            yield path, checkpoint


def drop(folder: Path, identities: Set[str]) -> None:
    """Removes these runs' checkpoints; the folder is listed once, however many they are."""
    if identities:
        _remove(paths(folder, identities))


def clear(folder: Path) -> None:
    """Removes all checkpoints: those of a finished study serve nothing."""
    _remove(paths(folder))


def _remove(files: list[Path]) -> None:
    for path in files:
        with contextlib.suppress(OSError):
            fault.passed("checkpoints.drop")
            path.unlink()


def _bytes(array: np.ndarray) -> np.ndarray:
    return np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)


def _restored(content: bytes, entry: Mapping[str, Any]) -> np.ndarray:
    dtype = entry["dtype"]
    if dtype not in np.sctypeDict:
        import ml_dtypes  # comes with JAX

        dtype = getattr(ml_dtypes, dtype)
    return np.frombuffer(content, dtype).reshape(entry["shape"])

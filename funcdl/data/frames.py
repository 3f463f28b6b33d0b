"""Data frames that a package brings as pickles: opened only once they are known to be the right ones."""

from __future__ import annotations

import importlib
import io
import lzma
import pickle
import warnings
from functools import lru_cache
from typing import Any

import numpy as np

from funcdl.data.packaged import packaged_file
from funcdl.errors import DataError

_ROOMS = ("numpy", "pandas")


@lru_cache(maxsize=4)
def packaged_frame(package: str, path: str, sha256: str) -> dict[str, np.ndarray]:
    """Reads an xz-compressed pickle of a data frame from an installed package.

    A pickle can run any code, so that nothing of it is looked at before its checksum agrees; what it
    names must then still come from NumPy or pandas.

    Args:
      package: the distribution's name.
      path: the file's path inside it.
      sha256: what the file's SHA-256 must be (hex).

    Returns:
      name -> column `[n]`; text as arrays of objects.

    Raises:
      DataError: if the package or the file is missing or another one.
    """
    content = lzma.decompress(packaged_file(package, path, sha256))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that pandas moved since the file was written
        frame = _Frames(io.BytesIO(content)).load()
    return {str(name): frame[name].to_numpy() for name in frame.columns}


class _Frames(pickle.Unpickler):
    """Finds what a data frame consists of, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("builtins", "slice"):
            return slice
        if module.split(".")[0] not in _ROOMS:
            raise DataError(f"the pickle of a data frame asks for {module}.{name}; it is refused")
        if module.startswith("numpy.core"):  # its name before NumPy 2
            module = "numpy._core" + module.removeprefix("numpy.core")
        return getattr(importlib.import_module(module), name)

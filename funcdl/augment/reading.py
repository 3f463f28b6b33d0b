"""Which arrays of its inputs an augmentation changes; nothing here needs JAX."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from funcdl.augment import READS, SHAPES
from funcdl.errors import DataError

_BY_AXES = {2: "tables", 3: "sequences", 4: "images"}


def kind_of(shape: Sequence[int], dtype: str) -> str:
    """What an array of inputs is taken for, a word of `SHAPES`; empty if none fits.

    >>> kind_of((2, 8, 8, 1), "float32"), kind_of((2, 9), "int32"), kind_of((2,), "int32")
    ('images', 'ids', '')
    """
    if "int" in dtype:
        return "ids" if len(shape) == 2 else ""
    return _BY_AXES.get(len(shape), "") if "float" in dtype else ""


def check_reads(name: str, arrays: Iterable[tuple[Sequence[int], str]]) -> None:
    """Checks that there is something for an augmentation to change.

    Args:
        name: of `AUGMENTATIONS`.
        arrays: shape and dtype of each array of the inputs.

    Raises:
        DataError: none of them is of a kind that it reads.
    """
    found = [(list(shape), dtype, kind_of(shape, dtype)) for shape, dtype in arrays]
    kinds = {kind for *_, kind in found}
    if kinds & set(READS[name]):
        return
    fitting = [other for other, reads in READS.items() if kinds & set(reads)]
    raise DataError(
        f"{name} reads {' or '.join(SHAPES[kind] for kind in READS[name])}, but the inputs are "
        f"{', '.join(f'{dtype} {shape}' for shape, dtype, _ in found)}; "
        f"what reads these: {', '.join(fitting) or 'nothing'}"
    )

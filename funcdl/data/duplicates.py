"""Examples that more than one split has: what a model has seen before it is asked."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from funcdl.data.rows import Rows, blocks
from funcdl.data.tree import leaves
from funcdl.types import Dataset, PyTree

LARGEST = 2**28  # bytes of inputs; what is larger, or lies in a file, is not looked through
_WORD = np.dtype(np.uint32)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio


class Shared(NamedTuple):
    """How many examples have the inputs of an example of another split, whatever their targets.

    test: test examples that the training split has.
    validation: validation examples that the training split has.
    chosen: test examples that the validation split has.
    """

    test: int
    validation: int
    chosen: int


def shared(dataset: Dataset) -> Shared | None:
    """Counts equal inputs over splits; None where the data are too large to look through.

    >>> from funcdl.data.arrays import presplit
    >>> one, two = (np.array([[1.0], [2.0]]), np.zeros(2)), (np.array([[2.0]]), np.ones(1))
    >>> shared(presplit(one, two, two))
    Shared(test=1, validation=1, chosen=1)
    """
    splits = (dataset.train, dataset.validation, dataset.test)
    arrays = [array for part in splits for _, array in leaves(part.inputs)]
    if any(isinstance(array, Rows) for array in arrays) or sum(a.nbytes for a in arrays) > LARGEST:
        return None
    train, validation, test = (fingerprints(part.inputs) for part in splits)

    def both(one: np.ndarray, other: np.ndarray) -> int:
        return int(np.isin(one, other).sum())

    return Shared(both(test, train), both(validation, train), both(test, validation))


def fingerprints(inputs: PyTree) -> np.ndarray:
    """A number for each example, uint64 `[n]`: equal for equal inputs, else almost surely not.

    Each 32-bit word is mixed and multiplied by a number of its place, and all are added modulo 2^64:
    one pass over the data, where a checksum per example would take a call for each.
    """
    found, place = np.zeros(len(leaves(inputs)[0][1]), np.uint64), 0
    for _, array in leaves(inputs):
        parts, width = [], 0
        for _, block in blocks(array):
            flat = np.ascontiguousarray(block.reshape(len(block), -1))
            if flat.dtype.kind == "f":
                flat = flat + flat.dtype.type(0)  # one zero, not two
            if flat.itemsize % _WORD.itemsize:
                flat = flat.astype(np.int32)
            words = flat.view(_WORD).astype(np.uint64) * _GOLDEN
            words ^= words >> np.uint64(29)
            width = words.shape[1]
            parts.append(words @ _weights(place, width))
        place += width
        found += np.concatenate(parts)
    return found


def _weights(first: int, count: int) -> np.ndarray:
    """Odd numbers that look random, uint64 `[count]`, those of the places from `first` on."""
    stream = np.random.PCG64(np.random.SeedSequence(0, spawn_key=tuple(b"duplicates")))
    stream.advance(first)
    return stream.random_raw(count) | np.uint64(1)

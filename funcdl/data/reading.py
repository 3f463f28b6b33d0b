"""Batches read from the host, in the order in which a run sees them, ahead of their use.

Grain does the reading ahead, in threads of its own. Its elements are whole windows, the batches of
some consecutive steps: element by element it reads 20,000 to 45,000 small images per second on a
core, window by window a million and more, about as many as indexing alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from funcdl.data.grain import has_grain, no_grain
from funcdl.data.order import indices_on_host
from funcdl.data.tree import leaves, map_leaves
from funcdl.errors import DataError
from funcdl.types import Split

AHEAD = 2  # windows that are read, or have been read, while one is trained on


class Windows:
    """Windows by number, as a source with random access: what Grain calls a data source.

    Nothing is remembered from one window to the next, so reading can begin at any of them.
    """

    def __init__(
        self,
        split: Split,
        orders: Sequence[np.ndarray],
        *,
        batch_size: int,
        steps: int,
        first: int,
        end: int,
    ):
        """Describes what is to be read; nothing is read yet.

        Args:
            split: arrays or `Rows`, `[n, ...]`.
            orders: the words `[2]` of each lane's key of the order.
            batch_size: examples in a batch.
            steps: steps in a window.
            first: the number of the first window; window `i` begins at step `i * steps`.
            end: the step before which reading ends; what a window has beyond it is zero.
        """
        self._split, self._orders = split, orders
        self._batch_size, self._steps = batch_size, steps
        self._first, self._end = first, end
        self._n = len(leaves(split.inputs)[0][1])

    def __len__(self) -> int:
        return max(0, -(-self._end // self._steps) - self._first)

    def __getitem__(self, index: Any) -> tuple[int, Split]:
        """The number of a window and its rows `[lanes, steps * batch_size, ...]`."""
        number = self._first + int(index)
        start = number * self._steps
        steps = np.arange(start, min(start + self._steps, self._end))
        chosen = {
            words.tobytes(): indices_on_host(
                words, steps, n=self._n, batch_size=self._batch_size
            ).reshape(-1)
            for words in self._orders
        }
        return number, map_leaves(lambda _, leaf: self._rows(leaf, chosen), self._split)

    def _rows(self, leaf: Any, chosen: Mapping[bytes, np.ndarray]) -> np.ndarray:
        """What lanes of one repeat see is the same, and read once."""
        missing = self._steps * self._batch_size - len(next(iter(chosen.values())))
        read = {order: leaf[which] for order, which in chosen.items()}
        if missing:
            zeros = np.zeros((missing, *leaf.shape[1:]), leaf.dtype)
            read = {order: np.concatenate([rows, zeros]) for order, rows in read.items()}
        if len(self._orders) == 1:
            return next(iter(read.values()))[None]
        return np.stack([read[words.tobytes()] for words in self._orders])


def ahead(windows: Windows) -> Iterator[tuple[int, Split]]:
    """The windows in turn; the next ones are read while one is used.

    Raises:
        DataError: if Grain is not installed.
    """
    if not has_grain():
        raise DataError(no_grain("the training data stay on the host"))
    import grain

    options = grain.ReadOptions(num_threads=AHEAD, prefetch_buffer_size=AHEAD)
    return iter(grain.MapDataset.source(windows).to_iter_dataset(options))

"""The data sets that a worker holds."""

from __future__ import annotations

from collections import OrderedDict

from funcdl.data.unchanged import held_bytes
from funcdl.execute.messages import Data
from funcdl.types import Dataset

LENT_BYTES = 2**29  # 512 MiB of data sets that a worker has at hand but may not need just now


class Lent:
    """Which data sets a worker has been given, the one used longest ago first.

    A study whose repeats have splits of their own has as many data sets as repeats. A worker keeps
    small ones and asks for none twice; of large ones it keeps the one that it uses.
    """

    def __init__(self, most_bytes: int = LENT_BYTES):
        """`most_bytes`: of all data sets together, but for the one in use."""
        self._most = most_bytes
        self._bytes: OrderedDict[str, int] = OrderedDict()

    def need(self, dataset: Dataset, *, free: bool) -> Data | None:
        """What must be sent to the worker before it can use a data set; None if it has it.

        Args:
            dataset: what it is about to use.
            free: whether it uses no other just now, so that others may be taken from it.
        """
        digest = dataset.digest
        if digest in self._bytes:
            self._bytes.move_to_end(digest)
            return None
        over = self._over(held_bytes(dataset)) if free else []
        self._bytes[digest] = held_bytes(dataset)
        return Data(dataset, tuple(over))

    def _over(self, needed: int) -> list[str]:
        """Takes back what was used longest ago, until so many bytes more fit."""
        over = []
        while self._bytes and sum(self._bytes.values()) + needed > self._most:
            over.append(self._bytes.popitem(last=False)[0])
        return over

"""How training data reach the device: all at once, or window by window from the host.

Which of the two it is changes no bits, so it may depend on the machine and is no part of a run's
identity.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from funcdl.data.grain import has_grain, no_grain
from funcdl.data.reading import Windows, ahead
from funcdl.data.rows import Rows
from funcdl.data.tree import leaves, map_leaves, take
from funcdl.errors import DataError
from funcdl.train.lanes import placed
from funcdl.train.window import UNLABELLED, Partly, Window
from funcdl.types import Array, Dataset, Split

HOST_BYTES = 2**30  # of a split in a file that a CPU takes into memory whole
SHARE = 4  # an accelerator's memory over what a split may take of it; the rest is for the runs
WINDOW_BYTES = 2**24  # 16 MiB
WINDOW_STEPS = 256  # enough that a call costs nothing beside its steps


class Hosted:
    """A training split that stays on the host, as a program is called with it.

    first: one example, on the device: all that `init` looks at.
    steps: steps in a window.
    """

    def __init__(self, split: Split, batch_size: int, lanes: int, mesh: Any):
        """`lanes` is 0 for a program without an axis of lanes.

        Raises:
            DataError: if Grain is not installed.
        """
        if not has_grain():
            size = _bytes(split) / 2**30
            raise DataError(no_grain(f"the training split of {size:.1f} GiB stays on the host"))
        self.split, self.batch_size, self.lanes, self._mesh = split, batch_size, lanes, mesh
        self.first = placed(_whole(take(split, slice(1))), mesh, lanes=False)
        of_step = _bytes(split) // _length(split) * batch_size * max(1, lanes)
        self.steps = min(WINDOW_STEPS, max(1, WINDOW_BYTES // max(1, of_step)))

    def empty(self) -> Window:
        """A window of zeros, to compile a program with."""
        rows = self.steps * self.batch_size
        zeros = map_leaves(
            lambda _, x: np.zeros((max(1, self.lanes), rows, *x.shape[1:]), x.dtype), self.split
        )
        return self.window(0, zeros)

    def window(self, number: int, rows: Split) -> Window:
        """Rows as `Windows` reads them, on the device."""
        if not self.lanes:
            rows = map_leaves(lambda _, leaf: leaf[0], rows)
        first = placed(np.int32(number * self.steps), self._mesh, lanes=False)
        return Window(first, placed(rows, self._mesh, lanes=self.lanes > 0))


class Pair(NamedTuple):
    """Training data of which a part has labels."""

    labelled: Split | Hosted
    unlabelled: Split | Hosted


OnDevice = Split | Hosted | Pair


def training_data(
    dataset: Dataset,
    stream: str,
    *,
    batch_size: int,
    ratio: int = 0,
    lanes: int = 0,
    mesh: Any = None,
) -> OnDevice:
    """Puts what a program trains on where it expects it.

    Args:
        dataset: its training split, and for a `ratio` the examples without labels.
        stream: as in `to_device`; the last two, too.
        batch_size: labelled examples in a batch.
        ratio: unlabelled ones for each of these.
        lanes: how many runs the program does at once.
        mesh: the devices that lanes are shared out to.

    Raises:
        DataError: as `to_device` does.
    """
    of = {"lanes": lanes, "mesh": mesh}
    train = to_device(dataset.train, stream, batch_size=batch_size, **of)
    if not ratio:
        return train
    hidden = Split(dataset.unlabelled, ())
    unlabelled = to_device(hidden, stream, batch_size=batch_size * ratio, **of)
    assert not isinstance(train, Pair)
    assert not isinstance(unlabelled, Pair)
    return Pair(train, unlabelled)


def hosted(data: OnDevice) -> bool | tuple[bool, bool]:
    """Whether data come window by window; of both parts, where only one has labels."""
    if isinstance(data, Pair):
        return isinstance(data.labelled, Hosted), isinstance(data.unlabelled, Hosted)
    return isinstance(data, Hosted)


def to_device(
    split: Split, stream: str, *, batch_size: int, lanes: int = 0, mesh: Any = None
) -> OnDevice:
    """Puts a training split where a program expects it.

    Args:
        split: arrays or `Rows`.
        stream: "always" to leave it on the host, "never" to put it on the device, "auto" by its size:
            an accelerator takes what fills at most a quarter of its memory, a CPU what is in memory
            already, and up to 1 GiB of what lies in a file.
        batch_size: examples in a batch.
        lanes: how many runs the program does at once, on all devices; 0 if it has no lanes.
        mesh: the devices that lanes are shared out to, if they are more than one.

    Raises:
        DataError: if the split stays on the host and Grain is not installed.
    """
    if stays(split, stream):
        return Hosted(split, batch_size, lanes, mesh)
    return placed(_whole(split), mesh, lanes=False)


def stays(split: Split, stream: str) -> bool:
    """Whether a training split stays on the host; see `to_device`."""
    if stream != "auto":
        return stream == "always"
    device = jax.local_devices()[0]
    if device.platform == "cpu":
        in_file = any(isinstance(leaf, Rows) for _, leaf in leaves(split))
        return in_file and _bytes(split) > HOST_BYTES
    memory = (device.memory_stats() or {}).get("bytes_limit")
    return memory is not None and _bytes(split) > memory // SHARE


def for_init(data: OnDevice) -> Any:
    """What a program's `init` is called with."""
    if isinstance(data, Pair):
        return Partly(for_init(data.labelled), for_init(data.unlabelled))
    return data.first if isinstance(data, Hosted) else data


def for_compiling(data: OnDevice) -> Any:
    """What a program's `chunk` is compiled for."""
    if isinstance(data, Pair):
        return Partly(for_compiling(data.labelled), for_compiling(data.unlabelled))
    return data.empty() if isinstance(data, Hosted) else data


class Feed:
    """The training data of a run, or of the runs in lanes, as their steps come."""

    def __init__(self, data: OnDevice, keys: Sequence[Mapping[str, Array]], end: int):
        """`keys`: the streams of each lane, of one run otherwise; `end`: the last one's last step."""
        self._data, self._end = data, end
        self._parts: tuple[Feed, ...] = ()
        if isinstance(data, Pair):
            own = [{"order": jax.random.fold_in(s["order"], UNLABELLED)} for s in keys]
            self._parts = Feed(data.labelled, keys, end), Feed(data.unlabelled, own, end)
        self._orders = [np.asarray(jax.random.key_data(streams["order"])) for streams in keys]
        self._windows: Iterator[tuple[int, Split]] | None = None
        self._number, self._window = -1, None

    def at(self, step: int) -> tuple[Any, int]:
        """What `chunk` is called with at a step, and the step up to which that suffices.

        Steps are asked for in ascending order; reading begins at the first of them.
        """
        if self._parts:
            parts, suffices = zip(*(part.at(step) for part in self._parts), strict=True)
            return Partly(*parts), min(suffices)
        if not isinstance(self._data, Hosted):
            return self._data, self._end
        number = step // self._data.steps
        while self._number < number:
            self._window = None  # its memory is free before the next one takes some
            if self._windows is None:
                self._windows = self._reader(self._data, number)
            self._number, rows = next(self._windows)
            self._window = self._data.window(self._number, rows)
        return self._window, (number + 1) * self._data.steps

    def _reader(self, data: Hosted, first: int) -> Iterator[tuple[int, Split]]:
        return ahead(
            Windows(
                data.split,
                self._orders,
                batch_size=data.batch_size,
                steps=data.steps,
                first=first,
                end=self._end,
            )
        )


def _whole(split: Split) -> Split:
    """The split as arrays in memory."""
    return map_leaves(lambda _, leaf: np.asarray(leaf), split)


def _bytes(split: Split) -> int:
    return sum(leaf.nbytes for _, leaf in leaves(split))


def _length(split: Split) -> int:
    return len(leaves(split.inputs)[0][1])

"""What a run is worth at one moment: its metrics per example, and its outputs where they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from funcdl.execute.programs import Program, batches
from funcdl.train.start import named, whole
from funcdl.types import Dataset, PyTree, State

SPLITS = ("train", "validation", "test")  # a split's number decides masks, where dropout is drawn


class Looking(NamedTuple):
    """A state to be looked at.

    values: `values("test") -> {"test/accuracy": [n]}`, one value per example.
    outputs: `outputs("test") -> [n, ...]`, what the model says; for programs with `predict`.
    trained: `trained() -> {"params/Dense_0/kernel": array}`; for programs with `trained`.

    Of a program with lanes all have a leading axis of lanes.
    """

    values: Callable[[str], dict[str, np.ndarray]]
    outputs: Callable[[str], PyTree]
    trained: Callable[[], dict[str, np.ndarray]] = dict


def looking(
    program: Program,
    state: State,
    hyper: Mapping[str, Any],
    keys: Mapping[str, Any],
    dataset: Dataset,
    pulse: Callable[[], None],
) -> Looking:
    """How to look at this state.

    Args:
        program: its compiled functions.
        state: of the run, or of all lanes; `hyper` and `keys` likewise.
        hyper: the traced numbers.
        keys: of the random streams.
        dataset: the data on the host.
        pulse: called for every batch.
    """

    def over(
        name: str, function: Callable[..., PyTree], take: Callable[[Any], Any]
    ) -> list[PyTree]:
        """The function's values, batch by batch, without the rows that fill up the last one."""
        found = []
        for at, (batch, n) in enumerate(batches(getattr(dataset, name), program.rows)):
            pulse()
            place = np.asarray([SPLITS.index(name), at], np.int32)
            drawn = (keys["dropout"], place) if program.drawn else ()
            values = function(state, hyper, take(batch), *drawn)
            rows = (slice(None),) * bool(program.lanes) + (slice(n),)
            found.append(jax.tree.map(lambda x, rows=rows: np.asarray(x)[rows], values))
        return found

    def joined(parts: list[PyTree]) -> PyTree:
        axis = 1 if program.lanes else 0
        return jax.tree.map(lambda *leaves: np.concatenate(leaves, axis), *parts)

    def values(name: str) -> dict[str, np.ndarray]:
        found = joined(over(name, program.evaluate, lambda batch: batch))
        return {f"{name}/{metric}": numbers for metric, numbers in found.items()}

    def outputs(name: str) -> PyTree:
        assert program.predict is not None
        return joined(over(name, program.predict, lambda batch: batch.inputs))

    def trained() -> dict[str, np.ndarray]:
        assert program.trained is not None
        variables = whole(program.trained(state, hyper))
        return {name: np.asarray(leaf) for name, leaf in named(variables).items()}

    return Looking(values, outputs, trained)

"""How much memory a lane of a program takes, from shapes alone.

Tracing needs JAX, which the planning process does not import; so a process of its own does it, on
the CPU, for all programs of a study at once.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from funcdl.errors import FuncdlError
from funcdl.train.assemble import Static
from funcdl.types import Dataset, Split

Request = tuple[Static, Mapping[str, float], Dataset]


def lane_bytes(requests: list[Request]) -> list[int | None]:
    """The memory of one lane for each program.

    Args:
        requests: per program its static part, any values of its traced numbers, and its data.

    Returns:
        Bytes of the run's state, twice (the old and the new one), and of all intermediate values of
        one step; XLA shares memory between those, so it takes less. None for a program that cannot be
        traced: its runs will say why.

    Raises:
        FuncdlError: if the process that traces cannot be had.
    """
    return traced("funcdl.plan.sizing", requests)


def traced(module: str, requests: list[Request]) -> list[Any]:
    """What a module of this room, run as a program of its own, answers to these requests.

    Raises:
        FuncdlError: if the process cannot be had.
    """
    asked = [_pickled((s, dict(h), _hollow(data), _rows(data))) for s, h, data in requests]
    # None of JAX's settings: the same study gets the same widths from every shell.
    env = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")} | {
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
    }
    command = [sys.executable, "-P", "-m", module]
    done = subprocess.run(command, input=pickle.dumps(asked), capture_output=True, env=env)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise FuncdlError(f"models cannot be traced: {said[-1] if said else done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def _pickled(request: Any) -> bytes | None:
    """None for what cannot travel, such as a closure over a lock."""
    import cloudpickle

    try:
        return cloudpickle.dumps(request)
    except Exception:
        return None


def _rows(dataset: Dataset) -> int:
    from funcdl.data.tree import leaves

    return len(leaves(dataset.train.inputs)[0][1])


def _hollow(dataset: Dataset) -> Dataset:
    """The data set with the inputs of two examples per split: shapes are all that tracing looks at.

    Targets are whole, since they may tell how many classes there are.
    """
    from funcdl.data.tree import take

    def two(split: Split) -> Split:
        return Split(take(split.inputs, slice(2)), split.targets)

    hidden = dataset.unlabelled
    return dataset._replace(
        train=two(dataset.train),
        validation=two(dataset.validation),
        test=two(dataset.test),
        unlabelled=None if hidden is None else take(hidden, slice(2)),
    )


def _bytes_of(static: Static, hyper: Mapping[str, float], dataset: Dataset, rows: int) -> int:
    import jax
    import numpy as np

    from funcdl.train.assemble import assemble
    from funcdl.train.start import blank
    from funcdl.train.streams import stream_keys
    from funcdl.train.window import Partly

    train, keys = assemble(static, dataset), stream_keys(0, "tune", 0)
    scalars = {key: np.float32(value) for key, value in hyper.items()}
    data = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((rows, *x.shape[1:]), x.dtype), dataset.train
    )
    if static.unlabelled is not None:
        hidden = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct((rows, *x.shape[1:]), x.dtype), dataset.unlabelled
        )
        data = Partly(data, Split(hidden, ()))
    state = jax.eval_shape(train.init, keys, scalars, data, *blank(static.start))
    traced = jax.make_jaxpr(train.chunk)(state, keys, scalars, data, np.int32(1))
    held = sum(_size(leaf) for leaf in jax.tree.leaves(state))
    return 2 * held + _intermediate(traced.jaxpr)


def _intermediate(jaxpr: Any) -> int:
    """Bytes of everything that the equations of a jaxpr, inner ones included, put out."""
    total = 0
    for equation in jaxpr.eqns:
        total += sum(_size(out.aval) for out in equation.outvars)
        for value in equation.params.values():
            for inner in value if isinstance(value, (tuple, list)) else (value,):
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    total += _intermediate(inner)
    return total


def _size(array: Any) -> int:
    itemsize = getattr(getattr(array, "dtype", None), "itemsize", 8)
    return getattr(array, "size", 1) * itemsize


def _answer(request: bytes | None) -> int | None:
    """The bytes that a request asks for; None if whoever wrote the model made a mistake in it."""
    try:
        return None if request is None else _bytes_of(*pickle.loads(request))
    except Exception:
        return None


def main() -> None:
    """Reads requests from standard input, and writes their bytes as JSON."""
    answers = [_answer(request) for request in pickle.loads(sys.stdin.buffer.read())]
    print(json.dumps(answers))


if __name__ == "__main__":
    main()

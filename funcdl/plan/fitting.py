"""Whether what a method begins with fits its model, from shapes alone.

As for `funcdl.plan.sizing`, a process of its own traces: the planning process does not import JAX.
"""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from funcdl.config.start import INIT
from funcdl.errors import DataError
from funcdl.plan.library import Library
from funcdl.plan.sizing import traced
from funcdl.plan.trial import Trial
from funcdl.train.assemble import Static
from funcdl.types import Dataset


def check_starts(library: Library, trials: Iterable[Iterable[Trial]]) -> None:
    """Refuses a method that cannot begin with what its `init` names.

    Args:
        library: knows their data.
        trials: of each method.

    Raises:
        StudyError: at the line that names the source.
    """
    first = {t.program: t for tried in trials for t in tried if t.static and t.static.start}
    asked = [(t.static, t.hyper, library.datasets[t.data]) for t in first.values() if t.static]
    said = traced("funcdl.plan.fitting", asked) if asked else []
    for trial, problem in zip(first.values(), said, strict=True):
        if problem:
            text = f"{trial.recipe[INIT]['from']}: {problem}"
            raise library.starts.refused(trial.recipe, text)


def _misfit(static: Static, hyper: Mapping[str, float], dataset: Dataset, rows: int) -> str:
    """What is wrong; empty for nothing, and for a model that cannot be made: its runs will say why."""
    import jax
    import numpy as np

    from funcdl.train.assemble import assemble
    from funcdl.train.start import blank
    from funcdl.train.streams import stream_keys

    del rows
    scalars = {key: np.float32(value) for key, value in hyper.items()}
    keys = stream_keys(0, "tune", 0)
    try:
        init = assemble(static, dataset).init
        jax.eval_shape(init, keys, scalars, dataset.train, *blank(static.start))
    except DataError as error:
        return str(error)
    except Exception:
        return ""
    return ""


def _answer(request: Any) -> str:
    return "" if request is None else _misfit(*pickle.loads(request))


def main() -> None:
    """Reads requests from standard input, and writes what is wrong with each as JSON."""
    print(json.dumps([_answer(request) for request in pickle.loads(sys.stdin.buffer.read())]))


if __name__ == "__main__":
    main()

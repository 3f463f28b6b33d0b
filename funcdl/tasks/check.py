"""Whether data fit their task, asked before anything is compiled."""

from __future__ import annotations

from typing import Any

from funcdl.tasks.load import make_task
from funcdl.types import Dataset


def check_data(spec: Any, dataset: Dataset) -> None:
    """Raises `DataError` if the data do not fit the task."""
    make_task(spec).check(dataset)

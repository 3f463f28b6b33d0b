"""From what a study says about its task to a `Task`."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from typing import Any

from funcdl.errors import Problem, StudyError
from funcdl.tasks import TASKS
from funcdl.types import Task


def name_and_arguments(spec: Any) -> tuple[Any, dict[str, Any]]:
    """Returns what a section names, and the arguments beside it.

    >>> name_and_arguments({"name": "classification", "label_smoothing": 0.1})
    ('classification', {'label_smoothing': 0.1})
    >>> name_and_arguments("regression")
    ('regression', {})
    """
    if isinstance(spec, Mapping) and "name" in spec:
        return spec["name"], {key: value for key, value in spec.items() if key != "name"}
    return spec, {}


def make_task(spec: Any) -> Task:
    """Makes the task of a study's `task` section.

    Args:
      spec: a name in `TASKS`, a function that returns a `Task`, or a mapping with one of these as
        `name` and its arguments beside it; or a `Task`.

    Raises:
      StudyError: if it is none of these, or an argument is out of range.

    >>> sorted(make_task({"name": "classification", "label_smoothing": 0.1}).metrics)
    ['accuracy', 'brier', 'loss']
    """
    what, arguments = name_and_arguments(spec)
    if isinstance(what, str) and what in TASKS:
        what = pkgutil.resolve_name(TASKS[what])
    task = what(**arguments) if callable(what) else what
    if not isinstance(task, Task) or (task is what and arguments):
        allowed = f"a name ({', '.join(TASKS)}), a Task, or a function that returns one"
        found = f"is {what!r}" + (f" with {', '.join(arguments)}" if arguments else "")
        raise StudyError([Problem("", "task", f"{found}; allowed {allowed}")])
    return task

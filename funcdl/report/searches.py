"""What each method's search was, from a study's plan; and where in its space a value lies."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from funcdl.config import Method, Study, with_values
from funcdl.config.identity import identity
from funcdl.config.spaces import Distribution
from funcdl.plan.study import Plan
from funcdl.plan.trial import Trial
from funcdl.report.question import Search

EDGE = 0.05  # of the space's own scale, at either end


def searches(study: Study, plan: Plan) -> dict[tuple[str, str], Search]:
    """The search of every method that is trained, tuned or not; a baseline's has no optimizer."""
    return {
        (method.block, method.label): _search(study, method, trials)
        for method, trials in zip(plan.methods, plan.trials, strict=True)
    }


def _search(study: Study, method: Method, trials: tuple[Trial, ...]) -> Search:
    space = {key: one.as_data() for key, one in method.space.items()}
    others = {key: one for key, one in space.items() if not key.startswith("optimizer.")}
    # A trial's text describes live objects by their digests, and data by theirs.
    recipe = with_values(json.loads(trials[0].text), dict.fromkeys(space))
    recipe = {key: value for key, value in recipe.items() if key != "optimizer"}
    rest = identity([recipe, trials[0].data, others, method.baseline])
    number = len(trials) if study.tune and space else 0
    return Search(_described(method.recipe.get("optimizer", {})), rest[:16], space, number)


def _described(optimizer: Mapping[str, Any]) -> dict[str, Any]:
    """The optimizer's arguments as JSON holds them; one that is a Python object has no name."""
    if not isinstance(optimizer.get("name"), str):
        return {}
    return {key: _plain(value) for key, value in optimizer.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    known = value is None or isinstance(value, str | bool | int | float)
    finite = not isinstance(value, float) or math.isfinite(value)
    return value if known and finite else str(type(value).__name__)


def space_of(data: Mapping[str, Any]) -> Distribution:
    """A search's range as a distribution.

    >>> space_of({"one_minus": {"log_uniform": [0.01, 0.5]}}).edges()
    (0.5, 0.99)
    """
    ((name, inner),) = data.items()
    if name == "one_minus":
        return Distribution(name, inner=space_of(inner))
    if name == "choice":
        return Distribution(name, values=tuple(inner))
    return Distribution(name, *inner)


def place(space: Distribution, value: Any) -> float | None:
    """Where a value lies in its space, 0 to 1 on the space's own scale; None among words.

    >>> place(Distribution("log_uniform", 1e-4, 1.0), 0.01)
    0.5
    >>> place(Distribution("choice", values=(16, 32, 64)), 64)
    1.0
    """
    if space.inner is not None:
        inner = None if value is None else place(space.inner, 1 - value)
        return None if inner is None else 1 - inner
    if not _number(value):
        return None
    if space.name == "choice":
        if not all(map(_number, space.values)) or value not in space.values:
            return None
        return sorted(space.values).index(value) / max(1, len(space.values) - 1)
    low, high, x = float(space.low), float(space.high), float(value)
    if space.name == "log_uniform":
        low, high, x = math.log(low), math.log(high), math.log(max(x, math.ulp(0.0)))
    return min(1.0, max(0.0, (x - low) / (high - low)))


def edge(space: Distribution, value: Any) -> str:
    """The end, "upper" or "lower", for a value that lies near it; else empty.

    Near is within `EDGE` of the scale, or the outermost of three or more numbers to choose from. Zero
    is no edge that could be moved.
    """
    where = place(space, value)
    if where is None or (space.name == "choice" and len(space.values) < 3):
        return ""
    if where >= 1 - EDGE:
        return "upper"
    lowest = min(space.edges() or space.values)
    return "lower" if where <= EDGE and lowest != 0 else ""


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

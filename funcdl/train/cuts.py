"""Where to cut a trace into segments, so that what is kept for its gradient is least.

A segment costs the bytes of all that it computes, while its gradient is taken; a cut costs the bytes
that are alive at it, all the time. So the best cuts are at the narrowest places of the trace, and the
segments between them are about as large as what all cuts keep.

Source: Chen et al., "Training deep nets with sublinear memory cost" (2016), section 4.3: try a range
of budgets for a segment, cut greedily under each, and take the best.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from jax.extend.core import Jaxpr, JaxprEqn, Literal, Var

FINENESS = 1.1  # of one budget to the next


class Step(NamedTuple):
    """An equation of the trace.

    place: its index in the trace.
    values: bytes of each value it computes, and the index of the last equation that reads it.
    alive: bytes of all values, also of earlier equations, that are read behind it.
    """

    equation: JaxprEqn
    place: int
    values: tuple[tuple[int, int], ...]
    alive: int

    @property
    def size(self) -> int:
        """Bytes of all that it computes."""
        return sum(size for size, _ in self.values)


def segments_of(jaxpr: Jaxpr) -> Iterator[list[JaxprEqn]]:
    """The trace in segments; a loop over time is one of its own."""
    stretch: list[Step] = []
    for step in steps_of(jaxpr):
        if not is_loop(step.equation):
            stretch.append(step)
            continue
        yield from cheapest(stretch)
        yield [step.equation]
        stretch = []
    yield from cheapest(stretch)


def steps_of(jaxpr: Jaxpr) -> list[Step]:
    """Every equation, with what it makes and what is alive behind it."""
    last_use = {v: len(jaxpr.eqns) for v in variables(jaxpr.outvars)}
    for index in reversed(range(len(jaxpr.eqns))):
        for v in variables(jaxpr.eqns[index].invars):
            last_use.setdefault(v, index)
    alive, steps = 0, []
    ends: dict[int, int] = {}
    for index, equation in enumerate(jaxpr.eqns):
        values = tuple((_size(v), last_use.get(v, index)) for v in equation.outvars)
        for size, last in values:
            alive += size
            ends[last] = ends.get(last, 0) + size
        alive -= ends.pop(index, 0)
        steps.append(Step(equation, index, values, alive))
    return steps


def is_loop(equation: JaxprEqn) -> bool:
    """Whether this is a loop of known length, over time for one."""
    return equation.primitive.name == "scan"


def cheapest(steps: Sequence[Step]) -> list[list[JaxprEqn]]:
    """The cuts, of all that were tried, that keep the least: at the cuts, and in one segment."""
    if not steps:
        return []
    budget, total = max(step.size for step in steps), sum(step.size for step in steps)
    tried = [[len(steps)]]
    while 0 < budget < total:
        tried.append(_cut(steps, budget))
        budget *= FINENESS
    best = min(tried, key=lambda ends: kept(steps, ends))
    starts = [0, *best[:-1]]
    return [[s.equation for s in steps[start:end]] for start, end in zip(starts, best, strict=True)]


def _cut(steps: Sequence[Step], budget: float) -> list[int]:
    """Where segments of at most this many bytes end, each where little is alive."""
    ends, start = [], 0
    while start < len(steps):
        made, best, end = 0, start + 1, start
        while end < len(steps) and (end == start or made + steps[end].size <= budget):
            made += steps[end].size
            end += 1
            # Not in the first half: segments that are all short keep more at their cuts.
            if made < budget / 2 or steps[end - 1].alive <= steps[best - 1].alive:
                best = end
        start = len(steps) if end == len(steps) else best
        ends.append(start)
    return ends


def kept(steps: Sequence[Step], ends: Sequence[int]) -> int:
    """Bytes of what is alive at the cuts, each value once, and of the largest segment."""
    at_cuts, largest = 0, 0
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        segment = steps[start:end]
        values = [value for step in segment for value in step.values]
        largest = max(largest, sum(size for size, _ in values))
        if end < len(steps):
            at_cuts += sum(size for size, last in values if last > segment[-1].place)
    return at_cuts + largest


def variables(atoms: Sequence[Any]) -> list[Var]:
    """Those that stand for computed values; the others are literal numbers."""
    return [v for v in atoms if not isinstance(v, Literal)]


def _size(v: Any) -> int:
    """Bytes of a value; what is no array counts as nothing."""
    shape, dtype = getattr(v.aval, "shape", None), getattr(v.aval, "dtype", None)
    return math.prod(shape) * dtype.itemsize if shape is not None and dtype is not None else 0

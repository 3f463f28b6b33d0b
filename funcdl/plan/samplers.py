"""Points to try in a search space.

A sampler gives points of the unit cube; each key's distribution maps its coordinate to a value. Two
methods with the same number of tuned keys get the same points of the cube, and asking for more
trials keeps the earlier ones.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from funcdl.config.spaces import Distribution

Space = Mapping[str, Distribution]
Point = dict[str, Any]


def points(space: Space, sampler: str, trials: int, seed: int) -> list[Point]:
    """The trials of one method.

    Args:
        space: tuned key -> distribution; an empty space has one point, the method as it is.
        sampler: a name in `funcdl.config.samplers.SAMPLERS`.
        trials: how many points; a grid may have fewer, an equal point is kept once.
        seed: the study's seed.

    Returns:
        Distinct points, each mapping every tuned key to a value.
    """
    if not space:
        return [{}]
    make = {"grid": grid, "random": random, "halton": halton, "sobol": sobol}[sampler]
    found = make(space, trials, seed)
    return list({repr(sorted(point.items())): point for point in found}.values())


def grid(space: Space, trials: int, seed: int = 0) -> list[Point]:
    """All combinations of evenly spaced quantiles, both edges included, and of all choices.

    Each continuous key gets as many levels as keep the number of points within `trials`, but two at
    the least.
    """
    del seed  # a grid has no randomness; the samplers share one signature
    discrete = {k: d.size for k, d in space.items() if d.size is not None}
    free = len(space) - len(discrete)
    room = trials / math.prod(discrete.values())
    # The nudge keeps 8 ** (1/3) from being rounded down to 1.
    levels = max(2, math.floor(room ** (1 / free) + 1e-9)) if free else 1
    axes = [d.levels(discrete.get(k) or levels) for k, d in space.items()]
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*axes)]


def random(space: Space, trials: int, seed: int) -> list[Point]:
    """Independent uniform points (Bergstra and Bengio 2012), by NumPy's PCG64."""
    cube = np.random.Generator(np.random.PCG64(seed)).random((trials, len(space)))
    return _mapped(space, cube)


def halton(space: Space, trials: int, seed: int) -> list[Point]:
    """A scrambled Halton sequence (Owen 2017), which covers the space more evenly than chance."""
    from scipy.stats import qmc

    return _mapped(space, qmc.Halton(len(space), scramble=True, rng=seed).random(trials))


def sobol(space: Space, trials: int, seed: int) -> list[Point]:
    """A scrambled Sobol' sequence; most even where `trials` is a power of two."""
    from scipy.stats import qmc

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the balance at powers of two, said above
        return _mapped(space, qmc.Sobol(len(space), scramble=True, rng=seed).random(trials))


def _mapped(space: Space, cube: np.ndarray) -> list[Point]:
    return [
        {key: d.at(float(u)) for (key, d), u in zip(space.items(), row, strict=True)}
        for row in cube
    ]

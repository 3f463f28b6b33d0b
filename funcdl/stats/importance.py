"""Which searched key matters? The share of the trials' ranks that each key explains."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from funcdl.stats.interval import vector
from funcdl.stats.verdict import Mode
from funcdl.types import Array


class Importance(NamedTuple):
    """Shares of the variance of the trials' ranks; they add up to about 1.

    n: how many trials.
    shares: key -> share that its own effect explains, whatever the other keys are; 0 for one that
        explains no more than chance would. Empty where nothing can be said.
    together: share that pairs of keys explain beyond that; None where it was not estimated.
    unexplained: the rest: the randomness of training, and what curves cannot follow.
    reason: why something is missing; empty when all is there.
    """

    n: int
    shares: Mapping[str, float]
    together: float | None
    unexplained: float | None
    reason: str


def importance(
    places: Mapping[str, Sequence[float] | Sequence[str] | Array],
    scores: Sequence[float] | Array,
    *,
    mode: Mode = "max",
) -> Importance:
    """An analysis of variance of a search's trials.

    The trials' ranks are fitted by least squares: a parabola in each numeric key, a constant per
    level of each key of words, and the product of the linear parts of each two keys. Ranks, so that
    a diverged trial counts as the worst and not as a number, and outliers for no more than others.

    A key's share is `(SS - df MSE) / SS(total)`, at least 0: SS is what the fit with all keys, but no
    products, loses without this key (type II); the subtraction is what a key without any effect gains
    by chance. Products are judged the same way by what the fit gains from them. `unexplained` is
    `MSE / (SS(total) / (n - 1))`, at most 1.

    Each coefficient needs two trials: with fewer the products are left out, then everything.

    Args:
        places: key -> `[n]`, where in its own space each trial lies, 0 to 1; or words.
        scores: `[n]`, one per trial; what is not finite has diverged.
        mode: "max" where larger scores are better, "min" where smaller are.

    Raises:
        ValueError: lengths differ, or `mode` is neither "max" nor "min".

    Source: Fisher's analysis of variance with Olejnik and Algina's adjustment (epsilon squared; Kelley,
    "An unbiased correlation ratio measure", 1935), on ranks (Conover and Iman, "Rank transformations",
    Am. Stat. 35, 1981); for the question, Hutter, Hoos and Leyton-Brown, "An efficient approach for
    assessing hyperparameter importance" (2014).

    >>> rate = [i / 11 for i in range(12)]
    >>> found = importance({"rate": rate}, [1 - (x - 0.4) ** 2 for x in rate])
    >>> found.shares["rate"] > 0.8, found.together
    (True, None)
    """
    if mode not in ("max", "min"):
        raise ValueError(f"mode is {mode!r}; allowed: 'max', 'min'")
    values = vector(scores, "scores")
    for key, column in places.items():
        if len(column) != len(values):
            raise ValueError(f"{key} has {len(column)} values for {len(values)} scores")
    n = len(values)
    linear, own = _columns(places)
    if not own:
        return Importance(n, {}, None, None, "no key took more than one value")
    mains = sum(column.shape[1] for column in own.values())
    if n < 2 * mains + 1:
        keys = "1 key" if len(own) == 1 else f"{len(own)} keys"
        text = f"{n} trials are too few for {keys}; {2 * mains + 1} would do"
        return Importance(n, {}, None, None, text)
    y = _ranks(values, mode)
    if not y.any():
        return Importance(n, {}, None, None, "all trials scored the same")
    crossed = list(itertools.combinations(linear.values(), 2))
    pairs = sum(a.shape[1] * b.shape[1] for a, b in crossed)
    enough = n >= 2 * (mains + pairs) + 1
    few = f"{n} trials are too few for pairs of keys; {2 * (mains + pairs) + 1} would do"
    products = [(a[:, :, None] * b[:, None, :]).reshape(n, -1) for a, b in crossed if enough]
    found = _shares(y, own, products)
    return Importance(n, *found, "" if enough else few)


def _shares(
    y: np.ndarray, own: Mapping[str, np.ndarray], products: list[np.ndarray]
) -> tuple[dict[str, float], float | None, float]:
    total = float(y @ y)
    mains, rank = _explained(y, list(own.values()))
    full, rank_full = _explained(y, [*own.values(), *products])
    error = max(0.0, total - full) / max(1, len(y) - 1 - rank_full)

    def share(gained: float, df: int) -> float:
        return min(1.0, max(0.0, (gained - df * error) / total))

    shares = {}
    for key in own:
        without, fewer = _explained(y, [own[other] for other in own if other != key])
        shares[key] = share(mains - without, rank - fewer)
    together = share(full - mains, rank_full - rank) if products else None
    return shares, together, min(1.0, error * (len(y) - 1) / total)


def _explained(y: np.ndarray, columns: list[np.ndarray]) -> tuple[float, int]:
    """The sum of squares that the columns explain of `y`, both centred; and how many they really are."""
    if not columns:
        return 0.0, 0
    design = np.concatenate(columns, axis=1)
    design = design - design.mean(axis=0)
    left, sizes, _ = np.linalg.svd(design, full_matrices=False)
    rank = int((sizes > 1e-9 * max(1.0, sizes[0])).sum())
    return float(((left[:, :rank].T @ y) ** 2).sum()), rank


def _columns(
    places: Mapping[str, Sequence[float] | Sequence[str] | Array],
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Per key that varies its linear columns, and all of its own; `[n, .]` each."""
    linear, own = {}, {}
    for key, values in places.items():
        column = np.asarray(values)
        levels = np.unique(column)
        if len(levels) < 2:
            continue
        if column.dtype.kind not in "fiub":
            linear[key] = own[key] = (column[:, None] == levels[1:]).astype(np.float64)
            continue
        x = column.astype(np.float64)[:, None] - 0.5
        linear[key] = x
        own[key] = np.concatenate([x, x**2], axis=1) if len(levels) > 2 else x
    return linear, own


def _ranks(values: np.ndarray, mode: Mode) -> np.ndarray:
    """Ranks around their mean, larger for better; ties share theirs, and what diverged is last."""
    signed = np.where(np.isfinite(values), values if mode == "max" else -values, -np.inf)
    _, place, counts = np.unique(signed, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks - ranks.mean()

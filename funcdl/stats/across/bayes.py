"""How probable is it that one method is better on problems like these? Bayesian sign and signed-rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from funcdl.stats.signed_rank import differences
from funcdl.types import Array

PRIOR = 0.5  # weight of one imagined problem on which the methods are equal
SIGN_PRIOR = 1.0  # the same, where sizes do not count
DRAWS = 50_000
CHUNK = 4_000_000  # numbers in memory at once


class Posterior(NamedTuple):
    """Probabilities that sum to 1; None where they cannot be given.

    n: how many problems.
    worse, same, better: that on most problems like these a scores below b, within the region of
        practical equivalence of it, or above it.
    reason: why they are missing.
    """

    n: int
    worse: float | None
    same: float | None
    better: float | None
    reason: str


def bayesian_signed_rank(
    a: Sequence[float] | Array,
    b: Sequence[float] | Array,
    *,
    rope: float = 0.0,
    draws: int = DRAWS,
    seed: int = 0,
) -> Posterior:
    """Draw what the whole population of problems may look like, and who is ahead in it.

    The differences `z = a - b` and one imagined difference of 0 (weight 1/2) get Dirichlet weights
    `w`. In each draw a pair of problems is ahead where `z_i + z_j > 2 rope`, behind where it is below
    `-2 rope`, and the same between; the weights `w_i w_j` of the three cases are added up, and the
    heaviest case takes the draw. Equal weights share it.

    Args:
        a: `[n]`, one number per problem; infinite where a method diverged, which counts as a
            difference larger than any finite one.
        b: `[n]`, the other method's, in the same order.
        rope: the largest difference that does not matter, in the scores' unit.
        draws: how many; 50,000 give the probabilities to about .002.
        seed: of the draws; the order of problems does not matter.

    Raises:
        ValueError: lengths differ, NaN, a negative `rope`, or fewer than one draw.

    Source: Benavoli, Corani, Demšar and Zaffalon, "Time for a change", JMLR 18 (2017), section 4.2.2.

    >>> found = bayesian_signed_rank([0.9, 0.8, 0.7, 0.9], [0.5, 0.6, 0.5, 0.8], rope=0.01)
    >>> round(found.better, 1)
    1.0
    """
    d = _differences(a, b, rope, draws)
    if not len(d):
        return Posterior(0, None, None, None, "no common problems")
    z = np.concatenate([[0.0], d])
    sums = z[:, None] + z[None, :]
    ahead, behind = (sums > 2 * rope).astype(float), (sums < -2 * rope).astype(float)
    cases = []
    for w in _weights(len(d), draws, seed, wide=len(z)):
        more, less = (np.einsum("ri,ri->r", w @ side, w) for side in (ahead, behind))
        cases.append(np.stack([less, 1 - less - more, more]))
    return _posterior(len(d), np.concatenate(cases, axis=1))


def bayesian_sign(
    a: Sequence[float] | Array,
    b: Sequence[float] | Array,
    *,
    rope: float = 0.0,
    draws: int = DRAWS,
    seed: int = 0,
) -> Posterior:
    """As `bayesian_signed_rank`, by single problems: only which is ahead counts, not by how much.

    The shares of the three cases have a Dirichlet posterior (one imagined problem on which the methods
    are equal, weight 1); the largest share takes the draw.
    Arguments and errors as there.

    Source: Benavoli, Corani, Demšar and Zaffalon, JMLR 18 (2017), section 4.2.1.
    """
    d = _differences(a, b, rope, draws)
    if not len(d):
        return Posterior(0, None, None, None, "no common problems")
    counts = np.array([(d < -rope).sum(), (np.abs(d) <= rope).sum() + SIGN_PRIOR, (d > rope).sum()])
    rng = np.random.default_rng(seed)
    # A case that never occurred has weight 0: a gamma of shape 0 is 0.
    return _posterior(len(d), rng.standard_gamma(counts[:, None], (3, draws)))


def _differences(
    a: Sequence[float] | Array, b: Sequence[float] | Array, rope: float, draws: int
) -> np.ndarray:
    """`a - b` in ascending order, infinities as something larger than twice any finite one."""
    d = differences(a, b)
    if not 0 <= rope < np.inf or draws < 1:
        raise ValueError(f"rope is {rope} and draws {draws}; allowed: from 0, and from 1, on")
    finite = np.abs(d[np.isfinite(d)])
    huge = 4 * max([rope, 1.0, *np.minimum(finite, 1e300).tolist()])
    return np.sort(np.clip(d, -huge, huge))


def _weights(n: int, draws: int, seed: int, wide: int):
    """Dirichlet(1/2, 1, ..., 1) weights, `[some draws, n + 1]` at a time."""
    rng = np.random.default_rng(seed)
    step = max(1, CHUNK // wide)
    for start in range(0, draws, step):
        shape = (min(step, draws - start), n)
        gamma = np.concatenate(
            [rng.standard_gamma(PRIOR, (shape[0], 1)), rng.standard_exponential(shape)], axis=1
        )
        yield gamma / gamma.sum(axis=1, keepdims=True)


def _posterior(n: int, cases: np.ndarray) -> Posterior:
    """The share of draws, `[3, draws]`, that each case takes."""
    winners = cases == cases.max(axis=0)
    shares = (winners / winners.sum(axis=0)).mean(axis=1)
    worse, same, better = shares.tolist()
    return Posterior(n, worse, same, better, "")

"""The same config in two folders: the same bits, or at least the same distribution?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from funcdl.config.fields import STREAMS
from funcdl.merging.entry import Entry
from funcdl.stats.multiple import holm
from funcdl.stats.same import same_distribution
from funcdl.stats.welch import welch_t
from funcdl.verification.difference import differences

SAME = "the same bits"
SEEDS = "other seeds"
KEPT_APART = "other seeds, kept apart"
ELSEWHERE = "other bits, in another environment"
CODE = "other bits, by another funcdl"
IRREPRODUCIBLE = "other bits, in the same environment"
POOLED = (SAME, SEEDS)  # what may stand as one method


class Agreement(NamedTuple):
    """How the runs of one config agree between two studies.

    one, two: where it was run.
    kind: one of the words above.
    common: measured repeats that both have, of the same seed.
    equal: how many of them have the same bits.
    example: what differs in the first that has not; empty where none differs.
    changed: what is not the same machine or version: name -> (values in one, in two).
    """

    one: Entry
    two: Entry
    kind: str
    common: int
    equal: int
    example: str
    changed: dict[str, tuple[str, str]]


class Distributions(NamedTuple):
    """Two samples of the metric, of one config.

    n, mean, sd: of both; mean and sd are None where a run diverged.
    p_mean: of Welch's test; `p_any`: of Kolmogorov and Smirnov's. None where there is none.
    p_holm: the smaller of both, corrected for all that were asked.
    differ: whether that is below alpha.
    reason: why a test is missing, or could not find anything.
    """

    n: tuple[int, int]
    mean: tuple[float | None, float | None]
    sd: tuple[float | None, float | None]
    p_mean: float | None
    p_any: float | None
    p_holm: float | None = None
    differ: bool = False
    reason: str = ""


def agreement(one: Entry, two: Entry) -> Agreement:
    """Compare the runs of one config in two studies."""
    common = sorted(one.places.keys() & two.places.keys())
    changed = _changed(one.made_in, two.made_in)
    if one.source.seed != two.source.seed:
        kind = SEEDS if _may_pool(one, two) else KEPT_APART
        return Agreement(one, two, kind, 0, 0, "", changed)
    equal, example = 0, ""
    for repeat in common:
        rows = (one.source.rows, one.places[repeat], two.source.rows, two.places[repeat])
        found = differences(*rows)
        equal += not found
        if found and not example:
            first = found[0]
            example = (
                f"repeat {repeat}, {first.what}: {first.stored} in {one.source.name}, {first.now} in "
                f"{two.source.name}"
            )
    if equal == len(common):
        kind = SAME
    elif not changed:
        kind = IRREPRODUCIBLE
    else:
        kind = CODE if set(changed) == {"funcdl's code"} else ELSEWHERE
    return Agreement(one, two, kind, len(common), equal, example, changed)


def _may_pool(one: Entry, two: Entry) -> bool:
    """Whether repeats of two seeds are repeats of one kind.

    What a study holds is at another value under another seed, so that its repeats resemble each other
    more than the other study's; and a search that found the same values twice is no repeat of it.
    """
    if one.searched or two.searched:
        return False
    return all(set(STREAMS) <= set(entry.source.question.vary) for entry in (one, two))


def distributions(found: Sequence[Agreement], alpha: float) -> list[Distributions | None]:
    """The metric's distribution in both studies, of all whose bits are not the same.

    Both tests of every config are one family. Under the same seed the two samples are alike rather
    than independent, and then the tests err on the side of silence.

    Args:
        found: how the runs agree.
        alpha: of the family.
    """
    samples = [None if one.kind == SAME else _samples(one) for one in found]
    asked = [p for one in samples if one is not None for p in (one.p_mean, one.p_any)]
    adjusted = iter(holm(asked))
    judged: list[Distributions | None] = []
    for one in samples:
        if one is None:
            judged.append(None)
            continue
        known = [p for p in (next(adjusted), next(adjusted)) if p is not None]
        p = min(known, default=None)
        judged.append(one._replace(p_holm=p, differ=p is not None and p < alpha))
    return judged


def _samples(found: Agreement) -> Distributions:
    x, y = (np.array(entry.scores, np.float64) for entry in (found.one, found.two))
    means, spreads = zip(*map(_moments, (x, y)), strict=True)
    welch, any_ = welch_t(x, y), same_distribution(x, y)
    reasons = [welch.reason] if welch.p is None else []
    if any_.p is None:
        reasons.append(any_.reason)
    return Distributions(
        (len(x), len(y)), means, spreads, welch.p, any_.p, reason="; ".join(dict.fromkeys(reasons))
    )


def _moments(x: np.ndarray) -> tuple[float | None, float | None]:
    if not len(x) or not np.isfinite(x).all():
        return None, None
    return float(x.mean()), (float(x.std(ddof=1)) if len(x) > 1 else None)


def _changed(
    one: Sequence[dict[str, str]], two: Sequence[dict[str, str]]
) -> dict[str, tuple[str, str]]:
    """What differs between the environments of two studies."""
    keys = dict.fromkeys(key for facts in (*one, *two) for key in facts)
    values = {key: (_values(one, key), _values(two, key)) for key in keys}
    return {key: pair for key, pair in values.items() if pair[0] != pair[1]}


def _values(environments: Sequence[dict[str, str]], key: str) -> str:
    return " and ".join(sorted({facts.get(key) or "none" for facts in environments}))

"""The rungs of successive halving: how far each trial is trained before the worse ones stop.

All trials are trained to the first rung, the best `1 / eta` of them on to the next, and so on to the
full number of steps (Jamieson and Talwalkar, 2016, "Non-stochastic best arm identification and
hyperparameter optimization"). One such ladder is one bracket of Hyperband (Li, Jamieson, DeSalvo,
Rostamizadeh and Talwalkar, 2018, algorithm 1): with `n` trials and `R` steps, rung `i` of `0..s` has
`floor(n * eta**-i)` trials at `R * eta**(i - s)` steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Rung(NamedTuple):
    """How many trials are trained how far.

    steps: from the start of the run, not from the rung before.
    trials: how many of them get here.
    """

    steps: int
    trials: int


class Unfit(ValueError):
    """Rungs that were asked for but cannot be.

    key: which of them, below `tune.stop`.
    """

    def __init__(self, key: str, message: str):
        self.key = key
        super().__init__(message)


def ladder(
    trials: int,
    steps: int,
    every: int,
    *,
    eta: int = 3,
    rungs: int | None = None,
    first: int | None = None,
    points: int | None = None,
) -> tuple[Rung, ...]:
    """The rungs of a search, the last of them at the full number of steps.

    Trials can be compared only where they are looked at, so that every rung but the last is a
    multiple of `every`: the nearest one, and at least one `every`.

    Args:
        trials: how many points are tried.
        steps: length of a whole run.
        every: steps between two looks at the validation data.
        eta: how many times fewer trials go on after a rung.
        rungs: how often trials are cut; as often as leaves one, at steps that differ, if None.
        first: steps of the first rung, each later one being `eta` times longer; if None, the last cut
            is at `steps / eta`, the one before at `steps / eta**2`, and so on.
        points: how many trials there really are where the space has fewer; their rungs are at the
            same steps, and one trial always goes on.

    Returns:
        `rungs + 1` rungs of rising steps and falling trials; one, if nothing can be cut.

    Raises:
        Unfit: if `rungs` or `first` are given and cannot be.

    >>> ladder(9, 90, 1)
    (Rung(steps=10, trials=9), Rung(steps=30, trials=3), Rung(steps=90, trials=1))
    """
    possible = _below(steps, every, eta) if first is None else _from(first, steps, every, eta)
    cuts = min(_cuts(trials, eta), len(possible)) if rungs is None else rungs
    if cuts > _cuts(trials, eta):
        raise Unfit("rungs", _too_few_trials(cuts, trials, eta))
    if cuts > len(possible):
        raise Unfit("rungs", _too_few_steps(cuts, possible, steps, every))
    chosen = possible[len(possible) - cuts :] if first is None else possible[:cuts]
    there = trials if points is None else points
    return tuple(
        Rung(level, max(1, there // eta**rung)) for rung, level in enumerate((*chosen, steps))
    )


def search_steps(rungs: Sequence[Rung]) -> int:
    """Steps of training in a whole search, a trial going on from where it was at the rung before.

    >>> search_steps(ladder(9, 90, 1))  # 9 * 10 + 3 * 20 + 1 * 60
    210
    """
    before = [0, *(rung.steps for rung in rungs)]
    return sum(
        rung.trials * (rung.steps - start) for rung, start in zip(rungs, before, strict=False)
    )


def describe(rungs: Sequence[Rung]) -> str:
    """The rungs in words.

    >>> describe(ladder(9, 90, 1))
    '9 trials to step 10, 3 to step 30, 1 to step 90'
    """
    words = [f"{rung.trials} to step {rung.steps}" for rung in rungs]
    words[0] = words[0].replace(" to", " trials to" if rungs[0].trials > 1 else " trial to", 1)
    return ", ".join(words)


def _cuts(trials: int, eta: int) -> int:
    """How often a number can be divided by `eta` before it is less than 1."""
    cuts = 0
    while trials // eta ** (cuts + 1) >= 1:
        cuts += 1
    return cuts


def _below(steps: int, every: int, eta: int) -> list[int]:
    """All levels below `steps` by powers of `eta`, rising; in whole numbers, so that none is off."""
    levels: list[int] = []
    above, divisor = steps, eta
    while True:
        looks = max(1, (2 * steps + divisor * every) // (2 * divisor * every))
        if looks * every >= above:
            return levels[::-1]
        above = looks * every
        levels.append(above)
        divisor *= eta


def _from(first: int, steps: int, every: int, eta: int) -> list[int]:
    """All levels below `steps` that start at `first`."""
    if first >= steps:
        raise Unfit("first", f"{first} given; allowed less than train.steps, {steps}")
    if first % every:
        last = (steps - 1) // every * every
        allowed = f"allowed are multiples of that up to {last}" if last else "look more often"
        text = f"{first} given, but trials are looked at every {every} steps (train.eval_every)"
        raise Unfit("first", f"{text}; {allowed}")
    levels = []
    while first < steps:
        levels.append(first)
        first *= eta
    return levels


def _too_few_trials(cuts: int, trials: int, eta: int) -> str:
    return (
        f"{cuts} given, but {trials} trials, divided by eta = {eta} at each rung, allow "
        f"{_cuts(trials, eta)}; give fewer, or at least {eta**cuts} trials"
    )


def _too_few_steps(cuts: int, possible: Sequence[int], steps: int, every: int) -> str:
    where = f" ({', '.join(map(str, possible))})" if possible else ""
    return (
        f"{cuts} given, but {steps} steps with a look every {every} (train.eval_every) have room for "
        f"{len(possible)}{where}; give fewer, or look more often"
    )

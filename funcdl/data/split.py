"""Who is trained on, who chooses, who decides: three disjoint sets of examples, by a rule.

The same arguments give the same split on every machine and with every version of NumPy: orders come
from sorting the raw 64-bit output of PCG64, whose stream NumPy guarantees (it does not guarantee
its shuffles).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from funcdl.data.convert import examples
from funcdl.data.digest import digest
from funcdl.data.origins import Rows, check_origins, rolling
from funcdl.data.tree import leaves, take
from funcdl.errors import DataError
from funcdl.types import Dataset, PyTree, Split

_RULES = ("stratified", "random", "group", "order")
_KEYS = ("by", "test", "validation", "seed", "block", "origins")
_FEWEST = 3  # examples of a class, one for each split
_OWN = tuple(b"split")  # sets this stream apart from all others of the same seed


def split(
    inputs: PyTree,
    targets: PyTree,
    *,
    by: Literal["stratified", "random", "group", "order"] = "stratified",
    test: float = 0.2,
    validation: float = 0.2,
    seed: int = 0,
    block: int | None = None,
    origins: int | None = None,
    groups: Any = None,
    classes: Sequence[str] = (),
) -> Dataset:
    """Splits examples into training, validation and test sets.

    - `stratified`: at random, each class in proportion. A split's total is exact; a class's count
      is its share rounded down or up (largest remainders first, then lower labels). Targets that
      are not integers `[n]` have no classes: the same as `random`.
    - `random`: at random; totals are exact.
    - `group`: whole groups at random; each of test and validation takes groups until it has its
      total or more.
    - `order`: no shuffling: the last examples are the test set, those before them the validation
      set; totals are exact. For time series.

    Args:
      inputs: tree of NumPy arrays `[n, ...]`.
      targets: tree of NumPy arrays `[n, ...]`; for `stratified`, integers `[n]` are labels 0..k-1.
      by: the rule.
      test: size of the test set: below 1 a fraction of n (rounded to the nearest count, halves to
        the even one), from 1 on a count.
      validation: size of the validation set, likewise of n.
      seed: which of the random splits; with `origins` which of these, from 0, the earliest; not used by
        `order` otherwise.
      block: for `order`: how many consecutive test examples count as one piece of evidence, since
        neighbours in time are alike; None for the cube root of their number, rounded up. No run
        depends on it.
      origins: for `order`: how many times training starts anew with the next `test` examples as its
        future, each time on equally many examples (`funcdl.data.origins.rolling`). `repeat.vary: [split]`
        gives each repeat the next one, after the first for tuning. None: there is one, and it trains on
        all that comes before.
      groups: for `group`: `[n]`, examples with equal values stay together.
      classes: names of the classes, kept in the result.

    Returns:
      The data set. Its `units` are the groups or blocks that its test examples belong to; None for a
      split by another rule, where each example stands alone.

    Raises:
      DataError: if a split would be empty, or the rule does not fit the data.

    The length of blocks that makes the variance of a mean most accurate grows as the cube root of
    the length of the series (Hall, Horowitz and Jing, "On blocking rules for the bootstrap with
    dependent data", Biometrika 82, 1995); its factor depends on the series. Where errors are alike
    over longer stretches than these blocks, give `block`.

    >>> data = split(np.arange(10.0), np.arange(10) % 2, by="order", test=2, validation=0.3)
    >>> data.train.inputs, data.validation.inputs, data.test.inputs
    (array([0., 1., 2., 3., 4.]), array([5., 6., 7.]), array([8., 9.]))
    """
    n = examples(inputs, targets)
    if by not in _RULES:
        raise DataError(f"split.by is {by!r}; allowed are {', '.join(_RULES)}")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise DataError(f"split.seed is {seed!r}; allowed are integers from 0")
    _check_block(block, by)
    if origins is not None:
        check_origins(origins, seed, by)
    sizes = (_count("test", test, n), _count("validation", validation, n))
    if sum(sizes) >= n:
        raise DataError(
            f"of {n} examples, test takes {sizes[0]} and validation {sizes[1]}: nothing is left to "
            "train on; lower split.test or split.validation"
        )
    if by == "order":
        rows = rolling(n, *sizes, origins or 1, seed if origins else 0)
    else:
        rows = _with_rest(n, *_drawn(by, sizes, seed, targets, groups, classes))
    data = _dataset(inputs, targets, rows, tuple(classes))
    return data._replace(units=_units(by, block, groups, rows.test))


def split_as(
    rule: Mapping[str, Any],
    inputs: PyTree,
    targets: PyTree,
    *,
    groups: Any = None,
    classes: Sequence[str] = (),
) -> Dataset:
    """Splits as a config's `data.split` says: a mapping with any of by, test, validation, seed,
    block and origins.

    Raises:
      DataError: for other keys, and as `split` does.
    """
    if not isinstance(rule, Mapping) or not set(rule) <= set(_KEYS):
        raise DataError(f"split is {rule!r}; allowed is a mapping with the keys {', '.join(_KEYS)}")
    return split(inputs, targets, **rule, groups=groups, classes=classes)


def _count(name: str, size: float, n: int) -> int:
    is_number = isinstance(size, int | float | np.number) and not isinstance(size, bool)
    if not is_number or not 0 < size < np.inf or (size >= 1 and size != int(size)):
        raise DataError(
            f"split.{name} is {size!r}; allowed are fractions between 0 and 1, or counts from 1"
        )
    count = int(size) if size >= 1 else round(size * n)
    if count == 0:
        raise DataError(
            f"split.{name} is {size}, which of {n} examples is none: the {name} split is empty; "
            "give more data or a larger fraction"
        )
    return count


def _check_block(block: Any, by: str) -> None:
    if block is None:
        return
    if isinstance(block, bool) or not isinstance(block, int | np.integer) or block < 1:
        raise DataError(f"split.block is {block!r}; allowed are integers from 1")
    if by != "order":
        raise DataError(
            f"split.block is {block}, but split.by is {by!r}; blocks of consecutive examples mean "
            "something only by: order; remove split.block"
        )


def _units(by: str, block: int | None, groups: Any, test: np.ndarray) -> np.ndarray | None:
    """Which examples of the test split, at these rows, belong together: int32 `[n]`, or None."""
    if by == "group":
        _, membership = np.unique(np.asarray(groups)[test], return_inverse=True)
        return membership.astype(np.int32)
    if by == "order":
        length = block or math.ceil(round(len(test) ** (1 / 3), 9))  # a cube's root is whole
        return (np.arange(len(test)) // length).astype(np.int32)
    return None


def _drawn(
    by: str, sizes: tuple[int, int], seed: int, targets: PyTree, groups: Any, classes: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """The rows of the test and the validation split, by a rule that draws them."""
    n = len(leaves(targets)[0][1])
    if by == "random":
        order = _shuffle(n, seed)
        return order[: sizes[0]], order[sizes[0] : sum(sizes)]
    if by == "stratified":
        return _stratified(_strata(targets, classes), sizes, seed)
    return _grouped(groups, sizes, seed, n)


def _with_rest(n: int, test: np.ndarray, validation: np.ndarray) -> Rows:
    """All are trained on that are in neither of these."""
    rest = np.ones(n, bool)
    rest[test] = rest[validation] = False
    return Rows(np.flatnonzero(rest), np.sort(validation), np.sort(test))


def _shuffle(n: int, seed: int) -> np.ndarray:
    """A permutation of `0..n-1`.

    From a stream of its own: a person who draws data with `default_rng(0)` uses up the very numbers
    of `PCG64(0)`, and sorting those would sort their examples by what they drew first.
    """
    own = np.random.SeedSequence(seed, spawn_key=_OWN)
    return np.argsort(np.random.PCG64(own).random_raw(n), kind="stable")


def _strata(targets: PyTree, classes: Sequence[str]) -> np.ndarray:
    """The labels `[n]`, once they can be what they claim to be; one stratum if there are none."""
    labels = targets
    if not isinstance(labels, np.ndarray) or labels.ndim != 1 or labels.dtype.kind not in "iu":
        return np.zeros(len(leaves(targets)[0][1]), np.int32)
    k = len(classes) or int(labels.max()) + 1
    wrong = np.flatnonzero((labels < 0) | (labels >= k))
    if wrong.size:
        raise DataError(
            f"{wrong.size} of {labels.size} labels are outside 0..{k - 1}; "
            f"the first is {labels[wrong[0]]} at index {wrong[0]}; number the classes from 0, "
            "or use by: random for targets that are no labels"
        )
    found, counts = np.unique(labels, return_counts=True)
    rare = np.flatnonzero(counts < _FEWEST)
    if rare.size:
        label = int(found[rare[0]])
        raise DataError(
            f"{rare.size} of {found.size} classes have fewer than {_FEWEST} examples, one for each "
            f"split; the first is label {label}{_called(label, classes)} with {counts[rare[0]]}, at index "
            f"{np.flatnonzero(labels == label)[0]}; correct a wrong label, or use by: random"
        )
    return labels


def _called(label: int, classes: Sequence[str]) -> str:
    """The name of a class in brackets, where it is another than its number."""
    name = classes[label] if len(classes) else str(label)
    return "" if name == str(label) else f" ({name!r})"


def _stratified(
    labels: np.ndarray, sizes: tuple[int, int], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    shuffled = _shuffle(len(labels), seed)
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    found, starts, counts = np.unique(labels[by_class], return_index=True, return_counts=True)
    test = _apportion(counts, sizes[0])
    validation = _apportion(counts - test, sizes[1])
    empty = np.flatnonzero(test + validation == counts)
    if empty.size:
        raise DataError(
            f"the training split has no example of label {found[empty[0]]}; "
            "lower split.test or split.validation, or use by: random"
        )
    bounds = list(zip(starts, starts + test, starts + test + validation, strict=True))
    return (
        np.concatenate([by_class[start:middle] for start, middle, _ in bounds]),
        np.concatenate([by_class[middle:stop] for _, middle, stop in bounds]),
    )


def _apportion(counts: np.ndarray, total: int) -> np.ndarray:
    """Divides `total` seats in proportion to `counts`, by largest remainders, in whole numbers."""
    seats, remainders = np.divmod(counts * total, counts.sum())
    left = total - int(seats.sum())
    seats[np.argsort(-remainders, kind="stable")[:left]] += 1
    return seats


def _grouped(
    groups: Any, sizes: tuple[int, int], seed: int, n: int
) -> tuple[np.ndarray, np.ndarray]:
    if groups is None or np.shape(groups) != (n,):
        raise DataError(
            "split.by is 'group', which needs one group per example: groups of shape "
            f"[{n}], not {'none' if groups is None else list(np.shape(groups))}; name the array or "
            "column that holds them in the data set's `group` (`groups` from Python), or split another way"
        )
    _, membership, members = np.unique(groups, return_inverse=True, return_counts=True)
    order = _shuffle(len(members), seed)
    filled = np.cumsum(members[order])
    tests = int(np.searchsorted(filled, sizes[0])) + 1  # groups that the test split takes
    before = filled[tests - 1]
    both = int(np.searchsorted(filled, before + sizes[1])) + 1
    if both >= len(order):
        raise DataError(
            f"{len(order)} groups are too few or too large for test {sizes[0]} and validation "
            f"{sizes[1]} of {n} examples: a split would be empty; "
            "lower split.test or split.validation"
        )
    return (
        np.flatnonzero(np.isin(membership, order[:tests])),
        np.flatnonzero(np.isin(membership, order[tests:both])),
    )


def _dataset(inputs: PyTree, targets: PyTree, rows: Rows, classes: tuple[str, ...]) -> Dataset:
    """Gathers the splits, each in the order of the examples as given."""
    splits = {name: Split(take(inputs, r), take(targets, r)) for name, r in rows._asdict().items()}
    return Dataset(**splits, classes=classes, digest=digest(splits, classes), ids={})

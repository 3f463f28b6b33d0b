"""Splits: disjoint, complete, of the sizes promised, and the same everywhere."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funcdl.data.split import split, split_as
from funcdl.errors import DataError


def rows(data):
    """The examples' numbers in each split; inputs are `arange(n)`."""
    return [part.inputs.tolist() for part in (data.train, data.validation, data.test)]


def labelled(n, k=3, seed=0):
    return np.arange(n), np.random.default_rng(seed).integers(0, k, n)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    by=st.sampled_from(["stratified", "random", "order", "group"]),
    n=st.integers(40, 300),
    test=st.sampled_from([0.1, 0.25, 1 / 3, 7]),
    validation=st.sampled_from([0.1, 0.2, 5]),
    seed=st.integers(0, 2**63),
)
def test_every_example_is_in_exactly_one_split(by, n, test, validation, seed):
    inputs, labels = labelled(n)
    groups = inputs // 3
    data = split(inputs, labels, by=by, test=test, validation=validation, seed=seed, groups=groups)
    found = rows(data)
    assert sorted(itertools.chain(*found)) == list(range(n))
    for part in (data.train, data.validation, data.test):
        np.testing.assert_array_equal(part.targets, labels[part.inputs])
    sizes = [round(size * n) if size < 1 else size for size in (validation, test)]
    if by == "group":
        overshoot = [len(part) - size for part, size in zip(found[1:], sizes, strict=True)]
        assert all(0 <= over < 3 for over in overshoot)
    else:
        assert [len(part) for part in found[1:]] == sizes


def test_the_same_seed_gives_the_same_split_and_others_do_not():
    inputs, labels = labelled(200)
    for by in ("stratified", "random"):
        splits = [rows(split(inputs, labels, by=by, seed=seed)) for seed in (0, 0, 1, 2)]
        assert splits[0] == splits[1]
        assert splits[0] != splits[2] != splits[3]


def test_the_order_is_that_of_the_raw_stream():
    # NEP 19 guarantees the stream of a bit generator. If it moves, every split moves.
    raw = np.random.PCG64(0).random_raw(3).tolist()
    assert raw == [11749869230777074271, 4976686463289251617, 755828109848996024]
    own = np.random.SeedSequence(5, spawn_key=tuple(b"split"))
    order = np.argsort(np.random.PCG64(own).random_raw(20))
    assert rows(split(*labelled(20), by="random", seed=5))[2] == sorted(order[:4].tolist())


@pytest.mark.parametrize("seed", [0, 7])
def test_data_drawn_with_the_same_seed_are_not_sorted_by_the_split(seed):
    drawn = np.random.default_rng(seed).uniform(size=400)
    labels = np.arange(400) % 2
    for by in ("random", "stratified"):
        test = split(drawn, labels, by=by, seed=seed).test.inputs
        assert abs(test.mean() - 0.5) < 0.13  # 4 standard errors; sorted, the mean would be 0.1


def test_random_splits_are_fair():
    counts = np.zeros(30)
    for seed in range(2000):
        counts[split(*labelled(30), by="random", seed=seed).test.inputs] += 1
    # Each example is in the test split with probability 1/5: 400 +- 18 of 2000.
    assert np.all(abs(counts - 400) < 5 * 18)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(counts=st.lists(st.integers(3, 60), min_size=2, max_size=8), seed=st.integers(0, 99))
def test_each_class_has_its_share_rounded(counts, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    n = len(labels)
    data = split(np.arange(n), labels, test=0.2, validation=0.2, seed=seed)
    test = np.bincount(data.test.targets, minlength=len(counts))
    share = np.array(counts) * len(data.test.targets) / n
    assert np.all(np.floor(share) <= test)
    assert np.all(test <= np.ceil(share))
    left = np.array(counts) - test
    share = left * len(data.validation.targets) / left.sum()
    validation = np.bincount(data.validation.targets, minlength=len(counts))
    assert np.all((np.floor(share) <= validation) & (validation <= np.ceil(share)))
    assert np.all(np.bincount(data.train.targets, minlength=len(counts)) > 0)


def test_groups_stay_together():
    inputs, labels = labelled(120)
    groups = np.array([f"writer {i % 17}" for i in range(120)])
    data = split(inputs, labels, by="group", groups=groups, seed=4)
    owners = [set(groups[part]) for part in rows(data)]
    assert not owners[0] & owners[1]
    assert not owners[0] & owners[2]
    assert not owners[1] & owners[2]
    assert all(owners)


def test_order_keeps_time():
    train, validation, test = rows(split(*labelled(50), by="order", test=10, validation=0.1))
    assert (train, validation, test) == (
        list(range(35)),
        list(range(35, 40)),
        list(range(40, 50)),
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "date"}, "allowed are stratified, random, group, order"),
        ({"test": 0}, "allowed are fractions"),
        ({"test": -0.1}, "allowed are fractions"),
        ({"test": 1.5}, "allowed are fractions"),
        ({"test": True}, "allowed are fractions"),
        ({"validation": float("nan")}, "allowed are fractions"),
        ({"validation": "0.2"}, "allowed are fractions"),
        ({"test": 0.001}, "the test split is empty"),
        ({"test": 0.5, "validation": 0.5}, "nothing is left to train on"),
        ({"test": 99, "validation": 1}, "nothing is left to train on"),
        ({"seed": -1}, "allowed are integers from 0"),
        ({"seed": 0.5}, "allowed are integers from 0"),
        ({"by": "group"}, "needs one group per example"),
        ({"by": "group", "groups": np.zeros(3)}, r"shape \[100\], not \[3\]"),
        ({"by": "group", "groups": np.zeros(100)}, "1 groups are too few"),
        ({"by": "group", "groups": np.arange(100) // 50}, "2 groups are too few"),
        ({"classes": ("a", "b")}, "of 100 labels are outside 0..1; the first is 2 at index"),
        ({"test": 0.49, "validation": 0.49}, "training split has no example of label"),
    ],
)
def test_what_cannot_be_split_is_refused(arguments, message):
    inputs, labels = labelled(100, k=12 if arguments.get("test") == 0.49 else 3)
    with pytest.raises(DataError, match=message):
        split(inputs, labels, **arguments)


def test_strata_must_be_labels():
    inputs, labels = labelled(30)
    for targets in (labels.astype(float), labels[:, None], {"a": labels}):  # one stratum
        assert rows(split(inputs, targets)) == rows(split(inputs, labels, by="random"))
    with pytest.raises(DataError, match=r"2 of 30 .* outside 0..2; the first is -1 at index 4"):
        split(inputs, np.where(np.isin(inputs, [4, 9]), -1, labels))
    with pytest.raises(DataError, match=r"1 of 4 classes .* first is label 3 with 1, at index 11"):
        split(inputs, np.where(inputs == 11, 3, labels))


def test_a_rule_has_known_keys():
    inputs, labels = labelled(30)
    assert rows(split_as({"seed": 3}, inputs, labels)) == rows(split(inputs, labels, seed=3))
    wrong: list[Any] = [{"tset": 0.1}, {"groups": labels}, "random"]
    for rule in wrong:
        with pytest.raises(DataError, match="allowed is a mapping with the keys by, test"):
            split_as(rule, inputs, labels)

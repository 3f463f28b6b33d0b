"""Looks that are planned: their numbers, the p-value that runs along them, and their intervals."""

# pyright: reportArgumentType=false, reportOperatorIssue=false

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funcdl.stats.sequential import level_at, planned, running_p

chance = st.floats(0, 1)


@pytest.mark.parametrize(
    ("count", "most", "looks"),
    [
        (5, 40, (5, 10, 20, 40)),
        (5, 30, (5, 10, 20, 30)),
        (3, 25, (3, 6, 12, 24, 25)),
        (5, 5, (5,)),
        (1, 2, (1, 2)),
    ],
)
def test_looks_double_and_end_at_the_most(count, most, looks):
    assert planned(count, most) == looks


@given(st.integers(1, 50), st.integers(0, 500))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_looks_rise_from_count_to_most_and_never_more_than_double(count, more):
    looks = planned(count, count + more)
    assert (looks[0], looks[-1]) == (count, count + more)
    assert all(a < b <= 2 * a for a, b in itertools.pairwise(looks))
    assert len(looks) <= 2 + math.log2((count + more) / count)


@given(st.integers(1, 20), st.integers(0, 6), st.integers(1, 3))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_doubling_the_most_keeps_the_looks_that_were_taken(count, doublings, more):
    most = count * 2**doublings
    assert planned(count, most * 2**more)[: doublings + 1] == planned(count, most)


@pytest.mark.parametrize(("count", "most"), [(0, 5), (-1, 5), (5, 4)])
def test_looks_that_make_no_sense_are_refused(count, most):
    with pytest.raises(ValueError, match="allowed: at least"):
        planned(count, most)


@given(st.lists(chance, min_size=1, max_size=4))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_running_p_is_the_smallest_so_far_times_the_looks_and_never_rises(p):
    looks = (5, 10, 20, 40)
    running = [running_p(p[: i + 1], looks) for i in range(len(p))]
    assert running == pytest.approx(np.minimum(1, 4 * np.minimum.accumulate(p)))
    assert all(a >= b for a, b in itertools.pairwise(running))


def test_without_looks_there_is_one():
    assert running_p([0.03], ()) == running_p([0.03], (5,)) == 0.03
    assert level_at(0.05, ()) == level_at(0.05, (5,)) == 0.95
    assert level_at(0.1, (5, 10)) == 0.95


def test_a_refused_look_has_no_p_value_and_a_later_one_has():
    looks = (5, 10, 20, 40)
    assert running_p([], looks) is None
    assert running_p([None], looks) is None
    assert running_p([None, 0.01], looks) == 0.04
    assert running_p([0.001, None], looks) is None  # a run diverged since: nothing is claimed
    assert running_p([0.3, None, 0.2], looks) == 0.8


@pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan])
def test_running_p_takes_probabilities_only(bad):
    with pytest.raises(ValueError, match=r"p\[1\]"):
        running_p([0.5, bad], (5, 10))


def test_more_looks_than_planned_are_a_mistake():
    with pytest.raises(ValueError, match="3 p-values for 2 planned looks"):
        running_p([0.5, 0.5, 0.5], (5, 10))


@pytest.mark.parametrize("alpha", [0, 1, -1, math.nan])
def test_alpha_is_a_probability(alpha):
    with pytest.raises(ValueError, match="between 0 and 1"):
        level_at(alpha, (5, 10))

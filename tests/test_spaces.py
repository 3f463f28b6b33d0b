"""Distributions of hyperparameters, against SciPy's quantile functions."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from funcdl.config.node import from_python
from funcdl.config.spaces import Distribution, grid_levels, grid_size, read_space

QUANTILES = np.linspace(0, 1, 101)
LOG = Distribution("log_uniform", 1e-4, 1.0)
MINUS = Distribution("one_minus", inner=Distribution("log_uniform", 0.01, 0.5))


def test_quantiles_equal_scipys():
    uniform = scipy.stats.uniform(-2, 5).ppf(QUANTILES)
    np.testing.assert_allclose([Distribution("uniform", -2, 3).at(u) for u in QUANTILES], uniform)
    log = scipy.stats.loguniform(1e-4, 1.0).ppf(QUANTILES)
    np.testing.assert_allclose([LOG.at(u) for u in QUANTILES], log)
    inner = scipy.stats.loguniform(0.01, 0.5).ppf(QUANTILES)
    np.testing.assert_allclose([MINUS.at(u) for u in QUANTILES], 1 - inner)
    ints = scipy.stats.randint(3, 8).ppf(QUANTILES[1:] - 1e-12)
    np.testing.assert_array_equal(
        [Distribution("int_uniform", 3, 7).at(u - 1e-12) for u in QUANTILES[1:]], ints
    )


@given(st.floats(1e-12, 1e6), st.floats(1.0001, 1e6), st.floats(0, 1))
def test_values_never_leave_the_ends_a_person_wrote(low, ratio, u):
    for name in ("uniform", "log_uniform"):
        assert low <= Distribution(name, low, low * ratio).at(u) <= low * ratio


@pytest.mark.parametrize("space", [LOG, Distribution("uniform", -1, 3)])
def test_the_ends_are_reached_exactly(space):
    assert (space.at(0.0), space.at(1.0)) == (space.low, space.high) == space.edges()


def test_choices_share_the_unit_interval_equally():
    space = Distribution("choice", values=("a", "b", "c"))
    drawn = [space.at(u) for u in np.random.default_rng(0).random(3000)]
    counts = [drawn.count(v) for v in space.values]
    assert scipy.stats.chisquare(counts).pvalue > 0.001
    assert (space.at(0.0), space.at(1.0)) == ("a", "c")


@pytest.mark.parametrize("u", [-0.1, 1.1, math.nan])
def test_no_quantile_outside_the_unit_interval(u):
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        LOG.at(u)


@pytest.mark.parametrize("k", range(1, 12))
def test_levels_are_even_on_the_distributions_own_scale(k):
    levels = LOG.levels(k)
    expected = np.geomspace(1e-4, 1, k) if k > 1 else [1e-2]
    np.testing.assert_allclose(levels, expected, rtol=1e-12)
    ints = Distribution("int_uniform", 2, 8).levels(k)
    assert len(set(ints)) == len(ints) == min(k, 7)
    assert all(isinstance(i, int) and 2 <= i <= 8 for i in ints)
    if k > 1:
        assert (ints[0], ints[-1]) == (2, 8)
        gaps = np.diff(ints)
        assert gaps.max() - gaps.min() <= 1


def test_a_grid_is_as_fine_as_its_trials_allow():
    """Against trying every number of levels."""
    for ranges, sizes, trials in itertools.product(
        (1, 2, 3), ((), (3,), (2, 5)), (1, 8, 27, 100, 1000)
    ):
        space = {f"r{i}": LOG for i in range(ranges)}
        space |= {
            f"c{i}": Distribution("choice", values=tuple(range(s))) for i, s in enumerate(sizes)
        }
        fits = [k for k in range(1, 1001) if k**ranges * math.prod(sizes) <= trials]
        assert grid_levels(space, trials) == max(2, *fits, 2)
        points = itertools.product(*(d.levels(grid_levels(space, trials)) for d in space.values()))
        assert grid_size(space, trials) == len(list(points))


def test_a_space_survives_being_written():
    spaces = [
        LOG,
        MINUS,
        Distribution("int_uniform", 1, 5),
        Distribution("choice", values=("a", 1)),
    ]
    for space in spaces:
        assert read_space(from_python(space.as_data()), []) == space


def test_a_repeated_choice_is_one_choice():
    space = read_space(from_python({"choice": [1, 1, 1.0, True, "1"]}), [])
    assert space is not None
    assert [type(v) for v in space.values] == [int, float, bool, str]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (0.1, "0.1 is not a space; write {log_uniform"),
        ({}, "needs exactly one distribution of uniform, log_uniform, int_uniform"),
        ({"when": {"a": 1}}, "needs exactly one distribution"),
        ({"log_unifrom": [1, 2]}, "unknown distribution 'log_unifrom'; did you mean log_uniform"),
        ({"uniform": [0, 1], "choice": [1]}, "needs exactly one distribution"),
        ({"uniform": [1]}, "uniform takes [low, high], two numbers"),
        ({"uniform": ["0", 1]}, "uniform takes [low, high], two numbers"),
        ({"uniform": [False, True]}, "uniform takes [low, high], two numbers"),
        ({"uniform": [1, 1]}, "uniform takes low < high; given [1, 1]"),
        ({"log_uniform": [0, 1]}, "log_uniform needs low > 0; given 0"),
        ({"log_uniform": [2.0, 1.0]}, "log_uniform takes low < high"),
        ({"int_uniform": [1, 2.5]}, "int_uniform takes [low, high], two whole numbers"),
        ({"choice": []}, "choice takes a list of at least one value"),
        ({"choice": [{"a": 1}]}, "choice takes numbers, words, and lists of them"),
        ({"choice": list(range(10_001))}, "choice takes at most 10000 values; given 10001"),
        ({"one_minus": {"choice": [1]}}, "one_minus takes a uniform or log_uniform"),
        ({"one_minus": [0, 1]}, "a list is not a space"),
        ({"uniform": [0, 10**400]}, "a number too large for float64"),
    ],
)
def test_refused(written, expected):
    problems = []
    assert read_space(from_python(written), problems) is None
    assert expected in "\n".join(map(str, problems))

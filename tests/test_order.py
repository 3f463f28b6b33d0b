"""The order of examples: a permutation in each epoch, and indistinguishable from a random one."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from funcdl.data import order
from funcdl.errors import DataError
from tests.quick import quick

# One in a million: the keys are fixed, so a failure is never bad luck twice.
SURELY = 1e-6


def epochs(n, count, seed=0, batch_size=None):
    """`[count, n]`: the first `count` epochs' orders under one key."""
    size = batch_size or n
    steps = jnp.arange(count * (n // size))
    batch = jax.vmap(lambda s: order.indices(jax.random.key(seed), s, n=n, batch_size=size))
    return np.asarray(quick(batch)(steps)).reshape(count, -1)


def keyed(n, count):
    """`[count, n]`: the first epoch's order under `count` keys."""
    keys = jax.random.split(jax.random.key(5), count)
    batch = jax.vmap(lambda key: order.indices(key, 0, n=n, batch_size=n))
    return np.asarray(quick(batch)(keys))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 9, 13, 97, 256, 1009, 1079, 1797, 50_021])
def test_an_epoch_is_a_permutation(n):
    for row in epochs(n, 3):
        np.testing.assert_array_equal(np.sort(row), np.arange(n))


def test_an_epoch_of_a_million_is_a_permutation():
    n = 1_000_003  # prime: cycle-walking is needed
    (row,) = epochs(n, 1)
    assert np.bincount(row, minlength=n).tolist() == [1] * n


@pytest.mark.parametrize("n", [1, 2, 3, 7, 9, 1079, 1797, 50_000, 50_021, 2**31 - 1])
def test_sides_hold_n_and_waste_little(n):
    a, b = order._sides(n)
    assert n <= a * b <= n + max(3, int(n**0.5) // 20)
    assert max(a, b) < 2**16  # what `_below` can take
    if n > 2:
        assert min(a, b) > 1  # or the network would only rotate


@pytest.mark.parametrize(("n", "batch_size"), [(10, 3), (1079, 64)])
def test_batches_of_an_epoch_are_disjoint_and_the_rest_varies(n, batch_size):
    rows = epochs(n, 12, batch_size=batch_size)
    kept = n - n % batch_size
    assert rows.shape == (12, kept)
    assert all(len(set(row)) == kept for row in rows.tolist())
    left_out = [frozenset(range(n)) - set(row) for row in rows.tolist()]
    assert len(set(left_out)) > 3
    assert len({tuple(row) for row in rows.tolist()}) == 12


def test_batch_size_only_cuts_the_same_order():
    np.testing.assert_array_equal(epochs(24, 2, batch_size=4), epochs(24, 2, batch_size=8))


@pytest.mark.parametrize("draw", [epochs, keyed])
@pytest.mark.parametrize(("n", "count"), [(2, 4000), (3, 12_000), (4, 40_000), (5, 120_000)])
def test_all_orders_of_few_are_equally_likely(draw, n, count):
    rows = draw(n, count) @ n ** np.arange(n)
    orders = [sum(x * n**i for i, x in enumerate(p)) for p in itertools.permutations(range(n))]
    observed = [(rows == code).sum() for code in orders]
    assert sum(observed) == count
    assert stats.chisquare(observed).pvalue > SURELY


@pytest.mark.parametrize("draw", [epochs, keyed])
@pytest.mark.parametrize("n", [12, 13, 16])
def test_pairs_of_positions_are_equally_likely(draw, n):
    rows = draw(n, 60_000)
    for first, second in [(0, 1), (0, order._sides(n)[1]), (1, n - 1), (0, n // 2)]:
        table = np.zeros((n, n))
        np.add.at(table, (rows[:, first], rows[:, second]), 1)
        assert stats.chisquare(table[~np.eye(n, dtype=bool)]).pvalue > SURELY


@pytest.mark.parametrize("draw", [epochs, keyed])
@pytest.mark.parametrize("n", [257, 1079, 50_000])
def test_differences_of_neighbours_are_uniform(draw, n):
    rows = draw(n, 1_000_000 // n)
    side = order._sides(n)[1]
    cells = 200
    expected = np.bincount(np.arange(n - 1) * cells // (n - 1), minlength=cells)
    for lag in (1, 2, side, 2 * side):  # positions `side` apart enter with equal right halves
        difference = (rows[:, lag:] - rows[:, :-lag]) % n
        observed = np.bincount(((difference - 1) * cells // (n - 1)).ravel(), minlength=cells)
        share = expected / expected.sum() * observed.sum()
        assert stats.chisquare(observed, share).pvalue > SURELY


def test_each_position_sees_each_example_equally_often():
    n = 101
    rows = epochs(n, 10_000)
    for position in (0, 1, 50, 100):
        assert stats.chisquare(np.bincount(rows[:, position], minlength=n)).pvalue > SURELY


@pytest.mark.parametrize("draw", [epochs, keyed])
def test_epochs_and_keys_are_unrelated(draw):
    n = 1079
    rows = draw(n, 400)
    places = (np.argsort(rows, axis=1) - (n - 1) / 2) / np.sqrt((n**2 - 1) / 12)
    correlation = (places @ places.T / n)[np.triu_indices(400, 1)]
    # Between random permutations: mean 0, variance 1 / (n - 1).
    z = correlation * np.sqrt(n - 1)
    assert abs(z.mean()) * np.sqrt(len(z)) < 5
    assert abs(z.std() - 1) < 0.05
    # Two random permutations agree in one place on average, with variance 1.
    agreements = (rows[1:] == rows[:-1]).sum(axis=1)
    assert abs(agreements.mean() - 1) < 5 / np.sqrt(len(agreements))


def test_the_same_bits_under_jit_vmap_and_in_loops():
    n, size, count = 1797, 64, 60  # more than two epochs
    key = jax.random.key(3)
    steps = (7, 27, 28)  # 28 batches in an epoch
    plain = [order.indices(key, step, n=n, batch_size=size) for step in steps]

    def body(carry):
        step, found = carry
        return step + 1, found.at[step].set(order.indices(key, step, n=n, batch_size=size))

    looped = jax.jit(
        lambda: jax.lax.while_loop(
            lambda carry: carry[0] < count,
            body,
            (jnp.int32(0), jnp.zeros((count, size), jnp.int32)),
        )[1]
    )()
    np.testing.assert_array_equal(np.stack(plain), looped[jnp.array(steps)])
    assert looped.dtype == jnp.int32
    keys = jnp.stack([jax.random.key(9), key])
    lanes = jax.vmap(lambda key: order.indices(key, 7, n=n, batch_size=size))(keys)
    np.testing.assert_array_equal(lanes[1], plain[0])
    assert not np.array_equal(lanes[0], lanes[1])


def test_both_words_of_a_key_matter():
    @jax.jit
    def row(words):
        key = jax.random.wrap_key_data(words, impl="threefry2x32")
        return order.indices(key, 0, n=50, batch_size=50)

    words = [(0, 0), (0, 1), (1, 0), (1, 1), (2**32 - 1, 0), (0, 2**32 - 1)]
    assert len({tuple(row(np.array(pair, np.uint32)).tolist()) for pair in words}) == len(words)


def test_multiplying_high_is_exact():
    x = np.random.default_rng(0).integers(0, 2**32, 10_000, dtype=np.uint32)
    x = np.concatenate([x, np.array([0, 1, 2**16 - 1, 2**16, 2**32 - 1], np.uint32)])
    for limit in (1, 2, 250, 46_341, 2**16 - 1):
        exact = (x.astype(object) * limit) // 2**32
        np.testing.assert_array_equal(order._below(jnp.asarray(x), limit), exact.astype(np.uint32))


@pytest.mark.parametrize(("n", "batch_size"), [(10, 0), (0, 1), (2**31, 1)])
def test_what_does_not_fit_is_refused(n, batch_size):
    with pytest.raises(DataError, match="allowed"):
        order.indices(jax.random.key(0), 0, n=n, batch_size=batch_size)

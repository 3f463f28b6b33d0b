"""Pooling equals `flax` in value and gradient; ties are shared."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcdl.models.pooling import avg_pool, max_pool
from tests.quick import quick

# window, strides, padding, whether funcdl has its own way
CASES = [
    ((2, 2), None, "VALID", True),
    ((2, 3), (2, 3), "VALID", True),
    ((1, 2), None, "SAME", True),
    ((3, 3), (3, 3), "SAME", False),
    ((2, 2), (1, 1), "VALID", False),
    ((3, 2), (2, 2), "SAME", False),
    ((2, 2), (2, 2), ((1, 0), (0, 1)), False),
    ((2,), None, "VALID", True),
    ((3,), (2,), "SAME", False),
    ((2, 1, 2), None, "VALID", True),
]


@pytest.fixture(params=[np.float32, np.float64])
def dtype(request):
    jax.config.update("jax_enable_x64", request.param == np.float64)
    yield request.param
    jax.config.update("jax_enable_x64", False)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("pair", [(max_pool, nn.max_pool), (avg_pool, nn.avg_pool)])
def test_equals_flax(pair, case, dtype):
    ours, theirs = pair
    window, strides, padding, own = case
    shape = (2, *(7, 6, 5)[: len(window)], 3)
    x = jnp.asarray(np.random.default_rng(0).permutation(np.prod(shape)).reshape(shape), dtype)

    def value_and_gradient(pool, steps, x):
        out, pull = jax.vjp(lambda x: pool(x, window, steps, padding), x)
        weights = jnp.sin(jnp.arange(out.size, dtype=dtype)).reshape(out.shape)
        return out, pull(weights)[0]

    (out, gradient), (expected_out, expected_gradient) = quick(
        lambda x: [
            value_and_gradient(ours, strides, x),
            value_and_gradient(theirs, strides or window, x),
        ]
    )(x)
    tolerance = 1e-6 if dtype == np.float32 else 1e-14
    assert out.dtype == dtype
    np.testing.assert_allclose(out, expected_out, rtol=tolerance)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=tolerance, atol=tolerance)
    jaxpr = str(jax.make_jaxpr(lambda x: ours(x, window, strides, padding))(x))
    assert ("reduce_window" not in jaxpr) == own


def test_ties_share_the_gradient():
    x = jnp.array([1.0, 5.0, 5.0, 2.0]).reshape(1, 2, 2, 1)
    gradient = jax.grad(lambda x: max_pool(x, (2, 2)).sum())(x)
    np.testing.assert_array_equal(gradient.ravel(), [0.0, 0.5, 0.5, 0.0])


def test_a_nan_is_kept():
    x = jnp.array([1.0, jnp.nan, 3.0, 4.0]).reshape(1, 4, 1)
    np.testing.assert_array_equal(max_pool(x, (2,)).ravel(), [jnp.nan, 4.0])

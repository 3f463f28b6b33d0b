"""Turned images: the numbers of Linen's own layers on images as they come."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from funcdl.models import initial
from funcdl.models.convolution import conv_general_dilated
from funcdl.models.inputs import as_vectors
from funcdl.models.pooling import avg_pool, max_pool
from funcdl.models.turned import Conv, channels_axis, turned, turned_as_vectors
from tests.quick import quick

X = np.random.default_rng(0).normal(size=(3, 7, 6, 4)).astype("float32")


@pytest.mark.parametrize(
    ("size", "strides", "use_bias"), [(3, 1, True), (3, 2, False), (2, 1, True), (1, 2, False)]
)
def test_the_convolution_is_linens(size, strides, use_bias):
    """The same initial draws, outputs and gradients; the names of parameters are part of a study."""
    linen = nn.Conv(
        32, (size, size), strides=strides, use_bias=use_bias, kernel_init=initial.weights
    )
    own = Conv(32, (size, size), strides, use_bias)

    def both(x):
        key = jax.random.key(0)
        expected, found = linen.init(key, x), own.init(key, turned(x))
        noise = jax.tree.map(lambda p: p + 0.1, expected)

        def theirs(v, x):
            out: Any = linen.apply(v, x)
            return jnp.sin(out)

        def ours(v, x):
            out: Any = own.apply(v, turned(x))
            return jnp.sin(turned(out))

        def slopes(f):
            out, pull = jax.vjp(f, noise, x)
            return out, pull(jnp.cos(out))

        return [(expected, slopes(theirs)), (found, slopes(ours))]

    theirs, ours = quick(both)(X)
    assert jax.tree.structure(theirs) == jax.tree.structure(ours)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    jax.tree.map(np.testing.assert_array_equal, ours[0], theirs[0])


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    ("strides", "dilation", "padding"),
    [((1, 1), (1, 1), "SAME"), ((2, 1), (1, 2), ((-1, 2), (1, 0)))],
)
def test_patches_as_columns_are_lax(strides, dilation, groups, padding):
    w = np.random.default_rng(1).normal(size=(3, 2, 4 // groups, 6)).astype("float32")
    options = {"rhs_dilation": dilation, "feature_group_count": groups}

    def ours(x, w):
        layout = ("CHWN", "HWIO", "CHWN")
        return conv_general_dilated(x, w, strides, padding, dimension_numbers=layout, **options)

    def theirs(x, w):  # in the usual layout: for the other, 0.7.2 has a wrong gradient
        layout = ("NHWC", "HWIO", "NHWC")
        x = jnp.swapaxes(x, 0, -1)
        rows = lax.conv_general_dilated(x, w, strides, padding, dimension_numbers=layout, **options)
        return jnp.swapaxes(rows, 0, -1)

    def slopes(f, x, w):
        out, pull = jax.vjp(f, x, w)
        return out, pull(jnp.cos(out))

    found = quick(lambda x, w: [slopes(f, x, w) for f in (ours, theirs)])(np.swapaxes(X, 0, -1), w)
    for a, b in zip(*map(jax.tree.leaves, found), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pool", [max_pool, avg_pool])
@pytest.mark.parametrize(("window", "padding"), [((2, 3), "VALID"), ((3, 2), "SAME")])
def test_pooling_need_not_know(pool, window, padding):
    found = turned(pool(turned(jnp.asarray(X)), window, window, padding))
    np.testing.assert_allclose(found, pool(jnp.asarray(X), window, window, padding), rtol=1e-6)


def test_an_accelerator_gets_images_as_they_came(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    x = jnp.asarray(X)
    assert turned(x) is x
    assert channels_axis() == -1
    np.testing.assert_array_equal(turned_as_vectors(x), as_vectors(x))
    layer = Conv(8, (3, 3))
    variables = jax.eval_shape(layer.init, jax.random.key(0), x)
    (native,) = [
        e
        for e in jax.make_jaxpr(layer.apply)(variables, x).eqns
        if e.primitive.name == "conv_general_dilated"
    ]
    assert native.invars[0].aval.shape == x.shape
    assert native.params["dimension_numbers"].lhs_spec == (0, 3, 1, 2)


def test_mixed_precisions_are_promoted_as_linen_does():
    layer, x = Conv(8, (1, 1)), jnp.ones((2, 3, 3, 2), "bfloat16")
    variables = layer.init(jax.random.key(0), x)
    out: Any = layer.apply(variables, x)
    assert out.dtype == "float32"

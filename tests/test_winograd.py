"""3x3 convolutions in 16 products: `lax`'s in all derivatives, as exact, and alone in its lane."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from funcdl.models import winograd
from funcdl.models.convolution import conv_general_dilated
from tests.quick import quick

COLUMNS = ("CHWN", "HWIO", "CHWN")


@pytest.fixture
def float64():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


def drawn(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [jnp.asarray(rng.normal(size=shape)) for shape in shapes]


def ours(x, w, padding="SAME"):
    return conv_general_dilated(x, w, (1, 1), padding, dimension_numbers=COLUMNS)


def theirs(x, w, padding="SAME"):
    """In the usual layout: for "CHWN" the gradient of `lax` itself is wrong in jax 0.7.2."""
    rows = lax.conv_general_dilated(
        jnp.swapaxes(x, 0, -1), w, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return jnp.swapaxes(rows, 0, -1)


@pytest.mark.parametrize(
    ("height", "width", "padding"),
    [(6, 4, "SAME"), (6, 7, "VALID"), (1, 5, ((1, 1), (2, -1)))],
)
@pytest.mark.usefixtures("float64")
def test_is_lax_in_every_derivative(height, width, padding):
    """Even and odd sizes; value, gradient, and a second derivative by both orders of differentiation."""
    x, w = drawn((8, height, width, 2), (3, 3, 8, 16))
    dx, dw = jnp.cos(x), jnp.sin(w)

    def derivatives(convolve):
        def scalar(x, w):
            return jnp.sum(jnp.tanh(convolve(x, w, padding) / 9))

        def slope(x, w):
            return jax.jvp(scalar, (x, w), (dx, dw))[1]

        gradient = jax.grad(scalar, (0, 1))
        again = jax.jvp(gradient, (x, w), (dx, dw))[1]
        return convolve(x, w, padding), gradient(x, w), again, jax.grad(slope, (0, 1))(x, w)

    found, expected = quick(lambda: [derivatives(ours), derivatives(theirs)])()
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


def test_rounds_like_the_plain_sum():
    """float32 against float64 from NumPy: at most three times the error of `lax`, value and gradient."""
    x, w = (np.asarray(a, "float32") for a in drawn((16, 8, 8, 2), (3, 3, 16, 16)))
    windows = np.lib.stride_tricks.sliding_window_view(x.astype("float64"), (3, 3), (1, 2))
    exact = np.einsum("chwnij,ijcf->fhwn", windows, w.astype("float64"), optimize=True)
    slope = np.einsum("chwnij,fhwn->ijcf", windows, exact, optimize=True)

    def slopes(convolve, w):
        out, pull = jax.vjp(lambda w: convolve(x, w, "VALID"), w)
        return out, *pull(jnp.asarray(exact, "float32"))

    found = quick(lambda w: [slopes(ours, w), slopes(theirs, w)])(w)
    errors = [
        [np.sqrt(np.mean((a - b) ** 2)) for a, b in zip(pair, (exact, slope), strict=True)]
        for pair in found
    ]
    for own, plain in zip(*errors, strict=True):
        assert own < 3 * plain


@pytest.mark.parametrize(
    ("kernel", "strides", "dtype", "spec", "short"),
    [
        ((3, 3, 8, 16), (1, 1), "float32", COLUMNS, True),
        ((3, 3, 7, 16), (1, 1), "float32", COLUMNS, False),  # too few features
        ((3, 3, 8, 16), (2, 1), "float32", COLUMNS, False),
        ((3, 2, 8, 16), (1, 1), "float32", COLUMNS, False),
        ((3, 3, 8, 16), (1, 1), "bfloat16", COLUMNS, False),
    ],
)
def test_is_taken_where_it_pays(kernel, strides, dtype, spec, short):
    """Seen from the products: 16 at once, or one."""
    x, w = jnp.zeros((kernel[2], 6, 6, 2), dtype), jnp.zeros(kernel, dtype)
    jaxpr = jax.make_jaxpr(
        lambda x, w: conv_general_dilated(x, w, strides, "SAME", dimension_numbers=spec)
    )(x, w)
    (shape,) = re.findall(r"\[([\d,]+)\] = dot_general", str(jaxpr))
    assert (shape.startswith("16,") and shape.count(",") == 2) == short


def test_only_a_cpu_takes_it(monkeypatch):
    x, w = jnp.zeros((8, 6, 6, 2)), jnp.zeros((3, 3, 8, 16))
    assert winograd.pays(w, (1, 1), (1, 1))
    for backend, shapes in (("gpu", [(16, 6 * 6 * 2)]), ("tpu", [])):
        monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
        equations = jax.make_jaxpr(lambda x, w: ours(x, w))(x, w).eqns
        products = [e.outvars[0].aval.shape for e in equations if e.primitive.name == "dot_general"]
        assert products == shapes


def test_a_lane_does_not_feel_its_neighbours():
    """Bit by bit, value and gradients, whatever the other lane holds."""
    xs, ws = (jnp.asarray(a, "float32") for a in drawn((2, 8, 5, 4, 3), (2, 3, 3, 8, 16)))

    @quick
    def lanes(xs, ws):
        return jax.vmap(jax.value_and_grad(lambda x, w: jnp.sum(jnp.sin(ours(x, w))), (0, 1)))(
            xs, ws
        )

    before = lanes(xs, ws)
    after = lanes(xs.at[1].multiply(1e30), ws.at[1].set(jnp.nan))
    for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        np.testing.assert_array_equal(a[0], b[0])

"""Convolution by patches equals `lax` in value and in both gradients, in float32 and float64."""

import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jax import lax

from funcdl.models.convolution import conv_general_dilated
from tests.quick import OPTIONS


@pytest.fixture
def float64():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


LAYOUTS = {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC"), 3: ("NDHWC", "DHWIO", "NDHWC")}


def compare(lhs_shape, rhs_shape, strides, padding, tolerance, **options):
    """Values and vector-Jacobian products of both, on the same random arrays, in one program."""
    rng = np.random.default_rng(0)
    lhs, rhs = (jnp.asarray(rng.normal(size=shape)) for shape in (lhs_shape, rhs_shape))

    def run(convolve, lhs, rhs):
        out, pull = jax.vjp(lambda a, b: convolve(a, b, strides, padding, **options), lhs, rhs)
        weights = jnp.sin(jnp.arange(out.size, dtype=out.dtype)).reshape(out.shape)
        return (out, *pull(weights))

    def both(lhs, rhs):
        return [run(f, lhs, rhs) for f in (conv_general_dilated, lax.conv_general_dilated)]

    program = jax.jit(both).lower(lhs, rhs).compile(compiler_options=OPTIONS)
    for ours, theirs in zip(*program(lhs, rhs), strict=True):
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def uses_native(*shapes, **options):
    """Whether the function falls back to the convolution of `lax`."""
    lhs, rhs = (jnp.zeros(shape) for shape in shapes)
    return "conv_general_dilated" in str(
        jax.make_jaxpr(lambda a, b: conv_general_dilated(a, b, **options))(lhs, rhs)
    )


GRID = list(
    itertools.product(
        (1, 2),  # spatial axes
        (1, 2),  # stride
        (1, 2),  # dilation of the kernel
        (1, 2),  # groups
        ("SAME", "VALID", "SAME_LOWER"),  # pairs of numbers follow below
    )
)


@pytest.mark.parametrize("case", GRID, ids=lambda case: "-".join(map(str, case)))
def test_equals_lax(case):
    rank, stride, dilation, groups, padding = case
    compare(
        (2, *(9, 7)[:rank], 4),
        (*(3, 2)[:rank], 4 // groups, 6),
        (stride,) * rank,
        padding,
        rhs_dilation=(dilation,) * rank,
        dimension_numbers=LAYOUTS[rank],
        feature_group_count=groups,
        tolerance=1e-4,
    )


@pytest.mark.parametrize("padding", ["SAME", "VALID", ((-1, 2), (1, -2))])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.usefixtures("float64")
def test_equals_lax_to_float64(padding, groups):
    compare(
        (3, 8, 7, 4),
        (3, 3, 4 // groups, 8),
        (2, 1),
        padding,
        rhs_dilation=(1, 2),
        dimension_numbers=LAYOUTS[2],
        feature_group_count=groups,
        tolerance=1e-12,
    )


@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_equals_lax_on_any_geometry(data):
    """Unequal sizes, kernels, strides, paddings and dilations of both operands per axis."""
    rank = data.draw(st.integers(1, 3), "rank")

    def per_axis(low, high):
        return tuple(data.draw(st.integers(low, high)) for _ in range(rank))

    groups = data.draw(st.sampled_from([1, 3]), "groups")
    sizes, taps = per_axis(2, 6), per_axis(1, 3)
    padding = tuple(zip(per_axis(-1, 3), per_axis(-1, 3), strict=True))
    dilation, spacing = per_axis(1, 2), per_axis(1, 2)
    assume(
        all(
            (n - 1) * d + 1 + sum(p) > (k - 1) * e
            for n, d, p, k, e in zip(sizes, spacing, padding, taps, dilation, strict=True)
        )
    )
    compare(
        (2, *sizes, 2 * groups),
        (*taps, 2, 2 * groups),
        per_axis(1, 3),
        padding,
        lhs_dilation=spacing,
        rhs_dilation=dilation,
        dimension_numbers=LAYOUTS[rank],
        feature_group_count=groups,
        tolerance=1e-4,
    )


@pytest.mark.parametrize("layout", [None, ("NCHW", "OIHW", "NCHW"), ("NHWC", "OIHW", "NCHW")])
def test_takes_any_layout(layout):
    channels_last = layout is not None and layout[0] == "NHWC"
    shape = (2, 6, 5, 3) if channels_last else (2, 3, 6, 5)
    compare(shape, (4, 3, 3, 2), (1, 2), "SAME", 1e-4, dimension_numbers=layout)


def test_uses_patches_where_it_says():
    options = {"window_strides": (1, 1), "padding": "SAME", "dimension_numbers": LAYOUTS[2]}
    assert not uses_native((2, 8, 8, 4), (3, 3, 4, 6), **options)
    assert not uses_native((2, 8, 8, 4), (3, 3, 2, 6), feature_group_count=2, **options)
    assert not uses_native((2, 8, 8, 4), (3, 3, 4, 6), lhs_dilation=(2, 1), **options)
    assert uses_native((2, 8, 8, 4), (3, 3, 4, 6), batch_group_count=2, **options)


def test_falls_back_to_lax_for_what_it_leaves_to_it():
    options = {"dimension_numbers": LAYOUTS[2], "tolerance": 1e-4}
    compare((4, 5, 5, 3), (2, 2, 3, 4), (1, 1), "VALID", batch_group_count=2, **options)
    compare((4, 2, 2, 3), (3, 3, 3, 4), (1, 1), "VALID", **options)  # an empty result


@pytest.mark.parametrize(
    ("backend", "batch", "native"),
    [("tpu", 2, True), ("cpu", 2, False), ("gpu", 2, False), ("gpu", 10_000, True)],
)
def test_takes_the_way_that_is_faster_on_this_backend(monkeypatch, backend, batch, native):
    """A GPU's own convolution is for large ones: 10,000 images of 8x8 are 23 million patch elements."""
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    options = {"window_strides": (1, 1), "padding": "SAME", "dimension_numbers": LAYOUTS[2]}
    assert uses_native((batch, 8, 8, 4), (3, 3, 4, 6), **options) == native


def test_refuses_what_lax_refuses():
    lhs, rhs = jnp.zeros((2, 8, 8, 4)), jnp.zeros((3, 3, 3, 6))
    with pytest.raises(ValueError, match="feature_group_count"):
        conv_general_dilated(lhs, rhs, (1, 1), "SAME", dimension_numbers=LAYOUTS[2])


@pytest.mark.parametrize(
    ("inputs", "kernel", "padding"),
    [
        ((2, 9, 3), (3,), "CAUSAL"),
        ((2, 9, 3), (3,), "CIRCULAR"),
        ((2, 8, 7, 3), (3, 2), "CIRCULAR"),
        ((2, 8, 7, 3), (3, 3), "REFLECT"),
        ((2, 8, 7, 3), (3, 3), 1),
        ((8, 7, 3), (3, 3), "SAME"),  # without a batch axis
        ((2, 2, 8, 7, 3), (3, 3), "SAME"),  # with two
    ],
)
def test_is_linens_convolution(inputs, kernel, padding):
    """Every padding that Linen knows, through `nn.Conv`, also under `jit` and `vmap`."""
    x = jax.random.normal(jax.random.key(0), inputs)
    theirs = nn.Conv(4, kernel, padding=padding, kernel_dilation=1, strides=2)
    ours = theirs.clone(conv_general_dilated=conv_general_dilated)
    variables = theirs.init(jax.random.key(1), x)
    expected = np.asarray(theirs.apply(variables, x))
    lanes = jax.jit(jax.vmap(ours.apply, in_axes=(None, 0)))(variables, jnp.stack([x, 2 * x]))
    np.testing.assert_allclose(lanes[0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("float64")
def test_gradient_equals_a_finite_difference():
    """Independent of `lax`: a directional derivative in float64 by central differences."""
    rng = np.random.default_rng(2)
    x, w, dx, dw = (
        jnp.asarray(rng.normal(size=shape))
        for shape in [(2, 5, 5, 2), (3, 3, 2, 3), (2, 5, 5, 2), (3, 3, 2, 3)]
    )

    def loss(t):
        out = conv_general_dilated(
            x + t * dx, w + t * dw, (2, 2), "SAME", dimension_numbers=LAYOUTS[2]
        )
        return jnp.sum(jnp.sin(out))

    numeric = (loss(1e-5) - loss(-1e-5)) / 2e-5
    np.testing.assert_allclose(jax.grad(loss)(0.0), numeric, rtol=1e-7)

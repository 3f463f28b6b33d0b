"""Products with gradients of our own shape: equal to `jnp.matmul` in value and all derivatives."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcdl.models import product


@pytest.fixture
def float64():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


def arrays(*shapes):
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.normal(size=shape)) for shape in shapes]


def plain_inner(x, y):
    return jnp.matmul(x, jnp.swapaxes(y, -1, -2))


SHAPES = [((5, 3), (3, 4)), ((1, 1), (1, 1)), ((2, 3, 5, 3), (2, 3, 3, 4))]
PAIRS = [(product.matmul, jnp.matmul), (product.inner, plain_inner)]


def operands(ours, shapes):
    x, w = arrays(*shapes)
    return (x, jnp.swapaxes(w, -1, -2)) if ours is product.inner else (x, w)


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
@pytest.mark.usefixtures("float64")
def test_is_the_plain_product_in_every_derivative(ours, theirs, shapes):
    """Value, forward and reverse derivative, and a second derivative in both orders."""
    x, w = operands(ours, shapes)
    dx, dw = jnp.cos(x), jnp.sin(w)

    def derivatives(f, x, w):
        def scalar(x, w):
            return jnp.sum(jnp.tanh(f(jnp.tanh(x), w)))

        gradient = jax.grad(scalar, (0, 1))

        def slope(x, w):
            return jax.jvp(scalar, (x, w), (dx, dw))[1]

        return (
            f(x, w),
            gradient(x, w),
            slope(x, w),
            jax.jvp(gradient, (x, w), (dx, dw))[1],
            jax.grad(slope, (0, 1))(x, w),
        )

    run = jax.jit(derivatives, static_argnums=0)
    for a, b in zip(*(jax.tree.leaves(run(f, x, w)) for f in (ours, theirs)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_gradients_vmap_over_either_operand(ours, theirs):
    x, w = operands(ours, ((5, 3), (3, 4)))
    xs = jnp.stack([x, -2 * x])
    for axes, args in [((0, None), (xs, w)), ((0, 0), (xs, jnp.stack([w, w + 1])))]:
        lanes = [
            jax.vmap(jax.grad(lambda x, w, f=f: jnp.sum(jnp.sin(f(x, w))), (0, 1)), axes)(*args)
            for f in (ours, theirs)
        ]
        for a, b in zip(*map(jax.tree.leaves, lanes), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(3,), (6, 3), (2, 4, 3), (2, 2, 2, 3)])
@pytest.mark.usefixtures("float64")
def test_is_linens_dense(shape):
    """Through `nn.Dense`, whatever the leading axes; other products are left to `lax`."""
    (x,) = arrays(shape)
    theirs = nn.Dense(4, param_dtype="float64")
    ours = theirs.clone(dot_general=product.dot_general)
    variables = theirs.init(jax.random.key(0), x)

    def both(f):
        return jax.value_and_grad(lambda v, x: jnp.sum(jnp.sin(f.apply(v, x))), (0, 1))(
            variables, x
        )

    for a, b in zip(*(jax.tree.leaves(both(f)) for f in (ours, theirs)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("shapes", "numbers"),
    [
        (((3, 5), (3, 4)), (((0,), (0,)), ((), ()))),
        (((5, 3), (4, 3)), (((1,), (1,)), ((), ()))),
        (((2, 5, 3), (2, 3, 4)), (((2,), (1,)), ((0,), (0,)))),
        (((5, 2, 3), (2, 3, 4)), (((1, 2), (0, 1)), ((), ()))),
    ],
)
def test_other_products_are_left_to_lax(shapes, numbers):
    x, y = arrays(*shapes)
    ours = product.dot_general(x, y, numbers, precision="highest")
    np.testing.assert_array_equal(ours, jax.lax.dot_general(x, y, numbers, precision="highest"))
    np.testing.assert_array_equal(
        product.dot_general(x, y, numbers), jax.lax.dot_general(x, y, numbers)
    )


def contractions(f, *args):
    """The products in the compiled gradient, as lines of HLO."""
    gradient = jax.jit(jax.grad(lambda *a: jnp.sum(jnp.sin(f(*a))), tuple(range(len(args)))))
    text = gradient.lower(*args).compile().as_text() or ""
    return [line for line in text.splitlines() if " dot(" in line]


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="the forms are for the CPU")
@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_no_product_contracts_the_first_axis_of_its_left_operand(ours, theirs):
    """What the module is for: XLA folds nothing back into the slow form."""
    x, w = (a.astype("float32") for a in operands(ours, ((64, 32), (32, 48))))
    slow = "lhs_contracting_dims={0}"
    assert not [line for line in contractions(ours, x, w) if slow in line]
    assert len(contractions(ours, x, w)) >= 3
    assert [line for line in contractions(theirs, x, w) if slow in line]


def test_other_backends_have_the_plain_product(monkeypatch):
    x, w = arrays((5, 3), (3, 4))
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    for run in (lambda: product.matmul(x, w), lambda: product.inner(x, w.T)):
        assert "custom_jvp" not in str(jax.make_jaxpr(run)())

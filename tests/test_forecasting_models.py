"""Models of series: against NumPy in float64, and by what they must not change with."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcdl.models.make import make_model
from funcdl.models.patch_transformer import patches
from tests.quick import quick

SMALL = {
    "nbeats": {"blocks": 3, "layers": 2, "width": 8},
    "tcn": {"channels": [6, 6, 4], "kernel": 3},
    "patch_transformer": {"patch": 4, "stride": 3, "width": 8, "depth": 1, "heads": 2},
}


def series(n=3, time=13, features=1) -> Any:
    return np.random.default_rng(0).normal(size=(n, time, features)).astype(np.float32)


def trained(name, x, outputs=2, **more):
    """A model of small size with parameters away from where they start, and its function."""
    model = make_model({"name": name, **SMALL[name], **more}, outputs)
    params = quick(model.init)(jax.random.key(0), x)["params"]
    params = jax.tree.map(lambda p: p + 0.1 * jnp.sin(jnp.arange(p.size)).reshape(p.shape), params)
    return params, lambda x: model.apply({"params": params}, x, train=False, rngs={})[0]


def affine(part, x):
    return x @ np.asarray(part["kernel"], np.float64) + np.asarray(part["bias"], np.float64)


def numpy_nbeats(params, x):
    """Oreshkin et al. (2020), equations 1 to 4, with the identity as basis."""
    part = iter([params[f"Dense_{i}"] for i in range(len(params))])
    rest, total = x.reshape(len(x), -1).astype(np.float64), 0.0
    for block in range(3):
        h = rest
        for _ in range(2):
            h = np.maximum(affine(next(part), h), 0)
        total = total + affine(next(part), h)
        if block < 2:
            rest = rest - affine(next(part), h)
    return total


def numpy_tcn(params, x, kernel=3):
    """Bai et al. (2018), section 3: every moment of every layer, convolved as it is defined."""

    def convolved(part, x, dilation):
        padded = np.pad(x, ((0, 0), ((kernel - 1) * dilation, 0), (0, 0)))
        taps = [padded[:, i * dilation : i * dilation + x.shape[1]] for i in range(kernel)]
        return np.maximum(affine(part, np.concatenate(taps, -1)), 0)

    x = x.astype(np.float64)
    for i in range(3):
        block = params[f"_Block_{i}"]
        h = convolved(block["Dense_1"], convolved(block["Dense_0"], x, 2**i), 2**i)
        own = affine(block["Dense_2"], x) if "Dense_2" in block else x
        x = np.maximum(own + h, 0)
    return affine(params["Dense_0"], x[:, -1])


@pytest.mark.parametrize(("name", "reference"), [("nbeats", numpy_nbeats), ("tcn", numpy_tcn)])
@pytest.mark.parametrize(("time", "features"), [(13, 1), (8, 2)])
def test_models_follow_their_equations(name, reference, time, features):
    x = series(time=time, features=features)
    params, apply = trained(name, x)
    np.testing.assert_allclose(quick(apply)(x), reference(params, x), rtol=1e-4, atol=1e-5)


def test_a_tcn_reads_as_far_back_as_it_says_and_no_further():
    """One and two times (3 - 1) times 1 + 2 + 4 steps: 29 moments."""
    x = series(time=40)
    _, apply = trained("tcn", x)
    slope = quick(jax.grad(lambda x: apply(x).sum()))(x)[..., 0]
    assert not slope[:, : 40 - 29].any()
    assert slope[:, 40 - 29 :].any()


def test_patches_end_where_the_series_ends():
    x = series(time=13, features=2)
    found = np.asarray(patches(x, patch=4, stride=3))
    expected = [x[:, start : start + 4].reshape(3, -1) for start in (0, 3, 6, 9)]
    np.testing.assert_array_equal(found, np.stack(expected, 1))
    shorter = np.asarray(patches(x[:, :12], 4, 3))  # the first two steps fill no patch
    np.testing.assert_array_equal(shorter[:, :, :2], x[:, [2, 5, 8]])
    with pytest.raises(ValueError, match="patch: 14 and stride: 1 do not fit a window of 13 steps"):
        patches(x, 14, 1)


@pytest.mark.parametrize("name", SMALL)
def test_normalised_models_move_and_grow_with_the_window(name):
    x = series()
    params, plain = trained(name, x)

    def how(normalise):
        model = make_model({"name": name, **SMALL[name], "normalise": normalise}, 2)
        return lambda x: model.apply({"params": params}, x, train=False, rngs={})[0]

    level, scale = how("level"), how("scale")
    still = jnp.full_like(x, 7.0)  # a window that does not change
    moved, grown, other, there = quick(
        lambda x: (
            level(3 * x + 5) - (3 * level(x) + 5),
            scale(3 * x) - 3 * scale(x),
            plain(3 * x) - 3 * plain(x),
            level(still),
        )
    )(x)
    np.testing.assert_allclose(moved, 0, atol=1e-3)
    np.testing.assert_allclose(grown, 0, atol=1e-3)
    assert np.abs(other).max() > 0.05
    assert np.isfinite(there).all()

"""The vision transformer against float64 NumPy, written down from the paper's equations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcdl.models.vit import ViT, patches
from tests.quick import quick


def image(n, shape=(8, 8, 1), seed=0):
    return np.random.default_rng(seed).normal(size=(n, *shape)).astype("float32")


def normed(p, x):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt(centred.var(-1, keepdims=True) + 1e-6) * p["scale"] + p["bias"]


def affine(p, x):
    return x @ p["kernel"] + p["bias"]


def gelu(x):
    """Hendrycks & Gimpel (2016), in the tanh form that Linen takes by default."""
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def block(p, x, heads):
    """One example's tokens `[T, W]`, head by head."""
    width = x.shape[-1]
    size = width // heads
    q, k, v = np.split(affine(p["Dense_0"], normed(p["LayerNorm_0"], x)), 3, -1)
    read = []
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        weights = np.exp(q[:, part] @ k[:, part].T / np.sqrt(size))
        read.append(weights / weights.sum(-1, keepdims=True) @ v[:, part])
    x = x + affine(p["Dense_1"], np.concatenate(read, -1))
    hidden = gelu(affine(p["Dense_3"], normed(p["LayerNorm_1"], x)))
    return x + affine(p["Dense_2"], hidden)


def reference(p, images, patch, heads, depth, pool):
    found = []
    for one in images.astype("float64"):
        height, width, _ = one.shape
        cut = [
            one[top : top + patch, left : left + patch].ravel()
            for top in range(0, height, patch)
            for left in range(0, width, patch)
        ]
        x = affine(p["Dense_0"], np.stack(cut))
        if pool == "class":
            x = np.concatenate([p["class"][0], x])
        x = x + p["positions"][0]
        for layer in range(depth):
            x = block(p[f"Block_{layer}"], x, heads)
        x = normed(p["LayerNorm_0"], x)
        found.append(affine(p["Dense_1"], x[0] if pool == "class" else x.mean(0)))
    return np.stack(found)


@pytest.mark.parametrize("pool", ["mean", "class"])
def test_vit_follows_its_equations(pool):
    x = image(3, (6, 8, 2))
    model = ViT(5, patch=2, width=12, depth=2, heads=3, expansion=2, pool=pool)
    params = quick(model.init)(jax.random.key(0), x)["params"]
    # Biases and gains start where a mistake with them would not show.
    params = jax.tree.map(lambda p: p + 0.2 * jnp.sin(jnp.arange(p.size)).reshape(p.shape), params)
    wide = jax.tree.map(lambda p: np.asarray(p, "float64"), params)
    found = quick(lambda p: model.apply({"params": p}, x))(params)
    expected = reference(wide, x, patch=2, heads=3, depth=2, pool=pool)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_a_patch_is_a_square_and_edges_are_filled_with_zeros():
    x = image(2, (5, 7, 3))
    cut = np.asarray(patches(jnp.asarray(x), 3))
    assert cut.shape == (2, 2 * 3, 27)
    np.testing.assert_array_equal(cut[1, 1], x[1, :3, 3:6].ravel())
    np.testing.assert_array_equal(cut[0, 3].reshape(3, 3, 3)[:2], x[0, 3:5, :3])
    corner = cut[0, 5].reshape(3, 3, 3)
    np.testing.assert_array_equal(corner[:2, :1], x[0, 3:5, 6:])
    assert not corner[2].any()
    assert not corner[:, 1:].any()


def test_vit_base_has_the_published_size():
    """Dosovitskiy et al. (2021), table 1: ViT-Base of 86 million parameters, 16 x 16 patches."""
    model = ViT(1000, patch=16, width=768, depth=12, heads=12, pool="class")
    x = jnp.zeros((1, 224, 224, 3))
    params = jax.eval_shape(model.init, jax.random.key(0), x)["params"]
    assert params["positions"].shape == (1, 197, 768)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 86_567_656


def test_vit_knows_order_only_by_its_positions():
    x = image(2)
    model = ViT(10, patch=4, width=8, heads=2, depth=1)
    params = quick(model.init)(jax.random.key(0), x)["params"]
    apply = quick(lambda p, x: model.apply({"params": p}, x))
    moved = np.roll(x, 4, axis=2)  # by a whole patch
    assert not np.allclose(apply(params, x), apply(params, moved), atol=1e-5)
    blind = {**params, "positions": jnp.zeros_like(params["positions"])}
    np.testing.assert_allclose(apply(blind, x), apply(blind, moved), rtol=1e-4, atol=1e-5)

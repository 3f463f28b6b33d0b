"""Recommenders against NumPy in float64, and by what they must not read; see test_models, too."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from funcdl.errors import DataError
from funcdl.models import RECOMMENDERS
from funcdl.models.choices import Candidates
from funcdl.models.make import make_model
from funcdl.tasks.load import make_task
from funcdl.train.passes import averaged
from tests.quick import quick

ITEMS, USERS, TIME = 40, 7, 5
SMALL: dict[str, dict[str, Any]] = {
    "matrix_factorisation": {"width": 6},
    "ncf": {"width": 6, "hidden": [5, 3]},
    "two_tower": {"width": 6, "hidden": [5]},
    "sasrec": {"width": 6, "depth": 2, "heads": 2},
}
TASK = make_task("recommendation")
each = pytest.mark.parametrize("name", RECOMMENDERS)


def small(name, **more):
    ids = {"items": ITEMS, "users": USERS}
    return make_model({"name": name, **SMALL[name], **more}, ITEMS, ids)


def inputs(n=6):
    rng = np.random.default_rng(0)
    history = rng.integers(1, ITEMS, (n, TIME)).astype(np.int32)
    for row in range(n):
        history[row, : row % TIME] = 0  # short ones, padded in front
    return {
        "history": jnp.asarray(history),
        "user": jnp.asarray(rng.integers(0, USERS, n), jnp.int32),
    }


def started(model, amount=0.1):
    """Parameters away from where they start, where biases are zero."""
    params: Any = quick(model.init)(jax.random.key(0), inputs())["params"]
    return jax.tree.map(lambda p: p + amount * jnp.sin(jnp.arange(p.size)).reshape(p.shape), params)


def scores_of(model, params, x):
    return model.apply({"params": params}, x, train=False, rngs={})[0]


def affine(part, x):
    return x @ part["kernel"] + part["bias"]


def relu(x):
    return np.maximum(x, 0)


def numpy_matrix_factorisation(p, history, user):
    return p["users"][user] @ p["items"].T + p["bias"]


def numpy_ncf(p, history, user):
    """He et al. (2017), equations 8 to 12, pair by pair."""
    scores = np.zeros((len(user), ITEMS))
    for row, u in enumerate(user):
        for i in range(ITEMS):
            h = np.concatenate([p["users_network"][u], p["items_network"][i]])
            for layer in (1, 2):
                h = relu(h @ p[f"layer_{layer}"] + p[f"layer_{layer}_bias"])
            network = h @ p["layer_3"] + p["layer_3_bias"]
            product = (p["weights"] * p["users_product"][u] * p["items_product"][i]).sum()
            scores[row, i] = product + network[0] + p["bias"][i]
    return scores


def numpy_two_tower(p, history, user):
    means = np.stack([p["items"][row[row > 0]].mean(0) for row in history])
    h = np.concatenate([means, p["users"][user]], 1)
    h = affine(p["person"]["Dense_1"], relu(affine(p["person"]["Dense_0"], h)))
    item = relu(p["items"] @ p["item_1"] + p["item_1_bias"]) @ p["item_2"] + p["item_2_bias"]
    return h @ item.T + p["bias"]


def norm(part, x):
    centred = x - x.mean(-1, keepdims=True)
    scale = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
    return centred / scale * part["scale"] + part["bias"]


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def numpy_attention(q, k, v, heads=2):
    """One reader `[w]` of the positions `[t, w]`, head by head."""
    found = []
    for part in np.split(np.arange(len(q)), heads):
        weights = special.softmax(k[:, part] @ q[part] / np.sqrt(len(part)))
        found.append(weights @ v[:, part])
    return np.concatenate(found)


def numpy_sasrec(p, history, user):
    """Kang & McAuley (2018), section III, one person and one position at a time, without padding."""
    out = []
    block = p["Block_0"]
    for row in history:
        real = row > 0
        x = p["items"][row[real]] + p["positions"][0][real]
        q, k, v = np.split(affine(block["Dense_0"], norm(block["LayerNorm_0"], x)), 3, 1)
        read = [numpy_attention(q[t], k[: t + 1], v[: t + 1]) for t in range(len(x))]
        x = x + affine(block["Dense_1"], np.stack(read))
        h = gelu(affine(block["Dense_3"], norm(block["LayerNorm_1"], x)))
        x = x + affine(block["Dense_2"], h)
        normed = norm(p["LayerNorm_0"], x)
        k, v = np.split(affine(p["Dense_1"], normed), 2, 1)
        last = x[-1] + affine(p["Dense_2"], numpy_attention(affine(p["Dense_0"], normed[-1]), k, v))
        last = last + affine(p["Dense_3"], gelu(affine(p["Dense_4"], norm(p["LayerNorm_1"], last))))
        out.append(norm(p["LayerNorm_2"], last))
    return np.stack(out) @ p["items"].T + p["bias"]


NUMPY = {
    "matrix_factorisation": numpy_matrix_factorisation,
    "ncf": numpy_ncf,
    "two_tower": numpy_two_tower,
    "sasrec": numpy_sasrec,
}


@each
def test_scores_are_those_of_numpy_and_so_are_those_of_candidates(name):
    """Of all items in float64; and of drawn items, the same for all or each example's own."""
    model, x = small(name, negatives=9), inputs()
    params = started(model)

    @quick
    def both(params, x) -> Any:
        drawn, _ = model.apply(
            {"params": params}, x, train=True, rngs={"dropout": jax.random.key(1)}
        )
        assert isinstance(drawn, Candidates)
        own = drawn.score(items=jnp.arange(6, dtype=jnp.int32)[:, None] + jnp.arange(3)[None])
        return scores_of(model, params, x), drawn.score(items=drawn.drawn[None]), own, drawn

    found, of_drawn, of_own, drawn = both(params, x)
    wide = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
    wanted = NUMPY[name](wide, np.asarray(x["history"]), np.asarray(x["user"]))
    np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(of_drawn, wanted[:, np.asarray(drawn.drawn)], rtol=2e-4, atol=2e-5)
    own = np.take_along_axis(wanted, np.arange(6)[:, None] + np.arange(3), axis=1)
    np.testing.assert_allclose(of_own, own, rtol=2e-4, atol=2e-5)
    assert drawn.drawn.shape == (9,)
    assert float(drawn.each) == pytest.approx((ITEMS - 1) / 9)


def test_draws_are_uniform_over_all_items_but_padding():
    model = small("matrix_factorisation", negatives=20_000)
    params: Any = started(model)
    drawn: Any = model.apply(
        {"params": params}, inputs(), train=True, rngs={"dropout": jax.random.key(0)}
    )[0]
    counts = np.bincount(np.asarray(drawn.drawn), minlength=ITEMS)
    assert counts[0] == 0
    assert len(counts) == ITEMS
    expected = 20_000 / (ITEMS - 1)
    assert ((counts[1:] - expected) ** 2 / expected).sum() < 80  # chi2 of 38: p = 1e-4 at 80


@pytest.mark.parametrize("name", ["sasrec", "two_tower"])
def test_padding_is_read_by_nobody(name):
    """What stands in its row changes no other item's score."""
    model, x = small(name), inputs()
    params = started(model)
    apply = quick(lambda params: scores_of(model, params, x))
    spoilt = {**params, "items": params["items"].at[0].set(1e3)}
    np.testing.assert_array_equal(apply(params)[:, 1:], apply(spoilt)[:, 1:])


@pytest.mark.parametrize("name", ["matrix_factorisation", "sasrec"])
def test_passes_with_dropout_rank_all_items(name):
    """MC dropout of a model that draws items in training: the mean of what it says of all of them."""
    rate = {"dropout": 0.5} if name == "sasrec" else {}
    drawing, scoring = (small(name, negatives=n, **rate) for n in (9, 0))
    params = started(scoring)
    key, place = jax.random.key(3), jnp.int32([1, 0])

    @quick
    def both(params, x) -> Any:
        every = [
            averaged(model, TASK, {"params": params}, x, 4, key, place)
            for model in (drawing, scoring)
        ]
        return *every, scores_of(scoring, params, x)

    ours, expected, dry = both(params, inputs())
    assert ours.shape == (6, ITEMS)
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)
    assert np.allclose(ours, dry, rtol=1e-4, atol=1e-5) == (name != "sasrec")


@pytest.mark.parametrize("name", ["two_tower", "sasrec"])
def test_dropout_rates_may_be_traced(name):
    def apply(rate) -> Any:
        model = small(name, dropout=rate, negatives=0)
        params = model.init(jax.random.key(0), inputs())
        return model.apply(params, inputs(), train=True, rngs={"dropout": jax.random.key(1)})[0]

    assert jax.eval_shape(apply, jnp.float32(0.5)).shape == (6, ITEMS)


def test_what_does_not_fit_is_said():
    for given, message in (
        ({"name": "sasrec", "heads": 4}, "heads that divide width"),
        ({"name": "sasrec", "depth": 0}, "a depth of 1 or more"),
        ({"name": "ncf", "hidden": []}, "NCF needs a layer"),
    ):
        with pytest.raises(ValueError, match=message):
            small(**given).init(jax.random.key(0), inputs())
    with pytest.raises(DataError, match=r"reads 'user', integers \[batch\].*movielens, ratings"):
        small("ncf").init(jax.random.key(0), jnp.zeros((2, 3)))
    with pytest.raises(DataError, match=r"reads 'history'.*float32\[2, 3\]"):
        small("sasrec").init(jax.random.key(0), {"history": jnp.zeros((2, 3))})

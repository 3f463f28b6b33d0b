"""Models of anomalies, each against references that are not ours; what all models owe is in test_models."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss

from funcdl.models import MODELS, SCORES
from funcdl.models.deep_svdd import away_from_zero
from funcdl.models.make import make_model
from funcdl.models.vae import bernoulli_surprise, divergence, normal_surprise
from funcdl.signatures import is_traced, parameters
from tests.quick import quick

SPECS = {
    "autoencoder": {"hidden": [16], "bottleneck": 3, "noise": 0.2},
    "vae": {"hidden": [16], "bottleneck": 3, "beta": 0.1},
    "deep_svdd": {"hidden": [16], "bottleneck": 3},
}
KEY = jax.random.key(0)
each = pytest.mark.parametrize("name", SCORES)


def small(name, **more):
    return make_model({"name": name, **SPECS[name], **more}, outputs=0)


def applied(model, variables, x):
    """Scores in evaluation."""
    return quick(lambda v, x: model.apply(v, x, train=False, rngs={})[0])(variables, x)


def trained(model, variables, x, key=KEY):
    """Scores and variables of a training step's forward pass."""
    run = quick(lambda v, x, key: model.apply(v, x, train=True, rngs={"dropout": key}))
    return run(variables, x, key)


def images(n, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(n, 8, 8, 1)), "float32")


@pytest.fixture
def float64():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@each
def test_knows_32_zeros_from_other_digits(name):
    """Trained on zeros: every other digit is stranger than most of them."""
    digits: Any = load_digits()
    pixels = jnp.asarray(digits.images[..., None] / 16, "float32")
    zeros, others = pixels[digits.target == 0][:32], pixels[digits.target != 0][:100]
    model = make_model({"name": name, **({"beta": 0.01} if name == "vae" else {})}, outputs=0)
    optimizer = optax.adam(3e-3)

    @quick
    def learn(key):
        def step(index, carry):
            variables, state = carry
            rngs = {"dropout": jax.random.fold_in(key, index)}

            def loss(params):
                given = {**variables, "params": params}
                scores, after = model.apply(given, zeros, train=True, rngs=rngs)
                return scores.mean(), after

            grads, after = jax.grad(loss, has_aux=True)(variables["params"])
            updates, state = optimizer.update(grads, state)
            params = optax.apply_updates(variables["params"], updates)
            return {**after, "params": params}, state

        variables = model.init(key, zeros[:1])
        _, variables = model.apply(variables, zeros, train=True, rngs={"dropout": key})
        start = (variables, optimizer.init(variables["params"]))
        trained, _ = jax.lax.fori_loop(0, 400, step, start)
        scores = lambda v, x: model.apply(v, x, train=False, rngs={})[0]  # noqa: E731
        return scores(variables, zeros), scores(trained, zeros), scores(trained, others)

    before, after, strange = map(np.asarray, learn(KEY))
    assert np.isfinite(after).all()
    # A VAE's bound keeps the constant of the normal density, 64 / 2 log(2 pi) nats.
    constant = 32 * np.log(2 * np.pi) if name == "vae" else 0.0
    assert after.mean() - constant < 0.3 * (before.mean() - constant)
    assert (strange[:, None] > after).mean() > 0.97


@pytest.mark.parametrize(("name", "number"), [("autoencoder", "noise"), ("vae", "beta")])
def test_noise_and_beta_are_traced(name, number):
    """So that a search over them compiles once."""
    x, traces = images(4), []
    variables = quick(small(name).init)(KEY, x)

    @quick
    def scores(value):
        traces.append(value)
        model = small(name, **{number: value})
        return model.apply(variables, x, train=True, rngs={"dropout": KEY})[0]

    assert not np.allclose(scores(jnp.float32(0.1)), scores(jnp.float32(0.7)))
    assert len(traces) == 1
    assert is_traced(parameters(MODELS[name])[number], 0.1)


def test_autoencoder_is_its_equation():
    """Values against NumPy in float64, with two hidden layers."""
    model = make_model({"name": "autoencoder", "hidden": [7, 5], "bottleneck": 2}, outputs=0)
    x = np.random.default_rng(0).normal(size=(4, 6))
    params = jax.eval_shape(model.init, KEY, jnp.asarray(x, "float32"))["params"]
    params = jax.tree.map(
        lambda p: np.cos(np.arange(p.size)).reshape(p.shape).astype("float32"), params
    )
    h = x
    for part in ("encoder", "decoder"):
        widths = [7, 5, 2] if part == "encoder" else [5, 7, 6]
        for i, width in enumerate(widths):
            layer = {k: p.astype("float64") for k, p in params[part][f"Dense_{i}"].items()}
            h = h @ layer["kernel"] + layer["bias"]
            assert h.shape == (4, width)
            h = np.maximum(h, 0) if i < 2 else h
    found = applied(model, {"params": params}, jnp.asarray(x, "float32"))
    np.testing.assert_allclose(found, ((x - h) ** 2).mean(1), rtol=1e-4)


def test_noise_is_added_in_training_alone_with_its_deviation():
    """An autoencoder that is the identity: its error is the noise, of variance 0.3^2."""
    model = make_model({"name": "autoencoder", "hidden": [], "bottleneck": 50, "noise": 0.3}, 0)
    eye = {"Dense_0": {"kernel": jnp.eye(50), "bias": jnp.zeros(50)}}
    variables, x = {"params": {"encoder": eye, "decoder": eye}}, jnp.ones((200, 50))
    noisy = trained(model, variables, x)[0]
    assert abs(float(noisy.mean()) - 0.09) < 5 * 0.09 * np.sqrt(2 / x.size)
    assert float(applied(model, variables, x).max()) == 0.0


@pytest.mark.usefixtures("float64")
def test_divergence_is_the_integral_that_it_stands_for():
    """Against the trapezoid rule on a fine grid, coordinate by coordinate, in float64."""
    means, logs = np.array([[0.3, -1.2], [0.0, 2.0]]), np.array([[0.5, -2.0], [0.0, 1.0]])
    z = np.linspace(-30, 30, 400_001)
    expected = np.zeros(2)
    for i, j in np.ndindex(2, 2):
        q = scipy.stats.norm.logpdf(z, means[i, j], np.exp(logs[i, j] / 2))
        integrand = np.exp(q) * (q - scipy.stats.norm.logpdf(z))
        expected[i] += np.trapezoid(integrand, z)
    np.testing.assert_allclose(
        divergence(jnp.asarray(means), jnp.asarray(logs)), expected, rtol=1e-9
    )


@pytest.mark.usefixtures("float64")
def test_surprises_are_negative_log_likelihoods():
    random = np.random.default_rng(0)
    x, mean = random.normal(size=(2, 5, 3))
    expected = -scipy.stats.norm.logpdf(x, mean).sum(1)
    np.testing.assert_allclose(normal_surprise(jnp.asarray(x), jnp.asarray(mean)), expected)
    bits, logits = random.integers(0, 2, (5, 3)), random.normal(size=(5, 3)) * 4
    p = 1 / (1 + np.exp(-logits))
    expected = [3 * log_loss(b, q, labels=[0, 1]) for b, q in zip(bits, p, strict=True)]
    np.testing.assert_allclose(bernoulli_surprise(jnp.asarray(bits), jnp.asarray(logits)), expected)


def test_a_vae_with_a_linear_decoder_bounds_the_exact_likelihood():
    """Probabilistic PCA has a closed form: with the true posterior the bound is met on average.

    x = W z + b + e, e ~ N(0, I): log p(x) is that of N(b, W W^T + I), the posterior is normal with the
    covariance (I + W^T W)^-1, diagonal here since the columns of W are orthogonal.
    """
    model = make_model({"name": "vae", "hidden": [], "bottleneck": 2}, outputs=0)
    random = np.random.default_rng(1)
    w = np.linalg.qr(random.normal(size=(5, 2)))[0] * [1.5, 0.5]
    b, x = random.normal(size=5), random.normal(size=(20, 5))
    covariance = np.linalg.inv(np.eye(2) + w.T @ w)
    kernel = np.concatenate([w @ covariance, np.zeros((5, 2))], axis=1)
    bias = np.concatenate([-b @ w @ covariance, np.log(np.diag(covariance))])
    params = {
        "encoder": {"Dense_0": {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)}},
        "decoder": {"Dense_0": {"kernel": jnp.asarray(w.T), "bias": jnp.asarray(b)}},
    }

    @quick
    @partial(jax.vmap, in_axes=(None, 0))
    def bound(params, key):
        return model.apply({"params": params}, jnp.asarray(x), train=True, rngs={"dropout": key})[0]

    draws = np.asarray(bound(params, jax.random.split(KEY, 400)))
    whole, off = w @ w.T + np.eye(5), x - b
    exact = 0.5 * np.sum(off * np.linalg.solve(whole, off.T).T, axis=1)
    exact += 0.5 * np.linalg.slogdet(2 * np.pi * whole)[1]
    error = draws.std(0) / np.sqrt(len(draws))
    assert (np.abs(draws.mean(0) - exact) < 5 * error).all()
    # Any other posterior is worse: the bound lies above.
    params["encoder"]["Dense_0"]["bias"] = jnp.asarray(bias + np.array([0.5, 0.5, 1.0, 1.0]))
    worse = np.asarray(bound(params, jax.random.split(KEY, 400)))
    assert (worse.mean(0) - exact > 0.1).all()


def test_a_vae_scores_the_mean_of_its_code_and_beta_weighs_the_divergence():
    x = images(3)
    light, heavy = (small("vae", beta=beta) for beta in (0.5, 2.0))
    variables = quick(light.init)(KEY, x)
    scores = [applied(model, variables, x) for model in (light, heavy)]
    encoder, decoder = variables["params"]["encoder"], variables["params"]["decoder"]

    def layers(part, h):
        h = np.maximum(h @ np.asarray(part["Dense_0"]["kernel"]), 0)  # biases start at zero
        return h @ np.asarray(part["Dense_1"]["kernel"])

    flat = np.asarray(x).reshape(3, 64)
    mean, log_variance = np.split(layers(encoder, flat), 2, axis=1)
    surprise = -scipy.stats.norm.logpdf(flat, layers(decoder, mean)).sum(1)
    kl = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance).sum(1)
    np.testing.assert_allclose(scores[0], surprise + 0.5 * kl, rtol=1e-4)
    np.testing.assert_allclose(scores[1], surprise + 2.0 * kl, rtol=1e-4)


def svdd_outputs(params, x):
    h = np.maximum(np.asarray(x).reshape(len(x), -1) @ np.asarray(params["Dense_0"]["kernel"]), 0)
    return h @ np.asarray(params["Dense_1"]["kernel"])


def test_the_centre_is_that_of_the_first_batch_and_stays():
    model, first, second = small("deep_svdd"), images(32), images(32, seed=1) + 1.0
    start = quick(model.init)(KEY, first[:1])
    assert set(start) == {"params", "centre"}
    assert not any("bias" in layer for layer in start["params"].values())
    scores, after = trained(model, start, first)
    outputs = svdd_outputs(start["params"], first)
    centre = outputs.mean(0)
    centre = np.sign(centre) * np.maximum(np.abs(centre), 0.1)
    np.testing.assert_allclose(after["centre"]["point"], centre, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(scores, ((outputs - centre) ** 2).sum(1), rtol=1e-4)
    moved = {**after, "params": jax.tree.map(lambda p: 1.5 * p, after["params"])}
    scores, last = trained(model, moved, second)
    np.testing.assert_array_equal(last["centre"]["point"], after["centre"]["point"])
    outputs = svdd_outputs(moved["params"], second)
    np.testing.assert_allclose(scores, ((outputs - centre) ** 2).sum(1), rtol=1e-4)
    _, same = model.apply(last, first, train=False, rngs={})
    assert same is last


def test_no_gradient_flows_through_the_centre():
    """At the first step, too, the centre is a constant; of one score, since in their mean it cancels."""
    model, x = small("deep_svdd"), images(8)
    start = quick(model.init)(KEY, x)
    _, known = trained(model, start, x)

    @quick
    def slope(variables):
        def loss(params):
            return model.apply({**variables, "params": params}, x, train=True, rngs={})[0][0]

        return jax.grad(loss)(start["params"])

    for a, b in zip(*map(jax.tree.leaves, map(slope, (start, known))), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_a_centre_is_kept_away_from_what_weights_of_zero_reach():
    point = away_from_zero(jnp.array([-0.02, 0.0, 0.05, -3.0, 0.1]))
    np.testing.assert_allclose(point, [-0.1, 0.1, 0.1, -3.0, 0.1])
    model, x = small("deep_svdd"), images(4)
    _, after = trained(model, quick(model.init)(KEY, x), x * 1e-6)
    dead = {**after, "params": jax.tree.map(np.zeros_like, after["params"])}
    assert float(applied(model, dead, x).min()) >= 3 * 0.099**2

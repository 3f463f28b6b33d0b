"""Models of tables, and the autoencoder's score, against NumPy in float64 and scikit-learn."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from funcdl.baselines.autoencoder_score import AutoencoderScore
from funcdl.baselines.fit import fit_baseline
from funcdl.data.arrays import arrays
from funcdl.errors import StudyError
from funcdl.models.ft_transformer import FTTransformer
from funcdl.models.initial import columns
from funcdl.models.make import make_model
from funcdl.models.residual_mlp import ResidualMLP
from funcdl.tasks.load import make_task
from tests.quick import quick


def rows(n: int, columns: int = 5) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).normal(size=(n, columns)), "float32")


def moved(module, x) -> Any:
    """First variables, all of them moved: biases start at zero, and scales at one."""
    return quick(
        lambda key: jax.tree.map(
            lambda p: p + 0.2 * jnp.cos(jnp.arange(p.size)).reshape(p.shape), module.init(key, x)
        )
    )(jax.random.key(0))


def float64(tree) -> Any:
    return jax.tree.map(lambda p: np.asarray(p, "float64"), tree)


def affine(p, x):
    return x @ p["kernel"] + p["bias"]


def layer_norm(p, x):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6) * p["scale"] + p["bias"]


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def numpy_residual_mlp(variables, x, norm: str, train: bool, depth: int):
    """The equations of section 3.2; also the running means of batch norm after a step."""
    p, means = variables["params"], {}

    def normed(place, h):
        if norm == "layer":
            return layer_norm(p[f"LayerNorm_{place}"], h)
        own, old = p[f"BatchNorm_{place}"], variables["batch_stats"][f"BatchNorm_{place}"]
        mean, var = (h.mean(0), h.var(0)) if train else (old["mean"], old["var"])
        means[place] = 0.9 * old["mean"] + 0.1 * h.mean(0)
        return (h - mean) / np.sqrt(var + 1e-5) * own["scale"] + own["bias"]

    h = affine(p["Dense_0"], x)
    for block in range(depth):
        inner = np.maximum(affine(p[f"Dense_{2 * block + 1}"], normed(block, h)), 0)
        h = h + affine(p[f"Dense_{2 * block + 2}"], inner)
    last = np.maximum(normed(depth, h), 0)
    return affine(p[f"Dense_{2 * depth + 1}"], last), means


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_residual_mlp_follows_its_equations(norm):
    x, module = rows(7), ResidualMLP(3, width=6, depth=2, expansion=2, norm=norm)
    variables = moved(module, x)
    state = [name for name in variables if name != "params"]
    assert state == (["batch_stats"] if norm == "batch" else [])

    @quick
    def ours(variables) -> Any:
        learned = module.apply(variables, x, train=True, mutable=["batch_stats"])
        return module.apply(variables, x, train=False), learned

    evaluated, (trained, after) = ours(variables)
    numbers, inputs = float64((variables, x))
    for train, found in ((False, evaluated), (True, trained)):
        expected, means = numpy_residual_mlp(numbers, inputs, norm, train, depth=2)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        for place, mean in means.items() if train else ():
            kept = after["batch_stats"][f"BatchNorm_{place}"]["mean"]
            np.testing.assert_allclose(kept, mean, rtol=1e-4, atol=1e-6)


def numpy_ft_transformer(p, x, depth: int, heads: int):
    """Section 3.3, every token reading in every layer, one head at a time."""
    own = [x[:, j : j + 1] * p["weight"][0, j] + p["bias"][0, j] for j in range(x.shape[1])]
    gathering = np.broadcast_to(p["gathering"][0, 0], own[0].shape)
    h = np.stack([gathering, *own], axis=1)
    size, norms, maps = h.shape[-1] // heads, 0, 0
    for layer in range(depth):
        read = h
        if layer:
            read, norms = layer_norm(p[f"LayerNorm_{norms}"], h), norms + 1
        q, kv = affine(p[f"Dense_{maps}"], read), affine(p[f"Dense_{maps + 1}"], read)
        k, v = np.split(kv, 2, -1)
        parts = []
        for head in range(heads):
            s = slice(head * size, (head + 1) * size)
            weights = softmax(q[..., s] @ k[..., s].swapaxes(1, 2) / np.sqrt(size))
            parts.append(weights @ v[..., s])
        h = h + affine(p[f"Dense_{maps + 2}"], np.concatenate(parts, -1))
        a, g = np.split(
            affine(p[f"Dense_{maps + 3}"], layer_norm(p[f"LayerNorm_{norms}"], h)), 2, -1
        )
        h = h + affine(p[f"Dense_{maps + 4}"], a * np.maximum(g, 0))
        norms, maps = norms + 1, maps + 5
    last = np.maximum(layer_norm(p[f"LayerNorm_{norms}"], h[:, 0]), 0)
    return affine(p[f"Dense_{maps}"], last)


@pytest.fixture(scope="module")
def transformer():
    """A small one, its parameters, and its function."""
    module = FTTransformer(3, width=8, depth=2, heads=2, expansion=2)
    params = moved(module, rows(4))["params"]
    return params, quick(lambda params, x: module.apply({"params": params}, x))


def test_ft_transformer_follows_its_equations(transformer):
    """Also shows that what only the gathering token reads in the last layer is all that matters."""
    params, apply = transformer
    x = rows(4)
    expected = numpy_ft_transformer(float64(params), float64(x), depth=2, heads=2)
    np.testing.assert_allclose(apply(params, x), expected, rtol=1e-4, atol=1e-5)


def test_ft_transformer_knows_columns_by_their_tokens_alone(transformer):
    """Columns in another order are the same row, once their tokens are in that order, too."""
    params, apply = transformer
    x, order = rows(4), np.array([3, 0, 4, 1, 2])
    other = {**params, **{name: params[name][:, order] for name in ("weight", "bias")}}
    np.testing.assert_allclose(apply(params, x), apply(other, x[:, order]), rtol=1e-4, atol=1e-5)
    assert not np.allclose(apply(params, x), apply(params, x[:, order]), atol=1e-3)


def test_a_category_that_a_row_has_not_leaves_its_bias(transformer):
    """A column of zeros reads nothing of its weight: what the docstring says of categories."""
    params, apply = transformer
    x = rows(4).at[:, 1].set(0.0)
    for name, same in (("weight", True), ("bias", False)):
        changed = {**params, name: params[name].at[:, 1].add(1.0)}
        assert np.allclose(apply(params, x), apply(changed, x), atol=1e-6) == same


def test_first_tokens_have_the_papers_spread():
    shapes: Any = jax.eval_shape(FTTransformer(2).init, jax.random.key(0), jnp.zeros((1, 400)))
    shape = shapes["params"]["weight"].shape
    assert shape == shapes["params"]["bias"].shape == (1, 400, 32)
    drawn = np.asarray(columns(jax.random.key(0), shape))
    assert np.abs(drawn).max() <= 32**-0.5
    assert drawn.var() == pytest.approx(1 / (3 * 32), rel=0.05)


@pytest.mark.parametrize(
    "spec",
    [{"name": "residual_mlp"}, {"name": "ft_transformer", "heads": 1}],
    ids=lambda s: s["name"],
)
def test_what_is_added_is_dropped(spec):
    """Beside dropout of hidden units; its rate may be traced."""
    spec, x = {**spec, "width": 8, "depth": 1, "expansion": 1}, rows(6)
    variables = quick(make_model(spec, 2).init)(jax.random.key(0), x)

    @quick
    def outputs(rate, key, variables):
        model = make_model({**spec, "residual_dropout": rate}, 2)
        return [
            model.apply(variables, x, train=train, rngs={"dropout": key})[0]
            for train in (True, False)
        ]

    keys = jax.random.split(jax.random.key(1), 2)
    dropped = [outputs(0.5, key, variables) for key in keys]
    assert not np.allclose(dropped[0][0], dropped[1][0], atol=1e-3)
    np.testing.assert_array_equal(dropped[0][1], dropped[1][1])
    kept = [outputs(0.0, key, variables) for key in keys]
    np.testing.assert_array_equal(kept[0][0], kept[1][0])
    np.testing.assert_array_equal(kept[0][1], dropped[0][1])


def test_heads_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="heads: 3 does not divide width: 32"):
        FTTransformer(2, heads=3).init(jax.random.key(0), rows(1))


def honest_and_fraud(n: int = 240, seed: int = 0):
    """Honest rows lie near a plane in five dimensions; fraud has the same spread off it."""
    random = np.random.default_rng(seed)
    plane, labels = random.normal(size=(2, 5)), np.arange(n) % 3 == 0
    x = random.normal(size=(n, 2)) @ plane + 0.05 * random.normal(size=(n, 5))
    x[labels] = random.normal(size=(labels.sum(), 5)) * x[~labels].std(0)
    return x.astype(np.float32), labels.astype(np.int32)


def fitted(x, labels, *, max_iter: int = 20, **settings) -> AutoencoderScore:
    """On one thread, as a study fits it."""
    with threadpool_limits(limits=1):
        return AutoencoderScore(max_iter=max_iter, random_state=0, **settings).fit(x, labels)


def test_the_score_is_the_error_of_an_autoencoder_of_honest_rows():
    x, labels = honest_and_fraud()
    found = fitted(x[:160], labels[:160], code=2, max_iter=60)
    logits = found.outputs(x[160:], 2)
    assert not logits[:, 0].any()
    honest = x[:160][labels[:160] == 0].astype(np.float64)
    scaler = StandardScaler().fit(honest)
    z, new = (np.asarray(scaler.transform(a)) for a in (honest, x[160:].astype(np.float64)))
    net = MLPRegressor(
        hidden_layer_sizes=(16, 2, 16), solver="lbfgs", alpha=1e-3, max_iter=60, random_state=0
    )
    with threadpool_limits(limits=1), pytest.warns(ConvergenceWarning):
        net.fit(z, z)
    error = ((np.asarray(net.predict(new)) - new) ** 2).mean(1)
    np.testing.assert_array_equal(np.argsort(logits[:, 1]), np.argsort(error))
    assert roc_auc_score(labels[160:], logits[:, 1]) > 0.95
    assert np.mean((logits[:, 1] > 0) == labels[160:]) > 0.85


def test_the_autoencoder_never_sees_a_fraud():
    """Frauds of another kind in training move the logit's two numbers, and no order."""
    x, labels = honest_and_fraud()
    spoilt = np.where(labels[:, None] == 1, x + 2, x)
    one, other = (fitted(given, labels).outputs(x[:50], 2)[:, 1] for given in (x, spoilt))
    assert not np.allclose(one, other, atol=1e-3)
    np.testing.assert_array_equal(np.argsort(one), np.argsort(other))


def test_honest_rows_are_judged_by_autoencoders_that_never_saw_them():
    """One that knows its rows by heart gives these back exactly; the logit must not believe it."""
    random = np.random.default_rng(3)
    x = random.normal(size=(40, 6)).astype(np.float32)
    labels = np.arange(40) % 2  # they mean nothing
    score = fitted(x, labels, code=6, max_iter=100, alpha=0.0)
    logits = score.outputs(x, 2)[:, 1]
    assert roc_auc_score(labels, logits * np.sign(score.logit_.coef_[0, 0])) > 0.95
    assert abs(score.logit_.coef_[0, 0]) < 0.5


def test_either_label_may_be_the_honest_one():
    x, labels = honest_and_fraud()
    plain = fitted(x, labels).outputs(x, 2)
    turned = fitted(x, 1 - labels, normal=1).outputs(x, 2)
    np.testing.assert_allclose(plain, turned[:, ::-1], rtol=1e-9)


def test_the_score_is_a_row_of_a_classification():
    x, labels = honest_and_fraud()
    task, spec = make_task("classification"), {"name": "autoencoder_score", "max_iter": 20}
    first, again, other = (
        fit_baseline(spec, arrays(x[..., None], labels), task, seed)["test"]["loss"]
        for seed in (0, 0, 1)
    )
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize(
    ("labels", "spec", "message"),
    [
        (np.arange(60) % 3, {}, r"takes two classes.*the labels \[0, 1, 2\]"),
        (np.arange(60) % 2, {"normal": 2}, "has 0 of these"),
        (np.arange(60) % 2, {"classes": 3}, "the task has 3: group them"),
    ],
)
def test_what_it_cannot_score_is_refused(labels, spec, message):
    x = honest_and_fraud(60)[0]
    data = arrays(x, labels, classes=spec.get("classes"))
    spec = {k: v for k, v in spec.items() if k != "classes"}
    with pytest.raises(StudyError, match=message):
        fit_baseline(
            {"name": "autoencoder_score", "max_iter": 5, **spec},
            data,
            make_task("classification"),
            0,
        )

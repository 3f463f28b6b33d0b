"""Models that read ids of tokens, against NumPy and with every amount of padding."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from funcdl.baselines.fit import predict_baseline
from funcdl.data.arrays import presplit
from funcdl.data.load import make_data
from funcdl.errors import DataError, StudyError
from funcdl.models.embedding import Embedding
from funcdl.models.make import make_model
from funcdl.plan.program import program_id
from funcdl.tasks.load import make_task
from funcdl.train.assemble import Static
from funcdl.train.precision import computing_in
from funcdl.train.remat import compiler_options, rematerialised
from funcdl.types import Dataset, Split
from tests.quick import OPTIONS, quick
from tests.test_bring_data import WRITTEN
from tests.test_models_families import numpy_gru, numpy_lstm

TOKENS, OUTPUTS = 20, 3
SPECS = {
    "bag_of_embeddings": {"embedding": 4, "hidden": [5], "activation": "tanh"},
    "text_cnn": {"embedding": 4, "filters": 5, "widths": [2, 4]},
    "lstm": {"embedding": 4, "hidden": [5]},
    "gru": {"embedding": 4, "hidden": [5], "readout": "mean"},
    "transformer": {"width": 8, "depth": 1, "heads": 2, "expansion": 2},
}
each = pytest.mark.parametrize("name", SPECS)


def made(name, tokens=TOKENS, **more):
    return make_model({"name": name, **SPECS[name], **more}, OUTPUTS, {"tokens": tokens})


def texts(lengths=(7, 1, 4, 3), width=7, seed=0):
    """Ids without padding inside, behind which there is nothing but padding."""
    ids = np.random.default_rng(seed).integers(1, TOKENS, (len(lengths), width))
    return np.where(np.arange(width)[None] < np.array(lengths)[:, None], ids, 0).astype("int32")


def parameters(model, ids):
    """Parameters of which none is zero, biases included."""
    params = quick(model.init)(jax.random.key(0), ids)["params"]
    return jax.tree.map(lambda p: p + 0.1 * jnp.sin(jnp.arange(p.size)).reshape(p.shape), params)


def outputs(model, params, ids, how=quick):
    return how(lambda p: model.apply({"params": p}, ids, train=False, rngs={})[0])(params)


def affine(p, x):
    return x @ p["kernel"] + p["bias"]


def of_bag(p, x):
    return affine(p["Dense_1"], np.tanh(affine(p["Dense_0"], x.mean(0))))


def of_cnn(p, x):
    """Kim (2014), eq. 2 and 3: each window, then the maximum; a short text is one window."""
    found = []
    for width in (2, 4):
        kernel = p[f"kernel_{width}"]
        padded = np.concatenate([x, np.zeros((max(0, width - len(x)), x.shape[1]))])
        windows = [padded[t : t + width] for t in range(len(padded) - width + 1)]
        found.append(np.max([np.tensordot(window, kernel, 2) for window in windows], 0))
    return affine(p["Dense_0"], np.maximum(np.concatenate(found) + p["bias"], 0))


def of_lstm(p, x):
    return affine(p["Dense_0"], numpy_lstm(p["Layer_0"], x[None])[0])


def of_gru(p, x):
    """The mean of the states; a state is the last one of what was read until then."""
    states = [numpy_gru(p["Layer_0"], x[None, : t + 1])[0] for t in range(len(x))]
    return affine(p["Dense_0"], np.mean(states, 0))


@pytest.mark.parametrize(
    ("name", "reference"),
    [("bag_of_embeddings", of_bag), ("text_cnn", of_cnn), ("lstm", of_lstm), ("gru", of_gru)],
)
def test_a_text_without_its_padding_in_float64(name, reference):
    ids, model = texts(), made(name)
    params = parameters(model, ids)
    found = outputs(model, params, ids)
    wide = jax.tree.map(lambda p: np.asarray(p, "float64"), params)
    for row, length in enumerate((7, 1, 4, 3)):
        x = wide["Embedding_0"]["table"][ids[row, :length]]
        np.testing.assert_allclose(found[row], reference(wide, x), rtol=1e-4, atol=1e-5)


@each
def test_padding_changes_no_output_and_is_not_trained(name):
    model, short = made(name), texts(width=7)
    long = np.pad(short, ((0, 0), (0, 4)))
    params = parameters(model, long)
    cut = dict(params)
    if name == "transformer":  # which has a vector for each place, used or not
        cut["positions"] = params["positions"][:, :7]

    @quick
    def slopes(params):
        def squares(params):
            found = model.apply({"params": params}, long, train=True, rngs={})[0]
            return jnp.sum(found**2), found

        return jax.grad(squares, has_aux=True)(params)

    found, of_long = slopes(params)
    np.testing.assert_allclose(of_long, outputs(model, cut, short), rtol=1e-5, atol=1e-6)
    assert all(bool(jnp.any(leaf != 0)) for leaf in jax.tree.leaves(found))
    used = np.isin(np.arange(TOKENS), short[short > 0])
    table = np.asarray(found["Embedding_0"]["table"])
    assert (table[~used] == 0).all()
    if name != "text_cnn":  # where a token may win no window
        assert (table[used] != 0).any(1).all()
    if name == "transformer":
        assert (np.asarray(found["positions"])[:, 7:] == 0).all()


@pytest.mark.parametrize("name", ["text_cnn", "transformer"])
def test_half_precision_and_recomputation_give_the_same_up_to_rounding(name):
    ids, model = texts(), made(name)
    params = parameters(model, ids)

    def slopes(how, options):
        def loss(p):
            return jnp.mean(how.apply({"params": p}, ids, train=True, rngs={})[0] ** 2)

        found = jax.jit(jax.grad(loss), compiler_options=options)(params)
        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(found)])

    cheap = OPTIONS
    plain = slopes(model, cheap)
    again = slopes(rematerialised(model), {**cheap, **compiler_options("cpu")})
    np.testing.assert_allclose(again, plain, rtol=1e-4, atol=1e-6)
    half = slopes(computing_in(model, "bfloat16"), cheap)
    assert np.linalg.norm(half - plain) < 0.05 * np.linalg.norm(plain)


def test_an_embedding_adds_up_what_a_frequent_token_is_told():
    """Against `numpy.add.at`; 4000 ones in bfloat16 would come to a halt at 256."""
    module, rng = Embedding(TOKENS, 2), np.random.default_rng(0)
    ids = np.where(rng.random((8, 500)) < 0.9, 3, rng.integers(0, TOKENS, (8, 500))).astype("int32")

    def looked_up(params) -> Any:
        return module.apply({"params": params}, ids)

    for dtype, rtol in (("float32", 1e-5), ("bfloat16", 1e-2)):
        params = {"table": jnp.ones((TOKENS, 2), dtype)}
        found = quick(jax.grad(lambda p: jnp.sum(looked_up(p))))(params)
        expected = np.zeros((TOKENS, 2))
        np.add.at(expected, ids, 1.0)
        expected[0] = 0  # padding
        assert found["table"].dtype == dtype
        np.testing.assert_allclose(found["table"].astype("float32"), expected, rtol=rtol)


def test_the_table_starts_with_vectors_of_length_one():
    params: Any = Embedding(2000, 16).init(jax.random.key(0), texts())["params"]
    assert np.mean(np.sum(np.square(params["table"]), 1)) == pytest.approx(1, rel=0.02)


def test_vectors_are_read_as_if_there_were_no_ids():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 5, 3)), "float32")
    for name in ("lstm", "gru", "transformer"):
        with_ids, without = made(name), make_model({"name": name, **SPECS[name]}, OUTPUTS)
        first, second = (jax.eval_shape(m.init, jax.random.key(0), x) for m in (with_ids, without))
        assert first == second
        assert "Embedding_0" not in first["params"]


@each
def test_ids_that_no_one_counts_are_refused(name):
    with pytest.raises(DataError, match="do not say how many ids"):
        made(name, tokens=0).init(jax.random.key(0), texts())


def corpus(n, seed, words=9):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, words, (n, 12)).astype("int32")  # 0 is padding, wherever it is
    labels = (np.sum(ids == 5, 1) > np.sum(ids == 7, 1)).astype("int32")
    return ids, labels


def test_tfidf_and_logistic_regression_are_scikit_learns_on_the_texts_themselves():
    """`TfidfVectorizer`, which drops words that it has not seen."""
    train, test = corpus(200, 0), corpus(50, 1, words=11)
    data = presplit(train, corpus(40, 2), test, classes=3)
    spec = {"name": "tfidf_logistic", "C": 3.0, "sublinear_tf": True}
    found = predict_baseline(spec, data, make_task("classification"), 0)

    def written(ids):
        return [" ".join(f"word{i}" for i in row if i > 1) for row in ids]

    vectors = TfidfVectorizer(sublinear_tf=True)
    model = LogisticRegression(C=3.0, max_iter=1000).fit(
        vectors.fit_transform(written(train[0])), train[1]
    )
    expected = model.predict_log_proba(vectors.transform(written(test[0])))
    np.testing.assert_allclose(found["test"][:, :2], expected, rtol=1e-3, atol=1e-4)
    assert (found["test"][:, 2] < -36).all()  # a class that training never saw
    assert found["validation"].shape == (40, 3)


def test_tfidf_refuses_what_are_no_ids():
    data = make_data("digits")
    with pytest.raises(StudyError, match=r"takes ids of tokens.*float32\[1079, 8, 8, 1\]"):
        predict_baseline("tfidf_logistic", data, make_task("classification"), 0)


def test_the_documented_texts_are_learnt_by_the_documented_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (example,) = [one for one in WRITTEN if one["data"]["name"] == "text"]
    lines = [f"{'free money' if i % 2 else 'see you'} today {i}\t{i % 2}" for i in range(60)]
    Path(example["data"]["path"]).write_text("\n".join(["body\tkind", *lines]))
    data, task = make_data(example["data"]), make_task("classification")
    model = make_model({"name": example["model"]}, task.outputs(data), data.ids)
    optimizer = optax.adam(0.05)

    @quick
    def learn(ids, labels):
        params = model.init(jax.random.key(0), ids)["params"]

        def loss(params):
            found = model.apply({"params": params}, ids, train=True, rngs={})[0]
            return jnp.mean(task.loss(found, labels))

        def step(_, carried):
            params, state = carried
            updates, state = optimizer.update(jax.grad(loss)(params), state)
            return optax.apply_updates(params, updates), state

        return lax.fori_loop(0, 30, step, (params, optimizer.init(params)))[0]

    found = outputs(model, learn(*data.train), data.test.inputs)
    np.testing.assert_array_equal(np.argmax(found, 1), data.test.targets)
    counted = predict_baseline("tfidf_logistic", data, task, 0)["test"]
    np.testing.assert_array_equal(np.argmax(counted, 1), data.test.targets)


def test_vocabularies_of_different_sizes_make_different_programs():
    """Their arrays have equal shapes, and the model's table has not."""
    static = Static({}, {"name": "text_cnn"}, {}, {}, 16, 1, False, False, False)
    split = Split(np.zeros((4, 8), np.int32), np.zeros(4, np.int32))
    few, many = (
        Dataset(split, split, split, ("a", "b"), "d", ids={"tokens": size}) for size in (50, 60)
    )
    assert program_id(static, few) == program_id(static, few._replace(digest="e"))
    assert program_id(static, few) != program_id(static, many)

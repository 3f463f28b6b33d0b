"""The task `anomaly`: what it trains on, reports and refuses; its baselines; whole studies of it."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics as reference
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest, RandomForestClassifier

import funcdl as fd
from funcdl.baselines.fit import fit_baseline, predict_baseline
from funcdl.config import expand
from funcdl.data.arrays import presplit
from funcdl.data.load import make_data
from funcdl.data.order import indices
from funcdl.errors import DataError, StudyError
from funcdl.models.make import make_model
from funcdl.optimizers.build import make_optimizer
from funcdl.tasks.check import check_data
from funcdl.tasks.load import make_task
from funcdl.train.run import make_train
from funcdl.train.streams import stream_keys
from funcdl.train.width import of_width
from funcdl.types import Dataset, Split
from tests.quick import quick

TASK = make_task("anomaly")


def dataset(train, validation=(0, 1), test=(0, 1)):
    """A data set with these targets, made by hand, so that nothing has checked it."""

    def split(targets):
        return Split(np.zeros((len(targets), 2), np.float32), np.asarray(targets))

    return Dataset(split(train), split(validation), split(test), classes=(), digest="")


def cloud(n=200, d=4):
    """Normal examples near a line, anomalies far from it; three splits."""
    random = np.random.default_rng(0)

    def split(n, strange):
        x = random.normal(size=(n, 1)) * np.ones(d) + 0.1 * random.normal(size=(n, d))
        labels = (np.arange(n) % 4 == 0).astype(np.int32) * strange
        return (x + labels[:, None] * random.normal(size=(n, d))).astype(np.float32), labels

    return presplit(split(n, 0), split(60, 1), split(60, 1), classes=("normal", "anomaly"))


def refusal(spec, *args):
    """The message, which is the same with and without JAX."""
    data = dataset(*args)
    with pytest.raises(DataError) as caught:
        make_task(spec).check(data)
    with pytest.raises(DataError, match=re.escape(str(caught.value))):
        check_data(spec, data)
    return str(caught.value)


def test_training_reads_no_label_and_the_report_counts_normal_examples():
    scores, labels = jnp.array([1.0, 3.0, 50.0]), jnp.array([0, 0, 1])
    np.testing.assert_array_equal(TASK.loss(scores, labels), scores)
    np.testing.assert_array_equal(TASK.loss(scores, 1 - labels), scores)
    loss = TASK.metrics["loss"](scores, labels)
    share = 2 / 3
    assert float(loss.mean()) == pytest.approx(share * np.mean([1.0, 3.0]))


def test_metrics_of_whole_splits_are_scikit_learns():
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 400)
    scores = (random.normal(size=400) + labels).round(1).astype(np.float32)  # with ties
    test, validation = (scores[:200], labels[:200]), (scores[200:], labels[200:])
    area = reference.roc_auc_score(test[1], test[0])
    assert TASK.summaries["auroc"](*test) == pytest.approx(area, rel=1e-12)
    precision = reference.average_precision_score(test[1], test[0])
    assert TASK.summaries["average_precision"](*test) == pytest.approx(precision, rel=1e-12)
    thresholds = np.unique(validation[0])[::-1]
    f1 = [reference.f1_score(validation[1], validation[0] >= t) for t in thresholds]
    decided = test[0] >= thresholds[np.argmax(f1)]
    for name in ("f1", "precision", "recall"):
        expected = getattr(reference, f"{name}_score")(test[1], decided)
        assert TASK.fitted[f"{name}_tuned"](test, validation) == pytest.approx(expected, rel=1e-12)
    assert set(TASK.values) == {*TASK.summaries, *TASK.fitted}


def test_good_data_pass():
    for name in ("digits_one_class", "shuttle"):
        TASK.check(make_data(name))
        assert TASK.outputs(make_data(name)) == 0
    check_data("anomaly", dataset([0, 0], [0], [1, 0]))  # no anomaly is needed to validate the loss
    check_data({"name": "anomaly", "contaminated": True}, dataset([0, 1, 1]))


def test_wrong_targets_are_counted_and_located():
    message = refusal("anomaly", [0, 0, 1, 0, 1])
    assert "2 of 5 training examples are anomalies (1), the first at index 2" in message
    assert "task.contaminated: true" in message
    message = refusal("anomaly", [0], [0, 1, 2, -1])
    assert "2 of 4 targets of the validation split are neither" in message
    assert "first is 2 at index 2" in message
    assert "none of the 2 test examples is an anomaly (1)" in refusal("anomaly", [0], [0], [0, 0])
    assert "none of the 1 test examples is a normal" in refusal("anomaly", [0], [0], [1])
    assert "none of the 2 validation examples" in refusal("anomaly", [0], [1, 1], [0, 1])
    everything = {"name": "anomaly", "contaminated": True}
    assert "none of the 2 training examples is a normal" in refusal(everything, [1, 1])
    assert "float64 of shape [2]" in refusal("anomaly", [0.0, 1.0])
    assert "one of the training split" not in refusal("anomaly", [0], [0, 1], np.zeros(0, int))


def test_models_and_tasks_that_do_not_fit_are_refused_before_anything_runs():
    arguments = {"data": "digits_one_class", "optimizer": {"name": "sgd", "learning_rate": 0.1}}
    with pytest.raises(StudyError, match=r"mlp predicts.*allowed autoencoder, vae, deep_svdd"):
        expand(fd.Study(task="anomaly", model="mlp", **arguments))
    with pytest.raises(StudyError, match=r"vae gives anomalies a score.*set task: anomaly"):
        expand(fd.Study(task="classification", model="vae", **arguments))
    expand(fd.Study(task="anomaly", model="vae", **arguments))
    with pytest.raises(StudyError, match="unknown metric"):
        expand(fd.Study(task="anomaly", model="vae", metrics=["accuracy"], **arguments))


def test_a_model_that_predicts_is_refused_when_it_is_traced():
    model = of_width(make_model({"name": "mlp"}, 1), 0)
    x = jnp.zeros((3, 4))
    with pytest.raises(ValueError, match=r"\[3, 1\], but the task needs one number per example"):
        jax.eval_shape(
            lambda x: model.apply(model.init(jax.random.key(0), x), x, train=False, rngs={}), x
        )


def test_the_area_selects_where_nothing_is_said():
    study = fd.Study(
        task="anomaly",
        data="digits_one_class",
        model="vae",
        optimizer={"name": "sgd", "learning_rate": 0.1},
    )
    found = expand(study)
    assert found is not None
    assert (found.metric, found.mode) == ("validation/auroc", "max")


def test_isolation_forest_is_scikit_learns():
    data = cloud()
    found = predict_baseline({"name": "isolation_forest", "n_estimators": 20}, data, TASK, 7)
    forest = IsolationForest(n_estimators=20, random_state=7).fit(data.train.inputs)
    for name in ("validation", "test"):
        expected = -forest.score_samples(getattr(data, name).inputs)
        np.testing.assert_allclose(found[name], expected, rtol=1e-6)
    again = predict_baseline({"name": "isolation_forest", "n_estimators": 20}, data, TASK, 8)
    assert not np.array_equal(found["test"], again["test"])
    assert TASK.summaries["auroc"](found["test"], data.test.targets) > 0.8


def test_pca_reconstruction_is_the_distance_to_the_plane():
    """Against a singular value decomposition in float64."""
    data = cloud()
    found = predict_baseline({"name": "pca_reconstruction", "n_components": 2}, data, TASK, 0)
    x = data.train.inputs.astype("float64")
    rows = np.linalg.svd(x - x.mean(0), full_matrices=False)[2][:2]
    off = data.test.inputs - x.mean(0)
    expected = ((off - off @ rows.T @ rows) ** 2).mean(1)
    np.testing.assert_allclose(found["test"], expected, rtol=1e-5)
    share = predict_baseline("pca_reconstruction", data, TASK, 0)["test"]
    kept = PCA(0.9).fit(x).n_components_
    assert kept == 1
    one = predict_baseline({"name": "pca_reconstruction", "n_components": 1}, data, TASK, 0)
    np.testing.assert_array_equal(share, one["test"])
    assert np.mean(np.argsort(share)[-15:] % 4 == 0) == 1.0  # every fourth example is an anomaly


def test_baselines_that_predict_are_refused():
    for spec in ("random_forest", RandomForestClassifier, "ridge"):
        with pytest.raises(StudyError, match="needs a score per example; allowed isolation_forest"):
            fit_baseline(spec, cloud(), TASK, 0)


def test_a_run_finds_its_centre_in_the_first_batch_alone_and_in_lanes():
    """However a run is done, the centre is that of its first batch under its initial weights."""
    data = cloud()
    model = make_model({"name": "deep_svdd", "hidden": [8], "bottleneck": 3}, 0)
    rule = make_optimizer("sgd", {"learning_rate": 0.01}, schedule={"name": "constant"})
    train = make_train(model, TASK, rule, batch_size=32)
    keys = [stream_keys(0, "measure", repeat) for repeat in (0, 1)]
    hyper = {"optimizer.learning_rate": np.float32(0.01), "train.steps": np.float32(9)}

    def run(keys, split):
        start = train.init(keys, hyper, split)
        ends = [train.chunk(start, keys, hyper, split, jnp.int32(stop)) for stop in (1, 5)]
        return start, *ends

    run = quick(jax.vmap(run, (0, None)))
    both = {name: jnp.stack([k[name] for k in keys]) for name in keys[0]}
    start, one, five = jax.tree.map(np.asarray, run(both, data.train))
    for lane, streams in enumerate(keys):
        rows = np.asarray(indices(streams["order"], 0, n=200, batch_size=32))
        params = start.variables["params"]
        h = np.maximum(data.train.inputs[rows] @ params["Dense_0"]["kernel"][lane], 0)
        centre = (h @ params["Dense_1"]["kernel"][lane]).mean(0)
        centre = np.where(centre < 0, -1, 1) * np.maximum(np.abs(centre), 0.1)
        for state in (one, five):
            found = state.variables["centre"]["point"][lane]
            np.testing.assert_allclose(found, centre, rtol=1e-4, atol=1e-6)
    assert not np.allclose(one.variables["centre"]["point"][0], one.variables["centre"]["point"][1])


def test_a_study_keeps_scores_and_reports_every_metric(tmp_path):
    study = fd.Study(
        task="anomaly",
        data=cloud(),
        train={"steps": 60, "batch_size": 32, "eval_every": 30, "schedule": "constant"},
        model={"name": "autoencoder", "hidden": [8], "bottleneck": 1},
        optimizer={"name": "adam", "learning_rate": 0.02},
        baselines=["isolation_forest"],
        keep=["predictions"],
        repeat=2,
    )
    results = fd.run(study, out=tmp_path / "out", workers=0, observe=lambda status: None)
    assert set(results.runs["status"]) == {"ok"}
    scores = results.predictions("test")
    labels = np.asarray(cloud().test.targets)
    runs = results.runs.set_index("id")
    assert len(scores) == 4
    for run, kept in scores.items():
        assert kept.shape == (60, 1)
        expected = reference.roc_auc_score(labels, kept[:, 0])
        assert runs.loc[run, "test/auroc"] == pytest.approx(expected, rel=1e-6)
        assert results.examples("test/auroc")[run].mean() == pytest.approx(expected, rel=1e-5)

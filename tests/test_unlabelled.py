"""Learning from examples without labels: the loss by hand, the views, the bits, and what is refused."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcdl as fd
from funcdl.config import expand
from funcdl.data.grain import has_grain
from funcdl.data.order import indices_on_host
from funcdl.errors import StudyError
from funcdl.execute import resume
from funcdl.execute.feed import training_data
from funcdl.execute.jobs import job_of as make_job
from funcdl.execute.programs import compile_program, template_of
from funcdl.execute.runner import Watch, run_job
from funcdl.plan.study import make_plan
from funcdl.train.streams import stream_keys
from funcdl.train.unlabelled.views import Views, views
from funcdl.train.window import Both
from tests.study_tools import write

RNG = np.random.default_rng(1)
X = RNG.normal(size=(80, 4)).astype(np.float32)
Y = (X @ RNG.normal(size=(4, 3))).argmax(1).astype(np.int32)
SPLIT = {"by": "stratified", "test": 0.25, "validation": 0.25}
RATE, WEIGHT, THRESHOLD, RATIO, BATCH = 2.0, 0.7, 0.6, 3, 4
BASE = {
    "task": "classification",
    "data": {"name": (X, Y), "classes": 3, "split": SPLIT, "labelled": 9},
    "model": "logistic",
    "optimizer": {"name": "sgd", "learning_rate": RATE},
    "train": {
        "steps": 6,
        "batch_size": BATCH,
        "eval_every": 3,
        "unlabelled": {
            "name": "pseudo_label",
            "weight": WEIGHT,
            "threshold": THRESHOLD,
            "ratio": RATIO,
        },
    },
    "repeat": 1,
}


def study(**train) -> fd.Study:
    return fd.Study(**{**BASE, "train": {**BASE["train"], **train}})


def planned(made: fd.Study):
    plan = make_plan(made, expand(made))
    (contest,) = plan.contests
    streams: dict[str, int] = dict.fromkeys(("init", "order", "dropout", "augment"), 0)
    job = make_job(plan, 0, contest.make("measure", 0, 0, streams, None))
    assert job.static is not None
    return job._replace(variables=True, static=job.static._replace(variables=True)), plan.datasets[
        job.data
    ]


def prepared(job, dataset, stream: str = "never"):
    on_device = training_data(dataset, stream, batch_size=BATCH, ratio=RATIO)
    program, _ = compile_program(job.static, dataset, on_device, job.hyper, job.mode)
    return program, on_device


@pytest.fixture(scope="module")
def plain():
    job, dataset = planned(study())
    program, on_device = prepared(job, dataset)
    return job, dataset, program, on_device, run_job(job, program, dataset, on_device)


def softmax(z):
    p = np.exp(z - z.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


def by_hand(job, dataset, *, weight: float, count: int = 6):
    """Pseudo-labels on a logistic model in float64: the gradient of both losses, and how many counted."""
    keys = stream_keys(0, "measure", 0)
    own = jax.random.fold_in(keys["order"], 1)
    steps = np.arange(count)
    few, many = dataset.train.inputs, dataset.unlabelled
    labelled = indices_on_host(words(keys["order"]), steps, n=9, batch_size=BATCH)
    hidden = indices_on_host(words(own), steps, n=len(many), batch_size=BATCH * RATIO)
    (w, b), counted = begun(), 0
    for one, other in zip(labelled, hidden, strict=True):
        x, u = few[one].astype(np.float64), many[other].astype(np.float64)
        g = (softmax(x @ w + b) - np.eye(3)[dataset.train.targets[one]]) / BATCH
        p = softmax(u @ w + b)
        sure = p.max(1) >= THRESHOLD
        counted += sure.sum()
        h = weight * sure[:, None] * (p - np.eye(3)[p.argmax(1)]) / len(u)
        w, b = w - RATE * (x.T @ g + u.T @ h), b - RATE * (g.sum(0) + h.sum(0))
    return w, b, counted


def words(key) -> np.ndarray:
    return np.asarray(jax.random.key_data(key))


def begun():
    from funcdl.models.make import make_model

    variables = make_model("logistic", 3).init(stream_keys(0, "measure", 0)["init"], X[:1])
    (dense,) = variables["params"].values()
    return np.asarray(dense["kernel"], np.float64), np.asarray(dense["bias"], np.float64)


def kept(result):
    w, b = (result.outputs[f"parameters/params/Dense_0/{n}"] for n in ("kernel", "bias"))
    return w, b


def test_pseudo_labels_are_what_the_paper_says(plain):
    job, dataset, _, _, result = plain
    w, b, counted = by_hand(job, dataset, weight=WEIGHT)
    assert 0 < counted < 6 * BATCH * RATIO
    for got, expected in zip(kept(result), (w, b), strict=True):
        np.testing.assert_allclose(got, expected, rtol=2e-4, atol=2e-5)
    without = by_hand(job, dataset, weight=0.0)[0]
    assert np.abs(without - w).max() > 0.01


def test_numbers_are_traced_and_0_is_supervised(plain):
    """One program for all weights and thresholds; a weight of 0 gives what no unlabelled example gave."""
    job, dataset, program, on_device, _ = plain
    zero = {**job.hyper, "train.unlabelled.weight": 0.0}
    sure = {**job.hyper, "train.unlabelled.threshold": 1.1}
    first, second = (
        run_job(job._replace(hyper=h), program, dataset, on_device) for h in (zero, sure)
    )
    np.testing.assert_array_equal(kept(first)[0], kept(second)[0])
    np.testing.assert_allclose(
        kept(first)[0], by_hand(job, dataset, weight=0.0)[0], rtol=2e-4, atol=2e-5
    )


def test_no_gradient_goes_through_what_is_judged():
    """The labels of the weak view are constants: its inputs get no gradient, the strong view's do."""
    from funcdl.models.make import make_model
    from funcdl.tasks.load import make_task
    from funcdl.train.unlabelled import Unlabelled
    from funcdl.train.unlabelled.views import learning, seeing

    model = seeing(make_model("logistic", 3))
    task = learning(make_task({"name": "classification"}), Unlabelled(1.0, 0.0, 2))
    variables = model.init(jax.random.key(0), X[:1])

    def loss(seen: Views):
        said, _ = model.apply(variables, seen, train=True, rngs={})
        return task.loss(said, jnp.asarray(Y[:2])).mean()

    got = jax.grad(loss)(Views(X[:2], X[2:6], X[6:10]))
    assert float(abs(got.weak).max()) == 0
    assert float(abs(got.strong).min(axis=1).max()) > 0
    assert float(abs(got.labelled).max()) > 0


def test_views_differ_where_they_should():
    def weak(key, x):
        return x + jax.random.normal(key, x.shape)

    def strong(key, x):
        return -jax.random.uniform(key, x.shape) + 0 * x

    key, both = jax.random.key(3), Both(X[:4], X[4:12])
    seen = views(weak, strong)(key, both)
    np.testing.assert_array_equal(seen.labelled, weak(key, X[:4]))  # as without unlabelled examples
    assert not np.allclose(seen.weak[:4] - X[4:8], seen.labelled - X[:4])
    assert float(seen.strong.max()) <= 0  # of the example itself, not of its weak view
    same = views(None, None)(key, both)
    np.testing.assert_array_equal(same.weak, same.strong)
    np.testing.assert_array_equal(same.weak, X[4:12])


@pytest.mark.skipif(not has_grain(), reason="grain is not installed")
def test_the_same_bits_from_the_host_and_after_a_restart(plain, tmp_path: Path):
    job, dataset, program, on_device, one = plain
    streamed, from_host = prepared(job, dataset, "always")
    assert run_job(job, streamed, dataset, from_host).digest == one.digest
    saves = []

    def keep(saved, now, steps):
        saves.extend(s._replace(state=jax.tree.map(np.array, s.state)) for _, s in saved())

    run_job(job, program, dataset, on_device, watch=Watch(beat=keep))
    middle = next(s for s in saves if 0 < int(s.state.step) < 6)
    resume.save(tmp_path, job.id, middle.state, middle.progress)
    restored = resume.restore(tmp_path, job.id, template_of(program, job, on_device), print)
    assert run_job(job, program, dataset, on_device, saved=restored).digest == one.digest


def test_lanes_and_streams_in_lanes(tmp_path: Path):
    """Eight runs, four at a time, from the device and from the host: the same bits."""
    rates = {"tune": {"optimizer.learning_rate": {"log_uniform": [0.01, 1.0]}, "trials": 2}}
    consistency = {
        "name": "consistency",
        "strong": [{"name": "noise", "scale": 0.3}],
        "ratio": RATIO,
    }
    found = {}
    for stream in ("never", "always") if has_grain() else ("never",):
        train = {**BASE["train"], "unlabelled": consistency, "stream": stream}
        made = fd.Study(
            **{**BASE, "train": train, "repeat": 2, "optimizer": "sgd"},
            **rates,
            mode="vmap",
            width=3,
        )
        results = fd.run(made, out=tmp_path / stream, workers=0)
        assert set(results.runs["status"]) == {"ok"}
        found[stream] = results.runs["digest"].tolist()
    assert len({tuple(digests) for digests in found.values()}) == 1
    assert len(set(found["never"])) == 4


def test_accumulating_is_the_same_mathematics(plain):
    job, dataset, _, _, one = plain
    static = job.static._replace(accumulate=2)
    cut = job._replace(static=static)
    program, on_device = prepared(cut, dataset)
    got = run_job(cut, program, dataset, on_device)
    np.testing.assert_allclose(kept(got)[0], kept(one)[0], rtol=1e-4, atol=1e-5)


def test_a_study_without_it_is_as_it_was():
    plain = fd.Study(**{**BASE, "train": {"steps": 6, "batch_size": BATCH}})
    (method,) = expand(plain).methods
    assert "unlabelled" not in method.recipe["train"]
    assert "labelled" in method.recipe["data"]
    none = fd.Study(**{**BASE, "train": {"steps": 6, "batch_size": BATCH, "unlabelled": None}})
    assert expand(none).methods[0].recipe == method.recipe


STUDY = """
name: semi
task: classification
data: {name: digits, labelled: 20}
model: logistic
optimizer: {name: sgd, learning_rate: 0.1}
train:
  steps: 4
  unlabelled: {name: pseudo_label, threshold: 0.9}
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("pseudo_label,", "pseudo_labels,", r"study\.yaml:9: .*did you mean pseudo_label"),
        ("threshold: 0.9", "treshold: 0.9", r"study\.yaml:9: .*did you mean threshold"),
        (
            "threshold: 0.9",
            "threshold: 1.5",
            r"1\.5 given; allowed a number at least 0 and at most 1",
        ),
        ("threshold: 0.9", "ratio: 0", "0 given; allowed a whole number at least 1"),
        ("pseudo_label,", "consistency,", r"train\.unlabelled\.strong: required by consistency"),
        ("pseudo_label,", "consistency, strong: [],", "needs at least one augmentation"),
        ("pseudo_label,", "consistency, strong: [shfit],", "did you mean shift"),
        (
            ", labelled: 20",
            "",
            r"study\.yaml:9: train\.unlabelled: needs examples whose labels are hidden",
        ),
        ("labelled: 20", "labelled: 1079", "all training examples have their labels"),
        (
            "task: classification",
            "task: regression",
            "but the task is regression; allowed classification",
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, old: str, new: str, said: str):
    assert old in STUDY
    path = write(tmp_path, STUDY.replace(old, new))
    with pytest.raises(StudyError, match=said):
        _planned_from(path)


def _planned_from(path: Path):
    made = fd.load_study(path)
    return make_plan(made, expand(made))


def test_weights_can_be_searched_and_the_record_reads_back(tmp_path: Path):
    text = STUDY + "tune: {train.unlabelled.weight: {uniform: [0.1, 2.0]}, trials: 3}\nrepeat: 1\n"
    made = fd.load_study(write(tmp_path, text))
    (trials,) = make_plan(made, expand(made)).trials
    assert len({t.hyper["train.unlabelled.weight"] for t in trials}) == 3
    assert len({t.program for t in trials}) == 1
    again = tmp_path / "again.yaml"
    again.write_text(fd.config.to_yaml(made))
    assert expand(fd.load_study(again)).methods[0].recipe == expand(made).methods[0].recipe

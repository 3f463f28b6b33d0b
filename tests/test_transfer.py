"""Runs that begin with what another study has learnt, and parameters that stay as they are."""

import shutil
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funcdl as fd
from funcdl.config import expand
from funcdl.data.order import indices, indices_on_host
from funcdl.errors import DamageError, DataError, StoreError, StudyError
from funcdl.execute import resume
from funcdl.execute.feed import to_device
from funcdl.execute.jobs import job_of as make_job
from funcdl.execute.lanes import run_lanes
from funcdl.execute.programs import compile_program, template_of
from funcdl.execute.runner import Watch, digest, run_job
from funcdl.models.make import make_model
from funcdl.optimizers.build import make_optimizer
from funcdl.overview import describe
from funcdl.plan.start import nowhere
from funcdl.plan.study import make_plan
from funcdl.store.trained import find_source
from funcdl.tasks.load import make_task
from funcdl.train.run import make_train
from funcdl.train.start import Start, frozen_names, named, parted, starting, whole
from funcdl.train.streams import stream_keys
from funcdl.types import Split
from tests.study_tools import write

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 5)).astype(np.float32)
Y = (X @ RNG.normal(size=(5, 3))).argmax(1).astype(np.int32)
SPLIT = {"by": "stratified", "test": 0.3, "validation": 0.3}
BASE = {
    "task": "classification",
    "data": {"name": (X, Y), "classes": ["a", "b", "c"], "split": SPLIT},
    "model": {"name": "mlp", "hidden": [6]},
    "optimizer": {"name": "sgd", "learning_rate": 0.3, "momentum": 0.9},
    "train": {"steps": 6, "batch_size": 12, "eval_every": 3},
    "repeat": 2,
}


def study(**keys) -> fd.Study:
    return fd.Study(**{**BASE, **keys})


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory):
    """A finished study of two repeats that kept their parameters."""
    folder = tmp_path_factory.mktemp("runs") / "source"
    return fd.run(study(name="source", keep=["parameters"]), out=folder, workers=0)


def after(source, **init) -> dict:
    return {"init": {"from": f"{source.folder}/mlp/sgd", **init}}


@pytest.fixture(autouse=True)
def unchecked(request, monkeypatch):
    """Shapes are checked in a process of its own, which only some tests are about."""
    if "checked" not in request.fixturenames:
        monkeypatch.setattr("funcdl.plan.study.check_starts", lambda *_: None)


@pytest.fixture
def checked():
    """For tests of that check."""


def ids(made: fd.Study, find=find_source) -> list[str]:
    (contest,) = make_plan(made, expand(made), find=find).contests
    return [contest.make("measure", 0, i, _streams(i), None).id for i in range(2)]


def _streams(repeat: int) -> dict[str, int]:
    return dict.fromkeys(("init", "order", "dropout", "augment"), repeat)


# What is kept.


def test_parameters_are_those_that_the_digest_is_of(source):
    for run, expected in source.runs.set_index("id")["digest"].items():
        kept = source.parameters(run)
        tree: dict = {}
        for name, array in kept.items():
            *path, last = name.split("/")
            inner = tree
            for part in path:
                inner = inner.setdefault(part, {})
            inner[last] = array
        assert digest(tree) == expected
    kept = source.parameters(source.runs["id"][0])
    assert sorted(kept) == [f"params/Dense_{i}/{n}" for i in (0, 1) for n in ("bias", "kernel")]


def test_at_best_they_are_those_of_the_best_step(tmp_path: Path):
    """Seen from outside: what the kept network says has the accuracy that is reported."""
    diverging = {"name": "sgd", "learning_rate": 40.0, "momentum": 0.9}
    made = study(
        keep=["parameters", "predictions"],
        optimizer=diverging,
        train={"steps": 12, "batch_size": 12, "eval_every": 1},
        select={"metric": "validation/accuracy", "at": "best"},
    )
    results = fd.run(made, out=tmp_path / "out", workers=0)
    for run, logits in results.predictions().items():
        kept = results.parameters(run)
        curve = results.metrics[lambda m, run=run: m["run"] == run]
        best = curve[curve["metric"] == "validation/accuracy"]["value"]
        assert best.iloc[-1] < best.max()
        data = make_plan(made, expand(made)).datasets
        (dataset,) = data.values()
        h = np.maximum(
            dataset.test.inputs @ kept["params/Dense_0/kernel"] + kept["params/Dense_0/bias"], 0
        )
        out = h @ kept["params/Dense_1/kernel"] + kept["params/Dense_1/bias"]
        np.testing.assert_allclose(out, logits, rtol=2e-5, atol=2e-4)


def test_nothing_else_changes_for_keeping_them(source, tmp_path: Path):
    plain = fd.run(study(name="plain"), out=tmp_path / "out", workers=0)
    assert plain.runs["digest"].tolist() == source.runs["digest"].tolist()
    assert plain.parameters(plain.runs["id"][0]) == {}


# What a run begins with.


def test_a_run_of_no_steps_more_is_the_source(source, tmp_path: Path):
    """With a rate of almost nothing every repeat says what the source's repeat said."""
    made = study(optimizer={"name": "sgd", "learning_rate": 1e-12}, **after(source))
    results = fd.run(made, out=tmp_path / "out", workers=0)
    assert results.runs["test/loss"].tolist() == source.runs["test/loss"].tolist()
    best = study(optimizer={"name": "sgd", "learning_rate": 1e-12}, **after(source, repeat="best"))
    results = fd.run(best, out=tmp_path / "best", workers=0)
    chosen = source.runs.sort_values("validation/accuracy", ascending=False, kind="stable").iloc[0]
    assert results.runs["test/loss"].tolist() == [chosen["test/loss"]] * 2


def test_training_the_head_is_logistic_regression_on_features(source):
    """Against float64 NumPy: batches, gradient and momentum by hand, on the frozen layer's outputs."""
    made = study(**after(source, freeze="all_but_head"))
    plan = make_plan(made, expand(made), find=find_source)
    job = job_of(plan)
    program, dataset, on_device = compiled(job, plan)
    result = run_job(job, program, dataset, on_device)
    kept = {
        k.removeprefix("parameters/"): np.asarray(x, np.float64) for k, x in result.outputs.items()
    }
    begun = {
        k: np.asarray(x, np.float64) for k, x in source.parameters(source.runs["id"][0]).items()
    }
    for name in ("params/Dense_0/kernel", "params/Dense_0/bias"):
        np.testing.assert_array_equal(kept[name], begun[name])
    words = np.asarray(jax.random.key_data(stream_keys(0, "measure", 0)["order"]))
    batches = indices_on_host(words, np.arange(6), n=len(dataset.train.targets), batch_size=12)
    w, b = begun["params/Dense_1/kernel"], begun["params/Dense_1/bias"]
    speed_w, speed_b = np.zeros_like(w), np.zeros_like(b)
    for rows in batches:
        x = np.asarray(dataset.train.inputs[rows], np.float64)
        h = np.maximum(x @ begun["params/Dense_0/kernel"] + begun["params/Dense_0/bias"], 0)
        logits = h @ w + b
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        error = (p - np.eye(3)[dataset.train.targets[rows]]) / len(rows)
        speed_w, speed_b = 0.9 * speed_w + h.T @ error, 0.9 * speed_b + error.sum(0)
        w, b = w - 0.3 * speed_w, b - 0.3 * speed_b
    np.testing.assert_allclose(kept["params/Dense_1/kernel"], w, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(kept["params/Dense_1/bias"], b, rtol=1e-4, atol=1e-5)


def job_of(plan, **changes):
    (contest,) = plan.contests
    job = make_job(plan, 0, contest.make("measure", 0, 0, _streams(0), None))
    assert job.static is not None
    return job._replace(variables=True, static=job.static._replace(variables=True), **changes)


def compiled(job, plan):
    dataset = plan.datasets[job.data]
    on_device = to_device(dataset.train, "never", batch_size=12)
    program, _ = compile_program(job.static, dataset, on_device, job.hyper, job.mode)
    return program, dataset, on_device


# Frozen parameters.


def frozen_run(freeze, optimizer: str, **settings):
    model = make_model({"name": "mlp", "hidden": [6, 4]}, 3)
    wider = make_model({"name": "mlp", "hidden": [6, 4]}, 4)
    variables = jax.jit(model.init)(jax.random.key(5), X[:1])
    source = {name: np.asarray(leaf) for name, leaf in named(variables).items()}
    shapes = tuple((n, x.shape, str(x.dtype)) for n, x in source.items())
    made = starting(model, wider, Start(shapes, True, freeze))
    bind = make_optimizer(optimizer, schedule={"name": "constant"}, **settings)
    task = make_task({"name": "classification"})
    return make_train(made, task, bind, batch_size=12), model, source, task


HYPER = {
    "train.steps": 10.0,
    "train.schedule.warmup": 0.0,
    "optimizer.learning_rate": 0.1,
    "train.clip_norm": 0.05,
    "train.weight_decay": 0.1,
}


def test_frozen_means_no_gradient_no_decay_no_clipping_and_no_state():
    """Against optax.multi_transform on the whole tree: only what is trained moves, decays, is clipped."""
    train, model, source, task = frozen_run(
        ("Dense_0", "*/bias"), "sgd", clip_norm=True, weight_decay=True
    )
    hyper = {k: jnp.float32(v) for k, v in HYPER.items()}
    keys, data = stream_keys(0, "measure", 0), Split(X, Y)
    state = jax.jit(train.init)(keys, hyper, data, source)
    assert {x.size for x in jax.tree.leaves(state.opt_state.inner)} <= {1}
    end = jax.jit(train.chunk)(state, keys, hyper, data, 3)
    got = named(whole(end.variables)["params"])
    params = jax.tree.map(jnp.asarray, whole(state.variables)["params"])
    names = named(params)
    still = {n for n in names if n.startswith("Dense_0/") or n.endswith("/bias")}
    assert still == frozen_names(list(names), frozenset(), ("Dense_0", "*/bias"))
    labels = jax.tree_util.tree_map_with_path(
        lambda path, _: (
            "still" if jax.tree_util.keystr(path, simple=True, separator="/") in still else "go"
        ),
        params,
    )
    moving = optax.chain(
        optax.clip_by_global_norm(0.05), optax.add_decayed_weights(0.1), optax.sgd(0.1)
    )
    tx = optax.multi_transform({"go": moving, "still": optax.set_to_zero()}, labels)

    @jax.jit
    def by_hand(params):
        opt_state = tx.init(params)
        for step in range(3):
            rows = indices(keys["order"], step, n=len(X), batch_size=12)

            def loss(p, rows=rows):
                outputs, _ = model.apply({"params": p}, jnp.asarray(X)[rows], train=True, rngs={})
                return task.loss(outputs, jnp.asarray(Y)[rows]).mean()

            updates, opt_state = tx.update(jax.grad(loss)(params), opt_state, params)
            params = optax.apply_updates(params, updates)
        return params

    params = by_hand(params)
    for name, expected in named(params).items():
        np.testing.assert_allclose(got[name], expected, rtol=1e-5, atol=1e-6)
        if name in still:
            np.testing.assert_array_equal(got[name], source[f"params/{name}"])
        else:
            assert np.abs(got[name] - source[f"params/{name}"]).max() > 1e-4


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "schedule_free_sgd"])
def test_optimizers_keep_nothing_for_what_is_frozen(optimizer: str):
    hyper = {k: jnp.float32(v) for k, v in HYPER.items()} | {
        "optimizer.weight_decay": jnp.float32(0.5),
    }
    hyper.pop("optimizer.weight_decay") if optimizer == "schedule_free_sgd" else None
    train, _, source, _ = frozen_run("all_but_head", optimizer)
    keys, data = stream_keys(0, "measure", 0), Split(X, Y)
    state = jax.eval_shape(train.init, keys, hyper, data, source)
    held = [x.shape for x in jax.tree.leaves(state.opt_state)]
    assert (4, 3) in held
    assert not {(5, 6), (6, 4), (6,), (4,)} & set(held)
    assert set(named(state.variables["params"])) == {"Dense_2/bias", "Dense_2/kernel"}


def test_parted_and_whole_are_inverse():
    variables = {"params": {"a": [1, 2], "b": {"c": 3}}, "batch_stats": {"a": 4}}
    for frozen in (frozenset(), frozenset({"a/0"}), frozenset({"a/1", "b/c"})):
        assert whole(parted(variables, frozen)) == variables


def test_the_head_is_what_follows_from_the_outputs_whatever_it_is_called():
    """Also of a model that somebody wrote, and of one without a head."""

    def make(outputs: int):
        def init(key, inputs):
            return {
                "body": jnp.ones((5, 4)),
                "last": {"w": jnp.ones((4, outputs)), "scale": jnp.ones(())},
            }

        def apply(params, inputs, *, train=False, rngs=None):
            return (inputs @ params["body"]) @ params["last"]["w"] * params["last"]["scale"]

        return make_model((init, apply), outputs)

    source = {
        n: np.zeros(x.shape, np.float32)
        for n, x in named(make(3).init(jax.random.key(0), X[:1])).items()
    }
    shapes = tuple((n, x.shape, str(x.dtype)) for n, x in source.items())
    fresh = starting(make(3), make(4), Start(shapes, False, "all_but_head"))
    variables = fresh.init(jax.random.key(0), X[:1], source)
    assert list(named(variables["params"])) == ["last/w"]
    assert float(variables["params"]["last"]["w"].sum()) == 12  # drawn anew
    assert float(variables["frozen"]["body"].sum()) == 0  # taken over
    with pytest.raises(DataError, match="no parameter of this model follows"):
        starting(make(3), make(3), Start(shapes, True, "all_but_head")).init(
            jax.random.key(0), X[:1], source
        )


class Normed(nn.Module):
    outputs: int

    @nn.compact
    def __call__(self, inputs, *, train: bool = False):
        return nn.Dense(self.outputs)(nn.BatchNorm(use_running_average=not train)(inputs))


def test_running_statistics_are_taken_over():
    model, wider = make_model(Normed, 3), make_model(Normed, 4)
    shapes = jax.eval_shape(model.init, jax.random.key(0), X)
    source = {n: np.full(x.shape, 7, np.float32) for n, x in named(shapes).items()}
    told = tuple((n, x.shape, str(x.dtype)) for n, x in source.items())
    found = starting(model, wider, Start(told, True, "none")).init(jax.random.key(0), X, source)
    assert all((np.asarray(x) == 7).all() for x in jax.tree.leaves(found))
    assert "batch_stats/BatchNorm_0/mean" in named(found)


# The same bits, however it is carried out.


@pytest.mark.parametrize("freeze", ["all_but_head", ["Dense_1/bias"]])
def test_bits_do_not_depend_on_cuts_streaming_or_a_restart(source, freeze, tmp_path: Path):
    made = study(**after(source, freeze=freeze))
    plan = make_plan(made, expand(made), find=find_source)
    job = job_of(plan)
    program, dataset, on_device = compiled(job, plan)
    one = run_job(job, program, dataset, on_device)
    saves = []

    def keep(saved, now, steps):
        saves.extend(s._replace(state=jax.tree.map(np.array, s.state)) for _, s in saved())

    assert run_job(job, program, dataset, on_device, watch=Watch(beat=keep)).digest == one.digest
    middle = next(s for s in saves if 0 < int(s.state.step) < 6)
    resume.save(tmp_path, job.id, middle.state, middle.progress)
    restored = resume.restore(tmp_path, job.id, template_of(program, job, on_device), print)
    assert restored is not None
    assert run_job(job, program, dataset, on_device, saved=restored).digest == one.digest


def test_lanes_begin_each_with_its_own(source):
    made = study(mode="vmap", width=3, **after(source, freeze=["Dense_0"]))
    plan = make_plan(made, expand(made), find=find_source)
    (contest,) = plan.contests
    runs = [contest.make("measure", 0, i, _streams(i), None) for i in range(2)]
    jobs = [make_job(plan, 0, run) for run in runs]
    static = jobs[0].static
    assert static is not None
    static = static._replace(variables=True)
    jobs = [j._replace(variables=True, static=static) for j in jobs]
    dataset = plan.datasets[jobs[0].data]
    on_device = to_device(dataset.train, "never", batch_size=12, lanes=3)
    program, _ = compile_program(static, dataset, on_device, jobs[0].hyper, jobs[0].mode)
    both = run_lanes(jobs, program, dataset, on_device, saved={})
    (second,) = run_lanes(jobs[1:], program, dataset, on_device, saved={})
    assert second.digest == both[1].digest != both[0].digest
    for i, result in enumerate(both):
        begun = source.parameters(source.runs["id"][i])
        kept = {k.removeprefix("parameters/"): x for k, x in result.outputs.items()}
        np.testing.assert_array_equal(kept["params/Dense_0/kernel"], begun["params/Dense_0/kernel"])
        assert not np.array_equal(kept["params/Dense_1/kernel"], begun["params/Dense_1/kernel"])


# The source is a part of what a run is.


def test_where_the_source_lies_is_no_part_of_a_run_but_what_it_holds_is(source, tmp_path: Path):
    moved, other = tmp_path / "moved", tmp_path / "other"
    shutil.copytree(source.folder, moved)
    again = study(name="source", keep=["parameters"], seed=1)
    fd.run(again, out=other, workers=0)
    here = ids(study(**after(source)))
    assert ids(study(init={"from": f"{moved}/mlp/sgd"})) == here
    assert not set(ids(study(init={"from": f"{other}/mlp/sgd"}))) & set(here)
    assert not set(ids(study())) & set(here)
    assert not set(ids(study(**after(source, freeze=["Dense_0"])))) & set(here)


def test_a_source_that_was_altered_is_refused(source, tmp_path: Path):
    moved = tmp_path / "moved"
    shutil.copytree(source.folder, moved)
    (part,) = (moved / "predictions").glob("*.parquet")
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    with pytest.raises(DamageError, match="not as it was written"):
        find_source(f"{moved}/mlp/sgd")
    with pytest.raises(StudyError, match=r"init\.from|init: .*not as it was written"):
        ids(study(init={"from": f"{moved}/mlp/sgd"}))
    (part,) = (moved / "runs").glob("*.parquet")
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(DamageError, match="not as it was written"):
        find_source(f"{moved}/mlp/sgd")


def test_a_study_can_be_verified_and_run_from_its_own_record(source, tmp_path: Path):
    text = """
name: next
task: classification
data: digits
model: {name: mlp, hidden: [6]}
optimizer: {name: sgd, learning_rate: 0.1}
train: {steps: 4, batch_size: 12, eval_every: 2}
repeat: 2
keep: [parameters]
"""
    first = fd.run(fd.load_study(write(tmp_path, text)), out=tmp_path / "first", workers=0)
    later = text.replace("keep: [parameters]", f"init: {{from: {first.folder}/mlp/sgd}}")
    study_file = write(tmp_path, later.replace("name: next", "name: later"))
    results = fd.run(fd.load_study(study_file), out=tmp_path / "later", workers=0)
    assert set(results.runs["status"]) == {"ok"}
    assert set(
        fd.run(fd.load_study(results.folder / "study.yaml"), out=results.folder).runs["id"]
    ) == set(results.runs["id"])
    (again,) = fd.verify(results.folder, workers=0, runs=1).checked
    assert again.equal
    assert "2 runs in 1 programs" in describe(fd.load_study(study_file))


# What is wrong is said.


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("nothing/mlp/sgd", "no part of this path is a study's folder"),
        ("source/mlp/adam", "unknown method 'mlp/adam'; did you mean mlp/sgd; allowed mlp/sgd"),
    ],
)
def test_sources_that_are_not_there(source, end: str, said: str):
    with pytest.raises(StoreError, match=said):
        find_source(f"{source.folder.parent}/{end}")


def test_sources_that_kept_nothing_or_are_not_finished(source, tmp_path: Path):
    plain = fd.run(study(name="plain"), out=tmp_path / "plain", workers=0)
    with pytest.raises(StoreError, match=r"keeps no parameters.*add `keep: \[parameters\]`"):
        find_source(f"{plain.folder}/mlp/sgd")
    (plain.folder / "manifest.json").unlink()
    with pytest.raises(StoreError, match="not finished; run its command to its end"):
        find_source(f"{plain.folder}/mlp/sgd")
    with pytest.raises(StudyError, match="without other studies"):
        ids(study(**after(source)), find=nowhere)


def test_more_repeats_than_the_source_has(source):
    with pytest.raises(
        StudyError, match=r"repeat 2 begins with repeat 2 of source/mlp/sgd.*kept only 0, 1"
    ):
        ids(study(**after(source), repeat=3))
    assert ids(study(**after(source, repeat="best"), repeat=3))
    held = {"count": 3, "vary": ["order"]}
    assert ids(study(**after(source), repeat=held))  # all begin with repeat 0


LINES = """
name: later
task: classification
data: digits
optimizer: {name: sgd, learning_rate: 0.1}
compare:
  approach:
    scratch: {model: {name: mlp, hidden: [6]}}
    transfer:
      model: {name: mlp, hidden: [7]}
      init: {from: SOURCE}
repeat: 2
"""


def test_shapes_that_do_not_fit_are_told_with_their_line_before_anything_runs(
    source, checked, tmp_path: Path
):
    path = write(tmp_path, LINES.replace("SOURCE", f"{source.folder}/mlp/sgd"))
    with pytest.raises(StudyError) as caught:
        fd.run(fd.load_study(path), out=tmp_path / "out", workers=0)
    text = str(caught.value)
    assert f"{path}:11: init: " in text
    assert "params/Dense_0/kernel is [5, 6] there and [64, 7] here" in text
    assert "give the model the arguments that it has in the source" in text
    assert not (tmp_path / "out").exists()
    missing = write(tmp_path, LINES.replace("SOURCE", "runs/nothing/mlp"))
    with pytest.raises(StudyError, match=r"study\.yaml:11: init: runs/nothing/mlp: no part"):
        fd.run(fd.load_study(missing), out=tmp_path / "out", workers=0)


def test_freezes_that_do_not_fit(source, checked):
    with pytest.raises(StudyError, match="fits no parameter; the model has Dense_0, Dense_1"):
        ids(study(**after(source, freeze=["Conv_0"])))
    with pytest.raises(DataError, match="leaves nothing to train"):
        frozen_names(["a/kernel", "b/kernel"], frozenset(), ("*",))


@pytest.mark.parametrize(
    ("init", "said"),
    [
        ({"freeze": "none"}, r"needs STUDY/METHOD"),
        ({"from": "cnn"}, r"'cnn' given; needs STUDY/METHOD"),
        ({"from": "a/b", "freeze": "head"}, "allowed none, all_but_head, or a list"),
        ({"from": "a/b", "head": "fresh"}, "unknown value 'fresh'.*allowed auto, keep, new"),
        ({"from": "a/b", "repeats": 1}, "unknown key 'repeats'; did you mean repeat"),
        ("a/b", "allowed a mapping"),
    ],
)
def test_init_is_checked_with_the_rest(init, said):
    with pytest.raises(StudyError, match=said):
        study(init=init)


def test_the_head_is_taken_over_where_classes_are_the_same(source):
    def head(**keys) -> bool:
        made = study(**keys)
        (trials,) = make_plan(made, expand(made), find=find_source).trials
        static = trials[0].static
        assert static is not None
        assert static.start is not None
        return static.start.head

    others = {"name": (X, Y), "classes": ["a", "b", "d"], "split": SPLIT}
    assert head(**after(source))
    assert not head(**after(source), data=others)
    assert head(**after(source, head="keep"), data=others)
    assert not head(**after(source, head="new"))
    four = {"name": (X, np.where(X[:, 0] > 0.8, 3, Y)), "split": SPLIT}
    assert not head(**after(source), data=four)


def test_a_head_of_another_width_cannot_be_kept(source, checked):
    four = {"name": (X, np.where(X[:, 0] > 0.8, 3, Y)), "split": SPLIT}
    with pytest.raises(StudyError, match=r"Dense_1/kernel is \[6, 3\] there and \[6, 4\] here"):
        ids(study(**after(source, head="keep"), data=four))

"""Metrics of whole splits, kept predictions and MC dropout, from the config to the folder and back."""

import json
import math
import shutil
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import funcdl as fd
from funcdl.config.write import to_yaml
from funcdl.data.load import make_data
from funcdl.errors import DamageWarning, StudyError
from funcdl.execute import jobs
from funcdl.execute.lanes import run_lanes
from funcdl.execute.looking import looking
from funcdl.execute.measured import Measured
from funcdl.execute.messages import Job, Result
from funcdl.execute.programs import Program, as_scalars, compile_program
from funcdl.execute.runner import Saved, Stopped, Watch, run_job
from funcdl.metrics.conformal import set_size
from funcdl.metrics.probabilities import log_probabilities, mean_brier, mean_nll
from funcdl.metrics.reliability import expected_calibration_error
from funcdl.metrics.temperature import fit_temperature
from funcdl.models.make import make_model
from funcdl.plan.study import make_plan
from funcdl.store.predictions import Predictions, read_predictions
from funcdl.tasks.load import make_task
from funcdl.train.assemble import assemble
from funcdl.train.passes import EVALUATION, averaged
from funcdl.train.streams import STREAMS, stream_keys
from funcdl.types import Dataset, Split

rng = np.random.default_rng(0)
X = rng.normal(size=(160, 5)).astype(np.float32)
Y = (X[:, 0] + rng.normal(0, 1, 160) > 0).astype(np.int32)
DATA = make_data((X, Y))
TRAIN = jax.device_put(DATA.train)
ASKED = ["ece", "ece@4", "temperature", "temperature_nll", "conformal_size@0.2"]
BASE = {
    "task": "classification",
    "data": (X, Y),
    "model": {"name": "mlp", "hidden": [8], "dropout": 0.3},
    "optimizer": {"name": "sgd", "learning_rate": 0.3},
    "train": {"steps": 6, "batch_size": 16, "eval_every": 2},
    "repeat": 2,
}


def study(**keys) -> fd.Study:
    return fd.Study(**{**BASE, **keys})


def job_of(made: fd.Study, repeat: int = 0, *, keep: bool = True, at: str = "final") -> Job:
    trial = make_plan(made, fd.config.expand(made)).trials[0][0]
    assert trial.static is not None
    select = ("validation/loss", "min", at)
    streams: dict[str, int] = dict.fromkeys(STREAMS, repeat)
    return Job(
        *(f"id{repeat}", trial.program, trial.static, trial.hyper, trial.data, 0, "measure"),
        *(streams, 6, 2, True, select),
        mode=trial.mode,
        predictions=keep,
    )


def compiled(job: Job) -> Program:
    assert job.static is not None
    return compile_program(job.static, DATA, TRAIN, job.hyper, job.mode)[0]


@pytest.fixture(scope="module")
def asked() -> tuple[Job, Program]:
    job = job_of(study(metrics=ASKED, keep=["predictions"]))
    return job, compiled(job)


@pytest.fixture(scope="module")
def result(asked) -> Result:
    job, program = asked
    return run_job(job, program, DATA, TRAIN)


@pytest.fixture(scope="module")
def plain() -> tuple[Program, Result]:
    """Nothing asked for."""
    job = job_of(study(), keep=False)
    program = compiled(job)
    return program, run_job(job, program, DATA, TRAIN)


PASSES = {"train": {**BASE["train"], "mc_passes": 5}, "keep": ["predictions"], "metrics": ASKED}


@pytest.fixture(scope="module")
def passes() -> tuple[Job, Program]:
    job = job_of(study(**PASSES))
    return job, compiled(job)


def test_metrics_are_those_of_the_outputs(result):
    test, labels = result.outputs["test"], DATA.test.targets
    validation = result.outputs["validation"], DATA.validation.targets
    final = result.final
    assert test.shape == (len(labels), 2)
    assert final["test/loss"] == pytest.approx(mean_nll(test, labels), rel=1e-6)
    assert final["test/brier"] == pytest.approx(mean_brier(test, labels), rel=1e-6)
    assert final["test/ece"] == expected_calibration_error(test, labels)
    assert final["test/ece@4"] == expected_calibration_error(test, labels, 4)
    assert final["validation/ece"] == expected_calibration_error(*validation)
    heat = fit_temperature(*validation)
    assert final["test/temperature"] == heat
    assert final["test/temperature_nll"] == mean_nll(test, labels, heat)
    size = set_size((test, labels), validation, 0.2)
    assert final["test/conformal_size@0.2"] == size
    assert "validation/temperature" not in final
    assert result.curves["validation/ece"].steps.tolist() == [2, 4, 6]
    assert result.curves["validation/ece"].values[-1] == final["validation/ece"]


def test_who_does_not_ask_pays_nothing_and_gets_the_same_bits(plain, result):
    program, found = plain
    assert program.predict is None
    assert found.outputs == {}
    assert found.digest == result.digest
    assert {name: result.final[name] for name in found.final} == found.final
    assert set(result.final) - set(found.final) == {
        "validation/ece",
        "validation/ece@4",
        *(f"test/{name}" for name in ASKED),
    }


def test_outputs_of_several_batches_are_in_the_order_of_the_examples(asked):
    job, program = asked
    assert job.static is not None
    keys, hyper = stream_keys(0, "measure", 0), as_scalars(job.hyper)
    state = program.init(keys, hyper, TRAIN)
    train = assemble(job.static, DATA)
    cut = program._replace(rows=7, evaluate=jax.jit(train.evaluate), predict=jax.jit(train.predict))
    whole, parts = (looking(p, state, hyper, keys, DATA, lambda: None) for p in (program, cut))
    assert len(whole.outputs("test")) % 7
    np.testing.assert_allclose(parts.outputs("test"), whole.outputs("test"), 1e-6, 1e-6)
    found, expected = parts.values("test"), whole.values("test")
    np.testing.assert_allclose(found["test/loss"], expected["test/loss"], 1e-6, 1e-6)


@pytest.mark.parametrize("at", ["final", "best"])
def test_a_run_that_was_left_off_keeps_the_same(asked, at):
    job, program = asked[0]._replace(select=("validation/loss", "min", at)), asked[1]
    whole = run_job(job, program, DATA, TRAIN)
    saves: list[Saved] = []

    def beat(saved, now, steps):
        saves.append(saved()[0][1])
        if int(saves[-1].state.step) >= 4:
            raise Stopped

    with pytest.raises(Stopped):
        run_job(job, program, DATA, TRAIN, watch=Watch(beat=beat))
    state, progress = saves[-1]
    progress = json.loads(json.dumps(progress, allow_nan=False))
    again = run_job(job, program, DATA, TRAIN, saved=Saved(state, progress))
    assert again.final == whole.final
    for split in ("validation", "test"):
        np.testing.assert_array_equal(again.outputs[split], whole.outputs[split])


def test_a_summary_that_is_not_finite_is_no_divergence(asked):
    """It is stored as it is, also in a checkpoint, whose JSON knows no infinity."""
    job, program = asked

    odd = {"odd": lambda outputs, targets: math.nan, "far": lambda outputs, targets: math.inf}
    task = make_task("classification")._replace(summaries=odd)
    assert job.static is not None
    own = job._replace(static=job.static._replace(task={"name": task}))
    found = run_job(own, program, DATA, TRAIN)
    assert found.status == "ok"
    assert math.isnan(found.final["test/odd"])
    assert found.final["validation/far"] == math.inf
    keys, hyper = stream_keys(0, "measure", 0), as_scalars(job.hyper)
    at = looking(program, program.init(keys, hyper, TRAIN), hyper, keys, DATA, lambda: None)
    measured = Measured(own, DATA, None)
    measured.look(2, 1.0, at)
    kept = json.loads(json.dumps(measured.progress(), allow_nan=False))
    again = Measured(own, DATA, kept)
    assert kept["curves"]["validation/odd"] == [[2], ["nan"]]
    assert again.progress() == measured.progress()
    chosen = own._replace(select=("validation/odd", "min", "final"))
    with pytest.raises(ValueError, match="validation/odd is nan, so that it cannot select"):
        run_job(chosen, program, DATA, TRAIN)


def by_hand(job: Job, params, key, name: str, passes: int) -> np.ndarray:
    """Every pass's log-probabilities, [passes, n, k], for a split of one batch."""
    assert job.static is not None
    model = make_model({**job.static.model, "dropout": 0.3}, 2)
    place = {"validation": 1, "test": 2}[name]
    for number in (EVALUATION, np.int32(place), np.int32(0)):
        key = jax.random.fold_in(key, number)
    inputs = getattr(DATA, name).inputs
    rows = max(len(DATA.validation.targets), len(DATA.test.targets))
    inputs = np.concatenate([inputs, np.repeat(inputs[-1:], rows - len(inputs), 0)])
    found = []
    for i in range(passes):
        rngs = {"dropout": jax.random.fold_in(key, i)}
        found.append(model.apply({"params": params}, inputs, train=True, rngs=rngs)[0])
    return log_probabilities(np.stack(found))[:, : len(getattr(DATA, name).targets)]


def test_mc_dropout_averages_probabilities_over_keyed_passes(passes, plain):
    job, program = passes
    result = run_job(job, program, DATA, TRAIN)
    keys, hyper = stream_keys(0, "measure", 0), as_scalars(job.hyper)
    state = program.init(keys, hyper, TRAIN)
    found = looking(program, state, hyper, keys, DATA, lambda: None).outputs("test")
    every = by_hand(job, state.variables["params"], keys["dropout"], "test", 5)
    np.testing.assert_allclose(found, np.log(np.exp(every).mean(0)), atol=2e-6)
    labels = DATA.test.targets
    assert mean_nll(found, labels) < np.mean([mean_nll(one, labels) for one in every])
    again = run_job(job, program, DATA, TRAIN)
    np.testing.assert_array_equal(again.outputs["test"], result.outputs["test"])
    other = run_job(job._replace(streams=dict.fromkeys(STREAMS, 1)), program, DATA, TRAIN)
    assert not np.array_equal(other.outputs["test"], result.outputs["test"])
    # Training is the same, whatever is averaged afterwards.
    assert plain[1].digest == result.digest
    assert plain[1].final["test/loss"] != result.final["test/loss"]


def test_lanes_measure_and_draw_what_runs_alone_do(passes):
    jobs = [job_of(study(mode="vmap", width=2, **PASSES), repeat) for repeat in range(2)]
    together = run_lanes(jobs, compiled(jobs[0]), DATA, TRAIN, saved={})
    for job, one in zip(jobs, together, strict=True):
        alone = run_job(passes[0]._replace(streams=job.streams), passes[1], DATA, TRAIN)
        assert alone.final.keys() == one.final.keys()
        for split, outputs in alone.outputs.items():
            np.testing.assert_allclose(one.outputs[split], outputs, atol=1e-5)
        for name in ("test/loss", "test/temperature_nll", "validation/ece"):
            assert one.final[name] == pytest.approx(alone.final[name], abs=1e-4)


def of_passes(model, variables, task: str = "classification") -> np.ndarray:
    key, place = jax.random.key(0), np.zeros(2, np.int32)
    return np.asarray(averaged(model, make_task(task), variables, X[:6], 3, key, place))


def test_without_dropout_passes_are_all_alike():
    model = make_model({"name": "logistic"}, 2)
    variables = model.init(jax.random.key(1), X[:1])
    once, _ = model.apply(variables, X[:6], train=False, rngs={})
    found = log_probabilities(of_passes(model, variables))
    np.testing.assert_allclose(found, log_probabilities(np.asarray(once)), atol=1e-6)
    np.testing.assert_allclose(of_passes(model, variables, "regression"), once, atol=1e-6)


def test_running_statistics_and_passes_do_not_go_together():
    model = make_model({"name": "logistic"}, 2)
    variables = {**model.init(jax.random.key(1), X[:1]), "batch_stats": {"mean": X[0]}}
    with pytest.raises(ValueError, match=r"running statistics \(batch_stats\).*norm: group"):
        of_passes(model, variables)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = study(
        data="digits",
        model={"name": "logistic"},
        metrics=["ece", "conformal_coverage"],
        keep=["predictions"],
        baselines={"forest": {"name": "random_forest", "n_estimators": 5}},
        tune={"optimizer.learning_rate": {"log_uniform": [0.01, 1.0]}, "trials": 2},
        select="validation/ece",
    )
    path = tmp_path_factory.mktemp("kept")
    (path / "study.yaml").write_text(to_yaml(made))
    fd.run(fd.load_study(path / "study.yaml"), out=path / "out", workers=1, observe=lambda _: None)
    return path


def again(folder: Path, out: Path) -> fd.Results:
    return fd.run(fd.load_study(folder / "study.yaml"), out=out, workers=1, observe=lambda _: None)


def test_a_study_gives_back_what_its_models_said(folder):
    results = fd.load(folder / "out")
    measured = results.runs[results.runs["phase"] == "measure"]
    assert results.question.metric == "test/ece"
    assert results.question.mode == "min"
    assert results.table["mean"].notna().all()
    for split in ("test", "validation"):
        outputs, targets = results.predictions(split), results.targets(split)
        assert outputs.keys() == targets.keys() == set(measured["id"])
        for row in measured.to_dict("records"):
            found, labels = outputs[row["id"]], targets[row["id"]]
            assert labels.dtype == np.int32
            assert row[f"{split}/loss"] == pytest.approx(mean_nll(found, labels), rel=1e-6)
            assert row[f"{split}/ece"] == expected_calibration_error(found, labels)
    assert results.predictions("train") == {}
    assert set(results.metrics["metric"]) >= {"validation/ece"}


def test_what_keeps_nothing_makes_no_folder(tmp_path: Path):
    Predictions(tmp_path).write([])
    assert list(tmp_path.iterdir()) == []
    assert read_predictions(tmp_path, {}) == ([], [])


def test_lost_predictions_are_noticed_and_made_again(folder, tmp_path: Path):
    whole = fd.load(folder / "out")
    out = tmp_path / "out"
    shutil.copytree(folder / "out", out)
    (part,) = (out / "predictions").glob("*.parquet")
    content = part.read_bytes()
    part.unlink()
    with pytest.warns(DamageWarning, match="is missing"):
        fd.load(out)
    part.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    with pytest.warns(DamageWarning, match=part.name):
        assert fd.load(out).predictions() == {}
    mended = again(folder, out)
    assert part.read_bytes() == content
    assert [path.name for path in part.parent.glob("*.damaged")] == [f"{part.name}.damaged"]
    for run, outputs in whole.predictions().items():
        np.testing.assert_array_equal(mended.predictions()[run], outputs)
    assert "damaged rows set aside" in (out / "events.jsonl").read_text()


def test_a_study_verifies_with_its_predictions(folder):
    found = fd.verify(folder / "out", runs=2, workers=1, observe=lambda _: None)
    assert found.equal, str(found)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"metrics": ["ecee"]}, r"metrics\[0\]: unknown metric 'ecee'.*did you mean ece"),
        ({"metrics": ["ece@0"]}, r"metrics\[0\]: ece: @0 given; allowed is a number of bins"),
        ({"metrics": ["conformal_size@2"]}, r"conformal_size: @2 given; allowed is an alpha"),
        ({"metrics": ["mce@"]}, r"mce: @ given"),
        ({"metrics": ["temperature@1"]}, r"temperature: takes no argument"),
        ({"metrics": [3]}, r"metrics\[0\]: 3 given; allowed text"),
        ({"metrics": "ece"}, r"metrics: 'ece' given; allowed a list"),
        (
            {"select": "validation/ece"},
            r"ece is computed where it is asked for: add it to `metrics`",
        ),
        (
            {"metrics": ["temperature"], "select": "validation/temperature"},
            r"temperature is fitted on validation data",
        ),
        ({"keep": ["prediction"]}, r"keep\[0\]: .*did you mean predictions"),
        ({"train": {"mc_passes": -1}}, r"train.mc_passes: -1 given"),
        ({"tune": {"train.mc_passes": {"choice": [1, 2]}}}, r"train.mc_passes"),
    ],
)
def test_mistakes_are_named(keys, said):
    with pytest.raises(StudyError, match=said):
        study(**keys)


def test_what_is_asked_for_is_part_of_a_runs_identity_and_nothing_else_is():
    def ids(**keys) -> dict[str, set[str]]:
        made = study(tune={"optimizer.learning_rate": {"uniform": [0.1, 1]}, "trials": 2}, **keys)
        contest = make_plan(made, fd.config.expand(made)).contests[0]
        streams: dict[str, int] = dict.fromkeys(STREAMS, 0)
        return {p: {contest.make(p, 0, 0, streams, None).id} for p in ("tune", "measure")}

    plain, kept, metrics = ids(), ids(keep=["predictions"]), ids(metrics=["ece"])
    assert ids(metrics=[], keep=[]) == plain
    assert kept["tune"] == plain["tune"]
    assert kept["measure"] != plain["measure"]
    assert metrics["tune"] != plain["tune"]


def test_metrics_and_keep_survive_writing():
    made = study(data="digits", metrics=["ece@30"], keep=["predictions"])
    text = to_yaml(made)
    assert "metrics: [ece@30]" in text
    assert "keep: [predictions]" in text


@pytest.mark.parametrize(
    ("task", "targets", "kept"),
    [
        ("classification", np.array([1, 0]), [1, 0]),
        ("recommendation", {"item": np.array([3, 4]), "seen": np.zeros((2, 1))}, [3, 4]),
        ({"name": "forecasting"}, {"last": np.zeros(2), "steps": np.ones((2, 1))}, [[1], [1]]),
        (lambda: None, {"b": np.zeros(2), "a": np.array([7, 8])}, [7, 8]),
    ],
    ids=["one array", "item", "steps", "own task"],
)
def test_of_several_targets_the_tasks_own_are_kept(task, targets, kept):
    split = Split(np.zeros((2, 1)), targets)
    plan = SimpleNamespace(datasets={"d": Dataset(split, split, split, (), "d")})
    job = SimpleNamespace(data="d", task=task)
    found = jobs._targets(plan, job, ["test", "parameters"])  # type: ignore[arg-type]
    assert {name: array.tolist() for name, array in found.items()} == {"test": kept}

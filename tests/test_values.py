"""Metrics of whole splits with a value per test example: from the task to a verdict on data like these."""

# pyright: reportArgumentType=false

import math

import jax
import numpy as np
import pytest
import sklearn.metrics as reference

import funcdl as fd
from funcdl.catalogue import listing
from funcdl.data.load import make_data
from funcdl.errors import DataError
from funcdl.execute.measured import Measured
from funcdl.execute.messages import Job
from funcdl.execute.programs import compile_program
from funcdl.execute.runner import run_job
from funcdl.plan.study import make_plan
from funcdl.report.answer import answer
from funcdl.report.record import records
from funcdl.report.sections.calibration import calibration
from funcdl.stats.crossed import crossed_t
from funcdl.stats.paired import paired_t
from funcdl.stats.wider import wider_test
from funcdl.tasks.check import check_data
from funcdl.tasks.load import make_task
from funcdl.tasks.summaries import SUMMARIES
from funcdl.train.streams import STREAMS

rng = np.random.default_rng(0)
X = rng.normal(size=(300, 5)).astype(np.float32)
Y = (X[:, 0] + rng.normal(0, 1, 300) > 0.8).astype(np.int32)
VALUED = ["f1", "auroc", "average_precision", "f1_tuned", "mcc"]
BASE = {
    "task": "classification",
    "data": (X, Y),
    "model": {"name": "logistic"},
    "optimizer": {"name": "sgd", "learning_rate": 0.3},
    "train": {"steps": 30, "batch_size": 16, "eval_every": 10},
    "metrics": [*VALUED, "ece"],
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> fd.Results:
    made = fd.Study(
        **BASE,
        compare={"optimizer.learning_rate": [0.003, 0.3]},
        baselines={"forest": {"name": "random_forest", "n_estimators": 5}},
        repeat=3,
        select="validation/f1",
        keep=["predictions"],
    )
    out = tmp_path_factory.mktemp("values") / "out"
    return fd.run(made, out=out, workers=0, observe=lambda _: None)


def test_the_mean_over_test_examples_is_the_metric(results):
    measured = results.runs[results.runs["phase"] == "measure"].set_index("id")
    assert len(measured) == 9  # with the baseline's
    for name in VALUED:
        values = results.examples(f"test/{name}")
        assert values.keys() == set(measured.index)
        for run, each in values.items():
            found = measured.loc[run, f"test/{name}"]
            assert np.mean(each, dtype=np.float64) == pytest.approx(found, abs=1e-6)
    assert results.examples("test/ece") == {}


def test_the_metric_is_scikit_learns_of_what_was_said(results):
    measured = results.runs[results.runs["phase"] == "measure"].set_index("id")
    for run, logits in results.predictions("test").items():
        labels, row = results.targets("test")[run], measured.loc[run]
        scores = logits[:, 1].astype(np.float64) - logits[:, 0]
        assert row["test/auroc"] == pytest.approx(reference.roc_auc_score(labels, scores))
        assert row["test/f1"] == pytest.approx(reference.f1_score(labels, logits.argmax(1)))


def test_the_headline_speaks_of_data_like_these(results):
    assert results.question.metric == "test/f1"
    assert results.question.mode == "max"
    runs = results.runs[results.runs["phase"] == "measure"]
    values = results.examples("test/f1")
    tables = {
        method: np.stack([values[run] for run in rows.sort_values("repeat")["id"]])
        for method, rows in runs.groupby("method")
    }
    for row in records(results.comparisons):
        a, b = tables[row["a"]], tables[row["b"]]
        assert (row["population"], row["examples"]) == ("data like these", a.shape[1])
        inner = paired_t(a.mean(1), b.mean(1))
        expected = wider_test(crossed_t(a, b), inner)
        assert row["low"] == pytest.approx(expected.low, abs=1e-5)
        assert row["p"] == pytest.approx(expected.p, rel=1e-3)
    assert set(results.table["population"]) == {"data like these"}


def test_f1_is_no_matter_of_calibration(results):
    material = results.material._replace(predictions=lambda split: {})
    grids = [g for one in calibration(material, results.answer) for g in one.grids]
    assert [set(grid.frame) & {"ece", *VALUED} for grid in grids] == [{"ece"}]


def test_the_list_of_metrics_has_every_name():
    shown = listing("metrics")
    for task, known in SUMMARIES.items():
        assert f"  {task}: " in shown
        for name, one in known.items():
            taken = f"{name}@{one.takes}" if one.takes else name
            assert taken + "*" * one.fitted in shown
    assert shown in listing(None)


def job() -> Job:
    made = fd.Study(**BASE)
    trial = make_plan(made, fd.config.expand(made)).trials[0][0]
    streams: dict[str, int] = dict.fromkeys(STREAMS, 0)
    return Job(
        *("id", trial.program, trial.static, trial.hyper, trial.data, 0, "measure"),
        *(streams, 30, 10, True, ("validation/loss", "min", "final")),
    )


def test_what_is_not_defined_has_no_values_and_survives_a_checkpoint():
    """A test split without positives: F1 is 0 by convention, an area under a curve is not defined."""
    data = make_data((X, Y))
    data = data._replace(test=data.test._replace(targets=np.zeros_like(data.test.targets)))
    train, one = jax.device_put(data.train), job()
    assert one.static is not None
    program, _ = compile_program(one.static, data, train, one.hyper)
    found = run_job(one, program, data, train)
    assert found.status == "ok"
    assert math.isnan(found.final["test/auroc"])
    assert {"test/auroc", "test/average_precision"} & found.examples.keys() == set()
    assert not found.examples["test/f1"].any()
    assert found.final["test/f1"] == 0
    left = Measured(one, data, None)
    left._examples = {name: x.tolist() for name, x in found.examples.items()}
    again = Measured(one, data, left.progress()).result(30, -1, "", 0, 0.0)
    for name, values in found.examples.items():
        np.testing.assert_array_equal(again.examples[name], values)


def test_a_metric_that_is_not_defined_is_no_divergence(results):
    runs = results.runs
    lost = results.material._replace(runs=runs.assign(**{"test/f1": math.nan}))
    found = answer(lost)
    assert set(found.table["status"]) == {"undefined"}
    assert set(found.table["diverged"]) == {0}
    assert set(found.table["reason"]) == {"the metric is not defined in 3 of 3 repeats"}
    assert found.table["rank"].isna().all()
    assert set(found.comparisons["verdict"]) == {"refused"}
    assert "test/f1 is not defined" in found.comparisons["reason"].iloc[0]
    assert "test/f1 is not defined" in found.sentence
    once = runs["repeat"].eq(0)
    partly = runs.assign(**{"test/f1": runs["test/f1"].where(~once)})
    table = answer(results.material._replace(runs=partly)).table
    assert set(table["status"]) == {"ok"}
    assert set(table["n"]) == {2}
    assert set(table["reason"]) == {"the metric is not defined in 1 of 3 repeats"}


@pytest.mark.parametrize("check", [check_data, lambda spec, data: make_task(spec).check(data)])
def test_metrics_of_two_classes_are_refused_before_anything_runs(check):
    three = make_data((X, np.arange(300, dtype=np.int32) % 3))
    for name in ("f1", "precision", "recall", "auroc", "average_precision", "f1_tuned"):
        with pytest.raises(DataError, match=rf"{name} is for 2 classes.*have 3.*f1_macro"):
            check({"name": "classification", "metrics": ["ece", name]}, three)
    check({"name": "classification", "metrics": ["f1_macro", "mcc"]}, three)

"""The report's section on predictions, from frames of a study that never ran."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false
# (what indexing a frame gives is not known to the checker)

import math

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from funcdl.metrics.probabilities import mean_nll
from funcdl.report.answer import answer
from funcdl.report.material import Material
from funcdl.report.section import Section
from funcdl.report.sections.calibration import calibration
from tests.report_frames import quickstart

N, K = 80, 4


def material(
    task: str = "classification", methods: int = 3, repeats: int = 4, **changes
) -> Material:
    """Runs whose predictions are drawn; the first method is honest, the others ever surer."""
    question, runs, metrics = quickstart(repeats=repeats, trials=2)
    labels = question.labels("")[:methods]
    runs = runs[runs["method"].isin(labels)].reset_index(drop=True)
    kept = {"methods": tuple(("", label) for label in labels), "contrasts": ()}
    question = question._replace(tasks={"": task}, **kept, **changes)
    outputs: dict[str, dict[str, np.ndarray]] = {"test": {}, "validation": {}}
    targets: dict[str, dict[str, np.ndarray]] = {"test": {}, "validation": {}}
    for split, found in outputs.items():
        truth = np.random.default_rng(len(split))
        logits = truth.normal(0, 2, (N, K))
        wanted = (logits + truth.gumbel(size=(N, K))).argmax(1).astype(np.int32)
        numbers = logits[:, 0] + truth.normal(0, 0.5, N)
        for i, run in enumerate(runs[runs["phase"] == "measure"].to_dict("records")):
            rng = np.random.default_rng(i)
            sure = 1.0 + 2 * labels.index(run["method"]) * (task == "classification")
            noisy = sure * (logits + rng.normal(0, 0.3, (N, K)))
            found[run["id"]] = noisy.astype(np.float32)[:, : K if task == "classification" else 1]
            targets[split][run["id"]] = wanted if task == "classification" else numbers
    return Material(
        question, runs, metrics, predictions=lambda s: outputs[s], targets=lambda s: targets[s]
    )


def shown(made: Material) -> list[Section]:
    return list(calibration(made, answer(made)))


def grid(section: Section, name: str) -> pd.DataFrame:
    (found,) = [one.frame for one in section.grids if one.name == name]
    return found.set_index("method")


def test_probabilities_are_scored_before_and_after_their_temperature():
    made = material()
    (section,) = shown(made)
    assert section.title == "How far can its probabilities be trusted?"
    found = grid(section, "calibration")
    first, last = made.question.labels("")[0], made.question.labels("")[2]
    runs = made.runs[(made.runs["method"] == last) & (made.runs["phase"] == "measure")]["id"]
    outputs, targets = made.predictions("test"), made.targets("test")
    nll = np.mean([mean_nll(outputs[run], targets[run]) for run in runs])
    assert found.loc[last, "NLL"] == pytest.approx(nll)
    assert found.loc[last, "repeats"] == 4
    assert found.loc[last, "temperature"] > 2 * found.loc[first, "temperature"]
    assert found.loc[last, "NLL at it"] < found.loc[last, "NLL"]
    assert found.loc[last, "ECE at it"] < found.loc[last, "ECE"]
    assert (found[[c for c in found if c.endswith("±")]] >= 0).all(axis=None)
    cover = grid(section, "conformal")
    assert cover["coverage"].between(0.75, 1).all()
    assert cover["labels in a set"].between(0.5, K).all()
    words = " ".join(section.paragraphs)
    for word in ("15 bins", "right", "validation", "4 repeats", "no interval over repeats"):
        assert word in words
    (drawing,) = section.drawings
    assert "too sure" in drawing.alt


def test_an_ensemble_is_the_mean_of_probabilities():
    made = material(methods=1)
    (section,) = shown(made)
    row = grid(section, "ensembles").iloc[0]
    every = np.stack(list(made.predictions("test").values())).astype(np.float64)
    labels = next(iter(made.targets("test").values()))
    p = special.softmax(every, axis=-1).mean(0)[np.arange(N), labels]
    assert row["members"] == 4
    assert row["NLL of all"] == pytest.approx(-np.log(p).mean())
    assert row["gain"] == pytest.approx(row["NLL of one"] - row["NLL of all"])
    assert 0 <= row["gain low"] <= row["gain"] <= row["gain high"]
    assert 0 <= row["disagreement"] <= math.log(4)


def test_the_gain_of_an_ensemble_has_the_level_of_the_looks():
    once, often = (material(methods=1, looks=looks) for looks in ((), (2, 4)))
    every = np.stack(list(once.predictions("test").values())).astype(np.float64)
    labels = next(iter(once.targets("test").values()))
    own = special.log_softmax(every, axis=-1)[:, np.arange(N), labels]
    gain = -own.mean(0) + special.logsumexp(own, axis=0) - math.log(len(own))
    for made, level in ((once, 0.95), (often, 0.975)):
        (section,) = shown(made)
        row = grid(section, "ensembles").iloc[0]
        expected = stats.ttest_1samp(gain, 0).confidence_interval(level)
        assert (row["gain low"], row["gain high"]) == pytest.approx(tuple(expected), rel=1e-5)
        captions = [one.caption for one in section.grids if one.name == "ensembles"]
        assert f"{100 * level:g} % interval over test examples" in captions[0]


def test_the_gain_of_an_ensemble_is_over_units_where_examples_belong_together():
    """Each example twice is no more evidence: the interval is that of the pairs' means."""
    made = material(methods=1)
    units = np.arange(N) // 2
    grouped = made._replace(units=lambda run: units)
    row, other = (grid(shown(one)[0], "ensembles").iloc[0] for one in (made, grouped))
    assert other["gain"] == pytest.approx(row["gain"])
    doubled = {
        split: {run: np.repeat(x, 2, axis=0) for run, x in made.predictions(split).items()}
        for split in ("test", "validation")
    }
    truth = {
        split: {run: np.repeat(x, 2) for run, x in made.targets(split).items()}
        for split in ("test", "validation")
    }
    twice = made._replace(
        predictions=lambda split: doubled[split],
        targets=lambda split: truth[split],
        units=lambda run: np.arange(2 * N) // 2,
    )
    (section,) = shown(twice)
    same = grid(section, "ensembles").iloc[0]
    for end in ("gain low", "gain", "gain high"):
        assert same[end] == pytest.approx(row[end])
    assert "over units of test examples" in " ".join(section.paragraphs)


def test_members_with_test_sets_of_their_own_are_no_ensemble():
    made = material(vary=("init", "split"))
    shifted = {run: np.roll(x, i) for i, (run, x) in enumerate(made.targets("test").items())}
    made = made._replace(
        targets=lambda split, whole=made.targets: shifted if split == "test" else whole(split)
    )
    (section,) = shown(made)
    assert "ensembles" not in [one.name for one in section.grids]
    words = " ".join(section.paragraphs)
    assert "test set of its own, so no ensemble" in words
    assert "test sets of their own" in section.paragraphs[0]


def test_one_repeat_gives_numbers_without_intervals():
    (section,) = shown(material(repeats=1))
    found = grid(section, "calibration")
    assert found["NLL"].notna().all()
    assert found["NLL ±"].isna().all()
    assert [one.name for one in section.grids] == ["calibration", "conformal"]
    assert "mean over 1 repeat," in section.paragraphs[0]


def test_a_regression_shows_intervals_and_quantiles():
    (section,) = shown(material("regression"))
    found = grid(section, "calibration")
    assert found["conformal coverage"].between(0.75, 1).all()
    assert found["RMSE"].between(0.4, 0.8).all()
    joint = grid(section, "ensembles")
    assert "mean squared error of all" in joint
    assert (joint["gain"] >= 0).all()
    (drawing,) = section.drawings
    assert drawing.name == "quantiles"


@pytest.mark.parametrize("task", ["", "ranking"])
def test_other_tasks_say_nothing(task):
    assert shown(material()._replace(question=material().question._replace(tasks={"": task}))) == []


def test_nothing_is_shown_where_nothing_was_kept_or_asked():
    made = material()
    assert shown(made._replace(predictions=lambda _: {}, targets=lambda _: {})) == []


def test_asked_metrics_are_shown_without_predictions():
    made = material()
    runs = made.runs.assign(
        **{"test/ece@5": np.arange(len(made.runs)) / 100, "test/conformal_size": np.inf}
    )
    made = made._replace(runs=runs, predictions=lambda _: {}, targets=lambda _: {})
    (section,) = shown(made)
    found = grid(section, "metrics")
    assert list(found.columns) == [
        "repeats",
        "conformal_size",
        "conformal_size ±",
        "ece@5",
        "ece@5 ±",
    ]
    assert np.isinf(found["conformal_size"]).all()
    assert found["conformal_size ±"].isna().all()
    assert "Fitted on validation data: conformal_size." in section.grids[0].caption


def test_diverged_runs_and_runs_without_predictions_are_left_out():
    made = material()
    runs = made.runs.copy()
    lost = runs.index[runs["phase"] == "measure"][:4]
    runs.loc[lost, "status"] = "diverged"
    runs.loc[lost, "test/accuracy"] = math.nan
    made = made._replace(runs=runs)
    (section,) = shown(made)
    assert len(grid(section, "calibration")) == 2
    everything = made._replace(runs=runs.assign(status="diverged"))
    assert shown(everything) == []


def test_logits_that_are_not_finite_stop_nothing():
    made = material()
    outputs = {split: dict(made.predictions(split)) for split in ("test", "validation")}
    run = next(iter(outputs["test"]))
    outputs["test"][run] = np.full((N, K), np.nan, np.float32)
    outputs["validation"][run] = np.full((N, K), np.inf, np.float32)
    (section,) = shown(made._replace(predictions=lambda split: outputs[split]))
    assert len(grid(section, "calibration")) == 3


def test_many_methods_are_still_drawn():
    question, runs, metrics = quickstart(
        models={f"m{i}": 0.95 for i in range(14)}, repeats=2, trials=2
    )
    rng = np.random.default_rng(0)
    measured = runs[runs["phase"] == "measure"]["id"]
    outputs = {run: rng.normal(size=(40, 3)).astype(np.float32) for run in measured}
    targets = dict.fromkeys(measured, rng.integers(0, 3, 40).astype(np.int32))
    made = Material(
        question._replace(tasks={"": "classification"}),
        runs,
        metrics,
        predictions=lambda _: outputs,
        targets=lambda _: targets,
    )
    (section,) = shown(made)
    assert len(grid(section, "calibration")) == 42
    assert len(section.drawings) == 1

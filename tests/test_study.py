"""Whole studies: what comes out, that it is always the same, and that nothing is done twice."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import funcdl as fd
from funcdl.config import load as load_config
from funcdl.plan.contest import due
from funcdl.plan.study import make_plan
from tests.study_tools import SMALL, bits, funcdl, write


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> fd.Results:
    """The small study, carried out by two workers."""
    folder = tmp_path_factory.mktemp("small")
    ended = funcdl("run", write(folder), "--out", folder / "out", "--workers", 2)
    assert ended.returncode == 0, ended.stderr
    return fd.load(folder / "out")


def test_runs_have_a_row_each(small: fd.Results):
    runs = small.runs
    assert len(runs) == 4 * (2 + 3)
    assert set(runs["phase"]) == {"tune", "measure"}
    assert set(runs["status"]) == {"ok"}
    assert runs["model"].unique().tolist() == ["logistic", "mlp"]
    assert runs["optimizer"].unique().tolist() == ["sgd", "adamw"]
    assert runs["digest"].str.fullmatch("[0-9a-f]{64}").all()
    assert runs["digest"].is_unique
    assert runs["optimizer.learning_rate"].between(1e-3, 1.0).all()
    measured = runs[runs["phase"] == "measure"]
    assert measured["test/accuracy"].between(0, 1).all()
    tuned = runs[runs["phase"] == "tune"]
    assert tuned["test/accuracy"].isna().all(), "tuning must not look at the test split"
    assert tuned["validation/accuracy"].between(0, 1).all()


def test_the_trial_with_the_best_validation_score_is_measured(small: fd.Results):
    for _, runs in small.runs.groupby("method"):
        tuned = runs[runs["phase"] == "tune"].sort_values("trial")
        best = tuned["trial"].to_numpy()[tuned["validation/accuracy"].argmax()]
        assert set(runs[runs["phase"] == "measure"]["trial"]) == {best}


def test_curves_end_in_the_final_values(small: fd.Results):
    curves = small.metrics
    assert set(curves["metric"]) >= {"train/loss", "validation/loss", "validation/accuracy"}
    assert sorted(curves["step"].unique()) == [20, 40]
    last = curves[(curves["step"] == 40) & (curves["metric"] == "validation/accuracy")]
    merged = last.merge(small.runs, left_on="run", right_on="id")
    assert len(merged) == len(small.runs)
    np.testing.assert_array_equal(merged["value"], merged["validation/accuracy"])


def test_per_example_values_average_to_the_metric(small: fd.Results):
    measured = small.runs[small.runs["phase"] == "measure"].set_index("id")
    for metric in ("test/loss", "test/accuracy"):
        examples = small.examples(metric)
        assert set(examples) == set(measured.index)
        for run, values in examples.items():
            assert values.shape == (359,)
            assert float(values.mean(dtype=np.float64)) == measured.loc[run, metric]


def test_the_report_folder_holds_the_answer(small: fd.Results):
    report = small.folder / "report"
    table = pd.read_csv(report / "table.csv")
    measured = small.runs[small.runs["phase"] == "measure"]
    means = measured.groupby("method")["test/accuracy"].mean()
    for row in table.to_dict("records"):
        assert row["n"] == 3
        assert row["mean"] == pytest.approx(means[row["method"]])
        assert row["low"] <= row["mean"] <= row["high"]
    pairs = pd.read_csv(report / "comparisons.csv")
    assert len(pairs) == 6
    assert set(pairs["verdict"]) <= {"better", "worse", "undecided", "refused"}
    assert {"a", "b", "n", "difference", "low", "high", "p", "p_holm"} <= set(pairs.columns)
    page = (report / "index.html").read_text()
    assert "logistic/adamw" in page
    assert small.runs["digest"].iloc[-1][:8] in page or "digest" in page


def test_one_worker_gives_the_same_bits(small: fd.Results, tmp_path: Path):
    alone = fd.run(load_config(write(tmp_path)), out=tmp_path / "out", workers=1)
    pd.testing.assert_frame_equal(bits(alone.runs), bits(small.runs))
    pd.testing.assert_frame_equal(alone.metrics, small.metrics)


def test_a_run_in_a_study_is_the_run_alone(small: fd.Results, tmp_path: Path):
    import jax

    from funcdl.execute.jobs import job_of
    from funcdl.execute.programs import compile_program
    from funcdl.execute.runner import run_job

    study = load_config(write(tmp_path))
    plan = make_plan(study, fd.config.expand(study))
    stored = small.runs.set_index("id")
    for position in (1, 2):
        run = due(plan.contests[position], {})[1]
        job = job_of(plan, position, run)
        dataset = plan.datasets[job.data]
        device = jax.device_put(dataset.train)
        assert job.static is not None
        program, _ = compile_program(job.static, dataset, device, job.hyper)
        result = run_job(job, program, dataset, device)
        assert result.digest == stored.loc[run.id, "digest"]
        assert result.final["validation/loss"] == stored.loc[run.id, "validation/loss"]


def fingerprint(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in folder.rglob("*")
        if path.is_file() and path.name != "lock"  # it is held, and left empty
    }


def test_a_finished_study_run_again_changes_nothing(small: fd.Results):
    before = fingerprint(small.folder)
    ended = funcdl("run", small.folder.parent / "study.yaml", "--out", small.folder, "--workers", 2)
    assert ended.returncode == 0, ended.stderr
    assert fingerprint(small.folder) == before
    assert "logistic/adamw" in ended.stdout


def test_the_frozen_study_is_the_study(small: fd.Results, tmp_path: Path):
    """`study.yaml` in the folder names every default, and asks for exactly the same runs."""
    study = load_config(small.folder / "study.yaml")
    plan = make_plan(study, fd.config.expand(study))
    ids = {run.id for contest in plan.contests for run in due(contest, {})}
    tuned = small.runs[small.runs["phase"] == "tune"]
    assert ids == set(tuned["id"])


def test_growing_a_study_runs_only_what_is_new(small: fd.Results, tmp_path: Path):
    """One more repeat, trial and method: no bit of an earlier run changes, none is run again."""
    import shutil

    folder = tmp_path / "grown"
    shutil.copytree(small.folder, folder)
    text = SMALL.replace("repeat: 3", "repeat: 4").replace("trials: 2", "trials: 3")
    config = write(tmp_path, text.replace("adamw]", "adamw, lion]"))
    seen = []
    grown = fd.run(load_config(config), out=folder, workers=1, observe=seen.append)
    old, new = small.runs.set_index("id"), grown.runs.set_index("id")
    kept = old.index.intersection(new.index)
    columns = ["digest", "seconds", "test/accuracy", "validation/loss"]
    pd.testing.assert_frame_equal(old.loc[kept, columns], new.loc[kept, columns])
    assert len(new) == 6 * (3 + 4)
    tuned = old[old["phase"] == "tune"]
    assert set(tuned.index) <= set(kept)
    assert seen[-1].reused == len(kept)


def test_a_diverging_trial_touches_no_other_run(small: fd.Results, tmp_path: Path):
    text = SMALL.replace(
        "{log_uniform: [1.0e-3, 1.0]}\n  trials: 2",
        "{choice: [0.1, 1.0e+38]}\n  trials: 2\n  sampler: grid",
    )
    calm = SMALL.replace(
        "{log_uniform: [1.0e-3, 1.0]}\n  trials: 2",
        "{choice: [0.1, 0.01]}\n  trials: 2\n  sampler: grid",
    )
    wild = fd.run(load_config(write(tmp_path, text)), out=tmp_path / "wild", workers=1)
    still = fd.run(load_config(write(tmp_path, calm)), out=tmp_path / "still", workers=1)
    runs = wild.runs
    diverged = runs[runs["optimizer.learning_rate"] == 1e38]
    assert len(diverged) == 4
    assert set(diverged["status"]) == {"diverged"}
    assert (diverged["diverged_at"] >= 0).all()
    assert diverged["validation/accuracy"].isna().all()
    fine = runs[runs["optimizer.learning_rate"] == 0.1].set_index("id")
    other = still.runs.set_index("id")
    common = fine.index.intersection(other.index)
    assert len(common) >= 4
    assert (fine.loc[common, "digest"] == other.loc[common, "digest"]).all()
    assert (fine["status"] == "ok").all()


def test_nothing_in_the_folder_is_nan_in_json(small: fd.Results):
    def refuse(word: str):
        raise AssertionError(word)

    for path in small.folder.rglob("*.json*"):
        for line in (
            path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
        ):
            json.loads(line, parse_constant=refuse)


def test_programs_are_shared_by_runs_that_differ_in_numbers(small: fd.Results):
    assert small.runs.groupby("method")["program"].nunique().tolist() == [1] * 4
    assert small.runs["program"].nunique() == 4

"""The real program, workers and all, struck at named points of a save: the same bits in the end."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

import funcdl as fd
from funcdl.store.fault import POINTS, STAGES, VARIABLE
from funcdl.store.log import read_log
from tests.study_tools import bits, funcdl, write

# Of a study that has every kind of file: predictions, and test examples that belong together.
STUDY = """
name: struck
task: classification
data: {name: npz, path: DATA, group: group, split: {by: group, test: 0.2, validation: 0.2, seed: 0}}
keep: [predictions]
train: {steps: 1500, batch_size: 32, eval_every: 500}
model: {name: mlp, hidden: [256, 256], dropout: 0.1}
compare:
  optimizer: [{name: sgd, learning_rate: 0.1}, {name: adam, learning_rate: 0.01}]
repeat: 2
"""
EVERY = ("--checkpoint-every", 0)  # whenever the run is looked at
MENDING = ("events.", "damaged.", "leftover.", "runs.unlink", "environments.")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The study, on digits of which each two belong together."""
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    digits: Any = load_digits()
    images = (digits.images / 16).astype("float32")[..., None]
    np.savez(path, inputs=images, targets=digits.target, group=np.arange(len(images)) // 2)
    return STUDY.replace("DATA", str(path))


@pytest.fixture(scope="module")
def calm(text: str, tmp_path_factory: pytest.TempPathFactory) -> fd.Results:
    """The study left alone."""
    folder = tmp_path_factory.mktemp("calm")
    ended = funcdl("run", write(folder, text), "--out", folder / "out", "--workers", 2)
    assert ended.returncode == 0, ended.stderr
    return fd.load(folder / "out")


def struck(folder: Path, text: str, fault: str, status: set[int]) -> str:
    """Runs the study with a fault; returns what it said."""
    words = ("run", write(folder, text), "--out", folder / "out", "--workers", 1, *EVERY)
    env = {**os.environ, VARIABLE: fault}
    ended = funcdl(*words, env=env, start_new_session=True)
    assert ended.returncode in status, (fault, ended.returncode, ended.stderr)
    assert "Traceback" not in ended.stderr, (fault, ended.stderr)
    return ended.stderr


def resumed(folder: Path, text: str, calm: fd.Results) -> list[str]:
    """Runs the study without the fault; returns the log's events."""
    ended = funcdl("run", write(folder, text), "--out", folder / "out", "--workers", 1, *EVERY)
    assert ended.returncode == 0, ended.stderr
    results = fd.load(folder / "out")
    pd.testing.assert_frame_equal(bits(results.runs), bits(calm.runs))
    pd.testing.assert_frame_equal(results.metrics, calm.metrics)
    return [event["event"] for event in read_log(folder / "out")[0]]


def test_supervisor_and_workers_killed_within_a_checkpoint(
    calm: fd.Results, text: str, tmp_path: Path
):
    struck(tmp_path, text, "checkpoints.renamed:3:killgroup", {-9})
    assert "run resumed" in resumed(tmp_path, text, calm)


@pytest.mark.slow
def test_sigterm_within_a_checkpoint_saves_and_says_143(
    calm: fd.Results, text: str, tmp_path: Path
):
    said = struck(tmp_path, text, "checkpoints.half:2:term", {143})
    assert "run the same command again" in said
    assert fd.load(tmp_path / "out").folder  # in order: a warning would be an error
    events = resumed(tmp_path, text, calm)
    assert "run resumed" in events
    assert "checkpoint set aside" not in events


def test_a_disk_that_is_full_for_checkpoints_stops_no_training(
    calm: fd.Results, text: str, tmp_path: Path
):
    struck(tmp_path, text, "checkpoints.written:2:enospc", {0})
    events = resumed(tmp_path, text, calm)
    assert "checkpoint not written" in events


@pytest.mark.slow
@pytest.mark.parametrize(
    "point", [point for point in POINTS if not point.startswith(MENDING)], ids=str
)
def test_everything_killed_at_every_point(calm: fd.Results, text: str, tmp_path: Path, point: str):
    struck(tmp_path, text, f"{point}:1:killgroup", {-9})
    resumed(tmp_path, text, calm)


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_every_worker_killed_at_every_stage_of_a_checkpoint(
    calm: fd.Results, text: str, tmp_path: Path, stage: str
):
    """Each replacement dies, too, so that runs fail; run again, they are tried anew."""
    struck(tmp_path, text, f"checkpoints.{stage}:2:kill", {0, 1})
    assert "worker lost" in resumed(tmp_path, text, calm)

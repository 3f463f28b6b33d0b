"""Flipped bits, cut and missing files, files of another study: none goes unnoticed, nor is a traceback."""

import os
import random
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import funcdl as fd
from funcdl.errors import DamageWarning, StoreError
from funcdl.store import checkpoint, manifest
from funcdl.store.fault import VARIABLE
from funcdl.store.folder import Folder
from funcdl.store.log import read_log
from funcdl.store.manifest import find_damage
from funcdl.store.sealed import write_sealed
from tests.study_tools import bits, funcdl, write

STUDY = """
name: flips
task: classification
data: {name: digits, split: {by: order, block: 20}}  # blocks: what belongs together has a file
train: {steps: 600, batch_size: 16, eval_every: 100}
model: logistic
optimizer: {name: sgd, learning_rate: 0.1}
repeat: 3
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study's folder."""
    folder = tmp_path_factory.mktemp("flips")
    ended = funcdl("run", write(folder, STUDY), "--out", folder / "out", "--workers", 1)
    assert ended.returncode == 0, ended.stderr
    return folder / "out"


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same study, killed at its fourth checkpoint, with a run stored."""
    folder = tmp_path_factory.mktemp("killed")
    words = ("--out", folder / "out", "--workers", 1, "--checkpoint-every", 0)
    config = write(folder, STUDY)
    env = {**os.environ, VARIABLE: "runs.done:1:killgroup"}
    assert funcdl("run", config, *words, env=env, start_new_session=True).returncode == -9
    env = {**os.environ, VARIABLE: "checkpoints.done:4:killgroup"}
    assert funcdl("run", config, *words, env=env, start_new_session=True).returncode == -9
    assert len(list((folder / "out" / "checkpoints").glob("*.npz"))) >= 2
    return folder / "out"


def files(folder: Path) -> list[Path]:
    """All files that hold anything; whose the lock is matters to nobody once its owner is gone."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "lock")
    return [path for path in found if path.stat().st_size]


def noticed(folder: Path) -> list[str]:
    """What loading a study, and resuming it, say about damage."""
    said = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fd.load(folder)
        except StoreError as error:
            said.append(str(error))
    said += [str(w.message) for w in caught if issubclass(w.category, DamageWarning)]
    for path in checkpoint.paths(folder / "checkpoints"):
        try:
            checkpoint.load(path)
        except StoreError as error:
            said.append(str(error))
    return said


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("state", ["finished", "killed"])
def test_two_hundred_flipped_bits_are_noticed(
    state: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """One in every file, the others anywhere."""
    monkeypatch.setattr(manifest.time, "sleep", lambda seconds: None)  # nobody is writing
    folder = shutil.copytree(request.getfixturevalue(state), tmp_path / "out")
    assert noticed(folder) == []
    paths, dice = files(folder), random.Random(0)
    sizes = [path.stat().st_size for path in paths]
    chosen = [*paths, *dice.choices(paths, sizes, k=max(30, 100 - len(paths)))]
    for path in chosen:
        content = path.read_bytes()
        bit = dice.randrange(8 * len(content))
        path.write_bytes(flipped(content, bit))
        said = noticed(folder)
        path.write_bytes(content)
        assert any(path.name in line for line in said), (path, bit, said)
    assert noticed(folder) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes() + b"\n"),
        lambda path: path.unlink(),
    ],
    ids=["empty", "half", "less", "more", "gone"],
)
def test_cut_and_missing_files_are_noticed(
    finished: Path, tmp_path: Path, spoil: Callable[[Path], None]
):
    folder = shutil.copytree(finished, tmp_path / "out")
    for path in files(folder):
        content = path.read_bytes()
        spoil(path)
        said = noticed(folder)
        path.write_bytes(content)
        assert any(path.name in line for line in said), (path, said)


def test_a_study_run_again_repairs_what_it_can(finished: Path, tmp_path: Path):
    """A bit of every file; the runs come back with the same bits."""
    folder = shutil.copytree(finished, tmp_path / "out")
    witnesses = {"plan.json", "manifest.json"}  # of what others should be; their turn is later
    for turn in (witnesses, {path.name for path in files(finished)} - witnesses):
        for path in files(folder):
            if path.name in turn:
                path.write_bytes(flipped(path.read_bytes(), 4 * path.stat().st_size))
        ended = funcdl("run", write(tmp_path, STUDY), "--out", folder, "--workers", 1)
        assert ended.returncode == 0, ended.stderr
        assert "Traceback" not in ended.stderr
        assert noticed(folder) == []
        events, damaged = read_log(folder)
        assert not damaged
        assert turn <= {event.get("path", "").rpartition("/")[2] for event in events}
    again, before = fd.load(folder), fd.load(finished)
    assert bits(again.runs).equals(bits(before.runs))
    assert again.metrics.equals(before.metrics)
    for name in ("study.yaml", "environments.json", "report/comparisons.csv"):
        assert (folder / name).read_bytes() == (finished / name).read_bytes(), name
    assert set(again.runs["environment"]) == set(before.runs["environment"])


def test_a_report_that_was_deleted_is_no_damage_and_is_made_again(finished: Path, tmp_path: Path):
    folder = shutil.copytree(finished, tmp_path / "out")
    shutil.rmtree(folder / "report")
    assert noticed(folder) == []
    ended = funcdl("run", write(tmp_path, STUDY), "--out", folder)
    assert ended.returncode == 0, ended.stderr
    assert noticed(folder) == []
    assert (folder / "report" / "table.csv").exists()


def test_the_report_command_vouches_for_the_report_alone(finished: Path, tmp_path: Path):
    folder = shutil.copytree(finished, tmp_path / "out")
    (folder / "report" / "table.csv").write_text("nonsense")
    (folder / "environments.json").unlink()
    ended = funcdl("report", folder)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stderr.splitlines()
    assert len(lines) == 2
    assert "Warning" not in ended.stderr
    said = noticed(folder)
    assert len(said) == 1
    assert "environments.json" in said[0]


def test_files_of_another_study_are_noticed(finished: Path, killed: Path, tmp_path: Path):
    """Whole files, each proving itself, in the wrong place."""
    config = write(tmp_path, STUDY.replace("0.1", "0.2").replace("name: flips", "name: other"))
    other = tmp_path / "other"
    assert funcdl("run", config, "--out", other, "--workers", 1).returncode == 0
    for name in ("plan.json", "study.yaml", "events.jsonl", "report/table.csv", "manifest.json"):
        folder = shutil.copytree(finished, tmp_path / f"with {name.replace('/', ' ')}")
        shutil.copy(other / name, folder / name)
        assert noticed(folder), name
    folder = shutil.copytree(finished, tmp_path / "rows")
    for path in (other / "runs").iterdir():
        shutil.copy(path, folder / "runs")
    assert "was not there when the study ended" in noticed(folder)[0]
    old, new = sorted((killed / "checkpoints").glob("*.npz"))[-2:]
    twin = old.with_name("0" * 40 + new.name[40:])
    shutil.copy(new, tmp_path / twin.name)
    (found,) = checkpoint.newest(tmp_path, "0" * 40)
    assert "holds another run's state" in str(found[1])


def test_a_persons_own_files_are_left_alone(finished: Path, tmp_path: Path):
    folder = shutil.copytree(finished, tmp_path / "out")
    own = ("notes.txt", "runs/mine.parquet", "checkpoints/mine.npz", "report/my.csv", ".mine.tmp")
    for name in own:
        (folder / name).write_text("precious")
    ended = funcdl("run", write(tmp_path, STUDY), "repeat=2", "--out", folder)
    assert ended.returncode == 0, ended.stderr
    for name in own:
        assert (folder / name).read_text() == "precious"
    assert noticed(folder) == []


def test_a_folder_of_a_newer_funcdl_is_refused_and_left_alone(finished: Path, tmp_path: Path):
    folder = shutil.copytree(finished, tmp_path / "out")
    plan = Folder(folder).plan
    write_sealed(folder / "plan.json", {**plan, "format": 99})
    before = {path: path.read_bytes() for path in files(folder)}
    for words in (("run", write(tmp_path, STUDY), "--out", folder), ("report", folder)):
        ended = funcdl(*words)
        assert ended.returncode == 2
        assert "made by a newer funcdl (format 99" in ended.stderr
    assert {path: path.read_bytes() for path in files(folder)} == before


def test_another_study_does_not_take_the_folder_over(finished: Path, tmp_path: Path):
    folder = shutil.copytree(finished, tmp_path / "out")
    config = write(tmp_path, STUDY.replace("name: flips", "name: flops"))
    ended = funcdl("run", config, "--out", folder)
    assert ended.returncode == 2
    assert "holds the study 'flips', not 'flops'" in ended.stderr
    assert "name: flips" in ended.stderr
    assert find_damage(folder) == []


def test_a_study_that_changes_says_so_in_the_log(finished: Path, tmp_path: Path):
    folder = shutil.copytree(finished, tmp_path / "out")
    assert funcdl("run", write(tmp_path, STUDY), "margin=0.5", "--out", folder).returncode == 0
    (event,) = (e for e in read_log(folder)[0] if e["event"] == "study changed")
    assert {"study", "question.margin"} <= set(event["what"])

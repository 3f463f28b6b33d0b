"""Files that are whole or absent, rows that prove themselves, and the lock."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from funcdl.errors import StoreError
from funcdl.store import checkpoint, files
from funcdl.store.folder import Folder
from funcdl.store.frames import examples_of, metrics_frame, runs_frame
from funcdl.store.ledger import Label, Ledger
from funcdl.store.lock import owned
from funcdl.store.parts import read_rows, write_part
from funcdl.store.row import Row, to_table
from funcdl.store.sealed import read_sealed, write_sealed
from funcdl.types import Curve


def row(name: str, *, trial: int = 0, repeat: int = 0, status: str = "ok", **changes) -> Row:
    rng = np.random.default_rng(abs(trial * 100 + repeat))
    steps = np.arange(50, 250, 50, dtype=np.int32)
    fields = {
        "id": name,
        "block": "",
        "method": "mlp/sgd",
        "compare": {"model": "mlp", "optimizer": "sgd"},
        "phase": "measure",
        "trial": trial,
        "repeat": repeat,
        "tuned": {"optimizer.learning_rate": 0.1 + trial},
        "recipe": "{}",
        "status": status,
        "reason": "",
        "steps": 200,
        "diverged_at": -1,
        "digest": "d" + name,
        "final": {"test/accuracy": rng.random(), "validation/loss": rng.random()},
        "curves": {"validation/loss": Curve(steps, rng.random(len(steps)))},
        "examples": {"test/loss": rng.random(7).astype(np.float32)},
        "parameters": 10,
        "program": "p",
        "environment": "e",
        "seconds": 0.1,
    }
    return Row(**{**fields, **changes})


def label(of: Row, **changes) -> Label:
    return Label(*(getattr(of, name) for name in Label._fields))._replace(**changes)


def test_rows_come_back_exactly(tmp_path: Path):
    rows = [
        row("a"),
        row("b", repeat=1),
        row("c", status="diverged", final={}, curves={}, examples={}),
    ]
    write_part(tmp_path, to_table(rows))
    table, damaged = read_rows(tmp_path)
    assert not damaged
    runs = runs_frame(table)
    assert runs["id"].tolist() == ["a", "b", "c"]
    assert runs["test/accuracy"].tolist()[:2] == [r.final["test/accuracy"] for r in rows[:2]]
    assert np.isnan(runs["test/accuracy"].iloc[2])
    assert runs["optimizer"].tolist() == ["sgd"] * 3
    assert runs["optimizer.learning_rate"].tolist() == [0.1] * 3
    metrics = metrics_frame(table)
    expected = [
        (r.id, s, v) for r in rows for c in r.curves.values() for s, v in zip(*c, strict=True)
    ]
    found = list(zip(metrics["run"], metrics["step"], metrics["value"], strict=True))
    assert found == expected
    examples = examples_of(table, "test/loss")
    assert set(examples) == {"a", "b"}
    np.testing.assert_array_equal(examples["b"], rows[1].examples["test/loss"])


def test_any_changed_byte_of_a_part_is_noticed(tmp_path: Path):
    path = write_part(tmp_path, to_table([row("a")]))
    good = path.read_bytes()
    for position in np.random.default_rng(0).integers(0, len(good), 50):
        bad = bytearray(good)
        bad[position] ^= 1 << int(position % 8)
        path.write_bytes(bad)
        table, damaged = read_rows(tmp_path)
        assert table is None
        assert damaged == [path]
    read_rows(tmp_path, repair=True)
    assert [p.name for p in tmp_path.iterdir()] == [path.name + ".damaged"]


def test_reading_rows_starts_no_threads(tmp_path: Path):
    """Arrow's abort a process that ends soon after, as `funcdl plan` does."""
    write_part(tmp_path, to_table([row("a"), row("b")]))
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom funcdl.store.parts import read_rows\n"
        "before = len(os.listdir('/proc/self/task'))\n"
        "assert read_rows(Path(sys.argv[1]))[0].num_rows == 2\n"
        "print(len(os.listdir('/proc/self/task')) - before)\n"
    )
    if not Path("/proc/self/task").is_dir():
        pytest.skip("threads are counted where the system lists them")
    command = [sys.executable, "-c", code, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert (ended.stdout.strip(), ended.stderr) == ("0", "")


def test_settling_keeps_runs_that_the_study_no_longer_names(tmp_path: Path):
    ledger = Ledger(tmp_path)
    rows = [row("a", repeat=0), row("b", repeat=1), row("c", repeat=2)]
    for r in rows:
        ledger.add(r)
    ledger.settle([label(rows[1], method="renamed"), label(rows[0])])
    runs = runs_frame(read_rows(tmp_path)[0])
    assert runs["id"].tolist() == ["b", "a"]
    assert runs["method"].tolist() == ["renamed", "mlp/sgd"]
    again = Ledger(tmp_path)
    assert set(again.known) == {"a", "b", "c"}
    again.settle([label(r) for r in rows])
    assert runs_frame(read_rows(tmp_path)[0])["id"].tolist() == ["a", "b", "c"]


def test_settling_twice_changes_nothing(tmp_path: Path):
    rows = [row("a"), row("b", repeat=1)]
    ledger = Ledger(tmp_path)
    for r in rows:
        ledger.add(r)
    ledger.settle([label(r) for r in rows])
    before = {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    Ledger(tmp_path).settle([label(r) for r in rows])
    assert {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == before


def test_one_run_may_stand_in_two_places(tmp_path: Path):
    ledger = Ledger(tmp_path)
    one = row("a")
    ledger.add(one)
    ledger.settle([label(one), label(one, method="twin")])
    assert runs_frame(read_rows(tmp_path)[0])["method"].tolist() == ["mlp/sgd", "twin"]


def test_a_failed_run_is_tried_again(tmp_path: Path):
    ledger = Ledger(tmp_path)
    ledger.add(row("a", status="failed", final={}, curves={}, examples={}))
    ledger.commit()
    assert "a" not in Ledger(tmp_path).known


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "x.json"
    write_sealed(path, {"a": 1})

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(StoreError, match="disk is full"):
        write_sealed(path, {"a": 2})
    assert read_sealed(path) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_a_folder_that_is_not_a_study_is_refused(tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(StoreError, match="not a study"), owned(tmp_path):
        pass
    with pytest.raises(StoreError, match="is a file"), owned(tmp_path / "thesis.tex"):
        pass
    with pytest.raises(StoreError, match=r"no plan\.json"):
        Folder(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_newer_format_is_refused(tmp_path: Path):
    write_sealed(tmp_path / "plan.json", {"format": 99})
    with pytest.raises(StoreError, match="newer funcdl"):
        Folder(tmp_path)


HOLD = """
import sys, time
from funcdl.store.lock import owned
with owned(sys.argv[1]):
    print("mine", flush=True)
    time.sleep(60)
"""


def test_one_owner_at_a_time_and_a_dead_one_holds_nothing(tmp_path: Path):
    study = tmp_path / "study"
    command = [sys.executable, "-c", HOLD, str(study)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "mine\n"
        with pytest.raises(StoreError, match=f"in use by process {owner.pid} on "), owned(study):
            pass
        owner.kill()
        owner.wait()
    with owned(study):
        pass
    assert (study / "lock").read_text() == ""


def state() -> checkpoint.Checkpoint:
    rng = np.random.default_rng(0)
    arrays = {
        ".step": np.int32(7) * np.ones((), np.int32),
        ".variables['w']": rng.normal(size=(3, 4)).astype(np.float32),
        ".variables['empty']": np.zeros((0, 2), np.float32),
    }
    return checkpoint.Checkpoint("run1", 7, arrays, {"curves": {"loss": [[1], [0.1]]}})


def test_a_checkpoint_comes_back_exactly(tmp_path: Path):
    import ml_dtypes

    saved = state()
    arrays = {**saved.arrays, "half": np.arange(4).astype(ml_dtypes.bfloat16)}
    path = checkpoint.save(tmp_path, saved._replace(arrays=arrays))
    loaded = checkpoint.load(path)
    assert loaded._replace(arrays={}) == saved._replace(arrays={})
    assert list(loaded.arrays) == list(arrays)
    for name, array in arrays.items():
        assert loaded.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded.arrays[name], array)


def test_no_changed_bit_of_a_checkpoint_passes_for_the_state(tmp_path: Path):
    path = checkpoint.save(tmp_path, state())
    good = path.read_bytes()
    for position in np.random.default_rng(0).integers(0, len(good) * 8, 300):
        bad = bytearray(good)
        bad[position // 8] ^= 1 << int(position % 8)
        path.write_bytes(bad)
        with pytest.raises(StoreError, match="damaged checkpoint"):
            checkpoint.load(path)


@pytest.mark.parametrize("size", [0, 1, 0.5, -1])
def test_a_truncated_checkpoint_gives_way_to_the_one_before(tmp_path: Path, size: float):
    old = state()
    checkpoint.save(tmp_path, old)
    path = checkpoint.save(tmp_path, old._replace(step=9))
    content = path.read_bytes()
    cut = int(len(content) * size) if isinstance(size, float) else size
    path.write_bytes(content[:cut])
    found = [c for _, c in checkpoint.newest(tmp_path, "run1") if not isinstance(c, StoreError)]
    assert [c.step for c in found] == [7]


def test_only_the_last_two_checkpoints_are_kept(tmp_path: Path):
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, state()._replace(step=step))
    assert sorted(p.name[-5] for p in tmp_path.iterdir()) == ["2", "3"]
    checkpoint.drop(tmp_path, {"run1"})
    assert not list(tmp_path.iterdir())


def test_a_pickle_in_place_of_a_checkpoint_is_refused(tmp_path: Path):
    canary = tmp_path / "canary"
    payload = np.array([Bomb(str(canary))], dtype=object)
    path = tmp_path / "run1-0000000001.npz"
    np.savez(path, manifest=payload, allow_pickle=True)
    with pytest.raises(StoreError, match="damaged checkpoint"):
        checkpoint.load(path)
    assert not canary.exists()


class Bomb:
    def __init__(self, path: str):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")

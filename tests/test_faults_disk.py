"""Full, failing and vanishing disks, owners that fork or die, and what a power cut would leave."""

import errno
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import funcdl as fd
from funcdl.errors import StoreError
from funcdl.execute import resume
from funcdl.store import checkpoint, fault, files, lock
from funcdl.store.environments import read_environments, remember_environment
from funcdl.store.ledger import Ledger
from funcdl.store.lock import owned
from funcdl.store.log import log_event, mend_log, read_log
from funcdl.store.parts import read_rows
from tests.study_tools import funcdl, start, write
from tests.test_store import row, state

TINY = """
name: tiny
task: classification
data: digits
train: {steps: 2, batch_size: 32}
model: logistic
optimizer: {name: sgd, learning_rate: 0.1}
repeat: 2
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    ended = funcdl("run", write(folder, TINY), "--out", folder / "out", "--workers", 1)
    assert ended.returncode == 0, ended.stderr
    return folder / "out"


def test_a_file_that_may_not_grow(tiny: Path, tmp_path: Path):
    """EFBIG comes after a partial write; the rows stay, and the same command goes on."""
    out = shutil.copytree(tiny, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (out / "runs").iterdir()}
    words = ("run", write(tmp_path, TINY), "repeat=3", "--out", out, "--workers", 1)
    command = shlex.join([sys.executable, "-m", "funcdl", *map(str, words)])
    limited = ["bash", "-c", f"ulimit -f 8; exec {command}"]  # KiB
    ended = subprocess.run(limited, capture_output=True, text=True)
    assert ended.returncode == 2
    assert f"{out}/" in ended.stderr
    assert "ulimit -f" in ended.stderr
    assert "Traceback" not in ended.stderr
    after = {path.name: path.read_bytes() for path in (out / "runs").iterdir()}
    assert before.items() <= after.items()
    ended = funcdl(*words)
    assert ended.returncode == 0, ended.stderr
    assert len(fd.load(out).runs) == 3


def test_a_folder_that_may_not_be_changed(tiny: Path, tmp_path: Path):
    out = shutil.copytree(tiny, tmp_path / "out")
    if subprocess.run(["chattr", "+i", out], capture_output=True).returncode:
        pytest.skip("chattr +i needs root and a file system that knows it")
    try:
        ended = funcdl("run", write(tmp_path, TINY), "repeat=3", "--out", out)
        assert ended.returncode == 2
        assert str(out) in ended.stderr
        assert "not permitted" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert len(fd.load(out).runs) == 2
    finally:
        subprocess.run(["chattr", "-i", out], check=True)


def change_one(folder: Path) -> None:
    (folder / "lock").unlink()
    (folder / "lock").touch()


@pytest.mark.parametrize(
    "change",
    [shutil.rmtree, lambda folder: folder.rename(folder.with_name("moved")), change_one],
    ids=["deleted", "renamed", "another's lock"],
)
def test_a_folder_that_goes_away_is_an_error_soon(tmp_path: Path, change):
    """Not only when the first run is to be stored, which may be hours later."""
    with owned(tmp_path / "study") as folder:
        ledger = Ledger(folder / "runs")
        ledger.commit(at_once=False)
        change(folder)
        with pytest.raises(StoreError, match=r"study: was deleted, renamed or replaced"):
            ledger.commit(at_once=False)


def test_a_deleted_folder_ends_the_program(tmp_path: Path):
    text = TINY.replace("steps: 2", "steps: 100000000, eval_every: 100000000")
    process = start("run", write(tmp_path, text), "--out", tmp_path / "out", "--workers", 1)
    while not (tmp_path / "out" / "environments.json").exists():
        assert process.poll() is None
    shutil.rmtree(tmp_path / "out")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2, said
    assert "was deleted" in said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


def test_of_four_processes_one_works_and_three_are_told_who(tmp_path: Path):
    text = TINY.replace("steps: 2", "steps: 100000000, eval_every: 100000000")
    words = ("run", write(tmp_path, text), "--out", tmp_path / "out", "--workers", 1)
    four = [start(*words) for _ in range(4)]
    ended = {}
    while len(ended) < 3:
        for process in four:
            if process.poll() is not None and process.pid not in ended:
                ended[process.pid] = process.communicate()[1]
    (winner,) = (process for process in four if process.pid not in ended)
    assert winner.poll() is None
    for process in four:
        if process is not winner:
            assert process.returncode == 2
            assert f"in use by process {winner.pid} on " in ended[process.pid]
            assert "Traceback" not in ended[process.pid]
    os.killpg(winner.pid, signal.SIGKILL)
    winner.communicate()
    with owned(tmp_path / "out"):
        pass


FORKS = """
import os, sys, time
from funcdl.store.lock import owned
with owned(sys.argv[1]):
    if os.fork() == 0:
        print("child", flush=True)
        time.sleep(60)
        os._exit(0)
    os.wait()
"""


def test_a_forked_child_does_not_hold_the_folder_of_a_dead_parent(tmp_path: Path):
    command = [sys.executable, "-c", FORKS, str(tmp_path / "study")]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    with parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "child\n"
        with (
            pytest.raises(lock.BusyError, match=f"process {parent.pid} "),
            owned(tmp_path / "study"),
        ):
            pass
        parent.kill()
        parent.wait()
        with owned(tmp_path / "study"):  # the child still lives
            pass
        os.killpg(parent.pid, signal.SIGKILL)


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(file, how):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    refused = pytest.raises(StoreError, match=r"study: cannot be locked \(No locks.*local disk")
    with refused, owned(tmp_path / "study"):
        pass


class Disk:
    """What a power cut would leave: contents that were fsynced, under names whose folder was."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.contents: dict[int, bytes] = {}
        self.names: dict[Path, dict[str, int]] = {}
        self.fsync = os.fsync
        monkeypatch.setattr(files, "os", SimpleNamespace(**{**vars(os), "fsync": self.synced}))
        monkeypatch.setattr(lock, "os", SimpleNamespace(**{**vars(os), "fsync": self.synced}))

    def synced(self, descriptor: int) -> None:
        self.fsync(descriptor)
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if path.is_dir():
            self.names[path] = {entry.name: entry.inode() for entry in os.scandir(path)}
        else:
            self.contents[os.fstat(descriptor).st_ino] = path.read_bytes()

    def left(self, folder: Path, to: Path) -> Path:
        """The folder as it would be found after the power cut."""
        to.mkdir()
        for name, inode in self.names.get(folder, {}).items():
            if inode in self.contents:
                (to / name).write_bytes(self.contents[inode])
        return to


def test_nothing_acknowledged_is_lost_by_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """At every point of every save the runs and checkpoints that were said to be safe are."""
    disk, cuts = Disk(monkeypatch), 0
    safe: set[str] = set()
    step = 0
    with owned(tmp_path / "study") as folder:
        assert disk.names[tmp_path]["study"] == folder.stat().st_ino
        assert {"runs", "checkpoints", "lock"} <= set(disk.names[folder])
        ledger = Ledger(folder / "runs")

        def cut(point: str) -> None:
            nonlocal cuts
            cuts += 1
            rows, damaged = read_rows(disk.left(folder / "runs", tmp_path / f"runs{cuts}"))
            assert not damaged, point
            assert safe <= set(rows["id"].to_pylist() if rows is not None else ()), point
            left = disk.left(folder / "checkpoints", tmp_path / f"checkpoints{cuts}")
            found = [c for _, c in checkpoint.newest(left, "run1") if not isinstance(c, StoreError)]
            assert step <= max((c.step for c in found), default=0), point

        monkeypatch.setattr(fault, "passed", cut)
        monkeypatch.setattr("funcdl.store.ledger.MANY_PARTS", 2)
        for number in range(1, 5):
            checkpoint.save(folder / "checkpoints", state()._replace(step=number))
            step = number
            ledger.add(row(str(number), repeat=number))
            safe |= set(ledger.commit())
            log_event(folder, "point")
        assert cuts > 60
        assert len(safe) == 4


def test_a_clock_that_jumps_back_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Waiting and durations go by the monotonic clock; only log and trackers tell the time of day."""
    import ast
    import datetime

    for path in Path(fd.__file__).parent.rglob("*.py"):
        if path.parent.name == "tracking":  # TensorBoard wants each point's
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) != ("time", "time"), path
    times = iter([2_000_000_000, 1_000_000_000])

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromtimestamp(next(times), tz)

    monkeypatch.setattr("funcdl.store.log.datetime.datetime", Clock)
    log_event(tmp_path, "first")
    log_event(tmp_path, "second")
    assert [event["event"] for event in read_log(tmp_path)[0]] == ["first", "second"]


def test_a_log_cut_at_any_byte_of_its_last_line_loses_that_line_alone(tmp_path: Path):
    log_event(tmp_path, "first", text='"quoted" é')
    log_event(tmp_path, "last")
    whole = (tmp_path / "events.jsonl").read_bytes()
    start_of_last = whole.index(b"\n") + 1
    for size in range(start_of_last + 1, len(whole)):
        (tmp_path / "events.jsonl").write_bytes(whole[:size])
        assert list(read_log(tmp_path)[1]) == [2]
        mend_log(tmp_path)
        events, damaged = read_log(tmp_path)
        assert not damaged
        assert [e["event"] for e in events] == ["first", "damaged line taken out of the log"]
        assert events[1]["line"] == 2
        (tmp_path / "events.jsonl").write_bytes(whole[:size])
        log_event(tmp_path, "next")  # without mending: the torn line spoils no other
        names = [event["event"] for event in read_log(tmp_path)[0]]
        lost = size < len(whole) - 1  # a line that lacks nothing but its end is whole again
        assert names == (["first", "next"] if lost else ["first", "last", "next"])


def test_of_a_damaged_record_of_environments_the_whole_ones_are_kept(tmp_path: Path):
    first = remember_environment(tmp_path, {"jax": "0.10.2"})
    second = remember_environment(tmp_path, {"jax": "0.11.0"})
    path = tmp_path / "environments.json"
    path.write_text(path.read_text().replace("0.11.0", "0.12.0"))
    assert read_environments(tmp_path) == {first: {"jax": "0.10.2"}}
    assert remember_environment(tmp_path, {"jax": "0.11.0"}) == second


def test_no_checkpoint_that_does_not_fit_is_gone_on_from(tmp_path: Path):
    """Another dtype, shape or structure is refused, and the run says that it starts again."""
    saved = state()
    for change in (
        {"x": np.zeros(3, np.float16)},
        {"x": np.zeros((3, 1), np.float32)},
        {"y": np.zeros(3, np.float32)},
        {},
    ):
        folder = tmp_path / str(len(os.listdir(tmp_path)))
        folder.mkdir()
        arrays = {f"['{name}']": array for name, array in change.items()}
        checkpoint.save(folder, saved._replace(arrays=arrays))
        told: list[str] = []
        template: Any = {"x": np.zeros(3, np.float32)}
        found = resume.restore(folder, "run1", template, lambda e, t=told, **details: t.append(e))
        assert found is None
        assert told == ["checkpoint set aside", "run starts again"]
        assert [path.suffix for path in folder.iterdir()] == [".damaged"]

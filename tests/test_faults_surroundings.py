"""What is around a study: devices, versions, caches, terminals, readers, signals while compiling."""

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import funcdl as fd
from funcdl.execute.device import no_worker, unused_gpu
from funcdl.execute.interrupt import Interrupted
from funcdl.store.environments import remember_environment
from funcdl.store.ledger import Ledger
from funcdl.store.lock import owned
from funcdl.store.parts import read_rows
from tests.study_tools import bits, children, funcdl, write
from tests.test_faults_disk import TINY
from tests.test_store import label, row


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study beside a compilation cache of its own."""
    folder = tmp_path_factory.mktemp("tiny")
    env = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(folder / "cache")}
    ended = funcdl("run", write(folder, TINY), "--out", folder / "out", "--workers", 1, env=env)
    assert ended.returncode == 0, ended.stderr
    return folder / "out"


def test_a_device_that_is_not_there_is_one_line(tmp_path: Path):
    env = {**os.environ, "JAX_PLATFORMS": "cuda"}
    ended = funcdl("run", write(tmp_path, TINY), "--out", tmp_path / "out", env=env)
    assert ended.returncode == 2
    told = [line for line in ended.stderr.splitlines() if "programs compiled" not in line]
    assert len(told) == 1
    assert "JAX_PLATFORMS=cuda asks for a device that JAX cannot use here" in told[0]
    assert "set JAX_PLATFORMS=cpu" in told[0]
    assert "jax[cuda12]" in told[0]


def test_without_a_wish_the_advice_is_to_look(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.delenv("JAX_PLATFORM_NAME", raising=False)
    assert "import jax; jax.devices()" in no_worker("SIGILL")


def test_a_gpu_without_a_plugin_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: ())
    assert unused_gpu(tmp_path) == ""
    (tmp_path / "nvidia0").touch()
    assert "JAX has no plugin for it" in unused_gpu(tmp_path)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: ("cuda",))
    assert unused_gpu(tmp_path) == ""
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert unused_gpu(tmp_path) == ""


def test_rows_of_two_environments_are_told(tiny: Path, tmp_path: Path):
    """As after an upgrade of jaxlib in the middle of a study: rows name it, and so does the report."""
    folder = shutil.copytree(tiny, tmp_path / "out")
    before = fd.load(folder)
    with owned(folder):
        other = {**before.question.environment, "jaxlib": "99.0"}
        name = remember_environment(folder, other)
        rows = read_rows(folder / "runs")[0]
        assert rows is not None
        ledger = Ledger(folder / "runs")
        new = row("new", repeat=7, environment=name)
        ledger.add(new)
        ledger.settle([label(new)])
    shutil.rmtree(folder / "report")
    (folder / "manifest.json").unlink()
    with pytest.warns(fd.DamageWarning, match=r"manifest\.json: is missing"):
        found = fd.load(folder).question.environment["jaxlib"]
    assert found == f"{before.question.environment['jaxlib']} and 99.0"


def test_a_damaged_compilation_cache_changes_no_bit(tiny: Path, tmp_path: Path):
    cache = shutil.copytree(tiny.parent / "cache", tmp_path / "cache")
    entries = [path for path in cache.rglob("*") if path.is_file() and path.stat().st_size > 100]
    assert entries
    for path in entries:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    env = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(cache)}
    words = ("--out", tmp_path / "out", "--workers", 1)
    ended = funcdl("run", write(tmp_path, TINY), *words, env=env)
    assert ended.returncode == 0, ended.stderr
    assert bits(fd.load(tmp_path / "out").runs).equals(bits(fd.load(tiny).runs))


def test_sigterm_while_compiling_is_heeded_soon(tmp_path: Path):
    """A program whose compilation never ends holds nobody up."""
    import signal

    import optax

    def asleep(learning_rate: float):
        time.sleep(10_000)
        return optax.sgd(learning_rate)

    study = fd.Study(
        task="classification",
        data="digits",
        model="logistic",
        train={"steps": 2},
        optimizer={"name": asleep, "learning_rate": 0.1},
        repeat=2,
    )
    sent = threading.Event()

    def observe(status) -> None:
        if not sent.is_set() and any("compiling" in doing for doing in status.workers):
            sent.set()
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted) as raised:
        fd.run(study, out=tmp_path / "out", workers=1, observe=observe)
    assert raised.value.signum == signal.SIGTERM
    assert not children(os.getpid())
    assert len(fd.load(tmp_path / "out").runs) == 0


def test_a_reader_sees_whole_rows_while_parts_are_joined(tmp_path: Path):
    """A reader that lists the parts just before they are joined must not miss their rows."""
    stop, seen, errors = threading.Event(), 0, []
    ledger = Ledger(tmp_path)
    ledger.add(row("0"))
    ledger.commit()

    def write_and_join() -> None:
        try:
            for number in range(1, 40):
                one = row(str(number), repeat=number)
                ledger.add(one)
                ledger.settle([label(one)])
        except Exception as error:
            errors.append(error)
        stop.set()

    writer = threading.Thread(target=write_and_join)
    writer.start()
    while not stop.is_set():
        rows, damaged = read_rows(tmp_path)
        assert not damaged
        assert rows is not None
        assert rows.num_rows >= seen
        seen = rows.num_rows
    writer.join()
    assert not errors
    rows = read_rows(tmp_path)[0]
    assert rows is not None
    assert rows.num_rows == 40


def test_a_folder_that_goes_while_it_is_read_is_a_clear_error(tiny: Path, tmp_path: Path):
    folder = shutil.copytree(tiny, tmp_path / "out")
    results = fd.load(folder)
    shutil.rmtree(folder)
    assert len(results.runs) == 2  # what was loaded is loaded
    with pytest.raises(fd.StoreError, match=r"not a study's folder"):
        fd.load(folder)


@pytest.mark.parametrize("closed", ["< /dev/null >&- 2>&-", "| true"])
def test_closed_streams_are_no_error(tiny: Path, tmp_path: Path, closed: str):
    folder = shutil.copytree(tiny, tmp_path / "out")
    config = write(tmp_path, TINY)
    words = f"{sys.executable} -m funcdl run {config} --out {folder} {closed}"
    ended = subprocess.run(["bash", "-c", words], capture_output=True, text=True)
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr
    assert "Exception" not in ended.stderr


def test_a_terminal_of_twenty_columns(tiny: Path, tmp_path: Path):
    folder = shutil.copytree(tiny, tmp_path / "out")
    env = {**os.environ, "COLUMNS": "20", "LC_ALL": "C", "PYTHONUTF8": "0"}
    ended = funcdl("report", folder, env=env)
    assert ended.returncode == 0, ended.stderr
    assert "logistic" in ended.stdout

"""A study that is stopped, killed or fought over ends with the same bits as one that is left alone."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

import funcdl as fd
from tests.study_tools import bits, carried_out, children, funcdl, start, write

LONG = """
name: long
task: classification
data: digits
train: {steps: 6000, batch_size: 64, eval_every: 1000}
model: {name: mlp, hidden: [64], dropout: 0.1}
compare:
  optimizer: [{name: sgd, momentum: 0.9}, adam]
tune:
  optimizer.learning_rate: {log_uniform: [1.0e-3, 0.1]}
  trials: 2
repeat: 2
"""
LONGER = LONG.replace("6000", "10000")  # for two workers that are killed many times
WIDE = """
name: wide
task: classification
data: digits
train: {steps: 4, batch_size: 1024}
model: {name: mlp, hidden: [128]}
optimizer: {name: sgd, learning_rate: 0.1}
repeat: 2
"""
EVERY = ("--checkpoint-every", 0.05)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> fd.Results:
    """The study left alone."""
    folder = tmp_path_factory.mktemp("calm")
    return carried_out(write(folder, LONG), folder / "out", "--workers", 2)


@pytest.fixture(scope="module")
def calm_for_longer(tmp_path_factory: pytest.TempPathFactory) -> fd.Results:
    folder = tmp_path_factory.mktemp("longer")
    return carried_out(write(folder, LONGER), folder / "out", "--workers", 2)


def same(results: fd.Results, calm: fd.Results) -> None:
    pd.testing.assert_frame_equal(bits(results.runs), bits(calm.runs))
    pd.testing.assert_frame_equal(results.metrics, calm.metrics)
    table = (results.folder / "report" / "comparisons.csv").read_text()
    assert table == (calm.folder / "report" / "comparisons.csv").read_text()


def killed_and_resumed(
    folder: Path, text: str, workers: int, who: str, kills: int, seed: int
) -> tuple[fd.Results, int]:
    """Runs the study, killing at random moments; returns it and how many kills hit.

    Every second kill strikes while the program starts, the others while it trains. `who` is killed:
    a "worker" (then the whole tree, a little later), the "supervisor", or "both".
    """
    config, out = write(folder, text), folder / "out"
    dice = random.Random(seed)
    hits = 0
    for kill in range(kills):
        process = start("run", config, "--out", out, "--workers", workers, *EVERY)
        if kill % 2 == 0:
            before = set((out / "checkpoints").glob("*.npz"))
            wait_until(
                lambda p=process, b=before: (
                    set((out / "checkpoints").glob("*.npz")) - b or p.poll() is not None
                )
            )
        try:
            # Once it trains soon, lest the study be finished before all kills have struck.
            process.wait(dice.uniform(0.0, 1.5 if kill % 2 else 0.5))
        except subprocess.TimeoutExpired:
            hits += 1
            found = children(process.pid)
            if who == "worker" and found:
                os.kill(dice.choice(found), signal.SIGKILL)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(dice.uniform(0.0, 1.5))
            if who == "supervisor":
                os.kill(process.pid, signal.SIGKILL)
            elif process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    return carried_out(config, out, "--workers", workers, *EVERY), hits


@pytest.mark.parametrize("who", ["both"])
def test_killed_at_random_moments(calm: fd.Results, tmp_path: Path, who: str):
    results, hits = killed_and_resumed(tmp_path, LONG, 1, who, kills=5, seed=0)
    assert hits == 5, "kills came too late to prove anything"
    same(results, calm)
    assert "run resumed" in events(results.folder)
    assert not list((results.folder / "checkpoints").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("who", ["worker", "supervisor", "both"])
def test_killed_at_many_random_moments(calm_for_longer: fd.Results, tmp_path: Path, who: str):
    """At least 20 hits each."""
    total = 0
    for seed in range(1, 7):
        folder = tmp_path / str(seed)
        folder.mkdir()
        results, hits = killed_and_resumed(folder, LONGER, 2, who, kills=5, seed=seed)
        same(results, calm_for_longer)
        total += hits
    assert total >= 20


@pytest.mark.parametrize(
    ("signum", "status"),
    [
        pytest.param(signal.SIGINT, 130, id="ctrl-c"),
        pytest.param(signal.SIGTERM, 143, id="term"),
        pytest.param(signal.SIGHUP, 129, id="hangup", marks=pytest.mark.slow),
    ],
)
def test_a_signal_saves_and_the_same_command_goes_on(
    calm: fd.Results, tmp_path: Path, signum: int, status: int
):
    config, out = write(tmp_path, LONG), tmp_path / "out"
    process = start("run", config, "--out", out, "--workers", 1, "--checkpoint-every", 1000)
    wait_until(lambda: children(process.pid))
    wait_until(lambda: "started" in events(out))
    if signum == signal.SIGTERM:  # in the middle of a run; the others strike while it starts
        time.sleep(1.0)
        wait_until(lambda: list((out / "runs").glob("*.parquet")))
    workers = children(process.pid)
    process.send_signal(signum)
    _, said = process.communicate(timeout=60)
    assert process.returncode == status, said
    assert "Traceback" not in said
    assert "run the same command again" in said
    assert not [pid for pid in workers if alive(pid)]
    ended = funcdl("run", config, "--out", out, "--workers", 1)
    assert ended.returncode == 0, ended.stderr
    same(fd.load(out), calm)


def test_a_killed_worker_is_replaced(calm: fd.Results, tmp_path: Path):
    """It was the only one: nobody else could end the study."""
    out = tmp_path / "out"
    process = start("run", write(tmp_path, LONG), "--out", out, "--workers", 1, *EVERY)
    wait_until(lambda: list((out / "checkpoints").glob("*.npz")) if out.exists() else None)
    os.kill(children(process.pid)[0], signal.SIGKILL)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert "worker lost" in events(out)
    same(fd.load(out), calm)


def test_workers_of_a_killed_supervisor_end(tmp_path: Path):
    out = tmp_path / "out"
    process = start("run", write(tmp_path, LONG), "--out", out, "--workers", 2)
    wait_until(lambda: len(children(process.pid)) == 2)
    wait_until(lambda: "started" in events(out))
    workers = children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    wait_until(lambda: not any(map(alive, workers)))


def test_a_damaged_checkpoint_is_set_aside(calm: fd.Results, tmp_path: Path):
    config, out = write(tmp_path, LONG), tmp_path / "out"
    process = start("run", config, "--out", out, "--workers", 1, *EVERY)
    wait_until(lambda: list((out / "checkpoints").glob("*.npz")) if out.exists() else None)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    found = sorted((out / "checkpoints").glob("*.npz"))
    assert found
    for path in found:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    ended = funcdl("run", config, "--out", out, "--workers", 1)
    assert ended.returncode == 0, ended.stderr
    assert "checkpoint set aside" in events(out)
    same(fd.load(out), calm)


def test_damaged_rows_are_set_aside_and_run_again(calm: fd.Results, tmp_path: Path):
    out = tmp_path / "out"
    shutil.copytree(calm.folder, out)
    (part,) = (out / "runs").glob("*.parquet")
    content = bytearray(part.read_bytes())
    content[100] ^= 1
    part.write_bytes(content)
    results = carried_out(write(tmp_path, LONG), out, "--workers", 1)
    assert "damaged rows set aside" in events(out)
    same(results, calm)


def events(out: Path) -> str:
    path = out / "events.jsonl"
    return path.read_text() if path.exists() else ""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until(condition, seconds: float = 60.0):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)
    return found


@pytest.mark.slow
def test_a_signal_to_the_whole_group_saves_too(calm: fd.Results, tmp_path: Path):
    """As `timeout` and batch systems send it: workers must not die of it before they have saved."""
    config, out = write(tmp_path, LONG), tmp_path / "out"
    process = start("run", config, "--out", out, "--workers", 2, "--checkpoint-every", 1000)
    wait_until(lambda: list((out / "runs").glob("*.parquet")))
    os.killpg(process.pid, signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert "worker lost" not in events(out)
    ended = funcdl("run", config, "--out", out, "--workers", 2)
    assert ended.returncode == 0, ended.stderr
    same(fd.load(out), calm)


@pytest.mark.slow
def test_nohup_means_it(tmp_path: Path):
    out = tmp_path / "out"
    words = [sys.executable, "-m", "funcdl", "run", str(write(tmp_path, LONG)), "--out", str(out)]
    process = subprocess.Popen(
        ["nohup", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_until(lambda: "started" in events(out))
    process.send_signal(signal.SIGHUP)
    assert process.wait(120) == 0


def test_a_death_before_the_report_leaves_no_stale_one(calm: fd.Results, tmp_path: Path):
    """The page is taken away before anything changes, and written last."""
    out = shutil.copytree(calm.folder, tmp_path / "out")
    config = write(tmp_path, LONG)
    before = (out / "report" / "table.csv").read_text()
    carried_out(config, out, "repeat=3", "--workers", 1)
    (out / "report" / "index.html").unlink()  # as a death before its writing leaves it
    (out / "report" / "table.csv").write_text(before)
    assert carried_out(config, out, "repeat=3", "--workers", 0).table["n"].tolist() == [3, 3]
    assert (out / "report" / "table.csv").read_text() != before
    assert (out / "report" / "index.html").exists()


def test_the_number_of_cores_does_not_change_bits(tmp_path: Path):
    """With sums so long that XLA would share them out to threads, and other bits come out."""
    if not shutil.which("taskset") or len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs taskset, and two cores")

    def digests(cores: str, *words: str) -> list[str]:
        out = tmp_path / "-".join((cores, *words))
        command = [sys.executable, "-m", "funcdl", "run", str(config), *words, "--out", str(out)]
        told = {"JAX_ENABLE_X64": "1", "JAX_THREEFRY_PARTITIONABLE": "0"}
        env = {k: v for k, v in os.environ.items() if k != "PJRT_NPROC"} | told
        subprocess.run(["taskset", "-c", cores, *command], check=True, capture_output=True, env=env)
        return list(fd.load(out).runs["digest"])

    config = write(tmp_path, WIDE)
    first, second = sorted(os.sched_getaffinity(0))[:2]
    alone = digests(str(first))
    assert digests(f"{first},{second}") == alone
    assert digests(f"{first},{second}", "--workers", "0") == alone
    assert digests(f"{first},{second}", "threads=2") != alone  # these sums do tell


def test_a_second_signal_ends_at_once_and_the_store_is_sound(calm: fd.Results, tmp_path: Path):
    config, out = write(tmp_path, LONG), tmp_path / "out"
    process = start("run", config, "--out", out, "--workers", 1, *EVERY)
    wait_until(lambda: list((out / "checkpoints").glob("*.npz")) if out.exists() else None)
    workers = children(process.pid)
    for pid in workers:  # they cannot save, so that one signal would have to wait
        os.kill(pid, signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    wait_until(lambda: "interrupted" in events(out))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=10)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert not [pid for pid in workers if alive(pid)]
    same(carried_out(config, out, "--workers", 1), calm)


def test_ctrl_c_while_python_still_imports():
    """From the first line of the program on: one line and status 130, never a traceback."""
    code = (
        "import os, runpy, signal, sys\n"
        "module, sys.argv[1:] = sys.argv[1], ['list']\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == module:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "runpy.run_module('funcdl', run_name='__main__', alter_sys=False)\n"
    )
    for module in ("funcdl.cli", "typer", "funcdl.catalogue"):
        words = [sys.executable, "-c", code, module]
        ended = subprocess.run(words, capture_output=True, text=True)
        assert (ended.returncode, ended.stdout) == (130, ""), module
        assert ended.stderr == "stopped by SIGINT\n", module

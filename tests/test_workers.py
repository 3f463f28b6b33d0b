"""The same bits from any number of workers, none among them, and whatever happens to one."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest

import funcdl as fd
from funcdl.config import load as load_config
from funcdl.execute import inline, patience, settings
from funcdl.execute.status import Status
from funcdl.store.environments import read_environments
from tests.fatal import entangled, fatal
from tests.study_tools import funcdl, start, write
from tests.test_resume import EVERY, events, wait_until

FAMILIES = """
name: families
task: classification
data: digits
train: {steps: 20, batch_size: 16, eval_every: 10}
compare:
  approach:
    mlp: {model: {name: mlp, hidden: [16], dropout: 0.1}, optimizer: {name: adamw, learning_rate: 0.01}}
    cnn: {model: {name: cnn, channels: [4]}, optimizer: {name: sgd, learning_rate: 0.1}}
baselines: {forest: {name: random_forest, n_estimators: 5}}
repeat: 2
"""
# Much longer than the second after which it is looked at first.
LASTING = """
name: lasting
task: classification
data: digits
train: {steps: 100000, batch_size: 32, eval_every: 50000}
model: {name: mlp, hidden: [16], dropout: 0.1}
optimizer: {name: adamw, learning_rate: 0.01}
repeat: 1
"""
EIGHT = "--xla_force_host_platform_device_count=8"


def plain() -> dict[str, str]:
    """The environment of a process that was told nothing of how workers run, and much that would
    change numbers."""
    return {key: value for key, value in os.environ.items() if key != "PJRT_NPROC"} | {
        "JAX_ENABLE_X64": "1",
        "JAX_THREEFRY_PARTITIONABLE": "0",
        "JAX_DEFAULT_MATMUL_PRECISION": "bfloat16",
        "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    }


def same(results: fd.Results, other: fd.Results) -> None:
    """Equal in every bit, the environment included."""
    columns = ["seconds"]
    pd.testing.assert_frame_equal(
        results.runs.drop(columns=columns), other.runs.drop(columns=columns)
    )
    pd.testing.assert_frame_equal(results.metrics, other.metrics)
    for name in ("test/loss", "test/accuracy"):
        one, two = results.examples(name), other.examples(name)
        assert one.keys() == two.keys()
        assert all((one[run] == two[run]).all() for run in one)


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> fd.Results:
    """A study of some families and optimizers, by two workers."""
    folder = tmp_path_factory.mktemp("families")
    study = load_config(write(folder, FAMILIES))
    return fd.run(study, out=folder / "out", workers=2, observe=lambda status: None)


@pytest.mark.parametrize("workers", [0, 1, pytest.param(3, marks=pytest.mark.slow)])
def test_bits_do_not_depend_on_the_number_of_workers(
    families: fd.Results, tmp_path: Path, workers: int
):
    before = dict(jax.config.values)
    study = load_config(write(tmp_path, FAMILIES))
    results = fd.run(study, out=tmp_path / "out", workers=workers, observe=lambda status: None)
    same(results, families)
    assert jax.config.values == before, "the settings of this process are its own again"


@pytest.mark.slow
def test_eight_devices_do_a_run_each(families: fd.Results, tmp_path: Path):
    """The answer is that of one device, to last digits; the bits are those of eight again."""
    env, config = os.environ | {"XLA_FLAGS": EIGHT}, write(tmp_path, FAMILIES)
    for name in ("one", "two"):
        ended = funcdl("run", config, "--out", tmp_path / name, env=env)
        assert ended.returncode == 0, ended.stderr
    runs, again = (fd.load(tmp_path / name).runs for name in ("one", "two"))
    assert runs.drop(columns="seconds").equals(again.drop(columns="seconds"))
    (facts,) = read_environments(tmp_path / "one").values()
    assert facts["devices"] == "8"
    columns = ["method", "phase", "repeat", "status", "steps"]
    assert runs[columns].equals(families.runs[columns])
    for metric in ("test/loss", "test/accuracy"):
        np.testing.assert_allclose(runs[metric], families.runs[metric], rtol=1e-5)
    for _, together in runs[runs.method != "forest"].groupby("method"):
        assert together.seconds.nunique() == 1, "equal shares of one time"


@pytest.mark.slow
def test_streams_masks_and_outputs_are_each_devices_own(tmp_path: Path):
    """Windows, draws of dropout while looking, predictions and parameters have an axis of lanes."""
    words = ["run", write(tmp_path, FAMILIES), "baselines=null", "keep=[predictions, parameters]"]
    words += ["metrics=[ece]", "train.stream=always", "train.mc_passes=2", "train.augment=[noise]"]
    both = []
    for name, env in (("one", {}), ("eight", {"XLA_FLAGS": EIGHT})):
        ended = funcdl(*words, "--out", tmp_path / name, env=os.environ | env)
        assert ended.returncode == 0, ended.stderr
        both.append(fd.load(tmp_path / name))
    one, eight = (results.runs for results in both)
    assert one["method"].equals(eight["method"])
    for metric in ("train/loss", "validation/loss", "test/loss", "test/ece"):
        np.testing.assert_allclose(eight[metric], one[metric], rtol=1e-4)
        assert one[metric].nunique() == len(one), "so that runs which changed places would show"


@pytest.mark.parametrize("cores", [pytest.param("0", marks=pytest.mark.slow), "0,1"])
def test_without_workers_bits_do_not_depend_on_cores_or_settings(
    families: fd.Results, tmp_path: Path, cores: str
):
    if not shutil.which("taskset"):
        pytest.skip("needs taskset")
    out = tmp_path / "out"
    words = ["run", str(write(tmp_path, FAMILIES)), "--out", str(out), "--workers", "0"]
    command = ["taskset", "-c", cores, sys.executable, "-m", "funcdl", *words]
    subprocess.run(command, check=True, capture_output=True, env=plain())
    same(fd.load(out), families)


def test_settings_are_those_of_a_process_that_was_told_nothing():
    code = (
        "import jax\n"
        "from funcdl.execute.settings import SETTINGS, _plain\n"
        "for name, value in SETTINGS.items():\n"
        "    found = _plain(jax.config.values.get(name, value))\n"
        "    assert found == value, (name, found, value)\n"
    )
    env = {key: value for key, value in os.environ.items() if not key.startswith("JAX_")}
    subprocess.run([sys.executable, "-c", code], check=True, env=env)


USED = """
import sys
import jax
import funcdl as fd
jax.devices()
study = fd.Study(task="classification", data="digits", model="logistic", repeat=2,
                 optimizer={"name": "sgd", "learning_rate": 0.1}, train={"steps": 2})
fd.run(study, out=sys.argv[1], workers=0)
"""


def test_a_process_that_uses_jax_with_other_threads_is_refused(tmp_path: Path):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two cores")
    words = [sys.executable, "-c", USED, str(tmp_path / "out")]
    ended = subprocess.run(words, capture_output=True, text=True, env=plain())
    assert "FuncdlError: workers=0 needs JAX in this process to use 1 thread" in ended.stderr
    assert "PJRT_NPROC=1" in ended.stderr


def test_a_setting_held_by_a_block_is_refused():
    with (
        jax.default_matmul_precision("bfloat16"),
        pytest.raises(fd.FuncdlError, match="jax_default_matmul_precision is 'bfloat16' here"),
        settings.as_in_a_worker(1),
    ):
        pass
    with settings.as_in_a_worker(1):
        assert jax.config.values["jax_numpy_rank_promotion"] == "allow"
    assert jax.config.values["jax_numpy_rank_promotion"] == "raise"


def test_a_signal_without_workers_saves_and_the_study_goes_on_anywhere(tmp_path: Path):
    config, out = write(tmp_path, LASTING), tmp_path / "out"
    process = start("run", config, "--out", out, "--workers", 0, *EVERY, env=plain())
    wait_until(lambda: list((out / "checkpoints").glob("*.npz")) if out.exists() else None)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert "run the same command again" in said
    assert list((out / "checkpoints").glob("*.npz"))
    ended = funcdl("run", config, "--out", out, "--workers", 1)
    assert ended.returncode == 0, ended.stderr
    assert "run resumed" in events(out)
    assert fd.verify(out, runs=1, workers=0, observe=lambda status: None).equal


def test_what_fails_without_workers_fails_alone(tmp_path: Path):
    text = FAMILIES.replace("name: cnn, channels: [4]", "name: transformer, heads: 3")
    study = load_config(write(tmp_path, text))
    results = fd.run(study, out=tmp_path / "out", workers=0, observe=lambda status: None)
    statuses = results.runs.groupby("method")["status"].unique().map(list).to_dict()
    assert statuses == {"mlp": ["ok"], "cnn": ["failed"], "forest": ["ok"]}


def test_trouble_of_the_study_is_not_put_down_to_the_run_it_interrupts(tmp_path: Path):
    def observe(status: Status) -> None:
        if status.programs:  # in the middle of the first run
            raise fd.StoreError("the disk is full")

    study = load_config(write(tmp_path, FAMILIES))
    with pytest.raises(fd.StoreError, match="the disk is full"):
        fd.run(study, out=tmp_path / "out", workers=0, observe=observe)
    assert "run failed" not in events(tmp_path / "out")


def test_a_process_that_holds_an_accelerator_needs_no_workers(monkeypatch: pytest.MonkeyPatch):
    assert inline.crew_size(None, 1) >= 1
    assert settings.accelerator_held() is None
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    assert settings.accelerator_held() == "tpu"
    assert inline.crew_size(None, 1) == 0
    assert inline.crew_size(2, 1) == 2


def test_asking_for_an_accelerator_does_not_start_jax():
    code = (
        "import jax\n"
        "from funcdl.execute.settings import _has_started, accelerator_held\n"
        "assert accelerator_held() is None and not _has_started()\n"
        "jax.devices()\n"
        "assert _has_started() and jax.config.values['jax_num_cpu_devices'] == -1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


class Impatience:
    """Lets the supervisor lose patience only when the hang has begun, however slow the machine is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, patience: str, marker: Path, out: Path):
        self.monkeypatch, self.patience, self.marker, self.out = monkeypatch, patience, marker, out

    def __call__(self, status: object) -> None:
        hangs = self.marker.exists() and "worker hung" not in events(self.out)
        self.monkeypatch.setattr(patience, self.patience, 2.0 if hangs else 600.0)


def under_fire(folder: Path, markers: Path, observe) -> fd.Results:
    """Four methods; the models of three take their worker down once, if there is no marker."""
    approaches = {
        how: {"model": {"name": fatal, "how": how, "marker": str(markers / how)}}
        for how in ("crash", "memory", "hang")
    }
    study = fd.Study(
        task="classification",
        data="digits",
        optimizer={"name": "sgd", "learning_rate": 0.1},
        train={"steps": 60, "eval_every": 20},
        compare={"approach": {**approaches, "calm": {"model": "logistic"}}},
        repeat=1,
    )
    return fd.run(study, out=folder, workers=1, checkpoint_every=0, observe=observe)


def test_a_worker_that_crashes_is_killed_or_hangs_is_replaced_and_its_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    markers, out = tmp_path / "markers", tmp_path / "struck"
    markers.mkdir()
    impatience = Impatience(monkeypatch, "SILENCE", markers / "hang", out)
    struck = under_fire(out, markers, impatience)
    assert len(list(markers.iterdir())) == 3, "each has struck"
    assert set(struck.runs["status"]) == {"ok"}
    log = pd.read_json(out / "events.jsonl", lines=True)
    lost = log[log["event"] == "worker lost"]["how"].tolist()
    assert sorted(lost) == ["SIGKILL", "SIGKILL", "SIGSEGV"]  # one by whoever watches it
    assert log["event"].value_counts()["worker hung"] == 1
    resumed = log[log["event"] == "run resumed"]
    assert set(resumed["run"]) == set(struck.runs[struck.runs["method"] != "calm"]["id"])
    assert (resumed["step"] >= 1).all()
    same(under_fire(tmp_path / "calm", markers, lambda status: None), struck)


def test_a_worker_that_xla_hangs_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Not every version of XLA hangs; `fatal` hangs in the test before on all of them."""
    monkeypatch.setenv("XLA_FLAGS", EIGHT.replace("8", "2"))
    marker, out = tmp_path / "marker", tmp_path / "out"
    study = fd.Study(
        task="classification",
        data="digits",
        model={"name": entangled, "marker": str(marker)},
        optimizer={"name": "sgd", "learning_rate": 0.1},
        train={"steps": 4},
        repeat=1,
    )
    impatience = Impatience(monkeypatch, "COMPILING", marker, out)
    results = fd.run(study, out=out, workers=1, observe=impatience)
    assert results.runs["status"].tolist() == ["ok"]
    if marker.read_text():
        pytest.skip("this version of XLA does not hang here")
    assert "worker hung" in events(out)

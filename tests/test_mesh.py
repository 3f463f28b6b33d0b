"""One run over many devices: the same mathematics, a part of the memory on each, and never lost."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest

import funcdl as fd
from funcdl.config import expand
from funcdl.errors import FuncdlError, StudyError
from funcdl.plan.mode import ACCELERATOR
from funcdl.plan.study import make_plan
from funcdl.train.mesh import SMALL, make_mesh, split
from tests.quick import FLAGS
from tests.study_tools import bits, funcdl, start, write
from tests.test_resume import events, wait_until

EIGHT = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "PJRT_NPROC": "8"}
ALONE = {"XLA_FLAGS": "", "PJRT_NPROC": "1"}
# Compiled in half the time.
QUICK = f"{EIGHT['XLA_FLAGS']} --xla_backend_optimization_level=0 {FLAGS}"
STUDY = """
name: meshed
task: classification
data: digits
train: {steps: 900, batch_size: 64, eval_every: 300}
model: {name: mlp, hidden: [64, 64], dropout: 0.1}
optimizer: {name: adam, learning_rate: 0.001}
mesh: {data: 2, fsdp: 4}
repeat: 2
"""


def on_eight(*cases: str, **env: str) -> dict[str, Any]:
    """What the cases in `eight_devices.py` print."""
    command = [sys.executable, "-m", "tests.eight_devices", *cases]
    ended = subprocess.run(
        command, env=os.environ | EIGHT | env, capture_output=True, text=True, timeout=500
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("case", "models"), [("float64", 2), pytest.param("float64_more", 3, marks=pytest.mark.slow)]
)
def test_in_float64_a_mesh_trains_as_one_device_does(case: str, models: int):
    """Sums in another order differ by 1e-16 each; training in float64 keeps that small."""
    found = on_eight(case, XLA_FLAGS=QUICK, JAX_ENABLE_X64="1")[case]
    assert len(found) == models
    for name, (apart, moved) in found.items():
        assert apart < 1e-9, name
        assert moved > 1e-2, f"{name}: training did nothing, so nothing was compared"


def test_in_float32_a_mesh_repeats_itself_and_stays_close_to_one_device():
    """A rounding is 6e-8; Adam's first steps scale a tiny gradient's error up to the rate, 1e-3, and
    30 steps change the loss by about 1: 1e-4 is far above the one and far below the other."""
    one, many = (on_eight("float32", **env)["float32"] for env in (ALONE, EIGHT))
    first, again = many["digests"]
    assert first == again
    assert one["final"].keys() == many["final"].keys()
    np.testing.assert_allclose(many["examples"], one["examples"], rtol=1e-4, atol=1e-4)
    assert many["final"]["test/loss"] == pytest.approx(one["final"]["test/loss"], rel=1e-5)


@pytest.mark.slow
def test_frozen_parameters_unlabelled_examples_and_a_centre_of_the_first_batch_over_a_mesh():
    """What is not trained, what has no label, and what follows from a whole batch: as on one device."""
    exact = on_eight("float64_special", XLA_FLAGS=QUICK, JAX_ENABLE_X64="1")["float64_special"]
    assert exact.pop("frozen moved") == 0.0
    for name, (apart, moved) in exact.items():
        assert apart < 1e-9, name
        assert moved > 1e-2, f"{name}: training did nothing, so nothing was compared"
    one, many = (on_eight("float32_special", **env)["float32_special"] for env in (ALONE, EIGHT))
    assert set(exact) == set(one) == set(many) == {"frozen", "unlabelled", "deep_svdd"}
    for name, found in many.items():
        first, again = found["digests"]
        assert first == again, name
        assert found["final"]["test/loss"] == pytest.approx(
            one[name]["final"]["test/loss"], rel=1e-4
        )


@pytest.mark.slow
def test_every_device_holds_its_part():
    found = on_eight("shards", "memory", XLA_FLAGS=QUICK)
    large = {path: held for path, held in found["shards"].items() if held[0] >= 4 * SMALL}
    assert len(large) == 2 * 3  # two kernels, and two moments of each
    assert all(whole == 4 * here for whole, here, _ in large.values())
    small = {path: held for path, held in found["shards"].items() if path not in large}
    assert all(whole == here for whole, here, _ in small.values())
    assert all(devices == 8 for *_, devices in found["shards"].values())
    for name, needs in found["memory"].items():
        alone, mesh = needs["alone"], needs["mesh"]
        assert mesh["state"] < 0.27 * alone["state"], name  # a quarter, and small arrays whole
        assert mesh["in place"] == pytest.approx(mesh["state"], rel=0.01), name
        assert mesh["chunk"] < 0.4 * alone["chunk"], name
        assert mesh["init"] < 0.3 * alone["init"], name


def test_an_array_is_split_along_its_longest_axis_that_divides():
    rng = np.random.default_rng(0)
    for _ in range(500):
        shape = tuple(int(n) for n in rng.integers(1, 80, rng.integers(0, 4)))
        parts = int(rng.integers(1, 9))
        spec = tuple(split(shape, parts))
        fit = [n for n in shape if n % parts == 0]
        if parts == 1 or np.prod(shape) < SMALL or not fit:
            assert spec == ()
        else:
            assert spec.count("fsdp") == 1
            assert shape[spec.index("fsdp")] == max(fit)


def test_more_devices_than_there_are():
    message = "takes 16 devices, but JAX sees 1 .*xla_force_host_platform_device_count=16"
    with pytest.raises(FuncdlError, match=message):
        make_mesh({"data": 2, "fsdp": 8}, jax.devices()[:1])


def test_a_study_that_asks_for_more_devices_ends_at_once(tmp_path: Path):
    ended = funcdl("run", write(tmp_path, STUDY), "--out", tmp_path / "out")
    assert ended.returncode == 2
    assert "mesh: {data: 2, fsdp: 4} takes 8 devices, but JAX sees 1 (cpu)" in ended.stderr
    assert "Traceback" not in ended.stderr


def study(**keys: Any) -> fd.Study:
    known: dict[str, Any] = {
        "task": "classification",
        "data": "digits",
        "model": "logistic",
        "optimizer": {"name": "sgd", "learning_rate": 0.1},
        "repeat": 1,
    }
    return fd.Study(**(known | keys))


@pytest.mark.parametrize(
    ("train", "allowed"),
    [({"batch_size": 60}, "multiples of 8"), ({"accumulate": 16}, "multiples of 128")],
)
def test_a_batch_that_does_not_divide_is_refused_when_planning(train: dict, allowed: str):
    asked = study(mesh={"data": 2, "fsdp": 4}, train={"batch_size": 64} | train)
    with pytest.raises(StudyError, match=rf"train\.batch_size: .*{allowed}"):
        make_plan(asked, expand(asked))


def test_the_mesh_is_a_part_of_a_runs_identity():
    def first_run(**keys: Any) -> str:
        asked = study(**keys)
        (contest,) = make_plan(asked, expand(asked), ACCELERATOR).contests
        return contest.make("measure", 0, 0, {}, None).id

    alone = first_run(mode="each")
    meshes = [{"data": 2}, {"fsdp": 2}, {"data": 2, "fsdp": 2}]
    assert len({alone, *(first_run(mesh=mesh) for mesh in meshes)}) == 4
    # One run over all devices is one at a time, on an accelerator, too.
    assert first_run(mesh={"data": 2}) == first_run(mesh={"data": 2}, mode="each")


@pytest.mark.slow
def test_killed_and_resumed_a_mesh_ends_with_the_same_bits(tmp_path: Path):
    env = os.environ | {"XLA_FLAGS": EIGHT["XLA_FLAGS"]}
    config = write(tmp_path, STUDY)
    calm, out = tmp_path / "calm", tmp_path / "out"
    ended = funcdl("run", config, "--out", calm, "--workers", 2, env=env)
    assert ended.returncode == 0, ended.stderr
    killed = ("run", config, "--out", out, "--checkpoint-every", 0)
    process = start(*killed, env=env)
    wait_until(lambda: list((out / "checkpoints").glob("*.npz")) or process.poll() is not None)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert list((out / "checkpoints").glob("*.npz"))
    ended = funcdl(*killed, env=env)
    assert ended.returncode == 0, ended.stderr
    assert "run resumed" in events(out)
    whole, resumed = fd.load(calm), fd.load(out)
    pd.testing.assert_frame_equal(bits(resumed.runs), bits(whole.runs))
    pd.testing.assert_frame_equal(resumed.metrics, whole.metrics)
    assert set(whole.runs["status"]) == {"ok"}
    assert whole.runs["digest"].nunique() == 2

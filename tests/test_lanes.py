"""Runs in the lanes of one program: they do not see each other, and do what runs alone do."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

import funcdl as fd
from funcdl.data.load import make_data
from funcdl.execute import resume
from funcdl.execute.lanes import run_lanes
from funcdl.execute.messages import Job
from funcdl.execute.programs import compile_program, template_of
from funcdl.execute.runner import Stopped, Watch
from funcdl.plan.mode import Mode
from funcdl.plan.recipe import cut
from funcdl.plan.study import make_plan
from funcdl.store.environments import read_environments
from tests.study_tools import SMALL, bits, funcdl, start, write

DATA = make_data("digits")
TRAIN = jax.device_put(DATA.train)
FAMILIES = {
    "logistic": {"model": "logistic"},
    "mlp": {"model": {"name": "mlp", "hidden": [16], "dropout": 0.2}},
    "cnn": {"model": {"name": "cnn", "channels": [4]}},
    "gru": {"model": {"name": "gru", "hidden": [8]}},
    "transformer": {"model": {"name": "transformer", "width": 16, "heads": 2, "depth": 1}},
}


def jobs_of(family: str, rates: list[float], steps: int = 6, optimizer: str = "adamw") -> list[Job]:
    study = fd.Study(
        task="classification",
        data="digits",
        optimizer={"name": optimizer, "learning_rate": 0.1},
        train={"steps": steps, "batch_size": 16, "eval_every": 3},
        mode="vmap",
        width=4,
        **FAMILIES[family],
    )
    trial = make_plan(study, fd.config.expand(study)).trials[0][0]
    assert trial.static is not None
    one = Job(
        *("", trial.program, trial.static, trial.hyper, trial.data, 0, "measure"),
        *({}, steps, 3, True, ("validation/accuracy", "max", "final")),
        mode=trial.mode,
    )
    return [
        one._replace(
            id=f"{family}-{i}",
            hyper={**trial.hyper, "optimizer.learning_rate": rate},
            streams=dict.fromkeys(("init", "order", "dropout", "augment"), i),
        )
        for i, rate in enumerate(rates)
    ]


def program_of(job: Job):
    assert job.static is not None
    return compile_program(job.static, DATA, TRAIN, job.hyper, job.mode)[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_lane_does_not_see_its_neighbours(family: str):
    """Neither their order, nor how many there are, nor what they hold, nor their NaNs."""
    rates = [0.01, 0.02, 0.05, 0.1]
    jobs = jobs_of(family, rates)
    program = program_of(jobs[0])

    def digests(chosen: list[Job]) -> dict[str, tuple]:
        results = run_lanes(chosen, program, DATA, TRAIN, saved={})
        return {r.id: (r.status, r.steps, r.digest, tuple(r.final.items())) for r in results}

    together = digests(jobs)
    assert len({value[2] for value in together.values()}) == 4
    assert digests([jobs[i] for i in (3, 1, 0, 2)]) == together
    assert digests(jobs[2:3]) == {jobs[2].id: together[jobs[2].id]}
    sick = jobs[0]._replace(hyper={**jobs[0].hyper, "optimizer.learning_rate": float("nan")})
    beside_nan = digests([sick, *jobs[1:]])
    assert beside_nan.pop(sick.id)[:2] == ("diverged", 1)
    assert beside_nan == {job.id: together[job.id] for job in jobs[1:]}


def test_lanes_may_have_runs_of_different_lengths():
    jobs = jobs_of("mlp", [0.01, 0.02, 0.05])
    program = program_of(jobs[0])
    whole = run_lanes(jobs, program, DATA, TRAIN, saved={})
    mixed = [jobs[0], jobs[1]._replace(until=3), jobs[2]]
    cut_short = run_lanes(mixed, program, DATA, TRAIN, saved={})
    assert [r.steps for r in cut_short] == [6, 3, 6]
    assert [cut_short[i].digest for i in (0, 2)] == [whole[i].digest for i in (0, 2)]
    (alone,) = run_lanes(mixed[1:2], program, DATA, TRAIN, saved={})
    assert alone.digest == cut_short[1].digest != whole[1].digest, "a lane at its end is frozen"
    before, after = (r[1].curves["validation/loss"].values for r in (cut_short, whole))
    np.testing.assert_array_equal(before, after[:1])


def test_lanes_go_on_from_their_checkpoints(tmp_path: Path):
    """Also when only some of them were saved: the others start anew."""
    jobs = jobs_of("mlp", [0.01, 0.02, 0.05])
    program = program_of(jobs[0])
    whole = run_lanes(jobs, program, DATA, TRAIN, saved={})

    def beat(saves, now, steps):
        for job, left in saves()[:2]:
            resume.save(tmp_path, job.id, left.state, left.progress)
        raise Stopped

    with pytest.raises(Stopped):
        run_lanes(jobs, program, DATA, TRAIN, saved={}, watch=Watch(beat))
    template = template_of(program, jobs[0], TRAIN)
    saved = {
        job.id: found
        for job in jobs
        if (found := resume.restore(tmp_path, job.id, template, lambda *a, **k: None))
    }
    assert [int(saved[job.id].state.step) for job in jobs[:2]] == [1, 1]
    again = run_lanes(jobs, program, DATA, TRAIN, saved=saved)
    assert [r.digest for r in again] == [r.digest for r in whole]
    assert [r.final for r in again] == [r.final for r in whole]


IN_FLOAT64 = """
import json, sys
import jax, jax.numpy as jnp, numpy as np
from funcdl.data.load import make_data
from funcdl.models.make import make_model
from funcdl.optimizers.build import make_optimizer
from funcdl.tasks.load import make_task
from funcdl.train.lanes import over_lanes
from funcdl.train.run import make_train
from funcdl.train.streams import stream_keys
from funcdl.types import Model
from tests.quick import quick

family, steps = json.loads(sys.argv[1]), 100
plain, data = make_model(family, 10), make_data("digits").train
wide = lambda tree: jax.tree.map(lambda x: x.astype(jnp.float64) if x.dtype == jnp.float32 else x, tree)
data = jax.tree.map(lambda x: x.astype(np.float64) if x.dtype == np.float32 else x, data)
model = Model(lambda key, x: wide(plain.init(key, x)), plain.apply)
unused = dict.fromkeys(("clip_norm", "clip_value", "weight_decay"), False)
optimizer = make_optimizer("adam", {}, schedule={"name": "constant"}, **unused)
train = make_train(model, make_task("classification"), optimizer, batch_size=16)
keys = [stream_keys(0, "measure", i) for i in range(3)]
hypers = [{"optimizer.learning_rate": np.float64(r)} | REST for r in (0.001, 0.002, 0.003)]

def result(run, keys, hyper, stop):
    state = quick(run.init)(keys, hyper, data)
    return quick(run.chunk)(state, keys, hyper, data, stop)

stack = lambda trees: jax.tree.map(lambda *x: jnp.stack(x), *trees)
lanes = result(over_lanes(train), stack(keys), stack(hypers), np.full(3, steps, np.int32))
worst = 0.0
for i in range(3):
    alone = result(train, keys[i], hypers[i], np.int32(steps))
    assert int(alone.step) == steps == int(lanes.step[i])
    for one, many in zip(jax.tree.leaves(alone.variables), jax.tree.leaves(lanes.variables)):
        assert one.dtype == jnp.float64
        worst = max(worst, float(jnp.abs(one - many[i]).max() / jnp.maximum(1, jnp.abs(one).max())))
print(worst)
"""


@pytest.mark.parametrize(
    "family",
    ["mlp"] + [pytest.param(name, marks=pytest.mark.slow) for name in ("cnn", "transformer")],
)
def test_lanes_and_runs_alone_agree_in_float64(family: str):
    static, hyper = cut(
        {
            "task": {"name": "classification"},
            "model": {"name": "logistic"},
            "optimizer": {
                "name": "adam",
                "learning_rate": 1.0,
                "b1": 0.9,
                "b2": 0.999,
                "eps": 1e-8,
            },
            **make_plan_train(),
        }
    )
    del static
    rest = {k: v for k, v in hyper.items() if k != "optimizer.learning_rate"}
    model = FAMILIES[family]["model"]
    done = subprocess.run(
        [sys.executable, "-c", f"REST = {rest!r}\n" + IN_FLOAT64, json.dumps(model)],
        capture_output=True,
        text=True,
        env=os.environ | {"JAX_ENABLE_X64": "1", "PJRT_NPROC": "1"},
        cwd=Path(__file__).parent.parent,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1e-10


def make_plan_train() -> dict:
    study = fd.Study(
        task="classification",
        data="digits",
        model="logistic",
        optimizer={"name": "adam", "learning_rate": 1.0},
        train={"steps": 100},
    )
    return {"train": fd.config.expand(study).methods[0].recipe["train"]}


VMAP = SMALL.replace("repeat: 3", "repeat: 3\nmode: vmap\nwidth: 2").replace("logistic, ", "")


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> fd.Results:
    folder = tmp_path_factory.mktemp("lanes")
    ended = funcdl("run", write(folder, VMAP), "--out", folder / "out", "--workers", 2)
    assert ended.returncode == 0, ended.stderr
    return fd.load(folder / "out")


@pytest.mark.slow
def test_one_worker_shares_lanes_out_to_eight_devices(calm: fd.Results, tmp_path: Path):
    """The answer is that of one device; the bits are those of eight devices again."""
    env = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    config, both = write(tmp_path, VMAP), []
    for name in ("one", "two"):
        ended = funcdl("run", config, "--out", tmp_path / name, env=env)
        assert ended.returncode == 0, ended.stderr
        both.append(fd.load(tmp_path / name).runs)
    assert bits(both[0]).equals(bits(both[1]))
    runs = both[0]
    assert runs[["method", "status", "steps"]].equals(calm.runs[["method", "status", "steps"]])
    for metric in ("train/loss", "validation/loss", "test/loss"):
        np.testing.assert_allclose(runs[metric], calm.runs[metric], rtol=1e-3)
    (facts,) = read_environments(tmp_path / "one").values()
    assert (facts["threads"], facts["devices"]) == ("8", "8")


def test_lanes_resume(calm: fd.Results, tmp_path: Path):
    config, out = write(tmp_path, VMAP), tmp_path / "out"
    process = start("run", config, "--out", out, "--workers", 1, "--checkpoint-every", 0)
    while not list((out / "checkpoints").glob("*.npz")) and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    ended = funcdl("run", config, "--out", out, "--workers", 1)
    assert ended.returncode == 0, ended.stderr
    assert bits(fd.load(out).runs).equals(bits(calm.runs))


def test_the_mode_is_part_of_a_runs_identity(calm: fd.Results):
    def ids(**mode) -> set[str]:
        study = fd.Study(
            task="classification",
            data="digits",
            model="logistic",
            optimizer={"name": "sgd", "learning_rate": 0.1},
            **mode,
        )
        plan = make_plan(study, fd.config.expand(study))
        return {plan.contests[0].make("measure", 0, 0, {}, None).id}

    assert ids() == ids(mode="each")
    alone, two, four = ids(mode="each"), ids(mode="vmap", width=2), ids(mode="vmap", width=4)
    assert len(alone | two | four | ids(threads=2)) == 4


def test_auto_follows_from_backend_and_sizes():
    study = fd.Study(
        task="classification",
        data="digits",
        compare={"model": ["logistic", {"name": "mlp", "hidden": [16]}]},
        optimizer={"name": "sgd", "learning_rate": 0.1},
    )
    expansion = fd.config.expand(study)
    assert make_plan(study, expansion).mode == "each"
    plan = make_plan(study, expansion, "accelerator")
    assert plan.mode == "vmap"
    assert set(plan.widths.values()) == {64}
    assert all(t.mode == Mode("vmap", 64) for tried in plan.trials for t in tried)
    big = fd.Study(
        task="classification",
        data="digits",
        compare={"model": ["logistic", {"name": "mlp", "hidden": [30_000, 30_000]}]},
        optimizer={"name": "sgd", "learning_rate": 0.1},
    )
    assert make_plan(big, fd.config.expand(big), "accelerator").mode == "each"

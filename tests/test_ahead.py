"""Programs are compiled while others run, and what goes wrong meanwhile shows where it belongs."""

import threading
from pathlib import Path

import jax
import numpy as np
import pytest

import funcdl as fd
from funcdl.execute import crew, programs
from funcdl.execute.jobs import job_of
from funcdl.execute.messages import Compiled, Job, Work
from funcdl.execute.shelf import Shelf
from funcdl.execute.worker import Worker
from funcdl.execute.worker_environment import worker_environment
from funcdl.plan.contest import due
from funcdl.plan.sizing import lane_bytes
from funcdl.plan.study import make_plan


def broken() -> fd.Model:
    def init(key, inputs):
        raise ValueError("my model is broken")

    return fd.Model(init, lambda variables, inputs, **rest: (inputs, variables))


def locked() -> fd.Model:
    lock = threading.Lock()
    return fd.Model(
        lambda key, inputs: {"params": lock}, lambda variables, inputs, **rest: (lock, {})
    )


def study(models: list, **mode) -> fd.Study:
    return fd.Study(
        task="classification",
        data="digits",
        compare={"model": models},
        optimizer={"name": "sgd", "learning_rate": 0.1},
        train={"steps": 4, "batch_size": 16, "eval_every": 4},
        repeat=2,
        **mode,
    )


def jobs(one: fd.Study) -> tuple[list[Job], dict]:
    plan = make_plan(one, fd.config.expand(one))
    found = [job_of(plan, i, due(contest, {})[0]) for i, contest in enumerate(plan.contests)]
    return found, dict(plan.datasets)


def shelf_for(datasets: dict) -> Shelf:
    shelf = Shelf()
    shelf.datasets.update(datasets)
    return shelf


def test_a_program_asked_for_ahead_is_compiled_once_and_elsewhere(monkeypatch):
    """The asking thread goes on at once; whoever needs the program waits for it."""
    (job,), datasets = jobs(study(["logistic"]))
    shelf, go, threads = shelf_for(datasets), threading.Event(), []
    compile_program = programs.compile_program

    def slow(*words):
        threads.append(threading.get_ident())
        assert go.wait(60)
        return compile_program(*words)

    monkeypatch.setattr(programs, "compile_program", slow)
    told: list = []
    shelf.ahead(job, told.append)
    shelf.ahead(job, told.append)
    go.set()
    first = shelf.program(job, told.append)
    assert shelf.program(job, told.append) is first
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()
    assert [type(message) for message in told] == [Compiled]


def test_what_fails_ahead_fails_the_runs_that_need_it(tmp_path: Path):
    (bad, good), datasets = jobs(study([{"name": broken, "label": "bad"}, "logistic"]))
    worker = Worker(tmp_path, 1e9)
    worker.shelf.datasets.update(datasets)
    worker.shelf.ahead(bad, lambda message: None)
    (fine,) = worker.run(Work((good,)), lambda message: None)
    (failed,) = worker.run(Work((bad,)), lambda message: None)
    assert fine.status == "ok"
    assert failed.status == "failed"
    assert "my model is broken" in failed.reason


def test_a_study_on_a_device_that_looks_ahead(tmp_path: Path, monkeypatch):
    """As on an accelerator; same bits, each program compiled once, a broken one fails alone."""
    models = ["logistic", {"name": "mlp", "hidden": [8]}, {"name": broken, "label": "bad"}]
    plain = fd.run(study(models), out=tmp_path / "plain", workers=1, observe=lambda status: None)
    asked: list[str] = []
    look_ahead = crew.Member.look_ahead

    def noted(self, job, dataset):
        asked.append(job.program)
        look_ahead(self, job, dataset)

    monkeypatch.setattr(crew.Member, "look_ahead", noted)
    monkeypatch.setattr(
        crew.Member, "looks_ahead", property(lambda self: True, lambda self, v: None), raising=False
    )
    ahead = fd.run(study(models), out=tmp_path / "ahead", workers=1, observe=lambda status: None)
    assert len(asked) == len(set(asked)) >= 1  # the last may be needed before it is asked for
    how = ahead.runs[["status", "reason"]].to_dict("list")
    assert how["status"] == ["ok"] * 4 + ["failed"] * 2, how["reason"]
    assert ahead.runs["digest"].tolist() == plain.runs["digest"].tolist()


def test_sizes_of_models_that_cannot_be_traced_are_unknown():
    """One such model stops no study; its runs fail with their reason."""
    models = [{"name": broken, "label": "bad"}, {"name": locked, "label": "shut"}, "logistic"]
    one = study(models, mode="vmap")
    (bad, shut, good), datasets = jobs(study(models))
    requests = [(job.static, job.hyper, datasets[job.data]) for job in (bad, shut, good)]
    sizes = lane_bytes(requests)  # type: ignore[arg-type]
    assert sizes[:2] == [None, None]
    parameters = 64 * 10 + 10
    assert sizes[2] is not None
    assert sizes[2] > 2 * 4 * parameters
    assert make_plan(one, fd.config.expand(one)).mode == "vmap"


@pytest.mark.parametrize(
    "name", ["JAX_ENABLE_X64", "FLAX_FIX_RNG_SEPARATOR", "NVIDIA_TF32_OVERRIDE"]
)
def test_settings_that_change_numbers_do_not_reach_workers(monkeypatch, name: str):
    monkeypatch.setenv(name, "1")
    assert name not in worker_environment()


def test_the_shelf_can_be_cleared():
    (job,), datasets = jobs(study(["logistic"]))
    shelf = shelf_for(datasets)
    before = shelf.program(job, lambda message: None)
    shelf.clear()
    after = shelf.program(job, lambda message: None)
    assert after is not before
    assert after.parameters == 650
    np.testing.assert_array_equal(
        jax.device_get(shelf.on_device(job).targets), datasets[job.data].train.targets
    )

"""Out of memory: the lanes become fewer, the batch never, and the folder says so."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

import funcdl as fd
from funcdl.execute.worker import is_exhausted
from funcdl.overview import describe
from tests.study_tools import bits


def model(marker: Path, times: int, error: str):
    """Logistic regression that fails so many times while it is traced, then works."""

    def init(key, inputs):
        return {"params": {"w": 0.01 * jax.random.normal(key, (64, 10))}}

    def apply(variables, inputs, *, train, rngs):
        tried = len(marker.read_text()) if marker.exists() else 0
        if train and tried < times:
            marker.write_text("x" * (tried + 1))
            if error == "real":
                with jax.ensure_compile_time_eval():
                    jnp.zeros((10**14,))
            raise jax.errors.JaxRuntimeError(error)
        return inputs.reshape(inputs.shape[0], -1) @ variables["params"]["w"], variables

    return fd.versioned(lambda: fd.Model(init, apply), "1")


def study(tmp_path: Path, times: int, error: str = "", **mode) -> fd.Study:
    return fd.Study(
        task="classification",
        data="digits",
        compare={"model": [{"name": model(tmp_path / "marker", times, error), "label": "own"}]},
        optimizer={"name": "sgd", "learning_rate": 0.1},
        train={"steps": 10, "batch_size": 16, "eval_every": 10},
        repeat=3,
        **mode,
    )


def page_of(results: fd.Results) -> str:
    return (results.folder / "report" / "index.html").read_text()


def run(one: fd.Study, out: Path) -> fd.Results:
    return fd.run(one, out=out, workers=1, observe=lambda status: None)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(
            "RESOURCE_EXHAUSTED: Out of memory allocating 99 bytes.", marks=pytest.mark.slow
        ),
        "real",
    ],
)
def test_lanes_become_fewer_until_they_fit(tmp_path: Path, error: str):
    """Each number of lanes is tried twice; and the results are those of a study that asked for few."""
    one = study(tmp_path, 4, error, mode="vmap", width=8)
    results = run(one, tmp_path / "out")
    assert (results.runs["status"] == "ok").all()
    events = (tmp_path / "out" / "events.jsonl").read_text()
    assert events.count('"fewer lanes"') == 2
    assert "RESOURCE_EXHAUSTED" in events
    record = json.loads((tmp_path / "out" / "plan.json").read_text())
    assert list(record["lanes"]["widths"].values()) == [2]
    assert "2 lanes per device (mode vmap), fewer than asked" in page_of(results)
    asked = run(study(tmp_path, 4, mode="vmap", width=2), tmp_path / "asked")
    assert bits(results.runs).equals(bits(asked.runs))
    # The folder remembers: the same command again has nothing to do.
    before = results.runs
    planned = describe(one, tmp_path / "out").splitlines()[-2:]
    assert planned == [
        "3 runs in 1 programs, mode vmap, 2 lanes per device",
        f"3 of them are done, in {tmp_path / 'out'}",
    ]
    assert describe(one).endswith("3 runs in 1 programs, mode vmap, 8 lanes per device")
    assert run(one, tmp_path / "out").runs.equals(before)
    assert (tmp_path / "out" / "events.jsonl").read_text().count('"started"') == 3


@pytest.mark.parametrize("mode", [{"mode": "each"}, {"mode": "vmap", "width": 1}])
def test_a_run_that_does_not_fit_alone_fails_with_advice(tmp_path: Path, mode: dict):
    error = "RESOURCE_EXHAUSTED: Out of memory allocating 99 bytes."
    results = run(study(tmp_path, 100, error, **mode), tmp_path / "out")
    assert (results.runs["status"] == "failed").all()
    for reason in results.runs["reason"]:
        assert "allocating 99 bytes" in reason
        assert "train.accumulate" in reason


def test_other_errors_are_not_taken_for_it(tmp_path: Path):
    one = study(tmp_path, 100, "INTERNAL: something else", mode="vmap", width=8)
    results = run(one, tmp_path / "out")
    assert (results.runs["status"] == "failed").all()
    assert "fewer lanes" not in (tmp_path / "out" / "events.jsonl").read_text()


def test_the_real_error_is_known():
    with pytest.raises(jax.errors.JaxRuntimeError) as caught:
        jnp.zeros((10**14,))
    assert is_exhausted(caught.value)
    assert not is_exhausted(RuntimeError("RESOURCE_EXHAUSTED"))

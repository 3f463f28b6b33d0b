"""A run inside a study is the run alone, bit for bit: every family of models, five optimizers.

Alone is `make_train` called by hand: without the engine, in one piece.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import funcdl as fd
from funcdl.config import expand
from funcdl.execute import programs
from funcdl.execute.runner import digest
from funcdl.execute.settings import as_in_a_worker
from funcdl.models import MODELS
from funcdl.models.make import make_model
from funcdl.optimizers.build import make_optimizer
from funcdl.plan.recipe import cut
from funcdl.tasks.load import make_task
from funcdl.train.run import make_train
from funcdl.train.streams import stream_keys
from tests.contract import case_of
from tests.quick import OPTIONS

RULES = {
    "sgd": {"name": "sgd", "learning_rate": 0.01, "momentum": 0.9},
    "adamw": {"name": "adamw", "learning_rate": 0.01},
    "lion": {"name": "lion", "learning_rate": 0.001},
    "rmsprop": {"name": "rmsprop", "learning_rate": 0.01},
    "schedule_free_adamw": {"name": "schedule_free_adamw", "learning_rate": 0.01},
}
KINDS = ("cnn", "lstm", "vae", "matrix_factorisation", "nbeats")
STEPS, BATCH = 5, 8


def study(rules: Mapping[str, str]) -> fd.Study:
    """The families, each with its optimizer and with the task and the data that suit it."""
    return fd.Study(
        train={"steps": STEPS, "batch_size": BATCH, "eval_every": 2, "schedule": "constant"},
        compare={
            "family": {
                name: {
                    "task": case_of(name).task,
                    "data": {"name": case_of(name).data()},
                    "model": {"name": name, **case_of(name).model},
                    "optimizer": RULES[rule],
                }
                for name, rule in rules.items()
            }
        },
        select={"metric": "validation/loss"},
        repeat=1,
    )


def alone(name: str, recipe: Mapping[str, Any], options: dict[str, Any]) -> str:
    """The digest of what a run by hand ends with."""
    (static, numbers), data = cut(recipe), case_of(name).data()
    task, rule = make_task(case_of(name).task), dict(static.optimizer)
    optimizer = make_optimizer(rule.pop("name"), rule, schedule={"name": "constant"})

    def run(hyper):
        traced = {k.removeprefix("model."): v for k, v in hyper.items() if k.startswith("model.")}
        model = make_model({**static.model, **traced}, task.outputs(data), data.ids)
        return make_train(model, task, optimizer, batch_size=BATCH)

    cheap: dict[str, Any] = options | {"xla_backend_optimization_level": 0}
    init = jax.jit(lambda keys, hyper, data, *start: run(hyper).init(keys, hyper, data, *start))
    chunk = jax.jit(
        lambda state, keys, hyper, data, stop: run(hyper).chunk(state, keys, hyper, data, stop),
        donate_argnums=0,
    )
    given = (stream_keys(0, "measure", 0), programs.as_scalars(numbers), data.train)
    state = init.lower(*given).compile(cheap)(*given)
    rest = (*given, np.int32(STEPS))
    return digest(chunk.lower(state, *rest).compile(options)(state, *rest).variables)


def compare(asked: fd.Study, options: dict[str, Any], tmp_path: Path, workers: int) -> None:
    done = fd.run(asked, out=tmp_path / "out", workers=workers, observe=lambda status: None)
    assert set(done.runs["status"]) == {"ok"}
    found = done.runs.set_index("method")["digest"]
    with as_in_a_worker(1):  # whose cache holds what was compiled before, if it is the same program
        expected = {m.label: alone(m.label, m.recipe, options) for m in expand(asked).methods}
    assert {name for name in expected if found[name] != expected[name]} == set()
    assert found.nunique() == len(expected)


def test_a_run_in_a_study_is_the_run_alone(tmp_path: Path, monkeypatch):
    """A family of each kind, compiled fast: of the engine this shows as much."""
    monkeypatch.setattr(programs, "_compiler_options", lambda: OPTIONS)
    compare(study(dict(zip(KINDS, RULES, strict=False))), OPTIONS, tmp_path, workers=0)


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_every_family_with_every_optimizer(rule: str, tmp_path: Path):
    """As programs are really compiled, in two workers."""
    compare(study(dict.fromkeys(MODELS, rule)), programs._compiler_options(), tmp_path, workers=2)

"""The page about models names them all, and the model that it adds works."""

import re
import sys
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funcdl as fd
from funcdl import models
from funcdl.models.make import make_model
from tests import contract
from tests import test_models as battery

PAGE = (Path(__file__).parents[1] / "docs" / "models.md").read_text(encoding="utf-8")


def block(mark: str) -> str:
    return PAGE.split(f"<!-- {mark} -->\n```python\n")[1].split("```")[0]


@pytest.fixture
def highway(monkeypatch):
    """The file of the page as a module, and its line in the table."""
    module = types.ModuleType("funcdl.models.highway")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(block("file: highway.py"), "highway.py", "exec"), module.__dict__)
    found = re.fullmatch(r'\s*"(\w+)": "([\w.:]+)",\s*', block("line"))
    assert found
    monkeypatch.setitem(models.MODELS, *found.groups())
    return make_model({"name": "highway", "width": 16, "depth": 2}, 10)


def test_every_model_is_named():
    table = PAGE.split("\n\n")[2]
    assert set(re.findall(r"`([a-z_]+)`", table)) == set(models.MODELS) | {
        "anomaly",
        "recommendation",
    }


def test_the_added_model_passes_the_battery_without_a_row_and_with_one(tmp_path, monkeypatch):
    """Its file and its line, and nothing else; the file lies elsewhere, so as not to change funcdl."""
    (tmp_path / "highway.py").write_text(block("file: highway.py"), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "highway", raising=False)
    monkeypatch.setitem(models.MODELS, "highway", "highway:Highway")
    for test in (
        battery.test_shapes,
        battery.test_learns_32_examples_by_heart,
        battery.test_a_run_follows_from_its_keys_and_numbers_and_is_traced_once,
        battery.test_in_float64_gradients_are_finite_differences_and_examples_alone,
    ):
        test("highway")
    row = eval(f"{{{block('row: tests/contract.py')}}}", dict(vars(contract)))
    monkeypatch.setattr(contract, "CASES", contract.CASES | row)
    battery.test_shapes("highway")
    assert contract.case_of("highway").model == {"width": 16, "depth": 2}


def test_the_added_model_is_its_equation(highway):
    x = np.random.default_rng(0).normal(size=(3, 8, 8, 1)).astype(np.float32)
    variables = highway.init(jax.random.key(0), x)
    names = {leaf.shape for leaf in jax.tree.leaves(variables["params"])}
    assert names == {(64, 16), (16, 16), (16, 10), (16,), (10,)}
    layers = jax.tree.map(np.float64, variables["params"])

    def affine(i, h):
        layer = layers[f"Dense_{i}"]
        return h @ layer["kernel"] + layer["bias"]

    h = affine(0, x.reshape(3, -1))
    for i in (1, 3):
        gate = 1 / (1 + np.exp(2 - affine(i, h)))
        h = gate * np.maximum(affine(i + 1, h), 0) + (1 - gate) * h
    outputs, _ = highway.apply(variables, jnp.asarray(x), train=False, rngs={})
    np.testing.assert_allclose(outputs, affine(5, h), rtol=1e-4, atol=1e-5)


def test_the_added_model_learns_in_a_study(highway, tmp_path):
    """With its own object where a config would have its name: workers import funcdl anew."""
    made = sys.modules["funcdl.models.highway"].Highway
    study = fd.Study(
        task="classification",
        data="digits",
        model={"name": made, "width": 16, "depth": 2},
        optimizer={"name": optax.adam, "learning_rate": 0.01},
        train={"steps": 200, "batch_size": 64, "eval_every": 100},
        repeat=2,
    )
    results = fd.run(study, out=tmp_path / "out", workers=0, observe=lambda status: None)
    assert set(results.runs["status"]) == {"ok"}
    assert results.table["mean"].iloc[0] > 0.9

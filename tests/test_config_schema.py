"""The JSON schema that editors use, checked by an independent validator."""

from pathlib import Path

import pytest

from funcdl.config import Study, load, to_yaml
from funcdl.config.node import plain
from funcdl.config.schema import json_schema
from funcdl.config.text import parse, read

jsonschema = pytest.importorskip("jsonschema")

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))

HARD = """
task: classification
train.steps: 100
across:
  problem:
    digits: {data: digits}
    few: {data: {name: digits, split: {by: random, test: 0.2, validation: 0.2, seed: 0}}}
compare:
  approach:
    small: {model: mlp, model.hidden: [8]}
    large: {model: cnn, train.steps: 200}
  optimizer: [{name: sgd, momentum: 0.9}, {name: adamw, label: AdamW}]
baselines: {forest: {name: random_forest}}
contrasts: {within: approach}
tune:
  optimizer.learning_rate:
    - {when: {optimizer: sgd},   log_uniform: [1.0e-3, 3.0]}
    - {when: {optimizer: adamw}, log_uniform: [1.0e-5, 0.1]}
  optimizer.b1: {when: {optimizer: adamw}, one_minus: {log_uniform: [0.01, 0.5]}}
  trials: 16
  repeat: 1
  stop: {eta: 2, first: 50}
threads: 2
mesh.data: 2
repeat: {count: 5, max: 40, until: decided, vary: [init, order, dropout, augment]}
select: {metric: validation/accuracy, mode: max, at: final}
margin: 0.01
variants: {quick: {train.steps: 50, tune.trials: 2, repeat.count: 2}}
"""


@pytest.fixture(scope="module")
def validator():
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def data(text):
    tree = parse(text, "f").tree
    assert tree is not None
    return plain(tree)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_it_accepts_the_configs_that_come_with_funcdl(path, validator):
    tree = read(path).tree
    assert tree is not None
    validator.validate(plain(tree))
    validator.validate(data(to_yaml(load(path))))


def test_it_accepts_the_hard_study(validator, tmp_path):
    validator.validate(data(HARD))
    path = tmp_path / "hard.yaml"
    path.write_text(HARD)
    validator.validate(data(to_yaml(load(path))))


def test_there_are_configs():
    assert "quickstart.yaml" in {path.name for path in CONFIGS}


@pytest.mark.parametrize(
    "text",
    [
        "optimiser: sgd",
        "optimizer: sdg",
        "optimizer: {name: sgd, momentom: 0.9}",
        "optimizer: {name: sgd, momentum: high}",
        "model: {name: mlp, hidden: 8}",
        "model: {name: mlp, outputs: 8}",
        "train: {stepz: 3}",
        "train: {steps: 0}",
        "train: {schedule: {name: cosine, warm: 1}}",
        "data: {name: digits, split: {by: chance}}",
        "compare: {optimizer: [sgd, sdg]}",
        "compare: {optimizer: sgd}",
        "tune: {sampler: optuna}",
        "tune: {optimizer.learning_rate: {log_unifrom: [0.1, 1]}}",
        "tune: {optimizer.learning_rate: 0.1}",
        "tune: {stop: 3}",
        "tune: {stop: {eta: 1}}",
        "mode: vamp",
        "width: 0",
        "mesh: {model: 2}",
        "train: {compute_dtype: float16}",
        "train: {remat: 1}",
        "repeat: {max: 40}",
        "repeat: {until: decided}",
        "repeat: {cross: {init: 5}, count: 5}",
        "repeat: {cross: {init: 1}}",
        "repeat: {vary: [init, data]}",
        "select: {at: last}",
        "contrasts: some",
        "seed: -1",
    ],
)
def test_it_refuses_what_loading_refuses(text, validator, tmp_path):
    assert not validator.is_valid(data(text))


def test_it_knows_every_name_and_default():
    definitions = json_schema()["$defs"]
    from funcdl import models, optimizers

    for key, names in (("model", models.MODELS), ("optimizer", optimizers.names())):
        assert definitions[key]["anyOf"][0]["enum"] == list(names)
    forms = definitions["optimizer"]["anyOf"]
    (adamw,) = [f for f in forms if f.get("properties", {}).get("name") == {"const": "adamw"}]
    assert adamw["properties"]["b2"] == {"type": "number", "default": 0.999}
    assert "default" not in adamw["properties"]["learning_rate"]


def test_defaults_of_the_schema_are_those_of_a_study():
    properties = json_schema()["$defs"]["train"]["properties"]
    study = Study(
        task="classification",
        data="digits",
        model="mlp",
        optimizer={"name": "sgd", "learning_rate": 0.1},
    )
    assert properties["steps"]["default"] == study.train.steps

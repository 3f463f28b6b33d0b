"""The keys that say how a study is carried out, and which trials are stopped early."""

import pytest

from funcdl.config import Study, expand, load, to_yaml
from funcdl.config.fields import Mesh, Stop
from funcdl.errors import StudyError

BASIC = {
    "task": "classification",
    "data": "digits",
    "model": "mlp",
    "optimizer": {"name": "sgd", "learning_rate": 0.1},
}
RATES = {"optimizer.learning_rate": {"log_uniform": [0.01, 1.0]}}


def written_to(folder, text):
    path = folder / "study.yaml"
    path.write_text(text)
    return path


def test_how_a_study_is_carried_out_has_defaults_and_survives_writing(tmp_path):
    study = Study(**BASIC)
    assert (study.mode, study.width, study.threads, study.mesh) == ("auto", None, 1, None)
    assert "mode: auto\n" in to_yaml(study)
    given = {"mode": "vmap", "width": 4, "threads": 2}
    again = load(written_to(tmp_path, to_yaml(Study(**BASIC, **given))))
    assert (again.mode, again.width, again.threads, again.mesh) == ("vmap", 4, 2, None)
    again = load(written_to(tmp_path, to_yaml(again)), ["mode=each", "width=null", "mesh.fsdp=4"])
    assert (again.mode, again.width, again.mesh) == ("each", None, Mesh(data=1, fsdp=4))


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"mode": "each", "width": 2}, "width: the number of lanes of mode vmap, but mode is each"),
        ({"mesh": {"data": 2}, "mode": "vmap"}, "mesh: a mesh puts one run on many devices"),
        ({"mesh": {"data": 2}, "width": 2}, "width: the number of lanes of mode vmap, but a mesh"),
        ({"compare": {"mode": ["each", "vmap"]}}, "compare.mode: mode holds for the whole study"),
        ({"across": {"mesh.data": [1, 2]}}, "across.mesh.data: mesh.data holds for the whole"),
        ({"compare": {"x": {"a": {"threads": 2}}}}, "compare.x.a.threads: threads holds for the"),
        ({"compare": {"x": {"a": {"mesh.data": 2}}}}, "mesh holds for the whole study"),
        ({"tune": RATES | {"width": {"choice": [1, 2]}}}, "tune.width: width holds for the whole"),
        ({"tune": {"train.stream": {"choice": ["never"]}}}, "unknown key 'train.stream'"),
    ],
)
def test_how_a_study_is_carried_out_is_one_way(keys, expected):
    with pytest.raises(StudyError) as error:
        Study(**BASIC, **keys)
    assert expected in str(error.value)


@pytest.mark.parametrize(
    "key", ["compute_dtype", "matmul_precision", "remat", "stream", "accumulate"]
)
def test_numeric_keys_may_be_compared(key):
    values = {
        "compute_dtype": ["float32", "bfloat16"],
        "matmul_precision": [None, "highest"],
        "remat": [False, True],
        "stream": ["never", "always"],
        "accumulate": [1, 4],
    }[key]
    study = Study(**BASIC, compare={f"train.{key}": values})
    assert [method.recipe["train"][key] for method in expand(study).methods] == values


STOPS = [
    (True, (3, None, None)),
    ({}, (3, None, None)),
    ({"eta": 2}, (2, None, None)),
    ({"rungs": 2, "first": 100}, (3, 2, 100)),
]


@pytest.mark.parametrize(("written", "expected"), STOPS)
def test_stopping_early_is_read_and_written(written, expected, tmp_path):
    study = Study(**BASIC, tune=RATES | {"stop": written})
    again = load(written_to(tmp_path, to_yaml(study)))
    for one in (study, again):
        assert one.tune is not None
        assert one.tune.stop == Stop(**dict(zip(("eta", "rungs", "first"), expected, strict=True)))
        assert expand(one).methods[0].space


@pytest.mark.parametrize("written", [False, None])
def test_trials_run_to_their_end_unless_they_are_stopped(written):
    tune = Study(**BASIC, tune=RATES | {"stop": written}).tune
    assert tune is not None
    assert tune.stop is None


@pytest.mark.parametrize("written", ["", ", stop: true", ", stop: {eta: 2, first: 10}"])
def test_stopping_early_is_set_on_the_command_line(written, tmp_path):
    text = to_yaml(Study(**BASIC, tune=RATES)).replace("trials: 8", f"trials: 8{written}")
    tune = load(written_to(tmp_path, text), ["tune.stop.eta=4", "tune.stop.rungs=1"]).tune
    assert tune is not None
    assert tune.stop == Stop(eta=4, rungs=1, first=10 if "first" in written else None)
    tune = load(written_to(tmp_path, text), ["tune.stop=null"]).tune
    assert tune is not None
    assert tune.stop is None


@pytest.mark.parametrize(
    ("tune", "expected"),
    [
        ({"stop": True, "trials": 1}, "tune.stop: needs at least 2 trials"),
        ({"stop": {"first": 1001}}, "tune.stop.first: 1001 given; allowed at most train.steps"),
        ({"stop": True, "train.steps": {"choice": [200, 400]}}, "where train.steps is searched"),
    ],
)
def test_searches_that_cannot_be_stopped_early(tune, expected):
    with pytest.raises(StudyError) as error:
        Study(**BASIC, tune=RATES | tune)
    assert expected in str(error.value)

"""Augmentations in a study: checked with their line, traced, and for training batches alone."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcdl as fd
from funcdl.augment.make import make_augment
from funcdl.config import expand, load, to_yaml
from funcdl.data.load import make_data
from funcdl.errors import StudyError
from funcdl.plan.recipe import cut
from funcdl.train.assemble import assemble
from funcdl.train.lanes import over_lanes
from funcdl.train.streams import stream_keys
from funcdl.train.window import Window, batch_at
from funcdl.types import Dataset, Split
from tests.quick import quick

DATA: Dataset = make_data("digits")
SHIFTED = [{"name": "shift", "pixels": 1.0}, {"name": "noise", "scale": 0.1}]


def study(augment, **train) -> fd.Study:
    return fd.Study(
        task="classification",
        data="digits",
        model="logistic",
        optimizer={"name": "sgd", "learning_rate": 0.1},
        train={"steps": 12, "batch_size": 16, "augment": augment, **train},
    )


def parts(augment=SHIFTED, **train):
    static, hyper = cut(expand(study(augment, **train)).methods[0].recipe)
    return static, {key: np.float32(value) for key, value in hyper.items()}


def bits(tree) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


def test_numbers_are_traced_and_the_rest_is_static():
    one, hyper = parts([{"name": "shift", "pixels": 0}, "flip"])
    other, numbers = parts([{"name": "shift", "pixels": 3}, {"name": "flip", "rate": 0.1}])
    assert one == other
    assert one.augment == ({"name": "shift"}, {"name": "flip", "axis": "horizontal"})
    assert (hyper["train.augment.0.pixels"], numbers["train.augment.0.pixels"]) == (0, 3)
    assert one != parts("shift")[0]
    assert parts([])[0].augment == ()

    def own(key, inputs, scale):
        return inputs * scale

    static, hyper = parts([{"name": own, "scale": 0.5}])  # it may look at its number in Python
    assert static.augment == ({"name": own, "scale": 0.5},)
    assert not any("augment" in key for key in hyper)


def test_a_step_sees_the_augmented_batch_and_nothing_else_does():
    """Two steps of SGD by hand, each with draws of its own; evaluation is that of the plain examples."""
    (static, hyper), keys = parts(), stream_keys(0, "measure", 0)
    train = assemble(static, DATA)
    start = quick(train.init)(keys, hyper, DATA.train)
    found = quick(train.chunk)(start, keys, hyper, DATA.train, 2)
    batches = [batch_at(DATA.train, keys["order"], jnp.int32(step), 16) for step in (0, 1)]
    changed = [
        make_augment(SHIFTED)(jax.random.fold_in(keys["augment"], step), batch.inputs)
        for step, batch in enumerate(batches)
    ]
    x, labels = jnp.concatenate(changed), jnp.concatenate([batch.targets for batch in batches])

    plain, numbers = parts([])
    by_hand = assemble(plain, DATA)
    rows = Window(jnp.int32(0), Split(x, labels))
    expected = quick(by_hand.chunk)(start, keys, numbers, rows, 2)
    for one, other in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    unchanged = quick(by_hand.chunk)(start, keys, numbers, DATA.train, 2)
    assert abs(float(unchanged.loss_sum) - float(found.loss_sum)) > 1e-3
    values = quick(train.evaluate)(found, hyper, DATA.test)
    expected = quick(by_hand.evaluate)(found, numbers, DATA.test)
    np.testing.assert_array_equal(values["loss"], expected["loss"])


def test_bits_do_not_depend_on_cuts_windows_or_lanes():
    (static, hyper), keys = parts(), stream_keys(0, "measure", 0)
    train = assemble(static, DATA)
    chunk = quick(train.chunk)
    start = quick(train.init)(keys, hyper, DATA.train)
    whole = chunk(start, keys, hyper, DATA.train, 6)
    assert bits(
        chunk(chunk(start, keys, hyper, DATA.train, 2), keys, hyper, DATA.train, 6)
    ) == bits(whole)
    later = [batch_at(DATA.train, keys["order"], jnp.int32(step), 16) for step in range(2, 6)]
    window = Window(jnp.int32(2), jax.tree.map(lambda *rows: jnp.concatenate(rows), *later))
    state = chunk(start, keys, hyper, DATA.train, 2)
    assert bits(chunk(state, keys, hyper, window, 6)) == bits(whole)

    def stacked(one, other):
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), one, other)

    stronger, other_keys = (
        {**hyper, "train.augment.0.pixels": np.float32(3)},
        stream_keys(0, "m", 1),
    )
    lanes = over_lanes(train)
    both = stacked(keys, other_keys), stacked(hyper, stronger)
    starts = stacked(start, quick(train.init)(other_keys, stronger, DATA.train))
    ends = quick(lanes.chunk)(starts, *both, DATA.train, np.full(2, 6, np.int32))
    for found, expected in zip(*map(jax.tree.leaves, (ends, whole)), strict=True):
        np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-5)


def test_micro_batches_see_the_same_examples():
    """The gradient of the whole batch, in parts: the examples of each are augmented as before."""
    keys, ends = stream_keys(0, "measure", 0), []
    for parts_of_batch in (1, 4):
        static, hyper = parts([*SHIFTED, {"name": "cutout", "size": 2}], accumulate=parts_of_batch)
        train = assemble(static, DATA)
        start = quick(train.init)(keys, hyper, DATA.train)
        ends.append(quick(train.chunk)(start, keys, hyper, DATA.train, 3))
    for one, other in zip(*map(jax.tree.leaves, ends), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


AXIS = """
name: axis
task: classification
data: digits
model: logistic
optimizer: {name: sgd, learning_rate: 0.1}
train: {steps: 6, batch_size: 16, eval_every: 6}
compare:
  train.augment:
    - []
    - shift
    - [{name: shift, pixels: 1}, flip]
    - {name: noise, scale: 0.3, label: noisy}
repeat: 2
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "axis.yaml"
    path.write_text(text)
    return path


def test_an_axis_of_augmentations(tmp_path: Path):
    """Labels and defaults survive being written out; the runs share data and initial draws."""
    path = written(tmp_path, AXIS)
    labels = ["none", "shift", "shift(pixels=1)+flip", "noisy"]
    methods = expand(load(path)).methods
    assert [method.label for method in methods] == labels
    assert methods[1].recipe["train"]["augment"] == [{"name": "shift", "pixels": 2.0}]
    again = expand(load(written(tmp_path, to_yaml(load(path))))).methods
    assert [(m.label, m.recipe) for m in again] == [(m.label, m.recipe) for m in methods]


def test_runs_differ_by_their_augmentation_and_its_stream(tmp_path: Path):
    """What an axis adds is in the runs' identity, and no two draws of the stream are alike."""
    path = written(
        tmp_path, AXIS.replace("    - shift\n", "").replace("    - {name: noise", "    # ")
    )
    text = path.read_text().replace("repeat: 2", "repeat: {count: 2, vary: [augment]}")
    results = fd.run(
        load(written(tmp_path, text)), out=tmp_path / "out", observe=lambda status: None
    )
    runs = results.runs
    assert set(runs["status"]) == {"ok"}
    assert runs["id"].nunique() == len(runs) == 4
    assert runs.groupby("method")["digest"].nunique().to_dict() == {
        "none": 1,
        "shift(pixels=1)+flip": 2,
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("[shfit]", "[0]: unknown augmentation 'shfit'; did you mean shift"),
        ("{name: shift, pixel: 2}", "unknown argument 'pixel' of shift; did you mean pixels"),
        ("[flip, {name: shift, pixels: -1}]", "[1].pixels: -1 given; allowed a number at"),
        ("[{name: flip, axis: both}]", "unknown value 'both'; "),
        ("[{pixels: 2}]", "[0]: needs a name; allowed shift"),
        ("3", "unknown augmentation 3"),
        ("[[shift]]", "unknown augmentation a list"),
    ],
)
def test_mistakes_are_said_with_their_line(given, message, tmp_path: Path):
    alone = AXIS[: AXIS.index("compare:")].replace("eval_every: 6", f"augment: {given}")
    for text in (alone, AXIS[: AXIS.index("    - []")] + f"    - {given}\n"):
        with pytest.raises(StudyError) as caught:
            load(written(tmp_path, text))
        assert message in str(caught.value)
        assert "axis.yaml:" in str(caught.value)


def test_a_layer_replaces_augmentations_as_a_whole(tmp_path: Path):
    text = AXIS.replace("eval_every: 6", "eval_every: 6, augment: {name: noise, scale: 2}")
    path = written(tmp_path, text[: text.index("compare:")])
    for given in ("flip", "{name: shift}", "[]", "null"):
        train = expand(load(path, [f"train.augment={given}"])).methods[0].recipe["train"]
        assert "noise" not in str(train["augment"])
    assert "noise" in str(expand(load(path)).methods[0].recipe["train"]["augment"])


def test_data_that_an_augmentation_cannot_read_are_refused_before_anything_runs(tmp_path: Path):
    path = written(tmp_path, AXIS.replace("- shift\n", "- [flip, time_mask]\n"))
    with pytest.raises(StudyError) as caught:
        fd.run(load(path), out=tmp_path / "out")
    text = str(caught.value)
    assert "time_mask reads sequences, floats [n, time, features]" in text
    assert "float32 [1079, 8, 8, 1]; what reads these: shift, flip" in text

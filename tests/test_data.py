"""Data: what is accepted, what is refused, and what identifies it."""

import collections
import hashlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from funcdl.data.arrays import arrays, presplit
from funcdl.data.digest import digest
from funcdl.data.digits import digits
from funcdl.data.load import make_data
from funcdl.data.packaged import packaged_file
from funcdl.data.tree import leaves, map_leaves, take
from funcdl.errors import DataError, StudyError
from funcdl.types import Dataset, Split

Pair = collections.namedtuple("Pair", "image text")


def test_no_room_imports_jax_until_it_must():
    code = (
        "import sys, funcdl.metrics, funcdl.baselines; from funcdl.data.load import make_data; "
        "from funcdl.tasks.check import check_data; "
        "check_data('classification', make_data('digits')); "
        "print({'jax', 'flax', 'optax', 'pandas', 'scipy', 'sklearn'} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout.strip() == "set()", found.stderr


def test_digits_are_those_of_scikit_learn():
    pixels, labels = load_digits(return_X_y=True)
    expected = np.column_stack([pixels, labels]).tolist()
    data = digits()
    parts = (data.train, data.validation, data.test)
    assert [len(part.targets) for part in parts] == [1079, 359, 359]
    assert data.train.inputs.shape == (1079, 8, 8, 1)
    assert {part.inputs.dtype for part in parts} == {np.dtype(np.float32)}
    assert {part.targets.dtype for part in parts} == {np.dtype(np.int32)}
    pixels = np.concatenate([part.inputs for part in parts]).reshape(-1, 64) * 16
    labels = np.concatenate([part.targets for part in parts])
    found = np.column_stack([pixels, labels]).tolist()
    assert sorted(found) == sorted(expected)
    assert data.classes == tuple("0123456789")
    assert pixels.max() == 16


def test_digits_split_as_asked():
    assert digits(split={"test": 0.2}).digest == digits().digest
    assert digits(split={"seed": 1}).digest != digits().digest
    assert len(digits(split={"by": "random", "test": 100, "validation": 50}).test.targets) == 100
    with pytest.raises(DataError, match="one group per example"):
        digits(split={"by": "group"})


def test_packages_that_are_missing_or_changed_are_named(monkeypatch):
    with pytest.raises(DataError, match="pip install no-such-package"):
        packaged_file("no-such-package", "x", "")
    with pytest.raises(DataError, match=r"numpy .* has no file numpy/none.csv"):
        packaged_file("numpy", "numpy/none.csv", "")
    with pytest.raises(DataError, match="has SHA-256"):
        packaged_file("numpy", "numpy/__init__.py", "0" * 64)


def test_trees_are_those_of_jax():
    tree = {"b": (np.arange(3), np.ones(3)), "a": Pair(np.zeros(3), {"x": np.full(3, 2)})}
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree)]
    assert [path for path, _ in leaves(tree)] == paths
    doubled = map_leaves(lambda _, x: 2 * x, tree)
    assert jax.tree.structure(doubled) == jax.tree.structure(tree)
    for ours, theirs in zip(
        jax.tree.leaves(take(tree, [2, 0])), jax.tree.leaves(tree), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs[[2, 0]])


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        (np.linspace(0, 1, 20), np.float32),
        (np.linspace(0, 1, 20).astype(np.float16), np.float32),
        (np.arange(20), np.int32),
        (np.arange(20).astype(np.uint16), np.int32),
        (np.arange(20) > 3, np.float32),
        (jnp.arange(20.0), np.float32),
        (pd.Series(np.arange(20.0)), np.float32),
        (np.arange(20.0).astype(">f8"), np.float32),
        (list(range(20)), np.int32),
    ],
)
def test_inputs_become_float32_or_int32(given, dtype):
    data = arrays(given, np.linspace(0, 1, 20), split={"by": "order"})
    assert data.train.inputs.dtype == dtype
    assert isinstance(data.train.inputs, np.ndarray)
    joined = [part.inputs for part in (data.train, data.validation, data.test)]
    np.testing.assert_array_equal(np.concatenate(joined), np.asarray(given).astype(dtype))


def test_uint8_inputs_are_pixels_and_uint8_targets_labels():
    images = np.arange(20, dtype=np.uint8).reshape(20, 1) * 13
    data = arrays(images, np.arange(20, dtype=np.uint8) % 2, split={"by": "order"})
    np.testing.assert_allclose(data.train.inputs, images[:12] / 255, rtol=1e-7)
    assert data.train.targets.dtype == np.int32
    assert data.train.targets.max() == 1


def test_frames_and_trees_are_taken():
    frame = pd.DataFrame({"height": np.arange(20.0), "width": np.arange(20)})
    assert arrays(frame, frame["width"] % 2).train.inputs.shape == (12, 2)
    data = arrays(Pair(frame, {"words": np.arange(20)}), np.arange(20.0))
    assert isinstance(data.train.inputs, Pair)
    assert data.test.inputs.image.shape == (4, 2)
    np.testing.assert_array_equal(data.test.inputs.text["words"], data.test.inputs.image[:, 0])
    assert not isinstance(data, Split)


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        (
            [[1.0], [np.nan], [np.inf]],
            [0, 1, 2],
            r"inputs has 2 of 3 .* first is nan at index \[1, 0\]",
        ),
        ([[1.0], [-1e300], [0.0]], [0, 1, 2], r"first is -1e\+300 at index \[1, 0\]"),
        ([0.0, 1.0, 2.0], [0.0, 1.0, np.nan], r"targets has 1 of 3 .* at index \[2\]"),
        ({"a": [0.0, np.nan]}, [0, 1], r"inputs\['a'\] has 1 of 2"),
        (["a", "b"], [0, 1], "dtype <U1; allowed are floats"),
        ([0.0, 1.0], ["cat", "dog"], "numpy.unique"),
        (np.array([1, None], object), [0, 1], "dtype object"),
        ([1j, 2j], [0, 1], "dtype complex128"),
        (np.array(["2020-01-01"], "M8[D]"), [0], "dtype datetime64"),
        ([[1.0, 2.0], [3.0]], [0, 1], "unequal lengths"),
        ([0.0, 1.0], [0, 1, 2], "inputs has 2, targets has 3"),
        (3.0, [0], "a single number"),
        ((), (), "there is no array"),
        (np.array([2**40]), [0], "allowed are those of int32"),
        ([], [], "the test split is empty"),
        ([0.0, 1.0, 2.0], [0.5, 1.5, 2.5], "nothing is left to train on|is empty"),
    ],
)
def test_what_cannot_be_data_is_refused(inputs, targets, message):
    with pytest.raises(DataError, match=message):
        arrays(inputs, targets, split={"test": 0.4, "validation": 0.6})


def test_wrong_labels_are_located_in_the_users_array():
    labels = np.arange(60) % 3
    spoilt = labels.copy()
    spoilt[[7, 20]] = -1
    with pytest.raises(DataError, match=r"2 of 60 labels .* first is -1 at index 7"):
        arrays(np.zeros((60, 2)), spoilt)
    spoilt = labels.copy()
    spoilt[30] = 3
    with pytest.raises(
        DataError, match=r"1 of 60 labels are outside 0..2; the first is 3 at index 30"
    ):
        arrays(np.zeros((60, 2)), spoilt, classes=3)
    with pytest.raises(DataError, match="label 3 with 1, at index 30"):
        arrays(np.zeros((60, 2)), spoilt)


def test_labels_are_stratified_and_numbers_are_not():
    inputs = np.zeros((40, 2))
    labels = np.repeat([0, 1], [30, 10])
    assert np.bincount(arrays(inputs, labels).test.targets).tolist() == [6, 2]
    assert np.bincount(arrays(inputs, labels, split={"seed": 5}).test.targets).tolist() == [6, 2]
    assert len(arrays(inputs, labels + 0.5).test.targets) == 8
    assert len(arrays(inputs, np.repeat([-4, 9], 20), split={"by": "random"}).test.targets) == 8


def test_the_digest_is_of_everything_that_matters_and_nothing_else():
    def of(inputs, targets=(0, 1), **kwargs):
        return digest({"train": Split(np.asarray(inputs), np.asarray(targets, np.int32))}, **kwargs)

    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    same = [x, np.asfortranarray(x), x.astype(">f4"), x[::-1][::-1]]
    assert len({of(y) for y in same} | {of(x, ids={})}) == 1
    others = [
        of(x),
        of(x.reshape(2, 3, 1)),
        of(x.view(np.int32)),
        of(np.nextafter(x, 9)),
        of(x, (1, 0)),
        of(x, classes=("a", "b")),
        of(x, classes=("ab",)),
        of(x, ids={"tokens": 6}),
        of(x, ids={"tokens": 7}),
        of(x, ids={"items": 6}),
        digest({"train": Split({"a": x}, np.array([0, 1], np.int32))}),
        digest({"test": Split(x, np.array([0, 1], np.int32))}),
    ]
    assert len(set(others)) == len(others)
    assert all(len(found) == 64 for found in others)


def test_the_digest_is_sha256_of_the_documented_text():
    def part(content):
        return len(content).to_bytes(8, "little") + content

    x, y = np.array([[1.5]], np.float32), np.array([3], np.int32)
    text = (
        part(b"('a',)")
        + part(b"train.inputs <f4 (1, 1)")
        + part(x.tobytes())
        + part(b"train.targets <i4 (1,)")
        + part(y.tobytes())
    )
    assert digest({"train": Split(x, y)}, ("a",)) == hashlib.sha256(text).hexdigest()


def test_given_splits_stay_as_given():
    x, y = np.arange(10.0)[:, None], np.arange(10) % 2
    parts: dict = {"train": (x[:6], y[:6]), "validation": (x[6:8], y[6:8]), "test": (x[8:], y[8:])}
    data = make_data({"name": parts, "classes": ["even", "odd"]})
    np.testing.assert_array_equal(data.validation.inputs, [[6.0], [7.0]])
    assert data.classes == ("even", "odd")
    assert make_data(data).digest == data.digest
    assert make_data(parts).digest != data.digest
    assert make_data({"name": lambda extra: presplit(**parts), "extra": 1}).classes == ()


def test_given_splits_must_agree():
    pair = np.zeros((3, 2)), np.zeros(3)
    with pytest.raises(DataError, match="validation split: it is empty"):
        presplit(pair, (np.zeros((0, 2)), np.zeros(0)), pair)
    with pytest.raises(DataError, match=r"test split is inputs float32\[1\]"):
        presplit(pair, pair, (np.zeros((3, 1)), np.zeros(3)))
    with pytest.raises(DataError, match="train split: inputs has 1 of 6"):
        presplit((np.array([[0, 0], [0, np.nan], [0, 0]]), np.zeros(3)), pair, pair)
    with pytest.raises(DataError, match="a pair"):
        presplit(pair, pair, np.zeros(3))  # pyright: ignore[reportArgumentType]


def test_a_study_may_name_its_data_in_every_way():
    x, y = np.arange(30.0)[:, None], np.arange(30) % 3
    assert make_data("digits").digest == make_data({"name": "digits"}).digest
    assert make_data((x, y)).digest == arrays(x, y).digest
    spec = {"name": (x, y), "split": {"by": "order"}, "classes": 3}
    assert make_data(spec).test.inputs[0, 0] == 24.0
    assert isinstance(make_data(lambda: arrays(x, y)), Dataset)


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("digit", StudyError, "no data set is named 'digit'; allowed digits"),
        (3, DataError, "data is a int; allowed are"),
        ({"train": 1}, DataError, "needed are train, validation and test"),
        (lambda: 3, DataError, "must return a Dataset"),
        ({"name": digits(), "split": {"seed": 1}}, DataError, "these data come split"),
    ],
)
def test_other_data_are_refused(spec, error, message):
    with pytest.raises(error, match=message):
        make_data(spec)

"""Few labels: which examples keep theirs, that nothing else is seen, and how they are trained on."""

from pathlib import Path

import jax
import numpy as np
import pytest

import funcdl as fd
from funcdl.data import order
from funcdl.data.arrays import arrays
from funcdl.data.labelled import with_labelled
from funcdl.data.load import make_data
from funcdl.errors import DataError, StudyError
from tests.study_tools import write

STUDY = """
name: few
task: classification
data: {name: digits, labelled: 20}
model: logistic
optimizer: {name: sgd, learning_rate: 0.1}
train: {steps: 20, batch_size: 32, eval_every: 10}
repeat: 2
"""


def numbered(counts: list[int], seed: int = 0):
    """A data set whose inputs are the examples' numbers, with so many training examples per class."""
    labels = np.repeat(np.arange(len(counts)), np.asarray(counts) + 2)
    inputs = np.arange(len(labels), dtype=np.float32)[:, None]
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(labels))
    k = len(counts)
    split = {"by": "stratified", "test": k, "validation": k, "seed": seed}
    return arrays(inputs[shuffled], labels[shuffled], split=split)


def sainte_lague(counts: list[int], seats: int) -> list[int]:
    """Seats one by one, each to the greatest quotient, after one for everybody."""
    given = [1] * len(counts)
    while sum(given) < seats:
        quotients = [count / (2 * have + 1) for count, have in zip(counts, given, strict=True)]
        given[int(np.argmax(quotients))] += 1
    return given


@pytest.mark.parametrize("counts", [[60, 60, 60], [100, 37, 5], [400, 3, 1], [11, 13, 17, 19]])
def test_classes_get_labels_as_parties_get_seats(counts):
    data = numbered(counts)
    held = np.bincount(data.train.targets).tolist()
    for n in (len(counts), len(counts) + 1, 10, 17, sum(held) // 2, sum(held) - 1):
        found = np.bincount(with_labelled(data, n).train.targets, minlength=len(counts))
        assert found.tolist() == sainte_lague(held, n)


def test_fewer_labels_are_a_part_of_more_and_nothing_is_lost():
    data = few = numbered([40, 25, 10])
    every, before = set(data.train.inputs.ravel()), set()
    for n in range(3, len(every) + 1):
        few = with_labelled(data, n)
        kept = set(few.train.inputs.ravel())
        hidden = set() if few.unlabelled is None else set(few.unlabelled.ravel())
        assert len(kept) == n
        assert before < kept
        assert kept | hidden == every
        assert not kept & hidden
        before = kept
    assert before == every
    assert few.unlabelled is None


def test_labels_stay_with_their_examples_and_other_splits_as_they_are():
    data = numbered([40, 25, 10])
    label = dict(zip(data.train.inputs.ravel(), data.train.targets, strict=True))
    few = with_labelled(data, 12)
    assert [label[x] for x in few.train.inputs.ravel()] == few.train.targets.tolist()
    np.testing.assert_array_equal(few.test.inputs, data.test.inputs)
    np.testing.assert_array_equal(few.validation.targets, data.validation.targets)


def test_the_splits_seed_draws_the_labels_and_another_than_the_split():
    def rows(seed: int, n: int = 50):
        split = {"by": "stratified", "test": 0.2, "validation": 0.2, "seed": 0}
        data = make_data({"name": "digits", "split": split})
        return with_labelled(data, n, seed).train.inputs

    assert not np.array_equal(rows(0), rows(1))
    np.testing.assert_array_equal(rows(1), rows(1))
    of_split = make_data({"name": "digits", "labelled": 50, "split": {"seed": 1}})
    other = make_data({"name": "digits", "labelled": 50, "split": {"seed": 2}})
    assert of_split.digest != other.digest
    assert (
        of_split.digest
        != make_data({"name": "digits", "labelled": 51, "split": {"seed": 1}}).digest
    )


def test_the_labelled_are_drawn_evenly():
    """Every example of a class keeps its label equally often: 1 of 10, in 400 draws."""
    data = numbered([10, 10])
    times = np.zeros(len(data.train.targets))
    for seed in range(400):
        kept = with_labelled(data, 2, seed).train.inputs.ravel()
        times += np.isin(data.train.inputs.ravel(), kept)
    assert np.all(abs(times - 40) < 5 * 6)  # five standard deviations
    assert times.std() < 10


def test_targets_that_are_no_labels_are_drawn_at_random():
    data = arrays(np.arange(50.0)[:, None], np.linspace(0.0, 1.0, 50))
    few = with_labelled(data, 1)
    assert few.train.targets.shape == (1,)
    assert few.unlabelled is not None
    assert few.unlabelled.shape == (29, 1)


@pytest.mark.parametrize("count", [0, 2, 76, -1, True, 2.5])
def test_counts_that_do_not_fit_are_refused(count):
    with pytest.raises(DataError, match=r"data\.labelled.*allowed are"):
        with_labelled(numbered([40, 25, 10]), count)


def test_no_digest_changes_where_no_label_is_hidden():
    data = make_data("digits")
    assert with_labelled(data, len(data.train.targets)).digest == data.digest


@pytest.mark.parametrize(("n", "batch_size"), [(1, 4), (10, 11), (10, 64), (300, 700)])
def test_a_batch_larger_than_the_data_holds_every_example_equally_often(n, batch_size):
    words = np.asarray(jax.random.key_data(jax.random.key(7)))
    rows = order.indices_on_host(words, np.arange(6), n=n, batch_size=batch_size)
    for row in rows:
        counts = np.bincount(row, minlength=n)
        assert set(counts) <= {batch_size // n, -(-batch_size // n)}
        for start in range(0, batch_size - n + 1, n):
            assert sorted(row[start : start + n]) == list(range(n))
    if n > 1:
        assert len({tuple(row) for row in rows.tolist()}) == 6
        assert (
            len({tuple(row[:n]) for row in rows[:, n:].tolist()} & set(map(tuple, rows[:, :n])))
            == 0
        )


@pytest.mark.parametrize(("n", "batch_size"), [(3, 8), (10, 64)])
def test_device_and_host_agree_on_such_batches(n, batch_size):
    key = jax.random.key(3)
    words = np.asarray(jax.random.key_data(key))
    on_host = order.indices_on_host(words, np.arange(4), n=n, batch_size=batch_size)
    batch = jax.jit(lambda s: order.indices(key, s, n=n, batch_size=batch_size))
    np.testing.assert_array_equal(np.stack([batch(s) for s in range(4)]), on_host)


def test_a_study_trains_on_the_labelled_alone(tmp_path: Path):
    """Labels that are hidden can be anything, and so can the inputs, for a supervised method."""
    full = make_data("digits")
    few = with_labelled(full, 20)
    alone = {
        "train": (few.train.inputs, few.train.targets),
        "validation": tuple(full.validation),
        "test": tuple(full.test),
    }
    settings = {
        "task": "classification",
        "model": "logistic",
        "optimizer": {"name": "sgd", "learning_rate": 0.1},
        "train": {"steps": 20, "batch_size": 20, "eval_every": 10},
        "repeat": 2,
        "baselines": ["logistic_regression"],
    }
    one = fd.run(
        fd.Study(data={"name": "digits", "labelled": 20}, **settings), out=tmp_path / "a", workers=0
    )
    other = fd.run(fd.Study(data=alone, **settings), out=tmp_path / "b", workers=0)
    assert one.runs["digest"].tolist() == other.runs["digest"].tolist()
    assert set(one.runs["status"]) == {"ok"}


def test_labelled_is_an_axis_and_batches_may_be_larger(tmp_path: Path):
    text = STUDY.replace("data: {name: digits, labelled: 20}", "data: digits")
    path = write(tmp_path, text + "across: {data.labelled: [10, 40]}\n")
    results = fd.run(fd.load_study(path), out=tmp_path / "out", workers=0)
    assert set(results.runs["status"]) == {"ok"}
    assert results.runs["block"].unique().tolist() == ["10", "40"]
    sizes = [(h.sizes[0], h.unlabelled) for h in results.question.holdings]
    assert sizes == [(10, 1069), (40, 1039)]
    page = (tmp_path / "out" / "report" / "index.html").read_text()
    assert "The labels of 1,069 more training examples are hidden." in page
    assert "labelled: [10, 40]" in (tmp_path / "out" / "study.yaml").read_text()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("labelled: 5", r"study\.yaml:4: data: data\.labelled is 5.*allowed are 10 to 1079"),
        ("labelled: many", r"study\.yaml:4: data\.labelled: 'many' given; allowed a whole number"),
        ("labelled: 0", r"data\.labelled: 0 given; allowed a whole number at least 1"),
        ("labeled: 20", r"did you mean labelled"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, written: str, said: str):
    path = write(tmp_path, STUDY.replace("labelled: 20", written))
    with pytest.raises(StudyError, match=said):
        fd.run(fd.load_study(path), out=tmp_path / "out")


def test_large_batches_of_fully_labelled_data_are_still_refused(tmp_path: Path):
    text = STUDY.replace("labelled: 20", "split: {test: 0.4, validation: 0.58}")
    path = write(tmp_path, text.replace("batch_size: 32", "batch_size: 64"))
    with pytest.raises(StudyError, match="64 given, but the training split has"):
        fd.run(fd.load_study(path), out=tmp_path / "out")


# Some classes.


def test_only_some_classes_are_left_and_numbered_as_they_are_named():
    full, some = make_data("digits"), make_data({"name": "digits", "only": [7, 3, 9]})
    assert some.classes == ("7", "3", "9")
    for name in ("train", "validation", "test"):
        before, left = getattr(full, name), getattr(some, name)
        mask = np.isin(before.targets, [7, 3, 9])
        np.testing.assert_array_equal(left.inputs, before.inputs[mask])
        np.testing.assert_array_equal(np.array([7, 3, 9])[left.targets], before.targets[mask])
    other = make_data({"name": "digits", "only": [9, 3, 7]})
    assert len({full.digest, some.digest, other.digest}) == 3
    few = make_data({"name": "digits", "only": [7, 3], "labelled": 6})
    assert np.bincount(few.train.targets).tolist() == [3, 3]


@pytest.mark.parametrize("only", [[3], [3, 3], [3, 10], [-1, 2]])
def test_classes_that_are_not_there(only):
    with pytest.raises(DataError, match=r"data\.only is .*allowed are two or more"):
        make_data({"name": "digits", "only": only})


def test_small_mnist_is_the_mean_over_areas():
    """Against doubling 20x20 pixels and averaging blocks of 5x5, which is exact."""
    large, small = make_data("mnist_5k"), make_data("mnist_8x8")
    np.testing.assert_array_equal(small.test.targets, large.test.targets)
    boxes = large.test.inputs[:, 4:24, 4:24, 0].astype(np.float64)
    doubled = boxes.repeat(2, 1).repeat(2, 2)
    means = doubled.reshape(-1, 8, 5, 8, 5).mean((2, 4))
    np.testing.assert_allclose(small.test.inputs[..., 0], means, atol=1e-6)

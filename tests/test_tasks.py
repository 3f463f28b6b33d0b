"""Tasks: what they report, and the data they refuse."""

import re

import jax.numpy as jnp
import numpy as np
import pytest

from funcdl.data.arrays import arrays
from funcdl.data.load import make_data
from funcdl.errors import DataError, StudyError
from funcdl.tasks import METRICS, TASKS
from funcdl.tasks.check import check_data
from funcdl.tasks.load import make_task
from funcdl.types import Dataset, Split, Task


def dataset(train, validation=None, test=None, classes=()):
    """A data set with these targets, made by hand, so that nothing has checked it."""

    def split(targets):
        targets = np.asarray(targets)
        return Split(np.zeros((len(targets), 2), np.float32), targets)

    parts = (train if part is None else part for part in (train, validation, test))
    return Dataset(*map(split, parts), classes=classes, digest="")


def refusal(name, *args, **kwargs):
    """The message, which is the same before and after JAX is there."""
    data = dataset(*args, **kwargs)
    with pytest.raises(DataError) as caught:
        make_task(name).check(data)
    with pytest.raises(DataError, match=re.escape(str(caught.value))):
        check_data({"name": name}, data)
    return str(caught.value)


@pytest.mark.parametrize("name", TASKS)
def test_the_table_of_metrics_is_that_of_the_task(name):
    task = make_task(name)
    assert list(task.metrics) == list(METRICS[name])
    assert next(iter(task.metrics)) == "loss"


def test_digits_pass_and_have_ten_outputs():
    task, data = make_task("classification"), make_data("digits")
    task.check(data)
    check_data("classification", data)
    check_data({"name": task}, data)
    assert task.outputs(data) == 10


def test_classes_may_be_declared_or_counted():
    task = make_task("classification")
    assert task.outputs(dataset([0, 1, 1], [0], [2])) == 3
    assert task.outputs(dataset([0, 1, 1], classes=("a", "b", "c", "d"))) == 4
    task.check(dataset([0, 1, 1], [0], [3], classes=("a", "b", "c", "d")))


def test_smoothing_changes_what_is_trained_but_not_what_is_reported():
    logits, labels = jnp.array([[2.0, 0.0, -1.0]]), jnp.array([0])
    plain = make_task("classification")
    smooth = make_task({"name": "classification", "label_smoothing": 0.3})
    assert smooth.loss(logits, labels) > plain.loss(logits, labels)
    assert smooth.metrics["loss"](logits, labels) == plain.loss(logits, labels)


def test_wrong_labels_are_counted_and_located():
    message = refusal("classification", [0, 1, 2], [0, -1, 1, -1], classes=("a", "b", "c"))
    assert "2 of 4 labels of the validation split" in message
    assert "first is -1 at index 1" in message
    message = refusal("classification", [0, 1, 2], None, [0, 1, 3], classes=("a", "b", "c"))
    assert "1 of 3 labels of the test split are outside 0..2; the first is 3 at index 2" in message
    assert "no training example, the first is 0" in refusal("classification", [1, 2, 3])
    assert "first is 2" in refusal("classification", [0, 1], None, [2])
    assert "first is 1" in refusal("classification", [0, 2**31 - 2])  # and takes no memory


@pytest.mark.parametrize("targets", [[0.0, 1.0], ["a", "b"], [[0], [1]]])
def test_other_targets_are_no_labels(targets):
    assert "needs integer labels of shape [n]" in refusal("classification", targets)


def test_one_class_cannot_be_learnt():
    assert "only label 1" in refusal("classification", [1, 1], [0, 1], [0, 1])
    assert "only label 0" in refusal("classification", [0, 0, 0])


@pytest.mark.parametrize("task", TASKS)
def test_empty_and_unequal_splits_are_refused(task):
    assert "the test split" in refusal(task, [0, 1], [0, 1], np.zeros(0, int))
    made = dataset([0, 1])
    short = made._replace(validation=Split(made.train.inputs[:1], made.train.targets))
    with pytest.raises(DataError, match=r"validation split have lengths \[1, 2\]"):
        make_task(task).check(short)
    wide = made._replace(validation=Split(np.zeros((2, 3), np.float32), made.train.targets))
    with pytest.raises(DataError, match=r"inputs float32\[3\].*inputs float32\[2\]"):
        make_task(task).check(wide)


def test_regression_counts_columns():
    task = make_task("regression")
    assert task.outputs(dataset([0.1, 0.2])) == 1
    assert task.outputs(dataset([[0.1, 0.2, 0.3]])) == 3
    task.check(dataset([0.5, 1.5]))
    task.check(dataset([1, 2]))


def test_regression_refuses_what_is_no_number():
    message = refusal("regression", [0.0, np.nan, np.inf])
    assert (
        "2 of 3 targets of the train split are not finite; the first is nan at index [1]" in message
    )
    assert "needs numbers" in refusal("regression", ["a", "b"])
    assert "[n] or [n, d]" in refusal("regression", np.zeros((2, 2, 2)))


def test_arrays_fit_their_tasks():
    random = np.random.default_rng(0)
    inputs = random.normal(size=(40, 3))
    make_task("classification").check(arrays(inputs, np.arange(40) % 4))
    make_task("regression").check(arrays(inputs, random.normal(size=(40, 2))))


def test_a_task_may_be_an_object_or_a_function():
    task = make_task("regression")
    assert make_task(task) is task
    assert make_task({"name": task}) is task
    assert isinstance(make_task(lambda: task), Task)


@pytest.mark.parametrize(
    "spec",
    ["clasification", 3, {"name": "vision"}, {"name": "classification", "label_smoothing": 1.0}],
)
def test_unknown_tasks_are_refused(spec):
    with pytest.raises(StudyError, match="allowed"):
        make_task(spec)
    with pytest.raises(StudyError, match="allowed"):
        check_data(spec, dataset([0, 1]))


def test_arguments_beside_a_ready_task_are_refused():
    with pytest.raises(StudyError, match="label_smoothing"):
        make_task({"name": make_task("classification"), "label_smoothing": 0.1})

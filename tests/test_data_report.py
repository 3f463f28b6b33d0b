"""What a study says of its data: sizes, rule, classes, and examples that more than one split has."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import funcdl as fd
from funcdl.config import expand
from funcdl.data.arrays import presplit
from funcdl.data.duplicates import Shared, fingerprints, shared
from funcdl.data.load import make_data
from funcdl.data.rows import blocks
from funcdl.overview import describe
from funcdl.plan.datasets import facts_of
from funcdl.plan.splits import Splits
from funcdl.plan.study import make_plan
from funcdl.plan_json import read_record, write_record
from funcdl.report.answer import Answer
from funcdl.report.caveats import warnings
from funcdl.report.holdings import holdings
from funcdl.report.material import Material
from funcdl.report.question import Holding, Question
from funcdl.report.sections.data import data as data_section

HOLDING = Holding(
    blocks=("",),
    name="phishing",
    rule="at random (seed 0)",
    splits=1,
    sizes=(750, 250, 250),
    classes=("honest", "phishing"),
    counts=((421, 329), (141, 109), (140, 110)),
    shared=(155, 162, 0),
)


def question(*found):
    return Question(
        name="q",
        command="",
        config_text="",
        metric="test/accuracy",
        selected_by="validation/accuracy",
        mode="max",
        methods=(("", "a"),),
        contrasts=(),
        holdings=found,
    )


def section_of(*found):
    material = Material(question(*found), None, None, None, None)  # type: ignore[arg-type]
    answer: Answer = None  # type: ignore[assignment]
    return list(data_section(material, answer))


@pytest.mark.parametrize("by", ["random", "group"])
def test_shared_examples_are_those_of_a_plain_search(by):
    found = make_data({"name": "phishing", "split": {"by": by}})
    train, validation, test = ([row.tolist() for row in part.inputs] for part in found[:3])
    expected = Shared(
        sum(row in train for row in test),
        sum(row in train for row in validation),
        sum(row in validation for row in test),
    )
    assert shared(found) == expected
    assert bool(expected.test) == (by == "random")


numbers = st.one_of(st.sampled_from([0.0, -0.0, 1.0, 2.0, 0.5]), st.floats(-10, 10, width=32))


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 12), st.integers(1, 4)), elements=numbers))
def test_fingerprints_are_equal_for_equal_examples_alone(table):
    codes = (table[:, 0] * 2).astype(np.int32)
    found = fingerprints({"a": table, "b": (codes,)})
    for one in range(len(table)):
        for other in range(len(table)):
            alike = np.array_equal(table[one], table[other])
            assert (found[one] == found[other]) == alike


def test_fingerprints_tell_places_and_orders_apart_and_do_not_depend_on_blocks(monkeypatch):
    swapped = fingerprints(np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0]], np.float32))
    assert swapped[0] == swapped[2] != swapped[1]
    one = np.array([[1, 0]], np.int32)
    assert fingerprints({"a": one, "b": one[:, ::-1].copy()}) != fingerprints(
        {"a": one[:, ::-1].copy(), "b": one}
    )
    small = np.random.default_rng(0).integers(0, 3, (50, 6)).astype(np.float32)
    whole = fingerprints(small)
    with monkeypatch.context() as small_blocks:
        small_blocks.setattr("funcdl.data.rows.BLOCK_BYTES", 100)
        assert len(list(blocks(small))) > 1
        assert np.array_equal(fingerprints(small), whole)


def test_fingerprints_use_all_their_bits():
    """Rows that differ in the highest bits of their words alone, which a sum of products loses."""
    drawn = np.random.default_rng(0).integers(0, 2**63, 2**18, dtype=np.int64)
    assert np.unique(drawn).size == 2**18
    bits = (drawn[:, None] >> np.arange(63)) & 1
    assert np.unique(fingerprints((bits << 31).astype(np.int32))).size == 2**18


def test_large_data_are_not_looked_through(monkeypatch):
    found = make_data("digits")
    monkeypatch.setattr("funcdl.data.duplicates.LARGEST", 1000)
    assert shared(found) is None
    assert "was not looked for" in section_of(HOLDING._replace(shared=None))[0].paragraphs[0]


def test_facts_count_the_classes_of_each_split():
    found = make_data("digits")
    counts = facts_of(found).counts
    assert [sum(part) for part in counts] == [1079, 359, 359]
    assert counts[2] == tuple(np.bincount(found.test.targets).tolist())
    numbers = presplit(*[(np.ones((4, 1)), np.ones(4))] * 3)
    assert facts_of(numbers).counts == ()


def test_the_section_says_rule_sizes_classes_and_what_is_shared():
    (section,) = section_of(HOLDING)
    (said,) = section.paragraphs
    assert "1,250 examples, split at random (seed 0). 750 are trained on" in said
    assert "155 of 250 test examples in the training split" in said
    assert "162 of 250 validation examples in the training split" in said
    assert "in the validation split" not in said
    (grid,) = section.grids
    assert grid.frame["class"].tolist() == ["honest", "phishing"]
    assert grid.frame["test"].tolist() == [140, 110]
    clean = HOLDING._replace(shared=(0, 0, 0), splits=5, counts=(), classes=(), blocks=("p",))
    (section,) = section_of(clean)
    assert "No two splits share an example" in section.paragraphs[0]
    assert "Each of 5 repeats has another split" in section.paragraphs[0]
    assert "phishing (in p)" in section.paragraphs[0]
    assert not section.grids
    assert section_of() == []


def test_repeated_test_examples_are_a_warning():
    (warning,) = [w for w in warnings(question(HOLDING), [], [], []) if "same inputs" in w]
    assert warning.startswith("Of phishing, 155 of 250 test examples")
    for other in (HOLDING._replace(shared=(0, 3, 3)), HOLDING._replace(shared=None)):
        assert not any("same inputs" in w for w in warnings(question(other), [], [], []))


def test_a_study_knows_its_data_sets_and_reads_them_back(tmp_path):
    study = fd.Study(
        task="classification",
        model="mlp",
        optimizer={"name": "adam", "learning_rate": 0.01},
        across={
            "problem": {
                "one": {"data": "digits"},
                "two": {"data": "digits", "train.steps": 3},
                "three": {"data": {"name": "phishing", "split": {"seed": 4}}},
            }
        },
    )
    splits = Splits(study)
    methods = expand(study).methods
    recipes = [method.recipe["data"] for method in methods]
    assert recipes[2]["split"] == {"by": "group", "test": 0.2, "validation": 0.2, "seed": 4}
    digests = [splits.find(recipe)[0] for recipe in recipes]
    trials = [(type("Trial", (), {"data": digest})(),) for digest in digests]
    given = {"methods": methods, "trials": trials, "datasets": splits.datasets}
    plan = type("Plan", (), given)()
    found = holdings(study, plan)  # type: ignore[arg-type]
    assert [(one.name, tuple(one.blocks)) for one in found] == [
        ("digits", ("one", "two")),
        ("phishing", ("three",)),
    ]
    assert found[1].rule == "at random, whole groups at a time (seed 4)"
    assert found[1].shared == (0, 0, 0)
    record = json.loads(json.dumps(write_record(question(*found), {})))
    folder = type("Folder", (), {"plan": record, "path": tmp_path})()
    again = read_record(folder, None).holdings  # type: ignore[arg-type]
    assert [one.sizes for one in again] == [list(one.sizes) for one in found]
    assert again[0].name == "digits"


def test_numbers_are_split_at_random_and_have_no_classes(tmp_path):
    np.savez(tmp_path / "own.npz", inputs=np.ones((20, 2)), targets=np.linspace(0, 1, 20))
    study = fd.Study(
        task="regression",
        data={"name": "npz", "path": str(tmp_path / "own.npz")},
        model="mlp",
        train={"batch_size": 4},
        optimizer={"name": "adam", "learning_rate": 0.01},
    )
    (found,) = holdings(study, make_plan(study, expand(study)))
    assert found.rule == "at random (seed 0)"


def test_a_plan_says_what_the_data_are():
    """Shapes, classes (without what moves a cursor), and what a model has seen before it is asked."""
    inputs = np.repeat(np.arange(30, dtype=np.float32), 2)[:, None]

    def planned(**split: Any) -> tuple[str, int]:
        rule = {"by": "random", "test": 11, "validation": 11, **split}
        data = {
            "name": (inputs, np.arange(60) % 3),
            "classes": ["red", "gr\x1been", "blue"],
            "split": rule,
        }
        study = fd.Study(
            task="classification",
            data=data,
            model="logistic",
            optimizer={"name": "sgd", "learning_rate": 0.1},
            train={"steps": 1, "batch_size": 2},
            repeat={"vary": ["init"]},
        )
        found = make_data(data)
        return describe(study), sum(row in found.train.inputs for row in found.test.inputs)

    said = (
        "38 train, 11 validation, 11 test examples, inputs float32[1], 3 classes: red, gr?een, blue"
    )
    text, seen = planned()
    assert seen > 0
    assert f"{said}; {seen} test examples have the inputs of a training example\n" in text
    text, seen = planned(by="order", test=12, validation=12)
    assert seen == 0
    assert "12 test examples, inputs float32[1], 3 classes: red, gr?een, blue\n" in text

"""From a study to its methods: products, bundles, labels, search spaces, contrasts."""

import itertools

import pytest

from funcdl.config import Study, expand, with_values
from funcdl.config.node import from_python
from funcdl.errors import StudyError

BASE = {"task": "classification", "data": "digits", "model": "mlp"}
SGD = {"name": "sgd", "learning_rate": 0.1}
RATE = {"optimizer.learning_rate": {"log_uniform": [1e-3, 1.0]}}
HARD = {
    "task": "classification",
    "across": {
        "problem": {
            "digits": {"data": "digits"},
            "few": {
                "data": {"name": "digits", "split": {"by": "random", "test": 0.5}},
                "train.steps": 2000,
            },
        }
    },
    "compare": {
        "approach": {
            "small": {"model": "mlp", "model.hidden": [8]},
            "smooth": {"model": {"name": "cnn"}, "task.label_smoothing": 0.1},
        },
        "optimizer": [{"name": "sgd", "momentum": 0.9}, {"name": "adamw", "label": "AdamW"}],
    },
    "baselines": {"forest": {"name": "random_forest"}},
    "contrasts": {"within": "approach"},
    "tune": {
        "optimizer.learning_rate": [
            {"when": {"optimizer": "sgd"}, "log_uniform": [1e-3, 3.0]},
            {"when": {"optimizer": "adamw"}, "log_uniform": [1e-5, 0.1]},
        ],
        "optimizer.b1": {
            "when": {"optimizer": "adamw"},
            "one_minus": {"log_uniform": [0.01, 0.5]},
        },
        "trials": 16,
    },
    "select": {"metric": "validation/accuracy", "mode": "max", "at": "final"},
    "margin": 0.01,
}


def methods(**keys):
    return expand(Study(**{**BASE, **keys})).methods


def labels(**keys):
    return [method.label for method in methods(**keys)]


def wrong(**keys) -> str:
    with pytest.raises(StudyError) as caught:
        Study(**{**BASE, **keys})
    return str(caught.value)


def test_the_hard_study():
    found = expand(Study(**HARD))
    assert [block.label for block in found.blocks] == ["digits", "few"]
    names = ["small/sgd", "small/AdamW", "smooth/sgd", "smooth/AdamW", "forest"]
    assert [(m.block, m.label) for m in found.methods] == [
        (block, name) for block in ("digits", "few") for name in names
    ]
    at = {(m.block, m.label): m for m in found.methods}
    small = at["few", "small/AdamW"]
    assert small.axes == {"approach": "small", "optimizer": "AdamW"}
    assert small.recipe["model"]["hidden"] == [8]
    assert small.recipe["train"]["steps"] == 2000
    assert at["digits", "small/sgd"].recipe["train"]["steps"] == 1000
    assert small.recipe["data"]["split"] == {
        "by": "random",
        "test": 0.5,
        "validation": 0.2,
        "seed": 0,
    }
    assert at["few", "smooth/sgd"].recipe["task"]["label_smoothing"] == 0.1
    assert at["few", "small/sgd"].recipe["task"]["label_smoothing"] == 0.0
    assert list(small.space) == ["optimizer.learning_rate", "optimizer.b1"]
    assert small.space["optimizer.learning_rate"].high == 0.1
    assert at["few", "small/sgd"].space["optimizer.learning_rate"].high == 3.0
    assert list(at["few", "small/sgd"].space) == ["optimizer.learning_rate"]
    forest = at["few", "forest"]
    assert forest.baseline is not None
    assert (forest.baseline["name"], forest.baseline["n_estimators"]) == ("random_forest", 100)
    assert list(forest.recipe) == ["task", "data"]
    assert found.contrasts == tuple(
        (block, f"small/{o}", f"smooth/{o}")
        for block in ("digits", "few")
        for o in ("sgd", "AdamW")
    )
    assert (found.metric, found.mode, found.at) == ("validation/accuracy", "max", "final")
    assert found.runs == 2 * (4 * (16 + 5) + 5)


def test_products_run_through_the_last_axis_first():
    axes = {"model": ["logistic", "mlp"], "train.batch_size": [16, 32, 64]}
    expected = [f"{m}/{b}" for m, b in itertools.product(axes["model"], (16, 32, 64))]
    assert labels(optimizer=SGD, compare=axes) == expected


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_axes_does_not_change_what_a_point_is(order):
    axes = {"optimizer": ["sgd", "adamw"], "optimizer.learning_rate": [0.1, 0.2]}
    found = methods(compare=dict(list(axes.items())[::order]))
    assert {
        (m.recipe["optimizer"]["name"], m.recipe["optimizer"]["learning_rate"]) for m in found
    } == {
        ("sgd", 0.1),
        ("sgd", 0.2),
        ("adamw", 0.1),
        ("adamw", 0.2),
    }


def test_one_method_without_axes_is_called_after_its_parts():
    assert labels(optimizer=SGD) == ["mlp/sgd"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["mlp", "cnn"], ["mlp", "cnn"]),
        (["mlp", {"name": "mlp", "hidden": [8]}], ["mlp", "mlp(hidden=[8])"]),
        (
            [{"name": "mlp", "hidden": [8]}, {"name": "mlp", "hidden": [64, 64], "dropout": 0.5}],
            ["mlp(hidden=[8])", "mlp(hidden=[64,64], dropout=0.5)"],
        ),
        (
            [{"name": "mlp", "hidden": [8]}, {"name": "mlp", "hidden": [9], "label": "nine"}],
            ["mlp", "nine"],
        ),
        ([{"name": "mlp", "label": "a"}, {"name": "cnn", "label": "a"}], ["a", "a#2"]),
    ],
)
def test_labels_of_sections(values, expected):
    assert labels(optimizer=SGD, compare={"model": values}) == expected


def test_labels_of_plain_values_are_the_values():
    clip = {"train.clip_norm": [None, 1, 0.5]}
    assert labels(optimizer=SGD, compare=clip) == ["null", "1", "0.5"]
    hidden = {"model.hidden": [[64], [64, 64]]}
    assert labels(optimizer=SGD, compare=hidden) == ["[64]", "[64,64]"]


def test_equal_points_are_run_once_with_a_note():
    found = expand(
        Study(**BASE, optimizer=SGD, compare={"train.batch_size": [32, 64, 32]}),
    )
    assert [m.label for m in found.methods] == ["32", "64"]
    assert found.notes == ("train.batch_size: 32 is given twice; it is run once",)
    again = expand(Study(**BASE, optimizer=SGD, compare={"model": ["mlp", {"name": "mlp"}]}))
    assert [m.label for m in again.methods] == ["mlp"]


def test_arguments_do_not_leak_between_values_of_an_axis():
    first, second = methods(
        optimizer={**SGD, "momentum": 0.5}, compare={"optimizer": ["sgd", "adamw"]}, tune=RATE
    )
    assert first.recipe["optimizer"]["momentum"] == 0.5
    assert "momentum" not in second.recipe["optimizer"]


def test_arguments_without_a_name_are_shared_by_all_values():
    shared = {"data": {"split": {"seed": 7}}, "compare": {"data": [{"name": "digits"}]}}
    (method,) = methods(optimizer=SGD, **shared)
    assert method.recipe["data"]["split"]["seed"] == 7


def test_tuned_keys_are_empty_until_a_trial_sets_them():
    (method,) = methods(optimizer="sgd", tune=RATE)
    assert method.recipe["optimizer"]["learning_rate"] is None
    trial = with_values(method.recipe, {"optimizer.learning_rate": 0.5})
    assert trial["optimizer"]["learning_rate"] == 0.5
    assert method.recipe["optimizer"]["learning_rate"] is None


def test_a_base_value_of_a_tuned_key_leaves_no_trace():
    (first,) = methods(optimizer={"name": "sgd", "learning_rate": 0.1}, tune=RATE)
    (second,) = methods(optimizer="sgd", tune=RATE)
    assert first == second


def test_a_tuned_choice_of_lists_arrives_as_a_list():
    (method,) = methods(optimizer=SGD, tune={"model.hidden": {"choice": [[8], [8, 8]]}})
    value = method.space["model.hidden"].at(1.0)
    assert with_values(method.recipe, {"model.hidden": value})["model"]["hidden"] == [8, 8]


def test_the_first_space_that_matches_wins_and_none_means_not_searched():
    rules = [
        {"when": {"optimizer": ["lion", "adamw"]}, "uniform": [0.1, 0.2]},
        {"when": {"optimizer": "adamw"}, "uniform": [0.3, 0.4]},
        {"when": {"model": "wide"}, "uniform": [0.5, 0.6]},
    ]
    found = methods(
        optimizer={"learning_rate": 0.1},
        compare={
            "optimizer": ["sgd", "adamw", "lion"],
            "model": ["cnn", {"name": "mlp", "label": "wide"}],
        },
        tune={"optimizer.learning_rate": rules},
    )
    lows = {m.label: [d.low for d in m.space.values()] for m in found}
    assert lows == {
        "sgd/cnn": [],
        "sgd/wide": [0.5],
        "adamw/cnn": [0.1],
        "adamw/wide": [0.1],
        "lion/cnn": [0.1],
        "lion/wide": [0.1],
    }


def test_when_looks_at_values_and_defaults_too():
    rule = {"when": {"optimizer.nesterov": False}, "uniform": [0.0, 0.9]}
    found = methods(
        optimizer=SGD,
        compare={"optimizer.nesterov": [False, True]},
        tune={"optimizer.momentum": rule},
    )
    assert [bool(m.space) for m in found] == [True, False]


def test_a_key_is_searched_only_where_it_exists():
    found = methods(
        compare={"optimizer": ["sgd", "adamw"]},
        tune={**RATE, "optimizer.b1": {"uniform": [0.8, 0.99]}},
    )
    assert [list(m.space) for m in found] == [
        ["optimizer.learning_rate"],
        ["optimizer.learning_rate", "optimizer.b1"],
    ]


@pytest.mark.parametrize(
    ("tune", "expected"),
    [
        ({"optimizer.learning_ratx": {"uniform": [0, 1]}}, "did you mean optimizer.learning_rate"),
        ({"train.eval_every": {"int_uniform": [1, 9]}}, "unknown key 'train.eval_every'"),
        ({"data.split.seed": {"int_uniform": [1, 9]}}, "unknown key 'data.split.seed'"),
        ({"optimizer": {"choice": ["sgd"]}}, "unknown key 'optimizer'"),
        ({"trails": 3}, "did you mean trials"),
        ({"optimizer.nesterov": {"uniform": [0, 1]}}, "search it with choice, not uniform"),
        ({"optimizer.nesterov": {"choice": [True, 1]}}, "1 given; allowed true or false"),
        ({"train.batch_size": {"log_uniform": [8, 64]}}, "int_uniform or choice"),
        ({"train.batch_size": {"int_uniform": [0, 64]}}, "0 given; allowed a whole number at"),
        ({"optimizer.momentum": {"choice": ["high"]}}, "'high' given; allowed a number, or null"),
        ({"model.activation": {"choice": ["relu", "rleu"]}}, "did you mean relu"),
        ({"model.dropout": {"uniform": [0, 1]}}, "1.0 given; allowed a number at least 0 and less"),
        ({"train.steps": {"int_uniform": [10, 90]}}, "fewer than train.eval_every, 100"),
        ({"optimizer.momentum": []}, "no spaces"),
        (
            {"optimizer.momentum": {"when": {"optimizer": "sdg"}, "uniform": [0, 1]}},
            "did you mean sgd",
        ),
        (
            {"optimizer.momentum": {"when": {"optimiser": "sgd"}, "uniform": [0, 1]}},
            "did you mean optimizer",
        ),
        ({"optimizer.momentum": {"when": "sgd", "uniform": [0, 1]}}, "must be a mapping, such as"),
        ({"optimizer.momentum": {"when": {"model": []}, "uniform": [0, 1]}}, "no value meets it"),
        ({"stop": 3}, "3 given; allowed true, or a mapping of eta, rungs, first"),
    ],
)
def test_refused_searches(tune, expected):
    assert expected in wrong(optimizer=SGD, tune=tune)


def test_a_known_name_that_was_left_out_does_not_spoil_a_condition():
    rule = {"when": {"optimizer": ["sgd", "lion"]}, "uniform": [0.1, 0.2]}
    (method,) = methods(optimizer="sgd", tune={"optimizer.learning_rate": rule})
    assert method.space


@pytest.mark.parametrize(
    ("compare", "expected"),
    [
        ({"optimizer": []}, "compare.optimizer: no values, so there is nothing to run"),
        ({"optimizer": {}}, "compare.optimizer: no values, so there is nothing to run"),
        ({"optimizer": "sgd"}, "must be a list of values, or a mapping of labels"),
        ({"optimizer": {"name": "sgd"}}, "compare.optimizer.name: must be a mapping of keys"),
        ({"optimiser": ["sgd"]}, "unknown key 'optimiser'; did you mean optimizer"),
        ({"x": {"a": {"modle": "mlp"}}}, "compare.x.a.modle: unknown key 'modle'; did you mean"),
        ({"x": {"a": {"model": "mlq"}}}, "compare.x.a.model: unknown model 'mlq'; did you mean"),
        ({"train.stepz": [1, 2]}, "unknown key 'stepz'; did you mean steps"),
        ({"model": ["mlp", {"name": 5}]}, "compare.model[1].name: unknown model 5; allowed"),
        ({"model": [{"name": "mlp", "label": ""}]}, "an empty label"),
        ({"model": [{"name": "mlp", "label": "a\x1b[31m"}]}, "has control characters"),
        ({"model": [{"name": "mlp", "label": "a\u202eb"}]}, "has control characters"),
        ({"model": [{"name": "mlp", "label": "a" * 101}]}, "a label of 101 characters"),
        (
            {"a": {"p": {"train.steps": 100}}, "train.steps": [200]},
            "train.steps[0]: set twice",
        ),
        (
            {"optimizer.learning_rate": [0.1]},
            "set to 0.1 here, but tune searches it",
        ),
    ],
)
def test_refused_axes(compare, expected):
    assert expected in wrong(optimizer=SGD, compare=compare, tune=RATE)


def test_bundles_of_different_axes_may_not_contradict_each_other():
    axes = {
        "compare": {"a": {"p": {"model": "mlp"}}},
        "across": {"b": {"q": {"model": {"name": "cnn"}}}},
    }
    assert "set twice" in wrong(optimizer=SGD, **axes)


def test_two_methods_of_one_name_are_refused():
    assert "two methods" in wrong(
        optimizer=SGD,
        compare={
            "a": {"p/q": {}, "p": {"train.steps": 200}},
            "b": {"r": {}, "q/r": {"train.batch_size": 8}},
        },
    )
    assert "two methods are called 'mlp'" in wrong(
        optimizer=SGD, compare={"model": ["mlp"]}, baselines={"mlp": "majority"}
    )


def test_a_grid_of_more_than_a_million_runs_is_refused_with_its_count():
    axes = {f"train.{k}": list(range(1, 1001)) for k in ("batch_size", "accumulate", "steps")}
    text = wrong(optimizer=SGD, compare=axes, repeat=1)
    assert "1000000000 methods with 1 repeats are 1000000000 runs; allowed 1000000 in all" in text
    choices = {f"optimizer.{k}": {"choice": [i / 2000 for i in range(1000)]} for k in ("b1", "b2")}
    choices["optimizer.eps"] = {"choice": [i / 1000 for i in range(1000)]}
    text = wrong(
        optimizer={"name": "adam", "learning_rate": 0.1}, tune={**choices, "sampler": "grid"}
    )
    assert "1000000005 runs; allowed 1000000 in all" in text


def test_a_million_runs_are_counted_exactly():
    def study(count):
        return {"optimizer": "sgd", "tune": {**RATE, "trials": count}, "repeat": 1}

    assert expand(Study(**BASE, **study(999_999))).runs == 1_000_000
    assert "1000001 runs" in wrong(**study(1_000_000))


def test_contrasts_are_all_pairs_or_those_asked_for():
    axes = {"model": ["mlp", "cnn"], "train.batch_size": [8, 16]}
    names = ["mlp/8", "mlp/16", "cnn/8", "cnn/16", "majority"]

    def contrasts(rule):
        study = Study(**BASE, optimizer=SGD, compare=axes, baselines=["majority"], contrasts=rule)
        return [pair[1:] for pair in expand(study).contrasts]

    assert contrasts("all") == list(itertools.combinations(names, 2))
    assert contrasts({"within": "model"}) == [("mlp/8", "cnn/8"), ("mlp/16", "cnn/16")]
    assert contrasts({"against": "cnn/8"}) == [(n, "cnn/8") for n in names if n != "cnn/8"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"within": "modle"}, "unknown axis 'modle'; did you mean model"),
        ({"against": "mpl"}, "unknown method 'mpl'; did you mean mlp"),
        ({"withn": "model"}, "unknown key 'withn'; did you mean within"),
        ({"within": "model", "against": "mlp"}, "give one of within, against"),
        ("some", "allowed all, {within: AXIS}, {against: LABEL}"),
    ],
)
def test_refused_contrasts(rule, expected):
    text = wrong(optimizer=SGD, compare={"model": ["mlp", "cnn"]}, contrasts=rule)
    assert expected in text


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ({}, ("validation/accuracy", "max", "final")),
        ("validation/loss", ("validation/loss", "min", "final")),
        ({"metric": "validation/brier", "at": "best"}, ("validation/brier", "min", "best")),
    ],
)
def test_selection(select, expected):
    study = Study(**BASE, optimizer=SGD, select=select)
    assert expand(study)[3:6] == expected


def test_a_regression_is_selected_by_its_loss():
    study = Study(task="regression", data="digits", model="mlp", optimizer=SGD)
    assert expand(study)[3:5] == ("validation/loss", "min")


@pytest.mark.parametrize("metric", ["test/accuracy", "accuracy", "validation/mse", "train/loss"])
def test_only_validation_metrics_of_the_task_select(metric):
    assert f"unknown metric '{metric}'" in wrong(optimizer=SGD, select=metric)


def test_a_method_is_compared_with_a_schedule_only_if_it_follows_it():
    train = {"schedule": "cosine"}
    text = wrong(compare={"optimizer": ["sgd", "rprop"]}, tune=RATE, train=train)
    assert text.startswith("train.schedule: rprop does not follow the schedule cosine: ")
    bundles = {"rprop": {"optimizer": "rprop", "train.schedule": "constant"}}
    assert labels(compare={"o": bundles}, tune=RATE, train=train) == ["rprop"]


def test_with_values_changes_neither_recipe_nor_values():
    recipe = {"train": {"schedule": {"name": "cosine", "warmup": 0.0}}, "model": {"name": "mlp"}}
    result = with_values(recipe, {"train.schedule.warmup": 0.5, "train.steps": 3})
    assert result["train"] == {"schedule": {"name": "cosine", "warmup": 0.5}, "steps": 3}
    assert recipe["train"] == {"schedule": {"name": "cosine", "warmup": 0.0}}
    with pytest.raises(KeyError, match="unknown section 'optimizer'"):
        with_values(recipe, {"optimizer.learning_rate": 1.0})


def test_a_python_tree_has_no_lines():
    assert str(from_python({"a": [1]}).value["a"].value[0].where) == ""

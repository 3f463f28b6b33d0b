"""Each sentence of the methods paragraph is true of the study that it is written for."""

# pyright: reportArgumentType=false

from types import SimpleNamespace

import numpy as np
import pytest

import funcdl as fd
from funcdl.config import expand
from funcdl.report.answer import answer
from funcdl.report.material import Material
from funcdl.report.methods import methods
from funcdl.report.question import Search
from funcdl.report.setting import setting
from tests.report_frames import KEY, quickstart

RESAMPLED, OVER_REPEATS = "corrected resampled t-test", "paired t-test"


def text(repeats=5, keep=9, examples=False, **changes):
    """The paragraphs of a study of the first `keep` methods."""
    question, runs, metrics = quickstart(repeats=repeats)
    labels = question.labels("")[:keep]
    runs = runs[runs["method"].isin(labels)].reset_index(drop=True)
    places = tuple(("", label) for label in labels)
    contrasts = tuple(one for one in question.contrasts if {one[1], one[2]} <= set(labels))
    spaces = {place: question.spaces[place] for place in places}
    question = question._replace(
        methods=places, contrasts=contrasts, spaces=spaces, repeats=repeats
    )._replace(**changes)
    each = {}
    for run in runs[runs["phase"] == "measure"].to_dict("records"):
        right = np.arange(360) < round(360 * run["test/accuracy"])
        each[run["id"]] = right.astype(float)
    material = Material(question, runs, metrics, examples=lambda _: each if examples else {})
    return " ".join(methods(question, answer(material)))


def untuned(repeats=5, keep=9, **changes):
    question, runs, metrics = quickstart(repeats=repeats)
    places = question.methods[:keep]
    labels = [label for _, label in places]
    runs = runs[runs["method"].isin(labels) & (runs["phase"] == "measure")]
    contrasts = tuple(one for one in question.contrasts if {one[1], one[2]} <= set(labels))
    question = question._replace(
        methods=places, contrasts=contrasts, spaces={}, tuned=(), trials=0, repeats=repeats
    )._replace(**changes)
    made = Material(question, runs.reset_index(drop=True), metrics)
    return " ".join(methods(question, answer(made)))


def test_one_method_that_ran_once_has_no_pairs_no_seeds_in_common_and_no_interval():
    said = untuned(keep=1, repeats=1)
    assert "We measured it once, with a fresh random seed." in said
    for wrong in ("1 times", "paired", "interval", "Holm", "t-test", "References", "best"):
        assert wrong not in said, wrong


def test_one_repeat_of_several_methods_tests_nothing():
    said = untuned(repeats=1)
    assert "single run per method" in said
    for wrong in ("1 times", "paired", "interval", "varying", "tuning"):
        assert wrong not in said, wrong


def test_the_plain_test_is_the_paired_one():
    said = text()
    assert "Differences were tested with paired t-tests over the common repeats" in said
    for wrong in ("Satterthwaite", "crossed", "Nadeau", "equivalent", "diverged", "Searle"):
        assert wrong not in said, wrong
    assert "a family-wise level of 0.05" in said


def test_crossed_samples_cite_what_they_use_and_the_wider_p_value():
    said = text(examples=True)
    for needed in ("repeats and test examples as crossed", "harmonic mean", "Searle", "Owen"):
        assert needed in said, needed
    assert "a paired t-test over repeats, which speaks of this test set only" in said
    assert "the larger of the two p-values" in said
    assert "Satterthwaite" not in said


def test_crossed_streams_have_a_crossed_test_beside_the_headline():
    cross = {"init": 3, "order": 3}
    both, alone = (text(repeats=9, examples=e, cross=cross) for e in (True, False))
    assert "in every combination of 3 of init and 3 of order (9 runs per method)" in both
    assert "a crossed t-test over draws of init and order" in both
    assert "t-tests that take draws of init and order as crossed samples" in alone
    assert "paired t-test" not in both + alone


def test_splits_are_tested_by_the_corrected_test_alone():
    vary = ("init", "split")
    shares = dict.fromkeys(quickstart()[0].methods, 0.2)
    said = text(vary=vary, shares=shares)
    assert RESAMPLED in said
    assert "Nadeau" in said
    assert OVER_REPEATS not in said
    assert "on validation examples of another split" in said
    assert "played no part" not in said


def test_looks_widen_the_intervals():
    said = text(looks=(3, 5))
    assert "97.5 % intervals, so that those of all 2 planned looks hold together with 95 %" in said
    assert "times the 2 planned looks" in said
    assert "was to grow through 3 and 5 until" in said


def test_a_margin_and_a_diverged_method_are_told_where_they_are():
    assert "within ±0.01 [" in text(margin=0.01)
    question, runs, metrics = quickstart()
    first = (runs["phase"] == "measure") & (runs["repeat"] == 0) & (runs["method"] == "cnn/sgd")
    runs.loc[first, "status"] = "diverged"
    said = " ".join(methods(question, answer(Material(question, runs, metrics))))
    assert "A method that diverged counts as worst" in said


def test_smaller_is_better_where_it_is():
    assert "smallest validation/accuracy was selected" in text(mode="min")


def search(**optimizer):
    return Search(optimizer, "", {}, 0)


def test_baselines_are_not_trained_for_steps():
    names = quickstart()[0].methods
    searches = {place: search(name="sgd", learning_rate=0.1) for place in names}
    setting = {"setting": {"steps": "400"}, "parameters": dict.fromkeys(names[1:], 650)}
    assert "Each model was trained for 400 steps." in text(searches=searches, **setting)
    mixed = searches | {names[0]: search()}
    assert "Each model but the baselines was trained for 400" in text(searches=mixed, **setting)
    none = dict.fromkeys(names, search())
    assert "400 steps" not in text(searches=none, setting={"steps": "400"}, parameters={})


def test_fixed_hyperparameters_are_named_where_they_are_few():
    names = quickstart()[0].methods
    same = {place: search(name="sgd", learning_rate=0.1, momentum=None) for place in names}
    needed = "All methods had fixed hyperparameters, untuned: sgd (learning_rate 0.1)."
    assert needed in untuned(searches=same)
    many = {p: search(name="sgd", learning_rate=i / 10) for i, p in enumerate(names)}
    assert "All methods had the hyperparameters given in the config" in untuned(searches=many)
    assert "given in the config" in untuned(searches={})
    assert "untuned" not in text()


def test_only_tuned_methods_are_said_to_be_tuned():
    names = quickstart()[0].methods
    spaces = {place: {KEY: "log_uniform: [0.0001, 1.0]"} for place in names[1:]} | {names[0]: {}}
    question, runs, metrics = quickstart()
    question = question._replace(
        spaces=spaces, searches={place: search(name="adam") for place in names}
    )
    said = " ".join(methods(question, answer(Material(question, runs, metrics))))
    assert "For each tuned method 8 trials" in said
    assert "logistic/sgd had fixed hyperparameters, untuned: adam with its default" in said


FEW = {"name": "digits", "labelled": 50}
SHIFT = [{"name": "shift", "pixels": 1}]
FIRST = {"from": "runs/first/cnn", "freeze": "all_but_head", "head": "new"}
CHANGED = "the inputs of each batch were changed by"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"train": {"augment": SHIFT}}, f"In training {CHANGED} shift (pixels 1.0)."),
        (
            {"train": {"augment": [*SHIFT, "flip"]}},
            f"{CHANGED} shift (pixels 1.0), then flip (axis horizontal, rate 0.5).",
        ),
        (
            {"compare": {"train.augment": [[], SHIFT]}},
            f"{CHANGED} nothing or shift (pixels 1.0), depending on the method.",
        ),
        ({"data": FEW}, "50 training examples kept their labels; those of the others were hidden."),
        (
            {"data": FEW, "train": {"unlabelled": "pseudo_label"}},
            "Examples without labels were learnt from by pseudo_label "
            "(weight 1.0, threshold 0.95, ratio 4).",
        ),
        (
            {"init": FIRST},
            "Training began from the parameters of first/cnn (with a new last layer; all but the last "
            "layer frozen).",
        ),
        (
            {
                "compare": {
                    "init": [None, {**FIRST, "freeze": ["Conv_*", "Dense_0"], "head": "auto"}]
                }
            },
            "Training began from random numbers or the parameters of first/cnn (Conv_*, Dense_0 frozen), "
            "depending on the method.",
        ),
    ],
)
def test_what_models_learnt_from_is_told_where_it_is_used(given, said):
    plain = {"data": "digits", "optimizer": {"name": "sgd", "learning_rate": 0.1}}
    study = fd.Study(**{"task": "classification", "model": "logistic", **plain, **given})
    plan = SimpleNamespace(datasets=SimpleNamespace(facts={}), mode="each", mesh={})
    assert said in untuned(setting=setting(study, expand(study), plan))


def test_what_no_method_uses_is_not_told():
    said = untuned(setting={"data": "digits", "steps": "400"})
    for wrong in (CHANGED, "labels", "learnt from", "began from"):
        assert wrong not in said, wrong

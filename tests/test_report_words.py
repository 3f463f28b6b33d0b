"""Small words of the report: plurals, times, and numbers that stand beside others."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false

import numpy as np
import pytest
import scipy.stats

from funcdl.report.answer import answer
from funcdl.report.caveats import warnings
from funcdl.report.material import Material
from funcdl.report.prose import setup
from funcdl.report.record import records
from funcdl.report.sections.costs import costs
from funcdl.report.sections.target import target
from funcdl.report.wording import number
from funcdl.stats.effect import threshold
from funcdl.stats.importance import importance
from tests.report_frames import quickstart
from tests.test_target import few_curves


def noted(question, runs, metrics):
    return answer(Material(question, runs, metrics)).warnings


def test_few_repeats_and_many_contrasts_say_what_they_can_decide():
    """With Student's quantile from SciPy: 36 contrasts, Holm's first step."""
    needed = scipy.stats.t.ppf(1 - 0.05 / 72, 4) / np.sqrt(5)
    (said,) = [text for text in noted(*quickstart()) if "standard deviations" in text]
    assert said.startswith(
        "With 5 repeats and 36 contrasts the first difference is decided only where its mean exceeds "
        f"{needed:.2g} standard deviations"
    )
    assert "or fewer contrasts" in said
    question, runs, metrics = quickstart()
    one = question._replace(contrasts=question.contrasts[:1])
    assert threshold(5, 1) < 2
    for other in (
        one,
        question._replace(vary=("split",), shares=dict.fromkeys(question.methods, 0.2)),
        question._replace(contrasts=()),
    ):
        assert not any("standard deviations" in text for text in noted(other, runs, metrics))
    looked = one._replace(looks=(5, 10, 20, 40, 80))
    assert any("5 repeats and 1 contrast a difference" in t for t in noted(looked, runs, metrics))


@pytest.mark.parametrize(
    ("failed", "words"), [(1, "1 run failed and is"), (3, "3 runs failed and are")]
)
def test_failed_runs_are_told_in_a_sentence(failed, words):
    question, runs, metrics = quickstart()
    measured = runs.index[runs["phase"] == "measure"][:failed]
    runs.loc[measured, "status"] = "failed"
    assert any(text.startswith(f"{words} left out") for text in noted(question, runs, metrics))


def test_a_single_verdict_is_not_one_of_one():
    question, runs, metrics = quickstart()
    found = answer(Material(question, runs, metrics))
    pairs = records(found.comparisons)[:1]
    pairs[0] |= {"verdict": "undecided", "fixed_verdict": "better"}
    said = warnings(question, records(runs), records(found.table), pairs)
    assert any("On this test set alone the verdict would differ" in text for text in said)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "less than a second"),
        (1.0, "1 second of"),
        (30.0, "30 seconds"),
        (600.0, "10 minutes"),
    ],
)
def test_the_time_it_took(seconds, words):
    question, runs, metrics = quickstart()
    material = Material(question, runs.assign(seconds=seconds / len(runs)), metrics)
    (section,) = costs(material, answer(material))
    assert f"took {words}" in section.paragraphs[0]


def test_one_step_and_one_second():
    made = few_curves()
    (section,) = target(made, answer(made))
    assert "up to 40 steps and " in section.grids[0].caption
    quick = made._replace(
        metrics=made.metrics.assign(step=made.metrics["step"] // 40),
        runs=made.runs.assign(steps=1, seconds=1.0),
    )
    (section,) = target(quick, answer(quick))
    assert "up to 1 step and 1 second, as far" in section.grids[0].caption


def test_one_key_is_no_keys():
    found = importance({"rate": [0.1, 0.2]}, [0.5, 0.6], mode="max")
    assert "for 1 key;" in found.reason


def test_one_method_was_tuned_by_itself():
    question, _, _ = quickstart()
    assert "Each was tuned" in setup(question)
    assert "It was tuned" in setup(question._replace(methods=question.methods[:1]))


def test_small_differences_are_written_like_their_neighbours():
    assert number(-0.00484, 2) == "-0.0048"
    assert number(0.000123, 3) == "0.00012"
    assert "e" in number(1e-7, 2)
    assert number(0.0, 2) == "0.00"

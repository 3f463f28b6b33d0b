"""Repeats that are crossed, or splits of one data set, are not independent: no interval may say so."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportIndexIssue=false, reportOptionalOperand=false, reportOperatorIssue=false
# pyright: reportOptionalMemberAccess=false, reportGeneralTypeIssues=false

import numpy as np
import pytest
import scipy.stats

from funcdl.report.answer import answer
from funcdl.report.figures.curve import curves
from funcdl.report.figures.learning import learning
from funcdl.report.figures.palette import looks
from funcdl.report.sections.calibration import calibration
from funcdl.report.sections.pooled import DEPENDENT, pooled
from funcdl.report.sections.target import target
from funcdl.report.spread import over, spread
from funcdl.stats.across.survival import restricted_mean
from tests.report_frames import quickstart
from tests.test_report_calibration import material

PLACE = ("", "mlp/sgd")
NINE = {"repeats": 9, "cross": {"init": 3, "order": 3}}


def question(**changes):
    return quickstart(trials=2)[0]._replace(**changes)


def test_crossed_repeats_have_the_interval_of_their_table():
    """Against the mean squares of the two-way table, by hand."""
    x = np.random.default_rng(0).normal(0, 1, (3, 3)) + np.array([[0], [2], [5]])
    found = spread(question(**NINE), PLACE, dict(enumerate(x.ravel())))
    rows, columns = x.mean(1) - x.mean(), x.mean(0) - x.mean()
    rest = x - x.mean() - rows[:, None] - columns
    each = [3 * (rows**2).sum() / 2, 3 * (columns**2).sum() / 2, (rest**2).sum() / 4]
    parts = [max(each[0] - each[2], 0) / 9, max(each[1] - each[2], 0) / 9, each[2] / 9]
    half = (found.high - found.low) / 2
    assert half >= scipy.stats.t.ppf(0.975, 8) * np.sqrt(sum(parts))
    assert half > 1.5 * scipy.stats.t.ppf(0.975, 8) * x.std(ddof=1) / 3  # Student's of nine draws


def test_splits_have_nadeau_and_bengios_interval_and_none_without_the_share():
    values = {0: 0.91, 1: 0.93, 2: 0.92, 3: 0.95, 4: 0.90}
    x = np.array(list(values.values()))
    asked = question(vary=("split",), shares={PLACE: 0.2})
    found = spread(asked, PLACE, values)
    half = scipy.stats.t.ppf(0.975, 4) * x.std(ddof=1) * np.sqrt(1 / 5 + 0.2 / 0.8)
    assert (found.high - found.low) / 2 == pytest.approx(half)
    unknown = spread(asked, ("", "other"), values)
    assert (unknown.low, unknown.mean) == (None, pytest.approx(x.mean()))
    assert "share of test data is not known" in unknown.reason
    both = spread(
        question(cross={"split": 5, "init": 2}, shares={PLACE: 0.2}),
        PLACE,
        {2 * i + j: value for i, value in values.items() for j in (0, 1)},
    )
    assert (both.high - both.low) / 2 == pytest.approx(half)


def test_independent_repeats_have_students_at_the_level_of_all_looks():
    values = {0: 0.91, 1: 0.93, 2: 0.92}
    found = spread(question(looks=(3, 6)), PLACE, values)
    half = scipy.stats.t.ppf(1 - 0.0125, 2) * np.std([*values.values()], ddof=1) / np.sqrt(3)
    assert (found.high - found.low) / 2 == pytest.approx(half)


def test_learning_curves_have_the_bands_of_their_repeats():
    asked, runs, metrics = quickstart(trials=2, repeats=9)
    measured = set(runs.loc[runs["phase"] == "measure", "id"])
    name = "validation/accuracy"
    crossed = asked._replace(**NINE)
    found = curves(crossed, metrics, measured, "", name)[PLACE[1]]
    chosen = metrics[
        (metrics["metric"] == name)
        & (metrics["method"] == PLACE[1])
        & (metrics["step"] == found.steps[-1])
        & (metrics["phase"] == "measure")
    ]
    expected = spread(crossed, PLACE, dict(zip(chosen["repeat"], chosen["value"], strict=True)))
    assert found.half[-1] == pytest.approx((expected.high - expected.low) / 2)
    assert found.mean[-1] == pytest.approx(chosen["value"].mean())
    split = asked._replace(vary=("split",), shares=dict.fromkeys(asked.methods, 0.2))
    wide = curves(split, metrics, measured, "", name)[PLACE[1]].half
    student = curves(asked, metrics, measured, "", name)[PLACE[1]].half
    np.testing.assert_allclose(wide, student * np.sqrt(1 + 9 * 0.25))
    for one, words in ((crossed, "over crossed draws of init and order"), (split, "that overlap")):
        lines = curves(one, metrics, measured, "", name)
        assert words in learning(one, lines, "", name, looks(list(lines))).title
    unknown = asked._replace(vary=("split",))
    lines = curves(unknown, metrics, measured, "", name)
    assert np.isnan(lines[PLACE[1]].half).all()
    assert "no interval: repeats are splits" in (
        learning(unknown, lines, "", name, looks(list(lines))).title
    )


def test_calibration_scores_have_the_intervals_of_their_repeats():
    made = material(repeats=9, methods=1)
    crossed = made._replace(question=made.question._replace(**NINE))
    place = made.question.methods[0]
    split = made._replace(question=made.question._replace(vary=("split",), shares={place: 0.2}))
    plain, wide, other = (
        next(iter(calibration(one, answer(one)))).grids[0] for one in (made, split, crossed)
    )
    ratio = np.sqrt(1 + 9 * 0.25)
    assert wide.frame["NLL ±"][0] == pytest.approx(ratio * plain.frame["NLL ±"][0])
    assert other.frame["NLL ±"][0] != pytest.approx(plain.frame["NLL ±"][0])
    assert over(crossed.question) in other.caption
    assert "corrected for splits" in wide.caption


def test_the_time_to_a_target_has_the_interval_of_its_repeats():
    from tests.test_target import few_curves

    made = few_curves()
    split = {"vary": ("split",), "shares": dict.fromkeys(made.question.methods, 0.2)}
    dependent = made._replace(question=made.question._replace(**split))
    (plain,), (wide,) = (list(target(one, answer(one))) for one in (made, dependent))
    one, other = (section.grids[0].frame.set_index("method").loc["a"] for section in (plain, wide))
    assert one["mean steps"] == other["mean steps"]
    assert other["steps high"] >= one["steps high"] > one["mean steps"]
    assert other["steps low"] < one["steps low"]
    assert "corrected for splits" in wide.grids[0].caption


def test_nothing_is_pooled_over_repeats_that_are_not_independent(monkeypatch):
    from funcdl.report.board import board
    from funcdl.report.record import records
    from tests.test_across_report import drawn, study

    monkeypatch.setattr("funcdl.report.sections.pooled.NUMBERS", 1)
    made = study(drawn(8, 2), repeats=4)
    found = board(made.question, records(answer(made).table))
    assert pooled(made, found)[1]
    crossed = made._replace(question=made.question._replace(cross={"init": 2, "order": 2}))
    assert pooled(crossed, found) == ([DEPENDENT], [], [])


def test_a_single_arrival_has_no_interval_of_no_width():
    """The other run ended before it: nothing says how arrivals vary."""
    found = restricted_mean([3.0, 6.0], [False, True], horizon=8)
    assert (found.mean, found.low, found.high) == (6.0, None, None)
    assert "1 of 2 runs reached the target" in found.reason
    assert restricted_mean([8.0, 9.0], [False, False], 8).low is None
    assert restricted_mean([4.0, 8.0], [True, False], 8).low is not None


def test_the_reason_of_a_missing_mean_is_shown():
    from tests.test_target import few_curves

    made = few_curves()
    question = made.question._replace(targets={"": 2.0})
    made = made._replace(question=question)
    (section,) = target(made, answer(made))
    frame = section.grids[0].frame
    assert all("none of 3 runs reached the target" in text for text in frame["remark"])
    assert frame["steps low"].isna().all()

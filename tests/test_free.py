"""Tests without a distribution in the report: what they say, and when they say nothing."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false

import numpy as np
from scipy import stats as scipy_stats

from funcdl.report.answer import answer
from funcdl.report.material import Material
from funcdl.report.sections.free import free
from funcdl.report.wording import p_value
from tests.report_frames import quickstart


def sections_of(repeats, **changes):
    question, runs, metrics = quickstart(repeats=repeats)
    material = Material(question._replace(**changes), runs, metrics)
    return list(free(material, answer(material))), material


def test_p_values_are_scipys_on_the_repeats_of_each_contrast():
    (section,), material = sections_of(12)
    frame, runs = section.grids[0].frame, material.runs
    measured = runs[runs["phase"] == "measure"].sort_values("repeat")
    scores = {name: part["test/accuracy"].to_numpy() for name, part in measured.groupby("method")}
    assert len(frame) == 36
    for row in frame.head(5).to_dict("records"):
        d = np.round((scores[row["a"]] - scores[row["b"]]) * 360)
        assert row["paired t"] == p_value(scipy_stats.ttest_1samp(d, 0).pvalue)
        exact = scipy_stats.permutation_test(
            (d[d != 0],),
            lambda x: float(np.dot(np.sign(x), scipy_stats.rankdata(np.abs(x)))),
            permutation_type="samples",
            n_resamples=np.inf,
        )
        assert row["Wilcoxon"] == p_value(exact.pvalue)


def test_five_repeats_are_too_few_and_the_report_says_so():
    (section,), _ = sections_of(5)
    assert not section.grids
    assert "with 5 common repeats they give no p-value below 0.05" in section.paragraphs[0]


def test_contrasts_whose_repeats_are_often_equal_are_refused_one_by_one():
    (section,), _ = sections_of(7)
    frame = section.grids[0].frame
    refused = frame["Wilcoxon"] == "cannot reach 0.05"
    assert 0 < refused.sum() < len(frame)
    assert (refused == (frame["sign-flip"] == "cannot reach 0.05")).all()


def test_many_repeats_have_ranks_alone():
    (section,), _ = sections_of(20)
    assert "sign-flip" not in section.grids[0].frame


def test_nothing_is_said_of_repeats_that_depend_on_each_other_or_were_looked_at_often():
    assert sections_of(6, cross={"init": 3, "order": 2})[0] == []
    assert sections_of(6, vary=("init", "split"))[0] == []
    assert sections_of(6, looks=(3, 6))[0] == []
    assert sections_of(6, contrasts=())[0] == []
    assert sections_of(1)[0] == []

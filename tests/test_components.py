"""Where the variance comes from: against statsmodels, by simulation, and in the report."""

# pyright: reportArgumentType=false, reportOptionalOperand=false, reportAttributeAccessIssue=false
# pyright: reportCallIssue=false, reportIndexIssue=false

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from funcdl.report.answer import answer
from funcdl.report.material import Material
from funcdl.report.sections.variance import variance
from funcdl.stats.components import COMBINATION, decompose
from tests.report_frames import quickstart


def crossed(rng, shape, parts):
    """A table whose sets of factors add effects with the given variances."""
    table = np.zeros(shape)
    for subset, value in parts.items():
        own = [size if i in subset else 1 for i, size in enumerate(shape)]
        table = table + math.sqrt(value) * rng.normal(size=own)
    return table


# --- the decomposition


def test_two_streams_equal_the_textbook_through_statsmodels():
    """Components from statsmodels' mean squares: (MS_row - MS_rest) / columns, and MS_rest."""
    x = crossed(np.random.default_rng(0), (4, 6), {(0,): 4, (1,): 2, (0, 1): 1}) + 0.9
    places = [(i, j, x[i, j]) for i, j in np.ndindex(x.shape)]
    frame = pd.DataFrame(places, columns=["i", "j", "x"])
    square = anova_lm(ols("x ~ C(i) + C(j)", frame).fit())["mean_sq"]
    rest = square["Residual"]
    rows, columns = (square["C(i)"] - rest) / 6, (square["C(j)"] - rest) / 4
    assert min(rows, columns) > 0
    found = decompose(x, ["init", "order"])
    assert [s.name for s in found.sources] == ["init", "order", COMBINATION]
    assert [s.sd**2 for s in found.sources] == pytest.approx([rows, columns, rest], rel=1e-9)
    assert found.sd**2 == pytest.approx(rows + columns + rest, rel=1e-9)
    assert [s.share for s in found.sources] == pytest.approx(
        np.array([rows, columns, rest]) / (rows + columns + rest), rel=1e-9
    )


def test_three_streams_equal_least_squares_on_the_expected_mean_squares():
    """statsmodels gives the mean squares; their expectations, written out, give the components."""
    shape, names = (3, 4, 5), ["a", "b", "c"]
    parts = {(0,): 9, (1,): 4, (2,): 4, (0, 1): 3, (0, 2): 2, (1, 2): 2, (0, 1, 2): 1}
    x = crossed(np.random.default_rng(3), shape, parts)
    frame = pd.DataFrame([(*place, x[place]) for place in np.ndindex(shape)], columns=[*names, "x"])
    sums = {}
    for subset in sorted(parts, key=len):  # what a set explains beyond its own subsets
        terms = " * ".join(f"C({names[i]})" for i in subset)
        explained = ols(f"x ~ {terms}", frame).fit().ess
        sums[subset] = explained - sum(sums[t] for t in sums if set(t) < set(subset))
    sets = list(parts)
    wanted = np.array([[expected(s, t, shape) for t in sets] for s in sets])
    squares = [sums[s] / math.prod(shape[i] - 1 for i in s) for s in sets]
    solved = dict(zip(sets, np.linalg.solve(wanted, squares), strict=True))
    found = decompose(x, names)
    for i, source in enumerate(found.sources[:3]):
        assert source.sd**2 == pytest.approx(max(0, solved[(i,)]), rel=1e-8, abs=1e-12)
    joint = [max(0, solved[s]) for s in sets if len(s) > 1]
    assert [s.name for s in found.interactions] == ["a x b", "a x c", "b x c", "a x b x c"]
    assert [s.sd**2 for s in found.interactions] == pytest.approx(joint, rel=1e-8, abs=1e-12)
    assert found.sources[3].sd ** 2 == pytest.approx(sum(joint), rel=1e-8)


def expected(s, t, shape):
    """How often the component of t enters the expected mean square of s."""
    return math.prod(n for i, n in enumerate(shape) if i not in t) if set(s) <= set(t) else 0


DESIGNS = [
    ((5, 5), {(0,): 1, (1,): 1, (0, 1): 1}),
    ((3, 3), {(0,): 4, (1,): 1, (0, 1): 1}),
    ((5, 5), {(0, 1): 1}),
    ((10, 4), {(0,): 1, (0, 1): 0.05}),
    ((4, 4, 4), {(0,): 1, (0, 1): 1, (0, 1, 2): 1}),
]


@pytest.mark.parametrize(("shape", "parts"), DESIGNS, ids=str)
def test_intervals_cover_the_true_shares(shape, parts, monkeypatch):
    """400 studies per design; each source's share and deviation lies in its 95 % interval."""
    monkeypatch.setattr("funcdl.stats.components.DRAWS", 2000)
    names = "abc"[: len(shape)]
    truth = [parts.get((i,), 0) for i in range(len(shape))]
    truth = np.array([*truth, sum(v for s, v in parts.items() if len(s) > 1)])
    share = truth / truth.sum()
    rng = np.random.default_rng(len(shape))
    found = [decompose(crossed(rng, shape, parts), names) for _ in range(400)]
    low, high = (np.array([[s[k] for s in f.sources] for f in found]) for k in (5, 6))
    covered = ((low <= share + 1e-12) & (share - 1e-12 <= high)).mean(axis=0)
    assert (covered >= 0.915).all(), covered
    assert np.mean(high - low) < 0.85  # and not by saying nothing
    low, high = (np.array([[s[k] for s in f.sources] for f in found]) for k in (2, 3))
    covered = ((low <= np.sqrt(truth)) & (np.sqrt(truth) <= high)).mean(axis=0)
    assert (covered >= 0.91).all(), covered


def test_a_leader_is_named_rarely_among_equals_and_often_where_there_is_one(monkeypatch):
    monkeypatch.setattr("funcdl.stats.components.DRAWS", 2000)
    rng = np.random.default_rng(7)
    tied = {(0,): 1, (1,): 1, (0, 1): 0.01}
    wrong = [decompose(crossed(rng, (5, 5), tied), "ab").leading for _ in range(500)]
    assert np.mean([name is not None for name in wrong]) <= 0.065
    clear = {(0,): 1, (0, 1): 0.05}
    right = [decompose(crossed(rng, (5, 5), clear), "ab").leading for _ in range(100)]
    assert set(right) <= {"a", None}
    assert np.mean([name == "a" for name in right]) > 0.8


def test_order_of_the_values_and_of_the_streams_does_not_matter():
    rng = np.random.default_rng(1)
    x = crossed(rng, (4, 5), {(0,): 1, (1,): 2, (0, 1): 1})
    here = decompose(x, ["init", "order"])
    mixed = decompose(x[rng.permutation(4)][:, rng.permutation(5)], ["init", "order"])
    for one, other in zip(here.sources, mixed.sources, strict=True):
        assert one[1:] == pytest.approx(other[1:], rel=1e-9)
    turned = decompose(x.T, ["order", "init"])
    by_name = {source.name: source for source in turned.sources}
    for source in here.sources:
        assert source.share == pytest.approx(by_name[source.name].share, rel=1e-9)
        assert source.high == pytest.approx(by_name[source.name].high, abs=0.02)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e300])
def test_shares_have_no_unit(scale):
    x = crossed(np.random.default_rng(2), (4, 4), {(0,): 1, (0, 1): 1})
    found, there = decompose(x, "ab"), decompose(scale * x, "ab")
    for one, other in zip(found.sources, there.sources, strict=True):
        assert one[4:] == pytest.approx(other[4:], rel=1e-6)
        assert other.sd == pytest.approx(scale * one.sd, rel=1e-6)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros((0, 3)), "no values"),
        (np.ones((1, 3)), "init has one value"),
        (np.ones((3, 1)), "order has one value"),
        (np.array([[1, 2], [3, math.nan]]), "no finite value in 1 of 4"),
        (np.array([[1, 2], [math.inf, -math.inf]]), "no finite value in 2 of 4"),
        (np.full((3, 3), 0.1), "do not vary"),
        (np.float32(0.9) + np.arange(4).reshape(2, 2) * 1e-8, "do not vary beyond rounding"),
    ],
)
def test_what_cannot_be_taken_apart_says_why(values, reason):
    found = decompose(values, ["init", "order"])
    assert (found.sd, found.sources, found.leading) == (None, (), None)
    assert reason in found.reason


def test_a_table_of_another_shape_is_a_mistake():
    with pytest.raises(ValueError, match="for 2 streams"):
        decompose(np.ones((2, 2, 2)), ["init", "order"])
    with pytest.raises(ValueError, match="2 or more"):
        decompose(np.ones(4), ["init"])


# --- the report


def study(cross, parts, **changes):
    """A crossed study of nine methods whose values are drawn afresh."""
    repeats = math.prod(cross.values())
    question, runs, metrics = quickstart(repeats=repeats)
    question = question._replace(cross=cross, **changes)
    rng = np.random.default_rng(5)
    for method in question.labels(""):
        mine = (runs["phase"] == "measure") & (runs["method"] == method)
        table = 0.9 + 0.01 * crossed(rng, tuple(cross.values()), parts)
        runs.loc[mine, "test/accuracy"] = table.ravel()
    return Material(question, runs, metrics)


def sections_of(material):
    return list(variance(material, answer(material)))


def test_section_names_the_source_that_leads_and_its_share():
    found = sections_of(study({"init": 6, "order": 4}, {(0,): 1, (0, 1): 0.02}))
    assert [section.name for section in found] == ["variance"]
    words = " ".join(found[0].paragraphs)
    assert "6 values of init and 4 values of order, 24 runs in all" in words
    assert "The largest source is init for" in words
    assert "on this test set" in words
    frame = found[0].grids[0].frame
    assert len(frame) == 9 * 3
    init = frame[frame["source"] == "init"]
    assert (init["share"] > 0.8).all()
    assert (init["share low"] <= init["share"]).all()
    drawing = found[0].drawings[0]
    assert "init 9" in drawing.alt
    assert [ax.get_title() for ax in drawing.figure.axes] == ["init", "order", COMBINATION]


def test_section_reads_the_last_stream_as_the_fastest():
    """Runs are numbered row by row; transposed, the variance would be another stream's."""
    found = sections_of(study({"init": 3, "order": 8}, {(1,): 1, (0, 1): 0.01}))
    frame = found[0].grids[0].frame
    assert (frame.loc[frame["source"] == "order", "share"] > 0.8).all()


def test_section_says_when_runs_are_too_few():
    words = " ".join(sections_of(study({"init": 2, "order": 2}, {(0, 1): 1}))[0].paragraphs)
    assert "2 x 2 runs are too few to say which source is the largest for" in words


def test_section_says_that_splits_have_test_sets_of_their_own():
    words = " ".join(
        sections_of(study({"split": 4, "init": 4}, {(0,): 1, (0, 1): 1}))[0].paragraphs
    )
    assert "Each split has a test set of its own" in words
    assert "on this test set" not in words


def test_section_of_a_study_without_crossed_streams_is_not_there():
    question, runs, metrics = quickstart()
    assert not sections_of(Material(question, runs, metrics))
    question = question._replace(cross={"init": 5})
    assert not sections_of(Material(question, runs, metrics))


def test_section_of_runs_that_diverged_or_are_missing():
    material = study({"init": 3, "order": 3}, {(0,): 1, (0, 1): 1})
    runs = material.runs.copy()
    measured = runs[runs["phase"] == "measure"].index
    runs.loc[measured[2], "status"] = "diverged"
    section = sections_of(material._replace(runs=runs.drop(measured[-1])))[0]
    words = " ".join(section.paragraphs)
    assert words.count("no finite value in 1 of 9 combinations") == 1
    assert len(section.grids[0].frame) == 7 * 3
    runs.loc[measured, "status"] = "diverged"
    assert not sections_of(material._replace(runs=runs))
    alone = runs[runs["phase"] == "tune"]
    assert not sections_of(material._replace(runs=alone))


def test_forty_methods_with_strange_names_can_be_drawn():
    models = {f"{'很长' * 50}$_{{{i}}}\x1b[31m": 0.9 for i in range(14)}
    question, runs, metrics = quickstart(repeats=4, models=models)
    question = question._replace(cross={"init": 2, "order": 2})
    section = sections_of(Material(question, runs, metrics))[0]
    assert "first 20 of" in " ".join(section.paragraphs)
    assert not any("\x1b" in text for text in (*section.paragraphs, section.drawings[0].alt))
    height = section.drawings[0].figure.get_size_inches()[1]
    assert height < 8


def test_every_pair_of_three_streams_is_in_the_table():
    material = study({"init": 3, "order": 3, "dropout": 2}, {(0,): 1, (0, 1, 2): 1})
    frame = sections_of(material)[0].grids[0].frame
    combined = [" x ".join(c) for c in itertools.combinations(["init", "order", "dropout"], 2)]
    expected = ["init", "order", "dropout", COMBINATION, *combined, "init x order x dropout"]
    assert frame["source"].tolist()[:8] == expected

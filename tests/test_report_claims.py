"""No more is claimed than is known: populations, levels, families, names, and words about them."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false
# (what indexing a frame gives is not known to the checker)

import html
import io
import math
import re

import numpy as np
import pytest
from rich.console import Console
from scipy import stats as scipy_stats

from funcdl.report import prose
from funcdl.report.answer import answer
from funcdl.report.display import pairs as shown_pairs
from funcdl.report.display import results
from funcdl.report.evidence import Evidence
from funcdl.report.figures.gallery import drawings
from funcdl.report.folder import render
from funcdl.report.level import level, over_looks
from funcdl.report.notebook import notebook
from funcdl.report.question import Holding
from funcdl.report.record import records
from funcdl.report.section import sections
from funcdl.report.terminal import show
from funcdl.report.wording import at_least, scope
from funcdl.stats.crossed import crossed_interval, crossed_t
from funcdl.stats.interval import Interval, mean_and_sd, mean_interval
from funcdl.stats.paired import Paired, paired_t, refused
from funcdl.stats.rank import ranks
from funcdl.stats.wider import wider_interval, wider_test
from tests.test_populations import METRIC, contradicting, only, study


def printed(material, width=200):
    file = io.StringIO()
    show(material.question, answer(material), Console(file=file, width=width))
    return file.getvalue()


def page_of(material):
    text = render(material).files["index.html"].decode()
    return html.unescape(re.sub(r"<[^>]+>", "", text[text.index("<body>") :]))


def effects_of(material):
    return {part.name: part for part in sections(material, answer(material))}["effects"]


# --- the wider population is never known better


def worlds(seed=0, count=60, n=3):
    """Tables whose examples matter little: then the test over both has the shorter interval often."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        a, b = rng.normal(size=(2, n, 1)) + 2 * rng.normal(size=(2, n, 30))
        yield a.astype(np.float32).astype(float), b.astype(np.float32).astype(float)


def test_the_headline_holds_the_interval_of_this_test_set():
    shorter = 0
    for a, b in worlds():
        found = answer(study({"a": a, "b": b}))
        (row,) = records(found.comparisons)
        alone = paired_t(a.mean(axis=1), b.mean(axis=1))
        both = crossed_t(a, b)
        shorter += both.p < alone.p
        assert row["p"] == pytest.approx(max(both.p, alone.p), rel=1e-4)
        low, high = min(both.low, alone.low), max(both.high, alone.high)
        assert (row["low"], row["high"]) == pytest.approx((low, high), rel=1e-4)
        assert row["low"] <= row["fixed_low"] <= row["fixed_high"] <= row["high"]
        t = scipy_stats.t.sf(abs(row["t"]), row["df"])
        assert row["p"] == pytest.approx(2 * t)  # t, df and p belong together
        one = found.table.set_index("method").loc["a"]
        over, wide = mean_interval(a.mean(axis=1)), crossed_interval(a)
        assert one["low"] == pytest.approx(min(over.low, wide.low), rel=1e-4)
        assert one["high"] == pytest.approx(max(over.high, wide.high), rel=1e-4)
    assert shorter > 10


def test_what_would_help_narrows_both_intervals():
    """As many more repeats as the wider of the two needs; rows without examples need no more."""
    found = False
    for a, b in worlds(seed=1, count=20):
        material = study({"a": a, "b": b}, margin=1.0)
        row = only(material)
        if row["more_repeats"] is None or row["verdict"] != "undecided":
            continue
        alone = only(study({"a": a.mean(axis=1), "b": b.mean(axis=1)}, margin=1.0))
        if alone["more_repeats"] is not None:
            found = True
            assert row["more_repeats"] >= alone["more_repeats"]
    assert found


def test_wider_keeps_what_is_refused():
    known, none = Paired(3, 1.0, 0.2, 1.8, 4.0, 0.02, "", 6.0), refused(3, 1.0, "why")
    assert wider_test(known, none) == known
    assert wider_test(none, known) == none
    ends, empty = Interval(3, 1.0, 0.5, 1.5, 0.1, ""), Interval(3, 1.0, None, None, None, "why")
    assert (wider_interval(ends, empty), wider_interval(empty, ends)) == (ends, empty)


# --- the level of intervals


def looking(**asked):
    rng = np.random.default_rng(4)
    tables = {name: rng.normal(i, 0.5, size=10) for i, name in enumerate("abc")}
    return study(tables, looks=(5, 10, 20), **asked)


def test_every_place_that_names_a_level_names_that_of_the_looks():
    material = looking()
    found = answer(material)
    assert level(material.question) == "98.33 %"
    assert over_looks(material.question) == "98.33 % intervals keep 95 % over all 3 planned looks"
    table, runs = records(found.table), records(material.runs)
    texts = [
        found.sentence,
        printed(material).splitlines()[0],
        " ".join(results(material.question, table, "").columns),
        " ".join(shown_pairs(material.question, records(found.comparisons)).columns),
        prose.reading(material.question, table),
        effects_of(material).paragraphs[0],
        drawings(material.question, table, runs, material.metrics)[0].title,
    ]
    for text in texts:
        assert "98.33 %" in text
        assert "95 % interval" not in text
    assert printed(material).count(over_looks(material.question)) == 1
    once = material.question._replace(looks=())
    assert (level(once), over_looks(once)) == ("95 %", "")
    assert level(material.question._replace(alpha=0.001, looks=(1, 2, 3, 4))) == "99.975 %"


# --- families, splits, crossed streams


def test_a_refused_contrast_counts_in_the_family_wherever_it_is_named():
    rng = np.random.default_rng(5)
    tables = {f"m{i}": rng.normal(size=5) for i in range(5)}
    tables["m4"] = tables["m3"]  # equal: nothing to test
    material = study(tables)
    pairs = records(answer(material).comparisons)
    assert sum(row["verdict"] == "refused" for row in pairs) == 1
    said = "Holm over 10 tests, of which 1 refused"
    assert said in prose.tested(material.question, pairs)
    assert said in printed(material)
    smallest = min((row for row in pairs if row["p"] is not None), key=lambda row: row["p"])
    assert smallest["p_holm"] == pytest.approx(min(1, 10 * smallest["p"]))


def split_study():
    rng = np.random.default_rng(6)
    shares = {("", name): 0.2 for name in "ab"}
    return study(
        dict(zip("ab", rng.normal(size=(2, 9)), strict=True)), vary=("split",), shares=shares
    )


def test_split_studies_name_their_test_and_no_other():
    material = split_study()
    found = answer(material)
    table, pairs = records(found.table), records(found.comparisons)
    assert "Nadeau and Bengio" in prose.reading(material.question, table)
    assert "Student" not in prose.reading(material.question, table)
    assert "corrected resampled t-test (Nadeau" in prose.tested(material.question, pairs)
    shown = drawings(material.question, table, records(material.runs), material.metrics)[0]
    assert "over random splits, corrected" in shown.title
    data = Holding(("",), "stocks", "in order", 9, (9, 9, 9), (), (), None, rolling=True)
    later = material.question._replace(holdings=(data,))
    shown = drawings(later, table, records(material.runs), material.metrics)[0]
    assert "over successive splits, corrected" in shown.title
    part = effects_of(material)
    assert "data like these (9 splits)" in part.paragraphs[0]
    for text in (
        *part.paragraphs,
        *part.grids[0].frame.columns,
        *prose.doubts(material.question, pairs),
    ):
        assert "this test set" not in text
    assert (
        "refused"
        not in page_of(material).partition("– the row's method")[0].rpartition("What diff")[2]
    )


def test_crossed_repeats_are_counted_as_crossed():
    rng = np.random.default_rng(7)
    cross = {"init": 3, "order": 4}
    material = study({name: rng.normal(size=12) for name in "ab"}, cross=cross)
    assert "this test set (3 init x 4 order; the metric" in printed(material)
    assert "3 init x 4 order" in effects_of(material).paragraphs[0]
    assert "crossed stream" in prose.reading(material.question, records(answer(material).table))
    row = {"n": 10, "examples": 360, "population": "data like these"}
    few = "data like these (10 repeats of 3 init x 4 order x 360 test examples)"
    assert scope([row], cross) == few
    assert (
        scope([row | {"n": 12}], cross) == "data like these (3 init x 4 order x 360 test examples)"
    )


# --- the sentence


def test_a_tie_tells_the_verdicts_of_all_who_share_it():
    rng = np.random.default_rng(8)
    x = rng.normal(size=5)
    tables = {"a": x, "b": x[::-1], "c": x - 2 + 0.1 * rng.normal(size=5)}
    said = answer(study(tables)).sentence
    assert said.startswith(f"a and b share the highest mean {METRIC}, ")
    assert "a is better than c, not told apart from b; on this test set b is better than c." in said
    alone = answer(study(tables, contrasts=(("", "c", "b"),))).sentence
    assert "; on this test set b is better than c." in alone


def test_contrasts_without_the_leader_are_summed_up():
    rng = np.random.default_rng(9)
    x = rng.normal(size=5)
    tables = {
        "a": 9 + 0.9 * x,
        "b": x,
        "c": x - 2 + 0.1 * rng.normal(size=5),
        "d": rng.normal(size=5),
    }
    said = answer(study(tables, contrasts=(("", "c", "b"), ("", "b", "d")))).sentence
    assert said.endswith(
        "of 2 contrasts asked, none of which tests the lead, 1 better (b better than c), 1 undecided."
    )
    assert answer(study(tables, contrasts=(("", "a", "b"),))).sentence.endswith("better than b.")


# --- sums and ranks


def test_means_and_ranks_do_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(10)
    x = rng.normal(size=7) * 10.0 ** rng.integers(-8, 8, size=7)
    orders = [rng.permutation(x) for _ in range(50)]
    assert len({mean_and_sd(one) for one in orders}) == 1
    assert mean_and_sd(x) == pytest.approx((x.mean(), x.std(ddof=1)))
    assert mean_and_sd(np.array([1.7e308, 1.6e308])) == (None, None)
    assert mean_and_sd(np.array([1e200, -1e200])) == (0.0, None)


def test_means_that_differ_by_rounding_share_a_rank():
    third = float(np.float32(1 / 3))
    assert ranks([third, 1 / 3, 0.2, 0.4], [0, 0, 0, 0], mode="max") == [2, 2, 4, 1]
    assert ranks([1.0, 1.0 + 2e-6], [0, 0], mode="max") == [2, 1]
    assert ranks([0.0, -1e-30, 0.0], [0, 0, 1], mode="min") == [2, 1, 3]
    assert ranks([math.inf, math.inf, 1.0], [0, 0, 0], mode="min") == [2, 2, 1]
    rng = np.random.default_rng(11)
    values = rng.normal(size=6)
    assert ranks(values, [0] * 6, mode="min") == scipy_stats.rankdata(values).astype(int).tolist()


def test_the_terminal_shows_shared_ranks():
    x = np.random.default_rng(12).normal(size=5)
    lines = printed(study({"a": x - 9, "b": x, "c": x[::-1]})).splitlines()
    assert [line.split()[:2] for line in lines[1:4]] == [["1", "b"], ["1", "c"], ["3", "a"]]


# --- words


def exposed():
    """One of six contrasts whose interval excludes 0 although Holm leaves it undecided."""
    x = np.array([0.3, -0.2, 0.9, -1.1, 0.2])
    bump = 0.1 * np.array([1.0, 2.0, 0.5, 1.5, 1.8])
    rng = np.random.default_rng(13)
    others = {name: rng.normal(size=5) for name in "cd"}
    return study({"a": x + bump / 2, "b": x - (bump - 0.12) / 2, **others})


def test_an_interval_may_exclude_zero_while_the_verdict_is_undecided():
    material = exposed()
    pairs = records(answer(material).comparisons)
    row = pairs[0]
    assert row["low"] > 0
    assert row["verdict"] == "undecided"
    said = prose.tested(material.question, pairs)
    assert "may exclude 0 while the corrected verdict is undecided (here 1 of 6)" in said
    assert "Equivalent" not in said
    assert "1 undecided though the interval excludes 0" in printed(material)
    asked = material.question._replace(margin=0.01)
    assert "Equivalent is read from" in prose.tested(asked, pairs)


def test_the_doubt_on_undecided_needs_something_undecided():
    rng = np.random.default_rng(14)
    material = study({"a": rng.normal(9, 0.1, size=5), "b": rng.normal(0, 0.1, size=5)})
    pairs = records(answer(material).comparisons)
    assert pairs[0]["verdict"] == "better"
    assert not any("Undecided" in text for text in prose.doubts(material.question, pairs))
    open_ = [row | {"verdict": "undecided"} for row in pairs]
    assert any("No margin was set" in text for text in prose.doubts(material.question, open_))
    asked = material.question._replace(margin=0.1)
    (said,) = [text for text in prose.doubts(asked, open_) if "Undecided" in text]
    assert "No margin" not in said
    alone = study({"a": rng.normal(size=5)})
    assert not any("this test set" in text for text in prose.doubts(alone.question, []))


def test_numbers_of_comparisons_are_the_same_everywhere():
    """For a loss, too: who is better is meant, not whose number is larger."""
    material = contradicting()
    material = material._replace(question=material.question._replace(mode="min", margin=0.5))
    rows = records(answer(material).comparisons)
    frame, other = shown_pairs(material.question, rows), effects_of(material).grids[0].frame
    assert frame.equals(other)
    assert "P(a better)" in frame
    assert not any("a > b" in name for name in frame)
    shown = frame["equivalent within"].astype(float)
    assert (shown >= [row["smallest_margin"] for row in rows]).all()


@pytest.mark.parametrize("margin", np.random.default_rng(15).uniform(0, 3, size=20))
def test_the_smallest_margin_is_rounded_up(margin):
    for digits in (1, 3, 5):
        shown = float(at_least(margin, digits))
        assert margin <= shown < margin + 1.0001 * 10.0**-digits
    assert at_least(0.3, 1) == "0.3"  # 0.1 * 3 is a little more


def test_undecided_pairs_tell_what_they_lack():
    rng = np.random.default_rng(16)
    common = rng.normal(size=5)
    tables = {name: common + 0.1 * rng.normal(size=5) for name in "ab"}
    row = only(study(tables, margin=0.05))
    assert row["verdict"] == "undecided"
    text = printed(study(tables, margin=0.05))
    assert f"{row['more_repeats']} more repeats for the margin 0.05" in text
    assert re.search(r"; equivalent within 0\.\d+;", text)
    assert "more repeat" not in printed(study(tables))
    apart = 0.02 * np.array([1.0, -1.0, 0.3, 0.5, -0.8])
    near = study({"a": common + 0.015 + apart, "b": common}, margin=0.03)
    row = only(near)
    assert (row["verdict"], row["more_repeats"]) == ("undecided", 0)
    assert "more repeats may move it to either side" in row["remark"]
    assert "more repeats may move it to either side" in printed(near)


def test_what_varied_stands_under_every_table():
    material = contradicting()
    said = "varied: init, order; held: dropout, augment, split"
    assert f"Repeats: {said}" in printed(material)
    found = answer(material)
    assert said in prose.reading(material.question, records(found.table))
    assert said in notebook(material.question, found)
    assert said in render(material).files["table.md"].decode().replace("\\", "")
    assert Evidence(material).level == 0.95

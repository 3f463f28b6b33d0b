""" "Data like these" and "this test set": which is tested, from what, and what is said of it."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false
# (what indexing a frame gives is not known to the checker)

import io
import itertools
import math

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy import stats as scipy_stats

from funcdl.report.answer import answer
from funcdl.report.decided import decided
from funcdl.report.evidence import Examples, arrange
from funcdl.report.material import Material
from funcdl.report.matrix import flipped
from funcdl.report.question import Question
from funcdl.report.record import records
from funcdl.report.section import sections
from funcdl.report.terminal import show
from funcdl.stats.corrected import corrected_interval, corrected_t
from funcdl.stats.crossed import crossed_interval, crossed_t, grand_mean

METRIC = "test/accuracy"


def study(scores, examples=None, *, units=None, contrasts=None, digests=None, **asked):
    """A question and the runs of methods whose repeats scored these numbers.

    Args:
        scores: method -> [repeats], or with examples None: method -> [repeats, examples].
    """
    tables = {name: np.asarray(x, float) for name, x in scores.items()}
    rows, values = [], {}
    for name, table in tables.items():
        for repeat, cell in enumerate(table):
            if np.isnan(np.sum(cell)):
                continue
            key = f"{name}-{repeat}"
            if table.ndim > 1:
                values[key] = np.asarray(cell, np.float32)
            row = {"id": key, "block": "", "method": name, "phase": "measure", "trial": 0}
            row |= {"repeat": repeat, "status": "ok", "reason": "", "diverged_at": -1}
            row |= {"seconds": 1.0, "digest": "d", METRIC: float(np.mean(cell))}
            row |= {"validation/accuracy": 0.5, "data_digest": (digests or {}).get(name, "same")}
            rows.append(row)
    names = list(tables)
    asked = {"repeats": len(next(iter(tables.values()))), "vary": ("init", "order")} | asked
    question = Question(
        name="study",
        command="funcdl run study.yaml",
        config_text="name: study\n",
        metric=METRIC,
        selected_by="validation/accuracy",
        mode="max",
        methods=tuple(("", name) for name in names),
        contrasts=contrasts or tuple(("", a, b) for a, b in itertools.combinations(names, 2)),
        **asked,
    )
    shown = values if examples is None else examples
    return Material(
        question,
        pd.DataFrame(rows),
        examples=lambda metric: shown if metric == METRIC else {},
        units=lambda run: units,
    )


def answers(rng, n, examples, good=0.8, own=0.0):
    """`[n, examples]` of 0 and 1: how a method's runs do on test examples of differing difficulty."""
    difficulty = np.linspace(-1, 1, examples)[rng.permutation(examples)]
    method = rng.normal(size=examples)
    run = own * rng.normal(size=(n, 1))
    level = scipy_stats.norm.ppf(good)
    return (level + difficulty + method + run + 0.5 * rng.normal(size=(n, examples)) > 0) * 1.0


def only(material):
    """The one comparison of a study of two methods."""
    (row,) = records(answer(material).comparisons)
    return row


# --- two populations


def test_headline_resamples_examples_and_repeats():
    rng = np.random.default_rng(0)
    a, b = answers(rng, 5, 300, 0.85), answers(rng, 5, 300, 0.75)
    found = answer(study({"a": a, "b": b}))
    (row,) = records(found.comparisons)
    expected = crossed_t(a, b)
    assert (row["n"], row["examples"], row["population"]) == (5, 300, "data like these")
    for key in ("difference", "low", "high", "t", "df", "p"):
        assert row[key] == pytest.approx(getattr(expected, key))
    fixed = scipy_stats.ttest_rel(a.mean(axis=1), b.mean(axis=1))
    assert (row["fixed_t"], row["fixed_p"]) == pytest.approx((fixed.statistic, fixed.pvalue))
    assert (row["fixed_low"], row["fixed_high"]) == pytest.approx(
        tuple(fixed.confidence_interval())
    )
    assert row["high"] - row["low"] > 1.5 * (row["fixed_high"] - row["fixed_low"])
    for name, table in (("a", a), ("b", b)):
        one = found.table.set_index("method").loc[name]
        interval = crossed_interval(table)
        assert (one["low"], one["high"]) == pytest.approx((interval.low, interval.high))
        over = scipy_stats.ttest_1samp(table.mean(axis=1), 0).confidence_interval()
        assert (one["fixed_low"], one["fixed_high"]) == pytest.approx(tuple(over))
        assert (one["n"], one["examples"], one["mean"]) == (5, 300, pytest.approx(table.mean()))


def test_copies_of_an_example_are_no_evidence():
    """Every example ten times, as one unit: the answer is that of the examples themselves."""
    rng = np.random.default_rng(1)
    a, b = answers(rng, 5, 60), answers(rng, 5, 60)
    alone = only(study({"a": a, "b": b}))
    copies = {"a": np.repeat(a, 10, axis=1), "b": np.repeat(b, 10, axis=1)}
    unit = np.repeat(np.arange(60), 10)
    together = only(study(copies, units=unit))
    assert together["examples"] == 60
    assert [together[key] for key in ("p", "low", "df")] == pytest.approx(
        [alone[key] for key in ("p", "low", "df")]
    )
    mixed = rng.permutation(600)
    shuffled = {name: x[:, mixed] for name, x in copies.items()}
    again = only(study(shuffled, units=7 - 3 * unit[mixed]))  # order and names are of no matter
    assert again["p"] == pytest.approx(together["p"])
    ignored = only(study(copies))
    assert ignored["examples"] == 600
    assert ignored["high"] - ignored["low"] < together["high"] - together["low"]


def test_units_of_unequal_size_keep_mean_and_error_rate():
    """Customers with 1 to 40 purchases: taken as independent they err, as units they do not."""
    rng = np.random.default_rng(2)
    sizes = rng.integers(1, 40, size=60)
    start = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    taste = 3 + rng.normal(size=(1000, 1, 60))
    table = np.repeat(taste, sizes, axis=2) + rng.normal(size=(1000, 5, sizes.sum()))
    sums = np.add.reduceat(table, start, axis=2) / sizes.mean()
    reduced = np.stack([Examples(s, sizes / sizes.mean()).values() for s in sums])
    assert reduced.mean(axis=2) == pytest.approx(table.mean(axis=2))

    def rate(tables):
        found = grand_mean(tables, 2)
        t = np.abs(found.mean - 3) / np.sqrt(found.variance)
        return (2 * scipy_stats.t.sf(t, found.df) < 0.05).mean()

    assert rate(table) > 0.3
    assert 0.03 < rate(reduced) <= 0.065


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"examples": {}}, "no value per test example"),
        ({"examples": {"a-0": np.ones(3)}}, "no value per test example"),
        ({"digests": {"a": "one", "b": "other"}}, "tested on different examples"),
        ({"units": np.zeros(50, int)}, "1 independent units of test data are too few"),
    ],
)
def test_without_common_examples_the_headline_is_this_test_set(change, why):
    rng = np.random.default_rng(3)
    tables = {"a": answers(rng, 5, 50, 0.9), "b": answers(rng, 5, 50, 0.5)}
    found = answer(study(tables, **change))
    (row,) = records(found.comparisons)
    assert why in row["population"]
    assert row["population"].startswith("this test set (")
    assert (row["p"], row["low"], row["examples"]) == (row["fixed_p"], row["fixed_low"], 0)
    assert "on this test set it is" in found.sentence
    if "digests" not in change and "units" not in change:
        assert any("this test set alone" in text for text in found.warnings)


def test_methods_may_train_on_different_examples_and_be_judged_on_the_same():
    rng = np.random.default_rng(3)
    tables = {"a": answers(rng, 5, 50, 0.9), "b": answers(rng, 5, 50, 0.5)}
    digests = {"a": "few labels", "b": "many"}
    same = study(tables, digests=digests, judged={"few labels": "test", "many": "test"})
    other = study(tables, digests=digests, judged={"few labels": "test", "many": "more"})
    assert only(same)["population"] == "data like these"
    assert "tested on different examples" in only(other)["population"]


def test_a_metric_that_is_no_mean_has_no_examples_to_resample():
    rng = np.random.default_rng(4)
    material = study({"a": answers(rng, 5, 50), "b": answers(rng, 5, 50)})
    runs = material.runs.assign(**{METRIC: np.sqrt(material.runs[METRIC])})
    assert "not a mean over test examples" in only(material._replace(runs=runs))["population"]


def test_the_answer_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(5)
    material = study({name: answers(rng, 5, 40) for name in "abc"})
    shuffled = material._replace(runs=material.runs.sample(frac=1, random_state=1))
    for part in ("table", "comparisons"):
        pd.testing.assert_frame_equal(
            getattr(answer(material), part), getattr(answer(shuffled), part)
        )


# --- splits and crossed streams


def test_random_splits_are_tested_with_the_correction():
    rng = np.random.default_rng(6)
    a, b = rng.normal(0.9, 0.01, size=(2, 10))
    shares = {("", "a"): 0.2, ("", "b"): 0.2}
    found = answer(study({"a": a, "b": b}, vary=("init", "split"), shares=shares))
    (row,) = records(found.comparisons)
    expected = corrected_t(a, b, 0.2)
    assert row["population"] == "data like these (resampled splits)"
    assert (row["p"], row["low"]) == pytest.approx((expected.p, expected.low))
    assert row["fixed_verdict"] == "refused"
    assert "test set of its own" in row["fixed_reason"]
    assert row["superiority_low"] is None
    one = found.table.set_index("method").loc["a"]
    assert one["low"] == pytest.approx(corrected_interval(a, 0.2).low)
    unknown = only(study({"a": a, "b": b}, vary=("split",)))
    assert unknown["verdict"] == "refused"
    assert "share of test data" in unknown["reason"]


def test_what_is_crossed_with_splits_is_no_further_evidence():
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=(2, 5, 4))
    shares = {("", "a"): 0.25, ("", "b"): 0.25}
    tables = {"a": a.ravel(), "b": b.ravel()}
    row = only(study(tables, cross={"split": 5, "init": 4}, shares=shares))
    expected = corrected_t(a.mean(axis=1), b.mean(axis=1), 0.25)
    assert (row["n"], row["p"]) == (20, pytest.approx(expected.p))


def test_crossed_streams_are_a_table():
    rng = np.random.default_rng(8)
    a, b = rng.normal(size=(2, 3, 4))
    row = only(study({"a": a.ravel(), "b": b.ravel()}, cross={"init": 3, "order": 4}))
    assert row["p"] == pytest.approx(crossed_t(a, b).p)
    assert row["superiority"] == (a > b).mean()
    examples = {name: rng.normal(size=(3, 4, 30)) for name in "ab"}
    flat = {name: x.reshape(12, 30) for name, x in examples.items()}
    row = only(study(flat, cross={"init": 3, "order": 4}))
    assert (row["n"], row["examples"]) == (12, 30)
    assert row["p"] == pytest.approx(crossed_t(examples["a"], examples["b"]).p, rel=1e-4)
    held = only(study(flat, cross={"init": 12, "order": 1}))
    assert held["p"] == pytest.approx(only(study(flat))["p"])


def test_a_missing_cell_costs_one_value_of_a_stream():
    there = [i for i in range(20) if i not in (7, 12)]  # (1, 2) and (2, 2) of 4 x 5
    grid = arrange(there, {"init": 4, "order": 5})
    assert grid.repeats.tolist() == [[5 * i + j for j in (0, 1, 3, 4)] for i in range(4)]
    assert arrange([], {"init": 4, "order": 5}).repeats.size == 0
    a, b = np.random.default_rng(9).normal(size=(2, 12))
    a[5] = math.nan
    found = answer(study({"a": a, "b": b}, cross={"init": 3, "order": 4}))
    (row,) = records(found.comparisons)
    assert row["n"] == 9
    kept = [i for i in range(12) if i % 4 != 1]
    assert row["p"] == pytest.approx(crossed_t(a[kept].reshape(3, 3), b[kept].reshape(3, 3)).p)
    assert "no full table" in found.table.set_index("method").loc["a", "reason"]


# --- looking more than once


def test_looks_pay_for_each_other():
    rng = np.random.default_rng(10)
    a, b = rng.normal(size=(2, 23))
    a += 0.6
    row = only(study({"a": a, "b": b}, looks=(5, 10, 20, 40)))
    p = [scipy_stats.ttest_rel(a[:n], b[:n]).pvalue for n in (5, 10, 20)]
    assert (row["n"], row["looks_done"], row["looks"]) == (20, 3, "5, 10, 20, 40")
    assert row["p"] == pytest.approx(min(1, 4 * min(p)))
    level = scipy_stats.ttest_rel(a[:20], b[:20]).confidence_interval(1 - 0.05 / 4)
    assert (row["low"], row["high"]) == pytest.approx(tuple(level))


def test_before_the_first_look_nothing_is_tested():
    row = only(study({"a": [0.1, 0.2, 0.4], "b": [0.2, 0.1, 0.1]}, looks=(5, 10)))
    assert row["verdict"] == "refused"
    assert row["reason"] == "the first planned look is at 5 common repeats; there are 3"


def test_looks_that_contradict_each_other_decide_nothing():
    first = np.array([1.0, 1.01, 0.99, 1.02, 0.98])
    a = np.concatenate([first, -10 * first])
    row = only(study({"a": a, "b": np.zeros(10)}, looks=(5, 10)))
    assert row["p"] < 1e-4
    assert row["difference"] < 0
    assert (row["verdict"], row["remark"]) == ("undecided", "an earlier look saw the opposite sign")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"b": lambda b: b + 0.01}, False),
        ({"b": lambda b: b * math.nan}, False),
    ],
)
def test_decided_when_every_contrast_is(change, expected):
    rng = np.random.default_rng(11)
    tables = {"a": rng.normal(3, 0.1, size=5), "b": rng.normal(0, 0.1, size=5)}
    tables["c"] = tables["b"] - 5 + rng.normal(0, 0.1, size=5)
    if change:
        tables["b"] = tables["a"] + [-1, 1, 0.5, -0.5, 0.1]
        tables |= {name: make(tables[name]) for name, make in change.items()}
    assert decided(study(tables, looks=(5, 10))) == {"": expected}


def test_a_test_that_can_never_be_made_stops_the_looks():
    rng = np.random.default_rng(12)
    scores, apart = rng.normal(size=5), np.array([-1, 1, 0.5, -0.5, 0.1])
    material = study({"a": scores, "b": scores + apart}, looks=(5, 10))
    assert decided(material) == {"": False}
    for status in ("diverged", "failed"):
        hit = material.runs["method"] == "b"
        runs = material.runs.assign(status=np.where(hit, status, "ok"))
        runs[METRIC] = np.where(hit, math.nan, runs[METRIC])
        assert decided(material._replace(runs=runs)) == {"": True}
    alone = material.question._replace(contrasts=())
    assert decided(material._replace(question=alone)) == {"": True}


# --- what is said


def contradicting():
    """a misses 4 of 40 examples and b 7 others, in every run; b sometimes one more.

    The runs are sure that a is ahead on these examples; 40 other ones might turn it round.
    """
    a, b = np.ones((2, 5, 40))
    a[:, :4] = 0
    b[:, 2:9] = 0
    b[[1, 3], [20, 30]] = 0
    return study({"a": a, "b": b})


def test_the_sentence_tells_when_the_populations_disagree():
    found = answer(contradicting())
    (row,) = records(found.comparisons)
    assert (row["verdict"], row["fixed_verdict"]) == ("undecided", "better")
    assert "but on data like these it is not told apart from b." in found.sentence
    assert "On this test set alone it is better than b; other data may differ." in found.sentence
    assert any("alone the verdict would differ" in text for text in found.warnings)
    file = io.StringIO()
    show(contradicting().question, found, Console(file=file, width=200))
    assert "Intervals and tests: data like these (5 repeats x 40 test examples)" in file.getvalue()
    assert "(this test set alone: better)" in file.getvalue()
    said = {part.name: part for part in sections(contradicting(), found)}["effects"]
    assert "the verdict would differ" in " ".join(said.paragraphs)


def test_undecided_says_what_would_help():
    rng = np.random.default_rng(14)
    common = rng.normal(size=100)
    a, b = (common + s + 0.1 * rng.normal(size=(5, 100)) for s in rng.normal(size=(2, 5, 1)))
    row = only(study({"a": a, "b": b}, margin=0.5))
    assert row["verdict"] == "undecided"
    assert row["more_repeats"] > 5
    assert row["smallest_margin"] == max(-row["low"], row["high"])
    noisy = answers(rng, 5, 30), answers(rng, 5, 30)
    row = only(study(dict(zip("ab", noisy, strict=True)), margin=0.01))
    assert row["more_repeats"] is None
    assert "no number of repeats suffices: about" in row["remark"]
    none = only(study(dict(zip("ab", noisy, strict=True))))
    assert (none["more_repeats"], none["remark"]) == (None, "")


def test_equivalent_also_when_surely_not_zero():
    rng = np.random.default_rng(15)
    b = rng.normal(size=(5, 200))
    a = b + 0.01 + 0.001 * rng.normal(size=(5, 200))
    row = only(study({"a": a, "b": b}, margin=0.05))
    assert row["p_holm"] < 0.001
    assert row["verdict"] == row["fixed_verdict"] == "equivalent"
    assert only(study({"a": a, "b": b}, margin=0))["verdict"] == "better"
    for times, word in ((0.99, "better"), (1.01, "equivalent")):
        margin = times * row["smallest_margin"]
        assert only(study({"a": a, "b": b}, margin=margin))["verdict"] == word


def test_holm_is_within_a_population():
    rng = np.random.default_rng(16)
    tables = {name: answers(rng, 5, 80, 0.7 + 0.05 * i) for i, name in enumerate("abcd")}
    found = answer(study(tables)).comparisons
    for prefix in ("", "fixed_"):
        p = found[f"{prefix}p"].to_numpy()
        order = np.argsort(p)
        stepped = np.maximum.accumulate(np.minimum(1, p[order] * np.arange(len(p), 0, -1)))
        assert found[f"{prefix}p_holm"].to_numpy()[order] == pytest.approx(stepped)


def test_effects_and_their_mirror():
    rng = np.random.default_rng(17)
    a, b = rng.normal(size=(2, 6))
    row = only(study({"a": a, "b": b}))
    assert row["superiority"] == (a > b).mean()
    assert row["correlation"] == pytest.approx(np.corrcoef(a, b)[0, 1])
    back = flipped(row)
    other = only(study({"a": a, "b": b}, contrasts=(("", "b", "a"),)))
    for key in ("difference", "low", "high", "t", "fixed_low", "superiority", "superiority_low"):
        assert back[key] == pytest.approx(other[key])
    low = only(study({"a": a, "b": b})._replace())
    assert low["superiority"] == row["superiority"]
    least = study({"a": a, "b": b})
    least = least._replace(question=least.question._replace(mode="min"))
    assert only(least)["superiority"] == pytest.approx(1 - row["superiority"])


def test_other_metrics_are_described_not_tested():
    rng = np.random.default_rng(18)
    material = study({"a": rng.normal(size=5), "b": rng.normal(size=5)})
    loss = rng.normal(1, 0.1, size=len(material.runs))
    material = material._replace(runs=material.runs.assign(**{"test/loss": loss}))
    found = {part.name: part for part in sections(material, answer(material))}
    part = found["other_metrics"]
    assert "not tested" in part.paragraphs[0]
    frame = part.grids[0].frame
    assert list(frame.columns) == ["method", "n", "test/loss"]
    best = answer(material).table.sort_values("rank")["method"].iloc[0]
    mean, _, spread = frame["test/loss"].iloc[0].partition(" ± ")
    mine = loss[material.runs["method"] == best]
    assert float(mean) == pytest.approx(mine.mean(), abs=0.006)
    assert float(spread) == pytest.approx(mine.std(ddof=1), abs=0.006)


# --- bad input


def test_few_repeats_are_refused_with_the_reason():
    rng = np.random.default_rng(19)
    tables = {"a": answers(rng, 2, 50), "b": answers(rng, 2, 50)}
    row = only(study(tables))
    assert row["verdict"] == "refused"
    assert row["reason"] == "2 common repeats; a test for data like these needs 3"
    assert row["fixed_verdict"] == "undecided"
    one = only(study({name: x[:1] for name, x in tables.items()}))
    assert (one["verdict"], one["fixed_verdict"]) == ("refused", "refused")
    assert "needs at least 2" in one["reason"]


def test_equal_scores_from_different_answers_can_be_tested():
    """Both get half right, not the same half: over these examples nothing varies, over others it may."""
    a = np.tile([1.0, 0.0], 50)
    found = answer(study({"a": np.tile(a, (5, 1)), "b": np.tile(1 - a, (5, 1))}))
    (row,) = records(found.comparisons)
    assert (row["verdict"], row["fixed_verdict"]) == ("undecided", "refused")
    assert (row["difference"], row["p"]) == (0, 1)
    assert "share the highest" in found.sentence
    same = only(study({"a": np.tile(a, (5, 1)), "b": np.tile(a, (5, 1))}))
    assert same["verdict"] == same["fixed_verdict"] == "refused"
    assert "all 500 differences are 0" in same["reason"]


@pytest.mark.parametrize("change", ["diverged", "infinite", "unequal n", "no test metric"])
def test_spoilt_runs_with_examples(change):
    rng = np.random.default_rng(20)
    tables = {name: answers(rng, 6, 30) for name in "abc"}
    if change == "unequal n":
        tables["b"][3:] = math.nan
    material = study(tables)
    runs = material.runs.copy()
    hit = (runs["method"] == "a") & (runs["repeat"] == 1)
    if change == "diverged":
        runs.loc[hit, "status"] = "diverged"
    elif change == "infinite":
        runs.loc[hit, METRIC] = math.inf
    elif change == "no test metric":
        runs = runs.drop(columns=METRIC)
    material = material._replace(runs=runs)
    found = answer(material)
    rows = {(row["a"], row["b"]): row for row in records(found.comparisons)}
    if change == "unequal n":
        assert (rows["a", "b"]["n"], rows["a", "c"]["n"]) == (3, 6)
        assert rows["a", "b"]["verdict"] != "refused"
    else:
        assert rows["a", "b"]["verdict"] == "refused"
    assert list(sections(material, found)) is not None
    assert "nan" not in found.sentence


def test_forty_methods_have_a_short_page_of_effects():
    rng = np.random.default_rng(21)
    names = ["a" * 200, "模型", "\u202eright", "100 % & $x_1$ {\\bf}", "\x1b[31mred"]
    names += [f"m{i}" for i in range(35)]
    material = study({name: answers(rng, 5, 60, 0.8) for name in names})
    found = answer(material)
    assert len(found.comparisons) == 780
    (part,) = (one for one in sections(material, found) if one.name == "effects")
    assert len(part.grids[0].frame) == 39
    text = part.grids[0].frame.to_csv() + " ".join(part.paragraphs)
    assert "comparisons.csv has all" in text
    assert not set("\x1b\u202e") & set(text)

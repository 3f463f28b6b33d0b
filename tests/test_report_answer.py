"""The table, the tests and the words, against pandas, SciPy and arithmetic done by hand."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false
# (what indexing a frame gives is not known to the checker)

import io
import math
import subprocess
import sys
from csv import DictReader

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from funcdl.report.answer import answer
from funcdl.report.csvfile import csv
from funcdl.report.material import Material
from tests.report_frames import KEY, quickstart

METRIC = "test/accuracy"


def spoil(runs, method, repeats, status="diverged", phase="measure"):
    """The runs, with some of a method's as diverged or failed."""
    runs = runs.copy()
    hit = (runs["method"] == method) & (runs["phase"] == phase) & runs["repeat"].isin(repeats)
    runs.loc[hit, "status"] = status
    runs.loc[hit, ["test/accuracy", "test/loss", "validation/accuracy"]] = float("nan")
    runs.loc[hit, "reason"] = "out of memory" if status == "failed" else ""
    return runs


def row(frame, method):
    return frame[frame["method"] == method].iloc[0]


def pair(frame, a, b):
    return frame[(frame["a"] == a) & (frame["b"] == b)].iloc[0]


def test_table_against_pandas_and_scipy():
    question, runs, _ = quickstart()
    table = answer(Material(question, runs)).table
    measured = runs[runs["phase"] == "measure"].groupby("method")[METRIC]
    assert list(table["method"]) == question.labels("")
    for name, values in measured:
        found = row(table, name)
        ends = scipy_stats.ttest_1samp(values, 0).confidence_interval()
        assert found["n"] == 5
        assert (found["low"], found["high"]) == pytest.approx(tuple(ends))
        assert (found["mean"], found["sd"]) == pytest.approx((values.mean(), values.std()))
    expected = measured.mean().rank(ascending=False, method="min")
    assert dict(zip(table["method"], table["rank"], strict=True)) == expected.to_dict()


def test_table_shows_the_selected_trial():
    question, runs, _ = quickstart()
    table = answer(Material(question, runs)).table
    tuning = runs[(runs["phase"] == "tune") & (runs["status"] == "ok")]
    best = tuning.loc[tuning.groupby("method")["validation/accuracy"].idxmax()]
    for _, trial in best.iterrows():
        found = row(table, trial["method"])
        assert (found["trial"], found[KEY]) == (trial["trial"], trial[KEY])
    assert (table["trials"] == 8).all()
    diverged = runs[runs["status"] == "diverged"].groupby("method").size()
    assert table.set_index("method")["trials_diverged"].sum() == diverged.sum() > 0


def test_comparisons_against_scipy():
    question, runs, _ = quickstart()
    found = answer(Material(question, runs)).comparisons
    wide = runs[runs["phase"] == "measure"].pivot(index="repeat", columns="method", values=METRIC)
    expected = [scipy_stats.ttest_rel(wide[a], wide[b]) for _, a, b in question.contrasts]
    p = np.array([one.pvalue for one in expected])
    assert found["p"].to_numpy() == pytest.approx(p, rel=1e-9)
    assert found["t"].to_numpy() == pytest.approx([one.statistic for one in expected])
    order = np.argsort(p)
    stepped = np.maximum.accumulate(np.minimum(1, p[order] * np.arange(len(p), 0, -1)))
    assert found["p_holm"].to_numpy()[order] == pytest.approx(stepped)
    words = np.where(
        found["p_holm"] >= 0.05, "undecided", np.where(found["difference"] > 0, "better", "worse")
    )
    assert list(found["verdict"]) == list(words)
    assert set(words) == {"worse", "undecided"}  # the config goes from the weakest model up
    swapped = question._replace(contrasts=tuple((o, b, a) for o, a, b in question.contrasts))
    mirrored = answer(Material(swapped, runs)).comparisons
    assert list(mirrored["verdict"]) == [word.replace("worse", "better") for word in words]
    assert mirrored["low"].to_numpy() == pytest.approx(-found["high"].to_numpy())
    assert set(found["population"]) == {"this test set (the metric has no value per test example)"}


def test_pairs_are_joined_by_repeat_not_by_order():
    question, runs, _ = quickstart()
    shuffled = runs.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(
        answer(Material(question, runs)).comparisons,
        answer(Material(question, shuffled)).comparisons,
    )
    fewer = runs[~((runs["method"] == "cnn/sgd") & (runs["repeat"] == 2))]
    found = pair(answer(Material(question, fewer)).comparisons, "cnn/sgd", "cnn/adamw")
    wide = runs[runs["phase"] == "measure"].pivot(index="repeat", columns="method", values=METRIC)
    wide = wide.drop(2)
    expected = scipy_stats.ttest_rel(wide["cnn/sgd"], wide["cnn/adamw"])
    assert (found["n"], found["p"]) == (4, pytest.approx(expected.pvalue))


def test_lower_is_better_where_the_mode_says_so():
    question, runs, _ = quickstart()
    runs["test/loss"] = -runs[METRIC]
    low = answer(Material(question._replace(metric="test/loss", mode="min"), runs))
    high = answer(Material(question, runs))
    assert list(low.table["rank"]) == list(high.table["rank"])
    assert list(low.comparisons["verdict"]) == list(high.comparisons["verdict"])
    assert "lowest mean test/loss" in low.sentence


def test_a_method_that_diverged_is_last_and_not_tested():
    question, runs, _ = quickstart()
    some = answer(Material(question, spoil(runs, "cnn/adamw", [1, 3])))
    found = row(some.table, "cnn/adamw")
    assert (found["rank"], found["n"], found["diverged"]) == (9, 3, 2)
    assert found["status"] == "partly diverged"
    assert "3 of 5 repeats that did not diverge" in found["reason"]
    refused = pair(some.comparisons, "cnn/adamw", "cnn/lion")
    assert refused["verdict"] == "refused"
    assert math.isnan(refused["p"])
    assert "diverged: cnn/adamw in 2, cnn/lion in 0 of 5 common repeats" in refused["reason"]
    assert any("cnn/adamw diverged in 2 of 5" in text for text in some.warnings)


def test_a_method_that_always_diverged_has_the_worst_mean():
    question, runs, _ = quickstart()
    bad = spoil(spoil(runs, "mlp/sgd", range(5)), "mlp/lion", [0])
    table = answer(Material(question, bad)).table
    assert row(table, "mlp/sgd")["mean"] == -math.inf
    assert (row(table, "mlp/lion")["rank"], row(table, "mlp/sgd")["rank"]) == (8, 9)
    assert not table["mean"].isna().any()
    losing = answer(Material(question._replace(mode="min"), bad)).table
    assert row(losing, "mlp/sgd")["mean"] == math.inf


def test_a_search_that_only_diverged_is_a_result():
    question, runs, _ = quickstart()
    runs = runs[~((runs["method"] == "mlp/sgd") & (runs["phase"] == "measure"))]
    found = answer(Material(question, spoil(runs, "mlp/sgd", [0], phase="tune")))
    assert row(found.table, "mlp/sgd")["status"] == "diverged"
    assert row(found.table, "mlp/sgd")["rank"] == 9
    assert not any("not finished" in text for text in found.warnings)


@pytest.mark.parametrize("overflow", [math.inf, -math.inf, 1e308, -1e200])
def test_an_overflowing_metric_counts_as_diverged(overflow):
    question, runs, _ = quickstart()
    hit = (runs["method"] == "mlp/sgd") & (runs["phase"] == "measure") & (runs["repeat"] == 4)
    runs.loc[hit, METRIC] = overflow
    found = answer(Material(question, runs))
    assert row(found.table, "mlp/sgd")["diverged"] == 1
    assert np.isfinite(found.table["mean"]).all()


def test_failed_runs_are_left_out_and_told():
    question, runs, _ = quickstart()
    found = answer(Material(question, spoil(runs, "cnn/sgd", [0], status="failed")))
    assert (row(found.table, "cnn/sgd")["n"], row(found.table, "cnn/sgd")["failed"]) == (4, 1)
    assert row(found.table, "cnn/sgd")["status"] == "ok"
    assert pair(found.comparisons, "cnn/sgd", "cnn/lion")["n"] == 4
    assert "1 run failed and is left out (out of memory)." in found.warnings


def test_one_repeat_refuses_every_test():
    question, runs, _ = quickstart(repeats=1)
    found = answer(Material(question, runs))
    assert set(found.comparisons["verdict"]) == {"refused"}
    assert found.comparisons["p"].isna().all()
    assert found.comparisons["reason"].str.contains("needs at least 2").all()
    assert "untested against" in found.sentence
    assert any("One repeat" in text for text in found.warnings)


def test_equal_methods_share_the_lead():
    question, runs, _ = quickstart()
    runs.loc[runs["phase"] == "measure", METRIC] = 0.9
    found = answer(Material(question, runs))
    assert (found.table["rank"] == 1).all()
    assert (found.table["low"] == 0.9).all()
    assert set(found.comparisons["verdict"]) == {"refused"}
    assert "share the highest" in found.sentence


def test_the_sentence_says_what_the_tests_say():
    question, runs, _ = quickstart()
    found = answer(Material(question, runs))
    leader = found.table.loc[found.table["rank"] == 1, "method"].item()
    assert found.sentence.startswith(f"{leader} has the highest mean test/accuracy, 0.98")
    better, _, undecided = found.sentence.partition("not told apart from")
    for _, one in found.comparisons.iterrows():
        if leader in (one["a"], one["b"]):
            other = one["b"] if one["a"] == leader else one["a"]
            assert other in (undecided if one["verdict"] == "undecided" else better)


def test_a_margin_makes_equivalence_possible():
    question, runs, _ = quickstart()
    found = answer(Material(question._replace(margin=0.02), runs)).comparisons
    inside = (found["low"] > -0.02) & (found["high"] < 0.02)
    assert list(found["verdict"] == "equivalent") == list(inside)
    assert 0 < inside.sum() < len(found)


def test_blocks_are_ranked_and_tested_alone():
    first, runs_1, _ = quickstart(block="digits")
    second, runs_2, _ = quickstart(block="wine", seed=1)
    both = first._replace(
        blocks=("digits", "wine"),
        methods=first.methods + second.methods,
        contrasts=first.contrasts + second.contrasts,
    )
    found = answer(Material(both, pd.concat([runs_1, runs_2], ignore_index=True)))
    assert sorted(found.table.loc[found.table["block"] == "wine", "rank"]) == list(range(1, 10))
    alone = answer(Material(first, runs_1)).comparisons
    together = found.comparisons[found.comparisons["block"] == "digits"].reset_index(drop=True)
    assert list(alone["p"]) == list(together["p"])
    assert list(alone["p_holm"]) == list(together["p_holm"])
    smallest = together.sort_values("p").iloc[0]
    assert smallest["p_holm"] == pytest.approx(36 * smallest["p"])


@pytest.mark.parametrize("runs", ["none", "tuning only"])
def test_an_unfinished_study_has_an_unfinished_answer(runs):
    question, every, _ = quickstart()
    found = answer(
        Material(question, pd.DataFrame() if runs == "none" else every[every["phase"] == "tune"])
    )
    assert set(found.table["status"]) == {"not measured"}
    assert found.table["rank"].isna().all()
    assert set(found.comparisons["reason"]) == {"no common repeats"}
    assert found.sentence == "No method has been measured yet."
    assert any("not finished" in text for text in found.warnings)


# --- CSV


def test_csv_keeps_every_digit():
    question, runs, _ = quickstart()
    found = answer(Material(question, runs))
    for frame in (found.table, found.comparisons):
        back = list(DictReader(io.StringIO(csv(frame))))
        for name in frame.select_dtypes("float"):
            read = [float(one[name]) if one[name] else math.nan for one in back]
            np.testing.assert_array_equal(read, frame[name].to_numpy())


def test_csv_makes_formulas_text_and_leaves_numbers():
    frame = pd.DataFrame(
        {
            "method": ["=cmd()", "+1", "-1", "@x", "\tx", "fine", 'a,"b"\n', None],
            "mean": [-1.5, -math.inf, math.nan, 1e-300, 0.1, 0.2, 0.3, 0.4],
            "=key": ["=", 1, -2, None, "x", "x", "x", "x"],
        }
    )
    text = csv(frame)
    back = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    assert list(back.columns) == ["method", "mean", "'=key"]
    assert list(back["method"][:6]) == ["'=cmd()", "'+1", "'-1", "'@x", "'\tx", "fine"]
    assert list(back["method"][6:]) == ['a,"b"\n', ""]
    assert list(back["mean"][:5]) == ["-1.5", "-inf", "", "1e-300", "0.1"]
    assert list(back["'=key"][:4]) == ["'=", "1", "-2", ""]


def test_tables_never_say_nan():
    question, runs, _ = quickstart()
    found = answer(Material(question, spoil(runs, "cnn/adamw", range(5))))
    assert "nan" not in (csv(found.table) + csv(found.comparisons)).lower()


def test_importing_the_rooms_imports_nothing_heavy():
    code = (
        "import sys, funcdl.report, funcdl.stats;"
        "heavy = {'jax', 'pandas', 'scipy', 'matplotlib', 'numpy', 'jinja2', 'rich'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_extension_after_the_answer_was_seen_is_told():
    question, runs, _ = quickstart()
    assert not any("extended" in text for text in answer(Material(question, runs)).warnings)
    extended = question._replace(answered=(3,))
    (said,) = [t for t in answer(Material(extended, runs)).warnings if "extended" in t]
    assert "over 3 repeats" in said
    assert "max: 5" in said

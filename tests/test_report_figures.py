"""The figures and their SVG: right points, same bytes, readable without colour."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false
# (what indexing a frame gives is not known to the checker)

import itertools
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from funcdl.report.answer import answer
from funcdl.report.figures.curve import POINTS, curves
from funcdl.report.figures.gallery import drawings
from funcdl.report.figures.palette import DARK, LIGHT, looks
from funcdl.report.figures.svg import svg
from funcdl.report.material import Material
from funcdl.report.record import records
from tests.report_frames import KEY, quickstart

XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink" '


def draw(question, runs, metrics):
    table = records(answer(Material(question, runs)).table)
    return drawings(question, table, records(runs), metrics)


def test_curves_against_pandas_and_scipy():
    question, runs, metrics = quickstart()
    measured = runs.loc[runs["phase"] == "measure", "id"]
    found = curves(question, metrics, set(measured), "", "validation/accuracy")
    values = metrics[metrics["run"].isin(measured) & (metrics["metric"] == "validation/accuracy")]
    assert set(found) == set(runs["method"])
    for name, group in values.groupby("method"):
        by_step = group.groupby("step")["value"]
        assert list(found[name].steps) == list(by_step.groups)
        assert found[name].mean == pytest.approx(by_step.mean().to_numpy())
        half = scipy_stats.t.ppf(0.975, 4) * by_step.sem().to_numpy()
        assert found[name].half == pytest.approx(half)


def test_a_long_curve_is_thinned_and_keeps_its_ends():
    steps = np.arange(1000)
    metrics = pd.DataFrame({"run": "r", "block": "", "method": "m", "metric": "x", "step": steps})
    question, _, _ = quickstart(trials=2)
    found = curves(question, metrics.assign(value=steps * 2.0), {"r"}, "", "x")["m"]
    assert len(found.steps) == POINTS
    assert (found.steps[0], found.steps[-1], found.mean[-1]) == (0, 999, 1998)
    assert np.isnan(found.half).all()


def test_intervals_are_drawn_where_the_table_says():
    question, runs, metrics = quickstart()
    table = answer(Material(question, runs)).table.sort_values("rank")
    ax = draw(question, runs, metrics)[0].figure.axes[0]
    whiskers = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == 2]
    dots = [line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 1]
    assert np.array(whiskers) == pytest.approx(table[["low", "high"]].to_numpy())
    assert dots == pytest.approx(list(table["mean"]))
    assert [text.get_text() for text in ax.get_yticklabels()] == list(table["method"])


def test_sensitivity_shows_every_trial_and_marks_the_diverged():
    question, runs, metrics = quickstart()
    ax = draw(question, runs, metrics)[-1].figure.axes[0]
    assert ax.get_xscale() == "log"
    tuning = runs[runs["phase"] == "tune"]
    drawn = {"ok": 0, "x": 0, "ring": 0}
    for line in ax.lines:
        kind = "x" if line.get_marker() == "x" else "ok"
        kind = "ring" if line.get_markersize() == 9 else kind
        drawn[kind] += len(line.get_xdata())
    assert drawn["x"] == (tuning["status"] == "diverged").sum() > 0
    assert drawn["ok"] == (tuning["status"] == "ok").sum()
    assert drawn["ring"] == 9


def test_svg_is_the_same_every_time_and_well_formed():
    once, twice = (
        [svg(one.figure, f"f{i}", one.alt) for i, one in enumerate(draw(*quickstart()))]
        for _ in range(2)
    )
    assert once == twice
    assert len(once) == 4
    for text in once:
        assert text.startswith('<svg role="img" ')
        tree = ET.fromstring(text.replace("<svg ", f"<svg {XLINK}", 1))
        assert tree.attrib["role"] == "img"
        assert len(tree.attrib["aria-label"]) > 40
        assert "metadata" not in text
        assert "http" not in text
    assert sum(map(len, once)) < 120_000


def test_ids_of_drawings_do_not_meet():
    texts = [svg(one.figure, f"f{i}", one.alt) for i, one in enumerate(draw(*quickstart()))]
    ids = [{part.split('"')[0] for part in text.split(' id="')[1:]} for text in texts]
    assert all(ids)
    for some, others in itertools.combinations(ids, 2):
        assert not some & others


def test_drawing_leaves_matplotlib_as_it_was():
    import matplotlib

    before = dict(matplotlib.rcParams)
    question, runs, metrics = quickstart(models={"mlp": 0.97})
    for one in draw(question, runs, metrics):
        svg(one.figure, "f", one.alt)
    assert dict(matplotlib.rcParams) == before


def luminance(color):
    channels = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize(("colors", "background"), [(LIGHT, "#ffffff"), (DARK, "#14171c")])
def test_colors_stand_out_from_the_page(colors, background):
    """WCAG 2 asks of graphics a contrast of 3 to 1."""
    for color in colors:
        dim, bright = sorted((luminance(color), luminance(background)))
        assert (bright + 0.05) / (dim + 0.05) >= 3


@pytest.mark.parametrize(
    "labels",
    [
        [f"{m}/{o}" for m in "abc" for o in "xyz"],
        [f"{m}/{o}" for m in "abc" for o in "xyz"] + ["forest", "chance"],
        [f"{m}/{o}" for m in "abc" for o in "xyz"][:-1],
        ["a/b/c", "d", "e/f", "/", ""],
        [f"method {i}" for i in range(12)],
    ],
)
def test_methods_look_different(labels):
    found = looks(labels)
    assert list(found) == labels
    assert len(set(found.values())) == len(labels)


def test_many_methods_are_grey_but_for_the_first():
    models = {f"model{i}": 0.9 + i / 300 for i in range(8)}
    question, runs, metrics = quickstart(models=models)
    curve = draw(question, runs, metrics)[1].figure
    names = [text.get_text() for text in curve.legends[0].get_texts()]
    best = answer(Material(question, runs)).table.sort_values("rank")["method"][:7]
    assert set(names) == {*best, "17 others"}


def test_two_tuned_keys_give_two_figures():
    question, runs, metrics = quickstart()
    runs["model.depth"] = [int(x) for x in np.random.default_rng(0).integers(1, 4, len(runs))]
    runs["kind"] = "text"
    both = question._replace(tuned=(KEY, "model.depth", "kind"))
    found = draw(both, runs, metrics)
    assert len(found) == 5
    assert found[-1].figure.axes[0].get_xscale() == "linear"
    assert all(line.get_linestyle() == "None" for line in found[-1].figure.axes[0].lines[:9])

"""Tests over problems whose repeats were added until each problem's own contrasts were decided."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false

import numpy as np
import pytest
from scipy.special import stdtr, stdtrit

from funcdl.report.answer import answer
from funcdl.report.methods import methods
from funcdl.report.sections.across import across
from funcdl.stats.multiple import holm
from funcdl.stats.sequential import level_at, planned, running_p
from funcdl.stats.signed_rank import signed_rank
from tests.test_across_report import drawn, study

LOOKS, ALPHA = planned(5, 40), 0.05
PROBLEMS = 12
WORLDS = [(1.5, 1.2, 0.0), (1.0, 0.0, 1.0)]  # how far the third method is ahead, margin, spread


def ends(x, pairs, margin):
    """The look at which each problem `x[problem, method, repeat]` stops, all contrasts at once."""
    p = np.ones((len(x), len(pairs), len(LOOKS)))
    inside = np.zeros_like(p, bool)
    for k, n in enumerate(LOOKS):
        d = np.stack([x[:, a, :n] - x[:, b, :n] for a, b in pairs], axis=1)
        mean, error = d.mean(2), d.std(2, ddof=1) / np.sqrt(n)
        p[..., k] = 2 * stdtr(n - 1, -np.abs(mean / error))
        half = stdtrit(n - 1, (1 + level_at(ALPHA, LOOKS)) / 2) * error
        inside[..., k] = np.abs(mean) + half < margin
    running = np.minimum(1, len(LOOKS) * np.minimum.accumulate(p, axis=2))
    first = np.argsort(running, axis=1)
    steps = len(pairs) - np.arange(len(pairs))[None, :, None]
    sorted_p = np.maximum.accumulate(np.take_along_axis(running, first, 1) * steps, axis=1)
    adjusted = np.empty_like(running)
    np.put_along_axis(adjusted, first, sorted_p, 1)
    done = ((adjusted < ALPHA) | inside).all(1)
    return np.where(done.any(1), done.argmax(1), len(LOOKS) - 1), adjusted


def test_the_simulated_rule_is_the_rule():
    x = np.random.default_rng(0).normal(size=(30, 3, LOOKS[-1])) + np.array([[0.9], [0], [0]])
    pairs = [(0, 2), (1, 2)]
    _, adjusted = ends(x, pairs, 0.0)
    for one, found in zip(x, adjusted, strict=True):
        p = []
        for a, b in pairs:
            each = [one[a, :n] - one[b, :n] for n in LOOKS]
            t = [d.mean() / (d.std(ddof=1) / np.sqrt(len(d))) for d in each]
            p.append([2 * stdtr(len(d) - 1, -abs(v)) for v, d in zip(t, each, strict=True)])
        for k in range(len(LOOKS)):
            at_look = holm([running_p(values[: k + 1], LOOKS) for values in p])
            np.testing.assert_allclose(np.minimum(1, found[:, k]), np.array(at_look, float))


def over_problems(rng, worlds, ahead, margin, spread):
    """p of the signed-rank test of two like methods over problems that ended when they were decided.

    A third method is `ahead` on average, and ends a problem early where the control happens to look bad.
    """
    truth = np.array([ahead, 0, 0]) + spread * rng.normal(size=(worlds * PROBLEMS, 3))
    x = truth[:, :, None] + rng.normal(size=(worlds * PROBLEMS, 3, LOOKS[-1]))
    at, _ = ends(x, [(0, 2), (1, 2)], margin)
    assert len(np.unique(at)) == len(LOOKS)  # problems ended at every look
    repeats = np.take(LOOKS, at)
    means = np.cumsum(x, axis=2)[np.arange(len(x)), :, repeats - 1] / repeats[:, None]
    return [signed_rank(one[:, 1], one[:, 2]).p for one in means.reshape(worlds, PROBLEMS, 3)]


@pytest.mark.parametrize(("ahead", "margin", "spread"), WORLDS)
def test_where_repeats_end_makes_no_test_over_problems_err_more_often(ahead, margin, spread):
    found = over_problems(np.random.default_rng(3), 1500, ahead, margin, spread)
    assert 0.02 < np.mean(np.array(found) < ALPHA) <= 0.06


def test_the_report_says_that_problems_were_looked_at_once(monkeypatch):
    monkeypatch.setattr("funcdl.report.sections.across.DRAWS", 1)
    material = study(drawn(7, 3), repeats=5)
    said = "its p-values count a single look"
    for looks in ((), (5, 10)):
        grown = material._replace(question=material.question._replace(looks=looks))
        found = answer(grown)
        (section,) = across(grown, found)
        assert (said in " ".join(section.paragraphs)) == bool(looks)
        assert ("at a single look" in " ".join(methods(grown.question, found))) == bool(looks)


def test_the_methods_paragraph_names_the_tests_over_problems():
    material = study(drawn(10, 3))
    text = " ".join(methods(material.question, answer(material)))
    assert "Over the 10 problems" in text
    assert "signed-rank" in text
    assert "Friedman" in text
    few = study(drawn(4, 3))
    assert "signed-rank" not in " ".join(methods(few.question, answer(few)))

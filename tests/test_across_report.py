"""The section on several problems, over frames of studies that never ran."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false
# pyright: reportOptionalMemberAccess=false

import itertools

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from funcdl.report.answer import answer
from funcdl.report.board import board
from funcdl.report.figures.svg import svg
from funcdl.report.material import Material
from funcdl.report.question import Question
from funcdl.report.record import records
from funcdl.report.sections.across import across

ODD = [
    "名前" * 60,
    "مرحبا بالعالم",
    r"$\alpha_{1}$ & 50 % # {x}",
    "red\x1b[31m\nend",
    '"><img src=x onerror=alert(1)>',
]


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    monkeypatch.setattr("funcdl.report.sections.pooled.NUMBERS", 1)
    monkeypatch.setattr("funcdl.report.sections.across.DRAWS", 1)


def study(scores, repeats=3, mode="max", diverged=(), missing=(), failed=(), contrasts=None):
    """A study from `scores[problem][method]`; its runs spread evenly around them.

    Args:
        diverged, missing, failed: (problem, method, repeat) places of runs.
    """
    scores = np.asarray(scores, float)
    problems = [f"p{i}" for i in range(len(scores))]
    labels = [f"m{j}" for j in range(scores.shape[1])]
    rows = []
    for (i, block), (j, label), k in itertools.product(
        enumerate(problems), enumerate(labels), range(repeats)
    ):
        place = (i, j, k)
        if place in missing:
            continue
        status = "diverged" if place in diverged else "failed" if place in failed else "ok"
        value = scores[i, j] + 0.001 * (k - (repeats - 1) / 2) if status == "ok" else np.nan
        row = {"id": f"{block}{label}{k}", "block": block, "method": label, "phase": "measure"}
        row |= {"trial": 0, "repeat": k, "status": status, "reason": "", "seconds": 1.0}
        rows.append(row | {"validation/accuracy": value, "test/accuracy": value})
    pairs = contrasts or list(itertools.combinations(labels, 2))
    question = Question(
        name="problems",
        command="funcdl run problems.yaml",
        config_text="",
        metric="test/accuracy",
        selected_by="validation/accuracy",
        mode=mode,
        methods=tuple(itertools.product(problems, labels)),
        contrasts=tuple((block, a, b) for block in problems for a, b in pairs),
        blocks=tuple(problems),
        repeats=repeats,
    )
    columns = ["id", "block", "method", "phase", "trial", "repeat", "status", "reason", "seconds"]
    frame = pd.DataFrame(rows, columns=[*columns, "validation/accuracy", "test/accuracy"])
    return Material(question, frame)


def drawn(problems, methods, seed=0):
    rng = np.random.default_rng(seed)
    return 0.8 + 0.02 * np.arange(methods) + rng.normal(0, 0.01, (problems, methods))


def section(material):
    found = list(across(material, answer(material)))
    assert len(found) == 1
    for drawing in found[0].drawings:
        assert "var(--c0)" in svg(drawing.figure, "x", drawing.alt)
    return found[0]


def grids(part):
    return {grid.name: grid.frame for grid in part.grids}


def test_one_block_has_no_such_section():
    assert list(across(study(drawn(1, 3)), answer(study(drawn(1, 3))))) == []


@pytest.mark.parametrize("mode", ["max", "min"])
def test_many_problems_are_ranked_tested_and_pooled(mode):
    scores = drawn(10, 4)
    material = study(scores if mode == "max" else 1 - scores, mode=mode)
    part = section(material)
    tables = grids(part)
    assert set(tables) == {"across-ranks", "across-pairs", "across-pooled"}
    assert [one.name for one in part.drawings] == ["ranks", "heat", "profile"]
    ranks = tables["across-ranks"].set_index("method")
    expected = scipy.stats.rankdata(-scores, axis=1).mean(axis=0)
    np.testing.assert_allclose(ranks.loc[["m0", "m1", "m2", "m3"], "mean rank"], expected)
    assert ranks["mean rank"].is_monotonic_increasing
    pairs = tables["across-pairs"].set_index(["a", "b"])
    expected = scipy.stats.wilcoxon(scores[:, 0], scores[:, 3], method="exact").pvalue
    assert pairs.loc[("m0", "m3"), "p"] == pytest.approx(expected)
    assert pairs.loc[("m0", "m3"), "a is"] == "worse"
    assert pairs.loc[("m0", "m3"), "P(b better)"] > 0.99
    sign = 1 if mode == "max" else -1
    middle = sign * np.median(scores[:, 0] - scores[:, 3])
    assert pairs.loc[("m0", "m3"), "median a - b"] == pytest.approx(middle)
    pooled = tables["across-pooled"].set_index("method")
    assert pooled["IQM"].idxmax() == "m3"
    assert (pooled["IQM low"] <= pooled["IQM"]).all()
    assert (pooled["runs"] == 30).all()
    assert any("m3 over m0" in text for text in part.paragraphs)


def test_repeats_are_no_further_problems():
    few, many = (section(study(drawn(6, 3), repeats=n)) for n in (3, 30))
    one, other = (grids(part)["across-pairs"] for part in (few, many))
    pd.testing.assert_frame_equal(one, other)
    assert (one["problems"] == 6).all()


@pytest.mark.parametrize("problems", [2, 3, 5])
def test_few_problems_decide_nothing_and_it_says_what_would(problems):
    part = section(study(drawn(problems, 3)))
    said = " ".join(part.paragraphs)
    assert f"With {problems} problems no pair of methods can be told apart" in said
    assert "It takes 7 problems, or 6 for a single contrast." in said
    assert set(grids(part)) == {"across-ranks"}
    assert [one.name for one in part.drawings] == ["heat"]


def test_six_problems_decide_one_contrast_but_not_three():
    scores = drawn(6, 3)
    three = section(study(scores))
    assert set(grids(three)["across-pairs"]["a is"]) == {"refused"}
    assert "with 6 problems the smallest p" in grids(three)["across-pairs"]["reason"][0]
    one = section(study(scores, contrasts=[("m0", "m2")]))
    assert list(grids(one)["across-pairs"]["a is"]) == ["worse"]


def test_a_contrast_is_tested_where_it_was_asked_on_every_problem():
    material = study(drawn(8, 3))
    asked = [one for one in material.question.contrasts if one != ("p3", "m0", "m1")]
    part = section(material._replace(question=material.question._replace(contrasts=tuple(asked))))
    pairs = grids(part)["across-pairs"]
    assert set(zip(pairs["a"], pairs["b"], strict=True)) == {("m0", "m2"), ("m1", "m2")}


def test_contrasts_against_one_method_draw_bonferroni_and_dunns_band():
    part = section(study(drawn(8, 4), contrasts=[("m1", "m0"), ("m1", "m2"), ("m1", "m3")]))
    assert "within it of m1, ringed (Bonferroni-Dunn)" in part.drawings[0].title


def test_a_diverged_method_is_worst_on_its_problem():
    material = study(drawn(7, 3), diverged={(0, 2, 1), (3, 2, 0), (3, 2, 1), (3, 2, 2)})
    found = board(material.question, records(answer(material).table))
    assert (found.means[[0, 3], 2] == -np.inf).all()
    assert np.isfinite(np.delete(found.means[:, 2], [0, 3])).all()
    part = section(material)
    assert "A method that diverged in any repeat on a problem is worst there." in part.paragraphs[0]
    ranks = grids(part)["across-ranks"].set_index("method")
    assert ranks.loc["m2", "p0"] == ranks.loc["m2", "p3"] == -np.inf
    assert ranks.loc["m2", "best on"] == 5


def test_a_missing_cell_leaves_the_smaller_part_out():
    gone = {(4, 0, k) for k in range(3)}
    for lost in ({"missing": gone}, {"failed": gone}):
        part = section(study(drawn(9, 3), **lost))
        assert "Left out: 1 problem (p4), for want of a measured repeat" in part.paragraphs[0]
        assert (grids(part)["across-pairs"]["problems"] == 8).all()
    part = section(study(drawn(2, 5), missing={(1, 3, k) for k in range(3)}))
    assert "Left out: 1 method (m3)" in part.paragraphs[0]


def test_the_board_is_the_same_in_any_order():
    material = study(drawn(7, 4), missing={(2, 1, k) for k in range(3)})
    mixed = material._replace(runs=material.runs.sample(frac=1, random_state=0))
    one, other = (board(m.question, records(answer(m).table)) for m in (material, mixed))
    np.testing.assert_allclose(one.scores, other.scores, rtol=1e-12)
    assert one.left_out == other.left_out


EVERYTHING = set(itertools.product(range(8), range(3), range(3)))


@pytest.mark.parametrize(
    "material",
    [
        study(drawn(8, 1)),
        study(drawn(8, 3), repeats=1),
        study(drawn(8, 3), repeats=2),
        study(drawn(8, 3), diverged=EVERYTHING),
        study(drawn(8, 3), failed=EVERYTHING),
        study(drawn(8, 3), missing=EVERYTHING),
        study(drawn(8, 3), missing={place for place in EVERYTHING if place[1] == 0}),
        study(np.full((8, 3), 0.5)),
        study(np.full((9, 2), 0.5), mode="min"),
        study(drawn(9, 3) * 1e300),
        study(drawn(40, 2)),
        study(drawn(8, 2)),
    ],
    ids=lambda material: f"{len(material.question.methods)}-{len(material.runs)}",
)
def test_hard_studies_do_not_break_it(material):
    for part in across(material, answer(material)):
        assert part.paragraphs
        for drawing in part.drawings:
            assert svg(drawing.figure, "x", drawing.alt)
        for grid in part.grids:
            assert len(grid.frame)


def test_odd_names_and_many_methods_are_drawn():
    material = study(drawn(8, 40), repeats=3)
    names = {f"m{j}": name for j, name in enumerate(ODD)}
    blocks = {f"p{i}": name for i, name in enumerate(ODD)}

    def renamed(rows):
        return tuple(
            (blocks.get(block, block), *(names.get(label, label) for label in labels))
            for block, *labels in rows
        )

    question = material.question
    question = question._replace(
        methods=renamed(question.methods),
        contrasts=renamed(question.contrasts)[::40],
        blocks=tuple(blocks.get(block, block) for block in question.blocks),
    )
    runs = material.runs.replace({"method": names, "block": blocks})
    part = section(Material(question, runs))
    assert [one.name for one in part.drawings] == ["ranks", "heat", "profile"]
    for drawing in part.drawings:
        width, height = drawing.figure.get_size_inches()
        assert width < 6
        assert height < 15
    assert all("\x1b" not in text for text in part.paragraphs)


# The sentence over all problems


def leading(material):
    return answer(material).sentence


def test_a_sentence_over_all_problems_leads_the_answer():
    material = study(drawn(10, 3))
    said = leading(material)
    start = "Over 10 problems m2 has the best mean rank (1 of 3); it is better than m0 and m1 by "
    assert said.startswith(start + "Wilcoxon's signed-rank tests with Holm. p0: ")
    turned = study(1 - drawn(10, 3), mode="min")
    assert leading(turned).startswith(start)


def test_what_is_not_decided_over_problems_is_named():
    scores = drawn(10, 3)
    scores[:, 1] = scores[:, 2] + np.where(np.arange(10) < 6, -0.001, 0.002)
    said = leading(study(scores)).partition(" p0: ")[0]
    assert "m2 has the best mean rank (1.4 of 3); it is better than m0 by Wilcoxon's" in said
    assert said.endswith("not decided against m1.")
    even = np.tile([[0.5, 0.6], [0.6, 0.5]], (4, 1))
    said = leading(study(even)).partition(" p0: ")[0]
    assert said.startswith("Over 8 problems m0 and m1 share the best mean rank (1.5 of 2); no pair")


def test_few_problems_are_said_to_decide_nothing():
    said = leading(study(drawn(3, 3))).partition(" p0: ")[0]
    assert said == (
        "Over 3 problems m2 has the best mean rank (1 of 3), but 3 problems are too few to decide "
        "anything across them (it takes 7 for 3 contrasts)."
    )
    assert leading(study(drawn(1, 3))).startswith("p0: ")
    assert leading(study(drawn(3, 3), missing=EVERYTHING)).startswith("p0: ")
    contrasts = [("m0", "m1")]
    said = leading(study(drawn(8, 3), contrasts=contrasts)).partition(" p0: ")[0]
    assert "m1 is better than m0" in said


def test_the_section_says_nothing_twice_and_nothing_against_itself():
    agreed = section(study(drawn(9, 3) + 0.1 * np.arange(3)))
    said = " ".join(agreed.paragraphs)
    assert "p < .001" in said
    assert "p = <" not in said
    assert "infinite" not in said
    assert "every problem gives the same order" in said
    assert "The critical difference depends" in said
    hopeless = " ".join(section(study(drawn(6, 4) + 0.1 * np.arange(4))).paragraphs)
    assert "the places are not all alike" in hopeless
    assert "between which two of them the difference lies is not decided" in hopeless
    assert "The critical difference depends" not in hopeless
    assert "is not decided" not in said


def test_where_places_could_be_chance_no_difference_is_looked_for():
    said = " ".join(section(study(np.random.default_rng(3).normal(0.5, 0.1, (9, 3)))).paragraphs)
    assert "the places could all be chance" in said
    assert "is not decided" not in said


def test_a_leader_by_rank_that_a_test_puts_behind_is_told():
    """One problem on which many methods lie between the two moves the ranks and not the test."""
    scores = np.full((10, 12), 0.1) + 0.001 * np.arange(12)
    scores[:, 0], scores[:, 1] = 0.5, 0.6 + 0.001 * np.arange(10)
    scores[9, 0], scores[9, 1] = 0.2, 0.1
    scores[9, 2:] = 0.15
    said = leading(study(scores, contrasts=[("m0", "m1")])).partition(" p0: ")[0]
    assert "m0 has the best mean rank" in said
    assert said.endswith("; yet it is worse than m1 by Wilcoxon's signed-rank tests with Holm.")

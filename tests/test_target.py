"""How soon a target is reached: the estimates, the config's key, and the report's section."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false
# pyright: reportOptionalOperand=false, reportOptionalMemberAccess=false

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from statsmodels.duration.survfunc import SurvfuncRight

import funcdl as fd
from funcdl.config import expand
from funcdl.config.write import to_yaml
from funcdl.report.answer import answer
from funcdl.report.arrivals import race
from funcdl.report.material import Material
from funcdl.report.sections.target import target
from funcdl.stats.across.survival import kaplan_meier, restricted_mean
from tests.report_frames import quickstart

STUDY = {
    "task": "classification",
    "data": "digits",
    "model": "mlp",
    "optimizer": {"name": "sgd", "learning_rate": 0.1},
}


def censored(seed, n=30):
    rng = np.random.default_rng(seed)
    events, ends = rng.exponential(10, n).round(), rng.uniform(2, 25, n).round()
    return np.minimum(events, ends), events <= ends


# Estimates


@pytest.mark.parametrize("seed", range(4))
def test_kaplan_meier_agrees_with_statsmodels_and_scipy(seed):
    times, reached = censored(seed)
    found = kaplan_meier(times, reached)
    expected = SurvfuncRight(times, reached.astype(int))
    np.testing.assert_allclose(found.times, expected.surv_times)
    np.testing.assert_allclose(found.share, expected.surv_prob)
    np.testing.assert_array_equal(found.at_risk, expected.n_risk)
    data = scipy.stats.CensoredData(times[reached], right=times[~reached])
    sf = scipy.stats.ecdf(data).sf
    np.testing.assert_allclose(found.share, sf.evaluate(found.times))


def test_kaplan_meier_reproduces_the_published_remission_times():
    """Freireich's 6-mercaptopurine arm, the example of most textbooks."""
    reached_at = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    ended_at = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    found = kaplan_meier(reached_at + ended_at, [True] * 9 + [False] * 12)
    np.testing.assert_array_equal(found.times, [6, 7, 10, 13, 16, 22, 23])
    expected = [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482]
    np.testing.assert_allclose(found.share, expected, atol=5e-5)


@pytest.mark.parametrize("seed", range(3))
def test_restricted_mean_is_the_area_and_its_variance_follows_from_greenwood(seed):
    """`int int S(s) S(t) g(min(s, t)) ds dt` with Greenwood's sum g, from statsmodels' errors."""
    times, reached = censored(seed, n=40)
    horizon = 14.0
    known = SurvfuncRight(times, reached.astype(int))
    grid = np.arange(0.05, horizon, 0.1)
    place = np.searchsorted(known.surv_times, grid, side="right")
    share = np.concatenate([[1], known.surv_prob])[place]
    greenwood = np.concatenate([[0], (known.surv_prob_se / known.surv_prob) ** 2])[place]
    earlier = np.minimum.outer(np.arange(len(grid)), np.arange(len(grid)))
    variance = float(share @ greenwood[earlier] @ share) * 0.1**2
    found = restricted_mean(times, reached, horizon)
    assert found.mean == pytest.approx(share.sum() * 0.1, rel=1e-9)
    assert found.variance == pytest.approx(variance, rel=0.02)


def test_without_earlier_censoring_the_interval_is_students():
    times = np.array([120.0, 90, 300, 210, 300])
    reached = np.array([True, True, False, True, False])
    found = restricted_mean(times, reached, horizon=300, level=0.9)
    expected = scipy.stats.ttest_1samp(times, 0).confidence_interval(0.9)
    assert found.mean == pytest.approx(times.mean())
    assert (found.low, found.high) == pytest.approx((expected.low, min(300, expected.high)))
    assert found.reached == 3


def test_the_interval_covers_the_truth_at_few_repeats():
    """Exponential times (mean 10) up to a horizon of 12, censored at random before it."""
    rng = np.random.default_rng(0)
    truth, inside = 10 * (1 - np.exp(-1.2)), []
    for _ in range(1500):
        events, ends = rng.exponential(10, 10), np.append(rng.uniform(4, 40, 6), [99] * 4)
        found = restricted_mean(np.minimum(events, ends), events <= ends, 12)
        if found.mean is not None:  # all ended early with the last on its way
            inside.append(found.low <= truth <= found.high)
    assert len(inside) > 1450
    assert 0.92 <= np.mean(inside) <= 0.97


@pytest.mark.parametrize(
    ("times", "reached", "mean", "reason"),
    [
        ([], [], None, "no runs"),
        ([3.0], [True], 3.0, "one run"),
        ([3.0, 5.0], [True, False], None, "the last run ended at 5 on its way, before 8"),
        ([8.0, 9.0], [False, False], 8.0, "none of 2 runs"),
        ([9.0, 10.0], [True, True], 8.0, "none of 2 runs"),
        ([4.0, 4.0], [True, True], 4.0, "do not vary"),
    ],
)
def test_restricted_mean_gives_a_reason(times, reached, mean, reason):
    found = restricted_mean(times, reached, horizon=8)
    assert found.mean == mean
    assert reason in found.reason


def test_misuse_of_survival_is_an_error():
    with pytest.raises(ValueError, match="one each per run"):
        kaplan_meier([1.0, 2.0], [True])
    with pytest.raises(ValueError, match="negative or NaN"):
        kaplan_meier([-1.0], [True])
    with pytest.raises(ValueError, match="horizon is inf"):
        restricted_mean([1.0, 2.0], [True, True], float("inf"))


# Config


def test_a_target_is_kept_in_the_resolved_study():
    study = fd.Study(**STUDY, select={"target": 0.9})
    assert "target: 0.9}" in to_yaml(study)
    assert "target" not in to_yaml(fd.Study(**STUDY))
    across = {"labels": {"many": {}, "few": {"train.steps": 9}}}
    study = fd.Study(**STUDY, across=across, select={"target": {"few": 0.8}})
    assert expand(study).blocks[1].label == "few"
    assert "target: {few: 0.8}" in to_yaml(study)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (True, "select.target: true given; allowed a finite number, or one per block"),
        (float("nan"), "select.target: nan given; allowed a finite number, or one per block"),
        ("high", "select.target: 'high' given; allowed a finite number, or one per block"),
        ({"few": "x"}, "select.target: 'x' given; allowed a finite number, or one per block"),
        ({"digits": 0.9}, "select.target.digits: the study has no `across`"),
    ],
)
def test_a_target_that_is_none_is_refused(target, message):
    with pytest.raises(fd.StudyError) as error:
        fd.Study(**STUDY, select={"target": target})
    assert message in str(error.value)


def test_an_unknown_block_is_named_with_its_line(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(
        "task: classification\ndata: digits\nmodel: mlp\noptimizer: sgd\n"
        "across: {labels: {many: {}, few: {}}}\nselect:\n  target: {mayn: 0.9}\n"
    )
    with pytest.raises(fd.StudyError) as error:
        fd.load_study(path)
    assert "study.yaml:7: select.target.mayn: unknown block 'mayn'; did you mean many" in str(
        error.value
    )


def test_a_target_runs_nothing_anew_and_reaches_the_report(tmp_path):
    study = {**STUDY, "model": "logistic", "train": {"steps": 20, "eval_every": 5}, "repeat": 2}
    study["across"] = {"length": {"short": {}, "long": {"train.steps": 30}}}
    fd.run(fd.Study(**study), out=tmp_path, workers=0)
    before = sorted((tmp_path / "runs").iterdir())
    aimed = fd.Study(**study, select={"target": {"long": 0.2}})
    results = fd.run(aimed, out=tmp_path, workers=0)
    assert sorted((tmp_path / "runs").iterdir()) == before
    assert results.question.targets == {"long": 0.2}
    (section,) = target(results.material, answer(results.material))
    row = section.grids[0].frame.iloc[0]
    curve = results.metrics.query("metric == 'validation/accuracy' and block == 'long'")
    firsts = curve[curve["value"] >= 0.2].groupby("run")["step"].min()
    assert row["reached"] == len(firsts) == 2
    assert row["median steps"] == firsts.median()
    assert "first at step 5" in section.paragraphs[0]
    assert "How soon the target is reached" in (tmp_path / "report" / "index.html").read_text()


# Section


def few_curves(mode="max"):
    """Two methods of three runs each, with curves written by hand; c has none, being a baseline."""
    values = {
        ("a", 0): [0.2, 0.9, 0.8, 0.95],
        ("a", 1): [0.2, 0.5, 0.9, 0.95],
        ("a", 2): [0.2, 0.5, 0.6, 0.7],
        ("b", 0): [0.9, 0.9, 0.9, 0.9],
        ("b", 1): [0.1, 0.1],
        ("b", 2): [0.1, np.nan, 0.1, 0.9],
        ("c", 0): [],
    }
    runs, metrics = [], []
    for (method, repeat), curve in values.items():
        name = f"{method}{repeat}"
        status = "diverged" if name == "b1" else "ok"
        run = {"id": name, "block": "", "method": method, "repeat": repeat, "phase": "measure"}
        metric = {"test/accuracy": 0.9, "validation/accuracy": 0.9}
        run |= {"status": status, "steps": 10 * len(curve), "seconds": 4.0 + repeat, "trial": 0}
        runs.append(run | metric)
        for i, value in enumerate(curve):
            value = value if mode == "max" else -value
            row = {"run": name, "block": "", "method": method, "step": 10 * (i + 1)}
            metrics.append(row | {"metric": "validation/accuracy", "value": value})
    question = quickstart()[0]._replace(
        methods=(("", "a"), ("", "b"), ("", "c")),
        contrasts=(("", "a", "b"),),
        targets={"": 0.9 if mode == "max" else -0.9},
        mode=mode,
        tuned=(),
        repeats=3,
    )
    return Material(question, pd.DataFrame(runs), pd.DataFrame(metrics))


@pytest.mark.parametrize("mode", ["max", "min"])
def test_arrivals_are_the_first_evaluation_at_or_beyond_the_target(mode):
    found = race(few_curves(mode), "")
    a, b = found.arrivals["a"], found.arrivals["b"]
    np.testing.assert_array_equal(a.steps, [20, 30, 40])
    np.testing.assert_array_equal(a.reached, [True, True, False])
    np.testing.assert_allclose(a.seconds, [4 * 20 / 40, 5 * 30 / 40, 6])
    # One that diverged never arrives, however early it ended.
    np.testing.assert_array_equal(b.steps, [10, 40, 40])
    np.testing.assert_array_equal(b.reached, [True, False, True])
    assert "c" not in found.arrivals
    assert (found.steps, found.every) == (40, 10)


def test_the_section_says_what_it_shows():
    material = few_curves()
    (section,) = target(material, answer(material))
    assert "validation accuracy of at least 0.9" in section.paragraphs[0]
    assert any("left out: c." in text for text in section.paragraphs)
    frame = section.grids[0].frame.set_index("method")
    assert frame.loc["a", "reached"] == 2
    assert frame.loc["a", "median steps"] == 30
    assert frame.loc["a", "mean steps"] == pytest.approx(30)
    assert frame.loc["b", "median steps"] == 40
    assert section.drawings[0].block == ""


def test_nothing_is_shown_without_a_target():
    question, runs, metrics = quickstart()
    material = Material(question, runs, metrics)
    assert list(target(material, answer(material))) == []


def test_a_target_nobody_reaches():
    question, runs, metrics = quickstart()
    material = Material(question._replace(targets={"": 1.5}), runs, metrics)
    (section,) = target(material, answer(material))
    assert any(text.startswith("In no run was it reached by") for text in section.paragraphs)
    assert section.drawings == ()
    assert (section.grids[0].frame["median steps"] == np.inf).all()


def test_no_runs_and_no_curves_say_nothing():
    question, runs, metrics = quickstart()
    asked = question._replace(targets={"": 0.9})
    for some in (Material(asked, runs[:0], metrics[:0]), Material(asked, runs[:0], metrics)):
        assert list(target(some, answer(some))) == []


def test_the_algoperf_section_needs_two_problems():
    frames = [quickstart(seed=i, block=f"p{i}") for i in range(3)]
    question = frames[0][0]._replace(
        blocks=("p0", "p1", "p2"),
        methods=sum((q.methods for q, _, _ in frames), ()),
        contrasts=sum((q.contrasts for q, _, _ in frames), ()),
        targets={"p0": 0.95, "p2": 0.96},
    )
    runs, metrics = (pd.concat([f[i] for f in frames], ignore_index=True) for i in (1, 2))
    material = Material(question, runs, metrics)
    found = list(target(material, answer(material)))
    assert [(one.name, one.block) for one in found] == [
        ("target", "p0"),
        ("target", "p2"),
        ("algoperf", ""),
    ]
    frame = found[-1].grids[0].frame
    assert frame["score by steps"].is_monotonic_decreasing
    assert frame["score by steps"].between(0, 1).all()
    assert frame["score by seconds"].between(0, 1).all()

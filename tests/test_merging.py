"""Joining studies: the same answer as one study, honest pairs, and what refutes a result."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOptionalOperand=false
# (what indexing a frame gives, and what scipy's tests return, is not known to the checker)

import itertools
import json
from types import SimpleNamespace as Namespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

import funcdl as fd
from funcdl.cli import app
from funcdl.errors import StoreError
from funcdl.merging.join_holdings import join_holdings
from funcdl.report.question import Holding, Search
from funcdl.report.sections.data import data
from funcdl.stats.same import same_distribution
from funcdl.stats.welch import welch_crossed, welch_t
from funcdl.store.sealed import read_sealed, write_sealed
from tests.study_folders import MACHINE, study

FRAMES = {"check_exact": True}


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_methods_of_two_folders_are_compared_as_in_one_study(tmp_path):
    """Paired by repeat, to the last bit, in whatever order the folders are given."""
    whole = fd.load(study(tmp_path / "whole", ("sgd", "adamw", "lion")))
    parts = [study(tmp_path / "mine", ("sgd", "adamw")), study(tmp_path / "yours", ("lion",))]
    found = fd.compare(parts)
    pd.testing.assert_frame_equal(
        found.comparisons.sort_values(["a", "b"], ignore_index=True),
        whole.comparisons.sort_values(["a", "b"], ignore_index=True),
        **FRAMES,
    )
    pd.testing.assert_frame_equal(found.table, whole.table, **FRAMES)
    assert found.answer.sentence == whole.answer.sentence
    assert found.reproduced
    assert not len(found.agreement)
    assert not found.question.apart
    other = fd.compare(parts[::-1])
    means = [one.table.set_index("method")["mean"].sort_index() for one in (found, other)]
    pd.testing.assert_series_equal(*means, **FRAMES)


def test_the_same_runs_count_once_and_confirm_each_other(tmp_path):
    folders = [
        study(tmp_path / "a", ("sgd", "adamw"), repeats=3),
        study(tmp_path / "b", ("adamw", "sgd"), repeats=5, machine={"processor": "two"}),
        study(tmp_path / "c", ("sgd", "lion"), repeats=5),
    ]
    found = fd.compare(folders)
    assert found.table.set_index("method")["n"].to_dict() == {"sgd": 5, "adamw": 5, "lion": 5}
    assert len(found.runs) == 15
    assert found.runs["id"].is_unique
    assert found.reproduced
    rows = found.agreement.set_index(["method", "folders"])["equal"].to_dict()
    assert rows == {
        ("sgd", "a / b"): "3 of 3",
        ("sgd", "a / c"): "3 of 3",
        ("sgd", "b / c"): "5 of 5",
        ("adamw", "a / b"): "3 of 3",
    }
    assert any(note.startswith("Confirmed: 14 measured runs") for note in found.question.notes)
    assert any("processor one in a and c, two in b" in text for text in found.answer.warnings)


def test_other_bits_in_the_same_environment_are_irreproducible(tmp_path):
    folders = [study(tmp_path / "a"), study(tmp_path / "b", noise=0.0101)]
    found = fd.compare(folders)
    assert not found.reproduced
    assert any(
        "Not reproducible: sgd has other bits in a and b" in w for w in found.answer.warnings
    )
    assert set(found.table["method"]) == {"sgd@a", "adamw@a", "sgd@b", "adamw@b"}
    # No copy is tested against another folder's: each folder's own contrast stands.
    assert set(zip(found.comparisons["a"], found.comparisons["b"], strict=True)) == {
        ("sgd@a", "adamw@a"),
        ("sgd@b", "adamw@b"),
    }
    assert found.runs["id"].is_unique
    assert CliRunner().invoke(app, ["compare", *map(str, folders)]).exit_code == 1


def test_another_environment_may_change_bits_but_not_the_distribution(tmp_path):
    one = study(tmp_path / "one", repeats=10)
    near = study(tmp_path / "near", repeats=10, noise=0.0101, machine={"processor": "two"})
    far = study(tmp_path / "far", repeats=10, shift=-0.1, machine={"processor": "two"})
    found = fd.compare([one, near])
    assert found.reproduced
    assert set(found.agreement["the distributions"]) == {"not told apart"}
    assert any("each folder's runs stand for themselves" in text for text in found.answer.warnings)
    found = fd.compare([one, far])
    assert not found.reproduced
    assert set(found.agreement["the distributions"]) == {"differ"}
    text = next(w for w in found.answer.warnings if w.startswith("The same config gives different"))
    assert "processor one and two" in text
    # The p-value is that of Welch's test, corrected for two tests of each of two configs.
    scores = [
        fd.load(folder).runs.query("method == 'sgd'")["test/accuracy"] for folder in (one, far)
    ]
    p = stats.ttest_ind(*scores, equal_var=False).pvalue
    row = found.agreement.set_index("method").loc["sgd"]
    assert row["p (means)"] == "<.001"
    assert p < 0.001


def test_repeats_of_another_seed_are_further_repeats(tmp_path):
    folders = [study(tmp_path / "a", seed=0, repeats=3), study(tmp_path / "b", seed=7, repeats=4)]
    found = fd.compare(folders)
    assert found.table.set_index("method")["n"].to_dict() == {"sgd": 7, "adamw": 7}
    assert found.comparisons["n"].tolist() == [7]
    # Repeat 0 of seed 0 is paired with repeat 0 of seed 0: the mean of the differences says so.
    runs = pd.concat([fd.load(folder).runs.assign(folder=folder.name) for folder in folders])
    wide = runs.pivot_table(index=["folder", "repeat"], columns="method", values="test/accuracy")
    test = stats.ttest_rel(wide["sgd"], wide["adamw"])
    assert found.comparisons["fixed_p"][0] == pytest.approx(test.pvalue)
    assert any(n.startswith("Pooled:") and "seed 7 in b" in n for n in found.question.notes)


@pytest.mark.parametrize("examples", [True, False])
def test_methods_without_a_common_repeat_are_independent_samples(tmp_path, examples):
    a = study(tmp_path / "a", ("sgd",), seed=0, repeats=4, examples=examples)
    b = study(tmp_path / "b", ("adamw",), seed=1, repeats=6, examples=examples)
    found = fd.compare([a, b], out=tmp_path / "out")
    row = found.comparisons.iloc[0]
    scores = [fd.load(folder).runs["test/accuracy"] for folder in (a, b)]
    test = stats.ttest_ind(*scores, equal_var=False)
    assert row["fixed_p"] == pytest.approx(test.pvalue)
    assert row["n"] == 4
    assert row["examples"] == (200 if examples else 0)
    assert row["population"].startswith("data like" if examples else "this test set (repeats not")
    assert (row["p"] > row["fixed_p"]) or not examples
    assert any("Welch's test" in text for text in found.answer.warnings)
    page = (tmp_path / "out" / "report" / "index.html").read_text()
    assert "Welch" in page
    assert "seed 0 in a, seed 1 in b" in page


DIGITS = Holding(("",), "digits", "at random (seed 0)", 1, (100, 50, 50), shared=(0, 0, 0))


def test_the_joined_report_has_the_data_of_all_studies(tmp_path):
    """Each data set once, whoever has it, with all blocks that use it."""
    more = DIGITS._replace(name="letters", sizes=(300, 60, 60))
    folders = [
        study(tmp_path / "a", ("sgd",), holdings=(DIGITS,), judged={"d": "t"}, answered=(5,)),
        study(
            tmp_path / "b", ("adamw",), holdings=(more, DIGITS), judged={"e": "u"}, answered=(3,)
        ),
    ]
    found = fd.compare(folders)
    assert [one.name for one in found.question.holdings] == ["digits", "letters"]
    assert all(one.splits == 1 for one in found.question.holdings)
    assert found.question.judged == {"d": "t", "e": "u"}
    assert found.question.answered == (3, 5)
    (section,) = data(found.material, found.answer)
    assert len(section.paragraphs) == 2


def test_splits_of_several_seeds_are_counted_and_blocks_are_united(tmp_path):
    """Repeats of one seed share their splits; those of another seed are more of them."""

    def of(blocks, splits, shared):
        return DIGITS._replace(blocks=blocks, splits=splits, rule="at random", shared=shared)

    sizes = {"a": (0, 5, (3, 0, 0)), "b": (0, 8, (3, 0, 0)), "c": (7, 4, (1, 0, 0))}
    folders = [
        study(tmp_path / name, seed=seed, repeats=n, holdings=(of(("",), n, shared),))
        for name, (seed, n, shared) in sizes.items()
    ]
    (one,) = fd.compare(folders).question.holdings
    assert (one.splits, tuple(one.shared)) == (8 + 4, (3, 0, 0))
    sources = [
        Namespace(seed=0, question=Namespace(holdings=(of(tuple(blocks), 1, None),)))
        for blocks in ("x", "yxz")
    ]
    (one,) = join_holdings(sources)
    assert one.blocks == ("x", "y", "z")


def test_one_label_for_two_configs_is_told_apart(tmp_path):
    a = study(tmp_path / "x" / "same", ("sgd", "adamw"))
    b = study(
        tmp_path / "y" / "same", ("sgd",), recipes={"sgd": {"optimizer": {"name": "sgd", "m": 1}}}
    )
    found = fd.compare([a, b])
    assert set(found.table["method"]) == {"sgd@x/same", "sgd@y/same", "adamw"}
    pairs = {frozenset(p) for p in zip(found.comparisons["a"], found.comparisons["b"], strict=True)}
    assert len(pairs) == 3  # two across folders, and the one that the first study asked for
    assert found.reproduced


def test_one_config_of_two_labels_is_one_method(tmp_path):
    recipe = {"optimizer": {"name": "sgd", "momentum": 0.9}}
    a = study(tmp_path / "a", ("sgd", "adamw"), recipes={"sgd": recipe})
    b = study(tmp_path / "b", ("momentum",), recipes={"momentum": recipe})
    found = fd.compare([a, b])
    assert found.table["method"].tolist() == ["sgd", "adamw"]
    assert len(found.comparisons) == 1


BF16 = {"train": {"compute_dtype": "bfloat16"}}
REFUSED = {
    "data": ({"data": "0" * 64}, ["the data (digests)", "000000000000 in b", "same data.split"]),
    "mode": ({"facts": {"mode": "vmap"}}, ["the mode: each in a, vmap in b", "same mode"]),
    "width": (
        {"facts": {"lanes": {"asked": 8, "widths": {}}}},
        ["lanes asked for: none in a, 8 in b", "same width"],
    ),
    "precision": (BF16, ["the precision: float32 in a, bfloat16 in b", "train.compute_dtype"]),
    "x64": ({"machine": {"x64": "true"}}, ["64-bit", "true in b"]),
    "metric": ({"metric": "test/loss"}, ["the metric: test/accuracy in a, test/loss in b"]),
    "selection": ({"selected_by": "validation/loss"}, ["the selecting metric"]),
    "step": (
        {"config": "name: {name}\nseed: {seed}\nthreads: 1\nmesh: null\nselect: {{at: best}}\n"},
        ["the step that is reported: final in a, best in b"],
    ),
    "streams": ({"vary": ("init",)}, ["what varies between repeats", "repeat.vary"]),
    "task": (
        {"recipes": {"lion": {"task": {"name": "classification", "label_smoothing": 0.1}}}},
        ["the task", "label_smoothing 0.1"],
    ),
    "looks": ({"seed": 1, "looks": (2, 5)}, ["the seed: 0 in a, 1 in b", "until the answer"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_numbers_of_different_kinds_are_refused(tmp_path, case):
    changes, words = REFUSED[case]
    folders = [study(tmp_path / "a"), study(tmp_path / "b", ("lion",), **changes)]
    with pytest.raises(StoreError, match="cannot be joined") as error:
        fd.compare(folders)
    assert [word for word in words if word not in str(error.value)] == []


def test_held_streams_of_two_seeds_are_refused(tmp_path):
    folders = [study(tmp_path / str(seed), seed=seed, vary=("init",)) for seed in (0, 1)]
    with pytest.raises(StoreError, match="held at other values"):
        fd.compare(folders)


def test_a_study_of_baselines_has_no_precision_to_differ(tmp_path):
    a = study(tmp_path / "a", ("sgd",))
    b = study(tmp_path / "b", ("forest",), recipes={"forest": {"train": None}})
    assert len(fd.compare([a, b]).comparisons) == 1


def test_unequal_tuning_is_a_warning(tmp_path):
    def searched(trials, low, label):
        space = {"lr": {"log_uniform": [low, 1.0]}}
        search = Search({"name": "sgd", "lr": None}, label, space, trials)
        words = {("", label): {"lr": f"log_uniform({low}, 1.0)"}}
        return {
            "searches": {("", label): search},
            "spaces": words,
            "trials": trials,
            "tuned": ("lr",),
        }

    a = study(tmp_path / "a", ("sgd",), **searched(8, 0.001, "sgd"))
    b = study(
        tmp_path / "b",
        ("sgd*",),
        recipes={"sgd*": {"optimizer": {"name": "sgd", "m": 0.9}}},
        train={"steps": 80},
        margin=0.01,
        **searched(4, 0.1, "sgd*"),
    )
    said = " ".join(fd.compare([a, b]).answer.warnings)
    assert "4 trials in b and 8 trials in a" in said
    assert "spaces of lr differ for sgd: log_uniform(0.001, 1.0) in a" in said
    assert "train.steps is 40 in a, 80 in b" in said
    assert "different margins (none in a, 0.01 in b)" in said


def test_folders_that_cannot_be_used_are_named_with_the_reason(tmp_path):
    good = study(tmp_path / "good")
    unfinished = study(tmp_path / "unfinished", finished=False)
    newer = study(tmp_path / "newer")
    write_sealed(newer / "plan.json", {**read_sealed(newer / "plan.json"), "format": 99})
    damaged = study(tmp_path / "damaged")
    part = next((damaged / "runs").glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    lost = study(tmp_path / "lost")
    next((lost / "runs").glob("*.parquet")).unlink()
    (tmp_path / "empty").mkdir()
    for name, word in {
        "unfinished": "not finished",
        "newer": "made by a newer funcdl",
        "damaged": "damaged",
        "lost": "is missing",
        "empty": "not a study's folder",
        "nowhere": "not a study's folder",
    }.items():
        ended = CliRunner().invoke(app, ["compare", str(good), str(tmp_path / name)])
        assert isinstance(ended.exception, StoreError)  # main() prints it and ends with status 2
        assert word in str(ended.exception)
        assert name in str(ended.exception)
    with pytest.raises(StoreError) as error:
        fd.compare([tmp_path / "empty", unfinished])
    assert len(str(error.value).splitlines()) == 2
    with pytest.raises(StoreError, match="two or more"):
        fd.compare([good])
    with pytest.raises(StoreError, match="given twice"):
        fd.compare([good, tmp_path / "." / "good"])
    with pytest.raises(TypeError, match="list of folders"):
        fd.compare(str(good))  # type: ignore[arg-type]


def test_inputs_are_only_read_and_the_report_is_whole(tmp_path):
    a = study(tmp_path / "a", name="<script>alert(1)</script>")
    b = study(tmp_path / "b", noise=0.0101, machine={"processor": '"><img onerror=alert(1)>'})
    before = files(a), files(b)
    out = tmp_path / "new" / "joined"
    ended = CliRunner().invoke(app, ["compare", str(a), str(b), "--out", str(out)])
    assert ended.exit_code == 0, ended.output
    assert "Report:" in ended.output
    assert (files(a), files(b)) == before
    page = (out / "report" / "index.html").read_text()
    assert "<img onerror" not in page
    assert "<script" not in page
    assert (out / "report" / "tables" / "agreement.csv").exists()
    for inside in (a, a / "deeper", b):
        with pytest.raises(StoreError, match="--out"):
            fd.compare([a, b], out=inside)
    assert (files(a), files(b)) == before


def test_a_divergence_is_no_survivors_test(tmp_path):
    a = study(tmp_path / "a", ("sgd",), seed=0, diverged=[("sgd", 1)])
    b = study(tmp_path / "b", ("adamw",), seed=1)
    row = fd.compare([a, b]).comparisons.iloc[0]
    assert row["verdict"] == "refused"
    assert "survivors" in row["reason"]


@pytest.mark.slow
def test_real_studies_of_two_people_give_the_answer_of_one(tmp_path):
    """The whole way: two folders with a method each are one study with both."""
    optimizers = [{"name": "sgd", "learning_rate": 0.1}, {"name": "adamw", "learning_rate": 0.01}]

    def run(name, chosen):
        train = {"steps": 20, "batch_size": 32, "eval_every": 10}
        made = fd.Study(
            name="joined", task="classification", data="digits", model="logistic", train=train,
            repeat=3, compare={"optimizer": chosen},
        )  # fmt: skip
        return fd.run(made, out=tmp_path / name, workers=0, observe=lambda _: None)

    whole = run("whole", optimizers)
    parts = [run(f"part{i}", [one]).folder for i, one in enumerate(optimizers)]
    found = fd.compare(parts)
    pd.testing.assert_frame_equal(found.comparisons, whole.comparisons, **FRAMES)
    again = fd.compare([*parts, whole.folder])
    assert again.reproduced
    assert len(again.runs) == 6
    pd.testing.assert_frame_equal(again.comparisons, whole.comparisons, **FRAMES)


def test_welch_agrees_with_scipy():
    rng = np.random.default_rng(0)
    for n, m in itertools.product((2, 3, 9), (2, 5)):
        x, y = rng.normal(0, 1, n), rng.normal(0.5, 3, m)
        ours, theirs = welch_t(x, y, 0.9), stats.ttest_ind(x, y, equal_var=False)
        span = theirs.confidence_interval(0.9)
        assert (ours.t, ours.p, ours.df) == pytest.approx(
            (theirs.statistic, theirs.pvalue, theirs.df)
        )
        assert (ours.low, ours.high) == pytest.approx(tuple(span))
        # Examples that do not differ from each other add nothing.
        wide = [np.repeat(v[:, None], 7, axis=1) for v in (x, y)]
        if n > 2 and m > 2:
            assert welch_crossed(*wide, 0.9)[1:6] == pytest.approx(ours[1:6])


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("a", "b"),
    [([], [1.0]), ([1.0], [2.0]), ([1, 1, 1], [1, 1, 1]), ([1, 1], [2, 2]), ([NAN, 1], [1, 2]),
     ([INF, 1], [1, 2]), ([1e200, -1e200], [1, 2])],
)  # fmt: skip
def test_welch_is_refused_with_a_reason(a, b):
    found = welch_t(a, b)
    assert found.p is None
    assert found.reason
    table = welch_crossed(
        np.repeat(np.array(a)[:, None], 4, 1), np.repeat(np.array(b)[:, None], 4, 1)
    )
    assert table.p is None
    assert table.reason


@pytest.mark.parametrize(("n", "m"), [(3, 3), (3, 10), (5, 5), (10, 10)])
def test_unpaired_tests_err_in_at_most_six_percent_of_worlds(n, m):
    """Worlds draw their runs, their test examples, and the noise between both."""
    rng = np.random.default_rng(n * 100 + m)
    worlds, size = 400, 60
    wrong = []
    for repeat, example, noise in ((1, 0, 0), (0, 1, 0), (1, 8, 4)):
        e = example * rng.normal(size=(2, worlds, 1, size))
        a = (
            e[0]
            + repeat * rng.normal(size=(worlds, n, 1))
            + noise * rng.normal(size=(worlds, n, size))
        )
        b = (
            e[1]
            + repeat * rng.normal(size=(worlds, m, 1))
            + noise * rng.normal(size=(worlds, m, size))
        )
        p = [welch_crossed(x, y).p for x, y in zip(a, b, strict=True)]
        wrong.append(np.mean([x is not None and x < 0.05 for x in p]))
    assert np.mean(wrong) <= 0.06
    assert np.mean(wrong) > 0.02  # and it is no test that never rejects


def test_same_distribution_agrees_with_scipy_and_holds_with_ties():
    rng = np.random.default_rng(1)
    for n, m in ((3, 4), (5, 5), (6, 8)):
        x, y = rng.normal(size=n), rng.normal(size=m)
        ours, theirs = same_distribution(x, y), stats.ks_2samp(x, y, method="exact")
        assert (ours.distance, ours.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    tied = same_distribution([1, 1, 2, INF], [1, 2, 2, -INF])
    ways = [
        abs(
            stats.ks_2samp(
                [v[i] for i in pick], [v[i] for i in range(8) if i not in pick]
            ).statistic
        )
        for v in [[1, 1, 2, 9, 1, 2, 2, -9]]
        for pick in itertools.combinations(range(8), 4)
    ]
    assert tied.p == pytest.approx(np.mean(np.array(ways) >= tied.distance - 1e-12))
    for a, b in (([], [1]), ([NAN], [1])):
        assert same_distribution(a, b).reason
    assert same_distribution([1], [2]).p == 1
    x, y = rng.normal(size=30), rng.normal(size=30) + 0.6
    drawn, again = (same_distribution(x, y, seed=3) for _ in range(2))
    assert drawn == again
    assert drawn.p == pytest.approx(stats.ks_2samp(x, y, method="exact").pvalue, rel=0.2)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    same_distribution(np.arange(20.0), np.arange(20.0) + 0.5)
    assert (state == np.random.get_state()[1]).all()  # noqa: NPY002


def test_environment_facts_in_the_tests_are_like_real_ones():
    from funcdl.execute.environment import environment

    assert set(MACHINE) <= set(environment())
    assert json.dumps(MACHINE)

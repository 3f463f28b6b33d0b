"""How often the rule errs: simulated studies, each on a data set of its own.

Every test here simulates what `funcdl.report.comparisons` does, with the functions it calls, and the
last part checks that it does call them so. Worlds are drawn with a fixed seed; 4,000 of them know an
error rate of .05 with a standard error of .0035.
"""

# pyright: reportArgumentType=false, reportOptionalOperand=false, reportAttributeAccessIssue=false
# pyright: reportCallIssue=false, reportIndexIssue=false, reportOperatorIssue=false

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import stdtr, stdtrit

from funcdl.metrics.curves import auroc_values, average_precision_values
from funcdl.metrics.decisions import f1_values
from funcdl.report.comparisons import comparisons
from funcdl.report.decided import decided
from funcdl.report.material import Material
from funcdl.report.question import Question
from funcdl.stats.corrected import corrected_interval, corrected_t
from funcdl.stats.crossed import grand_mean
from funcdl.stats.interval import mean_interval
from funcdl.stats.multiple import holm
from funcdl.stats.nonparametric import permutation, sign_flip, wilcoxon
from funcdl.stats.paired import paired_t
from funcdl.stats.sequential import level_at, planned, running_p
from funcdl.stats.superiority import superiority
from funcdl.stats.verdict import verdict

ALPHA, MOST, WORLDS = 0.05, 0.06, 4000
LOOKS = (5, 10, 20, 40)


def rejected(p):
    """The share of worlds whose test rejects; one that is refused does not."""
    return float(np.mean([value is not None and value < ALPHA for value in p]))


def over_repeats(d):
    """p of the paired t-test per world; d is `[worlds, n]`."""
    return [paired_t(one, np.zeros(len(one))).p for one in d]


def over_repeats_and_examples(d):
    """p of the crossed t-test per world; d is `[worlds, n, examples]`. `of_differences` at once."""
    found = grand_mean(d, 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = found.mean / np.sqrt(found.variance)
        return np.nan_to_num(2 * stdtr(found.df, -np.abs(t)), nan=1.0)


# --- "this test set": seeds are the only sample


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("draw", ["normal", "accuracy"])
def test_paired_t(n, draw):
    """Scores of two methods with the same mean: smooth, or counts of 360 correct answers."""
    rng = np.random.default_rng(n)
    if draw == "normal":
        a, b = rng.normal(0.9, 0.01, size=(2, WORLDS, n))
    else:
        a, b = rng.binomial(360, 0.95, size=(2, WORLDS, n)) / 360
    assert 0.035 < rejected(over_repeats(a - b)) <= MOST


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("draw", ["normal", "accuracy"])
def test_interval_of_a_mean(n, draw):
    rng = np.random.default_rng(10 + n)
    shape = (WORLDS, n)
    x = rng.normal(0.9, 1, size=shape) if draw == "normal" else rng.binomial(360, 0.9, shape) / 360
    found = [mean_interval(one) for one in x]
    assert 0.935 < np.mean([one.low <= 0.9 <= one.high for one in found]) < 0.965


# --- "data like these": seeds and test examples are samples


def answers(rng, n, m, own, seeds, kind, worlds=1000):
    """Differences `[worlds, n, m]` of two methods that are equally good on data like these.

    Each test example is harder or easier for both, and by `own` for one of them, whatever its seed;
    by `seeds` a seed is better or worse on all examples.
    """
    shape = (worlds, 1, m)
    shared = 1.6 + rng.standard_normal(shape, dtype=np.float32)
    sides = []
    for _ in range(2):
        margin = shared + own * rng.standard_normal(shape, dtype=np.float32)
        margin = margin + seeds * rng.standard_normal((worlds, n, 1), dtype=np.float32)
        margin = margin + 0.5 * rng.standard_normal((worlds, n, m), dtype=np.float32)
        sides.append((margin > 0).astype(float) if kind == "accuracy" else np.exp(-margin))
    return sides[0] - sides[1]


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("kind", ["accuracy", "loss"])
@pytest.mark.parametrize(("own", "seeds"), [(0.7, 0.05), (0.3, 0.2), (0.0, 0.0)])
def test_repeats_crossed_with_examples(n, kind, own, seeds):
    d = answers(np.random.default_rng(n), n, 100, own, seeds, kind)
    assert rejected(over_repeats_and_examples(d)) <= MOST
    if own > 0.5 and n > 3:  # and seeds alone would be wrong, so that these worlds can tell
        assert rejected(over_repeats(d.mean(axis=2))) > 0.2


@pytest.mark.parametrize(("kind", "seeds"), [("accuracy", 0.15), ("loss", 0.1)])
def test_three_repeats_that_agree_by_chance_are_not_trusted_more(kind, seeds):
    """Where seeds cause most of the variance and three of them look alike, degrees of freedom that
    follow the estimates alone are too many: 7 % of worlds reject."""
    d = answers(np.random.default_rng(0), 3, 400, 0.0, seeds, kind, worlds=2000)
    assert rejected(over_repeats_and_examples(d)) <= MOST


def test_repeats_crossed_with_examples_finds_a_difference_that_is_there():
    d = answers(np.random.default_rng(1), 5, 100, 0.3, 0.05, "accuracy") + 0.08
    assert rejected(over_repeats_and_examples(d)) > 0.9


OF_EXAMPLES = {
    "F1": f1_values,
    "AUROC": auroc_values,
    "average precision": average_precision_values,
}


def pulls(rng, n, m, share, own, seeds, values, worlds=1000):
    """Differences `[worlds, n, m]` of a metric's values per example, of two equally good methods.

    A share of the test examples is positive; scores vary as in `answers`, but that a seed is better or
    worse on the positives only. Metrics are of the whole split, values what examples pull it.
    """

    def world():
        labels = (rng.random(m) < share).astype(int)
        level = 2 * labels - 1.2 + 0.7 * rng.normal(size=m)
        sides = []
        for _ in range(2):
            base = level + own * rng.normal(size=m)
            moved = seeds * rng.normal(size=(n, 1)) * labels + 0.4 * rng.normal(size=(n, m))
            sides.append(np.stack([values(one, labels) for one in base + moved]))
        return sides[0] - sides[1]

    return np.stack([world() for _ in range(worlds)])


@pytest.mark.parametrize("metric", OF_EXAMPLES)
def test_repeats_crossed_with_what_examples_pull(metric):
    d = pulls(np.random.default_rng(0), 5, 360, 0.15, 0.6, 0.05, OF_EXAMPLES[metric], 800)
    assert rejected(over_repeats_and_examples(d)) <= MOST
    assert rejected(over_repeats(d.mean(axis=2))) > 0.2


def drawn_data(rng, worlds, count, inputs, noise=0.5):
    """Inputs `[worlds, count, 2 inputs]` and labels -1 or 1; both halves tell as much."""
    x = rng.standard_normal((worlds, count, 2 * inputs))
    y = np.sign(
        x.sum(axis=2) / math.sqrt(2 * inputs) + noise * rng.standard_normal((worlds, count))
    )
    return x, y


def ridge(x, y):
    """Weights `[worlds, features]` of ridge regression."""
    turned = x.swapaxes(1, 2)
    return np.linalg.solve(turned @ x + np.eye(x.shape[2]), turned @ y[..., None])[..., 0]


def learners(rng, n, worlds, train=400, test=100, inputs=6):
    """Differences `[worlds, n, test]` of ridge regressions on random features, drawn by the seed.

    One has one half of the inputs and one the other. Training and test data are new in every world,
    so the two are equally good by symmetry.
    """
    x, y = drawn_data(rng, worlds, train + test, inputs)
    right = []
    for half in (x[..., :inputs], x[..., inputs:]):
        runs = []
        for _ in range(n):
            seed = rng.standard_normal((worlds, inputs, 12)) / math.sqrt(inputs)
            features = np.tanh(half @ seed)
            weights = ridge(features[:, :train], y[:, :train])
            score = (features[:, train:] @ weights[..., None])[..., 0] * y[:, train:]
            runs.append((score > 0).astype(float))
        right.append(np.stack(runs, axis=1))
    return right[0] - right[1]


@pytest.mark.parametrize(("n", "wrong"), [(3, 0.15), (5, 0.3)])
def test_repeats_crossed_with_examples_of_a_real_learner(n, wrong):
    """Seeds on one test set find a difference that is not there in many worlds."""
    d = learners(np.random.default_rng(20), n, 600)
    assert rejected(over_repeats_and_examples(d)) <= MOST
    assert rejected(over_repeats(d.mean(axis=2))) > wrong


# --- resampled splits


def on_splits(rng, worlds, count=100, inputs=4):
    """Accuracy `[2, worlds, 20]` of two equally good methods on random splits of one data set each."""
    x, y = drawn_data(rng, worlds, count, inputs)
    test = count // 5
    scores = np.empty((2, worlds, 20))
    for split in range(20):
        order = rng.permuted(np.tile(np.arange(count), (worlds, 1)), axis=1)
        mixed, labels = np.take_along_axis(x, order[..., None], 1), np.take_along_axis(y, order, 1)
        for side in range(2):
            half = mixed[..., side * inputs : (side + 1) * inputs]
            weights = ridge(half[:, :-test], labels[:, :-test])
            score = (half[:, -test:] @ weights[..., None])[..., 0] * labels[:, -test:]
            scores[side, :, split] = (score > 0).mean(axis=1)
    return scores


@pytest.fixture(scope="module")
def splits():
    return on_splits(np.random.default_rng(1), 2000)


@pytest.mark.parametrize("n", [3, 5, 10, 20])
def test_corrected_resampled_t(splits, n):
    a, b = splits[:, :, :n]
    corrected = [corrected_t(x, y, share=0.2).p for x, y in zip(a, b, strict=True)]
    assert 0.02 < rejected(corrected) <= MOST
    plain = {3: 0.06, 5: 0.12, 10: 0.22, 20: 0.35}[n]
    assert rejected(over_repeats(a - b)) > plain


@pytest.mark.parametrize("n", [5, 20])
def test_corrected_interval_of_a_mean(splits, n):
    truth = splits.mean()  # over all worlds and both methods: known to 1/30 of a world's spread
    found = [corrected_interval(x, share=0.2) for x in splits[0, :, :n]]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    naive = np.mean(
        [mean_interval(x).low <= truth <= mean_interval(x).high for x in splits[0, :, :n]]
    )
    assert 0.935 < covered < 0.985
    assert naive < 0.9


# --- looking again and again


def until_decided(d, looks, margin=None):
    """Verdict and comparison at the look at which a study of differences `d` stops."""
    found = [paired_t(d[:n], np.zeros(n), level_at(ALPHA, looks)) for n in looks]
    p = [one.p for one in found]
    for i, one in enumerate(found):
        running = running_p(p[: i + 1], looks)
        word = verdict(one, running, mode="max", alpha=ALPHA, margin=margin)
        if word != "undecided":
            return word, one
    return "undecided", found[-1]


def test_sequential_rule_rejects_rarely_and_its_interval_covers():
    d = np.random.default_rng(30).normal(size=(WORLDS, LOOKS[-1]))
    found = [until_decided(one, LOOKS) for one in d]
    assert np.mean([word in ("better", "worse") for word, _ in found]) <= MOST
    assert np.mean([one.low <= 0 <= one.high for _, one in found]) >= 0.94
    # Without the correction the same looks err three times as often.
    naive = [any(paired_t(one[:n], np.zeros(n)).p < ALPHA for n in LOOKS) for one in d]
    assert np.mean(naive) > 0.12


def test_sequential_rule_finds_a_difference_and_stops_early():
    d = np.random.default_rng(31).normal(1.0, 1.0, size=(300, LOOKS[-1]))
    found = [until_decided(one, LOOKS) for one in d]
    assert np.mean([word == "better" for word, _ in found]) > 0.99
    assert np.mean([one.n for _, one in found]) < 20
    assert np.mean([one.low <= 1 <= one.high for _, one in found]) >= 0.94


def test_sequential_rule_with_examples():
    """Both samples grow wrong claims: few when looks and test examples are accounted for."""
    d = answers(np.random.default_rng(32), 40, 60, 0.7, 0.1, "accuracy", worlds=700)
    p = np.array([over_repeats_and_examples(d[:, :n]) for n in LOOKS])
    running = [running_p(one, LOOKS) for one in p.T.tolist()]
    assert rejected(running) <= MOST
    assert rejected(over_repeats(d.mean(axis=2))) > 0.4


@pytest.mark.parametrize(("count", "most"), [(3, 24), (5, 40), (10, 15)])
def test_sequential_rule_at_other_looks(count, most):
    looks = planned(count, most)
    d = np.random.default_rng(count).normal(size=(WORLDS, most))
    words = [until_decided(one, looks)[0] for one in d]
    assert np.mean([word in ("better", "worse") for word in words]) <= MOST


# --- equivalence


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("spread", [0.1, 0.4])
def test_equivalent_is_wrong_rarely_when_the_difference_is_the_margin(n, spread):
    d = np.random.default_rng(40 + n).normal(1.0, spread, size=(WORLDS, n))
    found = [paired_t(one, np.zeros(n)) for one in d]
    wrong = np.mean([verdict(one, one.p, mode="max", margin=1.0) == "equivalent" for one in found])
    assert wrong <= 0.05
    if spread == 0.1:
        assert wrong > 0.01  # half the interval's error rate, not never


def test_equivalent_is_wrong_rarely_on_data_like_these():
    d = answers(np.random.default_rng(44), 5, 100, 0.3, 0.05, "accuracy") + 0.1
    found = grand_mean(d, 2)
    half = stdtrit(found.df, 1 - ALPHA / 2) * np.sqrt(found.variance)
    assert np.mean(np.abs(found.mean) + half < 0.1) <= 0.05


def test_sequential_equivalent_is_wrong_rarely_and_right_often():
    rng = np.random.default_rng(45)
    at_margin = [until_decided(d, LOOKS, 1.0)[0] for d in rng.normal(1, 1, (WORLDS, LOOKS[-1]))]
    assert np.mean([word == "equivalent" for word in at_margin]) <= 0.05
    at_zero = [until_decided(d, LOOKS, 1.0)[0] for d in rng.normal(0, 1, (300, LOOKS[-1]))]
    assert np.mean([word == "equivalent" for word in at_zero]) > 0.9


# --- many contrasts


def families(rng, worlds, methods, n):
    """Differences `[worlds, pairs, n]` of all pairs of methods with the same mean."""
    scores = rng.normal(size=(worlds, methods, n))
    pairs = list(itertools.combinations(range(methods), 2))
    return np.stack([scores[:, i] - scores[:, j] for i, j in pairs], axis=1)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_family_of_all_pairs(n):
    found = [over_repeats(world) for world in families(np.random.default_rng(50), 1500, 4, n)]
    assert np.mean([min(holm(p)) < ALPHA for p in found]) <= MOST
    assert np.mean([min(p) < ALPHA for p in found]) > 0.12


def test_family_that_grows_until_every_contrast_is_decided():
    """Holm runs on the running p-values; the family errs no more often than a single test."""
    looks, wrong = (5, 10, 20), []
    for world in families(np.random.default_rng(51), 700, 3, looks[-1]):
        p = [[paired_t(d[:n], np.zeros(n)).p for n in looks] for d in world]
        steps = [holm([running_p(one[:k], looks) for one in p]) for k in range(1, len(looks) + 1)]
        ended = [step for step in steps if max(step) < ALPHA] or steps[-1:]
        wrong.append(min(ended[0]) < ALPHA)
    assert np.mean(wrong) <= MOST


# --- tests without a distribution


def heavy(rng, *shape):
    return rng.standard_t(1, size=shape)


@pytest.mark.parametrize("test", [sign_flip, wilcoxon])
@pytest.mark.parametrize("n", [6, 10])
def test_signs_and_ranks_need_no_normal_distribution(test, n):
    d = heavy(np.random.default_rng(60 + n), WORLDS, n)
    rate = rejected([test(one, np.zeros(n)).p for one in d])
    assert 0.02 < rate <= MOST


def test_permutation_needs_no_normal_distribution():
    x = heavy(np.random.default_rng(62), 2000, 2, 5)
    assert 0.03 < rejected([permutation(a, b).p for a, b in x]) <= MOST


@pytest.mark.parametrize(("test", "n"), [(sign_flip, 5), (wilcoxon, 5), (permutation, 3)])
def test_too_few_repeats_are_refused_rather_than_not_significant(test, n):
    found = test(np.arange(1.0, n + 1), -np.arange(n))
    assert found.p is None
    assert found.smallest > ALPHA
    assert "cannot be reached" in found.reason


# --- P(A > B)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_superiority_covers_for_every_chance_of_a_win_and_of_a_tie(n):
    """Exact: all outcomes of n repeats, weighted by their probabilities."""
    outcomes = [(w, t) for w in range(n + 1) for t in range(n + 1 - w)]
    found = [
        superiority([1] * w + [0] * (n - w), [0] * (w + t * 0) + [0] * t + [1] * (n - w - t))
        for w, t in outcomes
    ]
    ways = np.array([math.comb(n, w) * math.comb(n - w, t) for w, t in outcomes])
    win, tie = (g.ravel() for g in np.meshgrid(np.linspace(0, 1, 101), np.linspace(0, 1, 21)))
    possible = win + tie <= 1
    win, tie = win[possible, None], tie[possible, None]
    w, t = np.array(outcomes).T
    chance = ways * win**w * tie**t * np.maximum(0, 1 - win - tie) ** (n - w - t)
    truth = win + tie / 2
    low, high = np.array([(one.low, one.high) for one in found]).T
    covered = (chance * ((low - 1e-12 <= truth) & (truth <= high + 1e-12))).sum(axis=1)
    assert covered.min() >= 0.95
    assert chance.sum(axis=1) == pytest.approx(1)


# --- the report applies these rules


def two_methods(a, b, examples=None, **changes):
    """A study's material from scores `[n]` of methods a and b, or `[n, m]` per test example."""
    sides = {"a": np.asarray(a, float), "b": np.asarray(b, float)}
    rows, per_example = [], {}
    for name, scores in sides.items():
        for repeat, score in enumerate(scores):
            run = f"{name}{repeat}"
            shown = float(score.mean())
            if score.ndim:
                per_example[run] = score.astype(np.float32)
            rows.append((run, "", name, "measure", repeat, "ok", shown))
    names = ["id", "block", "method", "phase", "repeat", "status", "test/accuracy"]
    runs = pd.DataFrame(rows, columns=names)
    question = Question(
        name="two",
        command="",
        config_text="",
        metric="test/accuracy",
        selected_by="validation/accuracy",
        mode="max",
        methods=(("", "a"), ("", "b")),
        contrasts=(("", "a", "b"),),
    )
    return Material(question._replace(**changes), runs, examples=lambda _: per_example)


def headline(material):
    return comparisons(material).iloc[0]


def test_report_tests_repeats_by_the_paired_t_test():
    for a, b in np.random.default_rng(70).normal(0.9, 0.01, size=(20, 2, 5)):
        row, expected = headline(two_methods(a, b)), paired_t(a, b)
        assert row["p"] == pytest.approx(expected.p)
        assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))


def test_report_tests_data_like_these_by_repeats_crossed_with_examples():
    """The headline is the vectorised test above or that over repeats, whichever claims less."""
    rng = np.random.default_rng(71)
    d = answers(rng, 5, 60, 0.7, 0.1, "accuracy", worlds=40)
    a, b = np.where(d > 0, 1.0, 0.0), np.where(d < 0, 1.0, 0.0)
    expected = over_repeats_and_examples(d)
    wider = 0
    for x, y, p in zip(a, b, expected, strict=True):
        row = headline(two_methods(x, y))
        alone = paired_t(x.mean(axis=1), y.mean(axis=1)).p
        wider, p = wider + (alone > p), max(p, alone)
        assert row["p"] == pytest.approx(p, rel=1e-6)
        assert row["population"].startswith("data like these")
        assert row["fixed_p"] == pytest.approx(alone, rel=1e-6)
        assert (row["verdict"] in ("better", "worse")) == (p < ALPHA)


def test_report_tests_resampled_splits_by_the_corrected_test(splits):
    changes = {"vary": ("init", "split"), "shares": {("", "a"): 0.2, ("", "b"): 0.2}}
    for world in range(20):
        a, b = splits[:, world, :5]
        row, expected = headline(two_methods(a, b, **changes)), corrected_t(a, b, 0.2)
        if expected.p is None:
            assert row["verdict"] == "refused"
        else:
            assert row["p"] == pytest.approx(expected.p)
            assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))


def test_report_stops_where_the_sequential_rule_does():
    rng = np.random.default_rng(72)
    stops = set()
    for d in rng.normal(0.8, 1.0, size=(12, LOOKS[-1])):
        word, expected = until_decided(d, LOOKS, margin=0.3)
        studies = [two_methods(d[:n], np.zeros(n), looks=LOOKS, margin=0.3) for n in LOOKS]
        ended = [study for study in studies if all(decided(study).values())] or studies[-1:]
        row = headline(ended[0])
        assert (row["verdict"], row["n"]) == (word, expected.n)
        assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))
        stops.add(expected.n)
    assert len(stops) > 2


def test_report_corrects_the_contrasts_of_a_block_by_holm():
    rng = np.random.default_rng(73)
    scores = dict(zip("abc", rng.normal(0.9, 0.01, size=(3, 5)), strict=True))
    pairs = list(itertools.combinations("abc", 2))
    material = two_methods(scores["a"], scores["b"])
    extra = two_methods(scores["c"], scores["c"]).runs.query("method == 'a'").assign(method="c")
    question = material.question._replace(
        methods=tuple(("", name) for name in "abc"),
        contrasts=tuple(("", *pair) for pair in pairs),
    )
    runs = pd.concat([material.runs, extra.assign(id=[f"c{i}" for i in range(5)])])
    found = comparisons(material._replace(question=question, runs=runs))
    expected = holm([paired_t(scores[i], scores[j]).p for i, j in pairs])
    assert found["p_holm"].tolist() == pytest.approx(expected)

"""Recommendation: metrics against trec_eval, losses in float64, data and baseline by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import pytrec_eval
from scipy import special

from funcdl.baselines.fit import fit_baseline
from funcdl.baselines.popularity import Popularity
from funcdl.config import load
from funcdl.data.arrays import presplit
from funcdl.data.load import make_data
from funcdl.data.sequences import leave_last_out
from funcdl.errors import DataError, StudyError
from funcdl.metrics import cutoffs, next_item, ranking
from funcdl.tasks.choices import check_choices, count_items
from funcdl.tasks.load import make_task
from funcdl.types import Split
from tests.quick import quick

TREC = {"ndcg@10": "ndcg_cut_10", "recall@10": "recall_10", "precision@10": "P_10"}
TREC |= {"mrr": "recip_rank"}


@quick
def measure(scores, targets):
    """What the task reports of each example."""
    return {name: f(scores, targets) for name, f in make_task("recommendation").metrics.items()}


def bits(sets, items):
    """Sets of items as words, by Python's own integers."""
    whole = [sum(1 << item for item in chosen) for chosen in sets]
    words = [[(w >> (32 * i)) & 0xFFFFFFFF for i in range(-(-items // 32))] for w in whole]
    return np.array(words, np.uint32).view(np.int32)


def trec(scores, item, seen, measures):
    """trec_eval's values; of equal scores it ranks the last name first, so names count down."""
    runs = {
        str(row): {
            f"{10**6 - i:07d}": float(s)
            for i, s in enumerate(scores[row])
            if i > 0 and i not in seen[row]
        }
        for row in range(len(scores))
    }
    relevant = {str(row): {f"{10**6 - i:07d}": 1} for row, i in enumerate(item)}
    found = pytrec_eval.RelevanceEvaluator(relevant, set(measures)).evaluate(runs)
    return {m: np.array([found[str(row)][m] for row in range(len(scores))]) for m in measures}


def cases(items, n=1200):
    """Random scores; scores of few values, so with ties; and constant ones. Every other set is empty."""
    rng = np.random.default_rng(items)
    scores = rng.normal(size=(n, items)).astype(np.float32)
    third = n // 3
    scores[:third] = rng.integers(0, 4, (third, items))
    scores[third : third + 50] = 0.0
    scores[-50:] *= 1e30
    item = rng.integers(1, items, n)
    seen = [
        set(rng.integers(1, items, rng.integers(0, 2 * items)).tolist()) - {i} if row % 2 else set()
        for row, i in enumerate(item.tolist())
    ]
    return scores, item.astype(np.int32), seen


@pytest.mark.parametrize("items", [2, 12, 70])
def test_metrics_equal_trec_evals_with_ties_and_exclusions(items):
    """3600 rankings of 1, 11 and 69 items; with one item there is nothing to get wrong."""
    scores, item, seen = cases(items)
    targets = {"item": jnp.asarray(item), "seen": jnp.asarray(bits(seen, items))}
    found = measure(jnp.asarray(scores), targets)
    wanted = trec(scores, item, seen, {*TREC.values(), "ndcg_cut_5", "P_5", "recall_20"})
    for name, reference in TREC.items():
        assert found[name].dtype == jnp.float32
        np.testing.assert_allclose(found[name], wanted[reference], rtol=2e-6, err_msg=name)
    on_host = {"item": item, "seen": bits(seen, items)}
    for function, k, reference in (
        (cutoffs.ndcg_values, 5, "ndcg_cut_5"),
        (cutoffs.precision_values, 5, "P_5"),
        (cutoffs.recall_values, 20, "recall_20"),
    ):
        values = function(scores, on_host, k)
        np.testing.assert_allclose(values, wanted[reference], rtol=1e-12)
    mean = cutoffs.ndcg(scores, on_host, 5)
    assert mean == pytest.approx(wanted["ndcg_cut_5"].mean(), rel=1e-12)
    assert (items == 2) == bool((found["mrr"] == 1).all())


def test_without_sets_all_items_but_padding_are_ranked():
    scores, item, _ = cases(12, 60)
    scores[:, 0] = 1e38  # the best of all, were it ranked
    wanted = trec(scores, item, [set()] * 60, {"recip_rank"})["recip_rank"]
    found = measure(jnp.asarray(scores), jnp.asarray(item))["mrr"]
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    np.testing.assert_allclose(1 / cutoffs.ranks(scores, item), wanted, rtol=1e-12)


def test_scores_that_are_no_numbers_come_last():
    scores = np.array([[0, np.nan, 1, -np.inf], [0, 2, np.nan, 1]], np.float32)
    item = np.array([1, 3], np.int32)
    assert ranking.rank(jnp.asarray(scores), jnp.asarray(item)).tolist() == [2, 2]
    assert cutoffs.ranks(scores, item).tolist() == [2, 2]


@pytest.mark.parametrize("shape", [(4,), (3, 5), (4, 5, 1)])
def test_scores_that_are_no_ranking_per_item_are_refused(shape):
    with pytest.raises(ValueError, match=r"allowed are \[batch, items\] and \[batch\]"):
        ranking.rank(jnp.zeros(shape), jnp.ones(4, int))


def test_the_loss_is_the_softmax_over_all_items_but_padding():
    scores, item, seen = cases(12, 90)
    scores = np.clip(scores, -50, 50)
    expected = -special.log_softmax(scores[:, 1:].astype(np.float64), axis=1)[
        np.arange(90), item - 1
    ]
    targets = {"item": jnp.asarray(item), "seen": jnp.asarray(bits(seen, 12))}
    np.testing.assert_allclose(measure(jnp.asarray(scores), targets)["loss"], expected, 1e-5, 1e-5)
    slope = quick(jax.grad(lambda s: next_item.negative_log_likelihood(s, targets).sum()))
    wanted = special.softmax(scores[:, 1:].astype(np.float64), axis=1) - np.eye(12)[item, 1:]
    found = slope(jnp.asarray(scores))
    np.testing.assert_allclose(found[:, 1:], wanted, atol=1e-6)
    assert not found[:, 0].any()


def test_the_sampled_loss_estimates_the_sum_over_all_items():
    """Its mean over all pairs of draws, and the value when every item is drawn, are exact."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(3, 6))
    item, numbers = np.array([1, 3, 5]), np.arange(1, 6)
    own = scores[np.arange(3), item]
    exact = np.asarray(special.logsumexp(scores[:, 1:], axis=1))
    chosen, targets = jnp.asarray(own, jnp.float32), jnp.asarray(item)

    def sampled(drawn):
        others = jnp.asarray(scores[:, drawn], jnp.float32)
        each = jnp.float32(5 / len(drawn))
        return next_item.sampled_negative_log_likelihood(
            chosen, others, jnp.asarray(drawn), each, targets
        )

    np.testing.assert_allclose(sampled(numbers) + own, exact, rtol=1e-5)
    pairs = [np.array([a, b]) for a in numbers for b in numbers]
    sums = np.mean([np.exp(np.asarray(sampled(pair), np.float64) + own) for pair in pairs], axis=0)
    np.testing.assert_allclose(sums, np.exp(exact), rtol=1e-5)


def random_choices(n=400, users=25, items=90):
    rng = np.random.default_rng(1)
    who, what = rng.integers(0, users, n), rng.integers(0, items, n)
    return who, what, rng.integers(0, 50, n)


def lists(who, what, when):
    """Each user's items in order, each once: slowly."""
    found: dict = {}
    for u, i, _, _ in sorted(
        zip(who, what, when, range(len(who)), strict=True), key=lambda x: x[2:]
    ):
        found.setdefault(u, [])
        found[u] += [i] if i not in found[u] else []
    return {u: chosen for u, chosen in sorted(found.items()) if len(chosen) >= 3}


def test_sets_hold_all_that_was_chosen_before_and_recent_cuts_training_alone():
    who, what, when = random_choices()
    whole = leave_last_out(who, what, when, length=4)
    part = leave_last_out(who, what, when, length=4, recent=2)
    by_hand = list(lists(who, what, when).values())
    number = {item: i for i, item in enumerate(sorted(set(what)), 1)}
    for name, back in (("test", 1), ("validation", 2)):
        split = getattr(whole, name)
        before = [[number[i] for i in chosen[:-back]] for chosen in by_hand]
        np.testing.assert_array_equal(split.targets["seen"], bits(before, len(whole.classes)))
        assert split.targets["item"].tolist() == [number[chosen[-back]] for chosen in by_hand]
        for one, other in zip(
            jax.tree.leaves(split), jax.tree.leaves(getattr(part, name)), strict=True
        ):
            np.testing.assert_array_equal(one, other)
    expected = [number[i] for chosen in by_hand for i in chosen[1:-2][-2:]]
    assert part.train.targets["item"].tolist() == expected
    assert whole.train.targets["seen"].shape == (len(whole.train.targets["item"]), 0)
    check_choices(whole)
    assert count_items(whole) == len(number) + 1 == count_items(whole._replace(ids={}))


@pytest.mark.parametrize("recent", [-1, True, 2.0])
def test_a_number_of_targets_that_is_none_is_refused(recent):
    with pytest.raises(DataError, match=r"data\.recent is .*integers from 0"):
        leave_last_out(*random_choices(), length=4, recent=recent)


def spoilt(change):
    data = leave_last_out(*random_choices(), length=4)
    return change(data)


def with_test(data, inputs=None, **targets):
    test = data.test
    return data._replace(test=Split({**test.inputs, **(inputs or {})}, {**test.targets, **targets}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: with_test(d, item=0 * d.test.targets["item"]), r"outside 1\.\.\d+.*is 0 at"),
        (
            lambda d: with_test(d, item=d.test.targets["item"] + 999),
            r"outside 1\.\.\d+, the numbers",
        ),
        (
            lambda d: with_test(d, {"history": d.test.inputs["history"] + 999}),
            "histories of the test",
        ),
        (lambda d: with_test(d, {"user": d.test.inputs["user"] + 1}), r"1 of 25 users of the test"),
        (lambda d: with_test(d, item=d.test.targets["item"] * 1.0), "float64 of shape"),
        (lambda d: with_test(d, seen=d.test.targets["seen"][:, :1]), r"`seen` of the test.*, 3\]"),
        (lambda d: with_test(d, seen=np.zeros((25, 0), np.int32)), r"`seen` of the test"),
        (lambda d: d._replace(test=Split(d.test.inputs, {"stars": 1})), "NoneType of shape"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_compiled(change, message):
    with pytest.raises(DataError, match=message):
        check_choices(spoilt(change))


def test_a_data_set_made_in_python_stays_what_it_is():
    """As a table of ratings read by hand is given to a study."""
    data = leave_last_out(*random_choices(), length=4)
    found = make_data(data)
    assert (found.digest, found.ids) == (data.digest, data.ids)
    assert make_data(data._replace(ids={})).digest != data.digest
    check_choices(found)
    with pytest.raises(DataError, match=r"test split is .*history.* int32\[3\], .* int32\[4\]"):
        make_data(with_test(data, {"history": data.test.inputs["history"][:, :3]}))


def test_plain_targets_of_arrays_will_do():
    inputs = {"history": np.array([[0, 1], [1, 2]]), "user": np.array([0, 1])}
    pair = inputs, np.array([2, 4])
    data = presplit(pair, pair, pair)
    check_choices(data)
    assert count_items(data) == 5


def test_popularity_of_movielens_is_what_others_found():
    """NDCG@10 .020 and HR@10 .043: all ratings before the last two counted, all films seen left out."""
    data = make_data({"name": "movielens", "length": 3})
    found = fit_baseline("popularity", data, make_task("recommendation"), 0)["test"]
    assert found["ndcg@10"].mean() == pytest.approx(0.0197, abs=5e-5)
    assert found["recall@10"].mean() == pytest.approx(29 / 671)
    np.testing.assert_allclose(found["precision@10"], found["recall@10"] / 10, rtol=1e-6)
    assert np.isfinite(found["loss"]).all()


def test_popularity_counts_each_choice_once():
    who, what, when = random_choices()
    data = leave_last_out(who, what, when, length=3)
    inputs, targets = data.train
    made = Popularity(smoothing=0.5).fit(inputs, targets)
    counted = np.zeros(len(data.classes))
    number = {item: i for i, item in enumerate(sorted(set(what)), 1)}
    for chosen in lists(who, what, when).values():
        for item in chosen[:-2] if len(chosen) > 3 else []:
            counted[number[item]] += 1
    p = (counted + 0.5)[1:] / (counted + 0.5)[1:].sum()
    scores = made.outputs(data.test.inputs, len(data.classes))
    assert scores.shape == (len(data.test.targets["item"]), len(data.classes))
    np.testing.assert_allclose(scores[3, 1:], np.log(p), rtol=1e-5)
    with pytest.raises(StudyError, match="smoothing is 0; allowed are numbers above 0"):
        fit_baseline({"name": "popularity", "smoothing": 0}, data, make_task("recommendation"), 0)


def test_a_study_may_ask_for_other_cutoffs(tmp_path):
    path = tmp_path / "study.yaml"
    text = """
name: films
task: recommendation
data: movielens
model: matrix_factorisation
optimizer: {name: adamw, learning_rate: 0.01}
metrics: ["ndcg@5", "recall@20"]
select: validation/recall@20
"""
    path.write_text(text)
    assert load(path)
    task = make_task({"name": "recommendation", "metrics": ["ndcg@5", "recall@20", "mrr"]})
    assert set(task.summaries) == set(task.values) == {"ndcg@5", "recall@20"}
    for wrong in ("ndcg@0", "recall@x"):
        path.write_text(text.replace("ndcg@5", wrong))
        with pytest.raises(StudyError, match="allowed is a cutoff from 1 to 10000"):
            load(path)

"""Was the search fair? Inclusions against optax, warnings, sections and what varied."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false
# pyright: reportOptionalMemberAccess=false

import json

import numpy as np
import pandas as pd
import pytest

import funcdl as fd
from funcdl.api import make_question
from funcdl.config import expand
from funcdl.optimizers.inclusion import LARGE, RULES, Span, inclusion
from funcdl.plan.study import make_plan
from funcdl.plan_json import write_record
from funcdl.report.answer import answer
from funcdl.report.figures.interaction import POINTS
from funcdl.report.figures.palette import looks
from funcdl.report.figures.sensitivity import sensitivity
from funcdl.report.figures.svg import drawn, in_page
from funcdl.report.material import Material
from funcdl.report.protocol import protocol
from funcdl.report.question import Question
from funcdl.report.record import records
from funcdl.report.search_warnings import search_warnings
from funcdl.report.searches import edge, place, space_of
from funcdl.report.section import sections
from funcdl.report.sections.budget import budget
from funcdl.report.sections.search import search
from funcdl.report.trials import thinned, trials
from funcdl.stats.best_of import best_of, wins
from tests.searched_frames import DECAY, OPTIMIZERS, RATE, searched

SCORE = "validation/accuracy"

# Each rule once: the general optimizer's arguments for these of the special one, and how many times
# greater its learning rate has to be. What is left of Adam's bias correction after 300 steps is small.
EPS = 1e4
CASES = [
    ("sgd", {"momentum": 0.0}, "sgd", {}, 1),
    ("sgd", {"momentum": 0.0, "nesterov": True}, "sgd", {}, 1),
    ("noisy_sgd", {"eta": 0.0, "gamma": 0.55, "key": 0}, "sgd", {}, 1),
    ("optimistic_gradient_descent", {"alpha": 1.0, "beta": 0.0}, "sgd", {}, 1),
    ("rmsprop", {"momentum": 0.9, "eps": EPS}, "sgd", {"momentum": 0.9}, EPS**0.5),
    ("adam", {"b1": 0.9, "eps": EPS}, "sgd", {"momentum": 0.9}, EPS / (1 - 0.9)),
    ("adam", {"b1": 0.0, "eps": EPS}, "sgd", {}, EPS),
    (
        "nadam",
        {"b1": 0.9, "eps": EPS},
        "sgd",
        {"momentum": 0.9, "nesterov": True},
        EPS / (1 - 0.9),
    ),
    ("adam", {"b1": 0.0, "b2": 0.9}, "rmsprop", {"decay": 0.9}, 1),
    ("adamw", {"weight_decay": 0.0}, "adam", {}, 1),
    ("nadamw", {"weight_decay": 0.0}, "nadam", {}, 1),
    ("adamaxw", {"weight_decay": 0.0}, "adamax", {}, 1),
    ("ademamix", {"alpha": 0.0, "weight_decay": 0.01}, "adamw", {"weight_decay": 0.01}, 1),
    ("ademamix", {"alpha": 0.0, "weight_decay": 0.0}, "adam", {}, 1),
    ("signum", {"beta": 0.0}, "sign_sgd", {}, 1),
    ("lion", {"b1": 0.8, "b2": 0.8, "weight_decay": 0.0}, "signum", {"beta": 0.8}, 1),
]


def described(name, given):
    """The optimizer as a question holds it: every argument, the rate searched."""
    from funcdl import optimizers
    from funcdl.signatures import parameters

    known = parameters(optimizers.target(name))
    return (
        {"name": name} | {k: p.default for k, p in known.items()} | given | {"learning_rate": None}
    )


def updates(name, given, rate, gradients):
    import importlib

    import jax

    from funcdl import optimizers

    module, _, function = optimizers.target(name).partition(":")
    optimizer = getattr(importlib.import_module(module), function)(learning_rate=rate, **given)

    @jax.jit
    def last(gradients):
        def step(state, gradient):
            update, state = optimizer.update(gradient, state, gradients[0])
            return state, update

        return jax.lax.scan(step, optimizer.init(gradients[0]), gradients)[1][-1]

    return np.asarray(last(gradients))


@pytest.mark.parametrize(("general", "given", "special", "own", "factor"), CASES)
def test_every_inclusion_holds_for_the_updates_of_optax(general, given, special, own, factor):
    gradients = np.random.default_rng(0).normal(0.3, 1, size=(300, 3)).astype(np.float32)
    one = updates(general, given, 0.05 * factor, gradients)
    other = updates(special, own, 0.05, gradients)
    assert one == pytest.approx(other, rel=2e-3, abs=1e-6)
    found = inclusion(
        described(general, given), described(special, own), {"learning_rate": Span(1e-4, 1.0)}
    )
    if found is not None:  # None where the arguments are those of the special case already
        assert found.missing == ()
    free = described(general, dict.fromkeys(given))
    wide = {key: Span(0.0, 1e6) for key in given} | {"nesterov": (False, True)}
    searched_all = inclusion(free, described(special, own), wide)
    assert searched_all is not None
    assert searched_all.missing == ()


def test_every_rule_has_a_case():
    same = {"nadam": "adam", "nadamw": "adamw"}
    cases = {(same.get(g, g), same.get(s, s)) for g, _, s, _, _ in CASES}
    assert {(rule.general, rule.special) for rule in RULES} <= cases


def test_a_chain_of_inclusions_and_what_a_search_lacks():
    adamw = described("adamw", {"weight_decay": None})
    momentum = described("sgd", {"momentum": 0.9})
    found = inclusion(adamw, momentum, {"weight_decay": Span(1e-6, 0.1)})
    assert found.becomes == {"eps": LARGE, "weight_decay": 0.0}  # b1 is 0.9 as it is
    assert found.missing == ("eps was 1e-08",)
    found = inclusion(
        adamw | {"b1": 0.95}, momentum, {"weight_decay": Span(0.01, 0.1), "eps": Span(1e-8, 10.0)}
    )
    assert set(found.missing) == {"b1 was 0.95", "weight_decay was searched from 0.01 to 0.1"}
    rate = inclusion(adamw | {"learning_rate": 0.1}, momentum, {})
    assert "learning_rate was 0.1" in rate.missing
    choices = {"momentum": (0.9, 0.99), "learning_rate": Span(1e-3, 1)}
    found = inclusion(described("sgd", {"momentum": None}), described("sgd", {}), choices)
    assert found.missing == ("momentum was searched among 0.9, 0.99",)


@pytest.mark.parametrize(
    ("general", "special"),
    [("sgd", "adam"), ("adam", "adamw"), ("lion", "sgd"), ("adam", "adam"), ("rmsprop", "adam")],
)
def test_no_inclusion_where_there_is_none(general, special):
    assert inclusion(described(general, {}), described(special, {}), {}) is None


def test_nesterov_contains_no_momentum_nor_the_other_way():
    plain = described("sgd", {"momentum": 0.9})
    ahead = described("sgd", {"momentum": 0.9, "nesterov": True})
    assert inclusion(plain, ahead, {}) is None
    assert inclusion(ahead, plain, {}) is None
    nadam = inclusion(described("nadam", {}), ahead, {"eps": Span(1e-8, 10)})
    assert nadam.missing == ()
    assert inclusion(described("nadam", {}), plain, {}).missing[0] == "nesterov was true"


# Spaces


def test_place_and_edge():
    rate = space_of({"log_uniform": [1e-4, 1.0]})
    assert [edge(rate, v) for v in (1e-4, 1.5e-4, 1.7e-4, 0.6, 0.7, 1.0)] == [
        "lower", "lower", "", "", "upper", "upper",
    ]  # fmt: skip
    beta = space_of({"one_minus": {"log_uniform": [0.001, 0.5]}})
    assert (edge(beta, 0.9989), edge(beta, 0.51), edge(beta, 0.9)) == ("upper", "lower", "")
    dropout = space_of({"uniform": [0.0, 0.5]})
    assert (edge(dropout, 0.001), edge(dropout, 0.49)) == ("", "upper")  # there is nothing below 0
    depth = space_of({"int_uniform": [1, 4]})
    assert [edge(depth, v) for v in (1, 2, 4)] == ["lower", "", "upper"]
    sizes = space_of({"choice": [64, 16, 32]})
    assert [edge(sizes, v) for v in (16, 32, 64)] == ["lower", "", "upper"]
    assert edge(space_of({"choice": [0.1, 0.2]}), 0.1) == ""
    words = space_of({"choice": ["relu", "tanh", "gelu"]})
    assert (place(words, "relu"), edge(words, "relu")) == (None, "")
    assert place(sizes, 5) is None
    assert edge(rate, None) == ""


@pytest.mark.parametrize("data", [{"log_uniform": [0.01, 1.0]}, {"uniform": [-1.0, 3.0]}])
def test_place_undoes_the_sampler(data):
    space = space_of(data)
    for u in np.linspace(0, 1, 11):
        assert place(space, space.at(float(u))) == pytest.approx(u)


# Warnings


def warned(question, runs):
    """What the search alone gives reason to; all of it is among the answer's warnings."""
    found = answer(Material(question, runs))
    texts = search_warnings(
        question, records(runs), records(found.table), records(found.comparisons)
    )
    assert set(texts) <= set(found.warnings)
    return texts


def said(texts, *words):
    return [text for text in texts if all(word in text for word in words)]


def test_a_fair_study_has_no_warning():
    assert warned(*searched()) == []


def test_an_edge_is_named_with_the_way_to_widen():
    question, runs = searched(best=1.0, seed=1, trials=40)
    (text,) = said(warned(question, runs), "edge")
    assert all(
        word in text for word in (RATE, "upper", "adam (", "adamw (", "upwards", "0.0001 to 1")
    )
    (text,) = said(warned(*searched(best=1e-4, diverge=9, trials=40)), "edge")
    assert "downwards" in text


def test_many_diverged_trials_are_named_and_few_only_counted():
    question, runs = searched(diverge=0.2, trials=20)
    table = answer(Material(question, runs)).table
    lost = dict(zip(table["method"], table["trials_diverged"], strict=True))
    assert min(lost.values()) > 4
    (text,) = said(warned(question, runs), "More than 20 %")
    assert f"adam ({lost['adam']} of 20)" in text
    question, runs = searched(diverge=1.3, trials=20, seed=3)
    table = answer(Material(question, runs)).table
    assert 0 < table["trials_diverged"].sum() <= 4
    texts = warned(question, runs)
    assert not said(texts, "More than")
    assert said(texts, "diverged; they count as worst")


def test_unequal_budgets_are_named():
    question, runs = searched()
    searches = dict(question.searches)
    searches["", "adam"] = searches["", "adam"]._replace(trials=4)
    (text,) = said(warned(question._replace(searches=searches), runs), "same effort")
    assert "16 trials for adamw; 4 trials for adam" in text
    searches["", "adam"] = searches["", "adam"]._replace(trials=0, ranges={})
    (text,) = said(warned(question._replace(searches=searches), runs), "same effort")
    assert "no search for adam" in text


def test_blocks_that_were_tuned_alike_share_a_line():
    one, runs = searched(block="few")
    other, more = searched(block="many", seed=1)
    searches = {**one.searches, **other.searches}
    for block in ("few", "many"):
        searches[block, "adam"] = searches[block, "adam"]._replace(trials=0, ranges={})
    both = one._replace(
        methods=one.methods + other.methods, contrasts=(), blocks=("few", "many"), searches=searches
    )
    (text,) = said(warned(both, pd.concat([runs, more])), "same effort")
    assert "16 trials for adamw; no search for adam." in text
    searches["many", "adam"] = searches["many", "adam"]._replace(trials=16)
    (text,) = said(warned(both, pd.concat([runs, more])), "same effort")
    assert "effort in few:" in text


def test_a_search_of_one_value_is_one_in_name_only():
    question, runs = searched(("adamw", "sgd"))
    runs.loc[runs["method"] == "adamw", DECAY] = 1e-4
    (text,) = said(warned(question, runs), "in name only")
    assert f"{DECAY} was 0.0001, its default, in all trials of adamw" in text
    runs.loc[runs["method"] == "adamw", DECAY] = 0.02
    (text,) = said(warned(question, runs), "in name only")
    assert "default" not in text
    single = {w: s._replace(trials=1) for w, s in question.searches.items()}
    assert said(
        warned(question._replace(searches=single), runs), "adamw and sgd had a single trial"
    )


def test_tied_trials_are_named():
    question, runs = searched(diverge=9)
    runs.loc[(runs["method"] == "adam") & (runs["phase"] == "tune"), SCORE] = 0.5
    texts = warned(question, runs)
    assert said(texts, "All trials of adam have the same validation/accuracy")
    assert not said(texts, "adamw have")
    assert not said(texts, "edge", "adam (")  # a value that nothing chose is at no edge


def test_a_general_optimizer_that_loses_is_named():
    lost = {"adam": 0.95, "adamw": 0.90, "momentum": 0.93}
    texts = warned(*searched(("momentum", "adam", "adamw"), tops=lost))
    (text,) = said(texts, "adamw contains adam")
    assert "adamw to adam" in text
    assert "weight_decay = 0" in text
    assert "its space reaches there" in text
    (text,) = said(texts, "adamw contains sgd")
    assert "could not get there (eps was 1e-08)" in text
    assert not said(texts, "adam contains sgd")  # it did not lose
    won = {"adam": 0.90, "adamw": 0.95, "momentum": 0.85}
    assert not said(warned(*searched(("momentum", "adam", "adamw"), tops=won)), "contains")


def test_no_inclusion_is_claimed_where_something_else_differs():
    question, runs = searched(tops={"adam": 0.95, "adamw": 0.90})
    assert said(warned(question, runs), "contains")
    searches = dict(question.searches)
    searches["", "adam"] = searches["", "adam"]._replace(rest="another model")
    assert not said(warned(question._replace(searches=searches), runs), "contains")
    objects = {w: s._replace(optimizer={}) for w, s in question.searches.items()}
    assert not said(warned(question._replace(searches=objects), runs), "contains")


def test_an_untested_pair_needs_separate_intervals():
    question, runs = searched(tops={"adam": 0.95, "adamw": 0.90})
    assert said(warned(question._replace(contrasts=()), runs), "contains")
    question, runs = searched(tops={"adam": 0.9001, "adamw": 0.90}, seed=5)
    assert not said(warned(question._replace(contrasts=()), runs), "contains")


def test_a_study_that_does_not_know_its_searches_is_not_accused():
    question, runs = searched(tops={"adam": 0.95, "adamw": 0.90}, best=1.0)
    texts = warned(question._replace(searches={}, sampler=""), runs)
    assert not said(texts, "edge")
    assert not said(texts, "contains")


# Sections


def shown(make, question, runs):
    material = Material(question, runs)
    return list(make(material, answer(material)))


def test_budget_section_against_the_estimators():
    question, runs = searched(("sgd", "adam", "adamw"), trials=12, seed=2)
    (section,) = shown(budget, question, runs)
    leaders, numbers = (grid.frame for grid in section.grids)
    tuned = runs[runs["phase"] == "tune"]
    scores = {m: group[SCORE].to_numpy() for m, group in tuned.groupby("method")}
    for (method, n), rows in numbers.groupby(["method", "trials"]):
        found = best_of(scores[method], mode="max", budgets=[n])
        row = rows.iloc[0]
        assert (row["expected (Tang)"], row["low"], row["high"]) == pytest.approx(
            (found.expected[0], found.low[0], found.high[0])
        )
        assert row["expected (Dodge)"] <= row["expected (Tang)"] + 1e-12
    assert list(leaders["trials each"]) == [1, 2, 4, 8, 12]
    for _, row in leaders.iterrows():
        n = row["trials each"]
        means = {m: best_of(s, mode="max", budgets=[n]).expected[0] for m, s in scores.items()}
        assert row["leader"] == max(means, key=means.get)
        chance = wins(scores[row["leader"]], scores[row["runner-up"]], [n], mode="max")[0]
        assert row["wins against it"] == pytest.approx(chance)
    assert [drawing.name for drawing in section.drawings] == ["budget"]


def test_a_flip_of_the_ranking_is_said():
    question, runs = searched(trials=16, diverge=9)
    tune = runs["phase"] == "tune"
    for name, values in (("adam", np.full(16, 0.8)), ("adamw", np.linspace(0, 1, 16))):
        runs.loc[tune & (runs["method"] == name), SCORE] = values
    (section,) = shown(budget, question, runs)
    (text,) = said(section.paragraphs, "depends on the budget:")
    assert "adam at 1 to 2 trials and adamw at 4 to 16 trials" in text
    down = runs.assign(**{SCORE: -runs[SCORE], "test/accuracy": -runs["test/accuracy"]})
    (mirrored,) = shown(budget, question._replace(mode="min"), down)
    assert mirrored.paragraphs == section.paragraphs
    steady = shown(budget, *searched(tops={"adam": 0.5, "adamw": 0.9}, diverge=9))[0]
    assert said(steady.paragraphs, "adamw leads at every budget from 1 trial to 16")


def test_no_budget_curves_where_they_would_mislead():
    question, runs = searched()
    assert not shown(budget, question._replace(sampler="grid"), runs)
    assert not shown(budget, question._replace(stopping="8 trials to step 20, 2 to step 60"), runs)
    assert not shown(budget, question._replace(sampler=""), runs)
    assert not shown(budget, *searched(trials=3))
    (one,) = shown(budget, *searched(("adam",)))
    assert [grid.name for grid in one.grids] == ["budget-numbers"]
    assert said(one.paragraphs, "more evenly")
    (random,) = shown(budget, question._replace(sampler="random"), runs)
    assert not said(random.paragraphs, "more evenly")


def test_diverged_trials_in_the_budget_section():
    question, runs = searched(diverge=0.8, trials=16, seed=4)
    (section,) = shown(budget, question, runs)
    assert said(section.paragraphs, "diverged trial counts as the worst")
    numbers = section.grids[-1].frame
    assert np.isneginf(numbers.loc[numbers["trials"] == 1, "expected (Tang)"]).all()
    assert (numbers.loc[numbers["trials"] == 1, "all diverged"] > 0).all()
    everything = runs.assign(status="diverged", **{SCORE: float("nan")})
    (section,) = shown(budget, question, everything)
    assert not section.drawings
    assert section.grids[0].frame.empty


def test_search_section_says_where_the_selected_values_lie():
    question, runs = searched(trials=30)
    (section,) = shown(search, question, runs)
    grid, weights = (one.frame for one in section.grids)
    measured = runs[runs["phase"] == "measure"].groupby("method").first()
    for _, row in grid.iterrows():
        value = measured.loc[row["method"], row["key"]]
        low, high = question.searches["", row["method"]].ranges[row["key"]]["log_uniform"]
        where = (np.log(value) - np.log(low)) / (np.log(high) - np.log(low))
        assert row["place in its space"] == pytest.approx(where, abs=5.1e-4)
    assert len(grid) == 3  # adamw has two keys
    weights = weights.set_index("method")
    assert weights.loc["adamw", RATE] > 0.5 > weights.loc["adamw", DECAY]
    assert np.isnan(weights.loc["adam", DECAY])
    (drawing,) = section.drawings
    assert drawing.name == f"interaction {RATE} {DECAY}"


def test_too_few_trials_for_shares_are_said():
    (section,) = shown(search, *searched(trials=4))
    assert [grid.name for grid in section.grids] == ["search"]
    assert said(section.paragraphs, "left out for", "too few")


def test_interaction_panels_show_every_trial_once():
    question, runs = searched(("adamw",), diverge=1.0, trials=25, seed=6)
    (section,) = shown(search, question, runs)
    ax = section.drawings[0].figure.axes[0]
    tune = runs[runs["phase"] == "tune"]
    points = [tuple(p) for line in ax.lines[:-5] for p in line.get_xydata()]
    expected = tune[[RATE, DECAY]].to_numpy()
    crosses = [line for line in ax.lines if line.get_marker() == "x" and len(line.get_xdata())]
    assert (
        sum(len(line.get_xdata()) for line in crosses) == (tune["status"] == "diverged").sum() > 0
    )
    chosen = runs.loc[runs["phase"] == "measure", [RATE, DECAY]].iloc[0]
    assert len(points) == len(expected) + 1  # the selected one has a ring besides
    assert sorted(points) == pytest.approx(np.array(sorted([*map(tuple, expected), tuple(chosen)])))
    best = max(ax.lines[:5], key=lambda line: line.get_alpha())
    top = tune.nlargest(1, SCORE)[[RATE, DECAY]].to_numpy()[0]
    assert any(tuple(p) == pytest.approx(tuple(top)) for p in best.get_xydata())


def test_stopped_trials_are_hollow_and_words_have_places():
    question, runs = searched(("adamw",), trials=20, diverge=9)
    runs.loc[(runs["phase"] == "tune") & (runs["trial"] % 2 == 1), "steps"] = 10
    question = question._replace(stopping="20 trials to step 10, 10 to step 100")
    runs[DECAY] = np.where(runs["trial"] % 3 == 0, "cosine", "linear <b>&")
    (section,) = shown(search, question, runs)
    ax = section.drawings[0].figure.axes[0]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["cosine", "linear <b>&"]
    legend = [text.get_text() for text in section.drawings[0].figure.legends[0].get_texts()]
    assert "stopped" in legend
    assert "diverged" not in legend
    page = in_page(drawn(section.drawings[0].figure, "f"), section.drawings[0].alt)
    assert "<b>" not in page
    assert "var(--c0)" in page
    assert "#0072b2" not in page


def test_figures_of_many_trials_stay_small_and_keep_the_selected_one():
    question, runs = searched(("adam", "adamw"), trials=3000, repeats=1, diverge=9)
    (section,) = shown(search, question, runs)
    ax = section.drawings[0].figure.axes[0]
    assert sum(len(line.get_xdata()) for line in ax.lines) == POINTS + 1
    assert f"({POINTS} of 3000 per method)" in section.drawings[0].title
    chosen = runs.loc[(runs["phase"] == "measure") & (runs["method"] == "adamw"), [RATE, DECAY]]
    ring = next(line for line in ax.lines if line.get_markersize() == 10)
    assert ring.get_xydata() == pytest.approx(chosen.to_numpy())
    found = trials(question, records(runs))["", "adamw"]
    kept = thinned(found, 100, 1234)
    assert len(kept) == len({one.trial for one in kept}) == 100
    assert kept[-1].trial == 1234
    table = records(answer(Material(question, runs)).table)
    drawing = sensitivity(question, records(runs), table, "", RATE, looks(["adam", "adamw"]))
    lines = drawing.figure.axes[0].lines
    assert 2000 <= sum(len(line.get_xdata()) for line in lines) <= 2004
    assert "(2,00" in drawing.title


def test_trials_average_their_repeats_and_leave_failed_ones_out():
    question, runs = searched(("adam",), trials=4, diverge=9)
    tune = runs[runs["phase"] == "tune"]
    again = tune.assign(repeat=1, **{SCORE: tune[SCORE] + 0.1})
    again.loc[again["trial"] == 2, "status"] = "diverged"
    again.loc[again["trial"] == 3, "status"] = "failed"
    both = pd.concat([tune, again])
    found = trials(question, records(both.sample(frac=1, random_state=0)))["", "adam"]
    assert [one.trial for one in found] == [0, 1, 2]
    expected = tune.set_index("trial").loc[[0, 1], SCORE] + 0.05
    assert [one.score for one in found[:2]] == pytest.approx(expected.tolist())
    assert np.isnan(found[2].score)


@pytest.mark.parametrize("trials_", [1, 2, 5])
@pytest.mark.parametrize(
    "spoilt", ["nothing", "diverged", "tied", "infinite", "measured", "unequal"]
)
def test_sections_of_odd_studies(trials_, spoilt):
    """A table, words and figures for anything; warnings of NumPy or Matplotlib are errors here."""
    question, runs = searched(("sgd", "adamw"), trials=trials_, repeats=1)
    if spoilt == "diverged":
        runs = runs.assign(status="diverged")
    elif spoilt == "tied":
        runs = runs.assign(**{SCORE: 0.5, "test/accuracy": 0.5})
    elif spoilt == "infinite":
        runs = runs.assign(**{SCORE: np.inf})
    elif spoilt == "measured":
        runs = runs[runs["phase"] == "measure"]
    elif spoilt == "unequal":
        runs = runs[(runs["method"] == "sgd") | (runs["trial"] == 0)]
    material = Material(question, runs)
    for section in sections(material, answer(material)):
        assert all(section.paragraphs)
        for drawing in section.drawings:
            assert drawn(drawing.figure, "f").startswith("<svg")


def test_forty_methods_and_strange_names():
    names = [f"方法 {i} $x_1$ <script>" + "é" * 150 for i in range(40)]
    question, runs = searched(("adamw",), trials=5, repeats=2)
    parts = [runs.assign(method=name, id=runs["id"] + str(i)) for i, name in enumerate(names)]
    (search_of,) = question.searches.values()
    question = question._replace(
        methods=tuple(("", name) for name in names),
        contrasts=(),
        searches={("", name): search_of for name in names},
        spaces={("", name): question.spaces["", "adamw"] for name in names},
    )
    many = pd.concat(parts)
    (section,) = shown(search, question, many)
    assert said(section.paragraphs, "Of 40 methods the first 9")
    (section,) = shown(budget, question, many)
    assert section.drawings[0].figure.get_size_inches()[1] < 6


# What varied


def test_protocol_names_every_source_once_as_varied_or_held():
    question, _ = searched()
    for vary in [("init",), ("init", "order", "dropout", "augment"), ("split", "init")]:
        measured, tuned = protocol(question._replace(vary=vary))
        before, _, after = measured.partition("Held:")
        for name in ("init", "order", "dropout", "augment", "split"):
            assert (f"{name} (" in before.partition("Varied")[2]) == (name in vary)
            assert (f"{name} (" in after) == (name not in vary)
        assert "only the tuned values varied" in tuned
    measured, tuned = protocol(question._replace(tune_repeats=3, vary=("order",)))
    assert "16 trials (halton points) of 3 runs each" in tuned
    assert "Varied between a trial's runs: order" in tuned
    (alone,) = protocol(question._replace(trials=0))
    assert "tuned keys" not in alone
    (crossed,) = protocol(question._replace(trials=0, cross={"init": 3, "order": 4}, repeats=12))
    assert "12 repeats, all combinations of 3 values of init and 4 values of order" in crossed
    (growing,) = protocol(question._replace(trials=0, looks=(5, 10, 20)))
    assert "over at most 20 repeats" in growing


# From a study


def question_of(**keys):
    study = fd.Study(
        task="classification", data="digits", train={"steps": 20, "batch_size": 16}, **keys
    )
    expansion = expand(study)
    plan = make_plan(study, expansion)
    return make_question(study, expansion, plan, "x")


def test_a_question_knows_its_searches():
    question = question_of(
        compare={
            "model": ["logistic", {"name": "mlp", "hidden": [8]}],
            "optimizer": [{"name": "sgd", "momentum": 0.9}, "adamw"],
        },
        baselines={"forest": "random_forest"},
        tune={
            RATE: {"log_uniform": [1e-3, 1.0]},
            "model.dropout": {"when": {"model": "mlp"}, "uniform": [0.0, 0.5]},
            "trials": 3,
        },
    )
    found = {label: one for (_, label), one in question.searches.items()}
    assert found["logistic/sgd"].optimizer["momentum"] == 0.9
    assert found["logistic/sgd"].optimizer["learning_rate"] is None
    assert found["mlp/adamw"].ranges == {
        RATE: {"log_uniform": [1e-3, 1.0]},
        "model.dropout": {"uniform": [0.0, 0.5]},
    }
    # All but the optimizer is equal within a model, and differs between models.
    assert found["logistic/sgd"].rest == found["logistic/adamw"].rest != found["mlp/sgd"].rest
    assert found["mlp/sgd"].rest == found["mlp/adamw"].rest
    assert (found["forest"].optimizer, found["forest"].trials) == ({}, 0)
    assert (question.sampler, question.tune_repeats) == ("halton", 1)
    assert found["mlp/sgd"].trials == 3


def test_what_else_was_searched_is_a_part_of_the_rest():
    shared = {"model": {"name": "mlp", "hidden": [8]}}
    rates = [{"when": {"optimizer": "sgd"}, "uniform": [0.0, 0.5]},
             {"when": {"optimizer": "adamw"}, "uniform": [0.0, 0.3]}]  # fmt: skip
    tune = {RATE: {"log_uniform": [1e-3, 1.0]}, "model.dropout": rates}
    question = question_of(**shared, compare={"optimizer": ["sgd", "adamw"]}, tune=tune)
    one, other = question.searches.values()
    assert one.rest != other.rest


def test_searches_survive_the_record(tmp_path):
    from funcdl.plan_json import read_record
    from funcdl.store.folder import FORMAT, Folder
    from funcdl.store.sealed import write_sealed

    question, _ = searched()
    record = write_record(question, {})
    json.dumps(record, allow_nan=False)
    assert record["format"] == FORMAT
    write_sealed(tmp_path / "plan.json", record)
    back = read_record(Folder(tmp_path), None)
    assert back.searches == question.searches
    assert (back.sampler, back.tune_repeats) == (question.sampler, question.tune_repeats)
    for name in ("searches", "sampler", "tune_repeats"):  # as written by an earlier version
        del record["question"][name]
    write_sealed(tmp_path / "plan.json", record)
    old = read_record(Folder(tmp_path), None)
    assert (old.searches, old.sampler) == ({}, "")


def test_an_optimizer_that_is_an_object_has_no_name():
    import optax

    question = question_of(model="logistic", optimizer=optax.sgd(0.1))
    (found,) = question.searches.values()
    assert found.optimizer == {}
    assert isinstance(question, Question)
    assert set(OPTIMIZERS["adamw"]) <= set(
        next(
            iter(question_of(model="logistic", optimizer={"name": "adamw", "learning_rate": 0.1})
                 .searches.values())
        ).optimizer
    )  # fmt: skip

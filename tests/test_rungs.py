"""Rungs against published tables and a reference library; `due` against halving written plainly."""

import math
import random
from fractions import Fraction

import numpy as np
import pytest

from funcdl.config import Study, expand
from funcdl.errors import StudyError
from funcdl.plan.contest import Contest, Outcome, Run, chosen, due, most, most_steps, told
from funcdl.plan.rungs import Rung, Unfit, ladder, search_steps
from funcdl.plan.stopping import in_words
from funcdl.plan.study import make_plan

# Published brackets of Hyperband, as (steps, trials): R = 81 and eta = 3 of Li et al. (2018), with the
# numbers of trials as rounded down in their table and as rounded up in their algorithm 1.
BRACKETS = [
    [(1, 81), (3, 27), (9, 9), (27, 3), (81, 1)],
    [(3, 27), (9, 9), (27, 3), (81, 1)],
    [(9, 9), (27, 3), (81, 1)],
    [(27, 6), (81, 2)],
    [(81, 5)],
    [(3, 34), (9, 11), (27, 3), (81, 1)],
    [(9, 15), (27, 5), (81, 1)],
    [(27, 8), (81, 2)],
]


@pytest.mark.parametrize("bracket", BRACKETS, ids=str)
def test_a_ladder_is_a_bracket_of_hyperband(bracket):
    found = ladder(bracket[0][1], 81, 1, eta=3, rungs=len(bracket) - 1)
    assert [tuple(rung) for rung in found] == bracket


@pytest.mark.parametrize(
    "bracket",
    [[(1, 8), (2, 4), (4, 2), (8, 1)], [(2, 6), (4, 3), (8, 1)], [(4, 4), (8, 2)], [(8, 4)]],
    ids=str,
)
def test_a_ladder_is_a_bracket_of_mlr3(bracket):
    """The documented run of `mlr_tuners_hyperband` with eta = 2 and budgets from 1 to 8."""
    found = ladder(bracket[0][1], 8, 1, eta=2, rungs=len(bracket) - 1)
    assert [tuple(rung) for rung in found] == bracket


def test_halving_gives_every_round_the_same_budget():
    """Jamieson and Talwalkar (2016): log2(n) rounds that cost the same, if nothing is gone on with."""
    found = ladder(64, 640, 1, eta=2)
    assert [rung.trials for rung in found] == [64, 32, 16, 8, 4, 2, 1]
    assert {rung.trials * rung.steps for rung in found} == {640}


@pytest.mark.parametrize(("trials", "eta", "steps"), [(27, 3, 540), (16, 2, 160), (25, 5, 1000)])
def test_a_ladder_is_that_of_scikit_learn(trials: int, eta: int, steps: int):
    """Where every division is exact; elsewhere scikit-learn rounds trials up, Hyperband down."""
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingGridSearchCV

    class Guess(ClassifierMixin, BaseEstimator):
        def __init__(self, rate: float = 0.0, budget: int = 0):
            self.rate, self.budget = rate, budget

        def fit(self, X, y):
            self.classes_ = np.unique(y)
            return self

        def predict(self, X):
            return np.arange(len(X)) < self.rate * len(X)

    theirs = HalvingGridSearchCV(
        Guess(),
        {"rate": np.linspace(0, 1, trials)},
        resource="budget",
        factor=eta,
        max_resources=steps,  # type: ignore[arg-type] (it takes a number, too)
        min_resources=steps // trials,  # type: ignore[arg-type] (it takes a number, too)
        cv=2,
        refit=False,
    ).fit(np.zeros((40, 1)), np.repeat([True, False], 20))
    ours = ladder(trials, steps, 1, eta=eta)
    assert [rung.steps for rung in ours] == theirs.n_resources_
    assert [rung.trials for rung in ours] == theirs.n_candidates_


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"trials": 9, "steps": 400, "every": 20}, [(40, 9), (140, 3), (400, 1)]),
        ({"trials": 8, "steps": 400, "every": 40}, [(120, 8), (400, 2)]),
        ({"trials": 1000, "steps": 400, "every": 40}, [(40, 1000), (120, 333), (400, 111)]),
        ({"trials": 9, "steps": 400, "every": 40, "rungs": 1}, [(120, 9), (400, 3)]),
        ({"trials": 9, "steps": 50, "every": 50}, [(50, 9)]),
        ({"trials": 2, "steps": 50, "every": 5}, [(50, 2)]),
        ({"trials": 2, "steps": 50, "every": 5, "eta": 2}, [(25, 2), (50, 1)]),
        ({"trials": 9, "steps": 100, "every": 10, "first": 20}, [(20, 9), (60, 3), (100, 1)]),
        ({"trials": 99, "steps": 100, "every": 10, "first": 20}, [(20, 99), (60, 33), (100, 11)]),
        ({"trials": 99, "steps": 95, "every": 10, "first": 10, "rungs": 1}, [(10, 99), (95, 33)]),
        ({"trials": 9, "steps": 90, "every": 1, "points": 4}, [(10, 4), (30, 1), (90, 1)]),
    ],
    ids=str,
)
def test_rungs_are_where_trials_are_looked_at(arguments, expected):
    assert [tuple(rung) for rung in ladder(**arguments)] == expected


def test_a_ladder_is_right_whatever_the_numbers():
    draw = random.Random(0)
    for _ in range(2000):
        trials, eta = draw.randint(1, 300), draw.randint(2, 5)
        every = draw.randint(1, 30)
        steps = draw.randint(every, 2000)
        found = ladder(trials, steps, every, eta=eta)
        cuts = len(found) - 1
        assert found[-1].steps == steps
        assert all(
            rung.trials == math.floor(Fraction(trials, eta**i)) >= 1 for i, rung in enumerate(found)
        )
        for i, rung in enumerate(found[:-1]):
            wanted = Fraction(steps, eta ** (cuts - i))
            assert rung.steps % every == 0
            assert rung.steps == every or abs(rung.steps - wanted) <= Fraction(every, 2)
            assert rung.steps < found[i + 1].steps
        more = [trials // eta ** (cuts + 1) >= 1, every < found[0].steps]
        if all(more):  # one rung more would have been the lowest one again
            assert abs(found[0].steps - Fraction(steps, eta ** (cuts + 1))) <= Fraction(every, 2)
        assert search_steps(found) == sum(_paid(found, t) for t in range(trials))


def _paid(rungs: tuple[Rung, ...], place: int) -> int:
    """Steps of the trial that is at this place from the best, 0, in every ranking."""
    return max(rung.steps for rung in rungs if place < rung.trials)


@pytest.mark.parametrize(
    ("arguments", "key", "words"),
    [
        ({"trials": 8, "rungs": 2}, "rungs", r"2 given, but 8 trials.*allow 1;.*at least 9 trials"),
        ({"trials": 99, "rungs": 3}, "rungs", r"3 given, but 100 steps.*room for 2 \(10, 30\)"),
        ({"trials": 9, "every": 100, "rungs": 1}, "rungs", r"room for 0; give fewer"),
        ({"trials": 9, "first": 15}, "first", r"15 given.*every 10 steps.*multiples.*up to 90"),
        ({"trials": 9, "first": 100}, "first", r"100 given; allowed less than train\.steps, 100"),
        ({"trials": 9, "first": 60, "every": 100}, "first", "look more often"),
        ({"trials": 27, "first": 20, "rungs": 3}, "rungs", r"room for 2 \(20, 60\)"),
    ],
    ids=str,
)
def test_rungs_that_cannot_be_are_refused(arguments, key, words):
    with pytest.raises(Unfit, match=words) as caught:
        ladder(**{"steps": 100, "every": 10} | arguments)
    assert caught.value.key == key


def contest(rungs: tuple[Rung, ...], tune_repeats: int, maximise: bool) -> Contest:
    def make(phase, trial, repeat, streams, until):
        name = f"{phase}-{trial}-{repeat}-{until or rungs[-1].steps}"
        return Run(name, phase, trial, repeat, streams, {"x": trial}, until)

    vary = ("init",)
    return Contest("", "m", {}, rungs[0].trials, rungs, tune_repeats, 2, vary, maximise, make)


def drawn(one: Contest, draw: random.Random) -> dict[str, Outcome]:
    """How every run that may be due would end; ties are many, and what diverged stays so."""
    found = {}
    for trial in range(one.trials):
        for repeat in range(one.tune_repeats):
            status = "ok"
            for rung in one.rungs:
                if status == "ok":
                    status = draw.choices(["ok", "diverged", "failed"], [12, 2, 1])[0]
                score, loss = draw.randint(0, 3) / 4, draw.choice([0.5, 1.0, None])
                name = f"tune-{trial}-{repeat}-{rung.steps}"
                fine = status == "ok"
                found[name] = Outcome(status, score if fine else None, loss if fine else None)
    for trial in range(one.trials):
        for repeat in range(one.repeats):
            found[f"measure-{trial}-{repeat}-{one.rungs[-1].steps}"] = Outcome("ok", 1.0, 1.0)
    return found


def plainly(one: Contest, ends: dict[str, Outcome]) -> tuple[set[str], int | None]:
    """Successive halving as one would write it down: the runs that are done, and the winner."""
    done, rank = set(), {}
    standing = list(range(one.trials))
    for level, rung in enumerate(one.rungs):
        for trial in standing:
            names = [f"tune-{trial}-{r}-{rung.steps}" for r in range(one.tune_repeats)]
            done |= set(names)
            statuses = {ends[name].status for name in names}
            scores = [score for name in names if (score := ends[name].score) is not None]
            losses = [loss for name in names if (loss := ends[name].loss) is not None]
            if "failed" in statuses:
                rank[trial] = (2, -level, 0, 0, trial)
            elif "diverged" in statuses:
                rank[trial] = (1, -level, 0, 0, trial)
            else:
                mean = sum(scores) / len(scores)
                loss = sum(losses) / len(losses) if len(losses) == len(names) else math.inf
                rank[trial] = (0, -level, -mean if one.maximise else mean, loss, trial)
        better = sorted((t for t in standing if rank[t][0] == 0), key=rank.__getitem__)
        if level + 1 == len(one.rungs) or not better:
            break
        standing = better[: one.rungs[level + 1].trials]
    winner = min(rank.values())
    if winner[0] == 2:
        return done, None
    last = one.rungs[-1].steps
    return done | {f"measure-{winner[-1]}-{r}-{last}" for r in range(one.repeats)}, winner[-1]


def test_due_is_successive_halving_in_whatever_order_runs_end():
    draw, chains, early = random.Random(1), 0, 0
    for _ in range(150):
        rungs = ladder(draw.randint(2, 30), 90, draw.choice([1, 5, 10]), eta=draw.randint(2, 4))
        one = contest(rungs, draw.randint(1, 2), draw.random() < 0.5)
        ends = drawn(one, draw)
        expected, winner = plainly(one, ends)
        outcomes: dict[str, Outcome] = {}
        while missing := [run for run in due(one, outcomes) if run.id not in outcomes]:
            assert {run.id for run in missing} <= expected, "a run that the study does not hold"
            for run in draw.sample(missing, draw.randint(1, len(missing))):
                if run.continues:
                    chains += 1
                    assert run.continues in outcomes
                    kind, trial, repeat, _ = run.continues.split("-")
                    assert (kind, trial, repeat) == (run.phase, str(run.trial), str(run.repeat))
                outcomes[run.id] = ends[run.id]
            _check_told(one, outcomes)
        assert set(outcomes) == expected
        assert chosen(one, outcomes) == winner
        if winner is not None and all(ends[name].status == "ok" for name in ends):
            assert len(outcomes) == most(one)
        early += len(rungs) > 1
    assert chains > 250
    assert early > 100


def _check_told(one: Contest, outcomes: dict[str, Outcome]) -> None:
    """One run per trial and repeat, the one that got furthest."""
    seen = [run for run in told(one, outcomes) if run.phase == "tune"]
    assert [(run.trial, run.repeat) for run in seen] == [
        (trial, repeat) for trial in range(one.trials) for repeat in range(one.tune_repeats)
    ]
    for run in seen:
        mine = [name for name in outcomes if name.startswith(f"tune-{run.trial}-{run.repeat}-")]
        if mine:
            assert run.id == max(mine, key=lambda name: int(name.rpartition("-")[2]))


def test_every_trial_that_ends_well_counts():
    one = contest(ladder(9, 90, 1), tune_repeats=2, maximise=True)
    ends = {name: Outcome("ok", 0.5, 1.0) for name in drawn(one, random.Random(2))}
    outcomes: dict[str, Outcome] = {}
    while missing := [run for run in due(one, outcomes) if run.id not in outcomes]:
        outcomes |= {run.id: ends[run.id] for run in missing}
    assert len(outcomes) == most(one) == 2 * (9 + 3 + 1) + 2
    assert most_steps(one) == 2 * (9 * 10 + 3 * 20 + 1 * 60) + 2 * 90
    assert chosen(one, outcomes) == 0


def study(**changes) -> Study:
    keys = {
        "task": "classification",
        "data": "digits",
        "model": "logistic",
        "train": {"steps": 90, "eval_every": 10},
        "compare": {"optimizer": ["sgd", "adam"]},
        "tune": tune(stop=True),
        "repeat": 2,
    }
    return Study(**{**keys, **changes})


def tune(**changes) -> dict:
    keys = {"optimizer.learning_rate": {"log_uniform": [1e-3, 1.0]}, "trials": 9}
    return keys | changes


def runs(one: Study, until: int | None = None) -> set[str]:
    """All runs to a rung that any trial of the study could have; whole runs if None."""
    found = set()
    for c in make_plan(one, expand(one)).contests:
        streams: dict[str, int] = dict.fromkeys(("init", "order", "dropout", "augment"), 0)
        found |= {c.make("tune", t, 0, streams, until).id for t in range(c.trials)}
    return found


def test_a_whole_run_is_the_same_one_with_and_without_early_stopping():
    whole = runs(study(tune=tune()))
    assert whole == runs(study())
    assert not whole & runs(study(), 10)
    assert not runs(study(), 10) & runs(study(), 30)


def test_methods_that_are_trained_alike_climb_alike():
    compare = {"optimizer": ["sgd", "adam"], "train.steps": [90, 900]}
    plan = make_plan(one := study(compare=compare), expand(one))
    steps = {tuple(rung.steps for rung in c.rungs) for c in plan.contests}
    assert steps == {(10, 30, 90), (100, 300, 900)}
    assert len({most_steps(c) for c in plan.contests}) == 2
    (first, second) = in_words(one, plan.contests)
    assert first.startswith("9 trials to step 10, 3 to step 30, 1 to step 90 (")
    assert "adam" in first
    assert "sgd" in first
    assert "900" in second


def test_a_smaller_space_has_the_same_steps_and_fewer_trials():
    rules = [
        {"when": {"optimizer": "sgd"}, "choice": [0.1, 0.2, 0.3, 0.4]},
        {"when": {"optimizer": "adam"}, "log_uniform": [1e-3, 1.0]},
    ]
    one = study(tune=tune(stop=True, trials=60) | {"optimizer.learning_rate": rules})
    sgd, adam = make_plan(one, expand(one)).contests
    assert [tuple(rung) for rung in sgd.rungs] == [(10, 4), (30, 1), (90, 1)]
    assert [tuple(rung) for rung in adam.rungs] == [(10, 60), (30, 20), (90, 6)]


def test_a_method_with_nothing_to_search_has_nothing_to_stop():
    rules = [{"when": {"optimizer": "sgd"}, "log_uniform": [1e-3, 1.0]}]
    optimizers = ["sgd", {"name": "adam", "learning_rate": 0.01}]
    one = study(
        compare={"optimizer": optimizers}, tune=tune(stop=True) | {"optimizer.learning_rate": rules}
    )
    sgd, adam = make_plan(one, expand(one)).contests
    assert len(sgd.rungs) == 3
    assert [run.phase for run in due(adam, {})] == ["measure"] * 2
    assert most(adam) == 2
    assert most_steps(adam) == 180


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        ({"first": 15}, r"tune\.stop\.first: 15 given.*every 10 steps"),
        ({"rungs": 3}, r"tune\.stop\.rungs: 3 given, but 9 trials"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_with_its_key(stop, words):
    one = study(tune=tune(stop=stop))
    with pytest.raises(StudyError, match=words):
        make_plan(one, expand(one))

"""Which runs are due, which trial is chosen, which points are tried, who takes which job."""

import itertools
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import qmc

import funcdl
from funcdl.config import Study, expand, load
from funcdl.config.spaces import Distribution
from funcdl.errors import StudyError
from funcdl.execute.messages import Job
from funcdl.execute.queue import LOAD_SECONDS, Queue
from funcdl.plan.code import digest_of
from funcdl.plan.contest import Contest, Outcome, Run, chosen, due, most
from funcdl.plan.mode import Mode
from funcdl.plan.rungs import Rung
from funcdl.plan.samplers import points
from funcdl.plan.study import make_plan
from funcdl.train.streams import STREAMS


def contest(trials: int = 3, tune_repeats: int = 1, repeats: int = 2, maximise: bool = True):
    def make(phase, trial, repeat, streams, until):
        assert until is None, "nothing stops early here"
        return Run(f"{phase}-{trial}-{repeat}", phase, trial, repeat, streams, {"x": trial})

    vary, rungs = ("init", "order"), (Rung(100, trials),)
    return Contest("", "m", {}, trials, rungs, tune_repeats, repeats, vary, maximise, make)


def outcomes(*scores: tuple[str, float | None, float | None]) -> dict[str, Outcome]:
    return {f"tune-{i}-0": Outcome(*score) for i, score in enumerate(scores)}


def ok(score: float, loss: float = 1.0) -> tuple[str, float, float]:
    return "ok", score, loss


DIVERGED = ("diverged", None, None)
FAILED = ("failed", None, None)


@pytest.mark.parametrize(
    ("found", "maximise", "best"),
    [
        ((ok(0.1), ok(0.3), ok(0.2)), True, 1),
        ((ok(0.1), ok(0.3), ok(0.2)), False, 0),
        ((ok(0.3, 2.0), ok(0.3, 1.0), ok(0.3, 1.5)), True, 1),
        ((ok(0.3), ok(0.3), ok(0.3)), True, 0),
        ((DIVERGED, ok(0.01), DIVERGED), True, 1),
        ((DIVERGED, ok(99.0), DIVERGED), False, 1),
        ((FAILED, DIVERGED, FAILED), True, 1),
        ((DIVERGED, DIVERGED, DIVERGED), True, 0),
        ((FAILED, FAILED, FAILED), True, None),
    ],
)
def test_the_best_trial_on_validation_is_chosen(found, maximise, best):
    one = contest(maximise=maximise)
    assert chosen(one, outcomes(*found)) == best
    measured = [run for run in due(one, outcomes(*found)) if run.phase == "measure"]
    assert [run.trial for run in measured] == ([best] * 2 if best is not None else [])


def test_a_trial_is_judged_by_the_mean_over_its_repeats():
    one = contest(trials=2, tune_repeats=2)
    scores = {(0, 0): 0.9, (0, 1): 0.1, (1, 0): 0.6, (1, 1): 0.6}
    found = {f"tune-{t}-{r}": Outcome("ok", s, 1.0) for (t, r), s in scores.items()}
    assert chosen(one, found) == 1
    found["tune-1-1"] = Outcome("diverged", None, None)
    assert chosen(one, found) == 0


def test_measuring_waits_for_all_of_tuning():
    one = contest()
    found = outcomes(ok(0.1), ok(0.3))
    assert {run.phase for run in due(one, found)} == {"tune"}
    assert len(due(one, found)) == 3
    assert most(one) == 3 + 2


def test_a_method_with_nothing_to_search_is_measured_at_once():
    one = contest(trials=1)
    assert [run.phase for run in due(one, {})] == ["measure", "measure"]
    assert most(one) == 2


def test_streams_that_do_not_vary_stay_at_the_first_repeat():
    runs = due(contest(trials=1, repeats=3), {})
    assert [run.streams["init"] for run in runs] == [0, 1, 2]
    assert [run.streams["dropout"] for run in runs] == [0, 0, 0]
    assert set(runs[0].streams) == set(STREAMS)


def log(low: float, high: float) -> Distribution:
    study = Study(
        task="classification",
        data="digits",
        model="mlp",
        optimizer="sgd",
        tune={"optimizer.learning_rate": {"log_uniform": [low, high]}},
    )
    return expand(study).methods[0].space["optimizer.learning_rate"]


def uniform() -> Distribution:
    study = Study(
        task="classification",
        data="digits",
        model="mlp",
        optimizer="sgd",
        tune={"optimizer.learning_rate": {"uniform": [1e-9, 1.0]}},
    )
    return expand(study).methods[0].space["optimizer.learning_rate"]


@pytest.mark.parametrize("sampler", ["random", "halton", "sobol"])
def test_more_trials_keep_the_earlier_ones(sampler: str):
    space = {"a": log(1e-4, 1.0), "b": uniform()}
    few, many = points(space, sampler, 8, 3), points(space, sampler, 16, 3)
    assert many[:8] == few
    assert few != points(space, sampler, 8, 4)
    values = np.array([[p["a"], p["b"]] for p in many])
    assert ((values[:, 0] >= 1e-4) & (values[:, 0] <= 1)).all()


def test_halton_is_scipys_on_a_logarithmic_axis():
    found = [p["a"] for p in points({"a": log(1e-4, 1.0)}, "halton", 8, 0)]
    cube = qmc.Halton(1, scramble=True, rng=0).random(8)[:, 0]
    np.testing.assert_allclose(np.log10(found), -4 + 4 * cube, rtol=1e-12)


def test_halton_covers_more_evenly_than_chance():
    space = {"a": log(1e-4, 1.0)}

    def gap(sampler: str, seed: int) -> float:
        logs = sorted(math.log(p["a"]) for p in points(space, sampler, 8, seed))
        return max(b - a for a, b in itertools.pairwise(logs))

    even = np.mean([gap("halton", seed) for seed in range(30)])
    assert even < 0.75 * np.mean([gap("random", seed) for seed in range(30)])


def test_a_grid_has_both_edges_and_fits_its_budget():
    space = {"a": log(1e-4, 1.0), "b": uniform()}
    found = points(space, "grid", 9, 0)
    assert len(found) == 9
    assert sorted({p["a"] for p in found}) == pytest.approx([1e-4, 1e-2, 1.0])


def study(**changes) -> Study:
    keys = {
        "task": "classification",
        "data": "digits",
        "model": {"name": "mlp", "hidden": [8]},
        "train": {"steps": 10},
        "compare": {"optimizer": ["sgd", "adam"]},
        "tune": {"optimizer.learning_rate": {"log_uniform": [1e-3, 1.0]}, "trials": 2},
        "repeat": 2,
    }
    return Study(**{**keys, **changes})


def ids(one: Study) -> set[str]:
    """All tuning runs, and the measuring runs of every trial, of a study."""
    plan = make_plan(one, expand(one))
    found = set()
    for c in plan.contests:
        found |= {run.id for run in due(c, {})}
        found |= {
            c.make("measure", t, r, dict.fromkeys(STREAMS, r), None).id
            for t in range(c.trials)
            for r in range(c.repeats)
        }
    return found


def test_growing_a_study_keeps_the_identity_of_every_run():
    small = ids(study())
    assert small < ids(study(repeat=3))
    assert small < ids(study(compare={"optimizer": ["sgd", "adam", "lion"]}))
    tune = {"optimizer.learning_rate": {"log_uniform": [1e-3, 1.0]}, "trials": 4}
    assert small < ids(study(tune=tune))


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"train": {"steps": 11}},
        {"model": {"name": "mlp", "hidden": [9]}},
        {"data": {"name": "digits", "split": {"seed": 1}}},
        {"task": {"name": "classification", "label_smoothing": 0.1}},
    ],
    ids=str,
)
def test_what_determines_a_run_is_in_its_identity(changes):
    assert not ids(study()) & ids(study(**changes))


def test_what_does_not_determine_a_run_is_not():
    named = {"optimizer": [{"name": "sgd", "label": "plain"}, "adam"]}
    assert ids(study()) == ids(study(name="other", compare=named, margin=0.1, contrasts=None))
    spelled = {"name": "mlp", "hidden": [8], "activation": "relu", "dropout": 0.0}
    assert ids(study()) == ids(study(model=spelled))


def test_programs_are_counted():
    one = study()
    assert len(make_plan(one, expand(one)).programs) == 2
    wide = study(
        compare={"model": [{"name": "mlp", "hidden": [w]} for w in (4, 5, 6)]}, optimizer="sgd"
    )
    assert len(make_plan(wide, expand(wide)).programs) == 3
    decays = study(compare={"optimizer.weight_decay": [0.1, 0.2]}, optimizer="adamw")
    assert len(make_plan(decays, expand(decays)).programs) == 1


def test_data_that_do_not_fit_are_refused_before_anything_runs():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(60, 4)).astype(np.float32)
    for labels, word in ((np.full(60, -1), "-1"), (rng.integers(0, 3, 60).astype(float), "float")):
        one = study(data=(inputs, labels))
        with pytest.raises(StudyError, match=word):
            make_plan(one, expand(one))
    spoiled = inputs.copy()
    spoiled[7, 2] = np.nan
    one = study(data=(spoiled, rng.integers(0, 3, 60)))
    with pytest.raises(StudyError, match="7"):
        make_plan(one, expand(one))
    one = study(data=(inputs, rng.integers(0, 3, 60)), train={"steps": 1, "batch_size": 61})
    with pytest.raises(StudyError, match=r"train\.batch_size: 61 given.*allowed 1 to 36"):
        make_plan(one, expand(one))


def job(program: str, name: str) -> Job:
    return Job(name, program, None, {}, "", 0, "tune", {}, 1, 1, False, ("", "max", "final"))


def taken(queue: Queue, worker: int) -> list[str]:
    return [job.id for job in queue.take(worker)]


def test_a_worker_stays_with_its_program():
    queue = Queue()
    for i in range(2):
        queue.put(job("p", f"p{i}"))
        queue.put(job("q", f"q{i}"))
    assert taken(queue, 1) == ["p0"]
    assert taken(queue, 2) == ["q0"]
    assert taken(queue, 2) == ["q1"]
    assert taken(queue, 2) == [], "p is being compiled by another worker"
    queue.compiled("p")
    assert taken(queue, 2) == [], "what is left of p is not worth loading it"
    queue.took("p", 10 * LOAD_SECONDS)
    assert taken(queue, 2) == ["p1"]
    assert len(queue) == 0


def test_a_worker_takes_a_run_for_each_of_its_devices():
    """One that is tried again goes alone; a mesh takes all devices for one run."""
    queue = Queue()
    for i in range(5):
        queue.put(job("p", f"p{i}"))
    queue.put(job("p", "again"), first=True, alone=True)
    queue.put(job("m", "m0")._replace(mode=Mode(mesh={"data": 4})))
    queue.put(job("m", "m1")._replace(mode=Mode(mesh={"data": 4})))
    took = [[one.id for one in queue.take(1, devices=4)] for _ in range(5)]
    assert took == [["again"], ["p0", "p1", "p2", "p3"], ["p4"], ["m0"], ["m1"]]


def test_a_lost_workers_program_is_free_again():
    queue = Queue()
    queue.put(job("p", "p0"))
    queue.put(job("p", "p1"))
    (lost,) = queue.take(1)
    assert taken(queue, 2) == []
    queue.lost(1)
    queue.put(lost, first=True)
    assert taken(queue, 2) == ["p0"]


def test_every_room_that_decides_bits_is_in_the_code_digest(tmp_path: Path):
    root = shutil.copytree(Path(funcdl.__file__).parent, tmp_path / "funcdl")
    before = digest_of(root)
    deciding = (
        "types.py signatures/parameter.py models/mlp.py models/convolution.py tasks/regression.py "
        "data/order.py optimizers/build.py metrics/classification.py baselines/fit.py train/run.py "
        "plan/recipe.py execute/runner.py execute/lanes.py execute/programs.py execute/baseline.py "
        "execute/worker_environment.py"
    )
    for name in deciding.split():
        text = (root / name).read_text()
        (root / name).write_text(text + "\n# changed\n")
        assert digest_of(root) != before, name
        (root / name).write_text(text)
    (root / "report" / "page.py").write_text("")
    (root / "execute" / "machine.py").write_text("")
    assert digest_of(root) == before, "neither report nor number of workers decides bits"


def test_what_xla_is_told_is_in_the_identity(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    plain = ids(study())
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    assert not plain & ids(study())


def test_a_tuned_batch_size_must_fit_accumulation():
    tune = {"train.batch_size": {"choice": [8, 14]}, "trials": 2, "sampler": "grid"}
    optimizer = {"name": "sgd", "learning_rate": 0.1}
    one = study(tune=tune, compare=None, optimizer=optimizer, train={"steps": 10, "accumulate": 4})
    with pytest.raises(StudyError, match=r"train\.accumulate: 4 given.* also 14"):
        make_plan(one, expand(one))


def test_what_is_looked_at_determines_a_run_only_where_the_best_step_is_reported():
    final, best = (
        {"metric": f"validation/{m}", "at": a} for m, a in (("loss", "final"), ("loss", "best"))
    )
    assert ids(study()) == ids(study(select=final))
    assert not ids(study()) & ids(study(select=best))
    assert not ids(study(select=best)) & ids(
        study(select={"metric": "validation/accuracy", "at": "best"})
    )


def test_data_sets_with_the_same_test_examples_are_known_by_them():
    from funcdl.data.digits import digits
    from funcdl.plan.datasets import facts_of

    many, few, other = (
        digits(split={"by": "stratified", "test": test, "validation": validation})
        for test, validation in ((0.2, 0.2), (0.2, 0.7), (0.3, 0.2))
    )
    assert len({many.digest, few.digest, other.digest}) == 3
    assert facts_of(many).judged == facts_of(few).judged != facts_of(other).judged


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("test: 0.2", "test: 0.9", "4: across.problem.few.data: of 1797 examples"),
        ("[16, 32]", "[16, 5000]", "8: compare.train.batch_size[1]: 5000 given"),
    ],
)
def test_what_does_not_fit_is_told_at_the_line_that_says_so(old, new, place, tmp_path: Path):
    text = (
        "across:\n  problem:\n    all: {data: digits}\n"
        "    few: {data: {name: digits, split: {by: stratified, test: 0.2, validation: 0.2}}}\n"
        "task: classification\nmodel: logistic\noptimizer: {name: sgd, learning_rate: 0.1}\n"
        "compare: {train.batch_size: [16, 32]}\ntrain: {steps: 20}\n"
    )
    assert old in text
    path = tmp_path / "study.yaml"
    path.write_text(text.replace(old, new))
    study = load(path)
    with pytest.raises(StudyError) as caught:
        make_plan(study, expand(study))
    assert str(caught.value).startswith(f"{path}:{place}")

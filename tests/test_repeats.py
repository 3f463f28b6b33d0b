"""Repeats that are added, crossed, or on splits of their own; test examples that belong together."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
# pyright: reportOptionalMemberAccess=false, reportPossiblyUnboundVariable=false

import hashlib
import itertools
import os
import random
import textwrap
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import funcdl as fd
from funcdl.config import Study, expand, load
from funcdl.config.write import to_yaml
from funcdl.data.arrays import arrays, presplit
from funcdl.data.digits import digits
from funcdl.data.split import split
from funcdl.data.unchanged import held_bytes
from funcdl.errors import DamageError, DataError, StudyError
from funcdl.execute import supervisor
from funcdl.execute.agenda import Agenda
from funcdl.execute.crew import Member
from funcdl.execute.growth import Growth
from funcdl.execute.lent import Lent
from funcdl.execute.status import Tally
from funcdl.overview import describe
from funcdl.plan.contest import Contest, Run, due
from funcdl.plan.datasets import Datasets
from funcdl.plan.repeats import split_seed, streams_at
from funcdl.plan.rungs import Rung
from funcdl.plan.study import Plan, make_plan
from funcdl.store.fault import VARIABLE
from funcdl.store.ledger import Known
from funcdl.store.units import NAME, read_units, write_units
from funcdl.types import Dataset
from tests.study_tools import bits, funcdl, write

SGD, ADAM = {"name": "sgd", "learning_rate": 0.1}, {"name": "adam", "learning_rate": 0.01}


def study(**changes) -> Study:
    keys = {
        "task": "classification",
        "data": "digits",
        "model": "logistic",
        "train": {"steps": 10},
        "compare": {"optimizer": [SGD, ADAM]},
        "repeat": 4,
    }
    return Study(**{**keys, **changes})


def planned(one: Study) -> Plan:
    return make_plan(one, expand(one))


def measured(one: Study) -> list[list[str]]:
    """The measuring runs of each method of a study that tunes nothing."""
    return [[run.id for run in due(contest, {})] for contest in planned(one).contests]


def data_of(plan: Plan, position: int) -> list[str]:
    """The data set of each run of a method that tunes nothing."""
    return [plan.on_split(position, run).data for run in due(plan.contests[position], {})]


# --- Which streams a repeat is at


@pytest.mark.parametrize(
    "cross", [{"order": 3}, {"init": 2, "dropout": 5}, {"order": 2, "init": 3, "split": 4}]
)
def test_crossed_repeats_are_numbered_by_rows(cross):
    for repeat in range(int(np.prod([*cross.values()]))):
        at = streams_at(repeat, (), cross)
        expected = np.unravel_index(repeat, tuple(cross.values()))
        assert [at[name] for name in cross] == [int(i) for i in expected]
        assert {at[name] for name in at if name not in cross} <= {0}


def test_runs_have_the_same_identity_however_many_there_will_be():
    fixed = measured(study(repeat=4))
    grows = measured(study(repeat={"count": 4, "max": 40, "until": "decided"}))
    assert fixed == grows
    assert [ids[:2] for ids in fixed] == measured(study(repeat=2))


def test_a_crossed_study_that_grows_keeps_every_cell():
    small = measured(study(repeat={"cross": {"init": 2, "order": 3}}))
    large = measured(study(repeat={"cross": {"init": 4, "order": 5}}))
    for few, many in zip(small, large, strict=True):
        assert len(set(many)) == 20
        assert np.array_equal(np.reshape(few, (2, 3)), np.reshape(many, (4, 5))[:2, :3])


def test_a_cell_is_the_repeat_that_has_the_same_streams():
    cells = measured(study(repeat={"cross": {"order": 3, "init": 3}}))
    plain = measured(study(repeat={"count": 3, "vary": ["init", "order"]}))
    for crossed, joint in zip(cells, plain, strict=True):
        assert [crossed[i * 3 + i] for i in range(3)] == joint


def test_tuning_repeats_are_not_crossed():
    tune = {"optimizer.learning_rate": {"log_uniform": [1e-3, 1.0]}, "trials": 2, "repeat": 2}
    plan = planned(
        study(
            tune=tune,
            compare={"optimizer": ["sgd", "adam"]},
            repeat={"cross": {"init": 3, "order": 3}},
        )
    )
    runs = due(plan.contests[0], {})
    assert [(run.trial, run.streams["init"], run.streams["order"]) for run in runs] == [
        (0, 0, 0),
        (0, 1, 1),
        (1, 0, 0),
        (1, 1, 1),
    ]


@pytest.mark.parametrize(
    "repeat",
    [
        3,
        {"count": 3, "max": 12, "until": "decided"},
        {"cross": {"order": 2, "init": 3}},
        {"count": 2, "vary": ["split", "init"]},
    ],
    ids=str,
)
def test_the_resolved_config_says_the_same(repeat, tmp_path: Path):
    one = study(repeat=repeat)
    path = tmp_path / "again.yaml"
    path.write_text(to_yaml(one))
    again = load(path)
    assert again.repeat.written() == one.repeat.written()
    assert measured(again) == measured(one)
    assert to_yaml(again) == to_yaml(one)


def test_the_plan_says_how_far_a_study_may_grow():
    text = describe(study(repeat={"count": 5, "max": 40, "until": "decided"}))
    assert "5 to 40" in text
    assert "10 to 80 runs in 2 programs" in text
    text = describe(study(repeat={"count": 3, "vary": ["split"]}))
    assert "data in 3 splits: 1079 train, 359 validation, 359 test examples" in text


# --- Splits of their own


def test_every_repeat_has_a_split_and_all_methods_have_the_same():
    tune = {"optimizer.learning_rate": {"log_uniform": [1e-3, 1.0]}, "trials": 2}
    vary = {"count": 4, "vary": ["init", "split"]}
    plan = planned(study(repeat=vary, baselines=["majority"]))
    of_methods = [data_of(plan, position) for position in range(3)]
    assert of_methods[0] == of_methods[1] == of_methods[2]
    assert len(set(of_methods[0])) == 4
    assert {len(plan.datasets[name].test.targets) for name in of_methods[0]} == {359}
    assert len(plan.programs) == 2
    # The seeds of repeats are in no other way special: the same data come out by writing them.
    seed = split_seed(0, "measure", 2, 0)
    written = digits(split={"by": "stratified", "test": 0.2, "validation": 0.2, "seed": seed})
    assert written.digest == of_methods[0][2]
    tuned = planned(study(repeat=vary, tune=tune, compare={"optimizer": ["sgd"]}))
    search = data_of(tuned, 0)
    assert len(set(search)) == 1
    assert not set(search) & set(of_methods[0])


def test_splits_are_drawn_independently():
    """Two test sets of a fifth share a fifth of their examples, give or take chance."""
    n, count = 1000, 8
    labels = np.arange(n) % 2
    one = study(
        data=(np.arange(n, dtype=np.float32)[:, None], labels),
        repeat={"count": count, "vary": ["split"]},
    )
    plan = planned(one)
    sets = [set(plan.datasets[d].test.inputs[:, 0].tolist()) for d in data_of(plan, 0)]
    shared = [len(a & b) for a, b in itertools.combinations(sets, 2)]
    assert 30 < np.mean(shared) < 50
    assert max(shared) < 65


def test_a_study_with_more_splits_keeps_the_runs_it_has():
    few = measured(study(repeat={"count": 2, "vary": ["split"]}))
    many = measured(study(repeat={"count": 5, "vary": ["split"]}))
    assert [ids[:2] for ids in many] == few
    assert all(len(set(ids)) == 5 for ids in many)
    crossed = measured(study(repeat={"cross": {"split": 3, "init": 2}}))
    assert all(len(set(ids)) == 6 for ids in crossed)
    assert few[0][1] == crossed[0][2], "split 1, first weights 0"


def test_the_seed_that_is_written_is_another_sequence_of_splits():
    vary = {"count": 2, "vary": ["split"]}
    one = measured(study(repeat=vary))
    other = measured(study(repeat=vary, data={"name": "digits", "split": {"seed": 1}}))
    assert not {*one[0], *one[1]} & {*other[0], *other[1]}


def test_groups_of_unequal_sizes_make_programs_of_unequal_shapes():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), rng.integers(3, 20, 12))
    inputs = rng.normal(size=(len(groups), 3)).astype(np.float32)
    data = {
        "name": (inputs, np.arange(len(groups)) % 2),
        "groups": groups,
        "split": {"by": "group"},
    }
    one = study(
        data=data, train={"steps": 5, "batch_size": 8}, repeat={"count": 4, "vary": ["split"]}
    )
    plan = planned(one)
    shapes = {plan.datasets.facts[d].shapes for d in data_of(plan, 0)}
    assert len(shapes) > 1
    assert len(plan.programs) == 2 * len(shapes)
    used = {plan.on_split(p, r).program for p in (0, 1) for r in due(plan.contests[p], {})}
    assert used == set(plan.programs)


def refused(one: Study) -> str:
    with pytest.raises(StudyError) as caught:
        planned(one)
    return str(caught.value)


def test_data_that_have_one_split_are_refused_with_the_line(tmp_path: Path):
    text = """
    task: classification
    data: {name: digits, split: {by: order}}
    model: logistic
    compare: {optimizer: [{name: sgd, learning_rate: 0.1}, {name: adam, learning_rate: 0.1}]}
    repeat:
      count: 3
      vary: [init, split]
    """
    path = write(tmp_path, textwrap.dedent(text))
    said = refused(load(path))
    assert said.startswith(f"{path}:8: repeat.vary: split varies, but data.split.by is order")
    said = refused(load(path, ["repeat={cross: {split: 2}, count: null, vary: null}"]))
    assert "repeat.cross: split varies, but data.split.by is order" in said


def test_data_that_come_split_are_refused():
    data = digits()
    vary = {"count": 2, "vary": ["split"]}
    given = {name: tuple(getattr(data, name)) for name in ("train", "validation", "test")}
    for whole in (data, given):
        assert "the data come already split" in refused(study(data=whole, repeat=vary))

    def deaf(split: dict | None = None) -> Dataset:
        return digits()

    assert "the same for every data.split.seed" in refused(study(data=deaf, repeat=vary))


def test_a_split_that_does_not_fit_is_refused_before_anything_runs():
    """Groups make training splits of many sizes; the batch is as large as the first of them."""
    groups = np.repeat(np.arange(9), [12, 2, 9, 4, 7, 3, 11, 5, 8])
    inputs = np.arange(len(groups), dtype=np.float32)
    seeds = [split_seed(0, "measure", index, 1) for index in range(8)]
    splits = [split(inputs, inputs % 2, by="group", groups=groups, seed=seed) for seed in seeds]
    sizes = [len(one.train.targets) for one in splits]
    assert min(sizes) < sizes[0], "the data of this test say nothing"

    def over(count: int) -> Study:
        data = {"name": (inputs[:, None], np.arange(len(groups)) % 2), "groups": groups}
        return study(
            data=data | {"split": {"by": "group", "seed": 1}},
            train={"steps": 5, "batch_size": sizes[0]},
            repeat={"count": count, "vary": ["split"]},
        )

    assert measured(over(1))
    first = next(n for n in sizes if n < sizes[0])
    expected = f"train.batch_size: {sizes[0]} given, but the training split has {first} examples"
    assert expected in refused(over(8))


def test_what_is_compared_must_be_something():
    grows = {"count": 2, "max": 4, "until": "decided"}
    with pytest.raises(StudyError, match=r"repeat\.until: nothing is compared"):
        study(compare={"optimizer": [SGD]}, repeat=grows)


# --- Data sets in memory


def small(seed: int, rows: int = 100) -> Dataset:
    inputs = np.random.default_rng(seed).normal(size=(rows, 4)).astype(np.float32)
    return arrays(inputs, inputs[:, 0])


def test_few_of_many_data_sets_are_held_and_the_others_are_made_again():
    made: list[int] = []

    def again(seed: int):
        return lambda: made.append(seed) or small(seed)

    data = [small(seed) for seed in range(6)]
    shelf = Datasets(held_bytes=2 * held_bytes(data[0]))
    kept = small(99)
    shelf.add(kept)
    for seed, one in enumerate(data):
        shelf.add(one, again(seed))
    assert len(shelf._held) == 2
    assert list(shelf) == [kept.digest, *(one.digest for one in data)]
    for one in [*data, *data[::-1]]:
        found = shelf[one.digest]
        np.testing.assert_array_equal(found.test.inputs, one.test.inputs)
        assert len(shelf._held) <= 2
    assert made == [0, 1, 2, 3, 4, 5, 3, 2, 1, 0]
    assert shelf[kept.digest] is kept
    shelf[data[1].digest]  # used last, though held for longer than the other
    made.clear()
    for seed in (2, 1):
        assert shelf[data[seed].digest].digest == data[seed].digest
    assert made == [2]
    large = Datasets(held_bytes=1)
    large.add(data[0], again(0))
    assert large[data[0].digest] is data[0], "the one in use is held whatever its size"


def test_data_that_are_not_the_same_the_second_time_are_refused():
    shelf = Datasets(held_bytes=1)
    shelf.add(small(0), lambda: small(7))
    shelf.add(small(1), lambda: small(1))
    with pytest.raises(DataError, match="not the same as when the study started"):
        shelf[small(0).digest]


def test_a_worker_gives_up_what_it_used_longest_ago_and_never_what_it_uses():
    data = [small(seed) for seed in range(4)]
    lent = Lent(most_bytes=2 * held_bytes(data[0]))
    first = lent.need(data[0], free=True)
    assert first is not None
    assert (first.dataset, first.over) == (data[0], ())
    assert lent.need(data[0], free=True) is None
    assert lent.need(data[1], free=True).over == ()
    assert lent.need(data[0], free=True) is None
    assert lent.need(data[2], free=True).over == (data[1].digest,)
    assert lent.need(data[3], free=False).over == (), "it is at work on another"
    assert lent.need(data[1], free=True).over == (data[0].digest, data[2].digest)
    huge = Lent(most_bytes=1)
    assert huge.need(data[0], free=True).over == ()
    assert huge.need(data[1], free=True).over == (data[0].digest,)


# --- Which test examples belong together


@pytest.mark.parametrize(
    ("test", "block", "length"),
    [
        (27, None, 3),
        (28, None, 4),
        (1000, None, 10),
        (1001, None, 11),
        (1, None, 1),
        (30, 7, 7),
        (5, 9, 9),
    ],
)
def test_blocks_of_time_are_as_long_as_the_cube_root(test, block, length):
    inputs = np.arange(test + 200, dtype=np.float32)
    units = split(inputs, inputs, by="order", test=test, validation=50, block=block).units
    assert units is not None
    assert units.tolist() == [i // length for i in range(test)]


def test_groups_are_units_and_other_examples_stand_alone():
    groups = np.array(list("ccaabbddeeffgghhiijj"))
    inputs = np.arange(20, dtype=np.float32)
    data = split(inputs, inputs, by="group", groups=groups)
    assert data.units is not None
    members = groups[data.test.inputs.astype(int)]
    together = members[:, None] == members[None, :]
    np.testing.assert_array_equal(data.units[:, None] == data.units[None, :], together)
    for by in ("random", "stratified"):
        assert split(inputs, inputs, by=by).units is None
    with pytest.raises(DataError, match=r"split\.block is 3, but split\.by is 'random'"):
        split(inputs, inputs, by="random", block=3)
    with pytest.raises(DataError, match=r"split\.block is 0"):
        split(inputs, inputs, by="order", block=0)


def test_units_change_no_run_and_no_digest():
    def of(block):
        rule = {"by": "order"} | ({"block": block} if block else {})
        return study(data={"name": "digits", "split": rule})

    plans = [planned(of(block)) for block in (None, 5)]
    assert measured(of(None)) == measured(of(5))
    assert [*plans[0].datasets] == [*plans[1].datasets]
    units = [next(iter(plan.datasets.facts.values())).units for plan in plans]
    assert [int(u.max()) + 1 for u in units] == [45, 72]
    both = study(
        across={
            "b": {
                "five": {"data": {"name": "digits", "split": {"by": "order", "block": 5}}},
                "six": {"data": {"name": "digits", "split": {"by": "order", "block": 6}}},
            }
        }
    )
    assert "do not agree on which test examples belong together" in refused(both)


def test_units_of_a_users_own_data_set_are_checked():
    data = digits()
    parts = [tuple(part) for part in (data.train, data.validation, data.test)]
    own = presplit(*parts, classes=10)._replace(units=np.repeat([7, 3, 7], [100, 200, 59]))
    found = next(iter(planned(study(data=own)).datasets.facts.values())).units
    assert found.tolist() == [1] * 100 + [0] * 200 + [1] * 59
    for wrong in (np.zeros(3, int), np.zeros(359)):
        assert "the units of the test examples are" in refused(
            study(data=own._replace(units=wrong))
        )


def test_units_are_stored_whole_and_every_flipped_bit_is_noticed(tmp_path: Path):
    units = {"a" * 64: np.array([5, 0, 5, 2**31 - 1]), "b" * 64: np.arange(1000) // 7}
    write_units(tmp_path, units)
    found = read_units(tmp_path)
    assert found.keys() == units.keys()
    for name, numbers in units.items():
        np.testing.assert_array_equal(found[name], numbers)
    path = tmp_path / NAME
    content = path.read_bytes()
    before = path.stat().st_mtime_ns
    write_units(tmp_path, dict(reversed(units.items())))
    assert path.stat().st_mtime_ns == before, "nothing has changed"
    for bit in range(0, 8 * len(content), 37):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises(DamageError):
            read_units(tmp_path)
    write_units(tmp_path, units)
    assert path.read_bytes() == content
    assert read_units(tmp_path / "nowhere") == {}


# --- Growing


def contest(block: str, method: str, repeats: int) -> Contest:
    def make(phase, trial, repeat, streams, until):
        return Run(f"{block}/{method}/{repeat}", phase, trial, repeat, streams, {})

    return Contest(block, method, {}, 1, (Rung(1, 1),), 1, repeats, ("init",), True, make)


def verdict(salt: int, block: str, names: list[str]) -> bool:
    """Decided or not: by lot, but the same for the same runs in any order."""
    text = f"{salt} {block} {sorted(names)}"
    return hashlib.sha256(text.encode()).digest()[0] < 100


def alone(salt: int, blocks: dict[str, int], looks: tuple[int, ...]) -> dict[str, set[str]]:
    """What every block comes to, told plainly."""
    found = {}
    for block, methods in blocks.items():
        for look in looks:
            names = [f"{block}/{m}/{r}" for m in range(methods) for r in range(look)]
            if verdict(salt, block, names):
                break
        found[block] = set(names)
    return found


def carried_out(
    salt: int, blocks, looks, known: set[str], stop_after: int, dice
) -> tuple[Agenda, set[str]]:
    """Outcomes come in any order until so many have come; returns what is known then."""
    contests = [contest(block, str(m), looks[0]) for block, n in blocks.items() for m in range(n)]
    dice.shuffle(contests)
    plan = SimpleNamespace(select=("m", "max", "final"), contests=tuple(contests), programs=())
    waiting: list[str] = []

    def need(position, missing, new):
        assert {run.id for run in new} <= {run.id for run in missing}
        assert not {run.id for run in new} & set(waiting), "asked for twice"
        waiting.extend(run.id for run in new)

    def decided(block, labels):
        assert {label.id for label in labels} <= known, "a look before all runs are there"
        return verdict(salt, block, [label.id for label in labels])

    stored = {name: Known("ok", {"m": 0.5}) for name in known}
    agenda = Agenda(plan, stored, need, Growth(looks, decided))
    agenda.begin()
    for _ in range(stop_after):
        if not waiting:
            break
        name = waiting.pop(dice.randrange(len(waiting)))
        known.add(name)
        agenda.came(name, "ok", {"m": 0.5})
    return agenda, known


@pytest.mark.parametrize("seed", range(40))
def test_a_study_takes_the_same_looks_however_often_it_is_killed(seed: int):
    dice = random.Random(seed)
    looks = ((2, 4, 8), (3,), (2, 3), (2, 4, 8, 16, 20))[seed % 4]
    blocks = {f"b{i}": dice.randint(1, 3) for i in range(dice.randint(1, 3))}
    expected = alone(seed, blocks, looks)
    # It may also hold runs of later looks, of a time when more were asked for.
    known = {f"b0/0/{repeat}" for repeat in range(looks[-1])} if seed % 3 == 0 else set()
    for _ in range(dice.randint(0, 4)):
        _, known = carried_out(seed, blocks, looks, known, dice.randint(0, 12), dice)
    agenda, known = carried_out(seed, blocks, looks, known, 10_000, dice)
    assert agenda.over
    asked = {label.id for label in agenda.labels()}
    assert asked == set().union(*expected.values())
    status = agenda.tally.status([], None)
    assert (status.runs, status.runs_total, status.further) == (len(asked), len(asked), 0)


ADAPTIVE = """
name: adaptive
task: classification
data: {name: digits, split: {by: order, test: 0.5, validation: 0.1}}
train: {steps: 60, batch_size: 32, eval_every: 30}
model: logistic
compare:
  optimizer: [{name: sgd, learning_rate: 0.1}, {name: sgd, learning_rate: 0.1001, label: alike}]
repeat: {count: 2, max: 7, until: decided}
"""


class Watched(Member):
    """A worker whose start is counted."""

    started = 0

    def __init__(self, *arguments):
        type(self).started += 1
        super().__init__(*arguments)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> fd.Results:
    """A study that is never decided, left alone; its workers and compilations are counted."""
    folder = tmp_path_factory.mktemp("calm")
    compiled: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervisor.Crew, "__init__", _crew_of_watched)
        said = Tally.compiled
        patch.setattr(Tally, "compiled", lambda self, p, s: compiled.append(p) or said(self, p, s))
        results = fd.run(load(write(folder, ADAPTIVE)), out=folder / "out", workers=1)
    assert Watched.started == 1, "the worker was not kept from look to look"
    assert len(compiled) == 1, "the program was compiled again"
    return results


def _crew_of_watched(self, size, checkpoints, every, threads=1):
    self._make = lambda: Watched(checkpoints, every, threads)
    self.members = [self._make() for _ in range(size)]


def test_repeats_are_added_up_to_the_most(calm: fd.Results):
    assert calm.question.looks == (2, 4, 7)
    assert calm.table["n"].tolist() == [7, 7]
    assert calm.comparisons["looks_done"].tolist() == [3]
    page = (calm.folder / "report" / "index.html").read_text()
    assert "Ended at 7 repeats, after 3 of 3 looks: no more were planned" in page


def test_a_finished_study_is_left_alone(calm: fd.Results):
    before = {p: p.read_bytes() for p in calm.folder.rglob("*") if p.is_file()}
    again = fd.run(load(calm.folder.parent / "study.yaml"), out=calm.folder, workers=1)
    pd.testing.assert_frame_equal(again.runs, calm.runs)
    assert {p: p.read_bytes() for p in calm.folder.rglob("*") if p.is_file()} == before


def test_results_know_which_test_examples_belong_together(calm: fd.Results):
    n = 898
    for run in calm.runs["id"]:
        units = calm.units(run)
        assert units is not None
        assert units.tolist() == [i // 10 for i in range(n)]
    assert calm.units("no such run") is None
    assert calm.comparisons["examples"].tolist() == [90]
    content = (calm.folder / NAME).read_bytes()
    try:
        (calm.folder / NAME).unlink()
        with pytest.warns(fd.errors.DamageWarning, match=r"units\.json: is missing"):
            found = fd.load(calm.folder)
        with pytest.raises(DamageError, match="lacks the data"):
            found.units(calm.runs["id"][0])
    finally:
        (calm.folder / NAME).write_bytes(content)


def test_killed_between_looks_a_study_goes_on_with_the_same_bits(calm: fd.Results, tmp_path: Path):
    config, out = write(tmp_path, ADAPTIVE), tmp_path / "out"
    env = {**os.environ, VARIABLE: "runs.done:2:killgroup"}
    words = ("run", config, "--out", out, "--workers", 1)
    killed = funcdl(*words, env=env, start_new_session=True)
    assert killed.returncode == -9, killed.stderr
    ended = funcdl(*words)
    assert ended.returncode == 0, ended.stderr
    results = fd.load(out)
    pd.testing.assert_frame_equal(bits(results.runs), bits(calm.runs))
    pd.testing.assert_frame_equal(results.comparisons, calm.comparisons)


SPLITS = """
name: splits
task: classification
data: digits
train: {steps: 40, batch_size: 32, eval_every: 10}
model: logistic
compare:
  optimizer: [{name: sgd, momentum: 0.9}, adam]
baselines: [majority]
tune:
  optimizer.learning_rate: {log_uniform: [1.0e-3, 1.0]}
  trials: 3
  stop: {eta: 3, rungs: 1}
repeat: {count: 3, vary: [init, order, split]}
"""


def test_a_study_over_splits_is_searched_measured_and_verified(tmp_path: Path):
    results = fd.run(load(write(tmp_path, SPLITS)), out=tmp_path / "out", workers=1)
    runs = results.runs
    assert set(runs["status"]) == {"ok"}
    tuned = set(runs.loc[runs["phase"] == "tune", "data_digest"])
    of_repeat = runs[runs["phase"] == "measure"].groupby("repeat")["data_digest"].unique()
    assert all(len(found) == 1 for found in of_repeat)
    assert len(tuned) == 1
    assert len({found[0] for found in of_repeat} | tuned) == 4
    assert results.question.vary == ("init", "order", "split")
    share = 359 / (359 + 1079)
    assert set(results.question.shares.values()) == {share}
    page = (tmp_path / "out" / "report" / "index.html").read_text()
    assert "Hyperparameters were chosen once, on one split of the data" in page
    verified = fd.verify(tmp_path / "out", runs=4, workers=1)
    assert verified.equal, str(verified)


def test_a_study_remembers_the_answers_it_had_before_it_was_extended(tmp_path):
    def told(**repeat):
        return fd.run(study(**repeat), out=tmp_path, workers=0).question.answered

    assert told(repeat=2) == ()
    assert told(repeat=3) == (2,)
    assert told(repeat=3) == (2,)
    assert told(repeat=2) == (2,)  # what was seen stays seen
    assert told(repeat={"count": 2, "max": 4, "until": "decided"}) == (2, 2)
    assert fd.load(tmp_path).question.answered == (2, 2)


def test_a_study_without_a_finished_run_has_a_report(tmp_path):
    fd.run(study(repeat=1), out=tmp_path, workers=0)
    for part in (tmp_path / "runs").iterdir():
        part.unlink()
    with pytest.warns(fd.DamageWarning):
        found = fd.load(tmp_path)
    assert found.targets("test") == {}
    assert "No method has been measured" in found._repr_html_()

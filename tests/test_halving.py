"""A search that stops early finds what the same search written by hand from whole runs finds."""

import os
import shutil
import signal
import time
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest

import funcdl as fd
from funcdl.config import expand
from funcdl.execute import runner
from funcdl.execute.jobs import job_of
from funcdl.execute.kept import Kept
from funcdl.execute.messages import Data, Job, Note, Result, Work
from funcdl.execute.programs import compile_program
from funcdl.execute.runner import digest, run_job
from funcdl.execute.worker import Worker
from funcdl.overview import describe
from funcdl.plan.contest import Outcome, Run, chosen, due
from funcdl.plan.study import Plan, make_plan
from funcdl.store.frames import runs_frame
from funcdl.store.parts import read_rows
from funcdl.train.assemble import assemble
from funcdl.train.streams import STREAMS, stream_keys
from tests.study_tools import bits, funcdl, start, write

TEXT = """
name: halving
task: classification
data: digits
train: {steps: 90, batch_size: 32, eval_every: 5, schedule: {name: cosine, warmup: 0.1}}
model: {name: mlp, hidden: [8], dropout: 0.1}
compare:
  optimizer: [{name: sgd, momentum: 0.9}, adam]
tune:
  optimizer.learning_rate: {choice: [0.0001, 0.003, 0.01, 1.0e+38, 0.03, 0.1, 0.3, 1.0, 3.0]}
  sampler: grid
  repeat: 2
  stop: {eta: 3}
repeat: 2
"""
RUNGS = ((10, 9), (30, 3), (90, 1))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("halving"), TEXT)


@pytest.fixture(scope="module")
def calm(config: Path) -> fd.Results:
    """The study left alone."""
    seen: list = []
    results = fd.run(
        fd.load_study(config), out=config.parent / "out", workers=2, observe=seen.append
    )
    last = seen[-1]
    assert last.runs == last.runs_total, "the total is what was done in the end"
    assert not list((results.folder / "checkpoints").iterdir())
    return results


def same(results: fd.Results, calm: fd.Results) -> None:
    pd.testing.assert_frame_equal(bits(results.runs), bits(calm.runs))
    pd.testing.assert_frame_equal(results.metrics, calm.metrics)
    assert not list((results.folder / "checkpoints").glob("*.npz"))


class Whole:
    """Runs done here, one by one and to their end, by a plan that stops nothing."""

    def __init__(self, text: str):
        stop = text.index("  stop:")
        study = text[:stop] + text[text.index("\n", stop) + 1 :]
        self.plan = _plan(study)
        self._programs: dict = {}
        self._functions: dict = {}

    def result(self, position: int, trial: int, repeat: int) -> Result:
        job = self.job(position, trial, repeat)
        return run_job(job, *self._program(job))

    def job(self, position: int, trial: int, repeat: int) -> Job:
        streams: dict[str, int] = dict.fromkeys(STREAMS, repeat)
        run = self.plan.contests[position].make("tune", trial, repeat, streams, None)
        return job_of(self.plan, position, run)

    def digest_at(self, job: Job, step: int) -> str:
        """The parameters' digest after some steps, by the training functions themselves."""
        dataset = self.plan.datasets[job.data]
        if job.program not in self._functions:
            assert job.static is not None
            functions = assemble(job.static, dataset)
            self._functions[job.program] = jax.jit(functions.init), jax.jit(functions.chunk)
        init, chunk = self._functions[job.program]
        keys = stream_keys(job.seed, job.phase, job.streams)
        hyper = {key: np.float32(value) for key, value in job.hyper.items()}
        state = chunk(init(keys, hyper, dataset.train), keys, hyper, dataset.train, np.int32(step))
        return digest(state.variables)

    def _program(self, job: Job):
        if job.program not in self._programs:
            dataset = self.plan.datasets[job.data]
            train = jax.device_put(dataset.train)
            assert job.static is not None
            program, _ = compile_program(job.static, dataset, train, job.hyper, job.mode)
            self._programs[job.program] = program, dataset, train
        return self._programs[job.program]


def _plan(text: str) -> Plan:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        study = fd.load_study(write(Path(folder), text))
    return make_plan(study, expand(study))


@pytest.fixture(scope="module")
def hand() -> Whole:
    return Whole(TEXT)


Results = dict[tuple[str, int, int], Result]


@pytest.fixture(scope="module")
def whole(hand: Whole) -> Results:
    """Every trial of the study trained to the end: (method, trial, repeat) -> result."""
    return {
        (contest.method, trial, repeat): hand.result(position, trial, repeat)
        for position, contest in enumerate(hand.plan.contests)
        for trial in range(9)
        for repeat in range(2)
    }


def by_hand(whole: Results, method: str, best_so_far: bool = False) -> tuple[dict[int, int], int]:
    """Halving on the curves of whole runs: trial -> steps it gets, and the winner."""
    standing, steps = list(range(9)), {}
    ranked: list[int] = []
    for level, (until, _) in enumerate(RUNGS):
        marks = {}
        for trial in standing:
            steps[trial] = until
            pair = [whole[method, trial, repeat] for repeat in range(2)]
            if all(reached(one, until) for one in pair):
                marks[trial] = [_at(one, until, best_so_far) for one in pair]
        means = {t: tuple(-np.mean(m, axis=0) * (1, -1)) for t, m in marks.items()}
        ranked = sorted(means, key=lambda t: (*means[t], t)) or ranked
        standing = ranked[: RUNGS[level + 1][1]] if level < 2 else []
        if not means:
            break
    return steps, ranked[0]


def reached(one: Result, step: int) -> bool:
    """Whether the run was still finite at a step."""
    return "train/loss" in one.curves and step in one.curves["train/loss"].steps


def _at(one: Result, step: int, best_so_far: bool) -> tuple[float, float]:
    """Accuracy and loss on validation at a step, or at the best step before it."""
    curve, losses = one.curves["validation/accuracy"], one.curves["validation/loss"]
    seen = curve.steps <= step
    at = int(np.argmax(curve.values[seen])) if best_so_far else int(seen.sum()) - 1
    return float(curve.values[at]), float(losses.values[at])


def test_the_search_is_the_one_by_hand(calm: fd.Results, whole: Results):
    tuned = calm.runs[calm.runs["phase"] == "tune"]
    measured = calm.runs[calm.runs["phase"] == "measure"]
    for method in ("sgd", "adam"):
        steps, winner = by_hand(whole, method)
        rows = tuned[tuned["method"] == method]
        assert len(rows) == 9 * 2, "one row per trial and tuning repeat"
        assert set(measured[measured["method"] == method]["trial"]) == {winner}
        for row in rows.to_dict("records"):
            one = whole[method, row["trial"], row["repeat"]]
            diverged = not reached(one, steps[row["trial"]])
            assert row["status"] == ("diverged" if diverged else "ok")
            if not diverged:
                assert row["steps"] == steps[row["trial"]]
    assert (tuned["status"] == "diverged").any(), "the space is wide enough to show divergence"
    assert set(tuned["steps"]) >= {10, 30, 90}


def test_a_stopped_curve_is_the_beginning_of_the_whole_one_bit_for_bit(
    calm: fd.Results, whole: Results
):
    tuned = calm.metrics[calm.metrics["phase"] == "tune"]
    groups = list(tuned.groupby(["method", "trial", "repeat", "metric"]))
    assert len(groups) > 60
    for key, found in groups:
        method, trial, repeat, metric = map(str, key)
        curve = whole[method, int(trial), int(repeat)].curves[metric]
        n = len(found)
        np.testing.assert_array_equal(found["step"], curve.steps[:n])
        np.testing.assert_array_equal(found["value"], curve.values[:n])


def test_digests_are_those_of_the_whole_run_and_of_its_first_steps(
    calm: fd.Results, whole: Results, hand: Whole
):
    compared = set()
    tuned = calm.runs[(calm.runs["phase"] == "tune") & (calm.runs["status"] == "ok")]
    for row in tuned.to_dict("records"):
        if row["steps"] == 90:
            assert row["digest"] == whole[row["method"], row["trial"], row["repeat"]].digest
        elif (row["method"], row["steps"]) not in compared:
            position = ["sgd", "adam"].index(row["method"])
            job = hand.job(position, row["trial"], row["repeat"])
            assert row["digest"] == hand.digest_at(job, row["steps"])
        compared.add((row["method"], row["steps"]))
    assert len(compared) == 6


def test_earlier_rungs_are_stored_and_not_current(calm: fd.Results):
    import pyarrow.parquet as pq

    (part,) = (calm.folder / "runs").glob("*.parquet")
    rows = pq.read_table(part).to_pandas()
    assert rows["current"].sum() == len(calm.runs) == 2 * (9 * 2 + 2)
    hidden = rows[~rows["current"]]
    assert set(hidden["phase"]) == {"tune"}
    assert set(hidden["steps"]) <= {10, 30}
    assert not set(hidden["id"]) & set(calm.runs["id"])


def test_one_worker_that_saves_all_the_time_changes_nothing(
    calm: fd.Results, config: Path, tmp_path: Path
):
    found = fd.run(fd.load_study(config), out=tmp_path / "out", workers=1, checkpoint_every=0)
    same(found, calm)


def test_a_finished_study_is_not_run_again(calm: fd.Results, config: Path):
    def files() -> dict[Path, int]:
        found = (path for path in calm.folder.rglob("*") if path.is_file())
        return {path: path.stat().st_mtime_ns for path in found if path.name != "lock"}

    before, seen = files(), []
    fd.run(fd.load_study(config), out=calm.folder, observe=seen.append)
    assert files() == before
    assert [(s.runs, s.runs_total, s.reused) for s in seen] == [(2 * 28,) * 3] * len(seen)


def test_plan_and_report_tell_of_the_rungs(calm: fd.Results, config: Path):
    said = describe(fd.load_study(config))
    assert "stopped early: 9 trials to step 10, 3 to step 30, 1 to step 90" in said
    for line in (line for line in said.splitlines() if line.split()[:1] in (["sgd"], ["adam"])):
        cells = line.split()
        assert cells[1:5] == ["9", "2", str(2 * 13 + 2), str(2 * (90 + 60 + 60) + 2 * 90)]
    page = (calm.folder / "report" / "index.html").read_text()
    assert "9 trials to step 10, 3 to step 30, 1 to step 90" in page
    assert "hollow ones were stopped early" in page


def test_with_the_best_step_reported_a_trial_is_judged_by_its_best_so_far(
    whole: Results, hand: Whole
):
    plan = _plan(TEXT + "select: {metric: validation/accuracy, at: best}\n")
    for position, contest in enumerate(plan.contests):
        outcomes: dict[str, Outcome] = {}
        while missing := [r for r in due(contest, outcomes) if r.id not in outcomes]:
            if missing[0].phase == "measure":
                break
            for run in missing:
                job = job_of(plan, position, run)
                final = (ended := run_job(job, *hand._program(job))).final
                accuracy, loss = final.get("validation/accuracy"), final.get("validation/loss")
                outcomes[run.id] = Outcome(ended.status, accuracy, loss)
        _, winner = by_hand(whole, contest.method, best_so_far=True)
        assert chosen(contest, outcomes) == winner


PROGRAMS: dict[str, object] = {}  # compiled once for all benches


class Bench:
    """A worker in this process, and the steps at which it starts its chunks."""

    def __init__(self, plan: Plan, checkpoints: Path, every: float = 0.0):
        self.plan, self.worker = plan, Worker(checkpoints, every)
        (dataset,) = plan.datasets.values()
        self.worker.take(Data(dataset))
        for name, program in PROGRAMS.items():
            self.worker.shelf.hold(name, program)
        self.notes: list[Note] = []

    def run(self, runs: list[Run]) -> tuple[list[Result], list[int]]:
        jobs = tuple(job_of(self.plan, 0, run) for run in runs)
        program, started = self.worker.shelf.program(jobs[0], lambda message: None), []
        PROGRAMS[jobs[0].program] = program

        def chunk(state, *rest):
            started.append(int(np.reshape(state.step, -1)[0]))
            return program.chunk(state, *rest)

        self.worker.shelf.hold(jobs[0].program, program._replace(chunk=chunk))
        results = self.worker.run(Work(jobs), self.notes.append)
        self.worker.shelf.hold(jobs[0].program, program)
        return results, started


def rung_runs(plan: Plan, trial: int = 0) -> list[list[Run]]:
    """The two repeats of a trial's run to each rung."""
    contest = plan.contests[0]
    found: list[list[Run]] = []
    for until in (10, 30, None):
        runs = [contest.make("tune", trial, r, dict.fromkeys(STREAMS, r), until) for r in range(2)]
        before = found[-1] if found else [None, None]
        found.append(
            [run._replace(continues=b.id if b else "") for run, b in zip(runs, before, strict=True)]
        )
    return found


@pytest.mark.parametrize("mode", ["mode: each\n", "mode: vmap\nwidth: 2\n"], ids=["each", "vmap"])
@pytest.mark.parametrize("loss", ["none", "deleted", "damaged"])
def test_a_run_goes_on_from_the_rung_before_or_starts_again_with_the_same_bits(
    tmp_path: Path, mode: str, loss: str
):
    plan = _plan(mode + TEXT)
    groups = rung_runs(plan) if "vmap" in mode else [[runs[0]] for runs in rung_runs(plan)]
    alone = Bench(plan, tmp_path / "nowhere", every=1e9)
    bench = Bench(plan, tmp_path)
    for level, runs in enumerate(groups):
        results, started = bench.run(runs)
        expected, _ = alone.run(runs)
        for one, other in zip(results, expected, strict=True):
            assert equal(one, other)
            assert one.steps == RUNGS[level][0]
        if level:
            assert started[0] == {"none": RUNGS[level - 1][0], "deleted": 0}.get(loss, started[0])
        states = list(tmp_path.glob("*.npz"))
        ends = [f"{run.id}-{RUNGS[level][0]:010d}.npz" for run in runs]
        assert set(ends) <= {path.name for path in states}
        if loss == "deleted":
            for path in states:
                path.unlink()
        if loss == "damaged":
            for path in states:
                path.write_bytes(b"?" + path.read_bytes()[1:])
    assert any(note.event == "checkpoint set aside" for note in notes(bench)) == (loss == "damaged")


def equal(one: Result, other: Result) -> bool:
    curves = [
        {name: (list(c.steps), list(c.values)) for name, c in result.curves.items()}
        for result in (one, other)
    ]
    return (
        one._replace(curves={}, seconds=0, examples={})
        == other._replace(curves={}, seconds=0, examples={})
        and curves[0] == curves[1]
    )


def notes(bench: Bench) -> list[Note]:
    return [note for note in bench.notes if isinstance(note, Note)]


def test_a_state_that_is_reached_soon_is_not_worth_keeping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    plan = _plan(TEXT)
    (first, *_), *_ = rung_runs(plan)
    bench = Bench(plan, tmp_path, every=1e9)
    monkeypatch.setattr(runner, "KEEP_SECONDS", 1e9)
    bench.run([first])
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(runner, "KEEP_SECONDS", 0.0)
    bench.run([first])
    assert [path.name for path in tmp_path.iterdir()] == [f"{first.id}-0000000010.npz"]


@pytest.mark.slow
def test_killed_at_a_rung_and_robbed_of_its_states(calm: fd.Results, config: Path, tmp_path: Path):
    """Killed while states of a rung lie there, which then are damaged or deleted."""
    out = tmp_path / "out"
    words = ("run", config, "--out", out, "--workers", 3, "--checkpoint-every", 0)
    for step, robbery in ((10, "damaged"), (30, "deleted")):
        process = start(*words)
        until = time.monotonic() + 60
        while process.poll() is None and not list(out.glob(f"checkpoints/*{step:010d}.npz")):
            assert time.monotonic() < until, "waited in vain"
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        for path in out.glob("checkpoints/*.npz"):
            if robbery == "deleted":
                path.unlink()
            if robbery == "damaged":
                path.write_bytes(path.read_bytes()[:-1])
    ended = funcdl(*words)
    assert ended.returncode == 0, ended.stderr
    same(fd.load(out), calm)


def test_growing_a_study_reuses_every_run_that_is_there(
    calm: fd.Results, config: Path, tmp_path: Path
):
    out = shutil.copytree(calm.folder, tmp_path / "out")
    seen: list = []
    text = TEXT.replace("3.0]", "3.0, 0.02, 0.05, 0.2]")
    study = fd.load_study(write(tmp_path, text))
    grown = fd.run(study, out=out, workers=1, observe=seen.append)
    assert seen[-1].reused >= 2 * 2 * 9, "the first rung of the nine trials"
    assert seen[-1].runs == seen[-1].runs_total
    before, after = _stored(calm.folder), _stored(out)
    assert set(before) < set(after)
    assert all(before[run] == after[run] for run in before), "no run was done twice"
    assert (grown.runs["phase"] == "tune").sum() == 2 * 2 * 12


def _stored(folder: Path) -> dict[str, tuple[str, float]]:
    rows, _ = read_rows(folder / "runs")
    assert rows is not None
    columns = [rows[name].to_pylist() for name in ("id", "digest", "seconds")]
    return {run: (digest, seconds) for run, digest, seconds in zip(*columns, strict=True)}


def test_a_study_that_was_killed_shows_each_trial_once(calm: fd.Results):
    """Its rows are not settled yet: the runs to all rungs are marked as current."""
    rows, _ = read_rows(calm.folder / "runs")
    assert rows is not None
    at = rows.column_names.index("current")
    unsettled = rows.set_column(at, "current", [[True] * rows.num_rows])
    order = ["method", "phase", "trial", "repeat"]
    found = runs_frame(unsettled).sort_values(order, ignore_index=True)
    pd.testing.assert_frame_equal(
        found, runs_frame(rows).sort_values(order, ignore_index=True), check_like=True
    )


def test_a_kept_state_goes_when_the_last_contest_has_done_with_it(tmp_path: Path):
    def path(run: str) -> Path:
        return tmp_path / f"{run}-0000000010.npz"

    def run(name: str, until: int | None, continues: str = "") -> Run:
        return Run(name, "tune", 0, 0, {}, {}, until, continues)

    kept = Kept(tmp_path)
    for name in ("a", "b", "lost"):
        path(name).touch()
    kept.need(0, [run("a", 10), run("b", 10), run("lost", 10)])
    kept.need(1, [run("a", 10)])
    kept.drop(["a", "b", "lost", "other"])
    assert path("a").exists(), "two contests wait for it"
    kept.need(0, [run("c", None, "b")])
    kept.drop([])
    assert path("a").exists(), "the other contest still waits for it"
    assert path("b").exists(), "c goes on from it"
    assert not path("lost").exists()
    kept.need(1, [])
    kept.need(0, [])
    kept.drop(["c"])
    assert not list(tmp_path.iterdir())

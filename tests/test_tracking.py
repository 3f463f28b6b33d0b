"""Live tracking: what dashboards get is what was measured, once, and no tracker can harm a study."""

import itertools
import json
import math
import struct
import threading
from types import SimpleNamespace as Namespace

import numpy as np
import pytest

import funcdl as fd
from funcdl.cli import _trackers
from funcdl.errors import FuncdlError
from funcdl.execute import watch as watching
from funcdl.execute.messages import Beat, Look
from funcdl.store.row import Row
from funcdl.tracking.desk import Desk, Tracking
from funcdl.tracking.tracker import need, run_of_row, under
from funcdl.types import Curve


def row(
    repeat=0, status="ok", method="sgd", steps=(10, 20, 30), values=(3.0, 2.0, 1.0), final=None
):
    recipe = {"optimizer": {"name": method, "rate": 0.1}, "model": {"hidden": [16]}}
    curve = Curve(np.array(steps, np.int32), np.array(values))
    final = {"test/accuracy": 0.9, "test/nll": math.inf} if final is None else final
    return Row(
        id=f"{repeat:04d}" * 10, block="", method=method, compare={}, phase="measure", trial=0,
        repeat=repeat, tuned={}, recipe=json.dumps(recipe), status=status, reason="", steps=30,
        diverged_at=-1, digest="", final=final, curves={"train/loss": curve}, examples={},
        parameters=1, program="", environment="", seconds=0.1,
    )  # fmt: skip


RUN, ENDED = run_of_row("study", row())


def events(place):
    """(tag, step) -> values, of all event files in a folder, read without the library's own reader."""
    from tensorboardX.proto import event_pb2

    found = {}
    for path in place.rglob("events.out.tfevents.*"):
        content, at = path.read_bytes(), 0
        while at < len(content):
            (size,) = struct.unpack_from("<Q", content, at)
            event = event_pb2.Event.FromString(content[at + 12 : at + 12 + size])  # type: ignore
            at += 16 + size
            for value in event.summary.value:
                found.setdefault((value.tag, event.step), []).append(value)
    return found


def scalars(place):
    known = events(place).items()
    return {key: [v.simple_value for v in values] for key, values in known if key[0][0] != "_"}


WHOLE = {("train/loss", 10): [3.0], ("train/loss", 20): [2.0], ("train/loss", 30): [1.0]}
WHOLE |= {("final/test/accuracy", 30): [pytest.approx(0.9)]}


@pytest.fixture(params=["at the end", "live", "partly live", "resumed", "again", "killed"])
def told(request, tmp_path):
    """A run is told of in different ways, and the same must be there."""

    def tell(make):
        tracker, way = make(), request.param
        if way == "killed":  # live points of a process that died, and then anew
            tracker.looked(RUN, 10, {"train/loss": 7.0})
            tracker.close()
            for path in tmp_path.rglob("events.out.tfevents.*"):  # of an earlier second
                path.rename(path.with_name("events.out.tfevents.1000000000.vm"))
            tracker = make()
        if way in ("live", "partly live"):
            points = [(10, 3.0), (20, 2.0), (30, 1.0)][: 3 if way == "live" else 2]
            for step, value in points:
                tracker.looked(RUN, step, {"train/loss": value})
        if way == "resumed":
            tracker.looked(RUN, 20, {"train/loss": 2.0})
        tracker.finished(RUN, ENDED)
        tracker.close()
        if way == "again":
            marks = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("funcdl-*")}
            other = make()
            other.looked(RUN, 30, {"train/loss": 1.0})
            other.finished(RUN, ENDED)
            other.close()
            assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("funcdl-*")} == marks

    return tell


def test_tensorboard_has_every_point_once(tmp_path, told):
    told(lambda: fd.TensorBoard(tmp_path))
    assert scalars(tmp_path) == WHOLE  # what is not finite is left out
    tags = {tag for tag, _ in events(tmp_path)}
    assert {"_hparams_/experiment", "_hparams_/session_start_info"} <= tags
    start = next(v for (tag, _), v in events(tmp_path).items() if tag.endswith("start_info"))
    content = start[0].metadata.plugin_data.content
    assert b"optimizer.rate" in content
    assert b"[16]" in content


@pytest.mark.filterwarnings("default")  # those of the library's own
def test_wandb_has_every_point_once(tmp_path, told, monkeypatch):
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    told(lambda: fd.Wandb("offline"))
    import wandb

    wandb.teardown()  # its own process writes the files, and may be behind
    (place,) = (tmp_path / "wandb").glob("offline-run-*")
    history, summary, config = recorded(next(place.glob("*.wandb")))
    assert history == {10: 3.0, 20: 2.0, 30: 1.0}
    assert summary["test/accuracy"] == 0.9
    assert summary["status"] == "ok"
    assert config["optimizer.rate"] == 0.1


@pytest.mark.parametrize(("mode", "resume"), [("offline", None), ("online", "allow")])
def test_wandb_is_asked_for_the_same_run_each_time(tmp_path, monkeypatch, mode, resume):
    """What is uploaded cannot be tested without the network; what the library is asked for can."""
    wandb = pytest.importorskip("wandb")
    asked = []

    class Writer(dict):  # what `wandb.init` gives, as far as it is used
        def __init__(self, **arguments):
            asked.append(arguments)
            place = tmp_path / "wandb" / f"run-{len(asked)}-{arguments['id']}"
            place.mkdir(parents=True)
            self.settings, self.summary = Namespace(sync_dir=str(place)), {}

        def log(self, values, step):
            self[step] = values

        def finish(self, exit_code):
            asked[-1]["written"] = (dict(self), self.summary, exit_code)

    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setattr(wandb, "init", lambda **arguments: Writer(**arguments))
    for ended in (ENDED._replace(status="failed"), ENDED, ENDED):
        tracker = _trackers(None, mode)[0]
        tracker.finished(RUN, ended)
        tracker.close()
    first, second = asked  # the third time it is there
    assert first["id"] == second["id"]
    for one in asked:
        assert (one["mode"], one["resume"], one["reinit"]) == (mode, resume, "create_new")
        assert (one["project"], one["group"]) == ("study", "sgd")
        assert one["config"]["optimizer.rate"] == 0.1
        history, summary, _ = one["written"]
        assert [values["train/loss"] for values in history.values()] == [3.0, 2.0, 1.0]
        assert summary["test/accuracy"] == 0.9
    assert [one["written"][2] for one in asked] == [1, 0]


@pytest.mark.filterwarnings("default")  # those of the library's own
def test_wandb_online_without_a_key_ends_the_tracker_alone(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "WANDB_DIR", "WANDB_CONFIG_DIR", "NETRC"):
        monkeypatch.setenv(name, str(tmp_path / ("netrc" if name == "NETRC" else "")))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # where nobody listens
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    said, beside = [], Recorder()
    with Tracking([fd.Wandb("online"), beside], "s", lambda: iter(()), said.append) as tracking:
        tracking.finished(row())
    (line,) = said
    assert line.startswith("wandb is off (")
    assert "key" in line.lower()
    assert len(beside.ends) == 1


def recorded(path):
    """History, summary and config in a file of W&B's."""
    from wandb.proto import wandb_internal_pb2

    history, summary, config = {}, {}, {}
    for data in records(path.read_bytes()):
        record = wandb_internal_pb2.Record()  # type: ignore
        record.ParseFromString(data)
        items = {(i.key or i.nested_key[0]): json.loads(i.value_json) for i in record.history.item}
        if "train/loss" in items:
            assert items["_step"] not in history
            history[items["_step"]] = items["train/loss"]
        for item in record.summary.update:
            summary[item.key or item.nested_key[0]] = json.loads(item.value_json)
        for item in itertools.chain(record.config.update, record.run.config.update):
            config[item.key or item.nested_key[0]] = json.loads(item.value_json)
    return history, summary, config


def records(content):
    """The records of a log as LevelDB writes them: blocks of 32 KiB, a header of 7 bytes per piece."""
    at, whole = 7, b""  # after the file's own header
    while at + 7 <= len(content):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        size, kind = struct.unpack_from("<HB", content, at + 4)
        whole += content[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # whole, or the last piece
            yield whole
            whole = b""


def test_a_run_that_failed_is_written_again_when_it_is_tried_again(tmp_path):
    _, failed = run_of_row("study", row(status="failed", final={}, steps=(), values=()))
    for ended in (failed, ENDED, failed):
        tracker = fd.TensorBoard(tmp_path)
        tracker.finished(RUN, ended)
        tracker.close()
    assert scalars(tmp_path) == WHOLE


def test_names_cannot_leave_the_folder(tmp_path):
    run = RUN._replace(study="../..", method="a/../../b\x1b[31m<script>", block="..")
    assert under(tmp_path, run).resolve().is_relative_to(tmp_path.resolve())
    fd.TensorBoard(tmp_path).finished(run, ENDED)
    assert scalars(tmp_path) == WHOLE


class Recorder:
    name = "recorder"

    def __init__(self):
        self.looks, self.ends, self.closed = {}, {}, 0

    def check(self):
        pass

    def looked(self, run, step, values):
        assert run.id not in self.ends
        self.looks.setdefault(run.id, {})[step] = dict(values)

    def finished(self, run, ended):
        self.ends[run.id] = (run, ended)

    def close(self):
        self.closed += 1


class Broken(Recorder):
    name = "broken"
    calls = 0

    def looked(self, run, step, values):
        self.finished(run, None)

    def finished(self, run, ended):
        self.calls += 1
        raise OSError(28, "No space left on device")


class Hanging(Recorder):
    name = "hanging"

    def __init__(self):
        super().__init__()
        self.hung = threading.Event()

    def finished(self, run, ended):
        self.hung.set()
        threading.Event().wait()


class Exiting(Broken):
    name = "exiting"

    def finished(self, run, ended):
        raise SystemExit("goodbye")


def test_trackers_that_fail_or_hang_are_given_up_with_one_line():
    said = []
    trackers = [Broken(), Hanging(), Exiting(), Recorder()]
    with Tracking(trackers, "s", lambda: iter(()), said.append, patience=0.05) as tracking:
        for repeat in range(50):
            tracking.finished(row(repeat))
    assert sorted(said) == [
        "broken is off (OSError: [Errno 28] No space left on device); the study goes on without it",
        "exiting is off (SystemExit: goodbye); the study goes on without it",
        "hanging is off (it has not moved for 0.05 s); the study goes on without it",
    ]
    assert trackers[0].calls == 1
    assert len(trackers[3].ends) == 50
    assert trackers[3].closed == 1


def test_a_tracker_that_is_slower_than_the_study_makes_nobody_wait():
    said, tracker = [], Hanging()
    desk = Desk(tracker, said.append, capacity=3)
    desk.put(lambda it: it.finished(RUN, ENDED))
    tracker.hung.wait()
    for _ in range(10):
        desk.put(lambda it: it.finished(RUN, ENDED))
    assert said == [
        "hanging is off (3 calls wait for it: it is slower than the study); "
        "the study goes on without it"
    ]
    desk.close(1000.0)  # returns at once
    assert len(said) == 1


def test_what_was_there_before_is_caught_up_with():
    recorder = Recorder()
    with Tracking([recorder], "s", lambda: map(row, range(5)), patience=10.0):
        pass
    assert len(recorder.ends) == 5


def test_a_folder_that_cannot_be_written_ends_the_tracker_alone(tmp_path):
    (tmp_path / "file").write_text("")
    said = []
    tracker = fd.TensorBoard(tmp_path / "file")
    with Tracking([tracker], "s", lambda: iter(()), said.append) as tracking:
        tracking.finished(row())
    assert len(said) == 1
    assert said[0].startswith("tensorboard is off (NotADirectoryError")


@pytest.mark.parametrize("tracker", [fd.TensorBoard("logs"), fd.Wandb()])
def test_a_missing_library_is_told_before_anything_starts(tmp_path, monkeypatch, tracker):
    monkeypatch.setattr("funcdl.tracking.tracker.find_spec", lambda name: None)
    with pytest.raises(FuncdlError, match=r"pip install 'funcdl\[track\]'"):
        fd.run(small(), out=tmp_path / "study", track=[tracker])
    assert not (tmp_path / "study").exists()


def test_a_folder_of_runs_is_no_library(tmp_path, monkeypatch):
    (tmp_path / "tracked_runs").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(FuncdlError, match="tracked_runs is not installed"):
        need("tracked_runs")


def test_other_modes_of_wandb_are_refused():
    with pytest.raises(ValueError, match="offline, online"):
        fd.Wandb("disabled")


def test_looks_travel_with_the_next_heartbeat_and_once(monkeypatch):
    sent = []
    monkeypatch.setattr(watching, "BEAT_SECONDS", math.inf)
    seen = watching.watch(None, 1e9, lambda: False, sent.append)
    looks = [Look("a", 10, {"x": 1.0}), Look("a", 20, {"x": 2.0})]
    for look in looks:
        seen.looked(look)
    seen.beat(list, False, 5)
    assert sent == []
    monkeypatch.setattr(watching, "BEAT_SECONDS", 0.0)
    seen.beat(list, False, 5)
    seen.beat(list, False, 5)
    assert sent == [Beat(10, tuple(looks)), Beat(5, ())]


def small():
    optimizers = [{"name": "sgd", "learning_rate": 0.1}, {"name": "adamw", "learning_rate": 0.01}]
    train = {"steps": 20, "batch_size": 32, "eval_every": 10}
    return fd.Study(
        name="small", task="classification", data="digits", model="logistic", train=train,
        repeat=2, compare={"optimizer": optimizers},
    )  # fmt: skip


def test_a_study_is_tracked_while_it_runs_and_not_twice(tmp_path, monkeypatch, capsys):
    """The whole way, with a tracker that fails, one that hangs, and one that works."""
    monkeypatch.setattr(watching, "BEAT_SECONDS", 0.0)  # so that short runs are told live, too
    monkeypatch.setattr(Tracking.__init__, "__kwdefaults__", {"capacity": 10_000, "patience": 0.3})
    recorder, logs = Recorder(), tmp_path / "logs"
    trackers = [Broken(), recorder, Hanging(), fd.TensorBoard(logs)]
    found = fd.run(
        small(), out=tmp_path / "study", workers=0, track=trackers, observe=lambda _: None
    )
    runs = found.runs.set_index("id")
    assert set(runs["status"]) == {"ok"}
    said = capsys.readouterr().err
    assert said.count("broken is off") == 1
    assert said.count("hanging is off") == 1
    assert set(recorder.ends) == set(runs.index) == set(recorder.looks)
    curves = found.metrics
    for name, (run, ended) in recorder.ends.items():
        mine = curves[curves["run"] == name]
        stored = dict(
            zip(zip(mine["step"], mine["metric"], strict=True), mine["value"], strict=True)
        )
        assert {(s, m): x for s, at in ended.curves.items() for m, x in at.items()} == stored
        assert recorder.looks[name] == ended.curves
        assert ended.final["test/accuracy"] == runs["test/accuracy"][name]
        assert run.config["optimizer.name"] == run.method
        written = scalars(under(logs, run))
        assert {
            key: [pytest.approx(x)] for key, x in ((k[::-1], v) for k, v in stored.items())
        } == {key: x for key, x in written.items() if not key[0].startswith("final/")}
    before = {p: p.read_bytes() for p in logs.rglob("*") if p.is_file()}
    late = Recorder()
    fd.run(
        small(), out=tmp_path / "study", workers=0, track=[fd.TensorBoard(logs), late],
        observe=lambda _: None,
    )  # fmt: skip
    assert {p: p.read_bytes() for p in logs.rglob("*") if p.is_file()} == before
    assert {name: ended.final for name, (_, ended) in late.ends.items()} == {
        name: ended.final for name, (_, ended) in recorder.ends.items()
    }

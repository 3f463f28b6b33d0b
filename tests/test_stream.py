"""Training data that stay on the host: the same bits as on the device, in little memory."""

import importlib
import os
import pickle
import tracemalloc
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import funcdl as fd
from funcdl.config import expand
from funcdl.config.identity import canonical
from funcdl.data import convert, grain, order, rows
from funcdl.data.arrays import arrays
from funcdl.data.load import make_data
from funcdl.data.mapped import mapped
from funcdl.data.order import indices, indices_on_host
from funcdl.data.reading import Windows, ahead
from funcdl.data.rows import Rows
from funcdl.data.tree import take
from funcdl.data.unchanged import check_unchanged
from funcdl.errors import DataError, StudyError
from funcdl.execute import feed, resume
from funcdl.execute.feed import Hosted, stays, to_device
from funcdl.execute.lanes import run_lanes
from funcdl.execute.messages import Job
from funcdl.execute.programs import batches, compile_program, template_of
from funcdl.execute.runner import Stopped, Watch, run_job
from funcdl.plan.mode import EACH, Mode
from funcdl.plan.recipe import cut
from funcdl.tasks.check import check_data
from funcdl.train.assemble import assemble
from funcdl.train.streams import STREAMS, stream_keys
from funcdl.train.window import Window
from funcdl.types import Split
from tests.study_tools import bits

DIGITS = make_data("digits")
SGD = {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9}
ADAMW = {"name": "adamw", "learning_rate": 3e-3}
MLP = {"name": "mlp", "hidden": [16], "dropout": 0.2}
STEPS = 24


def recipe(model=MLP, optimizer=SGD, **train):
    train = {"steps": STEPS, "batch_size": 16, "eval_every": 10, **train}
    study = fd.Study(
        task="classification", data="digits", model=model, optimizer=optimizer, train=train
    )
    return dict(expand(study).methods[0].recipe)


def job(name="a", repeat=0, steps=STEPS, every=10, mode=EACH, **arguments):
    static, hyper = cut(recipe(steps=steps, **arguments))
    streams: dict[str, int] = dict.fromkeys(STREAMS, repeat)
    select = ("validation/loss", "min", "final")
    return Job(
        *(name, "p", static, hyper, DIGITS.digest, 0, "measure", streams, steps, every, True),
        select,
        mode=mode,
    )


def compiled(one, place):
    assert one.static is not None
    return compile_program(one.static, DIGITS, place, one.hyper, one.mode)[0]


def same(one, other):
    """Two results but for their times, bit for bit."""
    plain = [r._replace(curves={}, examples={}, seconds=0.0) for r in (one, other)]
    assert plain[0] == plain[1]
    for kind in ("curves", "examples"):
        left, right = getattr(one, kind), getattr(other, kind)
        assert left.keys() == right.keys()
        for name in left:
            np.testing.assert_array_equal(left[name], right[name])


@pytest.fixture
def tiny_windows(monkeypatch):
    """Windows of 7 steps, so that looks and the end fall into the middle of one."""
    monkeypatch.setattr(feed, "WINDOW_STEPS", 7)


# The order


@pytest.mark.parametrize(
    ("n", "size"),
    [(1, 1), (7, 2), (57, 57), (122, 61), (255, 16), (256, 256), (1079, 64), (2**31 - 1, 8)],
)
def test_the_host_reads_what_the_device_would_gather(n, size):
    key = jax.random.key(n)
    steps = np.concatenate([np.arange(30), 10**6 + np.arange(3)])
    of_step = jax.jit(jax.vmap(lambda s: indices(key, s, n=n, batch_size=size)))
    found = indices_on_host(np.asarray(jax.random.key_data(key)), steps, n=n, batch_size=size)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, of_step(jnp.asarray(steps)))


def test_the_host_refuses_what_the_device_refuses():
    with pytest.raises(DataError, match="a batch of 0 of 8 training examples"):
        indices_on_host(np.zeros(2, np.uint32), np.arange(2), n=8, batch_size=0)


@pytest.mark.parametrize("n", [12_000, 1079])
def test_an_index_is_computed_once_and_not_for_every_pixel(n):
    """Whether a walk can be needed (1079) or not: XLA must not merge the network into the gather."""
    a, b = order._sides(n)
    assert (a * b == n) == (n == 12_000)

    def batch(images, key, step):
        chosen = indices(key, step, n=n, batch_size=16)
        return jnp.pad(images[chosen], ((0, 0), (1, 1), (1, 1))).sum(0)

    images = jax.ShapeDtypeStruct((n, 8, 8), jnp.float32)
    text = jax.jit(batch).lower(images, jax.random.key(0), 0).compile().as_text()
    assert text is not None
    products = {" gather(" in part: part.count(" multiply(") for part in text.split("\n}\n")}
    assert products[True] < 10  # the network has several in each of its 12 rounds
    assert text.count(" multiply(") > 24


# The bits


def as_sequences(split):
    return Split(split.inputs.reshape(-1, 8, 8), split.targets)


SEQUENCES = DIGITS._replace(
    train=as_sequences(DIGITS.train),
    validation=as_sequences(DIGITS.validation),
    test=as_sequences(DIGITS.test),
)


FAMILIES = {
    "logistic": ({"name": "logistic"}, DIGITS),
    "mlp": (MLP, DIGITS),
    "cnn": ({"name": "cnn", "channels": [4]}, DIGITS),
    "lstm": ({"name": "lstm", "hidden": [8]}, SEQUENCES),
    "transformer": ({"name": "transformer", "width": 8, "depth": 1, "heads": 2}, SEQUENCES),
    "resnet": ({"name": "resnet"}, DIGITS),
    "gru": ({"name": "gru", "hidden": [8]}, SEQUENCES),
}
QUICK = {
    *(("mlp", "adamw"), ("cnn", "sgd")),
    *(("lstm", "adamw"), ("transformer", "sgd")),
}
PAIRS = [
    pytest.param(
        *FAMILIES[name],
        optimizer,
        id=f"{name}-{optimizer['name']}",
        marks=() if (name, optimizer["name"]) in QUICK else pytest.mark.slow,
    )
    for name in FAMILIES
    for optimizer in (SGD, ADAMW)
]


@pytest.mark.parametrize(("model", "data", "optimizer"), PAIRS)
def test_windows_change_no_bit_of_any_family(model, data, optimizer):
    static, hyper = cut(recipe(model, optimizer))
    numbers = {key: np.float32(value) for key, value in hyper.items()}
    train, keys = assemble(static, data), stream_keys(0, "tune", 0)
    one = jax.tree.map(lambda x: x[:1], data.train)
    init = jax.jit(train.init).lower(keys, numbers, one)
    state = init.compile({"xla_backend_optimization_level": "0"})(keys, numbers, one)
    chunk = jax.jit(train.chunk)
    expected = chunk(state, keys, numbers, data.train, 12)
    words = np.asarray(jax.random.key_data(keys["order"]))
    for start in range(0, 12, 5):
        which = indices_on_host(words, np.arange(start, start + 5), n=1079, batch_size=16).ravel()
        window = Window(np.int32(start), take(data.train, which))
        state = chunk(state, keys, numbers, window, min(start + 5, 12))
    for found, wanted in zip(jax.tree.leaves(state), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert int(state.step) == 12


@pytest.fixture(scope="module")
def programs():
    """One program on the device and one that is fed from the host."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feed, "WINDOW_STEPS", 7)
        one = job()
        places = {s: to_device(DIGITS.train, s, batch_size=16) for s in ("never", "always")}
        return {s: (compiled(one, place), place) for s, place in places.items()}


def test_a_run_fed_from_the_host_is_the_run_on_the_device(programs):
    device, host = (run_job(job(), p, DIGITS, place) for p, place in programs.values())
    assert isinstance(programs["always"][1], Hosted)
    assert programs["always"][1].steps == 7
    assert list(device.curves["train/loss"].steps) == [10, 20, 24]
    same(host, device)
    assert run_job(job(repeat=1), *_with(programs["always"])).digest != host.digest


def _with(program):
    return program[0], DIGITS, program[1]


@pytest.mark.parametrize("back", ["always", "never"])
def test_a_run_left_off_anywhere_goes_on_from_either_side(programs, monkeypatch, tmp_path, back):
    """Reading begins at the step where the run was left off, and needs nothing else."""
    lengths = []
    monkeypatch.setattr(
        feed, "ahead", lambda windows: lengths.append(len(windows)) or ahead(windows)
    )
    whole = run_job(job(), *_with(programs["never"]))
    for last in range(1, 6):
        beats = 0

        def beat(saves, now, steps, last=last):
            nonlocal beats
            beats += 1
            if beats == last:
                for one, saved in saves():
                    resume.save(tmp_path, one.id, saved.state, saved.progress)
                raise Stopped

        with pytest.raises(Stopped):
            run_job(job(), *_with(programs["always"]), watch=Watch(beat))
        program, place = programs[back]
        template = template_of(program, job(), place)
        saved = resume.restore(tmp_path, "a", template, lambda *a, **k: None)
        assert saved is not None
        step = int(saved.state.step)
        lengths.clear()
        same(run_job(job(), program, DIGITS, place, saved=saved), whole)
        left = [4 - step // 7] if back == "always" and step < STEPS else []  # windows of 7 steps
        assert lengths == left


def test_lanes_fed_from_the_host_are_the_lanes_on_the_device(tiny_windows):
    """Lanes of several orders, lengths and paces, of which one diverges; two share an order."""
    mode = Mode("vmap", 4)
    wild = {**SGD, "learning_rate": 1e30}
    jobs = [
        job("a", 0, mode=mode),
        job("b", 1, mode=mode, steps=17, every=3),
        job("c", 0, mode=mode, optimizer=wild),
    ]
    ended = []
    for stream in ("never", "always"):
        place = to_device(DIGITS.train, stream, batch_size=16, lanes=4)
        ended.append(run_lanes(jobs, compiled(jobs[0], place), DIGITS, place, saved={}))
    for one, other in zip(*ended, strict=True):
        same(one, other)
    assert [r.status for r in ended[0]] == ["ok", "ok", "diverged"]


# What is read


def test_windows_are_read_once_and_only_as_far_as_needed():
    read = []

    class Counted:
        shape, dtype, nbytes, ndim = (50, 3), np.dtype(np.float32), 600, 2

        def __len__(self):
            return 50

        def __getitem__(self, which):
            read.append(len(which))
            return np.repeat(which.astype(np.float32)[:, None], 3, 1)

    orders = [np.array(words, np.uint32) for words in ([1, 2], [3, 4], [1, 2])]
    split = Split(Counted(), np.arange(50, dtype=np.int32))
    windows = Windows(split, orders, batch_size=5, steps=4, first=1, end=10)
    assert len(windows) == 2
    found = dict(ahead(windows))
    assert sorted(found) == [1, 2]
    assert sorted(read) == [10, 10, 20, 20]  # of the second window's four steps two are needed
    for number, steps in ((1, [4, 5, 6, 7]), (2, [8, 9])):
        inputs, targets = found[number]
        assert inputs.shape == (3, 20, 3)
        for lane, words in enumerate(orders):
            expected = indices_on_host(words, np.array(steps), n=50, batch_size=5).ravel()
            np.testing.assert_array_equal(targets[lane, : len(expected)], expected)
            np.testing.assert_array_equal(inputs[lane, : len(expected), 1], expected)
    assert not found[2][0][:, 10:].any()


# Arrays in files


@pytest.fixture
def all_lazy(monkeypatch):
    """Arrays in files stay there, however small."""
    monkeypatch.setattr(convert, "SMALL", 0)


def in_file(folder, array, name="x.npy"):
    np.save(folder / name, array)
    return np.load(folder / name, mmap_mode="r")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_view_of_a_file_is_found_again(tmp_path_factory, data):
    shape = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    kind = data.draw(st.sampled_from(["u1", "<f4", ">f8", "<i8", "?"]))
    plain = np.arange(np.prod(shape)).reshape(shape).astype(kind)
    plain = plain if data.draw(st.booleans()) else np.asfortranarray(plain)
    view = in_file(tmp_path_factory.mktemp("view"), plain)
    for _ in range(data.draw(st.integers(0, 3))):
        axis = data.draw(st.integers(0, view.ndim - 1))
        start = data.draw(st.integers(0, view.shape[axis] - 1))
        step = data.draw(st.sampled_from([1, 2, -1]))
        where = slice(start, None, step)
        view = np.swapaxes(view[(slice(None),) * axis + (where,)], 0, axis)
    place = mapped(np.asarray(view))
    assert place is not None
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(place)).open(), view)


@pytest.mark.parametrize("dtype", [np.uint8, np.float64, np.float32, np.int16, np.int64, np.bool_])
def test_data_in_a_file_are_the_data_in_memory(all_lazy, tmp_path, dtype):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2 if dtype is np.bool_ else 200, (90, 4, 3)).astype(dtype)
    y = np.arange(90) % 3
    memory, file = arrays(x, y, groups=None), arrays(in_file(tmp_path, x), y)
    assert memory.digest == file.digest
    for split in ("train", "validation", "test"):
        here, there = getattr(memory, split).inputs, getattr(file, split).inputs
        assert isinstance(there, Rows)
        assert (there.shape, there.dtype, there.nbytes) == (here.shape, here.dtype, here.nbytes)
        which = rng.integers(0, len(here), 7)
        for rows_ in (3, slice(2, 9), which, here[:, 0, 0] > 0.3, slice(None, None, -2)):
            np.testing.assert_array_equal(there[rows_], here[rows_])
        for chosen in (which, slice(3, 8)):
            np.testing.assert_array_equal(np.asarray(there.select(chosen)), here[chosen])
        pairs = zip(
            batches(getattr(memory, split), 4), batches(getattr(file, split), 4), strict=True
        )
        for (one, n), (other, m) in pairs:
            assert n == m
            np.testing.assert_array_equal(one.inputs, other.inputs)
    check_data("classification", file)
    assert canonical({"data": (x, y)}) == canonical({"data": (in_file(tmp_path, x), y)})
    assert canonical(memory) == canonical(file)


def test_what_travels_is_the_place_and_the_row_numbers(all_lazy, tmp_path):
    x = np.random.default_rng(0).normal(size=(1000, 300))
    data = arrays(in_file(tmp_path, x), np.arange(1000) % 3)
    sent = pickle.dumps(data)
    assert len(sent) < 20_000 < x.nbytes / 100
    again = pickle.loads(sent)
    np.testing.assert_array_equal(again.train.inputs[:], data.train.inputs[:])


def test_only_large_arrays_stay_in_their_file(all_lazy, monkeypatch, tmp_path):
    x, y = in_file(tmp_path, np.zeros((9, 5))), in_file(tmp_path, np.arange(9) % 3, "y.npy")
    assert isinstance(arrays(x, y).train.targets, np.ndarray)  # as large as its row numbers
    monkeypatch.setattr(convert, "SMALL", x.nbytes)
    assert isinstance(arrays(x, y).train.inputs, np.ndarray)


def test_writes_that_are_in_no_file_are_seen(all_lazy, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((9, 5), np.float32))
    private = np.load(tmp_path / "x.npy", mmap_mode="c")
    private[:] = 7.0
    data = arrays(private, np.arange(9) % 3)
    assert data.train.inputs[0, 0] == 7.0


def test_written_maps_and_regression_targets_in_files(all_lazy, tmp_path):
    shape = (30, 4)
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, shape)
    x[:] = np.arange(120).reshape(shape)
    data = arrays(x, x, split={"by": "order"})
    assert isinstance(data.train.targets, Rows)
    check_data("regression", data)
    check_unchanged(data)
    np.testing.assert_array_equal(data.train.inputs[:], np.array(x[:18]))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_what_is_not_finite_in_a_file_is_found_as_in_memory(all_lazy, monkeypatch, tmp_path, value):
    monkeypatch.setattr(rows, "BLOCK_BYTES", 64)
    x = np.zeros((50, 3))
    x[[33, 41], [2, 0]] = value
    with pytest.raises(DataError) as memory:
        arrays(x, np.arange(50) % 3)
    with pytest.raises(DataError) as file:
        arrays(in_file(tmp_path, x), np.arange(50) % 3)
    assert str(memory.value) == str(file.value)
    assert "inputs has 2 of 150 values" in str(file.value)
    assert "at index [33, 2]" in str(file.value)


def test_integers_in_a_file_must_fit_int32(all_lazy, tmp_path):
    x = np.zeros((9, 2), np.int64)
    x[8, 1] = 2**40
    with pytest.raises(DataError, match=f"inputs has integers from 0 to {2**40}"):
        arrays(in_file(tmp_path, x), np.arange(9) % 3)


def test_memory_does_not_grow_with_the_file(all_lazy, monkeypatch, tmp_path):
    """Identity, checks, digest, splits, windows and evaluation of 96 MB of float32."""
    monkeypatch.setattr(rows, "BLOCK_BYTES", 2**20)
    monkeypatch.setattr(feed, "WINDOW_BYTES", 2**20)
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, (6000, 64, 64))
    x[:, 0, 0] = np.arange(6000) % 251
    section = (np.load(tmp_path / "x.npy", mmap_mode="r"), np.arange(6000) % 3)
    importlib.import_module("grain")  # its code is memory, too
    tracemalloc.start()
    try:
        canonical({"data": section})
        data = make_data({"name": section})
        check_data("classification", data)
        place = to_device(data.train, "always", batch_size=16)
        words = [np.array([1, 2], np.uint32)]
        windows = Windows(data.train, words, batch_size=16, steps=4, first=0, end=20)
        for _, window in ahead(windows):
            assert window.inputs.nbytes == 2**20
        for batch, _ in batches(data.test, 64):
            assert batch.inputs.nbytes == 2**20
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(place, Hosted)
    assert peak < 12 * 2**20 < data.train.inputs.nbytes / 4


# A file that changes


def touch(path):
    """A change that keeps the size."""
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    found = os.stat(path)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 10**9))


@pytest.mark.parametrize("how", ["bit", "shorter", "gone"])
def test_a_file_that_changed_is_refused(all_lazy, tmp_path, how):
    data = arrays(in_file(tmp_path, np.ones((30, 4))), np.arange(30) % 3)
    sent, path = pickle.dumps(data), tmp_path / "x.npy"
    check_unchanged(data)
    if how == "bit":
        touch(path)
    elif how == "shorter":
        os.truncate(path, path.stat().st_size - 8)
    else:
        path.unlink()
    for refused in (lambda: check_unchanged(data), lambda: pickle.loads(sent)):
        with pytest.raises(DataError, match="cannot be read" if how == "gone" else "has changed"):
            refused()


# Where data stay


class Device:
    def __init__(self, platform, memory):
        self.platform, self._memory = platform, memory

    def memory_stats(self):
        return self._memory


def test_where_data_stay_follows_from_sizes(all_lazy, monkeypatch, tmp_path):
    y = np.arange(30) % 3
    memory = arrays(np.zeros((30, 400)), y).train
    file = arrays(in_file(tmp_path, np.zeros((30, 400))), y).train
    assert [stays(memory, s) for s in ("auto", "always", "never")] == [False, True, False]
    size = memory.inputs.nbytes + memory.targets.nbytes
    monkeypatch.setattr(feed, "HOST_BYTES", size)
    assert not stays(file, "auto")
    monkeypatch.setattr(feed, "HOST_BYTES", size - 1)
    assert stays(file, "auto")
    assert not stays(memory, "auto")  # a CPU's memory is where it is already
    for share, expected in ((4, False), (3, True)):
        device = Device("gpu", {"bytes_limit": share * size})
        monkeypatch.setattr(jax, "local_devices", lambda device=device: [device])
        assert stays(memory, "auto") is expected
    monkeypatch.setattr(jax, "local_devices", lambda: [Device("tpu", None)])
    assert not stays(memory, "auto")


def test_without_grain_the_way_out_is_told(monkeypatch):
    monkeypatch.setattr(grain, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r'pip install "funcdl\[data\]".*train.stream: never'):
        to_device(DIGITS.train, "always", batch_size=16)
    study = fd.Study(
        task="classification",
        data="digits",
        model="logistic",
        optimizer=SGD,
        train={"steps": 2, "stream": "always"},
    )
    with pytest.raises(StudyError, match=r"train.stream: .*needs Grain, which is not installed"):
        fd.run(study, workers=1, observe=lambda status: None)


# Whole studies


def study(x, y, stream="auto", **more):
    keys = {
        "task": "classification",
        "data": (x, y),
        "model": {"name": "mlp", "hidden": [8]},
        "compare": {"optimizer": [SGD, ADAMW]},
        "train": {"steps": 30, "batch_size": 8, "eval_every": 10, "stream": stream},
        "repeat": 2,
    }
    return fd.Study(**(keys | more))


def quiet(status):
    return None


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    return (rng.integers(0, 90, (120, 6, 6)) + 50 * y[:, None, None]).astype(np.uint8), y


def test_a_study_streams_from_a_file_with_the_bits_of_one_in_memory(all_lazy, tmp_path, images):
    x, y = images
    memory = fd.run(study(x, y, "never"), out=tmp_path / "memory", workers=1, observe=quiet)
    file = study(in_file(tmp_path, x), y, "always")
    streamed = fd.run(file, out=tmp_path / "file", workers=2, observe=quiet)
    assert set(streamed.runs["status"]) == {"ok"}
    of_program = ["flops", "memory"]  # windows make another one
    found, expected = (bits(r.runs).drop(columns=of_program) for r in (streamed, memory))
    pd.testing.assert_frame_equal(found, expected)
    pd.testing.assert_frame_equal(streamed.metrics, memory.metrics)
    # How data reach the device is in no run's identity: nothing is left to do.
    seen = []
    fd.run(file, out=tmp_path / "memory", workers=1, observe=seen.append)
    assert seen[-1].reused == seen[-1].runs == 4


def test_a_file_that_changes_during_a_study_ends_it(all_lazy, tmp_path, images):
    x, y = images
    lazy = in_file(tmp_path, x)
    changed = []

    def observe(status):
        if status.runs == 1 and not changed:
            changed.append(status)
            touch(tmp_path / "x.npy")

    with pytest.raises(DataError, match=r"x\.npy has changed while the study was using it"):
        fd.run(study(lazy, y), out=tmp_path / "out", workers=1, observe=observe)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a command that did not end well, as this one
        kept = fd.load(tmp_path / "out").runs
    again = fd.run(study(lazy, y), out=tmp_path / "out", workers=1, observe=quiet)
    assert set(again.runs["status"]) == {"ok"}
    assert len(again.runs) == 4
    assert not set(kept["id"]) & set(again.runs["id"])  # other data are other runs

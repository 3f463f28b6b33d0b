"""`funcdl verify`: equal bits are called equal, and nothing else is."""

import hashlib
import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optax
import pyarrow as pa
import pytest

import funcdl as fd
from funcdl.config import load as load_config
from funcdl.report.folder import FILES
from funcdl.store.environments import name_of, read_environments
from funcdl.store.manifest import write_manifest
from funcdl.store.parts import read_rows, replace_rows
from funcdl.store.sealed import write_sealed
from funcdl.verification import verify as verifying
from funcdl.verification.difference import differences
from funcdl.verification.draw import Lot, draw
from tests.study_tools import children, funcdl, start, write
from tests.test_resume import wait_until

STUDY = """
name: mixed
task: classification
data: digits
train: {steps: 12, batch_size: 32, eval_every: 4}
model: logistic
compare:
  optimizer: [{name: sgd, momentum: 0.9}, adamw]
baselines: {forest: {name: random_forest, n_estimators: 5}}
tune:
  optimizer.learning_rate: {choice: [0.1, 1.0e+38]}
  sampler: grid
repeat: 2
"""


def quietly(folder: Path, study: fd.Study | None = None, **options) -> fd.Verification:
    """Verifies in this process, which runs XLA as a worker does."""
    return fd.verify(folder, study, observe=lambda status: None, **{"workers": 0} | options)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> fd.Results:
    """A study with a search, a diverging trial and a baseline, carried out by two workers."""
    folder = tmp_path_factory.mktemp("mixed")
    study = load_config(write(folder, STUDY))
    return fd.run(study, out=folder / "out", workers=2, observe=lambda status: None)


def fingerprint(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


def tampered(folder: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Rows that are whole and proven, and not what was computed."""
    table, _ = read_rows(folder / "runs")
    assert table is not None
    replace_rows(folder / "runs", change(table))
    write_manifest(folder, FILES)


def with_value(column: str, row: int, value) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        values = table[column].to_pylist()
        values[row] = value(values[row])
        kind = table.schema.field(column).type
        position = table.column_names.index(column)
        return table.set_column(position, column, pa.chunked_array([pa.array(values, kind)]))

    return change


def measured_row(results: fd.Results) -> int:
    """The index of a measured run of adamw."""
    table, _ = read_rows(results.folder / "runs")
    assert table is not None
    pairs = zip(table["method"].to_pylist(), table["phase"].to_pylist(), strict=True)
    return list(pairs).index(("adamw", "measure"))


def test_all_runs_come_out_again_and_nothing_in_the_folder_changes(mixed: fd.Results):
    before = fingerprint(mixed.folder)
    found = quietly(mixed.folder)
    assert fingerprint(mixed.folder) == before
    assert found.equal, str(found)
    assert (found.failed, found.strangers, found.damage) == (0, 0, ())
    assert (found.environment, found.changed) == ({}, {})
    assert {run.run for run in found.checked} == set(mixed.runs["id"])
    assert len(found.checked) == found.total == 2 * (2 + 2) + 2
    assert "diverged" in set(mixed.runs["status"])
    assert re.search(r"forest +- +2 +2\n", str(found))


def test_the_command_verifies_some_runs_and_says_so(mixed: fd.Results):
    words = ("verify", mixed.folder, "--runs", 4, "--seed", 1, "--workers", 1)
    ended = funcdl(*words)
    assert ended.returncode == 0, ended.stderr
    rows = [line.split()[0] for line in ended.stdout.splitlines()[1:4]]
    assert rows == ["sgd", "adamw", "forest"]
    assert "4 of 10 runs, drawn with seed 1, came out with the same bits" in ended.stdout
    assert "4 of 4 runs" in ended.stderr


@pytest.mark.parametrize(
    ("column", "value", "what", "size"),
    [
        ("digest", lambda text: "0" * 64, "digest", np.nan),
        ("test/accuracy", lambda x: x + 0.25, "test/accuracy", 0.25),
        ("test/accuracy", lambda x: np.nextafter(x, 2), "test/accuracy", 1e-16),
        ("steps", lambda n: n + 1, "steps", np.nan),
        ("status", lambda text: "diverged", "status", np.nan),
        ("curve.train/loss.values", lambda v: [v[0], v[1] - 0.5, v[2]], "curve.train/loss", 0.5),
        ("examples.test/loss", lambda v: [*v[:-1], v[-1] + 2], "examples.test/loss", 2.0),
    ],
)
def test_a_tampered_row_is_found(
    mixed: fd.Results, tmp_path: Path, column: str, value, what: str, size: float
):
    out = shutil.copytree(mixed.folder, tmp_path / "out")
    row = measured_row(mixed)
    tampered(out, with_value(column, row, value))
    found = quietly(out)
    assert not found.equal
    (unequal,) = [run for run in found.checked if not run.equal]
    assert (unequal.method, unequal.phase, unequal.cause) == ("adamw", "measure", "unexplained")
    (difference,) = unequal.differences
    assert difference.what.startswith(what)
    np.testing.assert_allclose(difference.size, size, rtol=1e-3, atol=1e-15)
    assert f"of {len(found.checked)} runs {len(found.checked) - 1} came out" in str(found)
    assert unequal.run[:12] in str(found)


def test_a_tampered_row_makes_the_command_fail(mixed: fd.Results, tmp_path: Path):
    out = shutil.copytree(mixed.folder, tmp_path / "out")
    tampered(out, with_value("digest", measured_row(mixed), lambda text: "0" * 64))
    ended = funcdl("verify", out, "--workers", 1)
    assert ended.returncode == 1, ended.stderr
    assert f"digest: stored {'0' * 64}, now " in ended.stdout
    assert "nothing that decides bits has changed" in ended.stdout


def test_a_damaged_part_is_reported(mixed: fd.Results, tmp_path: Path):
    out = shutil.copytree(mixed.folder, tmp_path / "out")
    table, _ = read_rows(out / "runs")
    assert table is not None
    (whole,) = (out / "runs").glob("*.parquet")
    half = table.num_rows // 2
    replace_rows(out / "runs", table.slice(0, half))  # and the other half in a part that is damaged
    content = bytearray(whole.read_bytes() if whole.exists() else mixed_part(mixed))
    content[200] ^= 4
    whole.write_bytes(content)
    found = quietly(out, runs=2)
    assert not found.equal
    assert all(run.equal for run in found.checked)
    assert f"runs/{whole.name}" in {damage.path for damage in found.damage}
    assert f"damaged: {whole}" in str(found)
    assert whole.read_bytes() == content


def mixed_part(results: fd.Results) -> bytes:
    (path,) = (results.folder / "runs").glob("*.parquet")
    return path.read_bytes()


@pytest.fixture
def elsewhere(mixed: fd.Results, tmp_path: Path) -> Path:
    """The study as another machine with another jaxlib would have made it, bits apart."""
    out = shutil.copytree(mixed.folder, tmp_path / "out")
    (facts,) = read_environments(out).values()
    other = {**facts, "jaxlib": "0.0.1", "processor": "another"}
    write_sealed(out / "environments.json", {name_of(other): other})

    def moved(table: pa.Table) -> pa.Table:
        names = pa.array([name_of(other)] * table.num_rows)
        position = table.column_names.index("environment")
        return table.set_column(position, "environment", pa.chunked_array([names]))

    tampered(out, moved)
    return out


def test_another_environment_is_reported_as_such(elsewhere: Path):
    found = quietly(elsewhere, runs=2)
    assert found.equal
    assert set(found.environment) == {"jaxlib", "processor"}
    assert found.environment["jaxlib"][0] == "0.0.1"
    assert "jaxlib: 0.0.1 then, " in str(found)


def test_other_bits_in_another_environment_are_no_damage(elsewhere: Path, mixed: fd.Results):
    tampered_row = with_value("digest", measured_row(mixed), lambda text: "0" * 64)
    tampered(elsewhere, tampered_row)
    found = quietly(elsewhere)
    (unequal,) = [run for run in found.checked if not run.equal]
    assert unequal.cause == "another environment"
    assert "which is no damage" in str(found)
    assert "nothing that decides bits has changed" not in str(found)


def test_runs_of_another_funcdl_are_found_by_their_recipes(
    mixed: fd.Results, monkeypatch: pytest.MonkeyPatch
):
    from funcdl.plan import study as planning

    for module in (planning, verifying):
        monkeypatch.setattr(module, "code_digest", lambda: "f" * 64)
    found = quietly(mixed.folder)
    assert found.equal, str(found)
    assert found.total == 10
    assert {run.cause for run in found.checked} == {"another funcdl"}
    assert set(found.changed) == {"funcdl's code"}
    assert "funcdl's code: " in str(found)
    assert {run.run for run in found.checked} == set(mixed.runs["id"])


@pytest.mark.slow
def test_a_search_that_stops_early_is_verified_with_all_its_rungs(tmp_path: Path):
    text = STUDY.replace("{choice: [0.1, 1.0e+38]}", "{log_uniform: [0.01, 1.0]}")
    text = text.replace("sampler: grid", "trials: 4\n  stop: {eta: 2}")
    study = load_config(write(tmp_path, text))
    results = fd.run(study, out=tmp_path / "out", workers=2, observe=lambda status: None)
    found = quietly(results.folder)
    assert found.equal, str(found)
    assert found.total > len(results.runs), "a trial's runs to earlier rungs are runs, too"


def test_lanes_are_verified_in_lanes(tmp_path: Path):
    study = load_config(write(tmp_path, STUDY + "mode: vmap\nwidth: 2\n"))
    results = fd.run(study, out=tmp_path / "out", workers=1, observe=lambda status: None)
    found = quietly(results.folder)
    assert found.equal, str(found)
    assert found.total == 10


def own_sgd(learning_rate: float) -> optax.GradientTransformation:
    return optax.sgd(learning_rate)


def test_a_study_with_python_objects_is_verified_where_they_are(tmp_path: Path):
    study = fd.Study(
        task="classification",
        data="digits",
        model="logistic",
        optimizer={"name": own_sgd, "learning_rate": 0.1},
        train={"steps": 4},
        repeat=2,
    )
    out = tmp_path / "out"
    fd.run(study, out=out, workers=1, observe=lambda status: None)
    ended = funcdl("verify", out)
    assert ended.returncode == 2
    assert "own_sgd" in ended.stderr
    assert f"fd.verify({str(out)!r}, study)" in ended.stderr
    assert quietly(out, study).equal
    other = fd.Study(**{**ONE, "train": {"steps": 5}})
    with pytest.raises(fd.StoreError, match="holds no finished run that this study names"):
        quietly(out, other)


ONE = {
    "task": "classification",
    "data": "digits",
    "model": "logistic",
    "optimizer": {"name": "sgd", "learning_rate": 0.1},
}


def test_what_cannot_be_verified_is_refused(tmp_path: Path, mixed: fd.Results):
    ended = funcdl("verify", tmp_path)
    assert ended.returncode == 2
    assert "not a study's folder" in ended.stderr
    assert "Traceback" not in ended.stderr
    with pytest.raises(ValueError, match="runs=0"):
        quietly(mixed.folder, runs=0)
    out = shutil.copytree(mixed.folder, tmp_path / "out")
    shutil.rmtree(out / "runs")
    with pytest.raises(fd.StoreError, match="has no finished run"):
        quietly(out)


def test_a_signal_ends_it_and_leaves_nothing_behind(tmp_path: Path, mixed: fd.Results):
    before = fingerprint(mixed.folder)
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = start("verify", mixed.folder, "--workers", 1, env=environment)
    wait_until(lambda: children(process.pid))
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert "nothing was changed" in said
    assert fingerprint(mixed.folder) == before
    assert not list(tmp_path.iterdir())


def test_lots_cover_programs_then_methods_and_depend_on_nothing_else():
    rng = np.random.default_rng(0)
    lots = [Lot(f"run{i}", f"program{i % 3}", ("", f"method{i % 6}")) for i in range(60)]
    for number in (1, 3, 5, 6, 20, 60, 99):
        for seed in range(20):
            chosen = draw(lots, number, seed)
            assert chosen == sorted(set(chosen))
            assert len(chosen) == min(number, 60)
            assert len({lots[i].program for i in chosen}) == min(number, 3)
            assert len({lots[i].method for i in chosen}) >= min(number, 6)
            order = rng.permutation(60)
            again = draw([lots[i] for i in order], number, seed)
            assert {lots[order[i]].id for i in again} == {lots[i].id for i in chosen}
    drawn = np.bincount(np.concatenate([draw(lots, 12, seed) for seed in range(500)]), minlength=60)
    expected = 500 * 12 / 60
    assert abs(drawn - expected).max() < 6 * np.sqrt(expected), "every run has the same chance"


def test_numbers_are_compared_by_their_bits():
    one = pa.table(
        {"test/a": [np.nan, 0.0, None, 1.0], "examples.test/a": [[1.0], [], [0.0], None]}
    )
    two = pa.table(
        {"test/a": [np.nan, -0.0, 2.0, 1.0], "examples.test/a": [[1.0], [1.0], [-0.0], None]}
    )
    found = [[d.what.split(",")[0] for d in differences(one, i, two, i)] for i in range(4)]
    both = ["test/a", "examples.test/a"]
    assert found == [[], both, both, []]
    assert "stored nothing, now 2.0" in str(differences(one, 2, two, 2)[0])

"""The program as a person meets it: verbs, messages, exit statuses, folders that cannot be used."""

import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import funcdl as fd
from funcdl.cli import app, main
from tests.study_tools import SMALL, carried_out, funcdl, write

QUICKSTART = Path(__file__).parent.parent / "configs" / "quickstart.yaml"
TINY = """
name: tiny
task: classification
data: digits
train: {steps: 2, batch_size: 32}
model: logistic
optimizer: {name: sgd, learning_rate: 0.1}
repeat: 2
"""


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """The program with these words in this process, where its start is not what is asked for."""

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["funcdl", *map(str, words)])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        with pytest.raises(SystemExit) as ended:
            main()
        status = ended.value.code or 0
        assert isinstance(status, int)
        return subprocess.CompletedProcess(sys.argv, status, *capfd.readouterr())

    return run


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study's folder."""
    folder = tmp_path_factory.mktemp("tiny")
    return carried_out(write(folder, TINY), folder / "out", "--workers", 1).folder


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["plan", "-h"]])
def test_help(words: list[str]):
    ended = funcdl(*words)
    assert ended.returncode == 0
    assert "Usage" in ended.stdout


def test_help_and_errors_do_not_import_jax(tmp_path: Path):
    config = write(tmp_path, SMALL.replace("momentum", "momentun"))
    code = (
        "import sys, funcdl.cli\n"
        "sys.argv[1:] = {words!r}\n"
        "try: funcdl.cli.main()\n"
        "except SystemExit as end: print('ended', end.code, file=sys.stderr)\n"
        "assert not {{'jax', 'optax', 'flax', 'pandas', 'scipy.stats'}} & set(sys.modules)\n"
    )
    for words, status in ((["--help"], 0), (["run", str(config)], 2), (["plan", str(config)], 2)):
        ended = subprocess.run(
            [sys.executable, "-c", code.format(words=words)], capture_output=True, text=True
        )
        assert ended.returncode == 0, ended.stderr
        assert f"ended {status}" in ended.stderr


def test_every_error_of_a_config_is_one_plain_line(tmp_path: Path):
    text = (
        SMALL.replace("momentum", "momentun").replace("halton", "halto").replace("repeat", "repeet")
    )
    config = write(tmp_path, text)
    ended = funcdl("run", config, env={**os.environ, "COLUMNS": "20"})
    assert ended.returncode == 2
    assert ended.stdout == ""
    lines = ended.stderr.splitlines()
    assert len(lines) == 2
    assert re.match(rf"{re.escape(str(config))}:8: .*momentun.* did you mean momentum", lines[0])
    assert re.match(rf"{re.escape(str(config))}:12: repeet: .*did you mean repeat", lines[1])


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("train.batch_size=5000", "train.batch_size"),
        ("data.split.validation=0.9", "data"),
        ("train.steps=true", "train.steps"),
        ("train.steps=0", "train.steps"),
        ("optimiser=adam", "optimiser"),
        ("train.clip_norm=.nan", "train.clip_norm"),
        ("no_equals_sign", "no_equals_sign"),
    ],
)
def test_bad_overrides(command: Command, tmp_path: Path, override: str, key: str):
    ended = command("run", write(tmp_path, TINY), override, "--out", tmp_path / "out")
    assert ended.returncode == 2
    assert ended.stderr.startswith("command line: ")
    assert key in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "out").exists()


def test_a_config_that_is_not_there(command: Command, tmp_path: Path):
    ended = command("run", tmp_path / "nothing.yaml")
    assert ended.returncode == 2
    assert "nothing.yaml" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_plan_counts_what_would_run_and_runs_nothing(tmp_path: Path):
    ended = funcdl("plan", QUICKSTART, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "117 runs in 9 programs" in ended.stdout
    row = next(line for line in ended.stdout.splitlines() if "mlp/adamw" in line)
    assert row.split()[1:4] == ["8", "5", "13"]
    assert str(64 * 64 + 64 + 64 * 64 + 64 + 64 * 10 + 10) in row
    assert not list(tmp_path.iterdir())


def test_plan_says_what_is_done_already(tiny: Path, tmp_path: Path):
    """Of runs in a folder those count that the study as it is now needs; nothing is written."""
    config = str(write(tmp_path, TINY))
    before = sorted((p, p.stat().st_mtime_ns) for p in tiny.rglob("*"))
    told = {}
    for word in ("repeat=5", "train.steps=3"):
        ended = CliRunner().invoke(app, ["plan", config, word, "--out", str(tiny)])
        assert ended.exit_code == 0, ended.output
        told[word] = ended.output.splitlines()
    assert told["repeat=5"][-2] == "5 runs in 1 programs, mode each"
    assert told["repeat=5"][-1] == f"2 of them are done, in {tiny}"
    assert told["train.steps=3"][-1] == "2 runs in 1 programs, mode each"
    assert sorted((p, p.stat().st_mtime_ns) for p in tiny.rglob("*")) == before


def test_list_shows_every_name(command: Command):
    everything = command("list")
    assert everything.returncode == 0
    for word in ("mlp(", "adamw(", "digits(", "cosine(", "halton", "classification(", "sam:"):
        assert word in everything.stdout
    assert command("list", "schedules").stdout in everything.stdout
    ended = command("list", "optimisers")
    assert ended.returncode == 2
    assert "did you mean optimizers" in ended.stderr


def test_the_schema_is_json(command: Command):
    assert json.loads(command("schema").stdout)["properties"]["train"]


def test_a_reader_that_leaves_early_is_no_error():
    command = f"{sys.executable} -m funcdl list | head -n 1"
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True
    )
    assert ended.stderr == ""


def test_the_report_can_be_made_again(tiny: Path, tmp_path: Path):
    folder = shutil.copytree(tiny, tmp_path / "copy")
    shutil.rmtree(folder / "report")
    ended = funcdl("report", folder)
    assert ended.returncode == 0, ended.stderr
    for name in ("table.csv", "comparisons.csv"):
        assert (folder / "report" / name).read_bytes() == (tiny / "report" / name).read_bytes()
    assert "logistic/sgd" in (folder / "report" / "index.html").read_text()


def test_a_folder_that_is_no_study(command: Command, tmp_path: Path):
    ended = command("report", tmp_path)
    assert ended.returncode == 2
    assert "no plan.json" in ended.stderr


def test_every_run_diverged(tmp_path: Path):
    config = write(tmp_path, TINY.replace("steps: 2", "steps: 20"))
    words = ("optimizer.learning_rate=1.0e+38", "--workers", 1, "--out", tmp_path / "out")
    ended = funcdl("run", config, *words)
    assert ended.returncode == 3, ended.stderr
    assert set(fd.load(tmp_path / "out").runs["status"]) == {"diverged"}
    assert "diverged" in ended.stdout
    assert not re.search(r"\bnan\b", ended.stdout, re.IGNORECASE)
    assert funcdl("run", config, *words).returncode == 3


def test_an_output_that_is_a_file(command: Command, tmp_path: Path):
    config = write(tmp_path, TINY)
    ended = command("run", config, "--out", config)
    assert ended.returncode == 2
    assert "is a file" in ended.stderr
    assert config.read_text() == TINY


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of its own, 512 KiB large, that can be made read-only."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", place]).returncode:
        pytest.skip("mounting a file system needs root")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_loses_nothing_that_was_there(tiny: Path, small_disk: Path, tmp_path: Path):
    out = shutil.copytree(tiny, small_disk / "out")
    before = sorted((p.name, p.read_bytes()) for p in (out / "runs").iterdir())
    with open(small_disk / "filler", "wb") as filler:
        filler.write(b"\0" * (os.statvfs(small_disk).f_bavail - 1) * 4096)
    config = write(tmp_path, TINY)
    ended = funcdl("run", config, "repeat=40", "--workers", 1, "--out", out)
    assert ended.returncode == 2
    assert "disk is full" in ended.stderr
    assert "Traceback" not in ended.stderr
    after = {(p.name, p.read_bytes()) for p in (out / "runs").iterdir()}
    assert set(before) <= after
    (small_disk / "filler").unlink()
    ended = funcdl("run", config, "repeat=4", "--workers", 1, "--out", out)
    assert ended.returncode == 0, ended.stderr
    assert len(fd.load(out).runs) == 4


def test_a_read_only_folder(tiny: Path, small_disk: Path, tmp_path: Path):
    out = shutil.copytree(tiny, small_disk / "out")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for target in (out, small_disk / "new"):
        ended = funcdl("run", write(tmp_path, TINY), "repeat=5", "--out", target)
        assert ended.returncode == 2
        assert str(target) in ended.stderr
        assert "read-only" in ended.stderr
        assert "Traceback" not in ended.stderr
    assert len(fd.load(out).runs) == 2


def test_secrets_of_the_environment_stay_out_of_the_folder(tmp_path: Path):
    env = {**os.environ, "MY_API_TOKEN": "sentinel-7f3a", "AWS_SECRET": "sentinel-7f3a"}
    carried_out(write(tmp_path, TINY), tmp_path / "out", "--workers", 1, env=env)
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or b"sentinel-7f3a" not in path.read_bytes()


@pytest.mark.parametrize(
    "changes",
    [{"PYTHONHASHSEED": "1"}, {"LANG": "C", "LC_ALL": "C"}, {"TZ": "Asia/Tokyo"}, {"HOME": ""}],
    ids=str,
)
def test_the_surroundings_do_not_change_a_study(
    tiny: Path, tmp_path: Path, changes: dict[str, str]
):
    """The finished study is found finished: identities depend on nothing around the process."""
    place = tmp_path / "with space é"
    place.mkdir()
    out = shutil.copytree(tiny, place / "out")
    env = {**os.environ, **changes}
    ended = funcdl("run", write(place, TINY), "--out", "out", env=env, cwd=place)
    assert ended.returncode == 0, ended.stderr
    assert (out / "events.jsonl").read_bytes() == (tiny / "events.jsonl").read_bytes()


def test_a_method_that_fails_is_told_and_the_others_complete(tmp_path: Path):
    """Three heads do not divide a width of 64, which only the model itself knows."""
    text = TINY.replace("model: logistic", "").replace(
        "repeat: 2", "repeat: 2\ncompare: {model: [logistic, {name: transformer, heads: 3}]}"
    )
    ended = funcdl("run", write(tmp_path, text), "--workers", 1, "--out", tmp_path / "out")
    assert ended.returncode == 1
    assert "failed" in ended.stdout
    assert "heads" in ended.stdout
    statuses = fd.load(tmp_path / "out").runs.groupby("method")["status"].unique()
    assert {k: list(v) for k, v in statuses.items()} == {
        "logistic": ["ok"],
        "transformer": ["failed"],
    }

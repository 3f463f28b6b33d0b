"""The worked files of `experiments/`, run as a person runs them: as scripts, in a folder of their own."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import funcdl as fd
from tests.study_tools import bits

FOLDER = Path(__file__).parents[1] / "experiments"
pytestmark = pytest.mark.slow  # half a minute on two cores

NAMES = ("own_data", "own_model", "own_optimizer")


def start(name: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, FOLDER / f"{name}.py"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, tuple[str, str]]]:
    """The folder where all were run, side by side, and what each wrote to its two streams."""
    folder = tmp_path_factory.mktemp("experiments")
    processes = {name: start(name, folder) for name in NAMES}
    said = {name: process.communicate(timeout=300) for name, process in processes.items()}
    for name, process in processes.items():
        assert process.returncode == 0, said[name][1]
    return folder, said


def test_each_file_is_here():
    assert sorted(path.stem for path in FOLDER.glob("*.py")) == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_folder_holds_the_answer(ran, name: str):
    folder, said = ran
    results = fd.load(folder / "runs" / name)
    assert set(results.runs["status"]) == {"ok"}
    assert results.runs["id"].is_unique
    assert results.table["n"].eq(5).all()
    assert results.table["low"].lt(results.table["mean"]).all()
    assert results.comparisons["p_holm"].between(0, 1).all()
    page = (results.folder / "report" / "index.html").read_text(encoding="utf-8")
    for method in results.table["method"]:
        assert method in page
        assert method in said[name][0]
    assert "Warning" not in said[name][1]


@pytest.mark.parametrize("name", NAMES)
def test_the_header_says_what_comes_out(ran, name: str):
    """Its means were measured on one machine; another one rounds differently, but not much."""
    results = fd.load(ran[0] / "runs" / name)
    header = (FOLDER / f"{name}.py").read_text(encoding="utf-8").split('"""')[1]
    assert f"python experiments/{name}.py" in header
    claims = re.findall(r"^ {4}(\S.*?) +(\d\.\d{3}) \[", header, re.MULTILINE)
    block = results.table["block"].where(results.table["block"] == "", results.table["block"] + " ")
    found = dict(zip(block + results.table["method"], results.table["mean"], strict=True))
    assert dict(claims).keys() == found.keys()
    for method, mean in claims:
        assert abs(float(mean) - found[method]) < 0.02, method


def test_kinds_of_models_have_the_parameters_their_equations_say(ran):
    table = fd.load(ran[0] / "runs" / "own_model").table.set_index("method")
    assert table["parameters"].to_dict() == {
        "mlp": 64 * 96 + 96 + 96 * 10 + 10,
        "Gated": 2 * (64 * 48 + 48) + 48 * 10 + 10,
        "Normed": 64 * 96 + 96 + 2 * 96 + 96 * 10 + 10,
        "maxout": 64 * 48 * 2 + 48 * 10 + 10,
    }


def test_floats_of_an_own_optimizer_are_searched_in_one_program(ran):
    runs = fd.load(ran[0] / "runs" / "own_optimizer").runs
    tried = runs[(runs["method"] == "signum") & (runs["phase"] == "tune")]
    assert tried["optimizer.beta"].nunique() == len(tried) == 8
    assert tried["optimizer.beta"].between(0.5, 0.99).all()
    assert runs[runs["method"] != "signum"]["optimizer.beta"].isna().all()
    assert runs.groupby("method")["program"].nunique().eq(1).all()
    assert runs["program"].nunique() == runs["method"].nunique() == 5


def test_two_moons_need_a_hidden_layer(ran):
    """The Bayes classifier of the moons with little noise is nearly perfect and is not linear."""
    results = fd.load(ran[0] / "runs" / "own_data")
    verdicts = results.comparisons.set_index("block")
    assert verdicts.loc["little", "verdict"] == "worse"
    assert (verdicts.loc["little", "a"], verdicts.loc["little", "b"]) == ("logistic", "mlp")
    table = results.table.set_index(["block", "method"])["mean"]
    assert table["little", "mlp"] > 0.98 > 0.93 > table["little", "logistic"]


def test_the_same_script_again_does_nothing(ran):
    folder, said = ran
    before = fd.load(folder / "runs" / "own_data").runs
    files = {p: p.stat().st_mtime_ns for p in (folder / "runs" / "own_data").rglob("*")}
    again = start("own_data", folder)
    printed, progress = again.communicate(timeout=300)
    assert again.returncode == 0, progress
    assert printed == said["own_data"][0]
    assert "44 of 44 runs, 44 of them done before" in progress
    pd.testing.assert_frame_equal(fd.load(folder / "runs" / "own_data").runs, before)
    kept = {p for p, time in files.items() if p.stat().st_mtime_ns == time}
    assert {p for p in files if p.suffix in (".parquet", ".json", ".html")} <= kept
    assert len(bits(before)) == 44

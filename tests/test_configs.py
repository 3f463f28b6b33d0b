"""Every config of the project loads, and runs."""

import re
from pathlib import Path

import pytest

from funcdl.config import expand, load
from tests.study_tools import carried_out, quickly

CONFIGS = sorted((Path(__file__).parent.parent / "configs").rglob("*.yaml"))
QUICKLY = {
    "quickstart": ["train.steps=20", "train.eval_every=10", "tune.trials=2", "repeat=2"],
    "few_labels": ["--variant", "quick"],
    "across": ["--variant", "quick"],
    "adaptive": ["train.steps=20", "train.eval_every=10", "repeat.count=2", "repeat.max=4"],
    "variance": [
        "train.steps=20",
        "train.eval_every=10",
        "repeat.cross={init: 2, order: 2, split: 2}",
    ],
    "uncertainty": ["--variant", "quick"],
    "augmentation": ["--variant", "quick"],
    "labelled": ["--variant", "quick"],
    "transfer_source": ["--variant", "quick"],
    "transfer": ["--variant", "quick"],
}


# Of many programs, and of parts that have plain tests of their own.
SLOW = {"few_labels", "across", "uncertainty", "augmentation", "labelled", "transfer"}
TABLES = [path for path in CONFIGS if path.parent.name == "tables"]  # each has a test of its own
OTHERS = [path for path in CONFIGS if path not in TABLES]


def test_every_config_is_run_by_a_test():
    assert {path.stem for path in OTHERS} == set(QUICKLY)
    for path in TABLES:
        assert (Path(__file__).parent / f"test_tables_{path.stem}.py").is_file()
        assert "quick" in (load(path).variants or {})


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_loads_with_all_its_variants(path: Path):
    study = load(path)
    for variant in (None, *(study.variants or {})):
        assert expand(load(path, variant=variant)).methods


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_says_what_it_asks_and_how_it_is_run(path: Path):
    head = path.read_text().partition("name:")[0]
    assert "?" in head
    assert "funcdl run configs/" in head


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=[pytest.mark.slow] * (path.stem in SLOW))
        for path in OTHERS
    ],
)
def test_runs(path: Path, tmp_path: Path):
    surroundings = {"cwd": tmp_path, "env": quickly()}
    if path.stem == "transfer":  # begins with what this one leaves
        source = path.with_name("transfer_source.yaml")
        left = tmp_path / "runs" / load(source).name
        carried_out(source, left, *QUICKLY[source.stem], **surroundings)
    crew = () if path.stem == "quickstart" else ("--workers", 1)
    results = carried_out(path, tmp_path / "out", *QUICKLY[path.stem], *crew, **surroundings)
    assert set(results.runs["status"]) == {"ok"}
    assert results.table["n"].min() >= 2
    assert results.table["mean"].between(0.05, 1).all()


@pytest.mark.slow
def test_the_quickstart_says_what_the_readme_says(tmp_path: Path):
    """Its table is the README's; on another kind of machine last digits may differ."""
    (path,) = [path for path in CONFIGS if path.stem == "quickstart"]
    results = carried_out(path, tmp_path / "out")
    assert len(results.runs) == 117
    assert len(results.comparisons) == 36
    table = results.table.set_index("method")
    assert table["mean"]["cnn/adamw"] > table["mean"]["logistic/adamw"]
    assert table["mean"].min() > 0.9
    row = re.compile(r"^\d+  (\S+) +(\d+) +(0\.\d+)  \[", re.MULTILINE)
    said = row.findall((Path(__file__).parent.parent / "README.md").read_text())
    assert {name for name, _, _ in said} == set(table.index)
    for name, n, mean in said:
        assert table["n"][name] == int(n)
        assert table["mean"][name] == pytest.approx(float(mean), abs=0.01), name

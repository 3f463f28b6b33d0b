"""The code is as tidy as the project says."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("words", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff(words: list[str]):
    ended = run("ruff", *words, ".")
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
def test_pyright():
    pytest.importorskip("pyright")
    ended = run("pyright", "--pythonpath", sys.executable)
    assert ended.returncode == 0, ended.stdout


def test_no_path_of_a_machine_is_in_the_project():
    here = str(ROOT)
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        skipped = {".git", ".venv", "runs", "__pycache__"}
        if path.suffix in {".py", ".md", ".yaml", ".toml", ".txt", ".jinja"} and not skipped & set(
            parts
        ):
            assert here not in path.read_text(encoding="utf-8"), path

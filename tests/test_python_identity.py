"""A method is its functions' source and what they hold, in a script and in a notebook."""

import subprocess
import sys
from pathlib import Path

import nbformat
import optax
import pandas as pd
import pytest

import funcdl as fd
from tests.clouds import run

SCRIPT = """
import threading
import optax
import funcdl as fd

POWER = 0.5
def kept(learning_rate):
    return optax.sgd(learning_rate)

def closed_over(power):
    def make(learning_rate):
        return optax.sgd(learning_rate * power)
    return make

def through_a_global(learning_rate):
    return optax.sgd(learning_rate ** POWER)

optimizers = [
    kept,
    {"name": closed_over(2.0), "label": "closure"},
    {"name": lambda learning_rate: optax.sgd(learning_rate, 0.9), "label": "lambda"},
    {"name": through_a_global, "label": "global"},
    {"name": fd.versioned(lambda learning_rate: optax.sign_sgd(learning_rate), "1"), "label": "versioned"},
]
fd.run(
    fd.Study(
        task="classification", data={"name": "digits"}, model="logistic",
        train={"steps": 5, "batch_size": 32},
        compare={"optimizer": optimizers},
        tune={"optimizer.learning_rate": {"log_uniform": [1e-3, 1e-1]}, "trials": 2},
        repeat=2,
    ),
    out="study",
    workers=1,
)
"""


def script(folder: Path, text: str) -> fd.Results:
    (folder / "script.py").write_text(text)
    command = [sys.executable, "script.py"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    return fd.load(folder / "study")


CHANGES = {
    "kept": ("def kept(learning_rate):", "# a comment\n\ndef kept( learning_rate ):"),
    "closure": ("closed_over(2.0)", "closed_over(3.0)"),
    "lambda": ("optax.sgd(learning_rate, 0.9)", "optax.sgd(learning_rate, 0.8)"),
    "global": ("POWER = 0.5", "POWER = 0.25"),
    "versioned": ("optax.sign_sgd(learning_rate)", "optax.sign_sgd(1.0 * learning_rate)"),
}


def test_only_what_changed_runs_again(tmp_path: Path):
    """The seconds a run took are measured, so equal ones are those of the same run."""
    before = script(tmp_path, SCRIPT).runs
    text = SCRIPT
    for old, new in CHANGES.values():
        assert old in text
        text = text.replace(old, new)
    after = script(tmp_path, text).runs
    assert len(before) == len(after) == 5 * (2 + 2)
    same = (before["id"] == after["id"]).groupby(before["method"]).agg(["all", "any"])
    assert set(same.index[same["all"]]) == {"kept", "versioned"}
    assert set(same.index[~same["any"]]) == {"closure", "lambda", "global"}
    untouched = before["method"].isin(["kept", "versioned"])
    pd.testing.assert_frame_equal(before[untouched], after[untouched])
    assert (before["digest"] != after["digest"])[~untouched].all()


def test_what_cannot_be_read_asks_for_a_version(tmp_path: Path):
    words = (word for word in ("sgd", "adam"))

    def unreadable(learning_rate: float):
        return getattr(optax, next(words))(learning_rate)

    optimizer = {"name": unreadable, "learning_rate": 0.1}
    with pytest.raises(fd.FuncdlError, match=r"generator object .*funcdl.versioned\(.*version="):
        run(tmp_path / "study", model="logistic", optimizer=optimizer)


# In a notebook functions have no file, and the kernel has an event loop of its own.

CELLS = (
    """
import flax.linen as nn
import jax.numpy as jnp
import optax
import funcdl as fd
""",
    """
class Net(nn.Module):
    outputs: int
    width: int = 8

    @nn.compact
    def __call__(self, x):
        return nn.Dense(self.outputs)(nn.tanh(nn.Dense(self.width)(x.reshape(len(x), -1))))

scale = 1.0
def scaled(by):
    return lambda learning_rate: optax.sgd(scale * by * learning_rate)
""",
    """
study = fd.Study(
    task="classification", data="digits", model={"name": Net, "width": 4},
    train={"steps": 5, "batch_size": 32},
    compare={
        "optimizer": [
            {"name": scaled(2.0), "label": "closure", "learning_rate": 0.1},
            {"name": lambda learning_rate: optax.adam(learning_rate), "label": "lambda",
             "learning_rate": 0.01},
        ],
    },
    repeat=2,
)
results = fd.run(study, out="study", workers=1)
results.table[["method", "n", "mean"]]
""",
)


def notebook(folder: Path) -> list:
    """The cells' outputs, from a Jupyter kernel of its own."""
    from nbclient import NotebookClient

    cells = [nbformat.v4.new_code_cell(text.strip()) for text in CELLS]
    book = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(book, timeout=300, resources={"metadata": {"path": str(folder)}})
    return [cell["outputs"] for cell in client.execute()["cells"]]


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_a_notebook_runs_a_study_and_again_runs_nothing(tmp_path: Path, monkeypatch):
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    outputs = notebook(tmp_path)
    assert outputs[0] == outputs[1] == []
    progress = "".join(o["text"] for o in outputs[2] if o["output_type"] == "stream")
    assert progress.splitlines()[-1].startswith("4 of 4 runs")
    assert "\x1b" not in progress
    shown = [o for o in outputs[2] if o["output_type"] == "execute_result"]
    assert "closure" in shown[0]["data"]["text/html"]
    before = fd.load(tmp_path / "study").runs
    assert set(before["status"]) == {"ok"}
    assert before["method"].unique().tolist() == ["closure", "lambda"]
    again = notebook(tmp_path)
    progress = "".join(o["text"] for o in again[2] if o["output_type"] == "stream")
    assert progress.strip() == "4 of 4 runs, 4 of them done before, 0 of 2 programs compiled"
    pd.testing.assert_frame_equal(fd.load(tmp_path / "study").runs, before)

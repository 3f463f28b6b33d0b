"""What the tests of whole studies share: a small study, and the program as a process."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd

import funcdl as fd
from tests.quick import FLAGS

SMALL = """
name: small
task: classification
data: digits
train: {steps: 40, batch_size: 32, eval_every: 20, schedule: {name: cosine, warmup: 0.1}}
compare:
  model: [logistic, {name: mlp, hidden: [16]}]
  optimizer: [{name: sgd, momentum: 0.9}, adamw]
tune:
  optimizer.learning_rate: {log_uniform: [1.0e-3, 1.0]}
  trials: 2
repeat: 3
"""


def funcdl(*words: object, timeout: float = 300, **options) -> subprocess.CompletedProcess[str]:
    """The program with these words, in a process of its own."""
    command = [sys.executable, "-m", "funcdl", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)


def start(*words: object, **options) -> subprocess.Popen[str]:
    """The program with these words, as the leader of a process group of its own."""
    command = [sys.executable, "-m", "funcdl", *map(str, words)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def carried_out(config: Path, out: Path, *words: object, **options) -> fd.Results:
    """The results of a config that the program ran to its end, in a process of its own."""
    ended = funcdl("run", config, *words, "--out", out, **options)
    assert ended.returncode == 0, ended.stderr
    return fd.load(out)


def quickly() -> dict[str, str]:
    """The environment in which programs take little time to compile, and have other bits."""
    return os.environ | ({"XLA_FLAGS": FLAGS} if FLAGS else {})


def quick_variant(config: Path, out: Path) -> fd.Results:
    """The results of a config's variant `quick`, compiled in little time and only once."""
    return carried_out(config, out, "--variant", "quick", "--workers", 1, env=quickly())


def write(folder: Path, text: str = SMALL) -> Path:
    """The text as a config file."""
    path = folder / "study.yaml"
    path.write_text(text)
    return path


def bits(runs: pd.DataFrame) -> pd.DataFrame:
    """What must be equal, bit for bit, whoever did the runs and however often they were stopped."""
    return runs.drop(columns=["seconds", "environment"])


def children(process: int) -> list[int]:
    """The processes that a process started."""
    path = Path(f"/proc/{process}/task/{process}/children")
    return [int(word) for word in path.read_text().split()] if path.exists() else []

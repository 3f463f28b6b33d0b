"""Every family's programs compile for a real TPU, on a machine without one; needs libtpu."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

FAMILIES = ["mlp", "cnn", "lstm", "gru", "transformer", "resnet"]


@pytest.mark.skipif(importlib.util.find_spec("libtpu") is None, reason="needs libtpu")
@pytest.mark.parametrize(
    "family", [FAMILIES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES[1:])]
)
def test_programs_compile_for_a_tpu(family: str):
    """One chip, four chips for one run, and lanes on four chips."""
    command = [sys.executable, "-m", "tests.tpu_programs", family]
    env = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=500)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout.splitlines()[-1])
    assert list(found) == ["alone", "mesh", "lanes"]
    for how, needs in found.items():
        assert isinstance(needs, list), f"{how}: {needs}"

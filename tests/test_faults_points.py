"""Every named point of every save: killed or failed there, the study ends with the same bits.

`tests/fault_driver.py` does the work, with a stand-in for the workers; the real ones are struck in
`tests/test_faults_kill.py`.
"""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from funcdl.errors import FuncdlError
from funcdl.store import fault

ROOT = Path(__file__).parent.parent
SAID = {"enospc": "the disk is full", "eio": "the disk reported an error"}


def cases(folder: Path, actions: str, *words: str) -> list[dict]:
    command = [sys.executable, "-m", "tests.fault_driver", str(folder), actions, *words]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


@pytest.fixture(scope="module")
def struck(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """A case per point, killed there at the first and last pass; two more without a fault."""
    return cases(tmp_path_factory.mktemp("kill"), "kill")


def test_every_point_is_passed_and_there_is_no_other(struck: list[dict]):
    passed = {point for case in struck[:2] for point in case["passes"]}
    assert passed == set(fault.POINTS)


def test_nothing_is_changed_on_disk_between_two_points(struck: list[dict]):
    """The list of points is complete: Python's audit events saw no two changes without one between."""
    assert struck[0]["gaps"] == []


def test_every_change_on_disk_is_made_where_there_are_points():
    """No other module than those of the store writes, renames or removes anything in a study.

    Trackers write to folders of their own.
    """
    changing = {"unlink", "rename", "rmtree", "write_text", "write_bytes", "truncate"}
    found = set()
    for path in (ROOT / "funcdl").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                of_os = isinstance(node.func.value, ast.Name) and node.func.value.id == "os"
                if node.func.attr in changing or (of_os and node.func.attr == "replace"):
                    found.add(path.relative_to(ROOT / "funcdl").as_posix())
    assert {name for name in found if not name.startswith(("store/", "tracking/"))} == set()


def ended_well(case: dict, action: str) -> None:
    """It died or said what is wrong; then it went on, and nothing tells the folder from the calm one."""
    point = case["case"].split(":")[0]
    if action == "kill":
        assert case["status"] == -9, case
    elif case["status"]:  # what only saves time may fail without stopping the study
        assert case["status"] == 2, case
        assert SAID[action] in case["said"], case
        assert "/case" in case["said"], case
    else:
        assert point.startswith(("checkpoints.", "log.", "leftover.")), case
    assert case["again"] == 0, case
    assert case["different"] == [], case
    assert bool(case["aside"]) == case["hurt"], case


def test_killed_at_every_point(struck: list[dict]):
    killed = struck[2:]
    assert len(killed) > 90
    for case in killed:
        ended_well(case, "kill")


@pytest.mark.slow
@pytest.mark.parametrize("action", ["enospc"])
def test_a_disk_that_fails_at_every_point(tmp_path: Path, action: str):
    failed = cases(tmp_path, action)[2:]
    assert len(failed) > 60
    for case in failed:
        ended_well(case, action)


@pytest.mark.slow
@pytest.mark.parametrize("action", ["kill", "enospc", "eio"])
def test_struck_at_every_point_at_three_passes(tmp_path: Path, action: str):
    for case in cases(tmp_path, action, "thorough")[2:]:
        ended_well(case, action)


def test_a_damaged_study_is_mended_and_says_so(struck: list[dict]):
    mended = struck[1]
    assert mended["different"] == []
    assert {name.partition("/")[0] for name in mended["aside"]} == {
        "environments.json.damaged",
        "runs",
    }
    for event in ("damaged line taken out of the log", "damaged file", "damaged rows set aside"):
        assert event in mended["events"]


@pytest.mark.parametrize(
    "text", ["nowhere:1:kill", "plan.synced:0:kill", "plan.synced:1:burn", "plan.synced", "::"]
)
def test_a_misspelt_fault_is_refused(text: str):
    with pytest.raises(FuncdlError, match=r"FUNCDL_FAULT=.*POINT:N:ACTION"):
        fault.parse(text)


def test_without_the_variable_a_point_costs_next_to_nothing():
    assert fault.VARIABLE not in os.environ
    fault.passed("no such point: nobody looks")

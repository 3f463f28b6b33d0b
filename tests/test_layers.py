"""The house's rule: imports run strictly downwards, and light rooms stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "funcdl"

# From the ground up. Rooms on one line do not import each other, but for the pairs below.
STOREYS = [
    {"types", "errors", "garbage"},
    {"signatures"},
    {"models", "metrics", "data", "augment", "optimizers", "baselines"},
    {"tasks"},
    {"train"},
    {"config"},
    {"plan"},
    {"stats"},
    {"store"},
    {"execute"},
    {"report"},
    {"plan_json", "progress", "tracking"},
    {"results", "catalogue", "overview", "verification"},
    {"api", "merging"},
    {"cli", "__init__"},
    {"__main__"},
]
LEVEL = {room: level for level, rooms in enumerate(STOREYS) for room in rooms}


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    """The rooms of funcdl that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "funcdl" and len(parts) > 1:
                found.add(parts[1])
    return found


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_strictly_downwards(path: Path):
    room = room_of(path)
    if room == "__init__":
        return  # the public names, each loaded when it is first used
    for other in imports_of(path) - {room}:
        assert other in LEVEL, f"funcdl.{other}: give the new room a storey in this test"
        assert LEVEL[other] < LEVEL[room], f"{path.name} ({room}) must not import {other}"


def test_every_room_has_a_storey():
    assert {room_of(path) for path in FILES} == set(LEVEL)


def test_no_import_cycles_within_a_room():
    for folder in {path.parent for path in FILES} - {ROOT}:
        here = {path.stem: path for path in folder.glob("*.py") if path.stem != "__init__"}
        package = ".".join(folder.relative_to(ROOT.parent).parts)
        graph = {name: siblings(path, package) & set(here) for name, path in here.items()}
        while graph:
            leaves = {name for name, uses in graph.items() if not uses & set(graph)}
            assert leaves, f"import cycle in {package} among {sorted(graph)}"
            graph = {name: uses for name, uses in graph.items() if name not in leaves}


def siblings(path: Path, package: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module == package:
                found |= {alias.name for alias in node.names}
            elif node.module.startswith(package + "."):
                found.add(node.module.removeprefix(package + ".").split(".")[0])
    return found - {path.stem}


@pytest.mark.parametrize(
    "statement",
    [
        "import funcdl; funcdl.Study",
        "import funcdl.cli",
        "import funcdl.config.schema, funcdl.catalogue; funcdl.catalogue.listing(None)",
        "import funcdl.execute.supervisor, funcdl.plan.study",
    ],
)
def test_light_rooms_do_not_import_jax(statement: str):
    heavy = "{'jax', 'jaxlib', 'flax', 'optax', 'matplotlib', 'sklearn'}"
    code = f"import sys; {statement}; found = {heavy} & set(sys.modules); assert not found, found"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_files_stay_short_enough_to_read():
    long = {
        str(p.relative_to(ROOT)): n for p in FILES if (n := len(p.read_text().splitlines())) > 300
    }
    assert not long

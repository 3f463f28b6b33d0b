"""The table of docs/reliability.md has every fault, and every test that it names exists."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def test_every_fault_has_a_row_with_a_test():
    rows = re.findall(r"^\| (\d+) .*\|$", TEXT, re.MULTILINE)
    assert [int(number) for number in rows] == [*range(1, 49), *range(81, 86)]
    for line in TEXT.splitlines():
        if re.match(r"\| \d+ ", line):
            assert line.count("|") == 5, line
            assert "tests/" in line, line


def test_every_test_that_is_named_exists_and_is_slow_where_it_says_so():
    named = re.findall(r"`tests/(\w+\.py)::(\w+)`( \(slow\))?", TEXT)
    assert len(named) == TEXT.count("`tests/test_")
    for file, name, slow in named:
        tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
        tests = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert name in tests, f"{file}::{name}"
        marks = list(map(ast.unparse, tests[name].decorator_list))  # some cases alone may be slow
        assert ("pytest.mark.slow" in marks) == bool(slow), f"{file}::{name}"

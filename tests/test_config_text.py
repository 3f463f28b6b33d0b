"""YAML text: what is read as what, and what is refused."""

import math
import os
import resource
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funcdl.config.node import plain
from funcdl.config.text import MAX_BYTES, parse, read, scalar

# YAML 1.2.2, section 10.3.2 (core schema): what each plain scalar is.
SCALARS = [
    ("1e-3", 0.001),
    ("1E-3", 0.001),
    ("1.0e+3", 1000.0),
    (".001", 0.001),
    ("-.5e3", -500.0),
    ("1.", 1.0),
    ("0x1F", 31),
    ("0o17", 15),
    ("010", 10),
    ("+7", 7),
    ("-0", 0),
    ("1_000", "1_000"),
    ("0b1", "0b1"),
    ("1,000", "1,000"),
    ("yes", "yes"),
    ("no", "no"),
    ("on", "on"),
    ("off", "off"),
    ("y", "y"),
    ("true", True),
    ("False", False),
    ("tRUE", "tRUE"),
    ("null", None),
    ("~", None),
    ("", None),
    ("2001-12-14", "2001-12-14"),
    ("190:20:30", "190:20:30"),
    ("1e", "1e"),
    (".", "."),
    ("=", "="),
    ("<<", "<<"),
    ("${oc.env:HOME}", "${oc.env:HOME}"),
    ("$(id)", "$(id)"),
    ("nan", "nan"),
    ("inf", "inf"),
    ("１", "１"),  # a digit, but not an ASCII one
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_scalars_follow_the_core_schema(text, value):
    found = scalar(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["1e-3", "true", "null", "010"])
def test_quoted_scalars_are_text(text):
    tree = parse(f"a: '{text}'\nb: \"{text}\"", "f").tree
    assert tree is not None
    assert plain(tree) == {"a": text, "b": text}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_survives_its_own_repr(value):
    found = scalar(repr(value))
    assert float(found) == value
    assert math.copysign(1, found) == math.copysign(1, value)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(
        st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=["Cc", "Cs"])
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(json_values)
def test_json_is_read_as_json_reads_it(value):
    import json

    parsed = parse(json.dumps({"a": value}), "f")
    assert parsed.problems == []
    assert parsed.tree is not None
    assert plain(parsed.tree) == {"a": value}


def test_every_value_knows_its_line_and_key():
    tree = parse("a: 1\nb:\n  - x\n  - c: 2\n    d: [3,\n      4]\n", "f.yaml").tree
    assert tree is not None
    inner = tree.value["b"].value[1].value
    assert (str(inner["c"].where), inner["c"].key) == ("f.yaml:4", "b[1].c")
    assert (str(inner["d"].value[1].where), inner["d"].value[1].key) == ("f.yaml:6", "b[1].d[1]")


def message(tmp_path, contents: bytes) -> str:
    path = tmp_path / "c.yaml"
    path.write_bytes(contents)
    parsed = read(path)
    return "\n".join(str(p).removeprefix(f"{tmp_path}/") for p in parsed.problems)


REFUSED = {
    "empty": (b"", "c.yaml: empty"),
    "comments": (b"# nothing\n\n", "c.yaml: empty"),
    "null": (b"~\n", "c.yaml: empty"),
    "list": (b"- a\n", "c.yaml: not a mapping"),
    "word": (b"hello\n", "c.yaml: not a mapping"),
    "two documents": (b"a: 1\n---\nb: 2\n", "c.yaml:2: a second document"),
    "tab": (b"a:\n\tb: 1\n", "c.yaml:2: not valid YAML: a tab"),
    "duplicate": (b"a: 1\nb: 2\na: 3\n", "c.yaml:3: a: a duplicate key; lines 1 and 3 both set it"),
    "duplicate inside": (b"t: {a: 1,\n a: 2}\n", "c.yaml:2: t.a: a duplicate key; lines 1 and 2"),
    "object": (b"a: !!python/object/apply:os.system [x]\n", "c.yaml:1: a: a tag ("),
    "binary": (b"a: !!binary aGk=\n", "c.yaml:1: a: a tag ("),
    "set": (b"a: !!set {x}\n", "c.yaml:1: a: a tag ("),
    "own tag": (b"a: !thing 1\n", "c.yaml:1: a: a tag ('!thing')"),
    "anchor": (b"b: 1\na: &x [1]\n", "c.yaml:2: a: an anchor ('x')"),
    "alias": (b"a: &x 1\nb: *x\n", "c.yaml:2: b: an alias ('x')"),
    "self": (b"a: &a [*a]\n", "c.yaml:1: a[0]: an alias ('a')"),
    "utf-16": ("a: 1".encode("utf-16"), "c.yaml:1: not UTF-8 at byte 0"),
    "latin-1": (b"a: 1\nb: \xe9t\xe9\n", "c.yaml:2: not UTF-8 at byte 8"),
    "nul": (b"a: 1\nb: \x00\n", "c.yaml:2: not valid YAML: character #x0000"),
    "raw surrogate": (b"a: \xed\xa0\x80\n", "c.yaml:1: not UTF-8 at byte 3"),
    "escaped surrogate": (b'a: "\\ud800"\n', "c.yaml:1: a: half of a surrogate pair"),
    "infinity": (b"a: -.inf\n", "c.yaml:1: a: '-.inf' is not a finite number"),
    "nan": (b"a: .NaN\n", "c.yaml:1: a: '.NaN' is not a finite number"),
    "overflow": (b"a: 1e400\n", "c.yaml:1: a: '1e400' is not a finite number"),
    "huge integer": (b"a: " + b"9" * 5000, "is not a finite number"),
    "list as key": (b"? [a]\n: b\n", "c.yaml:1: a key must be one word"),
    "empty key": (b"'': 1\n", "c.yaml:1: an empty key"),
    "colon": (b"a: b: c\n", "c.yaml:1: not valid YAML: mapping values are not allowed here"),
    "open": (b"a: [1, 2\n", "not valid YAML: while parsing a flow sequence"),
    "large": (b"#" * (MAX_BYTES + 1), "65537 bytes; a config has at most 65536 (64 KiB)"),
    "deep": (b"a: " + b"[" * 33, "nested deeper than 32 levels"),
    "deep blocks": (
        b"".join(b" " * i + b"a:\n" for i in range(40)),
        "c.yaml:33: " + ".".join("a" * 32),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_place_and_reason(name, tmp_path):
    contents, expected = REFUSED[name]
    found = message(tmp_path, contents)
    assert expected in found
    assert all("\n" not in line and len(line) < 400 for line in found.split("\n"))


def test_all_problems_of_a_text_are_reported():
    parsed = parse("a: *x\nb: !t 1\nc: .nan\na: 1\n", "f")
    assert [p.where for p in parsed.problems] == ["f:1", "f:2", "f:3", "f:4"]


@pytest.mark.parametrize("contents", [b"\xef\xbb\xbfa: 1\n", b"a: 1\r\n", b"---\na: 1\n...\n"])
def test_byte_order_mark_and_line_ends_are_no_problem(contents, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_bytes(contents)
    parsed = read(path)
    assert parsed.problems == []
    assert parsed.tree is not None
    assert plain(parsed.tree) == {"a": 1}


def test_depth_of_32_is_allowed_and_33_is_not():
    assert parse("[" * 32 + "]" * 32, "f").problems == []
    (problem,) = parse("[" * 33 + "]" * 33, "f").problems
    assert "deeper than 32" in problem.message


@pytest.mark.parametrize(
    "make", [lambda p: p.mkdir(), lambda p: os.mkfifo(p), lambda p: None, lambda p: p.symlink_to(p)]
)
def test_what_is_no_file_is_refused_at_once(make, tmp_path):
    path = tmp_path / "c.yaml"
    make(path)
    (problem,) = read(path).problems
    assert problem.where == str(path)
    assert any(word in problem.message for word in ("not a file", "no such file", "cannot be read"))


LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join('*' + chr(97 + i) for _ in range(9))}]\n"
    for i in range(9)
)


@pytest.mark.parametrize("text", [LAUGHS, "a: [" + "*x, " * 600 + "]", "[" * 60_000, "- " * 30_000])
def test_bombs_are_refused_in_little_time_and_memory(text):
    """In a process of its own, with a limit on memory that following the bomb would break."""
    code = (
        "import sys, resource\n"
        "from funcdl.config.text import parse\n"
        "text = sys.stdin.read()\n"
        "used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert parse(text, 'f').problems\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used)\n"
    )
    before = time.process_time(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(
        [sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 50_000  # KiB
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before[1] < 10

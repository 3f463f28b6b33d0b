"""YAML text to a tree with line numbers, and nothing that YAML could do beyond data.

Events of ruamel.yaml's pure-Python parser are read one by one with a stack of our own: no object is
constructed, no alias followed, and no depth can exhaust Python's stack. Scalars follow the core
schema of YAML 1.2.2 (section 10.3.2): `1e-3` is a number, `yes`, `010:30` and dates are text.
"""

from __future__ import annotations

import math
import re
import stat
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml import events as ev
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from funcdl.config.names import show
from funcdl.config.node import Node, Where, below, is_mapping
from funcdl.errors import Problem

MAX_BYTES = 64 * 1024
MAX_DEPTH = 32
MAX_PROBLEMS = 50
SECOND_DOCUMENT = "a second document"  # how its message begins; what stands behind it is not read

_INT = re.compile(r"[-+]?[0-9]+\Z")
_OTHER_INT = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")
_SURROGATE = re.compile("[\ud800-\udfff]")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class Parsed(NamedTuple):
    """What a text holds: the tree (None where there is none), and everything wrong with it."""

    tree: Node | None
    problems: list[Problem]


def read(path: str | Path) -> Parsed:
    """Parses a config file: at most 64 KiB of UTF-8 holding one mapping."""
    name, path = str(path), Path(path)

    def failed(message: str) -> Parsed:
        return Parsed(None, [Problem(name, "", message)])

    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return failed("not a file; give the path of a YAML file")
        if status.st_size > MAX_BYTES:
            return failed(f"{status.st_size} bytes; a config has at most {MAX_BYTES} (64 KiB)")
        raw = path.read_bytes()
    except FileNotFoundError:
        return failed("no such file")
    except (OSError, ValueError) as error:
        return failed(f"cannot be read: {getattr(error, 'strerror', None) or error}")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        message = f"not UTF-8 at byte {error.start}; save the file as UTF-8"
        return Parsed(None, [Problem(f"{name}:{line}", "", message)])
    parsed = parse(text, name)
    if parsed.problems or is_mapping(parsed.tree):
        return parsed
    if parsed.tree is None or parsed.tree.value is None:
        return failed("empty; a study needs at least task, data, model and optimizer")
    return failed("not a mapping; a study is `key: value` lines, such as `task: classification`")


def parse(text: str, file: str, *, line: int = 1, key: str = "") -> Parsed:
    """Parses YAML text; every node is placed in `file`.

    >>> parse("a: [1e-3, yes]", "f").tree.value["a"].value[0].value
    0.001
    """
    reader = _Reader(file, line, key)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            if not reader.take(event):
                break
    except YAMLError as error:
        reader.problems.append(_syntax(error, file, line, text))
        return Parsed(None, reader.problems)
    return Parsed(reader.root, reader.problems[:MAX_PROBLEMS])


def _syntax(error: YAMLError, file: str, first: int, text: str) -> Problem:
    """One line from the parser's several."""
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        what = ", ".join(str(part) for part in (error.context, error.problem) if part)
        if "'\\t'" in what:
            what = "a tab in the indentation; indent with spaces"
        line = first + (mark.line if mark is not None else 0)
        return Problem(_place(file, line), "", f"not valid YAML: {what}")
    position = getattr(error, "position", 0)
    character = getattr(error, "character", None)
    code = ord(character) if isinstance(character, str) else character
    what = f"character #x{code:04x} is not allowed" if isinstance(code, int) else str(error)
    line = first + text[:position].count("\n")
    return Problem(_place(file, line), "", f"not valid YAML: {' '.join(what.split())}")


def _place(file: str, line: int) -> str:
    return str(Where(file, line if file != COMMAND_LINE else 0))


COMMAND_LINE = "command line"


class _Open(NamedTuple):
    """A collection whose end has not been read; `name` waits for its value in a mapping."""

    node: Node
    name: list[tuple[str, Where]]


class _Reader:
    """Builds the tree from events; `take` says whether it makes sense to go on."""

    def __init__(self, file: str, line: int, key: str):
        self.file, self.line, self.key = file, line, key
        self.root: Node | None = None
        self.stack: list[_Open] = []
        self.problems: list[Problem] = []
        self.documents = 0

    def take(self, event: Any) -> bool:
        match event:
            case ev.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    self.refuse(event, f"{SECOND_DOCUMENT}; a config is one document: remove `---`")
                    return False
            case ev.AliasEvent():
                self.refuse(event, f"an alias ({show(event.anchor)}); write the value out")
                self.add(Node(None, self.where(event), self.path()))
            case ev.ScalarEvent():
                self.check(event)
                self.scalar(event)
            case ev.SequenceStartEvent() | ev.MappingStartEvent():
                self.check(event)
                return self.open(event)
            case ev.SequenceEndEvent() | ev.MappingEndEvent():
                self.close()
        return len(self.problems) < MAX_PROBLEMS

    def where(self, event: Any) -> Where:
        if self.file == COMMAND_LINE:
            return Where(self.file)
        return Where(self.file, self.line + event.start_mark.line)

    def refuse(self, event: Any, message: str) -> None:
        self.problems.append(Problem(str(self.where(event)), self.path(), message))

    def check(self, event: Any) -> None:
        if event.anchor is not None:
            self.refuse(
                event, f"an anchor ({show(event.anchor)}); write the value out where it is used"
            )
        if event.tag is not None:
            self.refuse(event, f"a tag ({show(str(event.tag))}); values are plain data: remove it")

    def path(self) -> str:
        """The dotted path of the value that comes next."""
        if not self.stack:
            return self.key
        top = self.stack[-1]
        if isinstance(top.node.value, list):
            return below(top.node.key, len(top.node.value))
        return below(top.node.key, top.name[0][0]) if top.name else top.node.key

    def awaits_key(self) -> bool:
        return bool(self.stack) and is_mapping(self.stack[-1].node) and not self.stack[-1].name

    def open(self, event: Any) -> bool:
        if self.awaits_key():
            self.refuse(event, "a key must be one word, not a list or a mapping")
            return False
        if len(self.stack) == MAX_DEPTH:
            self.refuse(event, f"nested deeper than {MAX_DEPTH} levels")
            return False
        value: Any = {} if isinstance(event, ev.MappingStartEvent) else []
        self.stack.append(_Open(Node(value, self.where(event), self.path()), []))
        return True

    def close(self) -> None:
        self.add(self.stack.pop().node)

    def scalar(self, event: Any) -> None:
        where = self.where(event)
        if not event.value.isprintable() and _SURROGATE.search(event.value):
            self.refuse(event, "half of a surrogate pair, which no UTF-8 text can hold")
        if self.awaits_key():
            if event.value == "":
                self.refuse(event, "an empty key")
            self.stack[-1].name.append((event.value, where))
            return
        value: Any = event.value
        if event.style is None and event.tag is None:
            value = self.number_or_text(event)
        self.add(Node(value, where, self.path()))

    def number_or_text(self, event: Any) -> Any:
        value = scalar(event.value)
        if isinstance(value, float) and not math.isfinite(value):
            self.refuse(event, f"{show(event.value)} is not a finite number")
            return None
        return value

    def add(self, node: Node) -> None:
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        if isinstance(top.node.value, list):
            top.node.value.append(node)
            return
        name, where = top.name.pop()
        first = top.node.value.get(name)
        if first is None:
            top.node.value[name] = node._replace(where=where)
            return
        lines = (first.where.line, where.line)
        same = lines[0] == lines[1]
        message = "a duplicate key; " + (
            "set twice on this line" if same else f"lines {lines[0]} and {lines[1]} both set it"
        )
        self.problems.append(Problem(str(where), node.key, message))


def scalar(text: str) -> Any:
    """The value of a plain (unquoted) scalar in the core schema of YAML 1.2.

    >>> [scalar(t) for t in ("1E-3", ".001", "0x1", "010", "1_000", "yes", "2024-01-01", "~")]
    [0.001, 0.001, 1, 10, '1_000', 'yes', '2024-01-01', None]
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        # Python refuses decimal integers of more than 4300 digits; so long a one is no number here.
        return int(text) if len(text) <= 400 else math.inf
    if _OTHER_INT.match(text):
        return int(text, 0) if len(text) <= 400 else math.inf
    if _FLOAT.match(text):
        return float(text)
    if _NOT_FINITE.match(text):
        return float(text.replace(".", ""))
    return text

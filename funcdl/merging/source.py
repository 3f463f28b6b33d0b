"""A study that is joined with others: its question, its runs, and what decided their bits."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from funcdl.errors import DamageError, StoreError
from funcdl.plan_json import read_record
from funcdl.report.question import Question
from funcdl.results import Results
from funcdl.store.environments import Facts, read_environments
from funcdl.store.folder import Folder
from funcdl.store.log import read_log
from funcdl.store.manifest import Damage, find_damage
from funcdl.store.parts import read_rows

_TURNS = ("started", "finished", "interrupted")


class Source:
    """One of the studies.

    name: what it is called in the answer: its folder's name, with as much before it as tells it from
        the others.
    path: its folder.
    plan: the content of its `plan.json`.
    question: what it asked.
    rows: its runs.
    """

    def __init__(self, name: str, path: Path):
        """Read a finished study.

        Raises:
            StoreError: if it is none, is damaged or unfinished, or is of a newer format.
        """
        self.name, self.path = name, path
        opened = Folder(path)
        self.plan: Mapping[str, Any] = opened.plan
        rows, broken = read_rows(path / "runs")
        damage = [Damage(f"runs/{part.name}", "is not as it was written") for part in broken]
        damage += find_damage(path)
        if damage:
            said = "; ".join(f"{one.path}: {one.problem}" for one in damage)
            raise DamageError(f"{path}: damaged ({said}); the study's command repairs what can be")
        if rows is None or not _finished(path):
            raise StoreError(
                f"{path}: the study is not finished; its own command goes on with it "
                f"({opened.plan['question'].get('command') or 'funcdl run CONFIG'})"
            )
        self.rows: pa.Table = rows.filter(rows["current"])
        self.question: Question = read_record(opened, rows)
        self.results = Results(path, self.question, rows)

    @property
    def seed(self) -> Any:
        """The study's seed."""
        return self.plan.get("seed")

    @cached_property
    def environments(self) -> Mapping[str, Facts]:
        """The machines and versions that made its runs, by digest."""
        known, used = read_environments(self.path), set(self.rows["environment"].to_pylist())
        return {name: facts for name, facts in known.items() if name in used}

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The resolved config as plain data; objects from Python are words in it."""
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError

        try:
            found = YAML(typ="safe", pure=True).load(self.question.config_text)
        except YAMLError:  # a seal vouches for the text, and still nothing depends on it being YAML
            return {}
        return found if isinstance(found, dict) else {}


def read_sources(folders: Sequence[str | os.PathLike[str]]) -> list[Source]:
    """Read the studies, in the order given.

    Args:
        folders: what `funcdl run` made; two or more, each once.

    Raises:
        StoreError: for each that cannot be used, a line.
    """
    paths = [Path(folder) for folder in folders]
    if len(paths) < 2:
        raise StoreError(
            f"{len(paths)} folder given; give two or more, such as runs/mine runs/yours; "
            "`funcdl report` makes the report of one"
        )
    real = [path.resolve() for path in paths]
    doubled = [str(path) for i, path in enumerate(paths) if real[i] in real[:i]]
    if doubled:
        raise StoreError(f"{', '.join(doubled)}: given twice; give each study's folder once")
    found, problems = [], []
    for name, path in zip(names(real), paths, strict=True):
        try:
            found.append(Source(name, path))
        except StoreError as error:
            problems.append(error)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise StoreError("\n".join(map(str, problems)))
    return found


def names(paths: Sequence[Path]) -> list[str]:
    """The shortest ends of paths that tell them apart.

    >>> names([Path("/a/runs/q"), Path("/b/runs/q"), Path("/b/runs/other")])
    ['a/runs/q', 'b/runs/q', 'other']
    """
    found = []
    for path in paths:
        parts = [part for part in path.parts if part != path.anchor] or [str(path)]
        ends = [parts[-size:] for size in range(1, len(parts) + 1)]
        alone = [e for e in ends if sum(list(p.parts[-len(e) :]) == e for p in paths) == 1]
        found.append("/".join([*alone, parts][0]))
    return found


def _finished(folder: Path) -> bool:
    """Whether the last thing the log tells of the study's runs is that all of them are there."""
    events, _ = read_log(folder)
    turns = [event["event"] for event in events if event.get("event") in _TURNS]
    return bool(turns) and turns[-1] == "finished"

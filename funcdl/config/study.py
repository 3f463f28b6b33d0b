"""A study: one config, checked as a whole when it is made."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, PrivateAttr, ValidationError, field_validator

from funcdl.config.complaints import complaints
from funcdl.config.effect import without_effect
from funcdl.config.engine import engine_problems
from funcdl.config.expansion import Expansion, Method, Rules, expand_tree, fixed_by
from funcdl.config.fields import Contrasts, Mesh, NotNegative, Part, Repeat, Select, Train, Tune
from funcdl.config.files import command_line, gather
from funcdl.config.heading import heading
from funcdl.config.layers import OPEN, full, merge, split, undot
from funcdl.config.names import meant
from funcdl.config.node import Node, find, from_python, is_mapping, plain
from funcdl.config.problems import in_order
from funcdl.config.search import RESERVED
from funcdl.config.stopping import open_stop, stop_problems
from funcdl.errors import Problem, StudyError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?\Z")
_Part = TypeVar("_Part", bound=BaseModel)


class Study(Part):
    """Methods to compare, how to tune and repeat them, on which problems.

    `Study(task="classification", data="digits", ...)` takes the keys of a config file. A section
    may be a name, a mapping with `name` and arguments, or a Python object in place of the name.

    Raises:
        StudyError: with everything that is wrong with it.

    >>> study = Study(task="classification", data="digits", model="mlp",
    ...               optimizer={"name": "sgd", "learning_rate": 0.1}, repeat=3)
    >>> [method.label for method in expand(study).methods]
    ['mlp/sgd']

    How it is carried out is the same for all its runs, and part of their identity:
    mode: `each` runs one after another; `vmap` many in the lanes of one program; `auto` is one of
        the two, decided by backend, shapes and sizes.
    width: lanes per device under `vmap`; chosen for it if None.
    threads: threads per worker.
    mesh: the devices that share one run; one device if None.

    keep: what is stored of each measured run beside its numbers: `predictions`, the outputs for every
        validation and test example; `parameters`, for another study to begin from.
    """

    name: str = "study"
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    task: Any = None
    data: Any = None
    model: Any = None
    optimizer: Any = None
    train: Train = Train()
    init: Any = None
    mode: Literal["auto", "each", "vmap"] = "auto"
    width: Annotated[int, Field(ge=1, le=10**6)] | None = None
    threads: Annotated[int, Field(ge=1, le=4096)] = 1
    mesh: Mesh | None = None
    across: dict[str, Any] | None = None
    compare: dict[str, Any] | None = None
    baselines: Any = None
    contrasts: Contrasts | None = None
    tune: Tune | None = None
    repeat: Repeat = Repeat()
    select: Select = Select()
    margin: NotNegative | None = None
    keep: list[Literal["predictions", "parameters"]] = Field(default_factory=list)
    variants: dict[str, dict[str, Any]] | None = None

    _tree: Node = PrivateAttr()
    _expansion: Expansion = PrivateAttr()
    _heading: str = PrivateAttr("")

    def __init__(self, tree: Node | None = None, problems: Iterable[Problem] = (), /, **keys: Any):
        """Checks the study.

        Args:
            tree: the merged layers of a config file; or else
            problems: what was wrong with them.
            **keys: the keys of a config.
        """
        found = list(problems)
        tree = undot(from_python(keys), found) if tree is None else tree
        tree = open_stop(_without_nulls(tree, found))
        try:
            super().__init__(**plain(tree))
        except ValidationError as error:
            found.extend(complaints(error, Study, tree))
        found.extend(engine_problems(tree))
        rules = _rules(tree)
        expansion = expand_tree(tree, rules, found)
        found.extend(stop_problems(tree, rules.tune, expansion.methods if expansion else ()))
        found.extend(_variant_problems(tree, found))
        if found or expansion is None:
            raise StudyError(in_order(found))
        self._tree, self._expansion = tree, expansion

    @field_validator("name")
    @classmethod
    def _portable(cls, name: str) -> str:
        if not _NAME.match(name) or _RESERVED.match(name) or ".." in name:
            raise ValueError(
                "is the name of a folder; allowed letters, digits, '.', '_' and '-', at most 64, "
                "a letter or digit first, and no name that Windows reserves"
            )
        return name

    @field_validator("contrasts", mode="before")
    @classmethod
    def _all(cls, value: Any) -> Any:
        if value == "all":
            return None
        if not isinstance(value, dict):
            raise ValueError("allowed all, {within: AXIS}, {against: LABEL}")
        return value


def expand(study: Study) -> Expansion:
    """Every method of every block, with its recipe and search space."""
    return study._expansion


def load(path: str | Path, overrides: Iterable[str] = (), variant: str | None = None) -> Study:
    """Reads a study from a config file.

    Args:
        path: the file.
        overrides: `key=value` words, the values in YAML; they win over the file.
        variant: a name under the file's `variants`.

    Raises:
        StudyError: with everything that is wrong, in the order of its lines.
    """
    problems: list[Problem] = []
    tree = gather(path, overrides, variant, problems)
    if tree is None:
        raise StudyError(in_order(problems))
    if tree.child("name") is None:
        name = Node(_folder_name(Path(path).stem), tree.where, "name")
        tree = tree._replace(value={"name": name, **tree.value})
    study = Study(tree, problems)
    study._heading = heading(path)
    typed = command_line(overrides, problems)
    problems.extend(without_effect(typed, expand(study).methods))
    if problems:
        raise StudyError(problems)
    return study


def headed(study: Study) -> str:
    """The question at the top of its file, in its author's words; may be empty."""
    return study._heading


def problem_at(study: Study, key: str, message: str) -> Problem:
    """What is wrong with a key, found after the study was made; it names the key's file and line."""
    return find(study._tree, split(key)).problem(message, key)


def placed(study: Study, problem: Problem, method: Method) -> Problem:
    """A problem of a method, moved to where the method's axes set the key, if they do."""
    node: Node | None = fixed_by(study._tree, method)
    for name in split(problem.key):
        node = node.child(name) if node is not None else None
    if node is None or str(node.where) == problem.where:
        return problem
    return Problem(str(node.where), node.key or problem.key, problem.message)


def problem_of(study: Study, section: str, key: str, value: Any, message: str) -> Problem:
    """What is wrong with a part of a section, in the study or where an axis sets it.

    Args:
        study: the study.
        section: such as "init".
        key: of the part that is wrong; the section is looked for that has this `value` there.
        value: what stands there.
        message: what is wrong.
    """
    return (_holder(study._tree, section, key, value) or study._tree).problem(message, section)


def _holder(node: Node, section: str, key: str, value: Any) -> Node | None:
    if isinstance(node.value, list):
        parts = {str(i): part for i, part in enumerate(node.value)}
    elif is_mapping(node):
        parts = node.value
    else:
        return None
    for name, part in parts.items():
        found = part.child(key) if is_mapping(part) else None
        if name == section and found is not None and plain(found) == value:
            return found
        if name == f"{section}.{key}" and plain(part) == value:
            return part
        if (inner := _holder(part, section, key, value)) is not None:
            return inner
    return None


def _without_nulls(tree: Node, problems: list[Problem]) -> Node:
    """A later layer takes a key, an axis or a space away by setting it to null."""
    parts = {
        key: _without_null_parts(key, node, problems) if key in OPEN and is_mapping(node) else node
        for key, node in tree.value.items()
        if node.value is not None or key not in Study.model_fields  # a misspelt key is told
    }
    return tree._replace(value=parts)


def _without_null_parts(key: str, node: Node, problems: list[Problem]) -> Node:
    """An axis's or a space's null that took nothing away names what is not there: it is told."""
    left = {name: part for name, part in node.value.items() if part.value is not None}
    for name, part in node.value.items():
        if name not in left and not (key == "tune" and name in RESERVED):
            near = " or ".join(meant(name, [*left, *(RESERVED if key == "tune" else ())]))
            near = f"; did you mean {near}" if near else ""
            text = f"null given to take it away, but it is not there{near}; allowed a value"
            problems.append(part.problem(text))
    return node._replace(value=left)


def _folder_name(stem: str) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+|\.\.+", "-", stem).lstrip("._-")[:64]
    return name if _NAME.match(name) and not _RESERVED.match(name) else "study"


def _rules(tree: Node) -> Rules:
    """The parts that expansion needs; one that is wrong (and was reported) is taken as left out."""
    return Rules(
        select=_valid(Select, tree, "select") or Select(),
        tune=_valid(Tune, tree, "tune") or Tune(),
        repeat=_valid(Repeat, tree, "repeat") or Repeat(),
        contrasts=_valid(Contrasts, tree, "contrasts"),
    )


def _valid(model: type[_Part], tree: Node, key: str) -> _Part | None:
    node = tree.child(key)
    if node is None:
        return None
    try:
        return model.model_validate(plain(full(node, (key,))))
    except ValidationError:
        return None


def _variant_problems(tree: Node, known: list[Problem]) -> list[Problem]:
    """What is wrong with variants that are not being run; a typo there should not wait."""
    variants = tree.child("variants")
    if variants is None or not is_mapping(variants):
        return []
    found: list[Problem] = []
    base = tree._replace(value={k: v for k, v in tree.value.items() if k != "variants"})
    for layer in variants.value.values():
        if not is_mapping(layer):
            continue
        problems: list[Problem] = []
        try:
            Study(merge(base, undot(layer, problems)), problems)
        except StudyError as error:
            found.extend(problem for problem in error.problems if problem not in known)
    return found

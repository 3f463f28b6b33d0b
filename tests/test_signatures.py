"""Signatures read from source against those that Python sees after importing."""

from __future__ import annotations

import functools
import importlib
import inspect
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal

import flax.linen as nn
import optax
import optax.contrib
import pytest

from funcdl import optimizers
from funcdl.errors import FuncdlError
from funcdl.signatures import Expression, accepts_schedule, is_traced, parameters, public_names

PLAIN = (bool, int, float, str, tuple, type(None))


def _transformations() -> list[str]:
    """Every function of optax and optax.contrib that makes or wraps a transformation."""
    found = []
    for module in (optax, optax.contrib):
        for name in public_names(module.__name__):
            live = vars(module).get(name)  # a deprecated name is not there, and getattr warns
            if not (inspect.isfunction(live) or isinstance(live, functools.partial)):
                continue
            if "GradientTransformation" in str(inspect.signature(live).return_annotation):
                found.append(f"{module.__name__}:{name}")
    return found


OPTIMIZERS = [optimizers.target(name) for name in optimizers.names()]
SCIKIT_LEARN = [
    "sklearn.linear_model:LogisticRegression",
    "sklearn.linear_model:Ridge",
    "sklearn.ensemble:IsolationForest",
    "sklearn.ensemble:RandomForestClassifier",
    "sklearn.ensemble:HistGradientBoostingClassifier",
    "sklearn.neighbors:KNeighborsClassifier",
    "sklearn.svm:SVC",
    "sklearn.dummy:DummyClassifier",
]


def live(target: str) -> Callable[..., Any]:
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("target", sorted({*OPTIMIZERS, *_transformations(), *SCIKIT_LEARN}))
def test_names_and_defaults_are_python_s(target):
    expected = {
        name: entry
        for name, entry in inspect.signature(live(target)).parameters.items()
        if entry.kind not in (entry.VAR_POSITIONAL, entry.VAR_KEYWORD)
    }
    got = parameters(target)
    assert list(got) == list(expected)
    for name, entry in expected.items():
        assert got[name].required == (entry.default is entry.empty)
        if isinstance(got[name].default, Expression):
            assert type(entry.default) not in PLAIN, (name, got[name].default)
        elif not got[name].required:
            assert got[name].default == entry.default
            assert type(got[name].default) is type(entry.default)


def test_the_battery_above_is_not_empty():
    assert len(_transformations()) > 80
    assert {"optax:adam", "optax:nadam", "optax.contrib:muon"} <= set(OPTIMIZERS)


@pytest.mark.parametrize("target", OPTIMIZERS)
def test_an_imported_optimizer_has_the_kinds_of_its_source(target):
    for name, parameter in parameters(live(target)).items():
        if name.endswith("dimension_numbers"):  # an alias of optax's, whose members are hidden
            continue
        read = parameters(target)[name]
        assert (parameter.kind, parameter.settable, parameter.choices) == (
            read.kind,
            read.settable,
            read.choices,
        ), name
        assert parameter.optional == read.optional or not read.settable
        assert accepts_schedule(parameter) == accepts_schedule(read)


def test_kinds_from_annotations():
    def make(
        a: float,
        b: int = 1,
        c: bool = False,
        d: str = "x",
        e: Literal["p", "q"] = "p",
        f: Sequence[int] = (1, 2),
        g: dict[str, int] | None = None,
        h: Callable[[int], int] | None = None,
        i: float | None = 0.5,
        j: float | str = "auto",
        *args: Any,
        k: Any = None,
        l: float | Callable[[Any], Any] = 0.1,  # noqa: E741
        **kwargs: Any,
    ) -> None: ...

    known = parameters(make)
    kinds = ["float", "int", "bool", "str", "choice", "sequence", "mapping"]
    kinds += ["other", "float", "other", "other", "float"]
    assert [p.kind for p in known.values()] == kinds
    assert [p.name for p in known.values() if p.optional] == ["g", "h", "i", "k"]
    assert [p.name for p in known.values() if not p.settable] == ["h", "k"]
    assert [p.name for p in known.values() if p.required] == ["a"]
    assert known["e"].choices == ("p", "q")
    assert accepts_schedule(known["l"])
    assert not accepts_schedule(known["i"])


def test_what_has_no_annotation_is_read_from_its_default():
    known = parameters(lambda learning_rate, width, depth=2, rate=0.1, mode="auto", seed=None: None)
    assert [p.kind for p in known.values()] == ["float", "other", "int", "float", "other", "other"]
    assert all(p.settable for p in known.values())


def test_what_is_traced():
    known = parameters("optax.contrib:muon")
    assert is_traced(known["learning_rate"], 1)
    assert not is_traced(known["ns_steps"], 5)
    assert not is_traced(known["adam_learning_rate"], None)
    assert not is_traced(known["nesterov"], True)
    anything = parameters(lambda width: None)["width"]
    assert is_traced(anything, 0.5)
    assert not is_traced(anything, 3)


def test_a_partial_keeps_what_it_fixed():
    known = parameters(functools.partial(optax.sgd, momentum=0.9))
    assert known["momentum"].default == 0.9
    assert not known["momentum"].required


class Tower(nn.Module):
    outputs: int
    hidden: Sequence[int] = (64, 64)
    dropout: float = 0.0

    @nn.compact
    def __call__(self, inputs):
        return nn.Dense(self.outputs)(inputs)


def test_linen_s_own_fields_are_hidden():
    assert list(parameters(Tower)) == ["outputs", "hidden", "dropout"]
    assert parameters(Tower)["hidden"].kind == "sequence"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that must not be imported, with every way to pass a definition on."""
    root = tmp_path / "unimportable"
    (root / "inner").mkdir(parents=True)
    (root / "__init__.py").write_text(
        "from .inner import Child as Renamed\n"
        "from . import inner\n"
        "from unimportable.inner.deep import quick\n"
        "raise RuntimeError('imported')\n"
    )
    (root / "inner" / "__init__.py").write_text("from .deep import Child, make\nalias = make\n")
    (root / "inner" / "deep.py").write_text(
        "import functools\n"
        "from dataclasses import dataclass, field\n"
        "from flax import linen as nn\n"
        "from typing import ClassVar\n"
        "LIMIT: tuple = (1, 2.5)\n"
        "class Base(nn.Module):\n"
        "    outputs: int\n"
        "    width: int = 8\n"
        "class Child(Base):\n"
        "    width: int = 16\n"
        "    count: ClassVar[int] = 0\n"
        "    sizes: tuple[int, ...] = field(default=(3,))\n"
        "    extra: dict = field(default_factory=dict)\n"
        "def make(rate: 'float | None' = None, *, limit=LIMIT): ...\n"
        "quick = functools.partial(make, rate=0.5)\n"
        "computed = [make][0]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return "unimportable"


def test_a_class_s_fields_through_re_exports_and_bases(package):
    known = parameters(f"{package}:Renamed")
    assert {name: p.default for name, p in known.items()} == {
        "outputs": None,
        "width": 16,
        "sizes": (3,),
        "extra": {},
    }
    assert known["outputs"].required
    assert package not in sys.modules


def test_aliases_and_partials(package):
    known = parameters(f"{package}.inner:alias")
    assert (known["rate"].kind, known["rate"].optional) == ("float", True)
    assert known["limit"].default == (1, 2.5)
    assert parameters(f"{package}:quick")["rate"].default == 0.5


@pytest.mark.parametrize(
    "target",
    ["no_such_package:thing", "{}:nothing", "{}.absent:x", "{}.inner.deep:computed", "{}:inner"],
)
def test_what_is_not_there_is_an_error_that_names_it(package, target):
    target = target.format(package)
    module, _, name = target.partition(":")
    with pytest.raises(FuncdlError, match=rf"{module}|{name}"):
        parameters(target)


def test_nothing_heavy_is_imported():
    code = (
        "import sys\n"
        "from funcdl import optimizers\n"
        "from funcdl.signatures import parameters\n"
        "[parameters(optimizers.target(name)) for name in optimizers.names()]\n"
        "parameters('sklearn.ensemble:IsolationForest')\n"
        "heavy = {'jax', 'flax', 'optax', 'pandas', 'scipy', 'sklearn', 'matplotlib', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

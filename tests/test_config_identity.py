"""Identity: the same for what is the same, in any process; different for what is different."""

import collections
import decimal
import functools
import importlib.util
import json
import math
import operator
import os
import random
import re
import subprocess
import sys

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funcdl.config import Study, canonical, expand, identity, versioned
from funcdl.errors import FuncdlError

SCALE = 2.0


def scaled(x):
    return SCALE * x


def even(n):
    return n == 0 or odd(n - 1)


def odd(n):
    return n > 0 and even(n - 1)


def closure(value):
    def inner(x):
        return x + value

    return inner


def module(folder, text, name="written"):
    """A module of this text; each has a file of its own, so that sources are not mixed up."""
    path = folder / f"{name}_{len(list(folder.iterdir()))}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made


plain_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def tagged(value):
    """Python's equality with the types told apart (1, 1.0 and True are equal to Python)."""
    if isinstance(value, dict):
        return frozenset((k, tagged(v)) for k, v in value.items())
    if isinstance(value, list):
        return tuple(map(tagged, value))
    return (type(value).__name__, value)


@settings(deadline=None)
@given(plain_data, plain_data)
def test_plain_data_are_identical_if_and_only_if_they_are_equal(a, b):
    assert (identity(a) == identity(b)) == (tagged(a) == tagged(b))


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=3), st.integers(), max_size=5))
def test_the_order_of_keys_does_not_matter(a):
    assert canonical(a) == canonical(dict(reversed(a.items())))


def test_canonical_json_is_strict():
    text = canonical({"b": [1.0, 0.1, None, True], "a": "é\n", "c": (2,), "d": -0.0})
    assert text == '{"a":"\\u00e9\\n","b":[1.0,0.1,null,true],"c":[2],"d":0.0}'

    def refuse(word):
        raise AssertionError(word)

    json.loads(canonical({"x": math.inf, "y": math.nan}), parse_constant=refuse)


def test_a_rate_may_be_written_in_any_way():
    def recipe(rate, momentum):
        optimizer = {"name": "sgd", "learning_rate": rate, "momentum": momentum}
        study = Study(task="classification", data="digits", model="mlp", optimizer=optimizer)
        return identity(expand(study).methods[0].recipe)

    assert recipe(1, 0) == recipe(1.0, 0.0) == recipe(np.float64(1), -0.0)
    assert recipe(1, 0) != recipe(1, None)


def test_every_entry_of_a_recipe_counts():
    study = Study(
        task="classification",
        data="digits",
        model="mlp",
        optimizer={"name": "adamw", "learning_rate": 0.1},
    )
    recipe = expand(study).methods[0].recipe
    seen = {identity(recipe)}

    def vary(node, path=()):
        for key, value in node.items():
            if isinstance(value, dict):
                vary(value, (*path, key))
                continue
            old, node[key] = value, "changed"
            seen.add(identity(recipe))
            node[key] = old

    leaves = canonical(recipe).count(":") - sum(map(canonical(recipe).count, ('":{',)))
    vary(recipe)
    assert len(seen) == 1 + leaves


def test_lambdas_on_one_line_are_told_apart():
    # fmt: off
    a, b, c, d = lambda x: x + 1, lambda x: x + 2, lambda x: x + 1, (lambda x: (lambda y: x + 1))
    # fmt: on
    assert identity(a) == identity(c)
    assert len(set(map(identity, (a, b, d, d(1))))) == 4
    assert identity(d(1)) == identity(d(1)) != identity(d(2))


def test_what_a_function_holds_counts():
    assert identity(closure(1)) == identity(closure(1)) != identity(closure(2))
    assert identity(closure(scaled)) != identity(closure(even))
    functions = [lambda x, k=k: x * k for k in (1, 2)]
    assert identity(functions[0]) != identity(functions[1])
    keywords = [lambda x, *, k=k: x * k for k in (1, 2)]
    assert identity(keywords[0]) != identity(keywords[1])
    assert identity(functools.partial(scaled, 1)) != identity(functools.partial(scaled, 2))


def test_globals_that_a_function_reads_count(monkeypatch):
    before = identity(scaled)
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    assert identity(scaled) != before
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    assert identity(scaled) == before


def test_functions_that_call_each_other(monkeypatch):
    before = identity(even), identity(odd)
    assert before[0] != before[1]
    assert identity({"x": odd, "y": [even]}) == identity({"x": odd, "y": [even]})
    monkeypatch.setitem(globals(), "odd", lambda n: n > 1)
    assert identity(even) != before[0]


def test_an_objects_identity_does_not_depend_on_its_company():
    alone = json.loads(canonical(even))
    assert json.loads(canonical({"a": scaled, "b": [odd, even]}))["b"][1] == alone
    assert json.loads(canonical({"a": even, "b": even})) == {"a": alone, "b": alone}


TEXT = "import math\nK = 2\n\ndef helper(x):\n    return K * x\n\ndef f(x):\n    return helper(x) + 1\n"


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("import math\n", "import math\n\n# a remark\n\n", True),
        ("helper(x) + 1", "(helper( x )  +  1)  # the same", True),
        ("helper(x) + 1", "helper(x) + 2", False),
        ("K * x", "K + x", False),
        ("K = 2", "K = 3", False),
        ("def f(x)", "@staticmethod\ndef f(x)", False),
    ],
)
def test_code_counts_and_layout_does_not(old, new, same, tmp_path):
    before = identity(module(tmp_path, TEXT).f)
    after = identity(module(tmp_path, TEXT.replace(old, new)).f)
    assert (before == after) == same


CLASS = (
    "import flax.linen as nn\n\nclass Net(nn.Module):\n    outputs: int\n    width: int = 8\n\n"
    "    @nn.compact\n    def __call__(self, x, *, train=False):\n"
    "        return nn.Dense(self.outputs)(nn.relu(nn.Dense(self.width)(x)))\n"
)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("class Net", "# a remark\nclass Net", True),
        ("nn.relu", "nn.tanh", False),
        ("width: int = 8", "width: int = 9", False),
        ("width: int = 8", "width: float = 8", False),
        ("outputs: int", "outputs: int\n    depth: int = 1", False),
        ("(nn.Module)", "(Base)", False),
    ],
)
def test_a_linen_class_by_its_fields_and_code(old, new, same, tmp_path):
    header = "import flax.linen as nn\n\nclass Base(nn.Module):\n    def f(self): return 1\n\n"
    before = identity(module(tmp_path, header + CLASS).Net)
    after = identity(module(tmp_path, header + CLASS.replace(old, new)).Net)
    assert (before == after) == same


def test_a_linen_module_by_its_values(tmp_path):
    import flax.linen as nn

    net = module(tmp_path, CLASS).Net
    assert identity(net(3)) == identity(net(3)) != identity(net(4))
    assert identity(net(3)) != identity(net(3, width=9))
    assert identity(nn.Dense(3)) == identity(nn.Dense(3)) != identity(nn.Dense(4))
    assert identity(nn.Dense(3, kernel_init=nn.initializers.zeros)) != identity(nn.Dense(3))


def test_an_nnx_module_by_its_arrays():
    from flax import nnx

    def made(seed):
        return nnx.Linear(2, 3, rngs=nnx.Rngs(seed))

    assert identity(made(0)) == identity(made(0)) != identity(made(1))


def test_optax_transformations_and_library_functions():
    import jax.numpy as jnp
    import optax

    assert identity(optax.adam) != identity(optax.sgd)
    assert identity(optax.adam(0.1)) == identity(optax.adam(0.1)) != identity(optax.adam(0.2))
    assert len({identity(f) for f in (jnp.tanh, jnp.sin, np.tanh, np.sin, math.sin, len)}) == 6


def test_arrays_by_their_contents():
    import jax.numpy as jnp

    x = np.arange(6.0, dtype=np.float32)
    others = [x.astype(np.float64), x.reshape(2, 3), x + 1, x[:5]]
    assert len({identity(a) for a in (x, *others)}) == 5
    assert identity(x) == identity(x.copy()) == identity(jnp.asarray(x))
    strided = np.repeat(x, 2)[::2]
    assert identity(strided)[:8] == identity(x)[:8]
    assert identity(np.array(["a", None], object)) != identity(np.array(["b", None], object))


def test_a_method_belongs_to_its_object():
    class Scaler:
        def __init__(self, by):
            self.by = by

        def __call__(self, x):
            return self.by * x

    assert identity(Scaler(1)) == identity(Scaler(1)) != identity(Scaler(2))
    assert identity(Scaler(1).__call__) != identity(Scaler(2).__call__)


def test_functions_without_source():
    def made(text):
        return eval(compile(text, "<nowhere>", "eval"))

    assert identity(made("lambda x: x + 1")) == identity(made("lambda x: x + 1"))
    assert identity(made("lambda x: x + 1")) != identity(made("lambda x: x + 2"))
    assert identity(made("lambda x: (lambda y: x)")) != identity(made("lambda x: (lambda y: y)"))


def test_a_version_stands_for_the_code():
    first, second = versioned(lambda x: x, "1"), versioned(lambda x: 2 * x, "1")
    assert first(3) == 3
    assert identity(first) == identity(second)
    assert identity(versioned(scaled, "1")) != identity(versioned(scaled, "2"))
    assert identity(versioned(scaled, "1")) != identity(versioned(even, "1"))


def test_an_object_that_says_nothing_is_refused():
    with pytest.raises(FuncdlError, match="cannot be identified; wrap"):
        identity(letter for letter in "ab")


@pytest.mark.parametrize(
    "make",
    [
        np.random.default_rng,
        random.Random,
        operator.itemgetter,
        jax.random.key,
        decimal.Decimal,
        lambda n: re.compile(f"x{n}"),
        lambda n: collections.deque([n]),
        lambda n: 1j * n,
        lambda n: jax.vmap(lambda x: x * n),
        lambda n: jax.grad(lambda x: x * n),
        lambda n: jax.jit(lambda x: x * n),
    ],
)
def test_state_that_is_no_attribute_counts(make):
    """A closure over a generator with another seed is another function."""

    def using(held):
        return lambda x: (x, held)

    described = [identity(using(make(n))) for n in (1, 1, 2)]
    assert described[0] == described[1] != described[2]


SCRIPT = """
import functools, numpy as np, optax, flax.linen as nn
from funcdl.config import identity
class Net(nn.Module):
    outputs: int
    act: object = nn.relu
    @nn.compact
    def __call__(self, x, *, train=False):
        return nn.Dense(self.outputs)(self.act(x))
k = 3
things = [lambda r: optax.sgd(r * k), Net, Net(3, act=lambda x: x), {"x", "y", "z"}, np.ones(3),
          functools.partial(optax.sgd, momentum=0.9), optax.adamw(0.1), frozenset("abc")]
print(identity(things))
"""


def test_identities_are_the_same_in_every_process(tmp_path):
    """Whatever the hash seed, the folder and the environment."""
    (tmp_path / "a b").mkdir()
    paths = [tmp_path / "script.py", tmp_path / "a b" / "script.py"]
    found = set()
    for seed, path in zip(("0", "123"), paths, strict=True):
        path.write_text(SCRIPT)
        env = {**os.environ, "PYTHONHASHSEED": seed, "LANG": "C", "JAX_PLATFORMS": "cpu"}
        env.pop("HOME", None)
        done = subprocess.run(
            [sys.executable, str(path)], env=env, capture_output=True, text=True, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        found.add(done.stdout)
    assert len(found) == 1

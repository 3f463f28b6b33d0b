"""Mixed precision and matmul precision, against float64, hand-written casts and XLA's own text."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest
from flax import nnx
from jax.extend.core import ClosedJaxpr, Jaxpr

from funcdl.data.load import make_data
from funcdl.data.order import indices
from funcdl.models import MODELS as NAMES
from funcdl.models import RECOMMENDERS, SCORES
from funcdl.models.make import make_model
from funcdl.optimizers.build import make_optimizer
from funcdl.plan.program import program_id
from funcdl.plan.recipe import cut
from funcdl.tasks.load import make_task
from funcdl.train.assemble import assemble
from funcdl.train.precision import computing_in, multiplying_in
from funcdl.train.run import make_train
from funcdl.train.streams import stream_keys
from funcdl.types import Dataset, Model, Split
from tests.clouds import linear, run
from tests.quick import quick

# Those left out: test_anomaly_models, test_recommendation_models.
OF_IDS = ("bag_of_embeddings", "text_cnn")  # they do not read digits: test_text_models
MODELS = [name for name in NAMES if name not in (*SCORES, *RECOMMENDERS, *OF_IDS)]
DATA: Dataset = make_data("digits")
X = np.asarray(DATA.train.inputs[:6])
KEYS = stream_keys(0, "measure", 0)
SMALL = {
    "resnet": {"channels": [4, 8]},
    "transformer": {"width": 8, "depth": 1, "heads": 2},
    "vit": {"width": 8, "depth": 1, "heads": 2},
    "lstm": {"hidden": [8, 8]},
    "gru": {"hidden": [8, 8]},
}


def small(name: str, **more) -> dict:
    return {"name": name, **SMALL.get(name, {}), **more}


def every(kind: str, jaxpr: Jaxpr):
    """All equations of one kind, wherever in a trace."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == kind:
            yield equation
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple | list) else [value]:
                if isinstance(inner, ClosedJaxpr):
                    yield from every(kind, inner.jaxpr)
                elif isinstance(inner, Jaxpr):
                    yield from every(kind, inner)


def recipe(model, rate=0.01, **train) -> dict:
    return {
        "task": {"name": "classification", "label_smoothing": 0.0},
        "model": model,
        "optimizer": {"name": "sgd", "learning_rate": rate, "momentum": 0.9, "nesterov": False},
        "train": {
            "steps": 50,
            "batch_size": 32,
            "accumulate": 1,
            "schedule": {"name": "constant", "warmup": 0.0},
            "clip_norm": None,
            "clip_value": None,
            "weight_decay": 0.0,
            "compute_dtype": "float32",
            "matmul_precision": None,
            "remat": False,
            "mc_passes": 0,
            **train,
        },
    }


def parts_of(made: dict):
    static, hyper = cut(made)
    return static, {key: np.float32(value) for key, value in hyper.items()}


def chunk_of(made: dict):
    """A run's chunk, and the arguments of a first call."""
    static, hyper = parts_of(made)
    train = assemble(static, DATA)
    state = jax.eval_shape(train.init, KEYS, hyper, DATA.train)
    return train.chunk, (state, KEYS, hyper, DATA.train, np.int32(5))


@pytest.mark.parametrize(
    "spec",
    [small(name) for name in MODELS]
    + [small(name, dropout=0.5) for name in ("mlp", "cnn", "transformer", "lstm", "gru")],
    ids=lambda spec: "-".join(map(str, spec.values())),
)
def test_every_product_of_a_bfloat16_run_is_of_bfloat16(spec):
    """Forward and backward; one float32 number on the way would turn all that follows float32."""
    chunk, arguments = chunk_of(recipe(spec, compute_dtype="bfloat16"))
    products = list(every("dot_general", jax.make_jaxpr(chunk)(*arguments).jaxpr))
    assert len(products) >= 2
    factors: list[Any] = [v.aval for e in products for v in e.invars]
    assert {str(factor.dtype) for factor in factors} == {"bfloat16"}


@pytest.mark.parametrize("name", MODELS)
def test_all_that_a_bfloat16_run_keeps_and_reports_is_float32(name):
    static, hyper = parts_of(recipe(small(name), compute_dtype="bfloat16"))
    train = assemble(static, DATA)
    state = jax.eval_shape(train.init, KEYS, hyper, DATA.train)
    after = jax.eval_shape(train.chunk, state, KEYS, hyper, DATA.train, np.int32(5))
    found = jax.eval_shape(train.evaluate, after, hyper, DATA.validation)
    floats = [x for x in jax.tree.leaves((state, after, found)) if x.dtype.kind in "fV"]
    assert len(floats) > 5
    assert {str(x.dtype) for x in floats} == {"float32"}


def test_the_model_sees_bfloat16_and_nothing_else_does():
    """An MLP in NumPy's float64, rounded to bfloat16 where bfloat16 is computed in."""
    model = computing_in(make_model({"name": "mlp", "hidden": [32]}, 10), "bfloat16")
    x = np.random.default_rng(0).normal(size=(64, 7)).astype("float32")
    variables = model.init(jax.random.key(0), x[:1])
    params = jax.tree.map(lambda p: p + 0.1, variables["params"])
    found, after = model.apply({"params": params}, x, train=True, rngs={})
    assert after["params"] is params

    def rounded(a):
        return np.asarray(a).astype(ml_dtypes.bfloat16).astype("float64")

    def layers(low):
        h = low(x)
        for name in ("Dense_0", "Dense_1"):
            p = jax.tree.map(low, params[name])
            h = low(low(h @ p["kernel"]) + p["bias"])
            h = np.maximum(h, 0) if name == "Dense_0" else h
        return h

    exact = layers(lambda a: np.asarray(a, "float64"))
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, layers(rounded), rtol=2**-7, atol=2**-6)
    far = np.abs(found - exact).max()
    assert 1e-3 < far < 0.1  # coarser than float32, and no coarser than bfloat16


def test_small_steps_add_up_in_float32_parameters():
    """1 - 1e-3 is 1 in bfloat16: parameters kept in it would stand still for ever."""
    model = (lambda key, x: {"w": jnp.ones(())}, lambda p, x: p["w"] * x[:, :1])
    task = make_task("regression")
    data = Split(np.ones((8, 1), np.float32), np.zeros((8, 1), np.float32))
    made = computing_in(make_model(model, 1), "bfloat16")
    train = make_train(made, task, make_optimizer("sgd"), batch_size=8)
    hyper = {"optimizer.learning_rate": np.float32(5e-4), "train.steps": np.float32(99)}
    state = train.init(KEYS, hyper, data)
    state = quick(train.chunk)(state, KEYS, hyper, data, 50)
    # loss = w^2, so that w <- w (1 - 2 rate), and in bfloat16 w (1 - 2 rate) = w
    assert float(state.variables["params"]["w"]) == pytest.approx((1 - 1e-3) ** 50, rel=2e-3)


def test_a_run_is_the_mixed_precision_loop_one_would_write_by_hand():
    made = recipe({"name": "mlp", "hidden": [32]}, compute_dtype="bfloat16")
    made["train"]["schedule"] = {"name": "constant"}
    static, hyper = parts_of(made)
    train = assemble(static, DATA)
    state = quick(train.init)(KEYS, hyper, DATA.train)
    module = nn.Sequential(
        [nn.Dense(32, dtype=jnp.bfloat16), nn.relu, nn.Dense(10, dtype=jnp.bfloat16)]
    )
    inputs, targets = jnp.asarray(DATA.train.inputs), jnp.asarray(DATA.train.targets)
    ours = jax.device_get(state.variables["params"])
    state = quick(train.chunk)(state, KEYS, hyper, DATA.train, 20)
    params = {"layers_0": ours["Dense_0"], "layers_2": ours["Dense_1"]}
    optimizer = optax.sgd(0.01, momentum=0.9)
    moments = optimizer.init(params)

    @quick
    def step(params, moments, i):
        chosen = indices(KEYS["order"], i, n=len(targets), batch_size=32)
        x, y = inputs[chosen], targets[chosen]

        def loss(params):
            logits = module.apply({"params": params}, x.reshape(len(x), -1))
            logits = jnp.asarray(logits, jnp.float32)
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

        updates, moments = optimizer.update(jax.grad(loss)(params), moments)
        return optax.apply_updates(params, updates), moments

    for i in range(20):
        params, moments = step(params, moments, jnp.int32(i))
    found = state.variables["params"]
    for name, other in (("Dense_0", "layers_0"), ("Dense_1", "layers_2")):
        for key in ("kernel", "bias"):
            moved = np.linalg.norm(params[other][key] - ours[name][key])
            apart = np.linalg.norm(params[other][key] - found[name][key])
            assert apart < 0.01 * moved


class Slow(nn.Module):
    """Batch norm whose running statistics move by less than bfloat16 can tell."""

    @nn.compact
    def __call__(self, x, *, train: bool):
        return nn.Dense(2)(nn.BatchNorm(use_running_average=not train, momentum=0.999)(x))


def test_running_statistics_stay_float32():
    model = computing_in(make_model(Slow(), 2), "bfloat16")
    x = np.random.default_rng(0).normal(size=(256, 3)).astype("float32") + 3.0
    variables = model.init(jax.random.key(0), x[:1])
    for _ in range(10):
        _, variables = model.apply(variables, x, train=True, rngs={})
    low = x.astype(ml_dtypes.bfloat16).astype("float64")
    kept = variables["batch_stats"]["BatchNorm_0"]
    forgotten = 1 - 0.999**10
    np.testing.assert_allclose(kept["mean"], forgotten * low.mean(0), rtol=1e-4)
    np.testing.assert_allclose(kept["var"], 1 + forgotten * (low.var(0) - 1), rtol=1e-5)
    assert not np.allclose(kept["var"], 1.0, rtol=1e-4)


def test_integers_are_not_rounded():
    """257 is no bfloat16: a token that passed through one would be another token."""
    table = np.random.default_rng(0).integers(0, 100, (600, 1)).astype("float32")
    model = (lambda key, x: {"table": jnp.asarray(table)}, lambda p, x: p["table"][x])
    tokens = np.arange(600, dtype=np.int32)
    found, _ = computing_in(make_model(model, 1), "bfloat16").apply(
        {"params": {"table": table}}, tokens, train=False, rngs={}
    )
    np.testing.assert_array_equal(found, table)


class Normed(nnx.Module):
    """An NNX module with a state."""

    def __init__(self, *, rngs: nnx.Rngs):
        self.first, self.norm = nnx.Linear(3, 8, rngs=rngs), nnx.BatchNorm(8, rngs=rngs)
        self.last = nnx.Linear(8, 2, rngs=rngs)

    def __call__(self, x):
        return self.last(jax.nn.relu(self.norm(self.first(x))))


def whole() -> Model:
    """A model that counts its calls, in a collection of its own dtype."""

    def apply(variables, inputs, *, train, rngs):
        calls = variables["calls"] + 1
        return inputs @ variables["params"], {"params": variables["params"], "calls": calls}

    return Model(lambda key, x: {"params": jnp.ones((3, 2)), "calls": jnp.zeros(())}, apply)


@pytest.mark.parametrize(
    "made",
    [Normed, whole(), (lambda key, x: jnp.ones((3, 2)), lambda params, x: jnp.dot(x, params))],
    ids=["nnx", "model", "functions"],
)
def test_it_holds_for_models_that_a_user_wrote(made):
    plain = make_model(made, 2)
    model = computing_in(plain, "bfloat16")
    x = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
    variables = model.init(jax.random.key(0), x[:1])
    for train in (True, False):
        one, after = model.apply(variables, x, train=train, rngs={})
        other, expected = plain.apply(variables, x, train=train, rngs={})
        assert one.dtype == jnp.float32
        np.testing.assert_allclose(one, other, atol=0.1)
        assert not np.array_equal(one, other)
        assert jax.tree.structure(after) == jax.tree.structure(expected)
        dtypes = [[leaf.dtype for leaf in jax.tree.leaves(v)] for v in (after, expected)]
        assert dtypes[0] == dtypes[1]


def test_float32_and_no_precision_change_nothing():
    model = make_model("mlp", 10)
    assert computing_in(model, "float32") is model
    train = make_train(model, make_task("classification"), make_optimizer("sgd"), batch_size=8)
    assert multiplying_in(train, None) is train


def test_unknown_precisions_are_refused():
    model = make_model("mlp", 10)
    with pytest.raises(ValueError, match="'float16'; allowed float32, bfloat16"):
        computing_in(model, "float16")
    train = make_train(model, make_task("classification"), make_optimizer("sgd"), batch_size=8)
    with pytest.raises(ValueError, match="'best'; allowed None, default, high, highest"):
        multiplying_in(train, "best")


@pytest.mark.parametrize("precision", [None, "default", "high", "highest"])
@pytest.mark.parametrize("name", ["cnn", "lstm"])
def test_the_precision_of_products_is_in_the_program(name, precision):
    """At every product of the chunk, the gradient's and the update's among them."""
    made = recipe(small(name), matmul_precision=precision)
    made["optimizer"] = {"name": "muon", "learning_rate": 0.01}
    chunk, arguments = chunk_of(made)
    found = {
        e.params["precision"] for e in every("dot_general", jax.make_jaxpr(chunk)(*arguments).jaxpr)
    }
    one = getattr(jax.lax.Precision, precision.upper()) if precision else None
    assert found == ({(one, one)} if precision else {None})


def test_the_precision_of_products_reaches_xla():
    lowered = {}
    for precision in ("default", "highest"):
        chunk, arguments = chunk_of(recipe(small("mlp"), matmul_precision=precision))
        lowered[precision] = jax.jit(chunk).lower(*arguments).as_text(dialect="hlo")
    assert "operand_precision={highest,highest}" in lowered["highest"]
    assert "highest" not in lowered["default"]


def test_numeric_keys_make_programs_and_rates_do_not():
    made = {
        (dtype, precision, remat): parts_of(
            recipe(small("mlp"), compute_dtype=dtype, matmul_precision=precision, remat=remat)
        )[0]
        for dtype in ("float32", "bfloat16")
        for precision in (None, "highest")
        for remat in (False, True)
    }
    assert len({program_id(static, DATA) for static in made.values()}) == 8
    traces = []
    static, _ = parts_of(recipe(small("mlp"), compute_dtype="bfloat16", remat=True))
    train = assemble(static, DATA)

    @quick
    def chunk(*arguments):
        traces.append(1)
        return train.chunk(*arguments)

    for rate in (0.1, 0.2):
        same, hyper = parts_of(recipe(small("mlp"), rate, compute_dtype="bfloat16", remat=True))
        assert same == static
        state = quick(train.init)(KEYS, hyper, DATA.train)
        chunk(state, KEYS, hyper, DATA.train, 3)
    assert len(traces) == 1


@pytest.fixture
def _x64():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@pytest.mark.usefixtures("_x64")
@pytest.mark.parametrize("parts", [2, 8])
def test_accumulated_gradients_are_the_whole_batchs_to_float64(parts):
    """A step of SGD with rate 1 moves the parameters by the gradient."""
    rng = np.random.default_rng(0)
    data = Split(rng.normal(size=(32, 5)), rng.integers(0, 3, 32))
    first = {"a": rng.normal(size=(5, 16)), "b": rng.normal(size=(16, 3))}

    def model(p, x):
        return jnp.tanh(x @ p["a"]) @ p["b"]

    def loss(p):
        losses = optax.softmax_cross_entropy_with_integer_labels(
            model(p, jnp.asarray(data.inputs)), jnp.asarray(data.targets)
        )
        return losses.mean()

    expected = jax.grad(loss)(jax.tree.map(jnp.asarray, first))
    pair = (lambda key, x: jax.tree.map(jnp.asarray, first), model)
    train = make_train(
        make_model(pair, 3),
        make_task("classification"),
        make_optimizer("sgd"),
        batch_size=32,
        accumulate=parts,
    )
    hyper = {"optimizer.learning_rate": np.float32(1), "train.steps": np.float32(9)}
    state = train.init(KEYS, hyper, data)
    after = quick(train.chunk)(state, KEYS, hyper, data, 1).variables["params"]
    for name, value in first.items():
        assert after[name].dtype == jnp.float64
        np.testing.assert_allclose(value - after[name], expected[name], rtol=0, atol=1e-14)


def test_accumulation_takes_less_memory():
    needed: dict[int, Any] = {}
    for parts in (1, 8):
        made = recipe({"name": "mlp", "hidden": [128] * 4}, batch_size=1024, accumulate=parts)
        chunk, arguments = chunk_of(made)
        compiled = jax.jit(chunk, donate_argnums=0).lower(*arguments).compile()
        analysis: Any = compiled.memory_analysis()
        needed[parts] = analysis.temp_size_in_bytes
    assert needed[8] < needed[1] / 3


def test_a_study_compares_numbers_to_compute_in(tmp_path):
    compare = {"train.compute_dtype": ["float32", "bfloat16"], "train.remat": [False, True]}
    results = run(tmp_path / "study", model=linear(), compare=compare, repeat=2, workers=0)
    runs = results.runs[results.runs.phase == "measure"]
    assert set(runs.status) == {"ok"}
    assert runs.groupby("train.compute_dtype").digest.nunique().to_dict() == {
        "float32": 2,
        "bfloat16": 2,
    }
    assert runs.digest.nunique() == 4  # computing activations again changes nothing here

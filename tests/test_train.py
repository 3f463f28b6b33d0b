"""A run as pure functions: equal to a hand-written loop, however it is cut, with one compilation."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from funcdl.data.load import make_data
from funcdl.data.order import indices
from funcdl.models.adapt import from_functions
from funcdl.models.make import make_model
from funcdl.optimizers.build import make_optimizer
from funcdl.plan.recipe import cut
from funcdl.tasks.load import make_task
from funcdl.train.assemble import assemble
from funcdl.train.run import make_train
from funcdl.train.streams import STREAMS, key_words, stream_keys
from funcdl.types import Dataset, Split, Train

DATA: Dataset = make_data("digits")
BATCH = 32


def train_of(model="mlp", optimizer="adam", **options) -> Train:
    return make_train(
        make_model(model, 10),
        make_task("classification"),
        make_optimizer(optimizer),
        batch_size=BATCH,
        **options,
    )


def numbers(rate: float = 1e-2, **others: float) -> dict[str, np.float32]:
    defaults = {"b1": 0.9, "b2": 0.999, "eps": 1e-8, "eps_root": 0.0}
    hyper = {f"optimizer.{k}": v for k, v in {**defaults, **others, "learning_rate": rate}.items()}
    return {k: np.float32(v) for k, v in {**hyper, "train.steps": 100}.items()}


def digest(state) -> list[bytes]:
    return [np.asarray(x).tobytes() for x in jax.tree.leaves(state)]


def test_a_run_is_the_loop_one_would_write_by_hand():
    train, keys, hyper = train_of(), stream_keys(0, "measure", 0), numbers()
    state = train.init(keys, hyper, DATA.train)
    found = jax.jit(train.chunk)(state, keys, hyper, DATA.train, 25)

    model, optimizer = make_model("mlp", 10), optax.adam(1e-2)
    x, y = jnp.asarray(DATA.train.inputs), jnp.asarray(DATA.train.targets)
    params = model.init(keys["init"], x[:1])["params"]
    moments = optimizer.init(params)

    @jax.jit
    def step(params, moments, x, y):
        def loss(params):
            logits, _ = model.apply({"params": params}, x, train=True, rngs={})
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

        value, grads = jax.value_and_grad(loss)(params)
        updates, moments = optimizer.update(grads, moments)
        return optax.apply_updates(params, updates), moments, value

    losses = []
    order = jax.jit(lambda key, i: indices(key, i, n=len(y), batch_size=BATCH))
    for i in range(25):
        chosen = order(keys["order"], i)
        params, moments, value = step(params, moments, x[chosen], y[chosen])
        losses.append(float(value))
    for one, other in zip(
        jax.tree.leaves(found.variables["params"]), jax.tree.leaves(params), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=2e-5)
    assert float(found.loss_sum) == pytest.approx(sum(losses), rel=1e-5)
    assert int(found.loss_count) == 25


@pytest.mark.parametrize(
    "model", ["mlp", {"name": "mlp", "dropout": 0.3}, {"name": "cnn", "channels": [4]}]
)
def test_where_a_run_is_cut_does_not_change_its_bits(model):
    train, keys, hyper = train_of(model), stream_keys(0, "measure", 1), numbers()
    init = jax.jit(train.init)
    chunk = jax.jit(train.chunk)
    whole = chunk(init(keys, hyper, DATA.train), keys, hyper, DATA.train, 23)
    parts = init(keys, hyper, DATA.train)
    for stop in (1, 2, 9, 23):
        parts = chunk(parts, keys, hyper, DATA.train, stop)
    assert digest(whole) == digest(parts)


def test_runs_that_differ_in_numbers_share_one_compilation():
    """Learning rate, decay, schedule, clipping, dropout, smoothing and steps are all traced."""
    traces = []

    def recipe(rate: float) -> dict:
        return {
            "task": {"name": "classification", "label_smoothing": rate},
            "model": {"name": "mlp", "hidden": [8], "activation": "relu", "dropout": rate},
            "optimizer": {"name": "adamw", "learning_rate": rate, "weight_decay": rate, "b1": rate},
            "train": {
                "steps": int(100 * rate),
                "batch_size": 32,
                "accumulate": 1,
                "compute_dtype": "float32",
                "matmul_precision": None,
                "remat": False,
                "mc_passes": 0,
                "schedule": {"name": "cosine", "warmup": rate, "final": rate},
                "clip_norm": rate,
                "clip_value": rate,
                "weight_decay": rate,
            },
        }

    static, first = cut(recipe(0.1))
    train = assemble(static, DATA)

    def counted(*arguments):
        traces.append(1)
        return train.chunk(*arguments)

    chunk, keys = jax.jit(counted), stream_keys(0, "tune", 0)
    ends = []
    for rate in (0.1, 0.2, 0.3):
        same, hyper = cut(recipe(rate))
        assert same == static
        assert hyper.keys() == first.keys()
        hyper = {k: np.float32(v) for k, v in hyper.items()}
        state = train.init(keys, hyper, DATA.train)
        ends.append(digest(chunk(state, keys, hyper, DATA.train, 5).variables))
    assert len(traces) == 1
    assert len({tuple(end) for end in ends}) == 3, "the numbers had no effect"


def test_accumulation_is_the_same_mathematics():
    keys, hyper = stream_keys(0, "measure", 0), numbers()
    ends = []
    for parts in (1, 4):
        train = train_of("mlp", accumulate=parts)
        state = train.init(keys, hyper, DATA.train)
        ends.append(jax.jit(train.chunk)(state, keys, hyper, DATA.train, 10))
    for one, other in zip(*(jax.tree.leaves(e.variables) for e in ends), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    with pytest.raises(ValueError, match="accumulate=5 does not divide batch_size=32"):
        train_of("mlp", accumulate=5)


def test_methods_share_batches_and_draws_and_phases_do_not():
    """Common random numbers: keys know of the seed, the phase, the stream and the repeat alone."""
    words = {
        (seed, phase, stream, repeat): tuple(key_words(seed, phase, stream, repeat))
        for seed in (0, 1)
        for phase in ("tune", "measure")
        for stream in STREAMS
        for repeat in range(3)
    }
    assert len(set(words.values())) == len(words)
    keys = stream_keys(0, "measure", 2)
    for stream, key in keys.items():
        np.testing.assert_array_equal(jax.random.key_data(key), key_words(0, "measure", stream, 2))
    hyper, one, other = numbers(), train_of(optimizer="adam"), train_of(optimizer="nadam")
    first = one.init(keys, hyper, DATA.train).variables
    assert digest(first) == digest(other.init(keys, hyper, DATA.train).variables)


def test_the_words_of_a_key_never_change():
    """Published runs depend on them."""
    # printf 'funcdl stream\n0\nmeasure\ninit\n0' | sha256sum
    assert key_words(0, "measure", "init", 0).tolist() == [0x68A25FB6, 0x12E54DDA]


def test_a_stream_that_is_held_stays_the_same():
    held = stream_keys(0, "measure", {"init": 0, "order": 3, "dropout": 3, "augment": 3})
    free = stream_keys(0, "measure", 3)
    first = stream_keys(0, "measure", 0)
    assert held["init"] == first["init"]
    assert held["order"] == free["order"]


def test_divergence_ends_the_run_at_its_step():
    train, keys = train_of(optimizer="sgd"), stream_keys(0, "measure", 0)
    hyper = {"optimizer.learning_rate": np.float32(1e38), "train.steps": np.float32(100)}
    state = train.init(keys, hyper, DATA.train)
    ended = jax.jit(train.chunk)(state, keys, hyper, DATA.train, 100)
    assert 0 <= int(ended.diverged_at) <= 2
    assert int(ended.step) == int(ended.diverged_at) + 1


def test_a_gradient_that_is_not_finite_under_a_finite_loss_is_divergence():
    """sqrt has an infinite slope at 0: the loss is 0, its gradient is not a number."""
    model = from_functions(
        init=lambda key, x: {"w": jnp.zeros(())},
        apply=lambda params, x: jnp.sqrt(params["w"] * 0.0 * x[:, :1]),
    )
    task = make_task("regression")
    data = Split(np.ones((8, 1), np.float32), np.zeros((8, 1), np.float32))
    train = make_train(model, task, make_optimizer("sgd"), batch_size=8)
    hyper = {"optimizer.learning_rate": np.float32(0.1), "train.steps": np.float32(5)}
    keys = stream_keys(0, "measure", 0)
    state = train.init(keys, hyper, data)
    ended = jax.jit(train.chunk)(state, keys, hyper, data, 5)
    assert int(ended.diverged_at) == 0
    assert float(ended.loss_sum) == 0.0


def test_schedule_free_is_evaluated_at_its_average():
    train, keys = train_of(optimizer="schedule_free_adamw"), stream_keys(0, "measure", 0)
    values = {"learning_rate": 0.02, "b1": 0.9, "b2": 0.999, "eps": 1e-8, "weight_decay": 0.0}
    values["weight_lr_power"] = 2.0
    hyper = {f"optimizer.{k}": np.float32(v) for k, v in values.items()}
    hyper["train.steps"] = np.float32(60)
    state = train.init(keys, hyper, DATA.train)
    state = jax.jit(train.chunk)(state, keys, hyper, DATA.train, 60)
    loss = float(np.mean(train.evaluate(state, hyper, DATA.validation)["loss"]))
    model, task = make_model("mlp", 10), make_task("classification")
    inner = jax.tree.leaves(state.opt_state.inner, is_leaf=lambda s: hasattr(s, "z"))
    (inner,) = [s for s in inner if hasattr(s, "z")]
    averaged = optax.contrib.schedule_free_eval_params(inner, state.variables["params"])
    logits, _ = model.apply({"params": averaged}, DATA.validation.inputs, train=False, rngs={})
    expected = float(np.mean(task.metrics["loss"](logits, DATA.validation.targets)))
    raw, _ = model.apply(state.variables, DATA.validation.inputs, train=False, rngs={})
    assert loss == pytest.approx(expected, rel=1e-5)
    assert loss != pytest.approx(float(np.mean(task.metrics["loss"](raw, DATA.validation.targets))))


def test_a_run_can_be_vmapped_over_keys_and_numbers():
    train = train_of()
    keys = [stream_keys(0, "measure", r) for r in range(3)]
    hypers = [numbers(rate) for rate in (1e-3, 1e-2, 1e38)]

    def whole(keys, hyper):
        state = train.init(keys, hyper, DATA.train)
        return train.chunk(state, keys, hyper, DATA.train, 10)

    stack = lambda *xs: jnp.stack(xs)  # noqa: E731
    lanes = jax.jit(jax.vmap(whole))(jax.tree.map(stack, *keys), jax.tree.map(stack, *hypers))
    assert lanes.diverged_at.tolist()[:2] == [-1, -1]
    assert lanes.diverged_at[2] >= 0
    alone = jax.jit(whole)(keys[1], hypers[1])
    for one, other in zip(
        jax.tree.leaves(lanes.variables), jax.tree.leaves(alone.variables), strict=True
    ):
        np.testing.assert_allclose(one[1], other, rtol=5e-3, atol=5e-5)

"""Steps per second inside a sweep, against a hand-written loop on the same two cores.

The peers are what JAX users write: a Flax Linen module, optax, one `jax.jit` step with donated buffers
called in a Python loop, with all cores for XLA. "batches" hands each step its NumPy batch, as most
examples do; "indices" keeps the data on the device and gathers inside the step, the fastest loop we
could write by hand. Same model, batch size, optimizer, schedule and data; they neither evaluate nor
store anything, while funcdl's runs do.
funcdl's rate is taken from the whole engine at work: finished runs per second of wall time, from the
moment when every worker has its program.

usage: python benchmarks/throughput.py [REPEATS] [MODEL ...]
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import funcdl as fd

BATCH, RATE = 64, 1e-3
PEERS = ("batches", "indices")
MODELS = {
    "mlp": ({"name": "mlp", "hidden": [64, 64]}, 4000, 40),
    "cnn": ({"name": "cnn", "channels": [16, 32]}, 800, 40),
}

PEER = """
import sys, time
import flax.linen as nn, jax, jax.numpy as jnp, numpy as np, optax
from funcdl.data.load import make_data

class MLP(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = x.reshape((x.shape[0], -1))
        for width in (64, 64):
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(10)(x)

class CNN(nn.Module):
    @nn.compact
    def __call__(self, x):
        for width in (16, 32):
            x = nn.relu(nn.max_pool(nn.Conv(width, (3, 3))(x), (2, 2), (2, 2)))
        return nn.Dense(10)(x.reshape((x.shape[0], -1)))

model = {"mlp": MLP(), "cnn": CNN()}[sys.argv[1]]
steps, batch = int(sys.argv[2]), int(sys.argv[3])
train = make_data("digits").train
x, y = jnp.asarray(train.inputs), jnp.asarray(train.targets)
optimizer = optax.adamw(optax.cosine_decay_schedule(float(sys.argv[4]), steps))
params = model.init(jax.random.key(0), x[:1])
state = optimizer.init(params)

def loss(params, x, y):
    return optax.softmax_cross_entropy_with_integer_labels(model.apply(params, x), y).mean()

def step(params, state, x, y):
    value, grads = jax.value_and_grad(loss)(params, x, y)
    updates, state = optimizer.update(grads, state, params)
    return optax.apply_updates(params, updates), state, value
def step_at(params, state, x, y, chosen):
    return step(params, state, x[chosen], y[chosen])

on_batches = jax.jit(step, donate_argnums=(0, 1))
at_indices = jax.jit(step_at, donate_argnums=(0, 1))

rng = np.random.default_rng(0)
def batches():
    while True:
        order = rng.permutation(len(y))
        for i in range(0, len(y) - batch + 1, batch):
            yield order[i : i + batch]

def train_for(steps, params, state):
    source = batches()
    for _ in range(steps):
        chosen = next(source)
        if sys.argv[5] == "batches":
            batch = train.inputs[chosen], train.targets[chosen]
            params, state, value = on_batches(params, state, *batch)
        else:
            params, state, value = at_indices(params, state, x, y, chosen)
    jax.block_until_ready(params)
    return params, state

params, state = train_for(50, params, state)
began = time.perf_counter()
train_for(steps, params, state)
print(steps / (time.perf_counter() - began))
"""


def by_hand(model: str, steps: int, peer: str) -> float:
    """Steps per second of a hand-written loop."""
    words = [sys.executable, "-c", PEER, model, str(steps), str(BATCH), str(RATE), peer]
    return float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def in_a_sweep(model: dict, steps: int, repeats: int) -> float:
    """Steps per second of a study of that many runs, from the moment all workers train."""
    study = fd.Study(
        task="classification",
        data="digits",
        model=model,
        optimizer={"name": "adamw", "learning_rate": RATE},
        train={"steps": steps, "batch_size": BATCH, "eval_every": steps // 4, "schedule": "cosine"},
        repeat=repeats,
    )
    seen: list[tuple[float, int]] = []

    def observe(status) -> None:
        busy = status.workers and all(doing.startswith("measure") for doing in status.workers)
        if busy or seen:
            seen.append((time.perf_counter(), status.runs))

    with tempfile.TemporaryDirectory() as folder:
        fd.run(study, out=Path(folder) / "out", observe=observe)
    (start, before), (end, after) = seen[0], next(s for s in seen if s[1] == seen[-1][1])
    return (after - before) * steps / (end - start)


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    for name in sys.argv[2:] or MODELS:
        model, steps, runs = MODELS[name]
        rates: dict[str, list[float]] = {peer: [] for peer in (*PEERS, "sweep")}
        for _ in range(repeats):
            for peer in PEERS:
                rates[peer].append(by_hand(name, steps, peer))
            rates["sweep"].append(in_a_sweep(model, steps, runs))
        print(f"{name}: in a sweep {statistics.median(rates['sweep']):,.0f} steps/s")
        for peer in PEERS:
            ratios = sorted(o / p for o, p in zip(rates["sweep"], rates[peer], strict=True))
            print(
                f"  by hand, {peer}: {statistics.median(rates[peer]):,.0f} steps/s, "
                f"ratio {statistics.median(ratios):.1f} (min {ratios[0]:.1f}, max {ratios[-1]:.1f})"
            )


if __name__ == "__main__":
    main()

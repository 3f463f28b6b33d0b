"""The peer in JAX: a training script as users of Flax and Optax write it by hand.

A Linen model, one jitted step with donated buffers, a Python loop over shuffled batches, validation
every so often, the test split at the end. Given several rates and seeds it runs them one after another
in this process; it compiles once, since the rate is an argument of the step.

usage: python flax_digits.py DATA.npz MODEL --steps 500 --rates 0.001 0.01 --seeds 0 1
Prints a line of JSON per run: rate, seed, test_accuracy, and seconds from its init to its end.
"""

import argparse
import functools
import json
import time

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax


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


class LSTM(nn.Module):
    @nn.compact
    def __call__(self, x):
        states = jnp.asarray(nn.RNN(nn.OptimizedLSTMCell(64))(x[..., 0]))
        return nn.Dense(10)(states[:, -1])


class GRU(nn.Module):
    @nn.compact
    def __call__(self, x):
        states = jnp.asarray(nn.RNN(nn.GRUCell(64))(x[..., 0]))
        return nn.Dense(10)(states[:, -1])


class Transformer(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Dense(64)(x[..., 0])
        x += self.param("positions", nn.initializers.normal(0.02), (1, *x.shape[1:]))
        for _ in range(2):
            x += nn.MultiHeadDotProductAttention(num_heads=4)(nn.LayerNorm()(x))
            x += nn.Dense(64)(nn.gelu(nn.Dense(256)(nn.LayerNorm()(x))))
        return nn.Dense(10)(nn.LayerNorm()(x).mean(axis=1))


MODELS = {"mlp": MLP(), "cnn": CNN(), "lstm": LSTM(), "gru": GRU(), "transformer": Transformer()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--eval-every", type=int, default=100)
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-3])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    args = parser.parse_args()
    data, model = dict(np.load(args.data)), MODELS[args.model]
    x, y = data["train_x"], data["train_y"]

    def loss_and_accuracy(params, x, y):
        logits = model.apply(params, x)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
        return loss, (logits.argmax(-1) == y).mean()

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params, state, rate, x, y):
        (loss, _), grads = jax.value_and_grad(loss_and_accuracy, has_aux=True)(params, x, y)
        updates, state = optax.adam(rate).update(grads, state, params)
        return optax.apply_updates(params, updates), state, loss

    init, evaluate = jax.jit(model.init), jax.jit(loss_and_accuracy)

    def train(rate: float, seed: int) -> float:
        rng = np.random.default_rng(seed)
        params = init(jax.random.key(seed), jnp.asarray(x[:1]))
        state = optax.adam(rate).init(params)
        order, at, history = rng.permutation(len(y)), 0, []
        for done in range(1, args.steps + 1):
            if at + args.batch > len(y):
                order, at = rng.permutation(len(y)), 0
            chosen, at = order[at : at + args.batch], at + args.batch
            params, state, _ = step(params, state, rate, x[chosen], y[chosen])
            if done % args.eval_every == 0:
                found = evaluate(params, data["validation_x"], data["validation_y"])
                history.append([float(value) for value in found])
        return float(evaluate(params, data["test_x"], data["test_y"])[1])

    for rate in args.rates:
        for seed in args.seeds:
            began = time.perf_counter()
            accuracy = train(rate, seed)
            seconds = time.perf_counter() - began
            line = {"rate": rate, "seed": seed, "test_accuracy": accuracy, "seconds": seconds}
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()

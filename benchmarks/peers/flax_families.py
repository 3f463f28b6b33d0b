"""Trains a family of `flax_models.py` as users of Flax and Optax write it: one jitted step in a Python loop.

Donated buffers, the data on the device, the batch gathered inside of the step, AdamW, all cores. Of two
runs in this process the second is timed; nothing is evaluated.

usage: python flax_families.py DATA.npz FAMILY --steps 500 --batch 64
Prints a line of JSON: of the second run steps_per_second and cpu (processor seconds per step, of all
threads), parameters, and loss, the mean over all steps of both runs.
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
from flax_models import (
    CNN,
    NCF,
    TCN,
    VAE,
    Autoencoder,
    Bag,
    DeepSVDD,
    Flat,
    FTTransformer,
    MatrixFactorisation,
    NBeats,
    PatchTransformer,
    Recurrent,
    ResidualMLP,
    ResNet,
    Rows,
    SASRec,
    Series,
    TextCNN,
    Transformer,
    TwoTower,
    ViT,
)

FAMILIES = {
    "images/cnn": lambda _: CNN(),
    "images/resnet": lambda _: ResNet(),
    "images/vit": lambda _: ViT(),
    "images/gru": lambda _: Rows(),
    "reviews/bag_of_embeddings": lambda n: Bag(n["tokens"]),
    "reviews/text_cnn": lambda n: TextCNN(n["tokens"]),
    "reviews/gru": lambda n: Recurrent(n["tokens"], nn.GRUCell),
    "reviews/lstm": lambda n: Recurrent(n["tokens"], nn.OptimizedLSTMCell),
    "reviews/transformer": lambda n: Transformer(n["tokens"]),
    "shuttle/autoencoder": lambda _: Autoencoder(),
    "shuttle/vae": lambda _: VAE(),
    "shuttle/deep_svdd": lambda _: DeepSVDD(),
    "stocks/mlp": lambda _: Flat((64, 64, 3)),
    "stocks/nbeats": lambda _: NBeats(),
    "stocks/gru": lambda _: Series(),
    "stocks/tcn": lambda _: TCN(),
    "stocks/patch_transformer": lambda _: PatchTransformer(),
    "phishing/mlp": lambda _: Flat((64, 64, 2)),
    "phishing/residual_mlp": lambda _: ResidualMLP(),
    "phishing/ft_transformer": lambda _: FTTransformer(),
    "movielens/matrix_factorisation": lambda n: MatrixFactorisation(n["items"], n["users"]),
    "movielens/ncf": lambda n: NCF(n["items"], n["users"]),
    "movielens/two_tower": lambda n: TwoTower(n["items"], n["users"]),
    "movielens/sasrec": lambda n: SASRec(n["items"], n["users"]),
}


def cross_entropy(logits, batch):
    return optax.softmax_cross_entropy_with_integer_labels(logits, batch["y"]).mean()


def pinball(found, batch):
    error, tau = batch["y"][:, None] - found, jnp.array([[0.1, 0.5, 0.9]])
    return jnp.maximum(tau * error, (tau - 1) * error).mean()


def sampled_softmax(outputs, batch, items):
    own, others, drawn = outputs
    hit = drawn[None] == batch["y"][:, None]
    others = jnp.where(hit, -jnp.inf, others + jnp.log((items - 1) / len(drawn)))
    total = jax.nn.logsumexp(jnp.concatenate([own[:, None], others], 1), axis=1)
    return (total - own).mean()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch", type=int, default=64)
    args = parser.parse_args()
    arrays = dict(np.load(args.data))
    counts = {name: int(arrays.pop(name)) for name in ("tokens", "items", "users")}
    model, optimizer = FAMILIES[args.family](counts), optax.adamw(1e-3)
    data = {name: jnp.asarray(array) for name, array in arrays.items()}
    n = len(next(iter(arrays.values())))
    loss_of = {
        "shuttle": lambda scores, _: scores.mean(),
        "stocks": pinball,
        "movielens": functools.partial(sampled_softmax, items=counts["items"]),
    }.get(args.family.split("/")[0], cross_entropy)

    @functools.partial(jax.jit, donate_argnums=(0, 1, 2))
    def step(params, others, state, data, chosen, key, at):
        batch = {name: array[chosen] for name, array in data.items()}

        def loss(params):
            rngs = {"noise": jax.random.fold_in(key, at)}
            outputs, after = model.apply(
                {"params": params, **others}, batch, rngs=rngs, mutable=list(others)
            )
            return loss_of(outputs, batch), after

        (value, others_after), grads = jax.value_and_grad(loss, has_aux=True)(params)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), others_after, state, value

    init = jax.jit(model.init)

    def train(seed: int) -> tuple[int, list[jax.Array]]:
        rng, key, losses = np.random.default_rng(seed), jax.random.key(seed), []
        order, at = rng.permutation(n).astype(np.int32), 0
        first = {name: array[order[: args.batch]] for name, array in data.items()}
        others = dict(init({"params": key, "noise": key}, first))
        params = others.pop("params")
        state = optimizer.init(params)
        for done in range(args.steps):
            if at + args.batch > n:
                order, at = rng.permutation(n).astype(np.int32), 0
            chosen, at = order[at : at + args.batch], at + args.batch
            params, others, state, loss = step(params, others, state, data, chosen, key, done)
            losses.append(loss)
        jax.block_until_ready(params)
        return sum(x.size for x in jax.tree.leaves(params)), losses

    _, first = train(0)
    began, used = time.perf_counter(), time.process_time()
    parameters, second = train(1)
    seconds, used = time.perf_counter() - began, time.process_time() - used
    line = {
        "steps_per_second": args.steps / seconds,
        "cpu": used / args.steps,
        "parameters": parameters,
        "loss": float(np.mean([float(x) for x in (*first, *second)])),
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()

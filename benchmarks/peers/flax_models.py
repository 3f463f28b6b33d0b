"""The families of the six tables, with Linen's own layers; a batch is a dict: see `flax_families.py`."""

import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp


class Perceptron(nn.Module):
    widths: Sequence[int]
    bias: bool = True

    @nn.compact
    def __call__(self, x):
        for width in self.widths[:-1]:
            x = nn.relu(nn.Dense(width, use_bias=self.bias)(x))
        return nn.Dense(self.widths[-1], use_bias=self.bias)(x)


class Block(nn.Module):
    heads: int
    expansion: int

    @nn.compact
    def __call__(self, x, mask=None):
        width, read = x.shape[-1], nn.LayerNorm()(x)
        x += nn.MultiHeadDotProductAttention(num_heads=self.heads)(read, mask=mask)
        h = nn.gelu(nn.Dense(self.expansion * width)(nn.LayerNorm()(x)))
        return x + nn.Dense(width)(h)


class Positions(nn.Module):
    @nn.compact
    def __call__(self, x):
        return x + self.param("at", nn.initializers.normal(0.02), (1, *x.shape[1:]))


def mean_of_tokens(x, ids):
    there = (ids > 0)[..., None]
    return (x * there).sum(1) / jnp.maximum(there.sum(1), 1)


class CNN(nn.Module):
    @nn.compact
    def __call__(self, batch):
        x = batch["x"]
        for width in (16, 32, 64):
            x = nn.relu(nn.max_pool(nn.Conv(width, (3, 3))(x), (2, 2), (2, 2)))
        return nn.Dense(10)(x.reshape((len(x), -1)))


class ResNet(nn.Module):
    @nn.compact
    def __call__(self, batch):
        norm = functools.partial(nn.BatchNorm, use_running_average=False, momentum=0.9)
        conv = functools.partial(nn.Conv, use_bias=False)
        x = nn.relu(norm()(conv(16, (3, 3), strides=2)(batch["x"])))
        for width, stride in ((16, 1), (32, 2)):
            h = nn.relu(norm()(conv(width, (3, 3), strides=stride)(x)))
            h = norm()(conv(width, (3, 3))(h))
            if stride > 1:
                x = norm()(conv(width, (1, 1), strides=stride)(x))
            x = nn.relu(x + h)
        return nn.Dense(10)(x.mean((1, 2)))


class ViT(nn.Module):
    @nn.compact
    def __call__(self, batch):
        x = nn.Conv(64, (7, 7), strides=7)(batch["x"])
        x = Positions()(x.reshape((len(x), -1, 64)))
        for _ in range(2):
            x = Block(4, 4)(x)
        return nn.Dense(10)(nn.LayerNorm()(x).mean(1))


class Rows(nn.Module):
    @nn.compact
    def __call__(self, batch):
        states = jnp.asarray(nn.RNN(nn.GRUCell(96))(batch["x"][..., 0]))
        return nn.Dense(10)(states[:, -1])


class Bag(nn.Module):
    tokens: int

    @nn.compact
    def __call__(self, batch):
        x = nn.Embed(self.tokens, 32)(batch["x"])
        return nn.Dense(2)(mean_of_tokens(x, batch["x"]))


class TextCNN(nn.Module):
    tokens: int

    @nn.compact
    def __call__(self, batch):
        ids = batch["x"]
        x, found = nn.Embed(self.tokens, 32)(ids) * (ids > 0)[..., None], []
        for width in (3, 4, 5):
            h = nn.relu(nn.Conv(32, (width,), padding="VALID")(x))
            # windows that reach into padding do not count, but for the first
            whole = (ids[:, width - 1 :] > 0).at[:, 0].set(True)
            found.append(jnp.where(whole[..., None], h, 0).max(1))
        return nn.Dense(2)(jnp.concatenate(found, -1))


class Recurrent(nn.Module):
    tokens: int
    cell: Any

    @nn.compact
    def __call__(self, batch):
        x = nn.Embed(self.tokens, 32)(batch["x"])
        return nn.Dense(2)(mean_of_tokens(jnp.asarray(nn.RNN(self.cell(32))(x)), batch["x"]))


class Transformer(nn.Module):
    tokens: int

    @nn.compact
    def __call__(self, batch):
        ids = batch["x"]
        x = Positions()(nn.Embed(self.tokens, 32)(ids))
        x = Block(2, 2)(x, (ids > 0)[:, None, None])
        return nn.Dense(2)(mean_of_tokens(nn.LayerNorm()(x), ids))


class Autoencoder(nn.Module):
    @nn.compact
    def __call__(self, batch):
        back = Perceptron((64, 9))(Perceptron((64, 8))(batch["x"]))
        return jnp.square(batch["x"] - back).mean(-1)


class VAE(nn.Module):
    @nn.compact
    def __call__(self, batch):
        x = batch["x"]
        mean, log_variance = jnp.split(Perceptron((64, 16))(x), 2, -1)
        noise = jax.random.normal(self.make_rng("noise"), mean.shape)
        back = Perceptron((64, 9))(mean + jnp.exp(log_variance / 2) * noise)
        surprise = 0.5 * (jnp.square(x - back) + jnp.log(2 * jnp.pi)).sum(-1)
        divergence = 0.5 * (jnp.square(mean) + jnp.exp(log_variance) - 1 - log_variance).sum(-1)
        return surprise + divergence


class DeepSVDD(nn.Module):
    @nn.compact
    def __call__(self, batch):
        h = Perceptron((64, 32), bias=False)(batch["x"])

        def centre():
            mean = h.mean(0)
            return jnp.where(mean < 0, -1, 1) * jnp.maximum(jnp.abs(mean), 0.1)

        return jnp.square(h - self.variable("centre", "of the first batch", centre).value).sum(-1)


class Flat(nn.Module):
    widths: Sequence[int]

    @nn.compact
    def __call__(self, batch):
        return Perceptron(self.widths)(batch["x"].reshape((len(batch["x"]), -1)))


class NBeats(nn.Module):
    @nn.compact
    def __call__(self, batch):
        rest, total = batch["x"].reshape((len(batch["x"]), -1)), 0
        for block in range(3):
            h = nn.relu(Perceptron((64, 64))(rest))
            total += nn.Dense(3)(h)
            if block < 2:
                rest -= nn.Dense(rest.shape[1])(h)
        return total


class Series(nn.Module):
    @nn.compact
    def __call__(self, batch):
        states = jnp.asarray(nn.RNN(nn.GRUCell(32))(batch["x"]))
        return nn.Dense(3)(states[:, -1])


class TCN(nn.Module):
    @nn.compact
    def __call__(self, batch):
        x = batch["x"]
        for i in range(4):
            h = nn.relu(nn.Conv(32, (3,), kernel_dilation=2**i, padding="CAUSAL")(x))
            h = nn.relu(nn.Conv(32, (3,), kernel_dilation=2**i, padding="CAUSAL")(h))
            x = nn.relu(h + (x if x.shape[-1] == 32 else nn.Dense(32)(x)))
        return nn.Dense(3)(x[:, -1])


class PatchTransformer(nn.Module):
    @nn.compact
    def __call__(self, batch):
        x = batch["x"]
        starts = jnp.arange(0, x.shape[1] - 7, 4)
        patches = x[:, starts[:, None] + jnp.arange(8)[None]]
        x = Positions()(nn.Dense(32)(patches.reshape((len(x), len(starts), -1))))
        for _ in range(2):
            x = Block(4, 2)(x)
        return nn.Dense(3)(nn.LayerNorm()(x).reshape((len(x), -1)))


class ResidualMLP(nn.Module):
    @nn.compact
    def __call__(self, batch):
        norm = functools.partial(nn.BatchNorm, use_running_average=False, momentum=0.9)
        h = nn.Dense(64)(batch["x"])
        for _ in range(2):
            h += nn.Dense(64)(nn.relu(nn.Dense(128)(norm()(h))))
        return nn.Dense(2)(nn.relu(norm()(h)))


class FTTransformer(nn.Module):
    @nn.compact
    def __call__(self, batch):
        x, start = batch["x"], nn.initializers.uniform(0.3)
        weight, bias = (self.param(name, start, (1, 9, 32)) for name in ("weight", "bias"))
        first = jnp.broadcast_to(self.param("first", start, (1, 1, 32)), (len(x), 1, 32))
        x = jnp.concatenate([first, x[..., None] * weight + bias], 1)
        for layer in range(2):
            read = nn.LayerNorm()(x) if layer else x
            x = x[:, :1] if layer else x  # in the last layer the first token alone reads
            x += nn.MultiHeadDotProductAttention(num_heads=2)(read[:, : x.shape[1]], read)
            a, g = jnp.split(nn.Dense(64)(nn.LayerNorm()(x)), 2, -1)
            x += nn.Dense(32)(a * nn.relu(g))
        return nn.Dense(2)(nn.relu(nn.LayerNorm()(x[:, 0])))


class Recommender(nn.Module):
    """Scores of the next items `[batch]` and of drawn ones `[batch, draws]`; and the draws."""

    items: int
    users: int
    draws: int = 512

    @nn.compact
    def __call__(self, batch):
        drawn = jax.random.randint(self.make_rng("noise"), (self.draws,), 1, self.items)
        bias = self.param("bias", nn.initializers.zeros, (self.items,))
        own, others = self.scores(batch, drawn)
        return own + bias[batch["y"]], others + bias[drawn], drawn

    def scores(self, batch, drawn) -> tuple[jax.Array, jax.Array]:
        raise NotImplementedError


def products(person, own, others):
    return (person * own).sum(-1), person @ others.T


class MatrixFactorisation(Recommender):
    def scores(self, batch, drawn):
        items = nn.Embed(self.items, 64)
        person = nn.Embed(self.users, 64)(batch["user"])
        return products(person, items(batch["y"]), items(drawn))


class NCF(Recommender):
    draws: int = 128

    def scores(self, batch, drawn):
        people, items = nn.Embed(self.users, 32), nn.Embed(self.items, 32)
        p = nn.Embed(self.users, 32)(batch["user"]) * self.param("w", nn.initializers.ones, (32,))
        q = nn.Embed(self.items, 32)
        own, others = products(p, q(batch["y"]), q(drawn))
        chosen = jnp.broadcast_to(drawn, (len(p), len(drawn)))
        item = items(jnp.concatenate([batch["y"][:, None], chosen], 1))
        person = jnp.broadcast_to(people(batch["user"])[:, None], item.shape)
        network = Perceptron((32, 16, 1))(jnp.concatenate([person, item], -1))[..., 0]
        return own + network[:, 0], others + network[:, 1:]


class TwoTower(Recommender):
    def scores(self, batch, drawn):
        items, tower = nn.Embed(self.items, 64), Perceptron((64, 64))
        history = mean_of_tokens(items(batch["history"]), batch["history"])
        both = jnp.concatenate([history, nn.Embed(self.users, 64)(batch["user"])], -1)
        return products(Perceptron((64, 64))(both), tower(items(batch["y"])), tower(items(drawn)))


class SASRec(Recommender):
    def scores(self, batch, drawn):
        items, history = nn.Embed(self.items, 32), batch["history"]
        x = Positions()(items(history))
        read, x = nn.LayerNorm()(x), x[:, -1:]  # the latest item alone reads
        mask = (history > 0)[:, None, None]
        x += nn.MultiHeadDotProductAttention(num_heads=2)(read[:, -1:], read, mask=mask)
        x += nn.Dense(32)(nn.gelu(nn.Dense(64)(nn.LayerNorm()(x))))
        person = nn.LayerNorm()(x[:, 0])
        return products(person, items(batch["y"]), items(drawn))

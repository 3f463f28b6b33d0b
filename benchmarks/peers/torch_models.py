"""The families of the six tables in the words of PyTorch, with its own layers; see `torch_families.py`.

A batch is a dict of tensors: "x", or "history" and "user", and "y"; images are `[batch, 1, height, width]`.
"""

# pyright: reportMissingImports=false
# (PyTorch lives in an environment of its own.)

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Batch = dict[str, Tensor]


def perceptron(*widths: int, bias: bool = True) -> nn.Sequential:
    layers = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after, bias=bias), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class OfInputs(nn.Module):
    """A network that reads "x" alone."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, batch: Batch) -> Tensor:
        return self.layers(batch["x"])


class Block(nn.Module):
    def __init__(self, width: int, heads: int, expansion: int):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential(
            *(nn.Linear(width, expansion * width), nn.GELU("tanh")),
            nn.Linear(expansion * width, width),
        )

    def forward(self, x: Tensor, padding: Tensor | None = None) -> Tensor:
        read = self.norms[0](x)
        x = x + self.attention(read, read, read, padding, need_weights=False)[0]
        return x + self.mlp(self.norms[1](x))


def mean_of_tokens(x: Tensor, ids: Tensor) -> Tensor:
    there = (ids > 0)[..., None]
    return (x * there).sum(1) / there.sum(1).clamp(min=1)


def cnn(channels: Sequence[int]) -> nn.Module:
    layers = []
    for before, after in itertools.pairwise((1, *channels)):
        layers += [nn.Conv2d(before, after, 3, padding="same"), nn.MaxPool2d(2), nn.ReLU()]
    return OfInputs(*layers, nn.Flatten(), nn.Linear(9 * channels[-1], 10))


class Residual(nn.Module):
    """Adds a branch to what it reads, through a shortcut of its own."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module):
        super().__init__()
        self.branch, self.shortcut = branch, shortcut

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.branch(x)


def resnet() -> nn.Module:
    def conv(before: int, after: int, size: int, stride: int) -> nn.Sequential:
        layer = nn.Conv2d(before, after, size, stride, size // 2, bias=False)
        return nn.Sequential(layer, nn.BatchNorm2d(after))

    layers = [conv(1, 16, 3, 2), nn.ReLU()]
    for before, after, stride in ((16, 16, 1), (16, 32, 2)):
        branch = nn.Sequential(conv(before, after, 3, stride), nn.ReLU(), conv(after, after, 3, 1))
        shortcut = conv(before, after, 1, stride) if stride > 1 else nn.Identity()
        layers += [Residual(branch, shortcut), nn.ReLU()]
    return OfInputs(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))


class ViT(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.positions = nn.Conv2d(1, 64, 7, 7), nn.Parameter(torch.zeros(1, 16, 64))
        self.blocks = nn.Sequential(Block(64, 4, 4), Block(64, 4, 4), nn.LayerNorm(64))
        self.readout = nn.Linear(64, 10)

    def forward(self, batch: Batch) -> Tensor:
        x = self.embed(batch["x"]).flatten(2).transpose(1, 2) + self.positions
        return self.readout(self.blocks(x).mean(1))


class Recurrent(nn.Module):
    """Vectors as they come, or images as rows; the last state is read out."""

    def __init__(self, features: int, width: int, outputs: int):
        super().__init__()
        self.layer = nn.GRU(features, width, batch_first=True)
        self.readout = nn.Linear(width, outputs)

    def forward(self, batch: Batch) -> Tensor:
        x = batch["x"]
        return self.readout(self.layer(x[:, 0] if x.ndim == 4 else x)[0][:, -1])


class Bag(nn.Module):
    def __init__(self, tokens: int):
        super().__init__()
        self.embed = nn.EmbeddingBag(tokens, 32, mode="mean", padding_idx=0)
        self.readout = nn.Linear(32, 2)

    def forward(self, batch: Batch) -> Tensor:
        return self.readout(self.embed(batch["x"]))


class TextCNN(nn.Module):
    def __init__(self, tokens: int):
        super().__init__()
        self.embed = nn.Embedding(tokens, 32, padding_idx=0)
        self.filters = nn.ModuleList([nn.Conv1d(32, 32, width) for width in (3, 4, 5)])
        self.readout = nn.Linear(96, 2)

    def forward(self, batch: Batch) -> Tensor:
        ids = batch["x"]
        x, found = self.embed(ids).transpose(1, 2), []
        for width, layer in zip((3, 4, 5), self.filters, strict=True):
            whole = ids[:, width - 1 :] > 0
            whole[:, 0] = True
            found.append((torch.relu(layer(x)) * whole[:, None]).amax(2))
        return self.readout(torch.cat(found, 1))


class TextRecurrent(nn.Module):
    def __init__(self, tokens: int, layer: type[nn.Module]):
        super().__init__()
        self.embed = nn.Embedding(tokens, 32, padding_idx=0)
        self.layer, self.readout = layer(32, 32, batch_first=True), nn.Linear(32, 2)

    def forward(self, batch: Batch) -> Tensor:
        states, _ = self.layer(self.embed(batch["x"]))
        return self.readout(mean_of_tokens(states, batch["x"]))


class Transformer(nn.Module):
    def __init__(self, tokens: int):
        super().__init__()
        self.embed = nn.Embedding(tokens, 32, padding_idx=0)
        self.positions = nn.Parameter(torch.zeros(1, 96, 32))
        self.block, self.norm, self.readout = Block(32, 2, 2), nn.LayerNorm(32), nn.Linear(32, 2)

    def forward(self, batch: Batch) -> Tensor:
        ids = batch["x"]
        x = self.block(self.embed(ids) + self.positions, ids == 0)
        return self.readout(mean_of_tokens(self.norm(x), ids))


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.through = nn.Sequential(perceptron(9, 64, 8), perceptron(8, 64, 9))

    def forward(self, batch: Batch) -> Tensor:
        return (batch["x"] - self.through(batch["x"])).square().mean(1)


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = perceptron(9, 64, 16), perceptron(8, 64, 9)

    def forward(self, batch: Batch) -> Tensor:
        x = batch["x"]
        mean, log_variance = self.encoder(x).chunk(2, 1)
        back = self.decoder(mean + (log_variance / 2).exp() * torch.randn_like(mean))
        surprise = 0.5 * ((x - back).square() + math.log(2 * math.pi)).sum(1)
        return surprise + 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)


class DeepSVDD(nn.Module):
    def __init__(self):
        super().__init__()
        self.through, self.centre = perceptron(9, 64, 32, bias=False), None

    def forward(self, batch: Batch) -> Tensor:
        h = self.through(batch["x"])
        if self.centre is None:
            mean = h.detach().mean(0)
            self.centre = torch.where(mean < 0, -1, 1) * mean.abs().clamp(min=0.1)
        return (h - self.centre).square().sum(1)


class NBeats(nn.Module):
    def __init__(self, inputs: int):
        super().__init__()
        hidden = [nn.Sequential(perceptron(inputs, 64, 64), nn.ReLU()) for _ in range(3)]
        self.hidden = nn.ModuleList(hidden)
        self.ahead = nn.ModuleList([nn.Linear(64, 3) for _ in range(3)])
        self.back = nn.ModuleList([nn.Linear(64, inputs) for _ in range(2)])

    def forward(self, batch: Batch) -> Tensor:
        rest, total = batch["x"].flatten(1), torch.zeros(())
        for block, (hidden, ahead) in enumerate(zip(self.hidden, self.ahead, strict=True)):
            h = hidden(rest)
            total = total + ahead(h)
            if block < 2:
                rest = rest - self.back[block](h)
        return total


class TCN(nn.Module):
    def __init__(self, features: int):
        super().__init__()
        widths = (features, 32, 32, 32, 32)
        self.convolutions = nn.ModuleList(
            nn.ModuleList(
                [nn.Conv1d(before, 32, 3, dilation=2**i), nn.Conv1d(32, 32, 3, dilation=2**i)]
            )
            for i, before in enumerate(widths[:-1])
        )
        self.widen, self.readout = nn.Conv1d(features, 32, 1), nn.Linear(32, 3)

    def forward(self, batch: Batch) -> Tensor:
        x = batch["x"].transpose(1, 2)
        for i, pair in enumerate(self.convolutions):
            h = x
            for layer in pair:
                h = torch.relu(layer(F.pad(h, (2 * 2**i, 0))))
            x = torch.relu(h + (x if i else self.widen(x)))
        return self.readout(x[..., -1])


class PatchTransformer(nn.Module):
    def __init__(self, features: int):
        super().__init__()
        self.embed, self.positions = (
            nn.Linear(8 * features, 32),
            nn.Parameter(torch.zeros(1, 7, 32)),
        )
        self.blocks = nn.Sequential(Block(32, 4, 2), Block(32, 4, 2), nn.LayerNorm(32))
        self.readout = nn.Linear(7 * 32, 3)

    def forward(self, batch: Batch) -> Tensor:
        patches = batch["x"].unfold(1, 8, 4).transpose(2, 3).flatten(2)
        return self.readout(self.blocks(self.embed(patches) + self.positions).flatten(1))


def residual_mlp() -> nn.Module:
    blocks = [nn.Sequential(nn.BatchNorm1d(64), perceptron(64, 128, 64)) for _ in range(2)]
    layers = [Residual(block, nn.Identity()) for block in blocks]
    return OfInputs(nn.Linear(9, 64), *layers, nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 2))


class FTTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight, self.bias, self.first = (
            nn.Parameter(0.3 * torch.rand(1, n, 32)) for n in (9, 9, 1)
        )
        self.norms = nn.ModuleList([nn.LayerNorm(32) for _ in range(4)])
        self.attention = nn.ModuleList(
            [nn.MultiheadAttention(32, 2, batch_first=True) for _ in range(2)]
        )
        self.gated = nn.ModuleList([nn.Linear(32, 64) for _ in range(2)])
        self.narrow = nn.ModuleList([nn.Linear(32, 32) for _ in range(2)])
        self.readout = nn.Linear(32, 2)

    def forward(self, batch: Batch) -> Tensor:
        tokens = batch["x"][..., None] * self.weight + self.bias
        x = torch.cat([self.first.expand(len(tokens), 1, 32), tokens], 1)
        for layer in range(2):
            read = self.norms[0](x) if layer else x
            x = x[:, :1] if layer else x  # in the last layer the first token alone reads
            asks = read[:, : x.shape[1]]
            x = x + self.attention[layer](asks, read, read, need_weights=False)[0]
            a, g = self.gated[layer](self.norms[1 + layer](x)).chunk(2, -1)
            x = x + self.narrow[layer](a * torch.relu(g))
        return self.readout(torch.relu(self.norms[3](x[:, 0])))
